/*
 * A backoff signal by hand: adaptive limits decrease, as if the server had asked for it, and with a
 * time nobody sends for so long. See guard.h.
 */
#include "guard/command.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

#define BATCH RATION__WORKSET_MAX

struct slowing {
	size_t count, length[BATCH];
	uint8_t keys[BATCH][RATION__KEY_MAX];
};

static int add_record(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	struct slowing *s = arg;

	memcpy(s->keys[s->count], key, key_length);
	s->length[s->count++] = key_length;
	return 0;
}

/* Inside the transaction. */
static int slow_record(struct ration__command *c, struct ration__txn *txn,
	const struct ration__rule *rule, const uint8_t *key, size_t length)
{
	const struct ration__adaptive_conf *conf = &rule->limit->adaptive;
	struct ration__record *record;
	int rc = ration__workset_get(
		&c->engine->set, ration__hash64(key, length), key, length, 0, &record);

	if (rc < 0 || !record)
		return rc;
	if (record->absent && txn->wipe_ns)
		*record->adaptive = ration__adaptive_spent(conf, txn->wipe_ns);
	if (ration__adaptive_backoff(conf, record->adaptive, txn->now_ns, txn->now_ns,
		    c->ttl_ms * RATION__NS_PER_MS))
		ration__news_put(c->engine, RATION_EVENT_RATE_CUT, c->selector.service, rule->name,
			key, length, record->adaptive->rate);
	record->dirty = true;
	return 0;
}

static int hold_all(
	struct ration__command *c, struct ration__txn *txn, const uint8_t *key, size_t length)
{
	_Atomic uint64_t *word = ration__store_word(c->engine->store, RATION__WORD_COOLDOWN);
	int64_t until = txn->now_ns + c->ttl_ms * RATION__NS_PER_MS;
	struct ration__record *record;
	int rc = ration__workset_get(
		&c->engine->set, ration__hash64(key, length), key, length, 0, &record);

	if (rc < 0 || !record || *record->rest_at_ns >= until)
		return rc;
	*record->rest_at_ns = until;
	record->dirty = true;
	if ((int64_t)atomic_load(word) < until) /* only changed under the gate */
		atomic_store(word, (uint64_t)until);
	ration__news_put(c->engine, RATION_EVENT_COOLDOWN, c->selector.service, "cooldown", key,
		length, (double)c->ttl_ms / 1e3);
	return 0;
}

/* Those that there are, or the one that is named, which may be at rest. One hold of the gate. */
static int slow_some(struct ration__command *c, const struct ration__rule *rule, struct slowing *s,
	uint8_t *next, size_t *next_length)
{
	struct ration__engine *engine = c->engine;
	struct ration__news news[RATION__NEWS_MAX];
	struct ration__txn *txn;
	uint32_t news_count;
	uint8_t key[RATION__KEY_ROOM];
	size_t length = ration__rule_key(key, c->selector.service, rule, ration__command_values(c));
	int rc;

	s->count = 0;
	pthread_mutex_lock(&engine->mutex);
	rc = ration__store_begin(engine->store, -1, &txn);
	if (rc < 0)
		goto unlock;
	ration__workset_begin(&engine->set, txn);
	if (ration__command_many(c, rule))
		rc = ration__txn_visit(txn, key, length, *next_length ? next : NULL, *next_length,
			BATCH, add_record, s, next, next_length);
	else
		add_record(s, key, length, 0, NULL, 0);
	for (size_t i = 0; rc == 0 && i < s->count; i++)
		rc = rule->limit ? slow_record(c, txn, rule, s->keys[i], s->length[i])
				 : hold_all(c, txn, s->keys[i], s->length[i]);
	rc = ration__engine_end(engine, txn, rc);
unlock:
	news_count = ration__news_take(engine, news);
	pthread_mutex_unlock(&engine->mutex);
	if (rc == 0)
		ration__news_report(engine, news, news_count);
	return rc;
}

static int slow_rule(struct ration__command *c, const struct ration__rule *rule)
{
	struct slowing *s = malloc(sizeof(*s));
	uint8_t next[RATION__KEY_MAX];
	size_t next_length = 0;
	int rc;

	if (!s)
		return RATION_ENOMEM;
	do
		rc = slow_some(c, rule, s, next, &next_length);
	while (rc == 0 && next_length);
	free(s);
	return rc;
}

static bool is_slowed(const struct ration__command *c, const struct ration__rule *rule)
{
	if (c->rule && rule != c->rule)
		return false;
	if (rule->limit)
		return rule->limit->kind == RATION__LIMIT_ADAPTIVE;
	return rule->type == RATION__RECORD_COOLDOWN && c->ttl_ms > 0;
}

int ration__command_slow(struct ration__command *c)
{
	size_t found = 0;
	int rc = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct ration__rule *rule = &c->list[i];

		if (!is_slowed(c, rule))
			continue;
		found++;
		if (!rule->limit && ration__command_many(c, rule))
			return ration__command_refuse(c,
				"its cooldowns are per key: name whose, as in "
				"SERVICE/cooldown/VALUE");
	}
	if (!found && c->rule && c->rule->limit)
		return ration__command_refuse(
			c, "backoff is for adaptive limits and for SERVICE/cooldown");
	if (!found)
		return ration__command_refuse(c,
			"without a time, backoff slows adaptive limits down, and here is "
			"none");
	for (size_t i = 0; rc == 0 && i < c->count; i++)
		if (is_slowed(c, &c->list[i]))
			rc = slow_rule(c, &c->list[i]);
	ration__engine_wake_all(c->engine);
	return ration__command_error(c, rc);
}
