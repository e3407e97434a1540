/* The pool: what happens on the callers' threads. See pool.h. */
#include "pool/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/units.h"
#include "base/util.h"
#include "pool/worker.h"

#define FORK_PAGE 4096

void ration__pool_log(
	struct ration__pool *pool, enum ration_log_level level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!pool->options.log || level > pool->options.log_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pool->options.log(pool->options.log_arg, level, text);
}

/* On the engine's thread. */
static void wake(void *arg)
{
	struct ration__pool *pool = arg;

	atomic_store(&pool->woken, true);
	ration__pool_poke(pool, &pool->workers[0]);
}

/* A page of zeros in the child, whoever forks and however: cheaper to look at than getpid. */
static unsigned char *make_fork_mark(void)
{
	unsigned char *mark =
		mmap(NULL, FORK_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mark == MAP_FAILED)
		return NULL;
	if (madvise(mark, FORK_PAGE, MADV_WIPEONFORK) < 0) {
		munmap(mark, FORK_PAGE);
		return NULL;
	}
	*mark = 1;
	return mark;
}

static void stop_workers(struct ration__pool *pool)
{
	atomic_store(&pool->closing, true);
	for (uint32_t i = 0; i < pool->worker_count; i++)
		ration__pool_poke(pool, &pool->workers[i]);
	for (uint32_t i = 0; i < pool->worker_count; i++)
		ration__worker_fini(&pool->workers[i]);
}

static void free_services(struct ration__pool *pool)
{
	struct ration__pool_service *service = pool->services, *next;

	for (; service; service = next) {
		next = service->next;
		ration__service_fini(service);
		free(service);
	}
}

int ration__pool_new(
	const struct ration__pool_options *options, struct ration__pool **out, ration_error **err)
{
	struct ration__pool *pool = calloc(1, sizeof(*pool));
	int rc = RATION_ENOMEM;

	if (!pool)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	pool->options = *options;
	pool->engine = options->engine;
	pool->clock_injected = ration__engine_clock_injected(options->engine);
	pool->waker = (struct ration__waker){.fn = wake, .arg = pool};
	ration__inbox_init(&pool->inbox, options->threads);
	ration__lanes_init(&pool->lanes);
	ration__table_init(&pool->tickets);
	ration__job_queue_init(&pool->ended);
	pthread_mutex_init(&pool->mutex, NULL);
	pool->workers = calloc(options->threads, sizeof(*pool->workers));
	if (!pool->workers)
		goto no_workers;
	pool->fork_mark = make_fork_mark();
	if (!pool->fork_mark)
		goto no_fork_mark;
	rc = ration__completion_init(&pool->completion, options->queue_max);
	if (rc < 0)
		goto no_completion;
	pool->worker_count = options->threads;
	for (uint32_t i = 0; i < options->threads && rc == 0; i++)
		rc = ration__worker_init(&pool->workers[i], pool, i);
	for (uint32_t i = 0; i < options->threads && rc == 0; i++)
		rc = ration__worker_start(&pool->workers[i]);
	if (rc < 0)
		goto no_thread;
	ration__engine_subscribe(pool->engine, &pool->waker);
	*out = pool;
	return 0;
no_thread:
	stop_workers(pool);
	ration__completion_fini(&pool->completion);
no_completion:
	munmap(pool->fork_mark, FORK_PAGE);
no_fork_mark:
	free(pool->workers);
no_workers:
	pthread_mutex_destroy(&pool->mutex);
	ration__lanes_fini(&pool->lanes);
	ration__table_fini(&pool->tickets);
	free(pool);
	return ration__error_set(err, rc, "cannot start workers: %s", ration_strerror(rc));
}

void ration__pool_free(struct ration__pool *pool)
{
	if (!pool || ration__pool_forked(pool))
		return;
	ration__engine_unsubscribe(pool->engine, &pool->waker);
	stop_workers(pool);
	ration__completion_fini(&pool->completion);
	munmap(pool->fork_mark, FORK_PAGE);
	free(pool->workers);
	pthread_mutex_destroy(&pool->mutex);
	ration__lanes_fini(&pool->lanes);
	ration__table_fini(&pool->tickets);
	free_services(pool);
	free(pool);
}

int ration__pool_add_service(struct ration__pool *pool, struct ration__guard *guard,
	const struct ration__service_conf *conf, struct ration__pool_service **out)
{
	struct ration__pool_service *service = calloc(1, sizeof(*service));

	if (!service)
		return RATION_ENOMEM;
	service->guard = guard;
	service->conf = conf;
	ration__service_read(service);
	service->own = service->rules.own;
	pthread_mutex_lock(&pool->mutex);
	service->next = atomic_load_explicit(&pool->services, memory_order_relaxed);
	/* release: pairs with the readers that walk the list without the mutex */
	atomic_store_explicit(&pool->services, service, memory_order_release);
	pthread_mutex_unlock(&pool->mutex);
	*out = service;
	return 0;
}

