/*
 * The guard: the one decision over limits, quotas, breaker and concurrency limit, in one store
 * transaction. All or nothing: a denial takes nothing.
 *
 *   engine   what this process holds of one store: the store, the open guards, the live grants, the
 *            working set of a transaction, and a thread that waits for wake-ups and writes the
 *            ledger. Shared by all clients and guards of the process (by device and inode).
 *   guard    one service's rules, as the fleet has them now
 *   keyset   the record keys of one set of key values (a lane, a permit), and its booking
 *   grant    the right to make one attempt, until it is settled
 *
 * Not here: who is asked first (the pool), what to send, sleeping (but for ration__guard_wait).
 */
#ifndef GUARD_GUARD_H
#define GUARD_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/pair.h"
#include "guard/match.h"
#include "guard/rules.h"
#include "policy/verdict.h"
#include "store/store.h"

/* ---- engine [any] ---- */

struct ration__engine;

struct ration__engine_options {
	struct ration__store_options store; /* hooks are filled in by the engine */
	ration_log_fn log;		    /* may be NULL */
	void *log_arg;
	enum ration_log_level log_level; /* nothing below it is said */
	ration_event_fn event;		 /* may be NULL */
	void *event_arg;
};

/* Opens the store, or shares the engine that this process has of it (then its clock must be the
 * same: RATION_ECLOCK). Blocks on files. */
int ration__engine_open(const struct ration__engine_options *options,
	struct ration__engine **engine, ration_error **err);
void ration__engine_close(struct ration__engine *engine);
struct ration__store *ration__engine_store(struct ration__engine *engine);
int64_t ration__engine_now(const struct ration__engine *engine); /* STEADY */
/* An injected clock does not move while we sleep: sleepers then poll it each millisecond. */
bool ration__engine_clock_injected(const struct ration__engine *engine);

/* fn is called, on any thread and outside transactions, when asking again is worth it
 * before the time that was named: a permit was set aside for this process, the ledger was read,
 * the rules changed. Must not block nor ask. The subscriber owns the memory. */
struct ration__waker {
	void (*fn)(void *arg);
	void *arg;
	struct ration__waker *next, **link;
};
void ration__engine_subscribe(struct ration__engine *engine, struct ration__waker *waker);
/* After it returned, fn is not running and will not be called. Not from within fn. */
void ration__engine_unsubscribe(struct ration__engine *engine, struct ration__waker *waker);

/* ---- guard [any] ---- */

struct ration__guard;

/* Makes the definition known to the fleet (identity, replacement and revision: doc/DECISIONS.md);
 * while the store cannot answer, as soon as it does. */
int ration__guard_open(struct ration__engine *engine, const struct ration__rules *rules,
	struct ration__guard **guard, ration_error **err);
/* Keysets and grants may outlive it. In a forked child nothing happens, as for all that closes. */
void ration__guard_close(struct ration__guard *guard);
struct ration__engine *ration__guard_engine(const struct ration__guard *guard);
const char *ration__guard_service(const struct ration__guard *guard);
/* A copy of the rules as they are now. */
void ration__guard_rules(const struct ration__guard *guard, struct ration__rules *rules);

/* ---- keyset ---- */

struct ration__keyset;

/* 0; RATION_EKEY: a required key is missing (its name in *missing, when not NULL); RATION_ENOMEM.
 * A key that a limit names and that is not given is the empty key. [any] */
int ration__keyset_new(struct ration__guard *guard, const struct ration__pair *keys,
	size_t key_count, struct ration__keyset **keyset, const char **missing);
/* Counted; a grant holds one reference. A booking or waiting place left in it is given back by
 * ration__guard_leave first, else it lapses by itself within RATION__LATE_NS of its start. [any] */
void ration__keyset_unref(struct ration__keyset *keyset);
/* Bits of the rules that do not apply to a call with these keys, method and path (NULL, NULL: not
 * HTTP); for struct ration__ask.skip. Cheap when no limit looks at them. When the rules changed
 * since the keyset was made, the decision says STALE, whatever this returned. [any] */
uint32_t ration__keyset_skip(
	const struct ration__keyset *keyset, const char *method, const char *path);

