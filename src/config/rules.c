/* What the fleet shares of a service, from settings. Limits stand in the order of their names, so
 * that the order in a file makes no other definition. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/limit.h"
#include "config/policies.h"
#include "config/preset.h"
#include "config/value.h"

struct name {
	char name[RATION__PART_MAX];
	const char *group; /* "limits", "quotas", "learned" */
};

/* The names of a service's limits and quotas. */
struct names {
	struct name list[RATION__LIMITS_MAX];
	uint32_t count;
	const char *group; /* of what is added */
	ration_error **err;
};

static int add_name(void *arg, const char *name, const struct ration__entry *entry)
{
	struct names *names = arg;

	for (uint32_t i = 0; i < names->count; i++) {
		if (strcmp(names->list[i].name, name))
			continue;
		if (names->list[i].group == names->group)
			return 0; /* another setting of the same */
		return ration__bind_fail(entry, NULL, NULL, NULL, names->err,
			"a limit of the service has this name already");
	}
	if (names->count == RATION__LIMITS_MAX)
		return ration__bind_fail(entry, NULL, NULL, NULL, names->err,
			"a service has at most 12 limits and quotas");
	snprintf(names->list[names->count].name, RATION__PART_MAX, "%s", name);
	names->list[names->count++].group = names->group;
	return 0;
}

/* The limit that comes with the service's preset, unless it has one of that name. */
static int add_learned(struct names *names, const ration_config *config, const char *service)
{
	struct ration__preset preset;
	const char *preset_name;
	int rc = ration__preset_of(config, service, &preset, &preset_name, names->err);

	if (rc <= 0)
		return rc;
	for (uint32_t i = 0; i < names->count; i++)
		if (!strcmp(names->list[i].name, "learned"))
			return 0;
	names->group = "learned";
	return add_name(
		names, "learned", ration__bind_entry(config, "services.*.preset", service, NULL));
}

/* Limits first, then quotas, by name. */
static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int quotas = !strcmp(x->group, "quotas") - !strcmp(y->group, "quotas");

	return quotas ? quotas : strcmp(x->name, y->name);
}

static int compile_limits(const ration_config *config, const char *service,
	struct ration__rules *rules, ration_error **err)
{
	struct names names = {.group = "limits", .err = err};
	int rc = ration__bind_each(config, service, "limits", add_name, &names);

	names.group = "quotas";
	if (rc == 0)
		rc = ration__bind_each(config, service, "quotas", add_name, &names);
	if (rc == 0)
		rc = add_learned(&names, config, service);
	qsort(names.list, names.count, sizeof(names.list[0]), compare_names);
	for (uint32_t i = 0; rc == 0 && i < names.count; i++) {
		struct ration__limit_source source = {.config = config,
			.service = service,
			.name = names.list[i].name,
			.group = names.list[i].group};
		struct ration__limit *limit = &rules->limits[rules->limit_count++];

		if (!strcmp(source.group, "learned")) {
			rc = ration__adaptive_learned(config, service, limit, err);
			continue;
		}
		rc = ration__limit_compile(&source, limit, err);
		if (rc == 0)
			rc = ration__overrides_compile(&source, rules, i, err);
	}
	return rc;
}

static void compile_waits(
	const ration_config *config, const char *service, struct ration__own_rules *own)
{
	const struct ration__entry *wait_for =
		ration__bind_entry(config, "services.*.wait_for", service, NULL);
	struct ration__list list;
	char item[16];

	if (!wait_for)
		return;
	ration__list_init(&list, wait_for->text);
	while (ration__list_next(&list, item, sizeof(item)) == 1) {
		own->wait_breaker |= !strcmp(item, "breaker");
		own->wait_quota |= !strcmp(item, "quota");
	}
}

int ration__config_rules(const ration_config *config, const char *service,
	struct ration__rules *out, ration_error **err)
{
	struct ration__rules *rules;
	int rc;

	if (!ration__config_has_service(config, service))
		return ration__bind_fail_service(service, err);
	rules = calloc(1, sizeof(*rules)); /* all bytes: rules are compared as they stand */
	if (!rules)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	rules->version = RATION__RULES_VERSION;
	snprintf(rules->service, sizeof(rules->service), "%s", service);
	ration__bind_all(config, RATION__TARGET_RULES, "services.*.", service, NULL, rules);
	compile_waits(config, service, &rules->own);
	rc = ration__keys_check(config, service, err);
	if (rc == 0)
		rc = compile_limits(config, service, rules, err);
	if (rc == 0)
		rc = ration__policies_compile(config, service, rules, err);
	if (rc == 0)
		memcpy(out, rules, sizeof(*out));
	free(rules);
	return rc;
}
