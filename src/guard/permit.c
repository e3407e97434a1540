/*
 * Permits: entries of their own in the store, owned by a member (slot, generation), deleted exactly
 * once: by release, by expiry of the member (its lock is gone), or by fencing. Deleting an entry
 * that is absent has no effect, so nothing is given back twice.
 *
 *     P slot generation sequence what  ->  { rest (never), expiry, record key }
 *
 * A worker that settles one attempt and starts the next in the same transaction would delete one
 * entry and write another like it: the new grant takes the old one's over, sequence and all.
 *
 * Under engine.mutex, inside a transaction.
 */
#include "guard/engine.h"

#include <string.h>
#include "base/hash.h"

/* For probes whose service has no breaker any more, or none that this process knows. */
const struct ration__breaker_conf ration__any_breaker = {
	.trip_after = 1, .close_after = 1, .probes = 1};

/* At most so many of a dead member's permits are looked at in one pass. */
#define BURY_BATCH 32
#define EXPIRE_MAX 4096 /* entries of one member looked through: some 50 ns each */
/* Dead holders, and those that held too long, of a full limit are looked for at most this often,
 * for each record. */
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

static int write_entry(struct ration__txn *txn, const struct ration__keyset *keyset,
	const struct ration__cell *cell, uint64_t seq, enum ration__permit_what what)
{
	int64_t hold_ns = keyset->guard->own.own.hold_ns;
	uint8_t key[RATION__PERMIT_KEY_SIZE];
	struct permit_value value;

	memset(&value, 0, PERMIT_VALUE_HEAD);
	value.rest_at_ns = RATION__NEVER;
	value.expiry_ns = hold_ns > 0 && hold_ns < RATION__NEVER - txn->now_ns
				  ? txn->now_ns + hold_ns
				  : RATION__NEVER;
	value.key_length = cell->length;
	value.what = (uint8_t)what;
	memcpy(value.key, ration__cell_key(keyset, cell), cell->length);
	ration__key_permit(key, txn->slot, txn->generation, seq, what);
	return ration__txn_put(txn, key, sizeof(key), RATION__LAYOUT(RATION__RECORD_PERMIT), &value,
		PERMIT_VALUE_HEAD + cell->length);
}

/* ---- entries that change hands ---- */

int ration__permit_give_back(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__grant *grant)
{
	uint8_t key[RATION__PERMIT_KEY_SIZE];
	struct permit_value head;
	const void *value;
	size_t length;
	int rc;

	if (grant->place || grant->pass.probe || engine->spare_count == RATION__SPARES_MAX)
		return ration__permit_delete(txn, grant->seq, RATION__PERMIT_PLACE);
	ration__key_permit(key, txn->slot, txn->generation, grant->seq, RATION__PERMIT_PLACE);
	rc = ration__txn_get(
		txn, key, sizeof(key), RATION__LAYOUT(RATION__RECORD_PERMIT), &value, &length);
	if (rc < 0)
		return rc == RATION_EEMPTY ? 0 : rc;
	if (length < PERMIT_VALUE_HEAD)
		return ration__permit_delete(txn, grant->seq, RATION__PERMIT_PLACE);
	memcpy(&head, value, PERMIT_VALUE_HEAD);
	engine->spares[engine->spare_count++] =
		(struct ration__spare){.hash = grant->keyset->concurrency->hash,
			.seq = grant->seq,
			.guard = grant->keyset->guard,
			.expires = head.expiry_ns < RATION__NEVER};
	return 1;
}

int ration__permit_drop_spares(struct ration__engine *engine, struct ration__txn *txn)
{
	int rc = 0;

	for (uint32_t i = 0; rc >= 0 && i < engine->spare_count; i++)
		rc = ration__permit_delete(txn, engine->spares[i].seq, RATION__PERMIT_PLACE);
	engine->spare_count = 0;
	return rc < 0 ? rc : 0;
}

/* Only one that says the same: the same record, and no expiry. */
static bool take_spare(const struct ration__keyset *keyset, struct ration__grant *grant)
{
	struct ration__engine *engine = keyset->guard->engine;

	if (keyset->guard->own.own.hold_ns > 0)
		return false;
	for (uint32_t i = 0; i < engine->spare_count; i++) {
		struct ration__spare *spare = &engine->spares[i];

		if (spare->hash != keyset->concurrency->hash || spare->guard != keyset->guard ||
			spare->expires)
			continue;
		grant->seq = spare->seq;
		*spare = engine->spares[--engine->spare_count];
		return true;
	}
	return false;
}

