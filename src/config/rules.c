/* What the fleet shares of a service, from settings. Limits stand in the order of their names, so
 * that the order in a file makes no other definition. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/bind.h"
#include "config/value.h"

struct limit_source {
	const ration_config *config;
	const char *service, *name;
	const char *group; /* "limits", "quotas" */
	char pattern[48];
};

static const struct ration__entry *limit_entry(struct limit_source *source, const char *leaf)
{
	snprintf(source->pattern, sizeof(source->pattern), "services.*.%s.*%s%s", source->group,
		*leaf ? "." : "", leaf);
	return ration__bind_entry(source->config, source->pattern, source->service, source->name);
}

/* At the leaf's entry if it was set, else at the limit itself. */
static int fail_limit(
	struct limit_source *source, const char *leaf, ration_error **err, const char *what)
{
	const struct ration__entry *entry = limit_entry(source, leaf);

	if (!entry)
		entry = limit_entry(source, "");
	return ration__bind_fail(entry, source->pattern, source->service, source->name, err, what);
}

static void parse_entry(const struct ration__entry *entry, struct ration__value *value)
{
	ration__value_parse(entry->setting, entry->text, value);
}

static int compile_bucket(struct limit_source *source, const struct ration__entry *rate,
	struct ration__limit *limit, ration_error **err)
{
	const struct ration__entry *burst = limit_entry(source, "burst");
	struct ration__bucket_conf *bucket = &limit->bucket;
	struct ration__value value;

	limit->kind = RATION__LIMIT_BUCKET;
	parse_entry(rate, &value);
	bucket->rate = ration__rate_per_second(&value.rate);
	bucket->burst = bucket->rate > 1 ? bucket->rate : 1;
	if (burst) {
		parse_entry(burst, &value);
		bucket->burst =
			value.is_duration ? bucket->rate * ((double)value.ns / 1e9) : value.number;
	}
	if (bucket->burst < 1)
		return fail_limit(source, "burst", err, "is less than one at this rate");
	if (bucket->burst > 1e12)
		return fail_limit(source, "burst", err, "is more than 1e12 at this rate");
	if (limit->estimate > bucket->burst)
		return fail_limit(source, "estimate", err,
			"is above the burst: a call that does not say its cost could never go");
	return 0;
}

static int compile_window(
	struct limit_source *source, struct ration__limit *limit, ration_error **err)
{
	const struct ration__entry *max = limit_entry(source, "max");
	const struct ration__entry *window = limit_entry(source, "window");
	struct ration__value value;

	if (!max)
		return fail_limit(source, "window", err, "needs max as well");
	if (!window)
		return fail_limit(source, "max", err, "needs window as well, such as window: 24h");
	parse_entry(max, &value);
	if (limit->estimate > value.number)
		return fail_limit(source, "estimate", err,
			"is above max: a call that does not say its cost could never go");
	/* Rounded down: never more than max. */
	limit->window.max = (int64_t)(value.number * RATION__MICRO);
	parse_entry(window, &value);
	limit->window.window_ns = value.ns;
	return 0;
}

static int compile_limit(
	struct limit_source *source, struct ration__limit *limit, ration_error **err)
{
	const struct ration__entry *rate = limit_entry(source, "rate");
	bool windowed = limit_entry(source, "max") || limit_entry(source, "window");
	char prefix[32];

	snprintf(limit->name, sizeof(limit->name), "%s", source->name);
	snprintf(prefix, sizeof(prefix), "services.*.%s.", source->group);
	ration__bind_all(
		source->config, RATION__TARGET_LIMIT, prefix, source->service, source->name, limit);
	if (!strcmp(source->group, "quotas")) {
		limit->kind = RATION__LIMIT_QUOTA;
		if (!windowed)
			return fail_limit(source, "", err, "needs max and window");
		return compile_window(source, limit, err);
	}
	if (rate && windowed)
		return fail_limit(source, limit_entry(source, "max") ? "max" : "window", err,
			"cannot stand beside rate: make it a limit of its own");
	if (!rate && limit_entry(source, "burst"))
		return fail_limit(source, "burst", err, "needs rate as well");
	if (rate)
		return compile_bucket(source, rate, limit, err);
	if (!windowed)
		return fail_limit(source, "", err, "needs rate, or max and window");
	limit->kind = RATION__LIMIT_WINDOW;
	return compile_window(source, limit, err);
}

struct limits {
	struct limit_source source;
	struct ration__rules *rules;
	ration_error **err;
};

static int add_limit(void *arg, const char *name, const struct ration__entry *entry)
{
	struct limits *limits = arg;
	struct ration__rules *rules = limits->rules;
	bool quota = !strcmp(limits->source.group, "quotas");

	for (uint32_t i = 0; i < rules->limit_count; i++) {
		if (strcmp(rules->limits[i].name, name))
			continue;
		if (quota == (rules->limits[i].kind == RATION__LIMIT_QUOTA))
			return 0; /* another setting of the same */
		return ration__bind_fail(entry, NULL, NULL, NULL, limits->err,
			"a limit of the service has this name already");
	}
	if (rules->limit_count == RATION__LIMITS_MAX)
		return ration__bind_fail(entry, NULL, NULL, NULL, limits->err,
			"a service has at most 12 limits and quotas");
	limits->source.name = name;
	return compile_limit(&limits->source, &rules->limits[rules->limit_count++], limits->err);
}

int ration__config_rules(const ration_config *config, const char *service,
	struct ration__rules *out, ration_error **err)
{
	struct ration__rules *rules;
	struct limits limits = {.source = {.config = config, .service = service}, .err = err};
	const struct ration__entry *wait_for;
	struct ration__list list;
	char item[16];
	int rc;

	if (!ration__config_has_service(config, service))
		return ration__bind_fail_service(service, err);
	rules = calloc(1, sizeof(*rules)); /* all bytes: rules are compared as they stand */
	if (!rules)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	limits.rules = rules;
	rules->version = RATION__RULES_VERSION;
	snprintf(rules->service, sizeof(rules->service), "%s", service);
	ration__bind_all(config, RATION__TARGET_RULES, "services.*.", service, NULL, rules);
	wait_for = ration__bind_entry(config, "services.*.wait_for", service, NULL);
	if (wait_for) {
		ration__list_init(&list, wait_for->text);
		while (ration__list_next(&list, item, sizeof(item)) == 1) {
			rules->wait_breaker |= !strcmp(item, "breaker");
			rules->wait_quota |= !strcmp(item, "quota");
		}
	}
	limits.source.group = "limits";
	rc = ration__bind_each(config, service, "limits", add_limit, &limits);
	limits.source.group = "quotas";
	if (rc == 0)
		rc = ration__bind_each(config, service, "quotas", add_limit, &limits);
	if (rc == 0)
		memcpy(out, rules, sizeof(*out));
	free(rules);
	return rc;
}
