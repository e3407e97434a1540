/*
 * Lanes of a service that has rules for each node: which node's lane a job waits in, before it is
 * known whether it may go there, and where it goes when it may not.
 *
 * Such a lane's keys are its jobs' and `node`, so bookings, groups and keysets are per node by
 * themselves, and an attempt goes to its lane's node (launch.c). A job that is told to wait, or no,
 * by a rule of that node's moves to another node's lane, to each at most once for each attempt
 * (job.tried); when none is left it takes the answer. Where others wait already for what that
 * node's rules give, nobody moves to in order to wait.
 *
 * While there is another place to go a job is asked for without a booking: what is booked would
 * only be given back.
 */
#include "pool/lanes.h"

static bool waits_for_node(const struct ration__lane *lane)
{
	return lane && lane->queue &&
	       (lane->state == RATION__LANE_PARKED || lane->state == RATION__LANE_BOOKED) &&
	       ration__service_rule_by_node(ration__lane_service(lane), lane->queue->group->rule);
}

struct place {
	struct ration__node *node;
	uint32_t bit;
	bool late; /* what is waited for there comes after the job's deadline */
};

/* The first that does not wait, in the order of choice; else, if it may, the first that does. */
static bool find_place(const struct ration__lanes *lanes, const struct ration__job *job,
	enum ration__lane_move move, struct place *place)
{
	struct ration__node_want want;
	struct place at = {0};
	uint32_t tried = job->tried;
	bool found = false;

	if (tried == UINT32_MAX || !ration__job_want(job, lanes->now_ns, &want))
		return false;
	while (ration__nodes_choose(job->service->nodes, &want, tried, &at.node, &at.bit) == 0) {
		const struct ration__lane *lane = ration__lane_find(lanes, job, at.node);
		bool same = lane && lane == job->lane && move != RATION__MOVE_ANYHOW;

		if (!same && !waits_for_node(lane)) {
			*place = at;
			return true;
		}
		at.late = !same && lane->until_ns >= job->deadline_ns;
		if (!same && move != RATION__MOVE_IDLE && (!found || (place->late && !at.late))) {
			*place = at;
			found = true;
		}
		if (!at.bit)
			break;
		tried |= at.bit;
	}
	return found;
}

void ration__lane_join(
	struct ration__lanes *lanes, struct ration__job *job, struct ration__lane *lane)
{
	if (lane->spare)
		ration__lane_reuse(lanes, lane);
	lane->jobs++;
	job->lane = lane;
	if (lane->of)
		ration__nodes_join(job->service->nodes, lane->of, lanes->now_ns);
}

void ration__lane_part(struct ration__lanes *lanes, struct ration__job *job)
{
	struct ration__lane *lane = job->lane;

	job->lane = NULL;
	if (lane->of)
		ration__nodes_leave(job->service->nodes, lane->of);
	if (--lane->jobs == 0 && lane->state != RATION__LANE_CLAIMED)
		ration__lane_set_aside(lanes, lane);
}

struct ration__lane *ration__lanes_first(struct ration__lanes *lanes, struct ration__job *job)
{
	struct place place = {0};

	if (find_place(lanes, job, RATION__MOVE_ANYHOW, &place))
		job->tried |= place.bit;
	return ration__lane_of(lanes, job, place.node);
}

bool ration__lanes_move(
	struct ration__lanes *lanes, struct ration__job *job, enum ration__lane_move move)
{
	struct ration__lane *lane;
	struct place place;

	if (!ration__service_by_node(job->service) || !find_place(lanes, job, move, &place))
		return false;
	lane = ration__lane_of(lanes, job, place.node);
	if (!lane)
		return false;
	job->tried |= place.bit;
	if (lane == job->lane)
		return true;
	if (lane->spare) /* so that it stays when the other one is set aside */
		ration__lane_reuse(lanes, lane);
	ration__lane_part(lanes, job);
	ration__lane_join(lanes, job, lane);
	return true;
}

bool ration__lanes_may_move(const struct ration__lanes *lanes, const struct ration__job *job)
{
	struct place place;

	return ration__service_by_node(job->service) &&
	       find_place(lanes, job, RATION__MOVE_IDLE, &place);
}
