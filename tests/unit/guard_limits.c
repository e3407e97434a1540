/* Every kind of limit through the one decision, with a clock that the test moves. */
#include "guard_fixture.h"
#include "guard/engine.h"
#include <sys/wait.h>

static struct fixture f;

static struct {
	int count;
	enum ration_event event;
	char rule[64], keys[64];
	double value;
} heard;

static void hear(void *arg, enum ration_event event, const char *service, const char *rule,
	const char *keys, double value)
{
	cr_assert_str_eq(service, "api");
	heard.count++;
	heard.event = event;
	snprintf(heard.rule, sizeof(heard.rule), "%s", rule);
	snprintf(heard.keys, sizeof(heard.keys), "%s", keys);
	heard.value = value;
}

static void open_fixture(void)
{
	fixture_open(&f);
	memset(&heard, 0, sizeof(heard));
}

static void close_fixture(void)
{
	fixture_close(&f);
}

TestSuite(guard_limits, .init = open_fixture, .fini = close_fixture);

static struct ration__adaptive_conf *add_adaptive(const char *name)
{
	struct ration__limit *limit = add_limit(&f, name, RATION__LIMIT_ADAPTIVE);

	limit->adaptive = (struct ration__adaptive_conf){.initial = 2,
		.min = 0.3,
		.max = 3.5,
		.step = 0.1,
		.factor = 0.5,
		.scale = 0.4,
		.multiplier = 1,
		.cooldown_min_ns = S,
		.cooldown_max_ns = 60 * S,
		.idle_ns = 3600 * S,
		.growth = RATION__GROWTH_SEED};
	return &limit->adaptive;
}

static struct ration__settle end(struct ration__settle one)
{
	struct ration__batch batch = {.settles = &one, .settle_count = 1};

	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	return one;
}

static double state_of(struct ration__keyset *keys, const char *rule,
	double (*pick)(const struct ration__rule_state *))
{
	struct ration__rule_state state;

	cr_assert_eq(ration__guard_state(keys, rule, &state), 0, "%s", rule);
	return pick(&state);
}

static double rate(const struct ration__rule_state *state)
{
	return state->rate;
}

static double limit_now(const struct ration__rule_state *state)
{
	return state->limit;
}

static double left(const struct ration__rule_state *state)
{
	return state->remaining;
}

static bool try(struct ration__keyset *keys, struct ration__grant *grant)
{
	return ask(&f, keys, grant, false).decision == RATION__ADMITTED;
}

/* ---- adaptive ---- */

Test(guard_limits, D3_D4_success_grows_and_a_backoff_signal_halves)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	add_adaptive("learned");
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &grant));
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_float_eq(state_of(keys, "learned", rate), 2.1, 1e-9);
	pass(&f, S);
	cr_assert(try(keys, &grant));
	cr_assert(end((struct ration__settle){
			      .grant = &grant, .outcome = RATION__THROTTLED, .throttle = true})
			  .rate_cut);
	cr_assert_float_eq(state_of(keys, "learned", rate), 1.05, 1e-9);
	ration__keyset_unref(keys);
}

Test(guard_limits, D5_retry_after_stops_everybody)
{
	struct ration__grant grant = {0}, other = {0};
	struct ration__keyset *keys;
	struct ration__ask no;

	add_adaptive("learned");
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &grant));
	end((struct ration__settle){.grant = &grant,
		.outcome = RATION__THROTTLED,
		.throttle = true,
		.retry_after_ns = 5 * S});
	for (int i = 0; i < 5; i++) {
		no = ask(&f, keys, &other, false);
		cr_assert_eq(no.decision, RATION__DENIED, "after %d s", i);
		cr_assert_eq(no.denial, RATION_DENIED_COOLDOWN);
		cr_assert_eq(no.rule, RATION__RULE_COOLDOWN);
		pass(&f, S);
	}
	cr_assert(try(keys, &other));
	settle(&f, &other, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

Test(guard_limits, a_stop_named_by_the_servers_fields_needs_no_adaptive_limit)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	add_rate(&f, "calls", 100, 100);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &grant));
	end((struct ration__settle){
		.grant = &grant, .outcome = RATION__SUCCESS, .last = true, .stop_ns = 3 * S});
	cr_assert_not(try(keys, &grant));
	pass(&f, 3 * S - 1);
	cr_assert_not(try(keys, &grant));
	pass(&f, 1);
	cr_assert(try(keys, &grant));
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

