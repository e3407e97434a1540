/* What a transaction decided, back into lanes, on to the wire, or to the ended. See worker.h. */
#include "pool/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include "base/units.h"
#include "base/util.h"

/* How often a store that does not answer is asked to take outcomes. */
#define STUCK_NS (20 * RATION__NS_PER_MS)

void ration__worker_end(
	struct ration__worker *worker, struct ration__job *job, enum ration__job_end end, int code)
{
	job->end = (uint8_t)end;
	job->code = code;
	ration__pool_end(worker->pool, job);
	ration__job_queue_add(&worker->done, job);
}

static void end_denied(struct ration__worker *worker, struct ration__job *job,
	const struct ration__ask *ask, enum ration__job_end end, int code)
{
	job->denial = (uint8_t)ask->denial;
	job->rule = (int16_t)ask->rule;
	ration__worker_end(worker, job, end, code);
	job->timer.at_ns = ask->at_ns;
}

/* Its flight is only kept for what happened in earlier attempts. */
static void put_back(struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__job *job = flight->job;

	if (job->flags & RATION__JOB_CANCELLED) {
		ration__worker_end(worker, job, RATION__ENDED_CANCEL, RATION_ECANCELLED);
		return;
	}
	if (ration__lanes_put_back(&worker->pool->lanes, job) < 0) {
		ration__worker_end(worker, job, RATION__ENDED_ERROR, RATION_ENOMEM);
		return;
	}
	if (flight->attempts == 0 && flight->wait_count == 0) {
		job->flight = NULL;
		ration__flight_free(worker, flight);
	}
}

/* Told to wait: true when the job does, false when that would be too long for it. */
static bool can_wait(struct ration__worker *worker, struct ration__claim *claim,
	struct ration__job *job, const struct ration__ask *ask)
{
	bool booked = ask->decision == RATION__BOOKED;

	if (!booked && !ration__denial_is_bound(ask->denial, ask->at_ns, worker->now_ns))
		return true;
	if (!ration__job_cannot_wait(job, ask->denial, ask->rule, ask->at_ns))
		return true;
	end_denied(worker, job, ask, job->end, job->code);
	if (booked) { /* for nobody */
		claim->lane->waits = true;
		ration__lane_leave(&worker->pool->lanes, claim->lane);
	}
	return false;
}

static void admitted(
	struct ration__worker *worker, struct ration__claim *claim, struct ration__flight *flight)
{
	struct ration__job *job = flight->job;

	claim->answer.admitted++;
	ration__flight_waited(flight, ration__lane_reason(claim->lane, job->mark_ns),
		worker->now_ns - job->mark_ns);
	job->mark_ns = RATION__NEVER;
	ration__flight_add(&worker->launching, flight);
}

/* A no of its node's rules: true when the job goes to another node's lane, or is asked for again as
 * one that waits. */
static bool moves(struct ration__worker *worker, const struct ration__claim *claim,
	struct ration__job *job, const struct ration__ask *ask)
{
	struct ration__lanes *lanes = &worker->pool->lanes;
	bool refused = ask->decision == RATION__REFUSED;

	if (!claim->lane->of || ask->decision == RATION__BOOKED)
		return false;
	if (!refused && ask->may_book) {
		job->tried = 0; /* when it has waited, others may do */
		return false;
	}
	if (ration__service_rule_by_node(job->service, ask->rule) &&
		ration__lanes_move(lanes, job, refused ? RATION__MOVE_OTHER : RATION__MOVE_IDLE))
		return true;
	if (!refused)
		job->tried = UINT32_MAX;
	return !refused;
}

/* One ask's answer. true: the job goes back to its lane. */
static bool take_answer(struct ration__worker *worker, uint32_t i)
{
	struct ration__claim *claim = &worker->claims[worker->ask_claim[i]];
	struct ration__ask *ask = &worker->asks[i];
	struct ration__job *job = worker->asked[i]->job;

	if (worker->transact_rc < 0 || ask->decision != RATION__ADMITTED)
		ration__flight_disconnect(worker->asked[i]);
	if (worker->transact_rc < 0)
		return true;
	switch (ask->decision) {
	case RATION__ADMITTED:
		admitted(worker, claim, worker->asked[i]);
		return false;
	case RATION__BOOKED:
	case RATION__DENIED:
		if (moves(worker, claim, job, ask))
			return true;
		if (!can_wait(worker, claim, job, ask))
			return false;
		if (!claim->answer.denied)
			claim->answer.denied = ask;
		return true;
	case RATION__REFUSED:
		if (moves(worker, claim, job, ask))
			return true;
		end_denied(worker, job, ask, RATION__ENDED_DENIED, ask->denial);
		return false;
	case RATION__STALE:
		claim->answer.stale = true;
		return true;
	case RATION__LATER:
		return true;
	}
	return true;
}

