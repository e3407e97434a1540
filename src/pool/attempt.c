/*
 * The end of attempts, and what it means: the job is over, or it rests and goes through the guard
 * again (every send takes its tokens and its permit anew), to the same place or another.
 *
 * Private to the worker's thread; nothing here needs the mutex.
 */
#include "pool/worker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "http/redirect.h"

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
	ration__worker_count(&worker->resting, 1);
	return 0;
}

void ration__worker_unrest(struct ration__worker *worker, struct ration__flight *flight)
{
	ration__heap_remove(&worker->rests, &flight->timer);
	ration__worker_count(&worker->resting, -1);
	flight->phase = RATION__FLIGHT_ENDED;
}

/* It flies no more, or it waits for its token no more. */
static void land(struct ration__worker *worker, struct ration__flight *flight)
{
	if (flight->phase == RATION__FLIGHT_FLYING) {
		ration__flight_remove(&worker->flying, flight);
		ration__worker_count(&worker->in_flight, -1);
	}
	ration__heap_remove(&worker->deadlines, &flight->job->timer);
	flight->transfer = NULL;
	flight->phase = RATION__FLIGHT_ENDED;
	flight->has_attempt = true;
}

void ration__flight_end(struct ration__flight *flight, enum ration__job_end why, int code)
{
	flight->job->end = (uint8_t)why;
	flight->job->code = code;
}

void ration__flight_report(
	struct ration__worker *worker, struct ration__flight *flight, enum ration__outcome outcome)
{
	const struct ration__attempt *attempt = &flight->attempt;
	struct ration__node_report report = {.outcome = outcome,
		.status = attempt->status,
		.start_ns = attempt->start_ns,
		.now_ns = worker->now_ns};

	if (!flight->picked)
		return;
	flight->picked = false;
	if (outcome == RATION__THROTTLED)
		report.cool_ns = ration__max64(attempt->end.retry_after_ns, attempt->end.stop_ns);
	ration__nodes_report(flight->job->service->nodes, flight->node, &report);
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

/* What is kept while it rests says how the attempt ended, not what it received. The next attempt
 * asks for a token of its own. */
static void drop_answer(struct ration__flight *flight)
{
	ration__token_unref(flight->token);
	flight->token = NULL;
	ration__attempt_fini(&flight->attempt);
	flight->attempt.headers = flight->attempt.body = NULL;
	flight->attempt.headers_length = flight->attempt.body_length = 0;
}

/* Of what would be retried: true when the job rests. */
static bool try_again(
	struct ration__worker *worker, struct ration__flight *flight, int64_t delay_ns)
{
	struct ration__job *job = flight->job;

	if (worker->now_ns + delay_ns >= job->deadline_ns) {
		ration__flight_end(flight, RATION__ENDED_NO_TIME, flight->attempt.code);
		return false;
	}
	if (ration__worker_rest(worker, flight, delay_ns) < 0) {
		ration__flight_end(flight, RATION__ENDED_ATTEMPT, flight->attempt.code);
		return false;
	}
	flight->retry = (uint8_t)wants_retry(flight);
	ration__pool_log(worker->pool, RATION_LOG_DEBUG,
		"service %s: attempt %u of %u: %s; again in %.3f s", job->conf->name,
		flight->attempts, job->conf->retry.attempts, flight->attempt.message,
		(double)delay_ns / RATION__NS_PER_S);
	drop_answer(flight);
	if (flight->hop && !flight->hop->pinned) { /* what led there may lead elsewhere by now */
		free(flight->hop);
		flight->hop = NULL;
	}
	flight->avoid = true;
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

/* On to somewhere else at once, as no retry: every send is decided anew all the same. */
static bool go_on(struct ration__worker *worker, struct ration__flight *flight)
{
	if (ration__worker_rest(worker, flight, 0) < 0)
		return false;
	flight->uncounted++;
	drop_answer(flight);
	ration__worker_settle(worker, flight, RATION__SUCCESS, false, false);
	return true;
}

/* A redirect that is followed: true. One that is not is an error of its own. */
static bool follow(struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__attempt *attempt = &flight->attempt;
	const struct ration__job *job = flight->job;
	struct ration__hop *hop = NULL;
	const char *why = NULL;
	char *url;
	int rc;

	if (!ration__status_redirects(attempt->status) || attempt->code == 0)
		return false;
	url = ration__flight_url(flight);
	rc = url ? ration__redirect_next(
			   job->conf, ration__job_call(job), url, flight->hop, attempt, &hop, &why)
		 : RATION_ENOMEM;
	free(url);
	if (rc == 0) {
		free(flight->hop);
		flight->hop = hop;
		flight->avoid = false;
		if (go_on(worker, flight)) {
			flight->notes[flight->note_count - 1].redirected = true;
			return true;
		}
		rc = RATION_ENOMEM;
	}
	attempt->code = rc;
	if (why)
		snprintf(attempt->message, sizeof(attempt->message), "%s: %s", ration_strerror(rc),
			why);
	return false;
}

/* The server does not know the token: another one is asked for, once. */
static bool authorize_again(struct ration__worker *worker, struct ration__flight *flight)
{
	if (flight->attempt.status != 401 || flight->attempt.code == 0 || !flight->token ||
		flight->rejected || !ration__token_again(flight->token))
		return false;
	flight->rejected = flight->token;
	flight->token = NULL;
	return go_on(worker, flight);
}

/* Of an attempt that failed: whether, when and where it is made again. */
static bool retry(
	struct ration__worker *worker, struct ration__flight *flight, enum ration__outcome outcome)
{
	struct ration__attempt *attempt = &flight->attempt;
	struct ration__job *job = flight->job;
	struct ration__retry_state state = {.attempts = flight->attempts - flight->uncounted,
		.throttled = flight->throttled,
		.previous_ns = flight->delay_ns,
		.repeatable = ration__call_repeatable(ration__job_call(job))};
	int64_t delay_ns = 0;

