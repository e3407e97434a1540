/* What passes between a quota's record in hot/ and the ledger. See flush.h. */
#include "guard/flush.h"

#include <string.h>
#include "base/hash.h"
#include "guard/prepaid.h"

/* Of one flush: who finds no end to it leaves it to the next ask. */
#define ROUNDS_MAX 4

/* ---- to the ledger ---- */

static struct ration__counter counter_of_request(
	const struct ration__ledger_request *request, struct ration__quota *quota)
{
	return ration__counter_of_quota(
		quota, request->calendar, &request->conf, request->zone, request->wall_ns);
}

/* hot/ has no record, or one of before a reset: what stands here is the truth. All of it counts as
 * used, but for what this very flush wrote, before hot/ was lost. */
static void take_over(struct ration__flush *flush, const struct ration__ledger_value *value)
{
	struct ration__ledger_request *request = flush->request;
	struct ration__quota *quota = &request->snapshot;
	struct ration__counter counter;
	int64_t part;

	ration__ledger_copy(quota, value);
	counter = counter_of_request(request, quota);
	quota->covered_part = part = ration__counter_part(&counter);
	quota->covered = ration__counter_used_in(&counter, part);
	flush->whole = true;
	if (flush->seq && flush->part == part)
		ration__counter_refund(
			&counter, flush->given, ration__counter_begins(&counter, part));
}

/* What a flush adds, in amounts of the present part. */
struct addition {
	int64_t amount;	 /* that it would like */
	int64_t spoken;	 /* used in hot/, or kept for calls that others are about to make */
	int64_t covered; /* in hot/ */
};

/* The count in the ledger's place is hot/'s, ahead by what is covered. More may have been used
 * since the snapshot, of what is covered. */
static void replace_count(struct ration__flush *flush, const struct ration__counter *counter,
	const struct addition *add)
{
	int64_t target = ration__max64(add->spoken + add->amount, add->covered);

	flush->added = target - add->covered;
	flush->given = target - ration__max64(add->spoken, add->covered);
	ration__counter_take(counter, target - ration__counter_used_in(counter, flush->part));
}

/* Others wrote what hot/ does not know yet: what is due and what is asked for is added to that. */
static void add_blindly(struct ration__flush *flush, const struct ration__counter *counter,
	const struct addition *add)
{
	flush->given = add->amount;
	flush->added = ration__max64(0, add->spoken - add->covered) + add->amount;
	flush->before = ration__counter_used_in(counter, flush->part);
	ration__counter_take(counter, flush->added);
}

static void add_ahead(
	struct ration__flush *flush, struct ration__ledger_value *value, bool all_known)
{
	const struct ration__ledger_request *request = flush->request;
	struct ration__quota hot = request->snapshot, ahead = hot;
	struct ration__counter hot_counter = counter_of_request(request, &hot), counter;
	struct addition add = {.amount = request->amount};

	if (!all_known)
		ration__ledger_copy(&ahead, value);
	counter = counter_of_request(request, &ahead);
	flush->blind = !all_known;
	flush->part = ration__counter_part(&counter);
	add.spoken = ration__counter_used_in(&hot_counter, flush->part);
	if (hot.covered_part == flush->part) {
		add.covered = hot.covered;
		add.spoken += hot.owned;
		if (request->sync) /* on top of what is free */
			add.spoken = ration__max64(add.spoken, add.covered);
	}
	if (!all_known) /* what others wrote will do for the rest */
		add.amount = ration__min64(add.amount, request->needed);
	if (flush->whole || !all_known) /* who asked did not know how much is left */
		add.amount = ration__min64(add.amount, ration__counter_remaining(&counter));
	if (all_known)
		replace_count(flush, &counter, &add);
	else
		add_blindly(flush, &counter, &add);
	flush->seq = (value->seq > hot.seq ? value->seq : hot.seq) + 1;
	flush->epoch = hot.epoch;
	value->seq = flush->seq;
	value->epoch = flush->epoch;
	value->calendar = ahead.calendar;
	value->window = ahead.window;
}

/* So that another may tell of it, when this process dies before. */
static void sign(struct ration__flush *flush, struct ration__ledger_value *value)
{
	struct ration__ledger_write write = {.seq = flush->seq,
		.hot_epoch = flush->hot_epoch,
		.part = flush->part,
		.given = flush->given,
		.slot = flush->slot,
		.generation = flush->generation};

	ration__ledger_note(value, &write);
	if (flush->request->sync)
		ration__prepaid_announce(flush->engine, flush->request->hash, flush->epoch, &write);
}

/* Nothing to write: hot/ only has to be told what stands there, or others' writes to be waited for.
 */
