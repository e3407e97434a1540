/* Differences between definitions. See difference.h. */
#include "guard/difference.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/units.h"

struct changes {
	char *out;
	size_t size;
	unsigned count;
};

static void add(struct changes *changes, const char *what, const char *before, const char *after)
{
	if (changes->count++ == 0)
		snprintf(changes->out, changes->size, "%s: %s -> %s", what, before, after);
}

/* One that has no numbers to be told by. */
static void add_if(struct changes *changes, bool differs, const char *what)
{
	if (differs && changes->count++ == 0)
		snprintf(changes->out, changes->size, "%s", what);
}

/* ---- limits ---- */

static void limit_words(char *out, size_t size, const struct ration__limit *limit)
{
	char number[32], duration[32];

	if (limit->kind == RATION__LIMIT_ADAPTIVE) {
		snprintf(out, size, "adaptive %.3g/s (%.3g to %.3g)", limit->adaptive.initial,
			limit->adaptive.min, limit->adaptive.max);
		return;
	}
	if (limit->kind == RATION__LIMIT_BUCKET) {
		struct ration__rate rate = {limit->bucket.rate, RATION__NS_PER_S};

		ration__format_rate(number, sizeof(number), &rate);
		ration__format_number(duration, sizeof(duration), limit->bucket.burst);
		snprintf(out, size, "%s burst %s", number, duration);
		return;
	}
	ration__format_number(number, sizeof(number), (double)limit->window.max / RATION__MICRO);
	ration__format_duration(duration, sizeof(duration), limit->window.window_ns);
	snprintf(out, size, "%s/%s", number, duration);
}

static const struct ration__limit *find(const struct ration__rules *rules, const char *name)
{
	for (uint32_t i = 0; i < rules->limit_count; i++)
		if (strcmp(rules->limits[i].name, name) == 0)
			return &rules->limits[i];
	return NULL;
}

/* NULL: it is not there. Its numbers may be the same, and whom or what it counts another. */
static void add_limit(struct changes *changes, const char *name, const struct ration__limit *old,
	const struct ration__limit *new)
{
	char before[128] = "none", after[128] = "none";

	if (old && new &&memcmp(old, new, sizeof(*old)) == 0)
		return;
	if (old)
		limit_words(before, sizeof(before), old);
	if (new)
		limit_words(after, sizeof(after), new);
	if (strcmp(before, after) == 0)
		snprintf(after, sizeof(after), "the same, of other calls, keys or units");
	add(changes, name, before, after);
}

static void add_limits(
	struct changes *changes, const struct ration__rules *old, const struct ration__rules *new)
{
	for (uint32_t i = 0; i < old->limit_count; i++)
		add_limit(changes, old->limits[i].name, &old->limits[i],
			find(new, old->limits[i].name));
	for (uint32_t i = 0; i < new->limit_count; i++)
		if (!find(old, new->limits[i].name))
			add_limit(changes, new->limits[i].name, NULL, &new->limits[i]);
}

/* An index of a limit says nothing when others came or went. */
static bool same_overrides(const struct ration__rules *old, const struct ration__rules *new)
{
	if (old->override_count != new->override_count)
		return false;
	for (uint32_t i = 0; i < old->override_count; i++) {
		const struct ration__override *a = &old->overrides[i], *b = &new->overrides[i];

		if (a->rate != b->rate || a->burst != b->burst || a->max != b->max ||
			strcmp(a->value, b->value) != 0 || a->limit >= old->limit_count ||
			b->limit >= new->limit_count ||
			strcmp(old->limits[a->limit].name, new->limits[b->limit].name) != 0)
			return false;
	}
	return true;
}

/* ---- the rest ---- */

static void add_concurrency(struct changes *changes, const struct ration__concurrency_conf *old,
	const struct ration__concurrency_conf *new)
{
	char before[16], after[16];

	if (memcmp(old, new, sizeof(*old)) == 0)
		return;
	snprintf(before, sizeof(before), "%u", old->max);
	snprintf(after, sizeof(after), "%u", new->max);
	add_if(changes, old->max == new->max, "concurrency is learned otherwise");
	if (old->max != new->max)
		add(changes, "concurrency", before, after);
}

static void add_breaker(struct changes *changes, const struct ration__breaker_conf *old,
	const struct ration__breaker_conf *new)
{
	char before[64], after[64];

	if (memcmp(old, new, sizeof(*old)) == 0)
		return;
	snprintf(before, sizeof(before), "%u failures, %.3g s", old->trip_after,
		(double)old->open_ns / 1e9);
	snprintf(after, sizeof(after), "%u failures, %.3g s", new->trip_after,
		(double)new->open_ns / 1e9);
	if (strcmp(before, after) == 0)
		snprintf(after, sizeof(after), "the same, other rates, probes or growth");
	add(changes, "breaker", before, after);
}

static void add_revision(struct changes *changes, uint64_t old, uint64_t new)
{
	char before[24], after[24];

	if (old == new)
		return;
	snprintf(before, sizeof(before), "%llu", (unsigned long long)old);
	snprintf(after, sizeof(after), "%llu", (unsigned long long)new);
	add(changes, "revision", before, after);
}

void ration__rules_difference(
	char *out, size_t size, const struct ration__rules *old, const struct ration__rules *new)
{
	struct changes changes = {.out = out, .size = size};
	size_t used;

	out[0] = 0;
	add_limits(&changes, old, new);
	add_if(&changes, !same_overrides(old, new), "overrides differ");
	add_concurrency(&changes, &old->concurrency, &new->concurrency);
	add_if(&changes,
		memcmp(&old->place, &new->place, sizeof(old->place)) != 0 ||
			memcmp(old->place_per, new->place_per, sizeof(old->place_per)) != 0,
		"concurrency per key differs");
	add_breaker(&changes, &old->breaker, &new->breaker);
	add_if(&changes, memcmp(old->breaker_per, new->breaker_per, sizeof(old->breaker_per)) != 0,
		"keys of the breaker differ");
	add_if(&changes, memcmp(&old->budget, &new->budget, sizeof(old->budget)) != 0,
		"budget of retries differs");
	add_if(&changes,
		memcmp(old->cooldown_per, new->cooldown_per, sizeof(old->cooldown_per)) != 0,
		"keys of the cooldown differ");
	add_revision(&changes, old->revision, new->revision);
	used = strlen(out);
	if (changes.count > 1)
		snprintf(out + used, size - used, " (and %u more change%s)", changes.count - 1,
			changes.count > 2 ? "s" : "");
}
