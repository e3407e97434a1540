/* The guard's core where its parts meet: two lines of one caller, limits per key, true costs that
 * come late, settings that somebody damaged, and what goes on while the store cannot answer. */
#include <sys/wait.h>
#include "guard_fixture.h"
#include "guard/engine.h"
#include "store/internal.h"

static struct fixture f;

static struct {
	int count;
	enum ration_event event;
	double value;
} heard;

static void setup(void)
{
	fixture_open(&f);
	memset(&heard, 0, sizeof(heard));
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(guard_review3, .init = setup, .fini = teardown, .timeout = 60);

static void hear(void *arg, enum ration_event event, const char *service, const char *rule,
	const char *keys, double value)
{
	heard.count++;
	heard.event = event;
	heard.value = value;
}

/* One settle by itself; says whether a place was set aside for this process. */
static bool end(struct ration__settle one)
{
	struct ration__batch batch = {.settles = &one, .settle_count = 1};

	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	return batch.woken;
}

static bool end_well(struct ration__grant *grant)
{
	return end(
		(struct ration__settle){.grant = grant, .outcome = RATION__SUCCESS, .last = true});
}

static double left_of(struct ration__keyset *keys, const char *rule)
{
	struct ration__rule_state state;

	cr_assert_eq(ration__guard_state(keys, rule, &state), 0, "%s", rule);
	return state.remaining;
}

static double limit_of(struct ration__keyset *keys, const char *rule)
{
	struct ration__rule_state state;

	cr_assert_eq(ration__guard_state(keys, rule, &state), 0, "%s", rule);
	return state.limit;
}

static bool try(struct ration__keyset *keys, struct ration__grant *grant)
{
	return ask(&f, keys, grant, false).decision == RATION__ADMITTED;
}

static void wait_in_line(struct ration__keyset *keys, int rule)
{
	struct ration__grant none = {0};
	struct ration__ask one = ask(&f, keys, &none, true);

	cr_assert_eq(one.decision, RATION__DENIED);
	cr_assert_eq(one.rule, rule);
}

static struct ration__keyset *keys_of(const char *tenant, const char *tool)
{
	const struct ration__pair pairs[] = {{"tenant", tenant}, {"tool", tool}};

	return keyset_of(&f, pairs, 2);
}

static void per_tenant(char per[RATION__PER_MAX][RATION__KEYNAME_MAX])
{
	snprintf(per[0], sizeof(per[0]), "tenant");
}

static void end_peer(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- two lines ---- */

Test(guard_review3, who_waits_for_a_permit_is_called_where_there_are_places_too)
{
	struct ration__grant held = {0}, grant = {0};
	struct ration__keyset *a, *b, *c;

	f.rules.concurrency.max = 1;
	f.rules.place.max = 5;
	per_tenant(f.rules.place_per);
	define(&f);
	a = keys_of("a", "");
	b = keys_of("b", "");
	c = keys_of("c", "");
	cr_assert(try(a, &held));
	wait_in_line(b, RATION__RULE_CONCURRENCY);
	wait_in_line(c, RATION__RULE_CONCURRENCY);
	cr_assert(end_well(&held));
	cr_assert(try(b, &grant));
	cr_assert(end_well(&grant), "the other one waits still");
	cr_assert(try(c, &grant));
	wait_in_line(a, RATION__RULE_CONCURRENCY);
	ration__guard_leave(a);
	cr_assert_not(end_well(&grant), "it left, and nobody waits");
	ration__keyset_unref(a);
	ration__keyset_unref(b);
	ration__keyset_unref(c);
}

Test(guard_review3, who_waits_for_a_place_does_not_stand_in_the_services_line)
{
	struct ration__grant held = {0}, grant = {0};
	struct ration__keyset *a, *b;

	f.rules.concurrency.max = 2;
	f.rules.place.max = 1;
	per_tenant(f.rules.place_per);
	define(&f);
	a = keys_of("a", "");
	b = keys_of("b", "");
	cr_assert(try(a, &held));
	wait_in_line(a, RATION__RULE_PLACE);
	cr_assert(try(b, &grant));
	cr_assert_not(end_well(&grant), "nothing that the waiter could use");
	cr_assert(end_well(&held));
	ration__guard_leave(a);
	ration__keyset_unref(a);
	ration__keyset_unref(b);
}

Test(guard_review3, keysets_that_share_a_place_stand_in_one_line)
{
	struct ration__grant held = {0}, grant = {0};
	struct ration__keyset *x, *y;

	f.rules.place.max = 1;
	per_tenant(f.rules.place_per);
	define(&f);
	x = keys_of("a", "x");
	y = keys_of("a", "y");
	cr_assert(try(x, &held));
	wait_in_line(x, RATION__RULE_PLACE);
	wait_in_line(y, RATION__RULE_PLACE);
	cr_assert(end_well(&held));
	cr_assert(try(x, &grant));
	cr_assert(end_well(&grant), "the other one waits still");
	cr_assert(try(y, &grant));
	cr_assert_not(end_well(&grant));
	ration__keyset_unref(x);
	ration__keyset_unref(y);
}

/* ---- places ---- */

Test(guard_review3, places_per_key_learn_from_their_own_use)
{
	struct ration__grant grants[3] = {{0}};
	struct ration__keyset *keys;

	f.rules.place = (struct ration__concurrency_conf){.max = 10,
		.initial = 2,
		.min = 1,
		.algorithm = RATION__CONCURRENCY_AIMD,
		.growth = RATION__GROWTH_BINDING};
	per_tenant(f.rules.place_per);
	define(&f);
	keys = keys_of("a", "");
	cr_assert(try(keys, &grants[0]));
	end_well(&grants[0]);
	cr_assert_float_eq(limit_of(keys, "place"), 2, 1e-9, "one of two is not all");
	cr_assert(try(keys, &grants[0]));
	cr_assert(try(keys, &grants[1]));
	end_well(&grants[1]);
	cr_assert_float_eq(limit_of(keys, "place"), 3, 1e-9);
	end_well(&grants[0]);
	ration__keyset_unref(keys);
}

Test(guard_review3, what_is_held_too_long_is_found_behind_much_that_is_not)
{
	struct ration__grant others[40] = {{0}}, held = {0}, grant = {0};
	struct ration__keyset *busy, *keys;
	struct ration__guard *first;

	f.rules.concurrency.max = 50;
	define(&f);
	first = f.guard;
	busy = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 40; i++)
		cr_assert(try(busy, &others[i]));
	snprintf(f.rules.service, sizeof(f.rules.service), "slow");
	f.rules.concurrency.max = 1;
	f.rules.own.hold_ns = 10 * S;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &held));
	pass(&f, 11 * S);
	cr_assert(try(keys, &grant));
	end_well(&grant);
	end_well(&held);
	for (int i = 0; i < 40; i++)
		end_well(&others[i]);
	ration__keyset_unref(busy);
	ration__keyset_unref(keys);
	ration__guard_close(first);
}

