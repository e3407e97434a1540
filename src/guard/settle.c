/*
 * Settling: what the end of an attempt means for the records of its keyset.
 *
 *   place     the permit's entry is deleted, and if it was there the place is free; limits that
 *             learn take the sample
 *   breaker   settle_breaker.c
 *   tokens    unused: all back. Actual costs: the difference to the estimate, either way
 *   news      adaptive rates grow or are cut, a cooldown begins, the retry budget pays and gains
 *
 * A keyset whose rules changed meanwhile has no numbers to settle tokens and rates by: its places,
 * breaker, cooldown and budget are settled all the same.
 *
 * Under engine.mutex, inside a transaction.
 */
#include "guard/engine.h"

#include <string.h>
#include "guard/counter.h"

int ration__cell_record(struct ration__engine *engine, const struct ration__keyset *keyset,
	const struct ration__cell *cell, struct ration__record **record)
{
	int rc = ration__workset_get(&engine->set, cell->hash, ration__cell_key(keyset, cell),
		cell->length, cell->room, record);

	return rc < 0 ? rc : *record ? 0 : RATION_EAGAIN;
}

/* ---- places ---- */

/* One place becomes free, if its entry is still there (*was_there). */
static int free_place(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, enum ration__permit_what what,
	struct ration__record **out, bool *was_there)
{
	const struct ration__keyset *keyset = grant->keyset;
	const struct ration__rules *rules = &keyset->guard->rules;
	bool key = what == RATION__PERMIT_KEY;
	const struct ration__concurrency_conf *conf = key ? &rules->place : &rules->concurrency;
	struct ration__record *record;
	int rc = ration__cell_record(
		engine, keyset, key ? keyset->place : keyset->concurrency, &record);

	if (rc < 0)
		return rc;
	rc = key ? ration__permit_delete(txn, grant->seq, what)
		 : ration__permit_give_back(engine, txn, grant);
	*was_there = rc > 0;
	*out = record;
	if (rc <= 0)
		return rc;
	if (!record->concurrency_conf && conf->max)
		record->concurrency_conf = conf;
	if (!record->concurrency_conf) { /* the rules lost the limit */
		static const struct ration__concurrency_conf any = {.max = UINT16_MAX};

		record->concurrency_conf = &any;
	}
	ration__concurrency_release(
		record->concurrency_conf, record->concurrency, txn->now_ns, txn->slot);
	record->dirty = record->dealt = true;
	return 0;
}

int ration__settle_permit(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__grant *grant)
{
	struct ration__record *record;
	bool was_there;

	return free_place(engine, txn, grant, RATION__PERMIT_PLACE, &record, &was_there);
}

static int settle_place(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__settle *settle, enum ration__permit_what what)
{
	const struct ration__grant *grant = settle->grant;
	struct ration__sample sample = {.outcome = settle->outcome,
		.overload = settle->overload,
		.neutral = settle->neutral,
		.sent_ns = grant->at_ns,
		.elapsed_ns = settle->elapsed_ns,
		.in_flight =
			what == RATION__PERMIT_KEY ? grant->place_in_flight : grant->in_flight};
	struct ration__record *record;
	bool was_there;
	int rc = free_place(engine, txn, grant, what, &record, &was_there);

	if (rc == 0 && was_there && !settle->unused &&
		record->concurrency_conf->algorithm != RATION__CONCURRENCY_FIXED)
		ration__concurrency_learn(
			record->concurrency_conf, record->concurrency, txn->now_ns, &sample);
	return rc;
}

static int settle_places(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__settle *settle)
{
	const struct ration__grant *grant = settle->grant;
	int rc = 0;

	if (grant->permit)
		rc = settle_place(engine, txn, settle, RATION__PERMIT_PLACE);
	if (rc == 0 && grant->place)
		rc = settle_place(engine, txn, settle, RATION__PERMIT_KEY);
	return rc;
}

/* ---- tokens ---- */

/* What was taken as estimate at the grant turns out to be actual. */
static int settle_cost(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, uint32_t i, double estimate, double actual,
	struct ration__record *record)
{
	const struct ration__limit *limit = &grant->keyset->guard->rules.limits[i];
	const struct ration__cell *cell = &grant->keyset->cells[i];
	bool quota = limit->kind == RATION__LIMIT_QUOTA;
	struct ration__counter counter;
	int64_t amount, now_ns;

