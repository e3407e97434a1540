/* The token bucket: rows, bookings, refunds, and random sequences judged by what started when. */
#include <criterion/criterion.h>
#include "policy/bucket.h"
#include "base/util.h"
#include "policy_dice.h"

static const struct ration__bucket_conf a_minute = {.rate = 1, .burst = 10}; /* 60/min, burst 10 */
static const struct ration__bucket_conf five = {.rate = 5, .burst = 10};

Test(bucket, N1_burst_then_steady)
{
	struct ration__bucket state = {0};
	struct ration__verdict verdict;

	for (int i = 0; i < 10; i++) {
		cr_assert_eq(ration__bucket_ask(&a_minute, &state, SEC, 1).answer, RATION__YES);
		cr_assert_eq(ration__bucket_take(&a_minute, &state, SEC, 1), SEC);
	}
	verdict = ration__bucket_ask(&a_minute, &state, SEC, 1);
	cr_assert_eq(verdict.answer, RATION__WAIT);
	cr_assert_eq(verdict.at_ns, 2 * SEC);
	cr_assert_eq(ration__bucket_ask(&a_minute, &state, 2 * SEC - 10, 1).answer, RATION__WAIT);
	cr_assert_eq(ration__bucket_ask(&a_minute, &state, 2 * SEC, 1).answer, RATION__YES);
	ration__bucket_take(&a_minute, &state, 2 * SEC, 1);
	cr_assert_eq(ration__bucket_ask(&a_minute, &state, 2 * SEC, 1).answer, RATION__WAIT);
}

Test(bucket, N3_remaining_takes_nothing)
{
	struct ration__bucket state = {0};

	cr_assert_eq(ration__bucket_remaining(&a_minute, &state, SEC), 10);
	cr_assert_eq(ration__bucket_remaining(&a_minute, &state, SEC), 10);
	ration__bucket_take(&a_minute, &state, SEC, 4);
	cr_assert_eq(ration__bucket_remaining(&a_minute, &state, SEC), 6);
	cr_assert_float_eq(ration__bucket_remaining(&a_minute, &state, SEC + SEC / 2), 6.5, 1e-9);
	ration__bucket_take(&a_minute, &state, SEC, 100);
	cr_assert_eq(ration__bucket_remaining(&a_minute, &state, SEC), 0, "never below 0");
}

Test(bucket, N6_rest_is_when_the_level_is_0)
{
	struct ration__bucket state = {0};

	ration__bucket_take(&five, &state, SEC, 10);
	cr_assert_eq(state.rest_at_ns, 3 * SEC);
	cr_assert_eq(ration__bucket_remaining(&five, &state, state.rest_at_ns), 10);
	state = ration__bucket_spent(&five, SEC);
	cr_assert_eq(ration__bucket_remaining(&five, &state, SEC), 0);
	cr_assert_eq(state.rest_at_ns, 3 * SEC);
}

Test(bucket, a_cost_above_the_burst_is_impossible)
{
	struct ration__bucket state = {0};

	cr_assert_eq(ration__bucket_ask(&five, &state, 0, 10).answer, RATION__YES);
	cr_assert_eq(ration__bucket_ask(&five, &state, 0, 10.5).answer, RATION__IMPOSSIBLE);
}

Test(bucket, a_shortfall_below_1_ns_grants)
{
	struct ration__bucket_conf fast = {.rate = 1e6, .burst = 10};
	struct ration__bucket state = {0};

	ration__bucket_take(&fast, &state, 0, 9.0009);
	/* short by 0.0009 tokens, 0.9 ns */
	cr_assert_eq(ration__bucket_ask(&fast, &state, 0, 1).answer, RATION__YES);
	cr_assert_eq(ration__bucket_take(&fast, &state, 0, 1), 0);
	ration__bucket_take(&fast, &state, 0, 0.0002);
	/* 1.1 ns */
	cr_assert_eq(ration__bucket_ask(&fast, &state, 0, 0).at_ns, 2);
}

Test(bucket, bookings_start_one_after_the_other)
{
	struct ration__bucket state = {0};

	cr_assert_eq(ration__bucket_take(&five, &state, 0, 10), 0);
	cr_assert_eq(ration__bucket_take(&five, &state, 0, 5), SEC);
	cr_assert_eq(ration__bucket_take(&five, &state, 0, 10), 3 * SEC, "the whole burst, too");
	cr_assert_eq(ration__bucket_ask(&five, &state, 0, 1).at_ns, 3 * SEC + SEC / 5);
	/* cancelled last to first, each gives its time back exactly */
	ration__bucket_refund(&five, &state, SEC / 2, 10, 3 * SEC);
	cr_assert_eq(ration__bucket_ask(&five, &state, SEC / 2, 1).at_ns, SEC + SEC / 5);
	ration__bucket_refund(&five, &state, SEC / 2, 5, SEC);
	cr_assert_float_eq(ration__bucket_remaining(&five, &state, SEC / 2), 2.5, 1e-9);
}

