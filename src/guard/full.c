/*
 * hot/ is full. A transaction that finds no room is helped first: records at rest are deleted, and
 * the store packs what it has (compact.c). When that is not enough, the store cannot answer, for
 * the whole fleet: who went on in it would take all of a limit of which others take their shares.
 * So a shared word says it, and each service's on_store_failure decides (local.c).
 *
 *              no room, and no help                an eighth is free
 *     room ──────────────────────────► full ──────────────────────────► room
 *                                     one member looks, each second: deletes what is at rest,
 *                                     has it packed; at once again while that finds something
 *
 * While it is full nobody decides in it, so that it comes to rest. Places that are held in it go
 * back all the same, since that needs little room; what cannot is kept until there is some (a
 * settle that was not done is given again, or left to orphan.c). When it fills again within a
 * minute it is left alone for longer: what is in use does not fit.
 *
 * Under engine.mutex, outside transactions.
 */
#include "guard/engine.h"

#define LOOK_NS RATION__NS_PER_S
#define LOOK_SOON_NS (10 * RATION__NS_PER_MS) /* the last look did something */
#define LOOK_LATE_NS (10 * RATION__NS_PER_S)  /* it filled again at once */
#define AT_ONCE_NS (60 * RATION__NS_PER_S)
#define PACK_EVERY_NS (10 * RATION__NS_PER_S)
#define HELP_MAX 4 /* transactions */

static _Atomic uint64_t *word_of(const struct ration__engine *engine)
{
	return ration__store_word(engine->store, RATION__WORD_FULL);
}

bool ration__full_said(const struct ration__engine *engine)
{
	return atomic_load_explicit(word_of(engine), memory_order_relaxed) != 0;
}

/* This process goes on by itself, for this reason. */
static void note_full(struct ration__engine *engine)
{
	if (!engine->full && engine->degraded)
		engine->degraded_news = true; /* it is another reason now */
	engine->full = true;
}

/* Once for the fleet in a while: it takes long where there is much. Who has a larger size, and so
 * is more help, at its own pace. Inside a transaction. */
static bool pack(struct ration__engine *engine, struct ration__txn *txn)
{
	_Atomic uint64_t *word = ration__store_word(engine->store, RATION__WORD_PACKED);
	/* the word is only changed under the gate */
	int64_t last_ns = ration__txn_grows(txn) ? engine->packed_ns : (int64_t)atomic_load(word);

	if (last_ns && last_ns <= txn->now_ns && txn->now_ns - last_ns < PACK_EVERY_NS)
		return false;
	atomic_store(word, (uint64_t)txn->now_ns);
	engine->packed_ns = txn->now_ns;
	ration__txn_pack(txn);
	return true;
}

/* Deletes records at rest, in a transaction of its own. How many (or 1: it is to be packed), or an
 * error; *room: there is. */
static int sweep(struct ration__engine *engine, int64_t wait_ns, bool *room)
{
	struct ration__txn *txn;
	int rc = ration__store_begin(engine->store, wait_ns, &txn);
	int count;

	*room = false;
	if (rc < 0)
		return rc;
	count = ration__txn_sweep(txn);
	if (count < 0) {
		ration__store_abort(txn);
		return count;
	}
	*room = ration__txn_has_room(txn);
	if (!*room && !count)
		count = pack(engine, txn);
	rc = ration__store_commit(txn);
	return rc < 0 ? rc : count;
}

static bool finds_room(struct ration__engine *engine, int64_t now_ns, int64_t wait_ns)
{
	bool room;
	int count = sweep(engine, wait_ns, &room);

	if (count > 0)
		atomic_store(word_of(engine), (uint64_t)(now_ns + LOOK_SOON_NS));
	return count >= 0 && room;
}

bool ration__full_lasts(struct ration__engine *engine, int64_t wait_ns)
{
	_Atomic uint64_t *word = word_of(engine);
	uint64_t at = atomic_load_explicit(word, memory_order_relaxed);
	int64_t now_ns;

	if (!at)
		return false;
	now_ns = ration__engine_now(engine);
	/* who sees it for the first time may be able to help; one far ahead is of before a reboot
	 */
	if ((!engine->full || now_ns >= (int64_t)at || (int64_t)at - now_ns > LOOK_LATE_NS) &&
		atomic_compare_exchange_strong(word, &at, (uint64_t)(now_ns + LOOK_NS)) &&
		finds_room(engine, now_ns, wait_ns)) {
		engine->room_ns = now_ns;
		atomic_store(word, 0);
		return false;
	}
	note_full(engine);
	return true;
}

bool ration__full_help(struct ration__engine *engine, int64_t wait_ns)
{
	bool room;

	if (!ration__store_full(engine->store))
		return false;
	for (int i = 0; i < HELP_MAX && sweep(engine, wait_ns, &room) > 0; i++)
		;
	return true;
}

int ration__full_begin(struct ration__engine *engine)
{
	int64_t now_ns = ration__engine_now(engine);
	bool at_once = engine->room_ns && now_ns - engine->room_ns < AT_ONCE_NS;
	uint64_t none = 0;

	if (!ration__store_full(engine->store))
		return RATION_ENOSPC;
	atomic_compare_exchange_strong(
		word_of(engine), &none, (uint64_t)(now_ns + (at_once ? LOOK_LATE_NS : LOOK_NS)));
	note_full(engine);
	return RATION_ESTORE;
}

/* The local part is done: the store alone is still to be told. */
static bool is_due(const struct ration__settle *settle)
{
	const struct ration__grant *grant = settle->grant;

	return grant->seq && grant->ended && !grant->unwritten && !settle->keep;
}

void ration__full_settle(
	struct ration__engine *engine, struct ration__batch *batch, int64_t wait_ns)
{
	struct ration__txn *txn;
	size_t end = 0;
	int rc = 0;

	while (end < batch->settle_count && !is_due(&batch->settles[end]))
		end++;
	if (end == batch->settle_count || ration__store_begin(engine->store, wait_ns, &txn) < 0)
		return;
	ration__workset_begin(&engine->set, txn);
	for (end = 0; rc == 0 && end < batch->settle_count; end++)
		if (is_due(&batch->settles[end]))
			rc = ration__settle_one(engine, txn, &batch->settles[end]);
	if (rc == RATION_EAGAIN) { /* the working set is full: the rest is given again */
		end--;
		rc = 0;
	}
	if (ration__engine_end(engine, txn, rc) < 0)
		return;
	for (size_t i = 0; i < end; i++)
		if (is_due(&batch->settles[i]))
			ration__grant_unlink(batch->settles[i].grant);
}
