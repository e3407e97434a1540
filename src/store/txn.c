/*
 * Transactions on hot/: gate, epoch, generation; begin, commit, abort.
 *
 * The fast path makes no system call: one compare-and-swap, one clock from the vdso, LMDB's begin
 * and commit, one exchange. Everything unusual is found by comparing words of one cache line and
 * leaves by prepare or join.
 *
 * A transaction that failed once stays failed: every later call on it answers the same code, and
 * commit answers it too, after an abort.
 */
#include "store/internal.h"

#include <sys/stat.h>

#include "base/util.h"

#define LOOK_INTERVAL_NS RATION__NS_PER_S

int ration__store_acquire(struct ration__store *store, int64_t wait_ns)
{
	struct ration__header *header = store->header;
	uint32_t name = atomic_load_explicit(&store->name, memory_order_relaxed);
	bool inherited = false;
	int rc;

	if (!ration__gate_try(&header->gate, name)) {
		const struct ration__gate_self self = {
			.name = &store->name,
			.members_fd =
				atomic_load_explicit(&store->members_fd, memory_order_relaxed),
			.stall = &store->stall,
			.deadline_ns = store->deadline_ns,
		};

		rc = ration__gate_wait(&header->gate, &self, wait_ns, &inherited);
		if (rc != 0)
			return rc;
	}
	name = atomic_load_explicit(&store->name, memory_order_relaxed);
	if (!ration__gate_is(&header->gate, name))
		ration__gate_rename(
			&header->gate, name); /* another thread registered anew meanwhile */
	if (inherited) {
		/* LMDB needs no repair: pages that no meta names are free */
		atomic_store_explicit(&header->suspicion,
			atomic_load_explicit(&header->suspicion, memory_order_relaxed) +
				RATION__SUSPICION_DEATH,
			memory_order_relaxed);
	}
	return 0;
}

void ration__txn_fail(struct ration__store *store, int code)
{
	store->failed = code;
	if (code == RATION_ENOSPC) {
		atomic_store_explicit(&store->full, true, memory_order_relaxed);
		/* records at rest may be all it is full of */
		store->compact = store->packs = true;
	}
}

void ration__txn_damage(struct ration__store *store)
{
	store->failed = RATION_EIO;
	atomic_store_explicit(&store->header->suspect, store->hot_epoch, memory_order_relaxed);
}

static bool is_usual(const struct ration__store *store, int64_t now)
{
	struct ration__header *header = store->header;
	uint64_t epoch = atomic_load_explicit(&header->epoch, memory_order_relaxed);

	return epoch == store->hot_epoch && epoch != 0 && !store->compact &&
	       atomic_load_explicit(&header->suspect, memory_order_relaxed) != epoch &&
	       atomic_load_explicit(&header->suspicion, memory_order_relaxed) <
		       RATION__SUSPICION_MAX &&
	       atomic_load_explicit(&header->last_now_ns, memory_order_relaxed) <=
		       now + RATION__AHEAD_MAX_NS;
}

int ration__txn_open(struct ration__store *store, int64_t now)
{
	struct ration__header *header = store->header;
	int rc;

	atomic_store_explicit(&store->full, false, memory_order_relaxed);
	if (!is_usual(store, now) && (rc = ration__hot_prepare(store, now, false)) != 0)
		return rc;
	store->failed = 0;
	store->buried_count = 0;
	store->wall_ns = 0;
	rc = ration__env_begin(&store->hot, &store->mtxn);
	if (rc != 0) {
		rc = ration__env_error(rc);
		if (rc == RATION_EIO)
			ration__txn_damage(store);
		ration__hot_close(store);
		return rc;
	}
	store->txn.now_ns = ration__max64(
		now, atomic_load_explicit(&header->last_now_ns, memory_order_relaxed));
	store->txn.slot = store->slot;
	store->txn.generation = store->generation;
	store->txn.wipe_ns = atomic_load_explicit(&header->wipe_ns, memory_order_relaxed);
	ration__hot_look(store);
	return 0;
}

/* After an error the handle is gone, and the environment may be too: opened again at the next
 * begin. */
static void drop(struct ration__store *store)
{
	if (store->mtxn)
		ration__env_abort(&store->hot, store->mtxn);
	store->mtxn = NULL;
	store->buried_count = 0;
	if (store->hot.broken)
		ration__hot_close(store);
}

int ration__txn_end(struct ration__store *store)
{
	struct ration__header *header = store->header;
	uint32_t suspicion;
	MDB_txn *mtxn;
	int rc;

	if (!store->failed) {
		rc = ration__sweep_some(store, store->mtxn, store->txn.now_ns);
		if (rc == RATION_EIO)
			ration__txn_damage(store);
		else if (rc != 0)
			ration__txn_fail(store, rc);
	}
	if (store->failed) {
		drop(store);
		return store->failed;
	}
	atomic_store_explicit(&header->last_now_ns, store->txn.now_ns, memory_order_relaxed);
	mtxn = store->mtxn;
	store->mtxn = NULL;
	rc = ration__env_commit(&store->hot, mtxn);
	if (rc != 0) {
		rc = ration__env_error(rc);
		if (rc == RATION_EIO)
			ration__txn_damage(store);
		else
			ration__txn_fail(store, rc);
		ration__hot_close(store);
		store->buried_count = 0;
		return rc;
	}
	if (store->buried_count)
		ration__members_buried(store);
	atomic_store_explicit(&header->commits,
		atomic_load_explicit(&header->commits, memory_order_relaxed) + 1,
		memory_order_relaxed);
	suspicion = atomic_load_explicit(&header->suspicion, memory_order_relaxed);
	if (suspicion)
		atomic_store_explicit(&header->suspicion, suspicion - 1, memory_order_relaxed);
	return 0;
}

