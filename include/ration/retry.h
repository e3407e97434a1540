/*
 * Retries around any call: the retry policy of a service without HTTP.
 *
 * A call is anything that returns a code of this library: 0 when it went well, RATION_E* when not
 * (RATION_ETIMEOUT, RATION_ECONNECT, RATION_EUNAVAILABLE, RATION_ETHROTTLED …), a denial when a
 * permit was refused inside. The service's `retry` settings say which of them are tried again, how
 * often and after what delay, `timeouts.attempt` how long one attempt may take and `timeouts.total`
 * all of them with their delays. The retry budget is the fleet's, shared with the service's HTTP
 * jobs and with all processes that use the same store.
 *
 * By code, what is retried:
 *
 *   EDNS ECONNECT ETLS ECONNECTTIMEOUT          always: nothing was done
 *   ETHROTTLED                                  always, counted and delayed apart
 *   ERESET EPROTOCOL ETIMEOUT and its kin       when the call may be repeated (see _set_repeatable)
 *   EUNAVAILABLE ESERVER ESERVERTIMEOUT         likewise, as 503, 500, 408 are
 *   what else ration_code_retryable calls so    likewise
 *   everything else, denials too                never
 *
 * Either hand the call over (ration_retry_run), or keep the loop and ask (ration_retry_next):
 *
 *     ration_retry_begin(retry);
 *     do {
 *             code = call(ration_retry_timeout_ms(retry));
 *             answer = ration_retry_next(retry, code, -1, &delay_ms);
 *     } while (answer == RATION_RETRY_AGAIN && wait(delay_ms));
 *
 * [1] one thread at a time per object, [any] any thread, [B] may block. "On the store": waits for
 * the store's gate (microseconds, unless a peer is stopped inside it).
 */
#ifndef RATION_RETRY_H
#define RATION_RETRY_H

#include <stdint.h>
#include <ration/error.h>
#include <ration/guard.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ration_retry ration_retry;

/* The policy of the guard's service, for any number of calls, one after the other. The guard must
 * outlive it. NULL: out of memory. [any] */
RATION_EXPORT ration_retry *ration_retry_new(ration_guard *guard);
/* Not while it runs. NULL is fine. [1] */
RATION_EXPORT void ration_retry_free(ration_retry *retry);

/* One setting of the service, for this object only: "retry.attempts", "retry.backoff.first",
 * "timeouts.total" … 0, RATION_EINVAL. [1] */
RATION_EXPORT int ration_retry_set_option(ration_retry *retry, const char *path, const char *value);
/* A key that the service requires. 0, RATION_EINVAL, RATION_ETOOBIG, RATION_ENOMEM. [1] */
RATION_EXPORT int ration_retry_set_key(ration_retry *retry, const char *name, const char *value);
/* 0: the call must not be done twice; it is tried again only when it provably was not done, or
 * `retry.methods` is all. 1 unless set. [1] */
RATION_EXPORT void ration_retry_set_repeatable(ration_retry *retry, int repeatable);
/* Called before each delay: which attempt it was (from 1), how it ended, how long until the next.
 * On the thread that runs or asks. NULL: none. [1] */
typedef void (*ration_retry_seen_fn)(void *arg, int attempt, int code, int64_t delay_ms);
RATION_EXPORT void ration_retry_on_retry(ration_retry *retry, ration_retry_seen_fn fn, void *arg);
/* Waits in place of ration_retry_run's own sleep: on an injected clock, or in an event loop of
 * yours. Returns 0; else the call ends with RATION_ECANCELLED. NULL: the own one. [1] */
typedef int (*ration_retry_sleep_fn)(void *arg, int64_t ms);
RATION_EXPORT void ration_retry_on_sleep(ration_retry *retry, ration_retry_sleep_fn fn, void *arg);

/* One attempt of the call. attempt: from 1. timeout_ms: how long it may take, 1 at least.
 * *retry_after_ms: set it to what the other side asked to wait, as a floor of the delay. Returns
 * the call's code. */
typedef int (*ration_retry_fn)(void *arg, int attempt, int64_t timeout_ms, int64_t *retry_after_ms);
/* Calls fn until it goes well, must not be tried again, or cannot be in time.
 *
 * 0; RATION_EEXHAUSTED: attempts, throttled attempts or the budget are used up, and
 * ration_retry_cause is the last code; RATION_EDEADLINE: no time is left, or not enough for the
 * next delay, cause likewise; RATION_EUNKNOWN: it may have been done, and must not be repeated;
 * RATION_ECANCELLED; else fn's own code, of a call that is not retried (as the only attempt of
 * `retry.attempts: 1` is not). RATION_EINVAL, RATION_EWORKER, RATION_EKEY, RATION_EFORK. [1] [B] */
RATION_EXPORT int ration_retry_run(ration_retry *retry, ration_retry_fn fn, void *arg);
/* The call that runs, or else the next one, ends with RATION_ECANCELLED instead of another attempt
 * or delay; an attempt that runs is not interrupted. [any] */
RATION_EXPORT void ration_retry_cancel(ration_retry *retry);

/* What ration_retry_next answers. Values never change. */
enum ration_retry_answer {
	RATION_RETRY_AGAIN = 0,	    /* after *delay_ms */
	RATION_RETRY_DONE = 1,	    /* it went well */
	RATION_RETRY_REFUSED = 2,   /* of a kind that is not retried */
	RATION_RETRY_UNKNOWN = 3,   /* it may have been done, and must not be repeated */
	RATION_RETRY_EXHAUSTED = 4, /* as many attempts as `retry.attempts` */
	RATION_RETRY_THROTTLED = 5, /* as many throttled ones as `retry.throttled_attempts` */
	RATION_RETRY_NO_BUDGET = 6, /* the fleet's budget of retries is spent */
	RATION_RETRY_NO_TIME = 7,   /* the next attempt would be past the total timeout */
	RATION_RETRY_CANCELLED = 8,
};
/* A new call: no attempts so far, and the total timeout counts from now. Also done by _new and
 * _run. [1] */
RATION_EXPORT void ration_retry_begin(ration_retry *retry);
/* How long the next attempt may take: what is left of the total, at most the attempt's; 0: nothing
 * is left; -1: for ever. [1] */
RATION_EXPORT int64_t ration_retry_timeout_ms(const ration_retry *retry);
/* An attempt ended with code. retry_after_ms: what the other side asked to wait, -1 nothing.
 * delay_ms: set on RATION_RETRY_AGAIN only. enum ration_retry_answer; RATION_EINVAL, RATION_EKEY (a
 * required key is missing), RATION_EFORK, RATION_ENOMEM. When the store cannot answer, the budget
 * is not asked. [1] Blocks on the store. */
RATION_EXPORT int ration_retry_next(
	ration_retry *retry, int code, int64_t retry_after_ms, int64_t *delay_ms);

/* Of the call that ended last, or runs: attempts so far. [1] */
RATION_EXPORT int ration_retry_attempts(const ration_retry *retry);
/* The code of its last attempt: why it was, or would have been, tried again. [1] */
RATION_EXPORT int ration_retry_cause(const ration_retry *retry);
/* In words, as "retries exhausted: timed out (3 attempts)"; "" before the first attempt ended.
 * Borrowed until the next call on it. [1] */
RATION_EXPORT const char *ration_retry_why(const ration_retry *retry);

#ifdef __cplusplus
}
#endif
#endif
