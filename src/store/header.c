/*
 * Making, mapping and checking the gate file, and what of it a new boot makes void.
 *
 * The maker holds an OFD lock on the file while it writes and stores `magic` last: when it dies the
 * kernel drops the lock, and the next one finds no magic and begins anew. The file is never
 * replaced: members compare its inode with the path's.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/util.h"

#define MAKE_WAIT_MS 5000

static void abi_text(char out[static sizeof(((struct ration__header *)0)->abi)])
{
	const union {
		uint16_t number;
		uint8_t bytes[2];
	} order = {.number = 1};

	memset(out, 0, sizeof(((struct ration__header *)0)->abi));
	snprintf(out, sizeof(((struct ration__header *)0)->abi),
		"pointers of %zu bits, pages of %ld bytes, %s endian, LMDB %d.%d, header of %zu "
		"bytes",
		sizeof(void *) * CHAR_BIT, sysconf(_SC_PAGESIZE), order.bytes[0] ? "little" : "big",
		MDB_VERSION_MAJOR, MDB_VERSION_MINOR, sizeof(struct ration__header));
}

static uint64_t stamp_sum(const struct ration__header *header)
{
	return ration__hash64(header->abi, sizeof(header->abi)) ^
	       ((uint64_t)header->schema << 32 | header->clock_kind);
}

void ration__boot_id(char out[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	memset(out, 0, 40);
	if (fd < 0)
		return; /* no /proc: all members agree on "unknown" */
	got = read(fd, out, 36);
	close(fd);
	if (got != 36)
		memset(out, 0, 40);
}

uint64_t ration__time_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/time", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static uint32_t clock_kind(const struct ration__store *store)
{
	return ration__clock_injected(&store->clock) ? RATION__CLOCK_INJECTED
						     : RATION__CLOCK_SYSTEM;
}

