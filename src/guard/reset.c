/*
 * Records back to their first state: a bucket full, a quota unused, a breaker closed, nothing
 * learned. What is in flight stays in flight, and the operator's settings stay.
 */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>

#define RESET_BATCH 64
/* A zero state stays for so long: were the record just deleted, it would count as spent after a
 * wipe. */
#define STAY_NS (3600 * RATION__NS_PER_S)

/* ---- one record ---- */

static int put(struct ration__txn *txn, const uint8_t *key, size_t key_length, const void *state,
	size_t size)
{
	return ration__txn_put(txn, key, key_length, RATION__LAYOUT(key[0]), state, size);
}

static int drop(struct ration__txn *txn, const uint8_t *key, size_t key_length)
{
	int rc = ration__txn_del(txn, key, key_length);

	return rc == RATION_EEMPTY ? 0 : rc;
}

static int put_zero(struct ration__txn *txn, const uint8_t *key, size_t key_length, size_t size)
{
	union {
		int64_t rest_at_ns;
		struct ration__bucket bucket;
		struct ration__adaptive adaptive;
		struct ration__window window;
	} zero;

	memset(&zero, 0, sizeof(zero));
	zero.rest_at_ns = txn->now_ns + STAY_NS;
	return put(txn, key, key_length, &zero, size);
}

/* A copy of a record of least to size bytes; one of another size is dropped. *length stays 0 when
 * there is nothing left to reset. */
static int load(struct ration__txn *txn, const uint8_t *key, size_t key_length, size_t least,
	void *copy, size_t size, size_t *length)
{
	const void *value;
	size_t found;
	int rc = ration__txn_get(txn, key, key_length, RATION__LAYOUT(key[0]), &value, &found);

	if (rc < 0)
		return rc == RATION_EEMPTY ? 0 : rc;
	if (found < least || found > size)
		return drop(txn, key, key_length);
	memcpy(copy, value, found);
	*length = found;
	return 0;
}

/* Closed, but not forgotten: results of calls that are out must not count as those of later probes.
 */
static int reset_breaker(struct ration__txn *txn, const uint8_t *key, size_t key_length)
{
	union {
		struct ration__breaker state;
		unsigned char bytes[RATION__BREAKER_SIZE_MAX];
	} copy;
	size_t length = 0;
	int rc = load(txn, key, key_length, sizeof(copy.state), &copy, sizeof(copy), &length);

	if (rc < 0 || !length)
		return rc;
	ration__breaker_reset(&copy.state, txn->now_ns);
	return put(txn, key, key_length, &copy, length);
}

/* What was learned goes, permits and those who wait stay. Turns that exceed the limit now are put
 * right by the next transaction that deals. */
static int reset_concurrency(struct ration__txn *txn, const uint8_t *key, size_t key_length)
{
	union {
		struct ration__concurrency state;
		unsigned char bytes[RATION__CONCURRENCY_SIZE_MAX];
	} copy;
	size_t length = 0;
	int rc = load(txn, key, key_length, sizeof(copy.state), &copy, sizeof(copy), &length);

	if (rc < 0 || !length)
		return rc;
	if (copy.state.count == 0)
		return drop(txn, key, key_length);
	copy.state.limit = 0;
	copy.state.cut_ns = copy.state.noload_ns = copy.state.used_ns = 0;
	copy.state.round_samples = copy.state.round_peak = copy.state.rounds = 0;
	copy.state.round_ns = copy.state.probed = 0;
	return put(txn, key, key_length, &copy, length);
}

int ration__record_reset(struct ration__engine *engine, struct ration__txn *txn, const uint8_t *key,
	size_t key_length)
{
	switch (key[0]) {
	case RATION__RECORD_BUCKET:
		return put_zero(txn, key, key_length, sizeof(struct ration__bucket));
	case RATION__RECORD_ADAPTIVE:
		return put_zero(txn, key, key_length, sizeof(struct ration__adaptive));
	case RATION__RECORD_WINDOW:
		return put_zero(txn, key, key_length, sizeof(struct ration__window));
	case RATION__RECORD_BREAKER:
		ration__hint_raise(engine);
		return reset_breaker(txn, key, key_length);
	case RATION__RECORD_CONCURRENCY:
	case RATION__RECORD_PLACE:
		return reset_concurrency(txn, key, key_length);
	default: /* budget, cooldown: absent is the first state */
		return drop(txn, key, key_length);
	}
}

/* ---- many ---- */

/* Keys, copied out because resetting changes the tree. */
struct key_list {
	size_t count, length[RESET_BATCH];
	uint8_t keys[RESET_BATCH][RATION__KEY_MAX];
};

static int list_key(void *arg, const void *key, size_t key_length, uint16_t type, const void *value,
	size_t length)
{
	struct key_list *list = arg;

	memcpy(list->keys[list->count], key, key_length);
	list->length[list->count++] = key_length;
	return 0;
}

static int list_ledger_key(
	void *arg, const void *key, size_t key_length, const void *value, size_t length)
{
	return key_length <= RATION__KEY_MAX ? list_key(arg, key, key_length, 0, value, length) : 0;
}

/* One hold of the gate. *next_length 0: it was the last. */
static int reset_some(struct ration__engine *engine, struct key_list *list, const uint8_t *prefix,
	size_t prefix_length, uint8_t *next, size_t *next_length)
{
	struct ration__txn *txn;
	int rc;

	list->count = 0;
	pthread_mutex_lock(&engine->mutex);
	rc = ration__store_begin(engine->store, -1, &txn);
	if (rc < 0)
		goto unlock;
	rc = ration__txn_visit(txn, prefix, prefix_length, *next_length ? next : NULL, *next_length,
		RESET_BATCH, list_key, list, next, next_length);
	for (size_t i = 0; rc == 0 && i < list->count; i++)
		rc = ration__record_reset(engine, txn, list->keys[i], list->length[i]);
	if (rc == 0)
		rc = ration__store_commit(txn);
	else
		ration__store_abort(txn);
unlock:
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}

/* Quotas: whatever was used is in the ledger, also when hot/ knows nothing of it; resetting it
 * there resets hot/ too (quota.c). */
static int reset_ledger(struct ration__engine *engine, struct key_list *list, const uint8_t *prefix,
	size_t prefix_length)
{
	uint8_t next[RATION__LEDGER_KEY_MAX], from[RATION__LEDGER_KEY_MAX];
	size_t next_length = 0;
	int rc;

	do {
		list->count = 0;
		memcpy(from, next, next_length);
		rc = ration__ledger_visit(engine->store, prefix, prefix_length, -1,
			next_length ? from : NULL, next_length, RESET_BATCH, list_ledger_key, list,
			next, &next_length);
		for (size_t i = 0; rc == 0 && i < list->count; i++)
			rc = ration__ledger_reset(engine, list->keys[i], list->length[i]);
	} while (rc == 0 && next_length);
	return rc;
}

int ration__records_reset(struct ration__engine *engine, enum ration__record_type type,
	const uint8_t *prefix, size_t prefix_length)
{
	struct key_list *list = malloc(sizeof(*list));
	uint8_t next[RATION__KEY_MAX];
	size_t next_length = 0;
	int rc;

	if (!list)
		return RATION_ENOMEM;
	if (type == RATION__RECORD_QUOTA) {
		rc = reset_ledger(engine, list, prefix, prefix_length);
		free(list);
		return rc;
	}
	do
		rc = reset_some(engine, list, prefix, prefix_length, next, &next_length);
	while (rc == 0 && next_length);
	free(list);
	return rc;
}
