/*
 * When the store cannot answer (somebody is stopped inside it): each service's policy says how
 * decisions go on, and it is never silent: grants carry the mode, the log says when it begins and
 * ends.
 *
 *   local   this process's share: a limit divided by the live members, the remainder dealt by rank,
 *           in whole units, so that the shares never sum above the limit. Windows and quotas are
 *           not divided (what is left of them is not known): they wait. Breakers count as closed,
 *           but those that the operator forced open; cooldowns are those that this process is told
 *           of meanwhile. What was admitted is charged when the store answers again.
 *   closed  nothing is admitted until it does
 *   open    everything is admitted
 *
 * A limit, the breaker and the concurrency limits may each have a policy of their own: open, it is
 * not asked; closed, it lets nothing through.
 *
 * Under engine.mutex, outside any transaction (reconcile: inside the first one that succeeds).
 */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>

#define LIVE_EVERY_NS RATION__NS_PER_S

static uint32_t share_of(const struct ration__engine *engine, double whole)
{
	uint32_t limit = whole >= (double)UINT32_MAX ? UINT32_MAX : (uint32_t)whole;

	return limit / engine->live + (engine->rank < limit % engine->live);
}

struct ration__bucket_conf ration__local_share(
	const struct ration__engine *engine, const struct ration__bucket_conf *whole)
{
	return (struct ration__bucket_conf){
		.rate = whole->rate / engine->live, .burst = share_of(engine, whole->burst)};
}

/* An adaptive limit is taken at its first rate: what was learned is in the store. */
static struct ration__bucket_conf whole_conf(
	const struct ration__keyset *keyset, const struct ration__cell *cell, uint32_t limit)
{
	const struct ration__limit *rule = &keyset->guard->rules.limits[limit];
	static const struct ration__adaptive unused;

	return rule->kind == RATION__LIMIT_ADAPTIVE
		       ? ration__adaptive_bucket(&rule->adaptive, &unused, 0)
		       : cell->conf.bucket;
}

static struct ration__local *find(struct ration__engine *engine, const struct ration__cell *cell)
{
	return ration__locals_find(&engine->locals, cell->hash, cell->key, cell->length);
}

/* One bucket's share, kept while the store does not answer. NULL: of too many keys already, or no
 * memory; they are not shared, or one would be charged for another. */
static struct ration__local *entry_of(struct ration__engine *engine,
	const struct ration__keyset *keyset, const struct ration__cell *cell, uint32_t limit)
{
	const struct ration__limit *rule = &keyset->guard->rules.limits[limit];
	struct ration__adaptive_conf *learned = NULL;
	struct ration__local *entry = find(engine, cell);
	struct ration__bucket_conf share;

	if (entry)
		return entry;
	if (rule->kind == RATION__LIMIT_ADAPTIVE) {
		learned = malloc(sizeof(*learned));
		if (!learned)
			return NULL;
		*learned = rule->adaptive;
	}
	entry = ration__locals_add(
		&engine->locals, cell->hash, cell->key, cell->length, engine->live_ns);
	if (!entry) {
		free(learned);
		return NULL;
	}
	entry->learned = learned;
	entry->conf = whole_conf(keyset, cell, limit);
	/* what the shared bucket has given a moment ago is not known: it starts with nothing */
	share = ration__local_share(engine, &entry->conf);
	entry->bucket = ration__bucket_spent(&share, engine->degraded_ns);
	return entry;
}

static bool has_share(const struct ration__limit *limit)
{
	return limit->kind == RATION__LIMIT_BUCKET || limit->kind == RATION__LIMIT_ADAPTIVE;
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
		ration__locals_clear(&engine->locals);
		engine->degraded = true;
		engine->degraded_ns = now_ns;
		engine->degraded_news = true;
	}
}

