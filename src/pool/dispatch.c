/*
 * Dispatch: from the inbox and the lanes to one transaction. See worker.h for the tick.
 */
#include "pool/worker.h"

#include <math.h>
#include "base/util.h"

/* How long the gate may be waited for; the sockets wait as long. */
#define GATE_NS RATION__NS_PER_MS
/* Lanes that ask again when units have come back: one job's may do for some cheaper ones. */
#define UNITS_RELEASE 2
/* After a busy gate, and after a store that cannot answer. */
#define HOLD_BUSY_NS RATION__NS_PER_MS
#define HOLD_STORE_NS (10 * RATION__NS_PER_MS)

/* ---- with the mutex: what changed ---- */

static void end_queued(struct ration__worker *worker, struct ration__job *job)
{
	ration__pool_end(worker->pool, job);
	ration__job_queue_add(&worker->done, job);
}

static void cancel_flight(struct ration__worker *worker, struct ration__flight *flight)
{
	if (flight->phase == RATION__FLIGHT_FLYING || flight->phase == RATION__FLIGHT_TOKEN)
		ration__worker_abort(worker, flight, RATION__ENDED_CANCEL, RATION_ECANCELLED);
	else if (flight->phase == RATION__FLIGHT_RESTING) {
		ration__worker_unrest(worker, flight);
		ration__worker_end(worker, flight->job, RATION__ENDED_CANCEL, RATION_ECANCELLED);
	}
}

static void take_cancels(struct ration__worker *worker)
{
	struct ration__job *job;

	while ((job = worker->cancels) != NULL) {
		worker->cancels = job->next;
		if (job->next)
			job->next->link = &worker->cancels;
		job->link = NULL;
		cancel_flight(worker, job->flight);
	}
}

/* Marks of jobs that do not fly stay: their next attempt is asked once too often. */
static void take_resumed(struct ration__worker *worker)
{
	struct ration__flight *flight = worker->flying.first;

	if (!worker->resumed)
		return;
	worker->resumed = false;
	for (; flight; flight = flight->next) {
		if (!(flight->job->flags & RATION__JOB_RESUMED))
			continue;
		flight->job->flags &= (uint8_t)~RATION__JOB_RESUMED;
		ration__multi_resume(flight->transfer);
	}
}

/* Retries whose time has come go back to their lanes. */
static void take_rested(struct ration__worker *worker)
{
	struct ration__timer *timer;

	while ((timer = ration__heap_first(&worker->rests)) && timer->at_ns <= worker->now_ns) {
		struct ration__flight *flight =
			RATION__CONTAINER(timer, struct ration__flight, timer);
		struct ration__job *job = flight->job;

		if (flight->settling && !flight->stuck) { /* its permit is not given back yet */
			ration__heap_set(&worker->rests, timer, worker->now_ns + RATION__NS_PER_MS);
			continue;
		}
		job->mark_ns = timer->at_ns;
		ration__flight_waited(flight, "retry", job->mark_ns - flight->rest_ns);
		ration__worker_unrest(worker, flight);
		if (flight->stuck)
			flight = ration__flight_renew(worker, flight);
		if (!flight) {
			ration__worker_end(worker, job, RATION__ENDED_ERROR, RATION_ENOMEM);
			continue;
		}
		flight->phase = RATION__FLIGHT_CLAIMED;
		job->tried = 0;
		ration__lanes_move(&worker->pool->lanes, job, RATION__MOVE_ANYHOW);
		if (ration__lanes_put_back(&worker->pool->lanes, job) < 0)
			ration__worker_end(worker, job, RATION__ENDED_ERROR, RATION_ENOMEM);
	}
	timer = ration__heap_first(&worker->rests);
	atomic_store_explicit(
		&worker->rest_until_ns, timer ? timer->at_ns : RATION__NEVER, memory_order_relaxed);
}

/* What the store did not take is tried again. */
static void retry_stuck(struct ration__worker *worker)
{
	struct ration__flight *flight;

	if (worker->now_ns < worker->stuck_ns)
		return;
	while ((flight = worker->stuck.first) != NULL) {
		ration__flight_remove(&worker->stuck, flight);
		ration__flight_add(&worker->settling, flight);
	}
}

