/* The working set of one transaction. See workset.h. */
#include "guard/workset.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

void ration__workset_begin(struct ration__workset *set, struct ration__txn *txn)
{
	set->txn = txn;
	for (uint32_t i = 0; i < set->count; i++) /* few, mostly: not the whole index */
		set->index[set->records[i].place] = 0;
	set->count = 0;
	set->arena_used = 0;
}

#define KEPT_MAX 512 /* bytes of a record that are kept to see whether it changed */

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
	case RATION__RECORD_ADAPTIVE:
		return sizeof(struct ration__adaptive);
	case RATION__RECORD_WINDOW:
		return sizeof(struct ration__window);
	case RATION__RECORD_QUOTA:
		return sizeof(struct ration__quota);
	case RATION__RECORD_BREAKER:
		return sizeof(struct ration__breaker);
	case RATION__RECORD_BUDGET:
		return sizeof(struct ration__budget);
	case RATION__RECORD_COOLDOWN:
		return sizeof(int64_t);
	default:
		return sizeof(struct ration__concurrency);
	}
}

static bool is_concurrency(uint8_t type)
{
	return type == RATION__RECORD_CONCURRENCY || type == RATION__RECORD_PLACE;
}

/* Some records have a length of their own; what stands behind their heads is looked at by who knows
 * the configuration (breaker.h, log.h). */
static bool length_fits(uint8_t type, const void *value, size_t length)
{
	const struct ration__concurrency *state = value;

	switch (type) {
	case RATION__RECORD_WINDOW:
	case RATION__RECORD_QUOTA:
		return length >= state_size(type) &&
		       length <= state_size(type) + RATION__LOG_SIZE_MAX;
	case RATION__RECORD_BUCKET:
		return length == state_size(type) || length == RATION__BUCKET_HEAD;
	case RATION__RECORD_BREAKER:
		return length >= state_size(type) && length <= RATION__BREAKER_SIZE_MAX;
	case RATION__RECORD_CONCURRENCY:
	case RATION__RECORD_PLACE:
		return length >= sizeof(*state) && state->count <= RATION__MEMBERS_MAX &&
		       length == RATION__CONCURRENCY_SIZE(state->count);
	default:
		return length == state_size(type);
	}
}

/* Room in the arena: a concurrency record may grow by members that this transaction touches. */
static void *take_room(struct ration__workset *set, uint8_t type, size_t *size)
{
	void *room = set->arena + set->arena_used;

	if (is_concurrency(type))
		*size += 4 * sizeof(struct ration__contender);
	*size = (*size + 15) & ~(size_t)15;
	if (*size > sizeof(set->arena) - set->arena_used)
		return NULL;
	set->arena_used += *size;
	return room;
}

/* What was read, or zero; and zero for as much behind it as anybody looks at: the whole of a
 * breaker's window, the head of a log (whose count then says that there is none). */
static void fill(struct ration__record *record, const void *value, size_t length)
{
	size_t clear = state_size(record->type);

	if (record->type == RATION__RECORD_BREAKER)
		clear = record->room;
	else if (record->room >= clear + sizeof(struct ration__log))
		clear += sizeof(struct ration__log);
	record->length = (uint32_t)(value ? length : state_size(record->type));
	if (value)
		memcpy(record->state, value, length);
	else
		length = 0;
	if (clear > length)
		memset((char *)record->state + length, 0, clear - length);
}

/* One permit given back and one taken leave the record as it was: that need not be written. */
static void keep_before(struct ration__workset *set, struct ration__record *record,
	const void *value, size_t length)
{
	void *before = set->arena + set->arena_used;
	size_t size = (length + 15) & ~(size_t)15;

	if (length > KEPT_MAX || size > sizeof(set->arena) - set->arena_used)
		return;
	set->arena_used += size;
	memcpy(before, value, length);
	record->before = before;
	record->before_length = (uint32_t)length;
}

/* It was read by who needed less. false: the set is full */
static bool grow(struct ration__workset *set, struct ration__record *record, uint32_t room)
{
	size_t size = room;
	void *state = take_room(set, record->type, &size);

	if (!state)
		return false;
	memcpy(state, record->state, record->room);
	memset((char *)state + record->room, 0, size - record->room);
	record->state = state;
	record->room = (uint32_t)size;
	return true;
}

int ration__workset_get(struct ration__workset *set, uint64_t hash, const uint8_t *key,
	size_t key_length, uint32_t room, struct ration__record **out)
{
	struct ration__record *record = ration__workset_find(set, hash, key, key_length);
	const void *value = NULL;
	size_t length = 0, size;
	uint32_t i;
	int rc;

	if (record && record->room < room && !grow(set, record, room))
		record = NULL;
	*out = record;
	if (record || set->count == RATION__WORKSET_MAX ||
		ration__workset_find(set, hash, key, key_length))
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
	size = state_size(key[0]);
	size = room > size ? room : size;
	size = value && length > size ? length : size;
	record->state = take_room(set, key[0], &size);
	if (!record->state)
		return 0;
	record->room = (uint32_t)size;
	fill(record, value, length);
	if (value && is_concurrency(key[0]))
		keep_before(set, record, value, length);
	for (i = slot_of(hash); set->index[i];)
		i = (i + 1) % (2 * RATION__WORKSET_MAX);
	record->place = (uint8_t)i;
	set->index[i] = (uint8_t)++set->count;
	*out = record;
	return 0;
}

void ration__workset_touch(struct ration__workset *set, const struct ration__record *record)
{
	if (record->type == RATION__RECORD_BREAKER)
		atomic_fetch_or(ration__store_word(set->txn->store, RATION__WORD_BREAKERS),
			UINT64_C(1) << (record->hash % 64));
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
			length = is_concurrency(record->type)
					 ? RATION__CONCURRENCY_SIZE(record->concurrency->count)
					 : record->length;
			if (record->before && record->before_length == length &&
				memcmp(record->before, record->state, length) == 0)
				continue;
			if (record->type == RATION__RECORD_BUCKET && record->bucket->below)
				length = sizeof(*record->bucket);
			ration__workset_touch(set, record);
			rc = ration__txn_put(set->txn, record->key, record->key_length,
				RATION__LAYOUT(record->type), record->state, length);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}
