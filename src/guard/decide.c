/*
 * One decision: every policy of a service is asked, and only when all say yes is anything taken.
 *
 *   terminal denials first (impossible, quota, breaker); else the order rate, quota, breaker,
 *   concurrency names the reason, and the longest wait is the one to wait for.
 *
 * When tokens are all that is missing, the asker may book: take them now for a later start.
 * Under engine.mutex, inside a transaction.
 */
#include "guard/engine.h"

#include <string.h>

struct decision {
	struct ration__ask *ask;
	struct ration__keyset *keyset;
	const struct ration__rules *rules;
	struct ration__record *limits[RATION__LIMITS_MAX];
	struct ration__record *breaker, *concurrency;
	int64_t now_ns, wall_ns;
	/* the first denial of each severity, and the longest wait */
	bool refused, waits;
	bool tokens_only; /* nothing but token buckets says wait */
	int64_t wait_ns;
};

double ration__cost_of(
	const struct ration__limit *limit, const struct ration__cost *costs, size_t cost_count)
{
	for (size_t i = 0; i < cost_count; i++)
		if (strcmp(costs[i].unit, limit->unit) == 0)
			return costs[i].cost;
	return limit->estimate;
}

static int load_cell(
	struct decision *d, const struct ration__cell *cell, struct ration__record **record)
{
	struct ration__workset *set = &d->keyset->guard->engine->set;
	int rc = ration__workset_get(
		set, cell->hash, ration__cell_key(d->keyset, cell), cell->length, record);

	if (rc == 0 && !*record)
		d->ask->decision = RATION__LATER;
	return rc;
}

/* 0; 1: the working set is full; or a store error */
static int load_records(struct decision *d)
{
	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		int rc = load_cell(d, &d->keyset->cells[i], &d->limits[i]);

		if (rc < 0)
			return rc;
		if (!d->limits[i])
			return 1;
	}
	if (d->keyset->breaker) {
		int rc = load_cell(d, d->keyset->breaker, &d->breaker);

		if (rc < 0)
			return rc;
		if (!d->breaker)
			return 1;
	}
	if (d->keyset->concurrency) {
		int rc = load_cell(d, d->keyset->concurrency, &d->concurrency);

		if (rc < 0)
			return rc;
		if (!d->concurrency)
			return 1;
		d->concurrency->concurrency_conf = &d->rules->concurrency;
	}
	return 0;
}

/* A refusal: the first of the highest rank wins (impossible, quota, breaker come in that order). */
static void refuse(struct decision *d, int denial, int rule, int64_t at_ns)
{
	if (d->refused &&
		!(denial == RATION_DENIED_IMPOSSIBLE && d->ask->denial != RATION_DENIED_IMPOSSIBLE))
		return;
	d->refused = true;
	d->ask->denial = denial;
	d->ask->rule = rule;
	d->ask->at_ns = at_ns;
}

static void wait_for(struct decision *d, int denial, int rule, int64_t at_ns)
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

void ration__record_wake(
	struct ration__record *record, const struct ration__limit *limit, int64_t wipe_ns)
{
	if (!record->absent || record->dirty || !wipe_ns)
		return;
	if (limit->kind == RATION__LIMIT_BUCKET && !record->bucket->t_ns)
		*record->bucket = ration__bucket_spent(&limit->bucket, wipe_ns);
	else if (limit->kind == RATION__LIMIT_WINDOW && !record->window->rest_at_ns)
		ration__window_take(&limit->window, record->window, wipe_ns, limit->window.max);
}

static void ask_bucket(struct decision *d, uint32_t i, double cost, int64_t wipe_ns)
{
	const struct ration__bucket_conf *conf = &d->rules->limits[i].bucket;
	struct ration__record *record = d->limits[i];
	struct ration__verdict verdict;
	int64_t other;

	if (d->keyset->cells[i].link) /* its own booking holds the tokens */
		return;
	ration__record_wake(record, &d->rules->limits[i], wipe_ns);
	verdict = ration__bucket_ask(conf, record->bucket, d->now_ns, cost);
	if (verdict.answer == RATION__IMPOSSIBLE) {
		refuse(d, RATION_DENIED_IMPOSSIBLE, (int)i, RATION__NEVER);
		return;
	}
	other = ration__booking_of_other(d->keyset, &d->keyset->cells[i]);
	if (verdict.answer == RATION__YES && !record->denied_ns && other <= d->now_ns)
		return;
	wait_for(d, RATION_DENIED_RATE, (int)i,
		ration__max64(ration__max64(verdict.at_ns, record->denied_ns), other));
	if (record->denied_ns || other > d->now_ns)
		d->tokens_only = false; /* this process stands in line there already */
}

