/* Units written to the ledger for calls of this process. See prepaid.h. */
#include "guard/prepaid.h"

#include <string.h>

/* In the shared memory of a slot. Written by its process alone, from the units on: no units, the
 * rest, units; taken by others when it is dead, under the hot gate. */
struct cell {
	_Atomic int64_t units; /* 0: free */
	uint64_t hash;	       /* of the record's key */
	uint64_t epoch;	       /* of the quota */
	int64_t part;
	uint64_t born; /* of the record */
	uint64_t seq;  /* `coming`: of the write */
	uint32_t generation;
	_Atomic uint32_t confirmed; /* `coming`: it was written */
	uint64_t reserved;
};

/* A slot's first write must not take the place of what one of before announced there. */
#define COMINGS 4
struct area {
	struct cell coming[COMINGS];
	struct cell kept[RATION__PREPAIDS_MAX];
};
static_assert(sizeof(struct area) == RATION__SLOT_AREA, "fits");

static struct area *area_of(struct ration__store *store, uint16_t slot)
{
	return ration__slot_area(store, slot);
}

static int64_t units_of(const struct cell *cell)
{
	return atomic_load_explicit(&cell->units, memory_order_acquire);
}

static void set_cell(struct cell *cell, const struct cell *to)
{
	int64_t units = units_of(to);

	atomic_store_explicit(&cell->units, 0, memory_order_release);
	cell->hash = to->hash;
	cell->epoch = to->epoch;
	cell->part = to->part;
	cell->born = to->born;
	cell->seq = to->seq;
	cell->generation = to->generation;
	atomic_store_explicit(&cell->confirmed, 0, memory_order_relaxed);
	atomic_store_explicit(&cell->units, units, memory_order_release);
}

/* ---- what this process remembers ---- */

/* One that was taken for dead has nothing any more: it is another member now. */
static void check_life(struct ration__engine *engine, const struct ration__txn *txn)
{
	if (engine->prepaid_slot == txn->slot && engine->prepaid_generation == txn->generation)
		return;
	memset(engine->prepaids, 0, sizeof(engine->prepaids));
	atomic_store(&engine->prepaid_count, 0);
	engine->prepaid_touched = false;
	engine->prepaid_slot = txn->slot;
	engine->prepaid_generation = txn->generation;
}

static bool is_free(const struct ration__prepaid *prepaid)
{
	return prepaid->units <= 0 && prepaid->next_units <= 0;
}

static struct ration__prepaid *find(struct ration__engine *engine, uint64_t hash)
{
	for (int i = 0; i < RATION__PREPAIDS_MAX; i++)
		if (engine->prepaids[i].hash == hash && !is_free(&engine->prepaids[i]))
			return &engine->prepaids[i];
	return NULL;
}

/* NULL: no room. A cell that still says what one of before had is taken last. */
static struct ration__prepaid *find_or_make(struct ration__engine *engine, uint64_t hash)
{
	const struct area *area = area_of(engine->store, engine->prepaid_slot);
	struct ration__prepaid *prepaid = find(engine, hash);

	for (int i = 0; i < 2 * RATION__PREPAIDS_MAX && !prepaid; i++) {
		int at = i % RATION__PREPAIDS_MAX;

		if (is_free(&engine->prepaids[at]) &&
			(i >= RATION__PREPAIDS_MAX || units_of(&area->kept[at]) == 0)) {
			prepaid = &engine->prepaids[at];
			memset(prepaid, 0, sizeof(*prepaid));
			prepaid->hash = hash;
		}
	}
	return prepaid;
}

static void set_units(struct ration__engine *engine, struct ration__prepaid *prepaid, int64_t units)
{
	prepaid->next_units = units;
	engine->prepaid_touched = true;
}

/* A unit that is used goes from the slot when hot/ has it as used: who dies in between did not send
 * the call. One that is told comes there when hot/ has it, and is announced no more before. */
void ration__prepaid_hide(struct ration__engine *engine)
{
	struct area *area;

	if (!engine->prepaid_told)
		return;
	engine->prepaid_told = false;
	area = area_of(engine->store, engine->prepaid_coming_slot);
	atomic_store_explicit(&area->coming[engine->prepaid_coming].units, 0, memory_order_release);
}

