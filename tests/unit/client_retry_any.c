/* The retry policy around calls that are no HTTP, on a clock that only the tests move. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <ration/ration.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "http_leaks.h"

#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

TestSuite(retry_any, .fini = check_leaks, .timeout = 60);

static char path[64];
static int64_t now_ns;
static uint64_t dice; /* what the random source answers */
static ration_config *config;
static ration_guard *guard;
static ration_retry *retry;

static int64_t fake_now(void *arg, enum ration_clock which)
{
	return which == RATION_CLOCK_STEADY ? now_ns : INT64_C(1700000000) * S + now_ns;
}

static uint64_t fixed_random(void *arg)
{
	return dice;
}

static int fake_sleep(void *arg, int64_t ms)
{
	now_ns += ms * MS;
	return 0;
}

static void begin(const char *settings, bool fake)
{
	char text[512];
	ration_error *err = NULL;

	strcpy(path, "/tmp/ration-test-retry-XXXXXX");
	cr_assert(mkdtemp(path));
	now_ns = 1000 * S;
	dice = 0;
	config = ration_config_new();
	cr_assert(config);
	snprintf(text, sizeof(text), "services: {tool: {%s}}\n", settings);
	cr_assert_eq(
		ration_config_load_text(config, text, NULL, &err), 0, "%s", ration_error_text(err));
	cr_assert_eq(ration_config_set(config, "store.path", path, &err), 0);
	if (fake) {
		ration_config_set_clock(config, fake_now, NULL);
		ration_config_set_random(config, fixed_random, NULL);
	}
	cr_assert_eq(
		ration_guard_open(config, "tool", &guard, &err), 0, "%s", ration_error_text(err));
	retry = ration_retry_new(guard);
	cr_assert(retry);
	if (fake)
		ration_retry_on_sleep(retry, fake_sleep, NULL);
}

static void end(void)
{
	char command[128];

	ration_retry_free(retry);
	ration_guard_close(guard);
	ration_config_free(config);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
}

/* A call that ends as it is told, and notes what it was given. */
struct script {
	int codes[8]; /* the last one for ever */
	size_t count;
	int64_t takes_ms, after_ms;
	int calls, attempts[32];
	int64_t timeouts[32];
};

static int call(void *arg, int attempt, int64_t timeout_ms, int64_t *retry_after_ms)
{
	struct script *script = arg;
	size_t at =
		(size_t)script->calls < script->count ? (size_t)script->calls : script->count - 1;

	script->attempts[script->calls] = attempt;
	script->timeouts[script->calls++] = timeout_ms;
	now_ns += script->takes_ms * MS;
	if (script->after_ms)
		*retry_after_ms = script->after_ms;
	return script->codes[at];
}

struct seen {
	int count, attempts[32], codes[32];
	int64_t delays[32];
};

static void see(void *arg, int attempt, int code, int64_t delay_ms)
{
	struct seen *seen = arg;

	seen->attempts[seen->count] = attempt;
	seen->codes[seen->count] = code;
	seen->delays[seen->count++] = delay_ms;
}

static int run(struct script *script, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	ration_retry_on_retry(retry, see, seen);
	return ration_retry_run(retry, call, script);
}

/* ---- delays ---- */

Test(retry_any, S7_S8_delays_double_up_to_the_cap_and_are_seen)
{
	static const int64_t want[] = {1000, 2000, 4000, 5000, 5000};
	struct script script = {.codes = {RATION_EUNAVAILABLE}, .count = 1};
	struct seen seen;

	begin("retry: {attempts: 6, backoff: {first: 1s, max: 5s, factor: 2, jitter: none}}", true);
	cr_expect_eq(run(&script, &seen), RATION_EEXHAUSTED);
	cr_expect_eq(script.calls, 6);
	cr_assert_eq(seen.count, 5);
	for (int i = 0; i < 5; i++) {
		cr_expect_eq(seen.delays[i], want[i], "%d: %d", i, (int)seen.delays[i]);
		cr_expect_eq(seen.attempts[i], i + 1);
		cr_expect_eq(seen.codes[i], RATION_EUNAVAILABLE);
	}
	for (int i = 0; i < 6; i++)
		cr_expect_eq(script.attempts[i], i + 1);
	cr_expect_eq(now_ns, 1000 * S + 17 * S, "the time that the delays took");
	end();
}