static bool is_idle(const struct ration__flush *flush, bool all_known)
{
	const struct ration__ledger_request *request = flush->request;

	if (request->lower)
		return !all_known || request->absent;
	if (request->absent)
		return request->amount == 0;
	/* what was used beyond what was covered is written at once; and `sync` is for each its own
	 */
	return !all_known && !flush->insists && !request->sync && request->amount > 0;
}

static int write_ahead(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	struct ration__flush *flush = arg;
	struct ration__ledger_request *request = flush->request;
	struct ration__quota *quota = &request->snapshot;
	struct ration__ledger_value now;
	bool all_known;

	if (ration__ledger_parse(old, old_length, &now) < 0)
		return RATION_EIO;
	if (now.epoch != flush->epoch)
		flush->seq = 0; /* what it wrote was reset */
	memcpy(flush->writes, now.writes, sizeof(flush->writes));
	flush->read_epoch = now.epoch;
	if (request->absent) {
		take_over(flush, &now);
		if (flush->seq)
			return RATION_EEMPTY;
	} else if (now.epoch > quota->epoch) {
		take_over(flush, &now);
		return RATION_EEMPTY;
	}
	all_known = now.epoch < quota->epoch || now.seq <= quota->seq;
	if (is_idle(flush, all_known))
		return RATION_EEMPTY;
	flush->slot = ration__store_slot(flush->engine->store);
	flush->generation = ration__store_generation(flush->engine->store);
	add_ahead(flush, &now, all_known);
	sign(flush, &now);
	if (flush->whole) {
		quota->covered_part = flush->part;
		quota->covered += flush->added;
		quota->seq = quota->newest = flush->seq;
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

/* Write number `write->seq` comes to a record that there is: what it gave may be used. same: so may
 * all that it added. The record's number grows by one for each write that it is told of: it is the
 * ledger's when it was told of all. Returns whether anything may be used now. */
static bool tell_write(struct ration__record *record, const struct ration__counter *counter,
	const struct ration__ledger_write *write, int64_t added)
{
	struct ration__quota *quota = record->quota;

	ration__ledger_tell(quota, write->seq);
	if (ration__ledger_had(quota, write->seq)) {
		/* read from the ledger after this was written, it counts it as used */
		if (quota->covered_part != write->part)
			return false;
		ration__counter_refund(
			counter, write->given, ration__counter_begins(counter, write->part));
		return true;
	}
	quota->seq++;
	if (quota->covered_part > write->part)
		return false; /* too late to be used */
	if (quota->covered_part < write->part)
		quota->covered = quota->owned = 0;
	quota->covered_part = write->part;
	quota->covered += added;
	return true;
}

/* Who wrote died before it told this hot/: its units are those of who comes now. */
static void tell_for_the_dead(struct ration__engine *engine, struct ration__flush *flush,
	struct ration__txn *txn, struct ration__record *record,
	const struct ration__counter *counter)
{
	if (flush->read_epoch != record->quota->epoch)
		return;
	for (int i = 0; i < RATION__LEDGER_WRITES; i++) {
		const struct ration__ledger_write *write = &flush->writes[i];

		if (!write->seq || write->seq == flush->seq ||
			write->hot_epoch != ration__store_epoch(txn->store) ||
			ration__ledger_told(record->quota, write->seq) ||
			!ration__txn_member_gone(txn, write->slot, write->generation))
			continue;
		record->dirty = true;
		ration__prepaid_void(txn->store, write);
		if (tell_write(record, counter, write, write->given) && flush->request->sync)
			ration__prepaid_add(engine, txn, record, counter, write->given);
	}
}

/* Its own. */
static void tell_record(struct ration__engine *engine, const struct ration__flush *flush,
	struct ration__txn *txn, struct ration__record *record,
	const struct ration__counter *counter)
{
	const struct ration__quota *from = &flush->request->snapshot;
	const struct ration__ledger_write write = {
		.seq = flush->seq, .part = flush->part, .given = flush->given};
	struct ration__quota *quota = record->quota;
	bool same = !flush->whole && quota->base == from->base;

	if (flush->blind && same && quota->seq == from->seq && quota->covered_part == flush->part &&
		!ration__ledger_had(quota, flush->seq)) {
		/* Nobody told of the others' writes meanwhile: they may never. Now it counts them
		 * as used; who comes to tell of one gives it back, above. */
		ration__ledger_tell(quota, flush->seq);
		ration__counter_take(counter, ration__max64(0, flush->before - quota->covered));
		quota->covered = ration__max64(quota->covered, flush->before) + flush->added;
		quota->seq = flush->seq;
		quota->base = (uint32_t)flush->seq;
	} else if (!tell_write(record, counter, &write, same ? flush->added : flush->given))
		return;
	if (flush->request->sync)
		ration__prepaid_add(engine, txn, record, counter, flush->given);
}

/* hot/ has no record, or one of before a reset. */
static enum told begin_record(const struct ration__flush *flush, const struct ration__txn *txn,
	struct ration__record *record)
{
	/* what was read while there was another hot/ may have been used up in it */
	if (!flush->whole || flush->hot_epoch != ration__store_epoch(txn->store))
		return GONE;
	*record->quota = flush->request->snapshot;
	record->length = sizeof(*record->quota); /* a log is of the past */
	record->counted = false;
	record->quota->born = flush->hot_epoch;
	record->dirty = true;
	return TOLD;
}

/* The record stays as long as what is covered is good. */
static void settle_record(const struct ration__flush *flush, const struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter)
{
	const struct ration__ledger_request *request = flush->request;
	struct ration__quota *quota = record->quota;

	record->dirty = true;
	quota->flushed_ns = request->wall_ns;
	quota->flushed_used = ration__counter_used_in(counter, quota->covered_part);
	quota->window.rest_at_ns =
		ration__max64(quota->window.rest_at_ns, txn->now_ns + request->conf.window_ns);
}

static enum told tell_hot(struct ration__engine *engine, struct ration__flush *flush,
	struct ration__txn *txn, struct ration__record *record)
{
	const struct ration__ledger_request *request = flush->request;
	const struct ration__quota *from = &request->snapshot;
	struct ration__limit limit = {.kind = RATION__LIMIT_QUOTA, .calendar = request->calendar};
	bool begins = record->absent || from->epoch > record->quota->epoch;
	struct ration__counter counter;

	if (flush->seq && (flush->slot != txn->slot || flush->generation != txn->generation)) {
		flush->seq = 0; /* taken for dead: what it wrote was told by others */
		return GONE;
	}
	if (begins && begin_record(flush, txn, record) == GONE)
		return GONE;
	if (from->epoch < record->quota->epoch)
		return TOLD;
	counter =
		ration__counter_of(record, &limit, &request->conf, request->zone, request->wall_ns);
	if (flush->seq && request->sync)
		ration__prepaid_told(engine);
	if (!begins)
		tell_for_the_dead(engine, flush, txn, record, &counter);
	else if (request->sync && flush->seq && record->quota->covered_part == flush->part)
		ration__prepaid_add(engine, txn, record, &counter, flush->given);
	if (!begins && flush->seq)
		tell_record(engine, flush, txn, record, &counter);
	if (request->sync)
		ration__prepaid_inherit(engine, txn, record, &counter, flush->writes);
	if (begins || flush->seq)
		settle_record(flush, txn, record, &counter);
	else if (!flush->whole && request->needed > 0 && record->quota->seq == from->seq &&
		 record->quota->base == from->base)
		return BEHIND;
	return TOLD;
}

/* ---- one flush ---- */

/* The record is NULL when the set is full. */
int ration__ledger_open(struct ration__engine *engine, uint64_t hash, const uint8_t *key,
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

int ration__ledger_close(struct ration__engine *engine, int rc)
{
	engine->set.txn = NULL;
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}

int ration__flush_write(struct ration__engine *engine, struct ration__flush *flush)
{
	uint64_t before = flush->seq;
	int rc;

	flush->engine = engine;
	flush->hot_epoch = ration__store_epoch(engine->store);
	rc = ration__ledger_update(
		engine->store, flush->request->key, flush->request->key_length, write_ahead, flush);
	if (rc == 0 && flush->seq != before && flush->request->sync)
		ration__prepaid_confirm(engine);
	return rc;
}

int ration__flush_tell(struct ration__engine *engine, struct ration__flush *flush, bool *done)
{
	struct ration__ledger_request *request = flush->request;
	bool log = !request->calendar && ration__log_suits(&request->conf);
	enum told told = GONE;
	struct ration__record *record;
	struct ration__txn *txn;
	int rc = ration__ledger_open(engine, request->hash, request->key, request->key_length,
		sizeof(struct ration__quota) + (log ? RATION__LOG_SIZE_MAX : 0), &txn, &record);

	if (rc == 0) {
		told = tell_hot(engine, flush, txn, record);
		rc = ration__engine_end(engine, txn, 0);
	}
	if (ration__ledger_close(engine, rc) < 0)
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
	atomic_store(&engine->ledger_fails, rc < 0);
	if (rc < 0)
		ration__engine_log(engine, RATION_LOG_ERROR, "ledger: %s", ration_strerror(rc));
}
