/* Where a service's responses tell what calls really cost. See service.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/pair.h"
#include "base/util.h"
#include "config/service.h"
#include "config/value.h"

struct sources {
	const ration_config *config;
	const char *service;
	const char *group; /* that is looked at */
	struct ration__sources *out;
	ration_error **err;
};

static double estimate_of(const struct sources *sources, const char *name)
{
	struct ration__value value = {.number = 1};
	const struct ration__entry *entry;
	char pattern[48];

	snprintf(pattern, sizeof(pattern), "services.*.%s.*.estimate", sources->group);
	entry = ration__bind_entry(sources->config, pattern, sources->service, name);
	if (entry)
		ration__value_parse(entry->setting, entry->text, &value);
	return value.number;
}

static int add_source(void *arg, const char *name, const struct ration__entry *entry)
{
	struct sources *sources = arg;
	const struct ration__entry *unit;
	char pattern[48];

	if (entry->setting->type != RATION__TYPE_SOURCE)
		return 0;
	snprintf(pattern, sizeof(pattern), "services.*.%s.*.unit", sources->group);
	unit = ration__bind_entry(sources->config, pattern, sources->service, name);
	if (!unit)
		return 0; /* refused with the limit */
	for (size_t i = 0; i < sources->out->count; i++) {
		if (strcmp(sources->out->list[i].unit, ration__unit_of(unit->text)))
			continue;
		if (!strcmp(sources->out->list[i].source, entry->text))
			return 0;
		return ration__bind_fail(entry, NULL, NULL, NULL, sources->err,
			"another limit reads the cost in this unit from elsewhere");
	}
	if (sources->out->count == RATION__ACTUALS_MAX)
		return ration__bind_fail(entry, NULL, NULL, NULL, sources->err,
			"responses tell the cost in at most 8 units");
	sources->out->list[sources->out->count++] =
		(struct ration__actual){.unit = ration__unit_of(unit->text),
			.source = entry->text,
			.estimate = estimate_of(sources, name)};
	return 0;
}

static int compare_sources(const void *a, const void *b)
{
	return strcmp(
		((const struct ration__actual *)a)->unit, ((const struct ration__actual *)b)->unit);
}

int ration__sources_find(const ration_config *config, const char *service,
	struct ration__sources *out, ration_error **err)
{
	static const char *const groups[] = {"limits", "quotas"};
	struct sources sources = {.config = config, .service = service, .out = out, .err = err};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < RATION__COUNT(groups); i++) {
		sources.group = groups[i];
		rc = ration__bind_each(config, service, groups[i], add_source, &sources);
	}
	qsort(out->list, out->count, sizeof(*out->list), compare_sources);
	return rc;
}
