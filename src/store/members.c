/*
 * Members: slots, their locks and generations, joining and burying.
 *
 *     members   bytes 0..1023: slots, each locked (OFD) by its member for its life
 *               bytes 1024..1039: registrars, locked by who is about to become a member
 *
 * Liveness is the lock: the kernel drops it when the last descriptor of the process goes, after its
 * last thread wrote its last byte. Slots change hands only under the gate. A newcomer has no slot
 * to sign the gate's word with, so it signs as a registrar.
 *
 *              join: lock had, generation + 1                 leave, or bury by another
 *     free ──────────────────────────────────────► used ─────────────────────────────────► free
 *                                                  (lock held: alive; else: dead)  generation + 1
 *
 * The dead are buried before a newcomer's first transaction, and later when the guard asks.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

static int lock_byte(int fd, unsigned id, short type)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)id, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

int ration__members_open(struct ration__store *store, ration_error **err)
{
	mode_t mode = ration__store_mode(store);
	struct stat st;
	int fd;

	fd = openat(store->dir_fd, "members", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0 || fstat(fd, &st) != 0)
		goto unusable;
	if (store->shared && st.st_uid == geteuid() &&
		(fchown(fd, (uid_t)-1, store->gid) != 0 || fchmod(fd, mode) != 0))
		goto unusable;
	store->members_ino = st.st_ino;
	store->members_fd = fd;
	return 0;

unusable:
	if (fd >= 0)
		close(fd);
	return ration__error_set(err, ration__errno_code(errno),
		"store %s: cannot open members: %s", store->path, strerror(errno));
}

/* Somebody may have closed our descriptor (that is how a living member is taken for dead), and the
 * number may be another file's by now. */
static int check_descriptor(struct ration__store *store, ration_error **err)
{
	struct stat st;

	if (store->members_fd >= 0 && fstat(store->members_fd, &st) == 0 &&
		st.st_dev == store->dev && st.st_ino == store->members_ino)
		return 0;
	return ration__members_open(store, err);
}

static int take_registrar(struct ration__store *store, int64_t wait_ns, unsigned *id)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int64_t limit = wait_ns < 0 ? store->deadline_ns : wait_ns;

	for (int64_t waited = 0;; waited += pause.tv_nsec) {
		for (unsigned i = 0; i < RATION__REGISTRARS; i++) {
			if (lock_byte(store->members_fd, RATION__SLOTS_MAX + i, F_WRLCK) == 0) {
				*id = RATION__SLOTS_MAX + i;
				return 0;
			}
		}
		if (waited >= limit)
			return wait_ns < 0 ? RATION_ESTORE : RATION_EAGAIN;
		nanosleep(&pause, NULL);
	}
}

static bool in_burial(const struct ration__store *store, uint16_t slot)
{
	for (unsigned i = 0; i < store->buried_count; i++)
		if (store->buried[i] == slot)
			return true;
	return false;
}

bool ration__txn_bury_if_dead(struct ration__txn *txn, uint16_t slot)
{
	struct ration__store *store = txn->store;
	uint32_t generation;
	int rc = 0;

	if (store->failed || slot >= RATION__SLOTS_MAX || slot == store->slot)
		return false;
	if (in_burial(store, slot))
		return true;
	if (store->buried_count == RATION__BURIED_MAX ||
		ration__byte_locked(store->members_fd, slot))
		return false;
	generation =
		atomic_load_explicit(&store->header->slots[slot].generation, memory_order_relaxed);
	if (store->hooks.bury)
		rc = store->hooks.bury(store->hooks.arg, txn, slot, generation);
	if (rc != 0 && !store->failed)
		ration__txn_fail(store, rc);
	if (store->failed)
		return false;
	store->buried[store->buried_count++] = slot;
	return true;
}

