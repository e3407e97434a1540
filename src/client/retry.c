/*
 * The retry policy around any call: see ration/retry.h. Decisions are policy/retry.c's and the
 * budget is guard's; here is the loop, its clock, and what may be cancelled from another thread.
 *
 * The mutex guards `cancelled` alone, which is all that other threads may touch.
 */
#include <ration/retry.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/util.h"
#include "client/permit.h"
#include "http/fail.h"
#include "pool/pool.h"

struct ration_retry {
	ration_guard *guard;
	ration_permit *permit; /* never held: it has the keys and finds their records */
	struct ration__service_conf conf;
	struct ration__random random;
	ration_retry_seen_fn seen;
	ration_retry_sleep_fn sleep;
	void *seen_arg, *sleep_arg;
	bool repeatable;
	/* of this call */
	int64_t deadline_ns; /* RATION__NEVER */
	uint32_t attempts, throttled;
	int64_t delay_ns; /* the last one */
	int retry_cost;	  /* of the last retry */
	int cause;
	char why[160];
	/* any thread's */
	pthread_mutex_t mutex;
	pthread_cond_t stop;
	bool cancelled;
};

static int64_t now_of(const ration_retry *retry)
{
	return ration__engine_now(retry->guard->engine);
}

void ration_retry_begin(ration_retry *retry)
{
	int64_t total_ns;

	if (!retry)
		return;
	total_ns = retry->conf.timeouts.total_ns;
	retry->deadline_ns = total_ns < 0 ? RATION__NEVER
					  : ration__min64(now_of(retry) + total_ns, RATION__NEVER);
	retry->attempts = retry->throttled = 0;
	retry->delay_ns = 0;
	retry->retry_cost = 0;
	retry->cause = 0;
	retry->why[0] = '\0';
}

ration_retry *ration_retry_new(ration_guard *guard)
{
	ration_retry *retry = guard ? calloc(1, sizeof(*retry)) : NULL;
	pthread_condattr_t steady;

	if (!retry)
		return NULL;
	retry->permit = ration_permit_new(guard);
	if (!retry->permit) {
		free(retry);
		return NULL;
	}
	retry->guard = guard;
	retry->repeatable = true;
	ration__service_conf_copy(&retry->conf, &guard->conf);
	ration__random_init(&retry->random, guard->random, guard->random_arg);
	pthread_mutex_init(&retry->mutex, NULL);
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&retry->stop, &steady);
	pthread_condattr_destroy(&steady);
	ration_retry_begin(retry);
	return retry;
}

void ration_retry_free(ration_retry *retry)
{
	if (!retry)
		return;
	pthread_cond_destroy(&retry->stop);
	pthread_mutex_destroy(&retry->mutex);
	ration_permit_free(retry->permit);
	free(retry);
}

/* ---- what it is for ---- */

int ration_retry_set_option(ration_retry *retry, const char *path, const char *value)
{
	if (!retry || !path || !value ||
		ration__config_request_option(&retry->conf, path, value, NULL) < 0)
		return RATION_EINVAL;
	return 0;
}

int ration_retry_set_key(ration_retry *retry, const char *name, const char *value)
{
	return retry ? ration_permit_set_key(retry->permit, name, value) : RATION_EINVAL;
}

void ration_retry_set_repeatable(ration_retry *retry, int repeatable)
{
	if (retry)
		retry->repeatable = repeatable;
}

void ration_retry_on_retry(ration_retry *retry, ration_retry_seen_fn fn, void *arg)
{
	if (!retry)
		return;
	retry->seen = fn;
	retry->seen_arg = arg;
}

void ration_retry_on_sleep(ration_retry *retry, ration_retry_sleep_fn fn, void *arg)
{
	if (!retry)
		return;
	retry->sleep = fn;
	retry->sleep_arg = arg;
}

/* ---- deciding ---- */

/* True once for each cancel. */
static bool take_cancel(ration_retry *retry)
{
	bool cancelled;

	pthread_mutex_lock(&retry->mutex);
	cancelled = retry->cancelled;
	retry->cancelled = false;
	pthread_mutex_unlock(&retry->mutex);
	return cancelled;
}

/* The fleet's budget: asked for a retry, or told that all went well. 0 and *cost, which is negative
 * when nothing is left. */
