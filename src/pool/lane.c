/*
 * One lane: how it is found, and what becomes of one without jobs. See lanes.h for the states and
 * who holds which lock.
 */
#include "pool/lanes.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/hash.h"
#include "base/util.h"

/* Lanes without jobs that are kept, so that a job after another finds its lane and keyset. */
#define SPARE_MAX 256
#define WINDOW_FIRST 16
/* The guard's longest time for "nobody knows, look again". */
#define LOOK_AGAIN_NS (50 * RATION__NS_PER_MS)

void ration__lanes_init(struct ration__lanes *lanes)
{
	memset(lanes, 0, sizeof(*lanes));
	ration__table_init(&lanes->table);
	ration__table_init(&lanes->tenants);
	ration__table_init(&lanes->groups);
	ration__table_init(&lanes->queues);
	lanes->ready_last = &lanes->ready_first;
	lanes->spare_last = &lanes->spare_first;
	ration__job_queue_init(&lanes->refused);
	ration__heap_init(&lanes->booked);
	ration__heap_init(&lanes->due);
	ration__heap_init(&lanes->deadlines);
}

/* ---- spare lanes ---- */

static void spare_add(struct ration__lanes *lanes, struct ration__lane *lane)
{
	lane->next = NULL;
	lane->link = lanes->spare_last;
	*lanes->spare_last = lane;
	lanes->spare_last = &lane->next;
	lane->spare = true;
	lanes->spare_count++;
}

void ration__lane_reuse(struct ration__lanes *lanes, struct ration__lane *lane)
{
	*lane->link = lane->next;
	if (lane->next)
		lane->next->link = lane->link;
	else
		lanes->spare_last = lane->link;
	lane->node = (struct ration__order_node){0};
	lane->spare = false;
	lanes->spare_count--;
}

/* ---- what it waits for ---- */

/* NULL when out of memory: then the booking lapses by itself. */
static void queue_leave(struct ration__lanes *lanes, struct ration__keyset *keyset)
{
	if (lanes->leave_count == lanes->leave_capacity) {
		uint32_t capacity = lanes->leave_capacity ? lanes->leave_capacity * 2 : 16;
		struct ration__keyset **leaves = realloc(lanes->leaves, capacity * sizeof(*leaves));

		if (!leaves) {
			ration__keyset_unref(keyset);
			return;
		}
		lanes->leaves = leaves;
		lanes->leave_capacity = capacity;
	}
	lanes->leaves[lanes->leave_count++] = keyset;
}

void ration__lane_leave(struct ration__lanes *lanes, struct ration__lane *lane)
{
	if (lane->waits && lane->keyset) {
		queue_leave(lanes, lane->keyset);
		lane->keyset = NULL;
	}
	lane->waits = false;
}

void ration__lane_detach(struct ration__lanes *lanes, struct ration__lane *lane)
{
	if (lane->state == RATION__LANE_READY)
		ration__lane_unready(lanes, lane);
	else if (lane->state == RATION__LANE_PARKED)
		ration__group_unpark(lanes, lane);
	else if (lane->state == RATION__LANE_BOOKED)
		ration__heap_remove(&lanes->booked, &lane->timer);
	lane->state = RATION__LANE_IDLE;
}

void ration__lane_drop_queue(struct ration__lanes *lanes, struct ration__lane *lane)
{
	struct ration__queue *queue = lane->queue;

	if (!queue)
		return;
	if (lane->loose) {
		queue->group->loose--;
		ration__line_open(&queue->group->line, queue, -1);
	}
	lane->loose = lane->paid = false;
	lane->queue = NULL;
	ration__queue_unref(lanes, queue);
}

void ration__lane_crowd(struct ration__lane *lane, bool crowded)
{
	if (lane->crowded == crowded)
		return;
	lane->crowded = crowded;
	if (crowded)
		ration__lane_service(lane)->crowd += lane->queued;
	else
		ration__lane_service(lane)->crowd -= lane->queued;
}

static void free_lane(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ration__table_remove(&lanes->table, &lane->entry);
	ration__lane_drop_queue(lanes, lane);
	ration__keyset_unref(lane->keyset);
	ration__tenant_unref(lanes, lane->tenant);
	free(lane);
}

static void trim_spare(struct ration__lanes *lanes, uint32_t max)
{
	while (lanes->spare_count > max) {
		struct ration__lane *lane = lanes->spare_first;

		ration__lane_reuse(lanes, lane);
		free_lane(lanes, lane);
	}
}

void ration__lane_set_aside(struct ration__lanes *lanes, struct ration__lane *lane)
{
	spare_add(lanes, lane);
	trim_spare(lanes, SPARE_MAX);
}

static const char *find_key(const char *keys, uint8_t count, const char *name)
{
	for (uint8_t i = 0; i < count; i++) {
		const char *value = keys + strlen(keys) + 1;

		if (strcmp(keys, name) == 0)
			return value;
		keys = value + strlen(value) + 1;
	}
	return "";
}

