/* The guard where things go wrong: epochs, full working sets, closing, forking, a failing ledger.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "guard_fixture.h"
#include "guard/engine.h"
#include "store/internal.h"

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}
static void teardown(void)
{
	fixture_close(&f);
}
TestSuite(guard_review, .init = setup, .fini = teardown, .timeout = 60);

static double left_of(struct ration__keyset *keys, const char *name)
{
	double left = -1;

	cr_assert_eq(ration__guard_remaining(keys, name, &left), 0);
	return left;
}

/* The next transaction copies what lives to a new file: another epoch, and nothing is lost. */
static void compact(void)
{
	uint64_t epoch = ration__store_epoch(ration__engine_store(f.engine));
	struct ration__txn *txn;

	ration__engine_store(f.engine)->compact = true;
	cr_assert_eq(ration__store_begin(ration__engine_store(f.engine), -1, &txn), 0);
	cr_assert_eq(ration__store_commit(txn), 0);
	cr_assert_eq(ration__store_epoch(ration__engine_store(f.engine)), epoch + 1);
}

/* The next transaction finds hot/ damaged and makes it anew. */
static void wipe(void)
{
	struct ration__store *store = ration__engine_store(f.engine);

	store->header->suspect = store->hot_epoch;
}

/* Runs fn as another member and waits for it. */
static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(30);
		fn();
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "the child: %x", status);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- epochs ---- */

Test(guard_review, compaction_counts_no_place_twice)
{
	struct ration__grant grants[2] = {{0}};
	struct ration__keyset *keys;

	f.rules.concurrency.max = 4;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grants[0], false).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, keys, &grants[1], false).decision, RATION__ADMITTED);
	compact();
	cr_assert_float_eq(left_of(keys, "concurrency"), 2, 0);
	settle(&f, &grants[0], RATION__FAILURE);
	settle(&f, &grants[1], RATION__FAILURE);
	cr_assert_float_eq(left_of(keys, "concurrency"), 4, 0);
	ration__keyset_unref(keys);
}

Test(guard_review, a_wipe_keeps_places_and_voids_bookings)
{
	struct ration__grant held = {0}, grant = {0};
	struct ration__keyset *keys, *other;
	struct ration__pair key = {"k", "other"};

	add_rate(&f, "calls", 1, 1);
	f.rules.concurrency.max = 4;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	other = keyset_of(&f, &key, 1);
	cr_assert_eq(ask(&f, keys, &held, true).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__BOOKED);
	wipe();
	cr_assert_float_eq(left_of(keys, "concurrency"), 3, 0);
	cr_assert_eq(ask(&f, other, &grant, true).decision, RATION__BOOKED, "the place is free");
	pass(&f, S);
	cr_assert_eq(ask(&f, other, &grant, true).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__FAILURE);
	cr_assert_neq(ask(&f, keys, &grant, true).decision, RATION__ADMITTED,
		"one token a second was dealt");
	settle(&f, &held, RATION__FAILURE);
	cr_assert_float_eq(left_of(keys, "concurrency"), 4, 0);
	ration__guard_leave(keys);
	ration__keyset_unref(keys);
	ration__keyset_unref(other);
}

static void redefine_in_child(void)
{
	if (open_engine(&f, NULL) < 0)
		_exit(1);
	f.rules.limits[0].bucket.burst = 7;
	if (ration__guard_open(f.engine, &f.rules, &f.guard, NULL) < 0)
		_exit(2);
	ration__guard_close(f.guard);
	ration__engine_close(f.engine);
}

