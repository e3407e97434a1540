/*
 * Token bucket, as level and time ("leaky bucket as a meter", ITU-T I.371 turned to costs): the
 * level is what was taken and has not drained yet. Kept this way a change of rate, a refund and a
 * settlement are additions.
 *
 *     level = max(0, level - (now - t) * rate)        admit when level + cost <= burst
 *
 * Doubles: with levels below 2^40 tokens one operation's error is below 2^-12 tokens, with levels
 * below a million below 10^-9; a shortfall that would last less than 1 ns grants (a wait of 0 would
 * spin).
 *
 * The promise: what starts within any time t costs at most burst + rate * t, bookings, refunds and
 * settlements downwards included. A booking's start stays as it was named, so while one is out the
 * level never falls below what makes its start right: burst + rate * (booked - now).
 */
#ifndef POLICY_BUCKET_H
#define POLICY_BUCKET_H

#include <assert.h>
#include "policy/verdict.h"

struct ration__bucket_conf {
	double rate;  /* tokens per second, > 0 */
	double burst; /* >= 1 token */
};

struct ration__bucket {
	int64_t rest_at_ns; /* when the level is 0: a record at rest is no record */
	int64_t t_ns;
	int64_t booked_ns; /* start of the last booking; one in the past says nothing */
	double level;	   /* may exceed the burst: bookings */
};
static_assert(sizeof(struct ration__bucket) == 32, "stored byte for byte: no padding");

/* An empty bucket (no tokens) at time t: what an absent record means after the store was wiped. */
struct ration__bucket ration__bucket_spent(const struct ration__bucket_conf *conf, int64_t t_ns);
/* Yes, wait until, or impossible (cost above burst). Cost >= 0. */
struct ration__verdict ration__bucket_ask(const struct ration__bucket_conf *conf,
	const struct ration__bucket *state, int64_t now_ns, double cost);
/* Takes the tokens now, whether or not they are there, and returns the time at which what was
 * taken may be used: now_ns, or later when the level exceeds the burst (a booking). */
int64_t ration__bucket_take(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double cost);
/* Gives back what was taken for a start at start_ns and not used. Before start: all of it. After:
 * the part that cannot have leaked away at an empty bucket meanwhile, max(0, cost - rate *
 * (now - start)), so that a refund never lets more through than if nothing had been taken. While a
 * later booking is out, nothing: its start stays, so what was before it cannot be used again. */
void ration__bucket_refund(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double cost, int64_t start_ns);
/* What started at start_ns turned out to cost actual instead of estimate. More is owed from now on
 * (the level may exceed the burst); less is given back under the rule of the refund. */
void ration__bucket_settle(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double estimate, double actual, int64_t start_ns);
/* Tokens that could be taken now; never below 0. */
double ration__bucket_remaining(
	const struct ration__bucket_conf *conf, const struct ration__bucket *state, int64_t now_ns);

#endif
