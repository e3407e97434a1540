/*
 * Steering: what an operator does to records by name. See guard.h for the words, selector.h for
 * the names, settings.h for what stays.
 *
 * Each hold of the gate is short, and a command that names many records is many transactions: who
 * decides meanwhile sees some of them done.
 */
#include "guard/command.h"

#include <stdlib.h>
#include <string.h>
#include "base/units.h"

#define TTL_MAX_MS INT64_C(3155760000000) /* 100 years */
#define BATCH 64

void ration__engine_wake_all(struct ration__engine *engine)
{
	for (uint16_t slot = 0; slot < RATION__SLOTS_MAX; slot++)
		if (slot != ration__store_slot(engine->store))
			ration__store_wake(engine->store, slot);
	ration__engine_notify(engine);
}

/* ---- reset ---- */

static int stop(void *arg, const void *key, size_t key_length, uint16_t type, const void *value,
	size_t length)
{
	return 1;
}

/* 1: there are records of that type that only know a hash of whose they are */
static int has_hashed(struct ration__engine *engine, enum ration__record_type type)
{
	const uint8_t prefix[2] = {(uint8_t)type, 0xff};
	struct ration__txn *txn;
	int rc;

	pthread_mutex_lock(&engine->mutex);
	rc = ration__store_begin(engine->store, -1, &txn);
	if (rc == 0) {
		rc = ration__txn_visit(
			txn, prefix, sizeof(prefix), NULL, 0, 1, stop, NULL, NULL, NULL);
		ration__store_abort(txn);
	}
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}

static int not_all(const struct ration__command *c, const struct ration__rule *rule)
{
	return ration__error_set(c->err, RATION_ETOOBIG,
		"%s: done, but for records whose key values are too long to be listed: name them, "
		"as in %s/%s/VALUE",
		c->text, c->selector.service, rule ? rule->name : "RULE");
}

static bool is_named(const struct ration__command *c, const struct ration__rule *rule)
{
	bool counts = rule->limit && rule->type != RATION__RECORD_QUOTA;

	return counts && (!c->rule || rule == c->rule) && !ration__command_many(c, rule);
}

/* After hot/ was lost an absent record counts as spent: those that are named are made. */
static int reset_absent(struct ration__command *c)
{
	struct ration__engine *engine = c->engine;
	uint8_t key[RATION__KEY_ROOM];
	struct ration__txn *txn;
	int rc;

	pthread_mutex_lock(&engine->mutex);
	rc = ration__store_begin(engine->store, -1, &txn);
	if (rc < 0)
		goto unlock;
	for (size_t i = 0; rc == 0 && txn->wipe_ns && i < c->count; i++)
		if (is_named(c, &c->list[i]))
			rc = ration__record_reset(engine, txn, key,
				ration__rule_key(key, c->selector.service, &c->list[i],
					ration__command_values(c)));
	if (rc == 0)
		rc = ration__store_commit(txn);
	else
		ration__store_abort(txn);
unlock:
	pthread_mutex_unlock(&engine->mutex);
	return rc;
}

static int reset(struct ration__command *c)
{
	static const char types[] = {RATION__RECORD_BUCKET, RATION__RECORD_ADAPTIVE,
		RATION__RECORD_WINDOW, RATION__RECORD_QUOTA, RATION__RECORD_BREAKER,
		RATION__RECORD_CONCURRENCY, RATION__RECORD_PLACE, RATION__RECORD_COOLDOWN,
		RATION__RECORD_BUDGET};
	uint8_t key[RATION__KEY_ROOM];
	size_t length;
	int rc = 0;

	if (c->rule) {
		length = ration__rule_key(
			key, c->selector.service, c->rule, ration__command_values(c));
		rc = ration__records_reset(c->engine, c->rule->type, key, length);
	}
	/* by type, not by rule: also what rules left behind that are no more */
	for (size_t i = 0; rc == 0 && !c->rule && i < RATION__COUNT(types); i++) {
		length = ration__key_build(key, (enum ration__record_type)types[i],
			c->selector.service, NULL, NULL, NULL, 0);
		rc = ration__records_reset(
			c->engine, (enum ration__record_type)types[i], key, length);
	}
	if (rc == 0)
		rc = reset_absent(c);
	ration__engine_wake_all(c->engine);
	for (size_t i = 0; rc == 0 && i < c->count; i++) {
		const struct ration__rule *rule = c->rule ? c->rule : &c->list[i];

		if (ration__command_many(c, rule))
			rc = has_hashed(c->engine, rule->type);
		if (rc == 1)
			return not_all(c, c->rule);
		if (c->rule)
			break;
	}
	return ration__command_error(c, rc);
}

