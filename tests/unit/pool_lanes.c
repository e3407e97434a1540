/* Lanes by themselves: order, parking, turns, expiry, with a hand-made answer in the guard's place.
 */
#include "pool_fixture.h"

TestSuite(pool_lanes, .fini = check_leaks, .timeout = 60);

Test(pool_lanes, jobs_of_one_lane_go_in_order_and_come_back_in_order)
{
	struct ration__job *jobs[4], *taken[3];
	struct ration__lane *lane;

	open_lanes();
	for (int i = 0; i < 4; i++)
		jobs[i] = add("a", 0);
	cr_assert_eq(lanes.table.count, 1);
	taken[0] = take(&lane);
	taken[1] = ration__lanes_pop(&lanes, lane);
	taken[2] = ration__lanes_pop(&lanes, lane);
	cr_assert_null(ration__lanes_claim(&lanes), "a claimed lane is nobody else's");
	cr_assert_eq(ration__lanes_put_back(&lanes, taken[1]), 0);
	cr_assert_eq(ration__lanes_put_back(&lanes, taken[2]), 0);
	cr_assert_eq(ration__lanes_put_back(&lanes, taken[0]), 0);
	ration__lanes_return(&lanes, lane, &(struct ration__lane_answer){.asked = 3});
	for (int i = 0; i < 4; i++) {
		struct ration__job *job = take(&lane);

		cr_assert_eq(job, jobs[i]);
		admit(lane, job);
	}
	close_lanes();
}

Test(pool_lanes, priority_first_then_round_robin)
{
	const char *const order[] = {"high", "a", "b", "a", "b", "low"};
	struct ration__lane *lane;

	open_lanes();
	add("a", 0);
	add("a", 0);
	add("b", 0);
	add("low", -100);
	add("high", 100);
	add("b", 0);
	for (size_t i = 0; i < RATION__COUNT(order); i++) {
		struct ration__job *job = take(&lane);

		cr_assert_str_eq(tenant_of(job), order[i]);
		admit(lane, job);
	}
	cr_assert_null(take(&lane));
	close_lanes();
}

Test(pool_lanes, lanes_of_one_limit_wait_in_one_group_and_few_are_let_go)
{
	struct ration__lane *lane;
	struct ration__job *job;
	char tenant[16];
	int released = 0;

	open_lanes();
	for (int i = 0; i < 1000; i++) {
		snprintf(tenant, sizeof(tenant), "t%d", i);
		add(tenant, 0);
	}
	while ((job = take(&lane)) != NULL)
		deny(lane, job, 0, 5000); /* by "requests", which has no keys */
	cr_assert_eq(lanes.groups.count, 1);
	cr_assert_eq(ration__lanes_next_ns(&lanes), 5000);
	lanes.now_ns = 4999;
	ration__lanes_tick(&lanes);
	cr_assert_null(take(&lane));
	lanes.now_ns = 5000;
	ration__lanes_tick(&lanes);
	while ((job = take(&lane)) != NULL) {
		released++;
		deny(lane, job, 0, 6000);
	}
	cr_assert_leq(released, 8, "%d lanes asked for one token", released);
	cr_assert_geq(released, 1);
	/* each admission lets more go, so plenty is used up at once */
	lanes.now_ns = 6000;
	ration__lanes_tick(&lanes);
	for (released = 0; (job = take(&lane)) != NULL; released++)
		admit(lane, job);
	cr_assert_eq(released, 1000);
	close_lanes();
}

