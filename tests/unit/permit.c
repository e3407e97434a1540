/* The public face of guards and permits, from a configuration's text. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <ration/ration.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

static char path[64];
static int64_t now_ns;
static ration_config *config;
static ration_guard *guard;
static ration_permit *permit;

static const char text[] = "services:\n"
			   "  tool:\n"
			   "    limits:\n"
			   "      queries: {rate: 1/s, burst: 2, per: [agent]}\n"
			   "      tokens: {rate: 10/s, burst: 100, unit: tokens}\n"
			   "    quotas:\n"
			   "      daily: {max: 5, window: 24h}\n"
			   "    breaker: {trip_after: 2, open_for: 60s}\n"
			   "    concurrency: {max: 3}\n"
			   "  strict:\n"
			   "    required_keys: [tenant]\n"
			   "    limits: {calls: {rate: 1/s, burst: 1, per: [tenant]}}\n"
			   "  narrow:\n"
			   "    concurrency: {max: 1}\n";

static int64_t fake_now(void *arg, enum ration_clock which)
{
	return which == RATION_CLOCK_STEADY ? now_ns : INT64_C(1700000000) * S + now_ns;
}

static ration_config *new_config(bool fake)
{
	ration_config *made = ration_config_new();
	ration_error *err = NULL;

	cr_assert(made);
	cr_assert_eq(
		ration_config_load_text(made, text, NULL, &err), 0, "%s", ration_error_text(err));
	cr_assert_eq(
		ration_config_set(made, "store.path", path, &err), 0, "%s", ration_error_text(err));
	if (fake)
		ration_config_set_clock(made, fake_now, NULL);
	return made;
}

static void setup(void)
{
	strcpy(path, "/tmp/ration-test-permit-XXXXXX");
	cr_assert(mkdtemp(path));
	now_ns = 1000 * S;
}

static void open_service(const char *service, bool fake)
{
	ration_error *err = NULL;

	config = new_config(fake);
	cr_assert_eq(
		ration_guard_open(config, service, &guard, &err), 0, "%s", ration_error_text(err));
	permit = ration_permit_new(guard);
	cr_assert(permit);
}

static void teardown(void)
{
	char command[128];

	ration_permit_free(permit);
	ration_guard_close(guard);
	ration_config_free(config);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
}

TestSuite(permit, .init = setup, .fini = teardown, .timeout = 60);

static void set_agent(const char *agent)
{
	cr_assert_eq(ration_permit_set_key(permit, "agent", agent), 0);
}

static void use(enum ration_outcome outcome)
{
	cr_assert_eq(ration_permit_acquire(permit, 0), 0, "%s", ration_permit_why(permit));
	cr_assert_eq(ration_permit_release(permit, outcome), 0);
}

Test(permit, what_a_client_refuses_a_guard_refuses)
{
	ration_error *err = NULL;

	config = new_config(true);
	cr_assert_eq(ration_config_set(config, "services.tool.fairness.weights.a", "3", NULL), 0);
	cr_assert_eq(ration_guard_open(config, "tool", &guard, &err), RATION_ECONFIG);
	cr_assert(strstr(ration_error_text(err), "weights need fairness.per"), "%s",
		ration_error_text(err));
	ration_error_free(err);
}

/* ---- deciding ---- */

Test(permit, N1_a_rate_denies_and_says_why)
{
	open_service("tool", true);
	set_agent("a");
	use(RATION_SUCCESS);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
	cr_assert_str_eq(ration_permit_rule(permit), "queries");
	cr_assert(strstr(ration_permit_why(permit), "queries, next in 1"), "%s",
		ration_permit_why(permit));
	cr_assert_eq(ration_permit_retry_after_ms(permit), 1000);
	now_ns += S;
	use(RATION_SUCCESS);
	cr_assert_str_empty(ration_permit_why(permit));
	cr_assert_str_empty(ration_permit_rule(permit));
	cr_assert_eq(ration_permit_retry_after_ms(permit), -1);
	cr_assert_str_eq(ration_permit_mode(permit), "exact");
}

Test(permit, N2_keys_are_isolated)
{
	open_service("tool", true);
	set_agent("a");
	use(RATION_SUCCESS);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
	set_agent("b");
	use(RATION_SUCCESS);
}