/* ---- settings ---- */

static int64_t until_ns(const struct ration__command *c)
{
	return c->ttl_ms ? ration__clock_now(&c->engine->clock, RATION_CLOCK_WALL) +
				   c->ttl_ms * RATION__NS_PER_MS
			 : 0;
}

static int force(struct ration__command *c)
{
	const struct ration__operator setting = {.until_ns = until_ns(c),
		.breaker_mode = c->action == RATION__ACTION_OPEN ? RATION__BREAKER_FORCED_OPEN
								 : RATION__BREAKER_DISABLED,
		.max = -1};
	uint8_t key[RATION__KEY_ROOM];
	size_t length;

	for (size_t i = 0; i < c->count && !c->rule; i++)
		if (c->list[i].type == RATION__RECORD_BREAKER)
			c->rule = &c->list[i];
	if (c->rule->type != RATION__RECORD_BREAKER)
		return ration__command_refuse(
			c, "only a breaker can be opened or disabled: name SERVICE/breaker");
	length = ration__rule_key(key, c->selector.service, c->rule, ration__command_values(c));
	return ration__command_error(c, ration__operator_put(c->engine, key, length, &setting));
}

/* Is a number below what a call costs that does not say? Then every such call would be impossible
 * from here on. A max of 0 is no mistake: nothing at all. */
static int check_numbers(const struct ration__command *c)
{
	const struct ration__operator *numbers = &c->numbers;
	double estimate = c->rule->limit->estimate;
	bool burst = numbers->burst > 0 && numbers->burst < estimate;
	bool max = numbers->max > 0 && numbers->max < ration__window_amount(estimate);
	char number[32], least[32];

	if (!burst && !max)
		return 0;
	ration__format_number(number, sizeof(number),
		burst ? numbers->burst : (double)numbers->max / RATION__MICRO);
	ration__format_number(least, sizeof(least), estimate);
	return ration__error_set(c->err, RATION_EINVAL,
		"%s: %s: %s is below the limit's estimate: a call that does not say its cost could "
		"never go; expected at least %s%s",
		c->text, burst ? "burst" : "max", number, least,
		burst ? "" : ", or 0 for nothing at all");
}

/* Numbers that are not named stay as they were set before; the time limit is of them all. */
static int set(struct ration__command *c)
{
	struct ration__operator setting = {.max = -1};
	const struct ration__operator *numbers = &c->numbers;
	uint8_t key[RATION__KEY_ROOM];
	size_t length;
	uint32_t kind;
	int rc;

	if (!c->rule || !c->rule->limit || c->rule->limit->kind == RATION__LIMIT_ADAPTIVE)
		return ration__command_refuse(c,
			"set is for a rate limit, a window limit or a quota: name "
			"SERVICE/LIMIT");
	kind = c->rule->limit->kind;
	if (kind == RATION__LIMIT_BUCKET && numbers->max >= 0)
		return ration__command_refuse(c, "a rate limit has rate and burst, no max");
	if (kind != RATION__LIMIT_BUCKET && (numbers->rate > 0 || numbers->burst > 0))
		return ration__command_refuse(c, "this limit has a max, no rate and burst");
	rc = check_numbers(c);
	if (rc < 0)
		return rc;
	length = ration__rule_key(key, c->selector.service, c->rule, ration__command_values(c));
	rc = ration__settings_get(c->engine, key, length, &setting);
	if (rc < 0 && rc != RATION_EEMPTY)
		return ration__command_error(c, rc);
	setting.until_ns = until_ns(c);
	if (numbers->rate > 0)
		setting.rate = numbers->rate;
	if (numbers->burst > 0)
		setting.burst = numbers->burst;
	if (numbers->max >= 0)
		setting.max = numbers->max;
	return ration__command_error(c, ration__operator_put(c->engine, key, length, &setting));
}

/* Settings that a selector names, whether there is a definition of the service or not. */
struct matching {
	size_t lengths[4]; /* of the keys: what a setting's key is, or begins with */
	bool exactly, hashed;
	size_t count, length[BATCH];
	uint8_t keys[4][RATION__KEY_ROOM];
	uint8_t found[BATCH][RATION__KEY_MAX];
};

static int match(
	void *arg, const uint8_t *key, size_t length, const struct ration__operator *setting)
{
	struct matching *m = arg;
	bool found = false;

	for (size_t i = 0; i < RATION__COUNT(m->lengths); i++)
		found |= m->lengths[i] &&
			 (m->exactly ? length == m->lengths[i] : length >= m->lengths[i]) &&
			 memcmp(key, m->keys[i], m->lengths[i]) == 0;
	m->hashed |= !found && length > 1 && key[1] == 0xff;
	if (!found)
		return 0;
	memcpy(m->found[m->count], key, length);
	m->length[m->count++] = length;
	return m->count == BATCH;
}

