/* The guard's decisions, with a real store and a fake clock. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "guard_fixture.h"

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}
static void teardown(void)
{
	fixture_close(&f);
}
TestSuite(guard, .init = setup, .fini = teardown);

/* ---- rate ---- */

Test(guard, N1_sixty_a_minute_burst_ten)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	add_rate(&f, "calls", 1, 10);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__SUCCESS);
	}
	struct ration__ask no = ask(&f, keys, &grant, false);
	cr_assert_eq(no.decision, RATION__DENIED);
	cr_assert_eq(no.denial, RATION_DENIED_RATE);
	cr_assert_eq(no.at_ns, f.clock.now_ns + S);
	pass(&f, S);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__DENIED);
	ration__keyset_unref(keys);
}

Test(guard, N2_keys_are_isolated)
{
	struct ration__pair a[] = {{"agent", "a:b"}, {"tool", "c"}};
	struct ration__pair b[] = {{"agent", "a"}, {"tool", "b:c"}};
	struct ration__grant grant = {0};
	struct ration__keyset *one, *two;

	add_rate(&f, "calls", 1, 1);
	strcpy(f.rules.limits[0].per[0], "agent");
	strcpy(f.rules.limits[0].per[1], "tool");
	define(&f);
	one = keyset_of(&f, a, 2);
	two = keyset_of(&f, b, 2);
	cr_assert_eq(ask(&f, one, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_eq(ask(&f, one, &grant, false).decision, RATION__DENIED);
	cr_assert_eq(ask(&f, two, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(one);
	ration__keyset_unref(two);
}

Test(guard, a_denial_takes_nothing)
{
	struct ration__grant grant = {0}, held = {0};
	struct ration__keyset *keys;
	double left;

	add_rate(&f, "calls", 1, 10);
	f.rules.concurrency.max = 1;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &held, false).decision, RATION__ADMITTED);
	for (int i = 0; i < 20; i++) {
		struct ration__ask no = ask(&f, keys, &grant, false);
		cr_assert_eq(no.denial, RATION_DENIED_CONCURRENCY);
		cr_assert_eq(no.rule, RATION__RULE_CONCURRENCY);
	}
	cr_assert_eq(ration__guard_remaining(keys, "calls", &left), 0);
	cr_assert_float_eq(left, 9, 1e-9);
	settle(&f, &held, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

Test(guard, a_cost_above_the_burst_is_impossible_and_said_at_once)
{
	struct ration__cost cost = {"", 11};
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask one;
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	add_rate(&f, "calls", 1, 10);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	one = (struct ration__ask){
		.keyset = keys, .grant = &grant, .costs = &cost, .cost_count = 1, .may_book = true};
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	cr_assert_eq(one.decision, RATION__REFUSED);
	cr_assert_eq(one.denial, RATION_DENIED_IMPOSSIBLE);
	ration__keyset_unref(keys);
}

/* ---- bookings ---- */

Test(guard, the_head_books_and_starts_at_its_own_time)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask one;

	add_rate(&f, "calls", 10, 1);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	one = ask(&f, keys, &grant, true);
	cr_assert_eq(one.decision, RATION__BOOKED);
	cr_assert_eq(one.at_ns, f.clock.now_ns + 100 * MS);
	pass(&f, 50 * MS);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__BOOKED, "not before its time");
	pass(&f, 50 * MS);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	one = ask(&f, keys, &grant, true);
	cr_assert_eq(one.at_ns, f.clock.now_ns + 100 * MS, "one token each 100 ms, no more");
	ration__guard_leave(keys);
	ration__keyset_unref(keys);
}

Test(guard, one_booking_for_each_process_and_record)
{
	struct ration__pair a = {"tenant", "a"}, b = {"tenant", "b"};
	struct ration__grant grant = {0};
	struct ration__keyset *one, *two;
	struct ration__ask first, second;

	add_rate(&f, "calls", 10, 1);
	define(&f);
	one = keyset_of(&f, &a, 1);
	two = keyset_of(&f, &b, 1);
	cr_assert_eq(ask(&f, one, &grant, true).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	first = ask(&f, one, &grant, true);
	second = ask(&f, two, &grant, true);
	cr_assert_eq(first.decision, RATION__BOOKED);
	cr_assert_eq(second.decision, RATION__DENIED, "two lanes, one line");
	cr_assert_geq(second.at_ns, first.at_ns);
	ration__guard_leave(one);
	second = ask(&f, two, &grant, true);
	cr_assert_eq(second.decision, RATION__BOOKED);
	cr_assert_eq(second.at_ns, f.clock.now_ns + 100 * MS, "what left gave its tokens back");
	ration__guard_leave(two);
	ration__keyset_unref(one);
	ration__keyset_unref(two);
}

Test(guard, a_booking_that_starts_late_is_void)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	int admitted = 0;

	add_rate(&f, "calls", 10, 1);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__BOOKED);
	pass(&f, 10 * S); /* stopped for ten seconds: that is one token, not two */
	while (ask(&f, keys, &grant, true).decision == RATION__ADMITTED) {
		settle(&f, &grant, RATION__SUCCESS);
		admitted++;
	}
	cr_assert_eq(admitted, 1);
	ration__guard_leave(keys);
	ration__keyset_unref(keys);
}

Test(guard, a_job_that_costs_the_whole_burst_goes_beside_small_ones)
{
	struct ration__pair small_key = {"tenant", "small"}, big_key = {"tenant", "big"};
	struct ration__cost cost = {"", 10};
	struct ration__grant grant = {0}, big_grant = {0};
	struct ration__keyset *small, *big;
	bool big_went = false;

	add_rate(&f, "calls", 10, 10);
	define(&f);
	small = keyset_of(&f, &small_key, 1);
	big = keyset_of(&f, &big_key, 1);
	for (int tick = 0; tick < 5000 && !big_went; tick++, pass(&f, MS)) {
		struct ration__ask asks[2] = {{.keyset = small, .grant = &grant, .may_book = true},
			{.keyset = big,
				.grant = &big_grant,
				.costs = &cost,
				.cost_count = 1,
				.may_book = true}};
		struct ration__batch batch = {.asks = asks, .ask_count = 2};

		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
		if (asks[0].decision == RATION__ADMITTED)
			settle(&f, &grant, RATION__SUCCESS);
		big_went = asks[1].decision == RATION__ADMITTED;
	}
	cr_assert(big_went);
	settle(&f, &big_grant, RATION__SUCCESS);
	ration__guard_leave(small);
	ration__keyset_unref(small);
	ration__keyset_unref(big);
}

/* Nobody wakes it for a place while it waits for a token too: it must not sleep past that. */
Test(guard, who_waits_for_a_token_and_a_place_asks_again_for_the_token)
{
	struct ration__grant held = {0}, grant = {0};
	struct ration__keyset *keys[2];
	struct ration__ask no;

	add_rate(&f, "calls", 100, 1);
	f.rules.concurrency.max = 1;
	define(&f);
	for (int i = 0; i < 2; i++)
		keys[i] = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys[0], &held, false).decision, RATION__ADMITTED);
	no = ask(&f, keys[1], &grant, true);
	cr_assert_eq(no.denial, RATION_DENIED_RATE);
	cr_assert_eq(no.at_ns, f.clock.now_ns + 10 * MS);
	pass(&f, 10 * MS);
	no = ask(&f, keys[1], &grant, true);
	cr_assert_eq(no.denial, RATION_DENIED_CONCURRENCY);
	settle(&f, &held, RATION__SUCCESS);
	cr_assert_eq(ask(&f, keys[1], &grant, true).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	for (int i = 0; i < 2; i++)
		ration__keyset_unref(keys[i]);
}