const char *ration__lane_key(const struct ration__lane *lane, const char *name)
{
	if (lane->of && strcmp(name, RATION__KEY_NODE) == 0)
		return ration__node_uri(lane->of);
	return find_key(lane->keys, lane->key_count, name);
}

/* Whose turn the job's lane is part of. */
static const char *tenant_of(const struct ration__job *job)
{
	const struct ration__fairness *fairness = job->service->fairness;

	return fairness && fairness->per
		       ? find_key(ration__job_keys(job), job->key_count, fairness->per)
		       : "";
}

/* What a lane is found by, beside its keys. */
struct identity {
	const struct ration__job *job;
	const struct ration__node *node;
	uint32_t skip;
	uint64_t hash;
};

static struct identity identity_of(const struct ration__job *job, const struct ration__node *node)
{
	struct identity id = {.job = job, .node = node};
	uint64_t seed[4] = {(uintptr_t)job->service, (uintptr_t)node, 0,
		job->keys_length ? ration__hash64(ration__job_keys(job), job->keys_length) : 0};

	if (job->service->looks)
		id.skip = ration__rules_skip_call(
			&job->service->rules, ration__job_method(job), ration__job_path(job));
	seed[2] = (uint64_t)(uint8_t)job->priority << 32 | id.skip;
	id.hash = ration__hash64(seed, sizeof(seed));
	return id;
}

static bool is_lane(const struct ration__lane *lane, const struct identity *id)
{
	const struct ration__job *job = id->job;

	return ration__lane_service(lane) == job->service && lane->priority == job->priority &&
	       lane->of == id->node && lane->skip == id->skip &&
	       lane->keys_length == job->keys_length &&
	       memcmp(lane->keys, ration__job_keys(job), job->keys_length) == 0;
}

static struct ration__lane *find(const struct ration__lanes *lanes, const struct identity *id)
{
	struct ration__entry *entry = ration__table_find(&lanes->table, id->hash);

	for (; entry; entry = ration__table_again(entry)) {
		struct ration__lane *lane = RATION__CONTAINER(entry, struct ration__lane, entry);

		if (is_lane(lane, id))
			return lane;
	}
	return NULL;
}

static struct ration__lane *make_lane(
	struct ration__lanes *lanes, const struct identity *id, struct ration__node *node)
{
	const struct ration__job *job = id->job;
	struct ration__lane *lane = calloc(1, sizeof(*lane) + job->keys_length);

	if (!lane)
		return NULL;
	lane->tenant = ration__tenant_get(lanes, job->service, tenant_of(job));
	if (!lane->tenant) {
		free(lane);
		return NULL;
	}
	lane->of = node;
	lane->breaks = node && ration__service_rule_by_node(job->service, RATION__RULE_BREAKER);
	lane->skip = id->skip;
	lane->priority = job->priority;
	lane->key_count = job->key_count;
	lane->keys_length = job->keys_length;
	memcpy(lane->keys, ration__job_keys(job), job->keys_length);
	lane->tail = &lane->head;
	lane->window = WINDOW_FIRST;
	ration__table_add(&lanes->table, &lane->entry, id->hash);
	spare_add(lanes, lane);
	return lane;
}

struct ration__lane *ration__lane_find(const struct ration__lanes *lanes,
	const struct ration__job *job, const struct ration__node *node)
{
	struct identity id = identity_of(job, node);

	return find(lanes, &id);
}

struct ration__lane *ration__lane_of(
	struct ration__lanes *lanes, const struct ration__job *job, struct ration__node *node)
{
	struct identity id = identity_of(job, node);
	struct ration__lane *lane = find(lanes, &id);

	return lane ? lane : make_lane(lanes, &id, node);
}

bool ration__denial_is_bound(int denial, int64_t at_ns, int64_t now_ns)
{
	return denial != RATION_DENIED_CONCURRENCY && at_ns < RATION__NEVER &&
	       at_ns - now_ns > LOOK_AGAIN_NS;
}

const char *ration__lane_reason(const struct ration__lane *lane, int64_t mark_ns)
{
	const struct ration__pool_service *service = ration__lane_service(lane);

	if (lane->reason && lane->denied_ns >= mark_ns)
		return lane->reason;
	return service->full || service->full_ns >= mark_ns ? "connections" : "queue";
}

void ration__lane_quiet(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ration__lane_detach(lanes, lane);
	ration__lane_leave(lanes, lane);
	ration__lane_drop_queue(lanes, lane);
}

void ration__lanes_fini(struct ration__lanes *lanes)
{
	trim_spare(lanes, 0);
	for (uint32_t i = 0; i < lanes->leave_count; i++)
		ration__keyset_unref(lanes->leaves[i]);
	free(lanes->leaves);
	ration__heap_fini(&lanes->booked);
	ration__heap_fini(&lanes->due);
	ration__heap_fini(&lanes->deadlines);
	ration__table_fini(&lanes->table);
	ration__table_fini(&lanes->tenants);
	ration__table_fini(&lanes->groups);
	ration__table_fini(&lanes->queues);
}
