/* Retries: pure tables. */
#include "policy/retry.h"

#include <string.h>
#include "base/clock.h"
#include "base/util.h"

/* factor to the power of n; may be infinite. By squaring: n comes from a file of settings. */
static double power(double factor, uint32_t n)
{
	double result = 1;

	for (; n; n >>= 1, factor *= factor) {
		if (n & 1)
			result *= factor;
	}
	return result;
}

/* unit: [0, 1) */
static double before_jitter(
	const struct ration__backoff_conf *conf, uint32_t retry, int64_t previous_ns, double unit)
{
	double first = (double)conf->first_ns;

	if (conf->first_ns <= 0)
		return 0;
	switch (conf->kind) {
	case RATION__BACKOFF_EXPONENTIAL:
		return retry > 1 ? first * power(conf->factor, retry - 1) : first;
	case RATION__BACKOFF_LINEAR:
		return retry > 1 ? first * retry : first;
	case RATION__BACKOFF_DECORRELATED:
		if ((double)previous_ns * 3 > first)
			return first + ((double)previous_ns * 3 - first) * unit;
		break;
	case RATION__BACKOFF_CONSTANT:
		break;
	}
	return first;
}

/* Of the delay, unit is spread over what the jitter makes of it. */
static double jittered(const struct ration__backoff_conf *conf, double unit)
{
	switch (conf->jitter) {
	case RATION__JITTER_NONE:
		break;
	case RATION__JITTER_FULL:
		return unit;
	case RATION__JITTER_EQUAL:
		return 0.5 + 0.5 * unit;
	case RATION__JITTER_PART:
		return 1 - conf->jitter_part + 2 * conf->jitter_part * unit;
	}
	return 1;
}

int64_t ration__backoff_delay(const struct ration__backoff_conf *conf, uint32_t retry,
	int64_t previous_ns, uint64_t random, int64_t floor_ns)
{
	double unit = (double)(random >> 11) * 0x1p-53; /* [0, 1) */
	double delay = before_jitter(conf, retry, previous_ns, unit);
	double part = conf->kind == RATION__BACKOFF_DECORRELATED ? 1 : jittered(conf, unit);
	int64_t capped;

	delay = part > 0 ? delay * part : 0; /* infinity times 0 is no number */
	/* the cap is the last thing that makes it shorter; the server's word makes it longer again
	 */
	capped = delay < (double)conf->max_ns ? (int64_t)delay : ration__max64(conf->max_ns, 0);
	return ration__max64(capped, floor_ns);
}

/* ---- classes ---- */

static bool is_empty(const struct ration__status_set *set)
{
	uint64_t any = 0;

	for (size_t i = 0; i < RATION__COUNT(set->bits); i++)
		any |= set->bits[i];
	return !any;
}

static bool is_throttled(const struct ration__retry_conf *conf, int status)
{
	return conf && !is_empty(&conf->throttled) ? ration__status_in(&conf->throttled, status)
						   : status == 429;
}

static bool is_failure(int status)
{
	return status == 408 || status >= 500;
}

bool ration__end_is_overload(
	const struct ration__retry_conf *conf, const struct ration__attempt_end *end)
{
	return end->end == RATION__END_ANSWERED &&
	       (end->status == 429 || end->status == 503 || is_throttled(conf, end->status));
}

enum ration__outcome ration__outcome_of(
	const struct ration__retry_conf *conf, const struct ration__attempt_end *end)
{
	switch (end->end) {
	case RATION__END_ANSWERED:
		if (is_throttled(conf, end->status))
			return RATION__THROTTLED;
		return is_failure(end->status) ? RATION__FAILURE : RATION__SUCCESS;
	case RATION__END_AMBIGUOUS:
		return end->stale ? RATION__IGNORED : RATION__FAILURE;
	case RATION__END_NOT_SENT:
		return RATION__FAILURE;
	case RATION__END_PERMANENT:
	case RATION__END_LOCAL:
	case RATION__END_CANCELLED:
		break;
	}
	return RATION__IGNORED;
}