/* ---- deciding ---- */

/* An admission or booking that did not start by then is void: its tokens go back. */
#define RATION__LATE_NS INT64_C(100000000)
/* Rules beyond the limits, in ration__ask.rule. */
#define RATION__RULE_NONE (-1)
#define RATION__RULE_BREAKER (-2)
#define RATION__RULE_CONCURRENCY (-3)
#define RATION__RULE_STORE (-4)
#define RATION__RULE_COOLDOWN (-5) /* the server said when to come again */
#define RATION__RULE_PLACE (-6)	   /* the concurrency limit per key */

enum ration__decision {
	RATION__ADMITTED, /* grant is held: start now */
	RATION__BOOKED,	  /* tokens are taken; ask again at at_ns, not before */
	RATION__DENIED,	  /* not now: ask again at at_ns, or when the waker calls */
	RATION__REFUSED,  /* terminal: impossible, or an open breaker or spent quota that is not
			     waited  for; at_ns is when it frees, RATION__NEVER: never */
	RATION__LATER,	  /* this transaction is full: ask again in the next one, at once */
	RATION__STALE,	  /* the rules changed: make a new keyset and ask again */
};

/* Zero when not held. Stays where it is while held (the engine links it). */
struct ration__grant {
	struct ration__grant *next, **link; /* engine's list of live grants */
	struct ration__keyset *keyset;	    /* counted */
	uint64_t seq;			    /* permit's sequence; 0: not held */
	int64_t at_ns;			    /* admitted */
	int64_t start_ns;		    /* its tokens' start: a booking's, or the same */
	int64_t wall_ns;		    /* WALL, when it passed a quota */
	struct ration__breaker_pass pass;
	uint8_t mode;		  /* enum ration__mode */
	uint8_t permit;		  /* holds a concurrency permit */
	uint8_t place;		  /* holds one of the limit per key */
	uint8_t counted;	  /* tokens were taken: refund gives them back */
	uint8_t unwritten;	  /* the store does not know of it yet */
	uint8_t quiet;		  /* a success would change nothing when this was granted */
	uint8_t ended;		  /* the attempt is over, but the store could not be told */
	uint16_t bound;		  /* bits of the adaptive limits that were binding */
	uint32_t skip;		  /* bits of what it did not pass (match.h) */
	uint32_t in_flight;	  /* permits in use when it was granted, its own included */
	uint32_t place_in_flight; /* the same, of the limit per key */
	uint64_t hint;		  /* the shared hint then; see guard/lazy.c */
};

/* Observed: admitted although the rules say no (struct ration__own_rules.observe). */
enum ration__mode {
	RATION__EXACT,
	RATION__LOCAL,
	RATION__OPEN_MODE,
	RATION__OBSERVED,
	RATION__CLOSED_MODE, /* of a denial only */
};
const char *ration__mode_name(uint8_t mode); /* "exact", "local", "open", "observe", "closed" */

struct ration__ask {
	/* in */
	struct ration__keyset *keyset;
	const struct ration__cost *costs; /* what the call says; estimates for the rest */
	size_t cost_count;
	struct ration__grant *grant; /* not held; filled on ADMITTED */
	bool may_book;		     /* false: a try, which takes a yes or nothing */
	bool peek;		     /* decide, but take nothing */
	uint32_t skip; /* rules that do not apply to this call: ration__keyset_skip, or by choice */
	/* out */
	enum ration__decision decision;
	int denial; /* RATION_DENIED_*, unless admitted; in observe mode what it would have been */
	int rule;   /* limit's index in the rules, or RATION__RULE_* */
	int64_t at_ns; /* STEADY; RATION__NEVER */
	uint8_t mode;  /* enum ration__mode: how it was decided, whatever came of it */
};

enum ration__wants_retry { RATION__NO_RETRY, RATION__RETRY, RATION__RETRY_THROTTLED };