/* ---- quota ---- */

/* Asks until the ledger has answered. */
static struct ration__ask try_quota(struct ration__keyset *keys, struct ration__grant *grant)
{
	struct ration__ask one;
	int rc = ration__guard_acquire(keys, NULL, 0, 0, grant, 0, &one);

	cr_assert_geq(rc, 0, "%s", ration_strerror(rc));
	return one;
}

Test(guard, N4_quota_is_exact_and_the_next_is_refused)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask no;

	add_quota(&f, "daily", 1000, 24 * 3600 * S);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(try_quota(keys, &grant).decision, RATION__ADMITTED, "%d", i);
		settle(&f, &grant, RATION__SUCCESS);
		pass(&f, 10 * MS);
	}
	no = try_quota(keys, &grant);
	cr_assert_eq(no.decision, RATION__REFUSED);
	cr_assert_eq(no.denial, RATION_DENIED_QUOTA);
	cr_assert_gt(no.at_ns, f.clock.now_ns + 23 * 3600 * S);
	pass(&f, no.at_ns - f.clock.now_ns);
	cr_assert_eq(try_quota(keys, &grant).decision, RATION__ADMITTED, "one aged out");
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

Test(guard, quota_survives_the_loss_of_hot)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	char command[128];
	int before = 0, after = 0;

	add_quota(&f, "daily", 100, 24 * 3600 * S);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (; before < 50; before++) {
		cr_assert_eq(try_quota(keys, &grant).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__SUCCESS);
	}
	ration__keyset_unref(keys);
	ration__guard_close(f.guard);
	ration__engine_close(f.engine);
	snprintf(command, sizeof(command), "rm -rf %s/hot/*", f.path);
	cr_assert_eq(system(command), 0);
	pass(&f, 61 * S); /* hot/ is made anew at most once a minute */
	cr_assert_eq(open_engine(&f, NULL), 0);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	while (try_quota(keys, &grant).decision == RATION__ADMITTED) {
		settle(&f, &grant, RATION__SUCCESS);
		cr_assert_lt(++after, 200);
	}
	cr_assert_leq(before + after, 100, "never more than the quota");
	cr_assert_geq(before + after, 100 - 100 / 8, "and at most one reserve is lost");
	ration__keyset_unref(keys);
}

