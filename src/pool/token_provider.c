/*
 * Tokens from the caller's function. It is asked for every attempt, on threads of its own, by one
 * asker for each set of values of the keys in auth.per:
 *
 *              waiter                    thread takes it               answered
 *     IDLE ------------> QUEUED ----------------------------> ASKED ------------> IDLE, or QUEUED
 *                          ^ |  more waiters share the call     | |  more share it    again for
 *                          +-+                                  +-+                   who stayed
 *
 * Who comes while the provider is asked shares its answer, but for one whose token was rejected
 * when that call was not told of a rejection: its answer may be the same stale token; he waits for
 * the next. An asker remembers the last token it gave, so that a hundred attempts that were
 * rejected with the one before do not have a new one thrown away.
 *
 * Without auth.per there is one asker, so one thread and one call at a time. Else there are up to
 * THREADS_MAX, and the values of as many slow tenants hold up only themselves.
 *
 * Threads are started at the first need and stay. The mutex is held neither for the provider nor
 * for a waiter's function.
 */
#include "pool/token_source.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/token.h"
#include "base/util.h"
#include "http/limits.h"
#include "pool/table.h"

#define THREADS_MAX 4
#define TOKEN_MAX (16u << 10)
#define VALUES_SIZE (RATION__KEY_COUNT_MAX * (RATION__KEY_VALUE_MAX + 1))

enum asker_state { IDLE, QUEUED, ASKED };

struct asker {
	struct ration__entry entry;	      /* by values */
	struct asker *newer, *older;	      /* IDLE: last used first. QUEUED: older is the next */
	struct ration__token_waiter *waiting; /* for the next call */
	struct ration__token_waiter *sharing; /* the call that is made */
	struct ration__token *last;
	enum asker_state state;
	bool rejected;	      /* the next call is told so */
	bool rejected_shared; /* this one was */
	bool failed;	      /* the last one was in vain */
	size_t length;
	char values[]; /* of auth.per, each with its NUL */
};

struct ration__token_askers {
	struct ration__tokens *tokens;
	pthread_mutex_t mutex; /* what follows */
	pthread_cond_t queued, told;
	struct ration__table table;
	struct asker *newest, *oldest; /* IDLE */
	struct asker *queue, **queue_end;
	unsigned queue_count;
	unsigned idle; /* threads that wait for work */
	unsigned thread_count;
	unsigned telling; /* threads that call waiters' functions; told: none does */
	bool stopped;
	pthread_t threads[THREADS_MAX];
};

struct ration_token_ask {
	const struct ration__tokens *tokens;
	const struct asker *asker;
	bool rejected;
	char *text; /* NULL: none set */
	size_t length;
};

/* ---- what the provider sees ---- */

const char *ration_token_ask_service(const ration_token_ask *ask)
{
	return ask ? ask->tokens->options.service : "";
}

const char *ration_token_ask_key(const ration_token_ask *ask, const char *name)
{
	const char *per = ask ? ask->tokens->options.auth->per : NULL;
	const char *value = ask ? ask->asker->values : "";

	if (!per || !name)
		return "";
	for (; *per; per += strlen(per) + 1, value += strlen(value) + 1)
		if (strcmp(per, name) == 0)
			return value;
	return "";
}

int ration_token_ask_rejected(const ration_token_ask *ask)
{
	return ask && ask->rejected;
}

static void wipe(ration_token_ask *ask)
{
	if (ask->text)
		explicit_bzero(ask->text, ask->length);
	free(ask->text);
	ask->text = NULL;
}

int ration_token_ask_set(ration_token_ask *ask, const char *token)
{
	size_t length = token ? strnlen(token, TOKEN_MAX + 1) : 0;
	char *copy;

	if (!ask || length == 0)
		return RATION_EINVAL;
	if (length > TOKEN_MAX)
		return RATION_ETOOBIG;
	if (!ration__header_value_ok(token))
		return RATION_EINVAL;
	copy = strdup(token);
	if (!copy)
		return RATION_ENOMEM;
	wipe(ask);
	ask->text = copy;
	ask->length = length;
	return 0;
}