Test(guard_review3, a_permit_taken_back_alone_leaves_its_place_counted_once)
{
	struct ration__store *store = ration__engine_store(f.engine);
	struct ration__grant held = {0}, grant = {0};
	struct ration__keyset *a, *b;
	struct ration__txn *txn;

	f.rules.concurrency.max = 1;
	f.rules.place.max = 5;
	per_tenant(f.rules.place_per);
	f.rules.own.hold_ns = 10 * S;
	define(&f);
	a = keys_of("a", "");
	b = keys_of("b", "");
	cr_assert(try(a, &held));
	pass(&f, 11 * S);
	cr_assert(try(b, &grant), "the permit was held too long");
	store->compact = true; /* another epoch: what is held is looked for */
	cr_assert_eq(ration__store_begin(store, -1, &txn), 0);
	cr_assert_eq(ration__store_commit(txn), 0);
	cr_assert_float_eq(left_of(a, "place"), 4, 1e-9);
	end_well(&held);
	end_well(&grant);
	cr_assert_float_eq(left_of(a, "place"), 5, 1e-9);
	cr_assert_float_eq(left_of(a, "concurrency"), 1, 1e-9);
	ration__keyset_unref(a);
	ration__keyset_unref(b);
}

/* ---- costs ---- */

Test(guard_review3, what_a_long_call_really_cost_is_owed_by_a_bucket_at_rest)
{
	struct ration__cost estimate = {"", 100}, actual = {"", 3000};
	struct ration__grant grant = {0}, other = {0};
	struct ration__keyset *a, *b;
	struct ration__ask one;
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	add_rate(&f, "tokens", 100, 1000);
	per_tenant(f.rules.limits[0].per);
	define(&f);
	a = keys_of("a", "");
	b = keys_of("b", "");
	one = (struct ration__ask){
		.keyset = a, .grant = &grant, .costs = &estimate, .cost_count = 1};
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	cr_assert_eq(one.decision, RATION__ADMITTED);
	pass(&f, 60 * S);
	for (int i = 0; i < 500; i++, pass(&f, S)) { /* the sweep takes it away */
		cr_assert(try(b, &other));
		end_well(&other);
	}
	end((struct ration__settle){.grant = &grant,
		.outcome = RATION__SUCCESS,
		.last = true,
		.costs = &estimate,
		.cost_count = 1,
		.actuals = &actual,
		.actual_count = 1});
	cr_assert_float_eq(left_of(a, "tokens"), 0, 1e-6);
	one = ask(&f, a, &other, false);
	cr_assert_eq(one.decision, RATION__DENIED);
	cr_assert_float_eq((double)(one.at_ns - f.clock.now_ns) / S, 19.01, 1e-3,
		"2,900 and one more, of 1,000");
	ration__keyset_unref(a);
	ration__keyset_unref(b);
}

