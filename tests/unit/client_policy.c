/* Policies used by themselves through the public interface: check, consume, remaining, state,
 * reset, record; true costs; steering. For callers that are no HTTP. */
#include <criterion/criterion.h>
#include <math.h>
#include <ration/ration.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define S INT64_C(1000000000)

static char path[64];
static int64_t now_ns;
static char events[512];
static ration_config *config;
static ration_guard *guard;
static ration_permit *permit;

static const char text[] =
	"services:\n"
	"  tool:\n"
	"    limits:\n"
	"      queries: {rate: 60/min, burst: 10}\n"
	"      tokens: {rate: 10/s, burst: 100, unit: tokens, estimate: 20}\n"
	"    quotas:\n"
	"      daily: {max: 50, window: 24h, warn_below: 20}\n"
	"    breaker: {trip_after: 2, open_for: 60s}\n"
	"    concurrency: {max: 3, per_key: {per: [tenant], max: 2}}\n"
	"  keyed:\n"
	"    limits:\n"
	"      calls: {rate: 60/min, per: [agent, tool]}\n"
	"      wide: {rate: 60/min, burst: 1m, per: [agent, tool]}\n"
	"  learns:\n"
	"    limits: {learned: {preset: notion}}\n"
	"  slow:\n"
	"    breaker: {slow_rate: 50%, slow_after: 1s, window: 4, min_calls: 4}\n"
	"  web:\n"
	"    limits:\n"
	"      reads: {rate: 1/s, burst: 1, when: {methods: [GET]}}\n"
	"      pages: {rate: 1/s, burst: 1, when: {methods: [POST], path: "
	"\"/v1/*\"}}\n"
	"  named:\n"
	"    limits: {plain: {max: 100, window: 1h}, worded: {max: 100, window: 1h, unit: calls}}\n"
	"  watched:\n"
	"    mode: observe\n"
	"    limits: {calls: {rate: 1/s, burst: 1}}\n";

static int64_t fake_now(void *arg, enum ration_clock which)
{
	return which == RATION_CLOCK_STEADY ? now_ns : INT64_C(1700000000) * S + now_ns;
}

static void keep_event(void *arg, enum ration_event event, const char *service, const char *rule,
	const char *keys, double value)
{
	size_t used = strlen(events);

	snprintf(events + used, sizeof(events) - used, "%d %s/%s;", (int)event, service, rule);
}

static void setup(void)
{
	ration_error *err = NULL;

	strcpy(path, "/tmp/ration-test-policy-XXXXXX");
	cr_assert(mkdtemp(path));
	now_ns = 1000 * S;
	config = ration_config_new();
	cr_assert(config);
	cr_assert_eq(
		ration_config_load_text(config, text, NULL, &err), 0, "%s", ration_error_text(err));
	cr_assert_eq(ration_config_set(config, "store.path", path, NULL), 0);
	ration_config_set_clock(config, fake_now, NULL);
	ration_config_on_event(config, keep_event, NULL);
}

static void open_service(const char *service)
{
	ration_error *err = NULL;

	cr_assert_eq(
		ration_guard_open(config, service, &guard, &err), 0, "%s", ration_error_text(err));
	permit = ration_permit_new(guard);
	cr_assert(permit);
}

static void close_service(void)
{
	ration_permit_free(permit);
	ration_guard_close(guard);
	permit = NULL;
	guard = NULL;
}

static void teardown(void)
{
	char command[128];

	close_service();
	ration_config_free(config);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
}

TestSuite(policy_alone, .init = setup, .fini = teardown, .timeout = 60);

static void only(const char *rule)
{
	cr_assert_eq(ration_permit_only(permit, rule), 0);
}

static double number(const char *rule, const char *what)
{
	double value = -99;

	cr_assert_eq(ration_permit_state(permit, rule, what, &value), 0, "%s %s", rule, what);
	return value;
}