Test(guard_limits, a_cooldown_of_one_key_leaves_the_others_alone)
{
	struct ration__pair a = {"tenant", "a"}, b = {"tenant", "b"};
	struct ration__grant grant = {0};
	struct ration__keyset *one, *two;

	add_rate(&f, "calls", 100, 100);
	snprintf(f.rules.cooldown_per[0], sizeof(f.rules.cooldown_per[0]), "tenant");
	define(&f);
	one = keyset_of(&f, &a, 1);
	two = keyset_of(&f, &b, 1);
	cr_assert(try(one, &grant));
	end((struct ration__settle){
		.grant = &grant, .outcome = RATION__THROTTLED, .retry_after_ns = S});
	cr_assert_not(try(one, &grant));
	cr_assert(try(two, &grant));
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(one);
	ration__keyset_unref(two);
}

Test(guard_limits, one_cut_for_each_congestion)
{
	struct ration__grant grants[4] = {0};
	struct ration__keyset *keys;
	int cuts = 0;

	add_adaptive("learned")->initial = 3.5;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 3; i++)
		cr_assert(try(keys, &grants[i]));
	pass(&f, 10 * MS);
	for (int i = 0; i < 3; i++)
		cuts += end((struct ration__settle){.grant = &grants[i],
				    .outcome = RATION__THROTTLED,
				    .throttle = true})
				.rate_cut;
	cr_assert_eq(cuts, 1);
	cr_assert_float_eq(state_of(keys, "learned", rate), 1.75, 1e-9);
	ration__keyset_unref(keys);
}

