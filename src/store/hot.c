/*
 * hot/: where it lies, making it, opening it, and making it anew.
 *
 *     data-<epoch>   one LMDB file per epoch, allocated in full; the header says which one counts
 *
 *                 damage found, header.suspect = epoch          another boot
 *     epoch n ─────────────────────────────────────────► n + 1 ◄──────────── epoch n
 *        │          wipe_ns = now, at most once a minute    ▲   wipe_ns = 0
 *        └───────── free pages 8 times the used ────────────┘
 *                   live records copied, wipe_ns stays
 *
 * All of it under the gate, in an order in which death at any point is harmless: the new file is
 * complete before the header's epoch names it, what an absent record means (wipe_ns) is stored
 * before that too, and a file of a higher epoch than the header's is a leftover to be made again.
 * Members whose epoch differs reopen; their maps of the old file stay valid until then.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/util.h"

#define HOT_BYTES_DEFAULT (UINT64_C(64) << 20)
#define HOT_BYTES_MIN (UINT64_C(1) << 20)
#define HOT_FLAGS (MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMEMINIT | MDB_NORDAHEAD)
#define FILE_NAME_SIZE 32

static void file_name(char out[FILE_NAME_SIZE], uint64_t epoch)
{
	snprintf(out, FILE_NAME_SIZE, "data-%" PRIu64, epoch);
}

void ration__hot_unlink(struct ration__store *store, uint64_t epoch)
{
	char name[FILE_NAME_SIZE];

	file_name(name, epoch);
	unlinkat(store->hot_dir_fd, name, 0);
}

/* Where pages are copied on write, allocating in full guarantees nothing: a full disk is a SIGBUS.
 */
static bool copies_on_write(int dir_fd)
{
	struct statfs fs;
	unsigned long magic;

	if (fstatfs(dir_fd, &fs) != 0)
		return false;
	magic = (unsigned long)fs.f_type & 0xffffffffu;
	return magic == 0x2fc12fc1 /* ZFS */ || magic == 0xca451a4e /* bcachefs */;
}

