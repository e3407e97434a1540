/* Places and responses. See completion.h. */
#include "pool/completion.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "http/response.h"

/* Its address tells threads apart. */
static _Thread_local char this_thread;

static int init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	rc = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return rc ? RATION_ENOMEM : 0;
}

int ration__completion_init(struct ration__completion *c, uint32_t max)
{
	*c = (struct ration__completion){.max = max, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (c->fd < 0)
		return RATION_ESYSTEM;
	c->last = &c->first;
	pthread_mutex_init(&c->mutex, NULL);
	init_cond(&c->arrived);
	init_cond(&c->changed);
	return 0;
}

void ration__completion_fini(struct ration__completion *c)
{
	while (c->first) {
		ration_response *response = c->first;

		c->first = *ration__response_link(response);
		ration_response_free(response);
	}
	pthread_cond_destroy(&c->changed);
	pthread_cond_destroy(&c->arrived);
	pthread_mutex_destroy(&c->mutex);
	close(c->fd);
}

/* ---- waiting ---- */

static struct timespec until(int64_t timeout_ms)
{
	struct timespec at;
	int64_t century_ms = INT64_C(3155760000000);

	if (timeout_ms > century_ms)
		timeout_ms = century_ms;
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += timeout_ms / 1000;
	at.tv_nsec += timeout_ms % 1000 * RATION__NS_PER_MS;
	if (at.tv_nsec >= RATION__NS_PER_S) {
		at.tv_sec++;
		at.tv_nsec -= RATION__NS_PER_S;
	}
	return at;
}

/* false: the time is over. */
static bool wait_on(struct ration__completion *c, pthread_cond_t *cond, int64_t timeout_ms,
	const struct timespec *at)
{
	if (timeout_ms < 0)
		return pthread_cond_wait(cond, &c->mutex) == 0;
	return timeout_ms > 0 && pthread_cond_timedwait(cond, &c->mutex, at) != ETIMEDOUT;
}

/* Jobs that have not ended. Under the mutex. */
static uint32_t unfinished(const struct ration__completion *c)
{
	return atomic_load(&c->held) - c->unfetched - c->lost;
}

/* ---- places ---- */

static bool take_place(struct ration__completion *c)
{
	uint32_t held = atomic_load_explicit(&c->held, memory_order_relaxed);

	while (held < c->max)
		if (atomic_compare_exchange_weak(&c->held, &held, held + 1))
			return true;
	return false;
}

/* Waiting could not end: nobody else fetches, and every place is a response to be fetched. */
static bool is_hopeless(const struct ration__completion *c)
{
	const void *fetcher = atomic_load(&c->fetcher);

	return !unfinished(c) && (!fetcher || fetcher == &this_thread);
}

int ration__completion_enter(struct ration__completion *c, int64_t wait_ms)
{
	struct timespec at = {0};
	bool taken, in_time = true;

	if (take_place(c))
		return 0;
	if (wait_ms == 0)
		return RATION_EFULL;
	if (wait_ms > 0)
		at = until(wait_ms);
	atomic_fetch_add(&c->watching, 1);
	pthread_mutex_lock(&c->mutex);
	while (!(taken = take_place(c)) && in_time && !is_hopeless(c))
		in_time = wait_on(c, &c->changed, wait_ms, &at);
	pthread_mutex_unlock(&c->mutex);
	atomic_fetch_sub(&c->watching, 1);
	return taken ? 0 : RATION_EFULL;
}

/* held or calling went down: who may wait for that looks again. */
static void tell(struct ration__completion *c)
{
	bool watched = atomic_load(&c->watching) > 0;

	if (!watched && !atomic_load(&c->draining))
		return;
	pthread_mutex_lock(&c->mutex);
	/* who drains is not woken for each job, only for the last */
	if (watched || (!unfinished(c) && !atomic_load(&c->calling))) {
		pthread_cond_broadcast(&c->changed);
		pthread_cond_broadcast(&c->arrived);
	}
	pthread_mutex_unlock(&c->mutex);
}

static void give_place(struct ration__completion *c)
{
	atomic_fetch_sub(&c->held, 1);
	tell(c);
}

void ration__completion_exit(struct ration__completion *c)
{
	give_place(c);
}

/* ---- responses ---- */

static void set_fd(struct ration__completion *c, bool set)
{
	uint64_t value = 1;

	if (!c->fd_wanted || c->fd_set == set)
		return;
	c->fd_set = set;
	if (set)
		while (write(c->fd, &value, sizeof(value)) < 0 && errno == EINTR)
			;
	else
		while (read(c->fd, &value, sizeof(value)) < 0 && errno == EINTR)
			;
}

void ration__completion_put(
	struct ration__completion *c, ration_response *first, uint32_t count, uint32_t lost)
{
	pthread_mutex_lock(&c->mutex);
	*c->last = first;
	while (*c->last)
		c->last = ration__response_link(*c->last);
	c->unfetched += count;
	c->lost += lost;
	set_fd(c, true);
	pthread_cond_broadcast(&c->arrived);
	if (!unfinished(c)) /* drain, and submit that waits in vain */
		pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->mutex);
}