/* How an attempt ended. */
struct ration__settle {
	struct ration__grant *grant; /* released; zeroed. Not held: nothing happens */
	enum ration__outcome outcome;
	bool last; /* the job's last attempt: the breaker counts jobs, unless it counts attempts. A
		      half-open probe is judged by its one attempt in any case. */
	bool unused;   /* it was never started: tokens go back too; then the ask's costs, as it said
			  them */
	bool keep;     /* only the costs are settled (actuals); the grant stays held. To be given by
			  itself: RATION_ESTORE when the store cannot be told now */
	bool overload; /* answered 429 or 503: concurrency limits that learn drop */
	bool neutral;  /* answered, but neither 2xx nor overload: they neither grow nor drop (E8) */
	bool throttle; /* a backoff signal for the adaptive limits that it passed */
	bool node_cools;	/* the node that was asked keeps the cooldown, not the service */
	int64_t elapsed_ns;	/* how long the attempt took */
	int64_t retry_after_ns; /* what the server named with it, capped; 0 nothing, < 0 at once */
	int64_t stop_ns;	/* the server's fields say: nobody for so long; capped; 0 nothing */
	const struct ration__cost *costs; /* the ask's, where unused or actuals are given */
	size_t cost_count;
	const struct ration__cost *actuals; /* true costs by unit, where known: settled both ways */
	size_t actual_count;
	/* The retry budget: what is wanted, and what the call's last retry cost (0: it is its first
	 * try), which a success gives back. */
	enum ration__wants_retry retry;
	int last_retry_cost;
	/* out */
	int retry_cost; /* of the retry that was wanted; -1: the budget has none left, no retry */
	bool breaker_opened, breaker_closed; /* events */
	bool rate_cut;			     /* an adaptive rate was decreased */
};

struct ration__callers;

struct ration__batch {
	struct ration__settle *settles;
	size_t settle_count;
	struct ration__ask *asks;
	size_t ask_count;
	bool woken; /* out: a permit was set aside for this process: ask again what waits for
		       permits */
};

/* One transaction: settles, then asks in order. A single settle that changes nothing but to give
 * its place back may be put off to the next call (see guard/lazy.c); a settle whose grant is still
 * held afterwards was not done, and is to be given again. wait_ns: longest wait for the gate (0
 * just a try, -1 as long as the store answers). On an error nothing happened and the whole batch is
 * asked again: RATION_EAGAIN (gate busy), RATION_EFORK, other store errors. When the store cannot
 * answer, the services' policies decide (local, closed, open; see guard/local.c): 0, and grants say
 * their mode. Wakes the members that got a permit set aside, after the transaction. [any] */
int ration__guard_transact(
	struct ration__engine *engine, struct ration__batch *batch, int64_t wait_ns);

/* Lets go of a grant without a transaction: right when its service has neither a breaker nor a
 * concurrency limit, so that there is nothing to settle; else what it holds stays held until this
 * process ends. [any] */
void ration__grant_forget(struct ration__engine *engine, struct ration__grant *grant);

/* The holder's memory goes away while the store cannot take the grant back: it is settled as
 * ignored as soon as the store answers. [any] */
void ration__grant_abandon(struct ration__engine *engine, struct ration__grant *grant);

/* This keyset waits for nothing any more: its booking is refunded, its waiting place given up.
 * Never fails: what the store cannot take back now lapses. [any] */
void ration__guard_leave(struct ration__keyset *keyset);

/* Asks until admitted, refused or out of time; sleeps in between. timeout_ns: 0 now or never, -1
 * for ever. 0 admitted; a denial (then *ask says why, and nothing is left waiting); RATION_EAGAIN
 * with ask->decision RATION__STALE: make a new keyset; other errors. [any] [B] */
int ration__guard_acquire(struct ration__keyset *keyset, const struct ration__cost *costs,
	size_t cost_count, uint32_t skip, struct ration__grant *grant, int64_t timeout_ns,
	struct ration__ask *ask);
/* The same in the order in which callers came (callers.h), who share *callers; NULL, and a try: in
 * no order. */
int ration__guard_acquire_in_line(struct ration__callers *callers, struct ration__keyset *keyset,
	const struct ration__cost *costs, size_t cost_count, uint32_t skip,
	struct ration__grant *grant, int64_t timeout_ns, struct ration__ask *ask);
