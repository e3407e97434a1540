/* The breaker by rates: its windows, half-open over K calls, and the modes set by hand. */
#include <criterion/criterion.h>
#include <string.h>
#include "policy/breaker.h"
#include "policy_dice.h"

/* Resilience4j's defaults */
static const struct ration__breaker_conf usual = {
	.close_after = 1,
	.probes = 10,
	.open_ns = 60 * SEC,
	.failure_rate = 0.5,
	.slow_rate = 1,
	.slow_ns = 60 * SEC,
	.window_calls = 100,
	.min_calls = 100,
	.open_factor = 1,
};

/* 50 % over ten seconds, at least four calls */
static const struct ration__breaker_conf timed = {
	.close_after = 1,
	.probes = 2,
	.open_ns = 60 * SEC,
	.failure_rate = 0.5,
	.window_s = 10,
	.min_calls = 4,
};

union room {
	struct ration__breaker state;
	uint8_t bytes[RATION__BREAKER_SIZE_MAX];
};

static enum ration__breaker_event lasting(const struct ration__breaker_conf *conf, union room *room,
	int64_t now_ns, enum ration__outcome outcome, int64_t elapsed_ns)
{
	cr_assert_eq(ration__breaker_ask(conf, &room->state, now_ns).answer, RATION__YES);
	return ration__breaker_settle(conf, &room->state, now_ns,
		ration__breaker_take(conf, &room->state, now_ns), outcome, elapsed_ns, 0);
}

static enum ration__breaker_event call(const struct ration__breaker_conf *conf, union room *room,
	int64_t now_ns, enum ration__outcome outcome)
{
	return lasting(conf, room, now_ns, outcome, 0);
}

static void calls(const struct ration__breaker_conf *conf, union room *room, int64_t now_ns,
	int count, enum ration__outcome outcome)
{
	while (count-- > 0)
		cr_assert_eq(call(conf, room, now_ns, outcome), RATION__BREAKER_SAME);
}

static void expect_counts(const struct ration__breaker_conf *conf, const union room *room,
	int64_t now_ns, uint32_t ended, uint32_t failures, uint32_t slow)
{
	struct ration__breaker_counts counts = ration__breaker_counts(conf, &room->state, now_ns);

	cr_expect_eq(counts.calls, ended, "%u calls", counts.calls);
	cr_expect_eq(counts.failures, failures, "%u failures", counts.failures);
	cr_expect_eq(counts.slow, slow, "%u slow", counts.slow);
}

/* ---- windows ---- */

Test(breaker_rates, B8_half_of_a_hundred_trips_at_the_hundredth)
{
	union room room = {0};

	calls(&usual, &room, 0, 50, RATION__FAILURE);
	calls(&usual, &room, 0, 49, RATION__SUCCESS);
	cr_assert_eq(call(&usual, &room, 7, RATION__SUCCESS), RATION__BREAKER_OPENED,
		"a success can be the call that makes the rate known");
	cr_assert_eq(ration__breaker_until(&usual, &room.state), 60 * SEC + 8);
	cr_assert_eq(room.state.failures, 0, "in a row: not counted by a breaker without them");
}

Test(breaker_rates, a_full_ring_forgets_its_oldest_call)
{
	union room room = {0};

	calls(&usual, &room, 0, 49, RATION__FAILURE);
	calls(&usual, &room, 0, 51, RATION__SUCCESS);
	expect_counts(&usual, &room, 0, 100, 49, 0);
	/* failures leave as fast as they come */
	calls(&usual, &room, 0, 49, RATION__FAILURE);
	expect_counts(&usual, &room, 0, 100, 49, 0);
	cr_assert_eq(call(&usual, &room, 0, RATION__FAILURE), RATION__BREAKER_OPENED);
}

Test(breaker_rates, slow_is_strictly_slower_and_failures_can_be_slow)
{
	struct ration__breaker_conf conf = usual;
	union room room = {0};

	conf.failure_rate = 0;
	for (int i = 0; i < 100; i++)
		cr_assert_eq(lasting(&conf, &room, 0, RATION__SUCCESS, conf.slow_ns),
			RATION__BREAKER_SAME);
	expect_counts(&conf, &room, 0, 100, 0, 0);
	for (int i = 0; i < 99; i++)
		cr_assert_eq(lasting(&conf, &room, 0, i % 2 ? RATION__FAILURE : RATION__SUCCESS,
				     conf.slow_ns + 1),
			RATION__BREAKER_SAME);
	expect_counts(&conf, &room, 0, 100, 49, 99);
	cr_assert_eq(lasting(&conf, &room, 0, RATION__SUCCESS, conf.slow_ns + 1),
		RATION__BREAKER_OPENED);
}

