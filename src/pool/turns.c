/* In which order lanes are asked for, and where they wait after an answer. See lanes.h. */
#include "pool/lanes.h"

#include "base/util.h"

/* Lanes let go of a group for each admission of one of them. */
#define RELEASE_MORE 2

struct ration__lane *ration__lanes_claim(struct ration__lanes *lanes, const int8_t *priority)
{
	struct ration__lane *lane = NULL;

	if (priority)
		lane = lanes->ready[RATION__PRIORITY_MAX - *priority].first;
	for (size_t i = 0; !priority && !lane && i < RATION__COUNT(lanes->ready_bits); i++)
		if (lanes->ready_bits[i])
			lane = lanes->ready[i * 64 + (size_t)__builtin_ctzll(lanes->ready_bits[i])]
				       .first;
	if (!lane)
		return NULL;
	ration__lane_unready(lanes, lane);
	lane->state = RATION__LANE_CLAIMED;
	return lane;
}

/* It was told to wait: in a group, or for its own booked time. */
static void park(
	struct ration__lanes *lanes, struct ration__lane *lane, const struct ration__ask *ask)
{
	struct ration__group *group = ration__group_get(lanes, lane, ask);
	int rc = group ? 0 : RATION_ENOMEM;

	ration__lane_drop_group(lanes, lane);
	lane->group = group;
	lane->waits = true;
	/* the head may have been submitted after this tick's clock was read */
	lane->denied_ns = ration__max64(lanes->now_ns, lane->head->mark_ns);
	if (group)
		lane->reason = group->reason;
	if (rc == 0 && ask->decision == RATION__BOOKED)
		rc = ration__heap_set(&lanes->booked, &lane->timer, ask->at_ns);
	else if (rc == 0)
		rc = ration__group_park(lanes, group, lane);
	if (rc < 0) /* no memory to wait in order: it asks again, in turn */
		ration__lane_make_ready(lanes, lane);
	else
		lane->state =
			ask->decision == RATION__BOOKED ? RATION__LANE_BOOKED : RATION__LANE_PARKED;
}

void ration__lanes_return(struct ration__lanes *lanes, struct ration__lane *lane,
	const struct ration__lane_answer *answer)
{
	lane->state = RATION__LANE_IDLE;
	if (answer->stale) { /* what it had booked is given back already */
		ration__keyset_unref(lane->keyset);
		lane->keyset = NULL;
		lane->waits = false;
		ration__group_renew(lanes, lane->service);
	}
	if (answer->admitted) {
		lane->waits = false;
		lane->turn = ++lanes->turns;
		if (lane->group && !answer->denied)
			ration__group_release(lanes, lane->group, RELEASE_MORE * answer->admitted);
	}
	if (answer->denied)
		/* two at least: the one that starts when its booking does, and the next that books
		 */
		lane->window = (uint16_t)ration__max64(answer->admitted + 1, 2);
	else if (answer->admitted && answer->admitted == answer->asked)
		lane->window = (uint16_t)ration__min64(lane->window * 2, RATION__BATCH_MAX);
	if (!lane->head) {
		ration__lane_quiet(lanes, lane);
		if (!lane->jobs)
			ration__lane_set_aside(lanes, lane);
		return;
	}
	if (answer->denied && !answer->stale) {
		park(lanes, lane, answer->denied);
		return;
	}
	if (answer->admitted)
		ration__lane_drop_group(lanes, lane);
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
				const struct ration__timer *first =
					ration__heap_first(&group->lanes);
				const struct ration__lane *lane =
					first ? RATION__CONTAINER(first, struct ration__lane, timer)
					      : NULL;

				if (lane && (!best || lane->head->ticket.hash <
							      best->head->ticket.hash))
					best = lane;
			}
		}
	if (!best || !best->group)
		return false;
	*service = best->service;
	*denial = (struct ration__ask){.decision = RATION__DENIED,
		.denial = best->group->denial,
		.rule = best->group->rule,
		.at_ns = best->state == RATION__LANE_BOOKED ? best->timer.at_ns
							    : best->group->at_ns};
	return true;
}
