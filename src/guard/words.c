/* Decisions in words for people. See guard.h. */
#include "guard/engine.h"

#include <stdio.h>
#include "base/units.h"

const char *ration__mode_name(uint8_t mode)
{
	return mode == RATION__LOCAL ? "local" : mode == RATION__OPEN_MODE ? "open" : "exact";
}

int ration__rule_name(char *out, size_t size, const struct ration__guard *guard, int rule)
{
	const struct ration__rules *rules = &guard->rules;

	if (rule == RATION__RULE_BREAKER)
		return snprintf(out, size, "breaker");
	if (rule == RATION__RULE_CONCURRENCY)
		return snprintf(out, size, "concurrency");
	if (rule == RATION__RULE_STORE)
		return snprintf(out, size, "store");
	if (rule < 0 || (uint32_t)rule >= rules->limit_count)
		return snprintf(out, size, "%s", "");
	return snprintf(out, size, "%s:%s",
		rules->limits[rule].kind == RATION__LIMIT_QUOTA ? "quota" : "limit",
		rules->limits[rule].name);
}

static void when(char *out, size_t size, const struct ration__ask *ask, int64_t now_ns)
{
	char duration[32];

	out[0] = 0;
	if (ask->denial == RATION_DENIED_IMPOSSIBLE || ask->denial == RATION_DENIED_CONCURRENCY ||
		ask->at_ns >= RATION__NEVER)
		return;
	ration__format_duration_human(
		duration, sizeof(duration), ration__max64(0, ask->at_ns - now_ns));
	snprintf(out, size, ", %s in %s",
		ask->denial == RATION_DENIED_QUOTA	   ? "frees" :
			ask->denial == RATION_DENIED_BREAKER ? "tried again" :
							       "next",
		duration);
}

int ration__denial_text(char *out, size_t size, const struct ration__guard *guard,
	const struct ration__ask *ask, int64_t now_ns)
{
	const struct ration__rules *rules = &guard->rules;
	const char *name = guard->own.service;
	char time[80];

	if (ask->rule >= 0 && (uint32_t)ask->rule < rules->limit_count)
		name = rules->limits[ask->rule].name;
	when(time, sizeof(time), ask, now_ns);
	return snprintf(out, size, "%s: %s%s", ration_strerror(ask->denial), name, time);
}