Test(guard_review3, N17_a_true_cost_that_crosses_a_threshold_is_told)
{
	struct ration__engine_options options = {
		.store = {.path = f.path, .clock = {.fn = fake_now, .arg = &f.clock}},
		.event = hear};
	struct ration__cost estimate = {"", 1}, actual = {"", 15};
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__limit *limit;
	struct ration__ask one;
	ration_error *err = NULL;

	ration__engine_close(f.engine);
	cr_assert_eq(ration__engine_open(&options, &f.engine, &err), 0);
	limit = add_quota(&f, "daily", 20, 24 * 3600 * S);
	limit->warn[0] = 10 * (int64_t)RATION__MICRO;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ration__guard_acquire(keys, &estimate, 1, 0, &grant, 0, &one), 0);
	cr_assert_eq(heard.count, 0);
	end((struct ration__settle){.grant = &grant,
		.outcome = RATION__SUCCESS,
		.last = true,
		.costs = &estimate,
		.cost_count = 1,
		.actuals = &actual,
		.actual_count = 1});
	cr_assert_eq(heard.count, 1);
	cr_assert_eq(heard.event, RATION_EVENT_QUOTA_LOW);
	cr_assert_float_eq(heard.value, 5, 1e-6);
	ration__keyset_unref(keys);
}

Test(guard_review3, who_does_not_wait_at_a_window_holds_nobody_up)
{
	struct ration__cost big = {"", 8}, small = {"", 2};
	struct ration__grant grants[3] = {{0}};
	struct ration__keyset *a, *b;
	struct ration__limit *limit = add_limit(&f, "calls", RATION__LIMIT_WINDOW);
	struct ration__ask asks[2];
	struct ration__batch batch = {.asks = asks, .ask_count = 2};

	limit->window = (struct ration__window_conf){10 * (int64_t)RATION__MICRO, 60 * S};
	define(&f);
	a = keys_of("a", "");
	b = keys_of("b", "");
	for (int i = 0; i < 3; i++) {
		cr_assert(try(a, &grants[0]));
		end_well(&grants[0]);
	}
	for (int i = 0; i < 3; i++) {
		asks[0] = (struct ration__ask){.keyset = a,
			.grant = &grants[1],
			.costs = &big,
			.cost_count = 1,
			.may_book = i > 0,
			.peek = i == 1};
		asks[1] = (struct ration__ask){.keyset = b,
			.grant = &grants[2],
			.costs = &small,
			.cost_count = 1,
			.may_book = true};
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
		cr_assert_eq(asks[0].decision, RATION__DENIED);
		cr_assert_eq(asks[1].decision, i < 2 ? RATION__ADMITTED : RATION__DENIED, "%d", i);
		end_well(&grants[2]);
	}
	ration__keyset_unref(a);
	ration__keyset_unref(b);
}

Test(guard_review3, a_look_books_nothing)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask one;
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	add_rate(&f, "calls", 1, 1);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &grant));
	settle(&f, &grant, RATION__SUCCESS);
	one = (struct ration__ask){.keyset = keys, .may_book = true, .peek = true};
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	cr_assert_eq(one.decision, RATION__DENIED);
	pass(&f, S);
	cr_assert(try(keys, &grant));
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

/* ---- bookings ---- */

static void two_rates(void)
{
	add_rate(&f, "all", 10, 10);
	add_rate(&f, "each", 0.1, 1);
	per_tenant(f.rules.limits[1].per);
	define(&f);
}

Test(guard_review3, a_key_that_waits_for_its_own_limit_leaves_the_common_one_to_others)
{
	struct ration__grant grant = {0};
	struct ration__keyset *a, *b;
	struct ration__ask one;

	two_rates();
	a = keys_of("a", "");
	b = keys_of("b", "");
	cr_assert(try(a, &grant));
	end_well(&grant);
	one = ask(&f, a, &grant, true);
	cr_assert_eq(one.decision, RATION__BOOKED);
	cr_assert_eq(one.rule, 1);
	cr_assert_eq(one.at_ns, f.clock.now_ns + 10 * S);
	cr_assert_eq(ask(&f, b, &grant, true).decision, RATION__ADMITTED);
	end_well(&grant);
	pass(&f, 10 * S);
	cr_assert(try(a, &grant));
	cr_assert_float_eq(left_of(a, "all"), 9, 1e-6, "taken at the start, not before");
	end_well(&grant);
	ration__keyset_unref(a);
	ration__keyset_unref(b);
}