Test(retry_any, S7_with_jitter_delays_vary)
{
	struct script script = {.codes = {RATION_EUNAVAILABLE}, .count = 1};
	struct seen seen;

	begin("retry: {attempts: 2, backoff: {first: 1s, max: 5s, jitter: full}}", true);
	dice = UINT64_MAX / 2 + 1;
	run(&script, &seen);
	cr_expect_eq(seen.delays[0], 500);
	dice = UINT64_MAX / 4 + 1;
	script.calls = 0;
	run(&script, &seen);
	cr_expect_eq(seen.delays[0], 250);
	end();
}

Test(retry_any, X8_what_the_other_side_asks_is_the_floor)
{
	struct script script = {.codes = {RATION_ETHROTTLED, 0}, .count = 2, .after_ms = 7000};
	struct seen seen;

	begin("retry: {backoff: {first: 1s}}", true);
	cr_expect_eq(run(&script, &seen), 0);
	cr_assert_eq(seen.count, 1);
	cr_expect_eq(seen.delays[0], 7000);
	end();
}

/* ---- what is tried again ---- */

Test(retry_any, S5_S4_only_what_may_mend)
{
	static const int again[] = {RATION_ETHROTTLED, RATION_EUNAVAILABLE, RATION_ESERVER,
		RATION_ESERVERTIMEOUT, RATION_ETIMEOUT, RATION_EREADTIMEOUT, RATION_ECONNECT,
		RATION_ERESET, RATION_EDNS, RATION_ENOMEM, RATION_ESTORE, RATION_ETOKEN};
	static const int never[] = {RATION_EREQUEST, RATION_EAUTH, RATION_ENOTFOUND, RATION_ESTATUS,
		RATION_EINVAL, RATION_EBODY, RATION_ECANCELLED, RATION_EDEADLINE, RATION_EADDRESS,
		RATION_DENIED_RATE, RATION_DENIED_BREAKER, RATION_DENIED_CONCURRENCY, -9999};
	struct seen seen;

	begin("retry: {backoff: {first: 1ms}}", true);
	for (size_t i = 0; i < RATION__COUNT(again); i++) {
		struct script script = {.codes = {again[i], 0}, .count = 2};

		cr_expect_eq(run(&script, &seen), 0, "%s", ration_code_name(again[i]));
		cr_expect_eq(script.calls, 2);
		cr_expect_eq(ration_retry_cause(retry), 0);
	}
	for (size_t i = 0; i < RATION__COUNT(never); i++) {
		struct script script = {.codes = {never[i], 0}, .count = 2};

		cr_expect_eq(run(&script, &seen), never[i], "%s", ration_code_name(never[i]));
		cr_expect_eq(script.calls, 1);
		cr_expect_eq(ration_retry_cause(retry), never[i]);
		cr_expect_eq(seen.count, 0);
	}
	end();
}

Test(retry_any, X1_what_must_not_be_done_twice_is_not)
{
	struct script lost = {.codes = {RATION_ETIMEOUT}, .count = 1};
	struct script unsent = {.codes = {RATION_ECONNECT, 0}, .count = 2};
	struct script answered = {.codes = {RATION_EUNAVAILABLE}, .count = 1};
	struct seen seen;

	begin("retry: {backoff: {first: 1ms}}", true);
	ration_retry_set_repeatable(retry, 0);
	cr_expect_eq(run(&lost, &seen), RATION_EUNKNOWN);
	cr_expect_eq(lost.calls, 1);
	cr_expect_eq(ration_retry_cause(retry), RATION_ETIMEOUT);
	cr_expect_eq(run(&unsent, &seen), 0);
	cr_expect_eq(unsent.calls, 2);
	cr_expect_eq(run(&answered, &seen), RATION_EUNAVAILABLE);
	cr_expect_eq(answered.calls, 1);
	end();
}

