/*
 * One decision: every policy of a service is asked (ask.c), and only when all say yes is anything
 * taken. When tokens are all that is missing, the asker may book: take them now for a later start.
 * A service that only observes admits in any case, and says what it would have done.
 *
 * Under engine.mutex, inside a transaction.
 */
#include "guard/decision.h"

#include <string.h>
#include "guard/counter.h"
#include "guard/prepaid.h"

typedef struct ration__decision_work decision;

static double cost_of(const decision *d, uint32_t i)
{
	return ration__cost_of(&d->rules->limits[i], d->ask->costs, d->ask->cost_count);
}

static bool has_tokens(uint32_t kind)
{
	return kind == RATION__LIMIT_BUCKET || kind == RATION__LIMIT_ADAPTIVE;
}

/* Tells a concurrency record whether this member still wants a permit. */
static void note_waiting(decision *d, struct ration__txn *txn, struct ration__record *record,
	const struct ration__concurrency_conf *conf, bool waiting)
{
	bool before;

	if (!record)
		return;
	before = ration__keyset_in_line(d->keyset, record->type == RATION__RECORD_PLACE);
	if (!waiting && !before)
		return;
	if (waiting && before && record->denied_ns)
		return; /* said already, in this transaction */
	ration__permit_wait(d->keyset, txn, record, conf, waiting);
	if (waiting)
		record->denied_ns = d->wait_ns;
}

static void note_waitings(decision *d, struct ration__txn *txn, bool waiting)
{
	bool place = d->ask->rule == RATION__RULE_PLACE;

	note_waiting(d, txn, d->concurrency, &d->rules->concurrency, waiting && !place);
	note_waiting(d, txn, d->place, &d->rules->place, waiting && place);
}

static int64_t take_tokens(decision *d, uint32_t i, bool *bound)
{
	const struct ration__limit *limit = &d->rules->limits[i];

	d->limits[i]->dirty = true;
	*bound = false;
	if (limit->kind == RATION__LIMIT_ADAPTIVE)
		return ration__adaptive_take(
			&limit->adaptive, d->limits[i]->adaptive, d->now_ns, cost_of(d, i), bound);
	/* thousands of keys are mostly limits of calls, whose cost is known */
	d->limits[i]->length =
		(uint32_t)(*limit->unit ? sizeof(struct ration__bucket) : RATION__BUCKET_HEAD);
	return ration__bucket_take(
		&d->keyset->cells[i].conf.bucket, d->limits[i]->bucket, d->now_ns, cost_of(d, i));
}

/* Where the wait is longest. What has room now, or earlier, is taken at the start, when it is used:
 * held until then, a key that waits for its own limit would keep the others from a common one. */
static void book(decision *d)
{
	struct ration__keyset *keyset = d->keyset;

	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		int64_t start_ns;
		bool bound;

		if (!d->until_ns[i] || d->until_ns[i] + RATION__LATE_NS < d->wait_ns)
			continue;
		start_ns = take_tokens(d, i, &bound);
		ration__booking_hold(keyset, i, cost_of(d, i), start_ns);
	}
	for (uint32_t i = 0; i < keyset->limit_count; i++)
		if (keyset->cells[i].link)
			d->limits[i]->denied_ns = keyset->cells[i].start_ns;
	d->ask->decision = RATION__BOOKED;
	d->ask->at_ns = keyset->start_ns;
}

/* ---- admitting ---- */

void ration__quota_warn(const struct ration__keyset *keyset, uint32_t i,
	const struct ration__counter *counter, int64_t amount)
{
	const struct ration__limit *limit = &keyset->guard->rules.limits[i];
	int64_t left;

	if (!limit->warn[0])
		return;
	left = ration__counter_remaining(counter);
	for (int n = 0; n < RATION__WARN_MAX && limit->warn[n]; n++) {
		/* an override may be no more than that: then the first use crosses it */
		int64_t from = ration__min64(limit->warn[n], counter->conf->max);

		if (left < from && left + amount >= from) {
			ration__news_add(keyset->guard->engine, RATION_EVENT_QUOTA_LOW, keyset,
				&keyset->cells[i], limit->name, (double)left / RATION__MICRO);
			break;
		}
	}
}