Test(permit, N4_a_quota_is_exact_and_the_next_is_refused)
{
	double left;

	open_service("tool", true);
	cr_assert_eq(ration_permit_peek(permit), 0, "an unused quota denies nobody: %s",
		ration_permit_why(permit));
	cr_assert_eq(ration_permit_remaining(permit, "daily", &left), 0);
	cr_assert_float_eq(left, 5, 0);
	for (int i = 0; i < 5; i++, now_ns += 10 * S)
		use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_remaining(permit, "daily", &left), 0);
	cr_assert_float_eq(left, 0, 0);
	cr_assert_eq(ration_permit_peek(permit), RATION_DENIED_QUOTA);
	cr_assert_eq(ration_permit_acquire(permit, -1), RATION_DENIED_QUOTA, "refused at once");
	cr_assert_str_eq(ration_permit_rule(permit), "daily");
	cr_assert_gt(ration_permit_retry_after_ms(permit), 23 * 3600 * 1000);
}

Test(permit, N7_N8_the_breaker_opens_is_probed_and_closes)
{
	open_service("tool", true);
	use(RATION_FAILURE);
	use(RATION_FAILURE);
	now_ns += 10 * S;
	cr_assert_eq(ration_permit_acquire(permit, -1), RATION_DENIED_BREAKER);
	cr_assert_str_eq(ration_permit_rule(permit), "breaker");
	cr_assert_geq(ration_permit_retry_after_ms(permit), 50000);
	now_ns += 51 * S;
	use(RATION_SUCCESS);
	use(RATION_FAILURE);
	now_ns += 10 * S;
	use(RATION_SUCCESS); /* one failure opens a half-open one, not a closed one */
}

Test(permit, a_cost_in_units_and_one_that_is_impossible)
{
	double left;

	open_service("tool", true);
	cr_assert_eq(ration_permit_set_cost(permit, "tokens", 60.5), 0);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_remaining(permit, "tokens", &left), 0);
	cr_assert_float_eq(left, 39.5, 1e-9);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
	cr_assert_str_eq(ration_permit_rule(permit), "tokens");
	cr_assert_eq(ration_permit_retry_after_ms(permit), 2100);
	cr_assert_eq(ration_permit_set_cost(permit, "tokens", 100.5), 0);
	cr_assert_eq(ration_permit_acquire(permit, -1), RATION_DENIED_IMPOSSIBLE);
	cr_assert_eq(ration_permit_retry_after_ms(permit), -1);
	cr_assert_eq(ration_permit_set_cost(permit, "tokens", 39.5), 0);
	use(RATION_SUCCESS);
}

Test(permit, peek_takes_nothing)
{
	double left;

	open_service("tool", true);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(ration_permit_peek(permit), 0);
	cr_assert_eq(ration_permit_remaining(permit, "queries", &left), 0);
	cr_assert_float_eq(left, 2, 0);
	cr_assert_eq(ration_permit_remaining(permit, "concurrency", &left), 0);
	cr_assert_float_eq(left, 3, 0);
	cr_assert_eq(ration_permit_remaining(permit, "no such", &left), RATION_EINVAL);
	use(RATION_SUCCESS);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_peek(permit), RATION_DENIED_RATE);
	cr_assert_eq(ration_permit_retry_after_ms(permit), 1000);
}

/* ---- holding ---- */

Test(permit, what_is_held_cannot_be_changed_or_had_again)
{
	open_service("tool", true);
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_EBUSY);
	cr_assert_eq(ration_permit_set_key(permit, "agent", "a"), RATION_EBUSY);
	cr_assert_eq(ration_permit_set_cost(permit, "tokens", 1), RATION_EBUSY);
	cr_assert_eq(ration_permit_peek(permit), 0, "a peek is no change");
	cr_assert_eq(ration_permit_release(permit, RATION_IGNORED), 0);
	set_agent("a");
}

