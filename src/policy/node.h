/*
 * The nodes of a service: how healthy each is, and which one the next attempt goes to. Pure.
 *
 *              failure                      probe or another attempt fails
 *     HEALTHY ---------> UNHEALTHY <------------------------------+
 *        ^                 | recover_ns passed       |            |
 *        |                 +----> claimed: one probe, for the whole fleet
 *        +-- success of an attempt that began after the failure --+
 *
 * A node that throttles cools down meanwhile: others are used, its health is as it was. What an
 * attempt says that began before the failure is old: it neither marks again nor heals.
 *
 * Who claims a probe marks the node for another recover_ns, so a prober that dies costs no more
 * than that. A node without traffic for RATION__NODE_REST_NS is forgotten, and so healthy.
 */
#ifndef POLICY_NODE_H
#define POLICY_NODE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include "policy/verdict.h"

#define RATION__NODES_MAX 32
#define RATION__NODE_REST_NS INT64_C(3600000000000)

enum ration__node_strategy {
	RATION__NODES_ROUND_ROBIN,
	RATION__NODES_PIN, /* stays until an error */
	RATION__NODES_BALANCED,
};

/* What the fleet knows of a node. All zero: healthy. */
struct ration__node_health {
	int64_t failed_ns; /* when its last failure was noticed; 0: healthy */
	int64_t until_ns;  /* left alone until then, but when none is healthy */
	int64_t cool_ns;   /* it asked for nobody until then */
};
static_assert(sizeof(struct ration__node_health) == 24, "stored byte for byte: no padding");

/* An attempt that began at start_ns failed. True: that is news. */
bool ration__node_fail(
	struct ration__node_health *health, int64_t start_ns, int64_t now_ns, int64_t recover_ns);
/* It was answered, be it with a refusal. True: the node is healthy again. */
bool ration__node_succeed(struct ration__node_health *health, int64_t start_ns);
/* The node wants nobody until then. True: that is news. */
bool ration__node_cool(struct ration__node_health *health, int64_t until_ns);
/* True: the caller's attempt is the probe. */
bool ration__node_claim(struct ration__node_health *health, int64_t now_ns, int64_t recover_ns);
/* When nothing is left to be remembered of it. */
int64_t ration__node_rests_at(const struct ration__node_health *health);

/* How this process fares with a node, for RATION__NODES_BALANCED: what fails weighs as so many
 * attempts in flight, less by half every 30 s. */
struct ration__node_weight {
	double failures;
	int64_t at_ns;
};
/* status 0: no answer. */
void ration__node_weigh(struct ration__node_weight *weight, enum ration__outcome outcome,
	int status, int64_t now_ns);
double ration__node_failures(const struct ration__node_weight *weight, int64_t now_ns);

/* One that can be chosen. */
struct ration__node_view {
	struct ration__node_health health;
	double load; /* in flight and failures; RATION__NODES_BALANCED */
	bool avoid;  /* another one, if there is one */
};

struct ration__node_want_conf {
	enum ration__node_strategy strategy;
	uint64_t turn;	/* one more for each choice */
	int pinned;	/* index, or -1 */
	bool may_probe; /* a node whose time has come may be chosen */
};

/* Of count > 0 nodes, in this order: one to be probed, if its time has come (when pinned: only if
 * none is healthy); a healthy one by the strategy; one to be avoided; none, while a healthy one
 * cools down; the one that failed longest ago. */
struct ration__node_choice {
	int index;     /* -1: all that could be chosen cool down */
	bool probe;    /* to be claimed first */
	int64_t at_ns; /* index -1: when to ask again */
};
struct ration__node_choice ration__node_choose(const struct ration__node_want_conf *want,
	const struct ration__node_view *views, size_t count, int64_t now_ns);

#endif
