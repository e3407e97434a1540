/* The breaker's states, generations and probes, and how its open intervals grow. */
#include <criterion/criterion.h>
#include "base/util.h"
#include "policy/breaker.h"
#include "policy_dice.h"

#define OPEN_NS (60 * SEC)

static const struct ration__breaker_conf plain = {
	.trip_after = 3, .close_after = 1, .probes = 1, .open_ns = OPEN_NS};

static enum ration__breaker_event call(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, enum ration__outcome outcome)
{
	cr_assert_eq(ration__breaker_ask(conf, state, now_ns).answer, RATION__YES);
	return ration__breaker_settle(
		conf, state, now_ns, ration__breaker_take(conf, state, now_ns), outcome, 0, 0);
}

static struct ration__breaker tripped(const struct ration__breaker_conf *conf, int64_t now_ns)
{
	struct ration__breaker state = {0};

	for (uint32_t i = 1; i < conf->trip_after; i++)
		cr_assert_eq(call(conf, &state, now_ns, RATION__FAILURE), RATION__BREAKER_SAME);
	cr_assert_eq(call(conf, &state, now_ns, RATION__FAILURE), RATION__BREAKER_OPENED);
	return state;
}

Test(breaker, R17_three_failures_refuse_the_fourth)
{
	struct ration__breaker state = tripped(&plain, 5 * SEC);
	struct ration__verdict verdict = ration__breaker_ask(&plain, &state, 6 * SEC);

	cr_assert_eq(verdict.answer, RATION__NO);
	cr_assert_eq(verdict.at_ns, 5 * SEC + OPEN_NS + 1);
	cr_assert_eq(state.opened_ns, 5 * SEC);
	cr_assert_eq(state.trips, 1);
	cr_assert_eq(ration__breaker_until(&plain, &state), verdict.at_ns);
	cr_assert_str_eq(ration__breaker_state_name(state.state), "open");
}

Test(breaker, R18_after_recovery_time_success_closes)
{
	struct ration__breaker state = tripped(&plain, 0);

	cr_assert_eq(call(&plain, &state, OPEN_NS + 1, RATION__SUCCESS), RATION__BREAKER_CLOSED);
	cr_assert_eq(state.state, RATION__CLOSED);
	cr_assert_eq(state.failures, 0);
	cr_assert_eq(ration__breaker_until(&plain, &state), RATION__NEVER);
	/* and it takes all three failures again */
	cr_assert_eq(call(&plain, &state, OPEN_NS + 2, RATION__FAILURE), RATION__BREAKER_SAME);
	cr_assert_eq(call(&plain, &state, OPEN_NS + 2, RATION__FAILURE), RATION__BREAKER_SAME);
	cr_assert_eq(call(&plain, &state, OPEN_NS + 2, RATION__FAILURE), RATION__BREAKER_OPENED);
	cr_assert_eq(state.trips, 2);
}

Test(breaker, R18_after_recovery_time_failure_opens_again)
{
	struct ration__breaker state = tripped(&plain, 0);

	cr_assert_eq(call(&plain, &state, OPEN_NS + 7, RATION__FAILURE), RATION__BREAKER_OPENED);
	cr_assert_eq(state.opened_ns, OPEN_NS + 7);
	cr_assert_eq(ration__breaker_ask(&plain, &state, 2 * OPEN_NS).answer, RATION__NO);
}

Test(breaker, D12_five_failures_open_for_60_s)
{
	struct ration__breaker_conf conf = plain;
	struct ration__breaker state;

	conf.trip_after = 5;
	state = tripped(&conf, 0);
	cr_assert_eq(ration__breaker_ask(&conf, &state, 0).answer, RATION__NO);
	/* strictly after the interval */
	cr_assert_eq(ration__breaker_ask(&conf, &state, OPEN_NS).answer, RATION__NO);
	cr_assert_eq(ration__breaker_ask(&conf, &state, OPEN_NS + 1).answer, RATION__YES);
}

Test(breaker, D13_asking_changes_nothing_taking_does)
{
	struct ration__breaker state = tripped(&plain, 0);
	struct ration__breaker_pass pass;

	ration__breaker_ask(&plain, &state, OPEN_NS + 1);
	cr_assert_eq(state.state, RATION__OPEN);
	pass = ration__breaker_take(&plain, &state, OPEN_NS + 1);
	cr_assert_eq(state.state, RATION__HALF_OPEN);
	cr_assert_eq(pass.probe, 1);
	cr_assert_str_eq(ration__breaker_state_name(state.state), "half-open");
}

