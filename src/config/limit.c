/* Limits and quotas from settings: which kind, and what contradicts. */
#include "config/limit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/pair.h"
#include "base/util.h"
#include "base/zone.h"
#include "config/value.h"

/* Longest hour (doubled), day (an hour more) and month (31 days and that hour). */
#define HOURS(n) ((n)*INT64_C(3600) * RATION__NS_PER_S)
static const int64_t longest_period[] = {0, HOURS(2), HOURS(25), HOURS(31 * 24 + 1)};

const struct ration__entry *ration__limit_entry(
	struct ration__limit_source *source, const char *leaf)
{
	snprintf(source->pattern, sizeof(source->pattern), "services.*.%s.*%s%s", source->group,
		*leaf ? "." : "", leaf);
	return ration__bind_entry(source->config, source->pattern, source->service, source->name);
}

int ration__limit_fail(
	struct ration__limit_source *source, const char *leaf, ration_error **err, const char *what)
{
	const struct ration__entry *entry = ration__limit_entry(source, leaf);

	if (!entry)
		entry = ration__limit_entry(source, "");
	return ration__bind_fail(entry, source->pattern, source->service, source->name, err, what);
}

static void parse_entry(const struct ration__entry *entry, struct ration__value *value)
{
	ration__value_parse(entry->setting, entry->text, value);
}

static int compile_bucket(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err)
{
	const struct ration__entry *burst = ration__limit_entry(source, "burst");
	struct ration__bucket_conf *bucket = &limit->bucket;
	struct ration__value value;

	limit->kind = RATION__LIMIT_BUCKET;
	parse_entry(ration__limit_entry(source, "rate"), &value);
	bucket->rate = ration__rate_per_second(&value.rate);
	bucket->burst = bucket->rate > 1 ? bucket->rate : 1;
	if (burst) {
		parse_entry(burst, &value);
		bucket->burst =
			value.is_duration ? bucket->rate * ((double)value.ns / 1e9) : value.number;
	}
	if (bucket->burst < 1)
		return ration__limit_fail(source, "burst", err, "is less than one at this rate");
	if (bucket->burst > 1e12)
		return ration__limit_fail(source, "burst", err, "is more than 1e12 at this rate");
	if (limit->estimate > bucket->burst)
		return ration__limit_fail(source, "estimate", err,
			"is above the burst: a call that does not say its cost could never go");
	return 0;
}

static int compile_window(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err)
{
	const struct ration__entry *max = ration__limit_entry(source, "max");
	const struct ration__entry *window = ration__limit_entry(source, "window");
	struct ration__value value;

	if (!max)
		return ration__limit_fail(source, "window", err, "needs max as well");
	if (!window)
		return ration__limit_fail(
			source, "max", err, "needs window as well, such as window: 24h");
	parse_entry(max, &value);
	if (value.is_rate)
		return ration__limit_fail(
			source, "max", err, "is a number in a limit with a window, such as 1000");
	if (limit->estimate > value.number)
		return ration__limit_fail(source, "estimate", err,
			"is above max: a call that does not say its cost could never go");
	/* Rounded down: never more than max. */
	limit->window.max = (int64_t)(value.number * RATION__MICRO);
	parse_entry(window, &value);
	if (value.word && limit->kind != RATION__LIMIT_QUOTA)
		return ration__limit_fail(
			source, "window", err, "is of the calendar: make it a quota");
	limit->calendar = value.word;
	limit->window.window_ns = value.word ? longest_period[value.word] : value.ns;
	return 0;
}

static int descending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x < y) - (x > y);
}

static int compile_warnings(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err)
{
	const struct ration__entry *entry = ration__limit_entry(source, "warn_below");
	struct ration__list list;
	char item[64];
	double number;
	size_t count = 0;

	if (!entry)
		return 0;
	ration__list_init(&list, entry->text);
	while (ration__list_next(&list, item, sizeof(item)) == 1) {
		ration__parse_number(item, &number);
		limit->warn[count] = (int64_t)(number * RATION__MICRO);
		if (limit->warn[count] >= limit->window.max)
			return ration__limit_fail(source, "warn_below", err, "is not below max");
		count++;
	}
	qsort(limit->warn, count, sizeof(*limit->warn), descending);
	return 0;
}

static int check_zone(
	struct ration__limit_source *source, const struct ration__limit *limit, ration_error **err)
{
	struct ration__zone *zone;
	int rc;

	if (!*limit->zone)
		return 0;
	if (!limit->calendar)
		return ration__limit_fail(
			source, "zone", err, "needs a window of the calendar: hour, day or month");
	rc = ration__zone_load(limit->zone, &zone);
	if (rc == RATION_ENOMEM)
		return ration__error_set(err, rc, "%s", ration_strerror(rc));
	if (rc < 0)
		return ration__limit_fail(source, "zone", err,
			rc == RATION_EINVAL
				? "is no time zone of this system: expected a name such as "
				  "Europe/Berlin"
				: "cannot be read from this system's time zones");
	ration__zone_free(zone);
	return 0;
}

