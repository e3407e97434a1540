/*
 * Adaptive rate: see the header. Each function first forgets what is at rest, so that a record that
 * was swept and one that was not answer alike; each that writes leaves rest_at_ns not before the
 * bucket's.
 */
#include "policy/adaptive.h"

#include <math.h>
#include "base/clock.h"
#include "base/util.h"

/* The cubic kind's constants that are no settings, as AWS's. */
#define SLOT_NS (RATION__NS_PER_S / 2)
#define SMOOTHING 0.8

static int64_t later(int64_t now_ns, int64_t wait_ns)
{
	return ration__min64(now_ns + wait_ns, RATION__NEVER);
}

static bool cubic(const struct ration__adaptive_conf *conf)
{
	return conf->kind == RATION__ADAPTIVE_CUBIC;
}

/* Settings may have changed since the rate was stored; what is no number becomes the minimum. */
static double within(const struct ration__adaptive_conf *conf, double rate)
{
	double low = conf->min;

	if (cubic(conf) && low < RATION__CUBIC_MIN)
		low = RATION__CUBIC_MIN;
	if (!(rate >= low))
		rate = low;
	return rate <= conf->max ? rate : conf->max;
}

static double rate_of(
	const struct ration__adaptive_conf *conf, const struct ration__adaptive *state)
{
	return within(conf, state->rate > 0 ? state->rate : conf->initial);
}

/* With a capacity of at least 1: one that sinks below what a call costs lets nothing through ever
 * again. */
static double burst_at(const struct ration__adaptive_conf *conf, double rate)
{
	if (conf->burst > 0)
		return conf->burst;
	return rate > 1 ? rate : 1;
}

/* The bucket that a call of this cost meets. */
static struct ration__bucket_conf bucket_for(
	const struct ration__adaptive_conf *conf, double rate, double cost)
{
	double burst = burst_at(conf, rate);

	if (cost > burst && cost <= burst_at(conf, conf->max))
		burst = cost;
	return (struct ration__bucket_conf){.rate = rate, .burst = burst};
}

static void wake(struct ration__adaptive *state, int64_t now_ns)
{
	if (state->rest_at_ns && now_ns >= state->rest_at_ns)
		*state = (struct ration__adaptive){0};
}

static struct ration__adaptive awake(const struct ration__adaptive *state, int64_t now_ns)
{
	struct ration__adaptive copy = *state;

	wake(&copy, now_ns);
	return copy;
}

/* A frozen bucket is not at rest before it thaws: that covers the cooldown. */
static void rest(struct ration__adaptive *state, int64_t at_ns)
{
	state->rest_at_ns = ration__max64(at_ns, state->bucket.rest_at_ns);
}

/* ---- the rate that is really sent, and the curve (cubic) ---- */

/* Slots begin at whole half seconds. Those that passed are smoothed in as one. */
static void measure(const struct ration__adaptive_conf *conf, struct ration__adaptive *state,
	int64_t now_ns, double cost)
{
	int64_t slot_ns = now_ns - now_ns % SLOT_NS;

	if (!cubic(conf))
		return;
	if (!state->peak && !state->cut_ns)
		state->cut_ns = now_ns;
	if (slot_ns > state->slot_ns) {
		if (state->sent > 0 || state->measured > 0) {
			double seconds = (double)(slot_ns - state->slot_ns) * 1e-9;

			state->measured = SMOOTHING * (state->sent / seconds) +
					  (1 - SMOOTHING) * state->measured;
		}
		state->slot_ns = slot_ns;
		state->sent = 0;
	}
	state->sent += cost;
}

/* Twice the sending rate. The present slot counts as soon as it says more than those before: after
 * a pause the first calls would be held against the pause. Before a slot has ended nothing is
 * known.
 */
static double cap_of(const struct ration__adaptive_conf *conf, const struct ration__adaptive *state)
{
	double present = SMOOTHING * (state->sent / ((double)SLOT_NS * 1e-9)) +
			 (1 - SMOOTHING) * state->measured;

	if (!(state->measured > 0))
		return conf->max;
	return 2 * (present > state->measured ? present : state->measured);
}

