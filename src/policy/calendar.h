/*
 * Calendar windows: at most max in each hour, day or month of a time zone. The count begins anew at
 * the period's first instant. Periods only go forward: a clock that steps back stays in the newest
 * period that was seen.
 *
 * A period's bounds are what the clock on the wall showed first: an hour that is shown twice counts
 * once and is as long as both, and so is a day whose midnight is shown twice; a day without a
 * midnight begins at the first instant that there is. So periods never overlap, have no gaps, and
 * none comes back.
 */
#ifndef POLICY_CALENDAR_H
#define POLICY_CALENDAR_H

#include <assert.h>
#include "policy/verdict.h"

enum ration__calendar {
	RATION__CALENDAR_NONE,
	RATION__CALENDAR_HOUR,
	RATION__CALENDAR_DAY,
	RATION__CALENDAR_MONTH
};

struct ration__period {
	int64_t start_ns, end_ns; /* WALL; start <= t < end */
};
struct ration__zone;
/* The period that a time is in; zone NULL is UTC. kind is not NONE. */
struct ration__period ration__calendar_period(
	enum ration__calendar kind, const struct ration__zone *zone, int64_t wall_ns);

struct ration__tally {
	int64_t rest_at_ns;
	int64_t start_ns, end_ns; /* the period it counts */
	int64_t used;
};
static_assert(sizeof(struct ration__tally) == 32, "stored byte for byte: no padding");

/* Brings the tally to the period, unless that is over already. One that overlaps it, because kind
 * or zone of the limit were changed, takes its count over: too much rather than too little. */
void ration__tally_turn(struct ration__tally *state, const struct ration__period *period);
/* Yes, impossible, or NO until the period's end. Amounts as window.h's. */
struct ration__verdict ration__tally_ask(const struct ration__tally *state, int64_t max,
	const struct ration__period *period, int64_t now_ns, int64_t amount);
void ration__tally_take(
	struct ration__tally *state, const struct ration__period *period, int64_t amount);
/* Negative takes more; nothing when taken_ns was in an earlier period. */
void ration__tally_refund(struct ration__tally *state, const struct ration__period *period,
	int64_t amount, int64_t taken_ns);
int64_t ration__tally_remaining(
	const struct ration__tally *state, int64_t max, const struct ration__period *period);

#endif
