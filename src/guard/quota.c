/*
 * Quotas: windows that survive everything. The count is kept in hot/, where it costs nothing; the
 * ledger, which is durable, is always ahead of it:
 *
 *     ledger[part] >= what hot/ let through in that part, at every moment
 *
 * hot/ may spend in the present part only up to `covered`, an amount that was written to the ledger
 * before. When that is used up, or nearly, or the last flush is old, a request is queued; it is
 * done (flush.h) outside the transaction and outside the gate: that takes up to milliseconds.
 *
 * After a crash or a wipe the count is read back from the ledger, so that at most the reserve is
 * lost, and nothing is ever admitted twice. A part is one of the ring, or a period of the calendar
 * (counter.h); the exact log is in hot/ only.
 */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>
#include "guard/counter.h"
#include "guard/flush.h"

/* Without knowledge of how fast it goes, a reserve is this part of the quota. */
#define RESERVE_PART 64

/* ---- inside the transaction ---- */

/* What to reserve beyond the amount that is asked for: twice what went since the last flush, within
 * an eighth of the quota; `sync` reserves nothing ahead. Never more than is left. */
static int64_t reserve_of(const struct ration__limit *limit, const struct ration__quota *quota,
	const struct ration__counter *counter, int64_t amount)
{
	int64_t part = ration__counter_part(counter), max = counter->conf->max, ahead = 0;
	int64_t used = ration__counter_used_in(counter, part);

	if (limit->durable_ns) {
		if (quota->covered_part == part)
			ahead = 2 * (used - quota->flushed_used);
		ahead = ration__max64(ahead, max / RESERVE_PART);
		ahead = ration__min64(ahead, max / 8);
	}
	return ration__max64(ahead, amount);
}

static void queue_request(struct ration__engine *engine, const struct ration__record *record,
	const struct ration__limit *limit, const struct ration__cell *cell,
	const struct ration__counter *counter, int64_t amount, int64_t needed)
{
	struct ration__ledger_request *request = NULL;
	bool anew;

	for (size_t i = 0; i < engine->ledger_count && !request; i++)
		if (engine->ledger[i].hash == record->hash)
			request = &engine->ledger[i];
	if (!request && engine->ledger_count < RATION__LEDGER_QUEUE)
		(request = &engine->ledger[engine->ledger_count++])->hash = ~record->hash;
	if (!request)
		return; /* asked again later */
	anew = request->hash != record->hash;
	if (limit->durable_ns)
		request->needed = anew ? needed : ration__max64(needed, request->needed);
	else {
		/* `sync`: those that ask together, in one transaction, are written together; who
		 * asks again before that has asked already */
		if (!anew && request->wall_ns == counter->now_ns)
			amount += request->asked;
		request->asked = amount;
		if (!anew)
			amount = ration__min64(ration__max64(amount, request->amount),
				ration__counter_remaining(counter));
		request->needed = amount;
	}
	request->hash = record->hash;
	request->key_length = record->key_length;
	memcpy(request->key, record->key, record->key_length);
	request->conf = *counter->conf;
	request->calendar = counter->calendar;
	request->zone = cell->zone;
	request->amount = amount;
	request->wall_ns = counter->now_ns;
	request->absent = record->absent && !record->dirty;
	request->snapshot = *record->quota;
}

bool ration__quota_covered(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__limit *limit,
	const struct ration__cell *cell, int64_t amount)
{
	int64_t wall_ns = ration__txn_wall(txn);
	struct ration__counter counter =
		ration__counter_of(record, limit, &cell->conf.window, cell->zone, wall_ns);
	struct ration__quota *quota = record->quota;
	int64_t part = ration__counter_part(&counter);
	int64_t used = ration__counter_used_in(&counter, part);
	int64_t reserve = reserve_of(limit, quota, &counter, amount), open;
	bool covered =
		!record->absent && quota->covered_part == part && amount <= quota->covered - used;
	int64_t left = covered ? quota->covered - used - amount : 0;
	bool old = limit->durable_ns && used > quota->flushed_used &&
		   wall_ns - quota->flushed_ns > limit->durable_ns;

	if (covered && !old && (!limit->durable_ns || left >= reserve / 2))
		return true;
	open = ration__counter_remaining(&counter);
	reserve = ration__min64(reserve, open);
	/* Early enough that nobody has to wait: when less than half of the reserve is left. */
	if (!covered || (limit->durable_ns && left < reserve / 2 && left < open - amount) || old)
		queue_request(engine, record, limit, cell, &counter, reserve, covered ? 0 : amount);
	return covered;
}

/* The count's own time is of the wall clock; the sweep's is the steady one. From the count itself,
 * not from its rest_at_ns: a refund leaves that as this function made it. */
void ration__quota_touch(
	struct ration__txn *txn, struct ration__record *record, const struct ration__limit *limit)
{
	struct ration__quota *quota = record->quota;
	int64_t leaves_ns = limit->calendar ? quota->tally.end_ns
					    : (quota->window.head + RATION__WINDOW_PARTS + 1) *
						      quota->window.part_ns;

	quota->window.rest_at_ns = leaves_ns + txn->now_ns - ration__txn_wall(txn);
}

/* ---- the queue ---- */

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
	for (size_t i = 0; i < count; i++)
		ration__flush_do(engine, &batch[i]);
	if (count) {
		pthread_mutex_lock(&engine->mutex);
		engine->ledger_busy = false;
		pthread_cond_broadcast(&engine->ledger_done);
		pthread_mutex_unlock(&engine->mutex);
		ration__engine_notify(engine);
	}
	free(batch);
}
