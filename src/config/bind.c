/* Settings into members: which member and how wide it is stands in the table. */
#include "config/bind.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/pair.h"
#include "config/profile.h"
#include "config/value.h"

static_assert(sizeof(enum ration__methods) == 4 && sizeof(enum ration__jitter) == 4,
	"choices are stored as 32 bits");

static void store_integer(void *to, size_t width, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;

	if (width == 1)
		*(uint8_t *)to = (uint8_t)value;
	else if (width == sizeof(narrow))
		memcpy(to, &narrow, sizeof(narrow));
	else
		memcpy(to, &value, sizeof(value));
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Sorted: the order in which keys are named must not make another definition. "service" among them
 * stands for none. */
static void store_names(char *to, size_t width, const char *text)
{
	struct ration__list list;
	char name[RATION__KEYNAME_MAX];
	size_t count = 0;

	memset(to, 0, width);
	ration__list_init(&list, text);
	while (ration__list_next(&list, name, sizeof(name)) == 1)
		if (strcmp(name, RATION__KEY_SERVICE) != 0)
			strcpy(to + count++ * RATION__KEYNAME_MAX, name);
	qsort(to, count, RATION__KEYNAME_MAX, compare_names);
}

/* A bit for each of the words in the list. */
static uint32_t choice_bits(const struct ration__setting *setting, const char *text)
{
	struct ration__list list;
	char item[32];
	uint32_t bits = 0;

	ration__list_init(&list, text);
	while (ration__list_next(&list, item, sizeof(item)) == 1)
		bits |= UINT32_C(1) << ration__word_index(setting->words, item);
	return bits;
}

void ration__bind_statuses(struct ration__status_set *to, const char *text)
{
	struct ration__list list;
	char item[8];

	/* no answer has status 0: it says that the set was chosen, be it empty */
	*to = (struct ration__status_set){.bits = {1}};
	ration__list_init(&list, text);
	while (ration__list_next(&list, item, sizeof(item)) == 1) {
		int from = ration__parse_status(item), end = from + 1;

		if (from < 10) {
			from *= 100;
			end = from + 100;
		}
		for (; from < end; from++)
			to->bits[from / 64] |= UINT64_C(1) << from % 64;
	}
}

void ration__bind_store(const struct ration__setting *setting, const char *text, void *structure)
{
	char *to = (char *)structure + setting->offset;
	struct ration__value value;

	ration__value_parse(setting, text, &value);
	switch (setting->type) {
	case RATION__TYPE_DURATION:
		memcpy(to, &value.ns, sizeof(value.ns));
		break;
	case RATION__TYPE_SIZE:
	case RATION__TYPE_UINT:
	case RATION__TYPE_CHOICE:
		store_integer(to, setting->width, value.integer);
		break;
	case RATION__TYPE_CHOICES:
		store_integer(to, setting->width, choice_bits(setting, text));
		break;
	case RATION__TYPE_RATE:
		value.number = ration__rate_per_second(&value.rate);
		/* fallthrough */
	case RATION__TYPE_NUMBER:
	case RATION__TYPE_PART:
		memcpy(to, &value.number, sizeof(value.number));
		break;
	case RATION__TYPE_TEXT:
	case RATION__TYPE_PATTERN:
	case RATION__TYPE_NAME:
		snprintf(to, setting->width, "%s", text);
		break;
	case RATION__TYPE_NAMES:
		store_names(to, setting->width, text);
		break;
	default:
		assert(!"a setting of this type has no member");
	}
}

void ration__bind_path(
	struct ration__path *path, const char *pattern, const char *service, const char *name)
{
	char part[RATION__PART_MAX];
	size_t length, stars = 0;
	const char *at;

	ration__path_init(path);
	while ((at = ration__pattern_next(&pattern, &length))) {
		snprintf(part, sizeof(part), "%.*s", (int)length, at);
		ration__path_push(path, *at != '*' ? part : stars++ ? name : service);
	}
}

const struct ration__entry *ration__bind_entry(
	const ration_config *config, const char *pattern, const char *service, const char *name)
{
	struct ration__path path;

	ration__bind_path(&path, pattern, service, name);
	return ration__settings_find(config, &path);
}

const char *ration__bind_text(const ration_config *config, const struct ration__setting *setting,
	const char *service, const char *name)
{
	const struct ration__entry *entry =
		ration__bind_entry(config, setting->pattern, service, name);

	return entry ? entry->text : ration__bind_default(config, setting, service);
}

const char *ration__bind_default(
	const ration_config *config, const struct ration__setting *setting, const char *service)
{
	const char *profile = ration__profile_text(config, setting, service);

	return profile ? profile : setting->fallback;
}

void ration__bind_all(const ration_config *config, enum ration__setting_target target,
	const char *prefix, const char *service, const char *name, void *structure)
{
	for (size_t i = 0; i < ration__schema_count; i++) {
		const struct ration__setting *setting = &ration__schema[i];
		const char *text;

		if (setting->target != target || strncmp(setting->pattern, prefix, strlen(prefix)))
			continue;
		text = ration__bind_text(config, setting, service, name);
		if (text)
			ration__bind_store(setting, text, structure);
	}
}

/* ---- contradictions ---- */

int ration__bind_fail(const struct ration__entry *entry, const char *pattern, const char *service,
	const char *name, ration_error **err, const char *what)
{
	struct ration__place place = {0};
	struct ration__path path;
	char text[RATION__PATH_MAX + 16];

	if (entry) {
		place = (struct ration__place){
			entry->file, entry->line, entry->column, entry->path};
	} else {
		ration__bind_path(&path, pattern, service, name);
		ration__path_format(&path, text);
		place.path = text;
	}
	return ration__error_set_at(err, RATION_ECONFIG, &place, "%s", what);
}

int ration__bind_fail_service(const char *service, ration_error **err)
{
	return ration__error_set(err, RATION_ESERVICE, "%s: no such service", service);
}

/* ---- what stands below a path ---- */

size_t ration__bind_below(const ration_config *config, const char *above, size_t *count)
{
	char prefix[RATION__PATH_MAX + 32];
	size_t at, length = (size_t)snprintf(prefix, sizeof(prefix), "%s.", above);

	at = ration__settings_lower(config, prefix);
	for (*count = 0; at + *count < config->count; (*count)++)
		if (strncmp(config->entries[at + *count]->path, prefix, length))
			break;
	return at;
}

size_t ration__bind_below_pattern(const ration_config *config, const char *pattern,
	const char *service, const char *name, size_t *count)
{
	struct ration__path path;
	char above[RATION__PATH_MAX + 16];

	ration__bind_path(&path, pattern, service, name);
	ration__path_format(&path, above);
	return ration__bind_below(config, above, count);
}

int ration__bind_each(const ration_config *config, const char *service, const char *group,
	ration__bind_fn fn, void *arg)
{
	struct ration__path path;
	char pattern[48];
	size_t at, count;
	int rc = 0;

	snprintf(pattern, sizeof(pattern), "services.*.%s", group);
	at = ration__bind_below_pattern(config, pattern, service, NULL, &count);
	for (size_t i = at; rc == 0 && i < at + count; i++) {
		ration__path_parse(config->entries[i]->path, &path);
		rc = fn(arg, ration__path_part(&path, 3), config->entries[i]);
	}
	return rc;
}
