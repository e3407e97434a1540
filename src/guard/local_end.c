/*
 * The store answers again: what was admitted meanwhile (local.c) is charged, places that are held
 * are written, cooldowns told, and the log says so.
 *
 * Under engine.mutex, inside the first transaction that succeeds.
 */
#include "guard/engine.h"

static void charge(const struct ration__local *entry, const struct ration__txn *txn,
	struct ration__record *record)
{
	bool bound;

	if (entry->learned) {
		if (record->absent && txn->wipe_ns)
			*record->adaptive = ration__adaptive_spent(entry->learned, txn->wipe_ns);
		ration__adaptive_take(
			entry->learned, record->adaptive, txn->now_ns, entry->charge, &bound);
	} else {
		if (record->absent && txn->wipe_ns)
			*record->bucket = ration__bucket_spent(&entry->conf, txn->wipe_ns);
		ration__bucket_take(&entry->conf, record->bucket, txn->now_ns, entry->charge);
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

int ration__local_reconcile(struct ration__engine *engine, struct ration__txn *txn)
{
	struct ration__workset *spare = &engine->spare;
	struct ration__record *record;
	int rc;

	for (uint32_t i = 0; i < engine->locals.size; i++) {
		const struct ration__local *entry = &engine->locals.entries[i];

		if (entry->charge <= 0 && entry->until_ns <= txn->now_ns)
			continue;
		ration__workset_begin(spare, txn);
		rc = ration__workset_get(
			spare, entry->hash, entry->key, entry->key_length, 0, &record);
		if (rc < 0)
			return rc;
		if (entry->until_ns)
			cool(engine, entry, record);
		else
			charge(entry, txn, record);
		record->dirty = true;
		rc = ration__workset_flush(spare);
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
	engine->degraded = false;
	engine->degraded_news = true;
}

void ration__local_report(struct ration__engine *engine, bool degraded, uint32_t live)
{
	if (degraded)
		ration__engine_log(engine, RATION_LOG_WARNING,
			"store %s cannot answer: until it does, services go on as their "
			"on_store_failure says (local: their part among %u members)",
			ration__store_path(engine->store), live);
	else
		ration__engine_log(engine, RATION_LOG_WARNING,
			"store %s answers again: what was admitted meanwhile is charged",
			ration__store_path(engine->store));
}
