/* Concurrency limits that learn: rows, each algorithm by worked examples, and the record. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "policy/adaptive.h"
#include "policy/concurrency.h"
#include "policy_dice.h"

#define AIMD RATION__CONCURRENCY_AIMD
#define CAUTIOUS RATION__CONCURRENCY_CAUTIOUS
#define VEGAS RATION__CONCURRENCY_VEGAS

static struct ration__concurrency_conf conf_of(uint32_t algorithm)
{
	return (struct ration__concurrency_conf){
		.max = 200, .algorithm = algorithm, .initial = 20, .min = 1};
}

static const struct ration__concurrency_conf seed = {
	.max = 200, .algorithm = AIMD, .initial = 20, .min = 1, .growth = RATION__GROWTH_SEED};

static struct ration__concurrency *state_new(void)
{
	return calloc(1, RATION__CONCURRENCY_SIZE_MAX);
}

/* A call that was sent in this instant, when every permit was in use. */
static struct ration__sample success_of(const struct ration__concurrency_conf *conf,
	const struct ration__concurrency *state, int64_t now_ns)
{
	return (struct ration__sample){.outcome = RATION__SUCCESS,
		.sent_ns = now_ns,
		.elapsed_ns = 10 * MS,
		.in_flight = ration__concurrency_limit(conf, state)};
}

static uint32_t learn(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, struct ration__sample sample)
{
	ration__concurrency_learn(conf, state, now_ns, &sample);
	return ration__concurrency_limit(conf, state);
}

static uint32_t succeed(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns)
{
	return learn(conf, state, now_ns, success_of(conf, state, now_ns));
}

static uint32_t overload(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, enum ration__outcome outcome)
{
	struct ration__sample sample = success_of(conf, state, now_ns);

	sample.outcome = outcome;
	sample.overload = 1;
	return learn(conf, state, now_ns, sample);
}

static bool acquire(const struct ration__concurrency_conf *conf, struct ration__concurrency *state,
	int64_t now_ns, uint16_t slot)
{
	if (ration__concurrency_ask(conf, state, now_ns, slot).answer == RATION__YES) {
		ration__concurrency_take(conf, state, now_ns, slot);
		return true;
	}
	ration__concurrency_wait(conf, state, now_ns, slot, true);
	return false;
}

/* ---- rows ---- */

Test(limiter, E5_initial_20_then_the_21st_waits)
{
	struct ration__concurrency_conf conf = conf_of(AIMD);
	struct ration__concurrency *state = state_new();
	uint16_t wake[1];

	for (int i = 0; i < 20; i++)
		cr_assert(acquire(&conf, state, 1, 3));
	cr_assert_not(acquire(&conf, state, 1, 3));
	/* a success later there is room for it, and it is called */
	cr_assert_eq(succeed(&conf, state, 2), 21);
	cr_assert_eq(ration__concurrency_deal(&conf, state, 2, wake, 1), 1);
	cr_assert_eq(wake[0], 3);
	cr_assert(acquire(&conf, state, 2, 3));
	cr_assert_not(acquire(&conf, state, 2, 3));
	free(state);
}

Test(limiter, E6_a_success_makes_21_of_20)
{
	struct ration__concurrency_conf conf = conf_of(AIMD), low = conf;
	struct ration__concurrency *state = state_new();

	cr_assert_eq(ration__concurrency_limit(&conf, state), 20);
	cr_assert_eq(succeed(&conf, state, 1), 21);
	cr_assert_eq(succeed(&conf, state, 2), 22);
	low.max = 23;
	cr_assert_eq(succeed(&low, state, 3), 23);
	cr_assert_eq(succeed(&low, state, 4), 23, "never above max");
	cr_assert_eq(state->limit, 23.0);
	free(state);
}