	switch (ration__retry_decide(&job->conf->retry, &state, &attempt->end,
		ration__random_next(&worker->random), &delay_ns)) {
	case RATION__RETRY_AGAIN:
		flight->delay_ns = delay_ns;
		if (job->conf->failover && flight->node &&
			attempt->end.end == RATION__END_NOT_SENT && !flight->hop &&
			ration__nodes_have_other(job->service->nodes, flight->node, worker->now_ns))
			delay_ns = 0;
		return try_again(worker, flight, delay_ns);
	case RATION__RETRY_EXHAUSTED:
		ration__flight_end(flight, exhausted(flight), attempt->code);
		break;
	case RATION__RETRY_UNKNOWN:
		ration__flight_end(flight, RATION__ENDED_ATTEMPT, RATION_EUNKNOWN);
		break;
	case RATION__RETRY_ACCEPT:
	case RATION__RETRY_REFUSED:
		ration__flight_end(flight, RATION__ENDED_ATTEMPT, attempt->code);
		break;
	}
	(void)outcome;
	return false;
}

void ration__worker_judge(struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__attempt *attempt = &flight->attempt;
	struct ration__job *job = flight->job;
	enum ration__outcome outcome = ration__outcome_of(&attempt->end);
	bool again;

	attempt->end.retry_after_ns =
		ration__min64(attempt->end.retry_after_ns, job->conf->retry.retry_after_max_ns);
	attempt->end.stop_ns =
		ration__min64(attempt->end.stop_ns, job->conf->retry.retry_after_max_ns);
	flight->retry = RATION__NO_RETRY;
	if (outcome == RATION__THROTTLED)
		flight->throttled++;
	ration__flight_report(worker, flight, outcome);
	if (attempt->code == 0) { /* accepted, whatever its status */
		ration__flight_end(flight, RATION__ENDED_ATTEMPT, 0);
		ration__worker_settle(worker, flight, RATION__SUCCESS, true, false);
		return;
	}
	if (follow(worker, flight) || authorize_again(worker, flight))
		return;
	again = retry(worker, flight, outcome);
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

	bool asking = flight->phase == RATION__FLIGHT_TOKEN;

	if (asking && !ration__flight_stop_asking(flight)) {
		flight->stop = (uint8_t)why; /* its token is just coming: then */
		flight->stop_code = code;
		return;
	}
	if (!asking)
		ration__multi_cancel(worker->multi, flight->transfer);
	*attempt = (struct ration__attempt){.code = code,
		.sent = asking ? 0 : -1,
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
	if (!asking)
		ration__flight_note(flight, attempt);
	ration__flight_end(flight, why, code);
	ration__flight_report(worker, flight, slow ? RATION__FAILURE : RATION__IGNORED);
	ration__worker_settle(
		worker, flight, slow && !asking ? RATION__FAILURE : RATION__IGNORED, true, asking);
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
		ration__worker_judge(worker, flight);
	}
	while ((timer = ration__heap_first(&worker->deadlines)) && timer->at_ns <= worker->now_ns) {
		struct ration__job *job = RATION__CONTAINER(timer, struct ration__job, timer);

		ration__worker_abort(worker, job->flight, RATION__ENDED_DEADLINE, RATION_EDEADLINE);
	}
}
