/*
 * Settings from YAML, through libyaml's events, which know line and column. Bounded in bytes and
 * settings; in depth by the table, since an unknown key ends it. Refused: aliases (they multiply),
 * keys that are given twice, more than one document. Nothing reaches the configuration before the
 * whole text is right.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "config/settings.h"

/* With "environments.NAME." in front. */
#define WHOLE_PATH_MAX (RATION__PATH_MAX + 16 + RATION__PART_MAX)

/* A key where it stands, to find those that are given twice. */
struct mark {
	int line, column;
	char path[];
};

struct loader {
	yaml_parser_t parser;
	ration_config *config;
	const char *file;
	struct ration__path path; /* of the node that is read */
	struct mark **marks;
	size_t mark_count, mark_capacity;
	struct ration__entries entries;
	const char *environment;	 /* in which the node stands, and then path begins anew */
	struct ration__entries overlays; /* what stands in environments */
	ration_error **err;
};

static int fail_memory(struct loader *loader)
{
	return ration__error_set(loader->err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
}

static struct ration__place place_of(const struct loader *loader, const yaml_mark_t *mark)
{
	return (struct ration__place){
		.file = loader->file, .line = (int)mark->line + 1, .column = (int)mark->column + 1};
}

/* What the path does not say: "environments.NAME." */
static const char *prefix_of(const struct loader *loader, char out[RATION__PART_MAX])
{
	if (!loader->environment)
		return "";
	snprintf(out, RATION__PART_MAX, "environments.%s.", loader->environment);
	return out;
}

static void format_path(const struct loader *loader, char out[WHOLE_PATH_MAX])
{
	char path[RATION__PATH_MAX + 16], prefix[RATION__PART_MAX];

	ration__path_format(&loader->path, path);
	snprintf(out, WHOLE_PATH_MAX, "%s%s", prefix_of(loader, prefix), path);
}

/* An error at a place, with the path of the node that is read, if there is one. */
static int fail_at(struct loader *loader, const yaml_mark_t *mark, const char *what)
{
	struct ration__place place = place_of(loader, mark);
	char path[WHOLE_PATH_MAX];

	format_path(loader, path);
	place.path = *path ? path : NULL;
	return ration__error_set_at(loader->err, RATION_ECONFIG, &place, "%s", what);
}

/* The next event; the caller deletes it. */
static int next(struct loader *loader, yaml_event_t *event)
{
	const yaml_parser_t *parser = &loader->parser;
	const char *problem;

	if (yaml_parser_parse(&loader->parser, event))
		return 0;
	if (parser->error == YAML_MEMORY_ERROR)
		return fail_memory(loader);
	problem = parser->problem ? parser->problem : "not YAML";
	/* the reader knows no line of what it could not decode */
	return fail_at(loader,
		parser->error == YAML_READER_ERROR ? &parser->mark : &parser->problem_mark,
		problem);
}

static int add_mark(struct loader *loader, const yaml_mark_t *at)
{
	char path[WHOLE_PATH_MAX];
	struct mark *mark;

	if (loader->mark_count == loader->mark_capacity) {
		size_t capacity = loader->mark_capacity ? 2 * loader->mark_capacity : 64;
		struct mark **marks = realloc(loader->marks, capacity * sizeof(struct mark *));

		if (!marks)
			return fail_memory(loader);
		loader->marks = marks;
		loader->mark_capacity = capacity;
	}
	format_path(loader, path);
	mark = malloc(sizeof(*mark) + strlen(path) + 1);
	if (!mark)
		return fail_memory(loader);
	mark->line = (int)at->line + 1;
	mark->column = (int)at->column + 1;
	strcpy(mark->path, path);
	loader->marks[loader->mark_count++] = mark;
	return 0;
}

static int add_entry(struct loader *loader, const yaml_mark_t *at, const char *text)
{
	struct ration__place place = place_of(loader, at);
	char prefix[RATION__PART_MAX];
	struct ration__entry *entry;
	int rc;

	place.path = prefix_of(loader, prefix);
	rc = ration__entry_new(&loader->path, text, &place, &entry, loader->err);
	if (rc < 0)
		return rc;
	entry->environment = loader->environment;
	place.path = NULL;
	rc = ration__entries_add(loader->environment ? &loader->overlays : &loader->entries, entry,
		&place, loader->err);
	if (rc < 0)
		free(entry);
	return rc;
}

static int check_node(struct loader *loader, const yaml_event_t *event)
{
	if (event->type == YAML_ALIAS_EVENT)
		return fail_at(loader, &event->start_mark, "aliases are not supported");
	if (event->type == YAML_SCALAR_EVENT &&
		strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
		return fail_at(loader, &event->start_mark, "a NUL character in the text");
	return 0;
}

static const char *text_of(const yaml_event_t *event)
{
	return (const char *)event->data.scalar.value;
}

/* YAML's ways to say "nothing". */
static bool is_null(const yaml_event_t *event)
{
	return event->type == YAML_SCALAR_EVENT &&
	       event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*text_of(event) || !strcmp(text_of(event), "~") ||
		       !strcmp(text_of(event), "null"));
}

/* A sequence of scalars as "[a, b]". */
static int load_sequence(struct loader *loader, const yaml_mark_t *start)
{
	struct ration__buffer text;
	yaml_event_t event;
	int rc;

	ration__buffer_init(&text, 0);
	ration__buffer_putc(&text, '[');
	for (;;) {
		rc = next(loader, &event);
		if (rc < 0)
			goto done;
		if (event.type == YAML_SEQUENCE_END_EVENT)
			break;
		rc = check_node(loader, &event);
		if (rc == 0 && (event.type != YAML_SCALAR_EVENT || strpbrk(text_of(&event), ",\"")))
			rc = fail_at(loader, &event.start_mark, "expected a list of plain texts");
		if (rc == 0 && text.length > 1)
			ration__buffer_puts(&text, ", ");
		if (rc == 0)
			ration__buffer_puts(&text, *text_of(&event) ? text_of(&event) : "\"\"");
		if (rc == 0 && text.length > RATION__TEXT_MAX)
			rc = fail_at(loader, start, "a list longer than 16384 bytes");
		yaml_event_delete(&event);
		if (rc < 0)
			goto done;
	}
	yaml_event_delete(&event);
	ration__buffer_putc(&text, ']');
	rc = text.failed ? fail_memory(loader) : add_entry(loader, start, text.data);
done:
	ration__buffer_fini(&text);
	return rc;
}

static int load_value(struct loader *loader, const yaml_mark_t *key, yaml_event_t *event);

/* One key and its value; *more is false at the mapping's end. */
static int load_pair(struct loader *loader, bool *more)
{
	yaml_event_t event;
	yaml_mark_t key;
	int rc = next(loader, &event);

	if (rc < 0)
		return rc;
	key = event.start_mark;
	*more = event.type != YAML_MAPPING_END_EVENT;
	if (!*more)
		goto done;
	rc = check_node(loader, &event);
	if (rc < 0)
		goto done;
	if (event.type != YAML_SCALAR_EVENT || !*text_of(&event))
		rc = fail_at(loader, &key, "expected a name as key");
	else if (ration__path_push(&loader->path, text_of(&event)) < 0)
		rc = fail_at(loader, &key, "the key below it is too long (127 bytes), or too deep");
	if (rc < 0)
		goto done;
	yaml_event_delete(&event);
	rc = add_mark(loader, &key);
	if (rc < 0)
		return rc;
	rc = next(loader, &event);
	if (rc < 0)
		return rc;
	rc = check_node(loader, &event);
	if (rc == 0)
		rc = load_value(loader, &key, &event);
	ration__path_pop(&loader->path);
done:
	yaml_event_delete(&event);
	return rc;
}

static int load_mapping(struct loader *loader)
{
	bool more = true;
	int rc = 0;

	while (rc == 0 && more)
		rc = load_pair(loader, &more);
	return rc;
}

/* The settings of one environment, whose name is the last component of the path: they are read as
 * those at the top are. */
static int load_environment(struct loader *loader, const yaml_mark_t *key, yaml_event_t *event)
{
	struct ration__path whole = loader->path;
	const char *name = ration__path_part(&whole, 1);
	struct ration__place place = place_of(loader, key);
	struct ration__entry *entry;
	int rc;

	if (!ration__name_ok(name, RATION__KEYNAME_MAX))
		return fail_at(loader, key,
			"expected an environment's name of at most 31 letters, digits, dots, "
			"dashes and underscores");
	if (event->type != YAML_MAPPING_START_EVENT && !is_null(event))
		return fail_at(loader, &event->start_mark, "expected a map of settings");
	name = ration__settings_file(loader->config, name);
	entry = name ? ration__entry_name(name) : NULL;
	if (!entry)
		return fail_memory(loader);
	rc = ration__entries_add(&loader->overlays, entry, &place, loader->err);
	if (rc < 0) {
		free(entry);
		return rc;
	}
	if (is_null(event))
		return 0;
	loader->environment = name;
	ration__path_init(&loader->path);
	rc = load_mapping(loader);
	loader->environment = NULL;
	loader->path = whole;
	return rc;
}

/* The value of the path; key is where its key stands. The event is deleted by the caller. */
static int load_value(struct loader *loader, const yaml_mark_t *key, yaml_event_t *event)
{
	const struct ration__setting *setting = ration__schema_find(&loader->path);
	bool is_map = ration__schema_is_map(&loader->path);
	bool named = setting && setting->type == RATION__TYPE_MAP;
	int rc = 0;

	if (!strcmp(ration__path_part(&loader->path, 0), "environments")) {
		if (loader->environment)
			return fail_at(loader, key, "an environment has no environments");
		if (loader->path.count == 2)
			return load_environment(loader, key, event);
	}
	if (!setting && !is_map)
		return add_entry(loader, key, ""); /* says what is wrong with the key */
	if (event->type == YAML_MAPPING_START_EVENT && is_map) {
		/* the name is there, whatever stands below it */
		if (named)
			rc = add_entry(loader, key, "{}");
		return rc < 0 ? rc : load_mapping(loader);
	}
	if (is_null(event)) {
		if (named)
			return add_entry(loader, key, "{}");
		if (!is_map)
			return fail_at(loader, key, "has no value");
		return 0;
	}
	if (event->type == YAML_SCALAR_EVENT)
		return add_entry(loader, &event->start_mark, text_of(event));
	if (event->type == YAML_SEQUENCE_START_EVENT && setting &&
		ration__type_is_list(setting->type))
		return load_sequence(loader, &event->start_mark);
	if (setting) {
		struct ration__place place = place_of(loader, &event->start_mark);
		char path[WHOLE_PATH_MAX];

		format_path(loader, path);
		place.path = path;
		return ration__error_set_at(
			loader->err, RATION_ECONFIG, &place, "expected %s", setting->expected);
	}
	return fail_at(loader, &event->start_mark, "expected a map");
}

static int load_document(struct loader *loader)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	unsigned documents = 0;
	int rc = 0;

	while (rc == 0 && type != YAML_STREAM_END_EVENT) {
		yaml_event_t event;

		rc = next(loader, &event);
		if (rc < 0)
			break;
		type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT) {
			if (documents++)
				rc = fail_at(loader, &event.start_mark, "a second document");
		} else if (type == YAML_MAPPING_START_EVENT) {
			rc = load_mapping(loader);
		} else if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT ||
			   type == YAML_ALIAS_EVENT) {
			if (!is_null(&event))
				rc = fail_at(loader, &event.start_mark,
					"expected settings, such as services: {NAME: {...}}");
		}
		yaml_event_delete(&event);
	}
	return rc;
}

