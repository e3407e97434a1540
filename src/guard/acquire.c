/*
 * Blocking acquire, for callers that are no event loop: ask, sleep until it is worth asking again
 * or somebody wakes us, ask again. See guard.h.
 */
#include "guard/engine.h"

#include <string.h>
#include <time.h>
#include "base/util.h"

/* Longest wait for the gate in one go: other threads of the process want their turn too. */
#define GATE_WAIT_NS RATION__NS_PER_MS

struct sleeper {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool woken;
	bool hears; /* subscribed */
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
	       ask->denial == RATION_DENIED_BREAKER;
}

/* 0, a denial, an error; or 1000: go on */
#define GO_ON 1000
static int ask_once(
	struct ration__engine *engine, struct ration__ask *ask, int64_t deadline_ns, bool try_only)
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
	if (ask->denial == RATION_DENIED_QUOTA) {
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

int ration__guard_acquire(struct ration__keyset *keyset, const struct ration__cost *costs,
	size_t cost_count, struct ration__grant *grant, int64_t timeout_ns, struct ration__ask *ask)
{
	struct ration__engine *engine = keyset->guard->engine;
	int64_t now_ns = ration__engine_now(engine);
	int64_t deadline_ns = timeout_ns < 0 ? RATION__NEVER : now_ns + timeout_ns;
	struct sleeper sleeper;
	int rc;

	*ask = (struct ration__ask){.keyset = keyset,
		.costs = costs,
		.cost_count = cost_count,
		.grant = grant,
		.may_book = timeout_ns != 0};
	sleeper_init(&sleeper);
	while ((rc = ask_once(engine, ask, deadline_ns, timeout_ns == 0)) == GO_ON) {
		if (ask->decision == RATION__LATER)
			continue;
		if (!sleeper.hears) {
			/* from now on wake-ups are heard; what came before is asked for once more
			 */
			ration__engine_subscribe(engine, &sleeper.waker);
			sleeper.hears = true;
			continue;
		}
		now_ns = ration__engine_now(engine);
		sleep_for(engine, &sleeper,
			ration__max64(0, ration__min64(ask->at_ns, deadline_ns) - now_ns));
	}
	sleeper_fini(engine, &sleeper);
	if (rc != 0)
		ration__guard_leave(keyset);
	return rc;
}

int ration__guard_peek(struct ration__keyset *keyset, const struct ration__cost *costs,
	size_t cost_count, struct ration__ask *ask)
{
	struct ration__engine *engine = keyset->guard->engine;
	int rc;

	*ask = (struct ration__ask){
		.keyset = keyset, .costs = costs, .cost_count = cost_count, .peek = true};
	do
		rc = ask_once(engine, ask, ration__engine_now(engine), true);
	while (rc == GO_ON);
	return rc;
}

/* A limit of the name, as the transaction saw it. */
struct remaining {
	struct ration__limit limit; /* kind 0: the concurrency limit */
	struct ration__window window;
	int64_t wall_ns;
	const struct ration__cell *cell;
	bool unread; /* a quota that hot/ knows nothing of */
};

/* Places that are had at once, although they are not settled yet, count as free (lazy.c). */
static double places_left(
	struct ration__engine *engine, uint32_t max, const struct ration__concurrency *state)
{
	double left = (double)max - state->in_flight;

	for (uint16_t i = 0; i < state->count; i++) {
		const struct ration__contender *member = &state->contenders[i];

		left += member->held && member->slot < RATION__SLOTS_MAX &&
			atomic_load(ration__slot_word(engine->store, member->slot));
	}
	return left < 0 ? 0 : left;
}

/* Inside the transaction. */
static int look_at(struct ration__keyset *keyset, struct ration__txn *txn, const char *name,
	struct remaining *r, double *left)
{
	const struct ration__rules *rules = &keyset->guard->rules;
	struct ration__workset *set = &keyset->guard->engine->set;
	struct ration__record *record;
	int rc;

	for (uint32_t i = 0; i < keyset->limit_count && !r->cell; i++)
		if (strcmp(rules->limits[i].name, name) == 0) {
			r->limit = rules->limits[i];
			r->cell = &keyset->cells[i];
		}
	if (!r->cell && strcmp(name, "concurrency") == 0)
		r->cell = keyset->concurrency;
	if (!r->cell)
		return RATION_EINVAL;
	rc = ration__workset_get(
		set, r->cell->hash, ration__cell_key(keyset, r->cell), r->cell->length, &record);
	if (rc < 0)
		return rc;
	ration__record_wake(record, &r->limit, txn->wipe_ns);
	if (r->limit.kind == 0) {
		*left = places_left(
			keyset->guard->engine, rules->concurrency.max, record->concurrency);
	} else if (r->limit.kind == RATION__LIMIT_BUCKET) {
		*left = ration__bucket_remaining(&r->limit.bucket, record->bucket, txn->now_ns);
	} else {
		r->wall_ns =
			r->limit.kind == RATION__LIMIT_QUOTA ? ration__txn_wall(txn) : txn->now_ns;
		r->unread = r->limit.kind == RATION__LIMIT_QUOTA && record->absent;
		r->window = *record->window;
	}
	return 0;
}

int ration__guard_remaining(struct ration__keyset *keyset, const char *name, double *left)
{
	struct ration__engine *engine = keyset->guard->engine;
	struct remaining r = {.cell = NULL};
	struct ration__txn *txn;
	int rc;

	if (ration__store_forked(engine->store)) /* before the lock, which a lost thread may hold */
		return RATION_EFORK;
	pthread_mutex_lock(&engine->mutex);
	rc = ration__store_begin(engine->store, -1, &txn);
	if (rc == 0) {
		ration__workset_begin(&engine->set, txn);
		rc = ration__definition_follow(engine, txn);
		if (rc == 0 && keyset->serial != keyset->guard->serial)
			rc = RATION_EAGAIN;
		if (rc == 0)
			rc = look_at(keyset, txn, name, &r, left);
		ration__store_abort(txn);
		engine->set.txn = NULL;
	}
	pthread_mutex_unlock(&engine->mutex);
	if (rc == 0 && r.unread)
		rc = ration__ledger_read(
			engine, ration__cell_key(keyset, r.cell), r.cell->length, &r.window);
	if (rc == 0 &&
		(r.limit.kind == RATION__LIMIT_WINDOW || r.limit.kind == RATION__LIMIT_QUOTA))
		*left = (double)ration__window_remaining(&r.limit.window, &r.window, r.wall_ns) /
			RATION__MICRO;
	return rc;
}