void ration__prepaid_end(struct ration__engine *engine, bool committed)
{
	struct area *area;
	unsigned count = 0;

	engine->prepaid_told = false;
	if (!engine->prepaid_touched)
		return;
	engine->prepaid_touched = false;
	area = area_of(engine->store, engine->prepaid_slot);
	for (int i = 0; i < RATION__PREPAIDS_MAX; i++) {
		struct ration__prepaid *prepaid = &engine->prepaids[i];
		bool changed = prepaid->units != prepaid->next_units ||
			       prepaid->born != prepaid->next_born;
		struct cell cell = {.units = prepaid->next_units,
			.hash = prepaid->hash,
			.epoch = prepaid->epoch,
			.part = prepaid->part,
			.born = prepaid->next_born,
			.generation = engine->prepaid_generation};

		if (!committed) {
			prepaid->next_units = prepaid->units;
			prepaid->next_born = prepaid->born;
		} else if (changed) {
			prepaid->units = prepaid->next_units;
			prepaid->born = prepaid->next_born;
			set_cell(&area->kept[i], &cell);
		}
		count += prepaid->units > 0;
	}
	atomic_store(&engine->prepaid_count, count);
}

/* ---- units ---- */

int64_t ration__prepaid_units(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter)
{
	struct ration__quota *quota = record->quota;
	struct ration__prepaid *prepaid;

	check_life(engine, txn);
	prepaid = find(engine, record->hash);
	if (!prepaid || prepaid->next_units <= 0)
		return 0;
	if (record->absent && !record->dirty)
		return prepaid->part == ration__counter_part(counter) ? prepaid->next_units : 0;
	/* after a reset; in another part: who wrote to the ledger in that kept of this one only
	 * what was used */
	if (prepaid->epoch != quota->epoch || prepaid->part != quota->covered_part) {
		set_units(engine, prepaid, 0);
		return 0;
	}
	if (prepaid->next_born != quota->born) { /* hot/ was lost: they count as used */
		ration__counter_refund(counter, prepaid->next_units,
			ration__counter_begins(counter, prepaid->part));
		quota->owned += prepaid->next_units;
		record->dirty = true;
		prepaid->next_born = quota->born;
		set_units(engine, prepaid, prepaid->next_units);
	}
	/* what others owe the ledger comes first */
	return ration__max64(
		0, ration__min64(prepaid->next_units,
			   quota->covered - ration__counter_used_in(counter, prepaid->part)));
}

void ration__prepaid_told(struct ration__engine *engine)
{
	engine->prepaid_told = true;
}

void ration__prepaid_add(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter, int64_t units)
{
	struct ration__quota *quota = record->quota;
	struct ration__prepaid *prepaid;

	if (units <= 0)
		return;
	ration__prepaid_units(engine, txn, record, counter); /* brings it up to date */
	prepaid = find_or_make(engine, record->hash);
	if (!prepaid)
		return; /* anybody's, then */
	prepaid->part = quota->covered_part;
	prepaid->epoch = quota->epoch;
	prepaid->next_born = quota->born;
	set_units(engine, prepaid, prepaid->next_units + units);
	quota->owned += units;
	record->dirty = true;
}

void ration__prepaid_use(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, int64_t amount)
{
	struct ration__quota *quota = record->quota;
	struct ration__prepaid *prepaid;

	if (!quota->owned)
		return;
	check_life(engine, txn);
	prepaid = find(engine, record->hash);
	if (!prepaid || prepaid->epoch != quota->epoch || prepaid->part != quota->covered_part ||
		prepaid->next_born != quota->born)
		return;
	amount = ration__max64(0, ration__min64(amount, prepaid->next_units));
	set_units(engine, prepaid, prepaid->next_units - amount);
	quota->owned = ration__max64(0, quota->owned - amount);
	record->dirty = true;
}

int64_t ration__prepaid_release(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__record *record)
{
	int64_t owned = record->quota->owned;

	ration__prepaid_use(engine, txn, record, INT64_MAX);
	return owned - record->quota->owned;
}