Test(guard_limits, a_cooldown_holds_a_booking_back)
{
	struct ration__grant first = {0}, grant = {0};
	struct ration__keyset *keys;
	struct ration__ask one;

	add_adaptive("learned")->burst = 1;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &first));
	one = ask(&f, keys, &grant, true);
	cr_assert_eq(one.decision, RATION__BOOKED);
	end((struct ration__settle){.grant = &first,
		.outcome = RATION__THROTTLED,
		.throttle = true,
		.retry_after_ns = 5 * S});
	pass(&f, one.at_ns - f.clock.now_ns);
	cr_assert_eq(ask(&f, keys, &grant, true).decision, RATION__DENIED);
	pass(&f, 6 * S);
	one = ask(&f, keys, &grant, true);
	if (one.decision == RATION__BOOKED) {
		pass(&f, one.at_ns - f.clock.now_ns);
		one = ask(&f, keys, &grant, true);
	}
	cr_assert_eq(one.decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

/* ---- weights ---- */

Test(guard_limits, true_costs_are_settled_both_ways)
{
	struct ration__cost estimate = {"tokens", 500}, actual = {"tokens", 200};
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__limit *limit;
	struct ration__ask one;
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	add_rate(&f, "requests", 10, 10);
	limit = add_limit(&f, "tokens", RATION__LIMIT_WINDOW);
	snprintf(limit->unit, sizeof(limit->unit), "tokens");
	limit->window = (struct ration__window_conf){1000 * (int64_t)RATION__MICRO, 60 * S};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	one = (struct ration__ask){
		.keyset = keys, .grant = &grant, .costs = &estimate, .cost_count = 1};
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	cr_assert_eq(one.decision, RATION__ADMITTED);
	cr_assert_float_eq(state_of(keys, "tokens", left), 500, 1e-6);
	end((struct ration__settle){.grant = &grant,
		.outcome = RATION__SUCCESS,
		.last = true,
		.costs = &estimate,
		.cost_count = 1,
		.actuals = &actual,
		.actual_count = 1});
	cr_assert_float_eq(state_of(keys, "tokens", left), 800, 1e-6);
	cr_assert_float_eq(state_of(keys, "requests", left), 9, 1e-6, "not its unit");
	one.grant = &grant;
	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
	actual.cost = 700;
	end((struct ration__settle){.grant = &grant,
		.keep = true,
		.costs = &estimate,
		.cost_count = 1,
		.actuals = &actual,
		.actual_count = 1});
	cr_assert_neq(grant.seq, 0, "still held");
	cr_assert_float_eq(state_of(keys, "tokens", left), 100, 1e-6);
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

Test(guard_limits, several_limits_are_taken_together_or_not_at_all)
{
	struct ration__cost cost = {"tokens", 700};
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__limit *limit;
	struct ration__ask one;
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	add_rate(&f, "requests", 10, 10);
	limit = add_limit(&f, "tokens", RATION__LIMIT_WINDOW);
	snprintf(limit->unit, sizeof(limit->unit), "tokens");
	limit->window = (struct ration__window_conf){1000 * (int64_t)RATION__MICRO, 60 * S};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 2; i++) {
		one = (struct ration__ask){
			.keyset = keys, .grant = &grant, .costs = &cost, .cost_count = 1};
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
		cr_assert_eq(one.decision, i ? RATION__DENIED : RATION__ADMITTED);
		if (!i)
			settle(&f, &grant, RATION__SUCCESS);
	}
	cr_assert_float_eq(state_of(keys, "requests", left), 9, 1e-6, "the denial took nothing");
	ration__keyset_unref(keys);
}

/* ---- which limits apply ---- */

Test(guard_limits, N19_writes_have_a_limit_of_their_own)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask one;
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	add_rate(&f, "all", 100, 100);
	add_rate(&f, "writes", 1, 1);
	f.rules.limits[1].when.methods = RATION__METHOD_POST | RATION__METHOD_DELETE;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 6; i++) {
		bool write = i % 2;

		one = (struct ration__ask){.keyset = keys,
			.grant = &grant,
			.skip = ration__keyset_skip(keys, write ? "POST" : "GET", "/v1/pages")};
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
		cr_assert_eq(
			one.decision, write && i > 1 ? RATION__DENIED : RATION__ADMITTED, "%d", i);
		if (one.decision == RATION__ADMITTED)
			settle(&f, &grant, RATION__SUCCESS);
		else
			cr_assert_eq(one.rule, 1);
	}
	ration__keyset_unref(keys);
}

Test(guard_limits, a_limit_may_look_at_a_keys_value)
{
	struct ration__pair search = {"tool", "search"}, drop = {"tool", "drop_table"};
	struct ration__grant grant = {0};
	struct ration__keyset *one, *two;

	add_rate(&f, "dangerous", 1, 1);
	snprintf(f.rules.limits[0].when.keys[0].name, 32, "tool");
	snprintf(f.rules.limits[0].when.keys[0].values[0], 32, "drop*");
	define(&f);
	one = keyset_of(&f, &search, 1);
	two = keyset_of(&f, &drop, 1);
	for (int i = 0; i < 5; i++) {
		cr_assert(try(one, &grant));
		settle(&f, &grant, RATION__SUCCESS);
	}
	cr_assert(try(two, &grant));
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_not(try(two, &grant));
	ration__keyset_unref(one);
	ration__keyset_unref(two);
}

Test(guard_limits, N5_an_override_holds_for_its_value_alone)
{
	struct ration__pair plain = {"agent", "plain"}, premium = {"agent", "premium"};
	struct ration__keyset *one, *two;
	struct ration__override *o;
	struct ration__limit *limit;

	limit = add_limit(&f, "calls", RATION__LIMIT_WINDOW);
	limit->window = (struct ration__window_conf){10 * (int64_t)RATION__MICRO, 60 * S};
	snprintf(limit->per[0], sizeof(limit->per[0]), "agent");
	o = &f.rules.overrides[f.rules.override_count++];
	snprintf(o->value, sizeof(o->value), "premium");
	o->max = 100 * (int64_t)RATION__MICRO;
	define(&f);
	one = keyset_of(&f, &plain, 1);
	two = keyset_of(&f, &premium, 1);
	cr_assert_float_eq(state_of(one, "calls", left), 10, 1e-6);
	cr_assert_float_eq(state_of(two, "calls", left), 100, 1e-6);
	ration__keyset_unref(one);
	ration__keyset_unref(two);
}