Test(permit, released_twice_counts_once)
{
	ration_permit *other;
	double left;

	open_service("narrow", true);
	other = ration_permit_new(guard);
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	cr_assert_eq(ration_permit_release(permit, RATION_FAILURE), 0);
	cr_assert_eq(ration_permit_acquire(other, 0), 0);
	cr_assert_eq(ration_permit_release(permit, RATION_FAILURE), 0);
	cr_assert_eq(ration_permit_remaining(permit, "concurrency", &left), 0);
	cr_assert_float_eq(left, 0, 0);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_CONCURRENCY);
	cr_assert_str_eq(ration_permit_rule(permit), "concurrency");
	ration_permit_free(other);
	use(RATION_SUCCESS);
}

Test(permit, arguments_are_checked)
{
	double left;
	char big[300];

	open_service("tool", true);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	cr_assert_eq(ration_permit_set_key(permit, "service", "v"), RATION_EINVAL);
	cr_assert_eq(ration_permit_set_key(permit, "", "v"), RATION_EINVAL);
	cr_assert_eq(ration_permit_set_key(permit, "agent", NULL), RATION_EINVAL);
	cr_assert_eq(ration_permit_set_key(permit, "agent", big), RATION_ETOOBIG);
	cr_assert_eq(ration_permit_set_cost(permit, "tokens", -1), RATION_EINVAL);
	cr_assert_eq(ration_permit_set_cost(permit, "tokens", 0.0 / 0.0), RATION_EINVAL);
	cr_assert_eq(ration_permit_acquire(NULL, 0), RATION_EINVAL);
	cr_assert_eq(ration_permit_release(permit, (enum ration_outcome)9), RATION_EINVAL);
	cr_assert_eq(ration_permit_remaining(permit, NULL, &left), RATION_EINVAL);
	for (int i = 0; i < 16; i++) {
		char name[16];

		snprintf(name, sizeof(name), "k%d", i);
		cr_assert_eq(ration_permit_set_key(permit, name, "v"), 0);
	}
	cr_assert_eq(ration_permit_set_key(permit, "k16", "v"), RATION_ETOOBIG);
	cr_assert_eq(ration_permit_set_key(permit, "k3", "w"), 0);
	use(RATION_SUCCESS);
	ration_permit_free(NULL);
	ration_guard_close(NULL);
}

Test(permit, a_required_key_is_required)
{
	open_service("strict", true);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_EKEY);
	cr_assert(strstr(ration_permit_why(permit), "\"tenant\""), "%s", ration_permit_why(permit));
	cr_assert_eq(ration_permit_peek(permit), RATION_EKEY);
	cr_assert_eq(ration_permit_set_key(permit, "tenant", ""), 0);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_EKEY, "empty is not given");
	cr_assert_eq(ration_permit_set_key(permit, "tenant", "acme"), 0);
	use(RATION_SUCCESS);
}

/* ---- time that passes ---- */

static void *release_soon(void *arg)
{
	usleep(20000);
	ration_permit_release(arg, RATION_SUCCESS);
	return NULL;
}

Test(permit, a_waiter_gets_the_place_that_is_released)
{
	ration_permit *other;
	pthread_t thread;

	open_service("narrow", false);
	other = ration_permit_new(guard);
	cr_assert_eq(ration_permit_acquire(other, 0), 0);
	cr_assert_eq(ration_permit_acquire(permit, 5), RATION_DENIED_CONCURRENCY);
	cr_assert_eq(pthread_create(&thread, NULL, release_soon, other), 0);
	cr_assert_eq(ration_permit_acquire(permit, 30000), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	ration_permit_free(other);
}

Test(permit, X16_acquire_waits_for_tokens_when_there_is_time)
{
	open_service("strict", false);
	cr_assert_eq(ration_permit_set_key(permit, "tenant", "acme"), 0);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_acquire(permit, 1), RATION_DENIED_RATE);
	cr_assert_eq(ration_permit_acquire(permit, 30000), 0);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
}

/* ---- the store ---- */

