/*
 * Asking every rule of a service, without taking anything.
 *
 *   terminal denials first (impossible, quota, breaker); else the order cooldown, rate, quota,
 *   breaker, concurrency names the reason, and the longest wait is the one to wait for.
 */
#include "guard/decision.h"

#include <string.h>
#include "guard/counter.h"
#include "guard/prepaid.h"

#define LOOK_EVERY_NS (10 * RATION__NS_PER_MS)

typedef struct ration__decision_work decision;

double ration__cost_of(
	const struct ration__limit *limit, const struct ration__cost *costs, size_t cost_count)
{
	for (size_t i = 0; i < cost_count; i++)
		if (strcmp(costs[i].unit, limit->unit) == 0)
			return costs[i].cost;
	return limit->estimate;
}

static double cost_of(const decision *d, uint32_t i)
{
	return ration__cost_of(&d->rules->limits[i], d->ask->costs, d->ask->cost_count);
}

/* ---- loading ---- */

/* 0; 1: full; or a store error */
static int load(decision *d, const struct ration__cell *cell, struct ration__record **record)
{
	int rc = ration__workset_get(&d->keyset->guard->engine->set, cell->hash,
		ration__cell_key(d->keyset, cell), cell->length, cell->room, record);

	if (rc == 0 && !*record) {
		d->ask->decision = RATION__LATER;
		return 1;
	}
	return rc;
}

int ration__decision_load(decision *d, struct ration__txn *txn)
{
	struct ration__keyset *keyset = d->keyset;
	int rc = 0;

	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		d->limits[i] = NULL;
		d->until_ns[i] = 0;
	}
	for (uint32_t i = 0; rc == 0 && i < keyset->limit_count; i++)
		if (!ration__skips(d->skip, i))
			rc = load(d, &keyset->cells[i], &d->limits[i]);
	if (rc == 0 && keyset->breaker && !(d->skip & RATION__SKIP_BREAKER) &&
		!ration__breaker_untouched(keyset)) {
		rc = load(d, keyset->breaker, &d->breaker);
		if (rc == 0)
			d->breaker_conf =
				ration__breaker_ready(keyset, d->breaker, &d->breaker_scratch);
	}
	if (d->skip & RATION__SKIP_CONCURRENCY)
		return rc;
	if (rc == 0 && keyset->concurrency) {
		rc = load(d, keyset->concurrency, &d->concurrency);
		if (rc == 0)
			d->concurrency->concurrency_conf = &d->rules->concurrency;
	}
	if (rc == 0 && keyset->place) {
		rc = load(d, keyset->place, &d->place);
		if (rc == 0)
			d->place->concurrency_conf = &d->rules->place;
	}
	return rc;
}

/* ---- verdicts ---- */

/* A refusal: the first of the highest rank wins (impossible, quota, breaker come in that order). */
static void refuse(decision *d, int denial, int rule, int64_t at_ns)
{
	if (d->refused &&
		!(denial == RATION_DENIED_IMPOSSIBLE && d->ask->denial != RATION_DENIED_IMPOSSIBLE))
		return;
	d->refused = true;
	d->ask->denial = denial;
	d->ask->rule = rule;
	d->ask->at_ns = at_ns;
}

static void wait_for(decision *d, int denial, int rule, int64_t at_ns)
{
	if (at_ns <= d->now_ns)
		at_ns = d->now_ns + 1;
	if (!d->waits && !d->refused) {
		d->ask->denial = denial;
		d->ask->rule = rule;
	}
	d->waits = true;
	if (denial != RATION_DENIED_RATE)
		d->tokens_only = false;
	d->wait_ns = ration__max64(d->wait_ns, at_ns);
}

void ration__record_wake(struct ration__record *record, const struct ration__limit *limit,
	const struct ration__cell *cell, int64_t wipe_ns)
{
	if (!record->absent || record->dirty || !wipe_ns)
		return;
	if (limit->kind == RATION__LIMIT_BUCKET && !record->bucket->t_ns)
		*record->bucket = ration__bucket_spent(&cell->conf.bucket, wipe_ns);
	else if (limit->kind == RATION__LIMIT_ADAPTIVE && !record->adaptive->rest_at_ns)
		*record->adaptive = ration__adaptive_spent(&limit->adaptive, wipe_ns);
	else if (limit->kind == RATION__LIMIT_WINDOW && !record->window->rest_at_ns) {
		struct ration__counter counter =
			ration__counter_of(record, limit, &cell->conf.window, NULL, wipe_ns);

		ration__counter_take(&counter, cell->conf.window.max);
	}
}