Test(breaker, N7_success_while_closed_zeroes_the_count)
{
	struct ration__breaker_conf conf = plain;
	struct ration__breaker state = {0};

	conf.trip_after = 5;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			call(&conf, &state, 0, RATION__FAILURE);
		cr_assert_eq(state.failures, 4);
		cr_assert_eq(state.rest_at_ns, RATION__NEVER);
		call(&conf, &state, 0, RATION__SUCCESS);
		cr_assert_eq(state.failures, 0);
		cr_assert_eq(state.rest_at_ns, 1);
	}
	cr_assert_eq(state.state, RATION__CLOSED);
}

Test(breaker, N8_two_successes_close_one_failure_opens)
{
	struct ration__breaker_conf conf = plain;
	struct ration__breaker state;

	conf.close_after = 2;
	state = tripped(&conf, 0);
	cr_assert_eq(call(&conf, &state, OPEN_NS + 1, RATION__SUCCESS), RATION__BREAKER_SAME);
	cr_assert_eq(state.state, RATION__HALF_OPEN);
	cr_assert_eq(call(&conf, &state, OPEN_NS + 2, RATION__SUCCESS), RATION__BREAKER_CLOSED);

	state = tripped(&conf, 0);
	call(&conf, &state, OPEN_NS + 1, RATION__SUCCESS);
	cr_assert_eq(call(&conf, &state, OPEN_NS + 9, RATION__FAILURE), RATION__BREAKER_OPENED);
	cr_assert_eq(ration__breaker_until(&conf, &state), 2 * OPEN_NS + 10);
	/* the first success does not count for the next half-open */
	cr_assert_eq(call(&conf, &state, 3 * OPEN_NS, RATION__SUCCESS), RATION__BREAKER_SAME);
}

Test(breaker, N9_reset_by_hand)
{
	struct ration__breaker state = {0};
	struct ration__breaker_pass before = ration__breaker_take(&plain, &state, 0);

	state = tripped(&plain, 0);
	ration__breaker_reset(&state, 0);
	cr_assert_eq(ration__breaker_ask(&plain, &state, 1).answer, RATION__YES);
	ration__breaker_settle(&plain, &state, 1, before, RATION__FAILURE, 0, 0);
	cr_assert_eq(state.failures, 0, "a call from before the reset does not count");
	cr_assert_eq(state.late, 1);
}

Test(breaker, X11_throttled_is_neutral_when_closed_and_life_when_half_open)
{
	struct ration__breaker state = {0};

	call(&plain, &state, 0, RATION__FAILURE);
	call(&plain, &state, 0, RATION__THROTTLED);
	call(&plain, &state, 0, RATION__IGNORED);
	cr_assert_eq(state.failures, 1);
	state = tripped(&plain, 0);
	cr_assert_eq(call(&plain, &state, OPEN_NS + 1, RATION__THROTTLED), RATION__BREAKER_CLOSED);
}

Test(breaker, X12_one_probe_at_a_time)
{
	struct ration__breaker state = tripped(&plain, 0);
	struct ration__breaker_pass pass = ration__breaker_take(&plain, &state, OPEN_NS + 1);
	struct ration__verdict verdict = ration__breaker_ask(&plain, &state, OPEN_NS + 2);

	cr_assert_eq(verdict.answer, RATION__WAIT);
	cr_assert_eq(verdict.at_ns, RATION__NEVER);
	/* ignored, expired, its holder dead: the place is free, the state as it was */
	cr_assert_eq(
		ration__breaker_settle(&plain, &state, OPEN_NS + 2, pass, RATION__IGNORED, 0, 0),
		RATION__BREAKER_SAME);
	cr_assert_eq(state.state, RATION__HALF_OPEN);
	cr_assert_eq(state.probes, 0);
	cr_assert_eq(ration__breaker_ask(&plain, &state, OPEN_NS + 3).answer, RATION__YES);
}

