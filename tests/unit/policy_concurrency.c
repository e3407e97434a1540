/* The concurrency limit: rules one by one, and its invariants after random operations. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "policy/concurrency.h"
#include "policy_dice.h"

static struct ration__concurrency *state_new(void)
{
	return calloc(1, RATION__CONCURRENCY_SIZE_MAX);
}

static const struct ration__concurrency_conf twenty = {.max = 20};
static const struct ration__concurrency_conf one = {.max = 1};

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

static int acquire_all(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot)
{
	int got = 0;

	while (acquire(conf, state, now_ns, slot))
		got++;
	return got;
}

/* The slots to wake as text: "3 7 ". */
static const char *woken(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns)
{
	static char text[256];
	uint16_t wake[16];
	size_t count = ration__concurrency_deal(conf, state, now_ns, wake, RATION__COUNT(wake));

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d ", wake[i]);
	return text;
}

Test(concurrency, E5_the_21st_waits)
{
	struct ration__concurrency *state = state_new();
	struct ration__verdict verdict;

	cr_assert_eq(
		acquire_all(&twenty, state, 0, 3), 20, "a member alone takes every permit at once");
	verdict = ration__concurrency_ask(&twenty, state, 0, 3);
	cr_assert_eq(verdict.answer, RATION__WAIT);
	cr_assert_eq(verdict.at_ns, RATION__NEVER);
	ration__concurrency_release(&twenty, state, 0, 3);
	cr_assert(acquire(&twenty, state, 0, 3));
	cr_assert_eq(ration__concurrency_held(state, 3), 20);
	for (int i = 0; i < 20; i++)
		ration__concurrency_release(&twenty, state, 0, 3);
	cr_assert_eq(state->in_flight, 0);
	cr_assert_eq(state->count, 0);
	cr_assert_eq(state->rest_at_ns, 1);
	free(state);
}

Test(concurrency, R21_released_twice_is_released_once)
{
	struct ration__concurrency *state = state_new();

	acquire(&twenty, state, 0, 3);
	acquire(&twenty, state, 0, 4);
	ration__concurrency_release(&twenty, state, 0, 3);
	ration__concurrency_release(&twenty, state, 0, 3);
	ration__concurrency_release(&twenty, state, 0, 9);
	cr_assert_eq(state->in_flight, 1);
	cr_assert_eq(ration__concurrency_held(state, 4), 1);
	free(state);
}

Test(concurrency, a_freed_permit_is_the_waiters)
{
	struct ration__concurrency *state = state_new();
	struct ration__verdict verdict;

	acquire(&one, state, 0, 1);
	cr_assert_not(acquire(&one, state, 0, 2));
	ration__concurrency_release(&one, state, 100, 1);
	verdict = ration__concurrency_ask(&one, state, 100, 1);
	cr_assert_eq(verdict.answer, RATION__WAIT, "who released it does not re-take it");
	cr_assert_eq(verdict.at_ns, 100 + RATION__TURN_NS);
	cr_assert_str_eq(woken(&one, state, 100), "2 ");
	cr_assert_str_eq(woken(&one, state, 100), "", "told once");
	cr_assert(acquire(&one, state, 200, 2));
	free(state);
}

Test(concurrency, an_expired_turn_is_free_and_its_member_holds_up_nobody)
{
	struct ration__concurrency *state = state_new();
	int64_t now = 100;

	acquire(&one, state, 0, 1);
	acquire(&one, state, 0, 2);
	ration__concurrency_release(&one, state, now, 1);
	cr_assert_str_eq(woken(&one, state, now), "2 ");
	cr_assert_not(acquire(&one, state, now, 1));
	cr_assert_not(acquire(&one, state, now + RATION__TURN_NS - 1, 1));
	now += RATION__TURN_NS;
	cr_assert(acquire(&one, state, now, 1));
	for (int i = 0; i < 10; i++) {
		ration__concurrency_release(&one, state, now, 1);
		cr_assert_str_eq(woken(&one, state, now), "");
		cr_assert(acquire(&one, state, now, 1));
	}
	/* it wakes late: it is a waiter as before */
	cr_assert_not(acquire(&one, state, now, 2));
	ration__concurrency_release(&one, state, now, 1);
	cr_assert_str_eq(woken(&one, state, now), "2 ");
	free(state);
}