Test(bucket, a_refund_before_a_later_booking_cannot_be_used)
{
	struct ration__bucket state = {0};

	ration__bucket_take(&five, &state, 0, 10);
	cr_assert_eq(ration__bucket_take(&five, &state, 0, 10), 2 * SEC);
	ration__bucket_refund(&five, &state, 0, 10, 0);
	/* the booking still starts its ten at 2 s, so nothing else may start with it then */
	cr_assert_eq(ration__bucket_ask(&five, &state, 2 * SEC, 1).answer, RATION__WAIT);
	cr_assert_eq(ration__bucket_ask(&five, &state, 2 * SEC + SEC / 5, 1).answer, RATION__YES);
}

Test(bucket, a_refund_after_the_start_gives_what_cannot_have_leaked)
{
	struct ration__bucket state = {0};

	ration__bucket_take(&five, &state, 0, 8);
	ration__bucket_refund(&five, &state, SEC, 8, 0);
	/* untouched, the bucket would be full */
	cr_assert_eq(ration__bucket_remaining(&five, &state, SEC), 10);
	ration__bucket_take(&five, &state, 2 * SEC, 8);
	ration__bucket_take(&five, &state, 3 * SEC, 7);
	ration__bucket_refund(&five, &state, 3 * SEC, 8, 2 * SEC);
	cr_assert_float_eq(ration__bucket_remaining(&five, &state, 3 * SEC), 3, 1e-9);
}

static void take(const struct ration__bucket_conf *conf, struct ration__bucket *state,
	int64_t now_ns, double cost)
{
	cr_assert_eq(ration__bucket_ask(conf, state, now_ns, cost).answer, RATION__YES);
	cr_assert_eq(ration__bucket_take(conf, state, now_ns, cost), now_ns);
}

Test(bucket, a_long_call_gives_all_back_while_the_bucket_was_not_full)
{
	static const struct ration__bucket_conf conf = {.rate = 1000, .burst = 10000};
	struct ration__bucket state = {0};
	double left;

	/* at once, after a rest */
	for (int i = 0; i < 50; i++)
		take(&conf, &state, SEC, 200);
	for (int i = 0; i < 50; i++)
		ration__bucket_settle(&conf, &state, 3 * SEC, 200, 100, SEC);
	left = ration__bucket_remaining(&conf, &state, 3 * SEC);
	cr_assert_float_eq(left, 7000, 0.1, "%f", left);
	/* what came back is there once: the level has been at 3000 now, with 1000 of this call */
	take(&conf, &state, 3 * SEC, 1000);
	ration__bucket_settle(&conf, &state, 5 * SEC, 1000, 0, 3 * SEC);
	left = ration__bucket_remaining(&conf, &state, 5 * SEC);
	cr_assert_float_eq(left, 9000, 0.1, "%f", left);
	/* of this one the second half would have come to a full bucket */
	take(&conf, &state, 5 * SEC, 2000);
	ration__bucket_settle(&conf, &state, 7 * SEC, 2000, 0, 5 * SEC);
	left = ration__bucket_remaining(&conf, &state, 7 * SEC);
	cr_assert_float_eq(left, 10000, 0.1, "%f", left);
}

Test(bucket, a_burst_that_takes_time_gives_most_back)
{
	static const struct ration__bucket_conf conf = {.rate = 1000, .burst = 10000};
	struct ration__bucket state = {0};
	double left;

	for (int i = 0; i < 50; i++)
		take(&conf, &state, SEC + i * 100000, 200);
	left = ration__bucket_remaining(&conf, &state, 4 * SEC);
	for (int i = 0; i < 50; i++)
		ration__bucket_settle(&conf, &state, 4 * SEC, 200, 100, SEC + i * 100000);
	left = ration__bucket_remaining(&conf, &state, 4 * SEC) - left;
	cr_assert_geq(left, 3200, "%f", left);
	cr_assert_leq(left, 5000, "%f", left);
}

