/*
 * Permits: entries of their own in the store, owned by a member (slot, generation), deleted exactly
 * once: by release, by expiry of the member (its lock is gone), or by fencing. Deleting an entry
 * that is absent has no effect, so nothing is given back twice.
 *
 *     P slot generation sequence what  ->  { rest (never), expiry, record key }
 *
 * Under engine.mutex, inside a transaction.
 */
#include "guard/engine.h"

#include <string.h>
#include "base/hash.h"

/* For places whose service has no breaker any more, or none that this process knows. */
static const struct ration__breaker_conf any_breaker = {
	.trip_after = 1, .close_after = 1, .probes = 1};

/* At most so many of a dead member's permits are looked at in one pass. */
#define BURY_BATCH 32
/* Dead holders of a full limit are looked for at most this often, for each record. */
#define RECLAIM_EVERY_NS INT64_C(200000000)
#define RECLAIM_MAX 64 /* locks asked for in one pass: some microseconds each */

struct permit_value {
	int64_t rest_at_ns;
	int64_t expiry_ns; /* longest hold; RATION__NEVER */
	uint16_t key_length;
	uint8_t what;
	uint8_t reserved[5];
	uint8_t key[RATION__KEY_MAX + 1]; /* of the record that counts it; only key_length stored */
};
#define PERMIT_VALUE_HEAD offsetof(struct permit_value, key)

static int write_entry(struct ration__txn *txn, const uint8_t *record_key, size_t record_key_length,
	uint64_t seq, enum ration__permit_what what)
{
	uint8_t key[RATION__PERMIT_KEY_SIZE];
	struct permit_value value;

	memset(&value, 0, PERMIT_VALUE_HEAD);
	value.rest_at_ns = RATION__NEVER;
	value.expiry_ns = RATION__NEVER;
	value.key_length = (uint16_t)record_key_length;
	value.what = (uint8_t)what;
	memcpy(value.key, record_key, record_key_length);
	ration__key_permit(key, txn->slot, txn->generation, seq, what);
	return ration__txn_put(txn, key, sizeof(key), RATION__LAYOUT(RATION__RECORD_PERMIT), &value,
		PERMIT_VALUE_HEAD + record_key_length);
}

int ration__permit_write(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__keyset *keyset, struct ration__grant *grant)
{
	int rc = 0;

	if (grant->permit)
		rc = write_entry(txn, ration__cell_key(keyset, keyset->concurrency),
			keyset->concurrency->length, grant->seq, RATION__PERMIT_PLACE);
	if (rc == 0 && grant->pass.probe)
		rc = write_entry(txn, ration__cell_key(keyset, keyset->breaker),
			keyset->breaker->length, grant->seq, RATION__PERMIT_PROBE);
	return rc;
}

/* Whether a keyset of this process waits for a permit of that service, through any guard. */
static bool process_waits(const struct ration__guard *guard)
{
	const struct ration__guard *other = guard->engine->waiting ? guard->engine->guards : NULL;

	if (guard->waiting)
		return true;
	for (; other; other = other->next)
		if (other->waiting && strcmp(other->own.service, guard->own.service) == 0)
			return true;
	return false;
}

void ration__permit_wait(struct ration__keyset *keyset, struct ration__txn *txn,
	struct ration__record *record, bool waits)
{
	struct ration__guard *guard = keyset->guard;

	ration__keyset_waits(keyset, waits);
	record->concurrency_conf = &guard->rules.concurrency;
	ration__concurrency_wait(record->concurrency_conf, record->concurrency, txn->now_ns,
		txn->slot, process_waits(guard));
	record->dirty = record->dealt = true;
}

/* 1: it was there and is gone now; 0: it had been given back already; or a store error */
static int delete_entry(struct ration__txn *txn, uint64_t seq, enum ration__permit_what what)
{
	uint8_t key[RATION__PERMIT_KEY_SIZE];
	int rc;

	ration__key_permit(key, txn->slot, txn->generation, seq, what);
	rc = ration__txn_del(txn, key, sizeof(key));
	return rc == 0 ? 1 : rc == RATION_EEMPTY ? 0 : rc;
}

static int cell_record(struct ration__engine *engine, const struct ration__keyset *keyset,
	const struct ration__cell *cell, struct ration__record **record)
{
	int rc = ration__workset_get(
		&engine->set, cell->hash, ration__cell_key(keyset, cell), cell->length, record);

	return rc < 0 ? rc : *record ? 0 : RATION_EAGAIN;
}

