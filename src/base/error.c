/* The public error codes' texts, and errors with a place: one allocation each, immutable. */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/id.h"

struct ration_error {
	int code;
	int line, column;
	size_t text,
		path; /* where they begin in summary; the text's own NUL stands before the path */
	char debug_id[RATION__DEBUG_ID_SIZE];
	char summary[]; /* "[KIND] " in front of the text */
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

/* ---- kinds ---- */

/* Each code has a kind: as many as there are codes, and a second one for any of them would be a
 * second case of the switch. */
#define RATION_X(...) +1
enum { CODES = 0 RATION_ERROR_LIST(RATION_X), DENIALS = 0 RATION_DENIAL_LIST(RATION_X) };
static_assert(CODES == 0 RATION_KIND_LIST(RATION_X), "each code has a kind");
static_assert(DENIALS == 0 RATION_DENIAL_KIND_LIST(RATION_X), "each denial has a kind");
#undef RATION_X

const char *ration_code_kind(int code)
{
	switch (code) {
	case RATION_OK:
		return "OK";
#define RATION_X(name, kind) \
	case RATION_##name:  \
		return #kind;
		RATION_KIND_LIST(RATION_X)
#undef RATION_X
#define RATION_X(name, kind)       \
	case RATION_DENIED_##name: \
		return #kind;
		RATION_DENIAL_KIND_LIST(RATION_X)
#undef RATION_X
	default:
		return "UNKNOWN";
	}
}

int ration_code_is_connection(int code)
{
	const struct code *found = code_find(code);

	switch (code) {
	case RATION_ETHROTTLED: /* an answer, and a good one */
	case RATION_ELOCAL:
	case RATION_ETOKEN:
		return 0;
	default:
		return found->retryable && (!strcmp(found->class_name, CLASS_TRANSPORT) ||
						   !strcmp(found->class_name, CLASS_TIMEOUT) ||
						   !strcmp(found->class_name, CLASS_STATUS));
	}
}

/* ---- errors ---- */

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
	const char *kind = ration_code_kind(code);
	int front = place_format(NULL, 0, place);
	int body;
	size_t head = strlen(kind) + sizeof("[] ") - 1;
	size_t text_size, path_size = strlen(path) + 1;
	struct ration__random random;
	va_list again;
	ration_error *error;

	va_copy(again, args);
	body = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (front < 0 || body < 0)
		return NULL;
	text_size = head + (size_t)front + (size_t)body + 1;
	error = malloc(sizeof(*error) + text_size + path_size);
	if (!error)
		return NULL;
	error->code = code;
	error->line = place->line > 0 ? place->line : 0;
	error->column = error->line && place->column > 0 ? place->column : 0;
	error->text = head;
	error->path = text_size;
	sprintf(error->summary, "[%s] ", kind);
	place_format(error->summary + head, (size_t)front + 1, place);
	vsnprintf(error->summary + head + front, (size_t)body + 1, format, args);
	make_plain(error->summary);
	memcpy(error->summary + text_size, path, path_size);
	ration__random_init(&random, NULL, NULL);
	ration__debug_id(ration__random_next(&random), error->debug_id);
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
	return error ? error->summary + error->text : "";
}

const char *ration_error_path(const ration_error *error)
{
	return error ? error->summary + error->path : "";
}

int ration_error_line(const ration_error *error)
{
	return error ? error->line : 0;
}

int ration_error_column(const ration_error *error)
{
	return error ? error->column : 0;
}

const char *ration_error_summary(const ration_error *error)
{
	return error ? error->summary : "[OK]";
}

const char *ration_error_debug_id(const ration_error *error)
{
	return error ? error->debug_id : "";
}

int ration__error_json(const char *kind, const char *message, const char *debug_id, char **json)
{
	struct ration__buffer out;
	char *text;

	ration__buffer_init(&out, 0);
	ration__buffer_puts(&out, "{\"code\":");
	ration__buffer_json_string(&out, kind, strlen(kind));
	ration__buffer_puts(&out, ",\"message\":");
	ration__buffer_json_string(&out, message, strlen(message));
	ration__buffer_puts(&out, ",\"debug_id\":");
	ration__buffer_json_string(&out, debug_id, strlen(debug_id));
	ration__buffer_puts(&out, "}");
	text = ration__buffer_take(&out, NULL);
	if (!text)
		return RATION_ENOMEM;
	*json = text;
	return 0;
}

int ration_error_json(const ration_error *error, char **json)
{
	if (!json)
		return RATION_EINVAL;
	return ration__error_json(ration_code_kind(ration_error_code(error)),
		ration_error_text(error), ration_error_debug_id(error), json);
}

void ration_error_free(ration_error *error)
{
	free(error);
}
