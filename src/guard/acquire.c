/*
 * Blocking acquire, for callers that are no event loop: ask, sleep until it is worth asking again
 * or somebody wakes us, ask again. See guard.h.
 */
#include "guard/engine.h"

#include <string.h>
#include <time.h>
#include "base/hash.h"
#include "base/util.h"
#include "guard/callers.h"

/* Longest wait for the gate in one go: other threads of the process want their turn too. */
#define GATE_WAIT_NS RATION__NS_PER_MS
/* So often the ledger is gone to for one ask before its answer is believed: others may take what
 * was written. */
#define LEDGER_ROUNDS_MAX 64

struct sleeper {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool woken;
	bool hears;   /* subscribed */
	bool counted; /* in guard.sleeping */
	struct ration__waker waker;
};

static void wake_sleeper(void *arg)
{
	struct sleeper *sleeper = arg;

	pthread_mutex_lock(&sleeper->mutex);
	sleeper->woken = true;
	pthread_cond_signal(&sleeper->cond);
	pthread_mutex_unlock(&sleeper->mutex);
}

static void sleeper_init(struct sleeper *sleeper)
{
	pthread_condattr_t attr;

	memset(sleeper, 0, sizeof(*sleeper));
	pthread_mutex_init(&sleeper->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&sleeper->cond, &attr);
	pthread_condattr_destroy(&attr);
	sleeper->waker.fn = wake_sleeper;
	sleeper->waker.arg = sleeper;
}

static void sleeper_fini(struct ration__engine *engine, struct sleeper *sleeper)
{
	if (sleeper->hears)
		ration__engine_unsubscribe(engine, &sleeper->waker);
	pthread_cond_destroy(&sleeper->cond);
	pthread_mutex_destroy(&sleeper->mutex);
}

static void sleep_for(struct ration__engine *engine, struct sleeper *sleeper, int64_t ns)
{
	struct timespec until;

	/* an injected clock does not move while we sleep: look at it often */
	if (ration__engine_clock_injected(engine) && ns > RATION__NS_PER_MS)
		ns = RATION__NS_PER_MS;
	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += until.tv_nsec;
	until.tv_sec += ns / RATION__NS_PER_S;
	until.tv_nsec = ns % RATION__NS_PER_S;
	pthread_mutex_lock(&sleeper->mutex);
	while (!sleeper->woken && pthread_cond_clockwait(&sleeper->cond, &sleeper->mutex,
					  CLOCK_MONOTONIC, &until) == 0)
		;
	sleeper->woken = false;
	pthread_mutex_unlock(&sleeper->mutex);
}

/* When nothing else can wake us before it is worth asking, the answer is known now. */
static bool cannot_be_in_time(const struct ration__ask *ask, int64_t deadline_ns)
{
	if (ask->at_ns <= deadline_ns)
		return false;
	return ask->denial == RATION_DENIED_RATE || ask->denial == RATION_DENIED_QUOTA ||
	       ask->denial == RATION_DENIED_BREAKER || ask->denial == RATION_DENIED_COOLDOWN;
}

/* 0, a denial, an error; or 1000: go on */
#define GO_ON 1000
static int ask_once(struct ration__engine *engine, struct ration__ask *ask, int64_t deadline_ns,
	bool try_only, unsigned *rounds)
{
	struct ration__batch batch = {.asks = ask, .ask_count = 1};
	unsigned long news = atomic_load(&engine->ledger_news);
	int rc = ration__guard_transact(engine, &batch, GATE_WAIT_NS);

	if (rc == RATION_EAGAIN) { /* the gate was busy: not an answer */
		ask->decision = RATION__LATER;
		return GO_ON;
	}
	if (rc < 0)
		return rc;
	if (ask->decision == RATION__ADMITTED)
		return 0;
	if (ask->decision == RATION__STALE)
		return RATION_EAGAIN;
	if (ask->decision == RATION__LATER)
		return GO_ON;
	if (ask->decision == RATION__REFUSED)
		return ask->denial;
	/* a quota that the ledger does not cover yet: read or write it here, then ask again (the
	 * engine's thread may have been faster; a ledger that fails has no news) */
	if (ask->denial == RATION_DENIED_QUOTA && (*rounds)++ < LEDGER_ROUNDS_MAX) {
		ration__ledger_work(engine);
		if (atomic_load(&engine->ledger_news) != news) {
			ask->decision = RATION__LATER;
			return GO_ON;
		}
	}
	if (try_only || cannot_be_in_time(ask, deadline_ns))
		return ask->denial;
	return ration__engine_now(engine) >= deadline_ns ? ask->denial : GO_ON;
}

/* Callers of one lane wait for the same records. */
static uint64_t lane_of(const struct ration__keyset *keyset, uint32_t skip)
{
	const struct ration__cell *place = skip & RATION__SKIP_CONCURRENCY ? NULL : keyset->place;
	const struct ration__cell *breaker = skip & RATION__SKIP_BREAKER ? NULL : keyset->breaker;
	uint64_t lane[3] = {skip, place ? place->hash : 0, breaker ? breaker->hash : 0};

	for (uint32_t i = 0; i < keyset->limit_count; i++)
		if (!(skip >> i & 1)) {
			lane[0] = ration__hash64(lane, sizeof(lane));
			lane[1] = keyset->cells[i].hash;
		}
	return ration__hash64(lane, sizeof(lane));
}

