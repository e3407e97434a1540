/* Decisions in words for people. See guard.h. */
#include "guard/engine.h"

#include <stdio.h>
#include <string.h>
#include "base/units.h"

const char *ration__mode_name(uint8_t mode)
{
	switch (mode) {
	case RATION__LOCAL:
		return "local";
	case RATION__OPEN_MODE:
		return "open";
	case RATION__OBSERVED:
		return "observe";
	case RATION__CLOSED_MODE:
		return "closed";
	default:
		return "exact";
	}
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

	switch (rule) {
	case RATION__RULE_BREAKER:
		return snprintf(out, size, "breaker");
	case RATION__RULE_CONCURRENCY:
		return snprintf(out, size, "concurrency");
	case RATION__RULE_PLACE:
		return snprintf(out, size, "place");
	case RATION__RULE_COOLDOWN:
		return snprintf(out, size, "cooldown");
	case RATION__RULE_STORE:
		return snprintf(out, size, "store");
	default:
		break;
	}
	if (!limit_name(guard, rule, name, &quota))
		return snprintf(out, size, "%s", "");
	return snprintf(out, size, "%s:%s", quota ? "quota" : "limit", name);
}

/* Of what has a time: "next in 0.8 s". */
static void when(char *out, size_t size, const struct ration__ask *ask, int64_t now_ns)
{
	char duration[32];

	out[0] = 0;
	if (ask->denial == RATION_DENIED_IMPOSSIBLE || ask->denial == RATION_DENIED_CONCURRENCY ||
		ask->denial == RATION_DENIED_QUEUE || ask->at_ns >= RATION__NEVER)
		return;
	ration__format_duration_human(
		duration, sizeof(duration), ration__max64(0, ask->at_ns - now_ns));
	snprintf(out, size, "%s in %s",
		ask->denial == RATION_DENIED_QUOTA     ? "frees"
		: ask->denial == RATION_DENIED_BREAKER ? "tried again"
						       : "next",
		duration);
}

/* " (per tenant, agent)": whose places are all taken. */
static void per_whom(char *out, size_t size, const struct ration__guard *guard)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)&guard->rules_mutex;
	const char(*per)[RATION__KEYNAME_MAX] = guard->rules.place_per;
	size_t used = 0;

	out[0] = 0;
	pthread_mutex_lock(mutex);
	for (int i = 0; i < RATION__PER_MAX && per[i][0] && used < size; i++)
		used += (size_t)snprintf(
			out + used, size - used, "%s%s", i ? ", " : " (per ", per[i]);
	pthread_mutex_unlock(mutex);
	if (used > 0 && used < size)
		snprintf(out + used, size - used, ")");
}

int ration__denial_text(char *out, size_t size, const struct ration__guard *guard,
	const struct ration__ask *ask, int64_t now_ns)
{
	char name[RATION__NAME_MAX], time[80], whose[RATION__PER_MAX * (RATION__KEYNAME_MAX + 8)];
	const char *reason = ration_strerror(ask->denial);
	bool quota;

	when(time, sizeof(time), ask, now_ns);
	if (ask->denial == RATION_DENIED_COOLDOWN) /* the service is what was asked for */
		return snprintf(out, size, "%s%s%s", reason, time[0] ? ": " : "", time);
	if (ask->denial == RATION_DENIED_QUEUE) /* whatever it would have waited for */
		return snprintf(out, size, "%s: concurrency.queue of %s is full", reason,
			guard->own.service);
	if (!limit_name(guard, ask->rule, name, &quota))
		snprintf(name, sizeof(name), "%s", guard->own.service);
	whose[0] = 0;
	if (ask->rule == RATION__RULE_PLACE)
		per_whom(whose, sizeof(whose), guard);
	/* an open breaker always has a time; one that is forced open has none */
	if (ask->denial == RATION_DENIED_BREAKER && ask->at_ns >= RATION__NEVER)
		reason = "circuit breaker is forced open";
	return snprintf(out, size, "%s: %s%s%s%s", reason, name, whose, time[0] ? ", " : "", time);
}
