/* Units written to the ledger for calls of this process. See prepaid.h. */
#include "guard/prepaid.h"

#include <string.h>
#include "base/hash.h"

#define PREFIX_SIZE 7 /* type, slot, generation */
#define ENTRY_KEY_SIZE (PREFIX_SIZE + 8)
/* At most so many owners of a record, or entries of a dead one, are worked off in one pass. */
#define BATCH 16
#define LOOK_MAX 512 /* entries looked through */

struct entry {
	int64_t rest_at_ns;
	int64_t units;
	int64_t part;
	uint64_t epoch; /* of the quota */
	uint16_t key_length;
	uint8_t reserved[6];
	uint8_t key[RATION__KEY_MAX + 1]; /* of the quota's record; only key_length stored */
};
#define ENTRY_HEAD offsetof(struct entry, key)

static void entry_key(
	uint8_t out[ENTRY_KEY_SIZE], uint16_t slot, uint32_t generation, uint64_t hash)
{
	out[0] = RATION__RECORD_PREPAID;
	out[1] = (uint8_t)(slot >> 8);
	out[2] = (uint8_t)slot;
	for (int i = 0; i < 4; i++)
		out[3 + i] = (uint8_t)(generation >> (24 - 8 * i));
	memcpy(out + PREFIX_SIZE, &hash, sizeof(hash));
}

/* ---- what this process remembers ---- */

static struct ration__prepaid *find(const struct ration__engine *engine, uint64_t hash)
{
	for (uint32_t i = 0; i < engine->prepaid_count; i++)
		if (engine->prepaids[i].hash == hash)
			return &engine->prepaids[i];
	return NULL;
}

/* NULL: no room */
static struct ration__prepaid *find_or_make(
	struct ration__engine *engine, const struct ration__record *record)
{
	struct ration__prepaid *prepaid = find(engine, record->hash);

	if (prepaid || engine->prepaid_count == RATION__PREPAIDS_MAX)
		return prepaid;
	prepaid = &engine->prepaids[engine->prepaid_count++];
	memset(prepaid, 0, sizeof(*prepaid));
	prepaid->hash = record->hash;
	prepaid->key_length = record->key_length;
	memcpy(prepaid->key, record->key, record->key_length);
	return prepaid;
}

static void set_units(
	struct ration__engine *engine, struct ration__prepaid *prepaid, int64_t units, bool missing)
{
	prepaid->next_units = units;
	prepaid->next_missing = missing;
	engine->prepaid_touched = true;
}

void ration__prepaid_end(struct ration__engine *engine, bool committed)
{
	uint32_t kept = 0;

	if (!engine->prepaid_touched)
		return;
	engine->prepaid_touched = false;
	for (uint32_t i = 0; i < engine->prepaid_count; i++) {
		struct ration__prepaid *prepaid = &engine->prepaids[i];

		if (committed) {
			prepaid->units = prepaid->next_units;
			prepaid->missing = prepaid->next_missing;
		} else {
			prepaid->next_units = prepaid->units;
			prepaid->next_missing = prepaid->missing;
		}
		if (prepaid->units > 0)
			engine->prepaids[kept++] = *prepaid;
	}
	engine->prepaid_count = kept;
}

/* ---- entries ---- */

/* Errors stay with the transaction, which then cannot be committed. */
static void write_entry(struct ration__txn *txn, const struct ration__prepaid *prepaid)
{
	uint8_t key[ENTRY_KEY_SIZE];
	struct entry entry;

	entry_key(key, txn->slot, txn->generation, prepaid->hash);
	if (prepaid->next_units <= 0) {
		ration__txn_del(txn, key, sizeof(key));
		return;
	}
	memset(&entry, 0, ENTRY_HEAD);
	entry.rest_at_ns = prepaid->rest_at_ns;
	entry.units = prepaid->next_units;
	entry.part = prepaid->part;
	entry.epoch = prepaid->epoch;
	entry.key_length = prepaid->key_length;
	memcpy(entry.key, prepaid->key, prepaid->key_length);
	ration__txn_put(txn, key, sizeof(key), RATION__LAYOUT(RATION__RECORD_PREPAID), &entry,
		ENTRY_HEAD + entry.key_length);
}

static bool has_entry(struct ration__txn *txn, const struct ration__prepaid *prepaid)
{
	uint8_t key[ENTRY_KEY_SIZE];
	const void *value;
	size_t length;

	entry_key(key, txn->slot, txn->generation, prepaid->hash);
	return ration__txn_get(txn, key, sizeof(key), RATION__LAYOUT(RATION__RECORD_PREPAID),
		       &value, &length) == 0;
}