static int compile_quota(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err)
{
	int rc;

	limit->kind = RATION__LIMIT_QUOTA;
	if (!ration__limit_entry(source, "max") && !ration__limit_entry(source, "window"))
		return ration__limit_fail(source, "", err, "needs max and window");
	rc = compile_window(source, limit, err);
	if (rc == 0)
		rc = check_zone(source, limit, err);
	return rc ? rc : compile_warnings(source, limit, err);
}

/* A limit without preset and initial: what only adaptive ones have is refused. */
static int refuse_adaptive(struct ration__limit_source *source, ration_error **err)
{
	static const char *const leaves[] = {"min", "step", "factor", "kind", "growth",
		"multiplier", "cooldown_min", "cooldown_max", "idle"};
	const struct ration__entry *max = ration__limit_entry(source, "max");
	struct ration__value value;

	for (size_t i = 0; i < RATION__COUNT(leaves); i++)
		if (ration__limit_entry(source, leaves[i]))
			return ration__limit_fail(source, leaves[i], err,
				"is of adaptive limits: needs preset or initial as well");
	if (!max || ration__limit_entry(source, "window") || ration__limit_entry(source, "rate"))
		return 0;
	parse_entry(max, &value);
	return value.is_rate ? ration__limit_fail(source, "max", err,
				       "is a rate: needs preset or initial as well")
			     : 0;
}

static int compile_kind(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err)
{
	const struct ration__entry *rate, *max;
	int rc;

	if (!strcmp(source->group, "quotas"))
		return compile_quota(source, limit, err);
	if (ration__limit_is_adaptive(source))
		return ration__adaptive_compile(source, limit, err);
	rc = refuse_adaptive(source, err);
	if (rc < 0)
		return rc;
	rate = ration__limit_entry(source, "rate");
	max = ration__limit_entry(source, "max");
	if (rate && (max || ration__limit_entry(source, "window")))
		return ration__limit_fail(source, max ? "max" : "window", err,
			"cannot stand beside rate: make it a limit of its own");
	if (!rate && ration__limit_entry(source, "burst"))
		return ration__limit_fail(source, "burst", err, "needs rate as well");
	if (rate)
		return compile_bucket(source, limit, err);
	if (!max && !ration__limit_entry(source, "window"))
		return ration__limit_fail(
			source, "", err, "needs rate, or max and window, or preset or initial");
	limit->kind = RATION__LIMIT_WINDOW;
	return compile_window(source, limit, err);
}

int ration__limit_compile(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err)
{
	char prefix[32];
	int rc;

	snprintf(limit->name, sizeof(limit->name), "%s", source->name);
	snprintf(prefix, sizeof(prefix), "services.*.%s.*.", source->group);
	ration__bind_all(
		source->config, RATION__TARGET_LIMIT, prefix, source->service, source->name, limit);
	if (!*ration__unit_of(limit->unit))
		memset(limit->unit, 0, sizeof(limit->unit)); /* rules are compared as they stand */
	rc = compile_kind(source, limit, err);
	if (rc == 0)
		rc = ration__when_compile(source, limit, err);
	if (rc == 0 && ration__limit_entry(source, "actual") &&
		!ration__limit_entry(source, "unit"))
		rc = ration__limit_fail(
			source, "actual", err, "needs unit as well, such as unit: tokens");
	return rc;
}

bool ration__limit_takes(const struct ration__limit *limit, const char *leaf)
{
	static const char *const learned[] = {"preset", "initial", "min", "factor", "kind",
		"growth", "multiplier", "cooldown_min", "cooldown_max", "idle"};
	bool adaptive = limit->kind == RATION__LIMIT_ADAPTIVE;

	for (size_t i = 0; i < RATION__COUNT(learned); i++)
		if (!strcmp(leaf, learned[i]))
			return adaptive;
	if (!strcmp(leaf, "step"))
		return adaptive && limit->adaptive.kind == RATION__ADAPTIVE_AIMD;
	if (!strcmp(leaf, "rate"))
		return limit->kind == RATION__LIMIT_BUCKET;
	if (!strcmp(leaf, "burst"))
		return limit->kind == RATION__LIMIT_BUCKET || adaptive;
	if (!strcmp(leaf, "max"))
		return limit->kind != RATION__LIMIT_BUCKET;
	if (!strcmp(leaf, "window"))
		return limit->kind != RATION__LIMIT_BUCKET && !adaptive;
	if (!strcmp(leaf, "zone"))
		return limit->calendar != 0;
	return true;
}
