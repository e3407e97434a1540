/*
 * The engine: what this process holds of one store. One for each directory (by device and inode),
 * shared and counted, because a process may be a member only once and LMDB must not be opened
 * twice. See guard.h, and engine.h for the locks.
 *
 * Its thread waits for datagrams of members that released a permit for us, works off the ledger's
 * queue, and tells the subscribers that asking again is worth it. It decides nothing.
 */
#include "guard/engine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	pthread_mutex_t mutex;
	struct ration__engine *first;
} registry = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void ration__engine_log(
	struct ration__engine *engine, enum ration_log_level level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!engine->log || level > engine->log_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	engine->log(engine->log_arg, level, text);
}

static void log_store(void *arg, enum ration_log_level level, const char *text)
{
	ration__engine_log(arg, level, "%s", text);
}

struct ration__store *ration__engine_store(struct ration__engine *engine)
{
	return engine->store;
}

int64_t ration__engine_now(const struct ration__engine *engine)
{
	return ration__clock_now(&engine->clock, RATION_CLOCK_STEADY);
}

uint64_t ration__engine_random(struct ration__engine *engine)
{
	uint64_t x = engine->random +=
		UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 (Steele et al.) */

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

bool ration__engine_clock_injected(const struct ration__engine *engine)
{
	return ration__clock_injected(&engine->clock);
}

/* ---- waking ---- */

static void write_kick(struct ration__engine *engine)
{
	uint64_t one = 1;

	while (write(engine->kick_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void ration__engine_kick(struct ration__engine *engine)
{
	write_kick(engine);
}

void ration__engine_notify(struct ration__engine *engine)
{
	atomic_store(&engine->notify, true);
	write_kick(engine);
}

static void call_wakers(struct ration__engine *engine)
{
	pthread_mutex_lock(&engine->list_mutex);
	for (struct ration__waker *waker = engine->wakers; waker; waker = waker->next)
		waker->fn(waker->arg);
	pthread_mutex_unlock(&engine->list_mutex);
}

/* hot/ was made anew by another: what this process holds is put back now, not with its next
 * decision, or others would be admitted on top of it. */
static void catch_up(struct ration__engine *engine)
{
	struct ration__txn *txn;

	if (ration__store_epoch(engine->store) == atomic_load(&engine->epoch))
		return;
	pthread_mutex_lock(&engine->mutex);
	if (ration__store_begin(engine->store, -1, &txn) == 0)
		ration__store_commit(txn);
	pthread_mutex_unlock(&engine->mutex);
}

/* Once for each hot/ that is made: every member tells every other. */
static void tell_members(struct ration__engine *engine)
{
	if (!atomic_exchange(&engine->epoch_news, false))
		return;
	for (uint16_t slot = 0; slot < RATION__SLOTS_MAX; slot++)
		if (slot != ration__store_slot(engine->store))
			ration__store_wake(engine->store, slot);
}

static void *engine_thread(void *arg)
{
	struct ration__engine *engine = arg;
	struct pollfd fds[2] = {
		{.fd = ration__store_wake_fd(engine->store), .events = POLLIN},
		{.fd = engine->kick_fd, .events = POLLIN},
	};

	while (!atomic_load(&engine->stop)) {
		uint64_t count;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break; /* out of kernel memory: waiters have their fallback timers */
		if (fds[1].revents && read(engine->kick_fd, &count, sizeof(count)) < 0)
			continue;
		if (fds[0].revents) {
			ration__store_wake_drain(engine->store);
			catch_up(engine);
			call_wakers(engine);
		}
		tell_members(engine);
		ration__ledger_work(engine);
		if (atomic_exchange(&engine->notify, false))
			call_wakers(engine);
	}
	return NULL;
}

/* Threads of a library take no signals: the program's handlers run on the program's threads. */
static void start_thread(struct ration__engine *engine)
{
	sigset_t all, before;

	if (engine->thread_runs)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	engine->thread_runs = pthread_create(&engine->thread, NULL, engine_thread, engine) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (engine->thread_runs)
		pthread_setname_np(engine->thread, "ration-store");
	else
		ration__engine_log(engine, RATION_LOG_ERROR,
			"no thread for wake-ups: waiting goes on by timers alone");
}

void ration__engine_subscribe(struct ration__engine *engine, struct ration__waker *waker)
{
	pthread_mutex_lock(&engine->list_mutex);
	waker->next = engine->wakers;
	waker->link = &engine->wakers;
	if (waker->next)
		waker->next->link = &waker->next;
	engine->wakers = waker;
	start_thread(engine);
	pthread_mutex_unlock(&engine->list_mutex);
}

void ration__engine_unsubscribe(struct ration__engine *engine, struct ration__waker *waker)
{
	if (ration__store_forked(engine->store))
		return;
	pthread_mutex_lock(&engine->list_mutex);
	if (waker->link) {
		*waker->link = waker->next;
		if (waker->next)
			waker->next->link = waker->link;
		waker->link = NULL;
	}
	pthread_mutex_unlock(&engine->list_mutex);
}

/* ---- opening and closing ---- */

static struct ration__engine *registered(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return NULL;
	for (struct ration__engine *engine = registry.first; engine; engine = engine->next)
		if (engine->dev == st.st_dev && engine->ino == st.st_ino &&
			!ration__store_forked(engine->store)) /* a child opens it again */
			return engine;
	return NULL;
}

static void free_engine(struct ration__engine *engine)
{
	if (engine->kick_fd >= 0)
		close(engine->kick_fd);
	free(engine->ledger);
	ration__locals_clear(&engine->locals);
	free(engine->burial);
	free(engine->definition);
	ration__operator_free(engine);
	ration__zones_free(engine);
	pthread_cond_destroy(&engine->ledger_done);
	pthread_mutex_destroy(&engine->meta_mutex);
	pthread_mutex_destroy(&engine->list_mutex);
	pthread_mutex_destroy(&engine->mutex);
	free(engine);
}

static struct ration__engine *new_engine(const struct ration__engine_options *options)
{
	struct ration__engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	pthread_mutex_init(&engine->mutex, NULL);
	pthread_mutex_init(&engine->list_mutex, NULL);
	pthread_mutex_init(&engine->meta_mutex, NULL);
	pthread_cond_init(&engine->ledger_done, NULL);
	engine->refs = 1;
	engine->clock = options->store.clock;
	engine->log = options->log;
	engine->log_arg = options->log_arg;
	engine->log_level = options->log_level;
	engine->event = options->event;
	engine->event_arg = options->event_arg;
	engine->ledger = calloc(RATION__LEDGER_QUEUE, sizeof(*engine->ledger));
	engine->burial = malloc(ration__burial_size());
	engine->definition = malloc(ration__definition_size());
	engine->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (engine->ledger && engine->burial && engine->definition && engine->kick_fd >= 0)
		return engine;
	free_engine(engine);
	return NULL;
}

static int open_store(struct ration__engine *engine, const struct ration__engine_options *options,
	ration_error **err)
{
	struct ration__store_options store = options->store;
	struct stat st;
	int rc;

	store.hooks = (struct ration__store_hooks){.arg = engine,
		.bury = ration__permit_bury,
		.reassert = ration__permit_reassert,
		.log = log_store};
	rc = ration__store_open(&store, &engine->store, err);
	if (rc < 0)
		return rc;
	if (stat(ration__store_path(engine->store), &st) < 0) {
		rc = ration__error_set(err, RATION_ESTORE, "%s vanished while it was opened",
			ration__store_path(engine->store));
		ration__store_close(engine->store);
		return rc;
	}
	atomic_store(&engine->epoch, ration__store_epoch(engine->store));
	engine->dev = st.st_dev;
	engine->ino = st.st_ino;
	/* sequences of two lives of one slot never meet: the generation differs */
	engine->next_seq = 0;
	engine->random = (uint64_t)ration__engine_now(engine) ^ (uint64_t)getpid() << 32;
	return 0;
}

/* A child must not find the registry locked by a thread that it does not have. */
static void lock_registry(void)
{
	pthread_mutex_lock(&registry.mutex);
}

static void unlock_registry(void)
{
	pthread_mutex_unlock(&registry.mutex);
}

static void watch_forks(void)
{
	pthread_atfork(lock_registry, unlock_registry, unlock_registry);
}

int ration__engine_open(const struct ration__engine_options *options, struct ration__engine **out,
	ration_error **err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct ration__engine *engine;
	int rc = 0;

	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&registry.mutex);
	engine = registered(options->store.path);
	if (engine) {
		if (engine->clock.fn != options->store.clock.fn ||
			engine->clock.arg != options->store.clock.arg)
			rc = ration__error_set(err, RATION_ECLOCK,
				"%s is open in this process with another clock",
				options->store.path);
		else
			engine->refs++;
		goto unlock;
	}
	engine = new_engine(options);
	if (!engine) {
		rc = ration__error_set(err, RATION_ENOMEM, "out of memory");
		goto unlock;
	}
	rc = open_store(engine, options, err);
	if (rc < 0) {
		free_engine(engine);
		goto unlock;
	}
	engine->next = registry.first;
	registry.first = engine;
unlock:
	pthread_mutex_unlock(&registry.mutex);
	if (rc == 0)
		*out = engine;
	return rc;
}

void ration__engine_close(struct ration__engine *engine)
{
	struct ration__engine **link = &registry.first;

	if (!engine)
		return;
	pthread_mutex_lock(&registry.mutex);
	if (--engine->refs > 0) {
		pthread_mutex_unlock(&registry.mutex);
		return;
	}
	while (*link && *link != engine)
		link = &(*link)->next;
	if (*link)
		*link = engine->next;
	if (ration__store_forked(engine->store)) { /* its thread is the parent's, its locks stay */
		pthread_mutex_unlock(&registry.mutex);
		return;
	}
	if (engine->thread_runs) {
		atomic_store(&engine->stop, true);
		write_kick(engine);
		pthread_join(engine->thread, NULL);
	}
	/* the store buries what this member held */
	ration__orphans_forget(engine);
	if (engine->lazy.seq)
		ration__grant_unlink(&engine->lazy);
	/* under the registry's lock: who opens the directory again gets a slot after we left ours
	 */
	ration__store_close(engine->store);
	free_engine(engine);
	pthread_mutex_unlock(&registry.mutex);
}