/* hot/ was lost; its new record, begun from the ledger, has them as used. In a part that is over it
 * may not: who wrote to the ledger later kept of that part only what was used. */
static void put_back(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__prepaid *prepaid, struct ration__record *record,
	const struct ration__counter *counter)
{
	struct ration__quota *quota = record->quota;

	set_units(engine, prepaid, prepaid->next_units, false);
	if (prepaid->part != quota->covered_part || has_entry(txn, prepaid))
		return; /* of no use any more; or hot/ was compacted, not lost */
	ration__counter_refund(
		counter, prepaid->next_units, ration__counter_begins(counter, prepaid->part));
	quota->owned += prepaid->next_units;
	record->dirty = true;
	write_entry(txn, prepaid);
}

static void forget(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__prepaid *prepaid)
{
	set_units(engine, prepaid, 0, false);
	write_entry(txn, prepaid);
}

int64_t ration__prepaid_units(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter)
{
	struct ration__prepaid *prepaid = find(engine, record->hash);
	const struct ration__quota *quota = record->quota;

	if (!prepaid || prepaid->next_units <= 0)
		return 0;
	if (record->absent && !record->dirty)
		return prepaid->part == ration__counter_part(counter) ? prepaid->next_units : 0;
	if (prepaid->epoch != quota->epoch) { /* a reset */
		forget(engine, txn, prepaid);
		return 0;
	}
	if (prepaid->next_missing)
		put_back(engine, txn, prepaid, record, counter);
	if (prepaid->part != quota->covered_part) {
		forget(engine, txn, prepaid);
		return 0;
	}
	/* what others owe the ledger comes first */
	return ration__max64(0,
		ration__min64(prepaid->next_units,
			quota->covered - ration__counter_used_in(counter, prepaid->part)));
}

void ration__prepaid_add(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter, int64_t units)
{
	struct ration__quota *quota = record->quota;
	struct ration__prepaid *prepaid;
	int64_t before;

	if (units <= 0)
		return;
	prepaid = find_or_make(engine, record);
	if (!prepaid)
		return; /* anybody's, then */
	ration__prepaid_units(engine, txn, record, counter); /* brings it up to date */
	before = prepaid->next_units;
	prepaid->part = quota->covered_part;
	prepaid->epoch = quota->epoch;
	prepaid->slot = txn->slot;
	prepaid->generation = txn->generation;
	prepaid->rest_at_ns = txn->now_ns + counter->conf->window_ns;
	set_units(engine, prepaid, before + units, false);
	quota->owned += units;
	record->dirty = true;
	write_entry(txn, prepaid);
}

/* What is its own in the part that is covered now; NULL: nothing */
static struct ration__prepaid *own(
	struct ration__engine *engine, const struct ration__record *record)
{
	struct ration__prepaid *prepaid = find(engine, record->hash);

	if (!prepaid || prepaid->next_units <= 0 || prepaid->next_missing ||
		prepaid->epoch != record->quota->epoch ||
		prepaid->part != record->quota->covered_part)
		return NULL;
	return prepaid;
}

void ration__prepaid_use(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, int64_t amount)
{
	struct ration__prepaid *prepaid = own(engine, record);

	if (!prepaid || amount <= 0)
		return;
	amount = ration__min64(amount, prepaid->next_units);
	set_units(engine, prepaid, prepaid->next_units - amount, false);
	record->quota->owned = ration__max64(0, record->quota->owned - amount);
	record->dirty = true;
	write_entry(txn, prepaid);
}

int64_t ration__prepaid_release(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__record *record)
{
	struct ration__prepaid *prepaid = own(engine, record);
	int64_t units = prepaid ? prepaid->next_units : 0;

	ration__prepaid_use(engine, txn, record, units);
	return units;
}

int ration__prepaid_leave(struct ration__keyset *keyset, struct ration__txn *txn)
{
	struct ration__engine *engine = keyset->guard->engine;
	int rc = 0;

	if (keyset->serial != keyset->guard->serial)
		return 0; /* its cells' limits are not known any more */
	for (uint32_t i = 0; rc == 0 && i < keyset->limit_count; i++) {
		const struct ration__limit *limit = &keyset->guard->rules.limits[i];
		const struct ration__cell *cell = &keyset->cells[i];
		struct ration__counter counter;
		struct ration__record *record;

		if (limit->kind != RATION__LIMIT_QUOTA || !find(engine, cell->hash))
			continue;
		rc = ration__cell_record(engine, keyset, cell, &record);
		if (rc < 0 || !ration__prepaid_release(engine, txn, record))
			continue;
		counter = ration__counter_of(
			record, limit, &cell->conf.window, cell->zone, ration__txn_wall(txn));
		ration__quota_uncover(engine, txn, record, limit, cell, &counter);
	}
	return rc;
}

