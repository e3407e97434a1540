/* Rolling window over a ring of parts. Parts and sums saturate at INT64_MAX. */
#include "policy/window.h"

#include <stdbool.h>
#include <string.h>
#include "base/clock.h"
#include "base/util.h"

#define RING (RATION__WINDOW_PARTS + 1)

static int64_t part_length(const struct ration__window_conf *conf)
{
	return (conf->window_ns - 1) / RATION__WINDOW_PARTS + 1;
}

static int64_t part_of(int64_t time_ns, int64_t part_ns)
{
	return time_ns > 0 ? time_ns / part_ns : 0;
}

/* The same, without a division when it is the head's part: nearly always, when it matters. */
static int64_t part_now(const struct ration__window *state, int64_t now_ns)
{
	uint64_t since_ns = (uint64_t)now_ns - (uint64_t)(state->head * state->part_ns);

	return since_ns < (uint64_t)state->part_ns ? state->head : part_of(now_ns, state->part_ns);
}

/* A part leaves the window when the ring's next round reaches it. */
static int64_t part_leaves(int64_t part, int64_t part_ns)
{
	return (part + RING) * part_ns;
}

/* Index of part head - back, 0 <= back < RING. */
static unsigned ring_index(int64_t head, int back)
{
	int index = (int)(head % RING) - back;

	return (unsigned)(index < 0 ? index + RING : index);
}

/* How many of the newest parts are in the window of a time in part now. */
static int parts_in(const struct ration__window *state, int64_t now)
{
	int64_t beyond = now - state->head;

	return beyond <= 0 ? RING : beyond < RING ? (int)(RING - beyond) : 0;
}

