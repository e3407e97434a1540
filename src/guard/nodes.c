/* The fleet's record of a service's nodes. See nodes.h. */
#include "guard/nodes.h"

#include <string.h>
#include "guard/engine.h"
#include "guard/node_label.h"

#define HEAD offsetof(struct ration__node_table, entries)

/* ---- the table ---- */

bool ration__node_apply(struct ration__node_health *health, const struct ration__node_news *news)
{
	switch (news->event) {
	case RATION__NODE_FAILED:
		return ration__node_fail(health, news->start_ns, news->at_ns, news->recover_ns);
	case RATION__NODE_ANSWERED:
		return ration__node_succeed(health, news->start_ns);
	case RATION__NODE_COOLS:
		return ration__node_cool(health, news->at_ns);
	case RATION__NODE_PROBE:
		return ration__node_claim(health, news->at_ns, news->recover_ns);
	}
	return false;
}

const struct ration__node_health *ration__node_find(
	const struct ration__node_table *table, uint64_t node)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->entries[i].node == node)
			return &table->entries[i].health;
	return NULL;
}

/* Members may have different lists of nodes: when there are too many in all, the one that would be
 * forgotten first makes room. */
static struct ration__node_health *entry_of(struct ration__node_table *table, uint64_t node)
{
	struct ration__node_entry *entry = &table->entries[0];

	for (uint32_t i = 0; i < table->count; i++)
		if (table->entries[i].node == node)
			return &table->entries[i].health;
	if (table->count < RATION__NODES_MAX)
		entry = &table->entries[table->count++];
	else
		for (uint32_t i = 1; i < table->count; i++)
			if (ration__node_rests_at(&table->entries[i].health) <
				ration__node_rests_at(&entry->health))
				entry = &table->entries[i];
	*entry = (struct ration__node_entry){.node = node};
	return &entry->health;
}

/* What is at rest goes. */
static void tidy(struct ration__node_table *table, int64_t now_ns)
{
	uint32_t kept = 0;

	table->rest_at_ns = 0;
	for (uint32_t i = 0; i < table->count; i++) {
		int64_t rest_ns = ration__node_rests_at(&table->entries[i].health);

		if (rest_ns <= now_ns)
			continue;
		table->rest_at_ns = ration__max64(table->rest_at_ns, rest_ns);
		table->entries[kept++] = table->entries[i];
	}
	table->count = kept;
}

/* ---- the record ---- */

struct key {
	const char *service;
	uint8_t bytes[RATION__KEY_ROOM];
	size_t length;
};

static int load(struct ration__txn *txn, const struct key *key, struct ration__node_table *table)
{
	const struct ration__node_table *stored;
	const void *value;
	size_t length;
	int rc = ration__txn_get(txn, key->bytes, key->length, RATION__LAYOUT(RATION__RECORD_NODES),
		&value, &length);

	table->rest_at_ns = 0;
	table->count = table->reserved = 0;
	if (rc == RATION_EEMPTY)
		return 0;
	if (rc < 0)
		return rc;
	stored = value;
	if (!ration__node_table_fits(stored, length))
		return 0; /* as if it were absent: it is overwritten */
	memcpy(table, value, length);
	return 0;
}

static int save(struct ration__txn *txn, const struct key *key, struct ration__node_table *table)
{
	int rc;

	if (table->count)
		return ration__txn_put(txn, key->bytes, key->length,
			RATION__LAYOUT(RATION__RECORD_NODES), table,
			HEAD + table->count * sizeof(table->entries[0]));
	rc = ration__txn_del(txn, key->bytes, key->length);
	return rc == RATION_EEMPTY ? 0 : rc;
}

/* 0 or a store error. A node without an entry is healthy, and an answer or a probe changes nothing
 * about that. */
static int apply_one(struct ration__txn *txn, const char *service, struct ration__node_table *table,
	const struct ration__node_news *news, bool *applied)
{
	bool absent = !ration__node_find(table, news->node);
	struct ration__node_health *health, before;

	*applied = false;
	if (absent && (news->event == RATION__NODE_ANSWERED || news->event == RATION__NODE_PROBE))
		return 0;
	health = entry_of(table, news->node);
	before = *health;
	*applied = ration__node_apply(health, news);
	return *applied ? ration__node_label_note(txn, service, news, &before, health) : 0;
}

static int apply_all(struct ration__txn *txn, const char *service, struct ration__node_table *table,
	const struct ration__node_news *news, size_t count, bool *changed, bool *claimed)
{
	int rc = 0;

	*changed = false;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		bool applied;

		rc = apply_one(txn, service, table, &news[i], &applied);
		*changed |= applied;
		if (news[i].event == RATION__NODE_PROBE)
			*claimed = applied;
	}
	return rc;
}

/* Under engine.mutex, inside the transaction, which it ends. */
static int tell(struct ration__engine *engine, struct ration__txn *txn, const struct key *key,
	const struct ration__node_news *news, size_t count, struct ration__node_table *table,
	uint64_t *moved, bool *claimed)
{
	_Atomic uint64_t *word = ration__store_word(engine->store, RATION__WORD_NODES);
	int rc = load(txn, key, table);
	bool changed;

	if (rc < 0) {
		ration__store_abort(txn);
		return rc;
	}
	*moved = atomic_load(word); /* raised under the gate alone */
	rc = apply_all(txn, key->service, table, news, count, &changed, claimed);
	if (rc < 0) {
		ration__store_abort(txn);
		return rc;
	}
	tidy(table, txn->now_ns);
	if (!changed) {
		ration__store_abort(txn);
		return 0;
	}
	rc = save(txn, key, table);
	if (rc < 0) {
		ration__store_abort(txn);
		return rc;
	}
	/* before the commit: who sees it waits for the gate, and reads what was committed */
	*moved = atomic_fetch_add(word, 1) + 1;
	return ration__store_commit(txn);
}

/* ---- the face ---- */

uint64_t ration__fleet_nodes_moved(struct ration__engine *engine)
{
	return atomic_load_explicit(
		ration__store_word(engine->store, RATION__WORD_NODES), memory_order_acquire);
}

int ration__fleet_nodes_tell(struct ration__engine *engine, const char *service,
	const struct ration__node_news *news, size_t count, int64_t wait_ns,
	struct ration__node_table *table, uint64_t *moved, bool *claimed)
{
	struct ration__txn *txn;
	struct key key;
	int rc;

	*claimed = false;
	if (ration__store_forked(engine->store)) /* before the lock, which a lost thread may hold */
		return RATION_EFORK;
	key.service = service;
	key.length =
		ration__key_build(key.bytes, RATION__RECORD_NODES, service, NULL, NULL, NULL, 0);
	rc = ration__engine_lock(engine, wait_ns);
	if (rc < 0)
		return rc;
	rc = ration__store_begin(engine->store, wait_ns, &txn);
	if (rc == 0)
		rc = tell(engine, txn, &key, news, count, table, moved, claimed);
	if (rc < 0)
		*claimed = false;
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}