Test(limiter, E7_429_or_503_halves_and_1_stays_1)
{
	static const uint32_t by_429[] = {10, 5, 2, 1, 1, 1};
	struct ration__concurrency_conf conf = conf_of(AIMD);
	struct ration__concurrency *state = state_new();

	for (size_t i = 0; i < RATION__COUNT(by_429); i++) {
		enum ration__outcome outcome = i % 2 ? RATION__FAILURE : RATION__THROTTLED;

		cr_assert_eq(overload(&conf, state, (int64_t)i + 1, outcome), by_429[i]);
		cr_assert_eq(state->limit, (double)by_429[i], "whole");
	}
	cr_assert_eq(succeed(&conf, state, 10), 2, "and 1 grows");
	conf.min = 4;
	cr_assert_eq(ration__concurrency_limit(&conf, state), 4, "never below min");
	cr_assert_eq(succeed(&conf, state, 11), 5);
	cr_assert_eq(overload(&conf, state, 12, RATION__THROTTLED), 4);
	free(state);
}

Test(limiter, E8_other_ends_leave_the_limit)
{
	static const enum ration__outcome ends[] = {
		RATION__FAILURE, RATION__THROTTLED, RATION__IGNORED, RATION__SUCCESS};
	struct ration__concurrency *state = state_new();
	const struct ration__concurrency_conf confs[] = {conf_of(AIMD), seed};

	for (size_t c = 0; c < RATION__COUNT(confs); c++)
		for (size_t i = 0; i < RATION__COUNT(ends); i++) {
			struct ration__sample sample = success_of(&confs[c], state, 1);

			sample.outcome = ends[i];
			sample.neutral = ends[i] == RATION__SUCCESS; /* a 404 */
			cr_assert_eq(learn(&confs[c], state, 1, sample), 20);
		}
	cr_assert_eq(state->used_ns, 0, "nothing was learned");
	free(state);
}

Test(limiter, E9_a_waiter_that_gave_up_is_skipped)
{
	struct ration__concurrency_conf conf = conf_of(AIMD);
	struct ration__concurrency *state = state_new();
	uint16_t wake[4];

	conf.initial = 1;
	acquire(&conf, state, 1, 1);
	for (uint16_t slot = 2; slot <= 4; slot++)
		cr_assert_not(acquire(&conf, state, 1, slot));
	ration__concurrency_wait(&conf, state, 1, 3, false);
	ration__concurrency_release(&conf, state, 2, 1);
	cr_assert_eq(ration__concurrency_deal(&conf, state, 2, wake, 4), 1);
	cr_assert_eq(wake[0], 2);
	cr_assert(acquire(&conf, state, 2, 2));
	ration__concurrency_release(&conf, state, 3, 2);
	cr_assert_eq(ration__concurrency_deal(&conf, state, 3, wake, 4), 1);
	cr_assert_eq(wake[0], 4);
	free(state);
}

Test(limiter, X18_grows_when_binding_and_as_row_E_says_when_told)
{
	struct ration__concurrency_conf conf = conf_of(AIMD);
	struct ration__concurrency *state = state_new();
	struct ration__sample sample = success_of(&conf, state, 1);

	sample.in_flight = 17;
	cr_assert_eq(learn(&conf, state, 1, sample), 20);
	cr_assert_eq(learn(&seed, state, 1, sample), 21);
	sample.in_flight = 18; /* 85.7 % */
	cr_assert_eq(learn(&conf, state, 1, sample), 21);
	sample.in_flight = 19; /* 90.5 % */
	cr_assert_eq(learn(&conf, state, 1, sample), 22);
	free(state);
}

Test(limiter, one_congestion_is_one_decrease)
{
	struct ration__concurrency_conf conf = conf_of(AIMD);
	struct ration__concurrency *state = state_new();
	struct ration__sample sample = success_of(&conf, state, 100);

	cr_assert_eq(overload(&conf, state, 200, RATION__THROTTLED), 10);
	sample.overload = 1;
	cr_assert_eq(learn(&conf, state, 300, sample), 10, "sent at 100, before the cut");
	sample.overload = 0;
	cr_assert_eq(learn(&conf, state, 300, sample), 10, "nor do those make up for it");
	cr_assert_eq(succeed(&conf, state, 200), 11, "sent in the instant of the cut: after it");
	sample.overload = 1;
	cr_assert_eq(learn(&seed, state, 300, sample), 5, "row E: each signal");
	cr_assert_eq(learn(&seed, state, 300, sample), 2);
	free(state);
}

/* ---- cautious ---- */