static int64_t add_saturating(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t sum(const struct ration__window *state, int parts)
{
	unsigned index = ring_index(state->head, 0);
	int64_t total = 0;

	for (; parts > 0; parts--) {
		total = add_saturating(total, state->used[index]);
		index = index ? index - 1 : RING - 1;
	}
	return total;
}

/* The same over the whole ring, which is what nearly every decision needs: plain additions, in four
 * chains, unless a part is so large that 65 of its kind could overflow. */
static int64_t sum_all(const struct ration__window *state)
{
	const int64_t *used = state->used;
	uint64_t a = 0, b = 0, c = 0, d = (uint64_t)used[RING - 1], bits = d;

	static_assert(RING % 4 == 1, "four at a time, and the last one");
	for (int i = 0; i < RING - 1; i += 4) {
		a += (uint64_t)used[i];
		b += (uint64_t)used[i + 1];
		c += (uint64_t)used[i + 2];
		d += (uint64_t)used[i + 3];
		bits |= (uint64_t)(used[i] | used[i + 1] | used[i + 2] | used[i + 3]);
	}
	return bits >> 56 ? sum(state, RING) : (int64_t)(a + b + c + d);
}

static int64_t total_of(const struct ration__window *state, int parts)
{
	return parts == RING ? sum_all(state) : sum(state, parts);
}

/* Makes part now the newest one, unless it is in the past. */
static void roll(struct ration__window *state, int64_t now)
{
	if (now - state->head >= RING) {
		memset(state->used, 0, sizeof(state->used));
		state->head = now;
	}
	while (state->head < now)
		state->used[++state->head % RING] = 0;
}

static void add(struct ration__window *state, int64_t part, int64_t amount)
{
	int64_t *used = &state->used[part % RING];

	*used = add_saturating(*used, amount);
	state->rest_at_ns = part_leaves(state->head, state->part_ns);
}

/* The same amounts in parts of another length: each counts at the latest time at which it can have
 * been taken, so that it leaves late rather than early. */
static void reframe(const struct ration__window *from, struct ration__window *to, int64_t part_ns,
	int64_t now_ns)
{
	memset(to, 0, sizeof(*to));
	to->part_ns = part_ns;
	to->rest_at_ns = 1;
	for (int back = RING - 1; back >= 0; back--) {
		int64_t amount = from->used[ring_index(from->head, back)];
		int64_t begin = (from->head - back) * from->part_ns;
		int64_t last =
			ration__min64(begin + from->part_ns - 1, ration__max64(begin, now_ns));

		if (!amount)
			continue;
		roll(to, part_of(last, part_ns));
		add(to, to->head, amount);
	}
}

/* The state as it is, or counted over into spare when the window's length was changed. */
static const struct ration__window *framed(const struct ration__window_conf *conf,
	const struct ration__window *state, struct ration__window *spare, int64_t now_ns)
{
	int64_t part_ns = part_length(conf);

	if (state->part_ns == part_ns)
		return state;
	reframe(state, spare, part_ns, now_ns);
	return spare;
}

static void frame(
	const struct ration__window_conf *conf, struct ration__window *state, int64_t now_ns)
{
	struct ration__window spare;

	if (framed(conf, state, &spare, now_ns) == &spare)
		*state = spare;
}

int64_t ration__window_amount(double cost)
{
	double micro = cost * RATION__MICRO;
	int64_t whole;

	if (micro <= 0)
		return 0;
	if (!(micro < (double)INT64_MAX))
		return INT64_MAX;
	whole = (int64_t)micro;
	/* 4.03 * 10^6 is 4030000.0000000005: that is the number's precision, not a cost */
	return whole + (micro - (double)whole > micro * 0x1p-50);
}

/* When the ring has drained to at most `most`; it holds `total` now. */
static int64_t drains_at(const struct ration__window *state, int parts, int64_t total, int64_t most)
{
	while (parts > 0 && total > most)
		total -= state->used[ring_index(state->head, --parts)];
	return part_leaves(state->head - parts, state->part_ns);
}

struct ration__verdict ration__window_ask(const struct ration__window_conf *conf,
	const struct ration__window *state, int64_t now_ns, int64_t amount)
{
	struct ration__window spare;
	int64_t total;
	int parts;

	if (amount > conf->max)
		return (struct ration__verdict){RATION__IMPOSSIBLE, RATION__NEVER};
	state = framed(conf, state, &spare, now_ns);
	parts = parts_in(state, part_now(state, now_ns));
	total = total_of(state, parts);
	if (total <= conf->max - amount)
		return (struct ration__verdict){RATION__YES, now_ns};
	return (struct ration__verdict){
		RATION__NO, drains_at(state, parts, total, conf->max - amount)};
}

void ration__window_take(const struct ration__window_conf *conf, struct ration__window *state,
	int64_t now_ns, int64_t amount)
{
	frame(conf, state, now_ns);
	roll(state, part_now(state, now_ns));
	add(state, state->head, amount);
}

void ration__window_refund(const struct ration__window_conf *conf, struct ration__window *state,
	int64_t now_ns, int64_t amount, int64_t taken_ns)
{
	int64_t part;

	frame(conf, state, now_ns);
	roll(state, part_now(state, now_ns));
	part = part_of(taken_ns, state->part_ns);
	if (part <= state->head - RING)
		return;
	if (amount < 0) {
		roll(state, part);
		add(state, part, amount == INT64_MIN ? INT64_MAX : -amount);
	} else if (part <= state->head) {
		int64_t *used = &state->used[part % RING];

		*used -= ration__min64(amount, *used);
	}
}

int64_t ration__window_remaining(
	const struct ration__window_conf *conf, const struct ration__window *state, int64_t now_ns)
{
	struct ration__window spare;
	int parts;

	state = framed(conf, state, &spare, now_ns);
	parts = parts_in(state, part_now(state, now_ns));
	return ration__max64(0, conf->max - total_of(state, parts));
}

int64_t ration__window_frees_at(
	const struct ration__window_conf *conf, const struct ration__window *state, int64_t now_ns)
{
	struct ration__window spare;
	int64_t total;
	int parts;

	state = framed(conf, state, &spare, now_ns);
	parts = parts_in(state, part_now(state, now_ns));
	total = total_of(state, parts);
	return total ? drains_at(state, parts, total, total - 1) : now_ns;
}

int64_t ration__window_part(const struct ration__window_conf *conf, int64_t now_ns)
{
	return part_of(now_ns, part_length(conf));
}

int64_t ration__window_used_in(const struct ration__window *state, int64_t part)
{
	if (part < 0 || part > state->head || part <= state->head - RING)
		return 0;
	return state->used[part % RING];
}
