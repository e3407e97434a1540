/*
 * Circuit breaker on consecutive failures.
 *
 *              trip_after failures in a row
 *     CLOSED ------------------------------> OPEN
 *       ^                                     | asked strictly after open_ns
 *       | close_after successes               v
 *       +---------------------------- HALF_OPEN --- a failure ---> OPEN (time starts again)
 *
 * Half-open lets at most `probes` calls through at a time; each probe is an entry with an expiry
 * held by the caller, given back by release, by death or by expiry. A generation, raised at each
 * change of state, tells late results apart: they are counted and change nothing.
 */
#ifndef POLICY_BREAKER_H
#define POLICY_BREAKER_H

#include <assert.h>
#include "policy/verdict.h"

enum ration__breaker_state {
	RATION__CLOSED,
	RATION__OPEN,
	RATION__HALF_OPEN,
};

struct ration__breaker_conf {
	uint32_t trip_after;  /* consecutive failures; 0: the breaker is off */
	uint32_t close_after; /* successes in half-open, >= 1 */
	uint32_t probes;      /* in flight in half-open, >= 1 */
	uint32_t reserved;
	int64_t open_ns;
};

struct ration__breaker {
	/* Open, half-open or with failures: never by itself. Else at rest, but
	 * RATION__BREAKER_REST_NS after it last opened at the earliest: by then no call of an old
	 * generation is out. */
	int64_t rest_at_ns;
	int64_t opened_ns;
	uint32_t state; /* enum ration__breaker_state */
	uint32_t generation;
	uint32_t failures;  /* in a row, closed */
	uint32_t successes; /* half-open */
	uint32_t probes;    /* in flight */
	uint32_t late;	    /* results of an older generation */
	uint64_t trips;
};
static_assert(sizeof(struct ration__breaker) == 48, "stored byte for byte: no padding");
#define RATION__BREAKER_REST_NS INT64_C(3600000000000)

/* A call that was let through. */
struct ration__breaker_pass {
	uint32_t generation;
	uint32_t probe; /* 1: holds one of the half-open places */
};

/* Yes; NO until after opened + open_ns (open: at_ns is the first ns that says yes); WAIT with at_ns
 * RATION__NEVER (half-open, probes out). Does not change the state: open turns half-open when a
 * call is taken. */
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
/* Success and failure count; throttled counts as life in half-open and is neutral in closed;
 * ignored only gives the probe's place back, as do the holder's death and the pass's expiry. */
enum ration__breaker_event ration__breaker_settle(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, struct ration__breaker_pass pass,
	enum ration__outcome outcome);
/* Closed, by hand; calls that are out do not count any more. */
void ration__breaker_reset(struct ration__breaker *state);
const char *ration__breaker_state_name(uint32_t state); /* "closed", "open", "half-open" */
/* When an open breaker may be asked again; RATION__NEVER when not open. */
int64_t ration__breaker_until(
	const struct ration__breaker_conf *conf, const struct ration__breaker *state);

#endif