static double curve_at(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns)
{
	double t = (double)(now_ns - state->cut_ns) * 1e-9;
	double peak = state->peak > 0 ? state->peak : within(conf, conf->initial);

	if (state->peak > 0)
		t -= cbrt(peak * (1 - conf->factor) / conf->scale);
	return conf->scale * t * t * t + peak;
}

/* ---- changes of the rate, cooldowns ---- */

static void set_rate(const struct ration__adaptive_conf *conf, struct ration__adaptive *state,
	int64_t now_ns, double rate)
{
	struct ration__bucket_conf before = bucket_for(conf, rate_of(conf, state), 0);
	struct ration__bucket_conf after = bucket_for(conf, within(conf, rate), 0);

	state->rate = after.rate;
	if (after.rate == before.rate)
		return;
	if (after.rate < before.rate)
		state->lowered_ns = now_ns;
	ration__bucket_change(&before, &after, &state->bucket, now_ns);
}

static void freeze(const struct ration__adaptive_conf *conf, struct ration__adaptive *state,
	int64_t now_ns, int64_t until_ns)
{
	struct ration__bucket_conf bucket = bucket_for(conf, rate_of(conf, state), 0);

	if (until_ns <= ration__max64(now_ns, state->cooldown_ns))
		return;
	if (state->cooldown_ns <= now_ns)
		state->frozen_ns = now_ns;
	state->cooldown_ns = until_ns;
	ration__bucket_stop(&bucket, &state->bucket, now_ns, until_ns);
}

/* ---- the bucket's face ---- */

struct ration__adaptive ration__adaptive_spent(
	const struct ration__adaptive_conf *conf, int64_t t_ns)
{
	struct ration__adaptive state = {0};
	struct ration__bucket_conf bucket = bucket_for(conf, rate_of(conf, &state), 0);

	state.bucket = ration__bucket_spent(&bucket, t_ns);
	rest(&state, 0);
	return state;
}

double ration__adaptive_rate(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns)
{
	struct ration__adaptive now = awake(state, now_ns);

	return rate_of(conf, &now);
}

struct ration__bucket_conf ration__adaptive_bucket(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns)
{
	return bucket_for(conf, ration__adaptive_rate(conf, state, now_ns), 0);
}

struct ration__verdict ration__adaptive_ask(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns, double cost)
{
	struct ration__adaptive now = awake(state, now_ns);
	struct ration__bucket_conf bucket = bucket_for(conf, rate_of(conf, &now), cost);
	struct ration__verdict verdict = ration__bucket_ask(
		&bucket, &now.bucket, ration__max64(now_ns, now.cooldown_ns), cost);

	if (verdict.answer == RATION__YES && now.cooldown_ns > now_ns)
		verdict.answer = RATION__WAIT; /* its time is the cooldown's end */
	return verdict;
}

int64_t ration__adaptive_take(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, double cost, bool *bound)
{
	struct ration__bucket_conf bucket;
	int64_t start_ns;

	wake(state, now_ns);
	bucket = bucket_for(conf, rate_of(conf, state), cost);
	measure(conf, state, now_ns, cost);
	start_ns = ration__bucket_take(
		&bucket, &state->bucket, ration__max64(now_ns, state->cooldown_ns), cost);
	rest(state, later(now_ns, conf->idle_ns));
	*bound = ration__adaptive_ask(conf, state, now_ns, cost).answer != RATION__YES;
	return start_ns;
}

/* As if the clock had stood still while the bucket was frozen. */
static int64_t thawed(const struct ration__adaptive *state, int64_t start_ns)
{
	if (start_ns >= state->cooldown_ns)
		return start_ns;
	if (start_ns >= state->frozen_ns)
		return state->cooldown_ns;
	return start_ns + (state->cooldown_ns - state->frozen_ns);
}

/* A lower rate cuts the tokens that are there: what was taken before cannot come back whole, and
 * how much of it would have leaked at the rates before is not known. */
