/*
 * Lanes: the FIFOs of a client's jobs with the same service, key values and priority; in which
 * order they are asked for, and on what they wait. Everything here is under the pool's mutex, and
 * nothing here asks the guard or looks at a clock: `now_ns` is set by whoever holds the mutex.
 *
 *              jobs come            a worker takes it
 *     IDLE ---------------> READY ----------------------> CLAIMED
 *       ^                   ^  ^                          |  |  |
 *       |  group is released|  | its time has come        |  |  | more to ask
 *       |                PARKED BOOKED <------------------+  |  +----------> READY
 *       |                   ^      tokens are taken          |
 *       |                   +--------------------------------+ denied
 *       +--- no job is left
 *
 * A lane that cannot go never blocks another. Lanes denied by the same rule for the same key values
 * wait in one group, in turn: when it is worth asking again a few of them are let go, and each
 * admission lets more go. So neither a tick nor a wake-up costs O(lanes), and a hundred thousand
 * lanes on one limit do not all ask for one token.
 *
 * A service that has all its connections in use is not asked for: its READY lanes stay in line,
 * without costing a look, until an attempt ends.
 *
 * Who is next among READY lanes: services in turn, then a service's tenants (line.h), then
 * priority, then who became ready first. In a group: its tenants, priority, and who has waited
 * longest.
 *
 * Of a service with rules per node, a lane is one node's, too: see node_lanes.c.
 *
 * A lane's jobs also pass the same limits by method and path, as the pool last knew the rules, so
 * that a write that waits is in no read's way. When that knowledge is old, a job may stand in a
 * lane with others than it should; what it is asked for is right all the same.
 */
#ifndef POOL_LANES_H
#define POOL_LANES_H

#include "pool/job.h"
#include "pool/service.h"

#define RATION__PRIORITY_MAX 100
#define RATION__BATCH_MAX 64 /* asks, and settles, of one transaction */

enum ration__lane_state {
	RATION__LANE_IDLE,
	RATION__LANE_READY,
	RATION__LANE_CLAIMED,
	RATION__LANE_PARKED,
	RATION__LANE_BOOKED,
};

/* Whose turn is counted as one: a value of the key that the service is fair by. It lives as long as
 * it has lanes. */
struct ration__tenant {
	struct ration__entry entry;
	struct ration__pool_service *service;
	struct ration__queue ready;
	uint32_t weight;
	uint32_t refs; /* lanes */
};

struct ration__lane {
	struct ration__entry entry;
	struct ration__tenant *tenant;
	struct ration__keyset *keyset; /* NULL: to be made at the next ask */
	struct ration__node *of;       /* whose attempts its jobs wait for; NULL: any node's */
	struct ration__job *head, **tail;
	union {
		struct ration__order_node node; /* READY, PARKED: among its queue's lanes */
		struct ration__timer timer;	/* BOOKED: its time */
		struct {
			struct ration__lane *next, **link; /* IDLE without any job: spare ones */
		};
	};
	struct ration__queue *queue; /* in the group it waits in, or waited in last; counted */
	const char *reason;	     /* the same as a name */
	int64_t denied_ns;	     /* when it was last denied */
	int64_t until_ns;	     /* the time that was named then */
	uint64_t turn;
	uint32_t jobs;	 /* queued, claimed, flying and resting */
	uint32_t queued; /* of these, in the list */
	uint32_t skip;	 /* rules that its jobs do not pass, as the pool knows them */
	uint32_t keyset_number;
	uint16_t keys_length;
	uint16_t window; /* how many of its jobs are asked for in one transaction */
	uint8_t key_count;
	uint8_t state;
	uint8_t claim; /* CLAIMED, and while its worker takes jobs: number of the claim + 1 */
	int8_t priority;
	bool breaks; /* constant, and read without the mutex: its node has a breaker of its own */
	bool waits : 1;	  /* the keyset holds a booking or a waiting place */
	bool loose : 1;	  /* let go of its group, and not answered since */
	bool paid : 1;	  /* its booking was charged to its tenant */
	bool crowded : 1; /* its queued jobs are counted in the service's crowd */
	bool spare : 1;
	char keys[];
};

static inline struct ration__pool_service *ration__lane_service(const struct ration__lane *lane)
{
	return lane->tenant->service;
}

/* Lanes that one rule denied for the same key values. */
struct ration__group {
	struct ration__entry entry;
	struct ration__pool_service *service;
	struct ration__group *next, **link; /* service's list */
	struct ration__line line;	    /* PARKED lanes */
	struct ration__timer timer;	    /* when to ask again; set while it has parked lanes */
	const char *reason;
	int64_t at_ns;
	uint32_t refs;	/* queues */
	uint32_t loose; /* lanes let go that were not answered since */
	int16_t rule;
	uint8_t denial;
	bool unsure; /* the timer is only there lest those let go never ask */
	/* scratch of a batch that is being made */
	bool mixed;
	struct ration__queue *seen;
};