/* Lanes that wait for units whose true cost this flight has brought. */
static void release_units(struct ration__lanes *lanes, const struct ration__flight *flight)
{
	const struct ration__pool_service *service = flight->job->service;

	if (!flight->has_attempt)
		return;
	for (uint32_t i = 0; i < service->rules.limit_count; i++)
		if (ration__service_settles(service, (int)i))
			ration__lanes_release_like(lanes, flight->job->lane, (int)i, UNITS_RELEASE);
}

/* What this transaction gives back may be taken in it, too. */
static void release_lanes(struct ration__worker *worker)
{
	struct ration__lanes *lanes = &worker->pool->lanes;
	struct ration__flight *flight = worker->settling.first;
	struct ration__pool_service *service = NULL;
	uint32_t permits = 0;

	for (int i = 0; flight && i < RATION__BATCH_MAX; i++, flight = flight->next) {
		if (flight->job && flight->job->lane && flight->job->service->conf->actual_count)
			release_units(lanes, flight);
		if (flight->job && flight->job->lane && flight->grant.place)
			ration__lanes_release_like(lanes, flight->job->lane, RATION__RULE_PLACE, 1);
		if (!flight->job || !flight->grant.permit)
			continue;
		if (service && service != flight->job->service) {
			ration__lanes_release(lanes, service, RATION__RULE_CONCURRENCY, permits);
			permits = 0;
		}
		service = flight->job->service;
		permits++;
	}
	if (service)
		ration__lanes_release(lanes, service, RATION__RULE_CONCURRENCY, permits);
}

static void cancel_all(struct ration__worker *worker)
{
	struct ration__flight *flight, *next;
	struct ration__job_queue queue;
	struct ration__timer *timer;
	struct ration__job *job;

	ration__job_queue_init(&queue);
	ration__lanes_take_all(&worker->pool->lanes, &queue);
	while ((job = ration__job_queue_take(&queue)) != NULL) {
		job->code = RATION_ECANCELLED;
		job->end = RATION__ENDED_CANCEL;
		end_queued(worker, job);
	}
	while (worker->flying.first)
		cancel_flight(worker, worker->flying.first);
	for (flight = worker->asking.first; flight; flight = next) {
		next = flight->next;
		cancel_flight(worker, flight);
	}
	while ((timer = ration__heap_first(&worker->rests)) != NULL)
		cancel_flight(worker, RATION__CONTAINER(timer, struct ration__flight, timer));
}

static void update(struct ration__worker *worker)
{
	struct ration__pool *pool = worker->pool;
	struct ration__job *job;

	ration__pool_intake(pool);
	while ((job = ration__job_queue_take(&pool->ended)) != NULL)
		ration__job_queue_add(&worker->done, job);
	take_cancels(worker);
	take_resumed(worker);
	ration__lanes_tick(&pool->lanes);
	take_rested(worker);
	while ((job = ration__lanes_expired(&pool->lanes)) != NULL)
		end_queued(worker, job);
	if (atomic_exchange(&pool->woken, false))
		ration__lanes_wake(&pool->lanes, pool->services);
	retry_stuck(worker);
	release_lanes(worker);
	ration__lanes_open(&pool->lanes, pool->services);
	worker->swept = atomic_load(&pool->closing);
	if (worker->swept)
		cancel_all(worker);
}

bool ration__worker_has_work(struct ration__worker *worker)
{
	struct ration__timer *rest = ration__heap_first(&worker->rests);

	return atomic_load_explicit(&worker->poked, memory_order_relaxed) ||
	       !ration__inbox_empty(&worker->pool->inbox) ||
	       (worker->settling.first && worker->now_ns >= worker->hold_ns) ||
	       (worker->more && worker->now_ns >= worker->hold_ns) ||
	       (worker->stuck.first && worker->now_ns >= worker->stuck_ns) ||
	       worker->now_ns >= worker->pool_ns || (rest && rest->at_ns <= worker->now_ns);
}

