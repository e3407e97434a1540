/*
 * When the store cannot answer (somebody is stopped inside it): each service's policy says how
 * decisions go on, and it is never silent: grants carry the mode, the log says when it begins and
 * ends.
 *
 *   local   this process's share: a limit divided by the live members, the remainder dealt by rank,
 *           in whole units, so that the shares never sum above the limit. Windows and quotas are
 * not divided (what is left of them is not known): they wait. Breakers count as closed. What was
 * admitted is charged when the store answers again. closed  nothing is admitted until it does open
 * everything is admitted
 *
 * Under engine.mutex, outside any transaction (reconcile: inside the first one that succeeds).
 */
#include "guard/engine.h"

#include <string.h>

#define LIVE_EVERY_NS RATION__NS_PER_S

static uint32_t share_of(const struct ration__engine *engine, double whole)
{
	uint32_t limit = whole >= (double)UINT32_MAX ? UINT32_MAX : (uint32_t)whole;

	return limit / engine->live + (engine->rank < limit % engine->live);
}

static struct ration__bucket_conf share_conf(
	const struct ration__engine *engine, const struct ration__bucket_conf *whole)
{
	return (struct ration__bucket_conf){
		.rate = whole->rate / engine->live, .burst = share_of(engine, whole->burst)};
}

/* An adaptive limit is taken at its first rate: what was learned is in the store. */
static struct ration__bucket_conf whole_conf(const struct ration__keyset *keyset,
	const struct ration__cell *cell, uint32_t limit)
{
	const struct ration__limit *rule = &keyset->guard->rules.limits[limit];
	static const struct ration__adaptive unused;

	return rule->kind == RATION__LIMIT_ADAPTIVE
		       ? ration__adaptive_bucket(&rule->adaptive, &unused, 0)
		       : cell->conf.bucket;
}

/* One bucket's share, kept while the store does not answer. Buckets that find no room share an
 * entry by hash, which only makes them slower. */
static struct ration__local *entry_of(struct ration__engine *engine,
	const struct ration__keyset *keyset, const struct ration__cell *cell, uint32_t limit)
{
	struct ration__local *entry = &engine->locals[cell->hash % RATION__LOCALS];
	struct ration__bucket_conf share;

	if (entry->key_length == 0) {
		memset(entry, 0, sizeof(*entry));
		entry->key_length = cell->length;
		memcpy(entry->key, ration__cell_key(keyset, cell), cell->length);
		entry->hash = cell->hash;
		entry->conf = whole_conf(keyset, cell, limit);
		entry->adaptive = keyset->guard->rules.limits[limit].kind == RATION__LIMIT_ADAPTIVE;
		if (entry->adaptive)
			entry->learned = keyset->guard->rules.limits[limit].adaptive;
		/* what the shared bucket has given a moment ago is not known: it starts with
		 * nothing */
		share = share_conf(engine, &entry->conf);
		entry->bucket = ration__bucket_spent(&share, engine->degraded_ns);
	}
	return entry;
}

static void look_around(struct ration__engine *engine, int64_t now_ns)
{
	if (engine->degraded && now_ns - engine->live_ns < LIVE_EVERY_NS &&
		engine->live_ns <= now_ns)
		return;
	engine->live_ns = now_ns;
	engine->live = (uint32_t)ration__max64(1, (int64_t)ration__store_live(engine->store));
	engine->rank = (uint32_t)ration__store_rank(engine->store);
	if (!engine->degraded) {
		memset(engine->locals, 0, sizeof(*engine->locals) * RATION__LOCALS);
		engine->degraded = true;
		engine->degraded_ns = now_ns;
		engine->degraded_news = true;
	}
}

static uint32_t places_held(
	const struct ration__engine *engine, const struct ration__cell *cell, bool place)
{
	uint32_t held = 0;

	for (const struct ration__grant *grant = engine->grants; grant; grant = grant->next) {
		const struct ration__cell *other =
			place ? grant->keyset->place : grant->keyset->concurrency;

		held += (place ? grant->place : grant->permit) && other &&
			other->hash == cell->hash;
	}
	return held;
}

