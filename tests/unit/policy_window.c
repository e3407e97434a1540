/* The rolling window: rows, and random times judged by an exact log. */
#include <criterion/criterion.h>
#include "base/util.h"
#include "policy/window.h"
#include "policy_dice.h"

#define UNIT INT64_C(1000000)
#define DAY (INT64_C(86400) * SEC)
#define RING (RATION__WINDOW_PARTS + 1)

static const struct ration__window_conf daily = {.max = 1000 * UNIT, .window_ns = DAY};

static enum ration__answer take(const struct ration__window_conf *conf,
	struct ration__window *state, int64_t now_ns, int64_t amount)
{
	struct ration__verdict verdict = ration__window_ask(conf, state, now_ns, amount);

	if (verdict.answer == RATION__YES)
		ration__window_take(conf, state, now_ns, amount);
	return verdict.answer;
}

Test(window, N4_the_1001st_is_refused_until_the_oldest_ages_out)
{
	struct ration__window state = {0};
	int64_t start = 20000 * DAY + 12345, part = DAY / RATION__WINDOW_PARTS;
	struct ration__verdict verdict;

	for (int i = 0; i < 1000; i++)
		cr_assert_eq(take(&daily, &state, start + i * SEC, UNIT), RATION__YES);
	cr_assert_eq(take(&daily, &state, start + 1000 * SEC, UNIT), RATION__NO);
	verdict = ration__window_ask(&daily, &state, start + 1000 * SEC, UNIT);
	cr_assert_gt(verdict.at_ns, start + DAY);
	cr_assert_leq(verdict.at_ns, start + DAY + part);
	cr_assert_eq(ration__window_frees_at(&daily, &state, start + 1000 * SEC), verdict.at_ns);
	cr_assert_eq(take(&daily, &state, start + DAY - 1, UNIT), RATION__NO);
	cr_assert_eq(take(&daily, &state, verdict.at_ns, UNIT), RATION__YES);
}

Test(window, N5_a_lower_maximum_leaves_0_N6_never_below)
{
	struct ration__window_conf lower = {.max = 10 * UNIT, .window_ns = DAY};
	struct ration__window state = {0};

	ration__window_take(&daily, &state, DAY, 400 * UNIT);
	cr_assert_eq(ration__window_remaining(&daily, &state, DAY), 600 * UNIT);
	cr_assert_eq(ration__window_remaining(&lower, &state, DAY), 0);
	cr_assert_eq(ration__window_ask(&lower, &state, DAY, UNIT).answer, RATION__NO);
	cr_assert_eq(ration__window_ask(&lower, &state, DAY, 11 * UNIT).answer, RATION__IMPOSSIBLE);
}

Test(window, amounts_round_up_but_not_by_noise)
{
	cr_expect_eq(ration__window_amount(1), UNIT);
	cr_expect_eq(ration__window_amount(1.5), 1500000);
	cr_expect_eq(ration__window_amount(4.03), 4030000); /* 4030000.0000000005 in binary */
	cr_expect_eq(ration__window_amount(0.3), 300000);
	cr_expect_eq(ration__window_amount(1e-7), 1);
	cr_expect_eq(ration__window_amount(1.0000001), UNIT + 1);
	cr_expect_eq(ration__window_amount(0), 0);
	cr_expect_eq(ration__window_amount(-1), 0);
	cr_expect_eq(ration__window_amount(1e30), INT64_MAX);
	cr_expect_eq(ration__window_amount(__builtin_nan("")), INT64_MAX);
}

Test(window, the_verdict_says_when_the_amount_fits)
{
	struct ration__window_conf conf = {.max = 10, .window_ns = 64};
	struct ration__window state = {0};

	ration__window_take(&conf, &state, 100, 2);
	ration__window_take(&conf, &state, 110, 3);
	ration__window_take(&conf, &state, 120, 5);
	cr_assert_eq(ration__window_ask(&conf, &state, 120, 1).at_ns, 165);
	cr_assert_eq(ration__window_ask(&conf, &state, 120, 2).at_ns, 165);
	cr_assert_eq(ration__window_ask(&conf, &state, 120, 3).at_ns, 175);
	cr_assert_eq(ration__window_ask(&conf, &state, 120, 10).at_ns, 185);
	cr_assert_eq(ration__window_ask(&conf, &state, 170, 3).at_ns, 175);
	cr_assert_eq(ration__window_frees_at(&conf, &state, 170), 175);
	cr_assert_eq(ration__window_frees_at(&conf, &state, 185), 185);
	cr_assert_eq(state.rest_at_ns, 185);
}

