/* The map of settings: checking and making entries, finding and replacing them. */
#include "config/settings.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/token.h"
#include "base/util.h"
#include "config/value.h"

enum { SHOWN_MAX = 64 }; /* bytes of a bad value in an error */

void ration__entries_fini(struct ration__entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->list[i]);
	free(entries->list);
	*entries = (struct ration__entries){0};
}

/* ---- making ---- */

static int fail_memory(ration_error **err)
{
	return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
}

/* Headers' names are compared without case: the path has them in lower case. */
static void fold_header(struct ration__path *path)
{
	if (path->count == 4 && !strcmp(ration__path_part(path, 2), "headers"))
		for (char *c = path->text + path->at[3]; *c; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c - 'A' + 'a');
}

void ration__path_follow(struct ration__path *path, const char *alias)
{
	char part[RATION__PART_MAX];
	size_t length;
	const char *at;

	while (path->count > 2)
		ration__path_pop(path);
	while ((at = ration__pattern_next(&alias, &length))) {
		snprintf(part, sizeof(part), "%.*s", (int)length, at);
		ration__path_push(path, part);
	}
}

/* A value is shown as it was written, unless it may be a secret. */
static int fail_value(const struct ration__setting *setting, const char *text,
	const struct ration__place *place, ration_error **err)
{
	bool is_place = setting->type == RATION__TYPE_URIS || setting->type == RATION__TYPE_PROXY;
	bool hide = setting->type == RATION__TYPE_HEADER || setting->type == RATION__TYPE_SECRET ||
		    (is_place && strchr(text, '@'));
	size_t length = strlen(text);
	bool cut = length > SHOWN_MAX;

	/* not in the middle of a UTF-8 sequence */
	if (cut)
		for (length = SHOWN_MAX; length && ((unsigned char)text[length] & 0xc0) == 0x80;)
			length--;
	if (hide)
		return ration__error_set_at(err, RATION_ECONFIG, place,
			"(value hidden): expected %s", setting->expected);
	return ration__error_set_at(err, RATION_ECONFIG, place, "\"%.*s%s\": expected %s",
		(int)length, text, cut ? "..." : "", setting->expected);
}

static int fail_unknown(
	const struct ration__path *path, const struct ration__place *place, ration_error **err)
{
	struct ration__buffer text;
	int rc;

	ration__buffer_init(&text, 0);
	ration__schema_explain(path, &text);
	rc = text.failed ? fail_memory(err)
			 : ration__error_set_at(err, RATION_ECONFIG, place, "%s", text.data);
	ration__buffer_fini(&text);
	return rc;
}

static struct ration__entry *entry_alloc(const char *path, const char *name, const char *text)
{
	size_t path_size = strlen(path) + 1, name_size = strlen(name) + 1, size = strlen(text) + 1;
	struct ration__entry *entry = malloc(sizeof(*entry) + path_size + name_size + size);
	char *at;

	if (!entry)
		return NULL;
	at = (char *)(entry + 1);
	*entry = (struct ration__entry){
		.path = memcpy(at, path, path_size),
		.name = memcpy(at + path_size, name, name_size),
		.text = memcpy(at + path_size + name_size, text, size),
	};
	return entry;
}

struct ration__entry *ration__entry_copy(const struct ration__entry *entry)
{
	struct ration__entry *copy = entry_alloc(entry->path, entry->name, entry->text);

	if (copy) {
		copy->setting = entry->setting;
		copy->file = entry->file;
		copy->line = entry->line;
		copy->column = entry->column;
	}
	return copy;
}

struct ration__entry *ration__entry_name(const char *environment)
{
	struct ration__entry *entry = entry_alloc("", environment, "");

	if (entry)
		entry->environment = environment;
	return entry;
}

int ration__entry_new(const struct ration__path *path, const char *text,
	const struct ration__place *where, struct ration__entry **out, ration_error **err)
{
	const struct ration__setting *setting = ration__schema_find(path);
	struct ration__place place = *where;
	struct ration__path canonical = *path;
	struct ration__value value;
	char shown[RATION__PATH_MAX + 16], name[RATION__PART_MAX], number[24];
	char long_path[RATION__PATH_MAX + 16 + RATION__PART_MAX];
	const char *expected;
	struct ration__entry *entry;

	ration__path_format(path, shown);
	snprintf(long_path, sizeof(long_path), "%s%s", where->path ? where->path : "", shown);
	place.path = long_path;
	if (!strcmp(ration__path_part(path, 0), "environments"))
		return ration__error_set_at(err, RATION_ECONFIG, &place,
			"stands in files only: expected %s", setting ? setting->expected : "a map");
	if (!setting)
		return fail_unknown(path, &place, err);
	expected = ration__schema_check_names(path);
	if (expected)
		return ration__error_set_at(err, RATION_ECONFIG, &place, "expected %s", expected);
	if (strlen(text) > RATION__TEXT_MAX || ration__value_parse(setting, text, &value) < 0)
		return fail_value(setting, text, &place, err);
	if (setting->alias) {
		ration__path_follow(&canonical, setting->alias);
		if (!strcmp(ration__path_part(path, path->count - 1), "retries")) {
			snprintf(number, sizeof(number), "%" PRIu64, value.integer + 1);
			text = number;
		} else if (!strcmp(setting->alias, "breaker.mode")) {
			text = "disabled";
		}
		setting = ration__schema_find(&canonical);
	}
	strcpy(name, ration__path_part(&canonical, canonical.count - 1));
	fold_header(&canonical);
	ration__path_format(&canonical, shown);
	entry = entry_alloc(shown, name, text);
	if (!entry)
		return fail_memory(err);
	entry->setting = setting;
	entry->file = where->file;
	entry->line = where->line;
	entry->column = where->column;
	*out = entry;
	return 0;
}

