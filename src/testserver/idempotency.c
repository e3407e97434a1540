/*
 * Message ids by request id; see the header. Entries are numbered; -1 is none. A hash table with
 * chains finds them, a doubly linked list orders them by use.
 */
#include "testserver/idempotency.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>

enum { NONE = -1 };

void ts__idempotency_init(struct ts_idempotency *cache)
{
	cache->count = 0;
	cache->newest = cache->oldest = NONE;
	cache->random_left = 0;
	for (int i = 0; i < TS_IDEMPOTENCY_BUCKETS; i++)
		cache->buckets[i] = NONE;
}

/* FNV-1a: who floods a test server with collisions slows down only his own test. */
static int16_t *bucket_of(struct ts_idempotency *cache, const char *key)
{
	uint32_t hash = 2166136261u;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 16777619u;
	return &cache->buckets[(hash ^ hash >> 16) % TS_IDEMPOTENCY_BUCKETS];
}

static int16_t find(struct ts_idempotency *cache, const char *key)
{
	int16_t at = *bucket_of(cache, key);

	while (at != NONE && strcmp(cache->entries[at].key, key) != 0)
		at = cache->entries[at].chain;
	return at;
}

static void unlink_use(struct ts_idempotency *cache, int16_t at)
{
	struct ts_idempotency_entry *entry = &cache->entries[at];

	if (entry->newer == NONE)
		cache->newest = entry->older;
	else
		cache->entries[entry->newer].older = entry->older;
	if (entry->older == NONE)
		cache->oldest = entry->newer;
	else
		cache->entries[entry->older].newer = entry->newer;
}

static void link_newest(struct ts_idempotency *cache, int16_t at)
{
	cache->entries[at].newer = NONE;
	cache->entries[at].older = cache->newest;
	if (cache->newest == NONE)
		cache->oldest = at;
	else
		cache->entries[cache->newest].newer = at;
	cache->newest = at;
}

static void unlink_key(struct ts_idempotency *cache, int16_t at)
{
	int16_t *link = bucket_of(cache, cache->entries[at].key);

	while (*link != at)
		link = &cache->entries[*link].chain;
	*link = cache->entries[at].chain;
}

static bool draw(struct ts_idempotency *cache, unsigned char *out, unsigned size)
{
	if (cache->random_left < size) {
		if (getrandom(cache->random, sizeof(cache->random), 0) !=
			(ssize_t)sizeof(cache->random))
			return false;
		cache->random_left = sizeof(cache->random);
	}
	cache->random_left -= size;
	memcpy(out, cache->random + cache->random_left, size);
	return true;
}

/* RFC 9562, version 4. */
static bool make_uuid(struct ts_idempotency *cache, char *out)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[16];

	if (!draw(cache, bytes, sizeof(bytes)))
		return false;
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
	return true;
}

bool ts__idempotency_get(struct ts_idempotency *cache, const char *key, int64_t now_ns,
	char uuid[static TS_UUID_SIZE])
{
	if (!key)
		return make_uuid(cache, uuid);
	if (strlen(key) > TS_IDEMPOTENCY_KEY_MAX)
		return false;

	int16_t at = find(cache, key);
	if (at != NONE) {
		struct ts_idempotency_entry *entry = &cache->entries[at];
		bool old = now_ns - entry->made_ns >= TS_IDEMPOTENCY_LIFE_S * INT64_C(1000000000);
		if (old && !make_uuid(cache, entry->uuid))
			return false;
		if (old)
			entry->made_ns = now_ns;
		unlink_use(cache, at);
		link_newest(cache, at);
		memcpy(uuid, entry->uuid, TS_UUID_SIZE);
		return true;
	}

	char fresh[TS_UUID_SIZE];
	if (!make_uuid(cache, fresh))
		return false;
	if (cache->count < TS_IDEMPOTENCY_ENTRIES) {
		at = cache->count++;
	} else {
		at = cache->oldest;
		unlink_use(cache, at);
		unlink_key(cache, at);
	}
	struct ts_idempotency_entry *entry = &cache->entries[at];
	int16_t *bucket = bucket_of(cache, key);
	strcpy(entry->key, key);
	memcpy(entry->uuid, fresh, TS_UUID_SIZE);
	entry->made_ns = now_ns;
	entry->chain = *bucket;
	*bucket = at;
	link_newest(cache, at);
	memcpy(uuid, fresh, TS_UUID_SIZE);
	return true;
}