static void match_init(struct matching *m, const struct ration__selector *selector)
{
	static const enum ration__record_type types[] = {RATION__RECORD_BUCKET,
		RATION__RECORD_WINDOW, RATION__RECORD_QUOTA, RATION__RECORD_BREAKER};
	static const struct ration__limit some_limit;
	/* what the keys are called does not matter: values stand in their order */
	char places[RATION__PER_MAX][RATION__KEYNAME_MAX] = {""};

	memset(m, 0, offsetof(struct matching, keys));
	m->exactly = selector->has_values;
	for (uint32_t i = 0; i < selector->value_count; i++)
		places[i][0] = (char)('a' + i);
	for (size_t i = 0; i < RATION__COUNT(types); i++) {
		bool breaker = types[i] == RATION__RECORD_BREAKER;
		const struct ration__rule rule = {.type = types[i],
			.limit = breaker || !selector->rule[0] ? NULL : &some_limit,
			.name = selector->rule,
			.per = places};

		if (!breaker || !selector->rule[0] || strcmp(selector->rule, "breaker") == 0)
			m->lengths[i] = ration__rule_key(
				m->keys[i], selector->service, &rule, m->exactly ? selector : NULL);
	}
}

/* 1: took something back; 0: there was nothing */
static int take_back(struct ration__command *c, struct matching *m)
{
	int taken = 0, rc;

	do {
		m->count = 0;
		rc = ration__settings_visit(c->engine, -1, match, m);
		for (size_t i = 0; rc >= 0 && i < m->count; i++) {
			rc = ration__operator_put(c->engine, m->found[i], m->length[i], NULL);
			taken = 1;
		}
	} while (rc >= 0 && m->count == BATCH);
	return rc < 0 ? rc : taken;
}

static int automatic(struct ration__command *c)
{
	struct matching *m = malloc(sizeof(*m));
	bool hashed;
	int rc;

	if (!m)
		return ration__error_set(c->err, RATION_ENOMEM, "out of memory");
	match_init(m, &c->selector);
	rc = take_back(c, m);
	hashed = m->hashed && !m->exactly;
	free(m);
	if (rc < 0)
		return ration__command_error(c, rc);
	if (rc == 0) { /* nothing was set: perhaps it is misspelt */
		rc = ration__command_load(c);
		if (rc == 0)
			rc = ration__command_find(c);
		if (rc < 0)
			return rc;
	}
	return hashed ? not_all(c, c->rule) : 0;
}

/* ---- all ---- */

static int run(struct ration__command *c, const char *action)
{
	int rc = ration__command_parse(c, action);

	if (rc == 0)
		rc = ration__selector_parse(c->text, &c->selector, c->err);
	if (rc < 0)
		return rc;
	if (c->ttl_ms < 0 || c->ttl_ms > TTL_MAX_MS)
		return ration__command_refuse(
			c, "a time of 0 (for good) up to 100 years is expected");
	if (c->ttl_ms && (c->action == RATION__ACTION_RESET || c->action == RATION__ACTION_AUTO))
		return ration__command_refuse(c, "reset and auto take no time");
	if (c->action == RATION__ACTION_AUTO)
		return automatic(c);
	rc = ration__command_load(c);
	if (rc == 0)
		rc = ration__command_find(c);
	if (rc < 0)
		return rc;
	switch (c->action) {
	case RATION__ACTION_RESET:
		return reset(c);
	case RATION__ACTION_SET:
		return set(c);
	case RATION__ACTION_BACKOFF:
		return ration__command_slow(c);
	default:
		return force(c);
	}
}

int ration__engine_control(struct ration__engine *engine, const char *selector, const char *action,
	int64_t ttl_ms, ration_error **err)
{
	struct ration__command c = {.engine = engine,
		.text = selector,
		.ttl_ms = ttl_ms,
		.numbers = {.max = -1},
		.err = err};
	int rc;

	if (ration__store_forked(engine->store))
		return ration__error_set(err, RATION_EFORK, "%s", ration_strerror(RATION_EFORK));
	rc = run(&c, action);
	free(c.rules);
	return rc;
}

int ration__engine_reset(struct ration__engine *engine, const char *selector, ration_error **err)
{
	return ration__engine_control(engine, selector, "reset", 0, err);
}