Test(retry_any, X19_throttled_attempts_are_counted_apart)
{
	struct script script = {.codes = {RATION_ETHROTTLED}, .count = 1};
	struct seen seen;

	begin("retry: {attempts: 2, throttled_attempts: 5, throttle: {first: 3s}}", true);
	cr_expect_eq(run(&script, &seen), RATION_EEXHAUSTED);
	cr_expect_eq(script.calls, 5);
	for (int i = 0; i < seen.count; i++)
		cr_expect_eq(seen.delays[i], 3000);
	cr_expect(strstr(ration_retry_why(retry), "5 throttled attempts"), "%s",
		ration_retry_why(retry));
	end();
}

/* ---- ends ---- */

Test(retry_any, N12_X13_exhausted_keeps_its_cause)
{
	struct script script = {.codes = {RATION_ECONNECT, RATION_ETIMEOUT}, .count = 2};
	struct seen seen;

	begin("retry: {attempts: 3, backoff: {first: 1ms}}", true);
	cr_expect_eq(run(&script, &seen), RATION_EEXHAUSTED);
	cr_expect_eq(ration_retry_cause(retry), RATION_ETIMEOUT);
	cr_expect_eq(ration_retry_attempts(retry), 3);
	cr_expect_str_eq(ration_retry_why(retry), "retries exhausted: timed out (3 attempts)");
	/* not retried: the timeout itself */
	cr_assert_eq(ration_retry_set_option(retry, "retry.attempts", "1"), 0);
	script = (struct script){.codes = {RATION_ETIMEOUT}, .count = 1};
	cr_expect_eq(run(&script, &seen), RATION_ETIMEOUT);
	cr_expect_eq(script.calls, 1);
	cr_expect_eq(ration_retry_set_option(retry, "retry.nonsense", "1"), RATION_EINVAL);
	end();
}

Test(retry_any, N10_N11_a_timeout_per_attempt_within_a_total)
{
	struct script script = {.codes = {RATION_ETIMEOUT}, .count = 1, .takes_ms = 3000};
	struct seen seen;

	begin("timeouts: {attempt: 4s, total: 10s}, "
	      "retry: {attempts: 9, backoff: {kind: constant, first: 1s, jitter: none}}",
		true);
	/* 0..3, 4..7, 8..11: the third has 2 s left; what comes after it cannot be in time */
	cr_expect_eq(run(&script, &seen), RATION_EDEADLINE);
	cr_expect_eq(ration_retry_cause(retry), RATION_ETIMEOUT);
	cr_assert_eq(script.calls, 3);
	cr_expect_eq(script.timeouts[0], 4000);
	cr_expect_eq(script.timeouts[1], 4000);
	cr_expect_eq(script.timeouts[2], 2000);
	cr_expect(strstr(ration_retry_why(retry), "past the deadline"), "%s",
		ration_retry_why(retry));
	end();
}

Test(retry_any, X17_no_delay_that_ends_too_late)
{
	struct script script = {.codes = {RATION_ECONNECT}, .count = 1};
	struct seen seen;

	begin("timeouts: {total: 5s}, retry: {backoff: {first: 5s, jitter: none}}", true);
	cr_expect_eq(run(&script, &seen), RATION_EDEADLINE);
	cr_expect_eq(script.calls, 1);
	cr_expect_eq(now_ns, 1000 * S, "at once, not after the delay");
	cr_assert_eq(ration_retry_set_option(retry, "timeouts.total", "6s"), 0);
	script.calls = 0;
	cr_expect_eq(run(&script, &seen), RATION_EDEADLINE);
	cr_expect_eq(script.calls, 2);
	end();
}

