/*
 * The guard's public face: guards and permits for callers that are no HTTP at all.
 * Argument checks, ownership, words; the decision is guard/'s.
 */
#include <ration/guard.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "client/store.h"
#include "config/compile.h"

#define KEYS_MAX 16
#define COSTS_MAX 8

struct ration_guard {
	struct ration__engine *engine;
	struct ration__guard *guard;
};

struct ration_permit {
	ration_guard *guard;
	struct ration__keyset *keyset; /* NULL: keys changed since it was made */
	struct ration__grant grant;
	struct ration__pair keys[KEYS_MAX]; /* owned */
	size_t key_count;
	struct ration__cost costs[COSTS_MAX]; /* units owned */
	size_t cost_count;
	int denial;
	int64_t retry_after_ms;
	char why[256];
	char rule[160];
	uint8_t mode; /* of the last decision */
};

int ration_guard_open(
	const ration_config *config, const char *service, ration_guard **out, ration_error **err)
{
	struct ration__rules *rules;
	ration_guard *guard;
	int rc;

	if (!config || !service || !out)
		return ration__error_set(
			err, RATION_EINVAL, "config, service and guard are needed");
	guard = calloc(1, sizeof(*guard));
	rules = calloc(1, sizeof(*rules));
	rc = guard && rules ? ration__config_rules(config, service, rules, err)
			    : ration__error_set(err, RATION_ENOMEM, "out of memory");
	if (rc == 0)
		rc = ration__client_engine(config, false, &guard->engine, err);
	if (rc == 0) {
		rc = ration__guard_open(guard->engine, rules, &guard->guard, err);
		if (rc < 0)
			ration__engine_close(guard->engine);
	}
	free(rules);
	if (rc < 0)
		free(guard);
	else
		*out = guard;
	return rc;
}

void ration_guard_close(ration_guard *guard)
{
	if (!guard)
		return;
	ration__guard_close(guard->guard);
	ration__engine_close(guard->engine);
	free(guard);
}

ration_permit *ration_permit_new(ration_guard *guard)
{
	ration_permit *permit = guard ? calloc(1, sizeof(*permit)) : NULL;

	if (permit) {
		permit->guard = guard;
		permit->retry_after_ms = -1;
	}
	return permit;
}

static void drop_keyset(ration_permit *permit)
{
	if (permit->keyset)
		ration__guard_leave(permit->keyset);
	ration__keyset_unref(permit->keyset);
	permit->keyset = NULL;
}

int ration_permit_set_key(ration_permit *permit, const char *name, const char *value)
{
	char *own_name, *own_value;
	size_t at = 0;

	if (!permit || !name || !name[0] || !value)
		return RATION_EINVAL;
	if (permit->grant.seq)
		return RATION_EBUSY;
	if (strlen(name) >= RATION__KEYNAME_MAX || strlen(value) > 255)
		return RATION_ETOOBIG;
	while (at < permit->key_count && strcmp(permit->keys[at].name, name) != 0)
		at++;
	if (at == KEYS_MAX)
		return RATION_ETOOBIG;
	own_value = strdup(value);
	own_name = at == permit->key_count ? strdup(name) : NULL;
	if (!own_value || (at == permit->key_count && !own_name)) {
		free(own_value);
		free(own_name);
		return RATION_ENOMEM;
	}
	drop_keyset(permit);
	if (at == permit->key_count) {
		permit->keys[at].name = own_name;
		permit->key_count++;
	} else {
		free((char *)permit->keys[at].value);
	}
	permit->keys[at].value = own_value;
	return 0;
}

int ration_permit_set_cost(ration_permit *permit, const char *unit, double cost)
{
	size_t at = 0;
	char *own;

	if (!permit || !unit || !(cost >= 0 && cost <= 1e12) || strlen(unit) >= RATION__KEYNAME_MAX)
		return RATION_EINVAL;
	if (permit->grant.seq)
		return RATION_EBUSY;
	while (at < permit->cost_count && strcmp(permit->costs[at].unit, unit) != 0)
		at++;
	if (at == COSTS_MAX)
		return RATION_ETOOBIG;
	if (at == permit->cost_count) {
		own = strdup(unit);
		if (!own)
			return RATION_ENOMEM;
		permit->costs[permit->cost_count++].unit = own;
	}
	permit->costs[at].cost = cost;
	return 0;
}

static int make_keyset(ration_permit *permit)
{
	const char *missing = NULL;
	int rc;

	if (permit->keyset)
		return 0;
	rc = ration__keyset_new(
		permit->guard->guard, permit->keys, permit->key_count, &permit->keyset, &missing);
	if (rc == RATION_EKEY)
		snprintf(permit->why, sizeof(permit->why), "key \"%s\" is required", missing);
	return rc;
}