static void is(const char *rule, const char *what, double wanted)
{
	double got = number(rule, what);

	cr_assert_float_eq(got, wanted, 1e-3, "%s %s: %.9g, not %.9g", rule, what, got, wanted);
}

static void use(enum ration_outcome outcome)
{
	cr_assert_eq(ration_permit_acquire(permit, 0), 0, "%s", ration_permit_why(permit));
	cr_assert_eq(ration_permit_release(permit, outcome), 0);
}

static void control(const char *selector, const char *action, int64_t ttl_ms)
{
	ration_error *err = NULL;

	cr_assert_eq(ration_control(config, selector, action, ttl_ms, &err), 0, "%s",
		ration_error_text(err));
}

/* ---- rates ---- */

Test(policy_alone, N1_sixty_a_minute_and_ten_at_once)
{
	open_service("tool");
	only("queries");
	for (int i = 0; i < 10; i++)
		use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
	is("queries", "free_in_ms", 1000);
	now_ns += S;
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
}

Test(policy_alone, N2_a_burst_of_a_minute_and_keys_by_agent_and_tool)
{
	open_service("keyed");
	cr_assert_eq(ration_permit_set_key(permit, "agent", "a"), 0);
	cr_assert_eq(ration_permit_set_key(permit, "tool", "x"), 0);
	is("wide", "limit", 60);
	is("calls", "limit", 1); /* unset: a second of the rate */
	is("wide", "rate", 1);
	only("wide");
	for (int i = 0; i < 60; i++)
		use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_peek(permit), RATION_DENIED_RATE);
	cr_assert_eq(ration_permit_set_key(permit, "tool", "y"), 0);
	is("wide", "remaining", 60);
	cr_assert_eq(ration_permit_set_key(permit, "agent", "b"), 0);
	cr_assert_eq(ration_permit_set_key(permit, "tool", "x"), 0);
	is("wide", "remaining", 60);
}

Test(policy_alone, N3_remaining_takes_nothing_and_reset_makes_full)
{
	open_service("tool");
	only("queries");
	use(RATION_SUCCESS);
	for (int i = 0; i < 5; i++) {
		is("queries", "remaining", 9);
		cr_assert_eq(ration_permit_peek(permit), 0);
	}
	cr_assert_eq(ration_permit_reset(permit, "queries"), 0);
	is("queries", "remaining", 10);
}

/* ---- quotas ---- */

Test(policy_alone, N6_remaining_is_never_below_0_and_reset_keeps_the_maximum)
{
	open_service("tool");
	only("daily");
	cr_assert_eq(ration_permit_set_cost(permit, "", 49), 0);
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	cr_assert_eq(ration_permit_settle(permit, "", 60), 0); /* more than there is */
	is("daily", "remaining", 0);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	cr_assert_eq(ration_permit_set_cost(permit, "", 1), 0);
	cr_assert_eq(ration_permit_peek(permit), RATION_DENIED_QUOTA);
	is("daily", "free_in_ms", 24 * 3600 * 1000.0);
	cr_assert_eq(ration_permit_reset(permit, "daily"), 0);
	is("daily", "remaining", 50);
	is("daily", "limit", 50);
	cr_assert_eq(ration_permit_peek(permit), 0);
}

Test(policy_alone, N17_events_tell_of_a_low_quota_and_an_open_breaker)
{
	open_service("tool");
	only("daily");
	cr_assert_eq(ration_permit_set_cost(permit, "", 30), 0);
	use(RATION_SUCCESS);
	cr_assert_str_eq(events, "", "20 are left: not less than 20");
	cr_assert_eq(ration_permit_set_cost(permit, "", 1), 0);
	use(RATION_SUCCESS);
	use(RATION_SUCCESS);
	cr_assert_str_eq(events, "3 tool/daily;", "once");
	only("breaker");
	use(RATION_FAILURE);
	use(RATION_FAILURE);
	cr_assert_str_eq(events, "3 tool/daily;1 tool/breaker;");
}

/* ---- breaker ---- */

