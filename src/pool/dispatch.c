/*
 * Dispatch: from the inbox and the lanes to one transaction. See worker.h for the tick.
 *
 * A batch is made of rounds: one job of each ready lane of the highest priority, then another of
 * each, as far as the lane's window goes; then the next priority. A lane that was denied last time
 * asks for little (its window), so a limit that is full costs few asks.
 */
#include "pool/worker.h"

#include <string.h>
#include "base/util.h"

/* How long the gate may be waited for; the sockets wait as long. */
#define GATE_NS RATION__NS_PER_MS
/* After a busy gate, and after a store that cannot answer. */
#define HOLD_BUSY_NS RATION__NS_PER_MS
#define HOLD_STORE_NS (10 * RATION__NS_PER_MS)
#define KEYS_MAX 255

/* ---- with the mutex: what changed ---- */

static void end_queued(struct ration__worker *worker, struct ration__job *job)
{
	ration__pool_end(worker->pool, job);
	ration__job_queue_add(&worker->done, job);
}

static void stop_resting(struct ration__worker *worker, struct ration__flight *flight)
{
	ration__heap_remove(&worker->rests, &flight->timer);
	atomic_fetch_sub_explicit(&worker->resting, 1, memory_order_relaxed);
	flight->phase = RATION__FLIGHT_ENDED;
}