/* Who is held by those before it asks what it would be told, which may be no at once; in the last
 * moment it asks all the same. */
static int ask_in_line(struct ration__engine *engine, struct ration__ask *ask, int64_t deadline_ns,
	struct ration__callers *callers, struct ration__caller *caller, unsigned *rounds)
{
	bool held = callers && ration__callers_held(callers, caller) &&
		    ration__engine_now(engine) < deadline_ns;
	int rc;

	ask->peek = held;
	rc = ask_once(engine, ask, deadline_ns, !ask->may_book, rounds);
	if (held && (rc == 0 || rc == GO_ON)) {
		ask->at_ns = ration__engine_now(engine) + RATION__FALLBACK_NS;
		return GO_ON;
	}
	if (callers && rc == GO_ON && ask->decision != RATION__LATER)
		ration__callers_denied(callers, caller, ask->rule == RATION__RULE_CONCURRENCY);
	return rc;
}

/* One more that waits; false: as many as may do so already. */
static bool count_in(struct ration__guard *guard, struct sleeper *sleeper)
{
	if (sleeper->counted || !guard->own.own.queue_max)
		return true;
	sleeper->counted = atomic_fetch_add(&guard->sleeping, 1) < guard->own.own.queue_max;
	if (!sleeper->counted)
		atomic_fetch_sub(&guard->sleeping, 1);
	return sleeper->counted;
}

/* Who is held is woken by those before it: of all others' news only the fallback timer tells it. */
static int wait_in_line(struct ration__guard *guard, struct ration__ask *ask, int64_t deadline_ns,
	struct ration__callers *callers, struct ration__caller *caller, struct sleeper *sleeper)
{
	struct ration__engine *engine = guard->engine;
	unsigned rounds = 0;
	int rc;

	while ((rc = ask_in_line(engine, ask, deadline_ns, callers, caller, &rounds)) == GO_ON) {
		bool held = ask->peek;

		if (ask->decision == RATION__LATER)
			continue;
		if (!count_in(guard, sleeper)) {
			ask->decision = RATION__REFUSED;
			return ask->denial = RATION_DENIED_QUEUE;
		}
		if (!held && !sleeper->hears) { /* and once more: for what came before */
			ration__engine_subscribe(engine, &sleeper->waker);
			sleeper->hears = true;
			continue;
		}
		sleep_for(engine, sleeper,
			ration__max64(0, ration__min64(ask->at_ns, deadline_ns) -
						 ration__engine_now(engine)));
	}
	return rc;
}

int ration__guard_acquire_in_line(struct ration__callers *callers, struct ration__keyset *keyset,
	const struct ration__cost *costs, size_t cost_count, uint32_t skip,
	struct ration__grant *grant, int64_t timeout_ns, struct ration__ask *ask)
{
	struct ration__guard *guard = keyset->guard;
	struct ration__engine *engine = guard->engine;
	int64_t now_ns = ration__engine_now(engine);
	int64_t deadline_ns = timeout_ns < 0 || timeout_ns > RATION__NEVER - now_ns
				      ? RATION__NEVER
				      : now_ns + timeout_ns;
	struct sleeper sleeper;
	struct ration__caller caller = {.lane = lane_of(keyset, skip | keyset->skip),
		.wants_place = keyset->concurrency && !(skip & RATION__SKIP_CONCURRENCY),
		.wake = wake_sleeper,
		.arg = &sleeper};
	int rc;

	*ask = (struct ration__ask){.keyset = keyset,
		.costs = costs,
		.cost_count = cost_count,
		.grant = grant,
		.skip = skip,
		.may_book = timeout_ns != 0};
	if (ration__store_forked(engine->store)) /* a lost thread may have the callers' mutex */
		return RATION_EFORK;
	if (timeout_ns == 0) /* a try waits behind nobody */
		callers = NULL;
	sleeper_init(&sleeper);
	if (callers)
		ration__callers_enter(callers, &caller);
	rc = wait_in_line(guard, ask, deadline_ns, callers, &caller, &sleeper);
	if (callers)
		ration__callers_leave(callers, &caller);
	if (sleeper.counted)
		atomic_fetch_sub(&guard->sleeping, 1);
	sleeper_fini(engine, &sleeper);
	if (rc != 0)
		ration__guard_leave(keyset);
	return rc;
}

int ration__guard_acquire(struct ration__keyset *keyset, const struct ration__cost *costs,
	size_t cost_count, uint32_t skip, struct ration__grant *grant, int64_t timeout_ns,
	struct ration__ask *ask)
{
	return ration__guard_acquire_in_line(
		NULL, keyset, costs, cost_count, skip, grant, timeout_ns, ask);
}

int ration__guard_peek(struct ration__keyset *keyset, const struct ration__cost *costs,
	size_t cost_count, uint32_t skip, struct ration__ask *ask)
{
	struct ration__engine *engine = keyset->guard->engine;
	unsigned rounds = 0;
	int rc;

	*ask = (struct ration__ask){.keyset = keyset,
		.costs = costs,
		.cost_count = cost_count,
		.skip = skip,
		.peek = true};
	do
		rc = ask_once(engine, ask, ration__engine_now(engine), true, &rounds);
	while (rc == GO_ON);
	return rc;
}
