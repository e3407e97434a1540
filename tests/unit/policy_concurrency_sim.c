/*
 * Members that share permits, simulated: each has more work than it may do, releases what is done
 * and asks again in the same instant, and sleeps until it is called, its timer runs out, or a job
 * of its own ends. Waking takes a while. Deterministic.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "policy/concurrency.h"
#include "policy_dice.h"

#define MEMBERS 40
#define PERMITS 20
#define FALLBACK_NS (4 * RATION__TURN_NS) /* a waiter's own timer, when it knows no time */

struct member {
	int64_t from_ns; /* its work begins */
	int64_t wake_ns; /* from a call to its coming */
	int64_t job_ns;	 /* mean */
	int64_t ends[PERMITS];
	int held;
	int64_t comes_ns; /* called, or timer; RATION__NEVER */
	bool comes_by_timer;
	bool stopped;	      /* never wakes any more */
	int granted, counted; /* in all; since counting began */
	int calls;
};

struct sim {
	struct ration__concurrency_conf conf;
	struct ration__concurrency *state;
	struct ration__random dice;
	struct member members[MEMBERS];
	int count;
	int64_t now_ns, count_from_ns;
	int64_t idle_ns; /* sum of free permits over time, since counting began */
};

static void sim_init(struct sim *sim, int count, int64_t job_ns)
{
	memset(sim, 0, sizeof(*sim));
	sim->conf.max = PERMITS;
	sim->state = calloc(1, RATION__CONCURRENCY_SIZE_MAX);
	sim->dice = dice_new(5);
	sim->count = count;
	for (int i = 0; i < count; i++) {
		struct member *member = &sim->members[i];

		member->job_ns = job_ns;
		member->wake_ns = MS / 10;
		member->comes_ns = RATION__NEVER;
	}
}

static int64_t next_of(const struct member *member)
{
	int64_t next = member->comes_ns;

	if (member->stopped)
		return RATION__NEVER;
	for (int i = 0; i < member->held; i++)
		next = ration__min64(next, member->ends[i]);
	return next;
}

/* One transaction: what has ended is released, then it takes all it gets. */
static void transact(struct sim *sim, int slot)
{
	struct member *member = &sim->members[slot];
	struct ration__verdict verdict;
	uint16_t wake[MEMBERS];
	size_t calls;

	for (int i = member->held - 1; i >= 0; i--) {
		if (member->ends[i] > sim->now_ns)
			continue;
		member->ends[i] = member->ends[--member->held];
		ration__concurrency_release(&sim->conf, sim->state, sim->now_ns, (uint16_t)slot);
	}
	for (;;) {
		verdict = ration__concurrency_ask(
			&sim->conf, sim->state, sim->now_ns, (uint16_t)slot);
		if (verdict.answer != RATION__YES)
			break;
		ration__concurrency_take(&sim->conf, sim->state, sim->now_ns, (uint16_t)slot);
		cr_assert_leq(sim->state->in_flight, PERMITS);
		member->ends[member->held++] =
			sim->now_ns + member->job_ns / 2 + roll_dice(&sim->dice, member->job_ns);
		member->granted++;
		member->counted += sim->now_ns >= sim->count_from_ns;
	}
	ration__concurrency_wait(&sim->conf, sim->state, sim->now_ns, (uint16_t)slot, true);
	member->comes_ns = ration__min64(verdict.at_ns, sim->now_ns + FALLBACK_NS);
	member->comes_by_timer = true;
	calls = ration__concurrency_deal(&sim->conf, sim->state, sim->now_ns, wake, MEMBERS);
	for (size_t i = 0; i < calls; i++) {
		struct member *called = &sim->members[wake[i]];
		int64_t comes = sim->now_ns + called->wake_ns;

		called->calls++;
		if (comes < called->comes_ns || called->comes_by_timer)
			called->comes_ns = comes;
		called->comes_by_timer = false;
	}
}

static void sim_run(struct sim *sim, int64_t until_ns)
{
	for (;;) {
		int64_t next = RATION__NEVER;
		int slot = -1;

		for (int i = 0; i < sim->count; i++) {
			int64_t at = next_of(&sim->members[i]);

			if (at < next) {
				next = at;
				slot = i;
			}
		}
		if (slot < 0 || next > until_ns)
			break;
		if (sim->now_ns >= sim->count_from_ns)
			sim->idle_ns +=
				(next - sim->now_ns) * (PERMITS - (int)sim->state->in_flight);
		sim->now_ns = next;
		sim->members[slot].comes_ns = RATION__NEVER;
		transact(sim, slot);
	}
	sim->now_ns = until_ns;
}

static int sim_counted(const struct sim *sim)
{
	int sum = 0;

	for (int i = 0; i < sim->count; i++)
		sum += sim->members[i].counted;
	return sum;
}

static void start_all(struct sim *sim)
{
	for (int i = 0; i < sim->count; i++)
		sim->members[i].comes_ns = sim->members[i].from_ns;
}

