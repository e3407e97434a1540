/* The working set of one transaction. See workset.h. */
#include "guard/workset.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct ration__quota) == sizeof(struct ration__window) + 40, "stored");

void ration__workset_begin(struct ration__workset *set, struct ration__txn *txn)
{
	set->txn = txn;
	for (uint32_t i = 0; i < set->count; i++) /* few, mostly: not the whole index */
		set->index[set->records[i].place] = 0;
	set->count = 0;
	set->arena_used = 0;
}

static uint32_t slot_of(uint64_t hash)
{
	return (uint32_t)(hash % (2 * RATION__WORKSET_MAX));
}

struct ration__record *ration__workset_find(
	struct ration__workset *set, uint64_t hash, const uint8_t *key, size_t key_length)
{
	for (uint32_t i = slot_of(hash); set->index[i]; i = (i + 1) % (2 * RATION__WORKSET_MAX)) {
		struct ration__record *record = &set->records[set->index[i] - 1];

		if (record->hash == hash && record->key_length == key_length &&
			memcmp(record->key, key, key_length) == 0)
			return record;
	}
	return NULL;
}

static size_t state_size(uint8_t type)
{
	switch (type) {
	case RATION__RECORD_BUCKET:
		return sizeof(struct ration__bucket);
	case RATION__RECORD_WINDOW:
		return sizeof(struct ration__window);
	case RATION__RECORD_QUOTA:
		return sizeof(struct ration__quota);
	case RATION__RECORD_BREAKER:
		return sizeof(struct ration__breaker);
	default:
		return sizeof(struct ration__concurrency);
	}
}

/* Only a concurrency record has a length of its own. */
static bool length_fits(uint8_t type, const void *value, size_t length)
{
	const struct ration__concurrency *state = value;

	if (type != RATION__RECORD_CONCURRENCY)
		return length == state_size(type);
	return length >= sizeof(*state) && state->count <= RATION__MEMBERS_MAX &&
	       length == RATION__CONCURRENCY_SIZE(state->count);
}

/* Room in the arena: a concurrency record may grow by members that this transaction touches. */
static void *take_room(struct ration__workset *set, uint8_t type, size_t length)
{
	size_t size = length;
	void *room = set->arena + set->arena_used;

	if (type == RATION__RECORD_CONCURRENCY)
		size += 4 * sizeof(struct ration__contender);
	size = (size + 15) & ~(size_t)15;
	if (size > sizeof(set->arena) - set->arena_used)
		return NULL;
	set->arena_used += size;
	return room;
}

int ration__workset_get(struct ration__workset *set, uint64_t hash, const uint8_t *key,
	size_t key_length, struct ration__record **out)
{
	struct ration__record *record = ration__workset_find(set, hash, key, key_length);
	const void *value = NULL;
	size_t length = 0;
	uint32_t i;
	int rc;

	*out = record;
	if (record || set->count == RATION__WORKSET_MAX)
		return 0;
	rc = ration__txn_get(set->txn, key, key_length, RATION__LAYOUT(key[0]), &value, &length);
	if (rc == RATION_EEMPTY || (rc == 0 && !length_fits(key[0], value, length)))
		value = NULL; /* a record of impossible length is no record: it heals by being
				 written */
	else if (rc < 0)
		return rc;
	record = &set->records[set->count];
	*record = (struct ration__record){.hash = hash,
		.key = key,
		.type = key[0],
		.key_length = (uint16_t)key_length,
		.absent = !value};
	record->state = take_room(set, key[0], value ? length : state_size(key[0]));
	if (!record->state)
		return 0;
	if (value)
		memcpy(record->state, value, length);
	else
		memset(record->state, 0, state_size(key[0]));
	for (i = slot_of(hash); set->index[i];)
		i = (i + 1) % (2 * RATION__WORKSET_MAX);
	record->place = (uint8_t)i;
	set->index[i] = (uint8_t)++set->count;
	*out = record;
	return 0;
}

int ration__workset_flush(struct ration__workset *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		struct ration__record *record = &set->records[i];
		int64_t rest_at_ns;
		size_t length;
		int rc;

		if (!record->dirty)
			continue;
		memcpy(&rest_at_ns, record->state, sizeof(rest_at_ns));
		if (rest_at_ns <= set->txn->now_ns) {
			rc = record->absent
				     ? 0
				     : ration__txn_del(set->txn, record->key, record->key_length);
			if (rc == RATION_EEMPTY)
				rc = 0;
		} else {
			length = record->type == RATION__RECORD_CONCURRENCY
					 ? RATION__CONCURRENCY_SIZE(record->concurrency->count)
					 : state_size(record->type);
			rc = ration__txn_put(set->txn, record->key, record->key_length,
				RATION__LAYOUT(record->type), record->state, length);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}
