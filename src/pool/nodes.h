/*
 * A service's nodes in this process: which one the next attempt goes to, and what became of it. How
 * healthy each is, the fleet knows together: guard/nodes.h keeps that in the store, policy/node.h
 * decides. Here is a copy of it, looked at for each attempt without a transaction.
 *
 * A node, once known, stays until the service is closed, also when its URI has left the list:
 * whoever points to one may go on. Any thread; one short mutex inside.
 */
#ifndef POOL_NODES_H
#define POOL_NODES_H

#include "guard/guard.h"
#include "http/multi.h"
#include "http/service.h"

struct ration__node;
struct ration__nodes;

struct ration__nodes_options {
	struct ration__engine *engine;
	const char *service; /* borrowed for as long as the nodes live, as all below */
	const struct ration__service_conf *conf; /* nodes, strategy, recover time */
	ration_log_fn log;
	void *log_arg;
	enum ration_log_level log_level;
};

/* conf's own nodes are the first list. 0, RATION_ENOMEM, or a store error. */
int ration__nodes_new(const struct ration__nodes_options *options, struct ration__nodes **nodes);
void ration__nodes_free(struct ration__nodes *nodes);
/* Another list takes the place of the one before; nodes that are in both keep their state. The URIs
 * are checked and without trailing slash; copied. 0, RATION_ETOOBIG, RATION_ENOMEM: then the old
 * list stays. [any] */
int ration__nodes_replace(struct ration__nodes *nodes, const char *const *uris, size_t count);
size_t ration__nodes_count(const struct ration__nodes *nodes); /* in the list now */

struct ration__node_want {
	const struct ration__node *avoid; /* the last attempt's: another one, if there is one */
	const char *origin; /* only nodes of this scheme://host:port (length below); NULL: any */
	size_t origin_length;
	struct ration__node *only; /* no other than this one, whatever the origin; NULL: any */
	int64_t now_ns;		   /* STEADY */
};
/* 0: *node, which counts as in use until _report. RATION_EAGAIN: all of them cool down, until
 * *at_ns; or `only` is unhealthy, and there is a healthy one: *at_ns is now. May run one store
 * transaction, when a failed node's time for its one probe has come; the gate is not waited for.
 * [any] */
int ration__nodes_pick(struct ration__nodes *nodes, const struct ration__node_want *want,
	struct ration__node **node, int64_t *at_ns);
/* Whether an attempt that failed on this node has another, healthy one to go to at once. */
bool ration__nodes_have_other(
	struct ration__nodes *nodes, const struct ration__node *node, int64_t now_ns);

/* For jobs that wait in a lane of one node's before they are sent: which one _pick would take, but
 * for those whose bits are in `tried`. 0: *node, not in use by it, and its *bit (0: it is not in
 * the list any more). RATION_EAGAIN: none that a job should be sent to. No transaction. [any] */
int ration__nodes_choose(struct ration__nodes *nodes, const struct ration__node_want *want,
	uint32_t tried, struct ration__node **node, uint32_t *bit);
/* A job waits for, or is at, that node, the balanced strategy's load; until _leave. The turn is the
 * next one's. [any] */
void ration__nodes_join(struct ration__nodes *nodes, struct ration__node *node, int64_t now_ns);
void ration__nodes_leave(struct ration__nodes *nodes, struct ration__node *node);

/* What became of the attempt; each pick is followed by exactly one. A failure and the first success
 * after one are written to the store, outside of which nothing is. [any] */
struct ration__node_report {
	enum ration__outcome outcome;
	int status;	  /* 0: no answer */
	int64_t start_ns; /* when the attempt began: what began before the last failure says nothing
			     new */
	int64_t now_ns;
	int64_t cool_ns; /* what the server asked for with a 429 or 503; 0 nothing */
};
void ration__nodes_report(struct ration__nodes *nodes, struct ration__node *node,
	const struct ration__node_report *report);

/* Base URI without trailing slash; as long as the nodes. */
const char *ration__node_uri(const struct ration__node *node);

#endif
