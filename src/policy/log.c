/* Exact windows. See log.h. Sums saturate at INT64_MAX. */
#include "policy/log.h"

#include <string.h>
#include "base/clock.h"
#include "base/util.h"

#define RING (RATION__WINDOW_PARTS + 1)

static int64_t add_saturating(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* When what was taken at t has left. */
static int64_t leaves(const struct ration__window_conf *conf, int64_t t_ns)
{
	return add_saturating(t_ns, conf->window_ns);
}

/* How many of the oldest entries have left. */
static uint32_t count_gone(
	const struct ration__window_conf *conf, const struct ration__log *state, int64_t now_ns)
{
	uint32_t low = 0, high = state->count;

	if (!high || leaves(conf, state->entries[0].t_ns) > now_ns)
		return 0; /* nearly always, when it matters */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (leaves(conf, state->entries[middle].t_ns) <= now_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int64_t sum_of(const struct ration__log *state, uint32_t first, uint32_t end)
{
	int64_t sum = 0;

	for (uint32_t i = first; i < end; i++)
		sum = add_saturating(sum, state->entries[i].amount);
	return sum;
}

static int64_t sum_from(const struct ration__log *state, uint32_t first)
{
	return sum_of(state, first, state->count);
}

/* A saturated sum is no sum any more: it is counted up again. */
static void lower_sum(struct ration__log *state, int64_t amount)
{
	state->sum = state->sum < INT64_MAX ? state->sum - amount : sum_from(state, 0);
}

static int64_t sum_now(const struct ration__log *state, uint32_t gone)
{
	return gone ? sum_from(state, gone) : state->sum;
}

static void cut(struct ration__log *state, uint32_t at, uint32_t count)
{
	int64_t amount = sum_of(state, at, at + count);

	if (!count)
		return;
	memmove(&state->entries[at], &state->entries[at + count],
		(state->count - at - count) * sizeof(state->entries[0]));
	state->count -= count;
	lower_sum(state, amount);
}

/* The first entry of that time or later; count when there is none. */
static uint32_t find(const struct ration__log *state, int64_t t_ns)
{
	uint32_t low = 0, high = state->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (state->entries[middle].t_ns < t_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Makes one entry of two. Entry i holds what was taken since entry i - 1, so that after this the
 * units that are latest are so by the time from i - 2 to i. */
static void merge_closest(struct ration__log *state)
{
	struct ration__log_entry *entries = state->entries;
	uint32_t best = 2;

	for (uint32_t i = 3; i < state->count; i++)
		if (entries[i].t_ns - entries[i - 2].t_ns <
			entries[best].t_ns - entries[best - 2].t_ns)
			best = i;
	entries[best].amount = add_saturating(entries[best].amount, entries[best - 1].amount);
	entries[best - 1].amount = 0;
	cut(state, best - 1, 1);
}

static void insert(struct ration__log *state, int64_t t_ns, int64_t amount)
{
	uint32_t at;

	if (amount <= 0)
		return;
	at = find(state, t_ns);
	if (at == state->count || state->entries[at].t_ns != t_ns) {
		if (state->count == RATION__LOG_ENTRIES) {
			merge_closest(state);
			at = find(state, t_ns);
		}
		memmove(&state->entries[at + 1], &state->entries[at],
			(state->count - at) * sizeof(state->entries[0]));
		state->entries[at] = (struct ration__log_entry){t_ns, 0};
		state->count++;
	}
	state->entries[at].amount = add_saturating(state->entries[at].amount, amount);
	state->sum = add_saturating(state->sum, amount);
}

void ration__log_seed(const struct ration__window_conf *conf, struct ration__log *state,
	const struct ration__window *ring, int64_t now_ns)
{
	int64_t part_ns = ring->part_ns, late_ns = 0;

	memset(state, 0, sizeof(*state));
	/* the ring lets a part go when the one after it begins its second round */
	if (part_ns == (conf->window_ns - 1) / RATION__WINDOW_PARTS + 1)
		late_ns = part_ns * RATION__WINDOW_PARTS - conf->window_ns + 1;
	for (int back = RING - 1; back >= 0; back--) {
		int64_t part = ring->head - back, last_ns;

		if (part < 0 || ring->used[part % RING] <= 0)
			continue;
		last_ns = part * part_ns + part_ns - 1 + late_ns;
		if (leaves(conf, last_ns) > now_ns)
			insert(state, last_ns, ring->used[part % RING]);
	}
	state->seeded = state->count > 0;
}

int ration__log_valid(const struct ration__log *state, size_t size)
{
	int64_t sum = 0;

	if (size < sizeof(*state) || state->count > RATION__LOG_ENTRIES ||
		size != RATION__LOG_SIZE(state->count) || state->seeded > 1)
		return 0;
	for (uint32_t i = 0; i < state->count; i++) {
		const struct ration__log_entry *entry = &state->entries[i];

		if (entry->amount <= 0 || (i > 0 && entry->t_ns <= entry[-1].t_ns))
			return 0;
		sum = add_saturating(sum, entry->amount);
	}
	return sum == state->sum;
}

struct ration__verdict ration__log_ask(const struct ration__window_conf *conf,
	const struct ration__log *state, int64_t now_ns, int64_t amount)
{
	uint32_t first;
	int64_t sum;

	if (amount > conf->max)
		return (struct ration__verdict){RATION__IMPOSSIBLE, RATION__NEVER};
	first = count_gone(conf, state, now_ns);
	sum = sum_now(state, first);
	if (sum <= conf->max - amount)
		return (struct ration__verdict){RATION__YES, now_ns};
	while (sum > conf->max - amount)
		if (sum == INT64_MAX)
			sum = sum_from(state, ++first);
		else
			sum -= state->entries[first++].amount;
	return (struct ration__verdict){RATION__NO, leaves(conf, state->entries[first - 1].t_ns)};
}

void ration__log_take(const struct ration__window_conf *conf, struct ration__log *state,
	int64_t now_ns, int64_t amount)
{
	cut(state, 0, count_gone(conf, state, now_ns));
	if (state->count)
		now_ns = ration__max64(now_ns, state->entries[state->count - 1].t_ns);
	insert(state, now_ns, amount);
}

void ration__log_refund(const struct ration__window_conf *conf, struct ration__log *state,
	int64_t now_ns, int64_t amount, int64_t taken_ns)
{
	uint32_t first, i;

	cut(state, 0, count_gone(conf, state, now_ns));
	if (leaves(conf, taken_ns) <= now_ns)
		return;
	if (amount < 0) {
		insert(state, taken_ns, amount == INT64_MIN ? INT64_MAX : -amount);
		return;
	}
	first = find(state, taken_ns);
	for (i = first; i < state->count && amount >= state->entries[i].amount; i++)
		amount -= state->entries[i].amount;
	if (i < state->count) {
		state->entries[i].amount -= amount;
		lower_sum(state, amount);
	}
	cut(state, first, i - first);
}

int64_t ration__log_remaining(
	const struct ration__window_conf *conf, const struct ration__log *state, int64_t now_ns)
{
	return ration__max64(0, conf->max - sum_now(state, count_gone(conf, state, now_ns)));
}

int64_t ration__log_frees_at(
	const struct ration__window_conf *conf, const struct ration__log *state, int64_t now_ns)
{
	uint32_t first = count_gone(conf, state, now_ns);

	return first < state->count ? leaves(conf, state->entries[first].t_ns) : now_ns;
}
