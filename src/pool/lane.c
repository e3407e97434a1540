/*
 * One lane: how it is found, in which ring it stands, and what becomes of one without jobs. See
 * lanes.h for the states and who holds which lock.
 */
#include "pool/lanes.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/util.h"

/* Lanes without jobs that are kept, so that a job after another finds its lane and keyset. */
#define SPARE_MAX 256
#define WINDOW_FIRST 16

void ration__lanes_init(struct ration__lanes *lanes)
{
	memset(lanes, 0, sizeof(*lanes));
	ration__table_init(&lanes->table);
	ration__table_init(&lanes->groups);
	for (int i = 0; i < RATION__PRIORITIES; i++)
		lanes->ready[i].last = &lanes->ready[i].first;
	lanes->spare.last = &lanes->spare.first;
	ration__heap_init(&lanes->booked);
	ration__heap_init(&lanes->due);
	ration__heap_init(&lanes->deadlines);
}

/* ---- rings ---- */

static void ring_add(struct ration__ring *ring, struct ration__lane *lane)
{
	lane->next = NULL;
	lane->link = ring->last;
	*ring->last = lane;
	ring->last = &lane->next;
}

static void ring_remove(struct ration__ring *ring, struct ration__lane *lane)
{
	*lane->link = lane->next;
	if (lane->next)
		lane->next->link = lane->link;
	else
		ring->last = lane->link;
	lane->link = NULL;
}

static unsigned ring_number(const struct ration__lane *lane)
{
	return (unsigned)(RATION__PRIORITY_MAX - lane->priority);
}

void ration__lane_make_ready(struct ration__lanes *lanes, struct ration__lane *lane)
{
	unsigned number = ring_number(lane);

	ring_add(&lanes->ready[number], lane);
	lanes->ready_bits[number / 64] |= UINT64_C(1) << (number % 64);
	lanes->ready_count++;
	lane->state = RATION__LANE_READY;
}

void ration__lane_unready(struct ration__lanes *lanes, struct ration__lane *lane)
{
	unsigned number = ring_number(lane);

	ring_remove(&lanes->ready[number], lane);
	if (!lanes->ready[number].first)
		lanes->ready_bits[number / 64] &= ~(UINT64_C(1) << (number % 64));
	lanes->ready_count--;
}

/* ---- lanes ---- */

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
		ration__group_unpark(lanes, lane->group, lane);
	else if (lane->state == RATION__LANE_BOOKED)
		ration__heap_remove(&lanes->booked, &lane->timer);
	lane->state = RATION__LANE_IDLE;
}

void ration__lane_drop_group(struct ration__lanes *lanes, struct ration__lane *lane)
{
	if (lane->loose)
		lane->group->loose--;
	lane->loose = false;
	ration__group_unref(lanes, lane->group);
	lane->group = NULL;
}

static void free_lane(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ration__table_remove(&lanes->table, &lane->entry);
	ration__lane_drop_group(lanes, lane);
	ration__keyset_unref(lane->keyset);
	free(lane);
}

static void trim_spare(struct ration__lanes *lanes, uint32_t max)
{
	while (lanes->spare_count > max) {
		struct ration__lane *lane = lanes->spare.first;

		ring_remove(&lanes->spare, lane);
		lanes->spare_count--;
		free_lane(lanes, lane);
	}
}

void ration__lane_set_aside(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ring_add(&lanes->spare, lane);
	lanes->spare_count++;
	trim_spare(lanes, SPARE_MAX);
}

static bool is_lane_of(const struct ration__lane *lane, const struct ration__job *job)
{
	return lane->service == job->service && lane->priority == job->priority &&
	       lane->keys_length == job->keys_length &&
	       memcmp(lane->keys, ration__job_keys(job), job->keys_length) == 0;
}

struct ration__lane *ration__lane_of(struct ration__lanes *lanes, const struct ration__job *job)
{
	uint64_t seed[3] = {(uintptr_t)job->service, (uint64_t)(int64_t)job->priority,
		job->keys_length ? ration__hash64(ration__job_keys(job), job->keys_length) : 0};
	uint64_t hash = ration__hash64(seed, sizeof(seed));
	struct ration__entry *entry = ration__table_find(&lanes->table, hash);
	struct ration__lane *lane;

	for (; entry; entry = ration__table_again(entry)) {
		lane = RATION__CONTAINER(entry, struct ration__lane, entry);
		if (is_lane_of(lane, job))
			return lane;
	}
	lane = calloc(1, sizeof(*lane) + job->keys_length);
	if (!lane)
		return NULL;
	lane->service = job->service;
	lane->priority = job->priority;
	lane->key_count = job->key_count;
	lane->keys_length = job->keys_length;
	memcpy(lane->keys, ration__job_keys(job), job->keys_length);
	lane->tail = &lane->head;
	lane->window = WINDOW_FIRST;
	ration__table_add(&lanes->table, &lane->entry, hash);
	ring_add(&lanes->spare, lane);
	lanes->spare_count++;
	return lane;
}

const char *ration__lane_reason(const struct ration__lane *lane, int64_t mark_ns)
{
	return lane->reason && lane->denied_ns >= mark_ns ? lane->reason : "queue";
}

void ration__lane_quiet(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ration__lane_detach(lanes, lane);
	ration__lane_leave(lanes, lane);
	ration__lane_drop_group(lanes, lane);
}

void ration__lane_reuse(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ring_remove(&lanes->spare, lane);
	lanes->spare_count--;
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
	ration__table_fini(&lanes->groups);
}