static void ask_window(struct decision *d, uint32_t i, double cost, int64_t wipe_ns)
{
	const struct ration__limit *limit = &d->rules->limits[i];
	struct ration__record *record = d->limits[i];
	int64_t amount = ration__window_amount(cost);
	struct ration__verdict verdict;

	ration__record_wake(record, limit, wipe_ns);
	verdict = ration__window_ask(&limit->window, record->window, d->now_ns, amount);
	if (verdict.answer == RATION__IMPOSSIBLE)
		refuse(d, RATION_DENIED_IMPOSSIBLE, (int)i, RATION__NEVER);
	else if (verdict.answer != RATION__YES || record->denied_ns) {
		record->denied_ns = ration__max64(verdict.at_ns, record->denied_ns);
		wait_for(d, RATION_DENIED_RATE, (int)i, record->denied_ns);
		d->tokens_only = false; /* a window cannot be booked */
	}
}

static void ask_quota(struct decision *d, struct ration__txn *txn, uint32_t i, double cost)
{
	const struct ration__limit *limit = &d->rules->limits[i];
	struct ration__record *record = d->limits[i];
	int64_t amount = ration__window_amount(cost), at_ns;
	struct ration__verdict verdict;

	verdict = ration__window_ask(&limit->window, &record->quota->window, d->wall_ns, amount);
	at_ns = d->now_ns + (verdict.at_ns - d->wall_ns);
	if (verdict.answer == RATION__IMPOSSIBLE)
		refuse(d, RATION_DENIED_IMPOSSIBLE, (int)i, RATION__NEVER);
	else if (verdict.answer != RATION__YES && !d->rules->wait_quota)
		refuse(d, RATION_DENIED_QUOTA, (int)i, at_ns);
	else if (verdict.answer != RATION__YES)
		wait_for(d, RATION_DENIED_QUOTA, (int)i, at_ns);
	else if (!ration__quota_covered(d->keyset->guard->engine, txn, record, limit, amount))
		wait_for(d, RATION_DENIED_QUOTA, (int)i, d->now_ns + RATION__FALLBACK_NS);
}

static void ask_breaker(struct decision *d)
{
	struct ration__verdict verdict =
		ration__breaker_ask(&d->rules->breaker, d->breaker->breaker, d->now_ns);
	int64_t at_ns = verdict.at_ns;

	if (verdict.answer == RATION__YES)
		return;
	if (at_ns >= RATION__NEVER) /* half-open, probes out: nobody knows when they end */
		at_ns = d->now_ns + RATION__FALLBACK_NS;
	if (d->rules->wait_breaker)
		wait_for(d, RATION_DENIED_BREAKER, RATION__RULE_BREAKER, at_ns);
	else
		refuse(d, RATION_DENIED_BREAKER, RATION__RULE_BREAKER, at_ns);
}

static int ask_concurrency(struct decision *d, struct ration__txn *txn)
{
	struct ration__engine *engine = d->keyset->guard->engine;
	struct ration__record *record = d->concurrency;
	const struct ration__concurrency_conf *conf = &d->rules->concurrency;
	struct ration__verdict verdict;

	if (record->denied_ns) {
		wait_for(d, RATION_DENIED_CONCURRENCY, RATION__RULE_CONCURRENCY, record->denied_ns);
		return 0;
	}
	verdict = ration__concurrency_ask(conf, record->concurrency, d->now_ns, txn->slot);
	if (verdict.answer != RATION__YES) {
		int rc = ration__lazy_collect(engine, txn, record);

		if (rc < 0)
			return rc;
		ration__permit_reclaim(engine, txn, record, conf);
		verdict = ration__concurrency_ask(conf, record->concurrency, d->now_ns, txn->slot);
	}
	if (verdict.answer != RATION__YES)
		wait_for(d, RATION_DENIED_CONCURRENCY, RATION__RULE_CONCURRENCY,
			ration__min64(verdict.at_ns, d->now_ns + RATION__FALLBACK_NS));
	return 0;
}