Test(guard_review3, a_common_limit_that_is_empty_at_the_start_is_booked_then)
{
	struct ration__cost ten = {"", 10};
	struct ration__grant grant = {0};
	struct ration__keyset *a, *common;
	struct ration__ask one;
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	two_rates();
	a = keys_of("a", "");
	common = keys_of("b", "");
	cr_assert(try(a, &grant));
	end_well(&grant);
	cr_assert_eq(ask(&f, a, &grant, true).decision, RATION__BOOKED);
	pass(&f, 10 * S);
	one = (struct ration__ask){
		.keyset = common, .grant = &grant, .costs = &ten, .cost_count = 1, .skip = 2};
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	cr_assert_eq(one.decision, RATION__ADMITTED, "all of it");
	end_well(&grant);
	one = ask(&f, a, &grant, true);
	cr_assert_eq(one.decision, RATION__BOOKED);
	cr_assert_eq(one.at_ns, f.clock.now_ns + 100 * MS);
	pass(&f, 100 * MS);
	cr_assert(try(a, &grant), "what it has of its own is still there");
	end_well(&grant);
	cr_assert_eq(ask(&f, a, &grant, true).at_ns, f.clock.now_ns + 9900 * MS, "taken once");
	ration__guard_leave(a);
	ration__keyset_unref(a);
	ration__keyset_unref(common);
}

/* ---- successes that change something ---- */

Test(guard_review3, a_cubic_rate_that_grows_as_the_row_says_sinks_at_a_success_too)
{
	struct ration__limit *limit = add_limit(&f, "learned", RATION__LIMIT_ADAPTIVE);
	struct ration__rule_state state;
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	limit->adaptive = (struct ration__adaptive_conf){.kind = RATION__ADAPTIVE_CUBIC,
		.growth = RATION__GROWTH_SEED,
		.initial = 10,
		.min = 0.5,
		.max = 10,
		.factor = 0.7,
		.scale = 0.4,
		.burst = 1,
		.multiplier = 1,
		.cooldown_min_ns = S,
		.cooldown_max_ns = 60 * S,
		.idle_ns = 3600 * S};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &grant));
	pass(&f, S);
	end_well(&grant);
	cr_assert_eq(ration__guard_state(keys, "learned", &state), 0);
	cr_assert_float_eq(state.rate, 1.6, 1e-9, "twice what was really sent");
	ration__keyset_unref(keys);
}

Test(guard_review3, a_retry_after_a_success_is_paid_for)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	f.rules.budget = (struct ration__budget_conf){
		.capacity = 500, .retry_cost = 14, .throttle_cost = 5, .success_gain = 1};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &grant));
	end((struct ration__settle){
		.grant = &grant, .outcome = RATION__SUCCESS, .retry = RATION__RETRY});
	cr_assert_float_eq(left_of(keys, "budget"), 486, 1e-9);
	ration__keyset_unref(keys);
}

Test(guard_review3, a_breaker_hears_of_what_ended_in_the_same_transaction)
{
	static const enum ration__outcome ends[2][3] = {
		{RATION__FAILURE, RATION__SUCCESS, RATION__FAILURE},
		{RATION__SUCCESS, RATION__FAILURE, RATION__FAILURE}};
	struct ration__grant grants[4] = {{0}};
	struct ration__settle settles[3];
	struct ration__ask one;
	struct ration__keyset *keys;

	f.rules.breaker = (struct ration__breaker_conf){.trip_after = 2,
		.close_after = 1,
		.probes = 1,
		.open_factor = 1,
		.open_ns = S,
		.open_max_ns = S};
	per_tenant(f.rules.breaker_per);
	define(&f);
	for (int i = 0; i < 2; i++) {
		struct ration__batch batch = {
			.settles = settles, .settle_count = 3, .asks = &one, .ask_count = 1};

		keys = keys_of(i ? "b" : "a", "");
		for (int n = 0; n < 3; n++) {
			cr_assert(try(keys, &grants[n]));
			settles[n] = (struct ration__settle){
				.grant = &grants[n], .outcome = ends[i][n], .last = true};
		}
		one = (struct ration__ask){.keyset = keys, .grant = &grants[3]};
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
		cr_assert_eq(settles[2].breaker_opened, i == 1);
		cr_assert_eq(one.decision, i ? RATION__REFUSED : RATION__ADMITTED, "%d", i);
		end_well(&grants[3]);
		ration__keyset_unref(keys);
	}
}

Test(guard_review3, a_stop_beyond_all_time_is_for_ever)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	add_rate(&f, "calls", 100, 100);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &grant));
	end((struct ration__settle){
		.grant = &grant, .outcome = RATION__SUCCESS, .stop_ns = INT64_MAX});
	cr_assert_eq(ask(&f, keys, &grant, false).at_ns, RATION__NEVER);
	ration__keyset_unref(keys);
}

