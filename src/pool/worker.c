/* A worker's thread: waiting, events, the order of a tick. See worker.h. */
#include "pool/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "base/util.h"

#define EVENTS_MAX 256
#define FREE_MAX 4096		  /* flights kept for later */
#define ROUNDS_MAX 4		  /* between two looks at the sockets */
#define POLL_NS RATION__NS_PER_MS /* with an injected clock, which does not move while we sleep */
#define GIVE_UP_NS RATION__NS_PER_S

static _Thread_local bool on_worker;

bool ration__on_worker(void)
{
	return on_worker;
}

/* ---- flights ---- */

struct ration__flight *ration__flight_new(struct ration__worker *worker, struct ration__job *job)
{
	struct ration__flight *flight = worker->free;

	if (flight) {
		worker->free = flight->next;
		worker->free_count--;
		/* all but the attempt, which is large and has its own flag */
		memset(flight, 0, offsetof(struct ration__flight, attempt));
	} else {
		flight = calloc(1, sizeof(*flight));
		if (!flight)
			return NULL;
	}
	flight->job = job;
	flight->worker = worker;
	flight->begin_ns = job->mark_ns;
	return flight;
}

void ration__flight_free(struct ration__worker *worker, struct ration__flight *flight)
{
	if (!flight)
		return;
	if (flight->has_attempt)
		ration__attempt_fini(&flight->attempt);
	flight->has_attempt = false;
	free(flight->hop);
	ration__token_unref(flight->token);
	ration__token_unref(flight->rejected);
	flight->hop = NULL;
	flight->token = flight->rejected = NULL;
	if (worker->free_count >= FREE_MAX) {
		free(flight);
		return;
	}
	flight->next = worker->free;
	worker->free = flight;
	worker->free_count++;
}

struct ration__flight *ration__flight_renew(
	struct ration__worker *worker, struct ration__flight *flight)
{
	struct ration__flight *fresh = ration__flight_new(worker, flight->job);

	if (!fresh)
		return NULL;
	fresh->begin_ns = flight->begin_ns;
	fresh->rest_ns = flight->rest_ns;
	fresh->delay_ns = flight->delay_ns;
	fresh->retry_cost = flight->retry_cost;
	fresh->attempts = flight->attempts;
	fresh->throttled = flight->throttled;
	fresh->uncounted = flight->uncounted;
	fresh->node = flight->node;
	fresh->avoid = flight->avoid;
	fresh->stale = flight->stale;
	fresh->hop = flight->hop;
	fresh->token = flight->token;
	fresh->rejected = flight->rejected;
	flight->hop = NULL;
	flight->token = flight->rejected = NULL;
	fresh->phase = flight->phase;
	fresh->mode = flight->mode;
	fresh->has_id = flight->has_id;
	memcpy(fresh->id, flight->id, sizeof(fresh->id));
	fresh->wait_count = flight->wait_count;
	memcpy(fresh->waits, flight->waits, sizeof(fresh->waits));
	fresh->note_count = flight->note_count;
	memcpy(fresh->notes, flight->notes, sizeof(fresh->notes));
	fresh->has_attempt = flight->has_attempt;
	fresh->attempt = flight->attempt;
	flight->has_attempt = false;
	flight->job->flight = fresh;
	flight->job = NULL;
	return fresh;
}

/* ---- waiting ---- */

void ration__worker_read_clocks(struct ration__worker *worker)
{
	static const struct ration__clock real = {0};

	worker->now_ns = ration__engine_now(worker->pool->engine);
	worker->io_ns = worker->pool->clock_injected ? ration__clock_now(&real, RATION_CLOCK_STEADY)
						     : worker->now_ns;
}

/* How long nothing has to be done, unless something happens. */
static int64_t idle_ns(const struct ration__worker *worker)
{
	const struct ration__heap *heaps[] = {&worker->rests, &worker->deadlines};
	int64_t at_ns = worker->pool_ns, idle;

	for (size_t i = 0; i < RATION__COUNT(heaps); i++)
		if (heaps[i]->count)
			at_ns = ration__min64(at_ns, ration__heap_first(heaps[i])->at_ns);
	if (worker->stuck.first)
		at_ns = ration__min64(at_ns, worker->stuck_ns);
	if (worker->settling.first || (worker->more && !worker->full))
		at_ns = ration__min64(at_ns, ration__max64(worker->hold_ns, worker->now_ns));
	idle = at_ns - worker->now_ns;
	if (worker->pool->clock_injected && at_ns < RATION__NEVER)
		idle = ration__min64(idle, POLL_NS);
	at_ns = ration__multi_next_ns(worker->multi);
	if (at_ns < RATION__NEVER)
		idle = ration__min64(idle, at_ns - worker->io_ns);
	return ration__max64(idle, 0);
}

static int wait_events(
	struct ration__worker *worker, struct epoll_event *events, int64_t timeout_ns)
{
	struct timespec timeout = {
		.tv_sec = timeout_ns / RATION__NS_PER_S, .tv_nsec = timeout_ns % RATION__NS_PER_S};
	bool forever = timeout_ns >= RATION__NS_PER_S * 3600;
	int n = epoll_pwait2(worker->epoll_fd, events, EVENTS_MAX, forever ? NULL : &timeout, NULL);

	if (n < 0 && errno == ENOSYS) /* Linux before 5.11: whole milliseconds, upwards */
		n = epoll_wait(worker->epoll_fd, events, EVENTS_MAX,
			forever ? -1
				: (int)((timeout_ns + RATION__NS_PER_MS - 1) / RATION__NS_PER_MS));
	return n < 0 ? 0 : n;
}

