/* Keysets: the record keys of one set of key values. See guard.h. */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

static bool has_key(const struct ration__pair *keys, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0 && keys[i].value[0])
			return true;
	return false;
}

/* Builds every key into bytes (when not NULL) and returns their total length. */
static size_t build_keys(const struct ration__rules *rules, const struct ration__pair *keys,
	size_t key_count, struct ration__keyset *keyset, uint8_t *bytes)
{
	uint8_t key[RATION__KEY_ROOM];
	size_t used = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < rules->limit_count + 2; i++) {
		const struct ration__limit *limit = NULL;
		enum ration__record_type type;
		size_t length;

		if (i < rules->limit_count) {
			limit = &rules->limits[i];
			type = limit->kind == RATION__LIMIT_BUCKET  ? RATION__RECORD_BUCKET
			       : limit->kind == RATION__LIMIT_QUOTA ? RATION__RECORD_QUOTA
								    : RATION__RECORD_WINDOW;
		} else if (i == rules->limit_count) {
			if (!rules->breaker.trip_after)
				continue;
			type = RATION__RECORD_BREAKER;
		} else {
			if (!rules->concurrency.max)
				continue;
			type = RATION__RECORD_CONCURRENCY;
		}
		length = ration__key_build(key, type, rules->service, limit, keys, key_count);
		if (bytes) {
			struct ration__cell *cell = &keyset->cells[n];

			*cell = (struct ration__cell){.hash = ration__hash64(key, length),
				.offset = (uint32_t)used,
				.length = (uint16_t)length};
			memcpy(bytes + used, key, length);
			if (type == RATION__RECORD_BREAKER)
				keyset->breaker = cell;
			if (type == RATION__RECORD_CONCURRENCY)
				keyset->concurrency = cell;
			n++;
		}
		used += length;
	}
	return used;
}

int ration__keyset_new(struct ration__guard *guard, const struct ration__pair *keys,
	size_t key_count, struct ration__keyset **out, const char **missing)
{
	struct ration__rules *rules = NULL;
	struct ration__keyset *keyset;
	size_t cells, size;
	uint64_t serial;
	int rc = 0;

	if (ration__store_forked(guard->engine->store)) /* a lost thread may hold the lock */
		rc = RATION_EFORK;
	else if (!(rules = malloc(sizeof(*rules))))
		rc = RATION_ENOMEM;
	if (rc < 0)
		return rc;
	serial = guard->serial; /* before the copy: a change in between makes it stale, not wrong */
	ration__guard_rules(guard, rules);
	for (int i = 0; i < RATION__PER_MAX && rules->required_keys[i][0]; i++)
		if (!has_key(keys, key_count, rules->required_keys[i])) {
			if (missing) /* the process's own, so its text does not move */
				*missing = guard->own.required_keys[i];
			free(rules);
			return RATION_EKEY;
		}
	cells = sizeof(struct ration__cell) * (rules->limit_count + 2);
	size = build_keys(rules, keys, key_count, NULL, NULL);
	keyset = calloc(1, sizeof(*keyset) + cells + size);
	if (keyset) {
		keyset->refs = 1;
		keyset->guard = guard;
		atomic_fetch_add(&guard->refs, 1);
		keyset->serial = serial;
		keyset->limit_count = rules->limit_count;
		keyset->bytes = (uint8_t *)keyset + sizeof(*keyset) + cells;
		build_keys(rules, keys, key_count, keyset, keyset->bytes);
		*out = keyset;
	}
	free(rules);
	return keyset ? 0 : RATION_ENOMEM;
}

/* Under engine.mutex, as what follows. */
void ration__keyset_waits(struct ration__keyset *keyset, bool waits)
{
	struct ration__guard *guard = keyset->guard;

	if (keyset->waits != waits) {
		guard->waiting += waits ? 1 : (uint32_t)-1;
		guard->engine->waiting += waits ? 1 : (uint32_t)-1;
	}
	keyset->waits = waits;
}

void ration__keyset_unref_locked(struct ration__keyset *keyset)
{
	if (atomic_fetch_sub(&keyset->refs, 1) != 1)
		return;
	ration__keyset_waits(keyset, false);
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
