/* Keysets: the record keys of one set of key values, and what holds for them. See guard.h. */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/zone.h"
#include "guard/selector.h"

static bool has_key(const struct ration__pair *keys, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0 && keys[i].value[0])
			return true;
	return false;
}

/* ---- zones: loaded once, kept by the engine, since keysets point to them ---- */

struct ration__engine_zone {
	struct ration__engine_zone *next;
	struct ration__zone *zone;
	char name[sizeof(((struct ration__limit *)0)->zone)];
};

/* UTC (NULL) when the zone is not there: the definition may be another process's, on another tree
 * of files. Under meta_mutex; reads a small file the first time. */
static const struct ration__zone *zone_of(struct ration__engine *engine, const char *name)
{
	struct ration__engine_zone *entry = engine->zones;

	if (!name[0])
		return NULL;
	while (entry && strcmp(entry->name, name) != 0)
		entry = entry->next;
	if (entry)
		return entry->zone;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	memcpy(entry->name, name, strnlen(name, sizeof(entry->name) - 1));
	if (ration__zone_load(entry->name, &entry->zone) < 0)
		ration__engine_log(engine, RATION_LOG_ERROR,
			"time zone %s: not in this system's database; its calendar is UTC's here",
			entry->name);
	entry->next = engine->zones;
	engine->zones = entry;
	return entry->zone;
}

void ration__zones_free(struct ration__engine *engine)
{
	struct ration__engine_zone *entry;

	while ((entry = engine->zones) != NULL) {
		engine->zones = entry->next;
		ration__zone_free(entry->zone);
		free(entry);
	}
}

/* ---- building ---- */

void ration__common_init(struct ration__guard *guard)
{
	static const enum ration__record_type types[RATION__COMMON_CELLS] = {RATION__RECORD_BREAKER,
		RATION__RECORD_CONCURRENCY, RATION__RECORD_BUDGET, RATION__RECORD_COOLDOWN};
	uint8_t key[RATION__KEY_ROOM];

	for (int i = 0; i < RATION__COMMON_CELLS; i++) {
		struct ration__cell *cell = &guard->common[i];
		size_t length =
			ration__key_build(key, types[i], guard->own.service, NULL, NULL, NULL, 0);

		memcpy(guard->common_keys[i], key, length);
		cell->key = guard->common_keys[i];
		cell->length = (uint16_t)length;
		cell->hash = ration__hash64(key, length);
	}
	guard->common[RATION__COMMON_BREAKER].room =
		(uint32_t)ration__breaker_size(&guard->rules.breaker);
}

/* A keyset in the making; keyset is NULL while only the size is wanted. */
struct builder {
	struct ration__guard *guard;
	const struct ration__rules *rules;
	const struct ration__pair *keys;
	size_t key_count;
	struct ration__keyset *keyset;
	size_t used;
	uint32_t cells;
	uint8_t key[RATION__KEY_ROOM];
};

static struct ration__cell *add_cell(struct builder *b, enum ration__record_type type,
	const char *name, const char (*per)[RATION__KEYNAME_MAX], uint32_t room)
{
	size_t length = ration__key_build(
		b->key, type, b->rules->service, name, per, b->keys, b->key_count);
	struct ration__cell *cell = b->keyset ? &b->keyset->cells[b->cells] : NULL;

	if (cell) {
		*cell = (struct ration__cell){.hash = ration__hash64(b->key, length),
			.key = b->keyset->bytes + b->used,
			.length = (uint16_t)length,
			.room = room};
		memcpy(b->keyset->bytes + b->used, b->key, length);
	}
	b->used += length;
	b->cells++;
	return cell;
}

static const char *first_value(const struct builder *b, const struct ration__limit *limit)
{
	for (size_t i = 0; i < b->key_count && limit->per[0][0]; i++)
		if (strcmp(b->keys[i].name, limit->per[0]) == 0)
			return b->keys[i].value;
	return "";
}

static void override(struct ration__cell *cell, const struct ration__limit *limit, double rate,
	double burst, int64_t max)
{
	if (limit->kind == RATION__LIMIT_BUCKET)
		ration__bucket_override(&cell->conf.bucket, rate, burst);
	else if (limit->kind != RATION__LIMIT_ADAPTIVE && max >= 0)
		cell->conf.window.max = max;
}

/* The rules' numbers, then the definition's override, then the operator's for all and for these
 * values. */