/* ---- lists; under the mutex ---- */

static void add_waiter(struct ration__token_waiter **list, struct ration__token_waiter *waiter)
{
	waiter->next = *list;
	waiter->link = list;
	if (waiter->next)
		waiter->next->link = &waiter->next;
	*list = waiter;
}

static void remove_waiter(struct ration__token_waiter *waiter)
{
	*waiter->link = waiter->next;
	if (waiter->next)
		waiter->next->link = waiter->link;
	waiter->link = NULL;
}

/* All of a list, which is empty then; nobody can cancel them any more. */
static void take_waiters(struct ration__token_waiter **list, struct ration__token_waiter **taken)
{
	while (*list) {
		struct ration__token_waiter *waiter = *list;

		remove_waiter(waiter);
		waiter->next = *taken;
		*taken = waiter;
	}
}

static void unlink_idle(struct ration__token_askers *askers, struct asker *asker)
{
	*(asker->newer ? &asker->newer->older : &askers->newest) = asker->older;
	*(asker->older ? &asker->older->newer : &askers->oldest) = asker->newer;
}

static void link_idle(struct ration__token_askers *askers, struct asker *asker)
{
	asker->state = IDLE;
	asker->newer = NULL;
	asker->older = askers->newest;
	*(asker->older ? &asker->older->newer : &askers->oldest) = asker;
	askers->newest = asker;
}

static void enqueue(struct ration__token_askers *askers, struct asker *asker)
{
	asker->state = QUEUED;
	asker->older = NULL;
	*askers->queue_end = asker;
	askers->queue_end = &asker->older;
	askers->queue_count++;
}

static struct asker *dequeue(struct ration__token_askers *askers)
{
	struct asker *asker = askers->queue;

	askers->queue = asker->older;
	if (!askers->queue)
		askers->queue_end = &askers->queue;
	askers->queue_count--;
	return asker;
}

static void free_asker(struct ration__token_askers *askers, struct asker *asker)
{
	ration__table_remove(&askers->table, &asker->entry);
	ration__token_unref(asker->last);
	free(asker);
}

/* ---- the thread ---- */

/* Outside the mutex: the waiters' memory is theirs again once each was called. */
static void answer(struct ration__token_waiter *waiter, int code, struct ration__token *token)
{
	while (waiter) {
		struct ration__token_waiter *next = waiter->next;

		waiter->code = code;
		waiter->token = ration__token_ref(token);
		waiter->fn(waiter);
		waiter = next;
	}
}

/* 0 and *token, or RATION_ETOKEN, RATION_ENOMEM. */
static int call_provider(
	struct ration__tokens *tokens, ration_token_ask *ask, struct ration__token **token)
{
	int rc = tokens->options.provider(tokens->options.provider_arg, ask);
	struct ration__token *made = NULL;

	if (rc == RATION_TOKEN_OK || rc == RATION_TOKEN_AGAIN) {
		made = ask->text ? ration__token_new(tokens, ask->text, ask->length, NULL) : NULL;
		if (made)
			made->again = rc == RATION_TOKEN_AGAIN;
		rc = made ? 0 : ask->text ? RATION_ENOMEM : RATION_ETOKEN;
	}
	wipe(ask);
	if (!ask->asker->failed && rc != 0)
		ration__token_log(tokens, RATION_LOG_WARNING,
			"service %s: the token provider gave none: %s", tokens->options.service,
			ration_code_name(rc));
	*token = made;
	return rc == 0 || rc == RATION_ENOMEM ? rc : RATION_ETOKEN;
}

