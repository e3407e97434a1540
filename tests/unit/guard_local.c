/* What goes on while the store cannot answer, or has no room: shares of many key values, what is
 * charged afterwards, and hot/ that is full. */
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

TestSuite(guard_local, .init = setup, .fini = teardown, .timeout = 60);

static void end_peer(pid_t peer)
{
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
}

static struct ration__keyset *tenant(int number)
{
	char text[16];
	struct ration__pair key = {"tenant", text};

	snprintf(text, sizeof(text), "%d", number);
	return keyset_of(&f, &key, 1);
}

static double left(struct ration__keyset *keys, const char *limit)
{
	double tokens = -1;

	cr_assert_eq(ration__guard_remaining(keys, limit, &tokens), 0);
	return tokens;
}

/* One call of it, which ends at once. */
static bool try(struct ration__keyset *keys, uint8_t mode)
{
	struct ration__grant grant = {0};
	struct ration__ask one = ask(&f, keys, &grant, false);

	cr_assert_eq(one.mode, mode, "%s", ration__mode_name(one.mode));
	if (one.decision != RATION__ADMITTED)
		return false;
	settle(&f, &grant, RATION__SUCCESS);
	return true;
}

/* ---- shares ---- */

#define TENANTS 3000

Test(guard_local, thousands_of_key_values_have_their_shares)
{
	static struct ration__keyset *keys[TENANTS];
	int admitted = 0;
	pid_t peer;

	add_rate(&f, "calls", 0.01, 4);
	strcpy(f.rules.limits[0].per[0], "tenant");
	define(&f);
	for (int i = 0; i < TENANTS; i++)
		keys[i] = tenant(i);
	cr_assert(try(keys[0], RATION__EXACT)); /* a member now, before the store is stuck */
	cr_assert_eq(f.engine->locals.size, 0);
	peer = stuck_peer(&f);
	cr_assert_not(try(keys[0], RATION__LOCAL), "shares begin empty");
	pass(&f, 400 * S);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < TENANTS; i++)
			admitted += try(keys[i], RATION__LOCAL);
	cr_assert_eq(admitted, 2 * TENANTS, "%d: two of four tokens for each", admitted);
	cr_assert_eq(f.engine->locals.count, TENANTS);
	end_peer(peer);
	cr_assert(try(keys[0], RATION__EXACT));
	cr_assert_eq(f.engine->locals.size, 0, "what is not needed is given back");
	cr_assert_float_eq(left(keys[0], "calls"), 1, 1e-6);
	for (int i = 1; i < TENANTS; i++)
		cr_assert_float_eq(left(keys[i], "calls"), 2, 1e-6, "%d: charged once", i);
	for (int i = 0; i < TENANTS; i++)
		ration__keyset_unref(keys[i]);
}

Test(guard_local, as_many_as_there_may_be_and_then_those_at_rest_make_room)
{
	struct ration__locals table = {0};
	struct ration__local *entry;
	uint32_t key;

	for (key = 0; key < RATION__LOCALS_KEYS; key++) {
		entry = ration__locals_add(
			&table, key * 2654435761u, (uint8_t *)&key, sizeof(key), 0);
		cr_assert(entry, "%u", key);
		entry->until_ns = key % 2 ? 10 * S : 1000 * S;
	}
	cr_assert_null(ration__locals_add(&table, 7, (uint8_t *)&key, sizeof(key), 5 * S));
	cr_assert(ration__locals_add(&table, 7, (uint8_t *)&key, sizeof(key), 10 * S));
	cr_assert_eq(table.count, RATION__LOCALS_KEYS / 2 + 1);
	key = 4;
	entry = ration__locals_find(&table, key * 2654435761u, (uint8_t *)&key, sizeof(key));
	cr_assert(entry);
	cr_assert_eq(entry->until_ns, 1000 * S);
	key = 5;
	cr_assert_null(
		ration__locals_find(&table, key * 2654435761u, (uint8_t *)&key, sizeof(key)));
	ration__locals_clear(&table);
	cr_assert_eq(table.size, 0);
}