	record->dirty = true;
	if (limit->kind == RATION__LIMIT_BUCKET) {
		ration__bucket_settle(&cell->conf.bucket, record->bucket, txn->now_ns, estimate,
			actual, grant->start_ns);
		return 0;
	}
	if (limit->kind == RATION__LIMIT_ADAPTIVE) {
		ration__adaptive_settle(&limit->adaptive, record->adaptive, txn->now_ns, estimate,
			actual, grant->start_ns);
		return 0;
	}
	now_ns = quota ? ration__txn_wall(txn) : txn->now_ns;
	amount = ration__window_amount(estimate) - ration__window_amount(actual);
	counter = ration__counter_of(record, limit, &cell->conf.window, cell->zone, now_ns);
	ration__counter_refund(&counter, amount, quota ? grant->wall_ns : grant->at_ns);
	if (quota) {
		ration__quota_touch(txn, record, limit);
		if (amount < 0) { /* beyond what the ledger covers: it is written at once */
			ration__quota_covered(engine, txn, record, limit, cell, 0);
			ration__quota_warn(grant->keyset, i, &counter, -amount);
		} else
			ration__quota_uncover(engine, txn, record, limit, cell, &counter);
	}
	return 0;
}

bool ration__actual_of(
	const struct ration__settle *settle, const struct ration__limit *limit, double *actual)
{
	for (size_t i = 0; i < settle->actual_count; i++)
		if (strcmp(settle->actuals[i].unit, limit->unit) == 0) {
			*actual = settle->actuals[i].cost;
			return true;
		}
	return false;
}

/* An absent record has nothing to give back to: at rest, or lost with hot/, and then a refund would
 * make it look like one that was never used. What is owed is owed all the same; but of a quota,
 * whose count is in the ledger then, and would be lost. */
static bool may_settle(const struct ration__txn *txn, const struct ration__limit *limit,
	const struct ration__cell *cell, struct ration__record *record, double owed)
{
	if (!record->absent || record->dirty)
		return true;
	if (owed <= 0 || limit->kind == RATION__LIMIT_QUOTA)
		return false;
	ration__record_wake(record, limit, cell, txn->wipe_ns);
	return true;
}

/* All of them, or, when the working set is full, none yet. */
static int settle_tokens(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__settle *settle)
{
	const struct ration__grant *grant = settle->grant;
	const struct ration__keyset *keyset = grant->keyset;
	struct ration__record *records[RATION__LIMITS_MAX] = {NULL};
	double actuals[RATION__LIMITS_MAX] = {0};

	if (!(settle->unused || settle->actual_count) || !grant->counted ||
		keyset->serial != keyset->guard->serial)
		return 0;
	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		const struct ration__limit *limit = &keyset->guard->rules.limits[i];
		int rc;

		if (grant->skip >> i & 1 ||
			(!settle->unused && !ration__actual_of(settle, limit, &actuals[i])))
			continue;
		rc = ration__cell_record(engine, keyset, &keyset->cells[i], &records[i]);
		if (rc < 0)
			return rc;
	}
	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		const struct ration__limit *limit = &keyset->guard->rules.limits[i];
		double estimate = ration__cost_of(limit, settle->costs, settle->cost_count);
		struct ration__record *record = records[i];

		if (!record || !may_settle(txn, limit, &keyset->cells[i], record,
				       settle->unused ? 0 : actuals[i] - estimate))
			continue;
		if (settle->unused && limit->kind == RATION__LIMIT_BUCKET) {
			ration__bucket_refund(&keyset->cells[i].conf.bucket, record->bucket,
				txn->now_ns, estimate, grant->start_ns);
			record->dirty = true;
		} else if (settle->unused && limit->kind == RATION__LIMIT_ADAPTIVE) {
			ration__adaptive_refund(&limit->adaptive, record->adaptive, txn->now_ns,
				estimate, grant->start_ns);
			record->dirty = true;
		} else
			settle_cost(engine, txn, grant, i, estimate,
				settle->unused ? 0 : actuals[i], record);
	}
	return 0;
}

/* ---- news: rates, cooldown, budget ---- */

static int64_t after(const struct ration__txn *txn, int64_t ns)
{
	return ns < RATION__NEVER - txn->now_ns ? txn->now_ns + ns : RATION__NEVER;
}

