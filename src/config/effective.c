/* Effective values as text. See effective.h. */
#include "config/effective.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/units.h"
#include "base/util.h"

static const char *rate(char out[RATION__EFFECTIVE_MAX], double per_second)
{
	const struct ration__rate value = {.count = per_second, .period_ns = RATION__NS_PER_S};

	ration__format_rate(out, RATION__EFFECTIVE_MAX, &value);
	return out;
}

static const char *number(char out[RATION__EFFECTIVE_MAX], double value)
{
	ration__format_number(out, RATION__EFFECTIVE_MAX, value);
	return out;
}

static const char *whole(char out[RATION__EFFECTIVE_MAX], uint32_t value)
{
	snprintf(out, RATION__EFFECTIVE_MAX, "%" PRIu32, value);
	return out;
}

/* 0 is the setting's word. */
static const char *duration(char out[RATION__EFFECTIVE_MAX], int64_t ns, const char *zero)
{
	if (ns)
		ration__format_duration(out, RATION__EFFECTIVE_MAX, ns);
	else
		snprintf(out, RATION__EFFECTIVE_MAX, "%s", zero);
	return out;
}

const char *ration__effective_limit(
	const char *leaf, const struct ration__limit *limit, char out[RATION__EFFECTIVE_MAX])
{
	const struct ration__adaptive_conf *conf = &limit->adaptive;

	if (limit->kind == RATION__LIMIT_BUCKET)
		return strcmp(leaf, "burst") ? NULL : number(out, limit->bucket.burst);
	if (limit->kind != RATION__LIMIT_ADAPTIVE)
		return NULL;
	if (!strcmp(leaf, "initial"))
		return rate(out, conf->initial);
	if (!strcmp(leaf, "min"))
		return rate(out, conf->min);
	if (!strcmp(leaf, "max"))
		return rate(out, conf->max);
	if (!strcmp(leaf, "step"))
		return rate(out, conf->step);
	if (!strcmp(leaf, "factor"))
		return number(out, conf->factor);
	return NULL;
}

static bool learns(const struct ration__concurrency_conf *limit)
{
	return limit->algorithm != RATION__CONCURRENCY_FIXED;
}

static bool has_rates(const struct ration__rules *rules)
{
	return rules->breaker.failure_rate > 0 || rules->breaker.slow_rate > 0;
}

const char *ration__effective_service(
	const char *leaf, const struct ration__rules *rules, char out[RATION__EFFECTIVE_MAX])
{
	if (!strcmp(leaf, "concurrency.max") && learns(&rules->concurrency))
		return whole(out, rules->concurrency.max);
	if (!strcmp(leaf, "concurrency.initial"))
		return whole(out, rules->concurrency.initial);
	if (!strcmp(leaf, "concurrency.per_key.initial"))
		return whole(out, rules->place.initial);
	if (!strcmp(leaf, "concurrency.hold"))
		return duration(out, rules->own.hold_ns, "never");
	if (!strcmp(leaf, "breaker.trip_after") && has_rates(rules))
		return "off";
	if (!strcmp(leaf, "breaker.min_calls"))
		return whole(out, rules->breaker.min_calls);
	if (!strcmp(leaf, "breaker.open_max") && rules->breaker.open_max_ns)
		return duration(out, rules->breaker.open_max_ns, "");
	if (!strcmp(leaf, "retry.budget.capacity"))
		return rules->budget.capacity ? whole(out, rules->budget.capacity) : "off";
	return NULL;
}

const char *ration__effective_preset(
	const char *leaf, const struct ration__preset *preset, char out[RATION__EFFECTIVE_MAX])
{
	if (!strcmp(leaf, "initial"))
		return rate(out, preset->initial);
	if (!strcmp(leaf, "min"))
		return rate(out, preset->min);
	if (!strcmp(leaf, "max"))
		return rate(out, preset->max);
	if (!strcmp(leaf, "step"))
		return rate(out, preset->step);
	if (!strcmp(leaf, "factor"))
		return number(out, preset->factor);
	return !strcmp(leaf, "uri") ? preset->uri : NULL;
}

bool ration__service_takes(const char *leaf, const struct ration__rules *rules)
{
	static const char *const of_breaker[] = {"breaker.open_for", "breaker.probes",
		"breaker.open_factor", "breaker.open_jitter", "breaker.counts"};

	if (!strcmp(leaf, "concurrency.initial") || !strcmp(leaf, "concurrency.min"))
		return learns(&rules->concurrency);
	if (!strcmp(leaf, "concurrency.growth"))
		return rules->concurrency.algorithm == RATION__CONCURRENCY_AIMD;
	if (!strcmp(leaf, "concurrency.per_key.algorithm"))
		return rules->place.max > 0;
	if (!strcmp(leaf, "concurrency.per_key.initial") ||
		!strcmp(leaf, "concurrency.per_key.min"))
		return learns(&rules->place);
	if (!strcmp(leaf, "concurrency.per_key.growth"))
		return rules->place.algorithm == RATION__CONCURRENCY_AIMD;
	if (!strcmp(leaf, "breaker.window") || !strcmp(leaf, "breaker.min_calls"))
		return has_rates(rules);
	if (!strcmp(leaf, "breaker.close_after"))
		return rules->breaker.trip_after && !has_rates(rules);
	if (!strcmp(leaf, "breaker.open_max"))
		return rules->breaker.open_factor > 1 || rules->breaker.open_jitter > 0;
	for (size_t i = 0; i < RATION__COUNT(of_breaker); i++)
		if (!strcmp(leaf, of_breaker[i]))
			return ration__breaker_exists(&rules->breaker);
	if (!strcmp(leaf, "breaker.slow_after"))
		return rules->breaker.slow_rate > 0;
	return true;
}