static int settle_place(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__grant *grant)
{
	const struct ration__keyset *keyset = grant->keyset;
	struct ration__record *record;
	int rc;

	if (!grant->permit)
		return 0;
	rc = cell_record(engine, keyset, keyset->concurrency, &record);
	if (rc < 0)
		return rc;
	rc = delete_entry(txn, grant->seq, RATION__PERMIT_PLACE);
	if (rc <= 0)
		return rc;
	if (!record->concurrency_conf)
		record->concurrency_conf = &keyset->guard->rules.concurrency;
	ration__concurrency_release(
		record->concurrency_conf, record->concurrency, txn->now_ns, txn->slot);
	record->dirty = record->dealt = true;
	return 0;
}

static int settle_breaker(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__settle *settle)
{
	const struct ration__grant *grant = settle->grant;
	const struct ration__keyset *keyset = grant->keyset;
	const struct ration__breaker_conf *conf = &keyset->guard->rules.breaker;
	struct ration__breaker_pass pass = grant->pass;
	enum ration__outcome outcome = settle->outcome;
	enum ration__breaker_event event;
	struct ration__breaker before;
	struct ration__record *record;
	int rc;

	if (!keyset->breaker)
		return 0;
	if (settle->unused || (!settle->last && !pass.probe))
		outcome = RATION__IGNORED;
	if (outcome == RATION__IGNORED && !pass.probe)
		return 0;
	rc = cell_record(engine, keyset, keyset->breaker, &record);
	if (rc < 0)
		return rc;
	if (pass.probe) {
		rc = delete_entry(txn, grant->seq, RATION__PERMIT_PROBE);
		if (rc < 0)
			return rc;
		pass.probe = rc == 1; /* else its place went back when this member was buried */
	}
	before = *record->breaker;
	if (before.state == RATION__HALF_OPEN && before.generation == pass.generation &&
		!pass.probe)
		return 0;	 /* the policy would give the place of another back */
	if (!conf->trip_after) { /* the rules lost their breaker; they may get it back */
		conf = &any_breaker;
		outcome = RATION__IGNORED;
	}
	event = ration__breaker_settle(conf, record->breaker, txn->now_ns, pass, outcome);
	if (memcmp(&before, record->breaker, sizeof(before)) != 0) {
		record->dirty = true;
		ration__hint_raise(engine);
	}
	settle->breaker_opened = event == RATION__BREAKER_OPENED;
	settle->breaker_closed = event == RATION__BREAKER_CLOSED;
	return 0;
}

static void refund(struct ration__txn *txn, const struct ration__grant *grant,
	const struct ration__limit *limit, double cost, struct ration__record *record)
{
	int64_t amount = ration__window_amount(cost), wall_ns;

	record->dirty = true;
	if (limit->kind == RATION__LIMIT_BUCKET) {
		ration__bucket_refund(
			&limit->bucket, record->bucket, txn->now_ns, cost, grant->start_ns);
		return;
	}
	if (limit->kind == RATION__LIMIT_WINDOW) {
		ration__window_refund(
			&limit->window, record->window, txn->now_ns, amount, grant->at_ns);
		return;
	}
	wall_ns = ration__txn_wall(txn);
	ration__window_refund(&limit->window, &record->quota->window, wall_ns, amount,
		wall_ns - (txn->now_ns - grant->at_ns));
	ration__quota_touch(txn, record->quota);
}

/* A grant that was never used gives its tokens back: all of them, or, when the working set is full,
 * none yet. An absent record has nothing to give back to: at rest, or lost with hot/, and then a
 * refund would make it look like one that was never used. */
static int settle_tokens(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__settle *settle)
{
	const struct ration__grant *grant = settle->grant;
	const struct ration__keyset *keyset = grant->keyset;
	struct ration__record *records[RATION__LIMITS_MAX];

	if (!settle->unused || !grant->counted || keyset->serial != keyset->guard->serial)
		return 0;
	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		int rc = cell_record(engine, keyset, &keyset->cells[i], &records[i]);

		if (rc < 0)
			return rc;
	}
	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		const struct ration__limit *limit = &keyset->guard->rules.limits[i];

		if (!records[i]->absent)
			refund(txn, grant, limit,
				ration__cost_of(limit, settle->costs, settle->cost_count),
				records[i]);
	}
	return 0;
}

int ration__settle_one(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__settle *settle)
{
	int rc;

	settle->breaker_opened = settle->breaker_closed = false;
	if (!settle->grant->seq)
		return 0;
	rc = settle_place(engine, txn, settle->grant);
	if (rc == 0)
		rc = settle_breaker(engine, txn, settle);
	if (rc == 0)
		rc = settle_tokens(engine, txn, settle);
	return rc;
}

/* ---- the dead ---- */

/* Keys of entries, copied out because the tree changes while they are worked off. */
struct burial {
	size_t count;
	uint8_t keys[BURY_BATCH][RATION__PERMIT_KEY_SIZE];
	struct permit_value values[BURY_BATCH];
};

