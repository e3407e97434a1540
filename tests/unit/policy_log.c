/* The exact log against a naive list, and beside the ring that it is seeded from. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/util.h"
#include "policy/log.h"
#include "policy_dice.h"

#define UNIT INT64_C(1000000)
#define HOUR (3600 * SEC)

union log {
	struct ration__log log;
	_Alignas(8) unsigned char room[RATION__LOG_SIZE_MAX];
};

static void check(const struct ration__log *log)
{
	cr_assert(ration__log_valid(log, RATION__LOG_SIZE(log->count)), "%u entries", log->count);
}

Test(log, N4_a_thousand_in_any_24_hours)
{
	const struct ration__window_conf conf = {1000 * UNIT, 24 * HOUR};
	static union log u;
	struct ration__log *log = &u.log;
	int64_t now = 77 * HOUR + 13;

	for (int i = 0; i < 1000; i++, now += 61 * SEC) {
		cr_assert_eq(ration__log_ask(&conf, log, now, UNIT).answer, RATION__YES, "%d", i);
		ration__log_take(&conf, log, now, UNIT);
		check(log);
	}
	cr_assert_eq(ration__log_remaining(&conf, log, now), 0);
	for (int i = 0; i < 1000; i++) {
		int64_t due = 77 * HOUR + 13 + i * 61 * SEC + 24 * HOUR;
		struct ration__verdict verdict = ration__log_ask(&conf, log, now, UNIT);

		cr_assert(
			verdict.answer == RATION__NO && verdict.at_ns == due, "to the nanosecond");
		cr_assert_eq(ration__log_ask(&conf, log, due - 1, UNIT).answer, RATION__NO);
		cr_assert_eq(ration__log_ask(&conf, log, due, UNIT).answer, RATION__YES);
		cr_assert_eq(ration__log_ask(&conf, log, due, 2 * UNIT).answer, RATION__NO);
		cr_assert_eq(ration__log_frees_at(&conf, log, now), due);
		ration__log_take(&conf, log, now = due, UNIT);
		check(log);
	}
	cr_assert_eq(log->count, 1000);
	cr_assert_eq(ration__log_ask(&conf, log, now, 1001 * UNIT).answer, RATION__IMPOSSIBLE);
	cr_assert_eq(ration__log_ask(&conf, log, now, 0).answer, RATION__YES);
	cr_assert_eq(ration__log_remaining(&conf, log, now + 24 * HOUR), 1000 * UNIT);
	cr_assert_eq(ration__log_frees_at(&conf, log, now + 24 * HOUR), now + 24 * HOUR);
}

Test(log, suits_limits_up_to_a_thousand)
{
	cr_assert(ration__log_suits(&(struct ration__window_conf){1000 * UNIT, SEC}));
	cr_assert_not(ration__log_suits(&(struct ration__window_conf){1000 * UNIT + 1, SEC}));
}

/* ---- against a list of everything that was ever taken ---- */

#define NAIVE_MAX 20000
struct naive {
	int count;
	int64_t t_ns[NAIVE_MAX], amount[NAIVE_MAX];
};

static int64_t naive_used(const struct naive *naive, int64_t window_ns, int64_t now_ns)
{
	int64_t used = 0;

	for (int i = 0; i < naive->count; i++)
		if (naive->t_ns[i] + window_ns > now_ns)
			used += naive->amount[i];
	return used;
}

static int64_t naive_fits_at(
	const struct naive *naive, const struct ration__window_conf *conf, int64_t amount)
{
	int64_t at = RATION__NEVER;

	for (int i = 0; i < naive->count; i++) {
		int64_t leaves = naive->t_ns[i] + conf->window_ns;

		if (naive->amount[i] && leaves < at &&
			naive_used(naive, conf->window_ns, leaves) <= conf->max - amount)
			at = leaves;
	}
	return at;
}

