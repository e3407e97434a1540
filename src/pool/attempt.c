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
	ration__flight_disconnect(flight);
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

bool ration__flight_cools_node(const struct ration__flight *flight, enum ration__outcome outcome)
{
	const struct ration__attempt_end *end = &flight->attempt.end;

	return outcome != RATION__IGNORED &&
	       (end->stop_ns > 0 || ration__end_is_throttle(&flight->job->conf->retry, end)) &&
	       ration__service_node_cools(flight->job->service);
}

/* Retry-After of another answer is about what was asked for. */
static int64_t throttled_ns(const struct ration__flight *flight)
{
	const struct ration__attempt_end *end = &flight->attempt.end;

	return ration__end_is_throttle(&flight->job->conf->retry, end) ? end->retry_after_ns : 0;
}

void ration__flight_report(
	struct ration__worker *worker, struct ration__flight *flight, enum ration__outcome outcome)
{
	const struct ration__attempt *attempt = &flight->attempt;
	struct ration__node_report report = {.outcome = outcome,
		.status = attempt->status,
		.start_ns = worker->now_ns - (worker->io_ns - attempt->start_ns), /* the fleet's */
		.now_ns = worker->now_ns};

	if (!flight->picked)
		return;
	flight->picked = false;
	if (ration__flight_cools_node(flight, outcome))
		report.cool_ns = ration__max64(attempt->end.stop_ns, throttled_ns(flight));
	ration__nodes_report(flight->job->service->nodes, flight->node, &report);
}

/* A kept connection that the server had closed answers at once. One that takes longer and then
 * dies had been taken up: a failure as any other. */
#define STALE_NS RATION__NS_PER_S

static void look_for_stale(struct ration__attempt *attempt)
{
	if (attempt->end_ns - attempt->start_ns > STALE_NS)
		attempt->end.stale = false;
}

/* The service's budget of retries is asked when this attempt is settled; grants that the store did
 * not make pay nothing, and a stale connection is nobody's fault. */
static enum ration__wants_retry wants_retry(const struct ration__flight *flight)
{
	if (flight->attempt.end.stale)
		return RATION__NO_RETRY;
	if (flight->grant.mode != RATION__EXACT && flight->grant.mode != RATION__OBSERVED)
		return RATION__NO_RETRY;
	return ration__end_is_throttle(&flight->job->conf->retry, &flight->attempt.end)
		       ? RATION__RETRY_THROTTLED
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

/* A retry goes to where the redirects led, not all the way again: these are for good (X14), or what
 * was asked for first was done, and only its answer is elsewhere (a POST that became a GET). */
static bool stays(const struct ration__flight *flight)
{
	return flight->hop->pinned ||
	       (flight->hop->get && !ration__method_is_safe(ration__job_method(flight->job)));
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
	if (flight->hop && !stays(flight)) { /* what led there may lead elsewhere by now */
		free(flight->hop);
		flight->hop = NULL;
	}
	flight->avoid = true;
	return true;
}

/* Attempts that count, as opposed to hops and second tokens. */
static uint32_t counted(const struct ration__flight *flight)
{
	return flight->attempts - flight->uncounted;
}

/* Its attempts are used up: those of the kind that this one was. */
static enum ration__job_end exhausted(
	const struct ration__flight *flight, enum ration__outcome outcome)
{
	if (counted(flight) <= 1)
		return RATION__ENDED_ATTEMPT;
	return outcome == RATION__THROTTLED ? RATION__ENDED_THROTTLED : RATION__ENDED_EXHAUSTED;
}

/* On to somewhere else, as no retry: every send is decided anew all the same. */
static bool go_on(struct ration__worker *worker, struct ration__flight *flight, int64_t delay_ns)
{
	if (ration__worker_rest(worker, flight, delay_ns) < 0)
		return false;
	flight->uncounted++;
	drop_answer(flight);
	ration__worker_settle(worker, flight, RATION__SUCCESS, false, false);
	return true;
}

static int next_hop(struct ration__flight *flight, struct ration__hop **hop, const char **why)
{
	const struct ration__job *job = flight->job;
	char *url = ration__flight_url(flight);
	int rc;

	if (!url)
		return RATION_ENOMEM;
	rc = ration__redirect_next(
		job->conf, ration__job_call(job), url, flight->hop, &flight->attempt, hop, why);
	free(url);
	return rc;
}

/* A redirect that is followed: true. One that is not is an error of its own. */
static bool follow(struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__attempt *attempt = &flight->attempt;
	struct ration__hop *hop = NULL;
	const char *why = NULL;
	/* RFC 9110 10.2.3: of a redirect it says when the next one may be asked; the service is not
	 * meant */
	int64_t delay_ns = attempt->end.retry_after_ns;
	int rc;

	if (!ration__status_redirects(attempt->status) || attempt->code == 0)
		return false;
	attempt->end.retry_after_ns = 0;
	rc = next_hop(flight, &hop, &why);
	if (rc == 0 && worker->now_ns + delay_ns >= flight->job->deadline_ns) {
		rc = RATION_EREDIRECT;
		why = "Retry-After is past the deadline";
	}
	if (rc == 0 && !go_on(worker, flight, delay_ns))
		rc = RATION_ENOMEM;
	if (rc == 0) {
		free(flight->hop);
		flight->hop = hop;
		flight->avoid = false;
		flight->notes[flight->note_count - 1].redirected = true;
		return true;
	}
	free(hop);
	attempt->code = rc;
	attempt->end.end = RATION__END_PERMANENT;
	snprintf(attempt->message, sizeof(attempt->message), "%s%s%s (status %d)",
		ration_strerror(rc), why ? ": " : "", why ? why : "", attempt->status);
	return false;
}

/* The server does not know the token: another one is asked for, once. */
static bool authorize_again(struct ration__worker *worker, struct ration__flight *flight)
{
	if (flight->attempt.status != 401 || flight->attempt.code == 0 || !flight->token ||
		flight->rejected || !ration__token_again(flight->token) ||
		!ration__call_rewinds(ration__job_call(flight->job)))
		return false;
	flight->rejected = flight->token;
	flight->token = NULL;
	return go_on(worker, flight, 0);
}

/* ---- retries ---- */

static struct ration__retry_state retry_state(const struct ration__flight *flight)
{
	const struct ration__call *call = ration__job_call(flight->job);
	int status = flight->attempt.status;