static void cancel_flight(struct ration__worker *worker, struct ration__flight *flight)
{
	if (flight->phase == RATION__FLIGHT_FLYING)
		ration__worker_abort(worker, flight, RATION__ENDED_CANCEL, RATION_ECANCELLED);
	else if (flight->phase == RATION__FLIGHT_RESTING) {
		stop_resting(worker, flight);
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
		stop_resting(worker, flight);
		if (flight->stuck)
			flight = ration__flight_renew(worker, flight);
		if (!flight) {
			ration__worker_end(worker, job, RATION__ENDED_ERROR, RATION_ENOMEM);
			continue;
		}
		flight->phase = RATION__FLIGHT_CLAIMED;
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

/* Permits that this transaction gives back may be taken in it, too. */
static void release_lanes(struct ration__worker *worker)
{
	struct ration__lanes *lanes = &worker->pool->lanes;
	struct ration__flight *flight = worker->settling.first;
	struct ration__pool_service *service = NULL;
	uint32_t permits = 0;

	for (int i = 0; flight && i < RATION__BATCH_MAX; i++, flight = flight->next) {
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
	ration__lanes_tick(&pool->lanes);
	take_rested(worker);
	while ((job = ration__lanes_expired(&pool->lanes)) != NULL)
		end_queued(worker, job);
	if (atomic_exchange(&pool->woken, false))
		ration__lanes_wake(&pool->lanes, pool->services);
	retry_stuck(worker);
	release_lanes(worker);
	worker->swept = atomic_load(&pool->closing);
	if (worker->swept)
		cancel_all(worker);
}

/* ---- with the mutex: the asks ---- */

static int make_keyset(struct ration__lane *lane, const char **missing)
{
	struct ration__pair keys[KEYS_MAX];
	const char *at = lane->keys;

	for (uint8_t i = 0; i < lane->key_count; i++) {
		keys[i].name = at;
		at += strlen(at) + 1;
		keys[i].value = at;
		at += strlen(at) + 1;
	}
	return ration__keyset_new(
		lane->service->guard, keys, lane->key_count, &lane->keyset, missing);
}

/* The next job of a claimed lane becomes an ask. false: none, or the lane's window is used. */
static bool take_one(struct ration__worker *worker, uint32_t number)
{
	struct ration__claim *claim = &worker->claims[number];
	struct ration__lane *lane = claim->lane;
	const char *missing = NULL;
	struct ration__job *job;
	int rc = 0;

	if (claim->answer.asked >= lane->window)
		return false;
	job = ration__lanes_pop(&worker->pool->lanes, lane);
	if (!job)
		return false;
	if (!lane->keyset)
		rc = make_keyset(lane, &missing);
	if (rc == 0 && !job->flight) {
		job->flight = ration__flight_new(worker, job);
		rc = job->flight ? 0 : RATION_ENOMEM;
	}
	if (rc < 0) {
		job->mark_ns = RATION__NEVER;
		ration__worker_end(worker, job, RATION__ENDED_ERROR, rc);
		job->waited_for = missing;
		return true;
	}
	job->flight->worker = worker;
	job->flight->phase = RATION__FLIGHT_CLAIMED;
	worker->asked[worker->ask_count] = job->flight;
	worker->ask_claim[worker->ask_count] = (uint8_t)number;
	worker->asks[worker->ask_count++] = (struct ration__ask){.keyset = lane->keyset,
		.costs = ration__job_costs(job),
		.cost_count = job->cost_count,
		.grant = &job->flight->grant,
		.may_book = true};
	claim->answer.asked++;
	return true;
}

static void take(struct ration__worker *worker)
{
	struct ration__lanes *lanes = &worker->pool->lanes;
	uint64_t in_flight = atomic_load_explicit(&worker->in_flight, memory_order_relaxed);
	uint64_t max = worker->pool->options.in_flight_max;
	uint32_t room = (uint32_t)ration__min64(
		in_flight < max ? (int64_t)(max - in_flight) : 0, RATION__BATCH_MAX);
	struct ration__lane *lane = NULL;

	/* the claims are bounded, too: an ask may fail before it becomes one */
	while (worker->ask_count < room && worker->claim_count < RATION__BATCH_MAX &&
		(lane = ration__lanes_claim(lanes, NULL)) != NULL) {
		uint32_t first = worker->claim_count;
		int8_t priority = lane->priority;

		do {
			worker->claims[worker->claim_count] = (struct ration__claim){.lane = lane};
			take_one(worker, worker->claim_count++);
		} while (worker->ask_count < room && worker->claim_count < RATION__BATCH_MAX &&
			 (lane = ration__lanes_claim(lanes, &priority)) != NULL);
		for (bool any = true; any && worker->ask_count < room;) {
			any = false;
			for (uint32_t i = first;
				i < worker->claim_count && worker->ask_count < room; i++)
				any |= take_one(worker, i);
		}
	}
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
		take(worker);
	if (!worker->ask_count)
		for (uint32_t i = 0; i < worker->claim_count; i++)
			ration__lanes_return(
				&pool->lanes, worker->claims[i].lane, &worker->claims[i].answer);
	ration__worker_unlock(worker);
}

/* ---- without: the transaction ---- */

static void tell_breaker(struct ration__worker *worker, const struct ration__flight *flight,
	const struct ration__settle *settle)
{
	const char *name = flight->job ? flight->job->conf->name : "";

	if (settle->breaker_opened)
		ration__pool_log(worker->pool, RATION_LOG_WARNING,
			"service %s: circuit breaker opened", name);
	if (settle->breaker_closed)
		ration__pool_log(
			worker->pool, RATION_LOG_INFO, "service %s: circuit breaker closed", name);
}

static void fill_settles(struct ration__worker *worker)
{
	struct ration__flight *flight = worker->settling.first;

	for (; flight && worker->settle_count < RATION__BATCH_MAX; flight = flight->next)
		worker->settles[worker->settle_count++] =
			(struct ration__settle){.grant = &flight->grant,
				.outcome = flight->outcome,
				.last = flight->last,
				.unused = flight->unused,
				.costs = flight->job ? ration__job_costs(flight->job) : NULL,
				.cost_count = flight->job ? flight->job->cost_count : 0};
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
	for (uint32_t i = 0; i < worker->settle_count; i++) {
		const struct ration__settle *settle = &worker->settles[i];

		if (settle->breaker_opened || settle->breaker_closed) {
			struct ration__flight *flight = worker->settling.first;

			for (uint32_t skip = i; skip > 0; skip--)
				flight = flight->next;
			tell_breaker(worker, flight, settle);
		}
	}
}
