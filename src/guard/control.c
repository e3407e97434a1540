/* Steering: putting records back to their first state. See guard.h. */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>

#define RESET_BATCH 64

/* Keys of one type and service, copied out because resetting changes the tree. */
struct reset_list {
	size_t count, length[RESET_BATCH];
	uint8_t keys[RESET_BATCH][RATION__KEY_MAX];
	const char *name; /* NULL: every limit */
};

static int list_key(void *arg, const void *key, size_t key_length, uint16_t type, const void *value,
	size_t length)
{
	struct reset_list *list = arg;
	struct ration__key_part parts[2];
	size_t count = ration__key_split(key, key_length, parts, 2);

	if (list->name && (count < 2 || strlen(list->name) != parts[1].length ||
				  memcmp(list->name, parts[1].text, parts[1].length) != 0))
		return 0;
	memcpy(list->keys[list->count], key, key_length);
	list->length[list->count++] = key_length;
	return 0;
}

/* Closed, but not forgotten: results of calls that are out must not count as those of later probes.
 */
static int reset_breaker(struct ration__txn *txn, const uint8_t *key, size_t key_length)
{
	struct ration__breaker state;
	const void *value;
	size_t length;
	int rc = ration__txn_get(txn, key, key_length, RATION__LAYOUT(key[0]), &value, &length);

	if (rc < 0)
		return rc == RATION_EEMPTY ? 0 : rc;
	if (length == sizeof(state)) {
		memcpy(&state, value, sizeof(state));
		ration__breaker_reset(&state);
		if (state.rest_at_ns > txn->now_ns)
			return ration__txn_put(txn, key, key_length, RATION__LAYOUT(key[0]), &state,
				sizeof(state));
	}
	rc = ration__txn_del(txn, key, key_length);
	return rc == RATION_EEMPTY ? 0 : rc;
}

/* A zero state that stays for an hour: were the record just deleted, it would count as spent after
 * a wipe. */
static int reset_record(struct ration__engine *engine, struct ration__txn *txn, const uint8_t *key,
	size_t key_length)
{
	union {
		int64_t rest_at_ns;
		struct ration__bucket bucket;
		struct ration__window window;
	} zero;
	size_t size = key[0] == RATION__RECORD_BUCKET ? sizeof(zero.bucket) : sizeof(zero.window);

	if (key[0] == RATION__RECORD_BREAKER)
		return reset_breaker(txn, key, key_length);
	if (key[0] == RATION__RECORD_QUOTA) {
		int rc = ration__txn_del(txn, key, key_length);

		return rc == RATION_EEMPTY ? 0 : rc;
	}
	memset(&zero, 0, sizeof(zero));
	zero.rest_at_ns = txn->now_ns + 3600 * RATION__NS_PER_S;
	return ration__txn_put(txn, key, key_length, RATION__LAYOUT(key[0]), &zero, size);
}

/* One hold of the gate. *next_length 0: it was the last. */
static int reset_some(struct ration__engine *engine, struct reset_list *list, const uint8_t *prefix,
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
		rc = reset_record(engine, txn, list->keys[i], list->length[i]);
	if (rc == 0)
		rc = ration__store_commit(txn);
	else
		ration__store_abort(txn);
unlock:
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}

static int reset_type(struct ration__engine *engine, struct reset_list *list,
	enum ration__record_type type, const char *service)
{
	uint8_t prefix[RATION__KEY_ROOM], next[RATION__KEY_MAX];
	size_t prefix_length = ration__key_build(prefix, type, service, NULL, NULL, 0);
	size_t next_length = 0;
	int rc;

	do {
		rc = reset_some(engine, list, prefix, prefix_length, next, &next_length);
		/* the ledger after hot/, outside the gate: what hot/ reads back is the new value */
		for (size_t i = 0; rc == 0 && type == RATION__RECORD_QUOTA && i < list->count; i++)
			rc = ration__ledger_reset(engine, list->keys[i], list->length[i]);
	} while (rc == 0 && next_length);
	return rc;
}

int ration__engine_reset(struct ration__engine *engine, const char *selector, ration_error **err)
{
	static const enum ration__record_type limits[] = {
		RATION__RECORD_BUCKET, RATION__RECORD_WINDOW, RATION__RECORD_QUOTA};
	struct reset_list *list = malloc(sizeof(*list));
	const char *slash = strrchr(selector, '/');
	char service[RATION__NAME_MAX];
	size_t length;
	int rc = 0;

	if (!list)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	/* an origin has slashes of its own: only what follows it is a limit's name */
	if (slash && slash > selector && slash[-1] == '/')
		slash = NULL;
	list->name = slash ? slash + 1 : NULL;
	length = slash ? (size_t)(slash - selector) : strlen(selector);
	if (length == 0 || length >= sizeof(service)) {
		free(list);
		return ration__error_set(
			err, RATION_EINVAL, "\"%s\": expected SERVICE or SERVICE/NAME", selector);
	}
	memcpy(service, selector, length);
	service[length] = 0;
	if (!list->name || strcmp(list->name, "breaker") != 0)
		for (size_t i = 0; rc == 0 && i < RATION__COUNT(limits); i++)
			rc = reset_type(engine, list, limits[i], service);
	if (rc == 0 && (!list->name || strcmp(list->name, "breaker") == 0)) {
		list->name = NULL;
		rc = reset_type(engine, list, RATION__RECORD_BREAKER, service);
	}
	free(list);
	if (rc < 0)
		return ration__error_set(err, rc, "%s: %s", selector, ration_strerror(rc));
	ration__engine_notify(engine);
	return 0;
}