static void set_conf(const struct builder *b, struct ration__cell *cell, uint32_t i)
{
	struct ration__engine *engine = b->keyset->guard->engine;
	const struct ration__limit *limit = &b->rules->limits[i];
	const char *value = first_value(b, limit);
	const struct ration__operator *setting;
	uint8_t rule_key[RATION__KEY_ROOM];
	size_t rule_length;

	if (limit->kind == RATION__LIMIT_BUCKET)
		cell->conf.bucket = limit->bucket;
	else if (limit->kind != RATION__LIMIT_ADAPTIVE)
		cell->conf.window = limit->window;
	for (uint32_t n = 0; n < b->rules->override_count && value[0]; n++) {
		const struct ration__override *o = &b->rules->overrides[n];

		if (o->limit == i && strcmp(o->value, value) == 0)
			override(cell, limit, o->rate, o->burst, o->max);
	}
	rule_length = ration__key_build(
		rule_key, ration__rule_type(limit), b->rules->service, limit->name, NULL, NULL, 0);
	setting = ration__operator_find(engine, rule_key, rule_length, rule_key, rule_length);
	if (setting)
		override(cell, limit, setting->rate, setting->burst, setting->max);
	setting = ration__operator_find(
		engine, ration__cell_key(b->keyset, cell), cell->length, rule_key, rule_length);
	if (setting) /* its own: what it does not name is the rule's */
		override(cell, limit, setting->rate, setting->burst, setting->max);
	if (limit->kind == RATION__LIMIT_QUOTA && limit->calendar)
		cell->zone = zone_of(engine, limit->zone);
	if ((limit->kind == RATION__LIMIT_WINDOW || limit->kind == RATION__LIMIT_QUOTA) &&
		!limit->calendar && ration__log_suits(&cell->conf.window))
		cell->room = (uint32_t)((limit->kind == RATION__LIMIT_QUOTA
							? sizeof(struct ration__quota)
							: sizeof(struct ration__window)) +
					RATION__LOG_SIZE_MAX);
}

static void add_breaker(struct builder *b)
{
	const struct ration__rules *rules = b->rules;
	const struct ration__operator *setting;
	struct ration__cell *cell;
	uint8_t rule_key[RATION__KEY_ROOM];
	size_t rule_length;

	if (!rules->breaker_per[0][0])
		cell = &b->guard->common[RATION__COMMON_BREAKER];
	else /* always: an operator may force one open that the rules do not have */
		cell = add_cell(b, RATION__RECORD_BREAKER, NULL, rules->breaker_per,
			(uint32_t)ration__breaker_size(&rules->breaker));
	if (!b->keyset)
		return;
	rule_length = ration__key_build(
		rule_key, RATION__RECORD_BREAKER, rules->service, NULL, NULL, NULL, 0);
	setting = ration__operator_find(
		b->guard->engine, cell->key, cell->length, rule_key, rule_length);
	b->keyset->breaker_mode =
		setting && setting->breaker_mode ? setting->breaker_mode : rules->breaker.mode;
	if (ration__breaker_exists(&rules->breaker) ||
		b->keyset->breaker_mode == RATION__BREAKER_FORCED_OPEN)
		b->keyset->breaker = cell;
}

static void build(struct builder *b)
{
	const struct ration__rules *rules = b->rules;
	struct ration__cell *place = NULL, *cooldown = &b->guard->common[RATION__COMMON_COOLDOWN];

	for (uint32_t i = 0; i < rules->limit_count; i++) {
		const struct ration__limit *limit = &rules->limits[i];
		struct ration__cell *cell =
			add_cell(b, ration__rule_type(limit), limit->name, limit->per, 0);

		if (cell)
			set_conf(b, cell, i);
	}
	add_breaker(b);
	if (rules->place.max)
		place = add_cell(b, RATION__RECORD_PLACE, NULL, rules->place_per, 0);
	if (rules->cooldown_per[0][0])
		cooldown = add_cell(b, RATION__RECORD_COOLDOWN, NULL, rules->cooldown_per, 0);
	if (!b->keyset)
		return;
	b->keyset->place = place;
	b->keyset->cooldown = cooldown;
	if (rules->concurrency.max)
		b->keyset->concurrency = &b->guard->common[RATION__COMMON_CONCURRENCY];
	if (rules->budget.capacity)
		b->keyset->budget = &b->guard->common[RATION__COMMON_BUDGET];
}

