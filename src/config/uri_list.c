/* Lists of base URIs. See uri_list.h. */
#include "config/uri_list.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "config/file.h"
#include "config/value.h"

enum {
	FILE_MAX = 65536, /* bytes */
	URI_MAX = 2048,	  /* with the NUL */
};

void ration__uri_list_fini(struct ration__uri_list *list)
{
	free(list->memory);
	*list = (struct ration__uri_list){0};
}

static int fail_memory(ration_error **err)
{
	return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
}

static bool contains(const struct ration__uri_list *list, const char *uri)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->uri[i], uri))
			return true;
	return false;
}

static void trim_slashes(char *uri)
{
	size_t length = strlen(uri);

	while (length && uri[length - 1] == '/')
		uri[--length] = '\0';
}

/* ---- a file ---- */

/* Cuts the line's comment and blanks. */
static char *trim_line(char *line)
{
	char *end;

	line += strspn(line, " \t");
	end = line + strcspn(line, "#\r");
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return line;
}

static int add_line(struct ration__uri_list *list, char *line, const struct ration__place *place,
	ration_error **err)
{
	line = trim_line(line);
	if (!*line)
		return 0;
	if (strlen(line) >= URI_MAX || !ration__uri_ok(line))
		return ration__error_set_at(err, RATION_ECONFIG, place,
			"expected an http:// or https:// URI without user, query or fragment");
	trim_slashes(line);
	if (contains(list, line))
		return 0;
	if (list->count == RATION__NODES_MAX)
		return ration__error_set_at(
			err, RATION_ECONFIG, place, "more than %d URIs", RATION__NODES_MAX);
	list->uri[list->count++] = line;
	return 0;
}

static int add_lines(
	struct ration__uri_list *list, char *text, const char *path, ration_error **err)
{
	struct ration__place place = {.file = path, .line = 1};
	int rc = 0;

	for (char *next; rc == 0 && text; text = next, place.line++) {
		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		rc = add_line(list, text, &place, err);
	}
	if (rc == 0 && !list->count)
		rc = ration__error_set(err, RATION_ECONFIG, "%s: holds no URI", path);
	return rc;
}

int ration__uri_list_read(const char *path, struct ration__uri_list *out, ration_error **err)
{
	struct ration__uri_list list = {.memory = malloc(FILE_MAX + 1)};
	struct stat stat_of;
	size_t length;
	int rc = 0;

	if (!list.memory)
		return fail_memory(err);
	/* to read from a pipe could take for ever; what is not there is told by reading */
	if (stat(path, &stat_of) == 0 && !S_ISREG(stat_of.st_mode))
		rc = ration__error_set(err, RATION_ECONFIG, "%s: not a regular file", path);
	if (rc == 0)
		rc = ration__file_read(path, list.memory, FILE_MAX, &length, err);
	if (rc == 0 && length > FILE_MAX)
		rc = ration__error_set(err, RATION_ECONFIG, "%s: larger than 64 KiB", path);
	if (rc == 0 && memchr(list.memory, '\0', length))
		rc = ration__error_set(err, RATION_ECONFIG, "%s: not a text", path);
	if (rc == 0) {
		list.memory[length] = '\0';
		rc = add_lines(&list, list.memory, path, err);
	}
	if (rc < 0) {
		free(list.memory);
		return rc;
	}
	*out = list;
	return 0;
}

/* ---- a value ---- */

int ration__uri_list_parse(const char *text, struct ration__uri_list *out, ration_error **err)
{
	/* items are shorter than the text, each with its comma */
	struct ration__uri_list result = {.memory = malloc(strlen(text) + 2)};
	struct ration__list list;
	char item[URI_MAX], *to = result.memory;

	if (!result.memory)
		return fail_memory(err);
	ration__list_init(&list, text);
	while (ration__list_next(&list, item, sizeof(item)) == 1) {
		trim_slashes(item);
		if (contains(&result, item)) {
			free(result.memory);
			return ration__error_set(
				err, RATION_ECONFIG, "one of them is there twice: %s", item);
		}
		result.uri[result.count++] = strcpy(to, item);
		to += strlen(to) + 1;
	}
	*out = result;
	return 0;
}