Test(bucket, refunds_that_overlap_do_not_claim_the_same)
{
	struct ration__bucket state = {0};

	/* 10, of which 5 are left after a second; 3 s on, with 5 more in between, none */
	take(&five, &state, SEC, 5);
	take(&five, &state, SEC, 5);
	take(&five, &state, 2 * SEC, 5);
	/* the first without the others: never below 5, so all of it */
	ration__bucket_refund(&five, &state, 2 * SEC, 5, SEC);
	cr_assert_float_eq(ration__bucket_remaining(&five, &state, 2 * SEC), 5, 1e-5);
	/* without both nothing was in it before the third */
	ration__bucket_refund(&five, &state, 2 * SEC, 5, SEC);
	cr_assert_float_eq(ration__bucket_remaining(&five, &state, 2 * SEC), 5, 1e-5);
	take(&five, &state, 2 * SEC, 4.99);
	cr_assert_eq(ration__bucket_ask(&five, &state, 2 * SEC, 1).answer, RATION__WAIT);
}

Test(bucket, what_a_call_reserved_is_in_it_itself)
{
	struct ration__bucket state = {0};

	/* the level was below 1 in this tick: no more is known than that, and of its own 4 */
	take(&five, &state, 1000 * SEC, 1);
	take(&five, &state, 1000 * SEC + MS, 4);
	ration__bucket_settle(&five, &state, 1000 * SEC + 201 * MS, 4, 1, 1000 * SEC + MS);
	cr_assert_float_eq(
		ration__bucket_remaining(&five, &state, 1000 * SEC + 201 * MS), 9.005, 1e-9);
}

Test(bucket, what_comes_back_under_a_booking_goes_to_others)
{
	struct ration__bucket state = {0};

	take(&five, &state, 0, 8);
	take(&five, &state, 0, 2);
	cr_assert_eq(ration__bucket_take(&five, &state, 0, 2), 2 * SEC / 5);
	ration__bucket_refund(&five, &state, 0, 6, 0);
	/* right before its start the booking found 8, now 2: so there are 4 before and 6 then */
	cr_assert_float_eq(ration__bucket_remaining(&five, &state, 0), 4, 1e-5);
	cr_assert_float_eq(ration__bucket_remaining(&five, &state, 2 * SEC / 5), 6, 1e-5);
	ration__bucket_refund(&five, &state, 0, 4, 0);
	cr_assert_float_eq(ration__bucket_remaining(&five, &state, 2 * SEC / 5), 8, 1e-5,
		"never what the booking starts with");
}

/* Its start was earlier than the last one's cost would have it. */
Test(bucket, a_booking_made_after_a_refund_does_not_hide_the_one_before)
{
	struct ration__bucket state = {0};

	take(&a_minute, &state, 0, 8);
	take(&a_minute, &state, 0, 2);
	cr_assert_eq(ration__bucket_take(&a_minute, &state, 0, 2), 2 * SEC);
	ration__bucket_refund(&a_minute, &state, 0, 7.5, 0);
	cr_assert_eq(ration__bucket_take(&a_minute, &state, 0, 10), 4500 * MS);
	ration__bucket_refund(&a_minute, &state, 0, 10, 4500 * MS);
	ration__bucket_refund(&a_minute, &state, 0, 2, 0);
	cr_assert_leq(ration__bucket_remaining(&a_minute, &state, 2 * SEC), 8 + 1e-5);
}

Test(bucket, a_booking_that_will_cost_less_still_starts)
{
	struct ration__bucket state = {0};

	take(&a_minute, &state, 0, 10);
	cr_assert_eq(ration__bucket_take(&a_minute, &state, 0, 4), 4 * SEC);
	ration__bucket_settle(&a_minute, &state, 0, 4, 1, 4 * SEC);
	ration__bucket_refund(&a_minute, &state, 2 * SEC, 10, 0);
	cr_assert_leq(ration__bucket_remaining(&a_minute, &state, 4 * SEC), 9);
}

Test(bucket, a_change_of_rate_keeps_what_bookings_were_made_with)
{
	static const struct ration__bucket_conf ten = {.rate = 10, .burst = 20};
	struct ration__bucket state = {0};

	take(&five, &state, 0, 10);
	cr_assert_eq(ration__bucket_take(&five, &state, 0, 4), 4 * SEC / 5);
	ration__bucket_refund(&five, &state, 0, 5, 0);
	cr_assert_float_eq(ration__bucket_remaining(&five, &state, 0), 1, 1e-5);
	/* as many as there were at that start, and at twice the rate: 8 less now */
	ration__bucket_change(&five, &ten, &state, 0);
	cr_assert_float_eq(ration__bucket_remaining(&ten, &state, 4 * SEC / 5), 5, 1e-5);
	ration__bucket_refund(&ten, &state, 0, 3, 0);
	cr_assert_float_eq(ration__bucket_remaining(&ten, &state, 4 * SEC / 5), 6, 1e-5,
		"the booking would find nothing but itself");
}

