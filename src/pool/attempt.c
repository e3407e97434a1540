/*
 * Attempts: starting them, and deciding what their end means: the job is over, or it rests and
 * goes through the guard again (every send takes its tokens and its permit anew).
 *
 * Private to the worker's thread; nothing here needs the mutex.
 */
#include "pool/worker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Only the worker writes its counters, so no locked instruction is needed. */
static void count(_Atomic uint64_t *counter, int64_t n)
{
	atomic_store_explicit(counter, get(counter) + (uint64_t)n, memory_order_relaxed);
}

void ration__worker_settle(struct ration__worker *worker, struct ration__flight *flight,
	enum ration__outcome outcome, bool last, bool unused)
{
	flight->outcome = (uint8_t)outcome;
	flight->last = last;
	flight->unused = unused;
	if (unused)
		flight->retry = RATION__NO_RETRY;
	flight->settling = true;
	ration__flight_add(&worker->settling, flight);
}

int ration__worker_rest(
	struct ration__worker *worker, struct ration__flight *flight, int64_t delay_ns)
{
	int rc = ration__heap_set(&worker->rests, &flight->timer, worker->now_ns + delay_ns);

	if (rc < 0)
		return rc;
	flight->phase = RATION__FLIGHT_RESTING;
	flight->rest_ns = worker->now_ns;
	count(&worker->resting, 1);
	return 0;
}

void ration__worker_unrest(struct ration__worker *worker, struct ration__flight *flight)
{
	ration__heap_remove(&worker->rests, &flight->timer);
	count(&worker->resting, -1);
	flight->phase = RATION__FLIGHT_ENDED;
}

/* It flies no more. */
static void land(struct ration__worker *worker, struct ration__flight *flight)
{
	ration__flight_remove(&worker->flying, flight);
	ration__heap_remove(&worker->deadlines, &flight->job->timer);
	flight->transfer = NULL;
	flight->phase = RATION__FLIGHT_ENDED;
	flight->has_attempt = true;
	count(&worker->in_flight, -1);
}

/* The job's end; it leaves the pool once its outcome is settled. */
static void end(struct ration__flight *flight, enum ration__job_end why, int code)
{
	flight->job->end = (uint8_t)why;
	flight->job->code = code;
}

/* The service's budget of retries is asked when this attempt is settled; grants that the store did
 * not make pay nothing. */
static enum ration__wants_retry wants_retry(const struct ration__flight *flight)
{
	if (flight->grant.mode != RATION__EXACT && flight->grant.mode != RATION__OBSERVED)
		return RATION__NO_RETRY;
	return ration__end_is_throttle(&flight->attempt.end) ? RATION__RETRY_THROTTLED
							     : RATION__RETRY;
}

/* Of what would be retried: true when the job rests. */
static bool try_again(
	struct ration__worker *worker, struct ration__flight *flight, int64_t delay_ns)
{
	struct ration__job *job = flight->job;

	if (worker->now_ns + delay_ns >= job->deadline_ns) {
		end(flight, RATION__ENDED_NO_TIME, flight->attempt.code);
		return false;
	}
	if (ration__worker_rest(worker, flight, delay_ns) < 0) {
		end(flight, RATION__ENDED_ATTEMPT, flight->attempt.code);
		return false;
	}
	flight->retry = (uint8_t)wants_retry(flight);
	ration__pool_log(worker->pool, RATION_LOG_DEBUG,
		"service %s: attempt %u of %u: %s; again in %.3f s", job->conf->name,
		flight->attempts, job->conf->retry.attempts, flight->attempt.message,
		(double)delay_ns / RATION__NS_PER_S);
	/* what is kept while it rests says how the attempt ended, not what it received */
	ration__attempt_fini(&flight->attempt);
	flight->attempt.headers = flight->attempt.body = NULL;
	flight->attempt.headers_length = flight->attempt.body_length = 0;
	return true;
}

/* Its attempts are used up: those of the kind that this one was. */
static enum ration__job_end exhausted(const struct ration__flight *flight)
{
	if (flight->attempts <= 1)
		return RATION__ENDED_ATTEMPT;
	return ration__outcome_of(&flight->attempt.end) == RATION__THROTTLED
		       ? RATION__ENDED_THROTTLED
		       : RATION__ENDED_EXHAUSTED;
}

static void judge(struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__attempt *attempt = &flight->attempt;
	struct ration__job *job = flight->job;
	enum ration__outcome outcome = ration__outcome_of(&attempt->end);
	struct ration__retry_state state = {.attempts = flight->attempts,
		.repeatable = ration__call_repeatable(ration__job_call(job))};
	int64_t delay_ns = 0;
	bool again = false;

	attempt->end.retry_after_ns =
		ration__min64(attempt->end.retry_after_ns, job->conf->retry.retry_after_max_ns);
	attempt->end.stop_ns =
		ration__min64(attempt->end.stop_ns, job->conf->retry.retry_after_max_ns);
	flight->retry = RATION__NO_RETRY;
	if (outcome == RATION__THROTTLED)
		flight->throttled++;
	state.throttled = flight->throttled;
	state.previous_ns = flight->delay_ns;
	if (attempt->code == 0) { /* accepted, whatever its status */
		end(flight, RATION__ENDED_ATTEMPT, 0);
		ration__worker_settle(worker, flight, RATION__SUCCESS, true, false);
		return;
	}
	switch (ration__retry_decide(&job->conf->retry, &state, &attempt->end,
		ration__random_next(&worker->random), &delay_ns)) {
	case RATION__RETRY_AGAIN:
		again = try_again(worker, flight, delay_ns);
		flight->delay_ns = delay_ns;
		break;
	case RATION__RETRY_EXHAUSTED:
		end(flight, exhausted(flight), attempt->code);
		break;
	case RATION__RETRY_UNKNOWN:
		end(flight, RATION__ENDED_ATTEMPT, RATION_EUNKNOWN);
		break;
	case RATION__RETRY_ACCEPT:
	case RATION__RETRY_REFUSED:
		end(flight, RATION__ENDED_ATTEMPT, attempt->code);
		break;
	}
	ration__worker_settle(worker, flight, outcome, !again, false);
}