/* ---- breaker ---- */

Test(guard_limits, a_breaker_trips_on_the_failure_rate_of_one_key)
{
	struct ration__pair a = {"tool", "a"}, b = {"tool", "b"};
	struct ration__grant grant = {0};
	struct ration__keyset *one, *two;
	struct ration__settle last = {0};

	f.rules.breaker = (struct ration__breaker_conf){.failure_rate = 0.5,
		.window_calls = 10,
		.min_calls = 10,
		.close_after = 1,
		.probes = 1,
		.open_factor = 1,
		.open_ns = 60 * S,
		.open_max_ns = 60 * S};
	snprintf(f.rules.breaker_per[0], sizeof(f.rules.breaker_per[0]), "tool");
	define(&f);
	one = keyset_of(&f, &a, 1);
	two = keyset_of(&f, &b, 1);
	for (int i = 0; i < 10; i++) {
		cr_assert(try(one, &grant), "%d", i);
		last = settle(&f, &grant, i % 2 ? RATION__FAILURE : RATION__SUCCESS);
		cr_assert_eq(last.breaker_opened, i == 9, "%d", i);
	}
	cr_assert_eq(ask(&f, one, &grant, false).denial, RATION_DENIED_BREAKER);
	cr_assert(try(two, &grant), "another key's breaker");
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(one);
	ration__keyset_unref(two);
}

Test(guard_limits, N17_opening_is_told_once)
{
	struct ration__engine_options options = {
		.store = {.path = f.path, .clock = {.fn = fake_now, .arg = &f.clock}},
		.event = hear};
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	ration_error *err = NULL;

	ration__engine_close(f.engine); /* the first one that opens brings the hook */
	cr_assert_eq(ration__engine_open(&options, &f.engine, &err), 0);
	f.rules.breaker = (struct ration__breaker_conf){.trip_after = 2,
		.close_after = 1,
		.probes = 1,
		.open_factor = 1,
		.open_ns = S,
		.open_max_ns = S};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 2; i++) {
		cr_assert(try(keys, &grant));
		settle(&f, &grant, RATION__FAILURE);
	}
	cr_assert_eq(heard.count, 1);
	cr_assert_eq(heard.event, RATION_EVENT_BREAKER_OPENED);
	cr_assert_str_eq(heard.rule, "breaker");
	pass(&f, S + 1);
	cr_assert(try(keys, &grant));
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_eq(heard.count, 2);
	cr_assert_eq(heard.event, RATION_EVENT_BREAKER_CLOSED);
	ration__keyset_unref(keys);
}

/* ---- quota ---- */

static struct ration__ask try_quota(struct ration__keyset *keys, struct ration__grant *grant)
{
	struct ration__ask one;
	int rc = ration__guard_acquire(keys, NULL, 0, 0, grant, 0, &one);

	cr_assert_geq(rc, 0, "%s", ration_strerror(rc));
	return one;
}

Test(guard_limits, N17_a_low_quota_is_told_at_each_threshold_once)
{
	struct ration__engine_options options = {
		.store = {.path = f.path, .clock = {.fn = fake_now, .arg = &f.clock}},
		.event = hear};
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__limit *limit;
	ration_error *err = NULL;

	ration__engine_close(f.engine);
	cr_assert_eq(ration__engine_open(&options, &f.engine, &err), 0);
	limit = add_quota(&f, "daily", 20, 24 * 3600 * S);
	limit->warn[0] = 10 * (int64_t)RATION__MICRO;
	limit->warn[1] = 5 * (int64_t)RATION__MICRO;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 1; i <= 20; i++) {
		cr_assert_eq(try_quota(keys, &grant).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__SUCCESS);
		cr_assert_eq(heard.count, (i > 10) + (i > 15), "%d used", i);
	}
	cr_assert_eq(heard.event, RATION_EVENT_QUOTA_LOW);
	cr_assert_str_eq(heard.rule, "daily");
	cr_assert_float_eq(heard.value, 4, 1e-6);
	ration__keyset_unref(keys);
}