/* ---- definitions ---- */

/* As another process might have stored it: head, who, rules. */
static void store_definition(const struct ration__rules *rules)
{
	struct {
		int64_t rest_at_ns;
		uint64_t version;
		char who[64];
		struct ration__rules rules;
	} *definition = calloc(1, sizeof(*definition));
	struct ration__store *store = ration__engine_store(f.engine);
	uint8_t key[RATION__KEY_ROOM];
	size_t length =
		ration__key_build(key, RATION__RECORD_DEFINITION, "api", NULL, NULL, NULL, 0);
	struct ration__txn *txn;

	cr_assert(definition);
	definition->rest_at_ns = RATION__NEVER;
	definition->version = 7;
	definition->rules = *rules;
	cr_assert_eq(ration__store_begin(store, -1, &txn), 0);
	cr_assert_eq(ration__txn_put(txn, key, length, RATION__LAYOUT(RATION__RECORD_DEFINITION),
			     definition, sizeof(*definition)),
		0);
	atomic_fetch_add(ration__store_word(store, RATION__WORD_RULES), 1);
	cr_assert_eq(ration__store_commit(txn), 0);
	free(definition);
}

Test(guard_review3, a_definition_that_makes_no_sense_is_not_followed)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__rules bad, now;

	add_rate(&f, "calls", 100, 100);
	define(&f);
	for (int i = 0; i < 5; i++) {
		bad = f.rules;
		if (i == 0)
			memset(bad.service, 'x', sizeof(bad.service));
		else if (i == 1)
			memset(bad.limits[0].name, 'x', sizeof(bad.limits[0].name));
		else if (i == 2)
			memset(bad.limits[0].per, 'x', sizeof(bad.limits[0].per));
		else if (i == 3)
			bad.limits[0].kind = 77;
		else
			bad.limit_count = 99;
		store_definition(&bad);
		keys = keyset_of(&f, NULL, 0);
		cr_assert(try(keys, &grant), "%d", i);
		ration__guard_rules(f.guard, &now);
		cr_assert_eq(memcmp(&now, &f.rules, RATION__RULES_SHARED), 0, "%d", i);
		end_well(&grant);
		ration__keyset_unref(keys);
	}
	bad = f.rules;
	bad.limits[0].bucket.burst = 50;
	store_definition(&bad);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keys, &grant, false).decision, RATION__STALE, "this one does");
	ration__keyset_unref(keys);
}

/* ---- while the store cannot answer ---- */

/* Two tenants whose shares fall on the same place of the table. */
static void colliding(struct ration__keyset **a, struct ration__keyset **b)
{
	char name[16];

	*a = keys_of("a", "");
	for (int i = 0;; i++) {
		snprintf(name, sizeof(name), "%d", i);
		*b = keys_of(name, "");
		if ((*b)->cells[0].hash % RATION__LOCALS_FIRST ==
			(*a)->cells[0].hash % RATION__LOCALS_FIRST)
			return;
		ration__keyset_unref(*b);
	}
}

Test(guard_review3, what_one_key_took_by_itself_is_charged_to_no_other)
{
	struct ration__grant grant = {0};
	struct ration__keyset *a, *b;
	pid_t peer;

	add_rate(&f, "calls", 1, 20);
	per_tenant(f.rules.limits[0].per);
	define(&f);
	colliding(&a, &b);
	cr_assert(try(a, &grant)); /* a member now, before the store is stuck */
	end_well(&grant);
	pass(&f, 60 * S);
	peer = stuck_peer(&f);
	cr_assert_not(try(a, &grant), "shares begin empty");
	cr_assert_not(try(b, &grant));
	pass(&f, 60 * S);
	for (int i = 0; i < 10; i++) {
		cr_assert(try(a, &grant), "%d", i);
		end_well(&grant);
	}
	cr_assert(try(b, &grant), "its share is its own");
	end_well(&grant);
	end_peer(peer);
	cr_assert(try(a, &grant));
	end_well(&grant);
	cr_assert_float_eq(left_of(a, "calls"), 20 - 11, 1e-6);
	cr_assert_float_eq(left_of(b, "calls"), 20 - 1, 1e-6);
	ration__keyset_unref(a);
	ration__keyset_unref(b);
}