Test(concurrency, a_turn_passes_to_the_next_waiter)
{
	struct ration__concurrency *state = state_new();

	for (uint16_t slot = 1; slot <= 4; slot++)
		acquire(&one, state, 0, slot);
	ration__concurrency_release(&one, state, 0, 1);
	cr_assert_str_eq(woken(&one, state, 0), "2 ");
	cr_assert_str_eq(woken(&one, state, RATION__TURN_NS), "3 ", "expired");
	ration__concurrency_wait(&one, state, RATION__TURN_NS, 3, false);
	cr_assert_str_eq(woken(&one, state, RATION__TURN_NS), "4 ", "given up");
	ration__concurrency_bury(&one, state, RATION__TURN_NS, 4);
	cr_assert_str_eq(woken(&one, state, RATION__TURN_NS), "", "only the lapsed one is left");
	cr_assert(acquire(&one, state, RATION__TURN_NS, 2));
	free(state);
}

Test(concurrency, a_turn_that_was_never_told_is_not_missed)
{
	struct ration__concurrency *state = state_new();
	struct ration__verdict verdict;
	int64_t now = RATION__TURN_NS;

	acquire_all(&twenty, state, 0, 1);
	acquire(&twenty, state, 0, 2);
	for (int i = 0; i < 10; i++)
		ration__concurrency_release(&twenty, state, 0, 1);
	/* nobody called deal, and the turn expired: the others still make way */
	verdict = ration__concurrency_ask(&twenty, state, now, 1);
	cr_assert_eq(verdict.answer, RATION__WAIT);
	cr_assert_eq(verdict.at_ns, now + RATION__TURN_NS);
	cr_assert_str_eq(woken(&twenty, state, now), "2 ");
	/* now it was told */
	cr_assert_eq(ration__concurrency_ask(&twenty, state, now + RATION__TURN_NS, 1).answer,
		RATION__YES);
	free(state);
}

Test(concurrency, above_its_share_only_when_no_other_waits_below)
{
	struct ration__concurrency *state = state_new();

	cr_assert_eq(acquire_all(&twenty, state, 0, 1), 20);
	cr_assert_eq(acquire_all(&twenty, state, 0, 2), 0);
	for (int i = 0; i < 10; i++)
		ration__concurrency_release(&twenty, state, 0, 1);
	/* ten are free, one of them set aside; the member that holds its ten gets none */
	cr_assert_not(acquire(&twenty, state, 0, 1));
	cr_assert_str_eq(woken(&twenty, state, 0), "2 ");
	/* one more release: below its share again */
	ration__concurrency_release(&twenty, state, 0, 1);
	cr_assert(acquire(&twenty, state, 0, 1));
	/* the waiter comes for one only: all the rest is the other's again, which is called */
	cr_assert(acquire(&twenty, state, 0, 2));
	cr_assert_str_eq(woken(&twenty, state, 0), "");
	ration__concurrency_wait(&twenty, state, 0, 1, true);
	cr_assert_str_eq(woken(&twenty, state, 0), "1 ");
	cr_assert_eq(acquire_all(&twenty, state, 0, 1), 9);
	free(state);
}

Test(concurrency, nobody_waits_below_so_who_is_above_takes_the_rest)
{
	struct ration__concurrency *state = state_new();

	ration__concurrency_assert(&twenty, state, 0, 1, 10);
	ration__concurrency_assert(&twenty, state, 0, 2, 9);
	ration__concurrency_assert(&twenty, state, 0, 3, 1);
	ration__concurrency_wait(&twenty, state, 0, 2, true);
	ration__concurrency_release(&twenty, state, 0, 1);
	ration__concurrency_release(&twenty, state, 0, 1);
	/* both are above 7; one permit is set aside for the waiter, the other one is free */
	cr_assert_str_eq(woken(&twenty, state, 0), "2 ");
	cr_assert(acquire(&twenty, state, 0, 1));
	cr_assert_not(acquire(&twenty, state, 0, 1));
	free(state);
}