Test(guard_limits, N17_a_quota_below_its_thresholds_is_told_of_when_it_is_begun)
{
	const struct ration__pair trial = {"agent", "trial"};
	struct ration__override *override = &f.rules.overrides[f.rules.override_count++];
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__limit *limit;

	f.engine->event = hear;
	limit = add_quota(&f, "daily", 1000, 24 * 3600 * S);
	snprintf(limit->per[0], sizeof(limit->per[0]), "agent");
	limit->warn[0] = 50 * (int64_t)RATION__MICRO;
	limit->warn[1] = 5 * (int64_t)RATION__MICRO;
	snprintf(override->value, sizeof(override->value), "trial");
	override->max = 20 * (int64_t)RATION__MICRO;
	define(&f);
	keys = keyset_of(&f, &trial, 1);
	for (int i = 1; i <= 20; i++) {
		cr_assert_eq(try_quota(keys, &grant).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__SUCCESS);
		cr_assert_eq(heard.count, 1 + (i > 15), "%d used", i);
	}
	ration__keyset_unref(keys);
}

Test(guard_limits, a_calendar_quota_begins_anew_at_midnight)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__limit *limit;
	struct ration__ask no;

	/* 2023-11-14 22:13:20 UTC */
	limit = add_quota(&f, "daily", 3, 24 * 3600 * S);
	limit->calendar = RATION__CALENDAR_DAY;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(try_quota(keys, &grant).decision, RATION__ADMITTED, "%d", i);
		settle(&f, &grant, RATION__SUCCESS);
	}
	no = try_quota(keys, &grant);
	cr_assert_eq(no.denial, RATION_DENIED_QUOTA);
	cr_assert_eq(no.at_ns - f.clock.now_ns, (86400 - 80000) * S, "until midnight");
	pass(&f, (86400 - 80000) * S - 1);
	cr_assert_eq(try_quota(keys, &grant).denial, RATION_DENIED_QUOTA);
	pass(&f, 1);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(try_quota(keys, &grant).decision, RATION__ADMITTED, "%d", i);
		settle(&f, &grant, RATION__SUCCESS);
	}
	cr_assert_eq(try_quota(keys, &grant).denial, RATION_DENIED_QUOTA);
	ration__keyset_unref(keys);
}

/* ---- concurrency ---- */

static void add_concurrency(enum ration__concurrency_algorithm algorithm)
{
	f.rules.concurrency = (struct ration__concurrency_conf){.max = 200,
		.min = 1,
		.initial = 20,
		.algorithm = algorithm,
		.growth = RATION__GROWTH_SEED};
}

Test(guard_limits, E5_the_twenty_first_waits)
{
	struct ration__grant grants[21] = {0};
	struct ration__keyset *keys;

	add_concurrency(RATION__CONCURRENCY_AIMD);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 20; i++)
		cr_assert(try(keys, &grants[i]), "%d", i);
	cr_assert_not(try(keys, &grants[20]));
	for (int i = 0; i < 20; i++)
		settle(&f, &grants[i], RATION__IGNORED);
	ration__keyset_unref(keys);
}

Test(guard_limits, E6_E7_E8_the_limit_follows_the_answers)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;

	add_concurrency(RATION__CONCURRENCY_AIMD);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &grant));
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_float_eq(state_of(keys, "concurrency", limit_now), 21, 1e-9);
	cr_assert(try(keys, &grant));
	settle(&f, &grant, RATION__FAILURE); /* a 500 */
	cr_assert_float_eq(state_of(keys, "concurrency", limit_now), 21, 1e-9);
	pass(&f, S);
	cr_assert(try(keys, &grant));
	end((struct ration__settle){
		.grant = &grant, .outcome = RATION__THROTTLED, .overload = true});
	cr_assert_float_eq(state_of(keys, "concurrency", limit_now), 10, 1e-9);
	ration__keyset_unref(keys);
}

