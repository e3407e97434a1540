/*
 * A batch: from lanes to asks. With the pool's mutex. See worker.h for the tick.
 *
 * A batch is made in turns (lanes.h): one job a turn, and a lane whose turn it was stands in line
 * again, as far as its window goes. A lane that was denied last time asks for little (its window),
 * so a limit that is full costs few asks. Of lanes that wait for the same thing, those are asked
 * first whose tenants it is due to, since the guard answers in order.
 */
#include "pool/worker.h"

#include <string.h>
#include "base/util.h"

#define KEYS_MAX 255

static int make_keyset(struct ration__lanes *lanes, struct ration__lane *lane, const char **missing)
{
	struct ration__pair keys[KEYS_MAX + 1];
	const char *at = lane->keys;
	size_t count = 0;

	if (lane->of) /* no request has a key of that name */
		keys[count++] = (struct ration__pair){RATION__KEY_NODE, ration__node_uri(lane->of)};
	for (uint8_t i = 0; i < lane->key_count; i++) {
		keys[count].name = at;
		at += strlen(at) + 1;
		keys[count++].value = at;
		at += strlen(at) + 1;
	}
	lane->keyset_number = ++lanes->keyset_count;
	return ration__keyset_new(
		ration__lane_service(lane)->guard, keys, count, &lane->keyset, missing);
}

/* The rules that the job does not pass: looked for once, while its lane's keyset stays the same. */
static uint32_t skip_of(const struct ration__lane *lane, struct ration__job *job)
{
	if (job->skip_of != lane->keyset_number) {
		job->skip = ration__keyset_skip(
			lane->keyset, ration__job_method(job), ration__job_path(job));
		job->skip_of = lane->keyset_number;
	}
	return job->skip;
}

/* A lane whose turn it is becomes a claim, unless it is one already. */
static struct ration__claim *claim_of(struct ration__worker *worker, struct ration__lane *lane)
{
	if (!lane->claim) {
		worker->claims[worker->claim_count] =
			(struct ration__claim){.lane = lane, .turn = lane->turn};
		lane->claim = (uint8_t)++worker->claim_count;
	}
	return &worker->claims[lane->claim - 1];
}

/* The next job of a claimed lane becomes an ask. false: no more of them may. */
static bool take_one(struct ration__worker *worker, struct ration__claim *claim)
{
	struct ration__lane *lane = claim->lane;
	const char *missing = NULL;
	struct ration__pool_service *service = ration__lane_service(lane);
	struct ration__job *job;
	int rc = 0;

	if (!ration__service_has_room(service))
		return false;
	job = ration__lanes_pop(&worker->pool->lanes, lane);
	if (!job)
		return false;
	if (!lane->keyset)
		rc = make_keyset(&worker->pool->lanes, lane, &missing);
	if (rc == 0 && !job->flight) {
		job->flight = ration__flight_new(worker, job);
		rc = job->flight ? 0 : RATION_ENOMEM;
	}
	if (rc < 0) {
		job->mark_ns = RATION__NEVER;
		ration__worker_end(worker, job, RATION__ENDED_ERROR, rc);
		job->waited_for = missing;
		return lane->head;
	}
	job->flight->worker = worker;
	job->flight->phase = RATION__FLIGHT_CLAIMED;
	job->flight->connected = true;
	atomic_fetch_add_explicit(&service->connections, 1, memory_order_relaxed);
	worker->asked[worker->ask_count] = job->flight;
	worker->ask_claim[worker->ask_count] = (uint8_t)(claim - worker->claims);
	worker->asks[worker->ask_count++] = (struct ration__ask){.keyset = lane->keyset,
		.costs = ration__job_costs(job),
		.cost_count = job->cost_count,
		.grant = &job->flight->grant,
		.may_book = !lane->of || !ration__lanes_may_move(&worker->pool->lanes, job),
		.skip = skip_of(lane, job)};
	claim->answer.asked++;
	return lane->head && claim->answer.asked < lane->window;
}