/* An hour of half the rate, of which the bucket never held more than its burst. */
Test(guard_local, what_was_taken_long_ago_is_charged_no_more)
{
	struct ration__keyset *keys;
	int admitted = 0;
	pid_t peer;

	add_rate(&f, "calls", 1, 10);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, RATION__EXACT));
	peer = stuck_peer(&f);
	for (int i = 0; i < 3600; i++) {
		admitted += try(keys, RATION__LOCAL);
		pass(&f, S);
	}
	cr_assert_gt(admitted, 1700);
	end_peer(peer);
	cr_assert(try(keys, RATION__EXACT));
	cr_assert_geq(left(keys, "calls"), 4, "%f", left(keys, "calls"));
	ration__keyset_unref(keys);
}

Test(guard_local, who_booked_hears_which_limit_it_waits_for)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask no;
	pid_t peer;

	add_rate(&f, "quick", 1000, 1000);
	add_rate(&f, "slow", 1, 1);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, RATION__EXACT));
	no = ask(&f, keys, &grant, true);
	cr_assert_eq(no.decision, RATION__BOOKED);
	peer = stuck_peer(&f);
	no = ask(&f, keys, &grant, true);
	cr_assert_eq(no.decision, RATION__DENIED);
	cr_assert_eq(no.denial, RATION_DENIED_RATE);
	cr_assert_eq(no.rule, 1);
	end_peer(peer);
	ration__guard_leave(keys);
	ration__keyset_unref(keys);
}

/* ---- hot/ is full ---- */

#define MANY 20000

static struct ration__keyset *many[MANY];

/* The engine anew, on a store of the smallest size. */
static void open_small(uint64_t hot_bytes)
{
	struct ration__engine_options options = {
		.store = {.path = f.path,
			.hot_bytes = hot_bytes,
			.clock = {.fn = fake_now, .arg = &f.clock}},
		.log = keep_log,
		.log_arg = &f,
		.log_level = RATION_LOG_WARNING};
	char command[128];
	ration_error *err = NULL;

	if (f.engine) {
		ration__engine_close(f.engine);
		snprintf(command, sizeof(command), "rm -rf %s/*", f.path);
		cr_assert_eq(system(command), 0);
	}
	cr_assert_eq(
		ration__engine_open(&options, &f.engine, &err), 0, "%s", ration_error_text(err));
}

/* A tenant's one call in ten minutes, and so many tenants that their records do not fit. */
static void small_store(uint32_t on_failure)
{
	open_small(1 << 20);
	add_rate(&f, "calls", 1.0 / 600, 1);
	strcpy(f.rules.limits[0].per[0], "tenant");
	f.rules.own.on_failure = on_failure;
	define(&f);
	for (int i = 0; i < MANY; i++)
		many[i] = tenant(i);
}

static void forget_many(void)
{
	for (int i = 0; i < MANY; i++)
		ration__keyset_unref(many[i]);
}

/* Calls of tenants whom nobody knows yet, until one is not decided in the store; which. */
static int fill_up(int from)
{
	int i = from;

	for (; i < MANY; i++) {
		struct ration__grant grant = {0};
		struct ration__ask one = ask(&f, many[i], &grant, false);

		if (one.decision == RATION__ADMITTED)
			settle(&f, &grant, RATION__SUCCESS);
		if (one.mode != RATION__EXACT)
			break;
		cr_assert_eq(one.decision, RATION__ADMITTED, "%d", i);
	}
	cr_assert_lt(i, MANY, "it does not fill");
	return i;
}

/* Until packing it helps no more. */
static int fill_for_good(void)
{
	int before = 0, now = fill_up(0);

	while (now > before) {
		pass(&f, 10 * S);
		before = now;
		now = fill_up(before);
	}
	return now;
}