void ration__pool_route(struct ration__pool_service *service, struct ration__nodes *nodes,
	struct ration__tokens *tokens)
{
	service->nodes = nodes;
	service->tokens = tokens;
}

/* ---- waking ---- */

static void write_event(struct ration__worker *worker)
{
	uint64_t one = 1;
	/* it can only fail when the counter is full, and then the worker is awake already */
	ssize_t n = write(worker->event_fd, &one, sizeof(one));

	(void)n;
}

void ration__pool_poke(struct ration__pool *pool, struct ration__worker *worker)
{
	/* before the bit is looked at: pairs with the worker's look at poked after it set the bit
	 */
	atomic_store_explicit(&worker->poked, true, memory_order_seq_cst);
	if (ration__inbox_claim(&pool->inbox, worker->number))
		write_event(worker);
}

void ration__pool_poke_other(struct ration__pool *pool, const struct ration__worker *worker)
{
	for (uint32_t i = 1; i < pool->worker_count; i++) {
		struct ration__worker *other =
			&pool->workers[(worker->number + i) % pool->worker_count];

		if (other->full)
			continue;
		ration__pool_poke(pool, other);
		return;
	}
}

/* ---- jobs ---- */

void ration__pool_submit(struct ration__pool *pool, struct ration__job *job, uint64_t *ticket)
{
	int number;

	job->ticket.hash = atomic_fetch_add_explicit(&pool->submitted, 1, memory_order_relaxed) + 1;
	/* what pauses is resumed by its ticket, whether the caller asked for it or not */
	if (ticket || ration__call_pauses(ration__job_call(job)))
		job->flags |= RATION__JOB_TICKET;
	if (ticket)
		*ticket = job->ticket.hash;
	ration__inbox_push(&pool->inbox, job);
	number = ration__inbox_claim_if_idle(&pool->inbox);
	if (number >= 0)
		write_event(&pool->workers[number]);
}

void ration__pool_end(struct ration__pool *pool, struct ration__job *job)
{
	if (job->flags & RATION__JOB_TICKET)
		ration__table_remove(&pool->tickets, &job->ticket);
	if ((job->flags & RATION__JOB_CANCELLED) && job->link) {
		*job->link = job->next;
		if (job->next)
			job->next->link = job->link;
	}
	job->link = NULL;
	if (job->lane)
		ration__lanes_forget(&pool->lanes, job);
	else
		job->waited_for = "queue";
	job->state = RATION__JOB_DONE;
}

void ration__pool_intake(struct ration__pool *pool)
{
	struct ration__job *job = ration__inbox_take(&pool->inbox), *next;

	for (; job; job = next) {
		next = job->next;
		job->link = NULL;
		if (job->flags & RATION__JOB_TICKET)
			ration__table_add(&pool->tickets, &job->ticket, job->ticket.hash);
		if (ration__lanes_add(&pool->lanes, job) == 0)
			continue;
		job->code = RATION_ENOMEM;
		job->end = RATION__ENDED_ERROR;
		ration__pool_end(pool, job);
		ration__job_queue_add(&pool->ended, job);
	}
	while ((job = ration__lanes_refused(&pool->lanes)) != NULL) {
		ration__pool_end(pool, job);
		ration__job_queue_add(&pool->ended, job);
	}
}

void ration__pool_fair(
	struct ration__pool_service *service, const struct ration__fairness *fairness)
{
	service->fairness = fairness;
}

/* A job that its lane holds ends at once; a worker completes it. */
static struct ration__worker *cancel_queued(struct ration__pool *pool, struct ration__job *job)
{
	ration__lanes_remove(&pool->lanes, job);
	job->code = RATION_ECANCELLED;
	job->end = RATION__ENDED_CANCEL;
	ration__pool_end(pool, job);
	ration__job_queue_add(&pool->ended, job);
	return &pool->workers[0];
}

static struct ration__worker *cancel_held(struct ration__job *job)
{
	struct ration__worker *worker = job->flight->worker;

	if (job->flags & RATION__JOB_CANCELLED)
		return worker;
	job->flags |= RATION__JOB_CANCELLED;
	job->next = worker->cancels;
	job->link = &worker->cancels;
	if (job->next)
		job->next->link = &job->next;
	worker->cancels = job;
	return worker;
}