static void ask_tokens(decision *d, uint32_t i, int64_t wipe_ns)
{
	const struct ration__limit *limit = &d->rules->limits[i];
	struct ration__cell *cell = &d->keyset->cells[i];
	struct ration__record *record = d->limits[i];
	bool adaptive = limit->kind == RATION__LIMIT_ADAPTIVE;
	struct ration__verdict verdict;
	int64_t other;

	ration__record_wake(record, limit, cell, wipe_ns);
	if (cell->link) { /* its own booking holds the tokens; but a cooldown came after it */
		if (adaptive && record->adaptive->cooldown_ns > d->now_ns) {
			wait_for(d, RATION_DENIED_RATE, (int)i, record->adaptive->cooldown_ns);
			d->tokens_only = false;
		}
		return;
	}
	verdict = adaptive ? ration__adaptive_ask(
				     &limit->adaptive, record->adaptive, d->now_ns, cost_of(d, i))
			   : ration__bucket_ask(
				     &cell->conf.bucket, record->bucket, d->now_ns, cost_of(d, i));
	if (verdict.answer == RATION__IMPOSSIBLE) {
		refuse(d, RATION_DENIED_IMPOSSIBLE, (int)i, RATION__NEVER);
		return;
	}
	other = ration__booking_of_other(d->keyset, cell);
	if (verdict.answer == RATION__YES && !record->denied_ns && other <= d->now_ns)
		return;
	d->until_ns[i] = ration__max64(ration__max64(verdict.at_ns, record->denied_ns), other);
	wait_for(d, RATION_DENIED_RATE, (int)i, d->until_ns[i]);
	if (record->denied_ns || other > d->now_ns)
		d->tokens_only = false; /* this process stands in line there already */
}

static void ask_window(decision *d, uint32_t i, int64_t wipe_ns)
{
	const struct ration__limit *limit = &d->rules->limits[i];
	const struct ration__cell *cell = &d->keyset->cells[i];
	struct ration__record *record = d->limits[i];
	struct ration__counter counter;
	struct ration__verdict verdict;

	ration__record_wake(record, limit, cell, wipe_ns);
	counter = ration__counter_of(record, limit, &cell->conf.window, NULL, d->now_ns);
	verdict = ration__counter_ask(&counter, ration__window_amount(cost_of(d, i)));
	if (verdict.answer == RATION__IMPOSSIBLE)
		refuse(d, RATION_DENIED_IMPOSSIBLE, (int)i, RATION__NEVER);
	else if (verdict.answer != RATION__YES || record->denied_ns) {
		/* who asks later in this transaction waits behind it, if it does wait (decide.c) */
		d->until_ns[i] = ration__max64(verdict.at_ns, record->denied_ns);
		wait_for(d, RATION_DENIED_RATE, (int)i, d->until_ns[i]);
		d->tokens_only = false; /* a window cannot be booked */
	}
}

/* Each look asks the kernel for some locks: now and then. */
static bool look_for_the_dead(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter)
{
	int64_t since_ns = txn->now_ns - engine->kept_looked_ns;

	if (since_ns >= 0 && since_ns < LOOK_EVERY_NS)
		return false;
	engine->kept_looked_ns = txn->now_ns;
	return ration__prepaid_inherit(engine, txn, record, counter, NULL);
}

/* Others may keep units for calls that they are about to make; and what this process keeps may
 * count as used, since hot/ was lost. */
static struct ration__verdict ask_around(decision *d, struct ration__txn *txn, uint32_t i,
	const struct ration__counter *counter, int64_t amount)
{
	struct ration__record *record = d->limits[i];
	struct ration__verdict verdict;
	int64_t kept = 0;

	if (!d->rules->limits[i].durable_ns || record->quota->owned)
		kept = ration__quota_kept(d->keyset->guard->engine, txn, record, counter);
	if (!kept || amount > counter->conf->max)
		return ration__counter_ask(counter, amount);
	verdict = ration__counter_ask(counter, ration__min64(amount + kept, counter->conf->max));
	if (verdict.answer != RATION__YES) /* nobody wakes us when they come free */
		verdict.at_ns = ration__min64(verdict.at_ns, d->wall_ns + RATION__FALLBACK_NS);
	return verdict;
}