Test(breaker_rates, below_the_minimum_the_rate_is_unknown)
{
	struct ration__breaker_conf conf = timed;
	union room room = {0};

	calls(&timed, &room, 0, 3, RATION__FAILURE);
	cr_assert_eq(call(&timed, &room, 0, RATION__FAILURE), RATION__BREAKER_OPENED);
	/* a ring that is smaller than the minimum is judged when it is full */
	conf.window_calls = 3;
	room = (union room){0};
	calls(&conf, &room, 0, 2, RATION__FAILURE);
	cr_assert_eq(call(&conf, &room, 0, RATION__FAILURE), RATION__BREAKER_OPENED);
}

Test(breaker_rates, a_rate_that_is_the_threshold_trips_whatever_doubles_make_of_it)
{
	for (int whole = 1; whole <= 1000; whole++) {
		int part = whole * 333 / 1000 + 1;
		struct ration__breaker_conf conf = {.probes = 1,
			.failure_rate = part * 100.0 / whole / 100,
			.window_calls = 1000,
			.min_calls = (uint32_t)whole};
		union room room;

		for (int failures = part - 1; failures <= part; failures++) {
			memset(&room.state, 0, sizeof(room.state));
			calls(&conf, &room, 0, failures, RATION__FAILURE);
			calls(&conf, &room, 0, whole - failures - 1, RATION__SUCCESS);
			if (whole > failures)
				call(&conf, &room, 0, RATION__SUCCESS);
			else
				room.state.state = RATION__OPEN;
			cr_assert_eq(room.state.state == RATION__OPEN, failures == part, "%d of %d",
				failures, whole);
			if (whole == part)
				break;
		}
	}
}

Test(breaker_rates, a_window_by_time_forgets_whole_seconds)
{
	union room room = {0};
	int64_t start = 1000 * SEC;

	calls(&timed, &room, start + 999 * MS, 2, RATION__FAILURE);
	calls(&timed, &room, start + 3 * SEC, 1, RATION__FAILURE);
	cr_assert_eq(room.state.rest_at_ns, start + 13 * SEC);
	expect_counts(&timed, &room, start + 10 * SEC - 1, 3, 3, 0);
	expect_counts(&timed, &room, start + 10 * SEC, 1, 1, 0);
	expect_counts(&timed, &room, start + 13 * SEC, 0, 0, 0);
	/* the minimum is of what is in the window */
	calls(&timed, &room, start + 10 * SEC, 2, RATION__FAILURE);
	expect_counts(&timed, &room, start + 10 * SEC, 3, 3, 0);
	cr_assert_eq(
		call(&timed, &room, start + 13 * SEC - 1, RATION__SUCCESS), RATION__BREAKER_OPENED);
}

Test(breaker_rates, a_clock_that_steps_back_stays_in_the_newest_second)
{
	union room room = {0};

	calls(&timed, &room, 1000 * SEC, 1, RATION__FAILURE);
	calls(&timed, &room, 5 * SEC, 1, RATION__FAILURE);
	calls(&timed, &room, -5 * SEC, 1, RATION__FAILURE);
	expect_counts(&timed, &room, 1009 * SEC, 3, 3, 0);
	expect_counts(&timed, &room, 1010 * SEC, 0, 0, 0);
	calls(&timed, &room, RATION__NEVER, 1, RATION__FAILURE);
	expect_counts(&timed, &room, RATION__NEVER, 1, 1, 0);
	cr_assert_eq(room.state.position, UINT32_MAX);
}

Test(breaker_rates, X11_throttled_and_ignored_are_not_in_the_window)
{
	union room room = {0};
	struct ration__breaker before;

	calls(&timed, &room, 0, 3, RATION__FAILURE);
	before = room.state;
	calls(&timed, &room, SEC, 5, RATION__THROTTLED);
	calls(&timed, &room, SEC, 5, RATION__IGNORED);
	cr_assert_arr_eq(&before, &room.state, sizeof(before));
}

Test(breaker_rates, failures_in_a_row_trip_beside_the_rates)
{
	struct ration__breaker_conf conf = usual;
	union room room = {0};

	conf.trip_after = 5;
	calls(&conf, &room, 0, 4, RATION__FAILURE);
	cr_assert_eq(room.state.rest_at_ns, RATION__NEVER);
	calls(&conf, &room, 3, 1, RATION__SUCCESS);
	cr_assert_eq(room.state.rest_at_ns, 3 + RATION__BREAKER_REST_NS, "it has a window");
	calls(&conf, &room, 0, 4, RATION__FAILURE);
	cr_assert_eq(call(&conf, &room, 0, RATION__FAILURE), RATION__BREAKER_OPENED);
}

