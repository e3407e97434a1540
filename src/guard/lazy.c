/*
 * Settling later: a success that changes nothing but to give its place back needs no transaction of
 * its own. The member says so in its shared word and settles with its next decision; who finds the
 * limit full meanwhile looks at the words of those that hold places, and takes back what is done.
 * A slow, steady fleet so decides once a grant instead of twice.
 *
 *   releaser                           asker that finds the limit full (inside a transaction)
 *     word[slot] = generation, seq       hint += 1
 *     hint unchanged since the grant?    word[holders] -> delete the entry, release the place
 *       yes: done   no: settle now
 *
 * Both sides write, then read (all seq_cst): either the releaser sees that somebody was denied, or
 * the asker sees the word. Taking back is idempotent, since the permit is an entry: a word that was
 * seen twice, or by two, or whose owner settles too, has no effect the second time.
 *
 * The hint is also raised whenever a breaker counts a failure or changes its state: "no failures"
 * at the grant and an unchanged hint mean that this success changes no breaker (so none is asked
 * when it is settled at last, when others may have failed since).
 *
 * The hint tells of denials after the grant. Who was denied before it, and waits still, is not
 * asked again until it is called: a grant beside such a one is never settled later (decide.c,
 * quiet).
 *
 * One permit at a time for each member; under engine.mutex.
 */
#include "guard/engine.h"

#include <string.h>

static _Atomic uint64_t *hint_of(struct ration__engine *engine)
{
	return ration__store_word(engine->store, RATION__WORD_HINT);
}

uint64_t ration__hint_read(struct ration__engine *engine)
{
	return atomic_load(hint_of(engine));
}

void ration__hint_raise(struct ration__engine *engine)
{
	atomic_fetch_add(hint_of(engine), 1);
}

bool ration__settle_later(struct ration__engine *engine, const struct ration__settle *settle)
{
	struct ration__grant *grant = settle->grant;
	struct ration__store *store = engine->store;

	if (!grant->seq || !grant->quiet || settle->outcome != RATION__SUCCESS || settle->unused ||
		settle->keep || settle->actual_count || settle->retry_after_ns > 0 ||
		settle->stop_ns > 0 || settle->throttle || settle->retry || grant->pass.probe ||
		grant->mode != RATION__EXACT)
		return false;
	if (grant->keyset->budget && atomic_load(ration__store_word(store, RATION__WORD_BUDGETS)) &
					     ration__budget_bit(grant->keyset))
		return false; /* the retry budget gains by it */
	if (!grant->permit) {
		if (ration__hint_read(engine) != grant->hint)
			return false;
		ration__grant_unlink(grant); /* there is nothing to settle */
		return true;
	}
	if (engine->lazy.seq || grant->seq > UINT32_MAX ||
		ration__store_slot(store) >= RATION__SLOTS_MAX)
		return false;
	atomic_store(ration__slot_word(store, ration__store_slot(store)),
		(uint64_t)ration__store_generation(store) << 32 | grant->seq);
	if (ration__hint_read(engine) != grant->hint) {
		atomic_store(ration__slot_word(store, ration__store_slot(store)), 0);
		return false;
	}
	ration__grant_move(grant, &engine->lazy);
	return true;
}

int ration__lazy_settle(struct ration__engine *engine, struct ration__txn *txn)
{
	int rc;

	if (!engine->lazy.seq)
		return 0;
	rc = ration__settle_permit(engine, txn, &engine->lazy);
	engine->lazy_settled = rc == 0;
	return rc;
}

/* The word is taken away while the gate is held, or put back when nothing came of it. A member that
 * dies in between is buried with all its places. */
void ration__lazy_hide(struct ration__engine *engine)
{
	if (engine->lazy.seq && engine->lazy_settled)
		atomic_store(
			ration__slot_word(engine->store, ration__store_slot(engine->store)), 0);
}

void ration__lazy_show(struct ration__engine *engine)
{
	if (engine->lazy.seq && engine->lazy_settled &&
		ration__store_slot(engine->store) < RATION__SLOTS_MAX)
		atomic_store(ration__slot_word(engine->store, ration__store_slot(engine->store)),
			(uint64_t)ration__store_generation(engine->store) << 32 | engine->lazy.seq);
	engine->lazy_settled = false;
}

void ration__lazy_done(struct ration__engine *engine)
{
	if (!engine->lazy.seq || !engine->lazy_settled)
		return;
	ration__grant_unlink(&engine->lazy);
	engine->lazy_settled = false;
}

void ration__lazy_flush(struct ration__engine *engine)
{
	struct ration__txn *txn;
	int rc;

	if (!engine->lazy.seq)
		return;
	rc = ration__store_begin(engine->store, RATION__NS_PER_MS, &txn);
	if (rc == 0) {
		ration__workset_begin(&engine->set, txn);
		rc = ration__engine_end(engine, txn, ration__lazy_settle(engine, txn));
	}
	if (rc == 0)
		ration__lazy_done(
			engine); /* else the word stays, and the next decision settles it */
}

int ration__lazy_collect(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__record *record)
{
	struct ration__concurrency *state = record->concurrency;
	uint16_t slots[RATION__LAZY_MAX];
	uint16_t count = 0;

	ration__hint_raise(engine);
	/* Taking back changes the list: first who, then what. */
	for (uint16_t i = 0; i < state->count && count < RATION__LAZY_MAX; i++)
		if (state->contenders[i].slot != txn->slot &&
			state->contenders[i].slot < RATION__SLOTS_MAX &&
			atomic_load(ration__slot_word(engine->store, state->contenders[i].slot)))
			slots[count++] = state->contenders[i].slot;
	for (uint16_t i = 0; i < count; i++) {
		uint64_t word = atomic_load(ration__slot_word(engine->store, slots[i]));
		int rc = word ? ration__permit_take_back(engine, txn, slots[i],
					(uint32_t)(word >> 32), (uint32_t)word)
			      : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}
