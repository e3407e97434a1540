/*
 * The table of local.h: open addressing by hash, at most half full. One service may have tens of
 * thousands of key values, and each has a share of its own: they are not refused for want of room,
 * nor is memory kept for them while the store answers.
 */
#include "guard/local.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define PURGE_EVERY_NS RATION__NS_PER_S /* when nothing more can grow */

static struct ration__local *place_of(
	const struct ration__locals *table, uint64_t hash, const uint8_t *key, uint16_t length)
{
	for (uint32_t i = 0;; i++) { /* half of them are free */
		struct ration__local *entry = &table->entries[(hash + i) & (table->size - 1)];

		if (!entry->key || (entry->hash == hash && entry->key_length == length &&
					   memcmp(entry->key, key, length) == 0))
			return entry;
	}
}

struct ration__local *ration__locals_find(
	const struct ration__locals *table, uint64_t hash, const uint8_t *key, uint16_t length)
{
	struct ration__local *entry = table->entries ? place_of(table, hash, key, length) : NULL;

	return entry && entry->key ? entry : NULL;
}

static void free_entry(struct ration__local *entry)
{
	free(entry->key);
	free(entry->learned);
}

static bool is_at_rest(const struct ration__local *entry, int64_t now_ns)
{
	return entry->bucket.rest_at_ns <= now_ns && entry->until_ns <= now_ns;
}

/* To another table, but for those at rest. */
static bool rebuild(struct ration__locals *table, uint32_t size, int64_t now_ns)
{
	struct ration__locals next = {.size = size, .purged_ns = now_ns};

	next.entries = calloc(size, sizeof(*next.entries));
	if (!next.entries)
		return false;
	for (uint32_t i = 0; i < table->size; i++) {
		struct ration__local *entry = &table->entries[i];

		if (!entry->key)
			continue;
		if (is_at_rest(entry, now_ns)) {
			free_entry(entry);
			continue;
		}
		*place_of(&next, entry->hash, entry->key, entry->key_length) = *entry;
		next.count++;
	}
	free(table->entries);
	*table = next;
	return true;
}

/* Room for one more; a table that shrinks by it much is not made larger. */
static bool make_room(struct ration__locals *table, int64_t now_ns)
{
	uint32_t busy = 0;

	if (!table->entries)
		return rebuild(table, RATION__LOCALS_FIRST, now_ns);
	if (table->count < table->size / 2)
		return true;
	if (table->size == RATION__LOCALS_MAX && now_ns >= table->purged_ns &&
		now_ns - table->purged_ns < PURGE_EVERY_NS)
		return false;
	for (uint32_t i = 0; i < table->size; i++)
		busy += table->entries[i].key && !is_at_rest(&table->entries[i], now_ns);
	return rebuild(table,
		       busy > table->size / 4 && table->size < RATION__LOCALS_MAX ? 2 * table->size
										  : table->size,
		       now_ns) &&
	       table->count < RATION__LOCALS_KEYS;
}

struct ration__local *ration__locals_add(struct ration__locals *table, uint64_t hash,
	const uint8_t *key, uint16_t length, int64_t now_ns)
{
	uint8_t *copy = make_room(table, now_ns) ? malloc(length) : NULL;
	struct ration__local *entry;

	if (!copy)
		return NULL;
	memcpy(copy, key, length);
	entry = place_of(table, hash, key, length);
	*entry = (struct ration__local){.hash = hash, .key = copy, .key_length = length};
	table->count++;
	return entry;
}

void ration__locals_clear(struct ration__locals *table)
{
	for (uint32_t i = 0; i < table->size; i++)
		free_entry(&table->entries[i]);
	free(table->entries);
	memset(table, 0, sizeof(*table));
}
