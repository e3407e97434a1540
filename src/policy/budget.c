/* Retry budget: see the header. */
#include "policy/budget.h"

#include "base/clock.h"
#include "base/util.h"

static void wake(struct ration__budget *state, int64_t now_ns)
{
	if (state->rest_at_ns && now_ns >= state->rest_at_ns)
		*state = (struct ration__budget){0};
}

static void rest(struct ration__budget *state, int64_t now_ns)
{
	state->rest_at_ns = state->used ? now_ns + RATION__BUDGET_REST_NS : 1;
}

int ration__budget_take(const struct ration__budget_conf *conf, struct ration__budget *state,
	int64_t now_ns, bool throttled)
{
	uint32_t cost = throttled ? conf->throttle_cost : conf->retry_cost;

	if (!conf->capacity)
		return 0;
	wake(state, now_ns);
	if (cost > ration__budget_remaining(conf, state)) {
		state->refused++;
		rest(state, now_ns);
		return -1;
	}
	state->used += cost;
	rest(state, now_ns);
	return (int)cost;
}

void ration__budget_success(const struct ration__budget_conf *conf, struct ration__budget *state,
	int64_t now_ns, int last_cost)
{
	uint32_t gain = last_cost > 0 ? (uint32_t)last_cost : conf->success_gain;

	wake(state, now_ns);
	if (!state->used)
		return;
	/* the capacity may have been lowered meanwhile: what is missing above it is not owed */
	state->used = (uint32_t)ration__min64(state->used, conf->capacity);
	state->used -= (uint32_t)ration__min64(gain, state->used);
	rest(state, now_ns);
}

uint32_t ration__budget_remaining(
	const struct ration__budget_conf *conf, const struct ration__budget *state)
{
	return state->used < conf->capacity ? conf->capacity - state->used : 0;
}
