/* Token bucket: see the header for the arithmetic and its promise. */
#include "policy/bucket.h"

#include "base/clock.h"
#include "base/util.h"

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

static void level_set(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double level)
{
	state->t_ns = now_ns;
	state->level = level;
	state->rest_at_ns = later(now_ns, drain_ns(level, conf->rate));
}

/* Tokens above the burst; what would drain within 1 ns is none. */
static double excess(const struct ration__bucket_conf *conf, double level)
{
	double over = level - conf->burst;

	return over * 1e9 < conf->rate ? 0 : over;
}

struct ration__bucket ration__bucket_spent(const struct ration__bucket_conf *conf, int64_t t_ns)
{
	struct ration__bucket state = {0};

	level_set(conf, &state, t_ns, conf->burst);
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
	int64_t now = ration__max64(now_ns, state->t_ns);
	double level = level_at(conf, state, now) + cost;
	double over = excess(conf, level);

	level_set(conf, state, now, level);
	if (over <= 0)
		return now_ns;
	now = later(now, drain_ns(over, conf->rate));
	state->booked_ns = ration__max64(state->booked_ns, now);
	return now;
}

/*
 * Of what was taken for start_ns, that much may have leaked away unused by now in a bucket where it
 * had not been taken: nothing before the start, since until then the level without it was still
 * above zero (a cost above the burst reaches zero earlier, by the excess).
 */
static void give_back(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double cost, int64_t start_ns)
{
	int64_t now = ration__max64(now_ns, state->t_ns);
	double level = level_at(conf, state, now);
	double leaked = (double)(now - start_ns) * conf->rate * 1e-9;
	double floor = 0;

	if (cost > conf->burst)
		leaked += cost - conf->burst;
	if (leaked > 0)
		cost -= leaked;
	if (!(cost > 0))
		return;
	/* the last in the row: the level right at its start is below the burst by as much, so what
	 * comes next may start earlier by as much */
	if (start_ns > now && start_ns >= state->booked_ns)
		state->booked_ns = start_ns - drain_ns(cost, conf->rate);
	if (state->booked_ns > now)
		floor = conf->burst + drained(state->booked_ns - now, conf->rate);
	if (level > floor)
		level = level - cost > floor ? level - cost : floor;
	level_set(conf, state, now, level);
}

void ration__bucket_refund(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double cost, int64_t start_ns)
{
	give_back(conf, state, now_ns, cost, start_ns);
}

void ration__bucket_settle(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double estimate, double actual, int64_t start_ns)
{
	int64_t now = ration__max64(now_ns, state->t_ns);

	if (actual >= estimate)
		level_set(conf, state, now, level_at(conf, state, now) + (actual - estimate));
	else
		give_back(conf, state, now_ns, estimate - actual, start_ns);
}

double ration__bucket_remaining(
	const struct ration__bucket_conf *conf, const struct ration__bucket *state, int64_t now_ns)
{
	double left = conf->burst - level_at(conf, state, ration__max64(now_ns, state->t_ns));

	return left > 0 ? left : 0;
}
