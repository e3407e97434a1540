/*
 * The breaker's states and its window; the picture and the rules are in the header.
 *
 * Behind the state: nothing (layout 0), a ring of the last N calls (two bits each), or one of
 * whole seconds. What the window counts in all is kept in ended, bad and slow, added to and taken
 * from as calls enter and leave, so that a decision never walks over it. layout is 0 from a change
 * of state until the next call is counted: what lies behind it then means nothing. A place is
 * found from nothing stored but `position`, which is checked or reduced first.
 */
#include "policy/breaker.h"

#include <stdbool.h>
#include <string.h>
#include "base/clock.h"
#include "base/util.h"

#define LAYOUT_CALLS UINT32_C(0x10000)
#define LAYOUT_SECONDS UINT32_C(0x20000)
#define LAYOUT_PLACES UINT32_C(0xffff)

struct second {
	uint32_t calls, failures, slow;
};
static_assert(sizeof(struct second) == 12, "stored byte for byte: no padding");
static_assert(
	sizeof(struct ration__breaker) + RATION__BREAKER_SECONDS_MAX * sizeof(struct second) <=
		RATION__BREAKER_SIZE_MAX,
	"the largest window by time");
static_assert(
	sizeof(struct ration__breaker) + RATION__BREAKER_CALLS_MAX / 4 <= RATION__BREAKER_SIZE_MAX,
	"the largest window by calls");

/* ---- the window ---- */

static bool by_rates(const struct ration__breaker_conf *conf)
{
	return conf->failure_rate > 0 || conf->slow_rate > 0;
}

/* Kind and places of the window under this configuration. */
static uint32_t layout_of(const struct ration__breaker_conf *conf)
{
	if (!by_rates(conf))
		return 0;
	if (conf->window_calls)
		return LAYOUT_CALLS |
		       (uint32_t)ration__min64(conf->window_calls, RATION__BREAKER_CALLS_MAX);
	if (conf->window_s)
		return LAYOUT_SECONDS |
		       (uint32_t)ration__min64(conf->window_s, RATION__BREAKER_SECONDS_MAX);
	return 0;
}

static size_t window_size(uint32_t layout)
{
	size_t places = layout & LAYOUT_PLACES;
	size_t size = layout & LAYOUT_CALLS ? (places + 3) / 4 : places * sizeof(struct second);

	return (size + 7) / 8 * 8;
}

static void forget_window(struct ration__breaker *state)
{
	state->layout = state->position = 0;
	state->ended = state->bad = state->slow = 0;
}

static void add_call(struct ration__breaker *state, bool failed, bool slow)
{
	state->ended++;
	state->bad += failed;
	state->slow += slow;
}

/* The parts of a total come out of the store like the total: never below 0. */
static void subtract(uint32_t *total, uint32_t part)
{
	*total -= *total < part ? *total : part;
}

static void put_in_calls(struct ration__breaker *state, uint32_t places, bool failed, bool slow)
{
	uint8_t *byte = (uint8_t *)(state + 1) + state->position / 4;
	unsigned shift = state->position % 4 * 2, old = *byte >> shift & 3;

	if (state->ended == places) {
		state->ended--;
		subtract(&state->bad, old & 1);
		subtract(&state->slow, old >> 1);
	}
	add_call(state, failed, slow);
	*byte = (uint8_t)((*byte & ~(3u << shift)) | (failed | (unsigned)slow << 1) << shift);
	state->position = (state->position + 1) % places;
}

/* Seconds of a clock that is negative, or beyond the year 2106, are one. */
static uint32_t second_of(int64_t now_ns)
{
	return (uint32_t)ration__min64(ration__max64(now_ns, 0) / RATION__NS_PER_S, UINT32_MAX);
}

/* Takes out of the counts what a window whose newest second is `from` has lost by second `to`. */
static void age(struct ration__breaker_counts *counts, const struct second *seconds,
	uint32_t places, uint32_t from, uint32_t to)
{
	if (to > from && to - from >= places)
		*counts = (struct ration__breaker_counts){0};
	while (counts->calls && from < to) {
		const struct second *lost = &seconds[++from % places];

		subtract(&counts->calls, lost->calls);
		subtract(&counts->failures, lost->failures);
		subtract(&counts->slow, lost->slow);
	}
}

