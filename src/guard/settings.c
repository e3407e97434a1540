/* The operator's settings, and this process's copy of them. See settings.h. */
#include "guard/engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX 'O' /* of the ledger's keys */
#define VISIT_BATCH 64
/* For the ledger's gate, right after a change; who did not get it then just tries at each call. */
#define READ_WAIT_NS RATION__NS_PER_MS

struct setting {
	struct ration__operator held;
	uint32_t offset; /* of the key */
	uint16_t length;
};

/* Ordered by key, because the ledger is. */
struct ration__settings {
	uint64_t seen;	 /* the shared word's value that it follows */
	bool read;	 /* false: never yet, seen means nothing */
	bool behind;	 /* the last try to read failed */
	int64_t next_ns; /* WALL: when the first of them ends; RATION__NEVER */
	size_t count, room, key_bytes, key_room;
	struct setting *list;
	uint8_t *keys;
};

static int64_t wall_ns(const struct ration__engine *engine)
{
	return ration__clock_now(&engine->clock, RATION_CLOCK_WALL);
}

static bool is_over(const struct ration__operator *setting, int64_t now_ns)
{
	return setting->until_ns && setting->until_ns <= now_ns;
}

/* ---- the ledger ---- */

static size_t ledger_key(uint8_t out[RATION__KEY_MAX + 1], const uint8_t *key, size_t length)
{
	out[0] = PREFIX;
	memcpy(out + 1, key, length);
	return length + 1;
}

/* What another program version may have written there is not used. */
static bool load(struct ration__operator *out, const void *value, size_t length)
{
	struct ration__operator found;

	if (length != sizeof(found))
		return false;
	memcpy(&found, value, sizeof(found));
	if (found.breaker_mode > RATION__BREAKER_DISABLED || !isfinite(found.rate) ||
		found.rate < 0 || !isfinite(found.burst) || found.burst < 0 || found.max < -1 ||
		found.until_ns < 0)
		return false;
	*out = found;
	return true;
}

struct visitor {
	ration__settings_fn fn;
	void *arg;
	int64_t now_ns;
	size_t count;  /* of all, also those whose time is over */
	uint8_t *over; /* RATION__KEY_MAX bytes; NULL, or for the key of one of these */
	size_t over_length;
};

static int visit_one(
	void *arg, const void *key, size_t key_length, const void *value, size_t length)
{
	struct visitor *visitor = arg;
	struct ration__operator setting;

	visitor->count++;
	if (key_length < 2 || key_length > RATION__KEY_MAX + 1 || !load(&setting, value, length))
		return 0;
	if (!is_over(&setting, visitor->now_ns))
		return visitor->fn ? visitor->fn(visitor->arg, (const uint8_t *)key + 1,
					     key_length - 1, &setting)
				   : 0;
	if (visitor->over) {
		visitor->over_length = key_length - 1;
		memcpy(visitor->over, (const uint8_t *)key + 1, visitor->over_length);
	}
	return 0;
}

static int visit_all(struct ration__engine *engine, int64_t wait_ns, struct visitor *visitor)
{
	static const uint8_t prefix = PREFIX;
	uint8_t next[RATION__LEDGER_KEY_MAX], from[RATION__LEDGER_KEY_MAX];
	size_t next_length = 0;
	int rc;

	visitor->now_ns = wall_ns(engine);
	do {
		memcpy(from, next, next_length);
		rc = ration__ledger_visit(engine->store, &prefix, 1, wait_ns,
			next_length ? from : NULL, next_length, VISIT_BATCH, visit_one, visitor,
			next, &next_length);
	} while (rc == 0 && next_length);
	return rc;
}

int ration__settings_visit(
	struct ration__engine *engine, int64_t wait_ns, ration__settings_fn fn, void *arg)
{
	struct visitor visitor = {.fn = fn, .arg = arg};

	return visit_all(engine, wait_ns, &visitor);
}