struct ration__lanes {
	int64_t now_ns;
	struct ration__table table, tenants, groups, queues;
	struct ration__pool_service *ready_first, **ready_last; /* services with READY lanes */
	uint32_t ready_count;	       /* READY lanes, but those of full services */
	uint32_t full_count;	       /* services */
	struct ration__heap booked;    /* lanes, by time */
	struct ration__heap due;       /* groups */
	struct ration__heap deadlines; /* queued jobs */
	uint64_t turns;
	struct ration__lane *spare_first, **spare_last; /* without jobs, kept for a while */
	uint32_t spare_count;
	uint32_t keyset_count;		  /* ever made */
	struct ration__job_queue refused; /* taken out: to be ended under this hold of the mutex */
	/* keysets that wait for nothing any more: ration__guard_leave outside the mutex */
	struct ration__keyset **leaves;
	uint32_t leave_count, leave_capacity;
};

void ration__lanes_init(struct ration__lanes *lanes);
void ration__lanes_fini(struct ration__lanes *lanes); /* no job may be left */

/* A new job, to the tail of its lane. 0 or RATION_ENOMEM: then it is in no lane. It may come back
 * from _refused at once. */
int ration__lanes_add(struct ration__lanes *lanes, struct ration__job *job);
/* The next job that may not wait, with its code and reason: too many wait for a permit already, or
 * its time is over before its lane's is come. Look after _add and _return, before the mutex is
 * left. NULL: none. */
struct ration__job *ration__lanes_refused(struct ration__lanes *lanes);
/* A claimed or resting job, back to its place in line. 0, or RATION_ENOMEM. */
int ration__lanes_put_back(struct ration__lanes *lanes, struct ration__job *job);
/* Takes a QUEUED job out; it is still counted in its lane. */
void ration__lanes_remove(struct ration__lanes *lanes, struct ration__job *job);
/* The job ended: nothing refers to its lane any more. Sets waited_for. */
void ration__lanes_forget(struct ration__lanes *lanes, struct ration__job *job);
/* The next queued job whose time is over, taken out, with code and reason; NULL: none. */
struct ration__job *ration__lanes_expired(struct ration__lanes *lanes);
/* Takes out every queued job; for the end. */
void ration__lanes_take_all(struct ration__lanes *lanes, struct ration__job_queue *queue);

/* Bookings and groups whose time has come become ready. */
void ration__lanes_tick(struct ration__lanes *lanes);
/* When _tick or _expired has something to do; RATION__NEVER. */
int64_t ration__lanes_next_ns(const struct ration__lanes *lanes);
/* Up to n lanes that wait for that rule (of no key) are asked again. */
void ration__lanes_release(
	struct ration__lanes *lanes, struct ration__pool_service *service, int rule, uint32_t n);
/* Likewise for a rule that is per key: of the lanes that have this one's values. */
void ration__lanes_release_like(
	struct ration__lanes *lanes, const struct ration__lane *like, int rule, uint32_t n);
/* Something that others did: what may have ended by it is asked again. */
void ration__lanes_wake(struct ration__lanes *lanes, struct ration__pool_service *services);

/* Services that were full and have room again are asked for again. */
void ration__lanes_open(struct ration__lanes *lanes, struct ration__pool_service *services);
/* The lane whose turn it is to ask for a job; CLAIMED until _return. NULL: none. */
struct ration__lane *ration__lanes_claim(struct ration__lanes *lanes);
/* A claimed lane stands in line for another job in the same batch, until _hold takes it out. */
void ration__lanes_again(struct ration__lanes *lanes, struct ration__lane *lane);
/* The batch is made. turn: the lane's own, from before _again. */
void ration__lanes_hold(struct ration__lanes *lanes, struct ration__lane *lane, uint64_t turn);
/* One more job of a claimed lane that nobody competes with. */
void ration__lanes_charge(struct ration__lane *lane);
/* Its head, CLAIMED; NULL: empty. */
struct ration__job *ration__lanes_pop(struct ration__lanes *lanes, struct ration__lane *lane);

/* What came of one batch's asks for a lane. The jobs were put back before. */
struct ration__lane_answer {
	uint32_t asked, admitted;
	const struct ration__ask *denied; /* the first, DENIED or BOOKED; NULL */
	bool stale;
};
void ration__lanes_return(struct ration__lanes *lanes, struct ration__lane *lane,
	const struct ration__lane_answer *answer);
/* This lane's booking, made for a job that is gone, is given back. Not while CLAIMED. */
void ration__lane_leave(struct ration__lanes *lanes, struct ration__lane *lane);