static bool too_late(const struct ration__adaptive *state, int64_t start_ns)
{
	return state->lowered_ns && start_ns <= state->lowered_ns;
}

void ration__adaptive_refund(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, double cost, int64_t start_ns)
{
	struct ration__bucket_conf bucket;

	wake(state, now_ns);
	if (cubic(conf) && start_ns >= state->slot_ns)
		state->sent = state->sent > cost ? state->sent - cost : 0;
	if (too_late(state, start_ns))
		return;
	bucket = bucket_for(conf, rate_of(conf, state), cost);
	ration__bucket_refund(&bucket, &state->bucket, now_ns, cost, thawed(state, start_ns));
	rest(state, state->rest_at_ns);
}

void ration__adaptive_settle(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, double estimate, double actual,
	int64_t start_ns)
{
	struct ration__bucket_conf bucket;

	wake(state, now_ns);
	if (actual < estimate && too_late(state, start_ns))
		return;
	bucket = bucket_for(conf, rate_of(conf, state), estimate);
	ration__bucket_settle(
		&bucket, &state->bucket, now_ns, estimate, actual, thawed(state, start_ns));
	rest(state, state->rest_at_ns);
}

double ration__adaptive_remaining(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns)
{
	struct ration__adaptive now = awake(state, now_ns);
	struct ration__bucket_conf bucket = bucket_for(conf, rate_of(conf, &now), 0);

	if (now.cooldown_ns > now_ns)
		return 0;
	return ration__bucket_remaining(&bucket, &now.bucket, now_ns);
}

/* ---- what the server's answers teach ---- */

void ration__adaptive_success(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, bool bound)
{
	bool seed = conf->growth == RATION__GROWTH_SEED;
	double rate, grown;

	if (!seed && (!bound || now_ns < state->cooldown_ns))
		return; /* nothing to write */
	wake(state, now_ns);
	measure(conf, state, now_ns, 0);
	rate = rate_of(conf, state);
	if (cubic(conf)) {
		grown = fmin(curve_at(conf, state, now_ns), cap_of(conf, state));
		if (!seed)
			grown = fmax(grown, rate);
	} else {
		grown = rate + conf->step;
	}
	set_rate(conf, state, now_ns, grown);
	rest(state, later(now_ns, conf->idle_ns));
}

/* The last decrease was for this too: the call was sent before it, or the signal was given (by
 * hand: nobody sends) within the cooldown that it began. */
static bool is_known(const struct ration__adaptive *state, int64_t sent_ns)
{
	if (!(state->peak > 0))
		return false;
	return sent_ns < state->cut_ns ||
	       (state->cut_ns >= state->frozen_ns && sent_ns < state->cooldown_ns);
}

bool ration__adaptive_backoff(const struct ration__adaptive_conf *conf,
	struct ration__adaptive *state, int64_t now_ns, int64_t sent_ns, int64_t retry_after_ns)
{
	int64_t wait_ns = retry_after_ns;
	bool cut;

	wake(state, now_ns);
	measure(conf, state, now_ns, 0);
	cut = !is_known(state, sent_ns);
	if (cut) {
		state->peak = rate_of(conf, state);
		state->cut_ns = now_ns;
		set_rate(conf, state, now_ns, state->peak * conf->factor);
		if (wait_ns == 0) {
			double ns = conf->multiplier / state->rate * 1e9;

			wait_ns = ns < (double)conf->cooldown_max_ns ? (int64_t)ns
								     : conf->cooldown_max_ns;
			wait_ns = ration__max64(wait_ns, conf->cooldown_min_ns);
		}
	}
	if (wait_ns > 0)
		freeze(conf, state, now_ns, later(now_ns, wait_ns));
	rest(state, later(now_ns, conf->idle_ns));
	return cut;
}

void ration__adaptive_cool(const struct ration__adaptive_conf *conf, struct ration__adaptive *state,
	int64_t now_ns, int64_t until_ns)
{
	wake(state, now_ns);
	freeze(conf, state, now_ns, until_ns);
	rest(state, later(now_ns, conf->idle_ns));
}
