/*
 * A line: lanes that compete for one thing (to be asked at all, or for what one rule gives), and
 * whose turn it is: tenants by weighted deficit round robin, one unit a job; of one tenant the lane
 * of the highest priority, then the one that has waited longest.
 *
 * The ring of a deficit round robin is kept as an order by number of round, because places change
 * from outside: a tenant has its weight's units in each round; when they are used, it stands in the
 * next round. Within a round tenants come in the order in which they joined. One that comes joins
 * behind those who are there, but by no more than a round: nothing is saved up while it did not
 * compete. One that comes back while its round is under way goes on with what is left of it.
 *
 *   used   units that were had
 *   open   units given out of which nobody knows yet whether they will be had; they count as used
 *          until they come back
 */
#ifndef POOL_LINE_H
#define POOL_LINE_H

#include <stdint.h>
#include "pool/order.h"
#include "pool/table.h"

struct ration__group;
struct ration__lane;
struct ration__tenant;

/* A tenant's lanes in one line. */
struct ration__queue {
	struct ration__order_node node; /* in the line, while it has lanes */
	struct ration__order lanes;
	struct ration__tenant *tenant;
	int64_t round;
	uint32_t used, open;
	uint32_t joined;
	uint32_t planned; /* scratch: units that are being dealt out */
	/* in a group's line; nothing for who is ready */
	uint32_t refs; /* lanes whose queue it is */
	struct ration__group *group;
	struct ration__entry entry; /* by group and tenant */
};

/* Zeros: empty. */
struct ration__line {
	struct ration__order queues;
	int64_t round; /* of who was served last */
	uint32_t joins;
};

void ration__line_add(
	struct ration__line *line, struct ration__queue *queue, struct ration__lane *lane);
void ration__line_remove(
	struct ration__line *line, struct ration__queue *queue, struct ration__lane *lane);
/* Whose turn it is; NULL: nobody is there. */
struct ration__lane *ration__line_first(const struct ration__line *line);
/* Units that were had. */
void ration__line_charge(struct ration__line *line, struct ration__queue *queue, uint32_t units);
/* Units are given out (1), or come back (-1) to be charged or not. */
void ration__line_open(struct ration__line *line, struct ration__queue *queue, int units);
/* Its place in the line, were so many units more used: the lower comes first; >= 0. */
int64_t ration__queue_place(const struct ration__queue *queue, uint32_t more);

#endif