/* Under rules_mutex and meta_mutex, which hold everything still that is looked at here. */
static struct ration__keyset *make(
	struct ration__guard *guard, const struct ration__pair *keys, size_t key_count)
{
	struct builder b = {
		.guard = guard, .rules = &guard->rules, .keys = keys, .key_count = key_count};
	struct ration__keyset *keyset;
	size_t cells;

	build(&b);
	cells = sizeof(struct ration__cell) * b.cells;
	keyset = calloc(1, sizeof(*keyset) + cells + b.used);
	if (!keyset)
		return NULL;
	keyset->refs = 1;
	keyset->guard = guard;
	atomic_fetch_add(&guard->refs, 1);
	keyset->serial = guard->serial;
	keyset->limit_count = guard->rules.limit_count;
	keyset->bytes = (uint8_t *)keyset + sizeof(*keyset) + cells;
	keyset->skip = ration__rules_skip_keys(&guard->rules, keys, key_count);
	keyset->looks = ration__rules_look(&guard->rules);
	b.keyset = keyset;
	b.used = b.cells = 0;
	build(&b);
	return keyset;
}

int ration__keyset_new(struct ration__guard *guard, const struct ration__pair *keys,
	size_t key_count, struct ration__keyset **out, const char **missing)
{
	struct ration__keyset *keyset;

	if (ration__store_forked(guard->engine->store)) /* a lost thread may hold the lock */
		return RATION_EFORK;
	for (int i = 0; i < RATION__PER_MAX && guard->own.own.required_keys[i][0]; i++)
		if (!has_key(keys, key_count, guard->own.own.required_keys[i])) {
			if (missing)
				*missing = guard->own.own.required_keys[i];
			return RATION_EKEY;
		}
	pthread_mutex_lock(&guard->rules_mutex);
	pthread_mutex_lock(&guard->engine->meta_mutex);
	keyset = make(guard, keys, key_count);
	pthread_mutex_unlock(&guard->engine->meta_mutex);
	pthread_mutex_unlock(&guard->rules_mutex);
	if (!keyset)
		return RATION_ENOMEM;
	*out = keyset;
	return 0;
}

uint32_t ration__keyset_skip(
	const struct ration__keyset *keyset, const char *method, const char *path)
{
	struct ration__guard *guard = keyset->guard;
	uint32_t skip = keyset->skip;

	if (!keyset->looks)
		return skip;
	pthread_mutex_lock(&guard->rules_mutex);
	skip |= ration__rules_skip_call(&guard->rules, method, path);
	pthread_mutex_unlock(&guard->rules_mutex);
	return skip;
}

/* Under engine.mutex, as what follows. */
static void stand_in_line(struct ration__keyset *keyset, struct ration__keyset **head)
{
	keyset->next = *head;
	keyset->link = head;
	if (keyset->next)
		keyset->next->link = &keyset->next;
	*head = keyset;
}

static void leave_line(struct ration__keyset *keyset)
{
	*keyset->link = keyset->next;
	if (keyset->next)
		keyset->next->link = keyset->link;
	keyset->link = NULL;
}

void ration__keyset_waits(struct ration__keyset *keyset, bool place, bool waits)
{
	struct ration__guard *guard = keyset->guard;
	struct ration__engine *engine = guard->engine;

	if (ration__keyset_in_line(keyset, place) == waits)
		return;
	engine->waiting += waits ? 1 : (uint32_t)-1;
	if (!place) {
		guard->waiting += waits ? 1 : (uint32_t)-1;
		keyset->waits = waits;
	} else if (waits) {
		stand_in_line(keyset, &engine->in_line[keyset->place->hash % RATION__BOOKED_HEADS]);
	} else {
		leave_line(keyset);
	}
}

void ration__keyset_unref_locked(struct ration__keyset *keyset)
{
	if (atomic_fetch_sub(&keyset->refs, 1) != 1)
		return;
	ration__keyset_waits(keyset, false, false);
	ration__keyset_waits(keyset, true, false);
	ration__booking_drop(keyset);
	ration__guard_unref(keyset->guard);
	free(keyset);
}

void ration__keyset_unref(struct ration__keyset *keyset)
{
	struct ration__engine *engine;

	if (!keyset || ration__store_forked(keyset->guard->engine->store))
		return; /* in a child it is left alone: a lost thread may hold the lock */
	engine = keyset->guard->engine;
	pthread_mutex_lock(&engine->mutex);
	ration__keyset_unref_locked(keyset);
	pthread_mutex_unlock(&engine->mutex);
}