Test(limiter, cautious_by_a_worked_example)
{
	struct ration__concurrency_conf conf = conf_of(CAUTIOUS);
	struct ration__concurrency *state = state_new();
	struct ration__sample sample = success_of(&conf, state, 1);
	double limit = 20;

	sample.in_flight = 17;
	learn(&conf, state, 1, sample);
	cr_assert_eq(state->used_ns, 0, "not binding");
	sample.in_flight = 18;
	sample.neutral = 1; /* a 404 is a success */
	for (int i = 0; i < 21; i++) {
		uint32_t permits = learn(&conf, state, 1, sample);

		limit += 1 / limit;
		cr_assert_float_eq(state->limit, limit, 1e-12);
		cr_assert_eq(permits, i < 20 ? 20 : 21);
	}
	cr_assert_float_eq(state->limit, 21.024, 0.001);
	free(state);
}

Test(limiter, cautious_drops_once_a_congestion)
{
	static const double after[] = {18, 16.2, 14.58};
	struct ration__concurrency_conf conf = conf_of(CAUTIOUS);
	struct ration__concurrency *state = state_new();
	struct ration__sample failure = {.outcome = RATION__FAILURE, .in_flight = 20};

	for (size_t i = 0; i < RATION__COUNT(after); i++) {
		failure.sent_ns = 100 * (int64_t)i;
		for (int again = 0; again < 3; again++)
			learn(&conf, state, failure.sent_ns + 50 + again, failure);
		cr_assert_float_eq(state->limit, after[i], 1e-12);
	}
	cr_assert_eq(overload(&conf, state, 1000, RATION__THROTTLED), 13);
	conf.min = 13;
	overload(&conf, state, 2000, RATION__THROTTLED);
	cr_assert_eq(state->limit, 13.0);
	free(state);
}

/* ---- vegas ---- */

/* A round of calls that took so long. */
static double vegas_round(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, double ms)
{
	struct ration__sample sample = success_of(conf, state, now_ns);
	uint32_t calls = sample.in_flight;

	sample.elapsed_ns = (int64_t)(ms * MS + 0.5);
	for (uint32_t i = 0; i < calls; i++)
		learn(conf, state, now_ns, sample);
	return state->limit > 0 ? state->limit : conf->initial;
}

Test(limiter, vegas_by_worked_examples)
{
	/* noload 10 ms; what VegasLimit makes of one sample is what a round does here */
	static const struct {
		double limit, ms, next;
	} rounds[] = {
		{20, 10, 26},	  /* queue 0, log10 1 */
		{20, 10.5, 26},	  /* 1 */
		{20, 11, 21},	  /* 2 < alpha 3 */
		{20, 11.5, 20},	  /* 3 */
		{20, 14, 20},	  /* 6 = beta */
		{20, 15, 19},	  /* 7 */
		{100, 10.2, 112}, /* 2 = log10 */
		{100, 10.5, 102}, /* 5 < alpha 6 */
		{100, 11, 100},	  /* 10 */
		{100, 12, 98},	  /* 17 > beta 12 */
		{199, 10, 200},	  /* never above max */
	};
	struct ration__concurrency_conf conf = conf_of(VEGAS);

	for (size_t i = 0; i < RATION__COUNT(rounds); i++) {
		struct ration__concurrency *state = state_new();
		double next;

		state->limit = rounds[i].limit;
		state->noload_ns = 10 * MS;
		next = vegas_round(&conf, state, 1, rounds[i].ms);
		cr_assert_eq(next, rounds[i].next, "%zu: %f", i, next);
		cr_assert_eq(state->noload_ns, 10 * MS);
		free(state);
	}
}