/* What acquire would answer now; takes nothing. Returns as it does. [any] [B] */
int ration__guard_peek(struct ration__keyset *keyset, const struct ration__cost *costs,
	size_t cost_count, uint32_t skip, struct ration__ask *ask);

/* One rule's state for the keyset's keys: "NAME" of a limit or quota, "breaker", "concurrency",
 * "place", "cooldown", "budget". What does not apply to a kind is 0. */
struct ration__rule_state {
	char kind[16];	/* "rate", "adaptive", "window", "quota", "breaker", "concurrency", "place",
			   "cooldown", "budget" */
	char state[16]; /* breaker: "closed", "open", "half-open", "forced-open", "disabled" */
	double limit;	/* burst, max, permits, capacity: as it is now */
	double remaining;  /* >= 0; breaker: 1 lets calls through, 0 does not */
	double rate;	   /* tokens per second */
	uint64_t failures; /* breaker: in a row */
	int64_t at_ns; /* STEADY; when more becomes free, a cooldown or open breaker ends; 0: now */
};
/* 0; RATION_EINVAL: no such rule; RATION_EAGAIN: the rules changed, make a new keyset; other
 * errors. [any] [B] */
int ration__guard_state(
	struct ration__keyset *keyset, const char *rule, struct ration__rule_state *state);
int ration__guard_remaining(struct ration__keyset *keyset, const char *limit, double *left);
/* A result without a permit: as if a call that had been let through now ended so. The costs are
 * not looked at. Breaker, adaptive limits, cooldown and budget take note. [any] [B] */
int ration__guard_record(struct ration__keyset *keyset, const struct ration__settle *result);
/* The retry budget alone, of calls that hold no grant: pays for a retry (*cost is what it cost,
 * negative: none is left), or with RATION__NO_RETRY hears of a success, which gives last_cost back.
 * [any] [B] */
int ration__guard_budget(
	struct ration__keyset *keyset, enum ration__wants_retry retry, int last_cost, int *cost);
/* A backoff signal by hand: every adaptive limit of these keys decreases, and nobody sends for
 * for_ns (0: the adaptive limits' own cooldown only). [any] [B] */
int ration__guard_backoff(struct ration__keyset *keyset, int64_t for_ns);
/* One rule's record for the keyset's keys back to its first state; "" all. [any] [B] */
int ration__guard_reset(struct ration__keyset *keyset, const char *rule);

/* ---- seeing and steering ---- */

/* The store's state as JSON text (malloc). selector "": all, else "SERVICE". Copies at most 64
 * records a hold of the gate. */
int ration__engine_inspect(
	struct ration__engine *engine, const char *selector, char **json, ration_error **err);
/* A selector names records: SERVICE, SERVICE/RULE, or SERVICE/RULE/VALUE,VALUE for the values of
 * the rule's keys in their order (a value's comma, slash and backslash have a backslash before
 * them). RULE: a limit, a quota, "breaker", "concurrency", "cooldown", "budget". A service's name
 * may hold slashes when it is an origin (http://host:port).
 *
 *   reset           back to the first state; permits in flight stay; operator's settings stay
 *   open            breaker: forced open        \
 *   disable         breaker: lets everything by  | kept in the ledger, until ttl or `auto`
 *   set KEY=NUMBER  limit: other numbers (rate, burst, max) for the value given, or for all
 *   auto            takes back what open, disable and set did
 *   backoff         a backoff signal; ttl_ms: for how long nobody sends
 *
 * ttl_ms: 0 for good. Tells the running fleet. [any] [B] */
int ration__engine_control(struct ration__engine *engine, const char *selector, const char *action,
	int64_t ttl_ms, ration_error **err);
int ration__engine_reset(struct ration__engine *engine, const char *selector, ration_error **err);

/* ---- words for people ---- */

/* "rate limit exceeded: queries, next in 0.8 s". now_ns STEADY. Returns what snprintf would. */
int ration__denial_text(char *out, size_t size, const struct ration__guard *guard,
	const struct ration__ask *ask, int64_t now_ns);
/* "limit:requests", "quota:daily", "breaker", "concurrency", "store": the name of what is waited
 * for.
 */
int ration__rule_name(char *out, size_t size, const struct ration__guard *guard, int rule);

#endif
