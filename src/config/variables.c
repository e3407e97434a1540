/*
 * Settings from environment variables: PREFIX__services__notion__timeouts__read=15s. Two
 * underscores stand for a dot; case does not matter, since variables are written in capitals: words
 * of the vocabulary are found without it, and so are the names that there are already, in which -
 * and . may be written _ as well. A new name is taken in lower case. Read only when asked.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/bind.h"
#include "config/settings.h"

struct reader {
	ration_config *config;
	struct ration__entries entries;
	ration_error **err;
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* ---- names ---- */

static char fold(char c)
{
	return c == '-' || c == '.' ? '_' : lower(c);
}

static bool same_folded(const char *a, const char *b)
{
	while (*a && fold(*a) == fold(*b)) {
		a++;
		b++;
	}
	return fold(*a) == fold(*b);
}

/* How many names that are set below the path the text may mean, up to two; out: the first of them.
 * What is written exactly so is the only one. */
static unsigned find_names(const ration_config *config, const struct ration__path *path,
	const char *text, char out[RATION__PART_MAX])
{
	char above[RATION__PATH_MAX + 16];
	unsigned found = 0;
	size_t count, at;

	ration__path_format(path, above);
	at = ration__bind_below(config, above, &count);
	for (size_t i = at; i < at + count; i++) {
		struct ration__path other;
		const char *part;

		ration__path_parse(config->entries[i]->path, &other);
		part = ration__path_part(&other, path->count);
		if (!same_folded(part, text) || (found && !strcmp(part, out)))
			continue;
		if (found < 2)
			found++;
		if (found == 1 || !strcmp(part, text))
			strcpy(out, part);
		if (!strcmp(part, text))
			return 1;
	}
	return found;
}

/* Makes of the text, in place, what the path goes on with. */
static int resolve(const struct reader *reader, const struct ration__path *path,
	const struct ration__place *place, char text[RATION__PART_MAX])
{
	bool header = path->count == 3 && !strcmp(ration__path_part(path, 2), "headers");
	char name[RATION__PART_MAX];

	if (ration__schema_word(path, text, name)) {
		strcpy(text, name);
		return 0;
	}
	switch (find_names(reader->config, path, text, name)) {
	case 0:
		for (char *c = text; *c; c++)
			*c = header && *c == '_' ? '-' : lower(*c);
		return 0;
	case 1:
		strcpy(text, name);
		return 0;
	default:
		return ration__error_set_at(reader->err, RATION_ECONFIG, place,
			"\"%s\" may mean several names that there are, \"%s\" among them: set it "
			"in a file",
			text, name);
	}
}

static int make_path(const struct reader *reader, const char *at, const char *end,
	const struct ration__place *place, struct ration__path *path)
{
	ration__path_init(path);
	for (;;) {
		const char *next = strstr(at, "__");
		char part[RATION__PART_MAX];
		size_t length;
		int rc;

		if (!next || next > end)
			next = end;
		length = (size_t)(next - at);
		if (!length || length >= sizeof(part))
			return ration__error_set_at(reader->err, RATION_ECONFIG, place,
				"expected a path such as services__NAME__timeouts__read behind the "
				"prefix");
		memcpy(part, at, length);
		part[length] = '\0';
		rc = resolve(reader, path, place, part);
		if (rc < 0)
			return rc;
		if (ration__path_push(path, part) < 0)
			return ration__error_set_at(
				reader->err, RATION_ECONFIG, place, "too deep: no setting is");
		if (next == end)
			return 0;
		at = next + 2;
	}
}

/* ---- variables ---- */

/* path: where the setting's path begins in the variable. */
static int add_variable(struct reader *reader, const char *variable, const char *path_text)
{
	const char *equals = strchr(variable, '=');
	char *name = strndup(variable, (size_t)(equals - variable));
	struct ration__place place = {0};
	struct ration__entry *entry;
	struct ration__path path;
	int rc;

	place.file = name ? ration__settings_file(reader->config, name) : NULL;
	free(name);
	if (!place.file)
		return ration__error_set(
			reader->err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	rc = make_path(reader, path_text, equals, &place, &path);
	if (rc == 0)
		rc = ration__entry_new(&path, equals + 1, &place, &entry, reader->err);
	if (rc < 0)
		return rc;
	rc = ration__entries_add(&reader->entries, entry, &place, reader->err);
	if (rc < 0)
		free(entry);
	return rc;
}

static int compare_entries(const void *a, const void *b)
{
	const struct ration__entry *x = *(struct ration__entry *const *)a;
	const struct ration__entry *y = *(struct ration__entry *const *)b;
	int order = strcmp(x->path, y->path);

	return order ? order : strcmp(x->file, y->file);
}

/* The order of variables means nothing: which of two would win? */
static int refuse_twice(struct reader *reader)
{
	struct ration__entries *entries = &reader->entries;

	if (entries->count)
		qsort(entries->list, entries->count, sizeof(struct ration__entry *),
			compare_entries);
	for (size_t i = 1; i < entries->count; i++) {
		const struct ration__entry *a = entries->list[i - 1], *b = entries->list[i];

		if (!strcmp(a->path, b->path))
			return ration__error_set_at(reader->err, RATION_ECONFIG,
				&(struct ration__place){.file = b->file, .path = b->path},
				"given twice; also by %s", a->file);
	}
	return 0;
}

int ration_config_load_env(
	ration_config *config, const char *prefix, const char *const *env, ration_error **err)
{
	struct reader reader = {.config = config, .err = err};
	size_t length;
	int rc = 0;

	if (!config || (prefix && !*prefix))
		return ration__error_set(err, RATION_EINVAL, "%s", ration_strerror(RATION_EINVAL));
	prefix = prefix ? prefix : "RATION";
	length = strlen(prefix);
	for (env = env ? env : (const char *const *)environ; rc == 0 && env && *env; env++) {
		const char *variable = *env;

		if (!strncmp(variable, prefix, length) && !strncmp(variable + length, "__", 2) &&
			strchr(variable, '='))
			rc = add_variable(&reader, variable, variable + length + 2);
	}
	if (rc == 0)
		rc = refuse_twice(&reader);
	if (rc == 0)
		rc = ration__settings_merge(config, &reader.entries, err);
	ration__entries_fini(&reader.entries);
	return rc;
}