static int lock_file(struct ration__store *store, int fd, ration_error **err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
	const struct timespec pause = {.tv_nsec = 2000000};

	for (int waited = 0; fcntl(fd, F_OFD_SETLK, &lock) != 0; waited += 2) {
		if (errno != EAGAIN && errno != EACCES)
			return ration__error_set(err, ration__errno_code(errno),
				"store %s: lock: %s", store->path, strerror(errno));
		if (waited >= MAKE_WAIT_MS)
			return ration__error_set(err, RATION_ESTORE,
				"store %s: another process has been making it for %d s",
				store->path, MAKE_WAIT_MS / 1000);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int map_file(struct ration__store *store, int fd, struct ration__header **header)
{
	void *map = mmap(NULL, sizeof(**header), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return RATION_ENOMEM;
	if (madvise(map, sizeof(**header), MADV_DONTFORK) != 0) {
		munmap(map, sizeof(**header));
		return RATION_ESYSTEM;
	}
	*header = map;
	return 0;
}

static int make(struct ration__store *store, int fd, ration_error **err)
{
	struct ration__header *header;
	int rc;

	/* to nothing and back: what a maker that died wrote is gone. In full, or a full disk would
	 * be a SIGBUS later. */
	rc = ftruncate(fd, 0) == 0 ? posix_fallocate(fd, 0, sizeof(*header)) : errno;
	if (rc != 0)
		return ration__error_set(err, ration__errno_code(rc),
			"store %s: cannot make gate: %s", store->path, strerror(rc));
	rc = map_file(store, fd, &header);
	if (rc != 0)
		return ration__error_set(
			err, rc, "store %s: cannot map gate: %s", store->path, strerror(errno));
	header->schema = RATION__STORE_SCHEMA;
	header->clock_kind = clock_kind(store);
	abi_text(header->abi);
	header->stamp_sum = stamp_sum(header);
	header->time_namespace = ration__time_namespace();
	ration__boot_id(header->boot_id);
	if (msync(header, sizeof(*header), MS_SYNC) != 0 && errno != EINVAL) {
		rc = ration__error_set(
			err, RATION_EIO, "store %s: gate: %s", store->path, strerror(errno));
		munmap(header, sizeof(*header));
		return rc;
	}
	/* release: pairs with the acquire in check */
	atomic_store_explicit(&header->magic, RATION__STORE_MAGIC, memory_order_release);
	munmap(header, sizeof(*header));
	return 0;
}

/* 0; RATION_EEMPTY: not made yet, or its maker died; or why this program cannot use it. */
static int check(struct ration__store *store, int fd, ration_error **err)
{
	struct {
		_Atomic uint64_t magic;
		uint32_t schema, clock_kind;
		uint64_t stamp_sum;
		char abi[sizeof(((struct ration__header *)0)->abi)];
	} stamps;
	char abi[sizeof(stamps.abi)];
	struct stat st;
	uint64_t magic;
	ssize_t got;

	static_assert(sizeof(stamps) == offsetof(struct ration__header, gate), "the stamps' copy");
	got = pread(fd, &stamps, sizeof(stamps), 0);
	if (got < 0 || fstat(fd, &st) != 0)
		return ration__error_set(err, RATION_EIO, "store %s: cannot read gate: %s",
			store->path, strerror(errno));
	magic = got < (ssize_t)sizeof(magic) ? 0 : stamps.magic;
	if (magic == 0)
		return RATION_EEMPTY;
	if (magic != RATION__STORE_MAGIC || got < (ssize_t)sizeof(stamps))
		return ration__error_set(err, RATION_ESCHEMA,
			"store %s: its gate file is not a store's; choose another directory",
			store->path);
	if (stamps.schema != RATION__STORE_SCHEMA)
		return ration__error_set(err, RATION_ESCHEMA,
			"store %s: has layout %u, this program knows layout %d; use programs of "
			"one version on one store, or remove it while none of them runs",
			store->path, (unsigned)stamps.schema, RATION__STORE_SCHEMA);
	stamps.abi[sizeof(stamps.abi) - 1] = '\0';
	abi_text(abi);
	if (strcmp(abi, stamps.abi) != 0)
		return ration__error_set(err, RATION_EABI,
			"store %s: was made by a program with %s; this one has %s; programs of "
			"both kinds cannot share a store",
			store->path, stamps.abi, abi);
	if (stamps.stamp_sum != (ration__hash64(stamps.abi, sizeof(stamps.abi)) ^
					((uint64_t)stamps.schema << 32 | stamps.clock_kind)) ||
		st.st_size < (off_t)sizeof(struct ration__header))
		return ration__error_set(err, RATION_EIO,
			"store %s: its gate file is damaged; remove the store while no program "
			"uses it",
			store->path);
	if (stamps.clock_kind != clock_kind(store))
		return ration__error_set(err, RATION_ECLOCK,
			"store %s: was made with %s, this program runs on %s; use a store of its "
			"own",
			store->path,
			stamps.clock_kind == RATION__CLOCK_SYSTEM ? "the system's clock"
								  : "an injected clock",
			clock_kind(store) == RATION__CLOCK_SYSTEM ? "the system's"
								  : "an injected one");
	return 0;
}

static int open_file(struct ration__store *store, bool must_exist, int *out, ration_error **err)
{
	mode_t mode = ration__store_mode(store);
	int fd = openat(store->dir_fd, "gate", O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT) {
		if (must_exist)
			return ration__error_set(err, RATION_ENOSTORE,
				"store %s: there is no store in this directory", store->path);
		fd = openat(store->dir_fd, "gate", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd >= 0 && store->shared &&
			(fchown(fd, (uid_t)-1, store->gid) != 0 || fchmod(fd, mode) != 0) &&
			errno != EPERM) { /* another member of the group was faster */
			close(fd);
			fd = -1;
		}
	}
	if (fd < 0)
		return ration__error_set(err, ration__errno_code(errno),
			"store %s: cannot open gate: %s", store->path, strerror(errno));
	*out = fd;
	return 0;
}

int ration__header_open(struct ration__store *store, const struct ration__store_options *options,
	ration_error **err)
{
	struct ration__header *header;
	struct stat st;
	int rc, fd = -1;

	rc = open_file(store, options->must_exist, &fd, err);
	if (rc != 0)
		return rc;
	rc = check(store, fd, err);
	if (rc == RATION_EEMPTY) {
		rc = lock_file(store, fd, err);
		if (rc == 0)
			rc = check(store, fd, err); /* made by another meanwhile? */
		if (rc == RATION_EEMPTY)
			rc = make(store, fd, err);
		if (rc == 0) {
			struct flock lock = {
				.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};

			fcntl(fd, F_OFD_SETLK, &lock);
			rc = check(store, fd, err);
		}
	}
	if (rc != 0)
		goto refused;
	rc = map_file(store, fd, &header);
	if (rc != 0 || fstat(fd, &st) != 0) {
		rc = ration__error_set(err, rc ? rc : RATION_ESYSTEM,
			"store %s: cannot map gate: %s", store->path, strerror(errno));
		goto refused;
	}
	store->gate_fd = fd;
	store->header = header;
	store->dev = st.st_dev;
	store->ino = st.st_ino;
	return 0;

refused:
	close(fd);
	return rc;
}

void ration__header_close(struct ration__store *store)
{
	if (store->header)
		munmap(store->header, sizeof(*store->header));
	store->header = NULL;
	if (store->gate_fd >= 0)
		close(store->gate_fd);
	store->gate_fd = -1;
}

static bool others_alive(const struct ration__store *store)
{
	/* all slots in one question; our own locks do not answer it */
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = RATION__SLOTS_MAX};

	return fcntl(store->members_fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

int ration__header_admit(struct ration__store *store, int64_t now, bool *reboot, ration_error **err)
{
	struct ration__header *header = store->header;
	uint64_t ns = ration__time_namespace();
	int64_t last = atomic_load_explicit(&header->last_now_ns, memory_order_relaxed);
	char boot[40];

	ration__boot_id(boot);
	*reboot = memcmp(boot, header->boot_id, sizeof(boot)) != 0;
	if (*reboot) {
		if (!others_alive(store))
			return 0;
		return ration__error_set(err, RATION_EKERNEL,
			"store %s: in use by programs under another kernel; each host needs a "
			"store of its own, on a local disk",
			store->path);
	}
	if (ration__clock_injected(&store->clock))
		return 0;
	if (ns && header->time_namespace && ns != header->time_namespace)
		return ration__error_set(err, RATION_ECLOCK,
			"store %s: its members are in time namespace %llu, this process in %llu; "
			"run them in the same one",
			store->path, (unsigned long long)header->time_namespace,
			(unsigned long long)ns);
	/* Nobody alive could have written a clock from the future, so it is damage: see hot.c. */
	if (last > now + RATION__AHEAD_MAX_NS && others_alive(store))
		return ration__error_set(err, RATION_ECLOCK,
			"store %s: this process' clock (CLOCK_BOOTTIME) is %lld s behind its "
			"members'",
			store->path, (long long)((last - now) / RATION__NS_PER_S));
	return 0;
}

/* Voids everything that the boot before left, after a new hot/ was made. Nobody else is a member.
 * The boot id comes last: a death on the way repeats all of it. */
void ration__header_reboot(struct ration__store *store)
{
	struct ration__header *header = store->header;

	header->last_wipe_ns = 0;
	header->last_now_ns = 0;
	header->last_wall_ns = 0;
	header->wall_seen_ns = 0;
	header->suspicion = 0;
	header->suspect = 0;
	header->time_namespace = ration__time_namespace();
	for (unsigned i = 0; i < RATION__STORE_WORDS; i++)
		header->words[i] = 0;
	for (unsigned i = 0; i < RATION__SLOTS_MAX; i++) {
		struct ration__slot *slot = &header->slots[i];

		if (slot->used)
			slot->generation++;
		slot->word = 0;
		slot->used = 0;
	}
	memset(header->areas, 0, sizeof(header->areas));
	ration__boot_id(header->boot_id);
}