enum kind {
	KIND_SUCCESS,
	KIND_THROTTLED, /* refused unprocessed: any method may be repeated */
	KIND_NOT_SENT,	/* likewise */
	KIND_TRANSIENT, /* answered: repeated when that is safe */
	KIND_UNKNOWN,	/* not answered: likewise */
	KIND_FINAL,
};

static enum kind kind_of_status(const struct ration__retry_conf *conf, int status, bool keyed)
{
	if (keyed && status == 422)
		return KIND_FINAL;
	if (is_throttled(conf, status))
		return KIND_THROTTLED;
	if (keyed && status == 409)
		return KIND_TRANSIENT;
	if (is_empty(&conf->transient) ? is_failure(status)
				       : ration__status_in(&conf->transient, status))
		return KIND_TRANSIENT;
	return status >= 200 && status < 300 ? KIND_SUCCESS : KIND_FINAL;
}

static enum kind kind_of(const struct ration__retry_conf *conf,
	const struct ration__retry_state *state, const struct ration__attempt_end *end)
{
	switch (end->end) {
	case RATION__END_ANSWERED:
		return kind_of_status(conf, end->status, state->keyed);
	case RATION__END_NOT_SENT:
		return KIND_NOT_SENT;
	case RATION__END_AMBIGUOUS:
		return KIND_UNKNOWN;
	case RATION__END_LOCAL: /* descriptors, memory: passes */
		return end->unsent ? KIND_NOT_SENT : KIND_TRANSIENT;
	case RATION__END_PERMANENT:
	case RATION__END_CANCELLED:
		break;
	}
	return KIND_FINAL;
}

static bool may_repeat(
	const struct ration__retry_conf *conf, const struct ration__retry_state *state)
{
	switch (conf->methods) {
	case RATION__METHODS_ALL:
		return true;
	case RATION__METHODS_SAFE:
		return state->repeatable;
	case RATION__METHODS_IDEMPOTENT:
		return state->repeatable || state->idempotent;
	case RATION__METHODS_NONE:
		break;
	}
	return false;
}

enum ration__retry_answer ration__retry_decide(const struct ration__retry_conf *conf,
	const struct ration__retry_state *state, const struct ration__attempt_end *end,
	uint64_t random, int64_t *delay_ns)
{
	enum kind kind = kind_of(conf, state, end);
	uint32_t failed = state->attempts - ration__min64(state->throttled, state->attempts);
	int64_t asked_ns = ration__max64(end->retry_after_ns, end->stop_ns);
	int64_t floor_ns = ration__min64(asked_ns, conf->retry_after_max_ns);

	switch (kind) {
	case KIND_SUCCESS:
		return RATION__RETRY_ACCEPT;
	case KIND_FINAL:
		return RATION__RETRY_REFUSED;
	case KIND_THROTTLED:
		if (state->throttled >= conf->throttled_attempts)
			return RATION__RETRY_EXHAUSTED;
		*delay_ns = ration__backoff_delay(
			&conf->throttle, state->throttled, state->previous_ns, random, floor_ns);
		return RATION__RETRY_AGAIN;
	case KIND_TRANSIENT:
		if (!may_repeat(conf, state))
			return RATION__RETRY_REFUSED;
		break;
	case KIND_UNKNOWN:
		if (!may_repeat(conf, state))
			return RATION__RETRY_UNKNOWN;
		break;
	case KIND_NOT_SENT:
		break;
	}
	if (failed >= conf->attempts)
		return RATION__RETRY_EXHAUSTED;
	*delay_ns =
		ration__backoff_delay(&conf->backoff, failed, state->previous_ns, random, floor_ns);
	return RATION__RETRY_AGAIN;
}

bool ration__method_is_safe(const char *method)
{
	static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};

	for (size_t i = 0; i < RATION__COUNT(safe); i++) {
		if (!strcmp(method, safe[i]))
			return true;
	}
	return false;
}

bool ration__method_is_idempotent(const char *method)
{
	return !strcmp(method, "PUT") || !strcmp(method, "DELETE");
}
