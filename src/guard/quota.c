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
 * lost, and nothing is ever admitted twice. `sync` reserves nothing, and loses nothing (prepaid.h).
 * A part is one of the ring, or a period of the calendar (counter.h); the exact log is in hot/
 * only.
 */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>
#include "guard/counter.h"
#include "guard/flush.h"
#include "guard/prepaid.h"

/* Without knowledge of how fast it goes, a reserve is this part of the quota. */
#define RESERVE_PART 64

/* ---- requests ---- */

/* What to reserve beyond the amount that is asked for: twice what went since the last flush, within
 * an eighth of the quota. Never more than is left. */
static int64_t reserve_of(
	const struct ration__quota *quota, const struct ration__counter *counter, int64_t amount)
{
	int64_t part = ration__counter_part(counter), max = counter->conf->max, ahead = 0;

	if (quota->covered_part == part)
		ahead = 2 * (ration__counter_used_in(counter, part) - quota->flushed_used);
	ahead = ration__max64(ahead, max / RESERVE_PART);
	ahead = ration__min64(ahead, max / 8);
	return ration__max64(ahead, amount);
}

/* The record's place in the queue, a new one or that of a request of before (*anew). NULL: the
 * queue is full; asked again later */
static struct ration__ledger_request *find_request(
	struct ration__engine *engine, const struct ration__record *record, bool *anew)
{
	struct ration__ledger_request *request;

	*anew = false;
	for (size_t i = 0; i < engine->ledger_count; i++)
		if (engine->ledger[i].hash == record->hash)
			return &engine->ledger[i];
	if (engine->ledger_count == RATION__LEDGER_QUEUE)
		return NULL;
	*anew = true;
	request = &engine->ledger[engine->ledger_count++];
	request->amount = request->needed = request->asked = 0;
	request->sync = request->lower = false;
	return request;
}

static void fill_request(struct ration__ledger_request *request,
	const struct ration__record *record, const struct ration__cell *cell,
	const struct ration__counter *counter)
{
	request->hash = record->hash;
	request->key_length = record->key_length;
	memcpy(request->key, record->key, record->key_length);
	request->conf = *counter->conf;
	request->calendar = counter->calendar;
	request->zone = cell->zone;
	request->wall_ns = counter->now_ns;
	request->absent = record->absent && !record->dirty;
	request->snapshot = *record->quota;
}

static void queue_reserve(struct ration__engine *engine, const struct ration__record *record,
	const struct ration__cell *cell, const struct ration__counter *counter, int64_t amount,
	int64_t needed)
{
	bool anew;
	struct ration__ledger_request *request = find_request(engine, record, &anew);

	if (!request)
		return;
	request->needed = ration__max64(needed, request->needed);
	request->amount = ration__max64(amount, request->needed);
	request->lower = false;
	fill_request(request, record, cell, counter);
}

void ration__quota_read(struct ration__engine *engine, const struct ration__record *record,
	const struct ration__cell *cell, const struct ration__counter *counter)
{
	queue_reserve(engine, record, cell, counter, 0, 0);
}

/* Those that ask together, in one transaction, are written together; who asks again before that has
 * asked already. free: what they find there. */
static void queue_sync(struct ration__engine *engine, const struct ration__record *record,
	const struct ration__cell *cell, const struct ration__counter *counter, int64_t amount,
	int64_t free)
{
	const struct ration__quota *quota = record->quota;
	bool anew;
	struct ration__ledger_request *request = find_request(engine, record, &anew);
	int64_t open;

	if (!request)
		return;
	if (!anew && request->wall_ns == counter->now_ns)
		amount += request->asked;
	request->asked = amount;
	open = ration__counter_remaining(counter);
	if (quota->covered_part == ration__counter_part(counter))
		open -= ration__max64(quota->owned,
			quota->covered - ration__counter_used_in(counter, quota->covered_part));
	amount = ration__max64(0, ration__min64(amount - free, open));
	if (!anew)
		amount = ration__max64(amount, ration__min64(request->amount, open));
	request->amount = request->needed = amount;
	request->sync = true;
	request->lower = false;
	fill_request(request, record, cell, counter);
}

/* ---- inside the transaction: `sync` ---- */

/* What is covered and neither used nor kept by anybody. */
static int64_t free_units(const struct ration__quota *quota, const struct ration__counter *counter)
{
	if (quota->covered_part != ration__counter_part(counter))
		return 0;
	return ration__max64(0, quota->covered - quota->owned -
					ration__counter_used_in(counter, quota->covered_part));
}

static bool sync_covered(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__cell *cell,
	const struct ration__counter *counter, int64_t amount)
{
	const struct ration__quota *quota = record->quota;
	bool absent = record->absent && !record->dirty, here;
	int64_t mine = ration__prepaid_units(engine, txn, record, counter), free, due;

	here = !absent && quota->covered_part == ration__counter_part(counter);
	free = mine + (here ? free_units(quota, counter) : 0);
	due = ration__counter_used_in(counter, ration__counter_part(counter)) -
	      (here ? quota->covered : 0);
	if (!absent && amount <= free && due <= 0)
		return true;
	queue_sync(engine, record, cell, counter, amount, free);
	return false;
}

int64_t ration__quota_kept(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter)
{
	const struct ration__quota *quota = record->quota;
	int64_t mine = ration__prepaid_units(engine, txn, record, counter);

	if (record->absent || quota->covered_part != ration__counter_part(counter))
		return 0;
	return ration__max64(0, quota->owned - mine);
}

void ration__quota_uncover(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__limit *limit,
	const struct ration__cell *cell, const struct ration__counter *counter)
{
	struct ration__quota *quota = record->quota;
	struct ration__ledger_request *request;
	int64_t free = free_units(quota, counter);
	bool anew;

	if (limit->durable_ns || (record->absent && !record->dirty) || free == 0)
		return;
	quota->covered -= free;
	record->dirty = true;
	request = find_request(engine, record, &anew);
	if (!request)
		return; /* who writes next does it */
	if (anew)	/* else what is written does that, too */
		request->lower = request->sync = true;
	fill_request(request, record, cell, counter);
}

/* ---- inside the transaction ---- */

bool ration__quota_covered(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__limit *limit,
	const struct ration__cell *cell, int64_t amount)
{
	int64_t wall_ns = ration__txn_wall(txn);
	struct ration__counter counter =
		ration__counter_of(record, limit, &cell->conf.window, cell->zone, wall_ns);
	struct ration__quota *quota = record->quota;
	int64_t part, used, reserve, open, left;
	bool covered, old;

	if (!limit->durable_ns)
		return sync_covered(engine, txn, record, cell, &counter, amount);
	part = ration__counter_part(&counter);
	used = ration__counter_used_in(&counter, part);
	reserve = reserve_of(quota, &counter, amount);
	left = quota->covered - quota->owned - used - amount;
	covered = !record->absent && quota->covered_part == part && left >= 0;
	left = covered ? left : 0;
	old = used > quota->flushed_used && wall_ns - quota->flushed_ns > limit->durable_ns;
	if (covered && !old && left >= reserve / 2)
		return true;
	open = ration__counter_remaining(&counter);
	reserve = ration__min64(reserve, open);
	/* Early enough that nobody has to wait: when less than half of the reserve is left. */
	if (!covered || (left < reserve / 2 && left < open - amount) || old)
		queue_reserve(engine, record, cell, &counter, reserve, covered ? 0 : amount);
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