/* ---- breaker ---- */

Test(guard, N7_N8_breaker_trips_and_closes)
{
	struct ration__grant grant = {0}, second = {0};
	struct ration__keyset *keys;
	struct ration__ask no;

	f.rules.breaker = (struct ration__breaker_conf){
		.trip_after = 5, .close_after = 2, .probes = 1, .open_ns = 60 * S};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
		cr_assert_eq(settle(&f, &grant, RATION__FAILURE).breaker_opened, i == 4);
	}
	no = ask(&f, keys, &grant, false);
	cr_assert_eq(no.decision, RATION__REFUSED);
	cr_assert_eq(no.denial, RATION_DENIED_BREAKER);
	pass(&f, 60 * S + 1);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	no = ask(&f, keys, &second, false);
	cr_assert_eq(no.denial, RATION_DENIED_BREAKER, "one probe at a time");
	cr_assert_not(settle(&f, &grant, RATION__SUCCESS).breaker_closed);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	cr_assert(settle(&f, &grant, RATION__SUCCESS).breaker_closed);
	ration__keyset_unref(keys);
}

Test(guard, an_ignored_probe_gives_its_place_back)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	f.rules.breaker = (struct ration__breaker_conf){
		.trip_after = 1, .close_after = 1, .probes = 1, .open_ns = S};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__FAILURE);
	pass(&f, S + 1);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__IGNORED);
	}
	ration__keyset_unref(keys);
}

Test(guard, N16_rate_is_named_before_concurrency_and_breaker_before_both)
{
	struct ration__grant grant = {0}, held = {0};
	struct ration__keyset *keys;

	add_rate(&f, "calls", 1, 1);
	f.rules.concurrency.max = 1;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &held, false).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, keys, &grant, false).denial, RATION_DENIED_RATE);
	pass(&f, S);
	cr_assert_eq(ask(&f, keys, &grant, false).denial, RATION_DENIED_CONCURRENCY);
	settle(&f, &held, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

/* ---- permits ---- */

Test(guard, released_twice_counts_once)
{
	struct ration__grant a = {0}, b = {0}, c = {0};
	struct ration__keyset *keys;

	f.rules.concurrency.max = 2;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &a, false).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, keys, &b, false).decision, RATION__ADMITTED);
	settle(&f, &a, RATION__SUCCESS);
	settle(&f, &a, RATION__SUCCESS);
	cr_assert_eq(ask(&f, keys, &a, false).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, keys, &c, false).decision, RATION__DENIED);
	settle(&f, &a, RATION__SUCCESS);
	settle(&f, &b, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

Test(guard, a_place_that_is_done_is_had_at_once)
{
	struct ration__grant a = {0}, b = {0};
	struct ration__keyset *keys;
	uint64_t commits;

	f.rules.concurrency.max = 1;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &a, false).decision, RATION__ADMITTED);
	commits = ration__store_commits(ration__engine_store(f.engine));
	settle(&f, &a, RATION__SUCCESS);
	cr_assert_eq(ration__store_commits(ration__engine_store(f.engine)), commits,
		"a success alone is put off");
	cr_assert_eq(ask(&f, keys, &b, false).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, keys, &a, false).decision, RATION__DENIED);
	commits = ration__store_commits(ration__engine_store(f.engine));
	settle(&f, &b, RATION__SUCCESS);
	cr_assert_gt(ration__store_commits(ration__engine_store(f.engine)), commits,
		"somebody was denied since");
	ration__keyset_unref(keys);
}

