/*
 * Records: keys and payloads as they stand in hot/.
 *
 * A stored key is padded to a multiple of 8 bytes, the last byte saying how many were added, and a
 * stored value is a 16-byte envelope and the payload, padded likewise. LMDB lays nodes from a
 * page's end downwards, so with all sizes multiples of 8 every payload is aligned to 8 inside the
 * map, and may be read there. (Padding keeps prefixes, and is unambiguous.)
 *
 * LMDB has no checksums; ours covers key, type and payload, so that a stray write is seen as damage
 * and not as a limit. Not here: what a payload means, but for its first 8 bytes, the rest time.
 */
#include "store/internal.h"

#include <string.h>

#include "base/hash.h"

struct envelope {
	uint64_t sum;
	uint32_t length;
	uint16_t type;
	uint16_t version;
};
static_assert(sizeof(struct envelope) == 16, "keeps payloads aligned to 8");

#define ENVELOPE_VERSION 1
#define PAD 8

int ration__key_store(const void *key, size_t length, uint8_t *out, size_t *stored)
{
	size_t pad = PAD - length % PAD;

	if (length == 0)
		return RATION_EINVAL;
	if (length > RATION__KEY_MAX)
		return RATION_ETOOBIG;
	memcpy(out, key, length);
	memset(out + length, 0, pad - 1);
	out[length + pad - 1] = (uint8_t)pad;
	*stored = length + pad;
	return 0;
}

/* RATION_EEMPTY: the marker, no record. */
int ration__key_load(const MDB_val *stored, size_t *length)
{
	const uint8_t *bytes = stored->mv_data;
	uint8_t pad;

	if (stored->mv_size < PAD || stored->mv_size % PAD)
		return RATION_EIO;
	pad = bytes[stored->mv_size - 1];
	if (pad == 0 && stored->mv_size == PAD)
		return RATION_EEMPTY;
	if (pad < 1 || pad > PAD || pad == stored->mv_size)
		return RATION_EIO;
	*length = stored->mv_size - pad;
	return 0;
}

/* A record is usually written right after it was read: its stored key and the key's hash are kept
 * from one call to the next. */
static inline int store_key(struct ration__stored_key *stored, const void *key, size_t length)
{
	int rc;

	if (length && stored->length == length && memcmp(stored->bytes, key, length) == 0)
		return 0;
	stored->length = 0;
	rc = ration__key_store(key, length, stored->bytes, &stored->val.mv_size);
	if (rc != 0)
		return rc;
	stored->val.mv_data = stored->bytes;
	stored->hash = ration__hash64(stored->bytes, stored->val.mv_size);
	stored->length = length;
	return 0;
}

static inline uint64_t sum_of(uint64_t key_hash, uint16_t type, const void *payload, size_t length)
{
	/* the odd factor: or key and payload could change places */
	return ration__hash64(payload, length) + UINT64_C(0x9e3779b97f4a7c15) * key_hash +
	       ((uint64_t)length << 16 | type);
}

/* Damage can make LMDB hand out any pointer and length: nothing is read before both are known to
 * lie inside the map. */
static const struct envelope *find_envelope(const struct ration__env *env, const MDB_val *value)
{
	const struct envelope *envelope = value->mv_data;
	uintptr_t at = (uintptr_t)value->mv_data - (uintptr_t)env->map;

	if (value->mv_size < sizeof(*envelope) + 8 || value->mv_size > env->map_bytes ||
		at > env->map_bytes - value->mv_size || at % PAD)
		return NULL;
	if (envelope->version != ENVELOPE_VERSION || envelope->length < 8 ||
		envelope->length > value->mv_size - sizeof(*envelope))
		return NULL;
	return envelope;
}

static const struct envelope *open_envelope(
	const struct ration__env *env, uint64_t key_hash, const MDB_val *value)
{
	const struct envelope *envelope = find_envelope(env, value);

	if (!envelope ||
		envelope->sum != sum_of(key_hash, envelope->type, envelope + 1, envelope->length))
		return NULL;
	return envelope;
}

int ration__record_rest(const struct ration__env *env, const MDB_val *value, int64_t *rest_at_ns)
{
	const struct envelope *envelope = find_envelope(env, value);

	if (!envelope)
		return RATION_EIO;
	memcpy(rest_at_ns, envelope + 1, sizeof(*rest_at_ns));
	return 0;
}

int ration__record_check(const struct ration__env *env, const MDB_val *key, const MDB_val *value,
	int64_t *rest_at_ns)
{
	const struct envelope *envelope =
		open_envelope(env, ration__hash64(key->mv_data, key->mv_size), value);

	if (!envelope)
		return RATION_EIO;
	memcpy(rest_at_ns, envelope + 1, sizeof(*rest_at_ns));
	return 0;
}

/* Every error but "absent" ends the transaction: what it did so far rests on what it did not get.
 */
static int fail(struct ration__store *store, int code)
{
	if (code == RATION_EIO)
		ration__txn_damage(store);
	else
		ration__txn_fail(store, code);
	return code;
}

