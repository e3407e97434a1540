/* Token bucket: see the header for the arithmetic and its promise. */
#include "policy/bucket.h"

#include <math.h>
#include <stdbool.h>
#include "base/clock.h"
#include "base/util.h"

/* A low of what has not happened yet. */
#define UNSEEN 3e38F

/* How long tokens take to drain, rounded up; whatever is not a time on this earth is never. */
static int64_t drain_ns(double tokens, double rate)
{
	double ns = tokens * 1e9 / rate;
	int64_t whole;

	if (!(ns < (double)RATION__NEVER))
		return RATION__NEVER;
	whole = (int64_t)ns;
	return whole + ((double)whole < ns);
}

static double drained(int64_t elapsed_ns, double rate)
{
	return (double)elapsed_ns * rate * 1e-9;
}

static int64_t later(int64_t now_ns, int64_t wait_ns)
{
	return ration__min64(now_ns + wait_ns, RATION__NEVER);
}

/* now_ns is not before t_ns. */
static double level_at(
	const struct ration__bucket_conf *conf, const struct ration__bucket *state, int64_t now_ns)
{
	double level = state->level - drained(now_ns - state->t_ns, conf->rate);

	return level > 0 ? level : 0;
}

/* state is at now_ns. */
static void level_set(
	const struct ration__bucket_conf *conf, struct ration__bucket *state, double level)
{
	state->level = level;
	state->rest_at_ns = later(state->t_ns, drain_ns(level, conf->rate));
}

/* Tokens above the burst; what would drain within 1 ns is none. */
static double excess(const struct ration__bucket_conf *conf, double level)
{
	double over = level - conf->burst;

	return over * 1e9 < conf->rate ? 0 : over;
}

/* ---- the lows ---- */

/* No float above x. */
static float rounded_down(double x)
{
	if (!(x > 0))
		return 0;
	return x < UNSEEN ? (float)(x * (1 - 1e-7)) : UNSEEN;
}

/* 2^shift ns: an eighth to a fourteenth of burst / rate, without a division. */
static uint16_t shift_of(const struct ration__bucket_conf *conf)
{
	int burst, rate;
	bool less = frexp(conf->burst, &burst) < frexp(conf->rate, &rate);
	int64_t shift = 30 - 3 + (burst - rate) - less;

	return (uint16_t)ration__min64(ration__max64(shift, 10), 50);
}

/* Of starts before now_ns nothing is known; since then, nothing has happened. */
static void lows_begin(struct ration__bucket *state, int64_t now_ns)
{
	state->since_ns = now_ns;
	for (int k = 0; k < RATION__BUCKET_LOWS; k++)
		state->low[k] = UNSEEN;
}

static void cap(float *least, int count, float most)
{
	for (int k = 0; k < count; k++)
		least[k] = least[k] < most ? least[k] : most;
}

static void sink(float *least, int count, double back)
{
	for (int k = 0; k < count; k++)
		least[k] = rounded_down(least[k] - back);
}

static int64_t tick_of(const struct ration__bucket *state, int64_t t_ns)
{
	return t_ns >> (state->shift & 63);
}

/* As a tick begins that 2^(k - 1) divides, low[k] takes over low[k - 1], which has covered all that
 * low[k] has to from now on. */
static void lows_turn(struct ration__bucket *state, int64_t now_ns)
{
	int64_t changed = tick_of(state, now_ns) ^ tick_of(state, state->t_ns);

	if (!changed)
		return;
	for (int k = RATION__BUCKET_LOWS - 1; k > 0; k--)
		if (changed >> (k - 1))
			state->low[k] = state->low[k - 1];
	state->low[0] = UNSEEN;
}

