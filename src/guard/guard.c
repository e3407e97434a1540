/* One transaction for a batch of settlements and questions. See guard.h; open.c: opening a guard.
 */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "guard/prepaid.h"

/* Members to wake after one transaction, at most: what is left is dealt in the next. */
#define WAKE_MAX 64

static int64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * RATION__NS_PER_S + ts.tv_nsec;
}

/* The process asks for the gate once at a time; its own threads wait here, as long as they would
 * wait for the gate. */
int ration__engine_lock(struct ration__engine *engine, int64_t wait_ns)
{
	int64_t at_ns;

	if (pthread_mutex_trylock(&engine->mutex) == 0)
		return 0;
	if (wait_ns == 0)
		return RATION_EAGAIN;
	if (wait_ns < 0)
		return pthread_mutex_lock(&engine->mutex) == 0 ? 0 : RATION_ESYSTEM;
	at_ns = monotonic_ns() + wait_ns;
#ifdef __SANITIZE_THREAD__ /* GCC 12's does not know clocklock, and takes it for no lock */
	while (monotonic_ns() < at_ns)
		if (pthread_mutex_trylock(&engine->mutex) == 0)
			return 0;
	return RATION_EAGAIN;
#else
	struct timespec until = {at_ns / RATION__NS_PER_S, at_ns % RATION__NS_PER_S};

	return pthread_mutex_clocklock(&engine->mutex, CLOCK_MONOTONIC, &until) == 0
		       ? 0
		       : RATION_EAGAIN;
#endif
}

static int decide_batch(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__batch *batch)
{
	int rc = ration__definition_follow(engine, txn);

	if (rc == 0)
		rc = ration__lazy_settle(engine, txn);
	for (size_t i = 0; rc == 0 && i < batch->settle_count; i++) {
		rc = ration__settle_one(engine, txn, &batch->settles[i]);
		if (rc == RATION_EAGAIN) {
			batch->settle_count = i; /* the working set is full: the rest comes later */
			rc = 0;
		}
	}
	for (size_t i = 0; rc == 0 && i < batch->ask_count; i++)
		rc = ration__decide(engine, txn, &batch->asks[i]);
	return rc;
}

/* Sets free permits aside for members that wait, and lists whom to wake. */
static size_t deal_turns(struct ration__engine *engine, struct ration__txn *txn, uint16_t *wake)
{
	size_t count = 0;

	for (uint32_t i = 0; i < engine->set.count && count < WAKE_MAX; i++) {
		struct ration__record *record = &engine->set.records[i];

		if ((record->type != RATION__RECORD_CONCURRENCY &&
			    record->type != RATION__RECORD_PLACE) ||
			!(record->dirty || record->dealt) || !record->concurrency_conf)
			continue;
		count += ration__concurrency_deal(record->concurrency_conf, record->concurrency,
			txn->now_ns, wake + count, WAKE_MAX - count);
		record->dirty = true;
	}
	return count;
}

void ration__grant_link(
	struct ration__engine *engine, struct ration__keyset *keyset, struct ration__grant *grant)
{
	grant->keyset = keyset;
	atomic_fetch_add_explicit(&keyset->refs, 1, memory_order_relaxed);
	grant->next = engine->grants;
	grant->link = &engine->grants;
	if (engine->grants)
		engine->grants->link = &grant->next;
	engine->grants = grant;
}

void ration__grant_unlink(struct ration__grant *grant)
{
	*grant->link = grant->next;
	if (grant->next)
		grant->next->link = grant->link;
	ration__keyset_unref_locked(grant->keyset);
	memset(grant, 0, sizeof(*grant));
}

/* The caller's memory is free to be used again. */
void ration__grant_move(struct ration__grant *from, struct ration__grant *to)
{
	*to = *from;
	*to->link = to;
	if (to->next)
		to->next->link = &to->next;
	memset(from, 0, sizeof(*from));
}

void ration__grant_forget(struct ration__engine *engine, struct ration__grant *grant)
{
	if (!grant->seq || ration__store_forked(engine->store))
		return;
	pthread_mutex_lock(&engine->mutex);
	ration__grant_unlink(grant);
	pthread_mutex_unlock(&engine->mutex);
}

/* The transaction is committed: what it decided becomes true in this process. */
static void take_effect(struct ration__engine *engine, struct ration__batch *batch)
{
	for (size_t i = 0; i < batch->settle_count; i++)
		if (batch->settles[i].grant->seq && !batch->settles[i].keep)
			ration__grant_unlink(batch->settles[i].grant);
	for (size_t i = 0; i < batch->ask_count; i++) {
		struct ration__ask *ask = &batch->asks[i];

		if (ask->decision != RATION__ADMITTED || ask->peek)
			continue;
		ration__grant_link(engine, ask->keyset, ask->grant);
	}
}