Test(guard_review, after_a_wipe_the_rules_in_force_stay_in_force)
{
	struct ration__guard *first;
	struct ration__rules now;
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	add_rate(&f, "calls", 1, 1);
	define(&f);
	first = f.guard;
	in_child(redefine_in_child);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__STALE);
	ration__keyset_unref(keys);
	wipe();
	keys = keyset_of(&f, NULL, 0);
	ask(&f, keys, &grant, false);
	ration__keyset_unref(keys);
	f.rules.limits[0].bucket.burst = 7;
	f.log[0] = 0;
	define(&f);
	cr_assert_str_empty(f.log, "%s", f.log);
	ration__guard_rules(f.guard, &now);
	cr_assert_float_eq(now.limits[0].bucket.burst, 7, 0);
	ration__guard_close(first);
}

Test(guard_review, a_refund_after_a_wipe_makes_nothing_new)
{
	struct ration__grant grant = {0}, next = {0};
	struct ration__limit *limit = add_limit(&f, "minute", RATION__LIMIT_WINDOW);
	struct ration__settle one = {.grant = &grant, .outcome = RATION__IGNORED, .unused = true};
	struct ration__ask again = {.grant = &next};
	struct ration__batch batch = {
		.settles = &one, .settle_count = 1, .asks = &again, .ask_count = 1};
	struct ration__keyset *keys;

	limit->window.max = 2 * (int64_t)RATION__MICRO;
	limit->window.window_ns = 60 * S;
	define(&f);
	again.keyset = keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &next, false).decision, RATION__ADMITTED);
	settle(&f, &next, RATION__SUCCESS);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	wipe();
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	cr_assert_eq(again.decision, RATION__DENIED);
	cr_assert_eq(ask(&f, keys, &next, false).decision, RATION__DENIED);
	ration__keyset_unref(keys);
}

/* ---- settling ---- */

Test(guard_review, a_full_working_set_refunds_once)
{
	enum { N = 40 };
	struct ration__keyset *keys[N];
	struct ration__grant grants[N];
	struct ration__settle settles[N];
	struct ration__batch batch = {.settles = settles};

	memset(grants, 0, sizeof(grants));
	add_rate(&f, "each", 1, 4);
	strcpy(f.rules.limits[0].per[0], "k");
	add_rate(&f, "all", 1, 1000);
	add_rate(&f, "every", 1, 4);
	strcpy(f.rules.limits[2].per[0], "k");
	define(&f);
	for (int i = 0; i < N; i++) {
		char text[16];
		struct ration__pair key = {"k", text};
		struct ration__grant other = {0};

		snprintf(text, sizeof(text), "%d", i);
		keys[i] = keyset_of(&f, &key, 1);
		cr_assert_eq(ask(&f, keys[i], &other, false).decision, RATION__ADMITTED);
		settle(&f, &other, RATION__SUCCESS);
		cr_assert_eq(ask(&f, keys[i], &grants[i], false).decision, RATION__ADMITTED);
	}
	for (int rounds = 0, left = N; left && rounds < N; rounds++) {
		batch.settle_count = 0;
		for (int i = 0; i < N; i++)
			if (grants[i].seq)
				settles[batch.settle_count++] =
					(struct ration__settle){.grant = &grants[i],
						.outcome = RATION__IGNORED,
						.unused = true};
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
		left = 0;
		for (int i = 0; i < N; i++)
			left += grants[i].seq != 0;
	}
	for (int i = 0; i < N; i++) {
		cr_assert_float_eq(left_of(keys[i], "each"), 3, 1e-6, "%d", i);
		cr_assert_float_eq(left_of(keys[i], "every"), 3, 1e-6);
		cr_assert_float_eq(left_of(keys[i], "all"), 1000 - N, 1e-6);
		ration__keyset_unref(keys[i]);
	}
}

Test(guard_review, an_unused_unit_of_a_quota_comes_back)
{
	struct ration__grant grant = {0};
	struct ration__ask result;
	struct ration__settle one = {.grant = &grant, .outcome = RATION__IGNORED, .unused = true};
	struct ration__batch batch = {.settles = &one, .settle_count = 1};
	struct ration__keyset *keys;

	add_quota(&f, "daily", 2, 3600 * S);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(
			ration__guard_acquire(keys, NULL, 0, 0, &grant, 0, &result), 0, "%d", i);
		batch.settle_count = 1;
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	}
	cr_assert_float_eq(left_of(keys, "daily"), 2, 0);
	ration__keyset_unref(keys);
}

