/*
 * Concurrency limit shared fairly between members.
 *
 * The record knows how many permits each contending member holds, who waits, and whose turn it is.
 *
 *   share   the limit divided by the contending members (those that hold or wait), rounded up
 *   turn    a permit set aside for a waiting member, told to it by a wake-up, until it takes the
 *           permit or RATION__TURN_NS pass. Without turns a busy member re-takes each permit that
 * it frees (1,971 : 0 between two processes).
 *
 * Free permits are dealt in rotation by slot, at most one turn a member at a time: first to waiting
 * members below their share, and only when none of these is left to those at or above it. A turn is
 * an invitation: who comes to take it finds the other free permits too, since until it came,
 * members at or above their share get no more. So nobody has to guess how many a waiter wants, and
 * a member that nobody waits beside takes every free permit at once.
 *
 *              denied: wait(true)            dealt                 deal() named it
 *     NOT ------------------------> WAITING -------> TURN_GIVEN -------------> TURN_TOLD
 *      ^                               ^ lapsed unheard |                          | |
 *      |                               +----------------+                          | | 25 ms
 *      +-------------------------------- take <------------------------------------+ v
 *                                          ^---- (may ask any time) ------------- LAPSED
 *
 * A member that let a turn lapse is passed over, and holds up nobody, until it asks again.
 *
 * Invariants after every function here (the second one not after take, but after the deal that ends
 * the transaction):
 *   - in_flight is the sum of held; the turns given are at most limit - in_flight, or none
 *   - while a permit is free and not set aside, each member in WAITING has a turn, or is at or
 * above its share and one below it has a turn: nobody waits for a free permit without being called
 *   - entries are ordered by slot; none is without permits and not waiting
 *
 * The limit is fixed, or learned from how calls end (limiter.c). One that shrinks below what is in
 * flight takes nothing away: it admits nobody until there is room. Not here: who waits within a
 * member, how long it may (pool), and the entries that make a permit survive nobody (guard).
 */
#ifndef POLICY_CONCURRENCY_H
#define POLICY_CONCURRENCY_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include "policy/verdict.h"

#define RATION__MEMBERS_MAX 1024 /* slots 0 .. 1023 */
#define RATION__TURN_NS INT64_C(25000000)

enum ration__concurrency_algorithm {
	RATION__CONCURRENCY_FIXED,    /* max */
	RATION__CONCURRENCY_AIMD,     /* success + 1, drop * 0.5 (row E) */
	RATION__CONCURRENCY_CAUTIOUS, /* success + 1/limit when used to 90 %, drop * 0.9, once per
					 congestion */
	RATION__CONCURRENCY_VEGAS,    /* by round-trip times, a step a round */
};

struct ration__concurrency_conf {
	uint32_t max;	    /* permits, >= 1; 0: there is no such limit */
	uint32_t algorithm; /* enum ration__concurrency_algorithm */
	uint32_t initial;   /* min <= initial <= max; not for fixed */
	uint32_t min;	    /* >= 1; not for fixed */
	uint32_t growth;    /* aimd: enum ration__growth (adaptive.h): binding, or as row E says */
	uint32_t reserved;
};

enum ration__waiting {
	RATION__NOT_WAITING,
	RATION__WAITING, /* asked and was denied since its last grant */
	RATION__LAPSED,	 /* the same, but it did not come for its turn */
};

enum ration__turn {
	RATION__NO_TURN,
	RATION__TURN_GIVEN, /* and to be told */
	RATION__TURN_TOLD,
};

struct ration__contender {
	int64_t turn_ns; /* when the turn was given */
	uint32_t held;
	uint16_t slot;
	uint8_t waiting; /* enum ration__waiting */
	uint8_t turn;	 /* enum ration__turn */
};
static_assert(sizeof(struct ration__contender) == 16, "stored byte for byte: no padding");

