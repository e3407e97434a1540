/*
 * The start of attempts: as whom (a token), where to (a node, or where a redirect led), then the
 * transfer. What was admitted and cannot start at once is given back and asked again.
 *
 * Private to the worker's thread, but for token_came.
 */
#include "pool/lanes.h"
#include "pool/worker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "http/call.h"
#include "http/redirect.h"
#include "http/send.h"

/* Never sent: what it took goes back. */
static void fail_start(struct ration__worker *worker, struct ration__flight *flight, int code)
{
	ration__heap_remove(&worker->deadlines, &flight->job->timer);
	ration__flight_report(worker, flight, RATION__IGNORED);
	flight->phase = RATION__FLIGHT_ENDED;
	ration__flight_end(flight, RATION__ENDED_ERROR, code);
	ration__worker_settle(worker, flight, RATION__IGNORED, true, true);
}

/* Given back, and asked again after delay_ns. */
static void put_off(struct ration__worker *worker, struct ration__flight *flight, int64_t delay_ns)
{
	ration__heap_remove(&worker->deadlines, &flight->job->timer);
	ration__worker_settle(worker, flight, RATION__IGNORED, false, true);
	if (ration__worker_rest(worker, flight, delay_ns) == 0)
		return;
	ration__flight_remove(&worker->settling, flight);
	fail_start(worker, flight, RATION_ENOMEM);
}

/* ---- as whom ---- */

/* On the provider's thread. */
static void token_came(struct ration__token_waiter *waiter)
{
	struct ration__flight *flight = RATION__CONTAINER(waiter, struct ration__flight, waiter);
	struct ration__worker *worker = flight->worker;

	waiter->next = atomic_load_explicit(&worker->answered, memory_order_relaxed);
	/* release: pairs with the acquire of _take_tokens. Before the bit is looked at: pairs with
	 * the worker's look at answered after it set the bit */
	while (!atomic_compare_exchange_weak_explicit(&worker->answered, &waiter->next, waiter,
		memory_order_seq_cst, memory_order_relaxed))
		;
	ration__pool_poke(worker->pool, worker);
}

bool ration__flight_stop_asking(struct ration__flight *flight)
{
	if (!ration__tokens_cancel(flight->job->service->tokens, &flight->waiter))
		return false;
	ration__flight_remove(&flight->worker->asking, flight);
	return true;
}

/* An attempt that ended before it began, for want of a token. A key's fault is not retried. */
static void fail_token(struct ration__worker *worker, struct ration__flight *flight, int code)
{
	struct ration__attempt *attempt = &flight->attempt;

	if (code == RATION_ENOMEM || code == RATION_ECANCELLED) {
		fail_start(worker, flight, code);
		if (code == RATION_ECANCELLED) /* the client is being closed */
			flight->job->end = RATION__ENDED_CANCEL;
		return;
	}
	ration__heap_remove(&worker->deadlines, &flight->job->timer);
	*attempt = (struct ration__attempt){.code = code,
		.start_ns = worker->io_ns,
		.end_ns = worker->io_ns,
		.end = {.end = RATION__END_LOCAL, .unsent = true}};
	for (size_t i = 0; i < RATION__ACTUALS_MAX; i++)
		attempt->actual[i] = NAN;
	snprintf(attempt->message, sizeof(attempt->message), "%s%s", ration_strerror(code),
		code == RATION_EKEY ? ", or its value is no file's name: auth.bearer_file" : "");
	flight->has_attempt = true;
	if (code == RATION_EKEY) {
		fail_start(worker, flight, code);
		flight->job->end = RATION__ENDED_ATTEMPT;
		return;
	}
	flight->phase = RATION__FLIGHT_ENDED;
	flight->attempts++;
	ration__flight_note(flight, attempt);
	ration__worker_judge(worker, flight);
}

static int set_deadline(struct ration__worker *worker, struct ration__job *job)
{
	if (job->deadline_ns >= RATION__NEVER)
		return 0;
	return ration__heap_set(&worker->deadlines, &job->timer, job->deadline_ns);
}

/* True: it has one, or needs none. */
static bool get_token(struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__job *job = flight->job;
	int rc;

	if (!job->service->tokens || flight->token || (flight->hop && flight->hop->foreign))
		return true;
	flight->waiter = (struct ration__token_waiter){.fn = token_came};
	flight->phase = RATION__FLIGHT_TOKEN;
	flight->stop_code = 0;
	flight->attempt.start_ns = worker->io_ns; /* should it end while it asks */
	rc = set_deadline(worker, job);
	if (rc == 0)
		rc = ration__tokens_get(job->service->tokens, ration__job_keys(job), job->key_count,
			flight->rejected, &flight->waiter, &flight->token);
	if (rc == 0) {
		flight->phase = RATION__FLIGHT_CLAIMED;
		return true;
	}
	if (rc == RATION_EAGAIN)
		ration__flight_add(&worker->asking, flight);
	else
		fail_token(worker, flight, rc);
	return false;
}

