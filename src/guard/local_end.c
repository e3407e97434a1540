/*
 * The store answers again: what was admitted meanwhile (local.c) is charged, places that are held
 * are written, cooldowns told, and the log says so.
 *
 * Under engine.mutex, inside the first transaction that succeeds.
 */
#include "guard/engine.h"

#define CHARGE_MAX 1024 /* in one transaction, where there are more */

/* Of what was admitted, the part that has not drained since: in an hour of its share a process
 * takes an hour's tokens, of which the shared bucket would have kept no more than its burst. It
 * drains at this process's share of the rate, and the share began full, so that all members
 * together charge at least what the one bucket would hold now. */
static double owed(
	const struct ration__engine *engine, const struct ration__local *entry, int64_t now_ns)
{
	struct ration__bucket_conf share = ration__local_share(engine, &entry->conf);
	const struct ration__bucket *state = &entry->bucket;
	int64_t elapsed_ns = ration__max64(0, now_ns - state->t_ns);
	double level = state->level - (double)elapsed_ns * share.rate * 1e-9;

	if (entry->until_ns || level <= 0)
		return 0;
	return entry->charge < level ? entry->charge : level;
}

static void charge(const struct ration__local *entry, const struct ration__txn *txn,
	struct ration__record *record, double amount)
{
	bool bound;

	if (entry->learned) {
		if (record->absent && txn->wipe_ns)
			*record->adaptive = ration__adaptive_spent(entry->learned, txn->wipe_ns);
		ration__adaptive_take(
			entry->learned, record->adaptive, txn->now_ns, amount, &bound);
	} else {
		if (record->absent && txn->wipe_ns)
			*record->bucket = ration__bucket_spent(&entry->conf, txn->wipe_ns);
		ration__bucket_take(&entry->conf, record->bucket, txn->now_ns, amount);
	}
}

static void cool(struct ration__engine *engine, const struct ration__local *entry,
	struct ration__record *record)
{
	_Atomic uint64_t *word = ration__store_word(engine->store, RATION__WORD_COOLDOWN);

	*record->rest_at_ns = ration__max64(*record->rest_at_ns, entry->until_ns);
	if ((int64_t)atomic_load(word) < entry->until_ns) /* only changed under the gate */
		atomic_store(word, (uint64_t)entry->until_ns);
}

static int tell_one(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__local *entry)
{
	struct ration__workset *spare = &engine->spare;
	double amount = owed(engine, entry, txn->now_ns);
	struct ration__record *record;
	int rc;

	if (amount <= 0 && entry->until_ns <= txn->now_ns)
		return 0;
	ration__workset_begin(spare, txn);
	rc = ration__workset_get(spare, entry->hash, entry->key, entry->key_length, 0, &record);
	if (rc < 0)
		return rc;
	if (entry->until_ns)
		cool(engine, entry, record);
	else
		charge(entry, txn, record, amount);
	record->dirty = true;
	rc = ration__workset_flush(spare);
	return rc < 0 ? rc : 1;
}

/* Some of the table from there on, in a transaction of its own. */
static int charge_some(struct ration__engine *engine, int64_t wait_ns, uint32_t *from)
{
	struct ration__locals *table = &engine->locals;
	uint32_t i = *from, told = 0;
	struct ration__txn *txn;
	int rc = ration__store_begin(engine->store, wait_ns, &txn);

	if (rc < 0)
		return rc;
	for (; rc >= 0 && i < table->size && told < CHARGE_MAX; i++) {
		rc = tell_one(engine, txn, &table->entries[i]);
		told += rc > 0;
	}
	if (rc < 0)
		ration__store_abort(txn);
	else
		rc = ration__store_commit(txn);
	if (rc < 0)
		return rc;
	while (*from < i)
		table->entries[(*from)++].charge = 0;
	return 0;
}

int ration__local_charge(struct ration__engine *engine, int64_t wait_ns)
{
	uint32_t from = 0;
	int rc = 0;

	if (engine->locals.count <= CHARGE_MAX)
		return 0;
	while (rc == 0 && from < engine->locals.size)
		rc = charge_some(engine, wait_ns, &from);
	return rc;
}

int ration__local_reconcile(struct ration__engine *engine, struct ration__txn *txn)
{
	int rc;

	for (uint32_t i = 0; i < engine->locals.size; i++) {
		rc = tell_one(engine, txn, &engine->locals.entries[i]);
		if (rc < 0)
			return rc;
	}
	for (struct ration__grant *grant = engine->grants; grant; grant = grant->next) {
		if (!grant->unwritten)
			continue;
		rc = grant->permit || grant->place ? ration__permit_assert(engine, txn, grant) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

void ration__local_reconciled(struct ration__engine *engine)
{
	for (struct ration__grant *grant = engine->grants; grant; grant = grant->next)
		grant->unwritten = 0;
	ration__locals_clear(&engine->locals);
	engine->was_full = engine->full;
	engine->degraded = engine->full = false;
	engine->degraded_news = true;
}

void ration__local_report(struct ration__engine *engine, bool degraded, bool full, uint32_t live)
{
	const char *path = ration__store_path(engine->store);

	if (degraded)
		ration__engine_log(engine, RATION_LOG_WARNING,
			"store %s %s: until %s, services go on as their on_store_failure says "
			"(local: their part among %u members)%s",
			path, full ? "is full" : "cannot answer",
			full ? "there is room" : "it does", live,
			full ? "; who starts with a larger store.hot_size makes it larger" : "");
	else
		ration__engine_log(engine, RATION_LOG_WARNING,
			"store %s %s again: what was admitted meanwhile is charged", path,
			full ? "has room" : "answers");
}