int ration__prepaid_leave(struct ration__keyset *keyset, struct ration__txn *txn)
{
	struct ration__engine *engine = keyset->guard->engine;
	int rc = 0;

	check_life(engine, txn);
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

/* ---- written, not told ---- */

void ration__prepaid_announce(struct ration__engine *engine, uint64_t hash, uint64_t epoch,
	const struct ration__ledger_write *write)
{
	_Atomic uint64_t *end = ration__store_word(engine->store, RATION__WORD_KEPT);
	uint64_t seen = atomic_load(end);
	struct area *area = area_of(engine->store, write->slot);
	struct cell cell = {.units = write->given,
		.hash = hash,
		.epoch = epoch,
		.part = write->part,
		.seq = write->seq,
		.generation = write->generation};

	while (seen <= write->slot && !atomic_compare_exchange_weak(end, &seen, write->slot + 1u))
		;
	engine->prepaid_coming_slot = write->slot;
	engine->prepaid_coming = 0;
	while (engine->prepaid_coming < COMINGS - 1 &&
		units_of(&area->coming[engine->prepaid_coming]) > 0 &&
		area->coming[engine->prepaid_coming].generation != write->generation)
		engine->prepaid_coming++;
	set_cell(&area->coming[engine->prepaid_coming], &cell);
}

void ration__prepaid_confirm(struct ration__engine *engine)
{
	struct area *area = area_of(engine->store, engine->prepaid_coming_slot);

	atomic_store_explicit(
		&area->coming[engine->prepaid_coming].confirmed, 1, memory_order_release);
}

void ration__prepaid_void(struct ration__store *store, const struct ration__ledger_write *write)
{
	struct area *area = area_of(store, write->slot);

	for (int i = 0; i < COMINGS; i++)
		if (area->coming[i].generation == write->generation &&
			area->coming[i].seq == write->seq)
			atomic_store_explicit(&area->coming[i].units, 0, memory_order_release);
}

/* ---- the dead ---- */

struct estate {
	struct ration__engine *engine;
	struct ration__txn *txn;
	struct ration__record *record;
	const struct ration__counter *counter;
	const struct ration__ledger_write *writes;
};

/* What it has is of a part or count that is not begun here: later. */
static bool is_ahead(const struct estate *estate, const struct cell *cell)
{
	const struct ration__quota *quota = estate->record->quota;

	return cell->epoch > quota->epoch ||
	       (cell->epoch == quota->epoch && cell->part > quota->covered_part);
}

static int64_t take_cell(struct cell *cell)
{
	return atomic_exchange_explicit(&cell->units, 0, memory_order_acq_rel);
}

static bool is_of_now(const struct estate *estate, const struct cell *cell)
{
	const struct ration__quota *quota = estate->record->quota;

	return cell->epoch == quota->epoch && cell->part == quota->covered_part;
}

/* counted: the record was begun with them as used. */
static bool inherit(
	const struct estate *estate, const struct cell *cell, int64_t units, bool counted)
{
	struct ration__quota *quota = estate->record->quota;

	if (units <= 0)
		return false;
	estate->record->dirty = true;
	if (counted)
		ration__counter_refund(estate->counter, units,
			ration__counter_begins(estate->counter, cell->part));
	else
		quota->owned = ration__max64(0, quota->owned - units);
	ration__prepaid_add(estate->engine, estate->txn, estate->record, estate->counter, units);
	return true;
}

static bool take_kept(const struct estate *estate, struct cell *cell)
{
	int64_t units = take_cell(cell);

	return is_of_now(estate, cell) &&
	       inherit(estate, cell, units, cell->born != estate->record->quota->born);
}

static bool is_signed(const struct estate *estate, const struct cell *cell, uint16_t slot)
{
	for (int i = 0; i < RATION__LEDGER_WRITES; i++) {
		const struct ration__ledger_write *write = &estate->writes[i];

		if (write->seq == cell->seq && write->slot == slot &&
			write->generation == cell->generation)
			return true;
	}
	return false;
}

/* It was announced, perhaps written, and hot/ was not told. A record that has it as used gives it
 * back; else who flushes tells it (flush.c). */
static bool take_coming(const struct estate *estate, struct cell *cell, uint16_t slot)
{
	struct ration__quota *quota = estate->record->quota;
	bool written = atomic_load_explicit(&cell->confirmed, memory_order_acquire);
	int64_t units;

	if (!written && !estate->writes)
		return false; /* it takes the ledger to know */
	written = written || is_signed(estate, cell, slot);
	if (written && is_of_now(estate, cell) && !ration__ledger_had(quota, cell->seq))
		return false;
	units = take_cell(cell);
	if (!written || !is_of_now(estate, cell))
		return false;
	ration__ledger_tell(quota, cell->seq);
	return inherit(estate, cell, units, true);
}

bool ration__prepaid_inherit(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter,
	const struct ration__ledger_write *writes)
{
	uint64_t end = atomic_load(ration__store_word(engine->store, RATION__WORD_KEPT));
	const struct estate estate = {engine, txn, record, counter, writes};
	bool any = false;

	for (uint16_t slot = 0; slot < end && slot < RATION__SLOTS_MAX; slot++) {
		struct area *area = area_of(engine->store, slot);

		for (int i = -COMINGS; i < RATION__PREPAIDS_MAX; i++) {
			struct cell *cell = i < 0 ? &area->coming[i + COMINGS] : &area->kept[i];

			if (units_of(cell) <= 0 || cell->hash != record->hash ||
				is_ahead(&estate, cell) ||
				(slot == txn->slot && cell->generation == txn->generation) ||
				!ration__txn_member_gone(txn, slot, cell->generation))
				continue;
			any |= i < 0 ? take_coming(&estate, cell, slot) : take_kept(&estate, cell);
		}
	}
	return any;
}