Test(guard_limits, places_per_key_stand_beside_those_of_the_service)
{
	struct ration__pair a = {"tenant", "a"}, b = {"tenant", "b"};
	struct ration__grant grants[4] = {0};
	struct ration__keyset *one, *two;
	struct ration__ask no;

	f.rules.concurrency.max = 3;
	f.rules.place.max = 2;
	snprintf(f.rules.place_per[0], sizeof(f.rules.place_per[0]), "tenant");
	define(&f);
	one = keyset_of(&f, &a, 1);
	two = keyset_of(&f, &b, 1);
	cr_assert(try(one, &grants[0]));
	cr_assert(try(one, &grants[1]));
	no = ask(&f, one, &grants[2], false);
	cr_assert_eq(no.denial, RATION_DENIED_CONCURRENCY);
	cr_assert_eq(no.rule, RATION__RULE_PLACE);
	cr_assert(try(two, &grants[2]));
	no = ask(&f, two, &grants[3], false);
	cr_assert_eq(no.rule, RATION__RULE_CONCURRENCY);
	settle(&f, &grants[0], RATION__SUCCESS);
	cr_assert(try(two, &grants[3]));
	settle(&f, &grants[1], RATION__SUCCESS);
	settle(&f, &grants[2], RATION__SUCCESS);
	settle(&f, &grants[3], RATION__SUCCESS);
	cr_assert_float_eq(state_of(one, "place", left), 2, 1e-9);
	ration__keyset_unref(one);
	ration__keyset_unref(two);
}

Test(guard_limits, a_permit_that_is_held_too_long_is_taken_back)
{
	struct ration__grant held = {0}, grant = {0};
	struct ration__keyset *keys;

	f.rules.concurrency.max = 1;
	f.rules.own.hold_ns = 10 * S;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, &held));
	pass(&f, 10 * S - 1);
	cr_assert_not(try(keys, &grant));
	pass(&f, S);
	cr_assert(try(keys, &grant));
	settle(&f, &held, RATION__SUCCESS); /* too late: not given back twice */
	cr_assert_not(try(keys, &held));
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert(try(keys, &held));
	settle(&f, &held, RATION__SUCCESS);
	ration__keyset_unref(keys);
}

/* ---- retry budget ---- */

Test(guard_limits, the_retry_budget_ends_and_comes_back)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__settle one = {0};
	int retries = 0;

	f.rules.budget = (struct ration__budget_conf){
		.capacity = 500, .retry_cost = 14, .throttle_cost = 5, .success_gain = 1};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	while (retries < 100) {
		cr_assert(try(keys, &grant));
		one = end((struct ration__settle){
			.grant = &grant, .outcome = RATION__FAILURE, .retry = RATION__RETRY});
		if (one.retry_cost < 0)
			break;
		cr_assert_eq(one.retry_cost, 14);
		retries++;
	}
	cr_assert_eq(retries, 35);
	cr_assert_float_eq(state_of(keys, "budget", left), 10, 1e-9);
	cr_assert(try(keys, &grant));
	end((struct ration__settle){
		.grant = &grant, .outcome = RATION__SUCCESS, .last = true, .last_retry_cost = 14});
	cr_assert_float_eq(state_of(keys, "budget", left), 24, 1e-9);
	cr_assert(try(keys, &grant));
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_float_eq(state_of(keys, "budget", left), 25, 1e-9, "a first try gains one");
	ration__keyset_unref(keys);
}

/* ---- observe ---- */

Test(guard_limits, observe_decides_and_delays_nothing)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask one;

	add_rate(&f, "calls", 1, 2);
	f.rules.own.observe = 1;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 4; i++) {
		one = ask(&f, keys, &grant, true);
		cr_assert_eq(one.decision, RATION__ADMITTED);
		cr_assert_eq(one.denial, i < 2 ? 0 : RATION_DENIED_RATE, "%d", i);
		cr_assert_eq(grant.mode, i < 2 ? RATION__EXACT : RATION__OBSERVED);
		if (i >= 2)
			cr_assert_eq(
				one.at_ns, f.clock.now_ns + S, "what it would have waited for");
		settle(&f, &grant, RATION__SUCCESS);
	}
	ration__keyset_unref(keys);
}