static int ask_budget(ration_retry *retry, enum ration__wants_retry want, int *cost)
{
	int rc;

	*cost = 0;
	do {
		rc = ration__permit_ready(retry->permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_budget(retry->permit->keyset, want, retry->retry_cost, cost);
		if (rc == RATION_EAGAIN)
			ration__permit_drop(retry->permit);
	} while (rc == RATION_EAGAIN);
	/* as a job's retry that no store decided: free */
	return rc == RATION_EFORK || rc == RATION_ENOMEM ? rc : 0;
}

static int decide(ration_retry *retry, const struct ration__attempt_end *end, int64_t *delay_ns)
{
	const struct ration__retry_conf *conf = &retry->conf.retry;
	struct ration__retry_state state = {.attempts = retry->attempts,
		.throttled = retry->throttled,
		.previous_ns = retry->delay_ns,
		.repeatable = retry->repeatable};
	int rc, cost;

	switch (ration__retry_decide(
		conf, &state, end, ration__random_next(&retry->random), delay_ns)) {
	case RATION__RETRY_ACCEPT:
		rc = ask_budget(retry, RATION__NO_RETRY, &cost);
		return rc < 0 ? rc : RATION_RETRY_DONE;
	case RATION__RETRY_REFUSED:
		return RATION_RETRY_REFUSED;
	case RATION__RETRY_UNKNOWN:
		return RATION_RETRY_UNKNOWN;
	case RATION__RETRY_EXHAUSTED:
		return ration__outcome_of(conf, end) == RATION__THROTTLED ? RATION_RETRY_THROTTLED
									  : RATION_RETRY_EXHAUSTED;
	case RATION__RETRY_AGAIN:
		break;
	}
	if (now_of(retry) + *delay_ns >= retry->deadline_ns)
		return RATION_RETRY_NO_TIME;
	rc = ask_budget(retry,
		ration__end_is_throttle(conf, end) ? RATION__RETRY_THROTTLED : RATION__RETRY,
		&cost);
	if (rc < 0)
		return rc;
	if (cost < 0 && !retry->guard->observes)
		return RATION_RETRY_NO_BUDGET;
	retry->retry_cost = (int)ration__max64(cost, 0);
	return RATION_RETRY_AGAIN;
}

static void say(ration_retry *retry, int answer)
{
	const char *text = ration_strerror(retry->cause), *no = ration_strerror(RATION_EEXHAUSTED);
	char *out = retry->why;
	size_t size = sizeof(retry->why);

	switch (answer) {
	case RATION_RETRY_UNKNOWN:
		snprintf(out, size, "%s: %s", ration_strerror(RATION_EUNKNOWN), text);
		break;
	case RATION_RETRY_EXHAUSTED:
		snprintf(out, size, "%s: %s (%u attempts)", no, text, retry->attempts);
		break;
	case RATION_RETRY_THROTTLED:
		snprintf(out, size, "%s: gave up after %u throttled attempts: %s", no,
			retry->throttled, text);
		break;
	case RATION_RETRY_NO_BUDGET:
		snprintf(out, size, "%s: %s: the retry budget is spent", no, text);
		break;
	case RATION_RETRY_NO_TIME:
		snprintf(out, size, "%s; the next attempt would be past the deadline", text);
		break;
	case RATION_RETRY_CANCELLED:
		snprintf(out, size, "%s; before: %s", ration_strerror(RATION_ECANCELLED), text);
		break;
	default:
		snprintf(out, size, "%s", text);
		break;
	}
}

int ration_retry_next(ration_retry *retry, int code, int64_t retry_after_ms, int64_t *delay_ms)
{
	struct ration__attempt_end end;
	int64_t delay_ns = 0;
	bool cancelled;
	int answer;

	if (!retry || !delay_ms)
		return RATION_EINVAL;
	ration__end_of_code(code, &end);
	if (retry_after_ms > 0)
		end.retry_after_ns =
			ration__min64(retry_after_ms, RATION__NEVER / RATION__NS_PER_MS / 2) *
			RATION__NS_PER_MS;
	retry->attempts++;
	retry->cause = code;
	if (ration__outcome_of(&retry->conf.retry, &end) == RATION__THROTTLED)
		retry->throttled++;
	cancelled = take_cancel(retry); /* also when it is too late: not the next call's */
	if (code != 0 && cancelled)
		answer = RATION_RETRY_CANCELLED;
	else
		answer = decide(retry, &end, &delay_ns);
	if (answer < 0)
		return answer;
	say(retry, answer);
	if (answer != RATION_RETRY_AGAIN)
		return answer;
	retry->delay_ns = delay_ns;
	*delay_ms = (delay_ns + RATION__NS_PER_MS - 1) / RATION__NS_PER_MS;
	if (retry->seen)
		retry->seen(retry->seen_arg, (int)retry->attempts, code, *delay_ms);
	return RATION_RETRY_AGAIN;
}

int64_t ration_retry_timeout_ms(const ration_retry *retry)
{
	int64_t left_ns;

	if (!retry)
		return 0;
	left_ns = retry->deadline_ns >= RATION__NEVER
			  ? RATION__NEVER
			  : ration__max64(0, retry->deadline_ns - now_of(retry));
	left_ns = ration__min64(left_ns, retry->conf.timeouts.attempt_ns);
	if (left_ns >= RATION__NEVER)
		return -1;
	return (left_ns + RATION__NS_PER_MS - 1) / RATION__NS_PER_MS;
}

int ration_retry_attempts(const ration_retry *retry)
{
	return retry ? (int)retry->attempts : 0;
}

int ration_retry_cause(const ration_retry *retry)
{
	return retry ? retry->cause : 0;
}

const char *ration_retry_why(const ration_retry *retry)
{
	return retry ? retry->why : "";
}

/* ---- running ---- */

void ration_retry_cancel(ration_retry *retry)
{
	if (!retry)
		return;
	pthread_mutex_lock(&retry->mutex);
	retry->cancelled = true;
	pthread_cond_broadcast(&retry->stop);
	pthread_mutex_unlock(&retry->mutex);
}

/* False: cancelled. */
static bool rest(ration_retry *retry, int64_t ms)
{
	struct timespec until;
	bool cancelled;
	int rc = 0;

	if (retry->sleep)
		return retry->sleep(retry->sleep_arg, ms) == 0 && !take_cancel(retry);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&retry->mutex);
	while (!retry->cancelled && rc == 0)
		rc = pthread_cond_timedwait(&retry->stop, &retry->mutex, &until);
	cancelled = retry->cancelled;
	retry->cancelled = false;
	pthread_mutex_unlock(&retry->mutex);
	return !cancelled;
}

