/* Whose turn it is: tenants, weights, services; who may not wait at all. */
#include "pool_fixture.h"

TestSuite(pool_fair, .fini = check_leaks, .timeout = 120);

static const struct ration__fair_weight weights[] = {{"acme", 3}, {"big", 7}};
static const struct ration__fairness by_tenant = {
	.per = "tenant", .weights = weights, .weight_count = RATION__COUNT(weights)};

/* ---- the order under it ---- */

Test(pool_fair, order_is_that_of_a_sorted_list)
{
	static struct ration__order_node nodes[500];
	bool in[500] = {false};
	struct ration__order order = {NULL};
	uint64_t random = 1;

	for (int step = 0; step < 100000; step++) {
		int best = -1, most = -1, i;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		i = (int)(random >> 33) % 500;
		if (in[i])
			ration__order_remove(&order, &nodes[i]);
		else /* 500 keys in all, so that none is there twice */
			ration__order_add(&order, &nodes[i], (i * 7919) % 500);
		in[i] = !in[i];
		if (step % 10)
			continue;
		for (int n = 0; n < 500; n++) {
			if (in[n] && (best < 0 || nodes[n].key < nodes[best].key))
				best = n;
			if (in[n] && (most < 0 || nodes[n].key > nodes[most].key))
				most = n;
		}
		cr_assert_eq(ration__order_first(&order), best < 0 ? NULL : &nodes[best]);
		cr_assert_eq(ration__order_last(&order), most < 0 ? NULL : &nodes[most]);
	}
}

Test(pool_fair, equal_keys_come_as_they_went_in)
{
	struct ration__order_node nodes[64];
	struct ration__order order = {NULL};

	for (int i = 0; i < 64; i++)
		ration__order_add(&order, &nodes[i], i / 32);
	for (int i = 0; i < 64; i++) {
		cr_assert_eq(ration__order_first(&order), &nodes[i]);
		ration__order_remove(&order, &nodes[i]);
	}
	cr_assert_null(order.root);
}

/* ---- who is ready ---- */

static void add_many(const char *tenant, int count)
{
	for (int i = 0; i < count; i++)
		add(tenant, 0);
}

/* The tenants' first letters, in the order in which they are asked and admitted. */
static const char *serve(char *text, int count)
{
	struct ration__lane *lane;
	struct ration__job *job;
	int n = 0;

	while (n < count && (job = take(&lane)) != NULL) {
		text[n++] = tenant_of(job)[0];
		admit(lane, job);
	}
	text[n] = 0;
	return text;
}

Test(pool_fair, tenants_have_their_weights_units_in_each_round)
{
	char text[64];

	service.fairness = &by_tenant;
	open_lanes();
	add_many("acme", 40);
	add_many("globex", 40);
	add_many("initech", 40);
	cr_assert_str_eq(serve(text, 15), "aaagiaaagiaaagi");
	close_lanes();
}

Test(pool_fair, many_lanes_of_a_tenant_are_one_turn)
{
	char text[64], tenant[16];

	service.fairness = &(struct ration__fairness){.per = "other"};
	open_lanes();
	for (int i = 0; i < 50; i++) { /* no such key: all of them are one tenant */
		snprintf(tenant, sizeof(tenant), "t%d", i);
		add(tenant, 0);
	}
	cr_assert_eq(lanes.tenants.count, 1);
	cr_assert_eq(lanes.table.count, 50);
	cr_assert_str_eq(serve(text, 5), "ttttt");
	close_lanes();
}

Test(pool_fair, a_million_jobs_delay_anothers_first_by_a_round)
{
	char text[64];

	service.fairness = &by_tenant;
	open_lanes();
	add_many("big", 200000);
	serve(text, 50);
	add("small", 0);
	serve(text, 8);
	cr_assert(strchr(text, 's'), "not within a round of 7: %s", text);
	/* and its next ones, one a round */
	add_many("small", 3);
	cr_assert_str_eq(serve(text, 24) + strlen(text) - 24, text);
	for (int i = 0, seen = 0; i < 24; i++) {
		seen += text[i] == 's';
		cr_assert_leq(seen, 1 + i / 8 + 1);
		cr_assert(i != 23 || seen == 3, "%s", text);
	}
	close_lanes();
}