Test(policy_alone, N9_a_breaker_is_recorded_read_and_reset_by_hand_and_persists)
{
	open_service("tool");
	cr_assert_str_eq(ration_permit_state_name(permit, "breaker"), "closed");
	cr_assert_eq(ration_permit_record(permit, RATION_FAILURE, 0), 0);
	is("breaker", "failures", 1);
	is("breaker", "open", 0);
	cr_assert_eq(ration_permit_record(permit, RATION_FAILURE, 0), 0);
	cr_assert_str_eq(ration_permit_state_name(permit, "breaker"), "open");
	is("breaker", "open", 1);
	is("breaker", "remaining", 0);
	is("breaker", "free_in_ms", 60000);
	is("queries", "remaining", 10); /* a result alone takes no token */
	close_service();
	open_service("tool");
	cr_assert_str_eq(ration_permit_state_name(permit, "breaker"), "open");
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_BREAKER);
	now_ns += 61 * S;
	cr_assert_eq(ration_permit_record(permit, RATION_SUCCESS, 0), 0);
	cr_assert_str_eq(ration_permit_state_name(permit, "breaker"), "closed");
	ration_permit_record(permit, RATION_FAILURE, 0);
	ration_permit_record(permit, RATION_FAILURE, 0);
	cr_assert_eq(ration_permit_reset(permit, "breaker"), 0);
	cr_assert_str_eq(ration_permit_state_name(permit, "breaker"), "closed");
	is("breaker", "failures", 0);
	use(RATION_SUCCESS);
}

Test(policy_alone, a_slow_call_is_measured_or_told)
{
	open_service("slow");
	for (int i = 0; i < 2; i++) {
		use(RATION_SUCCESS);
		cr_assert_eq(ration_permit_acquire(permit, 0), 0);
		now_ns += 2 * S;
		cr_assert_str_eq(ration_permit_state_name(permit, "breaker"), "closed");
		cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	}
	cr_assert_str_eq(ration_permit_state_name(permit, "breaker"), "open", "half were slow");
	cr_assert_eq(ration_permit_reset(permit, NULL), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(ration_permit_record(permit, RATION_SUCCESS, i < 2 ? 2000 : 10), 0);
	cr_assert_str_eq(ration_permit_state_name(permit, "breaker"), "open");
}

/* ---- adaptive ---- */

Test(policy_alone, D7_a_backoff_signal_by_hand)
{
	open_service("learns");
	is("learned", "rate", 2);
	cr_assert_eq(ration_permit_backoff(permit, 5000), 0);
	is("learned", "rate", 1);
	is("cooldown", "remaining", 0);
	is("cooldown", "free_in_ms", 5000);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_COOLDOWN);
	cr_assert_eq(ration_permit_retry_after_ms(permit), 5000);
	cr_assert_str_eq(ration_permit_rule(permit), "cooldown");
	now_ns += 5 * S;
	is("cooldown", "remaining", 1);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_backoff(permit, -1), RATION_EINVAL);
	cr_assert_eq(ration_permit_reset(permit, "learned"), 0);
	is("learned", "rate", 2);
}

Test(policy_alone, D1_a_call_that_was_throttled_cuts_the_rate)
{
	open_service("learns");
	use(RATION_THROTTLED);
	is("learned", "rate", 1);
	now_ns += 10 * S;
	cr_assert_eq(ration_permit_record(permit, RATION_THROTTLED, 0), 0);
	is("learned", "rate", 0.5);
	cr_assert(strstr(events, "4 learns/learned;"), "%s", events);
}

Test(policy_alone, D18_a_preset_is_looked_up_and_used_by_name)
{
	ration_error *err = NULL;
	char *json = NULL;

	cr_assert_eq(
		ration_preset_get(config, "notion", &json, &err), 0, "%s", ration_error_text(err));
	cr_assert(strstr(json, "\"initial\":2") && strstr(json, "\"max\":3.5"), "%s", json);
	ration_free(json);
	open_service("learns");
	is("learned", "rate", 2);
}