static struct ration__verdict ask_count(decision *d, struct ration__txn *txn, uint32_t i,
	const struct ration__counter *counter, int64_t amount)
{
	struct ration__engine *engine = d->keyset->guard->engine;
	const struct ration__limit *limit = &d->rules->limits[i];
	struct ration__record *record = d->limits[i];
	struct ration__verdict verdict = ask_around(d, txn, i, counter, amount);

	if (verdict.answer == RATION__YES || verdict.answer == RATION__IMPOSSIBLE ||
		limit->durable_ns || d->ask->peek)
		return verdict;
	if (look_for_the_dead(engine, txn, record, counter))
		verdict = ask_around(d, txn, i, counter, amount);
	if (verdict.answer != RATION__YES && ration__prepaid_release(engine, txn, record) > 0)
		ration__quota_uncover(engine, txn, record, limit, &d->keyset->cells[i], counter);
	return verdict;
}

/* Who only observes waits for no disk: what it takes is written afterwards (decide.c). But what
 * hot/ knows nothing of must be read first, or its count would begin at nothing. */
static void read_quota(decision *d, uint32_t i, const struct ration__counter *counter)
{
	struct ration__engine *engine = d->keyset->guard->engine;

	if (!d->limits[i]->absent || d->limits[i]->dirty || atomic_load(&engine->ledger_fails))
		return;
	ration__quota_read(engine, d->limits[i], &d->keyset->cells[i], counter);
	d->unread = true;
	wait_for(d, RATION_DENIED_QUOTA, (int)i, d->now_ns + RATION__FALLBACK_NS);
}

static void ask_quota(decision *d, struct ration__txn *txn, uint32_t i)
{
	const struct ration__limit *limit = &d->rules->limits[i];
	const struct ration__cell *cell = &d->keyset->cells[i];
	int64_t amount = ration__window_amount(cost_of(d, i)), at_ns;
	struct ration__record *record = d->limits[i];
	struct ration__counter counter =
		ration__counter_of(record, limit, &cell->conf.window, cell->zone, d->wall_ns);
	struct ration__verdict verdict = ask_count(d, txn, i, &counter, amount);

	at_ns = d->now_ns + (verdict.at_ns - d->wall_ns);
	if (verdict.answer == RATION__IMPOSSIBLE)
		refuse(d, RATION_DENIED_IMPOSSIBLE, (int)i, RATION__NEVER);
	else if (verdict.answer != RATION__YES && !d->rules->own.wait_quota)
		refuse(d, RATION_DENIED_QUOTA, (int)i, at_ns);
	else if (verdict.answer != RATION__YES)
		wait_for(d, RATION_DENIED_QUOTA, (int)i, at_ns);
	else if (d->rules->own.observe)
		read_quota(d, i, &counter);
	else if (limit->durable_ns &&
		 !ration__quota_covered(d->keyset->guard->engine, txn, record, limit, cell, amount))
		wait_for(d, RATION_DENIED_QUOTA, (int)i, d->now_ns + RATION__FALLBACK_NS);
}

/* `sync`: what is written to the ledger is what will be used at once, or a loss of hot/ would waste
 * it. So it is asked for when everything else says yes, and by no more than there are places. */
static void cover_exactly(decision *d, struct ration__txn *txn)
{
	struct ration__record *places = d->concurrency;
	bool covered = true;

	if (d->rules->own.observe)
		return;
	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		const struct ration__limit *limit = &d->rules->limits[i];

		if (!d->limits[i] || limit->kind != RATION__LIMIT_QUOTA || limit->durable_ns ||
			(d->ask->peek && !d->limits[i]->absent))
			continue;
		if (places && places->promised + places->concurrency->in_flight >=
				      ration__concurrency_limit(
					      &d->rules->concurrency, places->concurrency))
			covered = false;
		else if (!ration__quota_covered(d->keyset->guard->engine, txn, d->limits[i], limit,
				 &d->keyset->cells[i],
				 d->ask->peek ? 0 : ration__window_amount(cost_of(d, i))))
			covered = false;
		if (!covered)
			wait_for(d, RATION_DENIED_QUOTA, (int)i, d->now_ns + RATION__FALLBACK_NS);
	}
	if (!covered && places)
		places->promised++;
}

static int ask_breaker(decision *d, struct ration__txn *txn)
{
	struct ration__verdict verdict =
		ration__breaker_ask(d->breaker_conf, d->breaker->breaker, d->now_ns);
	bool forced = d->breaker_conf->mode == RATION__BREAKER_FORCED_OPEN;
	int64_t at_ns;

	if (verdict.answer == RATION__WAIT) {
		int rc = ration__probe_reclaim(d->keyset->guard->engine, txn, d->breaker);

		if (rc < 0)
			return rc;
		verdict = ration__breaker_ask(d->breaker_conf, d->breaker->breaker, d->now_ns);
	}
	if (verdict.answer == RATION__YES)
		return 0;
	at_ns = verdict.at_ns;
	if (forced)
		at_ns = d->rules->own.wait_breaker ? d->now_ns + RATION__FALLBACK_NS
						   : RATION__NEVER;
	else if (at_ns >= RATION__NEVER) /* half-open, probes out: nobody knows when they end */
		at_ns = d->now_ns + RATION__FALLBACK_NS;
	if (d->rules->own.wait_breaker)
		wait_for(d, RATION_DENIED_BREAKER, RATION__RULE_BREAKER, at_ns);
	else
		refuse(d, RATION_DENIED_BREAKER, RATION__RULE_BREAKER, at_ns);
	return 0;
}