/* ---- many at once ---- */

Test(guard_limits, a_settle_that_finds_no_room_is_done_as_a_whole_later)
{
	enum { N = 60 };
	struct ration__grant grants[N] = {0};
	struct ration__keyset *keys[N];
	struct ration__settle settles[N];
	struct ration__batch batch = {.settles = settles, .settle_count = N};
	const struct ration__cost three = {"", 3};
	char names[N][16];
	size_t done = 0;

	add_rate(&f, "calls", 1, 10);
	snprintf(f.rules.limits[0].per[0], sizeof(f.rules.limits[0].per[0]), "tenant");
	snprintf(f.rules.breaker_per[0], sizeof(f.rules.breaker_per[0]), "tenant");
	f.rules.breaker = (struct ration__breaker_conf){.trip_after = 5,
		.close_after = 1,
		.probes = 1,
		.open_factor = 1,
		.open_ns = S,
		.open_max_ns = S};
	define(&f);
	for (int i = 0; i < N; i++) {
		struct ration__pair pair = {"tenant", names[i]};

		snprintf(names[i], sizeof(names[i]), "%d", i);
		keys[i] = keyset_of(&f, &pair, 1);
		cr_assert(try(keys[i], &grants[i]));
		settles[i] = (struct ration__settle){.grant = &grants[i],
			.outcome = RATION__FAILURE,
			.last = true,
			.actuals = &three,
			.actual_count = 1};
	}
	for (int turn = 0; turn < 10 && done < N; turn++) {
		batch.settles = settles + done;
		batch.settle_count = N - done;
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
		done += batch.settle_count;
	}
	cr_assert_eq(done, N);
	for (int i = 0; i < N; i++) {
		struct ration__rule_state state;

		cr_assert_eq(ration__guard_state(keys[i], "breaker", &state), 0);
		cr_assert_eq(state.failures, 1, "%d", i);
		cr_assert_float_eq(state_of(keys[i], "calls", left), 7, 1e-6, "%d", i);
		ration__keyset_unref(keys[i]);
	}
}

Test(guard_limits, a_failure_whose_retry_the_budget_refuses_is_the_jobs_last)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__settle one = {0};

	f.rules.budget = (struct ration__budget_conf){
		.capacity = 14, .retry_cost = 14, .throttle_cost = 5, .success_gain = 1};
	f.rules.breaker = (struct ration__breaker_conf){.trip_after = 1,
		.close_after = 1,
		.probes = 1,
		.open_factor = 1,
		.open_ns = S,
		.open_max_ns = S};
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 2; i++) {
		cr_assert(try(keys, &grant));
		one = end((struct ration__settle){
			.grant = &grant, .outcome = RATION__FAILURE, .retry = RATION__RETRY});
		cr_assert_eq(one.retry_cost < 0, i == 1);
		cr_assert_eq(one.breaker_opened, i == 1, "%d", i);
	}
	ration__keyset_unref(keys);
}

Test(guard_limits, a_limit_may_have_its_own_policy_while_the_store_is_silent)
{
	static const uint32_t own[] = {
		0, 1 + RATION__ON_FAILURE_OPEN, 1 + RATION__ON_FAILURE_CLOSED};
	static const enum ration__decision expected[] = {
		RATION__DENIED, RATION__ADMITTED, RATION__DENIED};

	for (int i = 0; i < 3; i++) {
		struct ration__grant grant = {0};
		struct ration__keyset *keys;
		struct ration__ask one;
		pid_t peer;

		f.rules.limit_count = 0;
		f.rules.own.on_failure = RATION__ON_FAILURE_LOCAL;
		add_quota(&f, "daily", 1000000, 24 * 3600 * S)->on_failure = own[i];
		define(&f);
		keys = keyset_of(&f, NULL, 0);
		peer = stuck_peer(&f);
		one = ask(&f, keys, &grant, false);
		cr_expect_eq(one.decision, expected[i], "%d", i);
		if (one.decision == RATION__DENIED)
			cr_expect_eq(one.denial, RATION_DENIED_STORE);
		else
			cr_expect_eq(grant.mode, RATION__LOCAL);
		kill(peer, SIGKILL);
		waitpid(peer, NULL, 0);
		settle(&f, &grant, RATION__SUCCESS);
		ration__keyset_unref(keys);
		ration__guard_close(f.guard);
	}
	f.guard = NULL;
}