/* ---- one alone ---- */

Test(policy_alone, only_one_policy_is_asked_and_used)
{
	open_service("tool");
	only("tokens");
	cr_assert_eq(ration_permit_set_cost(permit, "tokens", 100), 0);
	use(RATION_FAILURE);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
	cr_assert_str_eq(ration_permit_rule(permit), "tokens");
	is("queries", "remaining", 10);
	is("daily", "remaining", 50);
	is("breaker", "failures", 0);
	only("queries");
	use(RATION_FAILURE);
	is("queries", "remaining", 9);
	only("concurrency");
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	is("concurrency", "remaining", 2);
	is("place", "remaining", 1);
	cr_assert_eq(ration_permit_only(permit, NULL), RATION_EBUSY);
	cr_assert_eq(ration_permit_set_call(permit, NULL, NULL), RATION_EBUSY);
	cr_assert_eq(ration_permit_release(permit, RATION_FAILURE), 0);
	is("breaker", "failures", 0);
	only("breaker");
	use(RATION_FAILURE);
	is("breaker", "failures", 1);
	is("queries", "remaining", 9);
	cr_assert_eq(ration_permit_only(permit, "budget"), RATION_EINVAL);
	cr_assert_eq(ration_permit_only(permit, "nothing"), RATION_EINVAL);
	only(NULL);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE, "tokens again");
}

Test(policy_alone, a_policy_that_went_away_is_said)
{
	ration_config *changed = ration_config_new();
	ration_guard *second = NULL;

	open_service("keyed");
	only("wide");
	use(RATION_SUCCESS);
	cr_assert_eq(ration_config_load_text(changed,
			     "services: {keyed: {limits: {calls: {rate: 1/s}}}}", NULL, NULL),
		0);
	cr_assert_eq(ration_config_set(changed, "store.path", path, NULL), 0);
	ration_config_set_clock(changed, fake_now, NULL);
	cr_assert_eq(ration_guard_open(changed, "keyed", &second, NULL), 0);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_EINVAL);
	cr_assert(strstr(ration_permit_why(permit), "\"wide\""), "%s", ration_permit_why(permit));
	only(NULL);
	use(RATION_SUCCESS);
	ration_guard_close(second);
	ration_config_free(changed);
}

/* ---- true costs ---- */

Test(policy_alone, costs_are_settled_both_ways_while_held)
{
	open_service("tool");
	cr_assert_eq(ration_permit_settle(permit, "tokens", 1), RATION_EINVAL, "not held");
	cr_assert_eq(ration_permit_set_cost(permit, "tokens", 60), 0);
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	is("tokens", "remaining", 40);
	cr_assert_eq(ration_permit_settle(permit, "tokens", 35.5), 0);
	is("tokens", "remaining", 64.5);
	cr_assert_eq(ration_permit_settle(permit, "tokens", 80), 0); /* more is known */
	is("tokens", "remaining", 20);
	cr_assert_eq(ration_permit_settle(permit, "bytes", 5), 0); /* no limit counts these */
	cr_assert_eq(ration_permit_settle(permit, "tokens", -1), RATION_EINVAL);
	cr_assert_eq(ration_permit_settle(permit, "tokens", NAN), RATION_EINVAL);
	cr_assert_eq(ration_permit_settle(permit, NULL, 1), RATION_EINVAL);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	is("tokens", "remaining", 20);
	cr_assert_eq(ration_permit_settle(permit, "tokens", 1), RATION_EINVAL, "after release");
	now_ns += 8 * S;
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	is("tokens", "remaining", 40); /* the next call's estimate is its own */
	cr_assert_eq(ration_permit_settle(permit, "tokens", 130), 0);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	is("tokens", "remaining", 0);
	cr_assert_eq(ration_permit_set_cost(permit, "tokens", 20), 0);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
	cr_assert_eq(ration_permit_retry_after_ms(permit), 5000); /* 30 owed, 20 wanted */
}

