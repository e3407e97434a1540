/*
 * Guards and permits as objects: opened, made, told what calls they are for, freed.
 * Argument checks and ownership; the decision is guard/'s.
 */
#include "client/permit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/pair.h"
#include "base/util.h"
#include "client/store.h"

/* ---- guard ---- */

static void free_guard(ration_guard *guard)
{
	if (guard)
		ration__service_conf_fini(&guard->conf);
	free(guard);
}

/* A guard has no queue whose turns could be shared, but a mistake is one wherever it is read. */
static int check_fairness(const ration_config *config, const char *service, ration_error **err)
{
	struct ration__fairness_conf fairness;
	int rc = ration__config_fairness(config, service, &fairness, err);

	if (rc == 0)
		ration__fairness_conf_fini(&fairness);
	return rc;
}

int ration_guard_open(
	const ration_config *config, const char *service, ration_guard **out, ration_error **err)
{
	struct ration__config_hooks hooks;
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
		rc = check_fairness(config, service, err);
	if (rc == 0)
		rc = ration__config_service(config, service, &guard->conf, err);
	if (rc == 0)
		rc = ration__client_engine(config, false, &guard->engine, err);
	if (rc == 0) {
		rc = ration__guard_open(guard->engine, rules, &guard->guard, err);
		if (rc < 0)
			ration__engine_close(guard->engine);
		guard->observes = rules->own.observe;
	}
	free(rules);
	if (rc < 0) {
		free_guard(guard);
		return rc;
	}
	ration__callers_init(&guard->callers);
	ration__config_hooks(config, &hooks);
	guard->random = hooks.random;
	guard->random_arg = hooks.random_arg;
	*out = guard;
	return 0;
}

void ration_guard_close(ration_guard *guard)
{
	if (!guard)
		return;
	ration__guard_close(guard->guard);
	ration__engine_close(guard->engine);
	ration__callers_fini(&guard->callers);
	free_guard(guard);
}

/* ---- permit ---- */

ration_permit *ration_permit_new(ration_guard *guard)
{
	ration_permit *permit = guard ? calloc(1, sizeof(*permit)) : NULL;

	if (permit) {
		permit->guard = guard;
		permit->retry_after_ms = -1;
	}
	return permit;
}

void ration__permit_drop(ration_permit *permit)
{
	if (permit->keyset)
		ration__guard_leave(permit->keyset);
	ration__keyset_unref(permit->keyset);
	permit->keyset = NULL;
	permit->skip_known = false;
}

void ration_permit_free(ration_permit *permit)
{
	if (!permit)
		return;
	ration_permit_release(permit, RATION_IGNORED);
	ration__grant_abandon(permit->guard->engine, &permit->grant);
	ration__permit_drop(permit);
	for (size_t i = 0; i < permit->key_count; i++) {
		free((char *)permit->keys[i].name);
		free((char *)permit->keys[i].value);
	}
	for (size_t i = 0; i < permit->cost_count; i++)
		free((char *)permit->costs[i].unit);
	free(permit->method);
	free(permit->path);
	free(permit);
}

/* ---- what it is for ---- */

int ration_permit_set_key(ration_permit *permit, const char *name, const char *value)
{
	char *own_name, *own_value;
	size_t at = 0;

	if (!permit || !name || !name[0] || !value || strcmp(name, RATION__KEY_SERVICE) == 0)
		return RATION_EINVAL;
	if (permit->grant.seq)
		return RATION_EBUSY;
	if (strlen(name) >= RATION__KEYNAME_MAX || strlen(value) > 255)
		return RATION_ETOOBIG;
	while (at < permit->key_count && strcmp(permit->keys[at].name, name) != 0)
		at++;
	if (at == RATION__PERMIT_KEYS)
		return RATION_ETOOBIG;
	own_value = strdup(value);
	own_name = at == permit->key_count ? strdup(name) : NULL;
	if (!own_value || (at == permit->key_count && !own_name)) {
		free(own_value);
		free(own_name);
		return RATION_ENOMEM;
	}
	ration__permit_drop(permit);
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
	unit = ration__unit_of(unit);
	while (at < permit->cost_count && strcmp(permit->costs[at].unit, unit) != 0)
		at++;
	if (at == RATION__PERMIT_COSTS)
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

int ration_permit_set_call(ration_permit *permit, const char *method, const char *path)
{
	char *own_method, *own_path;

	if (!permit || (method && !method[0]) || (path && path[0] != '/'))
		return RATION_EINVAL;
	if (permit->grant.seq)
		return RATION_EBUSY;
	own_method = method ? strdup(method) : NULL;
	own_path = path ? strdup(path) : NULL;
	if ((method && !own_method) || (path && !own_path)) {
		free(own_method);
		free(own_path);
		return RATION_ENOMEM;
	}
	free(permit->method);
	free(permit->path);
	permit->method = own_method;
	permit->path = own_path;
	permit->skip_known = false;
	return 0;
}

/* ---- one policy alone ---- */

/* Bits of all that is not the rule. false: the service has none of that name. */
static bool skip_others(const struct ration__rules *rules, const char *rule, uint32_t *skip)
{
	for (uint32_t i = 0; i < rules->limit_count; i++)
		if (strcmp(rules->limits[i].name, rule) == 0) {
			*skip = ~(UINT32_C(1) << i);
			return true;
		}
	if (strcmp(rule, "breaker") ==
		0) /* an operator may force one open that is not configured */
		*skip = ~RATION__SKIP_BREAKER;
	else if (strcmp(rule, "cooldown") == 0)
		*skip = ~RATION__SKIP_COOLDOWN;
	else if (strcmp(rule, "concurrency") == 0 && (rules->concurrency.max || rules->place.max))
		*skip = ~RATION__SKIP_CONCURRENCY;
	else
		return false;
	return true;
}

static int find_skip(const ration_permit *permit, const char *rule, uint32_t *skip)
{
	struct ration__rules *rules = malloc(sizeof(*rules));
	int rc;

	if (!rules)
		return RATION_ENOMEM;
	ration__guard_rules(permit->guard->guard, rules);
	rc = skip_others(rules, rule, skip) ? 0 : RATION_EINVAL;
	free(rules);
	return rc;
}

int ration_permit_only(ration_permit *permit, const char *rule)
{
	uint32_t skip;
	int rc;

	if (!permit)
		return RATION_EINVAL;
	if (permit->grant.seq)
		return RATION_EBUSY;
	if (rule) {
		rc = strlen(rule) < sizeof(permit->only) ? find_skip(permit, rule, &skip)
							 : RATION_EINVAL;
		if (rc < 0)
			return rc;
	}
	ration__permit_drop(permit); /* what it had booked was for others as well */
	snprintf(permit->only, sizeof(permit->only), "%s", rule ? rule : "");
	return 0;
}

static int ready_keyset(ration_permit *permit)
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

int ration__permit_ready(ration_permit *permit)
{
	uint32_t others = 0;
	int rc = ready_keyset(permit);

	if (rc < 0 || permit->skip_known)
		return rc;
	/* after the keyset: rules that changed in between make it stale, so that this is found anew
	 */
	if (permit->only[0]) {
		rc = find_skip(permit, permit->only, &others);
		if (rc == RATION_EINVAL)
			snprintf(permit->why, sizeof(permit->why),
				"the service has no \"%s\" any more", permit->only);
		if (rc < 0)
			return rc;
	}
	permit->skip = others | ration__keyset_skip(permit->keyset, permit->method, permit->path);
	permit->skip_known = true;
	return 0;
}
