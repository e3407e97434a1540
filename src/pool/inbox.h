/*
 * The inbox: how jobs come from any thread to the workers. An intrusive stack, taken whole and
 * reversed; lock-free, without memory of its own, without ABA (nobody ever pops one element). And
 * the sleepers: a bit for each worker that waits in epoll, so that a producer writes an eventfd
 * only when somebody needs it.
 *
 * Which calls may run beside which ("yes": any number of threads at once):
 *
 *              push   take   empty  sleep  awake  claim
 *     push     yes    yes    yes    yes    yes    yes
 *     take            yes    yes    yes    yes    yes
 *     sleep, awake                  yes*   yes*   yes
 *     claim                                       yes
 *     * of different workers; a worker's own bit is set by itself only
 *
 * Orders. push releases the job's memory, take acquires it. The wake-up is Dekker's pattern and
 * needs one order of all four accesses, hence seq_cst (on x86 the exchange costs the same):
 *
 *     producer                        worker
 *     push: top = job                 sleep: sleeping |= bit
 *     claim: reads sleeping           empty: reads top
 *
 * Either the producer sees the bit and wakes, or the worker sees the job and does not wait. A
 * worker that is awake reads top before it sleeps, so as long as one of them is awake no producer
 * needs to wake anybody.
 */
#ifndef POOL_INBOX_H
#define POOL_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "pool/job.h"

struct ration__inbox {
	_Atomic(struct ration__job *) top;
	_Atomic uint64_t sleeping; /* bit per worker */
	uint64_t workers;	   /* all bits; constant */
};

void ration__inbox_init(struct ration__inbox *inbox, unsigned workers);
/* The job's memory belongs to the inbox's taker afterwards. */
void ration__inbox_push(struct ration__inbox *inbox, struct ration__job *job);
/* All jobs, oldest first, linked by next; NULL: none. */
struct ration__job *ration__inbox_take(struct ration__inbox *inbox);
bool ration__inbox_empty(const struct ration__inbox *inbox);

/* This worker is about to wait. It must look at everything that may have changed afterwards. */
void ration__inbox_sleep(struct ration__inbox *inbox, unsigned worker);
void ration__inbox_awake(struct ration__inbox *inbox, unsigned worker);
/* Clears the bit of one sleeper; the caller that got it, and nobody else, writes its eventfd.
 * -1: nothing to do. push: only when every worker sleeps. */
int ration__inbox_claim_if_idle(struct ration__inbox *inbox);
bool ration__inbox_claim(struct ration__inbox *inbox, unsigned worker);

#endif
