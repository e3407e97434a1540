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
 * READY lanes are a ring for each priority. (Tenants' weights come above that, as rings of rings.)
 */
#ifndef POOL_LANES_H
#define POOL_LANES_H

#include "pool/job.h"
#include "pool/service.h"

#define RATION__PRIORITY_MAX 100
#define RATION__PRIORITIES (2 * RATION__PRIORITY_MAX + 1)
#define RATION__BATCH_MAX 64 /* asks, and settles, of one transaction */

enum ration__lane_state {
	RATION__LANE_IDLE,
	RATION__LANE_READY,
	RATION__LANE_CLAIMED,
	RATION__LANE_PARKED,
	RATION__LANE_BOOKED,
};

struct ration__lane {
	struct ration__entry entry;
	struct ration__pool_service *service;
	struct ration__keyset *keyset; /* NULL: to be made at the next ask */
	struct ration__job *head, **tail;
	struct ration__lane *next,
		**link;		     /* READY: ring; without any job: the list of spare lanes */
	struct ration__timer timer;  /* PARKED: its turn in the group; BOOKED: its time */
	struct ration__group *group; /* what it waits for, or waited for last; counted */
	const char *reason;	     /* the same as a name */
	int64_t denied_ns;	     /* when it was last denied */
	uint64_t turn;
	uint32_t jobs; /* queued, claimed, flying and resting */
	uint32_t keys_length;
	uint16_t window; /* how many of its jobs are asked for in one transaction */
	uint8_t key_count;
	uint8_t state;
	int8_t priority;
	bool waits; /* the keyset holds a booking or a waiting place */
	bool loose; /* let go of its group, and not answered since */
	char keys[];
};

/* Lanes that one rule denied for the same key values. */
struct ration__group {
	struct ration__entry entry;
	struct ration__pool_service *service;
	struct ration__group *next, **link; /* service's list */
	struct ration__heap lanes;	    /* PARKED, by priority and turn */
	struct ration__timer timer;	    /* when to ask again; set while it has parked lanes */
	const char *reason;
	int64_t at_ns;
	uint32_t refs;
	uint32_t loose; /* lanes let go that were not answered since */
	int16_t rule;
	uint8_t denial;
	bool unsure; /* the timer is only there lest those let go never ask */
};

struct ration__ring {
	struct ration__lane *first, **last;
};

struct ration__lanes {
	int64_t now_ns;
	struct ration__table table, groups;
	struct ration__ring ready[RATION__PRIORITIES]; /* [0]: the highest priority */
	uint64_t ready_bits[(RATION__PRIORITIES + 63) / 64];
	uint32_t ready_count;
	struct ration__heap booked;    /* lanes, by time */
	struct ration__heap due;       /* groups */
	struct ration__heap deadlines; /* queued jobs */
	uint64_t turns;
	struct ration__ring spare; /* lanes without jobs, kept for a while */
	uint32_t spare_count;
	/* keysets that wait for nothing any more: ration__guard_leave outside the mutex */
	struct ration__keyset **leaves;
	uint32_t leave_count, leave_capacity;
};

void ration__lanes_init(struct ration__lanes *lanes);
void ration__lanes_fini(struct ration__lanes *lanes); /* no job may be left */

/* A new job, to the tail of its lane. 0 or RATION_ENOMEM: then it is in no lane. */
int ration__lanes_add(struct ration__lanes *lanes, struct ration__job *job);
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
/* Something that others did: what may have ended by it is asked again. */
void ration__lanes_wake(struct ration__lanes *lanes, struct ration__pool_service *services);

/* The next lane of a worker's batch: of the highest priority that has one ready, or of exactly
 * that priority when it is not NULL. CLAIMED until _return. NULL: none. */
struct ration__lane *ration__lanes_claim(struct ration__lanes *lanes, const int8_t *priority);
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
/* What a job in that lane waits for since mark_ns. */
const char *ration__lane_reason(const struct ration__lane *lane, int64_t mark_ns);

/* lane.c, for its neighbours */
/* The job's lane, found or made; NULL: out of memory. */
struct ration__lane *ration__lane_of(struct ration__lanes *lanes, const struct ration__job *job);
void ration__lane_make_ready(struct ration__lanes *lanes, struct ration__lane *lane);
void ration__lane_unready(struct ration__lanes *lanes, struct ration__lane *lane);
/* Out of whatever it waits in: IDLE. */
void ration__lane_detach(struct ration__lanes *lanes, struct ration__lane *lane);
void ration__lane_drop_group(struct ration__lanes *lanes, struct ration__lane *lane);
/* No job of it is queued: it waits for nothing. */
void ration__lane_quiet(struct ration__lanes *lanes, struct ration__lane *lane);
/* It has no job at all: kept for a while. Never while a worker has it. And out again. */
void ration__lane_set_aside(struct ration__lanes *lanes, struct ration__lane *lane);
void ration__lane_reuse(struct ration__lanes *lanes, struct ration__lane *lane);

/* group.c, for its neighbours */
/* The group of what denied the lane, with one more reference; NULL: out of memory. */
struct ration__group *ration__group_get(struct ration__lanes *lanes,
	const struct ration__lane *lane, const struct ration__ask *denied);
void ration__group_unref(struct ration__lanes *lanes, struct ration__group *group);
/* 0 or RATION_ENOMEM. */
int ration__group_park(
	struct ration__lanes *lanes, struct ration__group *group, struct ration__lane *lane);
void ration__group_unpark(
	struct ration__lanes *lanes, struct ration__group *group, struct ration__lane *lane);
void ration__group_release(struct ration__lanes *lanes, struct ration__group *group, uint32_t n);
/* The rules changed: they are read again, and everybody asks again. */
void ration__group_renew(struct ration__lanes *lanes, struct ration__pool_service *service);

#endif
