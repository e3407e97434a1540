/* A service's settings that matter, in one line for people. See run_settings.h. */
#include "cli/run_settings.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/units.h"
#include "base/util.h"
#include "config/compile.h"
#include "config/path.h"

static const char *get(const ration_config *config, const char *service, const char *setting)
{
	char path[RATION__PATH_MAX];
	const char *value;

	snprintf(path, sizeof(path), "services.\"%s\".%s", service, setting);
	value = ration_config_get(config, path);
	return value ? value : "none";
}

static void describe_learned(const struct ration__limit *limit, struct ration__buffer *out)
{
	const double rates[] = {limit->adaptive.initial, limit->adaptive.min, limit->adaptive.max};
	static const char *const words[] = {"adaptive rate from ", ", ", " to "};

	for (size_t i = 0; i < RATION__COUNT(rates); i++) {
		struct ration__rate rate = {rates[i], RATION__NS_PER_S};
		char text[64];

		ration__format_rate(text, sizeof(text), &rate);
		ration__buffer_printf(out, "%s%s", words[i], text);
	}
}

static void describe_limit(const ration_config *config, const char *service,
	const struct ration__limit *limit, struct ration__buffer *out)
{
	bool quota = limit->kind == RATION__LIMIT_QUOTA;
	const char *group = quota ? "quotas" : "limits";
	char setting[RATION__NAME_MAX + 32];
	size_t end;
	char text[64];

	end = (size_t)snprintf(setting, sizeof(setting), "%s.\"%s\".", group, limit->name);
	/* the names that flags give say nothing more */
	if (strcmp(limit->name, quota ? "quota" : "rate"))
		ration__buffer_printf(out, "%s: ", limit->name);
	if (limit->kind == RATION__LIMIT_BUCKET) {
		strcpy(setting + end, "rate");
		ration__buffer_printf(out, "rate %s", get(config, service, setting));
		ration__format_number(text, sizeof(text), limit->bucket.burst);
		ration__buffer_printf(out, " burst %s", text);
	} else if (limit->kind == RATION__LIMIT_ADAPTIVE) {
		describe_learned(limit, out);
	} else {
		ration__format_number(
			text, sizeof(text), (double)limit->window.max / RATION__MICRO);
		ration__buffer_printf(out, "%s %s", quota ? "quota" : "limit", text);
		strcpy(setting + end, "window");
		ration__format_duration(text, sizeof(text), limit->window.window_ns);
		ration__buffer_printf(
			out, "/%s", limit->calendar ? get(config, service, setting) : text);
	}
	if (*limit->unit)
		ration__buffer_printf(out, " %s", limit->unit);
	ration__buffer_puts(out, ", ");
}

static void describe_breaker(const ration_config *config, const char *service,
	const struct ration__breaker_conf *breaker, struct ration__buffer *out)
{
	if (!ration__breaker_exists(breaker) || breaker->mode == RATION__BREAKER_DISABLED) {
		ration__buffer_puts(out, "no breaker, ");
		return;
	}
	if (breaker->mode == RATION__BREAKER_FORCED_OPEN) {
		ration__buffer_puts(out, "breaker forced open, ");
		return;
	}
	ration__buffer_puts(out, "breaker ");
	if (breaker->trip_after)
		ration__buffer_printf(out, "%s/", get(config, service, "breaker.trip_after"));
	if (breaker->failure_rate > 0)
		ration__buffer_printf(
			out, "%s failed/", get(config, service, "breaker.failure_rate"));
	if (breaker->slow_rate > 0)
		ration__buffer_printf(out, "%s slow/", get(config, service, "breaker.slow_rate"));
	ration__buffer_printf(out, "%s, ", get(config, service, "breaker.open_for"));
}

void ration__settings_describe(
	const ration_config *config, const char *service, struct ration__buffer *out)
{
	static const char *const timeouts[] = {"connect", "read", "write", "attempt", "total"};
	struct ration__rules rules;

	ration__buffer_printf(out, "%s: ", service);
	if (ration__config_rules(config, service, &rules, NULL) < 0)
		return; /* opening it tells why */
	for (uint32_t i = 0; i < rules.limit_count; i++)
		describe_limit(config, service, &rules.limits[i], out);
	if (!rules.limit_count)
		ration__buffer_puts(out, "no rate, ");
	ration__buffer_printf(out, "concurrency %s, ", get(config, service, "concurrency.max"));
	describe_breaker(config, service, &rules.breaker, out);
	ration__buffer_printf(out, "%s attempts, timeouts", get(config, service, "retry.attempts"));
	for (size_t i = 0; i < RATION__COUNT(timeouts); i++) {
		char setting[32];

		snprintf(setting, sizeof(setting), "timeouts.%s", timeouts[i]);
		ration__buffer_printf(out, " %s %s", timeouts[i], get(config, service, setting));
	}
	ration__buffer_printf(out, ", waits for: tokens, permits%s%s",
		rules.own.wait_breaker ? ", breaker" : "", rules.own.wait_quota ? ", quota" : "");
	if (rules.own.observe)
		ration__buffer_puts(out, ", and only observes: nothing is delayed or refused");
}
