/*
 * One keyset's rules changed from outside of a call, for callers that use a policy by itself: a
 * result without a permit, a backoff signal, reset. Each is one transaction of its own.
 */
#include "guard/engine.h"

#include <string.h>

/* ---- results and signals ---- */

/* As if a call had been let through just now: one that asks while the breaker is half-open takes a
 * place and gives it back, also beside the probes that are out. */
static int record_breaker(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__keyset *keyset, const struct ration__settle *result)
{
	struct ration__breaker_pass pass = {0};
	const struct ration__breaker_conf *conf;
	struct ration__breaker_conf scratch;
	enum ration__breaker_event event;
	struct ration__breaker *state;
	struct ration__record *record;
	int rc;

	if (!keyset->breaker || result->outcome == RATION__IGNORED)
		return 0;
	rc = ration__cell_record(engine, keyset, keyset->breaker, &record);
	if (rc < 0)
		return rc;
	conf = ration__breaker_ready(keyset, record, &scratch);
	state = record->breaker;
	if (!ration__breaker_exists(conf) || conf->mode != RATION__BREAKER_AUTO)
		return 0;
	if (state->state == RATION__HALF_OPEN ||
		ration__breaker_ask(conf, state, txn->now_ns).answer == RATION__YES)
		pass = ration__breaker_take(conf, state, txn->now_ns);
	else
		pass.generation = state->generation; /* open: too late to say anything */
	event = ration__breaker_settle(conf, state, txn->now_ns, pass, result->outcome,
		result->elapsed_ns, ration__engine_random(engine));
	record->dirty = true;
	ration__hint_raise(engine);
	if (event != RATION__BREAKER_SAME)
		ration__news_add(engine,
			event == RATION__BREAKER_OPENED ? RATION_EVENT_BREAKER_OPENED
							: RATION_EVENT_BREAKER_CLOSED,
			keyset, keyset->breaker, "breaker", (double)state->trips);
	return 0;
}

/* Bits of the adaptive limits at which one more call would have to wait now: those that were
 * binding for a call that nobody asked for. */
static int binding(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__grant *grant)
{
	const struct ration__keyset *keyset = grant->keyset;

	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		const struct ration__limit *limit = &keyset->guard->rules.limits[i];
		struct ration__record *record;
		int rc;

		if (limit->kind != RATION__LIMIT_ADAPTIVE || grant->skip >> i & 1)
			continue;
		rc = ration__cell_record(engine, keyset, &keyset->cells[i], &record);
		if (rc < 0)
			return rc;
		ration__record_wake(record, limit, &keyset->cells[i], txn->wipe_ns);
		if (ration__adaptive_ask(
			    &limit->adaptive, record->adaptive, txn->now_ns, limit->estimate)
				.answer != RATION__YES)
			grant->bound |= (uint16_t)(1u << i);
	}
	return 0;
}

int ration__guard_record(struct ration__keyset *keyset, const struct ration__settle *result)
{
	struct ration__engine *engine = keyset->guard->engine;
	struct ration__grant grant = {.keyset = keyset, .skip = keyset->skip};
	struct ration__settle settle = *result;
	struct ration__txn *txn;
	int rc = ration__keyset_begin(keyset, &txn);

	if (rc < 0)
		return rc;
	settle.grant = &grant;
	settle.unused = settle.keep = false;
	settle.last = true;
	grant.at_ns = grant.start_ns = txn->now_ns - ration__max64(0, result->elapsed_ns);
	rc = record_breaker(engine, txn, keyset, &settle);
	if (rc == 0)
		rc = binding(engine, txn, &grant);
	if (rc == 0)
		rc = ration__settle_news(engine, txn, &grant, &settle);
	return ration__keyset_end(keyset, txn, rc);
}

