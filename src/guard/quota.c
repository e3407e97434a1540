/*
 * Quotas: windows that survive everything. The count is kept in hot/, where it costs nothing; the
 * ledger, which is durable, is always ahead of it:
 *
 *     ledger[part] >= what hot/ let through in that part, at every moment
 *
 * hot/ may spend in the present part only up to `covered`, an amount that was written to the ledger
 * before. When that is used up, or nearly, or the last flush is old, a request is queued; it is
 * done outside the transaction and outside the gate (a flush takes up to milliseconds):
 *
 *     ledger := the window as hot/ has it; in the present part covered + the next reserve; sequence
 * + 1 hot    := covered, sequence
 *
 * After a crash or a wipe the window is read back from the ledger, so that at most the reserve is
 * lost, and nothing is ever admitted twice. Writers race without harm: a ledger value that is newer
 * than the record it should continue is not replaced but taken over.
 */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>

/* Without knowledge of how fast it goes, a reserve is this part of the quota. */
#define RESERVE_PART 64

struct ledger_value {
	struct ration__window window;
	uint64_t seq;
};

static int64_t used_in_all(const struct ration__window_conf *conf,
	const struct ration__window *window, int64_t wall_ns)
{
	return conf->max - ration__window_remaining(conf, window, wall_ns);
}

/* What to reserve beyond the amount that is asked for: twice what went since the last flush, within
 * an eighth of the quota; `sync` reserves nothing ahead. */
static int64_t reserve_of(const struct ration__limit *limit, const struct ration__quota *quota,
	int64_t part, int64_t amount)
{
	int64_t used = ration__window_used_in(&quota->window, part), ahead;

	if (limit->durable_ns == 0)
		return amount;
	ahead = quota->covered_part == part ? 2 * (used - quota->flushed_used) : 0;
	ahead = ration__max64(ahead, limit->window.max / RESERVE_PART);
	ahead = ration__min64(ahead, limit->window.max / 8);
	return ration__max64(ahead, amount);
}

static void queue_request(struct ration__engine *engine, const struct ration__record *record,
	const struct ration__limit *limit, int64_t wall_ns, int64_t amount)
{
	struct ration__ledger_request *request = NULL;

	for (size_t i = 0; i < engine->ledger_count && !request; i++)
		if (engine->ledger[i].hash == record->hash)
			request = &engine->ledger[i];
	if (!request && engine->ledger_count < RATION__LEDGER_QUEUE)
		(request = &engine->ledger[engine->ledger_count++])->hash = ~record->hash;
	if (!request)
		return; /* asked again later */
	if (request->hash == record->hash && limit->durable_ns == 0)
		amount +=
			request->amount; /* `sync`: those that ask together are written together */
	request->hash = record->hash;
	request->key_length = record->key_length;
	memcpy(request->key, record->key, record->key_length);
	request->conf = limit->window;
	request->amount = amount;
	request->wall_ns = wall_ns;
	request->absent = record->absent && !record->dirty;
	request->snapshot = *record->quota;
}

bool ration__quota_covered(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__limit *limit, int64_t amount)
{
	struct ration__quota *quota = record->quota;
	int64_t wall_ns = ration__txn_wall(txn);
	int64_t part = ration__window_part(&limit->window, wall_ns);
	int64_t used = ration__window_used_in(&quota->window, part);
	int64_t reserve = reserve_of(limit, quota, part, amount);
	bool covered =
		!record->absent && quota->covered_part == part && used + amount <= quota->covered;
	int64_t left = covered ? quota->covered - used - amount : 0;
	int64_t open = ration__window_remaining(&limit->window, &quota->window, wall_ns);
	bool old = limit->durable_ns && used > quota->flushed_used &&
		   wall_ns - quota->flushed_ns > limit->durable_ns;

	/* Early enough that nobody has to wait: when less than half of the reserve is left. */
	if (!covered || (limit->durable_ns && left < reserve / 2 && left < open - amount) || old)
		queue_request(engine, record, limit, wall_ns, reserve);
	return covered;
}

void ration__quota_touch(struct ration__txn *txn, struct ration__quota *quota)
{
	/* The window's own time is of the wall clock; the sweep's is the steady one. From the ring,
	 * not from rest_at_ns: a refund leaves that as this function made it. */
	const struct ration__window *window = &quota->window;
	int64_t leaves_ns = (window->head + RATION__WINDOW_PARTS + 1) * window->part_ns;

	quota->window.rest_at_ns = leaves_ns + txn->now_ns - ration__txn_wall(txn);
}

