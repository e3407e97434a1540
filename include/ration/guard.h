/*
 * Guards and permits: the shared decision without HTTP.
 *
 * A guard is one service's limits, quotas, breaker and concurrency limit, shared by all processes
 * that use the same store. A permit is the right to make one call. Acquire decides everything
 * together in one transaction: all or nothing, so a denial consumes nothing.
 *
 *     check      ration_permit_peek          what acquire would answer
 *     consume    ration_permit_acquire       and ration_permit_release when the call has ended
 *     remaining  ration_permit_remaining, ration_permit_state
 *     record     ration_permit_record        a result of a call that asked for no permit
 *     reset      ration_permit_reset
 *
 * all at once, or with ration_permit_only for one policy alone.
 *
 * [1] one thread at a time per object, [any] any thread, [B] may block. In a forked child every
 * call that decides answers RATION_EFORK. What is said to "block on the store" waits for the
 * store's gate (microseconds, unless a peer is stopped inside it), and in the case of a quota for
 * the disk.
 */
#ifndef RATION_GUARD_H
#define RATION_GUARD_H

#include <stdint.h>
#include <ration/config.h>
#include <ration/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ration_guard ration_guard;
typedef struct ration_permit ration_permit;

/* What became of a call. */
enum ration_outcome {
	RATION_SUCCESS = 0,   /* the thing answered as it should */
	RATION_FAILURE = 1,   /* it failed: counts against the breaker */
	RATION_THROTTLED = 2, /* it asked to slow down: lowers what is learned, not the breaker */
	RATION_IGNORED = 3,   /* says nothing about its health; a probe is given back */
};

/* Opens the store and registers the service's definition. Blocks on the store's files. A guard has
 * no queue: who waits are its callers, and `fairness` and priorities are not for them. [1]
 * The guard keeps nothing of config. 0, RATION_ESERVICE, RATION_ECONFIG, or a store error. */
RATION_EXPORT int ration_guard_open(
	const ration_config *config, const char *service, ration_guard **guard, ration_error **err);
/* All its permits must have been freed. [1] */
RATION_EXPORT void ration_guard_close(ration_guard *guard);

/* A permit that is not held yet; reused for any number of calls. NULL: out of memory. [any] */
RATION_EXPORT ration_permit *ration_permit_new(ration_guard *guard);
/* Key values choose the records ("per: [agent, tool]"); not while held. "node" says which node the
 * call goes to (`per: [node]`); "service" is no key. 0, RATION_EBUSY, RATION_EINVAL,
 * RATION_ETOOBIG, RATION_ENOMEM. [1] */
RATION_EXPORT int ration_permit_set_key(ration_permit *permit, const char *name, const char *value);
/* What the next call costs, in the unit that limits name ("tokens"); "" or "calls" is the number of
 * calls, 1 unless set. 0, RATION_EBUSY, RATION_EINVAL. [1] */
RATION_EXPORT int ration_permit_set_cost(ration_permit *permit, const char *unit, double cost);
/* Which calls: for limits that apply to some only (`when`). method as in HTTP ("GET"), path from
 * its slash on, without or with a query; NULL for both: the call is no HTTP, and limits that look
 * at either do not apply. Copied. 0, RATION_EBUSY, RATION_EINVAL, RATION_ENOMEM. [1] */
RATION_EXPORT int ration_permit_set_call(
	ration_permit *permit, const char *method, const char *path);
/* From now on acquire, peek and release concern one policy alone: the name of a limit or quota,
 * "breaker", "concurrency" or "cooldown". NULL: all, as at first. 0, RATION_EBUSY (held),
 * RATION_EINVAL: the service has no such policy; RATION_ENOMEM. [1] */
RATION_EXPORT int ration_permit_only(ration_permit *permit, const char *rule);

