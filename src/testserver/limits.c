/* Token buckets and exact windows; see the header. */
#include "testserver/limits.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1e9

/* For ever, nearly: what no addition to a clock can overflow. */
#define LONGEST_S 1e9

/* Taken at t: counts until t + window, and at that instant no more. */
struct taken {
	int64_t t_ns;
	double amount;
};

struct state {
	char *key; /* first: states are compared by it */
	double tokens;
	int64_t at_ns;
	struct taken *ring; /* oldest at first; the capacity is a power of two */
	size_t first, count, capacity;
	double sum;
};

void ts__limits_init(
	struct ts_limits *limits, const struct ts_limit_conf *configuration, size_t count)
{
	*limits = (struct ts_limits){.count = count};
	for (size_t i = 0; i < count; i++)
		limits->list[i].conf = &configuration[i];
}

static void free_state(void *state)
{
	struct state *gone = state;

	free(gone->key);
	free(gone->ring);
	free(gone);
}

void ts__limits_reset(struct ts_limits *limits)
{
	for (size_t i = 0; i < limits->count; i++) {
		tdestroy(limits->list[i].states, free_state);
		limits->list[i].states = NULL;
		limits->list[i].state_count = 0;
	}
}

void ts__limits_fini(struct ts_limits *limits)
{
	ts__limits_reset(limits);
	limits->count = 0;
}

static double lesser(double a, double b)
{
	return a < b ? a : b;
}

static int compare(const void *a, const void *b)
{
	const struct state *left = a, *right = b;

	return strcmp(left->key, right->key);
}

static struct state *add_state(struct ts_limit *limit, const char *key, int64_t now_ns)
{
	if (limit->state_count == TS_LIMIT_KEYS_MAX)
		return NULL;
	struct state *state = calloc(1, sizeof(*state));
	if (!state)
		return NULL;
	*state = (struct state){.key = strdup(key), .tokens = limit->conf->max, .at_ns = now_ns};
	if (!state->key || !tsearch(state, &limit->states, compare)) {
		free_state(state);
		return NULL;
	}
	limit->state_count++;
	return state;
}

static struct state *get_state(struct ts_limit *limit, const char *key, int64_t now_ns)
{
	const struct state wanted = {.key = (char *)key};
	struct state *const *found = tfind(&wanted, &limit->states, compare);

	return found ? *found : add_state(limit, key, now_ns);
}

static struct taken *entry_at(const struct state *state, size_t index)
{
	return &state->ring[(state->first + index) & (state->capacity - 1)];
}

/* Brings the state to now. */
static void advance(const struct ts_limit_conf *conf, struct state *state, int64_t now_ns)
{
	if (conf->kind == TS_BUCKET) {
		double more = (double)(now_ns - state->at_ns) / SECOND * conf->per_second;
		state->tokens = lesser(state->tokens + more, conf->max);
		state->at_ns = now_ns;
		return;
	}
	while (state->count > 0 && entry_at(state, 0)->t_ns + conf->window_ns <= now_ns) {
		state->sum -= entry_at(state, 0)->amount;
		state->first++;
		state->count--;
	}
	if (state->count == 0)
		state->sum = 0; /* fractions leave a rest */
}

/* Room for one more entry, so that taking cannot fail. */
static bool make_room(const struct ts_limit_conf *conf, struct state *state)
{
	if (conf->kind == TS_BUCKET || state->count < state->capacity)
		return true;
	size_t capacity = state->capacity ? 2 * state->capacity : 64;
	struct taken *ring = malloc(capacity * sizeof(*ring));
	if (!ring)
		return false;
	for (size_t i = 0; i < state->count; i++)
		ring[i] = *entry_at(state, i);
	free(state->ring);
	state->ring = ring;
	state->capacity = capacity;
	state->first = 0;
	return true;
}

/* How long until so much is there, nobody else taking: 0 now, -1 never. The state stands at now. */
static int64_t wait_for(
	const struct ts_limit_conf *conf, const struct state *state, int64_t now_ns, double amount)
{
	if (amount > conf->max)
		return -1;
	if (conf->kind == TS_BUCKET) {
		double lacking = amount - state->tokens;
		/* rounded down: who lacks less than a nanosecond's worth lacks nothing */
		double seconds = lesser(lacking / conf->per_second, LONGEST_S);
		return lacking <= 0 ? 0 : (int64_t)(seconds * SECOND);
	}
	double left = conf->max - state->sum;
	if (left >= amount)
		return 0;
	for (size_t i = 0; i < state->count; i++) {
		left += entry_at(state, i)->amount;
		if (left >= amount || i + 1 == state->count)
			return entry_at(state, i)->t_ns + conf->window_ns - now_ns;
	}
	return 0;
}

static void take(
	const struct ts_limit_conf *conf, struct state *state, int64_t now_ns, double amount)
{
	if (conf->kind == TS_BUCKET) {
		state->tokens -= amount;
	} else if (amount > 0) {
		state->count++;
		*entry_at(state, state->count - 1) = (struct taken){now_ns, amount};
		state->sum += amount;
	}
}

static struct ts_limit_reading read_state(
	const struct ts_limit_conf *conf, const struct state *state, int64_t now_ns)
{
	double left = conf->kind == TS_BUCKET ? state->tokens : conf->max - state->sum;
	struct ts_limit_reading reading = {.remaining = left < 1 ? 0 : (int64_t)left};

	if (reading.remaining == 0)
		reading.reset_ns = wait_for(conf, state, now_ns, lesser(1, conf->max));
	else if (conf->kind == TS_BUCKET)
		reading.reset_ns = wait_for(conf, state, now_ns, conf->max);
	else if (state->count > 0)
		reading.reset_ns = entry_at(state, 0)->t_ns + conf->window_ns - now_ns;
	return reading;
}

static bool waits_longer(int64_t a_ns, int64_t b_ns)
{
	return b_ns >= 0 && (a_ns < 0 || a_ns > b_ns);
}

bool ts__limits_take(struct ts_limits *limits, int64_t now_ns, double cost, const char *const *keys,
	struct ts_limits_answer *out)
{
	struct ts_limits_answer answer = {.refused_by = -1};
	struct state *states[TS_LIMITS_MAX];

	for (size_t i = 0; i < limits->count; i++) {
		const struct ts_limit_conf *conf = limits->list[i].conf;
		states[i] = get_state(&limits->list[i], keys[i], now_ns);
		if (!states[i] || !make_room(conf, states[i]))
			return false;
		advance(conf, states[i], now_ns);
		int64_t wait_ns = wait_for(conf, states[i], now_ns, conf->weighted ? cost : 1);
		if (wait_ns != 0 && waits_longer(wait_ns, answer.wait_ns)) {
			answer.wait_ns = wait_ns;
			answer.refused_by = (int)i;
		}
	}
	for (size_t i = 0; i < limits->count; i++) {
		const struct ts_limit_conf *conf = limits->list[i].conf;
		if (answer.refused_by < 0)
			take(conf, states[i], now_ns, conf->weighted ? cost : 1);
		answer.readings[i] = read_state(conf, states[i], now_ns);
	}
	*out = answer;
	return true;
}
