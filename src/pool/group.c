/*
 * Groups: lanes that wait for the same thing. See lanes.h.
 *
 * A group is found by service, rule and the values of the keys that the rule is `per`. 64 bits of
 * hash decide: two that collide wait together, which costs an ask too many and nothing else.
 * Invariant: a group with parked lanes has its timer set, so nobody waits for ever for an event
 * that was lost.
 */
#include "pool/lanes.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/util.h"

/* Lanes let go when a time has come or something happened. */
#define RELEASE_FIRST 4
/* What another process settles down tells nobody: it is asked for. */
#define SETTLES_NS INT64_C(200000000)
/* Let go lanes that never asked (their jobs went away) must not strand the rest. */
#define FALLBACK_NS INT64_C(100000000)

static uint64_t plain_hash(const struct ration__pool_service *service, int rule)
{
	struct {
		const void *service;
		int64_t rule;
	} key = {.service = service, .rule = rule};

	return ration__hash64(&key, sizeof(key));
}

static uint64_t group_hash(const struct ration__lane *lane, int rule)
{
	const struct ration__pool_service *service = ration__lane_service(lane);
	const char(*per)[RATION__KEYNAME_MAX] = ration__service_per(service, rule);
	uint64_t hash = plain_hash(service, rule);

	for (int i = 0; per && i < RATION__PER_MAX && per[i][0]; i++) {
		const char *value = ration__lane_key(lane, per[i]);
		uint64_t pair[2] = {hash, ration__hash64(value, strlen(value))};

		hash = ration__hash64(pair, sizeof(pair));
	}
	return hash;
}

static struct ration__group *new_group(
	struct ration__lanes *lanes, struct ration__pool_service *service, int rule, uint64_t hash)
{
	struct ration__group *group = calloc(1, sizeof(*group));
	struct ration__group **head;

	if (!group)
		return NULL;
	group->service = service;
	group->rule = (int16_t)rule;
	group->reason = ration__service_reason(service, rule);
	head = ration__service_eventful(service, rule) ? &service->eventful : &service->timed;
	group->next = *head;
	group->link = head;
	if (group->next)
		group->next->link = &group->next;
	*head = group;
	ration__table_add(&lanes->groups, &group->entry, hash);
	return group;
}

/* With one more reference; NULL: out of memory. */
static struct ration__group *get_group(
	struct ration__lanes *lanes, const struct ration__lane *lane, int rule)
{
	uint64_t hash = group_hash(lane, rule);
	struct ration__entry *entry = ration__table_find(&lanes->groups, hash);
	struct ration__group *group;

	if (entry)
		group = RATION__CONTAINER(entry, struct ration__group, entry);
	else
		group = new_group(lanes, ration__lane_service(lane), rule, hash);
	if (group)
		group->refs++;
	return group;
}

static void unref_group(struct ration__lanes *lanes, struct ration__group *group)
{
	if (--group->refs > 0)
		return;
	ration__heap_remove(&lanes->due, &group->timer);
	ration__table_remove(&lanes->groups, &group->entry);
	*group->link = group->next;
	if (group->next)
		group->next->link = group->link;
	free(group);
}

static uint64_t queue_hash(const struct ration__group *group, const struct ration__tenant *tenant)
{
	const void *key[2] = {group, tenant};

	return ration__hash64(key, sizeof(key));
}

static struct ration__queue *find_queue(const struct ration__lanes *lanes,
	const struct ration__group *group, const struct ration__tenant *tenant, uint64_t hash)
{
	struct ration__entry *entry = ration__table_find(&lanes->queues, hash);

	for (; entry; entry = ration__table_again(entry)) {
		struct ration__queue *queue = RATION__CONTAINER(entry, struct ration__queue, entry);

		if (queue->group == group && queue->tenant == tenant)
			return queue;
	}
	return NULL;
}

struct ration__queue *ration__queue_get(struct ration__lanes *lanes,
	const struct ration__lane *lane, const struct ration__ask *denied)
{
	struct ration__group *group = get_group(lanes, lane, denied->rule);
	struct ration__queue *queue;
	uint64_t hash;

	if (!group)
		return NULL;
	hash = queue_hash(group, lane->tenant);
	queue = find_queue(lanes, group, lane->tenant, hash);
	if (queue)
		unref_group(lanes, group); /* it has its own */
	else
		queue = calloc(1, sizeof(*queue));
	if (!queue) {
		unref_group(lanes, group);
		return NULL;
	}
	if (!queue->group) { /* new */
		queue->group = group;
		queue->tenant = lane->tenant;
		ration__table_add(&lanes->queues, &queue->entry, hash);
	}
	queue->refs++;
	group->denial = (uint8_t)denied->denial;
	group->at_ns = denied->at_ns;
	return queue;
}

void ration__queue_unref(struct ration__lanes *lanes, struct ration__queue *queue)
{
	if (--queue->refs > 0)
		return;
	ration__table_remove(&lanes->queues, &queue->entry);
	unref_group(lanes, queue->group);
	free(queue);
}

