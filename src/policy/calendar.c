/* Calendar windows. See calendar.h. Sums saturate at INT64_MAX. */
#include "policy/calendar.h"

#include "base/clock.h"
#include "base/date.h"
#include "base/util.h"
#include "base/zone.h"

#define HOUR_S INT64_C(3600)
#define DAY_S INT64_C(86400)

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Periods are numbered: the one that a clock shows, and when it first shows that. */
static int64_t period_shown(enum ration__calendar kind, int64_t local_s)
{
	int64_t year;
	int month, day;

	if (kind == RATION__CALENDAR_HOUR)
		return floor_div(local_s, HOUR_S);
	if (kind == RATION__CALENDAR_DAY)
		return floor_div(local_s, DAY_S);
	ration__date_of(floor_div(local_s, DAY_S), &year, &month, &day);
	return year * 12 + month - 1;
}

static int64_t period_begins(
	enum ration__calendar kind, const struct ration__zone *zone, int64_t number)
{
	int64_t local_s;

	if (kind == RATION__CALENDAR_HOUR)
		local_s = number * HOUR_S;
	else if (kind == RATION__CALENDAR_DAY)
		local_s = number * DAY_S;
	else
		local_s = DAY_S * ration__date_days(floor_div(number, 12),
					  (int)(number - 12 * floor_div(number, 12)) + 1, 1);
	return ration__zone_first(zone, local_s);
}

static int64_t nanoseconds(int64_t seconds)
{
	if (seconds > INT64_MAX / RATION__NS_PER_S)
		return INT64_MAX;
	return seconds < INT64_MIN / RATION__NS_PER_S ? INT64_MIN : seconds * RATION__NS_PER_S;
}

struct ration__period ration__calendar_period(
	enum ration__calendar kind, const struct ration__zone *zone, int64_t wall_ns)
{
	int64_t now_s = floor_div(wall_ns, RATION__NS_PER_S);
	int64_t number = period_shown(kind, now_s + ration__zone_offset(zone, now_s));
	int64_t end_s = period_begins(kind, zone, number + 1);

	/* the clock went back across a period's begin: that one goes on */
	while (end_s <= now_s)
		end_s = period_begins(kind, zone, ++number + 1);
	return (struct ration__period){
		nanoseconds(period_begins(kind, zone, number)), nanoseconds(end_s)};
}

static int64_t add_saturating(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

void ration__tally_turn(struct ration__tally *state, const struct ration__period *period)
{
	if (period->end_ns <= state->start_ns)
		return; /* the clock stepped back */
	if (period->start_ns >= state->end_ns)
		state->used = 0;
	state->start_ns = period->start_ns;
	state->end_ns = period->end_ns;
	state->rest_at_ns = state->end_ns;
}

struct ration__verdict ration__tally_ask(const struct ration__tally *state, int64_t max,
	const struct ration__period *period, int64_t now_ns, int64_t amount)
{
	struct ration__tally now = *state;

	if (amount > max)
		return (struct ration__verdict){RATION__IMPOSSIBLE, RATION__NEVER};
	ration__tally_turn(&now, period);
	if (now.used <= max - amount)
		return (struct ration__verdict){RATION__YES, now_ns};
	return (struct ration__verdict){RATION__NO, now.end_ns};
}

void ration__tally_take(
	struct ration__tally *state, const struct ration__period *period, int64_t amount)
{
	ration__tally_turn(state, period);
	state->used = add_saturating(state->used, amount);
}

void ration__tally_refund(struct ration__tally *state, const struct ration__period *period,
	int64_t amount, int64_t taken_ns)
{
	ration__tally_turn(state, period);
	if (taken_ns < state->start_ns)
		return;
	if (amount < 0)
		state->used =
			add_saturating(state->used, amount == INT64_MIN ? INT64_MAX : -amount);
	else
		state->used -= ration__min64(amount, state->used);
}

int64_t ration__tally_remaining(
	const struct ration__tally *state, int64_t max, const struct ration__period *period)
{
	struct ration__tally now = *state;

	ration__tally_turn(&now, period);
	return ration__max64(0, max - now.used);
}
