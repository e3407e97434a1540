/* Adaptive rates: rows, the cubic example, cooldowns, what is given back. */
#include <criterion/criterion.h>
#include <math.h>
#include "base/util.h"
#include "policy/adaptive.h"
#include "policy_dice.h"

#define HOUR (3600 * SEC)
#define NOW (1000 * SEC)

/* the preset notion */
static const struct ration__adaptive_conf notion = {.kind = RATION__ADAPTIVE_AIMD,
	.growth = RATION__GROWTH_SEED,
	.initial = 2,
	.min = 0.3,
	.max = 3.5,
	.step = 0.1,
	.factor = 0.5,
	.multiplier = 2,
	.cooldown_min_ns = SEC,
	.cooldown_max_ns = 60 * SEC,
	.idle_ns = HOUR};
/* without cooldowns of its own */
static const struct ration__adaptive_conf cubic = {.kind = RATION__ADAPTIVE_CUBIC,
	.growth = RATION__GROWTH_SEED,
	.initial = 10,
	.min = 0.1,
	.max = 1000,
	.factor = 0.7,
	.scale = 0.4,
	.idle_ns = HOUR};

static struct ration__adaptive_conf binding(struct ration__adaptive_conf conf)
{
	conf.growth = RATION__GROWTH_BINDING;
	return conf;
}

static bool take(const struct ration__adaptive_conf *conf, struct ration__adaptive *state,
	int64_t now_ns, double cost)
{
	bool bound;

	cr_assert_eq(ration__adaptive_ask(conf, state, now_ns, cost).answer, RATION__YES);
	cr_assert_eq(ration__adaptive_take(conf, state, now_ns, cost, &bound), now_ns);
	return bound;
}

static int64_t wait_of(const struct ration__adaptive_conf *conf,
	const struct ration__adaptive *state, int64_t now_ns, double cost)
{
	struct ration__verdict verdict = ration__adaptive_ask(conf, state, now_ns, cost);

	cr_assert_eq(verdict.answer, RATION__WAIT);
	return verdict.at_ns - now_ns;
}

Test(adaptive, D2_a_token_before_every_send)
{
	struct ration__adaptive state = {0};

	cr_assert_eq(ration__adaptive_rate(&notion, &state, NOW), 2);
	cr_assert_eq(ration__adaptive_remaining(&notion, &state, NOW), 2);
	cr_assert_not(take(&notion, &state, NOW, 1));
	cr_assert(take(&notion, &state, NOW, 1), "a third would have had to wait");
	cr_assert_eq(wait_of(&notion, &state, NOW, 1), SEC / 2);
	cr_assert_eq(ration__adaptive_remaining(&notion, &state, NOW), 0);
	cr_assert(take(&notion, &state, NOW + SEC / 2, 1));
}

Test(adaptive, D3_success_adds_a_step_up_to_the_maximum)
{
	struct ration__adaptive state = {0};

	ration__adaptive_success(&notion, &state, NOW, false);
	cr_assert_float_eq(ration__adaptive_rate(&notion, &state, NOW), 2.1, 1e-12);
	for (int i = 0; i < 13; i++)
		ration__adaptive_success(&notion, &state, NOW, false);
	cr_assert_float_eq(ration__adaptive_rate(&notion, &state, NOW), 3.4, 1e-12);
	ration__adaptive_success(&notion, &state, NOW, false);
	ration__adaptive_success(&notion, &state, NOW, false);
	cr_assert_eq(ration__adaptive_rate(&notion, &state, NOW), 3.5);
}

Test(adaptive, D4_backoff_halves_down_to_the_minimum)
{
	static const double rates[] = {1, 0.5, 0.3, 0.3};
	struct ration__adaptive state = {0};

	for (size_t i = 0; i < RATION__COUNT(rates); i++) {
		int64_t now = NOW + (int64_t)i * 100 * SEC;

		cr_assert(ration__adaptive_backoff(&notion, &state, now, now, 0));
		cr_assert_eq(ration__adaptive_rate(&notion, &state, now), rates[i], "%zu", i);
	}
}