Test(limiter, vegas_steps_once_a_round_by_its_mean)
{
	struct ration__concurrency_conf conf = conf_of(VEGAS);
	struct ration__concurrency *state = state_new();
	struct ration__sample sample = success_of(&conf, state, 5);

	cr_assert_eq(vegas_round(&conf, state, 1, 10), 20, "the first round is the measure");
	cr_assert_eq(state->noload_ns, 10 * MS);
	sample.elapsed_ns = 5 * MS; /* quick ones of mixed sizes are no measure */
	for (int i = 0; i < 19; i++) {
		sample.elapsed_ns = i % 2 ? 17 * MS : 5 * MS;
		cr_assert_eq(learn(&conf, state, 2, sample), 20);
	}
	sample.sent_ns = 0;
	learn(&conf, state, 6, sample); /* before the step at 1: not of this round */
	cr_assert_eq(state->round_samples, 19);
	sample.sent_ns = 5;
	sample.elapsed_ns = 17 * MS;
	cr_assert_eq(learn(&conf, state, 6, sample), 21, "mean 11 ms");
	cr_assert_eq(state->noload_ns, 10 * MS);
	cr_assert_eq(state->cut_ns, 6);
	cr_assert_eq(vegas_round(&conf, state, 7, 8), 21, "a shorter one is the new measure");
	cr_assert_eq(state->noload_ns, 8 * MS);
	free(state);
}

Test(limiter, vegas_drops_by_its_step_once_a_congestion)
{
	struct ration__concurrency_conf conf = conf_of(VEGAS);
	struct ration__concurrency *state = state_new();
	struct ration__sample sample = success_of(&conf, state, 1);

	sample.elapsed_ns = MS / 10;
	sample.outcome = RATION__FAILURE;
	cr_assert_eq(learn(&conf, state, 2, sample), 19);
	cr_assert_eq(learn(&conf, state, 3, sample), 19, "sent before the cut");
	cr_assert_eq(state->noload_ns, 0, "how long a refusal took is no measure");
	state->limit = 100;
	cr_assert_eq(overload(&conf, state, 4, RATION__THROTTLED), 98);
	state->limit = 1;
	cr_assert_eq(overload(&conf, state, 5, RATION__THROTTLED), 1);
	free(state);
}

Test(limiter, vegas_moves_by_round_trips_only_when_half_is_used)
{
	struct ration__concurrency_conf conf = conf_of(VEGAS);
	struct ration__concurrency *state = state_new();
	struct ration__sample sample = success_of(&conf, state, 2);

	vegas_round(&conf, state, 1, 10);
	sample.in_flight = 9;
	for (int i = 0; i < 20; i++)
		cr_assert_eq(learn(&conf, state, 2, sample), 20);
	for (int i = 0; i < 20; i++) {
		sample.in_flight = i ? 9 : 10; /* the most of them counts */
		cr_assert_eq(learn(&conf, state, 2, sample), i == 19 ? 26 : 20);
	}
	sample.outcome = RATION__THROTTLED; /* no success, and no drop either */
	learn(&conf, state, 2, sample);
	cr_assert_eq(state->round_samples, 0);
	sample.outcome = RATION__SUCCESS;
	sample.elapsed_ns = 0; /* not known */
	learn(&conf, state, 2, sample);
	cr_assert_eq(state->round_samples, 0);
	free(state);
}

Test(limiter, vegas_probes_each_thirty_rounds)
{
	struct ration__concurrency_conf conf = conf_of(VEGAS);
	struct ration__concurrency *state = state_new();
	int64_t now = 1;
	double limit;

	vegas_round(&conf, state, now, 10);
	for (int i = 2; i < 30; i++)
		cr_assert_eq(vegas_round(&conf, state, ++now, 12.5), 20, "%d", i);
	cr_assert_eq(vegas_round(&conf, state, ++now, 12.5), 10, "half of it, for a round");
	/* the server became slower for good: 20 * 12/12.5 was no queue, and alpha 3 */
	limit = vegas_round(&conf, state, ++now, 12);
	cr_assert_float_eq(limit, 22.2, 1e-9);
	cr_assert_eq(state->noload_ns, 12 * MS);
	cr_assert_eq(state->rounds, 0);
	vegas_round(&conf, state, ++now, 12);
	cr_assert_float_eq(state->limit, limit + 6, 1e-9, "and goes on from there");
	/* it becomes slower in the round of the probe: back to 20, and alpha */
	state->limit = 20;
	state->rounds = 29;
	vegas_round(&conf, state, ++now, 12);
	cr_assert_eq(vegas_round(&conf, state, ++now, 48), 23);
	state->limit = 20;
	/* hardly used: there is nothing to drain, the present round trip is the measure */
	state->rounds = 29;
	for (int i = 0; i < 20; i++) {
		struct ration__sample sample = success_of(&conf, state, now);

		sample.in_flight = 9;
		sample.elapsed_ns = 13 * MS;
		cr_assert_eq(learn(&conf, state, now, sample), 20);
	}
	cr_assert_eq(state->noload_ns, 13 * MS);
	free(state);
}