/* ---- the loop kept by the caller ---- */

Test(retry_any, next_answers_what_run_would_do)
{
	int64_t delay_ms = -7;

	begin("retry: {attempts: 2, backoff: {first: 1s, jitter: none}}, timeouts: {attempt: 4s}",
		true);
	cr_expect_eq(ration_retry_timeout_ms(retry), 4000);
	cr_expect_eq(ration_retry_next(retry, RATION_ESERVER, -1, &delay_ms), RATION_RETRY_AGAIN);
	cr_expect_eq(delay_ms, 1000);
	delay_ms = -7;
	cr_expect_eq(
		ration_retry_next(retry, RATION_ESERVER, -1, &delay_ms), RATION_RETRY_EXHAUSTED);
	cr_expect_eq(delay_ms, -7);
	ration_retry_begin(retry);
	cr_expect_eq(ration_retry_attempts(retry), 0);
	cr_expect_eq(ration_retry_next(retry, RATION_ESERVER, 9000, &delay_ms), RATION_RETRY_AGAIN);
	cr_expect_eq(delay_ms, 9000);
	cr_expect_eq(ration_retry_next(retry, 0, -1, &delay_ms), RATION_RETRY_DONE);
	ration_retry_begin(retry);
	cr_expect_eq(ration_retry_next(retry, RATION_EAUTH, -1, &delay_ms), RATION_RETRY_REFUSED);
	ration_retry_begin(retry);
	ration_retry_cancel(retry);
	cr_expect_eq(
		ration_retry_next(retry, RATION_ESERVER, -1, &delay_ms), RATION_RETRY_CANCELLED);
	cr_expect_eq(ration_retry_next(retry, 0, -1, NULL), RATION_EINVAL);
	cr_expect_eq(ration_retry_next(NULL, 0, -1, &delay_ms), RATION_EINVAL);
	cr_expect_eq(ration_retry_run(retry, NULL, NULL), RATION_EINVAL);
	end();
}

Test(retry_any, required_keys_are_asked_for)
{
	struct script script = {.codes = {RATION_ESERVER, 0}, .count = 2};
	struct seen seen;

	begin("required_keys: [tenant], retry: {budget: {capacity: 100}}", true);
	cr_expect_eq(run(&script, &seen), RATION_EKEY);
	cr_assert_eq(ration_retry_set_key(retry, "tenant", "a"), 0);
	script.calls = 0;
	cr_expect_eq(run(&script, &seen), 0);
	end();
}

/* ---- the fleet's budget ---- */

static double budget_left(void)
{
	ration_permit *permit = ration_permit_new(guard);
	double left = -1;

	cr_assert(permit);
	cr_assert_eq(ration_permit_state(permit, "budget", "remaining", &left), 0);
	ration_permit_free(permit);
	return left;
}

Test(retry_any, retries_pay_from_the_budget_that_all_share)
{
	struct script fails = {.codes = {RATION_ECONNECT}, .count = 1};
	struct script mends = {.codes = {RATION_ECONNECT, 0}, .count = 2};
	ration_retry *other;
	struct seen seen;
	int64_t delay_ms;
	double left;

	begin("retry: {attempts: 9, backoff: {first: 1ms}, "
	      "budget: {capacity: 30, retry: 10, success: 1}}",
		true);
	cr_expect_eq(run(&mends, &seen), 0);
	left = budget_left();
	cr_expect_eq(left, 30, "a success gives back what its retry cost: %g", left);
	cr_expect_eq(run(&fails, &seen), RATION_EEXHAUSTED);
	cr_expect_eq(fails.calls, 4, "the first, and three that the budget pays: %d", fails.calls);
	cr_expect_eq(ration_retry_cause(retry), RATION_ECONNECT);
	cr_expect(
		strstr(ration_retry_why(retry), "budget is spent"), "%s", ration_retry_why(retry));
	cr_expect_eq(budget_left(), 0);
	other = ration_retry_new(guard);
	cr_assert(other);
	cr_expect_eq(
		ration_retry_next(other, RATION_ECONNECT, -1, &delay_ms), RATION_RETRY_NO_BUDGET);
	ration_retry_begin(other);
	cr_expect_eq(ration_retry_next(other, 0, -1, &delay_ms), RATION_RETRY_DONE);
	left = budget_left();
	cr_expect_eq(left, 1, "a success at the first try: %g", left);
	ration_retry_free(other);
	end();
}

