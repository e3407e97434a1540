/*
 * Guards and permits: the shared decision without HTTP.
 *
 * A guard is one service's limits, quotas, breaker and concurrency limit, shared by all processes
 * that use the same store. A permit is the right to make one call. Acquire decides everything
 * together in one transaction: all or nothing, so a denial consumes nothing.
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
	RATION_THROTTLED = 2, /* it asked to slow down: neutral for the breaker */
	RATION_IGNORED = 3,   /* says nothing about its health; a probe is given back */
};

/* Opens the store and registers the service's definition. Blocks on the store's files. [1]
 * The guard keeps nothing of config. 0, RATION_ESERVICE, RATION_ECONFIG, or a store error. */
RATION_EXPORT int ration_guard_open(
	const ration_config *config, const char *service, ration_guard **guard, ration_error **err);
/* All its permits must have been freed. [1] */
RATION_EXPORT void ration_guard_close(ration_guard *guard);

/* A permit that is not held yet; reused for any number of calls. NULL: out of memory. [any] */
RATION_EXPORT ration_permit *ration_permit_new(ration_guard *guard);
/* Key values choose the records ("per: [agent, tool]"); not while held. 0, RATION_EBUSY,
 * RATION_EINVAL, RATION_ETOOBIG, RATION_ENOMEM. [1] */
RATION_EXPORT int ration_permit_set_key(ration_permit *permit, const char *name, const char *value);
/* What the next call costs, in the unit that limits name ("tokens"); "" is the number of calls,
 * 1 unless set. 0, RATION_EBUSY, RATION_EINVAL. [1] */
RATION_EXPORT int ration_permit_set_cost(ration_permit *permit, const char *unit, double cost);

/* Acquires. timeout_ms: 0 now or never, -1 for ever, else how long to wait for tokens and a free
 * place. An open breaker and a spent quota refuse at once unless the service says `wait`.
 * 0: held. >0: enum ration_denial, and _why, _rule, _retry_after_ms tell more. <0: no decision:
 * RATION_EBUSY (held already), RATION_EFORK, RATION_ESTORE, RATION_EWORKER. [1] [B] */
RATION_EXPORT int ration_permit_acquire(ration_permit *permit, int64_t timeout_ms);
/* What acquire would answer now; consumes nothing. [1] Blocks only for the store's gate. */
RATION_EXPORT int ration_permit_peek(ration_permit *permit);
/* What a limit, quota or concurrency limit has left for this permit's keys, without taking any.
 * 0, RATION_EINVAL: no such limit. [1] */
RATION_EXPORT int ration_permit_remaining(ration_permit *permit, const char *limit, double *left);

/* The last denial in words, as "rate limit exceeded: queries, next in 0.8 s"; "" when none.
 * Borrowed until the next call on the permit. [1] */
RATION_EXPORT const char *ration_permit_why(const ration_permit *permit);
/* The name of the limit that denied; "" when none. [1] */
RATION_EXPORT const char *ration_permit_rule(const ration_permit *permit);
/* When it is worth asking again, ms from the denial; -1: never, or not known. [1] */
RATION_EXPORT int64_t ration_permit_retry_after_ms(const ration_permit *permit);
/* "exact", or how the decision was made when the store could not answer: "local", "open". [1] */
RATION_EXPORT const char *ration_permit_mode(const ration_permit *permit);

/* Says how the call ended and gives the permit back. Twice is harmless: the second does nothing.
 * 0, RATION_EFORK; RATION_ESTORE: given back as soon as the store answers. [1] */
RATION_EXPORT int ration_permit_release(ration_permit *permit, enum ration_outcome outcome);
/* A permit still held is released as ignored. NULL is fine. [1] */
RATION_EXPORT void ration_permit_free(ration_permit *permit);

/*
 * Seeing and steering. A selector is "" (everything), "SERVICE" or "SERVICE/NAME", where NAME is a
 * limit, a quota, "breaker" or "concurrency".
 */

/* The store's state as JSON, the same as `ration status --json` prints. Caller frees with
 * ration_free. Blocks on the store's files. [1] */
RATION_EXPORT int ration_inspect(
	const ration_config *config, const char *selector, char **json, ration_error **err);
/* action: "reset" puts the selected records back to their first state (a bucket full, a quota
 * unused, a breaker closed); permits in flight stay. ttl_ms is for later actions: pass 0. [1] */
RATION_EXPORT int ration_control(const ration_config *config, const char *selector,
	const char *action, int64_t ttl_ms, ration_error **err);

/* Frees what the library handed out as char *. NULL is fine. [any] */
RATION_EXPORT void ration_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