/* ---- the record ---- */

Test(limiter, a_limit_that_shrinks_admits_nobody_until_there_is_room)
{
	struct ration__concurrency_conf conf = conf_of(AIMD);
	struct ration__concurrency *state = state_new();
	uint16_t wake[4];

	for (int i = 0; i < 20; i++)
		acquire(&conf, state, 1, 1);
	cr_assert_not(acquire(&conf, state, 1, 2));
	ration__concurrency_release(&conf, state, 1, 1);
	cr_assert_eq(ration__concurrency_deal(&conf, state, 1, wake, 4), 1);
	cr_assert_eq(overload(&conf, state, 2, RATION__THROTTLED), 10);
	cr_assert_eq(state->in_flight, 19, "takes nothing away");
	cr_assert_not(acquire(&conf, state, 2, 2), "not even with a turn");
	cr_assert_eq(ration__concurrency_deal(&conf, state, 2, wake, 4), 0);
	cr_assert_eq(state->turns, 0);
	for (int i = 0; i < 9; i++) {
		cr_assert_not(acquire(&conf, state, 3, 2));
		ration__concurrency_release(&conf, state, 3, 1);
	}
	cr_assert_eq(ration__concurrency_deal(&conf, state, 3, wake, 4), 0, "10 of 10");
	ration__concurrency_release(&conf, state, 3, 1);
	cr_assert_eq(ration__concurrency_deal(&conf, state, 3, wake, 4), 1);
	cr_assert_eq(wake[0], 2);
	cr_assert(acquire(&conf, state, 3, 2));
	free(state);
}

Test(limiter, what_is_set_aside_stays_so_under_a_lower_limit)
{
	struct ration__concurrency_conf conf = conf_of(AIMD);
	struct ration__concurrency *state = state_new();
	uint16_t wake[4];

	for (int i = 0; i < 20; i++)
		acquire(&conf, state, 1, 1);
	acquire(&conf, state, 1, 2);
	acquire(&conf, state, 1, 4);
	for (int i = 0; i < 12; i++)
		ration__concurrency_release(&conf, state, 1, 1);
	cr_assert_eq(ration__concurrency_deal(&conf, state, 1, wake, 4), 2);
	cr_assert_eq(ration__concurrency_ask(&conf, state, 1, 3).answer, RATION__YES);
	cr_assert_eq(overload(&conf, state, 2, RATION__THROTTLED), 10);
	cr_assert_eq(ration__concurrency_ask(&conf, state, 2, 3).answer, RATION__WAIT);
	cr_assert(acquire(&conf, state, 2, 2));
	cr_assert(acquire(&conf, state, 2, 4));
	free(state);
}

Test(limiter, shares_are_of_the_learned_limit)
{
	struct ration__concurrency_conf conf = conf_of(AIMD);
	struct ration__concurrency *state = state_new();
	uint16_t wake[4];

	state->limit = 8;
	state->used_ns = 1;
	state->rest_at_ns = RATION__NEVER;
	ration__concurrency_assert(&conf, state, 1, 1, 8);
	ration__concurrency_wait(&conf, state, 1, 1, true);
	ration__concurrency_wait(&conf, state, 1, 2, true);
	for (int i = 0; i < 3; i++)
		ration__concurrency_release(&conf, state, 1, 1);
	/* 5 is above a half of 8, and below a half of 20 and 200 */
	cr_assert_eq(ration__concurrency_deal(&conf, state, 1, wake, 4), 1);
	cr_assert_eq(wake[0], 2);
	cr_assert_eq(ration__concurrency_ask(&conf, state, 1, 1).answer, RATION__WAIT);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(acquire(&conf, state, 1, 2), i < 3);
	free(state);
}