Test(concurrency, a_lapsed_member_lowers_nobodys_share)
{
	struct ration__concurrency *state = state_new();
	int64_t now = RATION__TURN_NS;

	ration__concurrency_assert(&twenty, state, 0, 1, 8);
	ration__concurrency_wait(&twenty, state, 0, 3, true);
	cr_assert_str_eq(woken(&twenty, state, 0), "3 ");
	ration__concurrency_wait(&twenty, state, now, 2, true);
	/* 8 is above a third of 20, but below a half */
	cr_assert_eq(ration__concurrency_ask(&twenty, state, now, 1).answer, RATION__YES);
	free(state);
}

Test(concurrency, a_turn_runs_from_when_it_was_told)
{
	struct ration__concurrency *state = state_new();

	acquire(&one, state, 0, 1);
	acquire(&one, state, 0, 2);
	ration__concurrency_release(&one, state, 0, 1);
	cr_assert_str_eq(woken(&one, state, RATION__TURN_NS - 1), "2 ");
	cr_assert_eq(ration__concurrency_ask(&one, state, RATION__TURN_NS, 1).at_ns,
		2 * RATION__TURN_NS - 1);
	free(state);
}

Test(concurrency, the_invited_finds_the_other_free_permits_too)
{
	struct ration__concurrency *state = state_new();

	acquire_all(&twenty, state, 0, 1);
	acquire_all(&twenty, state, 0, 2);
	for (int i = 0; i < 20; i++)
		ration__concurrency_release(&twenty, state, 0, 1);
	cr_assert_str_eq(woken(&twenty, state, 0), "1 2 ");
	cr_assert_eq(acquire_all(&twenty, state, 0, 2), 10);
	cr_assert_eq(acquire_all(&twenty, state, 0, 1), 10);
	free(state);
}

Test(concurrency, R21_a_dead_members_permits_come_back)
{
	struct ration__concurrency *state = state_new();

	for (int i = 0; i < 15; i++)
		acquire(&twenty, state, 0, 1);
	cr_assert_eq(acquire_all(&twenty, state, 0, 2), 5);
	cr_assert_eq(ration__concurrency_bury(&twenty, state, 0, 1), 15);
	cr_assert_str_eq(woken(&twenty, state, 0), "2 ");
	cr_assert_eq(acquire_all(&twenty, state, 0, 2), 15);
	cr_assert_eq(ration__concurrency_bury(&twenty, state, 0, 7), 0);
	free(state);
}

Test(concurrency, asserted_permits_may_exceed_the_limit)
{
	struct ration__concurrency *state = state_new();

	ration__concurrency_assert(&twenty, state, 0, 5, 15);
	ration__concurrency_assert(&twenty, state, 0, 5, 15); /* says what is, adds nothing */
	ration__concurrency_assert(&twenty, state, 0, 6, 15);
	cr_assert_eq(state->in_flight, 30);
	cr_assert_not(acquire(&twenty, state, 0, 7));
	for (int i = 0; i < 10; i++)
		ration__concurrency_release(&twenty, state, 0, 5);
	cr_assert_str_eq(woken(&twenty, state, 0), "", "20 of 20 in flight");
	ration__concurrency_release(&twenty, state, 0, 6);
	cr_assert_str_eq(woken(&twenty, state, 0), "7 ");
	ration__concurrency_assert(&twenty, state, 0, 8, 1);
	cr_assert_eq(state->turns, 0, "the permit is not free any more");
	cr_assert_eq(ration__concurrency_ask(&twenty, state, 0, 7).answer, RATION__WAIT);
	ration__concurrency_assert(&twenty, state, 0, 8, 0);
	cr_assert_str_eq(woken(&twenty, state, 0), "7 ");
	free(state);
}