Test(guard_review3, calls_that_ended_leave_their_places_while_the_store_is_silent)
{
	struct ration__grant grants[4] = {{0}};
	struct ration__keyset *keys;
	pid_t peer;

	f.rules.concurrency.max = 4;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 3; i++)
		cr_assert(try(keys, &grants[i]));
	end_well(&grants[2]); /* put off */
	cr_assert_eq(f.engine->lazy.seq != 0, true);
	peer = stuck_peer(&f);
	cr_assert_not(try(keys, &grants[3]), "two of two are in flight");
	end_well(&grants[0]);
	cr_assert_neq(grants[0].seq, 0, "the store has to be told");
	cr_assert(try(keys, &grants[3]));
	cr_assert_eq(grants[3].mode, RATION__LOCAL);
	end_peer(peer);
	end_well(&grants[0]);
	cr_assert_eq(grants[0].seq, 0);
	cr_assert_float_eq(left_of(keys, "concurrency"), 2, 1e-9);
	end_well(&grants[1]);
	end_well(&grants[3]);
	cr_assert_float_eq(left_of(keys, "concurrency"), 4, 1e-9);
	ration__keyset_unref(keys);
}

static struct ration__ask ask_cost(
	struct ration__keyset *keys, struct ration__grant *grant, const struct ration__cost *cost)
{
	struct ration__ask one = {.keyset = keys, .grant = grant, .costs = cost, .cost_count = 1};
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	return one;
}

Test(guard_review3, true_costs_count_while_the_store_is_silent_and_after_it)
{
	struct ration__cost ten = {"", 10}, two = {"", 2}, thirty = {"", 30};
	struct ration__grant grants[4] = {{0}};
	struct ration__settle late = {.grant = &grants[3],
		.keep = true,
		.costs = &ten,
		.cost_count = 1,
		.actuals = &two,
		.actual_count = 1};
	struct ration__batch batch = {.settles = &late, .settle_count = 1};
	struct ration__keyset *keys;
	pid_t peer;

	add_rate(&f, "tokens", 1, 100);
	f.rules.concurrency.max = 20;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask_cost(keys, &grants[3], &ten).decision, RATION__ADMITTED);
	pass(&f, 200 * S);
	peer = stuck_peer(&f);
	cr_assert_eq(ask_cost(keys, &grants[0], &ten).decision, RATION__DENIED);
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), RATION_ESTORE,
		"what the store counted can only be settled there");
	pass(&f, 200 * S);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(ask_cost(keys, &grants[i], &ten).decision, RATION__ADMITTED);
	end((struct ration__settle){.grant = &grants[0],
		.unused = true,
		.costs = &ten,
		.cost_count = 1}); /* 30 -> 20 */
	end((struct ration__settle){.grant = &grants[1],
		.outcome = RATION__SUCCESS,
		.costs = &ten,
		.cost_count = 1,
		.actuals = &thirty,
		.actual_count = 1}); /* 20 -> 40 */
	cr_assert_eq(ask_cost(keys, &grants[0], &(struct ration__cost){"", 11}).decision,
		RATION__DENIED, "50 is the share");
	end_peer(peer);
	cr_assert_eq(ask_cost(keys, &grants[0], &(struct ration__cost){"", 0}).decision,
		RATION__ADMITTED);
	cr_assert_float_eq(left_of(keys, "tokens"), 60, 1e-6);
	end((struct ration__settle){.grant = &grants[2],
		.outcome = RATION__SUCCESS,
		.costs = &ten,
		.cost_count = 1,
		.actuals = &two,
		.actual_count = 1});
	cr_assert_float_eq(left_of(keys, "tokens"), 68, 1e-6);
	end_well(&grants[0]);
	end_well(&grants[3]);
	ration__keyset_unref(keys);
}

Test(guard_review3, D5_a_server_that_says_stop_is_heard_while_the_store_is_silent)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask no;
	pid_t peer;

	add_rate(&f, "calls", 10, 100);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &grant));
	end_well(&grant);
	peer = stuck_peer(&f);
	cr_assert_not(try(keys, &grant));
	pass(&f, 60 * S);
	cr_assert(try(keys, &grant));
	end((struct ration__settle){
		.grant = &grant, .outcome = RATION__THROTTLED, .retry_after_ns = 5 * S});
	no = ask(&f, keys, &grant, false);
	cr_assert_eq(no.denial, RATION_DENIED_COOLDOWN);
	cr_assert_eq(no.at_ns, f.clock.now_ns + 5 * S);
	end_peer(peer);
	pass(&f, S);
	cr_assert_eq(ask(&f, keys, &grant, false).denial, RATION_DENIED_COOLDOWN, "nor after it");
	pass(&f, 4 * S);
	cr_assert(try(keys, &grant));
	end_well(&grant);
	ration__keyset_unref(keys);
}