static int collect(void *arg, const void *key, size_t key_length, uint16_t type, const void *value,
	size_t length)
{
	struct burial *burial = arg;
	struct permit_value *copy = &burial->values[burial->count];

	if (key_length != RATION__PERMIT_KEY_SIZE || length < PERMIT_VALUE_HEAD ||
		length > sizeof(*copy))
		return 0;
	memcpy(copy, value, length);
	if (copy->key_length != length - PERMIT_VALUE_HEAD)
		return 0;
	memcpy(burial->keys[burial->count++], key, key_length);
	return burial->count == BURY_BATCH;
}

static const struct ration__rules *rules_of(
	struct ration__engine *engine, const struct permit_value *permit)
{
	struct ration__key_part service;

	if (ration__key_split(permit->key, permit->key_length, &service, 1) != 1)
		return NULL;
	for (struct ration__guard *guard = engine->guards; guard; guard = guard->next)
		if (strlen(guard->rules.service) == service.length &&
			memcmp(guard->rules.service, service.text, service.length) == 0)
			return &guard->rules;
	return NULL;
}

static void give_back(struct ration__engine *engine, struct ration__txn *txn,
	const struct permit_value *permit, struct ration__record *record, uint16_t slot)
{
	static const struct ration__concurrency_conf unknown = {.max = 1};
	const struct ration__rules *rules = rules_of(engine, permit);

	if (permit->what == RATION__PERMIT_PLACE) {
		if (!record->concurrency_conf)
			record->concurrency_conf = rules ? &rules->concurrency : &unknown;
		ration__concurrency_release(
			record->concurrency_conf, record->concurrency, txn->now_ns, slot);
		record->dealt = rules != NULL;
	} else {
		struct ration__breaker_pass pass = {record->breaker->generation, 1};

		ration__breaker_settle(
			&any_breaker, record->breaker, txn->now_ns, pass, RATION__IGNORED);
	}
	record->dirty = true;
}

/* A record that is not in the working set (which may be full) is changed by itself. */
static int bury_one(struct ration__engine *engine, struct ration__txn *txn,
	const struct permit_value *permit, uint16_t slot)
{
	uint64_t hash = ration__hash64(permit->key, permit->key_length);
	struct ration__record *record = NULL;
	struct ration__workset *spare = &engine->spare;
	int rc;

	if (engine->set.txn == txn) /* else the set is of the past, and its keys may be gone */
		record = ration__workset_find(&engine->set, hash, permit->key, permit->key_length);
	if (record) {
		give_back(engine, txn, permit, record, slot);
		return 0;
	}
	ration__workset_begin(spare, txn);
	rc = ration__workset_get(spare, hash, permit->key, permit->key_length, &record);
	if (rc < 0 || !record || record->absent)
		return rc;
	give_back(engine, txn, permit, record, slot);
	return ration__workset_flush(spare);
}

int ration__permit_bury(void *arg, struct ration__txn *txn, uint16_t slot, uint32_t generation)
{
	struct ration__engine *engine = arg;
	struct burial *burial = engine->burial;
	uint8_t prefix[RATION__PERMIT_KEY_SIZE];

	ration__key_permit(prefix, slot, generation, 0, 0);
	do {
		burial->count = 0;
		int rc = ration__txn_visit(txn, prefix, RATION__PERMIT_PREFIX_SIZE, NULL, 0,
			BURY_BATCH, collect, burial, NULL, NULL);

		if (rc < 0)
			return rc;
		for (size_t i = 0; i < burial->count; i++) {
			rc = bury_one(engine, txn, &burial->values[i], slot);
			if (rc == 0)
				rc = ration__txn_del(txn, burial->keys[i], RATION__PERMIT_KEY_SIZE);
			if (rc < 0 && rc != RATION_EEMPTY)
				return rc;
		}
	} while (burial->count == BURY_BATCH);
	return 0;
}

int ration__permit_take_back(struct ration__engine *engine, struct ration__txn *txn, uint16_t slot,
	uint32_t generation, uint64_t seq)
{
	uint8_t key[RATION__PERMIT_KEY_SIZE];
	struct permit_value copy;
	const void *value;
	size_t length;
	int rc;

	ration__key_permit(key, slot, generation, seq, RATION__PERMIT_PLACE);
	rc = ration__txn_get(
		txn, key, sizeof(key), RATION__LAYOUT(RATION__RECORD_PERMIT), &value, &length);
	if (rc < 0)
		return rc == RATION_EEMPTY ? 0 : rc;
	if (length < PERMIT_VALUE_HEAD || length > sizeof(copy))
		return 0;
	memcpy(&copy, value, length);
	if (copy.key_length != length - PERMIT_VALUE_HEAD)
		return 0;
	rc = bury_one(engine, txn, &copy, slot);
	if (rc == 0)
		rc = ration__txn_del(txn, key, sizeof(key));
	return rc == RATION_EEMPTY ? 0 : rc;
}

