/*
 * Bookings: tokens taken now for a start at a known later time.
 *
 * Every waiter that is told the same time would ask again at that time: forty processes spend forty
 * transactions on one grant, late risers starve, and a job whose cost is the whole burst never
 * goes. So the head of a lane takes its tokens at once and starts at its own time. At most one
 * booking per process and record, which also bounds what late starts can add up to.
 *
 * Under engine.mutex. A booking is in the engine's table once for each record that it holds.
 */
#include "guard/engine.h"

static struct ration__cell **head_of(struct ration__engine *engine, uint64_t hash)
{
	return &engine->booked[hash % RATION__BOOKED_HEADS];
}

void ration__booking_hold(
	struct ration__keyset *keyset, uint32_t limit, double cost, int64_t start_ns)
{
	struct ration__cell *cell = &keyset->cells[limit];
	struct ration__cell **head = head_of(keyset->guard->engine, cell->hash);

	cell->booked = cost;
	cell->start_ns = start_ns;
	cell->next = *head;
	cell->link = head;
	if (cell->next)
		cell->next->link = &cell->next;
	*head = cell;
	if (!keyset->booked || start_ns > keyset->start_ns)
		keyset->start_ns = start_ns;
	keyset->booked = true;
}

static void unlink_cell(struct ration__cell *cell)
{
	if (!cell->link)
		return;
	*cell->link = cell->next;
	if (cell->next)
		cell->next->link = cell->link;
	cell->next = NULL;
	cell->link = NULL;
	cell->booked = 0;
}

void ration__booking_drop(struct ration__keyset *keyset)
{
	for (uint32_t i = 0; i < keyset->limit_count; i++)
		unlink_cell(&keyset->cells[i]);
	keyset->booked = false;
}

int ration__booking_refund(struct ration__keyset *keyset, struct ration__txn *txn)
{
	const struct ration__rules *rules = &keyset->guard->rules;
	struct ration__workset *set = &keyset->guard->engine->set;

	/* After a change of rules the limits' numbers mean something else: what was booked lapses.
	 */
	if (keyset->serial == keyset->guard->serial)
		for (uint32_t i = 0; i < keyset->limit_count; i++) {
			struct ration__cell *cell = &keyset->cells[i];
			struct ration__record *record;
			int rc;

			if (!cell->link)
				continue;
			rc = ration__workset_get(set, cell->hash, ration__cell_key(keyset, cell),
				cell->length, 0, &record);
			if (rc < 0)
				return rc;
			if (!record || record->absent)
				continue;
			if (rules->limits[i].kind == RATION__LIMIT_ADAPTIVE)
				ration__adaptive_refund(&rules->limits[i].adaptive,
					record->adaptive, txn->now_ns, cell->booked,
					cell->start_ns);
			else
				ration__bucket_refund(&cell->conf.bucket, record->bucket,
					txn->now_ns, cell->booked, cell->start_ns);
			record->dirty = true;
		}
	ration__booking_drop(keyset);
	return 0;
}

/* The keysets go on waiting for their starts, and ask anew then. */
void ration__booking_void_all(struct ration__engine *engine)
{
	for (size_t i = 0; i < RATION__BOOKED_HEADS; i++)
		while (engine->booked[i])
			unlink_cell(engine->booked[i]);
}

int64_t ration__booking_of_other(
	const struct ration__keyset *keyset, const struct ration__cell *cell)
{
	const struct ration__cell *other = *head_of(keyset->guard->engine, cell->hash);
	int64_t start_ns = 0;

	/* 64 bits decide: a collision only delays a lane until the other's start. */
	for (; other; other = other->next)
		if (other->hash == cell->hash && other != cell)
			start_ns = ration__max64(start_ns, other->start_ns);
	return start_ns;
}

int64_t ration__booking_start(const struct ration__keyset *keyset, int64_t now_ns)
{
	for (uint32_t i = 0; i < keyset->limit_count; i++)
		if (keyset->cells[i].link)
			now_ns = ration__min64(now_ns, keyset->cells[i].start_ns);
	return now_ns;
}