Test(guard_review3, a_breaker_forced_open_stays_so_while_the_store_is_silent)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask no;
	pid_t peer;

	f.rules.concurrency.max = 10;
	define(&f);
	cr_assert_eq(ration__engine_control(f.engine, "api/breaker", "open", 0, NULL), 0);
	keys = keyset_of(&f, NULL, 0);
	if (ask(&f, keys, &grant, false).decision == RATION__STALE) {
		ration__keyset_unref(keys);
		keys = keyset_of(&f, NULL, 0);
	}
	cr_assert_eq(ask(&f, keys, &grant, false).denial, RATION_DENIED_BREAKER);
	peer = stuck_peer(&f);
	no = ask(&f, keys, &grant, false);
	cr_assert_eq(no.decision, RATION__REFUSED);
	cr_assert_eq(no.denial, RATION_DENIED_BREAKER);
	end_peer(peer);
	ration__keyset_unref(keys);
}

/* ---- everything at once ---- */

/* A store that fails in the middle of a transaction: where a quota asks for the time of day. */
static bool fails;

static int64_t failing_now(void *arg, enum ration_clock which)
{
	if (fails && which == RATION_CLOCK_WALL && f.engine && f.engine->set.txn)
		ration__engine_store(f.engine)->failed = RATION_ENOSPC;
	return fake_now(arg, which);
}

static void every_policy(void)
{
	struct ration__limit *limit;

	add_rate(&f, "calls", 50, 10);
	per_tenant(f.rules.limits[0].per);
	limit = add_limit(&f, "learned", RATION__LIMIT_ADAPTIVE);
	limit->adaptive = (struct ration__adaptive_conf){.initial = 1000,
		.min = 500,
		.max = 2000,
		.step = 10,
		.factor = 0.9,
		.scale = 0.4,
		.multiplier = 1,
		.cooldown_min_ns = MS,
		.cooldown_max_ns = 10 * MS,
		.idle_ns = 3600 * S};
	limit = add_limit(&f, "window", RATION__LIMIT_WINDOW);
	limit->window = (struct ration__window_conf){500 * (int64_t)RATION__MICRO, S};
	per_tenant(limit->per);
	limit = add_quota(&f, "daily", 100000, 24 * 3600 * S);
	per_tenant(limit->per);
	f.rules.breaker = (struct ration__breaker_conf){.trip_after = 3,
		.failure_rate = 0.5,
		.window_calls = 20,
		.min_calls = 10,
		.close_after = 1,
		.probes = 2,
		.open_factor = 1,
		.open_ns = 50 * MS,
		.open_max_ns = S};
	per_tenant(f.rules.breaker_per);
	f.rules.concurrency = (struct ration__concurrency_conf){
		.max = 60, .initial = 50, .min = 40, .algorithm = RATION__CONCURRENCY_AIMD};
	f.rules.place.max = 2;
	per_tenant(f.rules.place_per);
	per_tenant(f.rules.cooldown_per);
	f.rules.budget = (struct ration__budget_conf){
		.capacity = 500, .retry_cost = 14, .throttle_cost = 5, .success_gain = 1};
	f.rules.own.wait_breaker = f.rules.own.wait_quota = 1;
}

static uint64_t dice(uint64_t sides)
{
	return ration__engine_random(f.engine) % sides;
}

enum { TENANTS = 64, CALLS = 128 };

struct call {
	struct ration__grant grant;
	bool held;
};

static void some_settles(struct call *calls, struct ration__settle *settles,
	struct ration__batch *batch, uint64_t odds)
{
	static const struct ration__cost true_cost = {"", 2};

	for (int i = 0; i < CALLS && batch->settle_count < 64; i++) {
		if (!calls[i].held || dice(odds))
			continue;
		settles[batch->settle_count++] = (struct ration__settle){.grant = &calls[i].grant,
			.outcome = (enum ration__outcome)dice(4),
			.last = dice(2),
			.unused = dice(8) == 0,
			.throttle = dice(64) == 0,
			.overload = dice(64) == 0,
			.retry_after_ns = dice(32) ? 0 : 3 * MS,
			.actuals = &true_cost,
			.actual_count = dice(2),
			.retry = dice(4) ? RATION__NO_RETRY : RATION__RETRY};
	}
}

static void some_asks(struct call *calls, struct ration__keyset **keys, struct ration__ask *asks,
	struct ration__batch *batch)
{
	for (int i = 0; i < CALLS && batch->ask_count < 64; i++) {
		if (calls[i].held || dice(3))
			continue;
		asks[batch->ask_count++] = (struct ration__ask){.keyset = keys[dice(TENANTS)],
			.grant = &calls[i].grant,
			.may_book = dice(4) != 0,
			.peek = dice(16) == 0};
	}
}

static void take_note(struct call *calls)
{
	for (int i = 0; i < CALLS; i++)
		calls[i].held = calls[i].grant.seq != 0;
}

static int count_one(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	++*(int *)arg;
	return 0;
}