Test(adaptive, D5_retry_after_stops_everybody)
{
	struct ration__adaptive state = {0};
	int64_t end = NOW + 5 * SEC;
	bool bound;

	take(&notion, &state, NOW, 1);
	ration__adaptive_backoff(&notion, &state, NOW, NOW, 5 * SEC);
	cr_assert_eq(wait_of(&notion, &state, NOW, 1), 5 * SEC);
	cr_assert_eq(wait_of(&notion, &state, end - 1, 0), 1);
	cr_assert_eq(ration__adaptive_remaining(&notion, &state, end - 1), 0);
	cr_assert_eq(ration__adaptive_remaining(&notion, &state, end), 1);
	/* a booking does not start within it either */
	cr_assert_eq(ration__adaptive_take(&notion, &state, NOW + SEC, 1, &bound), end);
	cr_assert(bound);
	cr_assert_eq(wait_of(&notion, &state, end, 1), SEC);
}

Test(adaptive, D6_without_retry_after_the_cooldown_is_worked_out)
{
	static const struct {
		double multiplier;
		int64_t wait_ns;
	} rows[] = {
		{0.1, SEC}, {2, 2 * SEC}, {30, 30 * SEC}, {1e6, 60 * SEC}, {INFINITY, 60 * SEC}};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		struct ration__adaptive_conf conf = notion;
		struct ration__adaptive state = {0};

		conf.multiplier = rows[i].multiplier; /* over the new rate, 1/s */
		ration__adaptive_backoff(&conf, &state, NOW, NOW, 0);
		cr_assert_eq(wait_of(&conf, &state, NOW, 1), rows[i].wait_ns, "row %zu", i);
	}
}

Test(adaptive, D6_at_once_is_a_decrease_without_a_cooldown)
{
	struct ration__adaptive state = {0};

	cr_assert(ration__adaptive_backoff(&notion, &state, NOW, NOW, -1));
	cr_assert_eq(state.rate, 1);
	take(&notion, &state, NOW, 1);
}

/* Forty processes tell of one outage: one decrease. */
Test(adaptive, D7_signals_by_hand_within_a_cooldown_are_of_one_congestion)
{
	struct ration__adaptive state = {0};

	cr_assert(ration__adaptive_backoff(&notion, &state, NOW, NOW, 0));
	for (int i = 0; i < 40; i++)
		cr_assert_not(ration__adaptive_backoff(
			&notion, &state, NOW + i * 10 * MS, NOW + i * 10 * MS, 0));
	cr_assert_eq(ration__adaptive_rate(&notion, &state, NOW + SEC), 1);
	cr_assert(ration__adaptive_backoff(&notion, &state, NOW + 5 * SEC, NOW + 5 * SEC, 0));
	cr_assert_eq(ration__adaptive_rate(&notion, &state, NOW + 5 * SEC), 0.5);
}

Test(adaptive, D16_the_last_token_goes_once)
{
	struct ration__adaptive state = {0};
	int given = 0;

	for (int i = 0; i < 100; i++) {
		bool bound;

		if (ration__adaptive_ask(&notion, &state, NOW + i * 10 * MS, 1).answer !=
			RATION__YES)
			continue;
		ration__adaptive_take(&notion, &state, NOW + i * 10 * MS, 1, &bound);
		given++;
	}
	cr_assert_eq(given, 3, "two, and one more by 0.99 s");
}

Test(adaptive, X18_growth_seed_or_binding)
{
	struct ration__adaptive_conf conf = binding(notion);
	struct ration__adaptive state = {0};

	ration__adaptive_success(&conf, &state, NOW, false);
	cr_assert_eq(ration__adaptive_rate(&conf, &state, NOW), 2);
	cr_assert_eq(state.rest_at_ns, 0, "nothing to write");
	ration__adaptive_success(&conf, &state, NOW, true);
	cr_assert_float_eq(ration__adaptive_rate(&conf, &state, NOW), 2.1, 1e-12);
	ration__adaptive_success(&notion, &state, NOW, false);
	cr_assert_float_eq(ration__adaptive_rate(&conf, &state, NOW), 2.2, 1e-12);
	/* what succeeds within a cooldown was sent before it */
	ration__adaptive_cool(&conf, &state, NOW, NOW + SEC);
	ration__adaptive_success(&conf, &state, NOW, true);
	cr_assert_float_eq(ration__adaptive_rate(&conf, &state, NOW), 2.2, 1e-12);
	ration__adaptive_success(&conf, &state, NOW + SEC, true);
	cr_assert_float_eq(ration__adaptive_rate(&conf, &state, NOW), 2.3, 1e-12);
}