bool ration__txn_member_gone(struct ration__txn *txn, uint16_t slot, uint32_t generation)
{
	struct ration__store *store = txn->store;

	if (slot >= RATION__SLOTS_MAX)
		return false;
	return atomic_load_explicit(&store->header->slots[slot].generation, memory_order_relaxed) !=
		       generation ||
	       ration__txn_bury_if_dead(txn, slot);
}

/* The burial is committed: only now the slot is free. A death in between repeats the burial. */
void ration__members_buried(struct ration__store *store)
{
	for (unsigned i = 0; i < store->buried_count; i++) {
		struct ration__slot *slot = &store->header->slots[store->buried[i]];

		if (!atomic_load_explicit(&slot->used, memory_order_relaxed))
			continue;
		atomic_fetch_add_explicit(&slot->generation, 1, memory_order_relaxed);
		atomic_store_explicit(&slot->used, 0, memory_order_release);
	}
	store->buried_count = 0;
}

/* Up to a transaction's worth. *more: there may be others. */
static int bury_some(struct ration__store *store, int64_t now, bool *more)
{
	int rc = ration__txn_open(store, now);

	if (rc != 0)
		return rc;
	for (uint16_t i = 0; i < RATION__SLOTS_MAX && !store->failed; i++)
		if (atomic_load_explicit(&store->header->slots[i].used, memory_order_relaxed))
			ration__txn_bury_if_dead(&store->txn, i);
	*more = store->buried_count == RATION__BURIED_MAX;
	return ration__txn_end(store);
}

static int take_slot(struct ration__store *store)
{
	for (uint16_t i = 0; i < RATION__SLOTS_MAX; i++) {
		struct ration__slot *slot = &store->header->slots[i];

		if (atomic_load_explicit(&slot->used, memory_order_relaxed) ||
			lock_byte(store->members_fd, i, F_WRLCK) != 0)
			continue; /* not used but locked: its member is about to close */
		store->slot = i;
		store->generation =
			atomic_fetch_add_explicit(&slot->generation, 1, memory_order_relaxed) + 1;
		atomic_store_explicit(&slot->word, 0, memory_order_relaxed);
		atomic_store_explicit(&slot->pid, getpid(), memory_order_relaxed);
		atomic_store_explicit(&slot->since_wall_ns,
			ration__clock_now(&store->clock, RATION_CLOCK_WALL), memory_order_relaxed);
		memset(slot->name, 0, sizeof(slot->name));
		strncpy(slot->name, program_invocation_short_name, sizeof(slot->name) - 1);
		atomic_store_explicit(&slot->used, 1, memory_order_release);
		return 0;
	}
	return RATION_EMEMBERS;
}

/* Under the gate, signed as a registrar; afterwards as the slot. */
static int join_inside(struct ration__store *store, ration_error **err)
{
	int64_t now = ration__clock_now(&store->clock, RATION_CLOCK_STEADY);
	bool reboot, more = true;
	int rc;

	store->slot = RATION__SLOT_NONE;
	rc = ration__header_admit(store, now, &reboot, err);
	if (rc == 0)
		rc = ration__hot_locate(store, err);
	if (rc != 0)
		return rc;
	if (reboot)
		rc = ration__hot_prepare(store, now, true);
	while (rc == 0 && more)
		rc = bury_some(store, now, &more);
	if (rc == RATION_ENOSPC &&
		store->full) /* hot/ is packed at the second try; else the dead are buried later */
		rc = bury_some(store, now, &more);
	if (rc == RATION_ENOSPC && store->full)
		rc = 0;
	if (rc != 0)
		return ration__error_set(err, rc, "store %s: hot/ at %s: %s", store->path,
			store->hot_path, ration_strerror(rc));
	rc = take_slot(store);
	if (rc != 0)
		return ration__error_set(err, rc, "store %s: %d members use it already",
			store->path, RATION__SLOTS_MAX);
	store->name = ration__gate_name(store->slot, store->generation);
	ration__gate_rename(&store->header->gate, store->name);
	/* hot/ opened just now is no loss to who holds nothing yet */
	store->reassert = store->opened;
	return 0;
}

