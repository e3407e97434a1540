/*
 * Circuit breaker: trips on consecutive failures, or on the rate of failures or of slow calls over
 * a window of the last N calls or the last T seconds (whole-second parts), with a minimum of calls.
 *
 *              trip_after failures in a row, or a rate >= its threshold
 *     CLOSED ----------------------------------------------------> OPEN
 *       ^                                                          | asked strictly after the
 *       |                                                          | open interval
 *       +------- judged good ------- HALF_OPEN <-------------------+
 *                                     | judged bad ---> OPEN (time starts again; may grow)
 *
 * Half-open lets at most `probes` calls through at a time; each probe is an entry with an expiry
 * held by the caller, given back by release, by death or by expiry. Without rates: close_after
 * successes close it, one failure opens it. With rates: `probes` calls are let through in all, and
 * once they have ended their rates are judged by the same thresholds (neither close_after nor
 * min_calls is looked at; one that was ignored or expired is made up for by another). With
 * trip_after beside a slow_rate alone one failure opens it as well.
 * A generation, raised at each change of state, tells late results apart: they are counted and
 * change nothing. Below min_calls a rate is unknown (a window of fewer calls is judged when it is
 * full); slow means strictly longer than slow_ns, failed or not. A window by time holds the present
 * second and the window_s - 1 before it. Every change of state empties the window.
 *
 * By hand (conf.mode): forced open lets nothing through, disabled everything; neither counts.
 * Resilience4j's words and numbers: doc/DECISIONS.md.
 */
#ifndef POLICY_BREAKER_H
#define POLICY_BREAKER_H

#include <assert.h>
#include <stddef.h>
#include "policy/verdict.h"

enum ration__breaker_state {
	RATION__CLOSED,
	RATION__OPEN,
	RATION__HALF_OPEN,
};

enum ration__breaker_mode {
	RATION__BREAKER_AUTO,
	RATION__BREAKER_FORCED_OPEN,
	RATION__BREAKER_DISABLED,
};

#define RATION__BREAKER_CALLS_MAX 1024
#define RATION__BREAKER_SECONDS_MAX 600

struct ration__breaker_conf {
	uint32_t trip_after;	  /* consecutive failures; 0: not by these */
	uint32_t close_after;	  /* successes in half-open, >= 1 */
	uint32_t probes;	  /* in half-open: in flight; with rates: in all; >= 1 */
	uint32_t mode;		  /* enum ration__breaker_mode */
	int64_t open_ns;	  /* first open interval */
	double failure_rate;	  /* in (0, 1]; 0: not by this */
	double slow_rate;	  /* likewise */
	int64_t slow_ns;	  /* a call that took longer is slow */
	uint32_t window_calls;	  /* 1 .. CALLS_MAX, or 0 and */
	uint32_t window_s;	  /* 1 .. SECONDS_MAX */
	uint32_t min_calls;	  /* >= 1 */
	uint32_t counts_attempts; /* not looked at here: 1: each attempt, 0: each job (X10) */
	double open_factor;	  /* each interval in a row is that many times the last; 1 */
	double open_jitter;	  /* +- part of the interval, 0 .. 1 */
	int64_t open_max_ns;	  /* cap, after the jitter; 0: none */
};
/* Is there a breaker at all? */
static inline int ration__breaker_exists(const struct ration__breaker_conf *conf)
{
	return conf->trip_after || conf->failure_rate > 0 || conf->slow_rate > 0 ||
	       conf->mode == RATION__BREAKER_FORCED_OPEN;
}