/* When a place comes free nobody knows. Who waits for something else as well looks again when that
 * is there: until then nobody would wake it for a place. */
static void wait_for_place(decision *d, int rule, int64_t at_ns)
{
	if (d->waits)
		at_ns = ration__min64(at_ns, d->wait_ns);
	wait_for(d, RATION_DENIED_CONCURRENCY, rule, at_ns);
}

static int ask_permits(decision *d, struct ration__txn *txn, struct ration__record *record,
	const struct ration__concurrency_conf *conf, int rule)
{
	struct ration__engine *engine = d->keyset->guard->engine;
	struct ration__verdict verdict;

	if (record->denied_ns) {
		wait_for_place(d, rule, record->denied_ns);
		return 0;
	}
	verdict = ration__concurrency_ask(conf, record->concurrency, d->now_ns, txn->slot);
	if (verdict.answer != RATION__YES) {
		int rc = ration__lazy_collect(engine, txn, record);

		if (rc == 0)
			rc = ration__permit_reclaim(engine, txn, record, conf);
		if (rc < 0)
			return rc;
		verdict = ration__concurrency_ask(conf, record->concurrency, d->now_ns, txn->slot);
	}
	if (verdict.answer != RATION__YES)
		wait_for_place(
			d, rule, ration__min64(verdict.at_ns, d->now_ns + RATION__FALLBACK_NS));
	return 0;
}

/* A server said when to come again. The shared word spares the look while no cooldown is on. */
static int ask_cooldown(decision *d)
{
	struct ration__engine *engine = d->keyset->guard->engine;
	const struct ration__cell *cell = d->keyset->cooldown;
	struct ration__record *record;
	int64_t until_ns = (int64_t)atomic_load_explicit(
		ration__store_word(engine->store, RATION__WORD_COOLDOWN), memory_order_relaxed);
	int rc;

	if (until_ns <= d->now_ns || d->skip & RATION__SKIP_COOLDOWN)
		return 0;
	rc = ration__workset_get(&engine->set, cell->hash, ration__cell_key(d->keyset, cell),
		cell->length, 0, &record);
	if (rc < 0)
		return rc;
	if (!record) {
		d->ask->decision = RATION__LATER;
		return 1;
	}
	if (*record->rest_at_ns > d->now_ns)
		wait_for(d, RATION_DENIED_COOLDOWN, RATION__RULE_COOLDOWN, *record->rest_at_ns);
	return 0;
}

int ration__decision_ask(decision *d, struct ration__txn *txn)
{
	int rc; /* 1: the working set is full; nothing has changed */

	d->tokens_only = true;
	d->wait_ns = d->now_ns;
	rc = ask_cooldown(d);
	for (uint32_t i = 0; rc == 0 && i < d->keyset->limit_count; i++) {
		uint32_t kind = d->rules->limits[i].kind;

		if (!d->limits[i] || kind == RATION__LIMIT_QUOTA)
			continue;
		if (kind == RATION__LIMIT_WINDOW)
			ask_window(d, i, txn->wipe_ns);
		else
			ask_tokens(d, i, txn->wipe_ns);
	}
	for (uint32_t i = 0; rc == 0 && i < d->keyset->limit_count; i++) {
		if (!d->limits[i] || d->rules->limits[i].kind != RATION__LIMIT_QUOTA)
			continue;
		if (!d->wall_ns)
			d->wall_ns = ration__txn_wall(txn);
		ask_quota(d, txn, i);
	}
	if (rc == 0 && d->breaker)
		rc = ask_breaker(d, txn);
	if (rc == 0 && d->concurrency)
		rc = ask_permits(
			d, txn, d->concurrency, &d->rules->concurrency, RATION__RULE_CONCURRENCY);
	if (rc == 0 && d->place)
		rc = ask_permits(d, txn, d->place, &d->rules->place, RATION__RULE_PLACE);
	if (rc == 0 && !d->refused && !d->waits)
		cover_exactly(d, txn);
	return rc;
}