Test(limiter, what_was_learned_is_kept_for_an_hour_without_use)
{
	const int64_t hour = RATION__CONCURRENCY_IDLE_NS;
	struct ration__sample late;
	struct ration__concurrency_conf conf = conf_of(AIMD);
	struct ration__concurrency *state = state_new();

	acquire(&conf, state, 5, 1);
	ration__concurrency_release(&conf, state, 6, 1);
	conf.initial = conf.max;
	succeed(&conf, state, 7);
	conf.initial = 20;
	cr_assert_eq(state->rest_at_ns, 1, "nothing was learned");
	acquire(&conf, state, 10, 1);
	overload(&conf, state, 20, RATION__THROTTLED);
	cr_assert_eq(state->rest_at_ns, RATION__NEVER);
	ration__concurrency_release(&conf, state, 30, 1);
	cr_assert_eq(state->rest_at_ns, 20 + hour);
	late = success_of(&conf, state, 35);
	late.outcome = RATION__IGNORED;
	learn(&conf, state, 35, late);
	cr_assert_eq(state->rest_at_ns, 20 + hour, "nor does what says nothing keep it");
	/* learned after the release */
	cr_assert_eq(succeed(&conf, state, 40), 11);
	cr_assert_eq(state->rest_at_ns, 40 + hour);
	acquire(&conf, state, 39 + hour, 1);
	cr_assert_eq(ration__concurrency_limit(&conf, state), 11);
	cr_assert_eq(state->rest_at_ns, RATION__NEVER);
	ration__concurrency_release(&conf, state, 39 + hour, 1);
	/* at rest, and read before the sweep came by */
	acquire(&conf, state, 40 + hour, 1);
	cr_assert_eq(ration__concurrency_limit(&conf, state), 20);
	ration__concurrency_release(&conf, state, 40 + hour, 1);
	cr_assert_eq(state->rest_at_ns, 1);
	/* the same for a late end */
	late = success_of(&conf, state, 50 + hour);
	cr_assert_eq(overload(&conf, state, 50 + hour, RATION__THROTTLED), 10);
	cr_assert_eq(learn(&conf, state, 50 + 2 * hour, late), 21);
	free(state);
}

Test(limiter, a_fixed_limit_learns_nothing)
{
	struct ration__concurrency_conf conf = {.max = 20};
	struct ration__concurrency *state = state_new(), *zero = state_new();

	cr_assert_eq(overload(&conf, state, 10, RATION__THROTTLED), 20);
	cr_assert_eq(succeed(&conf, state, 20), 20);
	cr_assert_arr_eq(state, zero, sizeof(*state));
	/* it was another one before */
	state->limit = 7;
	cr_assert_eq(ration__concurrency_limit(&conf, state), 20);
	free(state);
	free(zero);
}

Test(limiter, whatever_is_stored_the_limit_is_within_its_bounds)
{
	static const double stored[] = {-3, 0.5, 1, 1e300, NAN, INFINITY, -INFINITY, 4e9};

	for (uint32_t algorithm = AIMD; algorithm <= VEGAS; algorithm++)
		for (size_t i = 0; i < RATION__COUNT(stored); i++) {
			struct ration__concurrency_conf conf = conf_of(algorithm);
			struct ration__concurrency *state = state_new();

			conf.min = 2;
			state->limit = stored[i];
			for (int64_t now = 1; now < 100; now++) {
				uint32_t limit =
					now % 10 ? succeed(&conf, state, now)
						 : overload(&conf, state, now, RATION__THROTTLED);

				cr_assert(limit >= 2 && limit <= 200, "%u", limit);
			}
			free(state);
		}
}

Test(limiter, another_algorithm_goes_on_from_what_was_learned)
{
	struct ration__concurrency_conf conf = conf_of(CAUTIOUS), aimd = conf_of(AIMD);
	struct ration__concurrency *state = state_new();

	succeed(&conf, state, 1);
	cr_assert_float_eq(state->limit, 20.05, 1e-12);
	cr_assert_eq(overload(&aimd, state, 2, RATION__THROTTLED), 10);
	cr_assert_eq(state->limit, 10.0);
	free(state);
}