int ration__permit_write(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__keyset *keyset, struct ration__grant *grant)
{
	int rc = 0;

	if (grant->permit && !grant->place && !grant->pass.probe && take_spare(keyset, grant))
		return 0;
	if (grant->permit)
		rc = write_entry(
			txn, keyset, keyset->concurrency, grant->seq, RATION__PERMIT_PLACE);
	if (rc == 0 && grant->place)
		rc = write_entry(txn, keyset, keyset->place, grant->seq, RATION__PERMIT_KEY);
	if (rc == 0 && grant->pass.probe)
		rc = write_entry(txn, keyset, keyset->breaker, grant->seq, RATION__PERMIT_PROBE);
	return rc;
}

/* ---- lines ---- */

/* Through any guard. 64 bits decide about places: a collision is one wake-up for nothing. */
bool ration__permit_waited(const struct ration__keyset *keyset, bool place)
{
	const struct ration__guard *guard = keyset->guard, *other = guard->engine->guards;
	const struct ration__keyset *in_line;

	if (!guard->engine->waiting)
		return false;
	if (!place && guard->waiting)
		return true;
	for (; !place && other; other = other->next)
		if (other->waiting && strcmp(other->own.service, guard->own.service) == 0)
			return true;
	if (!place)
		return false;
	in_line = guard->engine->in_line[keyset->place->hash % RATION__BOOKED_HEADS];
	while (in_line && in_line->place->hash != keyset->place->hash)
		in_line = in_line->next;
	return in_line != NULL;
}

void ration__permit_wait(struct ration__keyset *keyset, struct ration__txn *txn,
	struct ration__record *record, const struct ration__concurrency_conf *conf, bool waits)
{
	bool place = record->type == RATION__RECORD_PLACE;

	ration__keyset_waits(keyset, place, waits);
	record->concurrency_conf = conf;
	ration__concurrency_wait(conf, record->concurrency, txn->now_ns, txn->slot,
		ration__permit_waited(keyset, place));
	record->dirty = record->dealt = true;
}

int ration__permit_delete(struct ration__txn *txn, uint64_t seq, enum ration__permit_what what)
{
	uint8_t key[RATION__PERMIT_KEY_SIZE];
	int rc;

	ration__key_permit(key, txn->slot, txn->generation, seq, what);
	rc = ration__txn_del(txn, key, sizeof(key));
	return rc == 0 ? 1 : rc == RATION_EEMPTY ? 0 : rc;
}

/* ---- the dead ---- */

/* Keys of entries, copied out because the tree changes while they are worked off. */
struct burial {
	const struct ration__record *record; /* only its entries, and those overdue; NULL: all */
	int64_t now_ns;
	size_t count;
	uint8_t keys[BURY_BATCH][RATION__PERMIT_KEY_SIZE];
	struct permit_value values[BURY_BATCH];
};

static bool is_overdue(const struct burial *burial, const struct permit_value *permit)
{
	return permit->expiry_ns <= burial->now_ns &&
	       permit->key_length == burial->record->key_length &&
	       memcmp(permit->key, burial->record->key, permit->key_length) == 0;
}

static int collect(void *arg, const void *key, size_t key_length, uint16_t type, const void *value,
	size_t length)
{
	struct burial *burial = arg;
	struct permit_value *copy = &burial->values[burial->count];

	if (key_length != RATION__PERMIT_KEY_SIZE || length < PERMIT_VALUE_HEAD ||
		length > sizeof(*copy))
		return 0;
	memcpy(copy, value, length);
	if (copy->key_length != length - PERMIT_VALUE_HEAD ||
		(burial->record && !is_overdue(burial, copy)))
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
	struct ration__breaker_pass pass;

	record->dirty = true;
	if (record->type == RATION__RECORD_BREAKER) {
		pass = (struct ration__breaker_pass){record->breaker->generation, 1};
		ration__breaker_fit(&ration__any_breaker, record->breaker, record->length);
		ration__breaker_settle(&ration__any_breaker, record->breaker, txn->now_ns, pass,
			RATION__IGNORED, 0, 0);
		return;
	}
	if (!record->concurrency_conf && rules)
		record->concurrency_conf =
			record->type == RATION__RECORD_PLACE ? &rules->place : &rules->concurrency;
	if (!record->concurrency_conf || !record->concurrency_conf->max)
		record->concurrency_conf = &unknown;
	ration__concurrency_release(
		record->concurrency_conf, record->concurrency, txn->now_ns, slot);
	record->dealt = rules != NULL;
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
	rc = ration__workset_get(spare, hash, permit->key, permit->key_length, 0, &record);
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
	burial->record = NULL;
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

/* Entries of one member, the oldest first: what it has held for too long. */
static int expire(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__record *record, uint16_t slot)
{
	struct burial *burial = engine->burial;
	uint8_t prefix[RATION__PERMIT_KEY_SIZE];
	int rc;

	ration__key_permit(prefix, slot, 0, 0, 0);
	burial->record = record;
	burial->now_ns = txn->now_ns;
	burial->count = 0;
	rc = ration__txn_visit(txn, prefix, 3, NULL, 0, EXPIRE_MAX, collect, burial, NULL, NULL);
	if (rc > 0)
		rc = 0; /* it is full: the rest comes next time */
	for (size_t i = 0; rc == 0 && i < burial->count; i++) {
		rc = bury_one(engine, txn, &burial->values[i], slot);
		if (rc == 0)
			rc = ration__txn_del(txn, burial->keys[i], RATION__PERMIT_KEY_SIZE);
		if (rc == RATION_EEMPTY)
			rc = 0;
	}
	return rc;
}

/* The limit is full: perhaps a holder is dead, or has held for too long. */
int ration__permit_reclaim(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__concurrency_conf *conf)
{
	struct ration__concurrency *state = record->concurrency;
	uint16_t slots[RECLAIM_MAX];
	uint32_t count = state->count, first;
	int rc = 0;

	if (txn->now_ns - state->reclaim_ns < RECLAIM_EVERY_NS && state->reclaim_ns <= txn->now_ns)
		return 0;
	rc = ration__permit_drop_spares(
		engine, txn); /* they would be found, and given back twice */
	if (rc < 0)
		return rc;
	/* Burying changes the list: first who, then what. Another part of a long list each time. */
	first = count > RECLAIM_MAX ? (uint32_t)(txn->now_ns / RECLAIM_EVERY_NS % count) : 0;
	count = count > RECLAIM_MAX ? RECLAIM_MAX : count;
	for (uint32_t i = 0; i < count; i++)
		slots[i] = state->contenders[(first + i) % state->count].slot;
	state->reclaim_ns = txn->now_ns;
	record->dirty = true;
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		if (slots[i] != txn->slot && ration__txn_bury_if_dead(txn, slots[i])) {
			/* what it held is given back by the entries; its place in the line goes
			 * here */
			ration__concurrency_bury(conf, state, txn->now_ns, slots[i]);
			record->dealt = true;
		} else
			rc = expire(engine, txn, record, slots[i]);
	}
	return rc;
}