Test(concurrency, another_limit_counts_at_once)
{
	struct ration__concurrency_conf three = {.max = 3};
	struct ration__concurrency *state = state_new();

	acquire(&one, state, 0, 1);
	for (uint16_t slot = 2; slot <= 4; slot++)
		acquire(&one, state, 0, slot);
	cr_assert_str_eq(woken(&three, state, 0), "2 3 ");
	/* lowered again before they came */
	cr_assert_str_eq(woken(&one, state, 0), "");
	cr_assert_eq(state->turns, 0);
	cr_assert_eq(ration__concurrency_ask(&one, state, 0, 2).answer, RATION__WAIT);
	free(state);
}

Test(concurrency, wakes_that_find_no_room_are_told_later)
{
	struct ration__concurrency *state = state_new();
	uint16_t wake[2];

	acquire_all(&twenty, state, 0, 1);
	for (uint16_t slot = 2; slot <= 4; slot++)
		acquire(&twenty, state, 0, slot);
	for (int i = 0; i < 10; i++)
		ration__concurrency_release(&twenty, state, 0, 1);
	cr_assert_eq(ration__concurrency_deal(&twenty, state, 0, wake, 2), 2);
	cr_assert_eq(ration__concurrency_deal(&twenty, state, 0, wake, 2), 1);
	cr_assert_eq(wake[0], 4);
	cr_assert_eq(ration__concurrency_deal(&twenty, state, 0, wake, 2), 0);
	free(state);
}

/* ---- invariants ---- */

#define SLOTS 12

static void check(const struct ration__concurrency_conf *conf,
	const struct ration__concurrency *state, const uint32_t *held)
{
	uint32_t sum = 0, turns = 0, waiting = 0, contending = 0, share, room;
	uint32_t limit = ration__concurrency_limit(conf, state);
	bool below = false;

	for (uint32_t i = 0; i < state->count; i++) {
		const struct ration__contender *entry = &state->contenders[i];

		if (i)
			cr_assert_lt(state->contenders[i - 1].slot, entry->slot);
		cr_assert(entry->held || entry->waiting, "an entry for nothing");
		cr_assert_eq(entry->held, held[entry->slot]);
		if (entry->turn)
			cr_assert_eq(entry->waiting, RATION__WAITING);
		sum += entry->held;
		turns += entry->turn != RATION__NO_TURN;
		waiting += entry->waiting == RATION__WAITING;
		contending += entry->held || entry->waiting == RATION__WAITING;
	}
	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		cr_assert_eq(ration__concurrency_held(state, slot), held[slot]);
		sum -= held[slot];
	}
	cr_assert_eq(sum, 0);
	for (uint16_t slot = 0; slot < SLOTS; slot++)
		sum += held[slot];
	cr_assert_eq(state->in_flight, sum);
	cr_assert_eq(state->turns, turns);
	cr_assert_eq(state->waiting, waiting);
	cr_assert_eq(state->rest_at_ns == RATION__NEVER, state->count > 0);
	room = limit > sum ? limit - sum : 0;
	cr_assert_leq(turns, room);
	if (turns == room || !waiting)
		return;
	share = (limit + contending - 1) / contending;
	for (uint32_t i = 0; i < state->count; i++)
		below |= state->contenders[i].waiting == RATION__WAITING &&
			 state->contenders[i].held < share;
	for (uint32_t i = 0; i < state->count; i++) {
		const struct ration__contender *entry = &state->contenders[i];

		if (entry->waiting == RATION__WAITING && !entry->turn)
			cr_assert(entry->held >= share && below,
				"slot %d waits for a free permit and is not called", entry->slot);
	}
}

/* Another limit: set, or learned. */
static void move_limit(struct ration__concurrency_conf *conf, struct ration__concurrency *state,
	struct ration__random *dice, int64_t now_ns)
{
	const struct ration__sample sample = {.outcome = RATION__SUCCESS,
		.overload = !roll_dice(dice, 15),
		.sent_ns = now_ns,
		.in_flight = state->in_flight};