/* Variable size: with rates the window follows (breaker.c); ration__breaker_size() bytes. */
struct ration__breaker {
	/* Open, half-open or with failures: never by itself. Else at rest, but
	 * RATION__BREAKER_REST_NS after its last open interval at the earliest: by then no call of
	 * an old generation is out; and when its window is empty. A window by calls is forgotten
	 * RATION__BREAKER_REST_NS after the last call. */
	int64_t rest_at_ns;
	int64_t opened_ns;
	int64_t open_for_ns; /* the present interval, growth and jitter done */
	uint32_t state;	     /* enum ration__breaker_state */
	uint32_t generation;
	uint32_t failures;  /* in a row, closed */
	uint32_t successes; /* half-open */
	uint32_t probes;    /* in flight */
	uint32_t late;	    /* results of an older generation */
	uint64_t trips;
	uint32_t streak; /* times opened since it was last closed: the interval grows by it */
	uint32_t bad;	 /* failures in the window; half-open with rates: among the ended probes */
	uint32_t slow;	 /* likewise */
	uint32_t ended;	 /* likewise: how many calls */
	uint32_t layout; /* what the window behind it is: 0 none; breaker.c's */
	uint32_t position;  /* of the window: its next place, or its newest second */
	int64_t reclaim_ns; /* when holders of probes were last looked for; the caller's */
};
static_assert(sizeof(struct ration__breaker) == 88, "stored byte for byte: no padding");
#define RATION__BREAKER_REST_NS INT64_C(3600000000000)

/* Bytes of a state under this configuration; every state passed in with it must have so many. What
 * was read from the store, stored bytes long, goes through ration__breaker_fit first, in place:
 * half a state becomes an unused one, half a window an empty one. A window of another configuration
 * is never looked at and begins anew with the next call that counts (the state, generation and
 * failures in a row stay); a longer state that is only passed through keeps its window. */
size_t ration__breaker_size(const struct ration__breaker_conf *conf);
#define RATION__BREAKER_SIZE_MAX 8192
void ration__breaker_fit(
	const struct ration__breaker_conf *conf, struct ration__breaker *state, size_t stored);

/* What the rates are worked out from: the window's calls, in half-open those of the ended probes;
 * nothing without rates. */
struct ration__breaker_counts {
	uint32_t calls, failures, slow;
};
struct ration__breaker_counts ration__breaker_counts(const struct ration__breaker_conf *conf,
	const struct ration__breaker *state, int64_t now_ns);

/* A call that was let through. */
struct ration__breaker_pass {
	uint32_t generation;
	uint32_t probe; /* 1: holds one of the half-open places */
};

/* Yes; NO until after the open interval (open: at_ns is the first ns that says yes; forced open:
 * RATION__NEVER); WAIT with at_ns RATION__NEVER (half-open, probes out). Does not change the state:
 * open turns half-open when a call is taken. */
struct ration__verdict ration__breaker_ask(const struct ration__breaker_conf *conf,
	const struct ration__breaker *state, int64_t now_ns);
/* After a yes, in the same decision. */
struct ration__breaker_pass ration__breaker_take(
	const struct ration__breaker_conf *conf, struct ration__breaker *state, int64_t now_ns);

enum ration__breaker_event {
	RATION__BREAKER_SAME,
	RATION__BREAKER_OPENED,
	RATION__BREAKER_CLOSED,
};
/* What became of a call. Success and failure count; throttled counts as life in half-open and is
 * neutral in closed, for the rates too; ignored only gives the probe's place back, as do the
 * holder's death and the pass's expiry, under any configuration. elapsed_ns: how long it took;
 * random: 64 uniform bits, for the jitter. Whatever changes the window changes the state before it,
 * so that comparing the first sizeof(struct ration__breaker) bytes tells whether to store it. */
enum ration__breaker_event ration__breaker_settle(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, struct ration__breaker_pass pass,
	enum ration__outcome outcome, int64_t elapsed_ns, uint64_t random);
/* Would such a result leave the state as it is (but for counts that decide nothing)? Then nobody
 * need write it down: a success while closed, without failures and without a window. */
int ration__breaker_quiet(
	const struct ration__breaker_conf *conf, const struct ration__breaker *state);
/* Closed, by hand; calls that are out do not count any more. */
void ration__breaker_reset(struct ration__breaker *state, int64_t now_ns);
const char *ration__breaker_state_name(uint32_t state); /* "closed", "open", "half-open" */
/* When an open breaker may be asked again; RATION__NEVER when not open. */
int64_t ration__breaker_until(
	const struct ration__breaker_conf *conf, const struct ration__breaker *state);

#endif