void ration__completion_begin(struct ration__completion *c)
{
	atomic_fetch_add(&c->calling, 1);
}

void ration__completion_call(struct ration__completion *c, ration_response *response)
{
	give_place(c);
	if (response)
		c->fn(c->arg, response);
}

void ration__completion_end(struct ration__completion *c)
{
	atomic_fetch_sub(&c->calling, 1);
	tell(c);
}

void ration__completion_answer(
	struct ration__completion *c, struct ration__waiter *waiter, ration_response *response)
{
	pthread_mutex_lock(&c->mutex);
	waiter->response = response;
	waiter->ended = true;
	pthread_cond_signal(&waiter->done); /* under the mutex: afterwards the waiter is gone */
	pthread_mutex_unlock(&c->mutex);
	atomic_fetch_sub(&c->performing, 1);
	give_place(c);
}

int ration__completion_wait(struct ration__completion *c, struct ration__waiter *waiter)
{
	pthread_mutex_lock(&c->mutex);
	while (!waiter->ended)
		pthread_cond_wait(&waiter->done, &c->mutex);
	pthread_mutex_unlock(&c->mutex);
	return waiter->response ? 0 : RATION_ENOMEM;
}

/* Until there is something to fetch. Under the mutex. */
static int await_response(struct ration__completion *c, int64_t timeout_ms)
{
	struct timespec at = {0};
	int rc = 0;

	if (timeout_ms == 0)
		return RATION_EEMPTY;
	if (timeout_ms > 0)
		at = until(timeout_ms);
	atomic_fetch_add(&c->watching, 1);
	while (!c->first && !c->lost && rc == 0) {
		if (timeout_ms < 0 && unfinished(c) == atomic_load(&c->performing))
			rc = RATION_EEMPTY;
		else if (!wait_on(c, &c->arrived, timeout_ms, &at))
			rc = RATION_ETIMEOUT;
	}
	atomic_fetch_sub(&c->watching, 1);
	return c->first || c->lost ? 0 : rc;
}

int ration__completion_next(struct ration__completion *c, int64_t timeout_ms, ration_response **out)
{
	int rc = 0;

	atomic_store_explicit(&c->fetcher, &this_thread, memory_order_relaxed);
	pthread_mutex_lock(&c->mutex);
	if (!c->first && !c->lost)
		rc = await_response(c, timeout_ms);
	if (rc < 0)
		goto unlock;
	if (c->first) {
		ration_response *response = c->first;
		ration_response **link = ration__response_link(response);

		c->first = *link;
		if (!c->first)
			c->last = &c->first;
		*link = NULL;
		c->unfetched--;
		*out = response;
	} else {
		c->lost--;
		rc = RATION_ENOMEM;
	}
	atomic_fetch_sub(&c->held, 1);
	if (!c->first && !c->lost)
		set_fd(c, false);
	if (atomic_load(&c->watching))
		pthread_cond_broadcast(&c->changed);
unlock:
	pthread_mutex_unlock(&c->mutex);
	return rc;
}

int ration__completion_fd(struct ration__completion *c)
{
	pthread_mutex_lock(&c->mutex);
	c->fd_wanted = true;
	set_fd(c, c->first || c->lost);
	pthread_mutex_unlock(&c->mutex);
	return c->fd;
}

int ration__completion_drain(struct ration__completion *c, int64_t timeout_ms)
{
	struct timespec at = {0};
	bool idle, in_time = true;

	if (timeout_ms > 0)
		at = until(timeout_ms);
	atomic_fetch_add(&c->draining, 1);
	pthread_mutex_lock(&c->mutex);
	while (!(idle = !unfinished(c) && !atomic_load(&c->calling)) && in_time)
		in_time = wait_on(c, &c->changed, timeout_ms, &at);
	pthread_mutex_unlock(&c->mutex);
	atomic_fetch_sub(&c->draining, 1);
	return idle ? 0 : RATION_ETIMEOUT;
}