Test(guard_local, a_full_store_leaves_local_services_their_share)
{
	int first;

	small_store(RATION__ON_FAILURE_LOCAL);
	first = fill_for_good();
	cr_assert_gt(first, 4000);
	cr_assert(strstr(f.log, "is full"), "%s", f.log);
	cr_assert(strstr(f.log, "hot_size"), "%s", f.log);
	cr_assert_not(try(many[first], RATION__LOCAL), "shares begin empty");
	f.log[0] = 0;
	for (int i = 0; i < 300; i++) {
		pass(&f, S);
		cr_assert_not(try(many[first], RATION__LOCAL));
	}
	cr_assert_str_eq(f.log, "", "one line, not one a look: %s", f.log);
	/* what filled it comes to rest, and all that was admitted meanwhile counts */
	pass(&f, 301 * S);
	cr_assert(try(many[first], RATION__EXACT), "%s", f.log);
	cr_assert(strstr(f.log, "has room again"), "%s", f.log);
	cr_assert_not(try(many[first], RATION__EXACT));
	cr_assert(try(many[0], RATION__EXACT));
	forget_many();
}

Test(guard_local, a_full_store_stops_closed_services_and_no_open_ones)
{
	struct ration__grant grant = {0};
	struct ration__keyset *open;
	struct ration__guard *first;
	struct ration__ask no;

	small_store(RATION__ON_FAILURE_CLOSED);
	first = f.guard;
	strcpy(f.rules.service, "other");
	f.rules.own.on_failure = RATION__ON_FAILURE_OPEN;
	define(&f);
	open = tenant(1);
	cr_assert_eq(ask(&f, many[fill_up(0)], &grant, false).denial, RATION_DENIED_STORE);
	no = ask(&f, many[0], &grant, false);
	cr_assert_eq(no.denial, RATION_DENIED_STORE, "nor who has a record in it");
	cr_assert_eq(no.mode, RATION__CLOSED_MODE);
	for (int i = 0; i < 3; i++)
		cr_assert(try(open, RATION__OPEN_MODE));
	pass(&f, 601 * S);
	cr_assert(try(many[0], RATION__EXACT));
	cr_assert_not(try(many[0], RATION__EXACT));
	cr_assert(try(open, RATION__EXACT));
	ration__keyset_unref(open);
	ration__guard_close(first);
	forget_many();
}

/* Who held a place when it filled gives it back when there is room. */
Test(guard_local, places_held_when_the_store_fills_are_not_lost)
{
	struct ration__grant held[2] = {{0}};

	f.rules.concurrency.max = 8;
	small_store(RATION__ON_FAILURE_OPEN);
	cr_assert_eq(ask(&f, many[MANY - 1], &held[0], false).decision, RATION__ADMITTED);
	cr_assert_eq(ask(&f, many[MANY - 2], &held[1], false).decision, RATION__ADMITTED);
	fill_up(0);
	settle(&f, &held[0], RATION__SUCCESS);
	cr_assert_eq(held[0].seq, 0, "that needs no room");
	ration__grant_abandon(f.engine, &held[1]);
	cr_assert_float_eq(left(many[0], "concurrency"), 7, 1e-9);
	pass(&f, 601 * S);
	cr_assert(try(many[0], RATION__EXACT));
	cr_assert_float_eq(left(many[0], "concurrency"), 8, 1e-9);
	cr_assert_null(f.engine->orphans);
	forget_many();
}

/* Another member of the store, which is told by a shared word. */
static void is_told(int say)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	f.engine = NULL; /* the parent's: a child opens it again */
	f.guard = NULL;
	open_small(1 << 20);
	if (ration__guard_open(f.engine, &f.rules, &f.guard, NULL) < 0)
		_exit(1);
	keys = tenant(0);
	_exit(ask(&f, keys, &grant, false).mode == RATION__LOCAL && write(say, "x", 1) == 1 ? 0
											    : 2);
}

