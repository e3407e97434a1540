/* What passes between a quota's record in hot/ and the ledger. See flush.h. */
#include "guard/flush.h"

#include <string.h>
#include "base/hash.h"
#include "guard/counter.h"

/* A reset's record stays as long, for those who read the ledger before it. */
#define RESET_STAYS_NS (3600 * RATION__NS_PER_S)
/* Of one flush: who finds no end to it leaves it to the next ask. */
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

/* ---- to the ledger ---- */

/* What a quota's record and the ledger share. */
static void copy_count(struct ration__quota *to, const struct ledger_value *from)
{
	to->window = from->window;
	to->calendar = from->calendar;
	to->seq = from->seq;
	to->base = (uint32_t)from->seq;
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

static struct ration__counter counter_of_request(
	const struct ration__ledger_request *request, struct ration__quota *quota)
{
	return ration__counter_of_quota(
		quota, request->calendar, &request->conf, request->zone, request->wall_ns);
}

static int64_t part_begins(const struct ration__counter *counter, int64_t part)
{
	return counter->tally ? part : part * counter->ring->part_ns;
}

/* hot/ has no record, or one of before a reset: what stands here is the truth. All of it counts as
 * used, but for what this very flush wrote, before hot/ was lost. */
static void take_over(struct ration__flush *flush, const struct ledger_value *value)
{
	struct ration__ledger_request *request = flush->request;
	struct ration__quota *quota = &request->snapshot;
	struct ration__counter counter;
	int64_t part;

	copy_count(quota, value);
	counter = counter_of_request(request, quota);
	quota->covered_part = part = ration__counter_part(&counter);
	quota->covered = ration__counter_used_in(&counter, part);
	flush->whole = true;
	if (flush->seq && flush->part == part)
		ration__counter_refund(&counter, flush->given, part_begins(&counter, part));
}

/* Adds what is asked for to what stands there. Who knows all that was written (others write only
 * what they add) puts the count as hot/ has it, in its place. */
static void add_ahead(struct ration__flush *flush, struct ledger_value *value, bool all_known)
{
	const struct ration__ledger_request *request = flush->request;
	struct ration__quota hot = request->snapshot, ahead = hot;
	struct ration__counter hot_counter = counter_of_request(request, &hot), counter;
	int64_t amount = request->amount, used, covered, part;

	if (!all_known)
		copy_count(&ahead, value);
	counter = counter_of_request(request, &ahead);
	if (!all_known) /* what others wrote will do for the rest */
		amount = ration__min64(amount, request->needed);
	if (flush->whole || !all_known) /* who asked did not know how much is left */
		amount = ration__min64(amount, ration__counter_remaining(&counter));
	part = ration__counter_part(&counter);
	used = ration__counter_used_in(&hot_counter, part);
	covered = hot.covered_part == part ? hot.covered : 0;
	flush->blind = !all_known;
	flush->part = part;
	if (all_known) { /* more may have been used since the snapshot, of what is covered */
		int64_t target = ration__max64(used + amount, covered);

		flush->added = target - covered;
		flush->given = target - ration__max64(used, covered);
		ration__counter_take(&counter, target - used);
	} else {
		flush->added = ration__max64(0, used - covered) + amount;
		flush->given = amount;
		flush->before = ration__counter_used_in(&counter, part);
		ration__counter_take(&counter, flush->added);
	}
	flush->seq = (value->seq > hot.seq ? value->seq : hot.seq) + 1;
	flush->epoch = hot.epoch;
	*value = (struct ledger_value){
		.seq = flush->seq, .epoch = flush->epoch, .calendar = ahead.calendar};
	value->window = ahead.window;
}

static int write_ahead(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	struct ration__flush *flush = arg;
	struct ration__ledger_request *request = flush->request;
	struct ration__quota *quota = &request->snapshot;
	struct ledger_value now;
	bool all_known;

	if (parse_value(old, old_length, &now) < 0)
		return RATION_EIO;
	if (now.epoch != flush->epoch)
		flush->seq = 0; /* what it wrote was reset */
	if (request->absent) {
		take_over(flush, &now);
		if (flush->seq)
			return RATION_EEMPTY;
	} else if (now.epoch > quota->epoch) {
		take_over(flush, &now);
		return RATION_EEMPTY;
	}
	all_known = now.epoch < quota->epoch || now.seq <= quota->seq;
	/* what was used beyond what was covered is written at once */
	if (!all_known && !flush->insists && request->amount > 0)
		return RATION_EEMPTY;
	add_ahead(flush, &now, all_known);
	if (flush->whole) {
		quota->covered_part = flush->part;
		quota->covered += flush->added;
		quota->seq = flush->seq;
		quota->base = (uint32_t)flush->seq;
	}
	memcpy(value, &now, sizeof(now));
	*length = sizeof(now);
	return 0;
}

/* ---- to hot/ ---- */

enum told {
	TOLD,	/* or hot/ knew better */
	GONE,	/* its record is lost: the flush should be done for none */
	BEHIND, /* so is hot/: others wrote, and did not tell it yet */
};

/* The record's count, when it began, had all that was written up to this number. */
static bool had_at_begin(const struct ration__quota *quota, uint64_t seq)
{
	return (int32_t)(quota->base - (uint32_t)seq) >= 0;
}

/* What the flush wrote comes to a record that there is. The record's number grows by one for each
 * write that it is told of: it is the ledger's when it was told of all. */
static void tell_record(const struct ration__flush *flush, struct ration__record *record)
{
	const struct ration__ledger_request *request = flush->request;
	const struct ration__quota *from = &request->snapshot;
	struct ration__limit limit = {.kind = RATION__LIMIT_QUOTA, .calendar = request->calendar};
	struct ration__counter counter =
		ration__counter_of(record, &limit, &request->conf, request->zone, request->wall_ns);
	struct ration__quota *quota = record->quota;
	bool same = !flush->whole && quota->base == from->base;

	if (had_at_begin(quota, flush->seq)) {
		/* read from the ledger after this was written, it counts it as used */
		if (quota->covered_part == flush->part)
			ration__counter_refund(
				&counter, flush->given, part_begins(&counter, flush->part));
		return;
	}
	if (flush->blind && same && quota->seq == from->seq && quota->covered_part == flush->part) {
		/* Nobody told of the others' writes meanwhile: they may never. Now it counts them
		 * as used; who comes to tell of one gives it back, above. */
		ration__counter_take(&counter, ration__max64(0, flush->before - quota->covered));
		quota->covered = ration__max64(quota->covered, flush->before) + flush->added;
		quota->seq = flush->seq;
		quota->base = (uint32_t)flush->seq;
		return;
	}
	quota->seq++;
	if (quota->covered_part > flush->part)
		return; /* too late to be used */
	if (quota->covered_part < flush->part)
		quota->covered = 0;
	quota->covered_part = flush->part;
	quota->covered += same ? flush->added : flush->given;
}

static enum told tell_hot(
	const struct ration__flush *flush, struct ration__txn *txn, struct ration__record *record)
{
	const struct ration__ledger_request *request = flush->request;
	const struct ration__quota *from = &request->snapshot;
	struct ration__quota *quota = record->quota;
	struct ration__counter counter;

	if (record->absent || from->epoch > quota->epoch) {
		/* what was read while there was another hot/ may have been used up in it */
		if (!flush->whole || flush->hot_epoch != ration__store_epoch(txn->store))
			return GONE;
		*quota = *from;
		record->length = sizeof(*quota); /* a log is of the past */
		record->counted = false;
	} else if (from->epoch < quota->epoch || (flush->whole && !flush->seq))
		return TOLD;
	else if (!flush->seq)
		return request->needed > 0 && quota->seq == from->seq && quota->base == from->base
			       ? BEHIND
			       : TOLD;
	else
		tell_record(flush, record);
	quota = record->quota;
	quota->flushed_ns = request->wall_ns;
	counter = counter_of_request(request, quota);
	quota->flushed_used = ration__counter_used_in(&counter, quota->covered_part);
	/* an unused quota's record has to stay for what it covers */
	quota->window.rest_at_ns =
		ration__max64(quota->window.rest_at_ns, txn->now_ns + request->conf.window_ns);
	record->dirty = true;
	return TOLD;
}

/* Begins a transaction on one record, under the mutex. The record is NULL when the set is full. */
static int open_record(struct ration__engine *engine, uint64_t hash, const uint8_t *key,
	size_t key_length, uint32_t room, struct ration__txn **txn, struct ration__record **record)
{
	int rc;

	pthread_mutex_lock(&engine->mutex);
	rc = ration__store_begin(engine->store, -1, txn);
	if (rc < 0)
		return rc;
	ration__workset_begin(&engine->set, *txn);
	rc = ration__workset_get(&engine->set, hash, key, key_length, room, record);
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

int ration__flush_write(struct ration__engine *engine, struct ration__flush *flush)
{
	flush->hot_epoch = ration__store_epoch(engine->store);
	return ration__ledger_update(
		engine->store, flush->request->key, flush->request->key_length, write_ahead, flush);
}

int ration__flush_tell(struct ration__engine *engine, struct ration__flush *flush, bool *done)
{
	struct ration__ledger_request *request = flush->request;
	bool log = !request->calendar && ration__log_suits(&request->conf);
	enum told told = GONE;
	struct ration__record *record;
	struct ration__txn *txn;
	int rc = open_record(engine, request->hash, request->key, request->key_length,
		sizeof(struct ration__quota) + (log ? RATION__LOG_SIZE_MAX : 0), &txn, &record);

	if (rc == 0) {
		told = tell_hot(flush, txn, record);
		rc = ration__engine_end(engine, txn, 0);
	}
	if (close_record(engine, rc) < 0)
		return rc;
	if (told == TOLD)
		atomic_fetch_add(&engine->ledger_news, 1);
	flush->insists = told == BEHIND;
	request->absent = request->absent || told == GONE;
	*done = told == TOLD;
	return 0;
}

void ration__flush_do(struct ration__engine *engine, struct ration__ledger_request *request)
{
	struct ration__flush flush = {.request = request};
	bool done = false;
	int rc = 0;

	for (int round = 0; round < ROUNDS_MAX && rc == 0 && !done; round++) {
		rc = ration__flush_write(engine, &flush);
		if (rc == 0)
			rc = ration__flush_tell(engine, &flush, &done);
	}
	if (rc < 0)
		ration__engine_log(engine, RATION_LOG_ERROR, "ledger: %s", ration_strerror(rc));
}

/* ---- reading ---- */

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
		engine, ration__hash64(key, key_length), key, key_length, 0, &txn, &record);

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