Test(policy_alone, an_estimate_of_the_limit_is_settled_too)
{
	char unit[16];

	open_service("tool");
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	is("tokens", "remaining", 80);
	cr_assert_eq(ration_permit_settle(permit, "tokens", 5), 0);
	is("tokens", "remaining", 95);
	for (int i = 0; i < 7; i++) {
		snprintf(unit, sizeof(unit), "u%d", i);
		cr_assert_eq(ration_permit_settle(permit, unit, 1), 0);
	}
	cr_assert_eq(ration_permit_settle(permit, "u7", 1), RATION_ETOOBIG);
	cr_assert_eq(ration_permit_settle(permit, "tokens", 50), 0);
	is("tokens", "remaining", 50);
}

/* ---- calls ---- */

Test(policy_alone, N19_limits_look_at_method_and_path)
{
	open_service("web");
	cr_assert_eq(ration_permit_set_call(permit, "GET", "/v1/users"), 0);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
	cr_assert_str_eq(ration_permit_rule(permit), "reads");
	cr_assert_eq(ration_permit_set_call(permit, "POST", "/v1/pages?x=1"), 0);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
	cr_assert_str_eq(ration_permit_rule(permit), "pages");
	cr_assert_eq(ration_permit_set_call(permit, "POST", "/v1/pages/7"), 0);
	use(RATION_SUCCESS);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_set_call(permit, NULL, NULL), 0);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_set_call(permit, "GET", "v1"), RATION_EINVAL);
	cr_assert_eq(ration_permit_set_call(permit, "", "/"), RATION_EINVAL);
}

Test(policy_alone, observed_calls_go_and_say_what_would_have_been)
{
	open_service("watched");
	use(RATION_SUCCESS);
	cr_assert_str_eq(ration_permit_mode(permit), "exact");
	cr_assert_str_empty(ration_permit_why(permit));
	use(RATION_SUCCESS);
	cr_assert_str_eq(ration_permit_mode(permit), "observe");
	cr_assert_str_eq(ration_permit_rule(permit), "calls");
	cr_assert_eq(ration_permit_retry_after_ms(permit), 1000);
	cr_assert_eq(ration_permit_peek(permit), 0);
	cr_assert_str_eq(ration_permit_mode(permit), "observe");
}

/* ---- arguments ---- */

Test(policy_alone, what_is_not_there_is_said)
{
	double value = 7;

	open_service("tool");
	cr_assert_eq(ration_permit_state(permit, "nothing", "rate", &value), RATION_EINVAL);
	cr_assert_eq(ration_permit_state(permit, "queries", "colour", &value), RATION_EINVAL);
	cr_assert_eq(ration_permit_state(permit, "queries", "rate", NULL), RATION_EINVAL);
	cr_assert_float_eq(value, 7, 0);
	cr_assert_str_empty(ration_permit_state_name(permit, "queries"));
	cr_assert_str_empty(ration_permit_state_name(permit, "nothing"));
	cr_assert_str_empty(ration_permit_state_name(NULL, "breaker"));
	cr_assert_eq(ration_permit_reset(permit, "nothing"), RATION_EINVAL);
	cr_assert_eq(ration_permit_record(permit, (enum ration_outcome)7, 0), RATION_EINVAL);
	cr_assert_eq(ration_permit_record(permit, RATION_SUCCESS, -1), RATION_EINVAL);
	cr_assert_eq(ration_permit_only(NULL, NULL), RATION_EINVAL);
	cr_assert_eq(ration_permit_record(NULL, RATION_SUCCESS, 0), RATION_EINVAL);
	cr_assert_eq(ration_permit_backoff(NULL, 0), RATION_EINVAL);
	cr_assert_eq(ration_permit_reset(NULL, NULL), RATION_EINVAL);
	cr_assert_eq(ration_permit_set_call(NULL, NULL, NULL), RATION_EINVAL);
}

/* ---- steering ---- */

