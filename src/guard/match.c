/* Which limits apply to a call. See match.h. */
#include "guard/match.h"

#include <string.h>

uint32_t ration__method_bit(const char *method)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} methods[] = {
		{"GET", RATION__METHOD_GET},
		{"HEAD", RATION__METHOD_HEAD},
		{"POST", RATION__METHOD_POST},
		{"PUT", RATION__METHOD_PUT},
		{"PATCH", RATION__METHOD_PATCH},
		{"DELETE", RATION__METHOD_DELETE},
		{"OPTIONS", RATION__METHOD_OPTIONS},
	};

	if (!method)
		return 0;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, method) == 0)
			return methods[i].bit;
	return RATION__METHOD_OTHER;
}

/* A pattern's parts: a byte that stands for itself, or one of these. */
#define WITHIN 256 /* any run without '/' */
#define ACROSS 257 /* any run */

static size_t split_pattern(const char *pattern, uint16_t parts[RATION__PATTERN_MAX])
{
	size_t count = 0;

	while (*pattern && count < RATION__PATTERN_MAX) {
		size_t stars = strspn(pattern, "*");

		parts[count++] = stars == 0 ? (uint8_t)*pattern : stars == 1 ? WITHIN : ACROSS;
		pattern += stars ? stars : 1;
	}
	return *pattern ? 0 : count;
}

/* Every way to match goes forward at once, so the time is pattern times text, whatever they are:
 * row[n] says whether the first n parts match the text so far. */
static bool run_pattern(const uint16_t *parts, size_t count, const char *text, size_t length)
{
	bool row[RATION__PATTERN_MAX + 1] = {true};

	for (size_t n = 0; n < count; n++)
		row[n + 1] = row[n] && parts[n] >= WITHIN;
	for (size_t i = 0; i < length; i++) {
		bool before = row[0], any = false;

		row[0] = false;
		for (size_t n = 0; n < count; n++) {
			bool here = row[n + 1];

			if (parts[n] == ACROSS)
				row[n + 1] = row[n] || here;
			else if (parts[n] == WITHIN)
				row[n + 1] = row[n] || (here && text[i] != '/');
			else
				row[n + 1] = before && parts[n] == (uint8_t)text[i];
			before = here;
			any |= row[n + 1];
		}
		if (!any)
			return false;
	}
	return row[count];
}

bool ration__pattern_matches(const char *pattern, const char *text, size_t length)
{
	uint16_t parts[RATION__PATTERN_MAX];
	size_t count;

	/* most paths differ from most patterns before the first star */
	while (*pattern && *pattern != '*') {
		if (length == 0 || *pattern != *text)
			return false;
		pattern++, text++, length--;
	}
	if (!*pattern)
		return length == 0;
	count = split_pattern(pattern, parts);
	return count > 0 && run_pattern(parts, count, text, length);
}

bool ration__rules_look(const struct ration__rules *rules)
{
	for (uint32_t i = 0; i < rules->limit_count; i++)
		if (rules->limits[i].when.methods || rules->limits[i].when.path[0])
			return true;
	return false;
}

uint32_t ration__rules_skip_call(
	const struct ration__rules *rules, const char *method, const char *path)
{
	uint32_t bit = ration__method_bit(method), skip = 0;
	size_t length = path ? strcspn(path, "?#") : 0;

	for (uint32_t i = 0; i < rules->limit_count; i++) {
		const struct ration__when *when = &rules->limits[i].when;

		if ((when->methods && !(when->methods & bit)) ||
			(when->path[0] &&
				(!path || !ration__pattern_matches(when->path, path, length))))
			skip |= UINT32_C(1) << i;
	}
	return skip;
}

/* A key that is not given has the empty value, as for a limit's own keys. */
static const char *value_of(const struct ration__pair *keys, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0)
			return keys[i].value;
	return "";
}

static bool keys_match(
	const struct ration__when *when, const struct ration__pair *keys, size_t key_count)
{
	for (int k = 0; k < RATION__WHEN_KEYS; k++) {
		const char *value;
		bool matches = false;

		if (!when->keys[k].name[0])
			continue;
		value = value_of(keys, key_count, when->keys[k].name);
		for (int v = 0; v < RATION__WHEN_VALUES && when->keys[k].values[v][0]; v++)
			matches |= ration__pattern_matches(
				when->keys[k].values[v], value, strlen(value));
		if (!matches)
			return false;
	}
	return true;
}

uint32_t ration__rules_skip_keys(
	const struct ration__rules *rules, const struct ration__pair *keys, size_t key_count)
{
	uint32_t skip = 0;

	for (uint32_t i = 0; i < rules->limit_count; i++)
		if (!keys_match(&rules->limits[i].when, keys, key_count))
			skip |= UINT32_C(1) << i;
	return skip;
}