static int settle_rate(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, struct ration__settle *settle, uint32_t i)
{
	const struct ration__keyset *keyset = grant->keyset;
	const struct ration__limit *limit = &keyset->guard->rules.limits[i];
	struct ration__adaptive before;
	struct ration__record *record;
	int rc = ration__cell_record(engine, keyset, &keyset->cells[i], &record);

	if (rc < 0)
		return rc;
	ration__record_wake(record, limit, &keyset->cells[i], txn->wipe_ns);
	before = *record->adaptive;
	if (settle->throttle) {
		if (ration__adaptive_backoff(&limit->adaptive, record->adaptive, txn->now_ns,
			    grant->at_ns, settle->retry_after_ns)) {
			settle->rate_cut = true;
			if (ration__adaptive_rate(&limit->adaptive, record->adaptive, txn->now_ns) <
				ration__adaptive_rate(&limit->adaptive, &before, txn->now_ns))
				ration__news_add(engine, RATION_EVENT_RATE_CUT, keyset,
					&keyset->cells[i], limit->name, record->adaptive->rate);
		}
	} else if (settle->outcome == RATION__SUCCESS)
		ration__adaptive_success(
			&limit->adaptive, record->adaptive, txn->now_ns, grant->bound >> i & 1);
	if (settle->stop_ns)
		ration__adaptive_cool(&limit->adaptive, record->adaptive, txn->now_ns,
			after(txn, settle->stop_ns));
	record->dirty |= memcmp(&before, record->adaptive, sizeof(before)) != 0;
	return 0;
}

