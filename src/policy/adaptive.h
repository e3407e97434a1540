/*
 * Adaptive rate: a token bucket whose rate is learned from what the server answers.
 *
 *   aimd    success: rate += step (at most max); backoff signal: rate *= factor (at least min)
 *   cubic   as AWS's adaptive retry mode: after a throttle the rate falls to factor * Wmax and
 *           climbs back along scale * (t - t0 - k)^3 + Wmax, k = cbrt(Wmax * (1 - factor) / scale);
 *           never above twice the rate that was really sent (slots of 0.5 s, smoothing 0.8), never
 *           below 0.5/s. Before the first throttle: Wmax = initial, t0 the first use, k = 0.
 *
 * A backoff signal also begins a cooldown, in which nobody sends and nothing refills.
 * One decrease per congestion: a signal from a request that was sent before the last decrease does
 * not decrease again (what the server said about time still counts). Growth only when the limit
 * was binding for the call that succeeded, and not within a cooldown: the cubic curve and its cap
 * then never lower the rate. With growth `seed` every success counts, and a cubic rate is what
 * curve and cap say, even when that is less.
 *
 * A change of rate keeps the tokens that are there, cut to the new capacity; starts that are booked
 * stay as they were named. The promise, without bookings: what starts within any time costs at most
 * the burst at its beginning (or the last call's cost) + the integral of the rate outside
 * cooldowns.
 *
 * All zero: never used; starts at the initial rate with a full bucket. What is forgotten after
 * idle_ns answers in the same way.
 */
#ifndef POLICY_ADAPTIVE_H
#define POLICY_ADAPTIVE_H

#include <assert.h>
#include <stdbool.h>
#include "policy/bucket.h"

enum ration__adaptive_kind { RATION__ADAPTIVE_AIMD, RATION__ADAPTIVE_CUBIC };
enum ration__growth { RATION__GROWTH_BINDING, RATION__GROWTH_SEED };

#define RATION__CUBIC_MIN 0.5 /* tokens per second: a cubic rate never falls below */

struct ration__adaptive_conf {
	uint32_t kind;		  /* enum ration__adaptive_kind */
	uint32_t growth;	  /* enum ration__growth */
	double initial, min, max; /* tokens per second; 0 < min <= initial <= max */
	double step;		  /* aimd: added at a success */
	double factor;		  /* at a backoff signal; 0.5, cubic 0.7 */
	double scale;		  /* cubic: 0.4 */
	double burst;		  /* tokens, >= 1; 0: max(1, one second of the present rate) */
	double multiplier;	  /* cooldown without Retry-After: multiplier / new rate, ... */
	int64_t cooldown_min_ns, cooldown_max_ns; /* ... within these */
	int64_t idle_ns; /* what was learned is forgotten after this long without use */
};

struct ration__adaptive {
	int64_t rest_at_ns;  /* last use + idle_ns */
	int64_t cooldown_ns; /* nobody sends before; 0 or past: none */
	int64_t frozen_ns;   /* when that cooldown began */
	int64_t lowered_ns;  /* when the rate last fell */
	int64_t cut_ns;	     /* last decrease; cubic, none yet: first use */
	int64_t slot_ns;     /* cubic: when the present slot of 0.5 s began */
	double rate;	     /* 0: initial */
	double peak;	     /* before the last decrease, Wmax; 0: none yet */
	double sent;	     /* cubic: tokens taken in the present slot */
	double measured;     /* cubic: smoothed sending rate, tokens per second */
	struct ration__bucket bucket;
};
static_assert(sizeof(struct ration__adaptive) == 168, "stored byte for byte: no padding");

/* A record that is absent because the store was wiped: at the initial rate, without tokens. */
struct ration__adaptive ration__adaptive_spent(
	const struct ration__adaptive_conf *conf, int64_t t_ns);
/* The rate that holds now, tokens per second, and what a bucket with it would be. */
double ration__adaptive_rate(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns);
struct ration__bucket_conf ration__adaptive_bucket(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns);

/* As the bucket's: yes, wait until (a cooldown's end counts), or impossible: the cost is above the
 * burst at the highest rate. Above the burst at the present rate, but not above that: wait; so one
 * that costs more than a low rate's burst is let through when the bucket is full (capacity is never
 * below the cost asked for, as long as it is possible at all). */
struct ration__verdict ration__adaptive_ask(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns, double cost);
/* Takes the tokens; returns their start: now, or later (a booking; never within a cooldown).
 * *bound: the limit was binding: one more such call would have had to wait. */
int64_t ration__adaptive_take(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, double cost, bool *bound);
/* Under the rules of the bucket; a time that was frozen leaks nothing. What started before the
 * rate last fell is not given back: it would have been cut. */
void ration__adaptive_refund(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, double cost, int64_t start_ns);
void ration__adaptive_settle(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, double estimate, double actual,
	int64_t start_ns);
/* Tokens that could be taken now; 0 within a cooldown. */
double ration__adaptive_remaining(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns);

/* The call succeeded. bound: as take said. What does not grow the rate changes nothing. */
void ration__adaptive_success(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, bool bound);
/* The server asked to slow down, or a caller says so. sent_ns: when that call started (now_ns: by
 * hand). retry_after_ns: what the server named, capped by the caller; below 0: at once; 0: nothing,
 * then the cooldown is worked out, at a decrease only. Returns whether it counted as a decrease
 * (also of a rate that is at its minimum). */
bool ration__adaptive_backoff(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, int64_t sent_ns, int64_t retry_after_ns);
/* Nobody sends before until_ns, and nothing refills; the rate stays. Never shortens. */
void ration__adaptive_cool(const struct ration__adaptive_conf *conf, struct ration__adaptive *state,
	int64_t now_ns, int64_t until_ns);

#endif