	if (conf->algorithm)
		ration__concurrency_learn(conf, state, now_ns, &sample);
	else if (!roll_dice(dice, 20))
		conf->max = (uint32_t)(1 + roll_dice(dice, 20));
	ration__concurrency_deal(conf, state, now_ns, NULL, 0);
}

static void operate_at_random(struct ration__concurrency_conf conf)
{
	struct ration__random dice = dice_new(1);
	struct ration__concurrency *state = state_new();
	uint32_t held[SLOTS] = {0};
	int64_t now = 0;
	int taken = 0, lapsed = 0, told = 0;

	for (int i = 0; i < 100000; i++) {
		uint16_t slot = (uint16_t)roll_dice(&dice, SLOTS), wake[SLOTS];
		size_t max = (size_t)roll_dice(&dice, SLOTS + 1), count;
		bool given = false;

		now += roll_dice(&dice, 3) ? roll_dice(&dice, 3 * MS) : 0;
		switch (roll_dice(&dice, 12)) {
		case 0:
			ration__concurrency_wait(&conf, state, now, slot, roll_dice(&dice, 2));
			break;
		case 1:
			count = ration__concurrency_deal(&conf, state, now, wake, max);
			cr_assert_leq(count, max);
			told += (int)count;
			for (size_t w = 0; w < count; w++)
				for (size_t v = 0; v < w; v++)
					cr_assert_neq(wake[v], wake[w]);
			break;
		case 2:
			if (roll_dice(&dice, 10))
				break;
			cr_assert_eq(ration__concurrency_bury(&conf, state, now, slot), held[slot]);
			held[slot] = 0;
			break;
		case 3:
			if (roll_dice(&dice, 10))
				break;
			held[slot] = (uint32_t)roll_dice(&dice, 4);
			ration__concurrency_assert(&conf, state, now, slot, held[slot]);
			break;
		case 4:
			move_limit(&conf, state, &dice, now);
			break;
		case 5:
		case 6:
		case 7:
		case 8:
			ration__concurrency_release(&conf, state, now, slot);
			held[slot] -= held[slot] > 0;
			break;
		default:
			for (uint32_t e = 0; e < state->count; e++)
				lapsed += state->contenders[e].waiting == RATION__LAPSED;
			given = acquire(&conf, state, now, slot);
			held[slot] += given;
			taken += given;
			if (given)
				cr_assert_leq(
					state->in_flight, ration__concurrency_limit(&conf, state));
			told += (int)ration__concurrency_deal(&conf, state, now, wake, max);
		}
		check(&conf, state, held);
	}
	/* the sequence went everywhere */
	cr_assert_gt(taken, 3000, "%d", taken);
	cr_assert_gt(lapsed, 1000, "%d", lapsed);
	cr_assert_gt(told, 1000, "%d", told);
	free(state);
}

Test(concurrency, invariants_after_each_of_100000_random_operations)
{
	operate_at_random((struct ration__concurrency_conf){.max = 5});
}

Test(concurrency, invariants_while_the_limit_is_learned)
{
	operate_at_random((struct ration__concurrency_conf){
		.max = 20, .algorithm = RATION__CONCURRENCY_AIMD, .initial = 5, .min = 1});
}

Test(concurrency, a_thousand_members)
{
	struct ration__concurrency_conf conf = {.max = 2000};
	struct ration__concurrency *state = state_new();

	for (int round = 0; round < 2; round++)
		for (int slot = RATION__MEMBERS_MAX - 1; slot >= 0; slot--)
			acquire(&conf, state, 0, (uint16_t)slot);
	cr_assert_eq(state->count, RATION__MEMBERS_MAX);
	cr_assert_eq(state->in_flight, 2000);
	cr_assert_eq(state->waiting, 2 * RATION__MEMBERS_MAX - 2000);
	for (int slot = 0; slot < RATION__MEMBERS_MAX; slot++)
		ration__concurrency_bury(&conf, state, 0, (uint16_t)slot);
	cr_assert_eq(state->count, 0);
	cr_assert_eq(state->in_flight, 0);
	free(state);
}