static void take_count(decision *d, struct ration__txn *txn, uint32_t i)
{
	const struct ration__limit *limit = &d->rules->limits[i];
	const struct ration__cell *cell = &d->keyset->cells[i];
	bool quota = limit->kind == RATION__LIMIT_QUOTA;
	struct ration__counter counter = ration__counter_of(d->limits[i], limit, &cell->conf.window,
		cell->zone, quota ? d->wall_ns : d->now_ns);
	int64_t amount = ration__window_amount(cost_of(d, i));

	d->limits[i]->dirty = true;
	ration__counter_take(&counter, amount);
	if (!quota)
		return;
	ration__prepaid_use(d->keyset->guard->engine, txn, d->limits[i], amount);
	ration__quota_touch(txn, d->limits[i], limit);
	if (d->rules->own.observe) /* perhaps beyond what the ledger covers: it is written next */
		ration__quota_covered(d->keyset->guard->engine, txn, d->limits[i], limit, cell, 0);
	ration__quota_warn(d->keyset, i, &counter, amount);
}

/* Would a success of this call change the rate? One at its maximum may still sink: the cubic
 * curve's with growth `seed` does. */
static bool would_grow(const struct ration__limit *limit, const struct ration__adaptive *state,
	bool bound, int64_t now_ns)
{
	const struct ration__adaptive_conf *conf = &limit->adaptive;

	if (conf->growth == RATION__GROWTH_SEED && conf->kind == RATION__ADAPTIVE_CUBIC)
		return true;
	return (bound || conf->growth == RATION__GROWTH_SEED) &&
	       ration__adaptive_rate(conf, state, now_ns) < conf->max;
}

/* Returns whether a success would change nothing. */
static bool take_limits(decision *d, struct ration__txn *txn, struct ration__grant *grant)
{
	bool quiet = true;

	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		const struct ration__limit *limit = &d->rules->limits[i];
		bool bound = true; /* a booking waited */

		if (!d->limits[i])
			continue;
		if (!has_tokens(limit->kind)) {
			take_count(d, txn, i);
			continue;
		}
		if (!d->keyset->cells[i].link) /* else taken when it was booked */
			take_tokens(d, i, &bound);
		if (limit->kind != RATION__LIMIT_ADAPTIVE)
			continue;
		grant->bound |= (uint16_t)(bound << i);
		quiet &= !would_grow(limit, d->limits[i]->adaptive, bound, d->now_ns);
	}
	return quiet;
}

static bool take_breaker(decision *d, struct ration__grant *grant)
{
	struct ration__breaker *state = d->breaker ? d->breaker->breaker : NULL;
	uint32_t before;

	if (!state)
		return true;
	before = state->generation;
	grant->pass = ration__breaker_take(d->breaker_conf, state, d->now_ns);
	if (grant->pass.probe || state->generation != before) {
		d->breaker->dirty = true;
		ration__hint_raise(d->keyset->guard->engine);
	}
	return ration__breaker_quiet(d->breaker_conf, state);
}

static bool take_permit(decision *d, struct ration__txn *txn, struct ration__record *record,
	const struct ration__concurrency_conf *conf)
{
	bool place = record->type == RATION__RECORD_PLACE;

	ration__concurrency_take(conf, record->concurrency, d->now_ns, txn->slot);
	record->dirty = true;
	ration__keyset_waits(d->keyset, place, false);
	if (ration__permit_waited(d->keyset, place)) /* others of this process go on waiting */
		ration__permit_wait(d->keyset, txn, record, conf, false);
	return record->concurrency->waiting == 0 && conf->algorithm == RATION__CONCURRENCY_FIXED;
}