Test(guard_review, who_waited_before_the_grant_is_called_when_it_ends)
{
	struct ration__pair a = {"k", "a"}, b = {"k", "b"}, c = {"k", "c"};
	struct ration__grant held = {0}, grant = {0};
	struct ration__settle one = {.grant = &held, .outcome = RATION__SUCCESS, .last = true};
	struct ration__batch batch = {.settles = &one, .settle_count = 1};
	struct ration__keyset *first, *second, *third;

	f.rules.concurrency.max = 1;
	define(&f);
	first = keyset_of(&f, &a, 1);
	second = keyset_of(&f, &b, 1);
	third = keyset_of(&f, &c, 1);
	cr_assert_eq(ask(&f, first, &held, true).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, second, &grant, true).decision, RATION__DENIED);
	cr_assert_eq(ask(&f, third, &grant, true).decision, RATION__DENIED);
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	cr_assert(batch.woken);
	cr_assert_eq(ask(&f, second, &held, true).decision, RATION__ADMITTED);
	batch.settle_count = 1;
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	cr_assert(batch.woken, "the third waits still");
	ration__guard_leave(third);
	ration__keyset_unref(first);
	ration__keyset_unref(second);
	ration__keyset_unref(third);
}

Test(guard_review, a_place_that_is_done_but_not_settled_counts_as_left)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	f.rules.concurrency.max = 3;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	cr_assert_float_eq(left_of(keys, "concurrency"), 2, 0);
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_float_eq(left_of(keys, "concurrency"), 3, 0);
	ration__keyset_unref(keys);
}

static void fail_once_in_child(void)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	if (open_engine(&f, NULL) < 0 || ration__guard_open(f.engine, &f.rules, &f.guard, NULL) < 0)
		_exit(1);
	keys = keyset_of(&f, NULL, 0);
	if (ask(&f, keys, &grant, false).decision != RATION__ADMITTED)
		_exit(2);
	settle(&f, &grant, RATION__FAILURE);
	ration__keyset_unref(keys);
	ration__guard_close(f.guard);
	ration__engine_close(f.engine);
}

Test(guard_review, a_success_settled_late_forgives_no_later_failure)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	f.rules.breaker = (struct ration__breaker_conf){
		.trip_after = 2, .close_after = 1, .probes = 1, .open_ns = S};
	f.rules.concurrency.max = 5;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	in_child(fail_once_in_child);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	cr_assert(settle(&f, &grant, RATION__FAILURE).breaker_opened, "two in a row");
	ration__keyset_unref(keys);
}

Test(guard_review, a_probe_gives_its_place_back_after_the_breaker_was_switched_off)
{
	struct ration__guard *guards[3];
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	f.rules.breaker = (struct ration__breaker_conf){
		.trip_after = 1, .close_after = 1, .probes = 1, .open_ns = S};
	define(&f);
	guards[0] = f.guard;
	keys = keyset_of(&f, NULL, 0);
	ask(&f, keys, &grant, false);
	settle(&f, &grant, RATION__FAILURE);
	pass(&f, 2 * S);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	cr_assert_eq(grant.pass.probe, 1);
	ration__keyset_unref(keys);
	f.rules.breaker.trip_after = 0;
	define(&f);
	guards[1] = f.guard;
	settle(&f, &grant, RATION__SUCCESS);
	f.rules.breaker.trip_after = 1;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED, "probes again");
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
	ration__guard_close(guards[0]);
	ration__guard_close(guards[1]);
}

