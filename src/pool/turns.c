/* In which order lanes are asked for, and where they wait after an answer. See lanes.h. */
#include "pool/lanes.h"

#include "base/util.h"

/* Lanes let go of a group for each admission of one of them. */
#define RELEASE_MORE 2

/* What its tenant had of what the group gives: admissions, a booking when it is made. */
static void pay(struct ration__lane *lane, uint32_t admitted)
{
	struct ration__queue *queue = lane->queue;

	if (!queue || !admitted)
		return;
	ration__line_charge(&queue->group->line, queue, admitted - (lane->paid ? 1 : 0));
	lane->paid = false;
}

static void answered(struct ration__lane *lane)
{
	if (!lane->loose)
		return;
	lane->loose = false;
	lane->queue->group->loose--;
	ration__line_open(&lane->queue->group->line, lane->queue, -1);
}

static bool is_permit(int rule)
{
	return rule == RATION__RULE_CONCURRENCY || rule == RATION__RULE_PLACE;
}

static void empty(struct ration__lanes *lanes, struct ration__lane *lane)
{
	ration__lane_quiet(lanes, lane);
	if (!lane->jobs)
		ration__lane_set_aside(lanes, lane);
}

/* For its own booked time. 0 or RATION_ENOMEM. */
static int book(struct ration__lanes *lanes, struct ration__lane *lane, bool paid)
{
	int rc = ration__heap_set(&lanes->booked, &lane->timer, lane->until_ns);

	if (rc < 0)
		return rc;
	if (!paid)
		ration__line_charge(&lane->queue->group->line, lane->queue, 1);
	lane->paid = true;
	lane->state = RATION__LANE_BOOKED;
	return 0;
}

/* It was told to wait: in a group, or for its own booked time. */
static void park(
	struct ration__lanes *lanes, struct ration__lane *lane, const struct ration__ask *ask)
{
	struct ration__queue *queue = ration__queue_get(lanes, lane, ask);
	bool paid = lane->paid;
	int rc = queue ? 0 : RATION_ENOMEM;

	ration__lane_drop_queue(lanes, lane);
	lane->queue = queue;
	lane->waits = true;
	/* the head may have been submitted after this tick's clock was read */
	lane->denied_ns = ration__max64(lanes->now_ns, lane->head->mark_ns);
	lane->until_ns = ask->at_ns;
	if (queue)
		lane->reason = queue->group->reason;
	if (is_permit(ask->rule)) {
		ration__lanes_thin(lanes, lane);
		if (!lane->head) {
			empty(lanes, lane);
			return;
		}
	}
	if (rc == 0 && ask->decision == RATION__BOOKED)
		rc = book(lanes, lane, paid);
	else if (rc == 0) {
		rc = ration__group_park(lanes, lane);
		if (rc == 0)
			lane->state = RATION__LANE_PARKED;
	}
	if (rc < 0) /* no memory to wait in order: it asks again, in turn */
		ration__lane_make_ready(lanes, lane);
}

void ration__lanes_return(struct ration__lanes *lanes, struct ration__lane *lane,
	const struct ration__lane_answer *answer)
{
	lane->state = RATION__LANE_IDLE;
	answered(lane);
	pay(lane, answer->admitted);
	if (answer->stale) { /* what it had booked is given back already */
		ration__keyset_unref(lane->keyset);
		lane->keyset = NULL;
		lane->waits = lane->paid = false;
		ration__group_renew(lanes, ration__lane_service(lane));
	}
	if (answer->admitted) {
		lane->waits = false;
		lane->turn = ++lanes->turns;
		if (lane->queue && !answer->denied)
			ration__group_release(
				lanes, lane->queue->group, RELEASE_MORE * answer->admitted);
	}
	if (answer->denied)
		/* two at least: the one that starts when its booking does, and the next that books
		 */
		lane->window = (uint16_t)ration__max64(answer->admitted + 1, 2);
	else if (answer->admitted && answer->admitted == answer->asked)
		lane->window = (uint16_t)ration__min64(lane->window * 2, RATION__BATCH_MAX);
	if (!lane->head) {
		empty(lanes, lane);
		return;
	}
	if (answer->denied && !answer->stale) {
		park(lanes, lane, answer->denied);
		return;
	}
	if (answer->admitted)
		ration__lane_drop_queue(lanes, lane);
	ration__lane_make_ready(lanes, lane);
}

bool ration__lanes_waiting(struct ration__lanes *lanes, struct ration__pool_service *services,
	struct ration__pool_service **service, struct ration__ask *denial)
{
	const struct ration__lane *best = NULL;
	int rows = RATION__BATCH_MAX;

	for (uint32_t i = 0; i < lanes->booked.count && i < RATION__BATCH_MAX; i++) {
		const struct ration__lane *lane =
			RATION__CONTAINER(lanes->booked.items[i], struct ration__lane, timer);

		if (!best || lane->head->ticket.hash < best->head->ticket.hash)
			best = lane;
	}
	for (; services; services = services->next)
		for (int kind = 0; kind < 2; kind++) {
			const struct ration__group *group =
				kind ? services->timed : services->eventful;

			for (; group && rows > 0; group = group->next, rows--) {
				const struct ration__lane *lane = ration__line_first(&group->line);

				if (lane && (!best || lane->head->ticket.hash <
							      best->head->ticket.hash))
					best = lane;
			}
		}
	if (!best || !best->queue)
		return false;
	*service = ration__lane_service(best);
	*denial = (struct ration__ask){.decision = RATION__DENIED,
		.denial = best->queue->group->denial,
		.rule = best->queue->group->rule,
		.at_ns = best->until_ns};
	return true;
}