Test(pool_lanes, a_far_time_is_not_polled)
{
	struct ration__lane *lane;
	struct ration__job *job;
	char tenant[16];

	open_lanes();
	for (int i = 0; i < 20; i++) {
		snprintf(tenant, sizeof(tenant), "t%d", i);
		add(tenant, 0);
	}
	while ((job = take(&lane)) != NULL)
		deny(lane, job, 0, 5000);
	lanes.now_ns = 5000;
	ration__lanes_tick(&lanes);
	cr_assert_leq(ration__lanes_next_ns(&lanes), 5000 + S, "lest those let go never ask");
	while ((job = take(&lane)) != NULL)
		deny(lane, job, 0, 1000 * S);
	cr_assert_eq(ration__lanes_next_ns(&lanes), 1000 * S);
	/* those let go went away: the rest is looked at soon */
	lanes.now_ns = 1000 * S;
	ration__lanes_tick(&lanes);
	while ((lane = ration__lanes_claim(&lanes)) != NULL) {
		job = ration__lanes_pop(&lanes, lane);
		finish(job);
		ration__lanes_return(&lanes, lane, &(struct ration__lane_answer){.asked = 1});
	}
	cr_assert_leq(ration__lanes_next_ns(&lanes), 1001 * S);
	close_lanes();
}

Test(pool_lanes, limit_per_key_makes_a_group_of_each)
{
	struct ration__lane *lane;
	struct ration__job *job;

	open_lanes();
	add("a", 0);
	add("b", 0);
	add("b", 5);
	while ((job = take(&lane)) != NULL)
		deny(lane, job, 1, 5000);
	cr_assert_eq(lanes.groups.count, 2);
	close_lanes();
}

Test(pool_lanes, released_permits_go_to_priority_then_to_the_first_in_line)
{
	const char *const order[] = {"late-high", "first", "second"};
	struct ration__lane *lane;
	struct ration__job *job;

	open_lanes();
	add("first", 0);
	add("second", 0);
	add("late-high", 3);
	while ((job = take(&lane)) != NULL)
		deny(lane, job, RATION__RULE_CONCURRENCY, 1000000);
	for (size_t i = 0; i < RATION__COUNT(order); i++) {
		ration__lanes_release(&lanes, &service, RATION__RULE_CONCURRENCY, 1);
		job = take(&lane);
		cr_assert(job);
		cr_assert_str_eq(tenant_of(job), order[i]);
		ration__lanes_return(&lanes, lane,
			&(struct ration__lane_answer){.asked = 1, .admitted = 1, .denied = NULL});
		finish(job);
		while ((job = take(&lane)) != NULL) /* let go by the admission, and in vain */
			deny(lane, job, RATION__RULE_CONCURRENCY, 1000000);
	}
	close_lanes();
}

Test(pool_lanes, booking_is_the_heads_and_is_left_with_it)
{
	struct ration__ask yes = {
		.decision = RATION__BOOKED, .rule = 0, .at_ns = 7000, .denial = RATION_DENIED_RATE};
	struct ration__lane *lane;
	struct ration__job *job, *second;

	open_lanes();
	job = add("a", 0);
	second = add("a", 0);
	cr_assert_eq(take(&lane), job);
	cr_assert_eq(ration__keyset_new(f.guard, NULL, 0, &lane->keyset, NULL), 0);
	cr_assert_eq(ration__lanes_put_back(&lanes, job), 0);
	ration__lanes_return(
		&lanes, lane, &(struct ration__lane_answer){.asked = 1, .denied = &yes});
	cr_assert_eq(lane->state, RATION__LANE_BOOKED);
	cr_assert_eq(ration__lanes_next_ns(&lanes), 7000);
	cr_assert_null(ration__lanes_claim(&lanes));
	ration__lanes_remove(&lanes, job); /* cancelled */
	finish(job);
	cr_assert_eq(lanes.leave_count, 1, "what was booked for it is given back");
	cr_assert_null(lane->keyset);
	cr_assert_eq(take(&lane), second, "the next one asks for itself");
	admit(lane, second);
	close_lanes();
}