/* Variable size: contenders[count] follow; ordered by slot. */
struct ration__concurrency {
	int64_t rest_at_ns; /* nobody holds or waits: 1, or when what was learned is forgotten; else
			       never */
	uint32_t in_flight;
	uint16_t count;
	uint16_t cursor;    /* slot after which the rotation goes on */
	int64_t reclaim_ns; /* when dead members were last looked for; the caller's */
	uint16_t waiting;   /* members in RATION__WAITING */
	uint16_t turns;	    /* members with a turn */
	/* what is learned, to used_ns; all zero and untouched with a fixed limit */
	uint32_t round_samples; /* vegas: of the present round, all sent after cut_ns */
	double limit;		/* 0: the initial one */
	int64_t cut_ns;		/* last decrease; vegas: last step, when the round began */
	int64_t noload_ns;	/* vegas: shortest mean round trip of a round; 0: not known */
	double round_ns;	/* vegas: sum of the round's round trips */
	uint32_t round_peak;	/* vegas: most in flight when one of them started */
	uint32_t rounds;	/* vegas: since the last probe */
	double probed;		/* vegas: limit / round trip before the probe that is on; 0: none */
	int64_t used_ns;	/* last learned; 0: nothing is. Kept RATION__CONCURRENCY_IDLE_NS */
	struct ration__contender contenders[];
};
static_assert(sizeof(struct ration__concurrency) == 88, "stored byte for byte: no padding");
#define RATION__CONCURRENCY_IDLE_NS INT64_C(3600000000000)

#define RATION__CONCURRENCY_SIZE(count) \
	(sizeof(struct ration__concurrency) + (size_t)(count) * sizeof(struct ration__contender))
/* Room that every state passed in here must have. */
#define RATION__CONCURRENCY_SIZE_MAX RATION__CONCURRENCY_SIZE(RATION__MEMBERS_MAX)

/* Would a permit be had now? Changes nothing. WAIT: at_ns is when the oldest foreign turn expires,
 * or RATION__NEVER (somebody must release). What the latter says can be overtaken: a turn may be
 * given later to a member that does not come. So a waiter asks again each few RATION__TURN_NS,
 * whatever at_ns says. */
struct ration__verdict ration__concurrency_ask(const struct ration__concurrency_conf *conf,
	const struct ration__concurrency *state, int64_t now_ns, uint16_t slot);
/* After a yes. Deals nothing: ask for all that is wanted, then call ration__concurrency_deal. Uses
 * up the turn if there is one; the member waits no more. One that has others waiting besides says
 * so again with ration__concurrency_wait. */
void ration__concurrency_take(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot);
/* After a denial: the member waits for its turn. waiting false: it does not any more, and its
 * turn goes to others; also right when it has a turn that it cannot use. */
void ration__concurrency_wait(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot, bool waiting);
/* A member that holds nothing releases nothing. */
void ration__concurrency_release(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot);
/* All of a dead (or fenced) member's permits, its waiting and its turn are taken away. Returns how
 * many permits it held. */
uint32_t ration__concurrency_bury(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot);
/* A member's permits are put back after the store was wiped or the member was fenced: it holds
 * `held`, whatever the record said. May exceed the limit: what is in flight is in flight. */
void ration__concurrency_assert(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot, uint32_t held);
/* Deals what is free (after a change of the limit, too) and lists the slots to wake: those with a
 * turn that were not told yet, at most `max`. Each turn is told exactly once. To be called at the
 * end of every transaction that changed the record; the caller's own slot may be among them.
 * Returns how many. */
size_t ration__concurrency_deal(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t *wake, size_t max);

/* The limit that holds: max, or what was learned, rounded down; within min .. max. */
uint32_t ration__concurrency_limit(
	const struct ration__concurrency_conf *conf, const struct ration__concurrency *state);

/* How a call ended, for limits that learn. */
struct ration__sample {
	enum ration__outcome outcome;
	/* 429 or 503: drops `aimd` (the only thing that does, E7 and E8). `cautious` and `vegas`
	 * drop at these and at RATION__FAILURE. */
	int overload;
	/* Answered, but neither 2xx nor overload: moves `aimd` not at all (E8), although a 404 is a
	 * success to all others. */
	int neutral;
	uint32_t in_flight; /* permits in use when it started, its own included */
	int64_t sent_ns;    /* when it started: of before the last cut, it does not cut again */
	int64_t elapsed_ns; /* how long it took; 0: not known, vegas learns nothing then */
};
/* Changes the limit (never a fixed one; ignored outcomes change nothing). Before or after the
 * release. Deal afterwards: turns may exceed a lower limit until then, and a higher one calls
 * nobody. */
void ration__concurrency_learn(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, const struct ration__sample *sample);
/* What was learned by a record at rest is no more. Between concurrency.c and limiter.c only. */
void ration__concurrency_forget(struct ration__concurrency *state, int64_t now_ns);

uint32_t ration__concurrency_held(const struct ration__concurrency *state, uint16_t slot);

#endif