static int write_ahead(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	struct ration__ledger_request *request = arg;
	const struct ration__window_conf *conf = &request->conf;
	struct ration__quota *quota = &request->snapshot;
	int64_t part = ration__window_part(conf, request->wall_ns);
	struct ledger_value now = {0};
	int64_t room, target;

	if (old && old_length == sizeof(now))
		memcpy(&now, old, sizeof(now));
	else if (old)
		return RATION_EIO;
	if (request->absent || now.seq > quota->seq) {
		/* hot/ lost its record, or somebody wrote meanwhile: what stands here is the truth
		 */
		quota->window = now.window;
		quota->seq = now.seq;
		quota->covered_part = part;
		quota->covered = ration__window_used_in(&now.window, part);
		if (!request->absent)
			return RATION_EEMPTY;
	}
	now.window = quota->window;
	now.seq = quota->seq + 1;
	room = conf->max - used_in_all(conf, &now.window, request->wall_ns);
	target = ration__window_used_in(&now.window, part) + ration__min64(request->amount, room);
	if (quota->covered_part == part) /* it may have been spent since the snapshot */
		target = ration__max64(target, quota->covered);
	ration__window_take(conf, &now.window, request->wall_ns,
		target - ration__window_used_in(&now.window, part));
	quota->covered_part = part;
	quota->covered = target;
	quota->seq = now.seq;
	memcpy(value, &now, sizeof(now));
	*length = sizeof(now);
	return 0;
}

/* Tells hot/ what is covered now. */
static int install(struct ration__engine *engine, struct ration__ledger_request *request)
{
	const struct ration__quota *from = &request->snapshot;
	struct ration__record *record = NULL;
	struct ration__quota *quota;
	struct ration__txn *txn;
	int rc;

	pthread_mutex_lock(&engine->mutex);
	rc = ration__store_begin(engine->store, -1, &txn);
	if (rc < 0)
		goto unlock;
	ration__workset_begin(&engine->set, txn);
	rc = ration__workset_get(
		&engine->set, request->hash, request->key, request->key_length, &record);
	if (rc < 0 || !record) {
		ration__store_abort(txn);
		goto unlock;
	}
	quota = record->quota;
	if (record->absent) {
		quota->window = from->window;
		record->dirty = request->absent; /* else it vanished meanwhile: read it again */
	} else if (from->seq > quota->seq)
		record->dirty = true;
	if (record->dirty) {
		quota->covered_part = from->covered_part;
		quota->covered = from->covered;
		quota->flushed_used = ration__window_used_in(&quota->window, from->covered_part);
		quota->flushed_ns = request->wall_ns;
		quota->seq = from->seq;
		/* an unused quota's record has to stay for what it covers */
		quota->window.rest_at_ns = ration__max64(
			quota->window.rest_at_ns, txn->now_ns + request->conf.window_ns);
	}
	rc = ration__engine_end(engine, txn, 0);
	if (rc == 0)
		atomic_fetch_add(&engine->ledger_news, 1);
unlock:
	engine->set.txn = NULL;
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}

void ration__ledger_work(struct ration__engine *engine)
{
	struct ration__ledger_request *batch = malloc(sizeof(*batch) * RATION__LEDGER_QUEUE);
	size_t count;

	if (!batch)
		return; /* asked again later */
	pthread_mutex_lock(&engine->mutex);
	while (engine->ledger_busy)
		pthread_cond_wait(&engine->ledger_done, &engine->mutex);
	count = engine->ledger_count;
	if (count) /* engine->ledger may be NULL */
		memcpy(batch, engine->ledger, count * sizeof(*batch));
	engine->ledger_count = 0;
	engine->ledger_busy = count > 0;
	pthread_mutex_unlock(&engine->mutex);
	for (size_t i = 0; i < count; i++) {
		int rc = ration__ledger_update(
			engine->store, batch[i].key, batch[i].key_length, write_ahead, &batch[i]);

		if (rc == 0 || rc == RATION_EEMPTY)
			rc = install(engine, &batch[i]);
		if (rc < 0)
			ration__engine_log(
				engine, RATION_LOG_ERROR, "ledger: %s", ration_strerror(rc));
	}
	if (count) {
		pthread_mutex_lock(&engine->mutex);
		engine->ledger_busy = false;
		pthread_cond_broadcast(&engine->ledger_done);
		pthread_mutex_unlock(&engine->mutex);
		ration__engine_notify(engine);
	}
	free(batch);
}

int ration__ledger_read(struct ration__engine *engine, const uint8_t *key, size_t key_length,
	struct ration__window *window)
{
	struct ledger_value value;
	size_t length = 0;
	int rc = ration__ledger_get(engine->store, key, key_length, &value, sizeof(value), &length);

	if (rc == RATION_EEMPTY)
		memset(window, 0, sizeof(*window));
	else if (rc == 0 && length == sizeof(value))
		*window = value.window;
	else
		return rc < 0 ? rc : RATION_EIO;
	return 0;
}

static int forget(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	struct ledger_value now = {0};

	if (old && old_length == sizeof(now))
		memcpy(&now.seq, (const char *)old + offsetof(struct ledger_value, seq),
			sizeof(now.seq));
	now.seq++;
	memcpy(value, &now, sizeof(now));
	*length = sizeof(now);
	return 0;
}

int ration__ledger_reset(struct ration__engine *engine, const uint8_t *key, size_t key_length)
{
	return ration__ledger_update(engine->store, key, key_length, forget, NULL);
}
