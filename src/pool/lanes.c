/* Jobs in lanes. See lanes.h for the states and who holds which lock. */
#include "pool/lanes.h"

#include "base/util.h"

static void insert(struct ration__job **link, struct ration__lane *lane, struct ration__job *job)
{
	job->next = *link;
	job->link = link;
	if (job->next)
		job->next->link = &job->next;
	else
		lane->tail = &job->next;
	*link = job;
	lane->queued++;
	if (lane->crowded)
		ration__lane_service(lane)->crowd++;
}

static void unlink_job(struct ration__lane *lane, struct ration__job *job)
{
	*job->link = job->next;
	if (job->next)
		job->next->link = job->link;
	else
		lane->tail = job->link;
	job->link = NULL;
	lane->queued--;
	if (lane->crowded)
		ration__lane_service(lane)->crowd--;
}

/* A job that may not wait at all is asked for all the same, and refused then if it must wait: until
 * it was asked for this long a wait does not end. */
#define ASK_NS (20 * RATION__NS_PER_MS)

static int arm(struct ration__lanes *lanes, struct ration__job *job)
{
	int64_t at_ns = job->deadline_ns, wait_ns = job->conf->timeouts.wait_ns;

	if (wait_ns >= 0)
		at_ns = ration__min64(at_ns, job->mark_ns + ration__max64(wait_ns, ASK_NS));
	return at_ns < RATION__NEVER ? ration__heap_set(&lanes->deadlines, &job->timer, at_ns) : 0;
}

static void enqueued(
	struct ration__lanes *lanes, struct ration__lane *lane, struct ration__job *job)
{
	job->state = RATION__JOB_QUEUED;
	if (lane->state != RATION__LANE_IDLE)
		return;
	lane->turn = ++lanes->turns;
	ration__lane_make_ready(lanes, lane);
}

/* ---- jobs that may not wait ---- */

static void refuse(struct ration__lanes *lanes, struct ration__job *job)
{
	job->state = RATION__JOB_HELD;
	ration__job_queue_add(&lanes->refused, job);
}

static void refuse_crowded(
	struct ration__lanes *lanes, const struct ration__lane *lane, struct ration__job *job)
{
	job->code = RATION_DENIED_QUEUE;
	job->end = RATION__ENDED_DENIED;
	job->denial = RATION_DENIED_QUEUE;
	job->rule = lane->queue ? lane->queue->group->rule : RATION__RULE_CONCURRENCY;
	job->timer.at_ns = RATION__NEVER;
	refuse(lanes, job);
}

struct ration__job *ration__lanes_refused(struct ration__lanes *lanes)
{
	return ration__job_queue_take(&lanes->refused);
}

bool ration__job_cannot_wait(struct ration__job *job, int denial, int rule, int64_t at_ns)
{
	int64_t wait_ns = job->conf->timeouts.wait_ns;
	bool too_late = at_ns >= job->deadline_ns;

	if (ration__service_settles(job->service, rule))
		return false; /* it may be earlier */
	if (!too_late && !(wait_ns >= 0 && at_ns - job->mark_ns > wait_ns))
		return false;
	job->denial = (uint8_t)denial;
	job->rule = (int16_t)rule;
	job->end = too_late ? RATION__ENDED_LATE : RATION__ENDED_DENIED;
	job->code = too_late ? RATION_DENIED_DEADLINE : denial;
	return true;
}

/* A new job behind others that wait: what is known already, it need not wait to be told. */
static bool is_refused(
	struct ration__lanes *lanes, const struct ration__lane *lane, struct ration__job *job)
{
	const struct ration__group *group = lane->queue ? lane->queue->group : NULL;
	uint32_t max = job->service->own.queue_max;

	if (!group || (lane->state != RATION__LANE_PARKED && lane->state != RATION__LANE_BOOKED))
		return false;
	if ((lane->state == RATION__LANE_BOOKED ||
		    ration__denial_is_bound(group->denial, lane->until_ns, lanes->now_ns)) &&
		ration__job_cannot_wait(job, group->denial, group->rule, lane->until_ns)) {
		job->timer.at_ns = lane->until_ns;
		refuse(lanes, job);
		return true;
	}
	if (!lane->crowded || !max || job->service->crowd < max)
		return false;
	refuse_crowded(lanes, lane, job);
	return true;
}

void ration__lanes_thin(struct ration__lanes *lanes, struct ration__lane *lane)
{
	const struct ration__pool_service *service = ration__lane_service(lane);
	uint32_t max = service->own.queue_max;

	while (max && lane->head && service->crowd + lane->queued > max) {
		struct ration__job *job = RATION__CONTAINER(lane->tail, struct ration__job, next);

		if (job->flight && job->flight->attempts > 0) /* it was let in already */
			break;
		ration__heap_remove(&lanes->deadlines, &job->timer);
		unlink_job(lane, job);
		refuse_crowded(lanes, lane, job);
	}
}

/* ---- in and out ---- */