Test(pool_fair, who_was_away_has_saved_nothing_up)
{
	char text[64];

	service.fairness = &by_tenant;
	open_lanes();
	add_many("globex", 100);
	add("initech", 0);
	cr_assert_str_eq(serve(text, 32), "gigggggggggggggggggggggggggggggg");
	add_many("initech", 10);
	serve(text, 10);
	cr_assert(strstr(text, "gigigigi") || strstr(text, "igigigig"), "%s", text);
	close_lanes();
}

Test(pool_fair, who_comes_back_has_its_whole_round)
{
	char text[64];

	service.fairness = &by_tenant;
	open_lanes();
	add_many("globex", 40);
	add("acme", 0); /* one of its three */
	serve(text, 12);
	add_many("acme", 10);
	serve(text, 9);
	cr_assert(strstr(text, "gaaagaaag"), "%s", text);
	close_lanes();
}

Test(pool_fair, ever_new_tenants_keep_nobody_waiting)
{
	char text[64], tenant[16];
	int old = 0;

	service.fairness = &by_tenant;
	open_lanes();
	add_many("old", 50);
	for (int i = 0; i < 40; i++) {
		snprintf(tenant, sizeof(tenant), "new%d", i);
		add(tenant, 0);
		old += serve(text, 1)[0] == 'o';
	}
	cr_assert_geq(old, 5, "%d", old);
	close_lanes();
}

Test(pool_fair, priority_counts_within_a_tenant_only)
{
	char text[64];

	service.fairness = &by_tenant;
	open_lanes();
	add_many("globex", 2);
	for (int i = 0; i < 2; i++)
		add("initech", 100);
	add("initech", 0);
	cr_assert_str_eq(serve(text, 5), "gigii");
	close_lanes();
}

Test(pool_fair, services_take_turns_whatever_their_tenants)
{
	static struct ration__pool_service other = {.conf = &conf, .fairness = &by_tenant};
	struct ration__lane *lane;
	struct ration__job *job;
	char tenant[16];

	open_lanes();
	other.guard = f.guard;
	ration__service_read(&other);
	add_many("mine", 20);
	for (int i = 0; i < 20; i++) {
		snprintf(tenant, sizeof(tenant), "t%d", i);
		add_to(&other, "GET", tenant, 0, RATION__NEVER);
	}
	for (int i = 0; i < 40; i++) {
		job = take(&lane);
		cr_assert_eq(job->service, i % 2 ? &other : &service, "%d", i);
		admit(lane, job);
	}
	close_lanes();
	ration__service_fini(&other);
}

Test(pool_fair, tenants_are_gone_with_their_lanes)
{
	char tenant[16], text[3001];

	service.fairness = &by_tenant;
	open_lanes();
	for (int i = 0; i < 3000; i++) {
		snprintf(tenant, sizeof(tenant), "t%d", i);
		add(tenant, 0);
	}
	cr_assert_eq(lanes.tenants.count, 3000);
	serve(text, 3000);
	cr_assert_leq(lanes.tenants.count, 256, "as many as there are spare lanes");
	cr_assert_null(service.ready.queues.root);
	close_lanes();
}

/* ---- who waits ---- */

static void deny_all(void)
{
	struct ration__lane *lane;
	struct ration__job *job;

	while ((job = take(&lane)) != NULL)
		deny(lane, job, RATION__RULE_CONCURRENCY, lanes.now_ns + 50);
}

Test(pool_fair, permits_go_by_weights_however_many_lanes_wait)
{
	struct ration__lane *lane;
	struct ration__job *job;
	char text[81];

	service.fairness = &by_tenant;
	open_lanes();
	for (int i = 0; i < 100; i++) { /* of each priority a lane */
		add("acme", i);
		add("globex", i % 2);
	}
	deny_all();
	for (int i = 0; i < 80; i++) {
		ration__lanes_release(&lanes, &service, RATION__RULE_CONCURRENCY, 1);
		job = take(&lane);
		cr_assert(job);
		text[i] = tenant_of(job)[0];
		ration__lanes_return(
			&lanes, lane, &(struct ration__lane_answer){.asked = 1, .admitted = 1});
		finish(job);
		deny_all(); /* those that the admission let go */
	}
	text[80] = 0;
	for (int i = 0; i < 80; i += 4)
		cr_assert_eq(strncmp(text + i, "aaag", 4), 0, "%s", text);
	close_lanes();
}