static void take_answers(struct ration__worker *worker)
{
	struct ration__flight *back[RATION__BATCH_MAX];
	struct ration__job *job;
	uint32_t count = 0;

	for (uint32_t i = 0; i < worker->ask_count; i++)
		if (take_answer(worker, i))
			back[count++] = worker->asked[i];
	/* last first: each then goes in front of those that were put back before */
	while (count > 0)
		put_back(worker, back[--count]);
	for (uint32_t i = 0; i < worker->claim_count; i++)
		ration__lanes_return(
			&worker->pool->lanes, worker->claims[i].lane, &worker->claims[i].answer);
	while ((job = ration__lanes_refused(&worker->pool->lanes)) != NULL)
		ration__worker_end(worker, job, job->end, job->code);
}

/* Decisions went on without the store, which alone can take this one's permit back. The job's
 * caller gets the response; the grant waits. */
static void keep_stuck(struct ration__worker *worker, struct ration__flight *flight)
{
	flight->stuck = true;
	ration__flight_add(&worker->stuck, flight);
	worker->stuck_ns = worker->now_ns + STUCK_NS;
	if (flight->job && flight->phase == RATION__FLIGHT_ENDED &&
		flight->job->state != RATION__JOB_DONE)
		ration__worker_end(worker, flight->job, flight->job->end, flight->job->code);
}

/* What its retry cost the service's budget; without any left it does not retry after all. */
static void take_retry(struct ration__worker *worker, struct ration__flight *flight, int cost)
{
	struct ration__job *job = flight->job;

	if (flight->retry == RATION__NO_RETRY || !job || flight->phase != RATION__FLIGHT_RESTING)
		return;
	flight->retry_cost = (int)ration__max64(cost, 0);
	if (cost >= 0 || flight->mode == RATION__OBSERVED)
		return;
	ration__worker_unrest(worker, flight);
	ration__worker_end(worker, job, RATION__ENDED_BUDGET, flight->attempt.code);
}

/* Outcomes that are settled: the job ends with the last, or rests meanwhile. */
static void take_settled(struct ration__worker *worker)
{
	struct ration__flight *flight;

	for (uint32_t i = 0; i < worker->settle_count; i++) {
		flight = worker->settling.first;
		ration__flight_remove(&worker->settling, flight);
		if (flight->grant.seq) {
			keep_stuck(worker, flight);
			continue;
		}
		flight->settling = flight->stuck = false;
		take_retry(worker, flight, worker->settles[i].retry_cost);
		if (!flight->job)
			ration__flight_free(worker, flight);
		else if (flight->phase == RATION__FLIGHT_ENDED &&
			 flight->job->state != RATION__JOB_DONE)
			ration__worker_end(
				worker, flight->job, flight->job->end, flight->job->code);
	}
	if (worker->transact_rc == 0 || worker->transact_rc == RATION_EAGAIN)
		return;
	/* The store cannot answer: callers get their responses, the settlements wait. */
	for (flight = worker->settling.first; flight; flight = flight->next)
		if (flight->job && flight->phase == RATION__FLIGHT_ENDED &&
			flight->job->state != RATION__JOB_DONE)
			ration__worker_end(
				worker, flight->job, flight->job->end, flight->job->code);
}

/* ---- mode: observe ---- */

#define TELL_NS RATION__NS_PER_S

static bool would_refuse(const struct ration__own_rules *own, int denial)
{
	return denial == RATION_DENIED_IMPOSSIBLE ||
	       (denial == RATION_DENIED_QUOTA && !own->wait_quota) ||
	       (denial == RATION_DENIED_BREAKER && !own->wait_breaker);
}