Test(breaker, several_probes_share_the_places)
{
	struct ration__breaker_conf conf = plain;
	struct ration__breaker_pass passes[3];
	struct ration__breaker state;

	conf.probes = 3;
	conf.close_after = 2;
	state = tripped(&conf, 0);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(ration__breaker_ask(&conf, &state, OPEN_NS + 1).answer, RATION__YES);
		passes[i] = ration__breaker_take(&conf, &state, OPEN_NS + 1);
	}
	cr_assert_eq(ration__breaker_ask(&conf, &state, OPEN_NS + 1).answer, RATION__WAIT);
	ration__breaker_settle(&conf, &state, OPEN_NS + 2, passes[0], RATION__SUCCESS, 0, 0);
	cr_assert_eq(ration__breaker_settle(
			     &conf, &state, OPEN_NS + 2, passes[1], RATION__SUCCESS, 0, 0),
		RATION__BREAKER_CLOSED);
	/* the third comes too late to open it */
	cr_assert_eq(ration__breaker_settle(
			     &conf, &state, OPEN_NS + 3, passes[2], RATION__FAILURE, 0, 0),
		RATION__BREAKER_SAME);
	cr_assert_eq(state.state, RATION__CLOSED);
	cr_assert_eq(state.failures, 0);
	cr_assert_eq(state.late, 1);
}

Test(breaker, a_failed_probe_makes_the_others_late)
{
	struct ration__breaker_conf conf = plain;
	struct ration__breaker_pass passes[2];
	struct ration__breaker state;

	conf.probes = 2;
	state = tripped(&conf, 0);
	for (int i = 0; i < 2; i++)
		passes[i] = ration__breaker_take(&conf, &state, OPEN_NS + 1);
	cr_assert_eq(ration__breaker_settle(
			     &conf, &state, OPEN_NS + 2, passes[0], RATION__FAILURE, 0, 0),
		RATION__BREAKER_OPENED);
	/* the next half-open has all its places, whatever became of the old ones */
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ration__breaker_ask(&conf, &state, 3 * OPEN_NS).answer, RATION__YES);
		ration__breaker_take(&conf, &state, 3 * OPEN_NS);
	}
	ration__breaker_settle(&conf, &state, 3 * OPEN_NS, passes[1], RATION__SUCCESS, 0, 0);
	cr_assert_eq(state.state, RATION__HALF_OPEN);
	cr_assert_eq(state.probes, 2);
}

Test(breaker, late_results_neither_extend_nor_close)
{
	struct ration__breaker state = {0};
	struct ration__breaker_pass slow = ration__breaker_take(&plain, &state, 0);
	struct ration__breaker_pass probe;

	for (int i = 0; i < 3; i++)
		call(&plain, &state, 10, RATION__FAILURE);
	ration__breaker_settle(&plain, &state, 20, slow, RATION__FAILURE, 0, 0);
	cr_assert_eq(state.opened_ns, 10);
	cr_assert_eq(state.late, 1);
	probe = ration__breaker_take(&plain, &state, OPEN_NS + 11);
	cr_assert_eq(
		ration__breaker_settle(&plain, &state, OPEN_NS + 12, slow, RATION__SUCCESS, 0, 0),
		RATION__BREAKER_SAME);
	cr_assert_eq(state.probes, 1);
	cr_assert_eq(
		ration__breaker_settle(&plain, &state, OPEN_NS + 13, probe, RATION__SUCCESS, 0, 0),
		RATION__BREAKER_CLOSED);
}

Test(breaker, a_closed_one_rests_only_when_no_old_call_is_out)
{
	struct ration__breaker state = tripped(&plain, SEC);

	cr_assert_eq(state.rest_at_ns, RATION__NEVER);
	call(&plain, &state, SEC + OPEN_NS + 1, RATION__SUCCESS);
	cr_assert_eq(state.rest_at_ns, SEC + OPEN_NS + RATION__BREAKER_REST_NS);
	call(&plain, &state, SEC + OPEN_NS + 2, RATION__FAILURE);
	cr_assert_eq(state.rest_at_ns, RATION__NEVER);
}

Test(breaker, off_lets_everything_through)
{
	struct ration__breaker_conf off = plain;
	struct ration__breaker state = tripped(&plain, 0);

	off.trip_after = 0;
	cr_assert_eq(ration__breaker_ask(&off, &state, 1).answer, RATION__YES);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(call(&off, &state, 1, RATION__FAILURE), RATION__BREAKER_SAME);
	cr_assert_eq(ration__breaker_until(&off, &state), RATION__NEVER);
}

Test(breaker, never_is_far_enough)
{
	struct ration__breaker_conf conf = plain;
	struct ration__breaker state;

	conf.open_ns = INT64_MAX;
	state = tripped(&conf, RATION__NEVER - 5);
	cr_assert_eq(ration__breaker_ask(&conf, &state, RATION__NEVER - 4).answer, RATION__NO);
	cr_assert_eq(ration__breaker_until(&conf, &state), RATION__NEVER);
}

/* ---- intervals ---- */