/* Nothing happened: grants that were written are not held, bookings took no tokens. (One that was
 * made before is dropped with them, and lapses.) */
static void undo(struct ration__batch *batch)
{
	for (size_t i = 0; i < batch->ask_count; i++) {
		struct ration__ask *ask = &batch->asks[i];

		if (ask->decision == RATION__BOOKED)
			ration__booking_drop(ask->keyset);
		if (!ask->peek && ask->grant)
			memset(ask->grant, 0, sizeof(*ask->grant));
	}
}

int ration__engine_end(struct ration__engine *engine, struct ration__txn *txn, int rc)
{
	if (rc == 0)
		rc = ration__permit_drop_spares(engine, txn);
	engine->spare_count = 0;
	if (rc == 0)
		rc = ration__workset_flush(&engine->set);
	/* Its entry may be another grant's from the commit on: nobody must take it back any more.
	 */
	if (rc == 0)
		ration__lazy_hide(engine);
	if (rc == 0)
		ration__prepaid_hide(engine);
	if (rc == 0)
		rc = ration__store_commit(txn);
	else
		ration__store_abort(txn);
	ration__definition_end(engine, rc == 0);
	if (rc < 0) {
		engine->ledger_count = 0; /* they spoke of what was not committed: asked again */
		ration__lazy_show(engine);
		atomic_fetch_or(ration__store_word(engine->store, RATION__WORD_BUDGETS),
			engine->budgets_full);
	}
	engine->budgets_full = 0;
	ration__prepaid_end(engine, rc == 0);
	engine->set.txn = NULL;
	return rc;
}

/* What is to be said and done after the engine's lock was let go. */
struct aftermath {
	size_t wake_count;
	bool rules_changed, ledger, degraded_news, degraded, full;
	uint32_t live, news_count;
	struct ration__news *news;
	uint16_t wake[WAKE_MAX]; /* only wake_count of them mean something */
};

static void aftermath_init(struct aftermath *after)
{
	after->wake_count = 0;
	after->rules_changed = after->ledger = after->degraded_news = after->degraded =
		after->full = false;
	after->live = after->news_count = 0;
	after->news = NULL;
}

/* What the transaction has to tell is copied out, rarely, while the lock is held. */
static void take_news(struct ration__engine *engine, struct aftermath *after)
{
	if (!engine->news_count)
		return;
	after->news = malloc(engine->news_count * sizeof(*after->news));
	if (after->news) {
		after->news_count = engine->news_count;
		memcpy(after->news, engine->news, engine->news_count * sizeof(*after->news));
	}
	engine->news_count = 0;
}

/* Inside the transaction; committed or aborted when it returns. */
static int transact(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__batch *batch, struct aftermath *after)
{
	int rc = engine->degraded ? ration__local_reconcile(engine, txn) : 0;

	ration__workset_begin(&engine->set, txn);
	if (rc == 0)
		rc = ration__orphans_settle(engine, txn);
	if (rc == 0)
		rc = decide_batch(engine, txn, batch);
	if (rc == 0)
		after->wake_count = deal_turns(engine, txn, after->wake);
	rc = ration__engine_end(engine, txn, rc);
	if (rc < 0) {
		after->wake_count = 0;
		engine->news_count = 0;
		undo(batch);
		return rc;
	}
	if (engine->degraded)
		ration__local_reconciled(engine);
	ration__lazy_done(engine);
	ration__orphans_done(engine);
	take_effect(engine, batch);
	return 0;
}

static int attempt(struct ration__engine *engine, struct ration__batch *batch, int64_t wait_ns,
	struct aftermath *after)
{
	struct ration__txn *txn;
	int rc = engine->degraded ? ration__local_charge(engine, wait_ns) : 0;

	if (rc == 0)
		rc = ration__store_begin(engine->store, wait_ns, &txn);
	return rc == 0 ? transact(engine, txn, batch, after) : rc;
}

/* RATION_ESTORE: it cannot answer, or has no room (full.c). */
static int decide_in_store(struct ration__engine *engine, struct ration__batch *batch,
	int64_t wait_ns, struct aftermath *after)
{
	int rc;

	if (ration__full_lasts(engine, wait_ns))
		return RATION_ESTORE;
	rc = attempt(engine, batch, wait_ns, after);
	if (rc == RATION_ENOSPC && ration__full_help(engine, wait_ns))
		rc = attempt(engine, batch, wait_ns, after);
	return rc == RATION_ENOSPC ? ration__full_begin(engine) : rc;
}

static int go_on_alone(struct ration__engine *engine, struct ration__batch *batch, int64_t wait_ns)
{
	int rc = ration__local_transact(engine, batch);

	if (engine->full)
		ration__full_settle(engine, batch, wait_ns);
	return rc;
}