/* Says what would have been, at most once a second and service; the counters say how often. */
static void tell_observed(struct ration__worker *worker, struct ration__pool_service *service,
	const struct ration__ask *ask)
{
	bool refused = would_refuse(&service->own, ask->denial);
	struct ration__observed *observed = &service->observed;
	uint64_t times =
		1 + atomic_fetch_add_explicit(refused ? &observed->refusals : &observed->waits, 1,
			    memory_order_relaxed);
	int64_t told_ns = atomic_load_explicit(&observed->told_ns, memory_order_relaxed);
	char text[256], wait[32];

	if ((told_ns && worker->now_ns - told_ns < TELL_NS) ||
		!atomic_compare_exchange_strong(&observed->told_ns, &told_ns, worker->now_ns))
		return;
	if (refused) {
		ration__denial_text(text, sizeof(text), service->guard, ask, worker->now_ns);
		ration__pool_log(worker->pool, RATION_LOG_INFO,
			"service %s: observe: would have been refused: %s (%" PRIu64
			" times so far)",
			service->conf->name, text, times);
		return;
	}
	ration__rule_name(text, sizeof(text), service->guard, ask->rule);
	ration__format_duration_human(
		wait, sizeof(wait), ration__max64(ask->at_ns - worker->now_ns, 0));
	ration__pool_log(worker->pool, RATION_LOG_INFO,
		"service %s: observe: would have waited %s for %s (%" PRIu64 " times so far)",
		service->conf->name, wait, text, times);
}

/* Before the answers are taken: a job that ends is gone afterwards. */
static void look_at_observed(struct ration__worker *worker)
{
	if (worker->transact_rc < 0)
		return;
	for (uint32_t i = 0; i < worker->ask_count; i++)
		if (worker->asks[i].decision == RATION__ADMITTED && worker->asks[i].denial &&
			worker->asks[i].grant->mode == RATION__OBSERVED)
			tell_observed(worker, worker->asked[i]->job->service, &worker->asks[i]);
}

void ration__worker_results(struct ration__worker *worker)
{
	look_at_observed(worker);
	pthread_mutex_lock(&worker->pool->mutex);
	worker->pool->lanes.now_ns = worker->now_ns;
	take_answers(worker);
	take_settled(worker);
	ration__lanes_open(&worker->pool->lanes, worker->pool->services);
	ration__worker_unlock(worker);
}

/* ---- leaving the mutex ---- */

/* One sleeper keeps the time for all lanes: the others sleep until something happens. */
static void keep_time(struct ration__worker *worker)
{
	struct ration__pool *pool = worker->pool;
	int64_t at_ns = ration__lanes_next_ns(&pool->lanes);

	worker->pool_ns = RATION__NEVER;
	if (at_ns >= RATION__NEVER) {
		if (pool->keeper == worker)
			pool->keeper = NULL;
		return;
	}
	if (pool->keeper && pool->keeper != worker && pool->keeper_ns <= at_ns)
		return;
	pool->keeper = worker;
	pool->keeper_ns = at_ns;
	worker->pool_ns = at_ns;
}

void ration__worker_unlock(struct ration__worker *worker)
{
	struct ration__pool *pool = worker->pool;
	struct ration__lanes *lanes = &pool->lanes;
	struct ration__keyset **leaves = lanes->leaves;
	uint32_t leave_count = lanes->leave_count;
	bool poke;

	keep_time(worker);
	worker->full = atomic_load_explicit(&worker->in_flight, memory_order_relaxed) >=
		       pool->options.in_flight_max;
	worker->more = lanes->ready_count > 0;
	/* more than this worker takes at once: let another help */
	poke = worker->more && worker->now_ns >= worker->hold_ns &&
	       (worker->full || worker->ask_count == RATION__BATCH_MAX);
	if (leave_count) {
		lanes->leaves = NULL;
		lanes->leave_count = lanes->leave_capacity = 0;
	}
	if (poke)
		ration__pool_poke_other(pool, worker);
	pthread_mutex_unlock(&pool->mutex);
	if (!leave_count)
		return;
	for (uint32_t i = 0; i < leave_count; i++) {
		ration__guard_leave(leaves[i]);
		ration__keyset_unref(leaves[i]);
	}
	free(leaves);
}