Test(retry_any, a_service_that_observes_is_not_refused_its_retries)
{
	struct script fails = {.codes = {RATION_ECONNECT}, .count = 1};
	struct seen seen;

	begin("mode: observe, retry: {attempts: 9, backoff: {first: 1ms}, "
	      "budget: {capacity: 30, retry: 10, success: 1}}",
		true);
	cr_expect_eq(run(&fails, &seen), RATION_EEXHAUSTED);
	cr_expect_eq(fails.calls, 9, "%d", fails.calls);
	cr_expect_eq(budget_left(), 0, "it pays as long as it can");
	end();
}

/* ---- cancelling ---- */

static void cancel_in_between(void *arg, int attempt, int code, int64_t delay_ms)
{
	ration_retry_cancel(retry);
}

static int cancel_and_go_well(void *arg, int attempt, int64_t timeout_ms, int64_t *retry_after_ms)
{
	(void)arg;
	(void)attempt;
	(void)timeout_ms;
	(void)retry_after_ms;
	ration_retry_cancel(retry);
	return 0;
}

Test(retry_any, R21_a_cancelled_delay_ends_the_call)
{
	struct script script = {.codes = {RATION_ECONNECT}, .count = 1};

	begin("retry: {backoff: {first: 10m, max: 10m, jitter: none}}, timeouts: {total: 1h}",
		false);
	ration_retry_on_retry(retry, cancel_in_between, NULL);
	cr_expect_eq(ration_retry_run(retry, call, &script), RATION_ECANCELLED);
	cr_expect_eq(script.calls, 1);
	cr_expect(strstr(ration_retry_why(retry), "cancelled"), "%s", ration_retry_why(retry));
	/* said before it begins: the next one; once */
	script = (struct script){.codes = {0}, .count = 1};
	ration_retry_cancel(retry);
	cr_expect_eq(ration_retry_run(retry, call, &script), RATION_ECANCELLED);
	cr_expect_eq(script.calls, 0);
	cr_expect_eq(ration_retry_run(retry, call, &script), 0);
	/* too late for the call that it was meant for: not the next one's */
	cr_expect_eq(ration_retry_run(retry, cancel_and_go_well, NULL), 0);
	cr_expect_eq(ration_retry_run(retry, cancel_and_go_well, NULL), 0);
	end();
}

static void *run_thread(void *arg)
{
	int *code = arg;
	struct script script = {.codes = {RATION_ECONNECT}, .count = 1};

	*code = ration_retry_run(retry, call, &script);
	return NULL;
}

Test(retry_any, R21_another_thread_wakes_it)
{
	pthread_t thread;
	int code = 0;

	begin("retry: {backoff: {first: 10m, max: 10m, jitter: none}}, timeouts: {total: 1h}",
		false);
	cr_assert_eq(pthread_create(&thread, NULL, run_thread, &code), 0);
	usleep(20000); /* most likely in its delay by then; right in any case */
	ration_retry_cancel(retry);
	pthread_join(thread, NULL);
	cr_expect_eq(code, RATION_ECANCELLED);
	end();
}

Test(retry_any, null_is_nothing)
{
	ration_retry_free(NULL);
	ration_retry_cancel(NULL);
	ration_retry_begin(NULL);
	cr_expect_null(ration_retry_new(NULL));
	cr_expect_eq(ration_retry_attempts(NULL), 0);
	cr_expect_str_eq(ration_retry_why(NULL), "");
}