static int code_of(const ration_retry *retry, int answer)
{
	switch (answer) {
	case RATION_RETRY_DONE:
		return 0;
	case RATION_RETRY_UNKNOWN:
		return RATION_EUNKNOWN;
	case RATION_RETRY_EXHAUSTED:
	case RATION_RETRY_THROTTLED:
	case RATION_RETRY_NO_BUDGET:
		return retry->attempts > 1 || answer == RATION_RETRY_NO_BUDGET ? RATION_EEXHAUSTED
									       : retry->cause;
	case RATION_RETRY_NO_TIME:
		return RATION_EDEADLINE;
	case RATION_RETRY_CANCELLED:
		return RATION_ECANCELLED;
	default:
		return retry->cause;
	}
}

static int stopped(ration_retry *retry)
{
	say(retry, RATION_RETRY_CANCELLED);
	return RATION_ECANCELLED;
}

int ration_retry_run(ration_retry *retry, ration_retry_fn fn, void *arg)
{
	int64_t timeout_ms, after_ms, delay_ms = 0;
	int code, answer;

	if (!retry || !fn)
		return RATION_EINVAL;
	if (ration__on_worker())
		return RATION_EWORKER;
	ration_retry_begin(retry);
	if (take_cancel(retry))
		return stopped(retry);
	for (;;) {
		timeout_ms = ration_retry_timeout_ms(retry);
		if (timeout_ms == 0) { /* the delay took longer than it was to */
			say(retry, RATION_RETRY_NO_TIME);
			return RATION_EDEADLINE;
		}
		after_ms = -1;
		code = fn(arg, (int)retry->attempts + 1, timeout_ms, &after_ms);
		answer = ration_retry_next(retry, code, after_ms, &delay_ms);
		if (answer < 0)
			return answer;
		if (answer != RATION_RETRY_AGAIN)
			return code_of(retry, answer);
		if (!rest(retry, delay_ms))
			return stopped(retry);
	}
}