static int admit(decision *d, struct ration__txn *txn)
{
	struct ration__engine *engine = d->keyset->guard->engine;
	struct ration__grant *grant = d->ask->grant;
	bool quiet;

	memset(grant, 0, sizeof(*grant));
	grant->start_ns = ration__booking_start(d->keyset, d->now_ns);
	quiet = take_limits(d, txn, grant);
	ration__booking_drop(d->keyset);
	quiet &= take_breaker(d, grant);
	if (d->concurrency) {
		quiet &= take_permit(d, txn, d->concurrency, &d->rules->concurrency);
		grant->in_flight = d->concurrency->concurrency->in_flight;
		grant->permit = 1;
	}
	if (d->place) {
		quiet &= take_permit(d, txn, d->place, &d->rules->place);
		grant->place_in_flight = d->place->concurrency->in_flight;
		grant->place = 1;
	}
	/* a place per key is not taken back by others who find the limit full (lazy.c) */
	grant->quiet = quiet && !grant->place;
	grant->hint = ration__hint_read(engine);
	grant->at_ns = d->now_ns;
	grant->wall_ns = d->wall_ns;
	grant->counted = 1;
	grant->skip = d->skip;
	grant->seq = ++engine->next_seq;
	d->ask->decision = RATION__ADMITTED;
	d->ask->denial = 0;
	d->ask->rule = RATION__RULE_NONE;
	d->ask->at_ns = d->now_ns;
	return grant->permit || grant->place || grant->pass.probe
		       ? ration__permit_write(engine, txn, d->keyset, grant)
		       : 0;
}

/* It goes although the rules say no: nothing is taken, the ask says what would have been. */
static void observe(decision *d)
{
	struct ration__grant *grant = d->ask->grant;

	if (!d->refused)
		d->ask->at_ns = d->wait_ns;
	d->ask->decision = RATION__ADMITTED;
	d->ask->mode = RATION__OBSERVED;
	if (d->ask->peek)
		return;
	memset(grant, 0, sizeof(*grant));
	if (d->breaker)
		grant->pass.generation = d->breaker->breaker->generation;
	grant->mode = RATION__OBSERVED;
	grant->start_ns = grant->at_ns = d->now_ns;
	grant->skip = d->skip;
	grant->seq = ++d->keyset->guard->engine->next_seq;
}

/* ---- the flow ---- */

/* A booking was made for the lane's head; another job that took its place may cost something else,
 * or pass other limits. */
static bool fits_booking(const decision *d)
{
	for (uint32_t i = 0; i < d->keyset->limit_count; i++) {
		const struct ration__cell *cell = &d->keyset->cells[i];

		if (cell->link && (ration__skips(d->skip, i) || cell->booked != cost_of(d, i)))
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

static int conclude(decision *d, struct ration__txn *txn)
{
	struct ration__ask *ask = d->ask;

	if (!d->refused && !d->waits) {
		ask->decision = RATION__ADMITTED;
		return ask->peek ? 0 : admit(d, txn);
	}
	if (d->rules->own.observe && (d->refused || !d->unread)) {
		observe(d);
		return 0;
	}
	if (d->refused) {
		ask->decision = RATION__REFUSED;
		if (ask->peek)
			return 0;
		note_waitings(d, txn, false);
		return ration__booking_refund(d->keyset, txn);
	}
	ask->decision = RATION__DENIED;
	ask->at_ns = d->wait_ns;
	if (!ask->may_book || ask->peek || d->unread)
		return 0; /* a try does not stand in line */
	if (d->tokens_only)
		book(d);
	for (uint32_t i = 0; i < d->keyset->limit_count; i++)
		if (d->until_ns[i] && !has_tokens(d->rules->limits[i].kind))
			d->limits[i]->denied_ns = d->until_ns[i];
	note_waitings(d, txn, ask->denial == RATION_DENIED_CONCURRENCY);
	return 0;
}

int ration__decide(struct ration__engine *engine, struct ration__txn *txn, struct ration__ask *ask)
{
	decision d;
	int rc;

	memset(&d, 0, offsetof(decision, limits));
	d.ask = ask;
	d.keyset = ask->keyset;
	d.now_ns = txn->now_ns;
	d.rules = &ask->keyset->guard->rules;
	d.skip = ask->skip | ask->keyset->skip;
	ask->denial = 0;
	ask->rule = RATION__RULE_NONE;
	ask->at_ns = d.now_ns;
	ask->mode = RATION__EXACT;
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
	rc = ration__decision_load(&d, txn);
	if (rc)
		return rc < 0 ? rc : 0;
	if (d.keyset->booked &&
		(d.now_ns - d.keyset->start_ns > RATION__LATE_NS || !fits_booking(&d))) {
		rc = ration__booking_refund(d.keyset, txn);
		if (rc < 0)
			return rc;
	}
	rc = ration__decision_ask(&d, txn);
	if (rc)
		return rc < 0 ? rc : 0;
	return conclude(&d, txn);
}