static bool is_empty(const struct ration__group *group)
{
	return !group->line.queues.root;
}

int ration__group_park(struct ration__lanes *lanes, struct ration__lane *lane)
{
	struct ration__group *group = lane->queue->group;
	bool settles = ration__service_settles(group->service, group->rule);
	int64_t longest_ns = settles ? SETTLES_NS : RATION__NS_PER_S * 3600;
	int64_t at_ns = ration__min64(group->at_ns, lanes->now_ns + longest_ns);
	int rc;

	/* the earliest of what its lanes were told, unless that time is over */
	if (group->timer.index && group->timer.at_ns > lanes->now_ns &&
		(!group->unsure || group->loose))
		at_ns = ration__min64(at_ns, group->timer.at_ns);
	else
		group->unsure = false;
	rc = ration__heap_set(&lanes->due, &group->timer, at_ns);
	if (rc < 0)
		return rc;
	ration__line_add(&group->line, lane->queue, lane);
	ration__lane_crowd(lane, group->denial == RATION_DENIED_CONCURRENCY);
	return 0;
}

/* Out of the line; the timer is the caller's. */
static void take_out(struct ration__group *group, struct ration__lane *lane)
{
	ration__line_remove(&group->line, lane->queue, lane);
	ration__lane_crowd(lane, false);
}

void ration__group_unpark(struct ration__lanes *lanes, struct ration__lane *lane)
{
	struct ration__group *group = lane->queue->group;

	take_out(group, lane);
	if (is_empty(group))
		ration__heap_remove(&lanes->due, &group->timer);
}

void ration__group_release(struct ration__lanes *lanes, struct ration__group *group, uint32_t n)
{
	struct ration__lane *lane;

	for (; n > 0 && (lane = ration__line_first(&group->line)) != NULL; n--) {
		take_out(group, lane);
		lane->loose = true;
		group->loose++;
		ration__line_open(&group->line, lane->queue, 1);
		ration__lane_make_ready(lanes, lane);
	}
	group->unsure = true;
	if (!is_empty(group)) /* it is in the heap, so this only moves it */
		ration__heap_set(&lanes->due, &group->timer, lanes->now_ns + FALLBACK_NS);
	else
		ration__heap_remove(&lanes->due, &group->timer);
}

void ration__lanes_tick(struct ration__lanes *lanes)
{
	struct ration__timer *timer;

	while ((timer = ration__heap_first(&lanes->booked)) && timer->at_ns <= lanes->now_ns) {
		ration__heap_remove(&lanes->booked, timer);
		ration__lane_make_ready(
			lanes, RATION__CONTAINER(timer, struct ration__lane, timer));
	}
	while ((timer = ration__heap_first(&lanes->due)) && timer->at_ns <= lanes->now_ns)
		ration__group_release(lanes, RATION__CONTAINER(timer, struct ration__group, timer),
			RELEASE_FIRST);
}

static void release(struct ration__lanes *lanes, uint64_t hash, uint32_t n)
{
	struct ration__entry *entry = ration__table_find(&lanes->groups, hash);
	struct ration__group *group;
	struct ration__lane *first;

	if (!entry)
		return;
	group = RATION__CONTAINER(entry, struct ration__group, entry);
	first = ration__line_first(&group->line);
	/* a single lane asks for all that came free, and once more */
	if (first && first->window <= n)
		first->window = (uint16_t)ration__min64(n + 1, RATION__BATCH_MAX);
	ration__group_release(lanes, group, n);
}

void ration__lanes_release(
	struct ration__lanes *lanes, struct ration__pool_service *service, int rule, uint32_t n)
{
	if (service->eventful || service->timed)
		release(lanes, plain_hash(service, rule), n);
}

void ration__lanes_release_like(
	struct ration__lanes *lanes, const struct ration__lane *like, int rule, uint32_t n)
{
	const struct ration__pool_service *service = ration__lane_service(like);

	if (service->eventful || service->timed)
		release(lanes, group_hash(like, rule), n);
}

void ration__lanes_wake(struct ration__lanes *lanes, struct ration__pool_service *services)
{
	for (; services; services = services->next) {
		struct ration__group *next;

		for (struct ration__group *group = services->eventful; group; group = next) {
			next = group->next;
			ration__group_release(lanes, group, RELEASE_FIRST);
		}
		/* one that waits for a time, lest a change of the rules stay unnoticed till then */
		if (services->timed)
			ration__group_release(lanes, services->timed, 1);
	}
}

void ration__group_renew(struct ration__lanes *lanes, struct ration__pool_service *service)
{
	ration__service_read(service);
	for (struct ration__group *group = service->eventful; group; group = group->next)
		ration__group_release(lanes, group, UINT32_MAX);
	for (struct ration__group *group = service->timed; group; group = group->next)
		ration__group_release(lanes, group, UINT32_MAX);
}
