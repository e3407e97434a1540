/*
 * Guards: opening one puts its service's definition into the store, or follows what is there. While
 * the store cannot answer, or has no room, that is done with the first transaction that succeeds.
 */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>

struct ration__engine *ration__guard_engine(const struct ration__guard *guard)
{
	return guard->engine;
}

const char *ration__guard_service(const struct ration__guard *guard)
{
	return guard->own.service;
}

void ration__guard_rules(const struct ration__guard *guard, struct ration__rules *rules)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)&guard->rules_mutex;

	pthread_mutex_lock(mutex);
	*rules = guard->rules;
	pthread_mutex_unlock(mutex);
}

static void unlink_guard(struct ration__guard *guard)
{
	struct ration__guard **link = &guard->engine->guards;

	while (*link && *link != guard)
		link = &(*link)->next;
	if (*link)
		*link = guard->next;
}

static int put_definition(struct ration__guard *guard, char *diff, size_t size)
{
	struct ration__engine *engine = guard->engine;
	struct ration__txn *txn;
	int rc = ration__store_begin(engine->store, -1, &txn);

	diff[0] = 0;
	if (rc < 0)
		return rc;
	rc = ration__definition_put(guard, txn, diff, size);
	if (rc == 0) /* other guards of this process on the same service follow too */
		rc = ration__definition_follow(engine, txn);
	if (rc == 0)
		rc = ration__store_commit(txn);
	else
		ration__store_abort(txn);
	ration__definition_end(engine, rc == 0);
	return rc;
}

/* Puts the definition into the store, or follows the one that is there. */
static int define(struct ration__guard *guard, char *diff, size_t size)
{
	struct ration__engine *engine = guard->engine;
	int rc;

	pthread_mutex_lock(&engine->mutex);
	ration__operator_follow(engine);
	guard->next = engine->guards;
	engine->guards = guard;
	rc = put_definition(guard, diff, size);
	if (rc == RATION_ENOSPC && ration__full_help(engine, -1))
		rc = put_definition(guard, diff, size);
	if (rc == RATION_ENOSPC)
		rc = ration__full_begin(engine);
	if (rc == RATION_ESTORE) { /* its policy decides, until the store answers (local.c) */
		engine->undefined = true;
		diff[0] = 0;
		rc = 0;
	}
	if (rc < 0)
		unlink_guard(guard);
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}

int ration__guard_open(struct ration__engine *engine, const struct ration__rules *rules,
	struct ration__guard **out, ration_error **err)
{
	struct ration__guard *guard = calloc(1, sizeof(*guard));
	char diff[512] = "";
	int rc;

	if (!guard)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	guard->engine = engine;
	pthread_mutex_init(&guard->rules_mutex, NULL);
	guard->rules = guard->own = *rules;
	guard->rules.version = guard->own.version = RATION__RULES_VERSION;
	atomic_init(&guard->serial, 1);
	atomic_init(&guard->refs, 1);
	guard->definition_length = ration__key_build(guard->definition_key,
		RATION__RECORD_DEFINITION, rules->service, NULL, NULL, NULL, 0);
	ration__common_init(guard);
	rc = define(guard, diff, sizeof(diff));
	if (rc < 0) {
		ration__guard_unref(guard);
		return ration__error_set(err, rc, "service %s: cannot register its definition: %s",
			rules->service, ration_strerror(rc));
	}
	if (diff[0])
		ration__engine_log(
			engine, RATION_LOG_WARNING, "service %s: %s", rules->service, diff);
	*out = guard;
	return 0;
}

void ration__guard_close(struct ration__guard *guard)
{
	if (!guard || ration__store_forked(guard->engine->store))
		return; /* in a child it is left alone: a lost thread may hold the lock */
	pthread_mutex_lock(&guard->engine->mutex);
	ration__lazy_flush(guard->engine); /* it may be of this guard */
	unlink_guard(guard);
	pthread_mutex_unlock(&guard->engine->mutex);
	ration__guard_unref(guard);
}

void ration__guard_unref(struct ration__guard *guard)
{
	if (atomic_fetch_sub(&guard->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&guard->rules_mutex);
	free(guard);
}