Test(guard_local, a_full_store_is_full_for_the_whole_fleet)
{
	int status, ready[2];
	pid_t pid;

	small_store(RATION__ON_FAILURE_LOCAL);
	fill_up(0);
	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0)
		is_told(ready[1]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	close(ready[0]);
	close(ready[1]);
	forget_many();
}

/* What an operator sees of hot/, without a change to it or to what the fleet says of it. */
static void looks(const char *size, const char *says)
{
	_Atomic uint64_t *word = ration__store_word(f.engine->store, RATION__WORD_FULL);
	uint64_t before = atomic_load(word), commits = ration__store_commits(f.engine->store);
	char *json = NULL;

	cr_assert_eq(ration__engine_inspect(f.engine, "", &json, NULL), 0);
	cr_assert(strstr(json, size) && strstr(json, says), "%.300s", json);
	free(json);
	cr_assert_eq(atomic_load(word), before);
	cr_assert_eq(ration__store_commits(f.engine->store), commits);
}

Test(guard_local, a_view_shows_how_full_the_store_is)
{
	int first;

	small_store(RATION__ON_FAILURE_LOCAL);
	looks("\"size_bytes\":1048576,", "\"full\":false,");
	looks("\"records\":1,", "\"services\":[{\"name\":\"api\"");
	first = fill_for_good();
	looks("\"size_bytes\":1048576,", "\"full\":true,");
	pass(&f, 601 * S); /* a look would help now; but it is not a view's */
	looks("\"size_bytes\":1048576,", "\"full\":true,");
	cr_assert(try(many[first], RATION__EXACT), "%s", f.log);
	looks("\"size_bytes\":1048576,", "\"full\":false,");
	forget_many();
}

Test(guard_local, a_service_opens_in_a_full_store_and_is_defined_when_there_is_room)
{
	struct ration__rules seen;
	struct ration__guard *first;
	struct ration__keyset *keys;
	struct ration__txn *txn;

	small_store(RATION__ON_FAILURE_LOCAL);
	fill_up(0);
	first = f.guard;
	strcpy(f.rules.service, "late");
	define(&f);
	cr_assert(f.engine->undefined);
	keys = tenant(0);
	cr_assert_not(try(keys, RATION__LOCAL));
	pass(&f, 601 * S);
	cr_assert(try(keys, RATION__EXACT));
	cr_assert_not(f.engine->undefined);
	cr_assert_eq(ration__store_begin(ration__engine_store(f.engine), -1, &txn), 0);
	cr_assert_eq(ration__definition_read(f.engine, txn, "late", &seen), 0);
	ration__store_abort(txn);
	ration__keyset_unref(keys);
	ration__guard_close(first);
	forget_many();
}

/* Records that are at rest are no reason to go on without the store. */
Test(guard_local, what_is_at_rest_makes_room_at_once)
{
	small_store(RATION__ON_FAILURE_CLOSED);
	for (int i = 0; i < 3 * MANY; i++) {
		if (i % 5000 == 0)
			pass(&f, 601 * S);
		cr_assert(try(many[i % MANY], RATION__EXACT), "%d: %s", i, f.log);
	}
	forget_many();
}

Test(guard_local, who_comes_with_a_larger_size_makes_it_larger)
{
	small_store(RATION__ON_FAILURE_CLOSED);
	fill_up(0);
	forget_many();
	ration__guard_close(f.guard);
	ration__engine_close(f.engine);
	f.engine = NULL;
	open_small(4 << 20);
	define(&f);
	for (int i = 0; i < MANY; i++)
		many[i] = tenant(i);
	for (int i = 0; i < 3; i++) {
		pass(&f, S);
		ask(&f, many[0], &(struct ration__grant){0}, false);
	}
	cr_assert(strstr(f.log, "has room again") || strstr(f.log, "4 MiB"), "%s", f.log);
	for (int i = MANY - 1000; i < MANY; i++)
		cr_assert(try(many[i], RATION__EXACT), "%d: %s", i, f.log);
	forget_many();
}