void ration__worker_abort(struct ration__worker *worker, struct ration__flight *flight,
	enum ration__job_end why, int code)
{
	struct ration__job *job = flight->job;
	struct ration__attempt *attempt = &flight->attempt;
	int64_t elapsed_ns = worker->io_ns - attempt->start_ns;
	/* Out of time: the server's fault when it had most of the job's time, else the queue's. */
	bool slow = why == RATION__ENDED_DEADLINE &&
		    elapsed_ns >= (job->deadline_ns - flight->begin_ns) / 2;

	ration__multi_cancel(worker->multi, flight->transfer);
	*attempt = (struct ration__attempt){.code = code,
		.sent = -1,
		.start_ns = attempt->start_ns,
		.end_ns = worker->io_ns,
		.elapsed_us = elapsed_ns / 1000};
	attempt->end.end = slow ? RATION__END_AMBIGUOUS : RATION__END_CANCELLED;
	attempt->end.timed_out = slow;
	for (size_t i = 0; i < RATION__ACTUALS_MAX; i++)
		attempt->actual[i] = NAN;
	flight->retry = RATION__NO_RETRY;
	snprintf(attempt->message, sizeof(attempt->message), "%s", ration_strerror(code));
	land(worker, flight);
	ration__flight_note(flight, attempt);
	end(flight, why, code);
	ration__worker_settle(
		worker, flight, slow ? RATION__FAILURE : RATION__IGNORED, true, false);
}

void ration__worker_collect(struct ration__worker *worker)
{
	struct ration__attempt attempt;
	struct ration__flight *flight;
	struct ration__timer *timer;

	/* what has arrived first: what is there is not out of time */
	while ((flight = ration__multi_done(worker->multi, &attempt)) != NULL) {
		flight->attempt = attempt;
		land(worker, flight);
		ration__flight_note(flight, &attempt);
		judge(worker, flight);
	}
	while ((timer = ration__heap_first(&worker->deadlines)) && timer->at_ns <= worker->now_ns) {
		struct ration__job *job = RATION__CONTAINER(timer, struct ration__job, timer);

		ration__worker_abort(worker, job->flight, RATION__ENDED_DEADLINE, RATION_EDEADLINE);
	}
}

/* ---- starting ---- */

static void fail_start(struct ration__worker *worker, struct ration__flight *flight, int code)
{
	flight->phase = RATION__FLIGHT_ENDED;
	end(flight, RATION__ENDED_ERROR, code);
	ration__worker_settle(worker, flight, RATION__IGNORED, true, true);
}

static void launch_one(struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__job *job = flight->job;
	int rc;

	if (worker->now_ns - flight->grant.at_ns > RATION__LATE_NS) {
		/* what was true when it was admitted may not be any more: ask again */
		ration__worker_settle(worker, flight, RATION__IGNORED, false, true);
		if (ration__worker_rest(worker, flight, 0) == 0)
			return;
		ration__flight_remove(&worker->settling, flight);
		fail_start(worker, flight, RATION_ENOMEM);
		return;
	}
	if (!flight->has_id) {
		ration__uuid(&worker->random, flight->id);
		flight->has_id = true;
	}
	if (flight->has_attempt)
		ration__attempt_fini(&flight->attempt);
	flight->has_attempt = false;
	rc = ration__multi_start(worker->multi, job->conf, ration__job_call(job), flight->id,
		worker->io_ns, flight, &flight->transfer);
	if (rc == 0 && job->deadline_ns < RATION__NEVER) {
		rc = ration__heap_set(&worker->deadlines, &job->timer, job->deadline_ns);
		if (rc < 0)
			ration__multi_cancel(worker->multi, flight->transfer);
	}
	if (rc < 0) {
		fail_start(worker, flight, rc);
		return;
	}
	flight->attempts++;
	flight->mode = flight->grant.mode;
	flight->attempt.start_ns = worker->io_ns;
	flight->phase = RATION__FLIGHT_FLYING;
	ration__flight_add(&worker->flying, flight);
	count(&worker->in_flight, 1);
	count(&worker->sent, 1);
}

void ration__worker_launch(struct ration__worker *worker)
{
	struct ration__flight *flight;

	/* after the transaction: an attempt's time begins here, and a late admission is noticed */
	ration__worker_read_clocks(worker);
	while ((flight = worker->launching.first) != NULL) {
		ration__flight_remove(&worker->launching, flight);
		launch_one(worker, flight);
	}
}