	return (struct ration__retry_state){.attempts = counted(flight),
		.throttled = flight->throttled,
		.previous_ns = flight->delay_ns,
		.repeatable = ration__call_repeatable(call) || (flight->hop && flight->hop->get),
		.idempotent = ration__method_is_idempotent(ration__job_method(flight->job)),
		.keyed = (status == 409 || status == 422) && ration__call_keyed(call)};
}

/* Another node, which knows nothing of what this one said. */
static bool has_other_node(const struct ration__worker *worker, const struct ration__flight *flight)
{
	const struct ration__job *job = flight->job;

	return flight->node && !flight->hop &&
	       ration__nodes_have_other(job->service->nodes, flight->node, worker->now_ns);
}

/* When, of what is made again. Whom a connection was closed by nobody waits for, once; what was not
 * sent goes to another node at once; and a throttled node's wait is not the next one's (X8). */
static int64_t delay_of(struct ration__worker *worker, struct ration__flight *flight,
	enum ration__outcome outcome, int64_t delay_ns)
{
	const struct ration__retry_conf *conf = &flight->job->conf->retry;
	const struct ration__attempt_end *end = &flight->attempt.end;

	if (end->stale && !flight->stale) {
		flight->stale = true;
		return 0;
	}
	if (end->end == RATION__END_NOT_SENT && flight->job->conf->failover &&
		has_other_node(worker, flight))
		return 0;
	if (ration__flight_cools_node(flight, outcome) && has_other_node(worker, flight)) {
		bool throttled = outcome == RATION__THROTTLED;
		uint32_t count =
			throttled ? flight->throttled : counted(flight) - flight->throttled;

		return ration__backoff_delay(throttled ? &conf->throttle : &conf->backoff, count,
			flight->delay_ns, ration__random_next(&worker->random), 0);
	}
	flight->delay_ns = delay_ns;
	return delay_ns;
}

/* Of an attempt that failed: whether, when and where it is made again. */
static bool retry(
	struct ration__worker *worker, struct ration__flight *flight, enum ration__outcome outcome)
{
	struct ration__attempt *attempt = &flight->attempt;
	struct ration__job *job = flight->job;
	struct ration__retry_state state = retry_state(flight);
	bool unknown = attempt->end.end == RATION__END_AMBIGUOUS;
	int64_t delay_ns = 0;

	switch (ration__retry_decide(&job->conf->retry, &state, &attempt->end,
		ration__random_next(&worker->random), &delay_ns)) {
	case RATION__RETRY_AGAIN:
		if (!attempt->sent || ration__call_rewinds(ration__job_call(job)))
			return try_again(
				worker, flight, delay_of(worker, flight, outcome, delay_ns));
		/* its body is gone */
		ration__flight_end(
			flight, RATION__ENDED_ATTEMPT, unknown ? RATION_EUNKNOWN : attempt->code);
		break;
	case RATION__RETRY_EXHAUSTED:
		ration__flight_end(flight, exhausted(flight, outcome), attempt->code);
		break;
	case RATION__RETRY_UNKNOWN:
		ration__flight_end(flight, RATION__ENDED_ATTEMPT, RATION_EUNKNOWN);
		break;
	case RATION__RETRY_ACCEPT:
	case RATION__RETRY_REFUSED:
		ration__flight_end(flight, RATION__ENDED_ATTEMPT, attempt->code);
		break;
	}
	return false;
}

/* For a node with a breaker of its own a job is over when it goes on to another node. */
static bool leaves(const struct ration__worker *worker, const struct ration__flight *flight)
{
	return flight->job->lane->breaks && has_other_node(worker, flight);
}

void ration__worker_judge(struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__attempt *attempt = &flight->attempt;
	struct ration__job *job = flight->job;
	/* another origin's word is not about the service */
	bool foreign = flight->hop && flight->hop->foreign;
	enum ration__outcome outcome;
	bool again;

	look_for_stale(attempt);
	outcome = ration__outcome_of(&job->conf->retry, &attempt->end);
	attempt->end.retry_after_ns =
		ration__min64(attempt->end.retry_after_ns, job->conf->retry.retry_after_max_ns);
	attempt->end.stop_ns =
		foreign ? 0
			: ration__min64(attempt->end.stop_ns, job->conf->retry.retry_after_max_ns);
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
	if (foreign) {
		attempt->end.retry_after_ns = 0;
		attempt->end.at_once = false;
	}
	ration__worker_settle(worker, flight, outcome, !again || leaves(worker, flight), false);
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
		/* its token is just coming, or has come: ended then, and by nobody again */
		ration__heap_remove(&worker->deadlines, &job->timer);
		flight->stop = (uint8_t)why;
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