static int entries_left(void)
{
	static const uint8_t prefix = RATION__RECORD_PERMIT;
	struct ration__store *store = ration__engine_store(f.engine);
	struct ration__txn *txn;
	int count = 0;

	cr_assert_eq(ration__store_begin(store, -1, &txn), 0);
	cr_assert_eq(
		ration__txn_visit(txn, &prefix, 1, NULL, 0, 1000, count_one, &count, NULL, NULL),
		0);
	cr_assert_eq(ration__store_commit(txn), 0);
	return count;
}

static void nothing_is_left(struct ration__keyset **keys)
{
	cr_assert_eq(entries_left(), 0);
	cr_assert_eq(f.engine->waiting, 0);
	cr_assert_null(f.engine->grants);
	for (int i = 0; i < RATION__BOOKED_HEADS; i++) {
		cr_assert_null(f.engine->booked[i]);
		cr_assert_null(f.engine->in_line[i]);
	}
	for (int i = 0; i < TENANTS; i++) {
		struct ration__rule_state state;

		if (f.rules.place.max)
			cr_assert_float_eq(left_of(keys[i], "place"), 2, 1e-9, "%d", i);
		cr_assert_eq(ration__guard_state(keys[i], "concurrency", &state), 0);
		cr_assert_float_eq(state.remaining, state.limit, 1e-9, "%d", i);
	}
}

static void go_through_everything(bool places)
{
	struct ration__engine_options options = {
		.store = {.path = f.path, .clock = {.fn = failing_now, .arg = &f.clock}}};
	struct ration__store *store;
	struct ration__keyset *keys[TENANTS];
	struct call *calls = calloc(CALLS, sizeof(*calls));
	static struct ration__settle settles[64];
	static struct ration__ask asks[64];
	int failed = 0, admitted = 0, later = 0, partly = 0, booked = 0, silent = 0;
	ration_error *err = NULL;

	ration__engine_close(f.engine);
	f.engine = NULL;
	cr_assert_eq(ration__engine_open(&options, &f.engine, &err), 0);
	f.engine->random = 4711;
	store = ration__engine_store(f.engine);
	every_policy();
	if (!places)
		f.rules.place.max = 0;
	define(&f);
	for (int i = 0; i < TENANTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		keys[i] = keys_of(name, "");
	}
	for (int round = 0; round < 3000; round++) {
		struct ration__batch batch = {.settles = settles, .asks = asks};
		size_t given;
		int rc;

		some_settles(calls, settles, &batch, dice(4) ? 16 : 1);
		some_asks(calls, keys, asks, &batch);
		given = batch.settle_count;
		fails = dice(8) == 0;
		store->compact |= dice(256) == 0;
		/* hot/ is made anew, but in the end no more: that would hide what was left */
		if (round < 2000 && dice(128) == 0)
			store->header->suspect = store->hot_epoch;
		if (round == 2000)
			pass(&f, 120 * S);
		rc = ration__guard_transact(f.engine, &batch, -1);
		failed += rc < 0;
		fails = false;
		partly += rc == 0 && batch.settle_count < given;
		for (size_t i = 0; i < batch.ask_count && rc == 0; i++) {
			admitted += asks[i].decision == RATION__ADMITTED && !asks[i].peek;
			later += asks[i].decision == RATION__LATER;
			booked += asks[i].decision == RATION__BOOKED;
		}
		/* two wipes in a row: the store answers no more for a while, and settles wait */
		silent += f.engine->degraded;
		for (size_t i = 0; rc == 0 && !f.engine->degraded && i < batch.settle_count; i++)
			cr_assert_eq(settles[i].grant->seq, 0, "%d: not done", round);
		take_note(calls);
		if (dice(4) == 0)
			ration__guard_leave(keys[dice(TENANTS)]);
		ration__ledger_work(f.engine);
		pass(&f, f.engine->degraded && dice(16) == 0 ? 120 * S : (int64_t)dice(20) * MS);
	}
	cr_assert(failed > 100 && admitted > 1000 && later > 100 && partly > 10 && booked > 100 &&
			  silent > 0,
		"%d failed, %d admitted, %d later, %d partly, %d booked, %d silent", failed,
		admitted, later, partly, booked, silent);
	pass(&f, 120 * S); /* whatever it was, the store answers */
	for (int turn = 0; turn < 100; turn++) {
		struct ration__batch batch = {.settles = settles};

		some_settles(calls, settles, &batch, 1);
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
		take_note(calls);
	}
	for (int i = 0; i < TENANTS; i++)
		ration__guard_leave(keys[i]);
	nothing_is_left(keys);
	for (int i = 0; i < TENANTS; i++)
		ration__keyset_unref(keys[i]);
	free(calls);
}

Test(guard_review3, whatever_fails_in_between_nothing_is_left_behind)
{
	go_through_everything(true);
}

/* Entries then change hands within a transaction. */
Test(guard_review3, nor_where_entries_change_hands)
{
	go_through_everything(false);
}
