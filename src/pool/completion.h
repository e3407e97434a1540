/*
 * Completions: the places of a pool (how many jobs it may hold), and the way of responses to
 * whoever waits for them: by ration_next, by descriptor, by callback, or inside ration_perform.
 *
 * One counter bounds the pool: a job holds a place from submit until its response was fetched (or
 * handed to the callback), so jobs and unfetched responses together are never more than `max`.
 *
 * held is changed without the mutex; who waits for a change of it announces itself in `watching`
 * first and looks again, who changes it looks at `watching` afterwards (Dekker, all seq_cst).
 */
#ifndef POOL_COMPLETION_H
#define POOL_COMPLETION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <ration/client.h>

/* A thread inside ration_perform. */
struct ration__waiter {
	pthread_cond_t done;
	bool ended;
	ration_response *response; /* NULL: out of memory */
	void *user;		   /* the request's */
};

struct ration__completion {
	_Atomic uint32_t held;	       /* places taken */
	_Atomic uint32_t watching;     /* threads that wait in enter or next */
	_Atomic uint32_t draining;     /* in drain */
	_Atomic uint32_t performing;   /* places of ration_perform */
	_Atomic uint32_t calling;      /* workers inside callbacks */
	_Atomic(const void *) fetcher; /* the thread that fetched last */
	uint32_t max;
	pthread_mutex_t mutex; /* the rest; a leaf */
	pthread_cond_t arrived, changed;
	ration_response *first, **last;
	uint32_t unfetched; /* responses in the queue */
	uint32_t lost;	    /* responses that there was no memory for */
	int fd;
	bool fd_wanted, fd_set;
	ration_done_fn fn; /* set before the first submit */
	void *arg;
};

int ration__completion_init(struct ration__completion *completion, uint32_t max);
/* Frees what was not fetched. */
void ration__completion_fini(struct ration__completion *completion);

/* Takes a place; waits for one at most wait_ms (-1 for ever). RATION_EFULL; at once when nothing
 * but this thread's fetching could free one. */
int ration__completion_enter(struct ration__completion *completion, int64_t wait_ms);
/* Gives a place back that no response came of. */
void ration__completion_exit(struct ration__completion *completion);

/* Responses of one tick, linked; lost: places whose response could not be made. */
void ration__completion_put(struct ration__completion *completion, ration_response *first,
	uint32_t count, uint32_t lost);
/* Hands one to the callback; between _begin and _end. Frees the place first, so that the callback
 * may submit. */
void ration__completion_begin(struct ration__completion *completion);
void ration__completion_call(struct ration__completion *completion, ration_response *response);
void ration__completion_end(struct ration__completion *completion);
/* NULL: out of memory. */
void ration__completion_answer(struct ration__completion *completion, struct ration__waiter *waiter,
	ration_response *response);

int ration__completion_next(
	struct ration__completion *completion, int64_t timeout_ms, ration_response **out);
int ration__completion_wait(struct ration__completion *completion, struct ration__waiter *waiter);
int ration__completion_fd(struct ration__completion *completion);
/* No job queued, in flight or in a callback. 0 or RATION_ETIMEOUT. */
int ration__completion_drain(struct ration__completion *completion, int64_t timeout_ms);

#endif
