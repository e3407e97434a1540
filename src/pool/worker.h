/*
 * A worker: one thread, one epoll, one multi handle, one heap of timers; private to src/pool.
 *
 * One tick:
 *     worker.c    wait in epoll, hand events to the multi, then its timers
 *     attempt.c   take ended transfers: classify, retry or end (ration__worker_collect)
 *     dispatch.c  with the mutex: inbox, cancels, expired jobs                 (_prepare)
 *     batch.c     likewise: lanes -> asks                                      (_take)
 *     dispatch.c  without: one transaction, settles first, then asks           (_transact)
 *     results.c   with the mutex: asked jobs back to lanes, or off; ended ones (_results)
 *     launch.c    start what was admitted: node, token, transfer               (_launch)
 *     finish.c    responses of what ended, to queue, callback or waiter        (_finish)
 *
 * Responses are handed out after the transaction that settled them: who sees one and submits the
 * next job finds the breaker and the permits as the response left them. When callbacks submitted
 * jobs the tick goes round again without epoll in between.
 *
 * A flight stays where it is while its grant is held (the engine links it), and outlives its job
 * while the store does not take the settlement.
 */
#ifndef POOL_WORKER_H
#define POOL_WORKER_H

#include "base/clock.h"
#include "pool/nodes.h"
#include "pool/pool.h"
#include "pool/token.h"

struct ration__claim {
	struct ration__lane *lane;
	struct ration__lane_answer answer;
	uint64_t turn; /* the lane's, from before it was claimed */
	bool placed;   /* scratch of batch.c */
};

struct ration__worker {
	struct ration__pool *pool;
	unsigned number;
	pthread_t thread;
	bool started;
	int epoll_fd, event_fd;
	struct ration__multi *multi;
	struct ration__random random;
	_Atomic bool poked; /* look at everything: set before the eventfd is written */
	_Atomic(struct ration__token_waiter *) answered; /* tokens that came, by next */
	/* written by the worker, read by anyone; they need no order */
	_Atomic uint64_t completed, sent, in_flight, resting;
	_Atomic int64_t rest_until_ns; /* the first of the resting ones */

	/* under pool.mutex */
	struct ration__job *cancels; /* HELD by this worker, to be ended */
	bool resumed;		     /* a job of its own is RATION__JOB_RESUMED */
	bool full;		     /* no room for one more transfer */

	/* its own */
	int64_t now_ns;	 /* the engine's clock */
	int64_t io_ns;	 /* the same, unless that one is injected: sockets live in real time */
	int64_t hold_ns; /* the gate was busy: no transaction before */
	int64_t pool_ns; /* keeper: when the lanes want to be looked at */
	bool more;	 /* lanes were ready when it looked last */
	struct ration__heap rests;     /* flights */
	struct ration__heap deadlines; /* jobs that fly */
	struct ration__flight_list flying, settling, launching;
	struct ration__flight_list asking; /* TOKEN */
	struct ration__flight_list stuck;  /* settling, but the store does not answer */
	int64_t stuck_ns;		   /* when to try them again */
	struct ration__flight *free;	   /* by next */
	uint32_t free_count;
	struct ration__job_queue done; /* to be completed */
	int transact_rc;
	bool swept;	    /* closing was seen, and everything cancelled */
	int64_t give_up_ns; /* closing: when what cannot be settled is left behind */

	uint32_t ask_count, claim_count, settle_count;
	struct ration__ask asks[RATION__BATCH_MAX];
	struct ration__flight *asked[RATION__BATCH_MAX];
	uint8_t ask_claim[RATION__BATCH_MAX]; /* whose lane */
	struct ration__claim claims[RATION__BATCH_MAX];
	struct ration__settle settles[RATION__BATCH_MAX];
	struct ration__cost actuals[RATION__BATCH_MAX][RATION__ACTUALS_MAX]; /* of the settles */
};