Test(breaker_rates, B8_late_results_and_every_change_of_state_leave_an_empty_window)
{
	union room room = {0};
	struct ration__breaker_pass old = ration__breaker_take(&timed, &room.state, 0);

	calls(&timed, &room, 0, 3, RATION__FAILURE);
	call(&timed, &room, 0, RATION__FAILURE);
	ration__breaker_settle(&timed, &room.state, 1, old, RATION__FAILURE, 0, 0);
	cr_assert_eq(room.state.late, 1);
	cr_assert_eq(room.state.opened_ns, 0);
	calls(&timed, &room, 61 * SEC, 1, RATION__SUCCESS);
	cr_assert_eq(call(&timed, &room, 61 * SEC, RATION__SUCCESS), RATION__BREAKER_CLOSED);
	expect_counts(&timed, &room, 61 * SEC, 0, 0, 0);
	ration__breaker_settle(&timed, &room.state, 61 * SEC, old, RATION__FAILURE, 0, 0);
	expect_counts(&timed, &room, 61 * SEC, 0, 0, 0);
	calls(&timed, &room, 61 * SEC, 3, RATION__FAILURE);
	ration__breaker_reset(&room.state, 0);
	calls(&timed, &room, 61 * SEC, 3, RATION__FAILURE);
	expect_counts(&timed, &room, 61 * SEC, 3, 3, 0);
}

/* ---- half-open ---- */

static void open_it(const struct ration__breaker_conf *conf, union room *room, int64_t now_ns)
{
	*room = (union room){0};
	while (call(conf, room, now_ns, RATION__FAILURE) == RATION__BREAKER_SAME)
		;
}

Test(breaker_rates, X12_ten_probes_are_judged_together)
{
	for (int failures = 4; failures <= 5; failures++) {
		struct ration__breaker_pass passes[10];
		union room room;
		int64_t now = 60 * SEC + 1;

		open_it(&usual, &room, 0);
		for (int i = 0; i < 10; i++) {
			cr_assert_eq(
				ration__breaker_ask(&usual, &room.state, now).answer, RATION__YES);
			passes[i] = ration__breaker_take(&usual, &room.state, now);
			cr_assert_eq(passes[i].probe, 1);
		}
		for (int i = 0; i < 10; i++) {
			cr_assert_eq(ration__breaker_ask(&usual, &room.state, now).answer,
				RATION__WAIT, "ten in all, %d have ended", i);
			cr_assert_eq(room.state.state, RATION__HALF_OPEN);
			ration__breaker_settle(&usual, &room.state, now, passes[i],
				i < failures ? RATION__FAILURE : RATION__SUCCESS, 0, 0);
		}
		cr_assert_eq(room.state.state, failures == 5 ? RATION__OPEN : RATION__CLOSED);
	}
}

Test(breaker_rates, slow_probes_open_it_again_and_throttled_ones_are_life)
{
	struct ration__breaker_conf conf = timed;
	union room room;

	conf.slow_rate = 1;
	conf.slow_ns = SEC;
	open_it(&conf, &room, 0);
	lasting(&conf, &room, 61 * SEC, RATION__SUCCESS, SEC + 1);
	cr_assert_eq(lasting(&conf, &room, 61 * SEC, RATION__THROTTLED, SEC + 1),
		RATION__BREAKER_OPENED);
	lasting(&conf, &room, 122 * SEC, RATION__SUCCESS, SEC + 1);
	cr_assert_eq(
		lasting(&conf, &room, 122 * SEC, RATION__THROTTLED, SEC), RATION__BREAKER_CLOSED);
}

Test(breaker_rates, a_failed_probe_opens_it_again_where_failures_are_counted_in_a_row)
{
	struct ration__breaker_conf conf = usual;
	union room room = {{0}};

	conf.failure_rate = 0;
	conf.trip_after = 3;
	calls(&conf, &room, 0, 2, RATION__FAILURE);
	cr_assert_eq(call(&conf, &room, 0, RATION__FAILURE), RATION__BREAKER_OPENED);
	cr_assert_eq(call(&conf, &room, 61 * SEC, RATION__SUCCESS), RATION__BREAKER_SAME);
	cr_assert_eq(call(&conf, &room, 61 * SEC, RATION__FAILURE), RATION__BREAKER_OPENED,
		"it failed at once, so it was not slow");
	conf.failure_rate = 0.5;
	calls(&conf, &room, 122 * SEC, 4, RATION__FAILURE);
	calls(&conf, &room, 122 * SEC, 5, RATION__SUCCESS);
	cr_assert_eq(call(&conf, &room, 122 * SEC, RATION__SUCCESS), RATION__BREAKER_CLOSED,
		"the rate judges them together");
}

