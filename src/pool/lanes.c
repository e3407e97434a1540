/* Lanes. See lanes.h for the states and who holds which lock. */
#include "pool/lanes.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/util.h"

/* Lanes without jobs that are kept, so that a job after another finds its lane and keyset. */
#define SPARE_MAX 256
#define WINDOW_FIRST 16
/* Lanes let go of a group for each admission of one of them. */
#define RELEASE_MORE 2

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

static void leave_ready(struct ration__lanes *lanes, struct ration__lane *lane)
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
		struct ration__keyset **leaves =
			realloc(lanes->leaves, capacity * sizeof(*leaves));

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

/* Out of whatever it waits in. */
static void detach(struct ration__lanes *lanes, struct ration__lane *lane)
{
	if (lane->state == RATION__LANE_READY)
		leave_ready(lanes, lane);
	else if (lane->state == RATION__LANE_PARKED)
		ration__group_unpark(lanes, lane->group, lane);
	else if (lane->state == RATION__LANE_BOOKED)
		ration__heap_remove(&lanes->booked, &lane->timer);
	lane->state = RATION__LANE_IDLE;
}

static void drop_group(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ration__group_unref(lanes, lane->group);
	lane->group = NULL;
}

static void free_lane(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ration__table_remove(&lanes->table, &lane->entry);
	drop_group(lanes, lane);
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

/* It has no job: kept for a while. Never while a worker has it. */
static void set_aside(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ring_add(&lanes->spare, lane);
	lanes->spare_count++;
	trim_spare(lanes, SPARE_MAX);
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

static bool is_lane_of(const struct ration__lane *lane, const struct ration__job *job)
{
	return lane->service == job->service && lane->priority == job->priority &&
		lane->keys_length == job->keys_length &&
		memcmp(lane->keys, ration__job_keys(job), job->keys_length) == 0;
}

static struct ration__lane *find_or_make(struct ration__lanes *lanes, const struct ration__job *job)
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

/* ---- jobs ---- */

static void insert(struct ration__job **link, struct ration__lane *lane, struct ration__job *job)
{
	job->next = *link;
	job->link = link;
	if (job->next)
		job->next->link = &job->next;
	else
		lane->tail = &job->next;
	*link = job;
}

static void unlink_job(struct ration__lane *lane, struct ration__job *job)
{
	*job->link = job->next;
	if (job->next)
		job->next->link = job->link;
	else
		lane->tail = job->link;
	job->link = NULL;
}

static int arm(struct ration__lanes *lanes, struct ration__job *job)
{
	int64_t at_ns = job->deadline_ns, wait_ns = job->conf->timeouts.wait_ns;

	if (wait_ns >= 0)
		at_ns = ration__min64(at_ns, job->mark_ns + wait_ns);
	return at_ns < RATION__NEVER ? ration__heap_set(&lanes->deadlines, &job->timer, at_ns) : 0;
}

static void enqueued(struct ration__lanes *lanes, struct ration__lane *lane, struct ration__job *job)
{
	job->state = RATION__JOB_QUEUED;
	if (lane->state != RATION__LANE_IDLE)
		return;
	lane->turn = ++lanes->turns;
	ration__lane_make_ready(lanes, lane);
}

int ration__lanes_add(struct ration__lanes *lanes, struct ration__job *job)
{
	struct ration__lane *lane = find_or_make(lanes, job);
	int rc = lane ? arm(lanes, job) : RATION_ENOMEM;

	if (rc < 0)
		return rc;
	if (!lane->jobs && lane->link) { /* without jobs: spare, or just being returned */
		ring_remove(&lanes->spare, lane);
		lanes->spare_count--;
	}
	lane->jobs++;
	job->lane = lane;
	insert(lane->tail, lane, job);
	enqueued(lanes, lane, job);
	return 0;
}

int ration__lanes_put_back(struct ration__lanes *lanes, struct ration__job *job)
{
	struct ration__lane *lane = job->lane;
	struct ration__job **link = &lane->head;
	int rc = arm(lanes, job);

	if (rc < 0)
		return rc;
	/* A booking is its head's, who therefore stays in front. */
	if (lane->state == RATION__LANE_BOOKED && *link)
		link = &(*link)->next;
	while (*link && (*link)->ticket.hash < job->ticket.hash)
		link = &(*link)->next;
	insert(link, lane, job);
	enqueued(lanes, lane, job);
	return 0;
}

/* No job is queued: it waits for nothing. */
static void quiet(struct ration__lanes *lanes, struct ration__lane *lane)
{
	detach(lanes, lane);
	ration__lane_leave(lanes, lane);
	drop_group(lanes, lane);
}

void ration__lanes_remove(struct ration__lanes *lanes, struct ration__job *job)
{
	struct ration__lane *lane = job->lane;
	bool was_head = lane->head == job;

	ration__heap_remove(&lanes->deadlines, &job->timer);
	unlink_job(lane, job);
	if (lane->state == RATION__LANE_CLAIMED)
		return; /* _return sees what is left */
	if (!lane->head)
		quiet(lanes, lane);
	else if (was_head && lane->state == RATION__LANE_BOOKED) {
		detach(lanes, lane);
		ration__lane_leave(lanes, lane);
		ration__lane_make_ready(lanes, lane);
	}
}

void ration__lanes_forget(struct ration__lanes *lanes, struct ration__job *job)
{
	struct ration__lane *lane = job->lane;

	job->waited_for = ration__lane_reason(lane, job->mark_ns);
	job->lane = NULL;
	if (--lane->jobs == 0 && lane->state != RATION__LANE_CLAIMED)
		set_aside(lanes, lane);
}

struct ration__job *ration__lanes_expired(struct ration__lanes *lanes)
{
	struct ration__timer *timer = ration__heap_first(&lanes->deadlines);
	const struct ration__group *group;
	struct ration__job *job;
	bool denied;

	if (!timer || timer->at_ns > lanes->now_ns)
		return NULL;
	job = RATION__CONTAINER(timer, struct ration__job, timer);
	group = job->lane->group;
	denied = group && job->lane->denied_ns >= job->mark_ns;
	if (denied) {
		job->denial = group->denial;
		job->rule = group->rule;
	}
	if (lanes->now_ns >= job->deadline_ns) {
		job->code = RATION_EDEADLINE;
		job->end = RATION__ENDED_DEADLINE;
	} else {
		job->code = denied ? group->denial : RATION_ETIMEOUT;
		job->end = denied ? RATION__ENDED_DENIED : RATION__ENDED_ERROR;
	}
	ration__lanes_remove(lanes, job);
	job->timer.at_ns = denied ? group->at_ns : 0;
	return job;
}

void ration__lanes_take_all(struct ration__lanes *lanes, struct ration__job_queue *queue)
{
	for (uint64_t i = 0; i <= lanes->table.mask; i++)
		for (struct ration__entry *entry = lanes->table.heads[i]; entry;
			entry = entry->next) {
			struct ration__lane *lane =
				RATION__CONTAINER(entry, struct ration__lane, entry);
			struct ration__job *job;

			while ((job = lane->head) != NULL) {
				ration__lanes_remove(lanes, job);
				ration__job_queue_add(queue, job);
			}
		}
}

int64_t ration__lanes_next_ns(const struct ration__lanes *lanes)
{
	const struct ration__heap *heaps[] = {&lanes->booked, &lanes->due, &lanes->deadlines};
	int64_t at_ns = RATION__NEVER;

	for (size_t i = 0; i < RATION__COUNT(heaps); i++)
		if (heaps[i]->count)
			at_ns = ration__min64(at_ns, ration__heap_first(heaps[i])->at_ns);
	return at_ns;
}

/* ---- a worker's batch ---- */

struct ration__lane *ration__lanes_claim(struct ration__lanes *lanes, const int8_t *priority)
{
	struct ration__lane *lane = NULL;

	if (priority)
		lane = lanes->ready[RATION__PRIORITY_MAX - *priority].first;
	for (size_t i = 0; !priority && !lane && i < RATION__COUNT(lanes->ready_bits); i++)
		if (lanes->ready_bits[i])
			lane = lanes->ready[i * 64 + (size_t)__builtin_ctzll(lanes->ready_bits[i])]
				       .first;
	if (!lane)
		return NULL;
	leave_ready(lanes, lane);
	lane->state = RATION__LANE_CLAIMED;
	return lane;
}

struct ration__job *ration__lanes_pop(struct ration__lanes *lanes, struct ration__lane *lane)
{
	struct ration__job *job = lane->head;

	if (!job)
		return NULL;
	ration__heap_remove(&lanes->deadlines, &job->timer);
	unlink_job(lane, job);
	job->state = RATION__JOB_HELD;
	return job;
}

/* It was told to wait: in a group, or for its own booked time. */
static void park(struct ration__lanes *lanes, struct ration__lane *lane, const struct ration__ask *ask)
{
	struct ration__group *group = ration__group_get(lanes, lane, ask);
	int rc = group ? 0 : RATION_ENOMEM;

	drop_group(lanes, lane);
	lane->group = group;
	lane->waits = true;
	lane->denied_ns = lanes->now_ns;
	if (group)
		lane->reason = group->reason;
	if (rc == 0 && ask->decision == RATION__BOOKED)
		rc = ration__heap_set(&lanes->booked, &lane->timer, ask->at_ns);
	else if (rc == 0)
		rc = ration__group_park(lanes, group, lane);
	if (rc < 0) /* no memory to wait in order: it asks again, in turn */
		ration__lane_make_ready(lanes, lane);
	else
		lane->state = ask->decision == RATION__BOOKED ? RATION__LANE_BOOKED :
								RATION__LANE_PARKED;
}

void ration__lanes_return(struct ration__lanes *lanes, struct ration__lane *lane,
	const struct ration__lane_answer *answer)
{
	lane->state = RATION__LANE_IDLE;
	if (answer->stale) { /* what it had booked is given back already */
		ration__keyset_unref(lane->keyset);
		lane->keyset = NULL;
		lane->waits = false;
		ration__group_renew(lanes, lane->service);
	}
	if (answer->admitted) {
		lane->waits = false;
		lane->turn = ++lanes->turns;
		if (lane->group && !answer->denied)
			ration__group_release(
				lanes, lane->group, RELEASE_MORE * answer->admitted);
	}
	if (answer->denied)
		/* two at least: the one that starts when its booking does, and the next that books */
		lane->window = (uint16_t)ration__max64(answer->admitted + 1, 2);
	else if (answer->admitted && answer->admitted == answer->asked)
		lane->window = (uint16_t)ration__min64(lane->window * 2, RATION__BATCH_MAX);
	if (!lane->head) {
		quiet(lanes, lane);
		if (!lane->jobs)
			set_aside(lanes, lane);
		return;
	}
	if (answer->denied && !answer->stale) {
		park(lanes, lane, answer->denied);
		return;
	}
	if (answer->admitted)
		drop_group(lanes, lane);
	ration__lane_make_ready(lanes, lane);
}

bool ration__lanes_waiting(struct ration__lanes *lanes, struct ration__pool_service *services,
	struct ration__pool_service **service, struct ration__ask *denial)
{
	const struct ration__lane *best = NULL;
	int rows = RATION__BATCH_MAX;

	for (uint32_t i = 0; i < lanes->booked.count && i < RATION__BATCH_MAX; i++) {
		const struct ration__lane *lane = RATION__CONTAINER(
			lanes->booked.items[i], struct ration__lane, timer);

		if (!best || lane->head->ticket.hash < best->head->ticket.hash)
			best = lane;
	}
	for (; services; services = services->next)
		for (int kind = 0; kind < 2; kind++) {
			const struct ration__group *group =
				kind ? services->timed : services->eventful;

			for (; group && rows > 0; group = group->next, rows--) {
				const struct ration__timer *first =
					ration__heap_first(&group->lanes);
				const struct ration__lane *lane = first ?
					RATION__CONTAINER(first, struct ration__lane, timer) :
					NULL;

				if (lane &&
					(!best ||
						lane->head->ticket.hash <
							best->head->ticket.hash))
					best = lane;
			}
		}
	if (!best || !best->group)
		return false;
	*service = best->service;
	*denial = (struct ration__ask){.decision = RATION__DENIED, .denial = best->group->denial,
		.rule = best->group->rule,
		.at_ns = best->state == RATION__LANE_BOOKED ? best->timer.at_ns :
							      best->group->at_ns};
	return true;
}