static struct ration__breaker_counts totals(const struct ration__breaker *state)
{
	return (struct ration__breaker_counts){state->ended, state->bad, state->slow};
}

/* A clock that steps back stays in the newest second. */
static void put_in_seconds(
	struct ration__breaker *state, uint32_t places, uint32_t now, bool failed, bool slow)
{
	struct second *seconds = (struct second *)(state + 1);
	struct ration__breaker_counts counts = totals(state);
	struct second *newest;

	age(&counts, seconds, places, state->position, now);
	state->ended = counts.calls;
	state->bad = counts.failures;
	state->slow = counts.slow;
	if (now > state->position && now - state->position >= places) {
		memset(seconds, 0, places * sizeof(*seconds));
		state->position = now;
	}
	while (state->position < now)
		seconds[++state->position % places] = (struct second){0};
	newest = &seconds[state->position % places];
	newest->calls++;
	newest->failures += failed;
	newest->slow += slow;
	add_call(state, failed, slow);
}

static bool window_holds(const struct ration__breaker *state, uint32_t layout)
{
	uint32_t places = layout & LAYOUT_PLACES;

	return state->layout == layout &&
	       (!(layout & LAYOUT_CALLS) || (state->position < places && state->ended <= places));
}

static void put_in_window(
	struct ration__breaker *state, uint32_t layout, int64_t now_ns, bool failed, bool slow)
{
	uint32_t places = layout & LAYOUT_PLACES;

	if (!window_holds(state, layout)) {
		forget_window(state);
		memset(state + 1, 0, window_size(layout));
		state->layout = layout;
	}
	if (layout & LAYOUT_CALLS)
		put_in_calls(state, places, failed, slow);
	else
		put_in_seconds(state, places, second_of(now_ns), failed, slow);
}

size_t ration__breaker_size(const struct ration__breaker_conf *conf)
{
	return sizeof(struct ration__breaker) + window_size(layout_of(conf));
}

void ration__breaker_fit(
	const struct ration__breaker_conf *conf, struct ration__breaker *state, size_t stored)
{
	size_t size = ration__breaker_size(conf);

	if (stored < sizeof(*state) || state->state > RATION__HALF_OPEN)
		stored = 0;
	if (stored >= size)
		return;
	memset((uint8_t *)state + stored, 0, size - stored);
	/* not the counts: in half-open they are the probes', in closed the next call begins anew */
	state->layout = state->position = 0;
}

struct ration__breaker_counts ration__breaker_counts(const struct ration__breaker_conf *conf,
	const struct ration__breaker *state, int64_t now_ns)
{
	struct ration__breaker_counts counts = totals(state);
	uint32_t layout = layout_of(conf);

	if (state->state != RATION__CLOSED)
		return counts;
	if (!layout || !window_holds(state, layout))
		return (struct ration__breaker_counts){0};
	if (layout & LAYOUT_SECONDS)
		age(&counts, (const struct second *)(state + 1), layout & LAYOUT_PLACES,
			state->position, second_of(now_ns));
	return counts;
}

/* ---- the states ---- */

/* Every change of state goes through here: the generation tells calls of before apart. */
static void turn(struct ration__breaker *state, enum ration__breaker_state to)
{
	state->state = to;
	state->generation++;
	state->failures = 0;
	state->successes = 0;
	state->probes = 0;
	forget_window(state);
	if (to == RATION__CLOSED)
		state->streak = 0;
}

/* Looks at the state alone: places are also given back under a configuration that is not its. */
static void set_rest(struct ration__breaker *state, int64_t now_ns)
{
	int64_t rest_at_ns = 1;

	if (state->state != RATION__CLOSED || state->failures) {
		state->rest_at_ns = RATION__NEVER;
		return;
	}
	if (state->generation)
		rest_at_ns = ration__min64(state->opened_ns + state->open_for_ns, RATION__NEVER) +
			     RATION__BREAKER_REST_NS;
	if (state->layout & LAYOUT_CALLS)
		rest_at_ns = ration__max64(rest_at_ns, now_ns + RATION__BREAKER_REST_NS);
	if (state->layout & LAYOUT_SECONDS)
		rest_at_ns = ration__max64(
			rest_at_ns, ((int64_t)state->position + (state->layout & LAYOUT_PLACES)) *
					    RATION__NS_PER_S);
	state->rest_at_ns = ration__min64(rest_at_ns, RATION__NEVER);
}