Test(policy_alone, N9_control_forces_open_for_a_time_and_takes_back)
{
	open_service("tool");
	control("tool/breaker", "open", 30000);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_BREAKER);
	cr_assert_str_eq(ration_permit_state_name(permit, "breaker"), "forced-open");
	is("breaker", "open", 1);
	cr_assert_eq(ration_permit_reset(permit, NULL), 0);
	cr_assert_eq(ration_permit_peek(permit), RATION_DENIED_BREAKER, "the operator's stays");
	now_ns += 31 * S;
	use(RATION_SUCCESS);
	control("tool/breaker", "open", 0);
	cr_assert_eq(ration_permit_peek(permit), RATION_DENIED_BREAKER);
	control("tool", "auto", 0);
	use(RATION_SUCCESS);
	control("tool/breaker", "disable", 0);
	ration_permit_record(permit, RATION_FAILURE, 0);
	ration_permit_record(permit, RATION_FAILURE, 0);
	use(RATION_SUCCESS);
}

Test(policy_alone, N5_control_sets_numbers_for_all_and_for_one)
{
	open_service("keyed");
	cr_assert_eq(ration_permit_set_key(permit, "agent", "a,b"), 0);
	cr_assert_eq(ration_permit_set_key(permit, "tool", "x"), 0);
	control("keyed/wide", "set rate=5/s burst=7", 0);
	is("wide", "limit", 7);
	is("wide", "rate", 5);
	control("keyed/wide/a\\,b,x", "set burst=9", 0);
	is("wide", "limit", 9);
	cr_assert_eq(ration_permit_set_key(permit, "tool", "y"), 0);
	is("wide", "limit", 7);
	control("keyed/wide", "auto", 0);
	is("wide", "limit", 60);
	is("wide", "rate", 1);
}

Test(policy_alone, control_says_what_would_be_right)
{
	static const char *const wrong[][3] = {
		{"nobody", "reset", "tool"},
		{"tool/nothing", "reset", "queries"},
		{"tool", "explode", "reset"},
		{"tool/queries", "set", "rate=5/s"},
		{"tool/queries", "set colour=5", "rate=RATE"},
		{"", "reset", ""},
	};
	ration_error *err;

	open_service("tool");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err = NULL;
		cr_assert_lt(ration_control(config, wrong[i][0], wrong[i][1], 0, &err), 0, "%s %s",
			wrong[i][0], wrong[i][1]);
		cr_assert(
			strstr(ration_error_text(err), wrong[i][2]), "%s", ration_error_text(err));
		ration_error_free(err);
	}
	cr_assert_eq(ration_control(config, "tool", "reset", -1, NULL), RATION_EINVAL);
	cr_assert_eq(ration_control(config, NULL, "reset", 0, NULL), RATION_EINVAL);
	cr_assert_eq(ration_control(NULL, "tool", "reset", 0, NULL), RATION_EINVAL);
}

Test(policy_alone, more_than_was_taken_is_taken_of_a_limit_at_rest)
{
	open_service("tool");
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	cr_assert_eq(ration_permit_settle(permit, "tokens", 0), 0);
	is("tokens", "remaining", 100); /* full: it has no record any more */
	cr_assert_eq(ration_permit_settle(permit, "tokens", 50), 0);
	is("tokens", "remaining", 50);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
}

Test(policy_alone, calls_are_a_unit_with_and_without_its_name)
{
	double left = 100;

	open_service("named");
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ration_permit_set_cost(permit, i ? "calls" : "", 3 + i), 0);
		cr_assert_eq(ration_permit_acquire(permit, 0), 0);
		is("plain", "remaining", left - (3 + i));
		is("worded", "remaining", left - (3 + i));
		left -= 6 + i;
		cr_assert_eq(ration_permit_settle(permit, i ? "" : "calls", 6 + i), 0);
		is("plain", "remaining", left);
		is("worded", "remaining", left);
		ration_permit_release(permit, RATION_SUCCESS);
	}
}