/* The oldest of the jobs that wait for something in the front rows: its denial. false: none. */
bool ration__lanes_waiting(struct ration__lanes *lanes, struct ration__pool_service *services,
	struct ration__pool_service **service, struct ration__ask *denial);
/* Is what was denied to be had at that time, and not before? A near time may only be when to look
 * again, and permits have none. */
bool ration__denial_is_bound(int denial, int64_t at_ns, int64_t now_ns);
/* Fills code, end, denial and rule of a job that would have to wait until at_ns; false: it can. */
bool ration__job_cannot_wait(struct ration__job *job, int denial, int rule, int64_t at_ns);
/* What a job in that lane waits for since mark_ns. */
const char *ration__lane_reason(const struct ration__lane *lane, int64_t mark_ns);

/* node_lanes.c: of a service with rules per node */
/* Where a job may move to from its lane. */
enum ration__lane_move {
	RATION__MOVE_IDLE, /* another node's lane that does not wait by what its node's rules say */
	RATION__MOVE_OTHER,  /* likewise, else one that waits */
	RATION__MOVE_ANYHOW, /* likewise; it may be the same again */
};
/* Of a job that is not in its lane's list: it becomes another one's. False: there is none. */
bool ration__lanes_move(
	struct ration__lanes *lanes, struct ration__job *job, enum ration__lane_move move);
/* Whether RATION__MOVE_IDLE would lead somewhere. */
bool ration__lanes_may_move(const struct ration__lanes *lanes, const struct ration__job *job);
/* The lane for a new job; NULL: out of memory. */
struct ration__lane *ration__lanes_first(struct ration__lanes *lanes, struct ration__job *job);
/* The job is counted in its lane, which is its node's; and no more. */
void ration__lane_join(
	struct ration__lanes *lanes, struct ration__job *job, struct ration__lane *lane);
void ration__lane_part(struct ration__lanes *lanes, struct ration__job *job);

/* lane.c, for its neighbours */
/* The job's lane, at that node or NULL: found, or NULL. */
struct ration__lane *ration__lane_find(const struct ration__lanes *lanes,
	const struct ration__job *job, const struct ration__node *node);
/* Found or made; NULL: out of memory. */
struct ration__lane *ration__lane_of(
	struct ration__lanes *lanes, const struct ration__job *job, struct ration__node *node);
/* ready.c, for its neighbours */
void ration__lane_make_ready(struct ration__lanes *lanes, struct ration__lane *lane);
void ration__lane_unready(struct ration__lanes *lanes, struct ration__lane *lane);
/* The tenant of that name, with one more reference; NULL: out of memory. */
struct ration__tenant *ration__tenant_get(
	struct ration__lanes *lanes, struct ration__pool_service *service, const char *value);
void ration__tenant_unref(struct ration__lanes *lanes, struct ration__tenant *tenant);

/* lane.c again */
/* Out of whatever it waits in: IDLE. */
void ration__lane_detach(struct ration__lanes *lanes, struct ration__lane *lane);
void ration__lane_drop_queue(struct ration__lanes *lanes, struct ration__lane *lane);
/* It is PARKED for want of a permit: its queued jobs are a part of the crowd; and no more. */
void ration__lane_crowd(struct ration__lane *lane, bool crowded);
/* lanes.c: it is about to be parked for want of a permit: the last of its jobs that are more than
 * may wait are refused. */
void ration__lanes_thin(struct ration__lanes *lanes, struct ration__lane *lane);
/* The value of one of its keys; "": it has none of that name. */
const char *ration__lane_key(const struct ration__lane *lane, const char *name);
/* No job of it is queued: it waits for nothing. */
void ration__lane_quiet(struct ration__lanes *lanes, struct ration__lane *lane);
/* It has no job at all: kept for a while. Never while a worker has it. And out again. */
void ration__lane_set_aside(struct ration__lanes *lanes, struct ration__lane *lane);
void ration__lane_reuse(struct ration__lanes *lanes, struct ration__lane *lane);

/* group.c, for its neighbours */
/* The lane's queue in the group of what denied it, with one more reference; NULL: out of memory. */
struct ration__queue *ration__queue_get(struct ration__lanes *lanes,
	const struct ration__lane *lane, const struct ration__ask *denied);
void ration__queue_unref(struct ration__lanes *lanes, struct ration__queue *queue);
/* Into its queue's group. 0 or RATION_ENOMEM. */
int ration__group_park(struct ration__lanes *lanes, struct ration__lane *lane);
void ration__group_unpark(struct ration__lanes *lanes, struct ration__lane *lane);
void ration__group_release(struct ration__lanes *lanes, struct ration__group *group, uint32_t n);
/* The rules changed: they are read again, and everybody asks again. */
void ration__group_renew(struct ration__lanes *lanes, struct ration__pool_service *service);

#endif