Test(adaptive, one_decrease_per_congestion)
{
	struct ration__adaptive state = {0};
	int64_t sent = NOW, now = NOW + SEC;

	cr_assert(ration__adaptive_backoff(&notion, &state, now, sent, 0));
	cr_assert_not(ration__adaptive_backoff(&notion, &state, now + MS, sent + MS, 0));
	cr_assert_eq(ration__adaptive_rate(&notion, &state, now), 1);
	cr_assert_eq(wait_of(&notion, &state, now + MS, 1), 2 * SEC - MS, "no new cooldown");
	/* but what the server says about time counts */
	cr_assert_not(ration__adaptive_backoff(&notion, &state, now + MS, sent, 7 * SEC));
	cr_assert_eq(wait_of(&notion, &state, now + MS, 1), 7 * SEC);
	cr_assert_not(ration__adaptive_backoff(&notion, &state, now + MS, sent, 3 * SEC));
	cr_assert_eq(wait_of(&notion, &state, now + MS, 1), 7 * SEC, "never shorter");
	now += 10 * SEC;
	cr_assert(ration__adaptive_backoff(&notion, &state, now, now - SEC, 0));
	cr_assert_eq(ration__adaptive_rate(&notion, &state, now), 0.5);
}

Test(adaptive, refill_is_frozen_during_a_cooldown)
{
	struct ration__adaptive state = {0};
	int64_t end = NOW + 50 * SEC;

	take(&notion, &state, NOW, 2);
	ration__adaptive_cool(&notion, &state, NOW + 100 * MS, NOW + 10 * SEC);
	ration__adaptive_cool(&notion, &state, NOW + SEC, end);
	ration__adaptive_cool(&notion, &state, NOW + SEC, NOW + 2 * SEC);
	cr_assert_eq(ration__adaptive_rate(&notion, &state, end), 2, "the rate stays");
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, end), 0.2, 1e-9);
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, end + SEC / 2), 1.2, 1e-9);
	/* one that ended before it was said does nothing */
	ration__adaptive_cool(&notion, &state, end + SEC / 2, end);
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, end + SEC), 2, 1e-9);
}

Test(adaptive, capacity_is_at_least_one_call)
{
	struct ration__adaptive_conf conf = notion;
	struct ration__adaptive state = {0};

	/* D's own: a capacity of twice 0.3 lets nothing through ever again */
	for (int i = -3; i <= 0; i++)
		ration__adaptive_backoff(&conf, &state, NOW + i * SEC, NOW + i * SEC, SEC);
	cr_assert_eq(ration__adaptive_bucket(&conf, &state, NOW).burst, 1);
	cr_assert_eq(ration__adaptive_remaining(&conf, &state, NOW + SEC), 1);
	take(&conf, &state, NOW + SEC, 1);

	/* more than the burst of the low rate, possible at the highest: when the bucket is full */
	cr_assert_eq(wait_of(&conf, &state, NOW + SEC, 3.5), 3333333334);
	cr_assert_eq(
		ration__adaptive_ask(&conf, &state, NOW + SEC, 3.6).answer, RATION__IMPOSSIBLE);
	cr_assert(take(&conf, &state, NOW + SEC + 3333333334, 3.5));
	/* it is paid for afterwards: level 3.5, the next one at 0 */
	cr_assert_float_eq(
		(double)wait_of(&conf, &state, NOW + SEC + 3333333334, 1), 3.5 / 0.3 * 1e9, 2);
	/* a burst of its own does not follow the rate */
	conf.burst = 5;
	state = (struct ration__adaptive){0};
	ration__adaptive_backoff(&conf, &state, NOW, NOW, SEC);
	cr_assert_eq(ration__adaptive_remaining(&conf, &state, NOW + SEC), 5);
	cr_assert_eq(ration__adaptive_ask(&conf, &state, NOW, 6).answer, RATION__IMPOSSIBLE);
}

Test(adaptive, a_change_of_rate_keeps_the_tokens)
{
	struct ration__adaptive state = {0};
	bool bound;

	ration__adaptive_success(&notion, &state, NOW, true);
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, NOW), 2, 1e-9);
	ration__adaptive_backoff(&notion, &state, NOW, NOW, SEC);
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, NOW + SEC), 1.05, 1e-9);
	/* what was drained before drained at the old rate */
	state = (struct ration__adaptive){0};
	take(&notion, &state, NOW, 2);
	ration__adaptive_backoff(&notion, &state, NOW + SEC / 4, NOW, SEC);
	cr_assert_float_eq(
		ration__adaptive_remaining(&notion, &state, NOW + SEC + SEC / 4), 0.5, 1e-9);
	/* a booked start stays, and what is right at it */
	state = (struct ration__adaptive){0};
	take(&notion, &state, NOW, 2);
	cr_assert_eq(ration__adaptive_take(&notion, &state, NOW, 1, &bound), NOW + SEC / 2);
	ration__adaptive_success(&notion, &state, NOW, true);
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, NOW + SEC / 2), 0, 1e-9);
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, NOW + SEC), 1.05, 1e-9);
}

