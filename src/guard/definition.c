/*
 * Definitions: whose rules are in force. They live in the store, so that a process that opens a
 * service with other numbers changes them for all at once, and nobody counts by other rules.
 *
 *     D service -> { rest (never), version, who, rules }
 *
 * A shared word counts the changes; whoever sees another number than its own reads its definitions
 * again, inside the transaction that it is in. Under engine.mutex.
 */
#include "guard/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "guard/difference.h"

struct definition {
	int64_t rest_at_ns; /* never */
	uint64_t version;   /* counts up at each replacement */
	char who[64];	    /* for people */
	struct ration__rules rules;
};

static_assert(sizeof(struct definition) <= RATION__VALUE_MAX, "definitions fit into the store");

/* What the fleet shares: all but each process's own choice. */
static bool same_rules(const struct ration__rules *a, const struct ration__rules *b)
{
	return memcmp(a, b, RATION__RULES_SHARED) == 0;
}

#define ENDS(text) (memchr(text, 0, sizeof(text)) != NULL)

static bool names_end(const char (*names)[RATION__KEYNAME_MAX], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!ENDS(names[i]))
			return false;
	return true;
}

static bool limit_is_sound(const struct ration__limit *limit)
{
	const struct ration__when *when = &limit->when;

	for (int k = 0; k < RATION__WHEN_KEYS; k++) {
		if (!ENDS(when->keys[k].name))
			return false;
		for (int v = 0; v < RATION__WHEN_VALUES; v++)
			if (!ENDS(when->keys[k].values[v]))
				return false;
	}
	return limit->kind >= RATION__LIMIT_BUCKET && limit->kind <= RATION__LIMIT_ADAPTIVE &&
	       (limit->kind == RATION__LIMIT_BUCKET || limit->kind == RATION__LIMIT_ADAPTIVE ||
		       (limit->calendar <= RATION__CALENDAR_MONTH &&
			       limit->window.window_ns > 0)) &&
	       ENDS(limit->name) && ENDS(limit->unit) && ENDS(limit->zone) && ENDS(when->path) &&
	       names_end(limit->per, RATION__PER_MAX);
}

/* Whoever wrote it: texts end, and what is looked up by it is there. Numbers out of their range let
 * through too much or too little; the policies survive them. */
static bool is_sound(const struct definition *definition)
{
	const struct ration__rules *rules = &definition->rules;

	if (rules->version != RATION__RULES_VERSION || rules->limit_count > RATION__LIMITS_MAX ||
		rules->override_count > RATION__OVERRIDES_MAX || !ENDS(definition->who) ||
		!ENDS(rules->service) || !names_end(rules->breaker_per, RATION__PER_MAX) ||
		!names_end(rules->place_per, RATION__PER_MAX) ||
		!names_end(rules->cooldown_per, RATION__PER_MAX))
		return false;
	for (uint32_t i = 0; i < rules->limit_count; i++)
		if (!limit_is_sound(&rules->limits[i]))
			return false;
	for (uint32_t i = 0; i < rules->override_count; i++)
		if (!ENDS(rules->overrides[i].value))
			return false;
	return true;
}

static int read_at(struct ration__txn *txn, const uint8_t *key, size_t key_length,
	const struct definition **out)
{
	const void *value;
	size_t length;
	int rc = ration__txn_get(
		txn, key, key_length, RATION__LAYOUT(RATION__RECORD_DEFINITION), &value, &length);

	if (rc < 0)
		return rc;
	if (length != sizeof(struct definition))
		return RATION_EEMPTY;
	*out = value;
	return is_sound(value) ? 0 : RATION_EEMPTY;
}

static int read_definition(
	const struct ration__guard *guard, struct ration__txn *txn, const struct definition **out)
{
	return read_at(txn, guard->definition_key, guard->definition_length, out);
}

int ration__definition_read(struct ration__engine *engine, struct ration__txn *txn,
	const char *service, struct ration__rules *out)
{
	uint8_t key[RATION__KEY_ROOM];
	size_t length =
		ration__key_build(key, RATION__RECORD_DEFINITION, service, NULL, NULL, NULL, 0);
	const struct definition *definition;
	int rc = read_at(txn, key, length, &definition);

	if (rc == 0)
		*out = definition->rules;
	return rc;
}

static void take_over(struct ration__guard *guard, const struct definition *definition)
{
	if (!same_rules(&guard->rules, &definition->rules)) {
		pthread_mutex_lock(&guard->rules_mutex);
		guard->rules = definition->rules;
		guard->rules.own = guard->own.own;
		ration__common_init(guard);
		pthread_mutex_unlock(&guard->rules_mutex);
		atomic_fetch_add(&guard->serial, 1);
		guard->changed = true;
		memcpy(guard->changed_by, definition->who, sizeof(guard->changed_by));
		guard->changed_by[sizeof(guard->changed_by) - 1] = 0;
	}
	guard->definition_version = definition->version;
}