/* The interval of the streak's newest opening. */
static int64_t open_interval(
	const struct ration__breaker_conf *conf, uint32_t streak, uint64_t random)
{
	int64_t cap_ns = ration__min64(
		conf->open_max_ns > 0 ? conf->open_max_ns : RATION__NEVER, RATION__NEVER);
	double interval = (double)conf->open_ns, power = conf->open_factor;
	uint32_t grown = conf->open_factor > 1 ? streak - 1 : 0;

	/* not through a double, which knows 53 bits */
	if (conf->open_ns <= 0 || (!grown && !(conf->open_jitter > 0)))
		return ration__min64(conf->open_ns, cap_ns);
	for (; grown; grown >>= 1, power *= power)
		if (grown & 1)
			interval *= power;
	if (conf->open_jitter > 0)
		interval *= 1 + conf->open_jitter * ((double)(random >> 11) * 0x1p-52 - 1);
	if (!(interval < (double)cap_ns))
		return cap_ns;
	/* 0 would say that nobody has set it */
	return ration__max64((int64_t)interval, 1);
}

static enum ration__breaker_event trip(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, uint64_t random)
{
	turn(state, RATION__OPEN);
	state->opened_ns = now_ns;
	state->trips++;
	state->streak += state->streak < UINT32_MAX;
	state->open_for_ns = open_interval(conf, state->streak, random);
	return RATION__BREAKER_OPENED;
}

static int64_t open_until(
	const struct ration__breaker_conf *conf, const struct ration__breaker *state)
{
	int64_t for_ns = state->open_for_ns > 0 ? state->open_for_ns : conf->open_ns;

	/* strictly after the interval */
	return ration__min64(
		state->opened_ns + ration__min64(for_ns, RATION__NEVER) + 1, RATION__NEVER);
}

/* Does it let calls through by its state? */
static bool decides(const struct ration__breaker_conf *conf)
{
	return conf->mode == RATION__BREAKER_AUTO && ration__breaker_exists(conf);
}

struct ration__verdict ration__breaker_ask(const struct ration__breaker_conf *conf,
	const struct ration__breaker *state, int64_t now_ns)
{
	const struct ration__verdict yes = {RATION__YES, now_ns};
	uint64_t used = state->probes;

	if (conf->mode == RATION__BREAKER_FORCED_OPEN)
		return (struct ration__verdict){RATION__NO, RATION__NEVER};
	if (!decides(conf) || state->state == RATION__CLOSED)
		return yes;
	if (state->state == RATION__OPEN) {
		int64_t until = open_until(conf, state);

		return now_ns < until ? (struct ration__verdict){RATION__NO, until} : yes;
	}
	if (by_rates(conf))
		used += state->ended;
	/* without a probe out nobody would end the wait, e.g. when there were more places before */
	if (state->probes && used >= conf->probes)
		return (struct ration__verdict){RATION__WAIT, RATION__NEVER};
	return yes;
}

struct ration__breaker_pass ration__breaker_take(
	const struct ration__breaker_conf *conf, struct ration__breaker *state, int64_t now_ns)
{
	struct ration__breaker_pass pass = {0};

	if (decides(conf) && state->state != RATION__CLOSED) {
		if (state->state == RATION__OPEN)
			turn(state, RATION__HALF_OPEN);
		state->probes++;
		pass.probe = 1;
		set_rest(state, now_ns);
	}
	pass.generation = state->generation;
	return pass;
}

/* The part is divided, not the threshold multiplied: 3 of 10 is then 0.3 and no less; 2^-50 is for
 * thresholds that were divided once more on their way here. */