Test(log, answers_as_a_list_would)
{
	static struct naive naive;
	static union log u;
	struct ration__log *log = &u.log;
	struct ration__random dice = dice_new(1);

	for (int round = 0; round < 60; round++) {
		const struct ration__window_conf conf = {
			(1 + roll_dice(&dice, 100)) * UNIT, 1 + roll_dice(&dice, 50) * SEC};
		int64_t now = roll_dice(&dice, HOUR);

		memset(log, 0, sizeof(*log));
		naive.count = 0;
		for (int step = 0; step < 300; step++) {
			int64_t amount = roll_dice(&dice, 5 * UNIT) / (1 + roll_dice(&dice, 3));
			struct ration__verdict verdict;
			int64_t used;

			now += roll_dice(&dice, 3) ? roll_dice(&dice, conf.window_ns / 8 + 1) : 0;
			used = naive_used(&naive, conf.window_ns, now);
			cr_assert_eq(ration__log_remaining(&conf, log, now),
				ration__max64(0, conf.max - used));
			verdict = ration__log_ask(&conf, log, now, amount);
			if (amount > conf.max) {
				cr_assert_eq(verdict.answer, RATION__IMPOSSIBLE);
				continue;
			}
			cr_assert_eq(verdict.answer == RATION__YES, used + amount <= conf.max);
			if (verdict.answer == RATION__NO)
				cr_assert_eq(verdict.at_ns, naive_fits_at(&naive, &conf, amount));
			if (verdict.answer == RATION__YES && roll_dice(&dice, 4)) {
				ration__log_take(&conf, log, now, amount);
				naive.t_ns[naive.count] = now;
				naive.amount[naive.count++] = amount;
			}
			if (naive.count && roll_dice(&dice, 3) == 0) { /* settle, either way */
				int which = (int)roll_dice(&dice, naive.count);
				int64_t change = naive.amount[which] - roll_dice(&dice, 2 * UNIT);
				int64_t taken = naive.t_ns[which];

				if (taken + conf.window_ns > now && change)
					naive.amount[which] -= change;
				ration__log_refund(&conf, log, now, change, taken);
			}
			check(log);
			cr_assert_eq(ration__log_remaining(&conf, log, now),
				ration__max64(
					0, conf.max - naive_used(&naive, conf.window_ns, now)));
		}
	}
}

/* Tenths of a unit: more takes than entries. */
Test(log, a_full_log_merges_and_is_at_most_a_500th_late)
{
	const struct ration__window_conf conf = {1000 * UNIT, HOUR};
	static struct naive naive;
	static union log u;
	struct ration__log *log = &u.log;
	struct ration__random dice = dice_new(2);
	int64_t now = 5 * HOUR, most = 0;
	bool steady = false;

	while (naive.count < NAIVE_MAX - 1) {
		int64_t used = naive_used(&naive, conf.window_ns, now);
		int64_t then = naive_used(&naive, conf.window_ns, now - HOUR / 500);
		int64_t counted = conf.max - ration__log_remaining(&conf, log, now);

		cr_assert_geq(counted, used, "never too much");
		cr_assert_leq(counted, then, "%ld counted, %ld used a moment before", (long)counted,
			(long)then);
		if (ration__log_ask(&conf, log, now, UNIT / 10).answer == RATION__YES) {
			ration__log_take(&conf, log, now, UNIT / 10);
			naive.t_ns[naive.count] = now;
			naive.amount[naive.count++] = UNIT / 10;
		}
		if (naive.count % 500 == 0)
			check(log);
		most = ration__max64(most, log->count);
		if (roll_dice(&dice, 2000) == 0)
			steady = !steady;
		now += steady ? HOUR / 5000 : roll_dice(&dice, HOUR / 3000);
	}
	cr_assert_eq(most, RATION__LOG_ENTRIES, "it was full");
}