static int join_as(
	struct ration__store *store, unsigned registrar, int64_t wait_ns, ration_error **err)
{
	struct timespec ts;
	int rc;

	/* A generation that no other registrar of this byte had: an address and the time will do.
	 */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	store->name = ration__gate_name(
		registrar, (uint32_t)(ts.tv_nsec ^ ts.tv_sec ^ ((uintptr_t)store >> 4)));
	rc = ration__store_acquire(store, wait_ns);
	if (rc == RATION_ESTORE)
		ration__error_set(err, rc,
			"store %s: a member holds its gate and does not move (stopped?); waited "
			"%lld ms",
			store->path, (long long)(store->deadline_ns / RATION__NS_PER_MS));
	if (rc != 0)
		return rc;
	rc = join_inside(store, err);
	ration__store_release(store);
	return rc;
}

int ration__members_join(struct ration__store *store, int64_t wait_ns, ration_error **err)
{
	unsigned registrar;
	int rc;

	if (wait_ns < 0)
		pthread_mutex_lock(&store->join_mutex);
	else if (pthread_mutex_trylock(&store->join_mutex) != 0)
		return RATION_EAGAIN; /* another thread is at it */
	rc = 0;
	if (store->joined)
		goto out;
	rc = check_descriptor(store, err);
	if (rc != 0)
		goto out;
	rc = take_registrar(store, wait_ns, &registrar);
	if (rc != 0)
		goto out;
	rc = join_as(store, registrar, wait_ns, err);
	if (rc == 0) {
		ration__wake_join(store, registrar - RATION__SLOTS_MAX);
		store->joined = true;
	}
	lock_byte(store->members_fd, registrar, F_UNLCK);
out:
	pthread_mutex_unlock(&store->join_mutex);
	return rc;
}

/* Buries itself. When the gate is not to be had, somebody else will. */
void ration__members_leave(struct ration__store *store)
{
	struct ration__txn *txn;
	int rc = 0;

	if (!store->joined || ration__store_begin(store, -1, &txn) != 0)
		return;
	if (store->hooks.bury)
		rc = store->hooks.bury(store->hooks.arg, txn, store->slot, store->generation);
	if (rc == 0 && !store->failed)
		store->buried[store->buried_count++] = store->slot;
	else if (rc != 0)
		ration__txn_fail(store, rc);
	ration__store_commit(txn);
}

size_t ration__store_members(struct ration__store *store, struct ration__member *out, size_t max)
{
	size_t count = 0;

	if (store->forked)
		return 0;
	for (uint16_t i = 0; i < RATION__SLOTS_MAX; i++) {
		struct ration__slot *slot = &store->header->slots[i];

		if (!atomic_load_explicit(&slot->used, memory_order_acquire))
			continue;
		if (count < max) {
			struct ration__member *member = &out[count];

			member->slot = i;
			member->generation = slot->generation;
			member->alive = (store->joined && i == store->slot) ||
					ration__byte_locked(store->members_fd, i);
			member->pid = slot->pid;
			member->since_wall_ns = slot->since_wall_ns;
			memcpy(member->name, slot->name, sizeof(member->name));
			member->name[sizeof(member->name) - 1] = '\0';
		}
		count++;
	}
	return count;
}

static size_t count_live(struct ration__store *store, unsigned end)
{
	size_t live = 0;

	if (store->forked)
		return 0;
	for (unsigned i = 0; i < end; i++)
		if (i != store->slot &&
			atomic_load_explicit(&store->header->slots[i].used, memory_order_relaxed) &&
			ration__byte_locked(store->members_fd, i))
			live++;
	return live;
}

size_t ration__store_live(struct ration__store *store)
{
	return count_live(store, RATION__SLOTS_MAX) + 1;
}

size_t ration__store_rank(struct ration__store *store)
{
	/* without a slot: after all who have one */
	return count_live(
		store, store->slot == RATION__SLOT_NONE ? RATION__SLOTS_MAX : store->slot);
}