/* ---- what is given twice ---- */

static int compare_place(int line_a, int column_a, int line_b, int column_b)
{
	if (line_a != line_b)
		return line_a < line_b ? -1 : 1;
	return (column_a > column_b) - (column_a < column_b);
}

static int compare_marks(const void *a, const void *b)
{
	const struct mark *x = *(struct mark *const *)a, *y = *(struct mark *const *)b;
	int order = strcmp(x->path, y->path);

	return order ? order : compare_place(x->line, x->column, y->line, y->column);
}

static int compare_entries(const void *a, const void *b)
{
	const struct ration__entry *x = *(struct ration__entry *const *)a;
	const struct ration__entry *y = *(struct ration__entry *const *)b;
	int order = strcmp(x->path, y->path);

	if (!order && x->environment) /* all of a list have one, or none */
		order = strcmp(x->environment, y->environment);
	return order ? order : compare_place(x->line, x->column, y->line, y->column);
}

static int fail_twice(struct loader *loader, const char *path, int line, int column, int first_line)
{
	struct ration__place place = {
		.file = loader->file, .line = line, .column = column, .path = path};

	return ration__error_set_at(
		loader->err, RATION_ECONFIG, &place, "given twice; first in line %d", first_line);
}

/* Settings of one list: `attempts` and `retries` are two keys of one. */
static int refuse_entries(struct loader *loader, struct ration__entries *entries)
{
	if (entries->count)
		qsort(entries->list, entries->count, sizeof(struct ration__entry *),
			compare_entries);
	for (size_t i = 1; i < entries->count; i++) {
		const struct ration__entry *a = entries->list[i - 1], *b = entries->list[i];

		if (!strcmp(a->path, b->path) &&
			(!a->environment || !strcmp(a->environment, b->environment)))
			return fail_twice(loader, b->path, b->line, b->column, a->line);
	}
	return 0;
}