Test(log, a_clock_that_steps_back_forgets_nothing)
{
	const struct ration__window_conf conf = {3 * UNIT, 60 * SEC};
	static union log u;
	struct ration__log *log = &u.log;

	ration__log_take(&conf, log, 1000 * SEC, UNIT);
	ration__log_take(&conf, log, 1050 * SEC, UNIT);
	ration__log_take(&conf, log, 900 * SEC, UNIT); /* as if at 1050 */
	check(log);
	cr_assert_eq(ration__log_ask(&conf, log, 900 * SEC, UNIT).answer, RATION__NO);
	cr_assert_eq(ration__log_ask(&conf, log, 900 * SEC, UNIT).at_ns, 1060 * SEC);
	cr_assert_eq(ration__log_ask(&conf, log, 1060 * SEC, UNIT).answer, RATION__YES);
	cr_assert_eq(ration__log_ask(&conf, log, 1060 * SEC, 2 * UNIT).at_ns, 1110 * SEC);
	ration__log_refund(&conf, log, 901 * SEC, UNIT, 900 * SEC);
	cr_assert_eq(ration__log_remaining(&conf, log, 1050 * SEC), UNIT);
	/* where it stands is not known: it comes out of the first that is not older */
	cr_assert_eq(ration__log_remaining(&conf, log, 1109 * SEC), UNIT);
	cr_assert_eq(ration__log_remaining(&conf, log, 1110 * SEC), 3 * UNIT);
}

Test(log, nothing_comes_back_for_what_has_left)
{
	const struct ration__window_conf conf = {3 * UNIT, 60 * SEC};
	static union log u;
	struct ration__log *log = &u.log;

	ration__log_take(&conf, log, 0, UNIT);
	ration__log_take(&conf, log, 60 * SEC, 2 * UNIT);
	ration__log_refund(&conf, log, 60 * SEC, UNIT, 0);
	cr_assert_eq(ration__log_remaining(&conf, log, 60 * SEC), UNIT);
	ration__log_refund(&conf, log, 60 * SEC, -5 * UNIT, 0);
	cr_assert_eq(ration__log_remaining(&conf, log, 60 * SEC), UNIT);
	ration__log_refund(&conf, log, 61 * SEC, -5 * UNIT, 60 * SEC);
	cr_assert_eq(ration__log_remaining(&conf, log, 61 * SEC), 0, "N5, N6: never below 0");
	ration__log_refund(&conf, log, 61 * SEC, 50 * UNIT, 60 * SEC);
	cr_assert_eq(ration__log_remaining(&conf, log, 61 * SEC), 3 * UNIT);
	cr_assert_eq(log->count, 0);
	check(log);
}

Test(log, sums_saturate)
{
	const struct ration__window_conf conf = {1000 * UNIT, 60 * SEC};
	static union log u;
	struct ration__log *log = &u.log;

	ration__log_take(&conf, log, 0, INT64_MAX);
	ration__log_take(&conf, log, SEC, INT64_MAX);
	ration__log_take(&conf, log, 2 * SEC, UNIT);
	check(log);
	cr_assert_eq(ration__log_remaining(&conf, log, SEC), 0);
	cr_assert_eq(ration__log_ask(&conf, log, 2 * SEC, UNIT).at_ns, 61 * SEC);
	ration__log_refund(&conf, log, 2 * SEC, INT64_MIN, SEC);
	check(log);
	cr_assert_eq(ration__log_remaining(&conf, log, 61 * SEC), 999 * UNIT);
	ration__log_take(&conf, log, 60 * SEC, UNIT);
	check(log);
	ration__log_refund(&conf, log, 60 * SEC, 2 * UNIT, SEC);
	check(log);
}

/* ---- beside the ring ---- */

Test(log, seeded_it_allows_what_the_ring_allows_and_never_more)
{
	static union log u;
	struct ration__log *log = &u.log;
	struct ration__random dice = dice_new(3);

	for (int round = 0; round < 2000; round++) {
		struct ration__window ring = {0};
		const struct ration__window_conf conf = {
			(1 + roll_dice(&dice, 1000)) * UNIT, 1 + roll_dice(&dice, 1000 * SEC)};
		int64_t now = roll_dice(&dice, HOUR);

		for (int i = 0; i < 100; i++) {
			ration__window_take(&conf, &ring, now, roll_dice(&dice, UNIT));
			now += roll_dice(&dice, conf.window_ns / 20 + 1);
		}
		memset(&u, 0xee, sizeof(u));
		ration__log_seed(&conf, log, &ring, now);
		check(log);
		cr_assert_eq(log->seeded, 1);
		for (int i = 0; i < 30; i++) {
			cr_assert_eq(ration__log_remaining(&conf, log, now),
				ration__window_remaining(&conf, &ring, now), "round %d", round);
			cr_assert_eq(ration__log_frees_at(&conf, log, now),
				ration__window_frees_at(&conf, &ring, now));
			now += roll_dice(&dice, conf.window_ns / 15 + 1);
		}
	}
}

