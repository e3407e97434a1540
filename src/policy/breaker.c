/* Breaker on consecutive failures: the picture of the states is in the header. */
#include "policy/breaker.h"

#include "base/clock.h"
#include "base/util.h"

/* Every change of state goes through here: the generation tells calls of before apart. */
static void turn(struct ration__breaker *state, enum ration__breaker_state to)
{
	state->state = to;
	state->generation++;
	state->failures = 0;
	state->successes = 0;
	state->probes = 0;
}

static void set_rest(struct ration__breaker *state)
{
	if (state->state != RATION__CLOSED || state->failures)
		state->rest_at_ns = RATION__NEVER;
	else if (!state->generation)
		state->rest_at_ns = 1;
	else
		state->rest_at_ns = state->opened_ns + RATION__BREAKER_REST_NS;
}

static enum ration__breaker_event trip(struct ration__breaker *state, int64_t now_ns)
{
	turn(state, RATION__OPEN);
	state->opened_ns = now_ns;
	state->trips++;
	return RATION__BREAKER_OPENED;
}

static int64_t open_until(
	const struct ration__breaker_conf *conf, const struct ration__breaker *state)
{
	/* strictly after the interval */
	return ration__min64(
		state->opened_ns + ration__min64(conf->open_ns, RATION__NEVER) + 1, RATION__NEVER);
}

struct ration__verdict ration__breaker_ask(const struct ration__breaker_conf *conf,
	const struct ration__breaker *state, int64_t now_ns)
{
	if (state->state == RATION__CLOSED || !conf->trip_after)
		return (struct ration__verdict){RATION__YES, now_ns};
	if (state->state == RATION__OPEN) {
		int64_t until = open_until(conf, state);

		if (now_ns < until)
			return (struct ration__verdict){RATION__NO, until};
		return (struct ration__verdict){RATION__YES, now_ns};
	}
	if (state->probes && state->probes >= conf->probes)
		return (struct ration__verdict){RATION__WAIT, RATION__NEVER};
	return (struct ration__verdict){RATION__YES, now_ns};
}

struct ration__breaker_pass ration__breaker_take(
	const struct ration__breaker_conf *conf, struct ration__breaker *state, int64_t now_ns)
{
	struct ration__breaker_pass pass = {0};

	if (conf->trip_after && state->state != RATION__CLOSED) {
		if (state->state == RATION__OPEN)
			turn(state, RATION__HALF_OPEN);
		state->probes++;
		pass.probe = 1;
		set_rest(state);
	}
	pass.generation = state->generation;
	return pass;
}

static enum ration__breaker_event settle_closed(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, enum ration__outcome outcome)
{
	if (outcome == RATION__SUCCESS)
		state->failures = 0;
	else if (outcome == RATION__FAILURE && ++state->failures >= conf->trip_after)
		return trip(state, now_ns);
	return RATION__BREAKER_SAME;
}

static enum ration__breaker_event settle_probe(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, enum ration__outcome outcome)
{
	if (state->probes)
		state->probes--;
	if (outcome == RATION__IGNORED)
		return RATION__BREAKER_SAME;
	if (outcome == RATION__FAILURE)
		return trip(state, now_ns);
	if (++state->successes < conf->close_after)
		return RATION__BREAKER_SAME;
	turn(state, RATION__CLOSED);
	return RATION__BREAKER_CLOSED;
}

enum ration__breaker_event ration__breaker_settle(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, struct ration__breaker_pass pass,
	enum ration__outcome outcome)
{
	enum ration__breaker_event event = RATION__BREAKER_SAME;

	if (!conf->trip_after)
		return event;
	if (pass.generation != state->generation)
		state->late += outcome != RATION__IGNORED;
	else if (state->state == RATION__CLOSED)
		event = settle_closed(conf, state, now_ns, outcome);
	else if (state->state == RATION__HALF_OPEN)
		event = settle_probe(conf, state, now_ns, outcome);
	set_rest(state);
	return event;
}

void ration__breaker_reset(struct ration__breaker *state)
{
	turn(state, RATION__CLOSED);
	set_rest(state);
}

const char *ration__breaker_state_name(uint32_t state)
{
	static const char *const names[] = {"closed", "open", "half-open"};

	return state < RATION__COUNT(names) ? names[state] : "unknown";
}

int64_t ration__breaker_until(
	const struct ration__breaker_conf *conf, const struct ration__breaker *state)
{
	return state->state == RATION__OPEN && conf->trip_after ? open_until(conf, state)
								: RATION__NEVER;
}