Test(guard, one_lane_that_leaves_does_not_take_the_others_turn)
{
	struct ration__pair a = {"tenant", "a"}, b = {"tenant", "b"};
	struct ration__grant held = {0}, grant = {0};
	struct ration__keyset *one, *two;
	char *json = NULL;

	f.rules.concurrency.max = 1;
	define(&f);
	one = keyset_of(&f, &a, 1);
	two = keyset_of(&f, &b, 1);
	cr_assert_eq(ask(&f, one, &held, true).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, one, &grant, true).decision, RATION__DENIED);
	cr_assert_eq(ask(&f, two, &grant, true).decision, RATION__DENIED);
	ration__guard_leave(one);
	cr_assert_eq(ration__engine_inspect(f.engine, "", &json, NULL), 0);
	cr_assert(strstr(json, "\"waiting\":true"), "%s", json);
	free(json);
	ration__guard_leave(two);
	cr_assert_eq(ration__engine_inspect(f.engine, "", &json, NULL), 0);
	cr_assert_not(strstr(json, "\"waiting\":true"), "%s", json);
	free(json);
	settle(&f, &held, RATION__SUCCESS);
	ration__keyset_unref(one);
	ration__keyset_unref(two);
}

Test(guard, unused_gives_the_tokens_back)
{
	struct ration__grant grant = {0};
	struct ration__settle one = {.grant = &grant, .outcome = RATION__IGNORED, .unused = true};
	struct ration__batch batch = {.settles = &one, .settle_count = 1};
	struct ration__keyset *keys;

	add_rate(&f, "calls", 1, 1);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	}
	ration__keyset_unref(keys);
}

Test(guard, a_batch_over_many_keys_says_later_and_loses_nothing)
{
	enum { N = 100 };
	struct ration__keyset *keys[N];
	struct ration__grant grants[N];
	struct ration__ask asks[N];
	struct ration__batch batch = {.asks = asks, .ask_count = N};
	int admitted = 0, later = 0;

	memset(grants, 0, sizeof(grants));
	add_rate(&f, "calls", 1, 1);
	strcpy(f.rules.limits[0].per[0], "k");
	define(&f);
	for (int i = 0; i < N; i++) {
		char text[16];
		struct ration__pair key = {"k", text};

		snprintf(text, sizeof(text), "%d", i);
		keys[i] = keyset_of(&f, &key, 1);
		asks[i] = (struct ration__ask){.keyset = keys[i], .grant = &grants[i]};
	}
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	for (int i = 0; i < N; i++) {
		admitted += asks[i].decision == RATION__ADMITTED;
		later += asks[i].decision == RATION__LATER;
	}
	cr_assert_eq(admitted, 64);
	cr_assert_eq(later, N - 64);
	for (int i = 0; i < N; i++) {
		settle(&f, &grants[i], RATION__SUCCESS);
		ration__keyset_unref(keys[i]);
	}
}

Test(guard, a_forked_child_is_told_to_open_it_again)
{
	struct ration__keyset *keys;
	int status;
	pid_t pid;

	add_rate(&f, "calls", 1, 1);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	pid = fork();
	if (pid == 0) {
		struct ration__grant grant = {0};
		struct ration__ask one = {.keyset = keys, .grant = &grant};
		struct ration__batch batch = {.asks = &one, .ask_count = 1};

		_exit(ration__guard_transact(f.engine, &batch, -1) == RATION_EFORK ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	ration__keyset_unref(keys);
}

/* ---- a peer that is stopped inside ---- */

Test(guard, a_share_of_the_limits_while_the_store_cannot_answer)
{
	struct ration__grant grants[11] = {{0}};
	struct ration__keyset *keys;
	double left;
	int admitted = 0;
	pid_t peer;

	add_rate(&f, "calls", 1, 9);
	f.rules.concurrency.max = 20;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grants[10], false).decision, RATION__ADMITTED);
	cr_assert_eq(grants[10].mode, RATION__EXACT);
	peer = stuck_peer(&f);
	cr_assert_eq(ask(&f, keys, &grants[0], false).decision, RATION__DENIED,
		"what others took a moment ago is not known");
	pass(&f, 60 * S);
	while (admitted < 10 &&
		ask(&f, keys, &grants[admitted], false).decision == RATION__ADMITTED) {
		cr_assert_eq(grants[admitted].mode, RATION__LOCAL);
		admitted++;
	}
	cr_assert_eq(admitted, 5, "rank 0 of two members: nine and a half, rounded by rank");
	cr_assert(strstr(f.log, "cannot answer"), "%s", f.log);
	settle(&f, &grants[0], RATION__SUCCESS);
	settle(&f, &grants[10], RATION__IGNORED);
	cr_assert(grants[10].seq, "what the store knows of is kept until it answers");
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	settle(&f, &grants[10], RATION__IGNORED);
	cr_assert_not(grants[10].seq);
	cr_assert_eq(ration__guard_remaining(keys, "calls", &left), 0);
	cr_assert_float_eq(left, 9 - 5, 1e-6, "charged afterwards");
	cr_assert_eq(ration__guard_remaining(keys, "concurrency", &left), 0);
	cr_assert_float_eq(left, 20 - 4, 1e-6);
	for (int i = 1; i < 5; i++)
		settle(&f, &grants[i], RATION__SUCCESS);
	cr_assert_eq(ration__guard_remaining(keys, "concurrency", &left), 0);
	cr_assert_float_eq(left, 20, 1e-6);
	ration__keyset_unref(keys);
}