Test(adaptive, refunds_and_settlements)
{
	struct ration__adaptive state = {0}, before;
	int64_t start;
	bool bound;

	take(&notion, &state, NOW, 2);
	start = ration__adaptive_take(&notion, &state, NOW, 1, &bound);
	ration__adaptive_refund(&notion, &state, NOW, 1, start);
	cr_assert_eq(wait_of(&notion, &state, NOW, 1), SEC / 2);
	ration__adaptive_settle(&notion, &state, NOW, 2, 1, NOW);
	cr_assert_eq(ration__adaptive_remaining(&notion, &state, NOW), 1);
	ration__adaptive_settle(&notion, &state, NOW, 1, 3, NOW);
	cr_assert_eq(wait_of(&notion, &state, NOW, 1), SEC);

	/* a booking whose start fell into a cooldown is given back in full, within it and after */
	for (int after = 0; after < 2; after++) {
		int64_t now = NOW + (after ? 9 : 1) * SEC;

		state = (struct ration__adaptive){0};
		take(&notion, &state, NOW, 2);
		before = state;
		start = ration__adaptive_take(&notion, &state, NOW, 1, &bound);
		ration__adaptive_cool(&notion, &state, NOW, NOW + 9 * SEC);
		ration__adaptive_cool(&notion, &before, NOW, NOW + 9 * SEC);
		ration__adaptive_refund(&notion, &state, now, 1, start);
		cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, NOW + 10 * SEC),
			ration__adaptive_remaining(&notion, &before, NOW + 10 * SEC), 1e-9);
	}
	/* frozen time leaks nothing of what started before it, however often it was prolonged */
	state = (struct ration__adaptive){0};
	take(&notion, &state, NOW, 2);
	ration__adaptive_cool(&notion, &state, NOW + SEC / 4, NOW + 2 * SEC);
	ration__adaptive_cool(&notion, &state, NOW + 2 * SEC - 1, NOW + 5 * SEC);
	ration__adaptive_refund(&notion, &state, NOW + 5 * SEC, 2, NOW);
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, NOW + 5 * SEC), 2, 1e-9);
	take(&notion, &state, NOW + 5 * SEC, 2);
	/* what started before a decrease would have been cut with the rest */
	ration__adaptive_backoff(&notion, &state, NOW + 6 * SEC, NOW + 5 * SEC, SEC);
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, NOW + 7 * SEC), 1, 1e-9);
	take(&notion, &state, NOW + 7 * SEC, 1);
	ration__adaptive_refund(&notion, &state, NOW + 7 * SEC, 2, NOW + 5 * SEC);
	ration__adaptive_settle(&notion, &state, NOW + 7 * SEC, 2, 1, NOW + 5 * SEC);
	cr_assert_float_eq(ration__adaptive_remaining(&notion, &state, NOW + 7 * SEC), 0, 1e-9);
	cr_assert_float_eq(
		(double)wait_of(&notion, &state, NOW + 7 * SEC, 1), 1e9, 10, "1/s by now");
	/* more is owed all the same */
	ration__adaptive_settle(&notion, &state, NOW + 7 * SEC, 2, 4, NOW + 5 * SEC);
	cr_assert_float_eq((double)wait_of(&notion, &state, NOW + 7 * SEC, 1), 3e9, 10);
}

