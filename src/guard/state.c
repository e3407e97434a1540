/*
 * One keyset's rules looked at by name, for callers that use a policy by itself. See signal.c for
 * what changes them. Each look is one transaction of its own.
 */
#include "guard/engine.h"

#include <stdio.h>
#include <string.h>
#include "guard/counter.h"
#include "guard/selector.h"

/* ---- one transaction ---- */

int ration__keyset_begin(struct ration__keyset *keyset, struct ration__txn **txn)
{
	struct ration__engine *engine = keyset->guard->engine;
	int rc;

	if (ration__store_forked(engine->store)) /* before the lock, which a lost thread may hold */
		return RATION_EFORK;
	pthread_mutex_lock(&engine->mutex);
	ration__operator_follow(engine);
	rc = ration__store_begin(engine->store, -1, txn);
	if (rc < 0) {
		pthread_mutex_unlock(&engine->mutex);
		return rc;
	}
	ration__workset_begin(&engine->set, *txn);
	rc = ration__definition_follow(engine, *txn);
	if (rc == 0 && keyset->serial != keyset->guard->serial)
		rc = RATION_EAGAIN;
	if (rc == 0)
		return 0;
	ration__store_abort(*txn);
	engine->set.txn = NULL;
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}

int ration__keyset_end(struct ration__keyset *keyset, struct ration__txn *txn, int rc)
{
	struct ration__engine *engine = keyset->guard->engine;
	struct ration__news news[RATION__NEWS_MAX];
	uint32_t count;

	rc = ration__engine_end(engine, txn, rc);
	count = ration__news_take(engine, news);
	pthread_mutex_unlock(&engine->mutex);
	if (rc < 0)
		return rc;
	ration__news_report(engine, news, count);
	ration__engine_notify(engine);
	return 0;
}

/* ---- rules by name ---- */

const struct ration__cell *ration__keyset_cell(
	const struct ration__keyset *keyset, const char *name, const struct ration__limit **limit)
{
	const struct ration__rules *rules = &keyset->guard->rules;
	const struct {
		const char *name;
		const struct ration__cell *cell;
	} others[] = {
		{"breaker", keyset->breaker},
		{"concurrency", keyset->concurrency},
		{"place", keyset->place},
		{"cooldown", keyset->cooldown},
		{"budget", keyset->budget},
	};

	*limit = NULL;
	for (uint32_t i = 0; i < keyset->limit_count; i++)
		if (strcmp(rules->limits[i].name, name) == 0) {
			*limit = &rules->limits[i];
			return &keyset->cells[i];
		}
	for (size_t i = 0; i < RATION__COUNT(others); i++)
		if (strcmp(others[i].name, name) == 0)
			return others[i].cell;
	return NULL;
}

/* ---- state ---- */

struct look {
	struct ration__keyset *keyset;
	struct ration__txn *txn;
	const struct ration__cell *cell;
	const struct ration__limit *limit;
	struct ration__record *record;
	struct ration__rule_state *state;
	/* of a quota that hot/ knows nothing of: asked of the ledger afterwards */
	bool unread;
	struct ration__window_conf conf;
	uint32_t calendar;
	const struct ration__zone *zone;
	int64_t wall_ns, now_ns;
};

static void set_kind(struct look *l, const char *kind)
{
	snprintf(l->state->kind, sizeof(l->state->kind), "%s", kind);
}

/* When a call of the usual cost would be let through. */
static int64_t tokens_at(const struct ration__verdict *verdict, int64_t now_ns)
{
	return verdict->answer == RATION__WAIT && verdict->at_ns > now_ns ? verdict->at_ns : 0;
}

static void look_at_rate(struct look *l)
{
	const struct ration__bucket_conf *conf = &l->cell->conf.bucket;
	struct ration__verdict verdict =
		ration__bucket_ask(conf, l->record->bucket, l->now_ns, l->limit->estimate);

	set_kind(l, "rate");
	l->state->limit = conf->burst;
	l->state->rate = conf->rate;
	l->state->remaining = ration__bucket_remaining(conf, l->record->bucket, l->now_ns);
	l->state->at_ns = tokens_at(&verdict, l->now_ns);
}

static void look_at_adaptive(struct look *l)
{
	const struct ration__adaptive_conf *conf = &l->limit->adaptive;
	const struct ration__adaptive *state = l->record->adaptive;
	struct ration__verdict verdict =
		ration__adaptive_ask(conf, state, l->now_ns, l->limit->estimate);

	set_kind(l, "adaptive");
	l->state->limit = ration__adaptive_bucket(conf, state, l->now_ns).burst;
	l->state->rate = ration__adaptive_rate(conf, state, l->now_ns);
	l->state->remaining = ration__adaptive_remaining(conf, state, l->now_ns);
	l->state->at_ns = tokens_at(&verdict, l->now_ns);
}

static void set_counted(struct look *l, const struct ration__counter *counter)
{
	int64_t left = ration__counter_remaining(counter);

	l->state->limit = (double)counter->conf->max / RATION__MICRO;
	l->state->remaining = (double)ration__max64(left, 0) / RATION__MICRO;
	if (left < counter->conf->max)
		l->state->at_ns = l->now_ns + ration__max64(0, ration__counter_frees_at(counter) -
								       counter->now_ns);
}

