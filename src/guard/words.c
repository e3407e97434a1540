/* Decisions in words for people. See guard.h. */
#include "guard/engine.h"

#include <stdio.h>
#include <string.h>
#include "base/units.h"

const char *ration__mode_name(uint8_t mode)
{
	return mode == RATION__LOCAL ? "local" : mode == RATION__OPEN_MODE ? "open" : "exact";
}

/* The name of a limit and whether it is a quota, as the rules are now. */
static bool limit_name(
	const struct ration__guard *guard, int rule, char name[RATION__NAME_MAX], bool *quota)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)&guard->rules_mutex;
	const struct ration__rules *rules = &guard->rules;
	bool found;

	pthread_mutex_lock(mutex);
	found = rule >= 0 && (uint32_t)rule < rules->limit_count;
	if (found) {
		memcpy(name, rules->limits[rule].name, RATION__NAME_MAX);
		*quota = rules->limits[rule].kind == RATION__LIMIT_QUOTA;
	}
	pthread_mutex_unlock(mutex);
	return found;
}

int ration__rule_name(char *out, size_t size, const struct ration__guard *guard, int rule)
{
	char name[RATION__NAME_MAX];
	bool quota;

	if (rule == RATION__RULE_BREAKER)
		return snprintf(out, size, "breaker");
	if (rule == RATION__RULE_CONCURRENCY)
		return snprintf(out, size, "concurrency");
	if (rule == RATION__RULE_STORE)
		return snprintf(out, size, "store");
	if (!limit_name(guard, rule, name, &quota))
		return snprintf(out, size, "%s", "");
	return snprintf(out, size, "%s:%s", quota ? "quota" : "limit", name);
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
		ask->denial == RATION_DENIED_QUOTA     ? "frees"
		: ask->denial == RATION_DENIED_BREAKER ? "tried again"
						       : "next",
		duration);
}

int ration__denial_text(char *out, size_t size, const struct ration__guard *guard,
	const struct ration__ask *ask, int64_t now_ns)
{
	char name[RATION__NAME_MAX], time[80];
	bool quota;

	if (!limit_name(guard, ask->rule, name, &quota))
		snprintf(name, sizeof(name), "%s", guard->own.service);
	when(time, sizeof(time), ask, now_ns);
	return snprintf(out, size, "%s: %s%s", ration_strerror(ask->denial), name, time);
}
