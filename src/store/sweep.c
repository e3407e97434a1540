/*
 * The sweep: deletes records at rest, a few at each of some commits, going round by key. Every
 * record begins with the time from which it is the same as absent, so no policy is asked.
 *
 * The interval adapts: a look that found its fill comes again at the next commit (deleting keeps
 * ahead of creating, eight to one), one that found nothing doubles it, so that it costs a few
 * nanoseconds a commit where nothing rests. While records grow in number it stays short: four are
 * looked at for each that is made, so a round ends before a third of what it began with was added.
 *
 * When hot/ is full the guard asks for more of it at once (ration__txn_sweep).
 */
#include "store/internal.h"

#include <string.h>

#define LOOK_MAX 32
#define DELETE_MAX 8
#define FULL_LOOK_MAX 32768 /* some milliseconds, while the fleet goes on without the store */
#define FULL_DELETE_MAX 2048
#define INTERVAL_MIN 4
#define INTERVAL_GROWING 8
#define INTERVAL_MAX 64

struct most {
	unsigned look, deletions;
};

static int sweep_from(struct ration__store *store, MDB_cursor *cursor, int64_t now,
	struct most most, unsigned *deleted)
{
	struct ration__sweep *sweep = &store->sweep;
	MDB_val key = {.mv_size = sweep->key_length, .mv_data = sweep->key}, value;
	int64_t rest_at;
	size_t length;
	int rc, loaded;

	rc = ration__env_seek(
		&store->hot, cursor, &key, &value, sweep->key_length ? MDB_SET_RANGE : MDB_FIRST);
	for (unsigned n = 0; rc == 0; n++) {
		loaded = ration__key_load(&key, &length);
		if (loaded != RATION_EEMPTY) { /* not the marker */
			if (loaded != 0 || ration__record_rest(&store->hot, &value, &rest_at) != 0)
				return MDB_CORRUPTED;
			if (n >= most.look || *deleted == most.deletions) {
				memcpy(sweep->key, key.mv_data, key.mv_size);
				sweep->key_length = key.mv_size;
				return 0;
			}
			if (rest_at <= now) {
				if (ration__record_check(&store->hot, &key, &value, &rest_at) != 0)
					return MDB_CORRUPTED;
				rc = ration__env_cursor_del(&store->hot, cursor);
				if (rc != 0)
					return rc;
				++*deleted;
				/* the cursor stands on the next one now, or behind the page's end,
				 * and MDB_NEXT knows */
			}
		}
		rc = ration__env_seek(&store->hot, cursor, &key, &value, MDB_NEXT);
	}
	sweep->key_length = 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static void set_interval(struct ration__store *store, MDB_txn *txn, unsigned deleted)
{
	struct ration__sweep *sweep = &store->sweep;
	bool growing = false;
	uint32_t most;
	MDB_stat stat;

	if (mdb_stat(txn, store->hot.dbi, &stat) == 0) {
		if (sweep->key_length == 0) /* a round ended */
			sweep->entries = stat.ms_entries;
		growing = stat.ms_entries > sweep->entries + sweep->entries / 16 + LOOK_MAX;
	}
	most = growing ? INTERVAL_GROWING : INTERVAL_MAX;
	if (deleted == DELETE_MAX)
		sweep->interval = 0;
	else if (deleted > 0 || sweep->interval < INTERVAL_MIN)
		sweep->interval = INTERVAL_MIN;
	else
		sweep->interval = sweep->interval * 2 < most ? sweep->interval * 2 : most;
	sweep->left = sweep->interval;
}

/* Before a commit. 0 or a code of ours. */
int ration__sweep_some(struct ration__store *store, MDB_txn *txn, int64_t now)
{
	const struct most most = {LOOK_MAX, DELETE_MAX};
	struct ration__sweep *sweep = &store->sweep;
	unsigned deleted = 0;
	MDB_cursor *cursor;
	int rc;

	if (sweep->left > 0) {
		sweep->left--;
		return 0;
	}
	rc = ration__env_cursor(&store->hot, txn, &cursor);
	if (rc == 0) {
		rc = sweep_from(store, cursor, now, most, &deleted);
		mdb_cursor_close(cursor);
	}
	set_interval(store, txn, deleted);
	return ration__env_error(rc);
}

int ration__txn_sweep(struct ration__txn *txn)
{
	const struct most most = {FULL_LOOK_MAX, FULL_DELETE_MAX};
	struct ration__store *store = txn->store;
	unsigned deleted = 0;
	MDB_cursor *cursor;
	int rc;

	if (store->failed)
		return store->failed;
	rc = ration__env_cursor(&store->hot, store->mtxn, &cursor);
	if (rc == 0) {
		rc = sweep_from(store, cursor, txn->now_ns, most, &deleted);
		mdb_cursor_close(cursor);
	}
	if (rc == 0)
		return (int)deleted;
	rc = ration__env_error(rc);
	if (rc == RATION_EIO)
		ration__txn_damage(store);
	else
		ration__txn_fail(store, rc);
	return rc;
}
