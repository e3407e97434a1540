/* Fair dealing of permits: the rules, the picture and the invariants are in the header. */
#include "policy/concurrency.h"

#include <string.h>
#include "base/clock.h"
#include "base/util.h"

/* ---- entries ---- */

/* Index of the first entry whose slot is at least slot. */
static uint32_t lower_bound(const struct ration__concurrency *state, uint32_t slot)
{
	uint32_t low = 0, high = state->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (state->contenders[middle].slot < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct ration__contender *find(const struct ration__concurrency *state, uint16_t slot)
{
	uint32_t at = lower_bound(state, slot);

	return at < state->count && state->contenders[at].slot == slot ? &state->contenders[at]
								       : NULL;
}

static struct ration__contender *find_mutable(struct ration__concurrency *state, uint16_t slot)
{
	return (struct ration__contender *)find(state, slot);
}

static struct ration__contender *find_or_add(
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot)
{
	uint32_t at = lower_bound(state, slot);
	struct ration__contender *entry = &state->contenders[at];

	if (at < state->count && entry->slot == slot)
		return entry;
	ration__concurrency_forget(state, now_ns);
	memmove(entry + 1, entry, (state->count - at) * sizeof(*entry));
	*entry = (struct ration__contender){.slot = slot};
	state->count++;
	state->rest_at_ns = RATION__NEVER;
	return entry;
}

static void drop_if_idle(struct ration__concurrency *state, struct ration__contender *entry)
{
	if (entry->held || entry->waiting)
		return;
	state->count--;
	memmove(entry, entry + 1,
		(size_t)(&state->contenders[state->count] - entry) * sizeof(*entry));
	if (!state->count)
		state->rest_at_ns =
			state->used_ns ? state->used_ns + RATION__CONCURRENCY_IDLE_NS : 1;
}

static void set_waiting(struct ration__concurrency *state, struct ration__contender *entry,
	enum ration__waiting waiting)
{
	state->waiting -= entry->waiting == RATION__WAITING;
	state->waiting += waiting == RATION__WAITING;
	entry->waiting = waiting;
}

static void drop_turn(struct ration__concurrency *state, struct ration__contender *entry)
{
	state->turns -= entry->turn != RATION__NO_TURN;
	entry->turn = RATION__NO_TURN;
}

/* ---- turns ---- */

static bool turn_expired(const struct ration__contender *entry, int64_t now_ns)
{
	return entry->turn && now_ns - entry->turn_ns >= RATION__TURN_NS;
}

/* Whether it is in RATION__WAITING once expired turns are taken back. One that never was told of
 * its turn has not missed it. */
static bool waits(const struct ration__contender *entry, int64_t now_ns)
{
	return entry->waiting == RATION__WAITING &&
	       !(entry->turn == RATION__TURN_TOLD && turn_expired(entry, now_ns));
}

static void expire_turns(struct ration__concurrency *state, int64_t now_ns)
{
	for (uint32_t i = 0; state->turns && i < state->count; i++) {
		struct ration__contender *entry = &state->contenders[i];

		if (!turn_expired(entry, now_ns))
			continue;
		if (!waits(entry, now_ns))
			set_waiting(state, entry, RATION__LAPSED);
		drop_turn(state, entry);
	}
}

/* More turns than free permits, after a lower limit or permits put back: the last given go first.
 */
static void trim_turns(struct ration__concurrency *state, uint32_t most)
{
	uint32_t at = lower_bound(state, state->cursor + 1u);

	for (uint32_t i = 0; state->turns > most && i < state->count; i++) {
		at = (at ? at : state->count) - 1;
		drop_turn(state, &state->contenders[at]);
	}
}

/* One round of the rotation, over members below their share or over the others. Returns how many of
 * `room` permits are left. */
static uint32_t deal_round(struct ration__concurrency *state, int64_t now_ns, uint32_t share,
	bool below, uint32_t room)
{
	uint32_t at = lower_bound(state, state->cursor + 1u);

	for (uint32_t i = 0; room && i < state->count; i++, at++) {
		struct ration__contender *entry;

		if (at >= state->count)
			at = 0;
		entry = &state->contenders[at];
		if (entry->waiting != RATION__WAITING || entry->turn ||
			(entry->held < share) != below)
			continue;
		entry->turn = RATION__TURN_GIVEN;
		entry->turn_ns = now_ns;
		state->turns++;
		state->cursor = entry->slot;
		room--;
	}
	return room;
}

static uint32_t share_of(uint32_t limit, uint32_t contending)
{
	return contending > 1 ? (limit - 1) / contending + 1 : limit;
}

/* Expired turns, and those that there is no permit for, are no more. Returns how many permits are
 * free and not set aside. */
static uint32_t tidy_turns(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns)
{
	uint32_t limit = ration__concurrency_limit(conf, state);
	uint32_t room = limit > state->in_flight ? limit - state->in_flight : 0;

	expire_turns(state, now_ns);
	if (state->turns > room)
		trim_turns(state, room);
	return room - state->turns;
}

static void deal_free(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns)
{
	uint32_t room = tidy_turns(conf, state, now_ns);
	uint32_t contending = 0, least = UINT32_MAX, share;

	if (!state->waiting || !room)
		return;
	for (uint32_t i = 0; i < state->count; i++) {
		const struct ration__contender *entry = &state->contenders[i];
		bool waiting = entry->waiting == RATION__WAITING;

		contending += waiting || entry->held;
		if (waiting && entry->held < least)
			least = entry->held;
	}
	share = share_of(ration__concurrency_limit(conf, state), contending);
	if (least < share)
		deal_round(state, now_ns, share, true, room);
	else
		deal_round(state, now_ns, share, false, room);
}

/* ---- public ---- */

struct survey {
	uint32_t contending; /* asker included */
	uint32_t least;	     /* held by the other waiter that holds least */
	uint32_t turns;	     /* of others, not expired */
	int64_t expires_ns;  /* the first of these */
};

static struct survey survey_others(
	const struct ration__concurrency *state, int64_t now_ns, uint16_t slot)
{
	struct survey s = {1, UINT32_MAX, 0, RATION__NEVER};

	for (uint32_t i = 0; i < state->count; i++) {
		const struct ration__contender *entry = &state->contenders[i];
		bool waiting = waits(entry, now_ns);

		if (entry->slot == slot)
			continue;
		s.contending += waiting || entry->held;
		if (waiting && entry->held < s.least)
			s.least = entry->held;
		if (entry->turn && !turn_expired(entry, now_ns)) {
			s.turns++;
			s.expires_ns =
				ration__min64(s.expires_ns, entry->turn_ns + RATION__TURN_NS);
		}
	}
	return s;
}

struct ration__verdict ration__concurrency_ask(const struct ration__concurrency_conf *conf,
	const struct ration__concurrency *state, int64_t now_ns, uint16_t slot)
{
	const struct ration__verdict yes = {RATION__YES, now_ns};
	const struct ration__contender *own;
	struct survey others;
	uint32_t limit = ration__concurrency_limit(conf, state), held, share;

	if (state->in_flight >= limit)
		return (struct ration__verdict){RATION__WAIT, RATION__NEVER};
	if (!state->waiting && !state->turns)
		return yes;
	own = find(state, slot);
	if (own && own->turn && !turn_expired(own, now_ns))
		return yes;
	others = survey_others(state, now_ns, slot);
	held = own ? own->held : 0;
	share = share_of(limit, others.contending);
	if (limit - state->in_flight > others.turns && (held < share || others.least >= share))
		return yes;
	/* held up by a waiter whose turn expired unheard: it gets another one with the next change
	 */
	if (!others.turns)
		others.expires_ns = now_ns + RATION__TURN_NS;
	return (struct ration__verdict){RATION__WAIT, others.expires_ns};
}

void ration__concurrency_take(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot)
{
	struct ration__contender *entry = find_or_add(state, now_ns, slot);

	drop_turn(state, entry);
	set_waiting(state, entry, RATION__NOT_WAITING);
	entry->held++;
	state->in_flight++;
	/* not dealt yet: it may want more, and members above their share shall not come between */
	tidy_turns(conf, state, now_ns);
}

void ration__concurrency_wait(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot, bool waiting)
{
	struct ration__contender *entry;

	expire_turns(
		state, now_ns); /* before: one that lapsed and waits again is not passed over */
	if (waiting) {
		set_waiting(state, find_or_add(state, now_ns, slot), RATION__WAITING);
	} else {
		entry = find_mutable(state, slot);
		if (entry) {
			drop_turn(state, entry);
			set_waiting(state, entry, RATION__NOT_WAITING);
			drop_if_idle(state, entry);
		}
	}
	deal_free(conf, state, now_ns);
}

void ration__concurrency_release(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot)
{
	struct ration__contender *entry = find_mutable(state, slot);

	if (entry && entry->held) {
		entry->held--;
		state->in_flight--;
		drop_if_idle(state, entry);
	}
	deal_free(conf, state, now_ns);
}

uint32_t ration__concurrency_bury(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot)
{
	struct ration__contender *entry = find_mutable(state, slot);
	uint32_t held = 0;

	if (entry) {
		held = entry->held;
		state->in_flight -= held;
		entry->held = 0;
		drop_turn(state, entry);
		set_waiting(state, entry, RATION__NOT_WAITING);
		drop_if_idle(state, entry);
	}
	deal_free(conf, state, now_ns);
	return held;
}

void ration__concurrency_assert(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t slot, uint32_t held)
{
	struct ration__contender *entry = find_or_add(state, now_ns, slot);

	state->in_flight = state->in_flight - entry->held + held;
	entry->held = held;
	drop_if_idle(state, entry);
	deal_free(conf, state, now_ns);
}

size_t ration__concurrency_deal(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, uint16_t *wake, size_t max)
{
	size_t count = 0;

	deal_free(conf, state, now_ns);
	for (uint32_t i = 0; state->turns && count < max && i < state->count; i++) {
		struct ration__contender *entry = &state->contenders[i];

		if (entry->turn != RATION__TURN_GIVEN)
			continue;
		entry->turn = RATION__TURN_TOLD;
		entry->turn_ns = now_ns; /* its time runs from when it can know */
		wake[count++] = entry->slot;
	}
	return count;
}

uint32_t ration__concurrency_held(const struct ration__concurrency *state, uint16_t slot)
{
	const struct ration__contender *entry = find(state, slot);

	return entry ? entry->held : 0;
}
