/*
 * Half-open places that nobody gives back: their holders are dead, or have held them for longer
 * than concurrency.hold says (a stopped process). The breaker's record only counts its probes, so
 * who asks and finds all places taken looks for them among the permits' entries.
 *
 * Under engine.mutex, inside a transaction.
 */
#include "guard/decision.h"

#include <string.h>

/* One pass each so often, for each breaker. */
#define RECLAIM_EVERY_NS INT64_C(200000000)
#define LOOK_MAX 4096 /* entries of all members looked through: some 50 ns each */
#define HOLDERS_MAX 64

/* Members that hold a probe (of this breaker or another), in the form of those that hold permits of
 * a concurrency limit: what is done about them is the same. */
struct holders {
	struct ration__concurrency list;
	struct ration__contender room[HOLDERS_MAX];
};
static_assert(sizeof(struct holders) == RATION__CONCURRENCY_SIZE(HOLDERS_MAX), "one list");

static int note_holder(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	struct ration__concurrency *list = arg;
	const uint8_t *bytes = key;
	uint16_t slot = (uint16_t)(bytes[1] << 8 | bytes[2]);

	if (key_length != RATION__PERMIT_KEY_SIZE ||
		bytes[RATION__PERMIT_KEY_SIZE - 1] != RATION__PERMIT_PROBE ||
		(list->count && list->contenders[list->count - 1].slot == slot))
		return 0;
	list->contenders[list->count++] = (struct ration__contender){.slot = slot};
	return list->count == HOLDERS_MAX;
}

/* In the order of their slots. Where there are more entries than one look sees, the second one
 * begins anywhere behind the first. */
static int find_holders(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__concurrency *list)
{
	const uint8_t prefix = RATION__RECORD_PERMIT;
	uint8_t from[RATION__KEY_MAX];
	size_t length;
	unsigned slot;
	int rc = ration__txn_visit(
		txn, &prefix, 1, NULL, 0, LOOK_MAX, note_holder, list, from, &length);

	if (rc != 0 || !length)
		return rc;
	slot = (unsigned)(from[1] << 8 | from[2]);
	if (slot < RATION__SLOTS_MAX)
		slot += (unsigned)(ration__engine_random(engine) % (RATION__SLOTS_MAX - slot));
	ration__key_permit(from, (uint16_t)slot, 0, 0, 0);
	return ration__txn_visit(txn, &prefix, 1, from, RATION__PERMIT_KEY_SIZE, LOOK_MAX,
		note_holder, list, NULL, NULL);
}

int ration__probe_reclaim(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__record *record)
{
	static const struct ration__concurrency_conf any = {.max = 1};
	struct ration__breaker *state = record->breaker;
	struct ration__record holders_of = *record;
	struct holders holders;
	int rc;

	if (txn->now_ns - state->reclaim_ns < RECLAIM_EVERY_NS && state->reclaim_ns <= txn->now_ns)
		return 0;
	state->reclaim_ns = txn->now_ns;
	record->dirty = true;
	memset(&holders, 0, sizeof(holders));
	rc = find_holders(engine, txn, &holders.list);
	if (rc < 0 || !holders.list.count)
		return rc < 0 ? rc : 0;
	holders.list.reclaim_ns = RATION__NEVER; /* at once */
	holders_of.concurrency = &holders.list;
	return ration__permit_reclaim(engine, txn, &holders_of, &any);
}