/* What was to end it meanwhile ends it now. */
static void stop(struct ration__worker *worker, struct ration__flight *flight)
{
	fail_start(worker, flight, flight->stop_code);
	flight->job->end = flight->stop;
}

static void take_token(struct ration__worker *worker, struct ration__flight *flight)
{
	ration__flight_remove(&worker->asking, flight);
	flight->token = flight->waiter.token;
	if (flight->stop_code) {
		stop(worker, flight);
		return;
	}
	if (flight->waiter.code) {
		fail_token(worker, flight, flight->waiter.code);
		return;
	}
	ration__flight_waited(flight, "token", worker->now_ns - flight->grant.at_ns);
	ration__flight_add(&worker->launching, flight);
}

void ration__worker_take_tokens(struct ration__worker *worker)
{
	struct ration__token_waiter *waiter =
		atomic_exchange_explicit(&worker->answered, NULL, memory_order_acquire);

	while (waiter) {
		struct ration__token_waiter *next = waiter->next;

		take_token(worker, RATION__CONTAINER(waiter, struct ration__flight, waiter));
		waiter = next;
	}
}

/* ---- where to ---- */

char *ration__flight_url(const struct ration__flight *flight)
{
	const struct ration__call *call = ration__job_call(flight->job);
	const char *base = flight->node ? ration__node_uri(flight->node) : flight->job->conf->base;
	const char *target = ration__call_text(call, call->target);
	size_t length;
	char *url;

	if (flight->hop)
		return strdup(flight->hop->url);
	base = ration__call_prefix(call, base, &length);
	url = malloc(length + strlen(target) + 1);
	if (url) {
		memcpy(url, base, length);
		strcpy(url + length, target);
	}
	return url;
}

/* True: a node is picked, or it goes to none of ours. */
static bool get_node(struct ration__worker *worker, struct ration__flight *flight)
{
	const struct ration__job *job = flight->job;
	struct ration__node_want want;
	int64_t at_ns = worker->now_ns;

	if (!job->service->nodes || !ration__job_want(job, worker->now_ns, &want)) {
		flight->node = NULL;
		return true;
	}
	want.only = job->lane->of;
	if (ration__nodes_pick(job->service->nodes, &want, &flight->node, &at_ns) == 0) {
		flight->picked = true;
		flight->avoid = false;
		return true;
	}
	if (want.only && at_ns <= worker->now_ns) { /* its lane's node failed meanwhile */
		put_off(worker, flight, 0);
		return false;
	}
	at_ns = ration__min64(at_ns, job->deadline_ns); /* then its lane ends it */
	put_off(worker, flight, ration__max64(at_ns - worker->now_ns, RATION__NS_PER_MS));
	return false;
}

/* ---- the transfer ---- */

static int start(struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__job *job = flight->job;
	struct ration__send send = {.service = job->conf,
		.call = ration__job_call(job),
		.base = flight->node ? ration__node_uri(flight->node) : NULL,
		.hop = flight->hop,
		.fresh = flight->stale,
		.attempt = flight->attempts + 1,
		.ticket = job->ticket.hash,
		.id = flight->id};
	int rc;

	if (flight->token) {
		send.authorization_name = ration__token_header(flight->token);
		send.authorization = ration__token_value(flight->token);
	}
	rc = ration__multi_start(worker->multi, &send, worker->io_ns, flight, &flight->transfer);
	if (rc < 0)
		return rc;
	rc = set_deadline(worker, job);
	if (rc < 0)
		ration__multi_cancel(worker->multi, flight->transfer);
	return rc;
}

static void launch_one(struct ration__worker *worker, struct ration__flight *flight)
{
	int rc;

	if (worker->now_ns - flight->grant.at_ns > RATION__LATE_NS) {
		/* what was true when it was admitted may not be any more: ask again */
		put_off(worker, flight, 0);
		return;
	}
	if (!flight->has_id) {
		ration__uuid(&worker->random, flight->id);
		flight->has_id = true;
	}
	if (!get_token(worker, flight) || !get_node(worker, flight))
		return;
	if (flight->has_attempt)
		ration__attempt_fini(&flight->attempt);
	flight->has_attempt = false;
	flight->attempt.start_ns = worker->io_ns;
	rc = start(worker, flight);
	if (rc < 0) {
		fail_start(worker, flight, rc);
		return;
	}
	flight->attempts++;
	flight->job->tried = 0;
	flight->mode = flight->grant.mode;
	flight->phase = RATION__FLIGHT_FLYING;
	ration__flight_add(&worker->flying, flight);
	ration__worker_count(&worker->in_flight, 1);
	ration__worker_count(&worker->sent, 1);
}

void ration__worker_launch(struct ration__worker *worker)
{
	struct ration__flight *flight;

	/* after the transaction: an attempt's time begins here, and a late admission is noticed */
	ration__worker_read_clocks(worker);
	while ((flight = worker->launching.first) != NULL) {
		ration__flight_remove(&worker->launching, flight);
		if (flight->stop_code) /* cancelled since its token came */
			stop(worker, flight);
		else
			launch_one(worker, flight);
	}
}