int ration__settings_get(struct ration__engine *engine, const uint8_t *key, size_t length,
	struct ration__operator *setting)
{
	uint8_t stored[RATION__KEY_MAX + 1], value[sizeof(struct ration__operator)];
	struct ration__operator found;
	size_t value_length = 0;
	int rc = ration__ledger_get(engine->store, stored, ledger_key(stored, key, length), value,
		sizeof(value), &value_length);

	if (rc < 0 && rc != RATION_ETOOBIG)
		return rc;
	if (rc < 0 || !load(&found, value, value_length) || is_over(&found, wall_ns(engine)))
		return RATION_EEMPTY;
	*setting = found;
	return 0;
}

/* ---- writing ---- */

static int write_setting(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	memcpy(value, arg, sizeof(struct ration__operator));
	*length = sizeof(struct ration__operator);
	return 0;
}

/* One whose time is over stays in the ledger until its place is needed. Two that write the last
 * ones at the same time may both find room: the bound is one of order, nothing is sized by it. */
static int make_room(struct ration__engine *engine, const uint8_t *key, size_t length)
{
	uint8_t over[RATION__KEY_MAX], stored[RATION__KEY_MAX + 1];
	struct visitor visitor = {.over = over};
	struct ration__operator old;
	int rc = visit_all(engine, -1, &visitor);

	if (rc < 0 || visitor.count < RATION__SETTINGS_MAX)
		return rc;
	if (visitor.over_length)
		return ration__ledger_delete(
			engine->store, stored, ledger_key(stored, over, visitor.over_length));
	rc = ration__settings_get(engine, key, length, &old);
	return rc == RATION_EEMPTY ? RATION_EFULL : rc;
}

int ration__operator_put(struct ration__engine *engine, const uint8_t *key, size_t length,
	const struct ration__operator *setting)
{
	struct ration__operator copy;
	uint8_t stored[RATION__KEY_MAX + 1];
	size_t stored_length = ledger_key(stored, key, length);
	int rc;

	if (setting) {
		copy = *setting;
		rc = make_room(engine, key, length);
		if (rc == 0)
			rc = ration__ledger_update(
				engine->store, stored, stored_length, write_setting, &copy);
	} else {
		rc = ration__ledger_delete(engine->store, stored, stored_length);
	}
	if (rc < 0)
		return rc;
	/* after the commit: who sees the number finds the setting */
	atomic_fetch_add(ration__store_word(engine->store, RATION__WORD_SETTINGS), 1);
	ration__engine_wake_all(engine);
	return 0;
}

/* ---- the copy ---- */

static const uint8_t *key_of(const struct ration__settings *settings, const struct setting *setting)
{
	return settings->keys + setting->offset;
}

static void note_end(struct ration__settings *settings, const struct ration__operator *setting)
{
	if (setting->until_ns)
		settings->next_ns = ration__min64(settings->next_ns, setting->until_ns);
}

static int add_setting(
	void *arg, const uint8_t *key, size_t length, const struct ration__operator *held)
{
	struct ration__settings *settings = arg;

	if (settings->count == settings->room) {
		size_t room = settings->room ? 2 * settings->room : 16;
		struct setting *list = realloc(settings->list, room * sizeof(*list));

		if (!list)
			return RATION_ENOMEM;
		settings->list = list;
		settings->room = room;
	}
	if (settings->key_room - settings->key_bytes < length) {
		size_t room = 2 * settings->key_room + RATION__KEY_MAX;
		uint8_t *keys = realloc(settings->keys, room);

		if (!keys)
			return RATION_ENOMEM;
		settings->keys = keys;
		settings->key_room = room;
	}
	settings->list[settings->count++] = (struct setting){
		.held = *held, .offset = (uint32_t)settings->key_bytes, .length = (uint16_t)length};
	memcpy(settings->keys + settings->key_bytes, key, length);
	settings->key_bytes += length;
	note_end(settings, held);
	return 0;
}

static void fini(struct ration__settings *settings)
{
	free(settings->list);
	free(settings->keys);
}

static bool same(const struct ration__settings *a, const struct ration__settings *b)
{
	if (a->count != b->count || a->key_bytes != b->key_bytes)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (memcmp(&a->list[i].held, &b->list[i].held, sizeof(a->list[i].held)) != 0 ||
			a->list[i].length != b->list[i].length)
			return false;
	return a->key_bytes == 0 || memcmp(a->keys, b->keys, a->key_bytes) == 0;
}