/* It was put behind the others for each denial, and its turn never came while they had jobs. */
Test(pool_fair, who_asked_in_vain_has_not_lost_its_turn)
{
	const struct ration__ask no = {.decision = RATION__DENIED,
		.rule = RATION__RULE_CONCURRENCY,
		.denial = RATION_DENIED_CONCURRENCY};
	struct ration__lane *lane, *others;
	struct ration__job *job = NULL, *late, *next;

	service.fairness = &by_tenant;
	open_lanes();
	add_many("globex", 10);
	deny_all();
	late = add("late", 0);
	deny_all();
	lane = late->lane;
	for (int i = 0; i < 4; i++) {
		ration__lanes_release(&lanes, &service, RATION__RULE_CONCURRENCY, 2);
		for (int n = 0; n < 2; n++) {
			next = take(&others);
			if (next != late)
				job = next;
		}
		cr_assert(job);
		/* the other had one more, and now both wait */
		others = job->lane;
		cr_assert_eq(ration__lanes_put_back(&lanes, ration__lanes_pop(&lanes, others)), 0);
		ration__lanes_return(&lanes, others,
			&(struct ration__lane_answer){.asked = 2, .admitted = 1, .denied = &no});
		finish(job);
		deny(lane, late, RATION__RULE_CONCURRENCY, lanes.now_ns + 50);
		cr_assert_eq(ration__line_first(&lane->queue->group->line), lane, "%d", i);
	}
	close_lanes();
}

Test(pool_fair, lane_that_goes_away_before_it_asks_costs_its_tenant_nothing)
{
	struct ration__lane *lane;
	struct ration__job *first, *second;

	service.fairness = &by_tenant;
	open_lanes();
	first = add("globex", 1);
	second = add("globex", 0);
	deny_all();
	ration__lanes_release(&lanes, &service, RATION__RULE_CONCURRENCY, 1);
	lane = second->lane;
	cr_assert_eq(lane->state, RATION__LANE_PARKED);
	cr_assert_eq(lane->queue->open, 1);
	ration__lanes_remove(&lanes, first);
	finish(first);
	cr_assert_eq(lane->queue->open, 0);
	cr_assert_eq(lane->queue->group->loose, 0);
	close_lanes();
}

Test(pool_fair, blocked_tenant_is_in_nobodys_way)
{
	struct ration__lane *lane;
	struct ration__job *job;
	char text[64];

	service.fairness = &by_tenant;
	open_lanes();
	add_many("big", 1000);
	job = take(&lane);
	deny(lane, job, 1, 1000 * S); /* its own limit */
	add_many("globex", 5);
	cr_assert_str_eq(serve(text, 10), "ggggg");
	close_lanes();
}

Test(pool_fair, N2_a_tenants_breaker_place_and_cooldown_park_its_lanes_only)
{
	const int rules[] = {RATION__RULE_BREAKER, RATION__RULE_PLACE, RATION__RULE_COOLDOWN};
	struct ration__lane *lane[2];
	struct ration__job *job[2];

	begin_rules();
	snprintf(f.rules.breaker_per[0], RATION__KEYNAME_MAX, "tenant");
	snprintf(f.rules.place_per[0], RATION__KEYNAME_MAX, "tenant");
	snprintf(f.rules.cooldown_per[0], RATION__KEYNAME_MAX, "tenant");
	f.rules.place.max = 1;
	end_rules();
	for (size_t i = 0; i < RATION__COUNT(rules); i++) {
		const struct ration__group *groups[2];

		add("a", 0);
		add("b", 0);
		for (int n = 0; n < 2; n++) {
			job[n] = take(&lane[n]);
			deny(lane[n], job[n], rules[i], lanes.now_ns + 1000 * S);
		}
		for (int n = 0; n < 2; n++)
			groups[n] = lane[n]->queue->group;
		cr_assert_neq(groups[0], groups[1]);
		cr_assert_eq(service.timed != NULL, rules[i] == RATION__RULE_COOLDOWN);
		cr_assert_eq(service.eventful != NULL, rules[i] != RATION__RULE_COOLDOWN);
		ration__lanes_release_like(&lanes, lane[1], rules[i], 1);
		cr_assert_eq(lane[0]->state, RATION__LANE_PARKED);
		cr_assert_eq(lane[1]->state, RATION__LANE_READY);
		for (int n = 0; n < 2; n++) {
			ration__lanes_remove(&lanes, job[n]);
			finish(job[n]);
		}
	}
	close_lanes();
}