/* btrfs can be told not to, as long as the file is empty. Elsewhere this fails, and may. */
static void set_no_copy(int fd)
{
	struct statfs fs;
	int flags;

	if (fstatfs(fd, &fs) != 0 || ((unsigned long)fs.f_type & 0xffffffffu) != BTRFS_SUPER_MAGIC)
		return;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

static int open_elsewhere(struct ration__store *store, const char *path, ration_error **err)
{
	int rc;

	rc = ration__directory_sub(store, AT_FDCWD, path, &store->hot_dir_fd, err);
	if (rc == 0)
		rc = ration__directory_refuse_fs(store->hot_dir_fd, path, err);
	if (rc == 0)
		snprintf(store->hot_path, sizeof(store->hot_path), "%s", path);
	return rc;
}

static int open_inside(struct ration__store *store, ration_error **err)
{
	snprintf(store->hot_path, sizeof(store->hot_path), "%s/hot", store->path);
	return ration__directory_sub(store, store->dir_fd, "hot", &store->hot_dir_fd, err);
}

/* Under the gate. The header rules, so that nobody opens another hot/ than the rest; who comes
 * first decides. */
int ration__hot_locate(struct ration__store *store, ration_error **err)
{
	struct ration__header *header = store->header;
	char path[sizeof(header->hot_path)];
	int rc, length;

	if (store->hot_dir_fd >= 0)
		return 0;
	if (atomic_load_explicit(&header->epoch, memory_order_relaxed) != 0) {
		header->hot_path[sizeof(header->hot_path) - 1] = '\0';
		if (*store->hot_wish && strcmp(store->hot_wish, header->hot_path) != 0)
			ration__store_note(store, RATION_LOG_WARNING,
				"store %s: hot/ stays at %s, where the store was made with it",
				store->path,
				*header->hot_path ? header->hot_path : "its default place");
		return *header->hot_path ? open_elsewhere(store, header->hot_path, err)
					 : open_inside(store, err);
	}
	if (*store->hot_wish) {
		static_assert(sizeof(path) == sizeof(store->hot_wish), "fits");
		memcpy(path, store->hot_wish, sizeof(path));
		rc = open_elsewhere(store, path, err);
	} else if (copies_on_write(store->dir_fd)) {
		/* /dev/shm is open to everybody: directory_sub refuses what another user prepared
		 */
		length = snprintf(path, sizeof(path), "/dev/shm/ration-%llx-%llx",
			(unsigned long long)store->dev, (unsigned long long)store->ino);
		rc = length < 0 ? RATION_ETOOBIG : open_elsewhere(store, path, err);
	} else {
		path[0] = '\0';
		rc = open_inside(store, err);
	}
	if (rc == 0)
		memcpy(header->hot_path, path, strlen(path) + 1);
	return rc;
}

void ration__hot_close(struct ration__store *store)
{
	ration__env_close(&store->hot);
	store->hot_epoch = 0;
}

/* Asked first: a file system would give all it has before it says no, to everybody's harm. */
static bool has_room(struct ration__store *store)
{
	struct statvfs fs;

	return fstatvfs(store->hot_dir_fd, &fs) != 0 ||
	       fs.f_bavail > store->hot_bytes / (fs.f_frsize ? fs.f_frsize : 1);
}

static int allocate(struct ration__store *store, const char *name)
{
	int rc, fd = openat(store->hot_dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno;
	rc = posix_fallocate(fd, 0, (off_t)store->hot_bytes);
	close(fd);
	return rc;
}

/* A directory that was deleted is looked for again where the header says: somebody may have made it
 * anew, and what is made in the deleted one nobody else would find. */
static int find_directory(struct ration__store *store)
{
	struct stat st;

	if (fstat(store->hot_dir_fd, &st) == 0 && st.st_nlink > 0)
		return 0;
	close(store->hot_dir_fd);
	store->hot_dir_fd = -1;
	return ration__hot_locate(store, NULL);
}

/* A new, empty, fully allocated file of this epoch, opened as env. */
int ration__hot_make(struct ration__store *store, uint64_t epoch, struct ration__env *env)
{
	mode_t mode = ration__store_mode(store);
	char name[FILE_NAME_SIZE], path[sizeof(store->hot_path) + FILE_NAME_SIZE];
	int rc, fd;

	file_name(name, epoch);
	rc = find_directory(store);
	if (rc != 0)
		return rc;
	snprintf(path, sizeof(path), "%s/%s", store->hot_path, name);
	ration__hot_unlink(store, epoch);
	if (!has_room(store))
		return RATION_ENOSPC;
	fd = openat(store->hot_dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return ration__errno_code(errno);
	set_no_copy(fd);
	/* LMDB wants an empty file to begin with: blocks now, size when it asks */
	rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)store->hot_bytes) == 0 ? 0 : errno;
	if (rc == EOPNOTSUPP)
		rc = 0;
	if (rc == 0 && store->shared &&
		(fchown(fd, (uid_t)-1, store->gid) != 0 || fchmod(fd, mode) != 0))
		rc = errno;
	close(fd);
	if (rc != 0) {
		rc = ration__errno_code(rc);
		goto unmade;
	}
	rc = ration__env_open(env, path, HOT_FLAGS, store->hot_bytes, mode, epoch, true);
	if (rc == 0 && (rc = allocate(store, name)) != 0)
		ration__env_close(env);
	if (rc == 0)
		return 0;
	rc = ration__env_error(rc);
unmade:
	ration__hot_unlink(store, epoch);
	return rc;
}

/* The file that the header names. RATION_EIO: damaged or gone. */
static int open_current(struct ration__store *store, uint64_t epoch)
{
	char name[FILE_NAME_SIZE], path[sizeof(store->hot_path) + FILE_NAME_SIZE];
	struct stat st;
	int rc;

	file_name(name, epoch);
	if (fstatat(store->hot_dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? RATION_EIO : ration__errno_code(errno);
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)HOT_BYTES_MIN)
		return RATION_EIO;
	snprintf(path, sizeof(path), "%s/%s", store->hot_path, name);
	/* the file's size rules, not this member's settings: LMDB would stretch it, unallocated */
	rc = ration__env_open(&store->hot, path, HOT_FLAGS, (size_t)st.st_size,
		ration__store_mode(store), epoch, false);
	if (rc == 0)
		store->hot_epoch = epoch;
	return ration__env_error(rc);
}

uint64_t ration__hot_size(uint64_t bytes)
{
	if (bytes == 0)
		bytes = HOT_BYTES_DEFAULT;
	bytes = (bytes + 65535) & ~UINT64_C(65535);
	return bytes < HOT_BYTES_MIN ? HOT_BYTES_MIN : bytes;
}

/* Puts an empty hot/ of the next epoch in place of what there is. */
static int renew(struct ration__store *store, int64_t wipe_ns, int64_t last_wipe_ns)
{
	struct ration__header *header = store->header;
	uint64_t epoch = atomic_load_explicit(&header->epoch, memory_order_relaxed);
	int rc;

	ration__hot_close(store);
	rc = ration__hot_make(store, epoch + 1, &store->hot);
	if (rc == RATION_ENOSPC && epoch != 0) {
		/* no room for both: without the old one, what is lost is lost anyway */
		ration__hot_unlink(store, epoch);
		rc = ration__hot_make(store, epoch + 1, &store->hot);
	}
	if (rc != 0)
		return rc;
	atomic_store_explicit(&header->wipe_ns, wipe_ns, memory_order_relaxed);
	atomic_store_explicit(&header->epoch, epoch + 1, memory_order_release);
	atomic_store_explicit(&header->last_wipe_ns, last_wipe_ns, memory_order_relaxed);
	atomic_store_explicit(&header->suspicion, 0, memory_order_relaxed);
	store->hot_epoch = epoch + 1;
	ration__hot_unlink(store, epoch);
	return 0;
}

static int wipe(struct ration__store *store, int64_t now, const char *why)
{
	struct ration__header *header = store->header;
	int64_t last = atomic_load_explicit(&header->last_wipe_ns, memory_order_relaxed);
	int rc;

	if (last != 0 && now - last < RATION__WIPE_INTERVAL_NS && now >= last)
		return RATION_ESTORE;
	rc = renew(store, now, now);
	if (rc == 0)
		ration__store_note(store, RATION_LOG_WARNING,
			"store %s: %s; made anew, unused allowances start empty", store->path, why);
	else
		ration__store_note(store, RATION_LOG_ERROR, "store %s: %s; cannot make it anew: %s",
			store->path, why, ration_strerror(rc));
	return rc;
}

/* Under the gate, before a transaction: afterwards store->hot is the epoch of the header. */
int ration__hot_prepare(struct ration__store *store, int64_t now, bool reboot)
{
	struct ration__header *header = store->header;
	uint64_t epoch = atomic_load_explicit(&header->epoch, memory_order_relaxed);
	int64_t last_now = atomic_load_explicit(&header->last_now_ns, memory_order_relaxed);
	uint64_t before = store->hot_epoch;
	int rc = 0;

	if (epoch == 0 || reboot) {
		rc = renew(store, 0, 0);
		if (rc == 0 && reboot)
			ration__header_reboot(store);
		return rc;
	}
	if (!ration__clock_injected(&store->clock) && last_now > now + RATION__AHEAD_MAX_NS) {
		rc = wipe(store, now, "its clock stamp lies ahead");
		if (rc == 0)
			atomic_store_explicit(&header->last_now_ns, now, memory_order_relaxed);
	} else if (atomic_load_explicit(&header->suspect, memory_order_relaxed) == epoch) {
		rc = wipe(store, now, "hot/ is damaged");
	} else if (atomic_load_explicit(&header->suspicion, memory_order_relaxed) >=
		   RATION__SUSPICION_MAX) {
		rc = wipe(store, now, "its members die inside transactions");
	} else if (store->hot_epoch != epoch) {
		ration__hot_close(store);
		rc = find_directory(store);
		if (rc == 0)
			rc = open_current(store, epoch);
		if (rc == RATION_EIO)
			rc = wipe(store, now, "hot/ is damaged or gone");
	} else if (!store->compact) {
		return 0;
	}
	if (rc == 0 && store->hot_epoch != before)
		store->reassert = true;
	return rc == 0 && store->compact ? ration__hot_compact(store, now) : rc;
}