static int ask_all(struct decision *d, struct ration__txn *txn)
{
	d->tokens_only = true;
	d->wait_ns = d->now_ns;
	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		const struct ration__limit *limit = &d->rules->limits[i];
		double cost = ration__cost_of(limit, d->ask->costs, d->ask->cost_count);

		if (limit->kind == RATION__LIMIT_BUCKET)
			ask_bucket(d, i, cost, txn->wipe_ns);
		else if (limit->kind == RATION__LIMIT_WINDOW)
			ask_window(d, i, cost, txn->wipe_ns);
	}
	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		const struct ration__limit *limit = &d->rules->limits[i];

		if (limit->kind != RATION__LIMIT_QUOTA)
			continue;
		if (!d->wall_ns)
			d->wall_ns = ration__txn_wall(txn);
		ask_quota(d, txn, i, ration__cost_of(limit, d->ask->costs, d->ask->cost_count));
	}
	if (d->breaker)
		ask_breaker(d);
	return d->concurrency ? ask_concurrency(d, txn) : 0;
}

/* Tells the concurrency record whether this member still wants a permit. */
static void note_waiting(struct decision *d, struct ration__txn *txn, bool waiting)
{
	if (!d->concurrency || (!waiting && !d->keyset->waits))
		return;
	if (waiting && d->keyset->waits && d->concurrency->denied_ns)
		return; /* said already, in this transaction */
	ration__permit_wait(d->keyset, txn, d->concurrency, waiting);
	if (waiting)
		d->concurrency->denied_ns = d->wait_ns;
}

static void book(struct decision *d)
{
	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		const struct ration__limit *limit = &d->rules->limits[i];
		double cost = ration__cost_of(limit, d->ask->costs, d->ask->cost_count);
		int64_t start_ns;

		if (limit->kind != RATION__LIMIT_BUCKET)
			continue;
		start_ns =
			ration__bucket_take(&limit->bucket, d->limits[i]->bucket, d->now_ns, cost);
		d->limits[i]->dirty = true;
		ration__booking_hold(d->keyset, i, cost, start_ns);
	}
	/* A limit that had room waits with the others: what it holds starts when the last one does.
	 */
	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		if (!d->keyset->cells[i].link)
			continue;
		d->keyset->cells[i].start_ns = d->keyset->start_ns;
		d->limits[i]->denied_ns = d->keyset->start_ns;
	}
	d->ask->decision = RATION__BOOKED;
	d->ask->at_ns = d->keyset->start_ns;
}