int ration__guard_budget(
	struct ration__keyset *keyset, enum ration__wants_retry retry, int last_cost, int *cost)
{
	struct ration__engine *engine = keyset->guard->engine;
	struct ration__grant grant = {.keyset = keyset, .skip = UINT32_MAX}; /* no limit learns */
	struct ration__settle settle = {.grant = &grant,
		.outcome = retry == RATION__NO_RETRY ? RATION__SUCCESS : RATION__IGNORED,
		.last = true,
		.retry = retry,
		.last_retry_cost = last_cost};
	struct ration__txn *txn;
	int rc;

	if (ration__store_forked(engine->store))
		return RATION_EFORK;
	if (!keyset->budget ||
		(retry == RATION__NO_RETRY &&
			!(atomic_load(ration__store_word(engine->store, RATION__WORD_BUDGETS)) &
				ration__budget_bit(keyset)))) {
		*cost = 0; /* there is none, or it is full: no transaction for that */
		return 0;
	}
	rc = ration__keyset_begin(keyset, &txn);
	if (rc < 0)
		return rc;
	rc = ration__settle_news(engine, txn, &grant, &settle);
	rc = ration__keyset_end(keyset, txn, rc);
	if (rc == 0)
		*cost = settle.retry_cost;
	return rc;
}

int ration__guard_backoff(struct ration__keyset *keyset, int64_t for_ns)
{
	struct ration__engine *engine = keyset->guard->engine;
	struct ration__grant grant = {.keyset = keyset, .skip = keyset->skip};
	struct ration__settle settle = {.grant = &grant,
		.outcome = RATION__THROTTLED,
		.throttle = true,
		.retry_after_ns = ration__max64(0, for_ns)};
	struct ration__txn *txn;
	int rc = ration__keyset_begin(keyset, &txn);

	if (rc < 0)
		return rc;
	grant.at_ns = grant.start_ns = txn->now_ns;
	rc = ration__settle_news(engine, txn, &grant, &settle);
	return ration__keyset_end(keyset, txn, rc);
}

/* ---- reset ---- */

struct reset {
	struct ration__keyset *keyset;
	struct ration__txn *txn;
	const struct ration__cell *quotas[RATION__LIMITS_MAX]; /* after the transaction */
	size_t quota_count;
};

static int reset_cell(struct reset *r, const struct ration__cell *cell)
{
	const uint8_t *key;

	if (!cell)
		return 0;
	key = ration__cell_key(r->keyset, cell);
	if (key[0] == RATION__RECORD_QUOTA) {
		r->quotas[r->quota_count++] = cell;
		return 0;
	}
	return ration__record_reset(r->keyset->guard->engine, r->txn, key, cell->length);
}

static int reset_all(struct reset *r)
{
	const struct ration__keyset *keyset = r->keyset;
	const struct ration__cell *others[] = {keyset->breaker, keyset->concurrency, keyset->place,
		keyset->cooldown, keyset->budget};
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < keyset->limit_count; i++)
		rc = reset_cell(r, &keyset->cells[i]);
	for (size_t i = 0; rc == 0 && i < RATION__COUNT(others); i++)
		rc = reset_cell(r, others[i]);
	return rc;
}

int ration__guard_reset(struct ration__keyset *keyset, const char *rule)
{
	struct ration__engine *engine = keyset->guard->engine;
	struct reset r = {.keyset = keyset};
	const struct ration__limit *limit;
	const struct ration__cell *cell;
	int rc = ration__keyset_begin(keyset, &r.txn);

	if (rc < 0)
		return rc;
	cell = rule[0] ? ration__keyset_cell(keyset, rule, &limit) : NULL;
	if (rule[0] && !cell)
		rc = strcmp(rule, "breaker") == 0 ? 0 : RATION_EINVAL; /* there is none to reset */
	else
		rc = cell ? reset_cell(&r, cell) : reset_all(&r);
	rc = ration__keyset_end(keyset, r.txn, rc);
	for (size_t i = 0; rc == 0 && i < r.quota_count; i++)
		rc = ration__ledger_reset(
			engine, ration__cell_key(keyset, r.quotas[i]), r.quotas[i]->length);
	if (rc == 0 && r.quota_count)
		ration__engine_notify(engine);
	return rc;
}