Test(adaptive, a_long_call_gives_all_back_though_the_rate_grew)
{
	struct ration__adaptive_conf conf = notion;
	struct ration__adaptive state = {0};
	double left;

	conf.max = 5;
	conf.burst = 20;
	take(&conf, &state, NOW, 10);
	take(&conf, &state, NOW, 10);
	ration__adaptive_success(&conf, &state, NOW + SEC, true);
	left = ration__adaptive_remaining(&conf, &state, NOW + 4 * SEC);
	ration__adaptive_settle(&conf, &state, NOW + 4 * SEC, 10, 1, NOW);
	left = ration__adaptive_remaining(&conf, &state, NOW + 4 * SEC) - left;
	cr_assert_float_eq(left, 9, 1e-5, "%f", left);
	/* what was out before a cooldown: as much as cannot have leaked */
	ration__adaptive_cool(&conf, &state, NOW + 4 * SEC, NOW + 9 * SEC);
	left = ration__adaptive_remaining(&conf, &state, NOW + 9 * SEC);
	ration__adaptive_settle(&conf, &state, NOW + 9 * SEC, 10, 1, NOW);
	left = ration__adaptive_remaining(&conf, &state, NOW + 9 * SEC) - left;
	cr_assert_float_eq(left, 10 - 4 * 2.1, 1e-5, "%f", left);
}

Test(adaptive, rest_is_an_hour_after_the_last_use)
{
	struct ration__adaptive state = {0};
	int64_t end = NOW + 2 * HOUR;

	take(&notion, &state, NOW, 1);
	cr_assert_eq(state.rest_at_ns, NOW + HOUR);
	ration__adaptive_success(&notion, &state, NOW + SEC, true);
	cr_assert_eq(state.rest_at_ns, NOW + SEC + HOUR);
	cr_assert_float_eq(
		ration__adaptive_rate(&notion, &state, NOW + SEC + HOUR - 1), 2.1, 1e-12);
	/* kept or swept, the same */
	cr_assert_eq(ration__adaptive_rate(&notion, &state, NOW + SEC + HOUR), 2);
	cr_assert_eq(ration__adaptive_remaining(&notion, &state, NOW + SEC + HOUR), 2);
	/* never within a cooldown, nor while tokens are owed */
	state = (struct ration__adaptive){0};
	take(&notion, &state, NOW, 1);
	ration__adaptive_cool(&notion, &state, NOW, end);
	cr_assert_eq(state.rest_at_ns, end + SEC / 2, "one token was missing");
	ration__adaptive_settle(&notion, &state, NOW, 0, 2 * 3600, NOW);
	cr_assert_geq(state.rest_at_ns, end + HOUR);
}

Test(adaptive, a_wiped_one_has_no_tokens)
{
	struct ration__adaptive state = ration__adaptive_spent(&notion, NOW);

	cr_assert_eq(ration__adaptive_rate(&notion, &state, NOW), 2);
	cr_assert_eq(ration__adaptive_remaining(&notion, &state, NOW), 0);
	cr_assert_eq(wait_of(&notion, &state, NOW, 1), SEC / 2);
	cr_assert_eq(state.rest_at_ns, NOW + SEC);
}

Test(adaptive, a_changed_configuration_holds_at_once)
{
	struct ration__adaptive_conf lower = notion;
	struct ration__adaptive state = {0};

	ration__adaptive_success(&notion, &state, NOW, true);
	lower.max = lower.initial = 1;
	cr_assert_eq(ration__adaptive_rate(&lower, &state, NOW), 1);
	state.rate = NAN;
	cr_assert_eq(ration__adaptive_rate(&notion, &state, NOW), 2, "never stored");
}

/* ---- cubic ---- */

/* Enough is sent in each slot that the cap is far. */
static void send_much(struct ration__adaptive *state, int64_t from_ns, int64_t to_ns)
{
	bool bound;

	for (int64_t t = from_ns; t < to_ns; t += SEC / 2) {
		ration__adaptive_take(&cubic, state, t, 20, &bound);
		ration__adaptive_refund(&notion, state, t, 20, t); /* keeps what was measured */
	}
}

Test(adaptive, cubic_example_7_0_then_9_648936_then_10_000031)
{
	static const double rates[] = {7.0, 9.648936, 10.000031};
	struct ration__adaptive state = {0};

	send_much(&state, 0, 5 * SEC);
	cr_assert(ration__adaptive_backoff(&cubic, &state, 5 * SEC, 5 * SEC, 0));
	cr_assert_eq(state.peak, 10);
	for (size_t i = 0; i < RATION__COUNT(rates); i++) {
		int64_t now = (5 + (int64_t)i) * SEC;

		ration__adaptive_success(&cubic, &state, now, true);
		cr_assert_float_eq(ration__adaptive_rate(&cubic, &state, now), rates[i], 5e-7,
			"at %zu s: %.9f", i + 5, ration__adaptive_rate(&cubic, &state, now));
		send_much(&state, now, now + SEC);
	}
}