static bool reaches(uint32_t part, uint32_t whole, double threshold)
{
	return threshold > 0 && (double)part / whole >= threshold * (1 - 0x1p-50);
}

static bool rates_bad(const struct ration__breaker_conf *conf, const struct ration__breaker *state)
{
	return reaches(state->bad, state->ended, conf->failure_rate) ||
	       reaches(state->slow, state->ended, conf->slow_rate);
}

/* A window of fewer calls than the minimum would never be judged. */
static bool enough_calls(
	const struct ration__breaker_conf *conf, const struct ration__breaker *state)
{
	uint32_t places = state->layout & LAYOUT_PLACES;

	return state->ended >= conf->min_calls ||
	       (state->layout & LAYOUT_CALLS && state->ended == places);
}

static enum ration__breaker_event settle_closed(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, bool failed, bool slow, uint64_t random)
{
	uint32_t layout = layout_of(conf);
	bool bad = false;

	if (!failed)
		state->failures = 0;
	else if (conf->trip_after)
		bad = ++state->failures >= conf->trip_after;
	if (layout) {
		put_in_window(state, layout, now_ns, failed, slow);
		bad = bad || (enough_calls(conf, state) && rates_bad(conf, state));
	}
	return bad ? trip(conf, state, now_ns, random) : RATION__BREAKER_SAME;
}

static enum ration__breaker_event settle_probe(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, bool failed, bool slow, uint64_t random)
{
	/* where failures are counted in a row, no rate judges them: calls that fail at once are not
	 * slow */
	if (failed && conf->trip_after && !(conf->failure_rate > 0))
		return trip(conf, state, now_ns, random);
	if (by_rates(conf)) {
		add_call(state, failed, slow);
		if (state->ended < conf->probes)
			return RATION__BREAKER_SAME;
		failed = rates_bad(conf, state);
	} else if (!failed && ++state->successes < conf->close_after) {
		return RATION__BREAKER_SAME;
	}
	if (failed)
		return trip(conf, state, now_ns, random);
	turn(state, RATION__CLOSED);
	return RATION__BREAKER_CLOSED;
}

enum ration__breaker_event ration__breaker_settle(const struct ration__breaker_conf *conf,
	struct ration__breaker *state, int64_t now_ns, struct ration__breaker_pass pass,
	enum ration__outcome outcome, int64_t elapsed_ns, uint64_t random)
{
	bool failed = outcome == RATION__FAILURE;
	bool slow = conf->slow_rate > 0 && elapsed_ns > conf->slow_ns;
	bool counts = outcome != RATION__IGNORED && decides(conf);
	enum ration__breaker_event event = RATION__BREAKER_SAME;

	if (pass.generation == state->generation && state->state == RATION__CLOSED) {
		if (!counts || outcome == RATION__THROTTLED)
			return event;
		event = settle_closed(conf, state, now_ns, failed, slow, random);
	} else if (pass.generation == state->generation && pass.probe && state->probes) {
		state->probes--;
		if (counts)
			event = settle_probe(conf, state, now_ns, failed, slow, random);
	} else {
		state->late += counts;
	}
	set_rest(state, now_ns);
	return event;
}

int ration__breaker_quiet(
	const struct ration__breaker_conf *conf, const struct ration__breaker *state)
{
	return !decides(conf) ||
	       (state->state == RATION__CLOSED && !state->failures && !layout_of(conf));
}

void ration__breaker_reset(struct ration__breaker *state, int64_t now_ns)
{
	turn(state, RATION__CLOSED);
	/* as if an interval had just ended: the generation is kept until no old call is out */
	state->opened_ns = now_ns;
	state->open_for_ns = 0;
	set_rest(state, now_ns);
}

const char *ration__breaker_state_name(uint32_t state)
{
	static const char *const names[] = {"closed", "open", "half-open"};

	return state < RATION__COUNT(names) ? names[state] : "unknown";
}

int64_t ration__breaker_until(
	const struct ration__breaker_conf *conf, const struct ration__breaker *state)
{
	return decides(conf) && state->state == RATION__OPEN ? open_until(conf, state)
							     : RATION__NEVER;
}