Test(fairness, two_backlogged_members_one_a_second_later)
{
	struct sim sim;

	sim_init(&sim, 2, 50 * MS);
	sim.members[1].from_ns = SEC;
	sim.count_from_ns = SEC;
	start_all(&sim);
	sim_run(&sim, SEC - 1);
	cr_assert_eq(ration__concurrency_held(sim.state, 0), PERMITS, "alone it has all of them");
	cr_assert_geq(sim.members[0].granted, 360);
	sim_run(&sim, 3 * SEC);
	for (int i = 0; i < 2; i++)
		cr_assert_geq(sim.members[i].counted * 10, sim_counted(&sim) * 4,
			"member %d: %d of %d", i, sim.members[i].counted, sim_counted(&sim));
	/* and no permit lay about: at most one in fifty */
	cr_assert_lt(sim.idle_ns * 50, 2 * SEC * PERMITS, "%ld", (long)sim.idle_ns);
	free(sim.state);
}

Test(fairness, equal_jobs_that_all_end_at_once)
{
	struct sim sim;

	sim_init(&sim, 2, 2); /* a job ends a nanosecond or two later */
	sim.members[0].wake_ns = 0;
	sim.members[1].from_ns = MS;
	sim.members[1].wake_ns = 20;
	sim.count_from_ns = MS;
	start_all(&sim);
	sim_run(&sim, MS + 20000);
	for (int i = 0; i < 2; i++)
		cr_assert_geq(sim.members[i].counted * 10, sim_counted(&sim) * 4,
			"member %d: %d of %d", i, sim.members[i].counted, sim_counted(&sim));
	free(sim.state);
}

Test(fairness, a_busy_member_cannot_starve_a_waiter)
{
	struct ration__concurrency_conf conf = {.max = 1};
	struct ration__concurrency *state = calloc(1, RATION__CONCURRENCY_SIZE_MAX);
	int granted[2] = {0};
	int64_t now = 0;

	/* member 0 releases and asks 1000 times in a row; 1 comes only each tenth time */
	for (int i = 0; i < 1000; i++, now += MS / 100) {
		for (uint16_t slot = 0; slot < 2; slot++) {
			uint16_t wake[2];

			if (slot == 1 && i % 10)
				continue;
			ration__concurrency_release(&conf, state, now, slot);
			if (ration__concurrency_ask(&conf, state, now, slot).answer ==
				RATION__YES) {
				ration__concurrency_take(&conf, state, now, slot);
				granted[slot]++;
			}
			ration__concurrency_wait(&conf, state, now, slot, true);
			ration__concurrency_deal(&conf, state, now, wake, 2);
		}
	}
	cr_assert_geq(granted[1], 45, "%d of 100 chances", granted[1]);
	cr_assert_geq(granted[0], granted[1]);
	free(state);
}

Test(fairness, forty_members_share_twenty_permits_equally)
{
	struct sim sim;
	int total;

	sim_init(&sim, MEMBERS, 50 * MS);
	sim.count_from_ns = SEC;
	start_all(&sim);
	sim_run(&sim, 20 * SEC);
	total = sim_counted(&sim);
	for (int i = 0; i < MEMBERS; i++) {
		int share = sim.members[i].counted * MEMBERS * 100 / total;

		cr_assert(
			share >= 90 && share <= 110, "member %d has %d %% of its share", i, share);
		/* each permit called its member about once */
		cr_assert_leq(sim.members[i].calls, sim.members[i].granted + 5);
	}
	free(sim.state);
}

Test(fairness, members_with_long_jobs_hold_no_more_than_others)
{
	struct sim sim;

	sim_init(&sim, 4, 20 * MS);
	sim.members[3].job_ns = 500 * MS;
	start_all(&sim);
	sim_run(&sim, 5 * SEC);
	for (int i = 0; i < 4; i++) {
		uint32_t held = ration__concurrency_held(sim.state, (uint16_t)i);

		cr_assert(held >= 4 && held <= 6, "member %d holds %u", i, held);
	}
	free(sim.state);
}

Test(fairness, a_member_that_never_wakes_delays_by_one_turn)
{
	struct sim healthy, sick;
	int lost;

	sim_init(&healthy, 3, 50 * MS);
	start_all(&healthy);
	sim_run(&healthy, SEC);
	healthy.count_from_ns = SEC;
	healthy.members[2].stopped = true;
	ration__concurrency_bury(&healthy.conf, healthy.state, SEC, 2);
	healthy.members[2].held = 0;
	sim_run(&healthy, 5 * SEC);

	/* the same, but it stays a member: it waits, and does not come when called */
	sim_init(&sick, 3, 50 * MS);
	start_all(&sick);
	sim_run(&sick, SEC);
	sick.count_from_ns = SEC;
	while (sick.members[2].held) {
		sick.members[2].held--;
		ration__concurrency_release(&sick.conf, sick.state, SEC, 2);
	}
	sick.members[2].stopped = true;
	sim_run(&sick, 5 * SEC);

	/* while its one turn ran, the others were held at their share: 7 of 20 permits at most lay
	 * idle for it */
	lost = sim_counted(&healthy) - sim_counted(&sick);
	cr_assert_leq(sick.idle_ns - healthy.idle_ns, 7 * (RATION__TURN_NS + FALLBACK_NS), "%ld",
		(long)(sick.idle_ns - healthy.idle_ns));
	cr_assert_leq(
		lost * 50, sim_counted(&healthy), "%d lost of %d", lost, sim_counted(&healthy));
	cr_assert_leq(sick.members[2].calls - healthy.members[2].calls, 2);
	cr_assert_eq(sick.state->in_flight, PERMITS, "the living use all of them");
	free(healthy.state);
	free(sick.state);
}