Test(permit, a_forked_child_is_told_and_may_clean_up)
{
	int status;
	pid_t pid;

	open_service("tool", true);
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(30);
		ration_permit *fresh = ration_permit_new(guard);
		double left;
		bool told = ration_permit_acquire(fresh, 0) == RATION_EFORK &&
			    ration_permit_peek(fresh) == RATION_EFORK &&
			    ration_permit_remaining(fresh, "daily", &left) == RATION_EFORK &&
			    ration_permit_state(fresh, "breaker", "open", &left) == RATION_EFORK &&
			    ration_permit_record(fresh, RATION_SUCCESS, 0) == RATION_EFORK &&
			    ration_permit_backoff(fresh, 0) == RATION_EFORK &&
			    ration_permit_reset(fresh, NULL) == RATION_EFORK &&
			    ration_permit_settle(permit, "tokens", 1) == RATION_EFORK &&
			    ration_permit_release(permit, RATION_SUCCESS) == RATION_EFORK;

		ration_permit_free(fresh);
		ration_permit_free(permit);
		ration_guard_close(guard);
		guard = NULL;
		if (told && ration_guard_open(config, "tool", &guard, NULL) == 0) {
			permit = ration_permit_new(guard);
			told = ration_permit_acquire(permit, 0) == 0 &&
			       ration_permit_remaining(permit, "concurrency", &left) == 0 &&
			       left == 1;
			ration_permit_free(permit);
			ration_guard_close(guard);
		}
		_exit(told && guard ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
}

Test(permit, N3_N6_N9_reset_through_control)
{
	ration_error *err = NULL;
	double left;

	open_service("tool", true);
	use(RATION_FAILURE);
	use(RATION_FAILURE);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_BREAKER);
	cr_assert_eq(ration_control(config, "tool/breaker", "reset", 0, &err), 0, "%s",
		ration_error_text(err));
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_RATE);
	cr_assert_eq(ration_control(config, "tool/queries", "reset", 0, NULL), 0);
	use(RATION_SUCCESS);
	cr_assert_eq(ration_permit_remaining(permit, "daily", &left), 0);
	cr_assert_float_eq(left, 2, 0);
	cr_assert_eq(ration_control(config, "tool", "reset", 0, NULL), 0);
	cr_assert_eq(ration_permit_remaining(permit, "daily", &left), 0);
	cr_assert_float_eq(left, 5, 0);
	cr_assert_eq(ration_control(config, "tool", "explode", 0, NULL), RATION_EINVAL);
	cr_assert_eq(ration_control(config, "tool", "reset", 1, NULL), RATION_EINVAL);
}

Test(permit, inspect_shows_the_service)
{
	char *json = NULL;

	open_service("tool", true);
	set_agent("a");
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	cr_assert_eq(ration_inspect(config, "", &json, NULL), 0);
	cr_assert(strstr(json, "\"name\":\"tool\"") && strstr(json, "\"agent\":\"a\"") &&
			  strstr(json, "\"in_flight\":1"),
		"%s", json);
	ration_free(json);
	cr_assert_eq(ration_inspect(config, "other", &json, NULL), 0);
	cr_assert_not(strstr(json, "\"name\":\"tool\""), "%s", json);
	ration_free(json);
}

Test(permit, a_store_that_is_not_there_is_not_made_by_a_view)
{
	char *json = NULL;

	config = new_config(true);
	cr_assert_eq(ration_config_set(config, "store.path", "/tmp/ration-test-none", NULL), 0);
	cr_assert_eq(ration_inspect(config, "", &json, NULL), RATION_ENOSTORE);
	cr_assert_null(json);
}

Test(permit, another_clock_in_one_process_is_refused)
{
	ration_config *other;
	ration_guard *second = NULL;

	open_service("tool", true);
	other = new_config(false);
	cr_assert_eq(ration_guard_open(other, "tool", &second, NULL), RATION_ECLOCK);
	cr_assert_null(second);
	ration_config_free(other);
}

Test(permit, held_and_asked_under_new_rules)
{
	ration_guard *second = NULL;
	double left;

	open_service("tool", true);
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	cr_assert_eq(ration_config_set(config, "services.tool.concurrency.max", "7", NULL), 0);
	cr_assert_eq(ration_guard_open(config, "tool", &second, NULL), 0);
	cr_assert_eq(ration_permit_peek(permit), 0);
	cr_assert_eq(ration_permit_remaining(permit, "concurrency", &left), 0);
	cr_assert_float_eq(left, 6, 0);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	cr_assert_eq(ration_permit_remaining(permit, "concurrency", &left), 0);
	ration_guard_close(second);
}