void ration__worker_prepare(struct ration__worker *worker)
{
	struct ration__pool *pool = worker->pool;

	/* before everything is looked at: what is told from here on is looked at next time */
	atomic_store_explicit(&worker->poked, false, memory_order_seq_cst);
	worker->ask_count = worker->claim_count = worker->settle_count = 0;
	pthread_mutex_lock(&pool->mutex);
	pool->lanes.now_ns = worker->now_ns;
	update(worker);
	if (worker->now_ns >= worker->hold_ns && !worker->swept)
		ration__worker_take(worker);
	if (!worker->ask_count)
		for (uint32_t i = 0; i < worker->claim_count; i++)
			ration__lanes_return(
				&pool->lanes, worker->claims[i].lane, &worker->claims[i].answer);
	ration__worker_unlock(worker);
}

/* ---- without: the transaction ---- */

/* What the response said that it cost, in the worker's room for this settle. */
static void fill_actuals(struct ration__settle *settle, const struct ration__flight *flight,
	struct ration__cost actuals[RATION__ACTUALS_MAX])
{
	const struct ration__service_conf *conf = flight->job->service->conf;

	settle->actuals = actuals;
	for (size_t i = 0; i < conf->actual_count && i < RATION__ACTUALS_MAX; i++)
		if (!isnan(flight->attempt.actual[i]))
			actuals[settle->actual_count++] = (struct ration__cost){
				.unit = conf->actuals[i].unit, .cost = flight->attempt.actual[i]};
}

/* How the attempt ended, for limits that learn and for whom a server's word is meant. */
static void fill_end(struct ration__settle *settle, const struct ration__flight *flight)
{
	const struct ration__attempt_end *end = &flight->attempt.end;
	const struct ration__retry_conf *conf = flight->job ? &flight->job->conf->retry : NULL;

	settle->overload = ration__end_is_overload(conf, end);
	settle->throttle = ration__end_is_throttle(conf, end);
	settle->neutral =
		end->end == RATION__END_ANSWERED && !settle->overload && end->status / 100 != 2;
	settle->elapsed_ns = flight->attempt.elapsed_us * 1000;
	/* of another answer (202, 404, 500) it is about what was asked for, not about everybody */
	if (settle->throttle)
		settle->retry_after_ns = end->at_once ? -1 : end->retry_after_ns;
	settle->stop_ns = end->stop_ns;
	settle->node_cools = flight->job && ration__flight_cools_node(flight, settle->outcome);
	settle->retry = flight->retry;
	settle->last_retry_cost = flight->retry_cost;
}

static void fill_settles(struct ration__worker *worker)
{
	struct ration__flight *flight = worker->settling.first;

	for (; flight && worker->settle_count < RATION__BATCH_MAX; flight = flight->next) {
		struct ration__settle *settle = &worker->settles[worker->settle_count];

		*settle = (struct ration__settle){.grant = &flight->grant,
			.outcome = flight->outcome,
			.last = flight->last,
			.unused = flight->unused};
		if (!flight->unused)
			fill_end(settle, flight);
		if (flight->job) { /* else nobody knows any more what it was thought to cost */
			settle->costs = ration__job_costs(flight->job);
			settle->cost_count = flight->job->cost_count;
			if (!flight->unused)
				fill_actuals(settle, flight, worker->actuals[worker->settle_count]);
		}
		worker->settle_count++;
	}
}

void ration__worker_transact(struct ration__worker *worker)
{
	struct ration__pool *pool = worker->pool;
	struct ration__batch batch = {
		.settles = worker->settles, .asks = worker->asks, .ask_count = worker->ask_count};
	int rc;

	fill_settles(worker);
	batch.settle_count = worker->settle_count;
	rc = ration__guard_transact(pool->engine, &batch, GATE_NS);
	worker->transact_rc = rc;
	worker->settle_count = rc == 0 ? (uint32_t)batch.settle_count : 0;
	worker->hold_ns = 0;
	if (rc < 0 && !pool->clock_injected) /* which would never come to its end */
		worker->hold_ns =
			worker->now_ns + (rc == RATION_EAGAIN ? HOLD_BUSY_NS : HOLD_STORE_NS);
	if (rc != RATION_EAGAIN &&
		atomic_exchange_explicit(&pool->store_code, rc, memory_order_relaxed) != rc &&
		rc < 0)
		ration__pool_log(pool, RATION_LOG_ERROR, "no decisions: %s", ration_strerror(rc));
	if (batch.woken)
		atomic_store(&pool->woken, true);
}