/* Keys as they are written, and then settings. */
static int refuse_twice(struct loader *loader)
{
	int rc;

	if (loader->mark_count)
		qsort(loader->marks, loader->mark_count, sizeof(struct mark *), compare_marks);
	for (size_t i = 1; i < loader->mark_count; i++) {
		const struct mark *a = loader->marks[i - 1], *b = loader->marks[i];

		if (!strcmp(a->path, b->path))
			return fail_twice(loader, b->path, b->line, b->column, a->line);
	}
	rc = refuse_entries(loader, &loader->entries);
	return rc ? rc : refuse_entries(loader, &loader->overlays);
}

int ration__settings_load(ration_config *config, const char *text, size_t length, const char *name,
	ration_error **err)
{
	struct loader loader = {.config = config, .err = err};
	int rc;

	if (length > RATION__FILE_MAX)
		return ration__error_set(err, RATION_ECONFIG, "%s: larger than 1 MiB", name);
	loader.file = ration__settings_file(config, name);
	if (!loader.file || !yaml_parser_initialize(&loader.parser))
		return fail_memory(&loader);
	ration__path_init(&loader.path);
	yaml_parser_set_input_string(&loader.parser, (const unsigned char *)text, length);
	rc = load_document(&loader);
	yaml_parser_delete(&loader.parser);
	if (rc == 0)
		rc = refuse_twice(&loader);
	/* all of it or nothing */
	if (rc == 0)
		rc = ration__overlays_reserve(config, loader.overlays.count, err);
	if (rc == 0)
		rc = ration__settings_merge(config, &loader.entries, err);
	if (rc == 0)
		ration__overlays_add(config, &loader.overlays);
	ration__entries_fini(&loader.entries);
	ration__entries_fini(&loader.overlays);
	for (size_t i = 0; i < loader.mark_count; i++)
		free(loader.marks[i]);
	free(loader.marks);
	return rc;
}