Test(bucket, a_lower_rate_and_burst_keep_what_a_booking_starts_with)
{
	static const struct ration__bucket_conf slow = {.rate = 2, .burst = 4};
	struct ration__bucket state = {0};

	take(&five, &state, 0, 10);
	cr_assert_eq(ration__bucket_take(&five, &state, 0, 2), 400 * MS);
	ration__bucket_change(&five, &slow, &state, 0);
	ration__bucket_refund(&slow, &state, 0, 10, 0);
	cr_assert_leq(ration__bucket_remaining(&slow, &state, 400 * MS), 2);
}

Test(bucket, settling_goes_either_way)
{
	struct ration__bucket state = {0};

	ration__bucket_take(&five, &state, 0, 4);
	ration__bucket_settle(&five, &state, 0, 4, 1, 0);
	cr_assert_eq(ration__bucket_remaining(&five, &state, 0), 9);
	ration__bucket_settle(&five, &state, 0, 1, 21, 0);
	cr_assert_eq(ration__bucket_remaining(&five, &state, 0), 0);
	cr_assert_eq(ration__bucket_ask(&five, &state, 0, 1).at_ns, 12 * SEC / 5);
}

Test(bucket, a_step_back_of_the_clock_gives_nothing)
{
	struct ration__bucket state = {0};

	ration__bucket_take(&five, &state, 10 * SEC, 10);
	cr_assert_eq(ration__bucket_ask(&five, &state, 0, 1).at_ns, 10 * SEC + SEC / 5);
	ration__bucket_refund(&five, &state, 0, 5, 10 * SEC);
	cr_assert_eq(state.t_ns, 10 * SEC);
	cr_assert_eq(ration__bucket_take(&five, &state, 0, 5), 0, "what is there is there now");
	cr_assert_eq(ration__bucket_remaining(&five, &state, 0), 0);
}

Test(bucket, a_new_rate_counts_at_once)
{
	struct ration__bucket_conf slow = {.rate = 0.5, .burst = 10};
	struct ration__bucket state = {0};

	ration__bucket_take(&five, &state, 0, 10);
	cr_assert_eq(ration__bucket_ask(&slow, &state, 0, 1).at_ns, 2 * SEC);
	cr_assert_eq(ration__bucket_ask(&five, &state, 0, 1).at_ns, SEC / 5);
}

Test(bucket, absurd_numbers_stay_numbers)
{
	struct ration__bucket_conf glacial = {.rate = 1e-12, .burst = 1};
	struct ration__bucket state = {0};

	ration__bucket_take(&glacial, &state, 0, 1);
	cr_assert_eq(state.rest_at_ns, RATION__NEVER);
	cr_assert_eq(
		ration__bucket_ask(&glacial, &state, INT64_C(1) << 60, 1).at_ns, RATION__NEVER);
	cr_assert_eq(ration__bucket_take(&glacial, &state, 0, 1e300), RATION__NEVER);
}

/* ---- random sequences ---- */

#define CALLS 400

struct call {
	int64_t start_ns;
	double cost; /* as it ended up: 0 when given back */
	bool settled;
};

/* What starts within any time t costs at most burst + rate * t. */
static void judge(
	const struct ration__bucket_conf *conf, const struct call *calls, int count, uint64_t seed)
{
	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			double most =
				conf->burst +
				conf->rate * 1e-9 * (double)(calls[j].start_ns - calls[i].start_ns);
			double sum = 0;

			if (calls[j].start_ns < calls[i].start_ns || !calls[i].cost ||
				!calls[j].cost)
				continue;
			for (int k = 0; k < count; k++)
				if (calls[k].start_ns >= calls[i].start_ns &&
					calls[k].start_ns <= calls[j].start_ns)
					sum += calls[k].cost;
			/* each start may be early by less than 1 ns */
			cr_assert_leq(sum, most + conf->rate * 2e-9 + 1e-6,
				"seed %lu: calls %d to %d: %f of %f", (unsigned long)seed, i, j,
				sum, most);
		}
	}
}

static double dice_cost(struct ration__random *dice, double burst)
{
	double cost = roll_dice(dice, 3) ? 1 : burst * ration__random_unit(dice);

	return roll_dice(dice, 20) ? cost : burst;
}

/* Asks, takes and books, cancels before the start, at it and after it, settles downwards. Returns
 * how many were admitted at once. */