int ration__lanes_add(struct ration__lanes *lanes, struct ration__job *job)
{
	struct ration__lane *lane = ration__service_by_node(job->service)
					    ? ration__lanes_first(lanes, job)
					    : ration__lane_of(lanes, job, NULL);
	int rc;

	if (!lane)
		return RATION_ENOMEM;
	if (lane->jobs && is_refused(lanes, lane, job)) {
		ration__lane_join(lanes, job, lane);
		return 0;
	}
	rc = arm(lanes, job);
	if (rc < 0)
		return rc;
	ration__lane_join(lanes, job, lane);
	insert(lane->tail, lane, job);
	enqueued(lanes, lane, job);
	return 0;
}

int ration__lanes_put_back(struct ration__lanes *lanes, struct ration__job *job)
{
	struct ration__lane *lane = job->lane;
	struct ration__job **link = &lane->head;
	int rc = arm(lanes, job);

	if (rc < 0)
		return rc;
	/* A booking is its head's, who therefore stays in front. */
	if (lane->state == RATION__LANE_BOOKED && *link)
		link = &(*link)->next;
	while (*link && (*link)->ticket.hash < job->ticket.hash)
		link = &(*link)->next;
	insert(link, lane, job);
	enqueued(lanes, lane, job);
	return 0;
}

void ration__lanes_remove(struct ration__lanes *lanes, struct ration__job *job)
{
	struct ration__lane *lane = job->lane;
	bool was_head = lane->head == job;

	ration__heap_remove(&lanes->deadlines, &job->timer);
	unlink_job(lane, job);
	if (lane->state == RATION__LANE_CLAIMED)
		return; /* _return sees what is left */
	if (!lane->head)
		ration__lane_quiet(lanes, lane);
	else if (was_head && lane->state == RATION__LANE_BOOKED) {
		ration__lane_detach(lanes, lane);
		ration__lane_leave(lanes, lane);
		ration__lane_make_ready(lanes, lane);
	}
}

void ration__lanes_forget(struct ration__lanes *lanes, struct ration__job *job)
{
	job->waited_for = ration__lane_reason(job->lane, job->mark_ns);
	ration__lane_part(lanes, job);
}

struct ration__job *ration__lanes_expired(struct ration__lanes *lanes)
{
	struct ration__timer *timer = ration__heap_first(&lanes->deadlines);
	const struct ration__group *group;
	struct ration__job *job;
	int64_t until_ns = 0;
	bool denied;

	if (!timer || timer->at_ns > lanes->now_ns)
		return NULL;
	job = RATION__CONTAINER(timer, struct ration__job, timer);
	group = job->lane->queue ? job->lane->queue->group : NULL;
	denied = group && job->lane->denied_ns >= job->mark_ns;
	if (!denied && lanes->now_ns < job->deadline_ns && job->conf->timeouts.wait_ns < ASK_NS) {
		/* nobody came to ask for it: that is no reason to refuse it */
		ration__heap_set(&lanes->deadlines, &job->timer,
			ration__min64(job->deadline_ns, lanes->now_ns + ASK_NS));
		return ration__lanes_expired(lanes);
	}
	if (denied) {
		job->denial = group->denial;
		job->rule = group->rule;
		until_ns = job->lane->until_ns;
	}
	if (lanes->now_ns >= job->deadline_ns) {
		job->code = RATION_EDEADLINE;
		job->end = RATION__ENDED_DEADLINE;
	} else {
		job->code = denied ? group->denial : RATION_ETIMEOUT;
		job->end = denied ? RATION__ENDED_DENIED : RATION__ENDED_ERROR;
	}
	ration__lanes_remove(lanes, job); /* and perhaps the group */
	job->timer.at_ns = until_ns;
	return job;
}

void ration__lanes_take_all(struct ration__lanes *lanes, struct ration__job_queue *queue)
{
	for (uint64_t i = 0; i <= lanes->table.mask; i++)
		for (struct ration__entry *entry = lanes->table.heads[i]; entry;
			entry = entry->next) {
			struct ration__lane *lane =
				RATION__CONTAINER(entry, struct ration__lane, entry);
			struct ration__job *job;

			while ((job = lane->head) != NULL) {
				ration__lanes_remove(lanes, job);
				ration__job_queue_add(queue, job);
			}
		}
}

int64_t ration__lanes_next_ns(const struct ration__lanes *lanes)
{
	const struct ration__heap *heaps[] = {&lanes->booked, &lanes->due, &lanes->deadlines};
	int64_t at_ns = RATION__NEVER;

	for (size_t i = 0; i < RATION__COUNT(heaps); i++)
		if (heaps[i]->count)
			at_ns = ration__min64(at_ns, ration__heap_first(heaps[i])->at_ns);
	return at_ns;
}

struct ration__job *ration__lanes_pop(struct ration__lanes *lanes, struct ration__lane *lane)
{
	struct ration__job *job = lane->head;

	if (!job)
		return NULL;
	ration__heap_remove(&lanes->deadlines, &job->timer);
	unlink_job(lane, job);
	job->state = RATION__JOB_HELD;
	return job;
}