Test(guard, closed_and_open_while_the_store_cannot_answer)
{
	struct ration__grant grant = {0};
	struct ration__keyset *closed, *open;
	struct ration__guard *first;
	struct ration__ask no;
	pid_t peer;

	add_quota(&f, "daily", 10, 3600 * S);
	f.rules.own.on_failure = RATION__ON_FAILURE_CLOSED;
	define(&f);
	closed = keyset_of(&f, NULL, 0);
	first = f.guard;
	strcpy(f.rules.service, "other");
	f.rules.own.on_failure = RATION__ON_FAILURE_OPEN;
	define(&f);
	open = keyset_of(&f, NULL, 0);
	peer = stuck_peer(&f);
	no = ask(&f, closed, &grant, false);
	cr_assert_eq(no.decision, RATION__DENIED);
	cr_assert_eq(no.denial, RATION_DENIED_STORE);
	cr_assert_eq(ask(&f, open, &grant, false).decision, RATION__ADMITTED);
	cr_assert_str_eq(ration__mode_name(grant.mode), "open");
	settle(&f, &grant, RATION__SUCCESS);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	ration__keyset_unref(closed);
	ration__keyset_unref(open);
	ration__guard_close(first);
}

/* Denial of a second call that is made while the first is held and the store cannot answer. 0:
 * both are admitted. */
static int second_denial(uint32_t service, uint32_t breaker, uint32_t permits)
{
	struct ration__grant grants[2] = {{0}};
	struct ration__keyset *keys;
	struct ration__ask answer;
	pid_t peer;

	f.rules.concurrency.max = 1;
	f.rules.breaker.trip_after = 5;
	f.rules.breaker.open_ns = S;
	f.rules.own.on_failure = service;
	f.rules.own.breaker_on_failure = breaker;
	f.rules.own.permits_on_failure = permits;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	peer = stuck_peer(&f);
	answer = ask(&f, keys, &grants[0], false);
	if (answer.decision == RATION__ADMITTED)
		answer = ask(&f, keys, &grants[1], false);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	for (int i = 0; i < 2; i++)
		if (grants[i].seq)
			settle(&f, &grants[i], RATION__SUCCESS);
	ration__keyset_unref(keys);
	return answer.decision == RATION__ADMITTED ? 0 : answer.denial;
}

Test(guard, local_holds_for_places)
{
	cr_expect_eq(second_denial(RATION__ON_FAILURE_LOCAL, 0, 0), RATION_DENIED_CONCURRENCY);
}

Test(guard, places_may_be_open_by_themselves)
{
	cr_expect_eq(second_denial(RATION__ON_FAILURE_LOCAL, 0, 1 + RATION__ON_FAILURE_OPEN), 0);
}

Test(guard, places_may_be_closed_by_themselves)
{
	cr_expect_eq(second_denial(RATION__ON_FAILURE_OPEN, 0, 1 + RATION__ON_FAILURE_CLOSED),
		RATION_DENIED_STORE);
}

Test(guard, a_breaker_may_be_closed_by_itself)
{
	cr_expect_eq(second_denial(RATION__ON_FAILURE_OPEN, 1 + RATION__ON_FAILURE_CLOSED, 0),
		RATION_DENIED_STORE);
}