static int random_sequence(uint64_t seed, bool book, bool settle)
{
	struct ration__random dice = dice_new(seed);
	struct ration__bucket_conf conf = {.rate = 0.5 + 20 * ration__random_unit(&dice),
		.burst = (double)(1 + roll_dice(&dice, 12))};
	struct ration__bucket state = {0};
	struct call calls[CALLS];
	int64_t now = SEC, step = SEC / 20 + roll_dice(&dice, SEC);
	int count = 0, granted = 0;

	while (count < CALLS / 4) {
		struct call *call = &calls[count];

		now += roll_dice(&dice, 3) ? roll_dice(&dice, step) : 0;
		if (count && roll_dice(&dice, 3) == 0) {
			call = &calls[roll_dice(&dice, count)];
			if (!call->cost || call->settled)
				continue;
			if (roll_dice(&dice, 2) || !settle) {
				ration__bucket_refund(
					&conf, &state, now, call->cost, call->start_ns);
				call->cost = 0;
			} else {
				double actual = call->cost * ration__random_unit(&dice);

				ration__bucket_settle(
					&conf, &state, now, call->cost, actual, call->start_ns);
				call->cost = actual;
				call->settled = true;
			}
			continue;
		}
		*call = (struct call){.cost = dice_cost(&dice, conf.burst)};
		if (!book || state.level > 2 * conf.burst || roll_dice(&dice, 2)) {
			struct ration__verdict verdict =
				ration__bucket_ask(&conf, &state, now, call->cost);

			if (verdict.answer != RATION__YES) {
				cr_assert_eq(verdict.answer, RATION__WAIT);
				cr_assert_gt(verdict.at_ns, now);
				cr_assert_eq(
					ration__bucket_ask(&conf, &state, verdict.at_ns, call->cost)
						.answer,
					RATION__YES);
				continue;
			}
			cr_assert_eq(ration__bucket_take(&conf, &state, now, call->cost), now);
			call->start_ns = now;
			granted++;
		} else {
			call->start_ns = ration__bucket_take(&conf, &state, now, call->cost);
			cr_assert_geq(call->start_ns, now);
		}
		cr_assert_geq(state.rest_at_ns, ration__max64(state.booked_ns, state.t_ns));
		count++;
	}
	judge(&conf, calls, count, seed);
	return granted;
}

Test(bucket, D16_never_more_than_burst_and_rate_in_any_time)
{
	int granted = 0;

	for (uint64_t seed = 0; seed < 60; seed++)
		granted += random_sequence(seed, false, false);
	cr_assert_gt(granted, 1200, "%d", granted);
}

Test(bucket, never_more_with_bookings_and_cancellations)
{
	int granted = 0;

	for (uint64_t seed = 0; seed < 150; seed++)
		granted += random_sequence(seed, true, false);
	cr_assert_gt(granted, 3000, "%d", granted);
}

Test(bucket, never_more_with_settlements)
{
	int granted = 0;

	for (uint64_t seed = 0; seed < 150; seed++)
		granted += random_sequence(seed, true, true);
	cr_assert_gt(granted, 3000, "%d", granted);
}

/* Two buckets see the same calls; one sees others besides, which are all given back. It never has
 * more left than the one that never saw them. */
Test(bucket, a_refund_never_lets_more_through_than_nothing_taken)
{
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct ration__random dice = dice_new(seed);
		struct ration__bucket_conf conf = {
			.rate = 1 + 10 * ration__random_unit(&dice), .burst = 10};
		struct ration__bucket with = {0}, without = {0};
		struct call extra[8] = {0};
		int64_t now = SEC;

		for (int i = 0; i < 200; i++) {
			struct call *call = &extra[roll_dice(&dice, 8)];
			double cost = dice_cost(&dice, conf.burst);

			now += roll_dice(&dice, SEC / 2);
			if (roll_dice(&dice, 3) == 0) {
				if (ration__bucket_ask(&conf, &with, now, cost).answer ==
					RATION__YES) {
					ration__bucket_take(&conf, &with, now, cost);
					ration__bucket_take(&conf, &without, now, cost);
				}
			} else if (call->cost) {
				ration__bucket_refund(
					&conf, &with, now, call->cost, call->start_ns);
				call->cost = 0;
			} else {
				/* sometimes above the burst: debt */
				call->cost = roll_dice(&dice, 4) ? cost : 2 * cost;
				call->start_ns = ration__bucket_take(&conf, &with, now, call->cost);
			}
			cr_assert_leq(ration__bucket_remaining(&conf, &with, now),
				ration__bucket_remaining(&conf, &without, now) + 1e-6,
				"seed %lu, step %d", (unsigned long)seed, i);
		}
	}
}