/* Acquires. timeout_ms: 0 now or never, -1 for ever, else how long to wait for tokens, a free place
 * and the end of a cooldown. An open breaker and a spent quota refuse at once unless the service
 * says `wait_for`; so does a queue that is full (`concurrency.queue`). Permits of one guard that
 * wait for the same go in the order in which they came; 0 passes by.
 * 0: held. >0: enum ration_denial, and _why, _rule, _retry_after_ms tell more. <0: no decision:
 * RATION_EBUSY (held already), RATION_EKEY (a required key is missing: _why), RATION_EINVAL (the
 * service lost the policy of ration_permit_only: _why), RATION_EWORKER (not with a timeout on a
 * worker), RATION_EFORK, RATION_ESTORE, RATION_ENOMEM. [1] [B] */
RATION_EXPORT int ration_permit_acquire(ration_permit *permit, int64_t timeout_ms);
/* What acquire would answer now; consumes nothing. [1] Blocks only for the store's gate. */
RATION_EXPORT int ration_permit_peek(ration_permit *permit);
/* What a limit, quota or concurrency limit has left for this permit's keys, never below 0, without
 * taking any. 0, RATION_EINVAL: no such limit; RATION_EKEY, RATION_EFORK, RATION_ESTORE. [1] Blocks
 * on the store. */
RATION_EXPORT int ration_permit_remaining(ration_permit *permit, const char *limit, double *left);
/* One number of a policy for this permit's keys. rule: a limit, a quota, "breaker", "concurrency",
 * "place" (the concurrency limit per key), "cooldown" or "budget" (of retries). what:
 *
 *   "limit"       burst, max, permits, capacity: as it is now     "rate"      tokens per second
 *   "remaining"   >= 0; breaker and cooldown: 1 lets calls through, 0 does not
 *   "failures"    breaker: in a row                    "open"      breaker: 1 open or forced open
 *   "free_in_ms"  until a call of the usual cost is let through, more becomes free, a cooldown or
 *                 open breaker ends; 0 now; -1 not known
 *
 * What does not apply to a policy is 0. 0, RATION_EINVAL: no such policy or number; else as
 * ration_permit_remaining. [1] Blocks on the store. */
RATION_EXPORT int ration_permit_state(
	ration_permit *permit, const char *rule, const char *what, double *value);
/* The state of a policy that has one in words, the breaker: "closed", "open", "half-open",
 * "forced-open", "disabled"; "" for the others and when it cannot be known. Borrowed until the next
 * call on the permit. [1] Blocks on the store. */
RATION_EXPORT const char *ration_permit_state_name(ration_permit *permit, const char *rule);

/* The last denial in words, as "rate limit exceeded: queries, next in 0.8 s"; "" when none. When
 * the mode is "observe": what it would have been. Borrowed until the next call on the permit. [1]
 */
RATION_EXPORT const char *ration_permit_why(const ration_permit *permit);
/* The name of the limit that denied; "" when none. [1] */
RATION_EXPORT const char *ration_permit_rule(const ration_permit *permit);
/* When it is worth asking again, ms from the denial; -1: never, or not known. [1] */
RATION_EXPORT int64_t ration_permit_retry_after_ms(const ration_permit *permit);
/* How the last decision was made: "exact", or by a policy when the store could not answer: "local",
 * "open", "closed" (a denial); or "observe": the limits said no, and the service only observes. [1]
 */
RATION_EXPORT const char *ration_permit_mode(const ration_permit *permit);

/* While the permit is held: what the call really costs in a unit, in place of what was set or
 * estimated at acquire; what it took too much goes back (of a rate: as far as the bucket is known
 * not to have been full without it), what it took too little is taken now, even below nothing left.
 * May be said again when more is known. A unit that no limit counts is nothing. While the store
 * cannot answer the estimate stays. 0, RATION_EINVAL (not held, or no cost), RATION_ETOOBIG (more
 * than 8 units), RATION_EFORK, RATION_ESTORE. [1] Blocks on the store. */
