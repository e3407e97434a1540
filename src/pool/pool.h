/*
 * The pool: jobs from any thread, through their lanes and the guard, over the workers' connections,
 * to completions. What is under include/ration is checked in src/client; this is the machine.
 *
 * Locks, in order: pool.mutex > the engine's > (leaf) completion.mutex. A worker takes pool.mutex
 * at most twice a tick and holds it for no I/O; nobody asks the guard, makes a response or calls
 * back under it.
 *
 * Not here: settings, arguments' checks, ownership of configurations (src/client).
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include "http/exchange.h"
#include "pool/completion.h"
#include "pool/inbox.h"
#include "pool/lanes.h"
#include "pool/service.h"

#define RATION__THREADS_MAX 64

struct ration__pool_options {
	struct ration__engine *engine;
	uint32_t threads;	/* 1 .. RATION__THREADS_MAX */
	uint32_t queue_max;	/* jobs and unfetched responses, >= 1 */
	uint32_t in_flight_max; /* of one worker, >= 1 */
	uint32_t connections_idle;
	int64_t connection_age_ns;
	ration_random_fn random; /* NULL: the library's own */
	void *random_arg;
	struct ration__transport transport; /* in place of the network */
	ration_log_fn log;		    /* NULL: nobody listens */
	void *log_arg;
	enum ration_log_level log_level; /* less important ones are not made */
};

struct ration__pool {
	struct ration__pool_options options;
	struct ration__engine *engine;
	struct ration__inbox inbox;
	struct ration__completion completion;
	struct ration__waker waker;
	unsigned char *fork_mark;   /* a page that reads 0 in a forked child */
	_Atomic uint64_t submitted; /* also the last ticket */
	_Atomic bool woken;	    /* the waker called */
	_Atomic bool closing;
	_Atomic int store_code; /* why the guard cannot decide; 0: it can */
	bool clock_injected;

	pthread_mutex_t mutex; /* what follows */
	struct ration__lanes lanes;
	struct ration__table tickets;
	_Atomic(struct ration__pool_service *) services; /* read without the mutex, never removed */
	struct ration__job_queue ended; /* by others than a worker: a worker completes them */
	struct ration__worker *keeper;	/* sleeps until keeper_ns on behalf of all; NULL: none */
	int64_t keeper_ns;
	uint32_t worker_count;
	struct ration__worker *workers;
};

int ration__pool_new(
	const struct ration__pool_options *options, struct ration__pool **pool, ration_error **err);
/* Cancels what is left, each job completing once; stops the workers. Unfetched responses are freed.
 * Not on a worker. In a forked child it does nothing: the threads are not there. */
void ration__pool_free(struct ration__pool *pool);
static inline bool ration__pool_forked(const struct ration__pool *pool)
{
	return !*(volatile unsigned char *)pool->fork_mark;
}
/* This thread is a worker of some pool: it must not wait. */
bool ration__on_worker(void);

/* Adds a service; guard and conf outlive the pool. [any] */
int ration__pool_add_service(struct ration__pool *pool, struct ration__guard *guard,
	const struct ration__service_conf *conf, struct ration__pool_service **service);

/* Where its attempts go, and as whom (NULL: as nobody); before the first job. Both outlive the
 * pool's workers. */
void ration__pool_route(struct ration__pool_service *service, struct ration__nodes *nodes,
	struct ration__tokens *tokens);
/* Whose turn it is among the service's jobs; before the first of them. fairness outlives the pool.
 */
void ration__pool_fair(
	struct ration__pool_service *service, const struct ration__fairness *fairness);

/* ---- [any] ---- */

/* A place for one job must have been taken (ration__completion_enter). Takes the job over.
 * *ticket, when not NULL, names it for _cancel. */
void ration__pool_submit(struct ration__pool *pool, struct ration__job *job, uint64_t *ticket);
/* 0; RATION_EEMPTY: already ended. */
int ration__pool_cancel(struct ration__pool *pool, uint64_t ticket);
/* A paused source or sink of that job goes on. Likewise. */
int ration__pool_resume(struct ration__pool *pool, uint64_t ticket);
void ration__pool_counts(const struct ration__pool *pool, struct ration_counts *out);
/* What returns snprintf would; "" when nothing waits. */
int ration__pool_waiting(struct ration__pool *pool, char *out, size_t size);

/* ---- for the workers; under pool.mutex ---- */

/* The inbox into the lanes. */
void ration__pool_intake(struct ration__pool *pool);
/* Nothing of the pool refers to the job any more. */
void ration__pool_end(struct ration__pool *pool, struct ration__job *job);
void ration__pool_poke(
	struct ration__pool *pool, struct ration__worker *worker); /* no lock needed */
/* Wakes another worker than this, if one has room. */
void ration__pool_poke_other(struct ration__pool *pool, const struct ration__worker *worker);

void ration__pool_log(struct ration__pool *pool, enum ration_log_level level, const char *format,
	...) __attribute__((format(printf, 3, 4)));

#endif
