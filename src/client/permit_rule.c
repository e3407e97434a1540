/*
 * Policies by name: what one has left, its state, a result without a permit, a backoff signal,
 * reset. For callers that are no HTTP at all.
 */
#include "client/permit.h"

#include <stdio.h>
#include <string.h>
#include "base/util.h"

static int64_t ns_of(int64_t ms)
{
	return ration__min64(ms, RATION__NEVER / RATION__NS_PER_MS / 2) * RATION__NS_PER_MS;
}

static int look(ration_permit *permit, const char *rule, struct ration__rule_state *state)
{
	int rc;

	do {
		rc = ration__permit_ready(permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_state(permit->keyset, rule, state);
		if (rc == RATION_EAGAIN)
			ration__permit_drop(permit);
	} while (rc == RATION_EAGAIN);
	return rc;
}

int ration_permit_remaining(ration_permit *permit, const char *limit, double *left)
{
	struct ration__rule_state state;
	int rc;

	if (!permit || !limit || !left)
		return RATION_EINVAL;
	rc = look(permit, limit, &state);
	if (rc == 0)
		*left = state.remaining;
	return rc;
}

static double free_in_ms(const ration_permit *permit, int64_t at_ns)
{
	int64_t now_ns = ration__engine_now(permit->guard->engine);

	if (at_ns >= RATION__NEVER)
		return -1;
	return at_ns <= now_ns ? 0 : (double)(at_ns - now_ns) / (double)RATION__NS_PER_MS;
}

static bool is_open(const struct ration__rule_state *state)
{
	return !strcmp(state->state, "open") || !strcmp(state->state, "forced-open");
}

int ration_permit_state(ration_permit *permit, const char *rule, const char *what, double *value)
{
	static const char *const names[] = {
		"limit", "remaining", "rate", "failures", "free_in_ms", "open"};
	struct ration__rule_state state;
	double values[RATION__COUNT(names)];
	size_t at = 0;
	int rc;

	if (!permit || !rule || !what || !value)
		return RATION_EINVAL;
	while (at < RATION__COUNT(names) && strcmp(names[at], what) != 0)
		at++;
	if (at == RATION__COUNT(names))
		return RATION_EINVAL;
	rc = look(permit, rule, &state);
	if (rc < 0)
		return rc;
	values[0] = state.limit;
	values[1] = state.remaining;
	values[2] = state.rate;
	values[3] = (double)state.failures;
	values[4] = free_in_ms(permit, state.at_ns);
	values[5] = is_open(&state);
	*value = values[at];
	return 0;
}

const char *ration_permit_state_name(ration_permit *permit, const char *rule)
{
	struct ration__rule_state state;

	if (!permit || !rule || look(permit, rule, &state) < 0)
		return "";
	snprintf(permit->state, sizeof(permit->state), "%s", state.state);
	return permit->state;
}

/* ---- results and signals without a permit ---- */

int ration_permit_record(ration_permit *permit, enum ration_outcome outcome, int64_t elapsed_ms)
{
	struct ration__settle result;
	int rc;

	if (!permit || outcome < RATION_SUCCESS || outcome > RATION_IGNORED || elapsed_ms < 0)
		return RATION_EINVAL;
	result = (struct ration__settle){.outcome = (enum ration__outcome)outcome,
		.last = true,
		.overload = outcome == RATION_THROTTLED,
		.throttle = outcome == RATION_THROTTLED,
		.elapsed_ns = ns_of(elapsed_ms)};
	do {
		rc = ration__permit_ready(permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_record(permit->keyset, &result);
		if (rc == RATION_EAGAIN)
			ration__permit_drop(permit);
	} while (rc == RATION_EAGAIN);
	return rc;
}

int ration_permit_backoff(ration_permit *permit, int64_t for_ms)
{
	int rc;

	if (!permit || for_ms < 0)
		return RATION_EINVAL;
	do {
		rc = ration__permit_ready(permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_backoff(permit->keyset, ns_of(for_ms));
		if (rc == RATION_EAGAIN)
			ration__permit_drop(permit);
	} while (rc == RATION_EAGAIN);
	return rc;
}

int ration_permit_reset(ration_permit *permit, const char *rule)
{
	int rc;

	if (!permit)
		return RATION_EINVAL;
	do {
		rc = ration__permit_ready(permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_reset(permit->keyset, rule ? rule : "");
		if (rc == RATION_EAGAIN)
			ration__permit_drop(permit);
	} while (rc == RATION_EAGAIN);
	return rc;
}