/* ---- the dead ---- */

struct burial {
	size_t count;
	struct entry entries[BATCH];
	uint8_t keys[BATCH][ENTRY_KEY_SIZE];
};

static int collect_entry(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	struct burial *burial = arg;
	struct entry *entry = &burial->entries[burial->count];

	if (key_length != ENTRY_KEY_SIZE || length < ENTRY_HEAD || length > sizeof(*entry))
		return 0;
	memcpy(entry, value, length);
	if (entry->key_length != length - ENTRY_HEAD)
		return 0;
	memcpy(burial->keys[burial->count++], key, key_length);
	return burial->count == BATCH;
}

static void uncover(struct ration__record *record, const struct entry *entry)
{
	struct ration__quota *quota = record->quota;

	if (record->absent || quota->epoch != entry->epoch || quota->covered_part != entry->part)
		return;
	quota->owned = ration__max64(0, quota->owned - entry->units);
	quota->covered -= entry->units;
	record->dirty = true;
}

/* A record that is not in the working set (which may be full) is changed by itself. */
static int bury_entry(
	struct ration__engine *engine, struct ration__txn *txn, const struct entry *entry)
{
	uint64_t hash = ration__hash64(entry->key, entry->key_length);
	struct ration__workset *spare = &engine->spare;
	struct ration__record *record = NULL;
	int rc;

	if (engine->set.txn == txn) /* else the set is of the past, and its keys may be gone */
		record = ration__workset_find(&engine->set, hash, entry->key, entry->key_length);
	if (record) {
		uncover(record, entry);
		return 0;
	}
	ration__workset_begin(spare, txn);
	rc = ration__workset_get(spare, hash, entry->key, entry->key_length, 0, &record);
	if (rc < 0 || !record)
		return rc;
	uncover(record, entry);
	return ration__workset_flush(spare);
}

int ration__prepaid_bury(
	struct ration__engine *engine, struct ration__txn *txn, uint16_t slot, uint32_t generation)
{
	uint8_t prefix[ENTRY_KEY_SIZE];
	struct burial burial;
	int rc;

	entry_key(prefix, slot, generation, 0);
	do {
		burial.count = 0;
		rc = ration__txn_visit(txn, prefix, PREFIX_SIZE, NULL, 0, BATCH, collect_entry,
			&burial, NULL, NULL);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < burial.count; i++) {
			rc = bury_entry(engine, txn, &burial.entries[i]);
			if (rc == 0)
				rc = ration__txn_del(txn, burial.keys[i], ENTRY_KEY_SIZE);
			if (rc < 0 && rc != RATION_EEMPTY)
				return rc;
		}
	} while (burial.count == BATCH);
	return 0;
}

struct look {
	uint64_t hash;
	uint16_t self;
	size_t count;
	uint16_t slots[BATCH];
};

static int collect_slot(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	struct look *look = arg;
	const uint8_t *bytes = key;
	uint16_t slot;

	if (key_length != ENTRY_KEY_SIZE ||
		memcmp(bytes + PREFIX_SIZE, &look->hash, sizeof(look->hash)) != 0)
		return 0;
	slot = (uint16_t)(bytes[1] << 8 | bytes[2]);
	if (slot != look->self)
		look->slots[look->count++] = slot;
	return look->count == BATCH;
}

void ration__prepaid_reclaim(struct ration__txn *txn, const struct ration__record *record)
{
	static const uint8_t prefix[1] = {RATION__RECORD_PREPAID};
	struct look look = {.hash = record->hash, .self = txn->slot};

	if (ration__txn_visit(txn, prefix, sizeof(prefix), NULL, 0, LOOK_MAX, collect_slot, &look,
		    NULL, NULL) < 0)
		return;
	for (size_t i = 0; i < look.count; i++)
		ration__txn_bury_if_dead(txn, look.slots[i]);
}

/* One that was taken for dead was buried: what it had is others' now. */
void ration__prepaid_reassert(struct ration__engine *engine, struct ration__txn *txn)
{
	for (uint32_t i = 0; i < engine->prepaid_count; i++) {
		struct ration__prepaid *prepaid = &engine->prepaids[i];

		if (prepaid->slot != txn->slot || prepaid->generation != txn->generation)
			prepaid->units = prepaid->next_units = 0;
		else
			prepaid->missing = prepaid->next_missing = true;
	}
}