RATION_EXPORT int ration_permit_settle(ration_permit *permit, const char *unit, double actual);
/* Says how the call ended and gives the permit back; how long it took is measured. Twice is
 * harmless: the second does nothing. 0, RATION_EINVAL, RATION_EFORK; RATION_ESTORE: given back as
 * soon as the store answers. [1] */
RATION_EXPORT int ration_permit_release(ration_permit *permit, enum ration_outcome outcome);
/* A permit still held is released as ignored. NULL is fine. [1] */
RATION_EXPORT void ration_permit_free(ration_permit *permit);

/* A result of a call that was made without a permit, as if it had been let through and ended now:
 * the breaker, adaptive limits and the retry budget take note (all of them, whatever
 * ration_permit_only says). elapsed_ms: how long it took, for the breaker's slow calls; 0 not
 * known. 0, RATION_EINVAL, RATION_EKEY, RATION_EFORK, RATION_ESTORE. [1] Blocks on the store. */
RATION_EXPORT int ration_permit_record(
	ration_permit *permit, enum ration_outcome outcome, int64_t elapsed_ms);
/* A backoff signal by hand: each adaptive limit of this permit's keys decreases (once a
 * congestion: not again within the cooldown that this begins), and no process lets a call through
 * for for_ms; 0: only the adaptive limits' own
 * cooldown. Errors as ration_permit_record. [1] Blocks on the store. */
RATION_EXPORT int ration_permit_backoff(ration_permit *permit, int64_t for_ms);
/* A policy (as in ration_permit_state) back to its first state for this permit's keys: a bucket
 * full, a quota unused, a breaker closed; NULL: all. Permits in flight and the operator's settings
 * stay. RATION_EINVAL: no such policy; else as ration_permit_record. [1] Blocks on the store and,
 * for a quota, on the disk. */
RATION_EXPORT int ration_permit_reset(ration_permit *permit, const char *rule);

/*
 * Seeing and steering.
 *
 * A selector names records: SERVICE, SERVICE/RULE, or SERVICE/RULE/VALUE,VALUE for the values of
 * the rule's keys, in their order. RULE is a limit, a quota, "breaker", "concurrency", "place",
 * "cooldown" or "budget". A comma, slash or backslash in a name or value has a backslash before it;
 * those of an origin (http://host:port) need none.
 */

/* The store's state as JSON, the same as `ration status --json` prints. selector: "" for all, or
 * SERVICE. Caller frees with ration_free. 0, RATION_ENOSTORE (a view makes none), other store
 * errors. Blocks on the store's files. [1] */
RATION_EXPORT int ration_inspect(
	const ration_config *config, const char *selector, char **json, ration_error **err);
/* Steers what runs, in all processes; no process need be running.
 *
 *   reset           back to the first state (a bucket full, a quota unused, a breaker closed)
 *   open            the breaker: forced open, nothing goes
 *   disable         the breaker: lets everything through
 *   set KEY=NUMBER  a limit or quota: other numbers, such as "set rate=5/s burst=10" or
 *                   "set max=1000", for the values that are named, or for all
 *   auto            takes back what open, disable and set did
 *   backoff         adaptive limits decrease; with a time, no call goes for so long
 *
 * What open, disable and set do is durable, for ttl_ms (0: until auto); reset leaves it, and
 * permits in flight, as they are. ttl_ms of backoff: for how long nothing goes; reset and auto take
 * none. config names the store, which must be there. 0; RATION_EINVAL: with what would be right;
 * RATION_ESERVICE: the store does not know the service; RATION_ETOOBIG: done but for records whose
 * key values are too long to be found by a name without values; RATION_EFULL: 4,096 settings are
 * there; store errors. Blocks on the store's files. [1] */
RATION_EXPORT int ration_control(const ration_config *config, const char *selector,
	const char *action, int64_t ttl_ms, ration_error **err);

/* Frees what the library handed out as char *. NULL is fine. [any] */
RATION_EXPORT void ration_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
