/*
 * Selectors: how people name records.
 *
 *     SERVICE   SERVICE/RULE   SERVICE/RULE/VALUE,VALUE
 *
 * A slash, comma or backslash that is part of a name or value has a backslash before it; those of
 * an origin (http://host:port) need none. Values stand in the order of the rule's keys.
 */
#ifndef GUARD_SELECTOR_H
#define GUARD_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "guard/key.h"
#include "guard/rules.h"

struct ration__selector {
	char service[RATION__NAME_MAX];
	char rule[RATION__NAME_MAX]; /* "": all of them */
	bool has_values;
	uint32_t value_count;
	char values[RATION__PER_MAX][RATION__KEYVALUE_MAX + 1];
};

/* 0, or RATION_EINVAL with what was expected; *out is undefined then. */
int ration__selector_parse(const char *text, struct ration__selector *out, ration_error **err);
/* "VALUE,VALUE" as the parser reads it. Returns the text's length, at most size - 1: what does not
 * fit is left out. */
size_t ration__selector_values(
	char *out, size_t size, const struct ration__key_part *values, size_t count);

/* One of a service's rules: where its records are. */
struct ration__rule {
	enum ration__record_type type;
	const struct ration__limit *limit;	/* NULL: none of the limits and quotas */
	const char *name;			/* "requests", "breaker" */
	const char (*per)[RATION__KEYNAME_MAX]; /* "" ends */
};
#define RATION__RULES_OF_MAX (RATION__LIMITS_MAX + 5)
/* Lists them: limits and quotas first, then breaker, concurrency, place, cooldown and budget as far
 * as there are (a breaker always: one that is not configured can be forced open). Borrowed from
 * rules. Returns how many. */
size_t ration__rule_list(
	const struct ration__rules *rules, struct ration__rule out[RATION__RULES_OF_MAX]);
enum ration__record_type ration__rule_type(const struct ration__limit *limit);
/* The key of the rule's record for these values; without values what its records' keys begin with.
 * out: RATION__KEY_ROOM bytes. */
size_t ration__rule_key(uint8_t *out, const char *service, const struct ration__rule *rule,
	const struct ration__selector *values);
size_t ration__rule_key_count(const struct ration__rule *rule);
/* "a,b": the names of the rule's keys. */
void ration__rule_key_names(char *out, size_t size, const struct ration__rule *rule);

#endif
