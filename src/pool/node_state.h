/*
 * A service's nodes in this process: what stands behind pool/nodes.h. Private to nodes.c and
 * node_fleet.c.
 */
#ifndef POOL_NODE_STATE_H
#define POOL_NODE_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/util.h"
#include "guard/nodes.h"
#include "http/url.h"
#include "pool/nodes.h"

#define RATION__NODES_UNTOLD (3 * RATION__NODES_MAX)

struct ration__node {
	struct ration__node *next; /* all that were ever in the list */
	uint64_t hash;
	struct ration__origin origin;
	/* under mutex */
	bool listed;
	uint32_t in_flight;
	uint32_t jobs;	    /* that joined it */
	int64_t offered_ns; /* a job joined it to be its probe: not to be joined for another before
			     */
	struct ration__node_health health;
	struct ration__node_weight weight;
	char uri[];
};

/* Its news borrow the URI of a node, which stays. */
struct ration__node_untold {
	uint64_t serial;
	struct ration__node_news news;
};

struct ration__nodes {
	const struct ration__nodes_options options;
	_Atomic size_t count;  /* of list: changed under mutex, read without */
	pthread_mutex_t mutex; /* what follows */
	struct ration__node *all;
	struct ration__node *list[RATION__NODES_MAX];
	const struct ration__node *pinned;
	uint64_t turn;
	uint64_t moved; /* the fleet's state that the copies are of */
	bool stale;	/* nodes were added: read again, whatever moved */
	bool telling;
	int64_t hold_ns; /* the store is not asked before */
	uint64_t serial;
	size_t untold_count;
	struct ration__node_untold untold[RATION__NODES_UNTOLD];
};

/* Nodes whose state changed, to be told of without the mutex. */
struct ration__node_changes {
	size_t count;
	struct {
		const struct ration__node *node;
		bool healthy;
	} list[2 * RATION__NODES_MAX];
};

/* ---- node_fleet.c ---- */

/* Under mutex: node's health was `before`. */
void ration__node_note_change(struct ration__node_changes *changes, const struct ration__node *node,
	const struct ration__node_health *before);
/* Under no lock. */
void ration__nodes_tell_log(
	const struct ration__nodes *nodes, const struct ration__node_changes *changes);
/* Under mutex: to be said with the next ask. */
void ration__nodes_add_untold(struct ration__nodes *nodes, const struct ration__node_news *news);
/* Under no lock. Says what is untold, and the probe, if any; reads what the fleet knows.
 * RATION_EAGAIN: another thread is at it, or the gate is busy. */
int ration__nodes_ask(struct ration__nodes *nodes, int64_t now_ns,
	const struct ration__node_news *probe, bool *claimed);
/* Under no lock: asks, if the fleet knows something new, or this process has something to say. */
void ration__nodes_follow(struct ration__nodes *nodes, int64_t now_ns);
/* Under no lock. True: the attempt that wants it is the fleet's one probe; while the store cannot
 * answer, this process's. */
bool ration__nodes_claim(struct ration__nodes *nodes, struct ration__node *node, int64_t now_ns);

#endif
