/* Selectors and the rules that they name. See selector.h. */
#include "guard/selector.h"

#include <stdio.h>
#include <string.h>

/* Up to one of `ends` that has no backslash before it. NULL: too long, or a backslash before what
 * needs none. */
static const char *take_part(const char *at, const char *ends, char *out, size_t size)
{
	size_t length = 0;

	for (; *at && !strchr(ends, *at); at++) {
		if (*at == '\\' && (!at[1] || !strchr("/,\\", *++at)))
			return NULL;
		if (length + 1 == size)
			return NULL;
		out[length++] = *at;
	}
	out[length] = 0;
	return at;
}

/* An origin's own slashes: those of its "://". */
static const char *take_service(const char *text, char out[RATION__NAME_MAX])
{
	size_t scheme = strcspn(text, ":/\\"), length = 0;

	if (scheme > 0 && strncmp(text + scheme, "://", 3) == 0)
		length = scheme + 3;
	if (length >= RATION__NAME_MAX)
		return NULL;
	memcpy(out, text, length);
	return take_part(text + length, "/", out + length, RATION__NAME_MAX - length);
}

int ration__selector_parse(const char *text, struct ration__selector *out, ration_error **err)
{
	const char *at = take_service(text, out->service);

	out->rule[0] = 0;
	out->has_values = false;
	out->value_count = 0;
	if (at && *at == '/') {
		at = take_part(at + 1, "/", out->rule, sizeof(out->rule));
		if (at && !out->rule[0])
			at = NULL;
	}
	if (at && *at == '/') {
		out->has_values = true;
		do {
			if (out->value_count == RATION__PER_MAX) {
				at = NULL;
				break;
			}
			at = take_part(at + 1, ",/", out->values[out->value_count],
				sizeof(out->values[0]));
			out->value_count++;
		} while (at && *at == ',');
	}
	if (at && !*at && out->service[0])
		return 0;
	return ration__error_set(err, RATION_EINVAL,
		"\"%s\": expected SERVICE, SERVICE/RULE or SERVICE/RULE/VALUE,VALUE, with a backslash "
		"before each slash, comma and backslash of a value",
		text);
}

size_t ration__selector_values(
	char *out, size_t size, const struct ration__key_part *values, size_t count)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (i > 0 && used + 1 < size)
			out[used++] = ',';
		for (uint8_t n = 0; n < values[i].length; n++) {
			char c = values[i].text[n];
			bool quoted = c == ',' || c == '/' || c == '\\';

			if (used + 1 + quoted >= size)
				break;
			if (quoted)
				out[used++] = '\\';
			out[used++] = c;
		}
	}
	if (size)
		out[used] = 0;
	return used;
}

enum ration__record_type ration__rule_type(const struct ration__limit *limit)
{
	switch (limit->kind) {
	case RATION__LIMIT_BUCKET:
		return RATION__RECORD_BUCKET;
	case RATION__LIMIT_ADAPTIVE:
		return RATION__RECORD_ADAPTIVE;
	case RATION__LIMIT_QUOTA:
		return RATION__RECORD_QUOTA;
	default:
		return RATION__RECORD_WINDOW;
	}
}

size_t ration__rule_list(
	const struct ration__rules *rules, struct ration__rule out[RATION__RULES_OF_MAX])
{
	size_t count = 0;

	for (uint32_t i = 0; i < rules->limit_count && i < RATION__LIMITS_MAX; i++)
		out[count++] = (struct ration__rule){ration__rule_type(&rules->limits[i]),
			&rules->limits[i], rules->limits[i].name, rules->limits[i].per};
	out[count++] =
		(struct ration__rule){RATION__RECORD_BREAKER, NULL, "breaker", rules->breaker_per};
	if (rules->concurrency.max)
		out[count++] = (struct ration__rule){
			RATION__RECORD_CONCURRENCY, NULL, "concurrency", NULL};
	if (rules->place.max)
		out[count++] = (struct ration__rule){
			RATION__RECORD_PLACE, NULL, "place", rules->place_per};
	out[count++] = (struct ration__rule){
		RATION__RECORD_COOLDOWN, NULL, "cooldown", rules->cooldown_per};
	if (rules->budget.capacity)
		out[count++] = (struct ration__rule){RATION__RECORD_BUDGET, NULL, "budget", NULL};
	return count;
}

size_t ration__rule_key_count(const struct ration__rule *rule)
{
	size_t count = 0;

	while (rule->per && count < RATION__PER_MAX && rule->per[count][0])
		count++;
	return count;
}

void ration__rule_key_names(char *out, size_t size, const struct ration__rule *rule)
{
	size_t count = ration__rule_key_count(rule), used = 0;

	out[0] = 0;
	for (size_t i = 0; i < count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%.*s", i ? "," : "",
			RATION__KEYNAME_MAX, rule->per[i]);
}

size_t ration__rule_key(uint8_t *out, const char *service, const struct ration__rule *rule,
	const struct ration__selector *values)
{
	struct ration__pair keys[RATION__PER_MAX];
	size_t count = values ? values->value_count : 0;

	for (size_t i = 0; i < count; i++)
		keys[i] = (struct ration__pair){rule->per[i], values->values[i]};
	return ration__key_build(out, rule->type, service, rule->limit ? rule->name : NULL,
		count ? rule->per : NULL, keys, count);
}