int ration__txn_get(struct ration__txn *txn, const void *key, size_t key_length, uint16_t type,
	const void **value, size_t *length)
{
	struct ration__store *store = txn->store;
	const struct envelope *envelope;
	struct ration__stored_key *stored = &store->key;
	MDB_val found;
	int rc;

	if (store->failed)
		return store->failed;
	rc = store_key(stored, key, key_length);
	if (rc != 0)
		return rc;
	rc = ration__env_get(&store->hot, store->mtxn, &stored->val, &found);
	if (rc == MDB_NOTFOUND)
		return RATION_EEMPTY;
	if (rc != 0)
		return fail(store, ration__env_error(rc));
	envelope = open_envelope(&store->hot, stored->hash, &found);
	if (!envelope || envelope->type != type)
		return fail(store, RATION_EIO);
	*value = envelope + 1;
	*length = envelope->length;
	return 0;
}

int ration__txn_put(struct ration__txn *txn, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	struct ration__store *store = txn->store;
	struct envelope envelope = {
		.length = (uint32_t)length, .type = type, .version = ENVELOPE_VERSION};
	size_t padded = (length + PAD - 1) & ~(size_t)(PAD - 1);
	struct ration__stored_key *stored = &store->key;
	MDB_val room;
	uint8_t *out;
	int rc;

	if (store->failed)
		return store->failed;
	if (length < 8)
		return RATION_EINVAL;
	if (length > RATION__VALUE_MAX)
		return RATION_ETOOBIG;
	rc = store_key(stored, key, key_length);
	if (rc != 0)
		return rc;
	envelope.sum = sum_of(stored->hash, type, value, length);
	room.mv_size = sizeof(envelope) + padded;
	rc = ration__env_put(&store->hot, store->mtxn, &stored->val, &room, MDB_RESERVE);
	if (rc != 0)
		return fail(store, ration__env_error(rc));
	out = room.mv_data;
	memcpy(out, &envelope, sizeof(envelope));
	memcpy(out + sizeof(envelope), value, length);
	memset(out + sizeof(envelope) + length, 0, padded - length);
	return 0;
}

int ration__txn_del(struct ration__txn *txn, const void *key, size_t key_length)
{
	struct ration__store *store = txn->store;
	struct ration__stored_key *stored = &store->key;
	int rc;

	if (store->failed)
		return store->failed;
	rc = store_key(stored, key, key_length);
	if (rc != 0)
		return rc;
	rc = ration__env_del(&store->hot, store->mtxn, &stored->val);
	if (rc == MDB_NOTFOUND)
		return RATION_EEMPTY;
	return rc ? fail(store, ration__env_error(rc)) : 0;
}

static int visit_one(struct ration__store *store, const MDB_val *key, size_t length,
	const MDB_val *value, ration__visit_fn fn, void *arg, int *answer)
{
	const struct envelope *envelope =
		open_envelope(&store->hot, ration__hash64(key->mv_data, key->mv_size), value);

	if (!envelope)
		return RATION_EIO;
	*answer = fn(arg, key->mv_data, length, envelope->type, envelope + 1, envelope->length);
	return 0;
}

int ration__txn_visit(struct ration__txn *txn, const void *prefix, size_t prefix_length,
	const void *from, size_t from_length, size_t max, ration__visit_fn fn, void *arg,
	void *next, size_t *next_length)
{
	struct ration__store *store = txn->store;
	struct ration__stored_key start = {.length = 0};
	MDB_cursor *cursor;
	MDB_val key, value;
	size_t seen = 0, length = 0;
	int rc, answer = 0;

	if (store->failed)
		return store->failed;
	if (from && (rc = store_key(&start, from, from_length)) != 0)
		return rc;
	rc = ration__env_cursor(&store->hot, store->mtxn, &cursor);
	if (rc != 0)
		return fail(store, ration__env_error(rc));
	key.mv_data = from ? start.val.mv_data : (void *)(uintptr_t)prefix;
	key.mv_size = from ? start.val.mv_size : prefix_length;
	rc = ration__env_seek(
		&store->hot, cursor, &key, &value, key.mv_size ? MDB_SET_RANGE : MDB_FIRST);
	for (; rc == 0; rc = ration__env_seek(&store->hot, cursor, &key, &value, MDB_NEXT)) {
		if (key.mv_size < prefix_length ||
			(prefix_length && memcmp(key.mv_data, prefix, prefix_length) != 0)) {
			rc = MDB_NOTFOUND;
			break;
		}
		rc = ration__key_load(&key, &length);
		if (rc == RATION_EEMPTY || (rc == 0 && length < prefix_length))
			continue; /* the marker; or only the padding looks like the prefix */
		if (rc != 0 || answer != 0 || seen == max)
			break;
		rc = visit_one(store, &key, length, &value, fn, arg, &answer);
		if (rc != 0)
			break;
		seen++;
	}
	if (rc == 0 && next)
		memcpy(next, key.mv_data, length);
	mdb_cursor_close(cursor);
	/* codes of ours are above LMDB's (which end at -30,780) and below errno's */
	if (rc < 0 && rc > MDB_LAST_ERRCODE)
		return fail(store, rc);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return fail(store, ration__env_error(rc));
	if (next_length)
		*next_length = rc == 0 ? length : 0;
	return answer;
}