/* A limit that learns is taken at its first number. */
static uint32_t local_max(const struct ration__concurrency_conf *conf)
{
	return conf->algorithm == RATION__CONCURRENCY_FIXED ? conf->max : conf->initial;
}

static void deny(struct ration__ask *ask, int denial, int rule, int64_t at_ns)
{
	ask->decision = RATION__DENIED;
	ask->denial = denial;
	ask->rule = rule;
	ask->at_ns = at_ns;
}

/* false: denied */
static bool ask_share(struct ration__engine *engine, struct ration__ask *ask, int64_t now_ns)
{
	const struct ration__keyset *keyset = ask->keyset;
	const struct ration__rules *rules = &keyset->guard->rules;
	uint32_t skip = ask->skip | keyset->skip;

	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		const struct ration__limit *limit = &rules->limits[i];
		struct ration__bucket_conf conf, whole;
		struct ration__verdict verdict;
		double cost = ration__cost_of(limit, ask->costs, ask->cost_count);

		if (skip >> i & 1)
			continue;
		if (limit->kind != RATION__LIMIT_BUCKET && limit->kind != RATION__LIMIT_ADAPTIVE) {
			deny(ask, RATION_DENIED_STORE, RATION__RULE_STORE,
				now_ns + RATION__FALLBACK_NS);
			return false;
		}
		if (keyset->cells[i].link)
			continue; /* booked while the store answered */
		whole = whole_conf(keyset, &keyset->cells[i], i);
		conf = share_conf(engine, &whole);
		verdict = ration__bucket_ask(&conf,
			&entry_of(engine, keyset, &keyset->cells[i], i)->bucket, now_ns, cost);
		if (verdict.answer == RATION__YES)
			continue;
		deny(ask, RATION_DENIED_RATE, (int)i,
			verdict.answer == RATION__WAIT ? verdict.at_ns
						       : now_ns + RATION__FALLBACK_NS);
		return false;
	}
	if (skip & RATION__SKIP_CONCURRENCY)
		return true;
	if (keyset->concurrency && places_held(engine, keyset->concurrency, false) >=
					   share_of(engine, local_max(&rules->concurrency))) {
		deny(ask, RATION_DENIED_CONCURRENCY, RATION__RULE_CONCURRENCY,
			now_ns + RATION__FALLBACK_NS);
		return false;
	}
	if (keyset->place && places_held(engine, keyset->place, true) >=
				     share_of(engine, local_max(&rules->place))) {
		deny(ask, RATION_DENIED_CONCURRENCY, RATION__RULE_PLACE,
			now_ns + RATION__FALLBACK_NS);
		return false;
	}
	return true;
}

static void admit(
	struct ration__engine *engine, struct ration__ask *ask, int64_t now_ns, uint8_t mode)
{
	struct ration__keyset *keyset = ask->keyset;

	for (uint32_t i = 0; i < keyset->limit_count && mode == RATION__LOCAL; i++) {
		const struct ration__limit *limit = &keyset->guard->rules.limits[i];
		struct ration__bucket_conf whole, conf;
		struct ration__local *entry;
		double cost = ration__cost_of(limit, ask->costs, ask->cost_count);

		if (keyset->cells[i].link || (ask->skip | keyset->skip) >> i & 1)
			continue;
		whole = whole_conf(keyset, &keyset->cells[i], i);
		conf = share_conf(engine, &whole);
		entry = entry_of(engine, keyset, &keyset->cells[i], i);
		ration__bucket_take(&conf, &entry->bucket, now_ns, cost);
		entry->charge += cost;
	}
	ration__booking_drop(keyset);
	memset(ask->grant, 0, sizeof(*ask->grant));
	ask->grant->seq = ++engine->next_seq;
	ask->grant->at_ns = now_ns;
	ask->grant->mode = mode;
	ask->grant->skip = ask->skip | keyset->skip;
	if (!(ask->grant->skip & RATION__SKIP_CONCURRENCY)) {
		ask->grant->permit = keyset->concurrency != NULL;
		ask->grant->place = keyset->place != NULL;
	}
	ask->grant->unwritten = 1;
	ration__grant_link(engine, keyset, ask->grant);
	ask->decision = RATION__ADMITTED;
	ask->denial = 0;
	ask->rule = RATION__RULE_NONE;
	ask->at_ns = now_ns;
}

