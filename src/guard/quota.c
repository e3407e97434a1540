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
 *     ledger := the count as hot/ has it; in the present part covered + the next reserve; sequence
 * + 1 hot    := covered, sequence
 *
 * After a crash or a wipe the count is read back from the ledger, so that at most the reserve is
 * lost, and nothing is ever admitted twice. Writers race without harm: a ledger value that is newer
 * than the record it should continue is not replaced but taken over.
 *
 * A reset raises the epoch of the ledger's value, then that of hot/'s record. What continues an
 * older epoch, wherever it was on its way, is dropped where it arrives. A part is one of the ring,
 * or a period of the calendar (counter.h); the exact log is in hot/ only.
 */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "guard/counter.h"

/* Without knowledge of how fast it goes, a reserve is this part of the quota. */
#define RESERVE_PART 64
/* A reset's record stays as long, for those who read the ledger before it. */
#define RESET_STAYS_NS (3600 * RATION__NS_PER_S)
/* Of one flush. */
#define ROUNDS_MAX 4

struct ledger_value {
	union {
		struct ration__window window;
		struct ration__tally tally;
	};
	uint64_t seq;
	uint64_t epoch;
	uint32_t calendar; /* enum ration__calendar: what the union holds */
	uint32_t reserved;
};
static_assert(sizeof(struct ledger_value) == sizeof(struct ration__window) + 24, "stored");
/* What was written before there were calendars ends behind seq. */
#define FIRST_VALUE_SIZE offsetof(struct ledger_value, epoch)

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
	const struct ration__counter *counter, int64_t amount)
{
	struct ration__ledger_request *request = NULL;

	for (size_t i = 0; i < engine->ledger_count && !request; i++)
		if (engine->ledger[i].hash == record->hash)
			request = &engine->ledger[i];
	if (!request && engine->ledger_count < RATION__LEDGER_QUEUE)
		(request = &engine->ledger[engine->ledger_count++])->hash = ~record->hash;
	if (!request)
		return; /* asked again later */
	if (request->hash == record->hash && limit->durable_ns == 0) {
		/* `sync`: those that ask together, in one transaction, are written together; who
		 * asks again before that has asked already */
		if (request->wall_ns == counter->now_ns)
			amount += request->asked;
		request->asked = amount;
		amount = ration__min64(
			ration__max64(amount, request->amount), ration__counter_remaining(counter));
	} else
		request->asked = amount;
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
		queue_request(engine, record, limit, cell, &counter, reserve);
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

/* ---- the ledger ---- */

/* What a quota's record and the ledger share. */
static void copy_count(struct ration__quota *to, const struct ledger_value *from)
{
	to->window = from->window;
	to->calendar = from->calendar;
	to->seq = from->seq;
	to->epoch = from->epoch;
}

/* 0, RATION_EIO. No value is one that is all zero. */
static int parse_value(const void *bytes, size_t length, struct ledger_value *value)
{
	memset(value, 0, sizeof(*value));
	if (bytes && length != sizeof(*value) && length != FIRST_VALUE_SIZE)
		return RATION_EIO;
	if (bytes)
		memcpy(value, bytes, length);
	return value->calendar <= RATION__CALENDAR_MONTH ? 0 : RATION_EIO;
}

/* A request on its way through the ledger. */
struct flush {
	struct ration__ledger_request *request;
	uint64_t hot_epoch; /* the hot/ that there was when the ledger was looked at */
	int64_t given;	    /* what this flush wrote ahead and nobody was told of yet */
	bool foreign; /* what it brings to hot/ was written by another, who may not have told yet */
	bool claims;  /* makes that its own, by a number that the other does not know */
};

static bool is_newer(const struct ledger_value *value, const struct ration__quota *quota)
{
	return value->epoch != quota->epoch ? value->epoch > quota->epoch : value->seq > quota->seq;
}

static struct ration__counter counter_of_request(
	const struct ration__ledger_request *request, struct ration__quota *quota)
{
	return ration__counter_of_quota(
		quota, request->calendar, &request->conf, request->zone, request->wall_ns);
}

/* hot/ has no record, or an older one: what stands here is the truth. All of it counts as used, but
 * for what this very flush wrote a moment ago, before hot/ was lost. */
static bool take_over(struct flush *flush, const struct ledger_value *value)
{
	struct ration__ledger_request *request = flush->request;
	struct ration__quota *quota = &request->snapshot;
	bool own = flush->given > 0 && value->epoch == quota->epoch && value->seq == quota->seq;
	struct ration__counter counter;
	int64_t part;

	copy_count(quota, value);
	counter = counter_of_request(request, quota);
	quota->covered_part = part = ration__counter_part(&counter);
	quota->covered = ration__counter_used_in(&counter, part);
	if (own)
		ration__counter_refund(&counter, flush->given,
			counter.tally ? part : part * counter.ring->part_ns);
	return own;
}

static int write_ahead(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	struct flush *flush = arg;
	struct ration__ledger_request *request = flush->request;
	struct ration__quota *quota = &request->snapshot, ahead;
	struct ledger_value now;
	struct ration__counter counter;
	int64_t part, used, target;

	if (parse_value(old, old_length, &now) < 0)
		return RATION_EIO;
	flush->foreign = false;
	if (request->absent) {
		if (take_over(flush, &now))
			return RATION_EEMPTY;
	} else if (flush->claims) {
		take_over(flush, &now);
		now.seq = ++quota->seq;
		memcpy(value, &now, sizeof(now));
		*length = sizeof(now);
		return 0;
	} else if (is_newer(&now, quota)) {
		flush->foreign = now.epoch == quota->epoch;
		take_over(flush, &now);
		return RATION_EEMPTY;
	}
	ahead = *quota;
	counter = counter_of_request(request, &ahead);
	part = ration__counter_part(&counter);
	used = ration__counter_used_in(&counter, part);
	target = request->amount;
	if (request->absent) /* who asked did not know how much is left */
		target = ration__min64(target, ration__counter_remaining(&counter));
	target += used;
	if (ahead.covered_part == part) /* it may have been spent since the snapshot */
		target = ration__max64(target, ahead.covered);
	flush->given =
		target - (ahead.covered_part == part ? ration__max64(used, ahead.covered) : used);
	ration__counter_take(&counter, target - used);
	quota->covered_part = part;
	quota->covered = target;
	quota->seq = now.seq > quota->seq ? now.seq : quota->seq;
	now = (struct ledger_value){
		.seq = ++quota->seq, .epoch = quota->epoch, .calendar = ahead.calendar};
	now.window = ahead.window;
	memcpy(value, &now, sizeof(now));
	*length = sizeof(now);
	return 0;
}

enum told {
	TOLD, /* or hot/ knew better */
	GONE, /* its record is lost: the flush should be done for none */
	UNCLAIMED,
};

/* Tells hot/ what is covered now. What another wrote and has not told is claimed first: else that
 * one, finding hot/ lost after it was spent, would take it back as untold. */
static enum told tell_hot(
	const struct flush *flush, struct ration__txn *txn, struct ration__record *record)
{
	const struct ration__ledger_request *request = flush->request;
	const struct ration__quota *from = &request->snapshot;
	struct ration__quota *quota = record->quota;
	struct ration__counter counter;

	if (record->absent &&
		(!request->absent || flush->hot_epoch != ration__store_epoch(txn->store)))
		return GONE;
	if (!record->absent && (from->epoch < quota->epoch ||
				       (from->epoch == quota->epoch && from->seq <= quota->seq)))
		return TOLD;
	if (flush->foreign)
		return UNCLAIMED;
	if (record->absent || from->epoch > quota->epoch) {
		*quota = *from;
		record->length = sizeof(*quota); /* a log is of the past */
		record->counted = false;
	}
	quota->covered_part = from->covered_part;
	quota->covered = from->covered;
	quota->seq = from->seq;
	quota->flushed_ns = request->wall_ns;
	counter = counter_of_request(request, quota);
	quota->flushed_used = ration__counter_used_in(&counter, from->covered_part);
	/* an unused quota's record has to stay for what it covers */
	quota->window.rest_at_ns =
		ration__max64(quota->window.rest_at_ns, txn->now_ns + request->conf.window_ns);
	record->dirty = true;
	return TOLD;
}

/* Begins a transaction on one record, under the mutex. The record is NULL when the set is full. */
static int open_record(struct ration__engine *engine, uint64_t hash, const uint8_t *key,
	size_t key_length, struct ration__txn **txn, struct ration__record **record)
{
	int rc;

	pthread_mutex_lock(&engine->mutex);
	rc = ration__store_begin(engine->store, -1, txn);
	if (rc < 0)
		return rc;
	ration__workset_begin(&engine->set, *txn);
	rc = ration__workset_get(&engine->set, hash, key, key_length, 0, record);
	if (rc == 0 && !*record)
		rc = RATION_EAGAIN;
	if (rc < 0)
		ration__store_abort(*txn);
	return rc;
}

static int close_record(struct ration__engine *engine, int rc)
{
	engine->set.txn = NULL;
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}

static int install(struct ration__engine *engine, const struct flush *flush, enum told *told)
{
	const struct ration__ledger_request *request = flush->request;
	struct ration__record *record;
	struct ration__txn *txn;
	int rc = open_record(
		engine, request->hash, request->key, request->key_length, &txn, &record);

	if (rc == 0) {
		*told = tell_hot(flush, txn, record);
		rc = ration__engine_end(engine, txn, 0);
	}
	if (rc == 0 && *told == TOLD)
		atomic_fetch_add(&engine->ledger_news, 1);
	return close_record(engine, rc);
}

/* hot/ may be lost while the disk is waited for: then once more, with nothing known. Who finds
 * no end to it leaves it to the next ask. */
static void work_one(struct ration__engine *engine, struct ration__ledger_request *request)
{
	struct flush flush = {.request = request};
	enum told told = GONE;
	int rc = 0;

	for (int round = 0; round < ROUNDS_MAX && told != TOLD; round++) {
		flush.hot_epoch = ration__store_epoch(engine->store);
		rc = ration__ledger_update(
			engine->store, request->key, request->key_length, write_ahead, &flush);
		if (rc == 0)
			rc = install(engine, &flush, &told);
		if (rc < 0)
			break;
		flush.claims = told == UNCLAIMED;
		request->absent = request->absent || told == GONE;
	}
	if (rc < 0)
		ration__engine_log(engine, RATION_LOG_ERROR, "ledger: %s", ration_strerror(rc));
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
	for (size_t i = 0; i < count; i++)
		work_one(engine, &batch[i]);
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
	struct ration__quota *quota)
{
	uint8_t bytes[sizeof(struct ledger_value)];
	struct ledger_value value;
	size_t length = 0;
	int rc = ration__ledger_get(engine->store, key, key_length, bytes, sizeof(bytes), &length);

	if (rc < 0 && rc != RATION_EEMPTY)
		return rc == RATION_ETOOBIG ? RATION_EIO : rc;
	if (parse_value(rc == 0 ? bytes : NULL, length, &value) < 0)
		return RATION_EIO;
	memset(quota, 0, sizeof(*quota));
	copy_count(quota, &value);
	return 0;
}

/* ---- reset ---- */

static int forget(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	struct ledger_value *now = arg, was;

	if (parse_value(old, old_length, &was) < 0)
		memset(&was, 0, sizeof(was)); /* of no use to anybody */
	*now = (struct ledger_value){.seq = was.seq + 1, .epoch = was.epoch + 1};
	memcpy(value, now, sizeof(*now));
	*length = sizeof(*now);
	return 0;
}

/* An empty record that says which epoch it is of: one that is absent would let in what was read
 * from the ledger before. */
static int reset_hot(struct ration__engine *engine, const uint8_t *key, size_t key_length,
	const struct ledger_value *value)
{
	struct ration__record *record;
	struct ration__txn *txn;
	int rc = open_record(
		engine, ration__hash64(key, key_length), key, key_length, &txn, &record);

	if (rc == 0 && (record->absent || record->quota->epoch < value->epoch)) {
		memset(record->quota, 0, sizeof(*record->quota));
		copy_count(record->quota, value);
		record->quota->covered_part = -1;
		record->quota->window.rest_at_ns = txn->now_ns + RESET_STAYS_NS;
		record->length = sizeof(*record->quota);
		record->counted = false;
		record->dirty = true;
	}
	if (rc == 0)
		rc = ration__engine_end(engine, txn, 0);
	return close_record(engine, rc);
}

int ration__ledger_reset(struct ration__engine *engine, const uint8_t *key, size_t key_length)
{
	struct ledger_value value;
	int rc = ration__ledger_update(engine->store, key, key_length, forget, &value);

	return rc < 0 ? rc : reset_hot(engine, key, key_length, &value);
}