static int assert_place(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, enum ration__permit_what what)
{
	const struct ration__keyset *keyset = grant->keyset;
	const struct ration__rules *rules = &keyset->guard->rules;
	bool place = what == RATION__PERMIT_KEY;
	const struct ration__cell *cell = place ? keyset->place : keyset->concurrency;
	const struct ration__concurrency_conf *conf = place ? &rules->place : &rules->concurrency;
	struct ration__workset *spare = &engine->spare;
	struct ration__record *record;
	int rc;

	if (!conf->max) /* the rules lost the limit: an entry would give back what nobody took */
		return 0;
	ration__workset_begin(spare, txn);
	rc = ration__workset_get(
		spare, cell->hash, ration__cell_key(keyset, cell), cell->length, 0, &record);
	if (rc < 0)
		return rc;
	ration__concurrency_assert(conf, record->concurrency, txn->now_ns, txn->slot,
		ration__concurrency_held(record->concurrency, txn->slot) + 1);
	record->dirty = true;
	rc = ration__workset_flush(spare);
	return rc < 0 ? rc : write_entry(txn, keyset, cell, grant->seq, what);
}

/* Puts a live grant's places into the store, which does not know of them. */
int ration__permit_assert(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__grant *grant)
{
	int rc = 0;

	if (grant->permit)
		rc = assert_place(engine, txn, grant, RATION__PERMIT_PLACE);
	if (rc == 0 && grant->place)
		rc = assert_place(engine, txn, grant, RATION__PERMIT_KEY);
	return rc;
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

/* Each by itself: one that was held too long may be gone alone. */
static int reassert_place(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, enum ration__permit_what what)
{
	int rc = has_entry(txn, grant->seq, what);

	return rc == 0 ? assert_place(engine, txn, grant, what) : rc < 0 ? rc : 0;
}

static int reassert_grant(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__grant *grant)
{
	int rc = 1;

	/* the breaker that it tried is gone, or has its place back: what it says comes too late */
	if (grant->pass.probe && (rc = has_entry(txn, grant->seq, RATION__PERMIT_PROBE)) == 0)
		grant->pass = (struct ration__breaker_pass){.generation = UINT32_MAX};
	if (rc < 0 || grant->unwritten)
		return rc < 0 ? rc : 0;
	rc = grant->permit ? reassert_place(engine, txn, grant, RATION__PERMIT_PLACE) : 0;
	if (rc == 0 && grant->place)
		rc = reassert_place(engine, txn, grant, RATION__PERMIT_KEY);
	return rc;
}

int ration__permit_reassert(void *arg, struct ration__txn *txn)
{
	struct ration__engine *engine = arg;
	uint64_t epoch = ration__store_epoch(txn->store);

	if (atomic_exchange(&engine->epoch, epoch) != epoch) {
		atomic_store(&engine->epoch_news, true);
		atomic_store(&engine->epoch_kick, true);
	}
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