Test(guard, places_may_be_local_in_an_open_service)
{
	cr_expect_eq(second_denial(RATION__ON_FAILURE_OPEN, 0, 1 + RATION__ON_FAILURE_LOCAL),
		RATION_DENIED_CONCURRENCY);
}

Test(guard, a_killed_holders_places_come_back)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	int ready[2];
	char byte;
	pid_t pid;

	f.rules.concurrency.max = 3;
	define(&f);
	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct ration__grant held[3] = {{0}};
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bool all = open_engine(&f, NULL) == 0; /* a child opens it again */

		all = all && ration__guard_open(f.engine, &f.rules, &f.guard, NULL) == 0;
		keys = all ? keyset_of(&f, NULL, 0) : NULL;
		for (int i = 0; i < 3 && all; i++)
			all = ask(&f, keys, &held[i], false).decision == RATION__ADMITTED;
		if (!all || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__DENIED);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	pass(&f, 200 * MS);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

/* ---- definitions ---- */

Test(guard, another_definition_replaces_it_for_all)
{
	struct ration__guard *first;
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	add_rate(&f, "calls", 1, 1);
	define(&f);
	first = f.guard;
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	f.rules.limits[0].bucket.burst = 3;
	define(&f);
	cr_assert(strstr(f.log, "burst 1") && strstr(f.log, "burst 3"), "%s", f.log);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__STALE);
	ration__keyset_unref(keys);
	cr_assert_eq(ration__keyset_new(first, NULL, 0, &keys, NULL), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED,
			"the record outlives the change");
		settle(&f, &grant, RATION__SUCCESS);
	}
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__DENIED);
	ration__keyset_unref(keys);
	ration__guard_close(first);
}

Test(guard, a_lower_revision_follows_the_store)
{
	struct ration__guard *first;
	struct ration__rules now;

	add_rate(&f, "calls", 5, 5);
	f.rules.revision = 2;
	define(&f);
	first = f.guard;
	f.rules.revision = 1;
	f.rules.limits[0].bucket.rate = 1;
	define(&f);
	ration__guard_rules(f.guard, &now);
	cr_assert_float_eq(now.limits[0].bucket.rate, 5, 0);
	cr_assert(strstr(f.log, "follows revision 2"), "%s", f.log);
	ration__guard_close(first);
}

/* ---- words, views, reset ---- */

Test(guard, why_names_the_limit_and_the_time)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask no;
	char text[200];

	add_rate(&f, "queries", 1, 1);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	ask(&f, keys, &grant, false);
	settle(&f, &grant, RATION__SUCCESS);
	pass(&f, 200 * MS);
	no = ask(&f, keys, &grant, false);
	ration__denial_text(text, sizeof(text), f.guard, &no, f.clock.now_ns);
	cr_assert_str_eq(text, "rate limit exceeded: queries, next in 0.8 s");
	ration__keyset_unref(keys);
}

Test(guard, N3_N6_N9_reset_puts_limits_quotas_and_breakers_back)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	double left;

	add_rate(&f, "calls", 0.001, 5);
	add_quota(&f, "daily", 10, 24 * 3600 * S);
	f.rules.breaker = (struct ration__breaker_conf){
		.trip_after = 5, .close_after = 1, .probes = 1, .open_ns = 60 * S};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(try_quota(keys, &grant).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__FAILURE);
	}
	cr_assert_eq(try_quota(keys, &grant).decision, RATION__REFUSED);
	cr_assert_eq(ration__engine_reset(f.engine, "api", NULL), 0);
	cr_assert_eq(ration__guard_remaining(keys, "calls", &left), 0);
	cr_assert_float_eq(left, 5, 1e-9);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(try_quota(keys, &grant).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__SUCCESS);
	}
	cr_assert_eq(ration__guard_remaining(keys, "daily", &left), 0);
	cr_assert_float_eq(left, 5, 1e-9);
	ration__keyset_unref(keys);
}

Test(guard, inspect_shows_what_there_is)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	char *json = NULL;

	add_rate(&f, "calls", 2, 5);
	f.rules.concurrency.max = 7;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	ask(&f, keys, &grant, false);
	cr_assert_eq(ration__engine_inspect(f.engine, "", &json, NULL), 0);
	cr_assert(strstr(json, "\"calls\"") && strstr(json, "\"in_flight\":1"), "%s", json);
	cr_assert(strstr(json, "\"members\":[{"), "%s", json);
	free(json);
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
}
