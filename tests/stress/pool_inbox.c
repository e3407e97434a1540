/*
 * The inbox between many producers and several workers that really sleep: nothing is lost, nothing
 * comes twice, a producer's jobs come in order, and nobody sleeps through a job. For
 * ThreadSanitizer. Argument: jobs per producer (20000).
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "pool/inbox.h"

#define PRODUCERS 4
#define WORKERS 3
#define STUCK_MS 10000

static struct ration__inbox inbox;
static int events[WORKERS];
static uint64_t jobs_each;
static struct ration__job *jobs[PRODUCERS];
static _Atomic unsigned char *seen[PRODUCERS];
static _Atomic uint64_t taken;
static _Atomic unsigned failures;

static void fail(const char *what)
{
	fprintf(stderr, "pool_inbox: %s\n", what);
	atomic_fetch_add(&failures, 1);
}

static void wake(int worker)
{
	uint64_t one = 1;

	if (worker >= 0 && write(events[worker], &one, sizeof(one)) < 0)
		fail("cannot write an event");
}

static void *produce(void *arg)
{
	uintptr_t number = (uintptr_t)arg;

	for (uint64_t i = 0; i < jobs_each; i++) {
		struct ration__job *job = &jobs[number][i];

		job->ticket.hash = number;
		job->mark_ns = (int64_t)i;
		ration__inbox_push(&inbox, job);
		wake(ration__inbox_claim_if_idle(&inbox));
		if (i % 512 == 0)
			usleep(50); /* let the workers fall asleep now and then */
	}
	return NULL;
}

/* In one list a producer's jobs stand in the order of their pushes. */
static void take_all(void)
{
	struct ration__job *job = ration__inbox_take(&inbox), *next;
	int64_t last[PRODUCERS];

	for (int i = 0; i < PRODUCERS; i++)
		last[i] = -1;
	for (; job; job = next) {
		uint64_t number = job->ticket.hash;

		next = job->next;
		if (job->mark_ns <= last[number])
			fail("out of order");
		last[number] = job->mark_ns;
		if (atomic_exchange(&seen[number][job->mark_ns], 1))
			fail("came twice");
		atomic_fetch_add(&taken, 1);
	}
}

static bool is_over(void)
{
	return atomic_load(&taken) == PRODUCERS * jobs_each || atomic_load(&failures);
}

static void *work(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;
	struct pollfd p = {.fd = events[number], .events = POLLIN};

	while (!is_over()) {
		uint64_t count;

		take_all();
		ration__inbox_sleep(&inbox, number);
		if (ration__inbox_empty(&inbox) && !is_over()) {
			int n = poll(&p, 1, STUCK_MS);

			if (n == 0 && !is_over() && !ration__inbox_empty(&inbox))
				fail("slept through a job");
			if (n > 0 && read(p.fd, &count, sizeof(count)) < 0)
				fail("cannot read an event");
		}
		ration__inbox_awake(&inbox, number);
	}
	for (int i = 0; i < WORKERS; i++) /* the others' last sleep */
		wake(i);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t producers[PRODUCERS], workers[WORKERS];

	jobs_each = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
	ration__inbox_init(&inbox, WORKERS);
	for (int i = 0; i < PRODUCERS; i++) {
		jobs[i] = calloc(jobs_each, sizeof(*jobs[i]));
		seen[i] = calloc(jobs_each, sizeof(*seen[i]));
		if (!jobs[i] || !seen[i])
			return 1;
	}
	for (uintptr_t i = 0; i < WORKERS; i++) {
		events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		pthread_create(&workers[i], NULL, work, (void *)i);
	}
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		pthread_create(&producers[i], NULL, produce, (void *)i);
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i], NULL);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	if (taken != PRODUCERS * jobs_each)
		fail("jobs were lost");
	for (int i = 0; i < PRODUCERS; i++) {
		free(jobs[i]);
		free((void *)seen[i]);
	}
	for (int i = 0; i < WORKERS; i++)
		close(events[i]);
	return failures > 0;
}
