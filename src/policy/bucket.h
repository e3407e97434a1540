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
 * settlements downwards included.
 *
 * What comes back, of a call that turned out to cost less: as much as the level never fell below
 * since its start. For the level is then what it would have been with the lower cost all along; of
 * what is more, an empty level would have drained nothing. So the record keeps the least level of
 * the time since, in RATION__BUCKET_LOWS stretches that all reach until now and begin about twice
 * as far back each:
 *
 *     low[0]   since the present tick began; a tick is 2^shift ns, about burst / rate / 10
 *     low[k]   since tick ((n >> (k - 1)) - 1) << (k - 1), n the present one: 2^(k - 1) to 2^k ago
 *
 * What came back is taken off the lows too: it is a lower level from that start on. A low is never
 * more than the truth, so what is given back is never too much; it is less after long calls (of
 * more than about 2 * burst / rate), and when what all calls within up to three times that call's
 * length have reserved too much is more than the burst.
 *
 * Bookings count in the level as they are made, but in the truth as they start. Right before it
 * starts one finds burst - cost, less what came back since it was made: row has the least of those
 * that are out, in two generations, as the first must have started before it can be forgotten.
 */
#ifndef POLICY_BUCKET_H
#define POLICY_BUCKET_H

#include <assert.h>
#include <stddef.h>
#include "policy/verdict.h"

struct ration__bucket_conf {
	double rate;  /* tokens per second, > 0 */
	double burst; /* >= 1 token */
};

#define RATION__BUCKET_LOWS 7

struct ration__bucket {
	int64_t rest_at_ns; /* when the level is 0: a record at rest is no record */
	int64_t t_ns;
	int64_t booked_ns; /* no booking starts later; one in the past says nothing */
	double level;	   /* may exceed the burst: bookings */
	int64_t since_ns; /* the level was 0 right before: no low says anything of earlier starts */
	int64_t row_ns;	  /* no booking of row[0] starts later */
	float low[RATION__BUCKET_LOWS]; /* rounded down; never rising with k */
	float row[2];			/* right before the start of a booking; [1]: made later */
	uint16_t shift;
	uint16_t below; /* bookings are out, and the level was below what the last was made with */
};
static_assert(sizeof(struct ration__bucket) == 88, "stored byte for byte: no padding");
/* Where costs are not settled no more than this need be kept, unless `below`: zero behind it knows
 * of no low. */
#define RATION__BUCKET_HEAD offsetof(struct ration__bucket, since_ns)

/* An empty bucket (no tokens) at time t: what an absent record means after the store was wiped. */
struct ration__bucket ration__bucket_spent(const struct ration__bucket_conf *conf, int64_t t_ns);
/* Yes, wait until, or impossible (cost above burst). Cost >= 0. */
struct ration__verdict ration__bucket_ask(const struct ration__bucket_conf *conf,
	const struct ration__bucket *state, int64_t now_ns, double cost);
/* Takes the tokens now, whether or not they are there, and returns the time at which what was
 * taken may be used: now_ns, or later when the level exceeds the burst (a booking). */
int64_t ration__bucket_take(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double cost);
/* Gives back what was taken for a start at start_ns and not used: the part that is known not to
 * have leaked away at a full bucket meanwhile, so that a refund never lets more through than if
 * nothing had been taken: all before the start of the last booking, else up to the low since the
 * start, or cost - rate * (now - start) if that is more; and not what a later booking starts with.
 */
void ration__bucket_refund(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double cost, int64_t start_ns);
/* What started at start_ns turned out to cost actual instead of estimate. More is owed from now on
 * (the level may exceed the burst); less is given back under the rule of the refund. */
void ration__bucket_settle(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double estimate, double actual, int64_t start_ns);
/* For a rate that changes: the tokens that are there stay, cut to the new burst; bookings start as
 * they were named, with what they were made with. What drained until now drained as before. */
void ration__bucket_change(const struct ration__bucket_conf *before,
	const struct ration__bucket_conf *after, struct ration__bucket *state, int64_t now_ns);
/* Nothing drains before until_ns. What has started by now counts as if it had as much later, and
 * what starts before until_ns as if it did then. */
void ration__bucket_stop(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, int64_t until_ns);
/* Tokens that could be taken now; never below 0. */
double ration__bucket_remaining(
	const struct ration__bucket_conf *conf, const struct ration__bucket *state, int64_t now_ns);

#endif