Test(guard_review, a_probe_from_before_a_reset_does_not_close_a_later_breaker)
{
	struct ration__grant old = {0}, grant = {0};
	struct ration__keyset *keys;

	f.rules.breaker = (struct ration__breaker_conf){
		.trip_after = 1, .close_after = 1, .probes = 1, .open_ns = S};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	ask(&f, keys, &grant, false);
	settle(&f, &grant, RATION__FAILURE);
	pass(&f, 2 * S);
	cr_assert_eq(ask(&f, keys, &old, false).decision, RATION__ADMITTED);
	cr_assert_eq(ration__engine_reset(f.engine, "api/breaker", NULL), 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__FAILURE);
	pass(&f, 2 * S);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	cr_assert_not(settle(&f, &old, RATION__SUCCESS).breaker_closed);
	cr_assert_eq(ask(&f, keys, &old, false).decision, RATION__REFUSED, "one probe at a time");
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

/* ---- closing ---- */

Test(guard_review, places_go_back_whatever_was_asked_before_closing)
{
	struct ration__engine *first = f.engine;
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	f.rules.concurrency.max = 2;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	cr_assert_float_eq(left_of(keys, "concurrency"), 1, 0);
	ration__grant_abandon(f.engine, &grant);
	ration__keyset_unref(keys);
	ration__guard_close(f.guard);
	ration__engine_close(first); /* buries what it holds */
	cr_assert_eq(open_engine(&f, NULL), 0);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_float_eq(left_of(keys, "concurrency"), 2, 0);
	ration__keyset_unref(keys);
}

Test(guard_review, a_guard_closed_while_the_store_is_silent_leaks_no_place)
{
	struct ration__guard *other;
	struct ration__grant lazy = {0}, grant = {0};
	struct ration__keyset *keys;
	pid_t pid;

	f.rules.concurrency.max = 3;
	define(&f);
	other = f.guard;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &lazy, false).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	pid = stuck_peer(&f);
	settle(&f, &lazy, RATION__SUCCESS); /* put off */
	cr_assert_eq(lazy.seq, 0);
	ration__grant_abandon(f.engine, &grant);
	ration__keyset_unref(keys);
	ration__guard_close(f.guard);
	end(pid);
	f.guard = other;
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 2; i++) { /* the second is put off too, over the word of the first */
		cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__SUCCESS);
	}
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__FAILURE);
	cr_assert_float_eq(left_of(keys, "concurrency"), 3, 0);
	ration__keyset_unref(keys);
}

static void subscribe_nothing(void *arg)
{
}

static void close_all_in_child(void)
{
	struct ration__keyset *keys;

	cr_assert_eq(ration__keyset_new(f.guard, NULL, 0, &keys, NULL), RATION_EFORK);
	ration__guard_close(f.guard);
	ration__engine_close(f.engine);
}

Test(guard_review, a_forked_child_may_close_what_it_inherited)
{
	struct ration__waker waker = {.fn = subscribe_nothing};

	add_rate(&f, "calls", 1, 1);
	define(&f);
	ration__engine_subscribe(f.engine, &waker);
	pthread_mutex_lock(&f.engine->mutex); /* as a thread that the child does not have */
	in_child(close_all_in_child);
	pthread_mutex_unlock(&f.engine->mutex);
	ration__engine_unsubscribe(f.engine, &waker);
}

/* ---- the ledger ---- */

static int spoil(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	memcpy(value, "odd", 3);
	*length = 3;
	return 0;
}

Test(guard_review, a_ledger_that_fails_keeps_nobody_busy)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask result;

	add_quota(&f, "daily", 2, 3600 * S);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ration__ledger_update(ration__engine_store(f.engine),
			     ration__cell_key(keys, &keys->cells[0]), keys->cells[0].length, spoil,
			     NULL),
		0);
	cr_assert_eq(
		ration__guard_acquire(keys, NULL, 0, 0, &grant, 0, &result), RATION_DENIED_QUOTA);
	cr_assert_eq(ration__guard_acquire(keys, NULL, 0, 0, &grant, 20 * MS, &result),
		RATION_DENIED_QUOTA);
	cr_assert(strstr(f.log, "ledger"), "%s", f.log);
	ration__keyset_unref(keys);
}