int ration__entries_add(struct ration__entries *entries, struct ration__entry *entry,
	const struct ration__place *place, ration_error **err)
{
	if (entries->count == RATION__SETTINGS_MAX)
		return ration__error_set_at(
			err, RATION_ECONFIG, place, "more than %d settings", RATION__SETTINGS_MAX);
	if (entries->count == entries->capacity) {
		size_t capacity = entries->capacity ? 2 * entries->capacity : 16;
		struct ration__entry **list = realloc(entries->list, capacity * sizeof(*list));

		if (!list)
			return fail_memory(err);
		entries->list = list;
		entries->capacity = capacity;
	}
	entries->list[entries->count++] = entry;
	return 0;
}

/* ---- finding ---- */

size_t ration__settings_lower(const ration_config *config, const char *path)
{
	size_t low = 0, high = config->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(config->entries[middle]->path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct ration__entry *ration__settings_find(
	const ration_config *config, const struct ration__path *path)
{
	struct ration__path canonical = *path;
	char text[RATION__PATH_MAX + 16];
	size_t at;

	fold_header(&canonical);
	ration__path_format(&canonical, text);
	at = ration__settings_lower(config, text);
	if (at < config->count && !strcmp(config->entries[at]->path, text))
		return config->entries[at];
	return NULL;
}

size_t ration__settings_service(const ration_config *config, const char *name)
{
	size_t low = 0, high = config->service_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(config->services[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- replacing ---- */

const char *ration__settings_file(ration_config *config, const char *name)
{
	char **files;

	for (size_t i = 0; i < config->file_count; i++)
		if (!strcmp(config->files[i], name))
			return config->files[i];
	files = realloc(config->files, (config->file_count + 1) * sizeof(*files));
	if (!files)
		return NULL;
	config->files = files;
	files[config->file_count] = strdup(name);
	return files[config->file_count] ? files[config->file_count++] : NULL;
}

/* Room for `extra` more of each, so that nothing can fail halfway. */
static int reserve(ration_config *config, size_t extra)
{
	if (config->count + extra > config->capacity) {
		size_t capacity = 2 * config->capacity + extra;
		struct ration__entry **list = realloc(config->entries, capacity * sizeof(*list));

		if (!list)
			return RATION_ENOMEM;
		config->entries = list;
		config->capacity = capacity;
	}
	if (config->service_count + extra > config->service_capacity) {
		size_t capacity = 2 * config->service_capacity + extra;
		struct ration__service_name *list =
			realloc(config->services, capacity * sizeof(*list));

		if (!list)
			return RATION_ENOMEM;
		config->services = list;
		config->service_capacity = capacity;
	}
	return 0;
}

static void add_service(ration_config *config, const char *entry_path)
{
	struct ration__service_name *services = config->services;
	struct ration__path path;
	const char *name;
	size_t at;

	ration__path_parse(entry_path, &path); /* was formatted by path.c */
	if (strcmp(ration__path_part(&path, 0), "services"))
		return;
	name = ration__path_part(&path, 1);
	at = ration__settings_service(config, name);
	if (at < config->service_count && !strcmp(services[at].name, name))
		return;
	memmove(services + at + 1, services + at, (config->service_count - at) * sizeof(*services));
	config->service_count++;
	snprintf(services[at].name, sizeof(services[at].name), "%s", name);
}

static void put(ration_config *config, struct ration__entry *entry)
{
	size_t at = ration__settings_lower(config, entry->path);

	if (at < config->count && !strcmp(config->entries[at]->path, entry->path)) {
		free(config->entries[at]);
		config->entries[at] = entry;
		return;
	}
	memmove(config->entries + at + 1, config->entries + at,
		(config->count - at) * sizeof(*config->entries));
	config->entries[at] = entry;
	config->count++;
	add_service(config, entry->path);
}

int ration__settings_merge(
	ration_config *config, struct ration__entries *entries, ration_error **err)
{
	if (config->count + entries->count > 2 * (size_t)RATION__SETTINGS_MAX)
		return ration__error_set(
			err, RATION_ECONFIG, "more than %d settings", 2 * RATION__SETTINGS_MAX);
	if (reserve(config, entries->count) < 0)
		return fail_memory(err);
	for (size_t i = 0; i < entries->count; i++)
		put(config, entries->list[i]);
	entries->count = 0;
	ration__entries_fini(entries);
	return 0;
}
