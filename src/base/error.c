/* The public error codes' texts, and errors with a place: one allocation each, immutable. */
#include "base/error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ration_error {
	int code;
	int line, column;
	size_t path; /* where it begins in text; the text's own NUL stands before it */
	char text[];
};

struct code {
	int code;
	const char *name, *class_name, *text;
	int retryable;
};

#define CLASS_USAGE "usage"
#define CLASS_RESOURCE "resource"
#define CLASS_STORE "store"
#define CLASS_CONFIG "config"
#define CLASS_TRANSPORT "transport"
#define CLASS_TIMEOUT "timeout"
#define CLASS_STATUS "status"
#define CLASS_CANCELLED "cancelled"

static const struct code codes[] = {{RATION_OK, "OK", "ok", "ok", 0},
#define RATION_X(name, value, class_, retryable, text) \
	{value, #name, CLASS_##class_, text, retryable},
	RATION_ERROR_LIST(RATION_X)
#undef RATION_X
/* waiting does not make a job cheaper nor a deadline later; the other denials pass */
#define RATION_X(name, value, text)              \
	{value, "DENIED_" #name, "denied", text, \
		value != RATION_DENIED_IMPOSSIBLE && value != RATION_DENIED_DEADLINE},
		RATION_DENIAL_LIST(RATION_X)
#undef RATION_X
};

static const struct code *code_find(int code)
{
	static const struct code unknown = {0, "UNKNOWN", "unknown", "unknown code", 0};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].code == code)
			return &codes[i];
	}
	return &unknown;
}

const char *ration_strerror(int code)
{
	return code_find(code)->text;
}

const char *ration_code_name(int code)
{
	return code_find(code)->name;
}

const char *ration_code_class(int code)
{
	return code_find(code)->class_name;
}

int ration_code_retryable(int code)
{
	return code_find(code)->retryable;
}

/* "FILE:LINE:COLUMN: PATH: ", as much of it as is known; what snprintf would return. */
static int place_format(char *out, size_t size, const struct ration__place *place)
{
	char line[16] = "", column[16] = "";
	const char *file = place->file ? place->file : "";
	const char *path = place->path ? place->path : "";
	const char *colon = place->file && place->line > 0 ? ":" : "";

	if (place->line > 0)
		snprintf(line, sizeof(line), "%d", place->line);
	if (place->line > 0 && place->column > 0)
		snprintf(column, sizeof(column), ":%d", place->column);
	return snprintf(out, size, "%s%s%s%s%s%s%s", file, colon, line, column,
		*file || *line ? ": " : "", path, *path ? ": " : "");
}

/* A text may quote hostile input: it stays one line and steers no terminal. */
static void make_plain(char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			*text = ' ';
	}
}

static ration_error *error_new(
	int code, const struct ration__place *place, const char *format, va_list args)
{
	const char *path = place->path ? place->path : "";
	int front = place_format(NULL, 0, place);
	int body;
	size_t text_size, path_size = strlen(path) + 1;
	va_list again;
	ration_error *error;

	va_copy(again, args);
	body = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (front < 0 || body < 0)
		return NULL;
	text_size = (size_t)front + (size_t)body + 1;
	error = malloc(sizeof(*error) + text_size + path_size);
	if (!error)
		return NULL;
	error->code = code;
	error->line = place->line > 0 ? place->line : 0;
	error->column = error->line && place->column > 0 ? place->column : 0;
	error->path = text_size;
	place_format(error->text, (size_t)front + 1, place);
	vsnprintf(error->text + front, (size_t)body + 1, format, args);
	make_plain(error->text);
	memcpy(error->text + text_size, path, path_size);
	return error;
}

int ration__error_set(ration_error **err, int code, const char *format, ...)
{
	const struct ration__place nowhere = {0};
	va_list args;

	if (err && !*err) {
		va_start(args, format);
		*err = error_new(code, &nowhere, format, args);
		va_end(args);
	}
	return code;
}

int ration__error_set_at(
	ration_error **err, int code, const struct ration__place *place, const char *format, ...)
{
	va_list args;

	if (err && !*err) {
		va_start(args, format);
		*err = error_new(code, place, format, args);
		va_end(args);
	}
	return code;
}

int ration_error_code(const ration_error *error)
{
	return error ? error->code : RATION_OK;
}

const char *ration_error_text(const ration_error *error)
{
	return error ? error->text : "";
}

const char *ration_error_path(const ration_error *error)
{
	return error ? error->text + error->path : "";
}

int ration_error_line(const ration_error *error)
{
	return error ? error->line : 0;
}

int ration_error_column(const ration_error *error)
{
	return error ? error->column : 0;
}

void ration_error_free(ration_error *error)
{
	free(error);
}
