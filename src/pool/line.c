/* Turns between tenants. See line.h. */
#include "pool/line.h"

#include "base/util.h"
#include "pool/lanes.h"

/* A place in one number: the round, then when it joined (which wraps, and then two may change
 * places in a round). */
#define JOINED_BITS 20

int64_t ration__queue_place(const struct ration__queue *queue, uint32_t more)
{
	uint64_t units = (uint64_t)queue->used + more;
	uint64_t round = (uint64_t)queue->round + units / queue->tenant->weight;

	return (int64_t)(round << JOINED_BITS |
			 (queue->joined & ((UINT32_C(1) << JOINED_BITS) - 1)));
}

static bool is_in_line(const struct ration__queue *queue)
{
	return queue->lanes.root != NULL;
}

static void move(struct ration__line *line, struct ration__queue *queue)
{
	int64_t place = ration__queue_place(queue, queue->open);

	if (!is_in_line(queue) || place == queue->node.key)
		return;
	ration__order_remove(&line->queues, &queue->node);
	ration__order_add(&line->queues, &queue->node, place);
}

static int64_t round_of(const struct ration__order_node *place)
{
	return place->key >> JOINED_BITS;
}

/* Where a newcomer joins: behind all who are there, so that ever new ones keep nobody waiting; but
 * one round at most, whatever anybody has had in advance. */
static int64_t joining_round(const struct ration__line *line)
{
	const struct ration__order_node *first = ration__order_first(&line->queues);
	const struct ration__order_node *last = ration__order_last(&line->queues);

	return first ? ration__max64(
			       line->round, ration__min64(round_of(last), round_of(first) + 1))
		     : line->round;
}

static void join(struct ration__line *line, struct ration__queue *queue)
{
	/* Who was away for a moment, such as while it was asked, goes on where it was. A group's
	 * queue lives only while its lanes wait or are asked: it stood in line all the while, and
	 * were it put behind the others for each denial, its turn would never come. */
	if (!queue->joined || (!queue->group && queue->round < line->round)) {
		queue->round = joining_round(line);
		queue->used = 0;
		queue->joined = ++line->joins;
	}
	ration__order_add(&line->queues, &queue->node, ration__queue_place(queue, queue->open));
}

/* By priority, then turn. */
static int64_t turn_of(const struct ration__lane *lane)
{
	return ((int64_t)(RATION__PRIORITY_MAX - lane->priority) << 48) |
	       (int64_t)(lane->turn & ((UINT64_C(1) << 48) - 1));
}

void ration__line_add(
	struct ration__line *line, struct ration__queue *queue, struct ration__lane *lane)
{
	if (!is_in_line(queue))
		join(line, queue);
	ration__order_add(&queue->lanes, &lane->node, turn_of(lane));
}

void ration__line_remove(
	struct ration__line *line, struct ration__queue *queue, struct ration__lane *lane)
{
	ration__order_remove(&queue->lanes, &lane->node);
	if (!is_in_line(queue))
		ration__order_remove(&line->queues, &queue->node);
}

struct ration__lane *ration__line_first(const struct ration__line *line)
{
	struct ration__order_node *node = ration__order_first(&line->queues);

	if (!node)
		return NULL;
	node = ration__order_first(&RATION__CONTAINER(node, struct ration__queue, node)->lanes);
	return RATION__CONTAINER(node, struct ration__lane, node);
}

void ration__line_charge(struct ration__line *line, struct ration__queue *queue, uint32_t units)
{
	uint32_t weight = queue->tenant->weight;
	uint64_t used = (uint64_t)queue->used + units;

	if (!units)
		return;
	/* the round of the last of these units */
	line->round = ration__max64(line->round, queue->round + (int64_t)((used - 1) / weight));
	queue->round += (int64_t)(used / weight);
	queue->used = (uint32_t)(used % weight);
	move(line, queue);
}

void ration__line_open(struct ration__line *line, struct ration__queue *queue, int units)
{
	queue->open += (uint32_t)units;
	move(line, queue);
}