static void finish(
	struct ration__engine *engine, struct ration__batch *batch, const struct aftermath *after)
{
	if (after->degraded_news)
		ration__local_report(engine, after->degraded, after->full, after->live);
	if (after->news_count)
		ration__news_report(engine, after->news, after->news_count);
	free(after->news);
	if (after->rules_changed) {
		ration__definition_report(engine);
		ration__engine_notify(engine); /* what waited under the old rules asks again */
	}
	for (size_t i = 0; i < after->wake_count; i++) {
		if (after->wake[i] != ration__store_slot(engine->store)) {
			ration__store_wake(engine->store, after->wake[i]);
			continue;
		}
		if (batch)
			batch->woken = true;
		ration__engine_notify(engine);
	}
	/* once for each hot/, not with every decision while no thread is there to hear it */
	if (after->ledger || (atomic_load_explicit(&engine->epoch_kick, memory_order_relaxed) &&
				     atomic_exchange(&engine->epoch_kick, false)))
		ration__engine_kick(engine);
}

int ration__guard_transact(
	struct ration__engine *engine, struct ration__batch *batch, int64_t wait_ns)
{
	struct aftermath after;
	size_t queued;
	int rc;

	aftermath_init(&after);
	batch->woken = false;
	if (batch->settle_count + batch->ask_count == 0)
		return 0;
	if (ration__store_forked(engine->store)) /* before the lock, which a lost thread may hold */
		return RATION_EFORK;
	rc = ration__engine_lock(engine, wait_ns);
	if (rc < 0)
		return rc;
	if (batch->ask_count == 0 && batch->settle_count == 1 &&
		ration__settle_later(engine, &batch->settles[0])) {
		pthread_mutex_unlock(&engine->mutex);
		return 0;
	}
	queued = engine->ledger_count;
	ration__operator_follow(engine);
	rc = decide_in_store(engine, batch, wait_ns, &after);
	if (rc == RATION_ESTORE)
		rc = go_on_alone(engine, batch, wait_ns);
	after.ledger = engine->ledger_count > queued;
	after.degraded_news = engine->degraded_news;
	after.degraded = engine->degraded;
	after.full = engine->degraded ? engine->full : engine->was_full;
	after.live = engine->live;
	engine->degraded_news = false;
	take_news(engine, &after);
	for (struct ration__guard *guard = engine->guards; guard; guard = guard->next)
		after.rules_changed |= guard->changed;
	pthread_mutex_unlock(&engine->mutex);
	finish(engine, batch, &after);
	return rc;
}

/* Inside the transaction of leave: this keyset waits at neither record any more. */
static int give_up_place(struct ration__keyset *keyset, struct ration__txn *txn)
{
	struct ration__engine *engine = keyset->guard->engine;
	const struct ration__rules *rules = &keyset->guard->rules;
	struct ration__record *record;
	int rc = 0;

	if (keyset->waits) {
		rc = ration__cell_record(engine, keyset, keyset->concurrency, &record);
		if (rc == 0 && rules->concurrency.max)
			ration__permit_wait(keyset, txn, record, &rules->concurrency, false);
	}
	if (rc == 0 && keyset->link) {
		rc = ration__cell_record(engine, keyset, keyset->place, &record);
		if (rc == 0 && rules->place.max)
			ration__permit_wait(keyset, txn, record, &rules->place, false);
	}
	return rc;
}

void ration__guard_leave(struct ration__keyset *keyset)
{
	struct ration__engine *engine = keyset->guard->engine;
	struct aftermath after;
	struct ration__txn *txn;
	size_t queued;
	int rc;

	if ((!keyset->booked && !keyset->waits && !keyset->link && !ration__prepaid_held(keyset)) ||
		ration__store_forked(engine->store))
		return;
	aftermath_init(&after);
	pthread_mutex_lock(&engine->mutex);
	queued = engine->ledger_count;
	rc = ration__store_begin(engine->store, RATION__NS_PER_MS, &txn);
	if (rc == 0) {
		ration__workset_begin(&engine->set, txn);
		rc = ration__booking_refund(keyset, txn);
		if (rc == 0)
			rc = give_up_place(keyset, txn);
		if (rc == 0)
			rc = ration__prepaid_leave(keyset, txn);
		if (rc == 0)
			after.wake_count = deal_turns(engine, txn, after.wake);
		rc = ration__engine_end(engine, txn, rc);
	}
	if (rc < 0) {
		ration__booking_drop(keyset); /* lapses */
		after.wake_count = 0;
	}
	ration__keyset_waits(keyset, false, false);
	ration__keyset_waits(keyset, true, false);
	after.ledger = engine->ledger_count > queued;
	pthread_mutex_unlock(&engine->mutex);
	finish(engine, NULL, &after);
}