Test(window, a_clock_that_steps_back_forgets_nothing)
{
	struct ration__window_conf conf = {.max = 10, .window_ns = 640};
	struct ration__window state = {0};

	ration__window_take(&conf, &state, 5000, 6);
	cr_assert_eq(ration__window_remaining(&conf, &state, 1000), 4);
	ration__window_take(&conf, &state, 1000, 4);
	cr_assert_eq(ration__window_used_in(&state, 500), 10);
	cr_assert_eq(ration__window_remaining(&conf, &state, 5000), 0);
	cr_assert_eq(ration__window_remaining(&conf, &state, 5650), 10);
}

Test(window, refunds_go_to_the_part_they_came_from)
{
	struct ration__window_conf conf = {.max = 10, .window_ns = 64};
	struct ration__window state = {0};

	ration__window_take(&conf, &state, 100, 4);
	ration__window_take(&conf, &state, 120, 4);
	ration__window_refund(&conf, &state, 121, 3, 100);
	cr_assert_eq(ration__window_used_in(&state, 100), 1);
	ration__window_refund(&conf, &state, 121, 3, 100);
	cr_assert_eq(ration__window_used_in(&state, 100), 0, "not more than there was");
	ration__window_take(&conf, &state, 165, 2);
	ration__window_refund(&conf, &state, 165, 4, 100);
	cr_assert_eq(ration__window_remaining(&conf, &state, 165), 4, "left the window");
	ration__window_refund(&conf, &state, 165, -3, 120);
	cr_assert_eq(ration__window_used_in(&state, 120), 7);
	ration__window_refund(&conf, &state, 165, -3, 130);
	cr_assert_eq(ration__window_remaining(&conf, &state, 165), 0);
	ration__window_refund(&conf, &state, 300, -3, 130);
	cr_assert_eq(ration__window_remaining(&conf, &state, 300), 10);
}

Test(window, sums_saturate)
{
	struct ration__window_conf conf = {.max = INT64_MAX, .window_ns = 64};
	struct ration__window state = {0};

	for (int i = 0; i < 10; i++)
		ration__window_take(&conf, &state, 100 + i, INT64_MAX / 3);
	cr_assert_eq(ration__window_remaining(&conf, &state, 110), 0);
	cr_assert_eq(ration__window_ask(&conf, &state, 110, 1).answer, RATION__NO);
	cr_assert_eq(ration__window_ask(&conf, &state, 109, 1).answer, RATION__NO);
	ration__window_refund(&conf, &state, 110, INT64_MIN, 109);
	cr_assert_eq(ration__window_remaining(&conf, &state, 110), 0);
	cr_assert_eq(ration__window_remaining(&conf, &state, 300), INT64_MAX);
}

Test(window, nothing_allowed)
{
	struct ration__window_conf none = {.max = 0, .window_ns = DAY};
	struct ration__window state = {0};

	cr_assert_eq(ration__window_ask(&none, &state, 0, 1).answer, RATION__IMPOSSIBLE);
	cr_assert_eq(ration__window_ask(&none, &state, 0, 0).answer, RATION__YES);
	cr_assert_eq(ration__window_part(&daily, DAY), 64);
	cr_assert_eq(ration__window_part(&daily, -5), 0);
	cr_assert_eq(ration__window_used_in(&state, -1), 0);
	cr_assert_eq(ration__window_used_in(&state, 7), 0);
}

Test(window, another_window_counts_what_was_used)
{
	struct ration__window_conf minute = {.max = 1000 * UNIT, .window_ns = 60 * SEC};
	struct ration__window state = {0};
	int64_t now = 20000 * DAY + 777 * SEC;

	ration__window_take(&minute, &state, now - 50 * SEC, 300 * UNIT);
	ration__window_take(&minute, &state, now, 400 * UNIT);
	cr_assert_eq(ration__window_remaining(&daily, &state, now), 300 * UNIT);
	ration__window_take(&daily, &state, now, 300 * UNIT);
	cr_assert_eq(ration__window_remaining(&daily, &state, now + DAY - 60 * SEC), 0);
	/* and back: what the day knows only to 22.5 minutes counts as taken at their end */
	cr_assert_eq(ration__window_remaining(&minute, &state, now), 0);
	ration__window_take(&minute, &state, now + 62 * SEC, UNIT);
	cr_assert_leq(state.head, ration__window_part(&minute, now + 62 * SEC));
}

