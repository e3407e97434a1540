/*
 * Compaction: pages freed stay in LMDB's file, and its free list is read again by each transaction,
 * so ten keys after a million would stay slow. When the free pages outweigh the used eightfold, the
 * live records move to a new file of the next epoch. Nothing is lost, so wipe_ns stays.
 *
 * Bounded: the fleet waits meanwhile. Too many records, or too long: tried again later.
 *
 * It also helps a hot/ that is full: of records at rest, or of pages half empty; and when this
 * member's settings have a larger hot_size than the file is, the new file has that.
 */
#include "store/internal.h"

#include <string.h>
#include <time.h>

#include "base/util.h"

#define RECORDS_MAX 100000
#define TIME_MAX_NS (100 * RATION__NS_PER_MS)
#define TIME_MAX_FULL_NS RATION__NS_PER_S /* the fleet goes on without it */
#define LOOK_EVERY 256
#define ROOM_PART 8 /* so much of hot/ is free when there is room again */
#define FREE_FACTOR 8
#define PAGES_MIN 64 /* below 256 KiB the free list costs little */
#define RETRY_NS (10 * RATION__NS_PER_S)

/* After a begin; sets store->compact. Two structures are copied from memory: cheap. */
void ration__hot_look(struct ration__store *store)
{
	MDB_envinfo info;
	MDB_stat stat;
	size_t used;

	if (store->until_info-- != 0)
		return;
	store->until_info = LOOK_EVERY - 1;
	if (mdb_env_info(store->hot.env, &info) != 0 ||
		mdb_stat(store->mtxn, store->hot.dbi, &stat) != 0)
		return;
	used = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages + 2;
	store->compact = info.me_last_pgno > PAGES_MIN &&
			 info.me_last_pgno / (FREE_FACTOR + 1) > used &&
			 stat.ms_entries <= RECORDS_MAX;
}

void ration__txn_usage(
	struct ration__txn *txn, uint64_t *used_bytes, uint64_t *file_bytes, uint64_t *records)
{
	struct ration__store *store = txn->store;
	MDB_envinfo info;
	MDB_stat stat;

	*used_bytes = *file_bytes = *records = 0;
	if (mdb_env_info(store->hot.env, &info) != 0 ||
		mdb_stat(store->mtxn, store->hot.dbi, &stat) != 0)
		return;
	*used_bytes = (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages + 2) *
		      (uint64_t)stat.ms_psize;
	*file_bytes = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
	*records = stat.ms_entries - (stat.ms_entries > 0); /* the marker is none */
}

uint64_t ration__txn_size(const struct ration__txn *txn)
{
	return txn->store->hot.map_bytes;
}

bool ration__txn_has_room(struct ration__txn *txn)
{
	uint64_t used, written, records, all = txn->store->hot.map_bytes;

	ration__txn_usage(txn, &used, &written, &records);
	return used <= all - all / ROOM_PART;
}

static bool grows(const struct ration__store *store)
{
	return store->hot_want > store->hot.map_bytes;
}

bool ration__txn_grows(const struct ration__txn *txn)
{
	return grows(txn->store);
}

void ration__txn_pack(struct ration__txn *txn)
{
	txn->store->compact = txn->store->packs = true;
}

bool ration__store_full(const struct ration__store *store)
{
	return atomic_load_explicit(&store->full, memory_order_relaxed);
}

static int64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * RATION__NS_PER_S + ts.tv_nsec;
}

/* MDB_*, or RATION_EAGAIN: takes too long, RATION_EIO: a damaged record. */
static int copy_records(struct ration__store *store, MDB_cursor *from, struct ration__env *to,
	MDB_txn *to_txn, int64_t now)
{
	int64_t end = monotonic_ns() + (store->packs ? TIME_MAX_FULL_NS : TIME_MAX_NS), rest_at;
	MDB_val key, value, room;
	size_t length;
	unsigned n = 0;
	int rc, loaded;

	rc = ration__env_seek(&store->hot, from, &key, &value, MDB_FIRST);
	for (; rc == 0; rc = ration__env_seek(&store->hot, from, &key, &value, MDB_NEXT)) {
		loaded = ration__key_load(&key, &length);
		if (loaded == RATION_EEMPTY)
			continue; /* the marker: the new file has its own */
		if (loaded != 0 || ration__record_check(&store->hot, &key, &value, &rest_at) != 0)
			return RATION_EIO;
		if (rest_at <= now)
			continue;
		room.mv_size = value.mv_size;
		rc = ration__env_put(to, to_txn, &key, &room, MDB_RESERVE | MDB_APPEND);
		if (rc != 0)
			return rc;
		memcpy(room.mv_data, value.mv_data, value.mv_size);
		if (++n % 512 == 0 && monotonic_ns() > end)
			return RATION_EAGAIN;
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int copy(struct ration__store *store, struct ration__env *to, int64_t now)
{
	MDB_txn *from_txn, *to_txn;
	MDB_cursor *cursor;
	int rc;

	rc = ration__env_begin(&store->hot, &from_txn);
	if (rc != 0)
		return rc;
	rc = ration__env_cursor(&store->hot, from_txn, &cursor);
	if (rc != 0)
		goto no_cursor;
	rc = ration__env_begin(to, &to_txn);
	if (rc != 0)
		goto no_txn;
	rc = copy_records(store, cursor, to, to_txn, now);
	if (rc == 0)
		rc = ration__env_commit(to, to_txn);
	else
		ration__env_abort(to, to_txn);
no_txn:
	mdb_cursor_close(cursor);
no_cursor:
	ration__env_abort(&store->hot, from_txn);
	return rc;
}

/* Under the gate, outside transactions; store->hot is the header's epoch. What fails leaves the old
 * one in use, so that only damage is an error. */
int ration__hot_compact(struct ration__store *store, int64_t now)
{
	struct ration__header *header = store->header;
	uint64_t epoch = store->hot_epoch;
	bool larger = store->packs && grows(store);
	struct ration__env *to = &store->fresh;
	int rc;

	store->compact = false;
	if (store->compacted_ns != 0 && now - store->compacted_ns < RETRY_NS) {
		store->packs = false;
		return 0;
	}
	store->compacted_ns = now;
	/* the file's, which may not be this member's; or this member's, where that helps */
	store->hot_bytes = larger ? store->hot_want : store->hot.map_bytes;
	if (ration__hot_make(store, epoch + 1, to) != 0)
		return 0;
	rc = copy(store, to, now);
	store->packs = false;
	ration__env_close(to);
	if (rc != 0) {
		ration__hot_unlink(store, epoch + 1);
		if (rc == RATION_EIO || ration__env_error(rc) == RATION_EIO)
			ration__store_note(store, RATION_LOG_WARNING,
				"store %s: a damaged record was met while compacting", store->path);
		return 0; /* who reads that record will have it made anew */
	}
	if (larger)
		ration__store_note(store, RATION_LOG_WARNING,
			"store %s: hot/ was full: made larger, %llu MiB now", store->path,
			(unsigned long long)store->hot_bytes >> 20);
	atomic_store_explicit(&header->epoch, epoch + 1, memory_order_release);
	ration__hot_unlink(store, epoch);
	return ration__hot_prepare(store, now, false); /* opens it, as every member does */
}