/* "records" and "used_bytes" of hot/. */
static long inspected(const char *member)
{
	ration_error *err = NULL;
	char *json, *at;
	long value;

	cr_assert_eq(ration__engine_inspect(f.engine, "", &json, &err), 0);
	at = strstr(json, member);
	cr_assert(at, "%s", json);
	value = atol(at + strlen(member) + 1);
	free(json);
	return value;
}

Test(guard_limits, N18_what_is_over_is_cleaned)
{
	struct ration__grant grant = {0};
	struct ration__limit *limit;
	struct ration__keyset *keys;
	long full, bytes = 0;

	limit = add_limit(&f, "calls", RATION__LIMIT_WINDOW);
	limit->window = (struct ration__window_conf){500 * (int64_t)RATION__MICRO, 60 * S};
	snprintf(limit->per[0], sizeof(limit->per[0]), "tenant");
	define(&f);
	for (int i = 0; i < 300; i++) {
		char name[16];
		struct ration__pair tenant = {"tenant", name};

		snprintf(name, sizeof(name), "%d", i);
		keys = keyset_of(&f, &tenant, 1);
		cr_assert(try(keys, &grant));
		settle(&f, &grant, RATION__SUCCESS);
		ration__keyset_unref(keys);
	}
	full = inspected("\"records\"");
	cr_assert_geq(full, 300);
	pass(&f, 3600 * S);
	keys = keyset_of(&f, NULL, 0);
	for (int window = 0; window < 5; window++) { /* the log of one key, at its fullest */
		for (int i = 0; i < 500; i++) {
			cr_assert(try(keys, &grant), "%d", i);
			settle(&f, &grant, RATION__SUCCESS);
		}
		if (window == 1)
			bytes = inspected("\"used_bytes\"");
		pass(&f, 61 * S);
	}
	cr_assert_lt(inspected("\"records\""), 20, "of %ld", full);
	cr_assert_leq(inspected("\"used_bytes\""), bytes, "old entries went");
	ration__keyset_unref(keys);
}

/* ---- what is stored ---- */

static size_t stored_size(uint32_t limit)
{
	struct ration__keyset *keyset = keyset_of(&f, NULL, 0);
	const struct ration__cell *cell = &keyset->cells[limit];
	struct ration__txn *txn;
	const void *value;
	size_t length = 0;

	cr_assert_eq(ration__store_begin(ration__engine_store(f.engine), -1, &txn), 0);
	cr_assert_eq(ration__txn_get(txn, ration__cell_key(keyset, cell), cell->length,
			     RATION__LAYOUT(RATION__RECORD_BUCKET), &value, &length),
		0);
	ration__store_abort(txn);
	ration__keyset_unref(keyset);
	return length;
}

Test(guard_limits, a_rate_of_calls_is_stored_without_what_settling_takes)
{
	struct ration__keyset *keyset;
	struct ration__grant grant = {0};
	double left;

	add_rate(&f, "calls", 10, 10);
	add_rate(&f, "tokens", 100, 100);
	snprintf(f.rules.limits[1].unit, sizeof(f.rules.limits[1].unit), "tokens");
	define(&f);
	keyset = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keyset, &grant, false).decision, RATION__ADMITTED);
	cr_assert_eq(stored_size(0), RATION__BUCKET_HEAD);
	cr_assert_eq(stored_size(1), sizeof(struct ration__bucket));
	settle(&f, &grant, RATION__SUCCESS);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(ask(&f, keyset, &grant, false).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__SUCCESS);
	}
	cr_assert_eq(ration__guard_remaining(keyset, "calls", &left), 0);
	cr_assert_float_eq(left, 5, 1e-6);
	ration__keyset_unref(keyset);
}