/* Leaves the mutex in between. */
static void ask_once(struct ration__token_askers *askers, struct asker *asker)
{
	ration_token_ask ask = {
		.tokens = askers->tokens, .asker = asker, .rejected = asker->rejected};
	struct ration__token_waiter *taken = NULL;
	struct ration__token *token;
	int rc;

	asker->state = ASKED;
	asker->rejected_shared = asker->rejected;
	asker->rejected = false;
	while (asker->waiting) {
		struct ration__token_waiter *waiter = asker->waiting;

		remove_waiter(waiter);
		add_waiter(&asker->sharing, waiter);
	}
	if (!asker->sharing) { /* all of them were cancelled */
		link_idle(askers, asker);
		return;
	}
	pthread_mutex_unlock(&askers->mutex);
	rc = call_provider(askers->tokens, &ask, &token);
	pthread_mutex_lock(&askers->mutex);
	asker->failed = rc < 0;
	if (token) {
		ration__token_unref(asker->last);
		asker->last = ration__token_ref(token);
	}
	take_waiters(&asker->sharing, &taken);
	if (asker->waiting)
		enqueue(askers, asker);
	else
		link_idle(askers, asker);
	askers->telling++;
	pthread_mutex_unlock(&askers->mutex);
	answer(taken, rc, token);
	ration__token_unref(token);
	pthread_mutex_lock(&askers->mutex);
	if (--askers->telling == 0)
		pthread_cond_broadcast(&askers->told);
}

static void *provider_thread(void *arg)
{
	struct ration__token_askers *askers = arg;

	pthread_mutex_lock(&askers->mutex);
	while (!askers->stopped) {
		if (askers->queue) {
			ask_once(askers, dequeue(askers));
			continue;
		}
		askers->idle++;
		pthread_cond_wait(&askers->queued, &askers->mutex);
		askers->idle--;
	}
	pthread_mutex_unlock(&askers->mutex);
	return NULL;
}

/* Somebody to do what is queued next. False: there is no thread at all. */
static bool call_thread(struct ration__token_askers *askers)
{
	unsigned most = askers->tokens->options.auth->per ? THREADS_MAX : 1;
	sigset_t all, before;

	pthread_cond_signal(&askers->queued);
	/* one that was signalled stays idle until it runs: it is meant for another asker */
	if (askers->queue_count < askers->idle || askers->thread_count >= most)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&askers->threads[askers->thread_count], NULL, provider_thread, askers) ==
		0) {
		pthread_setname_np(askers->threads[askers->thread_count], "ration-token");
		askers->thread_count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return askers->thread_count > 0;
}

/* ---- asking ---- */

/* The values of auth.per, one after the other; their length, or -1: more than there is room for. */
static ptrdiff_t read_values(
	const char *per, const char *keys, uint8_t key_count, char values[VALUES_SIZE])
{
	size_t at = 0;

	for (; per && *per; per += strlen(per) + 1) {
		const char *value = ration__token_key(keys, key_count, per, strlen(per));
		size_t size = value ? strlen(value) + 1 : 1;

		if (size > VALUES_SIZE - at)
			return -1;
		memcpy(values + at, value ? value : "", size);
		at += size;
	}
	return (ptrdiff_t)at;
}

static struct asker *find_asker(
	struct ration__token_askers *askers, const char *values, size_t length)
{
	uint64_t hash = ration__hash64(values, length);
	struct ration__entry *entry = ration__table_find(&askers->table, hash);
	struct asker *asker;

	for (; entry; entry = ration__table_again(entry)) {
		asker = RATION__CONTAINER(entry, struct asker, entry);
		if (asker->length == length && memcmp(asker->values, values, length) == 0)
			return asker;
	}
	asker = calloc(1, sizeof(*asker) + length + 1);
	if (!asker)
		return NULL;
	asker->length = length;
	memcpy(asker->values, values, length);
	if (askers->table.count >= RATION__TOKENS_KEPT && askers->oldest) {
		struct asker *oldest = askers->oldest;

		unlink_idle(askers, oldest);
		free_asker(askers, oldest);
	}
	ration__table_add(&askers->table, &asker->entry, hash);
	link_idle(askers, asker);
	return asker;
}

/* Whether the provider must hear of it: not when it has given another token since. */
static bool is_news(const struct asker *asker, const struct ration__token *rejected)
{
	return rejected && (!asker->last || ration__token_equal(asker->last, rejected));
}

