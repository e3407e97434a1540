/*
 * A job: one block of memory from submit to completion, with its request packed behind it, because
 * a hundred thousand of them may be queued. What only a job that left its lane needs stands in a
 * flight.
 *
 *                          +-------------- HELD ---------------+
 *                          |                                   |
 *     INBOX --> QUEUED --> | CLAIMED --> FLYING ---> ENDED     | --> DONE
 *                 ^        |    | \-TOKEN-/ |  ^                |
 *                 |<-------|----+          v  |                |
 *                 |<-------|--------- RESTING (between attempts)
 *                          +-----------------------------------+
 *
 * INBOX belongs to nobody but the stack, QUEUED to its lane, HELD to one worker (the phases inside
 * are its flight's), DONE to the worker that makes the response. state, lane, flight, flags and the
 * links are under the pool's mutex; the rest is the owner's.
 */
#ifndef POOL_JOB_H
#define POOL_JOB_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/heap.h"
#include "base/id.h"
#include "guard/guard.h"
#include "http/multi.h"
#include "http/request.h"
#include "http/response.h"
#include "pool/nodes.h"
#include "pool/token.h"
#include "pool/table.h"

struct ration__lane;
struct ration__pool_service;
struct ration__worker;

enum ration__job_state {
	RATION__JOB_INBOX,
	RATION__JOB_QUEUED,
	RATION__JOB_HELD,
	RATION__JOB_DONE,
};

enum ration__flight_phase {
	RATION__FLIGHT_CLAIMED, /* the guard is being asked */
	RATION__FLIGHT_TOKEN,	/* admitted: its token is being asked for */
	RATION__FLIGHT_FLYING,
	RATION__FLIGHT_RESTING,
	RATION__FLIGHT_ENDED, /* the job is over; its outcome is not settled yet */
};

/* Why a job ended; which words its message is made of. */
enum ration__job_end {
	RATION__ENDED_ATTEMPT,	 /* as the last attempt says */
	RATION__ENDED_EXHAUSTED, /* likewise, and its attempts are used up */
	RATION__ENDED_THROTTLED, /* likewise, those that were throttled */
	RATION__ENDED_BUDGET,	 /* likewise, and the service's budget of retries is spent */
	RATION__ENDED_NO_TIME,	 /* likewise, and the retry would be past the deadline */
	RATION__ENDED_DENIED,	 /* refused by the guard, or not had within `wait` */
	RATION__ENDED_LATE,	 /* what it waits for comes after its deadline */
	RATION__ENDED_DEADLINE,
	RATION__ENDED_CANCEL,
	RATION__ENDED_ERROR, /* code says all */
};

struct ration__job {
	struct ration__job *next; /* inbox, lane, its worker's cancels, or a list of the ended */
	union {
		struct ration__job **link; /* what points here, in a lane and among cancels */
		const char *waited_for;	   /* DONE: what it waited for since mark_ns */
	};
	struct ration__pool_service *service;
	struct ration__lane *lane; /* from the first intake to the end; counted there */
	const struct ration__service_conf
		*conf;		       /* the service's, or its own (RATION__JOB_OWN_CONF) */
	struct ration__flight *flight; /* NULL: never left its lane */
	void *user; /* the caller's, or struct ration__waiter (RATION__JOB_PERFORM) */
	struct ration__entry ticket; /* hash: the ticket, which is also the place in line */
	struct ration__timer timer;  /* QUEUED: pool's; FLYING: worker's. DONE: at_ns is until when
					it  would have waited */
	int64_t mark_ns; /* since when it waits for its next attempt; RATION__NEVER: it does not */
	int64_t deadline_ns; /* RATION__NEVER */
	union {
		int32_t code;	  /* DONE */
		uint32_t skip_of; /* the lane's keyset that skip was made for; 0: none */
	};
	uint32_t skip;	/* rules that do not apply to this call */
	uint32_t tried; /* bits of the nodes whose lanes it was in since its last attempt; all of
			   them: it waits where it is */
	uint32_t keys;	/* offset of "name\0value\0" ... from the job; keys_length bytes */
	uint16_t keys_length;
	uint8_t key_count, cost_count;
	int16_t rule; /* DONE, denied: which */
	int8_t priority;
	uint8_t state;	/* enum ration__job_state */
	uint8_t end;	/* enum ration__job_end */
	uint8_t denial; /* DONE */
	uint8_t flags;
	/* struct ration__cost costs[cost_count], the packed call, the keys */
};
static_assert(sizeof(struct ration__job) <= 144, "a queued job must stay small");

#define RATION__JOB_TICKET 1 /* in the table of tickets, or will be */
#define RATION__JOB_OWN_CONF 2
#define RATION__JOB_PERFORM 4
#define RATION__JOB_CANCELLED 8 /* HELD: its worker was told, or (link set) will be */
#define RATION__JOB_RESUMED 16	/* HELD: its source or sink is to go on */

#define RATION__JOB_KEYS_MAX UINT16_MAX
#define RATION__JOB_NOTES 32 /* attempts whose notes are kept: the last ones */