/* The first that covers a start, RATION__BUCKET_LOWS: none does. */
static int lows_find(const struct ration__bucket *state, int64_t start_ns)
{
	int64_t tick = tick_of(state, state->t_ns), start = tick_of(state, start_ns);

	if (start_ns < state->since_ns)
		return RATION__BUCKET_LOWS;
	if (start >= tick)
		return 0;
	for (int k = 1; k < RATION__BUCKET_LOWS; k++)
		if ((tick >> (k - 1)) - 1 <= start >> (k - 1))
			return k;
	return RATION__BUCKET_LOWS;
}

/* The level since a start that low[found] covers turned out lower. */
static void lows_sink(struct ration__bucket *state, int found, double back)
{
	int count = found < RATION__BUCKET_LOWS ? found + 1 : RATION__BUCKET_LOWS;

	sink(state->low, count, back);
	cap(state->low + count, RATION__BUCKET_LOWS - count, state->low[count - 1]);
}

/* The least that a booking which is out finds right before it starts. */
static float row_least(const struct ration__bucket *state)
{
	return state->row[0] < state->row[1] ? state->row[0] : state->row[1];
}

static void row_begin(struct ration__bucket *state, float least)
{
	state->row_ns = state->booked_ns;
	state->row[0] = least;
	state->row[1] = UNSEEN;
}

/* Lows that say little while the level is high are given up: what starts from now on has a better
 * one. So a burst out of rest, in which the level is low before the second call, forfeits what its
 * first calls would give back, but not what all would. */
static bool lows_useless(const struct ration__bucket_conf *conf, const struct ration__bucket *state)
{
	return state->low[0] < 0.1 * conf->burst && state->level > 0.3 * conf->burst;
}

/* Brings everything but rest_at_ns to now_ns, or leaves it when that is before. */
static void advance(
	const struct ration__bucket_conf *conf, struct ration__bucket *state, int64_t now_ns)
{
	int64_t now = ration__max64(now_ns, state->t_ns);
	bool booked = state->booked_ns >= state->t_ns;

	if (now == state->t_ns && state->level > 0)
		return;
	state->level = level_at(conf, state, now);
	if (state->level > 0) {
		lows_turn(state, now);
		cap(state->low, RATION__BUCKET_LOWS, rounded_down(state->level));
		if (booked)
			cap(state->low, RATION__BUCKET_LOWS, row_least(state));
		if (lows_useless(conf, state))
			lows_begin(state, now);
	} else {
		state->shift = shift_of(conf);
		lows_begin(state, now);
	}
	state->t_ns = now;
	if (booked && now > state->row_ns)
		row_begin(state, state->row[1]);
}

/* ---- the bucket ---- */

struct ration__bucket ration__bucket_spent(const struct ration__bucket_conf *conf, int64_t t_ns)
{
	struct ration__bucket state = {0};

	advance(conf, &state, t_ns);
	level_set(conf, &state, conf->burst);
	return state;
}

struct ration__verdict ration__bucket_ask(const struct ration__bucket_conf *conf,
	const struct ration__bucket *state, int64_t now_ns, double cost)
{
	int64_t now = ration__max64(now_ns, state->t_ns);
	double over = excess(conf, level_at(conf, state, now) + cost);

	if (cost > conf->burst)
		return (struct ration__verdict){RATION__IMPOSSIBLE, RATION__NEVER};
	if (over <= 0)
		return (struct ration__verdict){RATION__YES, now_ns};
	return (struct ration__verdict){RATION__WAIT, later(now, drain_ns(over, conf->rate))};
}

int64_t ration__bucket_take(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double cost)
{
	int64_t start_ns;
	double over;

	advance(conf, state, now_ns);
	level_set(conf, state, state->level + cost);
	over = excess(conf, state->level);
	if (over <= 0)
		return now_ns;
	start_ns = later(state->t_ns, drain_ns(over, conf->rate));
	if (state->booked_ns <= state->t_ns) {
		state->booked_ns = start_ns;
		state->below = false;
		row_begin(state, UNSEEN);
	}
	state->booked_ns = ration__max64(state->booked_ns, start_ns);
	cap(&state->row[1], 1, rounded_down(conf->burst - cost));
	return start_ns;
}