static int settle_rates(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, struct ration__settle *settle)
{
	const struct ration__keyset *keyset = grant->keyset;

	if (keyset->serial != keyset->guard->serial ||
		!(settle->throttle || settle->stop_ns || settle->outcome == RATION__SUCCESS))
		return 0;
	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		int rc;

		if (keyset->guard->rules.limits[i].kind != RATION__LIMIT_ADAPTIVE ||
			grant->skip >> i & 1)
			continue;
		rc = settle_rate(engine, txn, grant, settle, i);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int settle_cooldown(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, const struct ration__settle *settle)
{
	const struct ration__keyset *keyset = grant->keyset;
	_Atomic uint64_t *word = ration__store_word(engine->store, RATION__WORD_COOLDOWN);
	int64_t for_ns = ration__max64(settle->retry_after_ns, settle->stop_ns);
	int64_t until_ns = after(txn, for_ns);
	struct ration__record *record;
	int rc;

	if (for_ns <= 0 || settle->node_cools)
		return 0;
	rc = ration__cell_record(engine, keyset, keyset->cooldown, &record);
	if (rc < 0)
		return rc;
	if (*record->rest_at_ns >= until_ns)
		return 0;
	if (*record->rest_at_ns <= txn->now_ns)
		ration__news_add(engine, RATION_EVENT_COOLDOWN, keyset, keyset->cooldown,
			"cooldown", (double)for_ns / 1e9);
	*record->rest_at_ns = until_ns;
	record->dirty = true;
	if ((int64_t)atomic_load(word) < until_ns) /* only changed under the gate */
		atomic_store(word, (uint64_t)until_ns);
	return 0;
}

uint64_t ration__budget_bit(const struct ration__keyset *keyset)
{
	return UINT64_C(1) << (keyset->budget->hash % 64);
}

/* A full budget has nothing to gain: the word says whether this one may be below. */
static int settle_budget(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, struct ration__settle *settle)
{
	const struct ration__keyset *keyset = grant->keyset;
	const struct ration__budget_conf *conf = &keyset->guard->rules.budget;
	_Atomic uint64_t *word = ration__store_word(engine->store, RATION__WORD_BUDGETS);
	struct ration__record *record;
	uint64_t bit;
	int rc;

	settle->retry_cost = 0;
	if (!keyset->budget || !conf->capacity)
		return 0;
	bit = ration__budget_bit(keyset);
	if (settle->retry == RATION__NO_RETRY &&
		(settle->outcome != RATION__SUCCESS || !settle->last || !(atomic_load(word) & bit)))
		return 0; /* on the way along a redirect nothing is won yet */
	rc = ration__cell_record(engine, keyset, keyset->budget, &record);
	if (rc < 0)
		return rc;
	record->dirty = true;
	if (settle->retry != RATION__NO_RETRY) {
		settle->retry_cost = ration__budget_take(conf, record->budget, txn->now_ns,
			settle->retry == RATION__RETRY_THROTTLED);
		atomic_fetch_or(word, bit);
		return 0;
	}
	ration__budget_success(conf, record->budget, txn->now_ns, settle->last_retry_cost);
	if (record->budget->used == 0) {
		atomic_fetch_and(word, ~bit);
		engine->budgets_full |= bit; /* it comes back when this transaction fails */
	}
	return 0;
}

int ration__settle_news(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, struct ration__settle *settle)
{
	int rc = 0;

	settle->rate_cut = false;
	settle->retry_cost = 0;
	if (settle->unused)
		return 0;
	rc = settle_rates(engine, txn, grant, settle);
	if (rc == 0)
		rc = settle_cooldown(engine, txn, grant, settle);
	if (rc == 0)
		rc = settle_budget(engine, txn, grant, settle);
	return rc;
}

/* ---- all of it ---- */

static bool needs_breaker(const struct ration__settle *settle)
{
	const struct ration__grant *grant = settle->grant;
	const struct ration__keyset *keyset = grant->keyset;

	return keyset->breaker && !(grant->skip & RATION__SKIP_BREAKER) &&
	       (settle->outcome == RATION__FAILURE || grant->pass.probe ||
		       (settle->outcome != RATION__IGNORED && !ration__breaker_untouched(keyset)));
}

static bool needs_limit(const struct ration__settle *settle, uint32_t i)
{
	const struct ration__grant *grant = settle->grant;
	const struct ration__limit *limit = &grant->keyset->guard->rules.limits[i];
	double actual;

	if (grant->skip >> i & 1)
		return false;
	if (settle->unused || (settle->actual_count && ration__actual_of(settle, limit, &actual)))
		return true;
	return limit->kind == RATION__LIMIT_ADAPTIVE &&
	       (settle->throttle || settle->stop_ns || settle->outcome == RATION__SUCCESS);
}

/* Every record that may be touched, before anything changes: a settle is done as a whole or, when
 * the working set is full, not at all. */
static int load_all(struct ration__engine *engine, const struct ration__settle *settle)
{
	const struct ration__grant *grant = settle->grant;
	const struct ration__keyset *keyset = grant->keyset;
	struct ration__record *record;
	int rc = 0;

	if (grant->permit && !settle->keep)
		rc = ration__cell_record(engine, keyset, keyset->concurrency, &record);
	if (rc == 0 && grant->place && !settle->keep)
		rc = ration__cell_record(engine, keyset, keyset->place, &record);
	if (rc == 0 && needs_breaker(settle) && !settle->keep)
		rc = ration__cell_record(engine, keyset, keyset->breaker, &record);
	for (uint32_t i = 0; rc == 0 && i < keyset->limit_count; i++)
		if (keyset->serial == keyset->guard->serial && needs_limit(settle, i))
			rc = ration__cell_record(engine, keyset, &keyset->cells[i], &record);
	if (rc == 0 && (settle->retry_after_ns > 0 || settle->stop_ns > 0) && !settle->node_cools)
		rc = ration__cell_record(engine, keyset, keyset->cooldown, &record);
	if (rc == 0 && keyset->budget &&
		(settle->retry != RATION__NO_RETRY ||
			(settle->outcome == RATION__SUCCESS &&
				atomic_load(
					ration__store_word(engine->store, RATION__WORD_BUDGETS)) &
					ration__budget_bit(keyset))))
		rc = ration__cell_record(engine, keyset, keyset->budget, &record);
	return rc;
}

int ration__settle_one(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__settle *settle)
{
	int rc;

	settle->breaker_opened = settle->breaker_closed = settle->rate_cut = false;
	settle->retry_cost = 0;
	if (!settle->grant->seq)
		return 0;
	rc = load_all(engine, settle);
	if (rc < 0 || settle->keep)
		return rc < 0 ? rc : settle_tokens(engine, txn, settle);
	/* first: without a retry the attempt was the job's last, which the breaker counts */
	rc = settle->unused ? 0 : settle_budget(engine, txn, settle->grant, settle);
	settle->last |= settle->retry_cost < 0;
	if (rc == 0)
		rc = settle_places(engine, txn, settle);
	if (rc == 0)
		rc = ration__settle_breaker(engine, txn, settle);
	if (rc == 0)
		rc = settle_tokens(engine, txn, settle);
	if (rc == 0 && !settle->unused)
		rc = settle_rates(engine, txn, settle->grant, settle);
	if (rc == 0 && !settle->unused)
		rc = settle_cooldown(engine, txn, settle->grant, settle);
	return rc;
}