Test(pool_fair, N19_a_write_that_waits_is_in_another_lane_than_reads)
{
	struct ration__lane *lane;
	struct ration__job *read, *write;

	begin_rules();
	f.rules.limits[0].when.methods = RATION__METHOD_POST;
	end_rules();
	write = add_to(&service, "POST", "a", 0, RATION__NEVER);
	cr_assert_eq(take(&lane), write);
	deny(lane, write, 0, 1000 * S);
	read = add("a", 0);
	cr_assert_eq(take(&lane), read);
	cr_assert_eq(lane->skip, 1);
	admit(lane, read);
	cr_assert_null(take(&lane));
	close_lanes();
}

/* ---- who may not wait ---- */

static void refused(struct ration__job *job, int code)
{
	cr_assert_eq(ration__lanes_refused(&lanes), job);
	cr_assert_eq(job->code, code, "%d", job->code);
	finish(job);
}

Test(pool_fair, queue_for_permits_is_bounded)
{
	struct ration__lane *lane;
	struct ration__job *jobs[6];

	begin_rules();
	f.rules.own.queue_max = 3;
	end_rules();
	for (int i = 0; i < 5; i++)
		jobs[i] = add("a", 0);
	cr_assert_null(ration__lanes_refused(&lanes), "nobody knows yet that they would wait");
	cr_assert_eq(take(&lane), jobs[0]);
	deny(lane, jobs[0], RATION__RULE_CONCURRENCY, lanes.now_ns + 50);
	refused(jobs[4], RATION_DENIED_QUEUE); /* who came last */
	refused(jobs[3], RATION_DENIED_QUEUE);
	cr_assert_null(ration__lanes_refused(&lanes));
	cr_assert_eq(service.crowd, 3);
	jobs[3] = add("a", 0);
	refused(jobs[3], RATION_DENIED_QUEUE);
	jobs[4] = add("b", 0);
	cr_assert_null(ration__lanes_refused(&lanes), "it may get a permit at once");
	cr_assert_eq(take(&lane), jobs[4]);
	deny(lane, jobs[4], RATION__RULE_CONCURRENCY, lanes.now_ns + 50);
	refused(jobs[4], RATION_DENIED_QUEUE);
	cr_assert_eq(lane->state, RATION__LANE_IDLE);
	/* one gets its permit, and there is room again */
	ration__lanes_release(&lanes, &service, RATION__RULE_CONCURRENCY, 1);
	cr_assert_eq(service.crowd, 0);
	cr_assert_eq(take(&lane), jobs[0]);
	admit(lane, jobs[0]);
	cr_assert_eq(take(&lane), jobs[1]);
	deny(lane, jobs[1], RATION__RULE_CONCURRENCY, lanes.now_ns + 50);
	cr_assert_eq(service.crowd, 2);
	jobs[3] = add("a", 0);
	cr_assert_null(ration__lanes_refused(&lanes));
	jobs[4] = add("a", 0);
	refused(jobs[4], RATION_DENIED_QUEUE);
	/* who waits for tokens is no part of it */
	ration__lanes_remove(&lanes, jobs[2]);
	finish(jobs[2]);
	cr_assert_eq(service.crowd, 2);
	close_lanes();
}

Test(pool_fair, X17_a_job_behind_one_that_waits_longer_is_refused_now)
{
	struct ration__lane *lane;
	struct ration__job *head, *job;

	open_lanes();
	head = add("a", 0);
	cr_assert_eq(take(&lane), head);
	deny(lane, head, 0, lanes.now_ns + 10 * S);
	job = add_to(&service, "GET", "a", 0, lanes.now_ns + 9 * S);
	refused(job, RATION_DENIED_DEADLINE);
	add_to(&service, "GET", "a", 0, lanes.now_ns + 11 * S);
	cr_assert_null(ration__lanes_refused(&lanes));
	/* a permit comes when it comes: there is no time to judge by */
	ration__lanes_remove(&lanes, head);
	finish(head);
	add("b", 0);
	job = take(&lane);
	deny(lane, job, RATION__RULE_CONCURRENCY, lanes.now_ns + 10 * S);
	add_to(&service, "GET", "b", 0, lanes.now_ns + 9 * S);
	cr_assert_null(ration__lanes_refused(&lanes));
	close_lanes();
}