/* `rm -rf`, or another store in its place, must not split the fleet unnoticed. */
static bool path_is_ours(struct ration__store *store)
{
	struct stat st;

	return stat(store->gate_path, &st) == 0 && st.st_dev == store->dev &&
	       st.st_ino == store->ino && st.st_nlink > 0;
}

/* Found lost before: it answers again when the directory is put back, as after a `mv`. */
static bool is_lost(struct ration__store *store)
{
	if (!path_is_ours(store))
		return true;
	atomic_store_explicit(&store->lost, false, memory_order_relaxed);
	return false;
}

/* A member that was declared dead registers anew and has its holdings put back. */
static bool is_fenced(const struct ration__store *store)
{
	return store->slot == RATION__SLOT_NONE ||
	       atomic_load_explicit(&store->header->slots[store->slot].generation,
		       memory_order_relaxed) != store->generation;
}

/* Has the gate; lets it go on errors. RATION_EAGAIN: registered anew, begin again. */
static int begin_inside(struct ration__store *store)
{
	int64_t now = ration__clock_now(&store->clock, RATION_CLOCK_STEADY);
	int rc;

	if (is_fenced(store)) {
		atomic_store_explicit(&store->joined, false, memory_order_relaxed);
		rc = RATION_EAGAIN;
		goto out;
	}
	if (now - store->looked_ns >= LOOK_INTERVAL_NS || now < store->looked_ns) {
		store->looked_ns = now;
		if (!path_is_ours(store)) {
			atomic_store_explicit(&store->lost, true, memory_order_relaxed);
			ration__store_note(store, RATION_LOG_ERROR,
				"store %s: was removed or replaced under a running program; it "
				"answers no more until that is undone or the program opens it anew",
				store->path);
			rc = RATION_ESTORE;
			goto out;
		}
	}
	rc = ration__txn_open(store, now);
	if (rc != 0)
		goto out;
	if (store->reassert) {
		rc = store->hooks.reassert ? store->hooks.reassert(store->hooks.arg, &store->txn)
					   : 0;
		if (rc == 0)
			rc = store->failed;
		if (rc != 0) {
			drop(store);
			goto out;
		}
	}
	return 0;

out:
	ration__store_release(store);
	return rc;
}

int ration__store_begin(struct ration__store *store, int64_t wait_ns, struct ration__txn **txn)
{
	int rc;

	if (atomic_load_explicit(&store->forked, memory_order_relaxed))
		return RATION_EFORK;
	if (atomic_load_explicit(&store->lost, memory_order_relaxed) && is_lost(store))
		return RATION_ESTORE;
	for (int round = 0;; round++) {
		if (!atomic_load_explicit(&store->joined, memory_order_relaxed)) {
			if (round > 2)
				return RATION_ESTORE;
			rc = ration__members_join(store, wait_ns, NULL);
			if (rc != 0)
				return rc;
		}
		rc = ration__store_acquire(store, wait_ns);
		if (rc != 0)
			return rc;
		rc = begin_inside(store);
		if (rc == 0) {
			*txn = &store->txn;
			return 0;
		}
		if (atomic_load_explicit(&store->joined, memory_order_relaxed))
			return rc;
	}
}

/* False: this process lost its lock inside (somebody closed its descriptors), was taken for dead,
 * and another may be at work: nothing may be written any more, and the gate is not ours to free. */
static bool still_owner(struct ration__store *store)
{
	return ration__gate_is(&store->header->gate, store->name);
}

int ration__store_commit(struct ration__txn *txn)
{
	struct ration__store *store = txn->store;
	int rc;

	if (store->forked)
		return RATION_EFORK;
	if (!still_owner(store)) {
		ration__txn_damage(store);
		drop(store);
		return RATION_ESTORE;
	}
	rc = ration__txn_end(store);
	if (rc == 0)
		store->reassert = false;
	ration__store_release(store);
	return rc;
}

void ration__store_abort(struct ration__txn *txn)
{
	struct ration__store *store = txn->store;

	if (store->forked)
		return;
	if (!still_owner(store)) {
		ration__txn_damage(store);
		drop(store);
		return;
	}
	drop(store);
	ration__store_release(store);
}

/* A clock that was set back: time goes on at half its speed until the clock has caught up. Never
 * faster than it is, so that no window is shorter than it should be; but a clock that was years
 * ahead for a moment must not stop it for years. */
static int64_t wall_after(const struct ration__header *header, int64_t last_ns, int64_t now_ns)
{
	int64_t seen_ns = atomic_load_explicit(&header->wall_seen_ns, memory_order_relaxed);

	return seen_ns && now_ns > seen_ns ? last_ns + (now_ns - seen_ns) / 2 : last_ns;
}

int64_t ration__txn_wall(struct ration__txn *txn)
{
	struct ration__store *store = txn->store;
	struct ration__header *header = store->header;
	int64_t clock_ns, last_ns;

	if (store->wall_ns)
		return store->wall_ns;
	clock_ns = ration__clock_now(&store->clock, RATION_CLOCK_WALL);
	last_ns = atomic_load_explicit(&header->last_wall_ns, memory_order_relaxed);
	if (clock_ns < last_ns)
		clock_ns = ration__max64(clock_ns, wall_after(header, last_ns, txn->now_ns));
	store->wall_ns = clock_ns;
	atomic_store_explicit(&header->last_wall_ns, clock_ns, memory_order_relaxed);
	atomic_store_explicit(&header->wall_seen_ns, txn->now_ns, memory_order_relaxed);
	return store->wall_ns;
}