static inline const struct ration__cost *ration__job_costs(const struct ration__job *job)
{
	return (const struct ration__cost *)(job + 1);
}
static inline const struct ration__call *ration__job_call(const struct ration__job *job)
{
	return (const struct ration__call *)(ration__job_costs(job) + job->cost_count);
}
static inline const char *ration__job_keys(const struct ration__job *job)
{
	return (const char *)job + job->keys;
}

/* What limits by method and path look at. The path is the request's own, without the base's. */
const char *ration__job_method(const struct ration__job *job);
const char *ration__job_path(const struct ration__job *job);

/* Packs a request. conf: NULL, or the request's own, which the job owns on success. 0, or what is
 * wrong with the request: RATION_EURL, RATION_ETOOBIG, RATION_ENOMEM ... */
int ration__job_new(const ration_request *request, const struct ration__request_view *view,
	struct ration__pool_service *service, const struct ration__service_conf *conf,
	struct ration__job **job);
/* The flight must be gone. */
void ration__job_free(struct ration__job *job);

struct ration__job_wait {
	const char *name; /* the service's, or a literal */
	int64_t ns;
};

/* A job outside its lane. Pooled by the worker. Outlives its job while the grant is not settled. */
struct ration__flight {
	struct ration__job *job; /* NULL: ended, only the grant is left */
	struct ration__worker *worker;
	struct ration__flight *next, **link; /* its worker's flying, settling or free ones */
	struct ration__grant grant;
	struct ration__transfer *transfer;  /* FLYING */
	struct ration__node *node;	    /* FLYING: picked. Else the last one, or NULL */
	struct ration__hop *hop;	    /* where a redirect led; owned; NULL */
	struct ration__token *token;	    /* of this attempt; counted; NULL */
	struct ration__token *rejected;	    /* answered 401: another is asked for; counted; NULL */
	struct ration__token_waiter waiter; /* TOKEN */
	struct ration__timer timer;	    /* RESTING: when to go on */
	int64_t begin_ns;		    /* submit */
	int64_t rest_ns;		    /* RESTING: since when */
	int64_t delay_ns;		    /* the last one between attempts */
	uint32_t attempts, throttled;
	uint32_t uncounted; /* of the attempts: those that led elsewhere, or to another token */
	uint8_t phase;	    /* enum ration__flight_phase */
	bool has_id, has_attempt;
	bool picked;	/* the node is in use by this attempt */
	bool connected; /* counted among its service's connections */
	uint8_t stop;	/* TOKEN: enum ration__job_end, with stop_code: to be ended when it comes */
	int stop_code;
	bool avoid; /* the last attempt failed on its node: another one, if there is one */
	bool stale; /* one has met a connection that the server had closed, and was made again */
	/* what to settle */
	bool settling, stuck, last, unused;
	uint8_t outcome; /* enum ration__outcome */
	uint8_t retry;	 /* enum ration__wants_retry */
	int retry_cost;	 /* of its last retry */
	uint8_t mode;
	uint8_t wait_count, note_count;
	struct ration__job_wait waits[RATION__WAITS_MAX];
	struct ration__attempt_note notes[RATION__JOB_NOTES]; /* oldest first */
	char id[RATION__UUID_SIZE];
	struct ration__attempt attempt; /* the last; body and headers gone while RESTING */
};

/* Which nodes the job's next attempt may go to. False: a redirect led it to none of ours. */
bool ration__job_want(
	const struct ration__job *job, int64_t now_ns, struct ration__node_want *want);

/* Adds to what was spent waiting for that; NULL or <= 0: nothing. */
void ration__flight_waited(struct ration__flight *flight, const char *name, int64_t ns);
void ration__flight_note(struct ration__flight *flight, const struct ration__attempt *attempt);

/* Lists of flights: first in, first out; any may be taken out. */
struct ration__flight_list {
	struct ration__flight *first, **last;
};
static inline void ration__flight_list_init(struct ration__flight_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}
static inline void ration__flight_add(
	struct ration__flight_list *list, struct ration__flight *flight)
{
	flight->next = NULL;
	flight->link = list->last;
	*list->last = flight;
	list->last = &flight->next;
}
static inline void ration__flight_remove(
	struct ration__flight_list *list, struct ration__flight *flight)
{
	*flight->link = flight->next;
	if (flight->next)
		flight->next->link = flight->link;
	else
		list->last = flight->link;
	flight->link = NULL;
}

/* A queue of jobs, linked by next. */
struct ration__job_queue {
	struct ration__job *first, **last;
};
static inline void ration__job_queue_init(struct ration__job_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}
static inline void ration__job_queue_add(struct ration__job_queue *queue, struct ration__job *job)
{
	job->next = NULL;
	*queue->last = job;
	queue->last = &job->next;
}
static inline struct ration__job *ration__job_queue_take(struct ration__job_queue *queue)
{
	struct ration__job *job = queue->first;

	if (job) {
		queue->first = job->next;
		if (!queue->first)
			queue->last = &queue->first;
	}
	return job;
}

#endif