Test(breaker_rates, X12_an_ignored_or_expired_probe_is_made_up_for_by_another)
{
	struct ration__breaker_pass passes[2];
	union room room;

	open_it(&timed, &room, 0);
	for (int i = 0; i < 2; i++)
		passes[i] = ration__breaker_take(&timed, &room.state, 61 * SEC);
	ration__breaker_settle(&timed, &room.state, 62 * SEC, passes[0], RATION__SUCCESS, 0, 0);
	cr_assert_eq(ration__breaker_ask(&timed, &room.state, 62 * SEC).answer, RATION__WAIT);
	ration__breaker_settle(&timed, &room.state, 62 * SEC, passes[1], RATION__IGNORED, 0, 0);
	expect_counts(&timed, &room, 62 * SEC, 1, 0, 0);
	/* its place went back already: what it says now comes too late */
	passes[1].probe = 0;
	ration__breaker_settle(&timed, &room.state, 62 * SEC, passes[1], RATION__FAILURE, 0, 0);
	cr_assert_eq(room.state.late, 1);
	cr_assert_eq(call(&timed, &room, 62 * SEC, RATION__SUCCESS), RATION__BREAKER_CLOSED);
}

Test(breaker_rates, fewer_places_than_have_ended_do_not_wait_for_nobody)
{
	struct ration__breaker_conf fewer = usual;
	union room room;

	open_it(&usual, &room, 0);
	calls(&usual, &room, 61 * SEC, 5, RATION__SUCCESS);
	fewer.probes = 3;
	cr_assert_eq(call(&fewer, &room, 61 * SEC, RATION__SUCCESS), RATION__BREAKER_CLOSED);
}

/* ---- by hand ---- */

Test(breaker_rates, forced_open_lets_nothing_through_disabled_everything)
{
	struct ration__breaker_conf forced = usual, disabled = usual;
	struct ration__breaker before;
	struct ration__verdict verdict;
	union room room = {0};

	forced.mode = RATION__BREAKER_FORCED_OPEN;
	disabled.mode = RATION__BREAKER_DISABLED;
	verdict = ration__breaker_ask(&forced, &room.state, 5);
	cr_assert_eq(verdict.answer, RATION__NO);
	cr_assert_eq(verdict.at_ns, RATION__NEVER);
	cr_assert_eq(ration__breaker_until(&forced, &room.state), RATION__NEVER);
	calls(&usual, &room, 0, 99, RATION__FAILURE);
	before = room.state;
	/* what was let through before does not count while it is forced open */
	ration__breaker_settle(&forced, &room.state, 0, (struct ration__breaker_pass){0, 0},
		RATION__FAILURE, 0, 0);
	calls(&disabled, &room, 0, 200, RATION__FAILURE);
	cr_assert_arr_eq(&before, &room.state, sizeof(before));
	cr_assert_eq(call(&usual, &room, 0, RATION__FAILURE), RATION__BREAKER_OPENED);
	cr_assert_eq(call(&disabled, &room, 1, RATION__SUCCESS), RATION__BREAKER_SAME);
	cr_assert_eq(ration__breaker_until(&disabled, &room.state), RATION__NEVER);
	/* back to its own: as it was left */
	cr_assert_eq(ration__breaker_ask(&usual, &room.state, 1).answer, RATION__NO);
}

Test(breaker_rates, a_probe_gives_its_place_back_under_any_configuration)
{
	static const struct ration__breaker_conf none = {.probes = 1};
	struct ration__breaker_conf disabled = timed;
	struct ration__breaker_pass passes[2], unasked;
	union room room;

	disabled.mode = RATION__BREAKER_DISABLED;
	open_it(&timed, &room, 0);
	for (int i = 0; i < 2; i++)
		passes[i] = ration__breaker_take(&timed, &room.state, 61 * SEC);
	unasked = ration__breaker_take(&disabled, &room.state, 61 * SEC);
	cr_assert_eq(unasked.probe, 0);
	ration__breaker_settle(&timed, &room.state, 61 * SEC, unasked, RATION__FAILURE, 0, 0);
	cr_assert_eq(room.state.probes, 2, "the place of another");
	ration__breaker_settle(&disabled, &room.state, 61 * SEC, passes[0], RATION__FAILURE, 0, 0);
	ration__breaker_settle(&none, &room.state, 61 * SEC, passes[1], RATION__FAILURE, 0, 0);
	cr_assert_eq(room.state.probes, 0);
	cr_assert_eq(room.state.state, RATION__HALF_OPEN);
	ration__breaker_settle(&timed, &room.state, 61 * SEC, passes[1], RATION__FAILURE, 0, 0);
	cr_assert_eq(room.state.probes, 0, "there is none to be given back");
	expect_counts(&timed, &room, 61 * SEC, 0, 0, 0);
}