static int admit(struct decision *d, struct ration__txn *txn)
{
	struct ration__grant *grant = d->ask->grant;
	int64_t start_ns = d->keyset->booked ? d->keyset->start_ns : d->now_ns;
	int rc = 0;

	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		const struct ration__limit *limit = &d->rules->limits[i];
		double cost = ration__cost_of(limit, d->ask->costs, d->ask->cost_count);
		int64_t amount;

		if (limit->kind == RATION__LIMIT_BUCKET && d->keyset->cells[i].link)
			continue; /* taken when it was booked */
		d->limits[i]->dirty = true;
		if (limit->kind == RATION__LIMIT_BUCKET) {
			ration__bucket_take(&limit->bucket, d->limits[i]->bucket, d->now_ns, cost);
			continue;
		}
		amount = ration__window_amount(cost);
		if (limit->kind == RATION__LIMIT_WINDOW) {
			ration__window_take(
				&limit->window, d->limits[i]->window, d->now_ns, amount);
			continue;
		}
		ration__window_take(
			&limit->window, &d->limits[i]->quota->window, d->wall_ns, amount);
		ration__quota_touch(txn, d->limits[i]->quota);
	}
	ration__booking_drop(d->keyset);
	memset(grant, 0, sizeof(*grant));
	if (d->breaker) {
		struct ration__breaker before = *d->breaker->breaker;

		grant->pass =
			ration__breaker_take(&d->rules->breaker, d->breaker->breaker, d->now_ns);
		if (memcmp(&before, d->breaker->breaker, sizeof(before)) != 0) {
			d->breaker->dirty = true;
			ration__hint_raise(d->keyset->guard->engine);
		}
	}
	if (d->concurrency) {
		ration__concurrency_take(
			&d->rules->concurrency, d->concurrency->concurrency, d->now_ns, txn->slot);
		d->concurrency->dirty = true;
		ration__keyset_waits(d->keyset, false);
		if (d->keyset->guard->engine->waiting) /* others of this process go on waiting */
			ration__permit_wait(d->keyset, txn, d->concurrency, false);
		grant->permit = 1;
	}
	grant->quiet = (!d->breaker || (d->breaker->breaker->state == RATION__CLOSED &&
					       d->breaker->breaker->failures == 0)) &&
		       (!d->concurrency || d->concurrency->concurrency->waiting == 0);
	grant->hint = ration__hint_read(d->keyset->guard->engine);
	grant->at_ns = d->now_ns;
	grant->start_ns = start_ns;
	grant->counted = 1;
	grant->seq = ++d->keyset->guard->engine->next_seq;
	if (grant->permit || grant->pass.probe)
		rc = ration__permit_write(d->keyset->guard->engine, txn, d->keyset, grant);
	d->ask->decision = RATION__ADMITTED;
	d->ask->denial = 0;
	d->ask->rule = RATION__RULE_NONE;
	d->ask->at_ns = d->now_ns;
	return rc;
}

/* A booking was made for the lane's head; another job that took its place may cost something else.
 */
static bool fits_booking(const struct decision *d)
{
	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		const struct ration__cell *cell = &d->keyset->cells[i];

		if (cell->link && cell->booked != ration__cost_of(&d->rules->limits[i],
							  d->ask->costs, d->ask->cost_count))
			return false;
	}
	return true;
}

static int booked_rule(const struct ration__keyset *keyset)
{
	for (uint32_t i = 0; i < keyset->limit_count; i++)
		if (keyset->cells[i].link)
			return (int)i;
	return RATION__RULE_NONE;
}

int ration__decide(struct ration__engine *engine, struct ration__txn *txn, struct ration__ask *ask)
{
	struct decision d = {.ask = ask,
		.keyset = ask->keyset,
		.now_ns = txn->now_ns,
		.rules = &ask->keyset->guard->rules};
	int rc;

	ask->denial = 0;
	ask->rule = RATION__RULE_NONE;
	ask->at_ns = d.now_ns;
	if (ask->keyset->serial != ask->keyset->guard->serial) {
		ask->decision = RATION__STALE;
		return ration__booking_refund(ask->keyset, txn);
	}
	if (d.keyset->booked && d.now_ns < d.keyset->start_ns && fits_booking(&d)) {
		ask->decision = RATION__BOOKED;
		ask->denial = RATION_DENIED_RATE;
		ask->rule = booked_rule(d.keyset);
		ask->at_ns = d.keyset->start_ns;
		return 0;
	}
	rc = load_records(&d);
	if (rc)
		return rc < 0 ? rc : 0;
	if (d.keyset->booked &&
		(d.now_ns - d.keyset->start_ns > RATION__LATE_NS || !fits_booking(&d))) {
		rc = ration__booking_refund(d.keyset, txn);
		if (rc < 0)
			return rc;
	}
	rc = ask_all(&d, txn);
	if (rc < 0)
		return rc;
	if (!d.refused && !d.waits && ask->peek) {
		ask->decision = RATION__ADMITTED;
		return 0;
	}
	if (!d.refused && !d.waits)
		return admit(&d, txn);
	if (d.refused) {
		ask->decision = RATION__REFUSED;
		if (ask->peek)
			return 0;
		note_waiting(&d, txn, false);
		return ration__booking_refund(d.keyset, txn);
	}
	ask->decision = RATION__DENIED;
	ask->at_ns = d.wait_ns;
	if (ask->may_book && d.tokens_only)
		book(&d);
	if (ask->may_book) /* a try does not stand in line */
		note_waiting(&d, txn, ask->denial == RATION_DENIED_CONCURRENCY);
	return 0;
}