/* By calls that go on: what is over is held only until the store can be told. */
static uint32_t places_held(
	const struct ration__engine *engine, const struct ration__cell *cell, bool place)
{
	uint32_t held = 0;

	for (const struct ration__grant *grant = engine->grants; grant; grant = grant->next) {
		const struct ration__cell *other =
			place ? grant->keyset->place : grant->keyset->concurrency;

		held += (place ? grant->place : grant->permit) && !grant->ended &&
			grant != &engine->lazy && other && other->hash == cell->hash;
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

/* What a server said to this process; true: denied. */
static bool is_cooling(struct ration__engine *engine, struct ration__ask *ask, int64_t now_ns)
{
	const struct ration__keyset *keyset = ask->keyset;
	const struct ration__local *cooldown = find(engine, keyset->cooldown);
	uint32_t skip = ask->skip | keyset->skip;

	if (!(skip & RATION__SKIP_COOLDOWN) && cooldown && cooldown->until_ns > now_ns) {
		deny(ask, RATION_DENIED_COOLDOWN, RATION__RULE_COOLDOWN, cooldown->until_ns);
		return true;
	}
	return false;
}

/* The breaker: closed as a policy, or the operator's word; true: denied. */
static bool is_broken(struct ration__ask *ask, int64_t now_ns, uint32_t policy)
{
	const struct ration__keyset *keyset = ask->keyset;

	if ((ask->skip | keyset->skip) & RATION__SKIP_BREAKER || !keyset->breaker ||
		policy == RATION__ON_FAILURE_OPEN)
		return false;
	if (policy == RATION__ON_FAILURE_CLOSED) {
		deny(ask, RATION_DENIED_STORE, RATION__RULE_STORE, now_ns + RATION__FALLBACK_NS);
		return true;
	}
	if (keyset->breaker_mode != RATION__BREAKER_FORCED_OPEN)
		return false;
	deny(ask, RATION_DENIED_BREAKER, RATION__RULE_BREAKER, now_ns + RATION__FALLBACK_NS);
	if (!keyset->guard->own.own.wait_breaker) {
		ask->decision = RATION__REFUSED;
		ask->at_ns = RATION__NEVER;
	}
	return true;
}

/* RATION__ON_FAILURE_* of one limit. */
static uint32_t policy_of(const struct ration__keyset *keyset, const struct ration__limit *limit)
{
	return ration__on_failure(limit->on_failure, keyset->guard->own.own.on_failure);
}

static bool has_own_policies(const struct ration__rules *rules, const struct ration__own_rules *own)
{
	if (own->breaker_on_failure || own->permits_on_failure)
		return true;
	for (uint32_t i = 0; i < rules->limit_count; i++)
		if (rules->limits[i].on_failure)
			return true;
	return false;
}

/* false: denied. permits: the policy of the concurrency limits. */
static bool ask_share(
	struct ration__engine *engine, struct ration__ask *ask, int64_t now_ns, uint32_t permits)
{
	const struct ration__keyset *keyset = ask->keyset;
	const struct ration__rules *rules = &keyset->guard->rules;
	uint32_t skip = ask->skip | keyset->skip;

	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		const struct ration__limit *limit = &rules->limits[i];
		struct ration__bucket_conf conf, whole;
		struct ration__verdict verdict;
		struct ration__local *entry;
		double cost = ration__cost_of(limit, ask->costs, ask->cost_count);

		if (skip >> i & 1 || policy_of(keyset, limit) == RATION__ON_FAILURE_OPEN)
			continue;
		if (keyset->cells[i].link)
			continue; /* booked while the store answered */
		entry = NULL;
		if (has_share(limit) && policy_of(keyset, limit) == RATION__ON_FAILURE_LOCAL)
			entry = entry_of(engine, keyset, &keyset->cells[i], i);
		if (!entry) {
			deny(ask, RATION_DENIED_STORE, RATION__RULE_STORE,
				now_ns + RATION__FALLBACK_NS);
			return false;
		}
		whole = whole_conf(keyset, &keyset->cells[i], i);
		conf = ration__local_share(engine, &whole);
		verdict = ration__bucket_ask(&conf, &entry->bucket, now_ns, cost);
		if (verdict.answer == RATION__YES)
			continue;
		deny(ask, RATION_DENIED_RATE, (int)i,
			verdict.answer == RATION__WAIT ? verdict.at_ns
						       : now_ns + RATION__FALLBACK_NS);
		return false;
	}
	if (skip & RATION__SKIP_CONCURRENCY || permits == RATION__ON_FAILURE_OPEN ||
		(!keyset->concurrency && !keyset->place))
		return true;
	if (permits == RATION__ON_FAILURE_CLOSED) {
		deny(ask, RATION_DENIED_STORE, RATION__RULE_STORE, now_ns + RATION__FALLBACK_NS);
		return false;
	}
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

static void admit(struct ration__engine *engine, struct ration__ask *ask, int64_t now_ns)
{
	struct ration__keyset *keyset = ask->keyset;

	for (uint32_t i = 0; i < keyset->limit_count && ask->mode == RATION__LOCAL; i++) {
		const struct ration__limit *limit = &keyset->guard->rules.limits[i];
		struct ration__bucket_conf whole, conf;
		struct ration__local *entry;
		double cost = ration__cost_of(limit, ask->costs, ask->cost_count);

		if (keyset->cells[i].link || (ask->skip | keyset->skip) >> i & 1 ||
			policy_of(keyset, limit) != RATION__ON_FAILURE_LOCAL)
			continue;
		whole = whole_conf(keyset, &keyset->cells[i], i);
		conf = ration__local_share(engine, &whole);
		entry = entry_of(engine, keyset, &keyset->cells[i], i); /* as when it was asked */
		ration__bucket_take(&conf, &entry->bucket, now_ns, cost);
		entry->charge += cost;
	}
	memset(ask->grant, 0, sizeof(*ask->grant));
	ask->grant->counted =
		ask->mode == RATION__LOCAL && !keyset->booked; /* by this process, then */
	ration__booking_drop(keyset);
	ask->grant->seq = ++engine->next_seq;
	ask->grant->at_ns = ask->grant->start_ns = now_ns;
	ask->grant->mode = ask->mode;
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

/* What a booked caller waits for: the one of its limits whose tokens come last. */
static int booked_limit(const struct ration__keyset *keyset)
{
	int limit = 0;
	int64_t last_ns = INT64_MIN;

	for (uint32_t i = 0; i < keyset->limit_count; i++)
		if (keyset->cells[i].link && keyset->cells[i].start_ns > last_ns) {
			limit = (int)i;
			last_ns = keyset->cells[i].start_ns;
		}
	return limit;
}

static void decide(struct ration__engine *engine, struct ration__ask *ask, int64_t now_ns)
{
	struct ration__keyset *keyset = ask->keyset;
	const struct ration__own_rules *rules = &keyset->guard->own.own;
	uint32_t policy = rules->observe ? RATION__ON_FAILURE_OPEN : rules->on_failure;
	/* or something has a policy of its own */
	bool shares = policy == RATION__ON_FAILURE_LOCAL ||
		      (!rules->observe && has_own_policies(&keyset->guard->rules, rules));

	if (keyset->serial != keyset->guard->serial) {
		ask->decision = RATION__STALE;
		return;
	}
	ask->mode = shares ? RATION__LOCAL : RATION__OPEN_MODE;
	if (keyset->booked && now_ns < keyset->start_ns && policy == RATION__ON_FAILURE_LOCAL) {
		deny(ask, RATION_DENIED_RATE, booked_limit(keyset), keyset->start_ns);
		return;
	}
	if (policy == RATION__ON_FAILURE_CLOSED) {
		ask->mode = RATION__CLOSED_MODE;
		deny(ask, RATION_DENIED_STORE, RATION__RULE_STORE, now_ns + RATION__FALLBACK_NS);
		return;
	}
	if (policy == RATION__ON_FAILURE_LOCAL && is_cooling(engine, ask, now_ns))
		return;
	if (shares &&
		(is_broken(ask, now_ns, ration__on_failure(rules->breaker_on_failure, policy)) ||
			!ask_share(engine, ask, now_ns,
				ration__on_failure(rules->permits_on_failure, policy))))
		return;
	if (ask->peek)
		ask->decision = RATION__ADMITTED;
	else
		admit(engine, ask, now_ns);
}

/* ---- settling ---- */

static void settle_costs(
	struct ration__engine *engine, const struct ration__settle *settle, int64_t now_ns)
{
	const struct ration__grant *grant = settle->grant;
	const struct ration__keyset *keyset = grant->keyset;

	if (!grant->counted || keyset->serial != keyset->guard->serial)
		return;
	for (uint32_t i = 0; i < keyset->limit_count; i++) {
		const struct ration__limit *limit = &keyset->guard->rules.limits[i];
		double estimate = ration__cost_of(limit, settle->costs, settle->cost_count);
		struct ration__bucket_conf whole, conf;
		struct ration__local *entry;
		double actual = 0;

		if (grant->skip >> i & 1 || !has_share(limit) ||
			policy_of(keyset, limit) != RATION__ON_FAILURE_LOCAL ||
			(!settle->unused && !ration__actual_of(settle, limit, &actual)))
			continue;
		entry = entry_of(engine, keyset, &keyset->cells[i], i);
		if (!entry)
			continue;
		whole = whole_conf(keyset, &keyset->cells[i], i);
		conf = ration__local_share(engine, &whole);
		ration__bucket_settle(
			&conf, &entry->bucket, now_ns, estimate, actual, grant->start_ns);
		entry->charge += actual - estimate;
	}
}

static void note_cooldown(
	struct ration__engine *engine, const struct ration__settle *settle, int64_t now_ns)
{
	const struct ration__keyset *keyset = settle->grant->keyset;
	int64_t for_ns = ration__max64(settle->retry_after_ns, settle->stop_ns);
	const struct ration__cell *cell = keyset->cooldown;
	struct ration__local *entry;

	if (for_ns <= 0 || settle->node_cools)
		return;
	entry = find(engine, cell);
	if (!entry)
		entry = ration__locals_add(
			&engine->locals, cell->hash, cell->key, cell->length, now_ns);
	if (!entry)
		return;
	entry->until_ns = ration__max64(
		entry->until_ns, for_ns < RATION__NEVER - now_ns ? now_ns + for_ns : RATION__NEVER);
}

/* What the store does not know of ends here; the rest stays held and is settled later, but its
 * place can be had by another call of this process. */
static void settle_local(
	struct ration__engine *engine, struct ration__settle *settle, int64_t now_ns)
{
	struct ration__grant *grant = settle->grant;

	if (!grant->seq || grant->ended)
		return;
	if (!settle->keep && !settle->unused)
		note_cooldown(engine, settle, now_ns);
	if (grant->unwritten && grant->mode == RATION__LOCAL)
		settle_costs(engine, settle, now_ns);
	if (settle->keep)
		return;
	grant->ended = 1;
	if (grant->unwritten)
		ration__grant_unlink(grant);
}

int ration__local_transact(struct ration__engine *engine, struct ration__batch *batch)
{
	int64_t now_ns = ration__engine_now(engine);

	look_around(engine, now_ns);
	for (size_t i = 0; i < batch->settle_count; i++)
		settle_local(engine, &batch->settles[i], now_ns);
	for (size_t i = 0; i < batch->ask_count; i++)
		decide(engine, &batch->asks[i], now_ns);
	/* nobody would know that these costs have to be given again */
	if (batch->settle_count == 1 && batch->settles->keep && batch->settles->grant->seq &&
		!batch->settles->grant->unwritten)
		return RATION_ESTORE;
	return 0;
}