Test(guard_review, a_try_is_no_denial_because_another_thread_read_the_ledger)
{
	struct ration__waker waker = {.fn = subscribe_nothing};
	struct ration__grant grant = {0};
	struct ration__ask result;

	add_quota(&f, "daily", 1000, 3600 * S);
	strcpy(f.rules.limits[0].per[0], "k");
	define(&f);
	ration__engine_subscribe(f.engine, &waker); /* the engine's thread works at the queue too */
	for (int i = 0; i < 100; i++) {
		char text[16];
		struct ration__pair key = {"k", text};
		struct ration__keyset *keys;

		snprintf(text, sizeof(text), "%d", i);
		keys = keyset_of(&f, &key, 1);
		cr_assert_eq(
			ration__guard_acquire(keys, NULL, 0, 0, &grant, 0, &result), 0, "%d", i);
		settle(&f, &grant, RATION__SUCCESS);
		ration__keyset_unref(keys);
	}
	ration__engine_unsubscribe(f.engine, &waker);
}

Test(guard_review, what_is_left_of_a_quota_is_known_after_a_wipe)
{
	struct ration__grant grant = {0};
	struct ration__ask result;
	struct ration__keyset *keys;

	add_quota(&f, "daily", 5, 3600 * S);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(ration__guard_acquire(keys, NULL, 0, 0, &grant, 0, &result), 0);
		settle(&f, &grant, RATION__SUCCESS);
	}
	wipe();
	cr_assert_leq(left_of(keys, "daily"), 2);
	ration__keyset_unref(keys);
}

/* ---- other rules ---- */

Test(guard_review, views_and_questions_survive_a_limit_of_another_kind)
{
	struct ration__guard *first;
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	char *json = NULL;
	double left = -1;

	add_rate(&f, "calls", 1, 10);
	define(&f);
	first = f.guard;
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	f.rules.limits[0].kind = RATION__LIMIT_QUOTA;
	f.rules.limits[0].window.max = 10 * (int64_t)RATION__MICRO;
	f.rules.limits[0].window.window_ns = 3600 * S;
	define(&f);
	cr_assert_eq(ration__engine_inspect(f.engine, "", &json, NULL), 0);
	cr_assert(strstr(json, "\"limits\":[]") && strstr(json, "\"remaining\":10.0"), "%s", json);
	free(json);
	cr_assert_eq(ration__guard_remaining(keys, "calls", &left), RATION_EAGAIN);
	ration__keyset_unref(keys);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_float_eq(left_of(keys, "calls"), 10, 0);
	ration__keyset_unref(keys);
	ration__guard_close(first);
}

/* Asked for inside a transaction, when a quota is decided. */
static bool fail_now;
static int64_t failing_clock(void *arg, enum ration_clock which)
{
	if (which == RATION_CLOCK_WALL && fail_now)
		ration__txn_fail(ration__engine_store(f.engine), RATION_ESYSTEM);
	return fake_now(arg, which);
}

Test(guard_review, a_booking_of_a_transaction_that_failed_holds_nothing)
{
	struct ration__engine_options options = {
		.store = {.path = f.path, .clock = {.fn = failing_clock, .arg = &f.clock}}};
	struct ration__grant grant = {0};
	struct ration__ask result, one = {.grant = &grant, .may_book = true};
	struct ration__batch batch = {.asks = &one, .ask_count = 1};
	struct ration__keyset *keys;

	ration__engine_close(f.engine);
	cr_assert_eq(ration__engine_open(&options, &f.engine, NULL), 0);
	add_rate(&f, "calls", 1, 1);
	add_quota(&f, "daily", 10000, 3600 * S);
	define(&f);
	one.keyset = keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ration__guard_acquire(keys, NULL, 0, 0, &grant, 0, &result), 0);
	settle(&f, &grant, RATION__SUCCESS);
	fail_now = true;
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), RATION_ESYSTEM);
	fail_now = false;
	cr_assert_not(keys->booked);
	pass(&f, S / 2);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__DENIED);
	ration__keyset_unref(keys);
}