static const struct ration__breaker_conf growing = {
	.trip_after = 1,
	.close_after = 1,
	.probes = 1,
	.open_ns = 60 * SEC,
	.open_factor = 2,
	.open_max_ns = 600 * SEC,
};

static int64_t fail_probe(
	const struct ration__breaker_conf *conf, struct ration__breaker *state, uint64_t random)
{
	int64_t now = state->generation ? ration__breaker_until(conf, state) : 0;

	cr_assert_eq(ration__breaker_settle(conf, state, now,
			     ration__breaker_take(conf, state, now), RATION__FAILURE, 0, random),
		RATION__BREAKER_OPENED);
	cr_assert_eq(ration__breaker_until(conf, state), now + state->open_for_ns + 1);
	return state->open_for_ns;
}

Test(breaker, B8_intervals_grow_to_the_cap_and_begin_anew_once_closed)
{
	static const struct ration__breaker_conf years = {
		.trip_after = 1, .probes = 1, .open_factor = 2, .open_ns = (INT64_C(1) << 60) + 1};
	static const int64_t seconds[] = {60, 120, 240, 480, 600, 600};
	struct ration__breaker state = {0};

	for (size_t i = 0; i < RATION__COUNT(seconds); i++)
		cr_assert_eq(fail_probe(&growing, &state, 0), seconds[i] * SEC);
	cr_assert_eq(state.streak, 6);
	/* and the first is exact, whatever its length */
	cr_assert_eq(fail_probe(&years, &(struct ration__breaker){0}, 0), years.open_ns);
	state.streak = UINT32_MAX;
	cr_assert_eq(fail_probe(&growing, &state, 0), 600 * SEC);
	cr_assert_eq(state.streak, UINT32_MAX);
	state.opened_ns = 0;
	cr_assert_eq(
		ration__breaker_settle(&growing, &state, 601 * SEC,
			ration__breaker_take(&growing, &state, 601 * SEC), RATION__SUCCESS, 0, 0),
		RATION__BREAKER_CLOSED);
	cr_assert_eq(state.rest_at_ns, 600 * SEC + RATION__BREAKER_REST_NS);
	cr_assert_eq(
		ration__breaker_settle(&growing, &state, 700 * SEC,
			ration__breaker_take(&growing, &state, 700 * SEC), RATION__FAILURE, 0, 0),
		RATION__BREAKER_OPENED);
	cr_assert_eq(state.open_for_ns, 60 * SEC);
}

Test(breaker, jitter_is_part_of_the_interval_and_the_cap_comes_after_it)
{
	struct ration__random dice = dice_new(4);
	struct ration__breaker_conf conf = growing;
	struct ration__breaker state = {0};
	int64_t least = INT64_MAX, most = 0;

	conf.open_factor = 1;
	conf.open_jitter = 0.25;
	cr_assert_eq(fail_probe(&conf, &state, 0), 45 * SEC);
	cr_assert_eq(fail_probe(&conf, &state, UINT64_C(1) << 63), 60 * SEC);
	cr_assert_eq(fail_probe(&conf, &state, UINT64_MAX), 75 * SEC);
	for (int i = 0; i < 10000; i++) {
		int64_t interval = fail_probe(&conf, &state, ration__random_next(&dice));

		least = ration__min64(least, interval);
		most = ration__max64(most, interval);
	}
	cr_assert(least >= 45 * SEC && least < 45100 * MS);
	cr_assert(most <= 75 * SEC && most > 74900 * MS);
	conf.open_max_ns = 50 * SEC;
	cr_assert_eq(fail_probe(&conf, &state, UINT64_MAX), 50 * SEC);
	cr_assert_eq(fail_probe(&conf, &state, 0), 45 * SEC);
	conf.open_jitter = 1;
	cr_assert_eq(fail_probe(&conf, &state, 0), 1, "0 would mean the configuration's");
}

Test(breaker, intervals_without_a_cap_end_at_never)
{
	struct ration__breaker_conf conf = growing;
	struct ration__breaker state = {0};

	conf.open_max_ns = 0;
	state.streak = 100000;
	cr_assert_eq(ration__breaker_settle(&conf, &state, 5, (struct ration__breaker_pass){0, 0},
			     RATION__FAILURE, 0, 0),
		RATION__BREAKER_OPENED);
	cr_assert_eq(ration__breaker_until(&conf, &state), RATION__NEVER);
	/* stored by nobody: the configuration's */
	state.open_for_ns = 0;
	cr_assert_eq(ration__breaker_until(&conf, &state), 60 * SEC + 6);
}
