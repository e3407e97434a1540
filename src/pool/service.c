/* What a service's rules and settings mean for its lanes. See service.h. */
#include "pool/service.h"

#include <stdlib.h>
#include <string.h>
#include "pool/nodes.h"

void ration__service_read(struct ration__pool_service *service)
{
	ration__guard_rules(service->guard, &service->rules);
	service->looks = ration__rules_look(&service->rules);
	service->names_node = ration__service_rule_by_node(service, RATION__RULE_BREAKER) ||
			      ration__service_rule_by_node(service, RATION__RULE_PLACE);
	for (uint32_t i = 0; i < service->rules.limit_count; i++)
		service->names_node |= ration__service_rule_by_node(service, (int)i);
}

void ration__service_fini(struct ration__pool_service *service)
{
	while (service->reasons) {
		struct ration__reason *reason = service->reasons;

		service->reasons = reason->next;
		free(reason);
	}
}

const char *ration__service_reason(struct ration__pool_service *service, int rule)
{
	struct ration__reason *reason = malloc(sizeof(*reason));

	if (!reason)
		return "limit";
	ration__rule_name(reason->name, sizeof(reason->name), service->guard, rule);
	for (const struct ration__reason *old = service->reasons; old; old = old->next)
		if (strcmp(old->name, reason->name) == 0) {
			free(reason);
			return old->name;
		}
	reason->next = service->reasons;
	service->reasons = reason;
	return reason->name;
}

static const struct ration__limit *limit_of(const struct ration__pool_service *service, int rule)
{
	return rule >= 0 && (uint32_t)rule < service->rules.limit_count
		       ? &service->rules.limits[rule]
		       : NULL;
}

const char (*ration__service_per(
	const struct ration__pool_service *service, int rule))[RATION__KEYNAME_MAX]
{
	const struct ration__limit *limit = limit_of(service, rule);

	if (limit)
		return limit->per;
	switch (rule) {
	case RATION__RULE_BREAKER:
		return service->rules.breaker_per;
	case RATION__RULE_PLACE:
		return service->rules.place_per;
	case RATION__RULE_COOLDOWN:
		return service->rules.cooldown_per;
	default:
		return NULL;
	}
}

bool ration__service_rule_by_node(const struct ration__pool_service *service, int rule)
{
	const char(*per)[RATION__KEYNAME_MAX] = ration__service_per(service, rule);
	const struct ration__limit *limit = limit_of(service, rule);
	bool named = false;

	for (int i = 0; per && i < RATION__PER_MAX && per[i][0]; i++)
		named |= strcmp(per[i], RATION__KEY_NODE) == 0;
	for (int i = 0; limit && i < RATION__WHEN_KEYS; i++)
		named |= strcmp(limit->when.keys[i].name, RATION__KEY_NODE) == 0;
	return named;
}

bool ration__service_by_node(const struct ration__pool_service *service)
{
	return service->names_node && service->nodes && ration__nodes_count(service->nodes) > 0;
}

static int compare(const void *value, const void *weight)
{
	return strcmp(value, ((const struct ration__fair_weight *)weight)->value);
}

uint32_t ration__service_weight(const struct ration__pool_service *service, const char *tenant)
{
	const struct ration__fairness *fairness = service->fairness;
	const struct ration__fair_weight *weight = NULL;

	if (fairness && fairness->weight_count)
		weight = bsearch(tenant, fairness->weights, fairness->weight_count, sizeof(*weight),
			compare);
	return weight && weight->weight ? weight->weight : 1;
}

bool ration__service_eventful(const struct ration__pool_service *service, int rule)
{
	const struct ration__limit *limit = limit_of(service, rule);

	/* Permits, probes and the ledger come by what others do; tokens and a server's word come by
	 * time. */
	if (limit)
		return limit->kind == RATION__LIMIT_QUOTA;
	return rule != RATION__RULE_COOLDOWN;
}

bool ration__service_settles(const struct ration__pool_service *service, int rule)
{
	const struct ration__limit *limit = limit_of(service, rule);

	for (size_t i = 0; limit && i < service->conf->actual_count; i++)
		if (strcmp(service->conf->actuals[i].unit, limit->unit) == 0)
			return true;
	return false;
}

bool ration__service_node_cools(const struct ration__pool_service *service)
{
	const char(*per)[RATION__KEYNAME_MAX] = service->rules.cooldown_per;

	return service->nodes && ration__nodes_count(service->nodes) > 1 &&
	       (!per[0][0] || (!strcmp(per[0], RATION__KEY_NODE) && !per[1][0]));
}