/* ---- two guards of one service; a guard made in silence ---- */

Test(guard_review, one_guard_that_leaves_does_not_take_the_others_turn)
{
	struct ration__guard *other;
	struct ration__grant held = {0}, grant = {0};
	struct ration__settle one = {.grant = &held, .outcome = RATION__SUCCESS, .last = true};
	struct ration__batch batch = {.settles = &one, .settle_count = 1};
	struct ration__keyset *keys, *others;

	f.rules.concurrency.max = 1;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	other = f.guard;
	define(&f);
	others = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &held, true).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__DENIED);
	cr_assert_eq(ask(&f, others, &grant, true).decision, RATION__DENIED);
	ration__guard_leave(others);
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	cr_assert(batch.woken);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
	ration__keyset_unref(others);
	ration__guard_close(other);
}

Test(guard_review, a_guard_made_while_the_store_is_silent_is_defined_later)
{
	pid_t pid = stuck_peer(&f);
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	char *json = NULL;

	add_rate(&f, "calls", 1, 4);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__DENIED, "a share starts empty");
	pass(&f, 10 * S);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	cr_assert_eq(grant.mode, RATION__LOCAL);
	end(pid);
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__ADMITTED);
	cr_assert_eq(grant.mode, RATION__EXACT);
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_float_eq(
		left_of(keys, "calls"), 2, 1e-9, "what was admitted meanwhile is charged");
	cr_assert_eq(ration__engine_inspect(f.engine, "", &json, NULL), 0);
	cr_assert(strstr(json, "\"defined_by\""), "%s", json);
	free(json);
	ration__keyset_unref(keys);
}

static void ignore_wake(void *arg)
{
}

/* Another member that holds three places and waits for wake-ups, as a pool does. */
static pid_t holder(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct ration__waker waker = {.fn = ignore_wake};
		struct ration__grant held[3] = {{0}};
		struct ration__keyset *keys;
		bool all;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		all = open_engine(&f, NULL) == 0 &&
		      ration__guard_open(f.engine, &f.rules, &f.guard, NULL) == 0;
		keys = all ? keyset_of(&f, NULL, 0) : NULL;
		for (int i = 0; i < 3 && all; i++)
			all = ask(&f, keys, &held[i], false).decision == RATION__ADMITTED;
		if (all)
			ration__engine_subscribe(f.engine, &waker);
		if (!all || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

Test(guard_review, who_only_holds_puts_its_places_back_after_a_wipe)
{
	struct ration__waker waker = {.fn = ignore_wake};
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	double left = 0;
	pid_t peer;

	add_rate(&f, "calls", 1e6, 1e6);
	f.rules.concurrency.max = 5;
	define(&f);
	peer = holder();
	ration__engine_subscribe(f.engine, &waker);
	keys = keyset_of(&f, NULL, 0);
	pass(&f, 61 * S);
	wipe();
	/* the first that meets the damage makes hot/ anew and tells the others */
	for (int tries = 0; tries < 400 && left != 2; tries++) {
		struct ration__ask one = {.keyset = keys, .grant = &grant};
		struct ration__batch batch = {.asks = &one, .ask_count = 1};

		if (ration__guard_transact(f.engine, &batch, -1) == 0)
			settle(&f, &grant, RATION__IGNORED);
		usleep(5000); /* the peer's thread works in real time */
		ration__guard_remaining(keys, "concurrency", &left);
	}
	cr_assert_float_eq(left, 2, 1e-9, "three of five are held by one that decides nothing");
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	ration__engine_unsubscribe(f.engine, &waker);
	ration__keyset_unref(keys);
}