/* Waits unless there is something to do; the events go to the multi. */
static void poll_events(struct ration__worker *worker, bool again)
{
	struct ration__inbox *inbox = &worker->pool->inbox;
	struct epoll_event events[EVENTS_MAX];
	int64_t timeout_ns = again ? 0 : idle_ns(worker);
	bool asleep = timeout_ns > 0;
	int n;

	if (asleep) {
		ration__inbox_sleep(inbox, worker->number);
		/* after the bit is set: pairs with push and poke, see inbox.h. Tokens have a look
		 * of their own: one that came while poked was taken back is in nobody's list */
		if (!ration__inbox_empty(inbox) || atomic_load(&worker->poked) ||
			atomic_load(&worker->answered))
			timeout_ns = 0;
	}
	n = wait_events(worker, events, timeout_ns);
	if (asleep)
		ration__inbox_awake(inbox, worker->number);
	ration__worker_read_clocks(worker);
	for (int i = 0; i < n; i++) {
		uint64_t count;

		if (events[i].data.u64 & RATION__MULTI_TAG)
			ration__multi_event(worker->multi, events[i].data.u64, events[i].events);
		else if (read(worker->event_fd, &count, sizeof(count)) < 0)
			continue; /* somebody's wake-up was read already */
	}
	ration__multi_tick(worker->multi, worker->io_ns);
}

/* ---- the loop ---- */

/* true: there is more to do at once. */
static bool go_round(struct ration__worker *worker)
{
	bool again = false;

	ration__worker_collect(worker);
	ration__worker_take_tokens(worker);
	if (ration__worker_has_work(worker)) {
		ration__worker_prepare(worker);
		if (worker->ask_count ||
			(worker->settling.first && worker->now_ns >= worker->hold_ns)) {
			ration__worker_transact(worker);
			ration__worker_results(worker);
		}
	}
	if (worker->launching.first) {
		ration__worker_launch(worker);
		/* out with the requests before anything is waited for */
		ration__multi_tick(worker->multi, worker->io_ns);
		again = true;
	}
	if (worker->done.first)
		ration__worker_finish(worker);
	return again || !ration__inbox_empty(&worker->pool->inbox);
}

static bool is_over(struct ration__worker *worker)
{
	if (!atomic_load(&worker->pool->closing))
		return false;
	/* swept: all lanes were emptied since, and nothing was asked for after that */
	if (!worker->swept || worker->flying.first || worker->asking.first || worker->rests.count ||
		worker->done.first || worker->launching.first ||
		!ration__inbox_empty(&worker->pool->inbox))
		return false;
	if (!worker->settling.first && !worker->stuck.first)
		return true;
	if (!worker->give_up_ns)
		worker->give_up_ns = worker->io_ns + GIVE_UP_NS;
	return worker->io_ns >= worker->give_up_ns;
}

static void *worker_thread(void *arg)
{
	struct ration__worker *worker = arg;

	on_worker = true;
	ration__worker_read_clocks(worker);
	for (;;) {
		bool again = true;

		for (int i = 0; again && i < ROUNDS_MAX; i++)
			again = go_round(worker);
		if (is_over(worker))
			break;
		poll_events(worker, again);
	}
	return NULL;
}

int ration__worker_init(struct ration__worker *worker, struct ration__pool *pool, unsigned number)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct ration__multi_options options = {.connections_idle = pool->options.connections_idle,
		.connection_age_ns = pool->options.connection_age_ns,
		.transport = pool->options.transport};

	worker->pool = pool;
	worker->number = number;
	worker->pool_ns = RATION__NEVER;
	ration__random_init(&worker->random, pool->options.random, pool->options.random_arg);
	ration__heap_init(&worker->rests);
	ration__heap_init(&worker->deadlines);
	ration__flight_list_init(&worker->flying);
	ration__flight_list_init(&worker->settling);
	ration__flight_list_init(&worker->launching);
	ration__flight_list_init(&worker->asking);
	ration__flight_list_init(&worker->stuck);
	ration__job_queue_init(&worker->done);
	worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (worker->event_fd < 0 || worker->epoll_fd < 0 ||
		epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->event_fd, &event) < 0)
		return RATION_ESYSTEM;
	options.epoll_fd = worker->epoll_fd;
	return ration__multi_new(&options, &worker->multi);
}

/* Signals are the program's: its handlers never run on our threads, and SIGPIPE never strikes. */
int ration__worker_start(struct ration__worker *worker)
{
	sigset_t all, before;
	char name[16];
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&worker->thread, NULL, worker_thread, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return RATION_ESYSTEM;
	worker->started = true;
	snprintf(name, sizeof(name), "ration-%u", worker->number);
	pthread_setname_np(worker->thread, name);
	return 0;
}

void ration__worker_fini(struct ration__worker *worker)
{
	if (!worker->pool)
		return;
	if (worker->started)
		pthread_join(worker->thread, NULL);
	if (worker->settling.first ||
		worker->stuck.first) /* the engine still links their grants: they must stay */
		ration__pool_log(worker->pool, RATION_LOG_ERROR,
			"closed while the store could not answer: permits stay until the process "
			"ends");
	while (worker->free) {
		struct ration__flight *flight = worker->free;

		worker->free = flight->next;
		free(flight);
	}
	if (worker->multi)
		ration__multi_free(worker->multi);
	ration__heap_fini(&worker->rests);
	ration__heap_fini(&worker->deadlines);
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	if (worker->event_fd >= 0)
		close(worker->event_fd);
	worker->pool = NULL;
}