static void remember(ration_permit *permit, const struct ration__ask *ask, int denial)
{
	int64_t now_ns = ration__engine_now(permit->guard->engine);

	permit->denial = denial;
	permit->why[0] = permit->rule[0] = 0;
	permit->retry_after_ms = -1;
	permit->mode = permit->grant.mode;
	if (denial <= 0)
		return;
	ration__denial_text(permit->why, sizeof(permit->why), permit->guard->guard, ask, now_ns);
	ration__rule_name(permit->rule, sizeof(permit->rule), permit->guard->guard, ask->rule);
	if (strchr(permit->rule, ':')) /* the limit's own name */
		memmove(permit->rule, strchr(permit->rule, ':') + 1,
			strlen(strchr(permit->rule, ':') + 1) + 1);
	if (ask->at_ns < RATION__NEVER)
		permit->retry_after_ms =
			ask->at_ns <= now_ns
				? 0
				: (ask->at_ns - now_ns + RATION__NS_PER_MS - 1) / RATION__NS_PER_MS;
}

static int64_t to_ns(int64_t ms)
{
	if (ms < 0)
		return -1;
	return ms > RATION__NEVER / RATION__NS_PER_MS ? -1 : ms * RATION__NS_PER_MS;
}

int ration_permit_acquire(ration_permit *permit, int64_t timeout_ms)
{
	int64_t left_ns = to_ns(timeout_ms), end_ns;
	struct ration__ask ask;
	int rc;

	if (!permit)
		return RATION_EINVAL;
	if (permit->grant.seq)
		return RATION_EBUSY;
	end_ns = ration__engine_now(permit->guard->engine) + left_ns;
	do {
		rc = make_keyset(permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_acquire(permit->keyset, permit->costs, permit->cost_count,
			&permit->grant, left_ns, &ask);
		if (rc == RATION_EAGAIN)
			drop_keyset(permit); /* the rules changed */
		if (left_ns > 0)
			left_ns = ration__max64(
				0, end_ns - ration__engine_now(permit->guard->engine));
	} while (rc == RATION_EAGAIN);
	remember(permit, &ask, rc);
	return rc;
}

int ration_permit_peek(ration_permit *permit)
{
	struct ration__ask ask;
	int rc;

	if (!permit)
		return RATION_EINVAL;
	do {
		rc = make_keyset(permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_peek(permit->keyset, permit->costs, permit->cost_count, &ask);
		if (rc == RATION_EAGAIN)
			drop_keyset(permit); /* the rules changed; what is held has a reference */
	} while (rc == RATION_EAGAIN);
	if (rc >= 0)
		remember(permit, &ask, rc);
	return rc;
}

int ration_permit_remaining(ration_permit *permit, const char *limit, double *left)
{
	int rc;

	if (!permit || !limit || !left)
		return RATION_EINVAL;
	do {
		rc = make_keyset(permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_remaining(permit->keyset, limit, left);
		if (rc == RATION_EAGAIN)
			drop_keyset(permit); /* the rules changed; what is held has a reference */
	} while (rc == RATION_EAGAIN);
	return rc;
}

const char *ration_permit_why(const ration_permit *permit)
{
	return permit ? permit->why : "";
}

const char *ration_permit_rule(const ration_permit *permit)
{
	return permit ? permit->rule : "";
}

int64_t ration_permit_retry_after_ms(const ration_permit *permit)
{
	return permit ? permit->retry_after_ms : -1;
}

const char *ration_permit_mode(const ration_permit *permit)
{
	return ration__mode_name(permit ? permit->mode : 0);
}

int ration_permit_release(ration_permit *permit, enum ration_outcome outcome)
{
	struct ration__settle settle;
	struct ration__batch batch = {.settles = &settle, .settle_count = 1};
	int rc;

	if (!permit || outcome < RATION_SUCCESS || outcome > RATION_IGNORED)
		return RATION_EINVAL;
	if (!permit->grant.seq)
		return 0;
	settle = (struct ration__settle){
		.grant = &permit->grant, .outcome = (enum ration__outcome)outcome, .last = true};
	do
		rc = ration__guard_transact(permit->guard->engine, &batch, -1);
	while (rc == RATION_EAGAIN);
	if (rc == 0 && permit->grant.seq) /* it could not be asked, and takes it back when it can */
		rc = RATION_ESTORE;
	if (rc == RATION_ESTORE)
		ration__grant_abandon(permit->guard->engine, &permit->grant);
	return rc;
}

void ration_permit_free(ration_permit *permit)
{
	if (!permit)
		return;
	ration_permit_release(permit, RATION_IGNORED);
	ration__grant_abandon(permit->guard->engine, &permit->grant);
	drop_keyset(permit);
	for (size_t i = 0; i < permit->key_count; i++) {
		free((char *)permit->keys[i].name);
		free((char *)permit->keys[i].value);
	}
	for (size_t i = 0; i < permit->cost_count; i++)
		free((char *)permit->costs[i].unit);
	free(permit);
}
