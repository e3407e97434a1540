/*
 * Groups: lanes that wait for the same thing. See lanes.h.
 *
 * A group is found by service, rule and the values of the keys that the rule is `per`. 64 bits of
 * hash decide: two that collide wait together, which costs an ask too many and nothing else.
 * Invariant: a group with parked lanes has its timer set, so nobody waits for ever for an event
 * that was lost.
 */
#include "pool/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/util.h"

/* Lanes let go when a time has come or something happened. */
#define RELEASE_FIRST 4
/* Let go lanes that never asked (their jobs went away) must not strand the rest. */
#define FALLBACK_NS INT64_C(100000000)

static const char *key_value(const struct ration__lane *lane, const char *name)
{
	const char *at = lane->keys;

	for (uint8_t i = 0; i < lane->key_count; i++) {
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return "";
}

static const struct ration__limit *limit_of(const struct ration__pool_service *service, int rule)
{
	return rule >= 0 && (uint32_t)rule < service->rules.limit_count
		       ? &service->rules.limits[rule]
		       : NULL;
}

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
	const struct ration__limit *limit = limit_of(lane->service, rule);
	uint64_t hash = plain_hash(lane->service, rule);

	for (int i = 0; limit && i < RATION__PER_MAX && limit->per[i][0]; i++) {
		const char *value = key_value(lane, limit->per[i]);
		uint64_t pair[2] = {hash, ration__hash64(value, strlen(value))};

		hash = ration__hash64(pair, sizeof(pair));
	}
	return hash;
}

static const char *reason_name(struct ration__pool_service *service, int rule)
{
	struct ration__reason *reason = malloc(sizeof(*reason));

	if (!reason)
		return "limit";
	ration__rule_name(reason->name, sizeof(reason->name), service->guard, rule);
	for (const struct ration__reason *old = service->reasons; old; old = old->next)
		if (strcmp(old->name, reason->name) == 0) {
			free(reason);
			return old->name;
		}
	reason->next = service->reasons;
	service->reasons = reason;
	return reason->name;
}

static struct ration__group *new_group(
	struct ration__lanes *lanes, struct ration__pool_service *service, int rule, uint64_t hash)
{
	struct ration__group *group = calloc(1, sizeof(*group));
	const struct ration__limit *limit = limit_of(service, rule);
	struct ration__group **head;

	if (!group)
		return NULL;
	group->service = service;
	group->rule = (int16_t)rule;
	group->reason = reason_name(service, rule);
	ration__heap_init(&group->lanes);
	/* Permits, probes and the ledger come by what others do; tokens come by time. */
	head = !limit || limit->kind == RATION__LIMIT_QUOTA ? &service->eventful : &service->timed;
	group->next = *head;
	group->link = head;
	if (group->next)
		group->next->link = &group->next;
	*head = group;
	ration__table_add(&lanes->groups, &group->entry, hash);
	return group;
}

struct ration__group *ration__group_get(struct ration__lanes *lanes,
	const struct ration__lane *lane, const struct ration__ask *denied)
{
	uint64_t hash = group_hash(lane, denied->rule);
	struct ration__entry *entry = ration__table_find(&lanes->groups, hash);
	struct ration__group *group;

	if (entry)
		group = RATION__CONTAINER(entry, struct ration__group, entry);
	else
		group = new_group(lanes, lane->service, denied->rule, hash);
	if (!group)
		return NULL;
	group->refs++;
	group->denial = (uint8_t)denied->denial;
	group->at_ns = denied->at_ns;
	return group;
}

void ration__group_unref(struct ration__lanes *lanes, struct ration__group *group)
{
	if (!group || --group->refs > 0)
		return;
	ration__heap_remove(&lanes->due, &group->timer);
	ration__heap_fini(&group->lanes);
	ration__table_remove(&lanes->groups, &group->entry);
	*group->link = group->next;
	if (group->next)
		group->next->link = group->link;
	free(group);
}

/* The group's heap is by priority, then turn. */
static int64_t turn_of(const struct ration__lane *lane)
{
	return ((int64_t)(RATION__PRIORITY_MAX - lane->priority) << 48) |
	       (int64_t)(lane->turn & ((UINT64_C(1) << 48) - 1));
}

int ration__group_park(
	struct ration__lanes *lanes, struct ration__group *group, struct ration__lane *lane)
{
	int64_t at_ns = ration__min64(group->at_ns, lanes->now_ns + RATION__NS_PER_S * 3600);
	int rc = ration__heap_set(&group->lanes, &lane->timer, turn_of(lane));

	if (rc < 0)
		return rc;
	/* the earliest of what its lanes were told, unless that time is over */
	if (group->timer.index && group->timer.at_ns > lanes->now_ns &&
		(!group->unsure || group->loose))
		at_ns = ration__min64(at_ns, group->timer.at_ns);
	else
		group->unsure = false;
	rc = ration__heap_set(&lanes->due, &group->timer, at_ns);
	if (rc < 0)
		ration__heap_remove(&group->lanes, &lane->timer);
	return rc;
}

void ration__group_unpark(
	struct ration__lanes *lanes, struct ration__group *group, struct ration__lane *lane)
{
	ration__heap_remove(&group->lanes, &lane->timer);
	if (!group->lanes.count)
		ration__heap_remove(&lanes->due, &group->timer);
}

void ration__group_release(struct ration__lanes *lanes, struct ration__group *group, uint32_t n)
{
	struct ration__timer *timer;

	for (; n > 0 && (timer = ration__heap_first(&group->lanes)) != NULL; n--) {
		struct ration__lane *lane = RATION__CONTAINER(timer, struct ration__lane, timer);

		ration__heap_remove(&group->lanes, timer);
		lane->loose = true;
		group->loose++;
		ration__lane_make_ready(lanes, lane);
	}
	group->unsure = true;
	if (group->lanes.count) /* it is in the heap, so this only moves it */
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

void ration__lanes_release(
	struct ration__lanes *lanes, struct ration__pool_service *service, int rule, uint32_t n)
{
	struct ration__entry *entry;
	struct ration__group *group;
	struct ration__timer *first;

	if (!service->eventful && !service->timed)
		return;
	entry = ration__table_find(&lanes->groups, plain_hash(service, rule));
	if (!entry)
		return;
	group = RATION__CONTAINER(entry, struct ration__group, entry);
	first = ration__heap_first(&group->lanes);
	if (first) { /* a single lane asks for all that came free, and once more */
		struct ration__lane *lane = RATION__CONTAINER(first, struct ration__lane, timer);

		if (lane->window <= n)
			lane->window = (uint16_t)ration__min64(n + 1, RATION__BATCH_MAX);
	}
	ration__group_release(lanes, group, n);
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
	ration__guard_rules(service->guard, &service->rules);
	for (struct ration__group *group = service->eventful; group; group = group->next)
		ration__group_release(lanes, group, UINT32_MAX);
	for (struct ration__group *group = service->timed; group; group = group->next)
		ration__group_release(lanes, group, UINT32_MAX);
}
