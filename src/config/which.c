/* Which calls a limit applies to, and which key values have other numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/pair.h"
#include "config/limit.h"
#include "config/value.h"

static int compare_patterns(const void *a, const void *b)
{
	return strcmp(a, b);
}

int ration__when_compile(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err)
{
	char pattern[48];
	size_t count, at;

	snprintf(pattern, sizeof(pattern), "services.*.%s.*.when.keys", source->group);
	at = ration__bind_below_pattern(
		source->config, pattern, source->service, source->name, &count);
	for (size_t i = 0; i < count; i++) {
		const struct ration__entry *entry = source->config->entries[at + i];
		char(*values)[sizeof(limit->when.keys[0].values[0])];
		struct ration__path path;
		struct ration__list list;
		size_t n = 0;

		if (i == RATION__WHEN_KEYS)
			return ration__bind_fail(entry, NULL, NULL, NULL, err,
				"a limit looks at no more than 2 keys");
		ration__path_parse(entry->path, &path);
		if (!strcmp(ration__path_part(&path, 6), RATION__KEY_SERVICE))
			return ration__bind_fail(entry, NULL, NULL, NULL, err,
				"\"service\" is no key that a call gives: it stands for the "
				"service");
		snprintf(limit->when.keys[i].name, sizeof(limit->when.keys[i].name), "%s",
			ration__path_part(&path, 6));
		values = limit->when.keys[i].values;
		ration__list_init(&list, entry->text);
		while (ration__list_next(&list, values[n], sizeof(values[n])) == 1)
			n++;
		/* their order must not make another definition */
		qsort(values, n, sizeof(*values), compare_patterns);
	}
	return 0;
}

/* ---- overrides ---- */

struct override_source {
	struct ration__limit_source *limit;
	ration_error **err;
};

static int fail(struct override_source *source, const struct ration__entry *entry, const char *what)
{
	return ration__bind_fail(entry, NULL, NULL, NULL, source->err, what);
}

static struct ration__override *find_or_add(
	struct ration__rules *rules, uint32_t limit, const char *value)
{
	struct ration__override *override;

	for (uint32_t i = rules->override_count; i-- > 0;)
		if (rules->overrides[i].limit == limit && !strcmp(rules->overrides[i].value, value))
			return &rules->overrides[i];
	if (rules->override_count == RATION__OVERRIDES_MAX)
		return NULL;
	override = &rules->overrides[rules->override_count++];
	snprintf(override->value, sizeof(override->value), "%s", value);
	override->limit = limit;
	override->max = -1;
	return override;
}

static int set_max(struct override_source *source, const struct ration__entry *entry,
	const struct ration__limit *limit, struct ration__override *override)
{
	struct ration__value value;

	if (limit->kind == RATION__LIMIT_BUCKET)
		return fail(source, entry, "is of limits with max: this one has a rate");
	ration__value_parse(entry->setting, entry->text, &value);
	if (value.number > 0 && limit->estimate > value.number)
		return fail(source, entry,
			"is below estimate: a call that does not say its cost could never go");
	override->max = (int64_t)(value.number * RATION__MICRO);
	return 0;
}

static double rate_of(const struct ration__entry *entry)
{
	struct ration__value value;

	ration__value_parse(entry->setting, entry->text, &value);
	return ration__rate_per_second(&value.rate);
}

/* Once the rates are known: the override's own burst, or, beside a rate of its own, what follows
 * from it as the limit's burst follows from the limit's rate. */
static int set_burst(struct override_source *source, const struct ration__entry *entry, bool own,
	const struct ration__limit *limit, struct ration__override *override)
{
	double rate = override->rate > 0 ? override->rate : limit->bucket.rate;
	double tokens = rate > 1 ? rate : 1;
	const struct ration__entry *burst =
		own ? entry : ration__limit_entry(source->limit, "burst");
	struct ration__value value;

	if (burst) {
		ration__value_parse(burst->setting, burst->text, &value);
		tokens = value.is_duration ? rate * ((double)value.ns / 1e9) : value.number;
	}
	if (tokens < 1)
		return fail(source, entry, "makes a burst of less than one");
	if (tokens > 1e12)
		return fail(source, entry, "makes a burst of more than 1e12");
	if (tokens < limit->estimate)
		return fail(source, entry,
			"makes a burst below estimate: a call that does not say its cost could "
			"never go");
	override->burst = tokens;
	return 0;
}

static int check_limit(struct override_source *source, const struct ration__entry *entry,
	const struct ration__limit *limit)
{
	if (limit->kind == RATION__LIMIT_ADAPTIVE)
		return fail(source, entry,
			"an adaptive limit learns a rate for each value: it has no overrides");
	if (!*limit->per[0] || *limit->per[1])
		return fail(source, entry,
			"overrides need per with one key, such as per: [agent], whose values they "
			"name");
	return 0;
}

/* Of one limit. */
static int compare_overrides(const void *a, const void *b)
{
	return strcmp(((const struct ration__override *)a)->value,
		((const struct ration__override *)b)->value);
}

/* One setting of one value. Rates are known after the first pass, bursts are set in the second: for
 * each value that of `burst`, whose path comes first, and then that of `rate` alone. */
static int add_one(struct override_source *source, const struct ration__entry *entry,
	struct ration__rules *rules, uint32_t index, bool bursts)
{
	const struct ration__limit *limit = &rules->limits[index];
	struct ration__override *override;
	struct ration__path path;
	const char *leaf;

	ration__path_parse(entry->path, &path);
	leaf = ration__path_part(&path, 6);
	override = find_or_add(rules, index, ration__path_part(&path, 5));
	if (!override)
		return fail(source, entry, "a service has at most 64 overrides");
	if (!strcmp(leaf, "max"))
		return bursts ? 0 : set_max(source, entry, limit, override);
	if (limit->kind != RATION__LIMIT_BUCKET)
		return fail(source, entry, "is of limits with rate: this one has max and window");
	if (bursts)
		return override->burst > 0
			       ? 0
			       : set_burst(source, entry, !strcmp(leaf, "burst"), limit, override);
	if (!strcmp(leaf, "rate"))
		override->rate = rate_of(entry);
	return 0;
}

int ration__overrides_compile(struct ration__limit_source *source, struct ration__rules *rules,
	uint32_t index, ration_error **err)
{
	struct override_source from = {.limit = source, .err = err};
	uint32_t first = rules->override_count;
	char pattern[48];
	size_t count, at;
	int rc;

	snprintf(pattern, sizeof(pattern), "services.*.%s.*.overrides", source->group);
	at = ration__bind_below_pattern(
		source->config, pattern, source->service, source->name, &count);
	if (!count)
		return 0;
	rc = check_limit(&from, source->config->entries[at], &rules->limits[index]);
	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = at; rc == 0 && i < at + count; i++)
			rc = add_one(&from, source->config->entries[i], rules, index, pass == 1);
	if (rc == 0)
		qsort(rules->overrides + first, rules->override_count - first,
			sizeof(*rules->overrides), compare_overrides);
	return rc;
}
