/* Settings into members: which member and how wide it is stands in the table. */
#include "config/bind.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"

static_assert(sizeof(enum ration__methods) == 4 && sizeof(enum ration__jitter) == 4,
	"choices are stored as 32 bits");

static void store_integer(void *to, size_t width, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;

	if (width == sizeof(narrow))
		memcpy(to, &narrow, sizeof(narrow));
	else
		memcpy(to, &value, sizeof(value));
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Sorted: the order in which keys are named must not make another definition. */
static void store_names(char *to, size_t width, const char *text)
{
	struct ration__list list;
	size_t count = 0;

	memset(to, 0, width);
	ration__list_init(&list, text);
	while (ration__list_next(&list, to + count * RATION__KEYNAME_MAX, RATION__KEYNAME_MAX) == 1)
		count++;
	qsort(to, count, RATION__KEYNAME_MAX, compare_names);
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
	case RATION__TYPE_NUMBER:
		memcpy(to, &value.number, sizeof(value.number));
		break;
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

	return entry ? entry->text : setting->fallback;
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

int ration__bind_each(const ration_config *config, const char *service, const char *group,
	ration__bind_fn fn, void *arg)
{
	struct ration__path path;
	char prefix[RATION__PATH_MAX + 16];
	size_t at, length;
	int rc = 0;

	ration__bind_path(&path, "services.*", service, NULL);
	ration__path_push(&path, group);
	ration__path_format(&path, prefix);
	strcat(prefix, ".");
	length = strlen(prefix);
	at = ration__settings_lower(config, prefix);
	for (; rc == 0 && at < config->count && !strncmp(config->entries[at]->path, prefix, length);
		at++) {
		ration__path_parse(config->entries[at]->path, &path);
		rc = fn(arg, ration__path_part(&path, 3), config->entries[at]);
	}
	return rc;
}