static void look_at_window(struct look *l)
{
	bool quota = l->limit->kind == RATION__LIMIT_QUOTA;
	struct ration__counter counter;

	set_kind(l, quota ? "quota" : "window");
	l->wall_ns = quota ? ration__txn_wall(l->txn) : l->now_ns;
	l->unread = quota && l->record->absent;
	l->conf = l->cell->conf.window;
	l->calendar = l->limit->calendar;
	l->zone = l->cell->zone;
	counter = ration__counter_of(
		l->record, l->limit, &l->cell->conf.window, l->cell->zone, l->wall_ns);
	set_counted(l, &counter);
}

static void look_at_breaker(struct look *l)
{
	struct ration__breaker_conf scratch;
	const struct ration__breaker_conf *conf =
		ration__breaker_ready(l->keyset, l->record, &scratch);
	const struct ration__breaker *state = l->record->breaker;
	struct ration__verdict verdict = ration__breaker_ask(conf, state, l->now_ns);
	const char *name = conf->mode == RATION__BREAKER_FORCED_OPEN ? "forced-open"
			   : conf->mode == RATION__BREAKER_DISABLED  ? "disabled"
								     : NULL;

	set_kind(l, "breaker");
	snprintf(l->state->state, sizeof(l->state->state), "%s",
		name ? name : ration__breaker_state_name(state->state));
	l->state->limit = conf->trip_after;
	l->state->remaining = verdict.answer == RATION__YES;
	l->state->failures = state->failures;
	if (verdict.answer == RATION__NO)
		l->state->at_ns = verdict.at_ns;
}

/* Places of a limit that are had at once, although they are not settled yet, count as free
 * (lazy.c).
 */
static double places_left(const struct look *l, uint32_t limit)
{
	const struct ration__concurrency *state = l->record->concurrency;
	double left = (double)limit - state->in_flight;

	for (uint16_t i = 0; i < state->count && l->cell == l->keyset->concurrency; i++) {
		const struct ration__contender *member = &state->contenders[i];

		left += member->held && member->slot < RATION__SLOTS_MAX &&
			atomic_load(ration__slot_word(l->txn->store, member->slot));
	}
	return left < 0 ? 0 : left;
}

static void look_at_places(struct look *l)
{
	const struct ration__rules *rules = &l->keyset->guard->rules;
	bool per_key = l->cell == l->keyset->place;
	uint32_t limit = ration__concurrency_limit(
		per_key ? &rules->place : &rules->concurrency, l->record->concurrency);

	set_kind(l, per_key ? "place" : "concurrency");
	l->state->limit = limit;
	l->state->remaining = places_left(l, limit);
}

static void look_at_cooldown(struct look *l)
{
	bool cools = *l->record->rest_at_ns > l->now_ns;

	set_kind(l, "cooldown");
	l->state->remaining = !cools;
	l->state->at_ns = cools ? *l->record->rest_at_ns : 0;
}

static void look_at_budget(struct look *l)
{
	const struct ration__budget_conf *conf = &l->keyset->guard->rules.budget;

	set_kind(l, "budget");
	l->state->limit = conf->capacity;
	l->state->remaining = ration__budget_remaining(conf, l->record->budget);
}

/* Inside the transaction. */
static int look_at(struct look *l, const char *rule)
{
	struct ration__keyset *keyset = l->keyset;
	int rc;

	l->cell = ration__keyset_cell(keyset, rule, &l->limit);
	if (!l->cell)
		return RATION_EINVAL;
	rc = ration__cell_record(keyset->guard->engine, keyset, l->cell, &l->record);
	if (rc < 0)
		return rc;
	l->now_ns = l->txn->now_ns;
	if (l->limit)
		ration__record_wake(l->record, l->limit, l->cell, l->txn->wipe_ns);
	if (l->limit && l->limit->kind == RATION__LIMIT_BUCKET)
		look_at_rate(l);
	else if (l->limit && l->limit->kind == RATION__LIMIT_ADAPTIVE)
		look_at_adaptive(l);
	else if (l->limit)
		look_at_window(l);
	else if (l->cell == keyset->breaker)
		look_at_breaker(l);
	else if (l->cell == keyset->cooldown)
		look_at_cooldown(l);
	else if (l->cell == keyset->budget)
		look_at_budget(l);
	else
		look_at_places(l);
	return 0;
}

int ration__guard_state(
	struct ration__keyset *keyset, const char *rule, struct ration__rule_state *out)
{
	struct ration__engine *engine = keyset->guard->engine;
	struct ration__rule_state state = {0};
	struct look l = {.keyset = keyset, .state = &state};
	int rc = ration__keyset_begin(keyset, &l.txn);

	if (rc < 0)
		return rc;
	rc = look_at(&l, rule);
	ration__store_abort(l.txn); /* looks only */
	engine->set.txn = NULL;
	if (rc == RATION_EINVAL && strcmp(rule, "breaker") == 0) { /* it lets everything by */
		state = (struct ration__rule_state){
			.kind = "breaker", .state = "disabled", .remaining = 1};
		rc = 0;
	}
	pthread_mutex_unlock(&engine->mutex);
	if (rc == 0 && l.unread) {
		struct ration__quota quota = {0};
		struct ration__counter counter;

		rc = ration__ledger_read(
			engine, ration__cell_key(keyset, l.cell), l.cell->length, &quota);
		counter = ration__counter_of_quota(&quota, l.calendar, &l.conf, l.zone, l.wall_ns);
		set_counted(&l, &counter);
	}
	if (rc == 0)
		*out = state;
	return rc;
}

int ration__guard_remaining(struct ration__keyset *keyset, const char *limit, double *left)
{
	struct ration__rule_state state;
	int rc = ration__guard_state(keyset, limit, &state);

	if (rc == 0)
		*left = state.remaining;
	return rc;
}