Test(pool_lanes, expired_jobs_say_what_they_waited_for)
{
	struct ration__lane *lane;
	struct ration__job *job, *timed, *waiting;

	open_lanes();
	conf.timeouts.wait_ns = 500 * RATION__NS_PER_MS;
	waiting = add("a", 0);
	timed = add("b", 0);
	ration__lanes_remove(&lanes, timed);
	timed->deadline_ns = 200 * RATION__NS_PER_MS;
	cr_assert_eq(ration__lanes_put_back(&lanes, timed), 0);
	while ((job = take(&lane)) != NULL)
		deny(lane, job, 0, 9000 * RATION__NS_PER_MS);
	cr_assert_null(ration__lanes_expired(&lanes));
	cr_assert_eq(ration__lanes_next_ns(&lanes), 200 * RATION__NS_PER_MS);
	lanes.now_ns += 500 * RATION__NS_PER_MS;
	cr_assert_eq(ration__lanes_expired(&lanes), timed);
	cr_assert_eq(timed->code, RATION_EDEADLINE);
	cr_assert_eq(timed->denial, RATION_DENIED_RATE);
	cr_assert_eq(timed->timer.at_ns, 9000 * RATION__NS_PER_MS);
	cr_assert_eq(ration__lanes_expired(&lanes), waiting);
	cr_assert_eq(waiting->code, RATION_DENIED_RATE);
	finish(timed);
	ration__lanes_forget(&lanes, waiting);
	cr_assert_str_eq(waiting->waited_for, "limit:requests");
	ration__job_free(waiting);
	cr_assert_null(ration__lanes_expired(&lanes));
	conf.timeouts.wait_ns = -1;
	close_lanes();
}

Test(pool_lanes, stale_rules_let_everybody_ask_again)
{
	struct ration__lane *lane;
	struct ration__job *job;
	int asked = 0;

	open_lanes();
	add("a", 0);
	add("b", 0);
	add("c", 0);
	for (int i = 0; i < 2; i++) {
		job = take(&lane);
		deny(lane, job, 0, INT64_C(3600000000000));
	}
	job = take(&lane);
	cr_assert_eq(ration__lanes_put_back(&lanes, job), 0);
	ration__lanes_return(
		&lanes, lane, &(struct ration__lane_answer){.asked = 1, .stale = true});
	while ((job = take(&lane)) != NULL) {
		admit(lane, job);
		asked++;
	}
	cr_assert_eq(asked, 3);
	close_lanes();
}

Test(pool_lanes, lanes_without_jobs_are_kept_but_not_all)
{
	struct ration__lane *lane;
	struct ration__job *job;
	char tenant[16];

	open_lanes();
	for (int i = 0; i < 3000; i++) {
		snprintf(tenant, sizeof(tenant), "t%d", i);
		add(tenant, 0);
	}
	cr_assert_eq(lanes.table.count, 3000);
	while ((job = take(&lane)) != NULL)
		admit(lane, job);
	cr_assert_leq(lanes.table.count, 256);
	add("t2999", 0);
	cr_assert_leq(lanes.table.count, 256, "the lane that was there is used again");
	close_lanes();
}

Test(pool_lanes, X10_a_lane_for_each_node)
{
	static const char *const uris[] = {"http://a:1", "http://b:2"};
	static struct ration__service_conf two = {.nodes = uris, .node_count = 2};
	struct ration__nodes_options options = {.service = "api", .conf = &two};
	struct ration__node_want want = {.now_ns = 1000};
	struct ration__node *node = NULL;
	struct ration__lane *lane;
	struct ration__job *job;
	uint32_t bit;

	open_lanes();
	options.engine = f.engine;
	cr_assert_eq(ration__nodes_new(&options, &service.nodes), 0);
	job = add("t", 0);
	cr_assert_null(job->lane->of, "no rule names it");
	cr_assert_str_eq(ration__lane_key(job->lane, "node"), "");
	cr_assert_eq(ration__nodes_choose(service.nodes, &want, 1, &node, &bit), 0);
	lane = ration__lane_of(&lanes, job, node);
	cr_assert_neq(lane, job->lane);
	cr_assert_eq(ration__lane_find(&lanes, job, node), lane);
	cr_assert_str_eq(ration__lane_key(lane, "node"), "http://b:2");
	cr_assert_str_eq(ration__lane_key(lane, "tenant"), "t");
	close_lanes();
	ration__nodes_free(service.nodes);
	service.nodes = NULL;
}