static void decide(struct ration__engine *engine, struct ration__ask *ask, int64_t now_ns)
{
	struct ration__keyset *keyset = ask->keyset;
	uint32_t policy = keyset->guard->own.own.on_failure;

	if (keyset->serial != keyset->guard->serial) {
		ask->decision = RATION__STALE;
		return;
	}
	if (keyset->booked && now_ns < keyset->start_ns && policy == RATION__ON_FAILURE_LOCAL) {
		deny(ask, RATION_DENIED_RATE, 0, keyset->start_ns);
		return;
	}
	if (keyset->guard->own.own.observe)
		policy = RATION__ON_FAILURE_OPEN;
	if (policy == RATION__ON_FAILURE_CLOSED) {
		deny(ask, RATION_DENIED_STORE, RATION__RULE_STORE, now_ns + RATION__FALLBACK_NS);
		return;
	}
	if (policy == RATION__ON_FAILURE_LOCAL && !ask_share(engine, ask, now_ns))
		return;
	if (ask->peek)
		ask->decision = RATION__ADMITTED;
	else
		admit(engine, ask, now_ns,
			policy == RATION__ON_FAILURE_LOCAL ? RATION__LOCAL : RATION__OPEN_MODE);
}

void ration__local_transact(struct ration__engine *engine, struct ration__batch *batch)
{
	int64_t now_ns = ration__engine_now(engine);

	look_around(engine, now_ns);
	/* what the store does not know of ends here; the rest stays held and is settled later */
	for (size_t i = 0; i < batch->settle_count; i++)
		if (batch->settles[i].grant->seq && batch->settles[i].grant->unwritten &&
			!batch->settles[i].keep)
			ration__grant_unlink(batch->settles[i].grant);
	for (size_t i = 0; i < batch->ask_count; i++)
		decide(engine, &batch->asks[i], now_ns);
}

int ration__local_reconcile(struct ration__engine *engine, struct ration__txn *txn)
{
	struct ration__workset *spare = &engine->spare;
	struct ration__record *record;
	bool bound;
	int rc;

	for (size_t i = 0; i < RATION__LOCALS; i++) {
		struct ration__local *entry = &engine->locals[i];

		if (entry->charge <= 0)
			continue;
		ration__workset_begin(spare, txn);
		rc = ration__workset_get(
			spare, entry->hash, entry->key, entry->key_length, 0, &record);
		if (rc < 0)
			return rc;
		if (entry->adaptive)
			ration__adaptive_take(&entry->learned, record->adaptive, txn->now_ns,
				entry->charge, &bound);
		else
			ration__bucket_take(
				&entry->conf, record->bucket, txn->now_ns, entry->charge);
		record->dirty = true;
		rc = ration__workset_flush(spare);
		if (rc < 0)
			return rc;
	}
	for (struct ration__grant *grant = engine->grants; grant; grant = grant->next) {
		if (!grant->unwritten)
			continue;
		rc = grant->permit || grant->place ? ration__permit_assert(engine, txn, grant) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

void ration__local_reconciled(struct ration__engine *engine)
{
	for (struct ration__grant *grant = engine->grants; grant; grant = grant->next)
		grant->unwritten = 0;
	engine->degraded = false;
	engine->degraded_news = true;
}

void ration__local_report(struct ration__engine *engine, bool degraded, uint32_t live)
{
	if (degraded)
		ration__engine_log(engine, RATION_LOG_WARNING,
			"store %s cannot answer: until it does, services go on as their "
			"on_store_failure says (local: their part among %u members)",
			ration__store_path(engine->store), live);
	else
		ration__engine_log(engine, RATION_LOG_WARNING,
			"store %s answers again: what was admitted meanwhile is charged",
			ration__store_path(engine->store));
}