/* The window was made longer or shorter: counted late rather than early. */
Test(log, seeded_from_a_ring_of_another_window_it_is_a_bound)
{
	static union log u;
	static struct naive naive;
	struct ration__log *log = &u.log;
	struct ration__random dice = dice_new(5);

	for (int round = 0; round < 500; round++) {
		struct ration__window ring = {0};
		const struct ration__window_conf was = {1000 * UNIT, 100 * SEC};
		const struct ration__window_conf conf = {
			1000 * UNIT, 1 + roll_dice(&dice, 100 * SEC)};
		int64_t now = roll_dice(&dice, HOUR);

		naive.count = 0;
		for (int i = 0; i < 50; i++) {
			int64_t amount = roll_dice(&dice, UNIT);

			ration__window_take(&was, &ring, now, amount);
			naive.t_ns[naive.count] = now;
			naive.amount[naive.count++] = amount;
			now += roll_dice(&dice, 3 * SEC);
		}
		ration__log_seed(&conf, log, &ring, now);
		check(log);
		for (; now < HOUR + 300 * SEC; now += 1 + roll_dice(&dice, SEC)) {
			int64_t counted = conf.max - ration__log_remaining(&conf, log, now);

			cr_assert_geq(counted, naive_used(&naive, conf.window_ns, now));
			cr_assert_leq(counted, naive_used(&naive, conf.window_ns, now - 2 * SEC));
			if (!counted)
				break;
		}
	}
}

Test(log, what_was_taken_after_a_seed_is_exact_again)
{
	const struct ration__window_conf conf = {2 * UNIT, 64 * SEC};
	static union log u;
	struct ration__log *log = &u.log;
	struct ration__window ring = {0};

	ration__window_take(&conf, &ring, 100 * SEC, UNIT);
	ration__log_seed(&conf, log, &ring, 110 * SEC);
	ration__log_take(&conf, log, 110 * SEC, UNIT);
	cr_assert_eq(ration__log_ask(&conf, log, 110 * SEC, UNIT).at_ns, 165 * SEC, "as the ring");
	cr_assert_eq(ration__log_ask(&conf, log, 110 * SEC, 2 * UNIT).at_ns, 174 * SEC);
}

Test(log, damage_is_seen)
{
	const struct ration__window_conf conf = {9 * UNIT, 64 * SEC};
	static union log u;
	struct ration__log *log = &u.log, good;

	cr_assert(ration__log_valid(log, 16), "zero: nothing taken");
	for (int i = 1; i <= 3; i++)
		ration__log_take(&conf, log, i * SEC, UNIT);
	check(log);
	cr_assert_not(ration__log_valid(log, 15));
	cr_assert_not(ration__log_valid(log, RATION__LOG_SIZE(2)));
	cr_assert_not(ration__log_valid(log, RATION__LOG_SIZE(4)));
	good = *log;
	log->count = UINT32_MAX;
	cr_assert_not(ration__log_valid(log, RATION__LOG_SIZE(3)));
	cr_assert_not(ration__log_valid(log, RATION__LOG_SIZE(UINT32_MAX)));
	memcpy(log, &good, sizeof(*log));
	log->sum++;
	cr_assert_not(ration__log_valid(log, RATION__LOG_SIZE(3)));
	memcpy(log, &good, sizeof(*log));
	log->entries[1].amount = 0;
	log->entries[2].amount *= 2;
	cr_assert_not(ration__log_valid(log, RATION__LOG_SIZE(3)));
	log->entries[1].amount = log->entries[0].amount;
	log->entries[2].amount /= 2;
	check(log);
	log->entries[1].t_ns = log->entries[2].t_ns + 1;
	cr_assert_not(ration__log_valid(log, RATION__LOG_SIZE(3)), "out of order");
}