static int write_definition(struct ration__guard *guard, struct ration__txn *txn,
	const struct ration__rules *rules, uint64_t version)
{
	struct definition *next = guard->engine->definition;

	memset(next, 0, sizeof(*next));
	next->rest_at_ns = RATION__NEVER;
	next->version = version;
	next->rules = *rules;
	snprintf(next->who, sizeof(next->who), "%.40s[%ld]", program_invocation_short_name,
		(long)getpid());
	guard->definition_version = version;
	return ration__txn_put(txn, guard->definition_key, guard->definition_length,
		RATION__LAYOUT(RATION__RECORD_DEFINITION), next, sizeof(*next));
}

int ration__definition_put(
	struct ration__guard *guard, struct ration__txn *txn, char *diff, size_t size)
{
	const struct definition *current = NULL;
	uint64_t version = 1;
	int rc = read_definition(guard, txn, &current);

	if (rc < 0 && rc != RATION_EEMPTY)
		return rc;
	if (rc == 0 && same_rules(&current->rules, &guard->own)) {
		guard->definition_version = current->version;
		return 0;
	}
	if (rc == 0 && guard->own.revision < current->rules.revision) {
		if (diff)
			snprintf(diff, size, "follows revision %llu of %s",
				(unsigned long long)current->rules.revision, current->who);
		take_over(guard, current);
		return 0;
	}
	if (rc == 0 && diff) {
		int used = snprintf(diff, size, "replaces the definition of %s: ", current->who);

		if (used > 0 && (size_t)used < size)
			ration__rules_difference(
				diff + used, size - (size_t)used, &current->rules, &guard->own);
	}
	if (rc == 0) {
		version = current->version + 1;
		atomic_fetch_add(ration__store_word(guard->engine->store, RATION__WORD_RULES), 1);
	}
	guard->defining = guard->engine->defining = true;
	return write_definition(guard, txn, &guard->own, version);
}

void ration__definition_end(struct ration__engine *engine, bool committed)
{
	if (!engine->defining)
		return;
	engine->defining = false;
	for (struct ration__guard *guard = engine->guards; guard; guard = guard->next) {
		if (!guard->defining)
			continue;
		guard->defining = false;
		if (!committed) {
			guard->definition_version = 0;
			engine->undefined = true;
		}
	}
}

int ration__definition_restore(struct ration__guard *guard, struct ration__txn *txn)
{
	const struct definition *current;
	int rc = read_definition(guard, txn, &current);

	if (rc == 0)
		take_over(guard, current);
	return rc == RATION_EEMPTY
		       ? write_definition(guard, txn, &guard->rules, guard->definition_version)
		       : rc;
}

int ration__definition_follow(struct ration__engine *engine, struct ration__txn *txn)
{
	uint64_t now = atomic_load_explicit(
		ration__store_word(engine->store, RATION__WORD_RULES), memory_order_acquire);

	if (now == engine->rules_seen && !engine->undefined)
		return 0;
	for (struct ration__guard *guard = engine->guards; guard; guard = guard->next) {
		const struct definition *current;
		int rc =
			guard->definition_version ? 0 : ration__definition_put(guard, txn, NULL, 0);

		if (rc == 0)
			rc = read_definition(guard, txn, &current);
		if (rc == RATION_EEMPTY)
			continue; /* hot/ was lost a moment ago; what we have is as good */
		if (rc < 0)
			return rc;
		if (current->version != guard->definition_version)
			take_over(guard, current);
	}
	engine->rules_seen = now;
	engine->undefined = false;
	return 0;
}

/* One that was changed, taken note of. */
static bool next_change(struct ration__engine *engine, char service[RATION__NAME_MAX], char who[64])
{
	struct ration__guard *guard;

	pthread_mutex_lock(&engine->mutex);
	for (guard = engine->guards; guard && !guard->changed; guard = guard->next)
		;
	if (guard) {
		guard->changed = false;
		memcpy(service, guard->rules.service, RATION__NAME_MAX);
		memcpy(who, guard->changed_by, 64);
	}
	pthread_mutex_unlock(&engine->mutex);
	return guard != NULL;
}

void ration__definition_report(struct ration__engine *engine)
{
	char service[RATION__NAME_MAX], who[64];

	while (next_change(engine, service, who)) {
		ration__engine_log(engine, RATION_LOG_WARNING,
			"service %s: definition replaced by %s", service, who);
		if (engine->event)
			engine->event(
				engine->event_arg, RATION_EVENT_DEFINITION, service, "", who, 0);
	}
}

size_t ration__definition_size(void)
{
	return sizeof(struct definition);
}
