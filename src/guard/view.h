/*
 * The view of a store in the making: between inspect.c, which copies what there is, and view.c,
 * which makes each record an object. Outside transactions, of one thread.
 */
#ifndef GUARD_VIEW_H
#define GUARD_VIEW_H

#include <jansson.h>
#include "guard/counter.h"
#include "guard/engine.h"

struct ration__copied {
	struct ration__copied *next;
	size_t key_length, length;
	uint8_t key[RATION__KEY_MAX];
	_Alignas(8) unsigned char value[];
};

/* One of the operator's settings. */
struct ration__held {
	struct ration__held *next;
	struct ration__operator setting;
	size_t key_length;
	uint8_t key[RATION__KEY_MAX];
};

struct ration__view {
	struct ration__engine *engine;
	struct ration__copied *first, **last;
	struct ration__held *held, **last_held;
	size_t count;
	bool failed; /* out of memory */
	int64_t now_ns, wall_ns;
	const char *selector;
	json_t *services;
	struct ration__zone *zone; /* the last one that was needed */
	char zone_name[40];
	/* for a record that is brought into its present form before it is looked at */
	_Alignas(8) unsigned char scratch[sizeof(struct ration__quota) + RATION__LOG_SIZE_MAX];
};

/* A record of a limit or quota; parts: of its key. Added to the service's limits or quotas. */
void ration__view_limit(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, uint32_t limit, const struct ration__copied *copy,
	const struct ration__key_part *parts, size_t count);
/* copy NULL: no record, at rest. rules NULL: no definition */
void ration__view_breaker(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, const struct ration__copied *copy,
	const struct ration__key_part *parts, size_t count);
void ration__view_concurrency(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, const struct ration__copied *copy,
	const struct ration__key_part *parts, size_t count);
void ration__view_cooldown(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, const struct ration__copied *copy,
	const struct ration__key_part *parts, size_t count);
void ration__view_budget(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, const struct ration__copied *copy);
/* Of a service's table of nodes, those that are not healthy; in view_nodes.c. */
void ration__view_nodes(
	struct ration__view *view, json_t *service, const struct ration__copied *copy);
/* The definition's overrides. */
void ration__view_overrides(json_t *service, const struct ration__rules *rules);
void ration__view_setting(
	struct ration__view *view, json_t *service, const struct ration__held *held);

#endif