/* Of the bookings that are out the last one will find the level at the burst. */
static double floor_of(const struct ration__bucket_conf *conf, const struct ration__bucket *state)
{
	int64_t ahead_ns = state->booked_ns - state->t_ns;

	return ahead_ns > 0 ? conf->burst + drained(ahead_ns, conf->rate) : 0;
}

/* A start to come that none comes after. Given up as a whole, the one before it is the last: the
 * level was at the burst there, so that came earlier by as much, unless the level has been lower.
 */
static void give_back_last(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	double back, bool whole, int64_t start_ns)
{
	if (whole && !state->below)
		state->booked_ns = start_ns - drain_ns(back, conf->rate);
	else
		state->below = true;
}

/* The least the level is before the bookings that are out start: as the row says, or what is owed
 * on top of the last. */
static double least_ahead(const struct ration__bucket *state, double floor)
{
	double owed = state->level - floor, least = row_least(state);

	return owed > least ? owed : least;
}

/*
 * back of what was taken for start_ns, cost. Without it the level is lower by as much, if it has
 * not been lower than that since the start, and will not be as a booking starts. That it has not is
 * known by the lows, and as cost itself was in it: right at the start, so that later it was at
 * least cost - drained (a cost above the burst begins with the burst only).
 */
static void give_back(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double back, double cost, int64_t start_ns)
{
	bool whole = back >= cost, last;
	double least, floor;
	int found = 0;

	advance(conf, state, now_ns);
	last = start_ns > state->t_ns && start_ns >= state->booked_ns;
	floor = floor_of(conf, state);
	least = fmin(cost, conf->burst) - drained(state->t_ns - start_ns, conf->rate);
	if (start_ns <= state->t_ns) {
		found = lows_find(state, start_ns);
		if (found < RATION__BUCKET_LOWS)
			least = fmax(least, state->low[found]);
	}
	if (floor > 0 && !last)
		least = fmin(least, least_ahead(state, floor));
	back = fmin(back, least);
	if (!(back > 0))
		return;
	if (last) {
		give_back_last(conf, state, back, whole, start_ns);
	} else {
		sink(state->row, 2, back);
		state->below |= state->level - back < floor;
	}
	if (start_ns <= state->t_ns)
		lows_sink(state, found, back);
	level_set(conf, state, fmax(state->level - back, 0));
}

void ration__bucket_refund(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double cost, int64_t start_ns)
{
	give_back(conf, state, now_ns, cost, cost, start_ns);
}

void ration__bucket_settle(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double estimate, double actual, int64_t start_ns)
{
	if (actual < estimate) {
		give_back(conf, state, now_ns, estimate - actual, estimate, start_ns);
		return;
	}
	advance(conf, state, now_ns);
	level_set(conf, state, state->level + (actual - estimate));
}

void ration__bucket_change(const struct ration__bucket_conf *before,
	const struct ration__bucket_conf *after, struct ration__bucket *state, int64_t now_ns)
{
	double floor, short_of;

	advance(before, state, now_ns);
	floor = floor_of(before, state);
	short_of = floor > state->level ? floor - state->level : 0;
	state->level += after->burst - before->burst;
	floor = floor_of(after, state) - short_of;
	if (state->level < floor)
		state->level = floor;
	if (after->rate < before->rate || after->burst < before->burst)
		row_begin(state, 0);
	level_set(after, state, state->level > 0 ? state->level : 0);
}

void ration__bucket_stop(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, int64_t until_ns)
{
	advance(conf, state, now_ns);
	state->t_ns = ration__max64(state->t_ns, until_ns);
	lows_begin(state, state->t_ns);
	level_set(conf, state, state->level);
}

double ration__bucket_remaining(
	const struct ration__bucket_conf *conf, const struct ration__bucket *state, int64_t now_ns)
{
	double left = conf->burst - level_at(conf, state, ration__max64(now_ns, state->t_ns));

	return left > 0 ? left : 0;
}