/* ---- random times ---- */

#define TAKES 600

struct taken {
	int64_t at_ns, amount;
};

/* Exact: what was taken later than now - window. */
static int64_t log_sum(const struct taken *log, int count, int64_t now_ns, int64_t window_ns)
{
	int64_t sum = 0;

	for (int i = 0; i < count; i++)
		if (log[i].at_ns > now_ns - window_ns)
			sum += log[i].amount;
	return sum;
}

static int64_t dice_step(struct ration__random *dice, int64_t window_ns)
{
	switch (roll_dice(dice, 8)) {
	case 0:
		return roll_dice(dice, 3 * window_ns);
	case 1:
	case 2:
		return roll_dice(dice, window_ns / 2);
	case 3:
		return 0;
	default:
		return roll_dice(dice, window_ns / 32 + 1);
	}
}

Test(window, never_more_than_max_in_any_window_at_most_a_part_late)
{
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct ration__random dice = dice_new(seed);
		struct ration__window_conf conf = {.max = 1 + roll_dice(&dice, 50),
			.window_ns = 1 + roll_dice(&dice, roll_dice(&dice, 2) ? 5000 : 5 * SEC)};
		int64_t late = (conf.window_ns + 63) / 64 * RING - conf.window_ns;
		struct ration__window state = {0};
		struct taken log[TAKES] = {0};
		/* real is the time that passes; now is what the clock shows */
		int64_t now = roll_dice(&dice, DAY), newest = 0;
		int count = 0;

		for (int i = 0; i < TAKES; i++) {
			int64_t amount = 1 + roll_dice(&dice, roll_dice(&dice, 3) ? 2 : conf.max);
			struct ration__verdict verdict;

			now += dice_step(&dice, conf.window_ns);
			amount = ration__min64(amount, conf.max);
			verdict = ration__window_ask(&conf, &state, now, amount);
			if (count && roll_dice(&dice, 10) == 0) {
				struct taken *t = &log[roll_dice(&dice, count)];

				ration__window_refund(&conf, &state, now, t->amount, t->at_ns);
				t->amount = 0;
				continue;
			}
			if (verdict.answer == RATION__YES) {
				ration__window_take(&conf, &state, now, amount);
				log[count++] = (struct taken){now, amount};
				newest = now;
				cr_assert_leq(
					log_sum(log, count, newest, conf.window_ns), conf.max);
				continue;
			}
			/* refused: then it would not have fitted a part's length ago */
			cr_assert_eq(verdict.answer, RATION__NO);
			cr_assert_gt(
				log_sum(log, count, now - late, conf.window_ns) + amount, conf.max);
			cr_assert_gt(verdict.at_ns, now);
			cr_assert_eq(
				ration__window_ask(&conf, &state, verdict.at_ns, amount).answer,
				RATION__YES);
			cr_assert_eq(
				ration__window_ask(&conf, &state, verdict.at_ns - 1, amount).answer,
				RATION__NO, "the earliest time");
		}
	}
}

/* The clock steps back and forth; the log runs on the time that the clock ever reached. */
Test(window, never_more_than_max_when_the_clock_steps)
{
	int taken = 0;

	for (uint64_t seed = 0; seed < 60; seed++) {
		struct ration__random dice = dice_new(seed);
		struct ration__window_conf conf = {
			.max = 1 + roll_dice(&dice, 20), .window_ns = 64 + roll_dice(&dice, 5000)};
		struct ration__window state = {0};
		struct taken log[TAKES];
		int64_t now = DAY, reached = 0;
		int count = 0;

		for (int i = 0; i < TAKES; i++) {
			now += dice_step(&dice, conf.window_ns);
			if (roll_dice(&dice, 10) == 0)
				now -= roll_dice(&dice, 4 * conf.window_ns);
			reached = ration__max64(reached, now);
			if (take(&conf, &state, now, 1) != RATION__YES)
				continue;
			/* the moment of a take is known to the part only when time stood still */
			log[count++] =
				(struct taken){now < reached ? state.head * state.part_ns : now, 1};
			cr_assert_leq(log_sum(log, count, log[count - 1].at_ns, conf.window_ns),
				conf.max);
		}
		taken += count;
	}
	cr_assert_gt(taken, 60 * 40, "%d", taken);
}
