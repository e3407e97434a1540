/* What an operator wants of which records. See command.h. */
#include "guard/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/units.h"

#define NUMBER_MIN 1e-6
#define NUMBER_MAX 1e12
#define SERVICES_NAMED 64 /* in an error */

int ration__command_refuse(const struct ration__command *c, const char *why)
{
	return ration__error_set(c->err, RATION_EINVAL, "%s: %s", c->text, why);
}

int ration__command_error(const struct ration__command *c, int rc)
{
	return rc >= 0 ? rc
		       : ration__error_set(c->err, rc, "%s: %s", c->text,
				 rc == RATION_EFULL ? "the store has as many settings as it keeps; "
						      "take some back with auto"
						    : ration_strerror(rc));
}

/* ---- what is wanted ---- */

static int parse_rate(struct ration__command *c, const char *text)
{
	struct ration__rate rate;
	double per_second;

	if (ration__parse_rate(text, &rate) < 0)
		return ration__error_set(c->err, RATION_EINVAL,
			"rate: \"%s\": expected a rate such as 3/s, 180/min or 1000/24h", text);
	per_second = ration__rate_per_second(&rate);
	if (per_second < RATION__RATE_MIN || per_second > RATION__RATE_MAX)
		return ration__error_set(c->err, RATION_EINVAL,
			"rate: \"%s\": expected a rate from 1e-9/s to 1e9/s", text);
	c->numbers.rate = per_second;
	return 0;
}

static int parse_number(struct ration__command *c, const char *key, const char *text)
{
	bool burst = strcmp(key, "burst") == 0;
	double number;

	if (strcmp(key, "rate") == 0)
		return parse_rate(c, text);
	if (!burst && strcmp(key, "max") != 0)
		return ration__error_set(c->err, RATION_EINVAL,
			"set: \"%s\": expected rate=RATE, burst=NUMBER or max=NUMBER", key);
	if (ration__parse_number(text, &number) < 0 || number > NUMBER_MAX ||
		(burst ? number < 1 : number > 0 && number < NUMBER_MIN))
		return ration__error_set(c->err, RATION_EINVAL, "%s: \"%s\": expected %s", key,
			text,
			burst ? "a number from 1 to 1e12" : "0, or a number from 0.000001 to 1e12");
	if (burst)
		c->numbers.burst = number;
	else
		c->numbers.max = ration__window_amount(number);
	return 0;
}

static int parse_set(struct ration__command *c, const char *text)
{
	char copy[256], *rest = copy, *word;
	int rc = snprintf(copy, sizeof(copy), "%s", text) < (int)sizeof(copy) ? 0 : RATION_EINVAL;
	int found = 0;

	while (rc == 0 && (word = strtok_r(rest, " \t", &rest)) != NULL) {
		char *value = strchr(word, '=');

		if (!value)
			return ration__error_set(
				c->err, RATION_EINVAL, "set: \"%s\": expected KEY=NUMBER", word);
		*value++ = 0;
		rc = parse_number(c, word, value);
		found++;
	}
	if (rc < 0 || found)
		return rc;
	return ration__error_set(
		c->err, RATION_EINVAL, "set: expected numbers, such as set rate=5/s burst=10");
}

int ration__command_parse(struct ration__command *c, const char *action)
{
	static const char *const names[] = {
		[RATION__ACTION_RESET] = "reset",
		[RATION__ACTION_OPEN] = "open",
		[RATION__ACTION_DISABLE] = "disable",
		[RATION__ACTION_AUTO] = "auto",
		[RATION__ACTION_SET] = "set",
		[RATION__ACTION_BACKOFF] = "backoff",
	};
	size_t length = strcspn(action, " \t");

	for (size_t i = 0; i < RATION__COUNT(names); i++) {
		if (strlen(names[i]) != length || memcmp(names[i], action, length) != 0)
			continue;
		c->action = (enum ration__action)i;
		if (c->action == RATION__ACTION_SET)
			return parse_set(c, action + length);
		if (!action[length])
			return 0;
	}
	return ration__error_set(c->err, RATION_EINVAL,
		"\"%s\": expected reset, open, disable, auto, backoff, or set with numbers, such "
		"as set rate=5/s burst=10 or set max=1000",
		action);
}

/* ---- what it is wanted of ---- */

struct names {
	size_t count, used;
	char text[512];
};

static void add_name(struct names *names, const char *name, size_t length)
{
	int added = snprintf(names->text + names->used, sizeof(names->text) - names->used, "%s%.*s",
		names->count++ ? ", " : "", (int)length, name);

	if (names->used + (size_t)added < sizeof(names->text))
		names->used += (size_t)added;
	else /* an error is no list of thousands */
		snprintf(names->text + sizeof(names->text) - 5, 5, " ...");
}

static int add_service(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	struct ration__key_part service;

	if (ration__key_split(key, key_length, &service, 1) == 1)
		add_name(arg, service.text, service.length);
	return 0;
}

int ration__command_load(struct ration__command *c)
{
	static const uint8_t definitions = RATION__RECORD_DEFINITION;
	struct ration__engine *engine = c->engine;
	struct names names = {.text = "no service at all"};
	struct ration__txn *txn;
	int rc;

	c->rules = malloc(sizeof(*c->rules));
	if (!c->rules)
		return ration__error_set(c->err, RATION_ENOMEM, "out of memory");
	pthread_mutex_lock(&engine->mutex);
	rc = ration__store_begin(engine->store, -1, &txn);
	if (rc == 0) {
		rc = ration__definition_read(engine, txn, c->selector.service, c->rules);
		if (rc == RATION_EEMPTY)
			ration__txn_visit(txn, &definitions, 1, NULL, 0, SERVICES_NAMED,
				add_service, &names, NULL, NULL);
		ration__store_abort(txn);
	}
	pthread_mutex_unlock(&engine->mutex);
	if (rc == RATION_EEMPTY)
		return ration__error_set(c->err, RATION_ESERVICE,
			"\"%s\": no such service; the store knows %s", c->selector.service,
			names.text);
	return ration__command_error(c, rc);
}

int ration__command_find(struct ration__command *c)
{
	struct names names = {0};
	char keys[RATION__PER_MAX * (RATION__KEYNAME_MAX + 1)];
	size_t wanted;

	c->count = ration__rule_list(c->rules, c->list);
	for (size_t i = 0; i < c->count && c->selector.rule[0] && !c->rule; i++)
		if (strcmp(c->list[i].name, c->selector.rule) == 0)
			c->rule = &c->list[i];
	if (c->selector.rule[0] && !c->rule) {
		for (size_t i = 0; i < c->count; i++)
			add_name(&names, c->list[i].name, strlen(c->list[i].name));
		return ration__error_set(c->err, RATION_EINVAL,
			"\"%s\": service %s has no such rule; it has %s", c->selector.rule,
			c->selector.service, names.text);
	}
	wanted = c->rule ? ration__rule_key_count(c->rule) : 0;
	if (!c->selector.has_values || c->selector.value_count == wanted)
		return 0;
	if (wanted == 0)
		return ration__command_refuse(
			c, "the rule has no keys, so no values are to be named");
	ration__rule_key_names(keys, sizeof(keys), c->rule);
	return ration__error_set(
		c->err, RATION_EINVAL, "%s: expected a value each of %s", c->text, keys);
}

const struct ration__selector *ration__command_values(const struct ration__command *c)
{
	return c->selector.has_values ? &c->selector : NULL;
}

bool ration__command_many(const struct ration__command *c, const struct ration__rule *rule)
{
	return !c->selector.has_values && ration__rule_key_count(rule) > 0;
}