/* true: something changed */
static bool read_again(
	struct ration__engine *engine, struct ration__settings *settings, uint64_t word)
{
	struct ration__settings fresh = {.seen = word, .read = true, .next_ns = RATION__NEVER};
	struct ration__settings old = *settings;
	bool changed;
	int rc = ration__settings_visit(
		engine, settings->behind ? 0 : READ_WAIT_NS, add_setting, &fresh);

	if (rc == RATION_EIO) { /* the store has said so; what was in force stays until a change */
		settings->seen = word;
		settings->read = true;
	}
	settings->behind = rc < 0;
	if (rc < 0) {
		fini(&fresh);
		return false;
	}
	changed = !same(settings, &fresh);
	pthread_mutex_lock(&engine->meta_mutex);
	*settings = fresh;
	pthread_mutex_unlock(&engine->meta_mutex);
	fini(&old);
	return changed;
}

static bool expire(struct ration__engine *engine, struct ration__settings *settings, int64_t now_ns)
{
	size_t left = 0, before = settings->count;

	pthread_mutex_lock(&engine->meta_mutex);
	settings->next_ns = RATION__NEVER;
	for (size_t i = 0; i < before; i++) {
		if (is_over(&settings->list[i].held, now_ns))
			continue;
		note_end(settings, &settings->list[i].held);
		settings->list[left++] = settings->list[i];
	}
	settings->count = left;
	pthread_mutex_unlock(&engine->meta_mutex);
	return left != before;
}

static struct ration__settings *settings_of(struct ration__engine *engine)
{
	struct ration__settings *settings = engine->settings;

	if (settings)
		return settings;
	settings = calloc(1, sizeof(*settings));
	if (settings) {
		settings->next_ns = RATION__NEVER;
		pthread_mutex_lock(&engine->meta_mutex);
		engine->settings = settings;
		pthread_mutex_unlock(&engine->meta_mutex);
	}
	return settings;
}

void ration__operator_follow(struct ration__engine *engine)
{
	/* acquire: pairs with the increment after the ledger's commit */
	uint64_t word = atomic_load_explicit(
		ration__store_word(engine->store, RATION__WORD_SETTINGS), memory_order_acquire);
	struct ration__settings *settings = settings_of(engine);
	bool changed = false;

	if (!settings)
		return;
	if (!settings->read || settings->seen != word)
		changed = read_again(engine, settings, word);
	if (settings->next_ns != RATION__NEVER) {
		int64_t now_ns = wall_ns(engine);

		if (settings->next_ns <= now_ns)
			changed |= expire(engine, settings, now_ns);
	}
	for (struct ration__guard *guard = changed ? engine->guards : NULL; guard;
		guard = guard->next)
		atomic_fetch_add(&guard->serial, 1);
}

static int compare(const struct ration__settings *settings, const struct setting *setting,
	const uint8_t *key, size_t length)
{
	size_t common = setting->length < length ? setting->length : length;
	int order = memcmp(key, key_of(settings, setting), common);

	if (order != 0)
		return order;
	return length < setting->length ? -1 : length > setting->length;
}

static const struct ration__operator *find(
	const struct ration__settings *settings, const uint8_t *key, size_t length)
{
	size_t low = 0, high = settings->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(settings, &settings->list[middle], key, length);

		if (order == 0)
			return &settings->list[middle].held;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct ration__operator *ration__operator_find(struct ration__engine *engine,
	const uint8_t *key, size_t length, const uint8_t *rule_key, size_t rule_length)
{
	const struct ration__settings *settings = engine->settings;
	const struct ration__operator *held = settings ? find(settings, key, length) : NULL;

	return held || !settings ? held : find(settings, rule_key, rule_length);
}

void ration__operator_free(struct ration__engine *engine)
{
	if (!engine->settings)
		return;
	fini(engine->settings);
	free(engine->settings);
	engine->settings = NULL;
}