/* worker.c */
int ration__worker_init(struct ration__worker *worker, struct ration__pool *pool, unsigned number);
int ration__worker_start(struct ration__worker *worker);
/* Waits for its thread, when it has one; the pool must be closing. A worker of zeros is fine. */
void ration__worker_fini(struct ration__worker *worker);
void ration__worker_read_clocks(struct ration__worker *worker);
/* NULL: out of memory. */
struct ration__flight *ration__flight_new(struct ration__worker *worker, struct ration__job *job);
void ration__flight_free(struct ration__worker *worker, struct ration__flight *flight);

/* launch.c */
void ration__worker_launch(struct ration__worker *worker);
/* Tokens that were asked for have come: their flights are launched in this tick. */
void ration__worker_take_tokens(struct ration__worker *worker);
/* A flight in TOKEN asks no more: it is no list's. False: its token has just come, and it is taken
 * by _take_tokens instead. */
bool ration__flight_stop_asking(struct ration__flight *flight);

/* attempt.c */
void ration__worker_collect(struct ration__worker *worker);
/* A counter of its own: only the worker writes it, so no locked instruction is needed. */
static inline void ration__worker_count(_Atomic uint64_t *counter, int64_t n)
{
	atomic_store_explicit(counter,
		atomic_load_explicit(counter, memory_order_relaxed) + (uint64_t)n,
		memory_order_relaxed);
}
/* The job's end; it leaves the pool once its outcome is settled. */
void ration__flight_end(struct ration__flight *flight, enum ration__job_end why, int code);
/* It no longer counts among its service's connections. */
static inline void ration__flight_disconnect(struct ration__flight *flight)
{
	if (flight->connected)
		atomic_fetch_sub_explicit(
			&flight->job->service->connections, 1, memory_order_relaxed);
	flight->connected = false;
}
/* Its end is judged: retried, led elsewhere, or over. */
void ration__worker_judge(struct ration__worker *worker, struct ration__flight *flight);
/* Where it went, or goes: the caller frees it; NULL: out of memory. */
char *ration__flight_url(const struct ration__flight *flight);
/* What the server said about time is its node's: of several, the others go on. */
bool ration__flight_cools_node(const struct ration__flight *flight, enum ration__outcome outcome);
/* What became of it is told to its node. */
void ration__flight_report(
	struct ration__worker *worker, struct ration__flight *flight, enum ration__outcome outcome);
/* Ends the attempt of a flying job, or of one that asks for its token, from our side: cancelled, or
 * its time is over. */
void ration__worker_abort(struct ration__worker *worker, struct ration__flight *flight,
	enum ration__job_end end, int code);
/* A flight for the same job without the grant, which the old one keeps. NULL: out of memory. */
struct ration__flight *ration__flight_renew(
	struct ration__worker *worker, struct ration__flight *flight);
/* The attempt is over: its outcome goes into the next transaction. */
void ration__worker_settle(struct ration__worker *worker, struct ration__flight *flight,
	enum ration__outcome outcome, bool last, bool unused);
/* Waits for delay_ns, then goes back to its lane. 0 or RATION_ENOMEM. */
int ration__worker_rest(
	struct ration__worker *worker, struct ration__flight *flight, int64_t delay_ns);
/* It rests no more. */
void ration__worker_unrest(struct ration__worker *worker, struct ration__flight *flight);

/* batch.c */
/* Claims lanes and makes asks of their jobs, as far as there is room. */
void ration__worker_take(struct ration__worker *worker);

/* dispatch.c */
/* Is there anything for which the mutex is worth taking? */
bool ration__worker_has_work(struct ration__worker *worker);
void ration__worker_prepare(struct ration__worker *worker);
void ration__worker_transact(struct ration__worker *worker);
/* results.c */
void ration__worker_results(struct ration__worker *worker);
/* Leaves the mutex: who looks when next, who else must look now, what is given back. */
void ration__worker_unlock(struct ration__worker *worker);
/* Ends a held job for that reason; under the mutex. */
void ration__worker_end(
	struct ration__worker *worker, struct ration__job *job, enum ration__job_end end, int code);

/* finish.c */
void ration__worker_finish(struct ration__worker *worker);

#endif