size_t ration__burial_size(void)
{
	return sizeof(struct burial);
}

/* The limit is full: perhaps a holder is dead. */
void ration__permit_reclaim(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__concurrency_conf *conf)
{
	struct ration__concurrency *state = record->concurrency;
	uint16_t slots[RECLAIM_MAX];
	uint32_t count = state->count, first;

	if (txn->now_ns - state->reclaim_ns < RECLAIM_EVERY_NS && state->reclaim_ns <= txn->now_ns)
		return;
	/* Burying changes the list: first who, then what. Another part of a long list each time. */
	first = count > RECLAIM_MAX ? (uint32_t)(txn->now_ns / RECLAIM_EVERY_NS % count) : 0;
	count = count > RECLAIM_MAX ? RECLAIM_MAX : count;
	for (uint32_t i = 0; i < count; i++)
		slots[i] = state->contenders[(first + i) % state->count].slot;
	state->reclaim_ns = txn->now_ns;
	record->dirty = true;
	for (uint32_t i = 0; i < count; i++) {
		if (slots[i] == txn->slot || !ration__txn_bury_if_dead(txn, slots[i]))
			continue;
		/* what it held is given back by the entries; its place in the line goes here */
		ration__concurrency_bury(conf, state, txn->now_ns, slots[i]);
		record->dealt = true;
	}
}

/* Puts a live grant's place into the store, which does not know of it. */
int ration__permit_assert(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__grant *grant)
{
	const struct ration__keyset *keyset = grant->keyset;
	const struct ration__cell *cell = keyset->concurrency;
	struct ration__workset *spare = &engine->spare;
	struct ration__record *record;
	int rc;

	ration__workset_begin(spare, txn);
	rc = ration__workset_get(
		spare, cell->hash, ration__cell_key(keyset, cell), cell->length, &record);
	if (rc < 0)
		return rc;
	ration__concurrency_assert(&keyset->guard->rules.concurrency, record->concurrency,
		txn->now_ns, txn->slot,
		ration__concurrency_held(record->concurrency, txn->slot) + 1);
	record->dirty = true;
	rc = ration__workset_flush(spare);
	return rc == 0 ? ration__permit_write(engine, txn, keyset, grant) : rc;
}

/* Another epoch is no loss by itself: hot/ may have been compacted, and the entries are all there.
 */
static int has_entry(struct ration__txn *txn, uint64_t seq, enum ration__permit_what what)
{
	uint8_t key[RATION__PERMIT_KEY_SIZE];
	const void *value;
	size_t length;
	int rc;

	ration__key_permit(key, txn->slot, txn->generation, seq, what);
	rc = ration__txn_get(
		txn, key, sizeof(key), RATION__LAYOUT(RATION__RECORD_PERMIT), &value, &length);
	return rc == 0 ? 1 : rc == RATION_EEMPTY ? 0 : rc;
}

static int reassert_grant(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__grant *grant)
{
	int rc = 1;

	/* the breaker that it tried is gone, or has its place back: what it says comes too late */
	if (grant->pass.probe && (rc = has_entry(txn, grant->seq, RATION__PERMIT_PROBE)) == 0)
		grant->pass = (struct ration__breaker_pass){.generation = UINT32_MAX};
	if (rc < 0 || !grant->permit || grant->unwritten)
		return rc < 0 ? rc : 0;
	rc = has_entry(txn, grant->seq, RATION__PERMIT_PLACE);
	return rc != 0 ? (rc < 0 ? rc : 0) : ration__permit_assert(engine, txn, grant);
}

int ration__permit_reassert(void *arg, struct ration__txn *txn)
{
	struct ration__engine *engine = arg;
	uint64_t epoch = ration__store_epoch(txn->store);

	if (atomic_exchange(&engine->epoch, epoch) != epoch)
		atomic_store(&engine->epoch_news, true);
	/* what is booked in buckets that are gone would come on top of what is dealt anew */
	if (txn->wipe_ns != engine->wipe_ns)
		ration__booking_void_all(engine);
	engine->wipe_ns = txn->wipe_ns;
	for (struct ration__grant *grant = engine->grants; grant; grant = grant->next) {
		int rc = reassert_grant(engine, txn, grant);

		if (rc < 0)
			return rc;
	}
	for (struct ration__guard *guard = engine->guards; guard; guard = guard->next) {
		int rc = guard->definition_version ? ration__definition_restore(guard, txn) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}
