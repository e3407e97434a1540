/*
 * Whether and when to try again: classes of outcomes, backoff with jitter.
 * Contradictions between the sources are resolved in doc/DECISIONS.md (X1 .. X22).
 */
#ifndef POLICY_RETRY_H
#define POLICY_RETRY_H

#include <stdbool.h>
#include "policy/verdict.h"

enum ration__backoff_kind {
	RATION__BACKOFF_CONSTANT,
	RATION__BACKOFF_EXPONENTIAL,  /* first * factor^(retry-1) */
	RATION__BACKOFF_LINEAR,	      /* first * retry */
	RATION__BACKOFF_DECORRELATED, /* uniform in [first, 3 * previous): is its own jitter */
};
enum ration__jitter {
	RATION__JITTER_NONE,
	RATION__JITTER_FULL,  /* uniform in [0, delay) */
	RATION__JITTER_EQUAL, /* uniform in [delay / 2, delay) */
	RATION__JITTER_PART,  /* uniform in [delay * (1 - part), delay * (1 + part)) */
};

struct ration__backoff_conf {
	enum ration__backoff_kind kind;
	enum ration__jitter jitter;
	int64_t first_ns, max_ns;
	double factor;	    /* >= 1 */
	double jitter_part; /* 0 .. 1 */
};

/* Delay before retry number `retry` (from 1). previous_ns: the delay before the retry before this
 * one, 0 none (only the decorrelated kind looks at it). random: 64 uniform bits. floor_ns: what the
 * server asked for (Retry-After), 0 none. Order: the kind's delay, jitter, cap, floor. */
int64_t ration__backoff_delay(const struct ration__backoff_conf *conf, uint32_t retry,
	int64_t previous_ns, uint64_t random, int64_t floor_ns);

/* What an attempt came to, before policy: the HTTP layer reduces libcurl's codes to these. */
enum ration__end {
	RATION__END_ANSWERED,  /* a complete response; the status tells */
	RATION__END_NOT_SENT,  /* provably nothing reached the server: any method may be repeated */
	RATION__END_AMBIGUOUS, /* sent, unanswered: only what is safe to repeat */
	RATION__END_PERMANENT, /* cannot succeed as it is */
	RATION__END_LOCAL,     /* this host's fault: says nothing about the server */
	RATION__END_CANCELLED,
};

/* What may be repeated when the server may have acted on it: what is repeatable by a safe method or
 * a key; everything; nothing; as the first, and what RFC 9110 9.2.2 calls idempotent (PUT, DELETE).
 * A request that was provably not sent, or was answered as throttled, was not acted on and is
 * repeated in any case. */
enum ration__methods {
	RATION__METHODS_SAFE,
	RATION__METHODS_ALL,
	RATION__METHODS_NONE,
	RATION__METHODS_IDEMPOTENT,
};

/* Statuses as a set, in bits. */
struct ration__status_set {
	uint64_t bits[10]; /* 0 .. 639 */
};
static inline bool ration__status_in(const struct ration__status_set *set, int status)
{
	return status >= 0 && status < 640 && set->bits[status / 64] >> (status % 64) & 1;
}

struct ration__retry_conf {
	uint32_t attempts;	     /* sends in all, >= 1 */
	uint32_t throttled_attempts; /* answered 429 and the like, counted apart, >= 1 */
	enum ration__methods methods;
	struct ration__backoff_conf backoff;  /* failures */
	struct ration__backoff_conf throttle; /* 429 */
	int64_t retry_after_max_ns;
	/* Which statuses are repeated as what. Empty transient: 408 and 5xx; empty throttled: 429.
	 * A status in both is throttled. */
	struct ration__status_set transient, throttled;
};

struct ration__attempt_end {
	enum ration__end end;
	bool timed_out;		/* with NOT_SENT or AMBIGUOUS */
	bool unsent;		/* with LOCAL: nothing has left this host */
	bool stale;		/* with AMBIGUOUS: a kept connection turned out to be closed */
	int status;		/* with ANSWERED */
	bool at_once;		/* the server named a time to wait, and it is none */
	int64_t retry_after_ns; /* 0: none */
	int64_t stop_ns;	/* RateLimit fields: nobody sends for so long; 0: none */
};

/* Breaker's and limits' view (X11): transport, timeout, 408, 5xx fail; 429, or what conf names in
 * its place, is throttled; a 4xx is a success (it shows life), also one that is repeated; what is
 * permanent (the request's own fault), local faults, a connection that was stale, and cancellation
 * are ignored. conf NULL: the default statuses, here and below. */
enum ration__outcome ration__outcome_of(
	const struct ration__retry_conf *conf, const struct ration__attempt_end *end);
/* The server is asked too much: 429, 503, and what conf calls throttled (D6). What limits that
 * learn count as overload, and what adaptive rates and retry budgets take for a throttle. */
bool ration__end_is_overload(
	const struct ration__retry_conf *conf, const struct ration__attempt_end *end);
static inline bool ration__end_is_throttle(
	const struct ration__retry_conf *conf, const struct ration__attempt_end *end)
{
	return ration__end_is_overload(conf, end);
}

/* What the job has used so far and what it is. */
struct ration__retry_state {
	uint32_t attempts;   /* sends so far, this one included */
	uint32_t throttled;  /* of these, answered throttled */
	bool repeatable;     /* safe method, or the caller gave an idempotency key or request id */
	int64_t previous_ns; /* the delay that came before this send; 0: the first */
	bool idempotent;     /* PUT, DELETE: see ration__methods */
	bool keyed;	     /* the caller gave an Idempotency-Key: 409 says that it is in progress,
				422 that it was used for another request */
};

enum ration__retry_answer {
	RATION__RETRY_AGAIN,	 /* after *delay_ns */
	RATION__RETRY_ACCEPT,	 /* a success, nothing to retry */
	RATION__RETRY_REFUSED,	 /* failed, of a kind that is not retried */
	RATION__RETRY_EXHAUSTED, /* would be retried, but attempts are used up */
	RATION__RETRY_UNKNOWN,	 /* sent, unanswered, not safe to repeat */
};
/* 429 (or conf's throttled) has its own counter, delay and bound (X19); 408, 5xx (or conf's
 * transient), transport and local faults are transient; other 2xx are accepted, and what else a
 * service accepts is not asked about here. A key's 409 is repeated, its 422 never. The longer of
 * Retry-After and stop, up to retry_after_max, is the floor of any delay. *delay_ns is set on AGAIN
 * only. */
enum ration__retry_answer ration__retry_decide(const struct ration__retry_conf *conf,
	const struct ration__retry_state *state, const struct ration__attempt_end *end,
	uint64_t random, int64_t *delay_ns);
/* GET, HEAD, OPTIONS, TRACE by RFC 9110 9.2.1; methods are case-sensitive. */
bool ration__method_is_safe(const char *method);
/* PUT and DELETE, which 9.2.2 adds to these. */
bool ration__method_is_idempotent(const char *method);

#endif