/* Under the mutex; NULL: it has ended. */
static struct ration__job *find_job(struct ration__pool *pool, uint64_t ticket)
{
	struct ration__entry *entry;

	ration__pool_intake(pool);
	entry = ration__table_find(&pool->tickets, ticket);
	return entry ? RATION__CONTAINER(entry, struct ration__job, ticket) : NULL;
}

int ration__pool_cancel(struct ration__pool *pool, uint64_t ticket)
{
	struct ration__worker *worker = NULL;
	struct ration__job *job;

	pthread_mutex_lock(&pool->mutex);
	job = find_job(pool, ticket);
	if (job)
		worker = job->state == RATION__JOB_QUEUED ? cancel_queued(pool, job)
							  : cancel_held(job);
	pthread_mutex_unlock(&pool->mutex);
	/* also when nothing was found: jobs may just have come from the inbox into lanes */
	ration__pool_poke(pool, worker ? worker : &pool->workers[0]);
	return job ? 0 : RATION_EEMPTY; /* may be gone by now: only whether it was there */
}

/* The worker that runs the caller's function sees the mark after it has returned, so none is lost.
 */
int ration__pool_resume(struct ration__pool *pool, uint64_t ticket)
{
	struct ration__worker *worker = &pool->workers[0];
	struct ration__job *job;

	pthread_mutex_lock(&pool->mutex);
	job = find_job(pool, ticket);
	if (job && job->state == RATION__JOB_HELD) {
		worker = job->flight->worker;
		job->flags |= RATION__JOB_RESUMED;
		worker->resumed = true;
	}
	pthread_mutex_unlock(&pool->mutex);
	ration__pool_poke(pool, worker);
	return job ? 0 : RATION_EEMPTY; /* may be gone by now: only whether it was there */
}

/* ---- seeing ---- */

void ration__pool_counts(const struct ration__pool *pool, struct ration_counts *out)
{
	struct ration_counts counts = {.size = out->size};
	struct ration__multi_stats stats;
	uint64_t away, submitted;

	for (uint32_t i = 0; i < pool->worker_count; i++) {
		const struct ration__worker *worker = &pool->workers[i];

		counts.completed += atomic_load(&worker->completed);
		counts.in_flight += atomic_load(&worker->in_flight);
		counts.waiting += atomic_load(&worker->resting);
		counts.sent += atomic_load(&worker->sent);
		ration__multi_stats(worker->multi, &stats);
		counts.connects += stats.connects;
		counts.tls_handshakes += stats.handshakes;
	}
	/* after the others: jobs move on while we look, and the rest must not come out below 0 */
	submitted = atomic_load(&pool->submitted);
	away = counts.completed + counts.in_flight + counts.waiting;
	counts.queued = submitted > away ? submitted - away : 0;
	memcpy(out, &counts, ration__min64((int64_t)out->size, sizeof(counts)));
}

static int64_t first_rest(const struct ration__pool *pool)
{
	int64_t at_ns = RATION__NEVER;

	for (uint32_t i = 0; i < pool->worker_count; i++)
		if (atomic_load(&pool->workers[i].resting))
			at_ns = ration__min64(at_ns, atomic_load(&pool->workers[i].rest_until_ns));
	return at_ns;
}

/* Whose jobs wait for a connection; NULL: nobody's. */
static const struct ration__pool_service *first_full(const struct ration__pool *pool)
{
	const struct ration__pool_service *service = pool->services;

	while (service && !(service->full && service->ready_count))
		service = service->next;
	return service;
}

int ration__pool_waiting(struct ration__pool *pool, char *out, size_t size)
{
	struct ration__pool_service *service;
	const struct ration__pool_service *full;
	struct ration__ask denial;
	int64_t now_ns = ration__engine_now(pool->engine), rest_ns;
	int code = atomic_load(&pool->store_code);
	char text[64];
	bool found;

	if (code)
		return snprintf(out, size, "store: %s", ration_strerror(code));
	pthread_mutex_lock(&pool->mutex);
	found = ration__lanes_waiting(&pool->lanes, pool->services, &service, &denial);
	full = first_full(pool);
	pthread_mutex_unlock(&pool->mutex);
	if (found)
		return ration__denial_text(out, size, service->guard, &denial, now_ns);
	if (full)
		return snprintf(out, size, "connections: all %u of service %s are in use",
			full->conf->connections_max, full->conf->name);
	rest_ns = first_rest(pool);
	if (rest_ns >= RATION__NEVER)
		return snprintf(out, size, "%s", "");
	ration__format_duration_human(text, sizeof(text), ration__max64(rest_ns - now_ns, 0));
	return snprintf(out, size, "retry, next in %s", text);
}