Test(adaptive, cubic_before_the_first_throttle_begins_on_its_plateau)
{
	struct ration__adaptive state = {0};

	send_much(&state, NOW, NOW + 2 * SEC);
	ration__adaptive_success(&cubic, &state, NOW, true);
	cr_assert_float_eq(ration__adaptive_rate(&cubic, &state, NOW), 10, 1e-9);
	ration__adaptive_success(&cubic, &state, NOW + 2 * SEC, true);
	cr_assert_float_eq(ration__adaptive_rate(&cubic, &state, NOW), 10 + 0.4 * 8, 1e-9);
}

Test(adaptive, cubic_never_above_twice_what_is_sent)
{
	struct ration__adaptive_conf grow = binding(cubic);
	struct ration__adaptive state = {0}, copy;
	bool bound;

	ration__adaptive_take(&cubic, &state, NOW, 2, &bound);
	ration__adaptive_take(&cubic, &state, NOW + 400 * MS, 1, &bound);
	cr_assert_eq(state.measured, 0, "the slot has not ended");
	copy = state;
	ration__adaptive_success(&cubic, &copy, NOW + 400 * MS, true);
	cr_assert_float_eq(ration__adaptive_rate(&cubic, &copy, NOW), 10 + 0.4 * 0.064, 1e-12);
	ration__adaptive_take(&cubic, &state, NOW + 500 * MS, 1, &bound);
	cr_assert_float_eq(state.measured, 0.8 * 3 / 0.5, 1e-12);
	/* two slots have passed: one in which 1 was sent, and an empty one */
	copy = state;
	ration__adaptive_success(&grow, &copy, NOW + 1500 * MS, true);
	cr_assert_float_eq(copy.measured, 0.8 * 1 / 1.0 + 0.2 * 4.8, 1e-12);
	cr_assert_eq(ration__adaptive_rate(&grow, &copy, NOW), 10, "binding: nothing is lost");
	ration__adaptive_success(&cubic, &state, NOW + 1500 * MS, true);
	cr_assert_float_eq(
		ration__adaptive_rate(&cubic, &state, NOW), 2 * (0.8 * 1 / 1.0 + 0.2 * 4.8), 1e-12);
	/* the present slot counts when it says more: 0.8 * 4 / 0.5 + 0.2 * 1.76 */
	ration__adaptive_take(&cubic, &state, NOW + 1600 * MS, 4, &bound);
	ration__adaptive_success(&cubic, &state, NOW + 1600 * MS, true);
	cr_assert_float_eq(ration__adaptive_rate(&cubic, &state, NOW),
		fmin(2 * (6.4 + 0.2 * 1.76), 10 + 0.4 * 1.6 * 1.6 * 1.6), 1e-9);
	/* what was not sent after all does not count */
	ration__adaptive_refund(&cubic, &state, NOW + 1600 * MS, 4, NOW + 1600 * MS);
	ration__adaptive_success(&cubic, &state, NOW + 1600 * MS, true);
	cr_assert_float_eq(ration__adaptive_rate(&cubic, &state, NOW), 2 * 1.76, 1e-12);
}

Test(adaptive, cubic_minimum_fill_and_capacity)
{
	struct ration__adaptive_conf conf = cubic;
	struct ration__adaptive state = {0};

	for (int i = 0; i < 20; i++)
		ration__adaptive_backoff(&conf, &state, NOW, NOW, 0);
	cr_assert_eq(ration__adaptive_rate(&conf, &state, NOW), 0.5);
	cr_assert_eq(ration__adaptive_bucket(&conf, &state, NOW).burst, 1);
	conf.min = 3;
	cr_assert_eq(ration__adaptive_rate(&conf, &state, NOW), 3, "the minimum of the settings");
}

Test(adaptive, cubic_growth_when_binding_follows_the_curve)
{
	struct ration__adaptive_conf conf = binding(cubic);
	struct ration__adaptive state = {0};

	send_much(&state, 0, 5 * SEC);
	ration__adaptive_backoff(&conf, &state, 5 * SEC, 5 * SEC, 0);
	send_much(&state, 5 * SEC, 6 * SEC);
	ration__adaptive_success(&conf, &state, 6 * SEC, false);
	cr_assert_float_eq(ration__adaptive_rate(&conf, &state, 6 * SEC), 7, 1e-9);
	ration__adaptive_success(&conf, &state, 6 * SEC, true);
	cr_assert_float_eq(ration__adaptive_rate(&conf, &state, 6 * SEC), 9.648936, 5e-7);
}