static void take_turns(struct ration__worker *worker)
{
	struct ration__lanes *lanes = &worker->pool->lanes;
	uint64_t in_flight = atomic_load_explicit(&worker->in_flight, memory_order_relaxed);
	uint64_t max = worker->pool->options.in_flight_max;
	uint32_t room = (uint32_t)ration__min64(
		in_flight < max ? (int64_t)(max - in_flight) : 0, RATION__BATCH_MAX);
	struct ration__lane *lane;

	/* the claims are bounded, too: an ask may fail before it becomes one */
	while (worker->ask_count < room && worker->claim_count < RATION__BATCH_MAX &&
		(lane = ration__lanes_claim(lanes)) != NULL) {
		struct ration__claim *claim = claim_of(worker, lane);
		bool more = take_one(worker, claim);

		/* while nobody else wants a turn, the next one is its own */
		while (more && !lanes->ready_count && worker->ask_count < room) {
			ration__lanes_charge(lane);
			more = take_one(worker, claim);
		}
		if (more && lane->head)
			ration__lanes_again(lanes, lane);
	}
	for (uint32_t i = 0; i < worker->claim_count; i++) {
		struct ration__claim *claim = &worker->claims[i];

		ration__lanes_hold(lanes, claim->lane, claim->turn);
		claim->lane->claim = 0;
	}
}

/* ---- the order of asks that wait for the same thing ---- */

struct place {
	struct ration__ask ask;
	struct ration__flight *flight;
	uint8_t claim;
	bool taken;
};

static void get_place(const struct ration__worker *worker, uint32_t i, struct place *place)
{
	*place = (struct place){
		.ask = worker->asks[i], .flight = worker->asked[i], .claim = worker->ask_claim[i]};
}

static void set_place(struct ration__worker *worker, uint32_t i, const struct place *place)
{
	worker->asks[i] = place->ask;
	worker->asked[i] = place->flight;
	worker->ask_claim[i] = place->claim;
}

/* A lane's first ask costs its tenant nothing when it is for what was booked. */
static bool is_free(const struct ration__claim *claim)
{
	return claim->lane->paid && !claim->placed;
}

/* Of those not taken, the first of the tenant to whom it is due. */
static struct place *next_due(
	const struct ration__worker *worker, struct place *places, uint32_t count)
{
	struct place *best = NULL;
	int64_t best_due = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct ration__claim *claim = &worker->claims[places[i].claim];
		int64_t due = is_free(claim) ? -1
					     : ration__queue_place(claim->lane->queue,
						       claim->lane->queue->planned);

		if (places[i].taken || (best && due >= best_due))
			continue;
		best = &places[i];
		best_due = due;
	}
	return best;
}

static void arrange(struct ration__worker *worker, const struct ration__group *group)
{
	struct place places[RATION__BATCH_MAX];
	uint8_t at[RATION__BATCH_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < worker->ask_count; i++) {
		struct ration__lane *lane = worker->claims[worker->ask_claim[i]].lane;

		if (!lane->queue || lane->queue->group != group)
			continue;
		lane->queue->planned = 0;
		at[count] = (uint8_t)i;
		get_place(worker, i, &places[count++]);
	}
	for (uint32_t i = 0; i < count; i++) {
		struct place *place = next_due(worker, places, count);
		struct ration__claim *claim = &worker->claims[place->claim];

		if (!is_free(claim))
			claim->lane->queue->planned++;
		claim->placed = place->taken = true;
		set_place(worker, at[i], place);
	}
}

/* Only groups of which several tenants ask are looked at again. */
static void arrange_groups(struct ration__worker *worker)
{
	for (uint32_t i = 0; i < worker->claim_count; i++) {
		struct ration__queue *queue = worker->claims[i].lane->queue;

		if (!queue)
			continue;
		queue->group->mixed |= queue->group->seen && queue->group->seen != queue;
		queue->group->seen = queue;
	}
	for (uint32_t i = 0; i < worker->claim_count; i++) {
		struct ration__queue *queue = worker->claims[i].lane->queue;

		if (!queue)
			continue;
		if (queue->group->mixed)
			arrange(worker, queue->group);
		queue->group->mixed = false;
		queue->group->seen = NULL;
	}
}

void ration__worker_take(struct ration__worker *worker)
{
	take_turns(worker);
	arrange_groups(worker);
}