int ration__token_askers_get(struct ration__token_askers *askers, const char *keys,
	uint8_t key_count, const struct ration__token *rejected,
	struct ration__token_waiter *waiter)
{
	char values[VALUES_SIZE];
	ptrdiff_t length = read_values(askers->tokens->options.auth->per, keys, key_count, values);
	struct asker *asker = NULL;
	bool news;
	int rc = RATION_EAGAIN;

	if (length < 0)
		return RATION_EKEY;
	pthread_mutex_lock(&askers->mutex);
	if (askers->stopped)
		rc = RATION_ECANCELLED;
	else if (!(asker = find_asker(askers, values, (size_t)length)))
		rc = RATION_ENOMEM;
	if (rc != RATION_EAGAIN)
		goto unlock;
	news = is_news(asker, rejected);
	if (asker->state == ASKED && (!news || asker->rejected_shared)) {
		add_waiter(&asker->sharing, waiter);
		goto unlock;
	}
	if (asker->state == IDLE) {
		if (!call_thread(askers)) {
			rc = RATION_ETOKEN;
			goto unlock;
		}
		unlink_idle(askers, asker);
		enqueue(askers, asker);
	}
	asker->rejected = asker->rejected || news;
	add_waiter(&asker->waiting, waiter);
unlock:
	pthread_mutex_unlock(&askers->mutex);
	return rc;
}

bool ration__token_askers_cancel(
	struct ration__token_askers *askers, struct ration__token_waiter *waiter)
{
	bool waits;

	pthread_mutex_lock(&askers->mutex);
	waits = waiter->link != NULL;
	if (waits)
		remove_waiter(waiter);
	pthread_mutex_unlock(&askers->mutex);
	return waits;
}

/* ---- for token.c ---- */

int ration__token_askers_new(struct ration__tokens *tokens, struct ration__token_askers **out)
{
	struct ration__token_askers *askers = calloc(1, sizeof(*askers));

	if (!askers)
		return RATION_ENOMEM;
	askers->tokens = tokens;
	askers->queue_end = &askers->queue;
	pthread_mutex_init(&askers->mutex, NULL);
	pthread_cond_init(&askers->queued, NULL);
	pthread_cond_init(&askers->told, NULL);
	ration__table_init(&askers->table);
	*out = askers;
	return 0;
}

static void free_all(struct ration__token_askers *askers)
{
	for (uint64_t i = 0; i <= askers->table.mask; i++)
		while (askers->table.heads[i])
			free_asker(askers,
				RATION__CONTAINER(askers->table.heads[i], struct asker, entry));
}

void ration__token_askers_stop(struct ration__token_askers *askers)
{
	struct ration__token_waiter *taken = NULL;

	pthread_mutex_lock(&askers->mutex);
	askers->stopped = true;
	for (uint64_t i = 0; i <= askers->table.mask; i++)
		for (struct ration__entry *entry = askers->table.heads[i]; entry;
			entry = entry->next) {
			struct asker *asker = RATION__CONTAINER(entry, struct asker, entry);

			take_waiters(&asker->sharing, &taken);
			take_waiters(&asker->waiting, &taken);
		}
	pthread_cond_broadcast(&askers->queued);
	while (askers->telling) /* what their functions use may be gone after this */
		pthread_cond_wait(&askers->told, &askers->mutex);
	pthread_mutex_unlock(&askers->mutex);
	answer(taken, RATION_ECANCELLED, NULL);
}

void ration__token_askers_free(struct ration__token_askers *askers)
{
	if (!askers)
		return;
	ration__token_askers_stop(askers);
	for (unsigned i = 0; i < askers->thread_count; i++)
		pthread_join(askers->threads[i], NULL);
	free_all(askers);
	ration__table_fini(&askers->table);
	pthread_cond_destroy(&askers->told);
	pthread_cond_destroy(&askers->queued);
	pthread_mutex_destroy(&askers->mutex);
	free(askers);
}
