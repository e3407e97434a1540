/*
 * Health of a service's nodes, shared by the fleet: a record per service in hot/, of the nodes that
 * are not simply healthy. One record, not one per node: whoever saw that something changed reads
 * all of it in one look, and a node that is chosen instead of another is judged by the same state.
 *
 * Transactions of their own, outside of decisions; none to choose a node. A word shared by all
 * members counts the changes, so that it is read again only when it moved.
 *
 * What people want to read of it beside that, its names among it, is node_label.h's.
 * What it means and which node is taken: policy/node.h. Each process's copy: pool/nodes.h.
 */
#ifndef GUARD_NODES_H
#define GUARD_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "policy/node.h"

struct ration__engine;

/* Stored. */
struct ration__node_entry {
	uint64_t node; /* hash of its URI */
	struct ration__node_health health;
};
static_assert(sizeof(struct ration__node_entry) == 32, "stored byte for byte: no padding");

struct ration__node_table {
	int64_t rest_at_ns;
	uint32_t count;
	uint32_t reserved;
	struct ration__node_entry entries[RATION__NODES_MAX]; /* only count of them are stored */
};
/* Whether what is stored in `length` bytes is one. */
static inline bool ration__node_table_fits(const struct ration__node_table *table, size_t length)
{
	size_t head = offsetof(struct ration__node_table, entries);

	return length >= head && table->count <= RATION__NODES_MAX &&
	       length == head + table->count * sizeof(table->entries[0]);
}

enum ration__node_event {
	RATION__NODE_FAILED,
	RATION__NODE_ANSWERED,
	RATION__NODE_COOLS,
	RATION__NODE_PROBE,
};

/* What a process has to say of a node. Saying it again changes nothing more. */
struct ration__node_news {
	uint64_t node;
	enum ration__node_event event;
	int64_t start_ns; /* FAILED, ANSWERED: the attempt's */
	int64_t at_ns;	  /* FAILED, PROBE: now. COOLS: until then */
	int64_t recover_ns;
	const char *uri; /* the node's, borrowed; NULL: not known */
	uint16_t status; /* FAILED: what it answered, from 400 on; 0: nothing of that kind */
};
/* To one node's health, by the rules of policy/node.h. True: it changed; a PROBE is the caller's.
 */
bool ration__node_apply(struct ration__node_health *health, const struct ration__node_news *news);
/* NULL: healthy. */
const struct ration__node_health *ration__node_find(
	const struct ration__node_table *table, uint64_t node);

/* Moves when some service's table changed. [any] */
uint64_t ration__fleet_nodes_moved(struct ration__engine *engine);
/* Says the news (0 of them: only looks) and reads the table as it is then. *moved: what it stands
 * for. *claimed: a PROBE among the news, of which there may be one, is the caller's. wait_ns:
 * longest wait for the gate, as in ration__guard_transact. 0, or an error and nothing happened:
 * RATION_EAGAIN, RATION_ESTORE (the store cannot answer), RATION_EFORK, other store errors. [any]
 */
int ration__fleet_nodes_tell(struct ration__engine *engine, const char *service,
	const struct ration__node_news *news, size_t count, int64_t wait_ns,
	struct ration__node_table *table, uint64_t *moved, bool *claimed);

#endif
