/*
 * The public ration_request: its body, and where the answer's body goes.
 *
 * All bytes given by value stand in one buffer; files are named with the place in it where theirs
 * come, so a whole file is an empty buffer with one file, and a multipart body is text with files
 * in between. The multipart text is complete after each part: the next one takes the end away
 * again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/token.h"
#include "http/builder.h"
#include "http/json.h"
#include "http/limits.h"
#include "http/url.h"

static void free_files(ration_request *request)
{
	for (size_t i = 0; i < request->file_count; i++)
		free(request->files[i].path);
	free(request->files);
	request->files = NULL;
	request->file_count = 0;
}

void ration__request_body_fini(ration_request *request)
{
	free_files(request);
	ration__buffer_fini(&request->body);
	free(request->sink_path);
}

/* What was there before is gone. */
static void begin_body(ration_request *request, enum ration__body_kind kind)
{
	free_files(request);
	ration__buffer_fini(&request->body);
	request->source = (struct ration__body_source){.read = NULL};
	request->body_kind = (uint8_t)kind;
}

static int set_content_type(ration_request *request, const char *type)
{
	return type ? ration__request_header(request, "Content-Type", type, true) : 0;
}

/* ---- bytes ---- */

static int set_body(
	ration_request *request, const void *body, size_t length, const char *content_type)
{
	char *copy;
	int code;

	if (!body && length)
		return RATION_EINVAL;
	if (length > RATION__BODY_MAX)
		return RATION_ETOOBIG;
	copy = malloc(length + 1);
	if (!copy)
		return RATION_ENOMEM;
	code = set_content_type(request, content_type);
	if (code) {
		free(copy);
		return code;
	}
	begin_body(request, RATION__BODY_BYTES);
	if (length)
		memcpy(copy, body, length);
	copy[length] = '\0';
	request->body.data = copy;
	request->body.length = length;
	request->body.capacity = length + 1;
	return 0;
}

int ration_request_set_body(
	ration_request *request, const void *body, size_t length, const char *content_type)
{
	if (!request)
		return RATION_EINVAL;
	return ration__request_mistake(request, set_body(request, body, length, content_type));
}

/* The text is sent as it was written, blanks included: a signature over it stays right. */
static int set_json(ration_request *request, const char *text)
{
	if (!text)
		return RATION_EINVAL;
	if (strlen(text) > RATION__BODY_MAX)
		return RATION_ETOOBIG;
	if (!ration__json_compact(NULL, text, strlen(text)))
		return RATION_EJSON;
	return set_body(request, text, strlen(text), "application/json");
}

int ration_request_set_json(ration_request *request, const char *text)
{
	return request ? ration__request_mistake(request, set_json(request, text)) : RATION_EINVAL;
}

/* What failed to grow is as it was; a request with a mistake is never sent. */
static int check_grown(const ration_request *request)
{
	if (request->body.failed)
		return RATION_ENOMEM;
	return request->body.length > RATION__BODY_MAX ? RATION_ETOOBIG : 0;
}

static int add_form(ration_request *request, const char *name, const char *value)
{
	int code;

	if (!name || !value)
		return RATION_EINVAL;
	if (strlen(name) > RATION__BODY_MAX || strlen(value) > RATION__BODY_MAX)
		return RATION_ETOOBIG;
	if (request->body_kind == RATION__BODY_NONE) {
		code = set_content_type(request, "application/x-www-form-urlencoded");
		if (code)
			return code;
		begin_body(request, RATION__BODY_FORM);
	}
	if (request->body_kind != RATION__BODY_FORM)
		return RATION_EINVAL;
	ration__url_add_query(&request->body, name, value);
	return check_grown(request);
}

int ration_request_add_form(ration_request *request, const char *name, const char *value)
{
	return request ? ration__request_mistake(request, add_form(request, name, value))
		       : RATION_EINVAL;
}

/* ---- files and functions ---- */

/* A file whose bytes come where the body's text ends now. */
static int add_file(ration_request *request, const char *path)
{
	struct ration__body_file *files;
	char *copy;

	if (request->file_count >= RATION__FILES_MAX || strlen(path) > RATION__PATH_MAX)
		return RATION_ETOOBIG;
	files = ration__request_grown(request->files, request->file_count, sizeof(*files));
	if (!files)
		return RATION_ENOMEM;
	request->files = files;
	copy = strdup(path);
	if (!copy)
		return RATION_ENOMEM;
	files[request->file_count++] =
		(struct ration__body_file){.path = copy, .at = (uint32_t)request->body.length};
	return 0;
}

static int set_body_file(ration_request *request, const char *path, const char *content_type)
{
	int code;

	if (!path || !*path)
		return RATION_EINVAL;
	code = set_content_type(request, content_type);
	if (code)
		return code;
	begin_body(request, RATION__BODY_FILE);
	return add_file(request, path);
}

int ration_request_set_body_file(
	ration_request *request, const char *path, const char *content_type)
{
	if (!request)
		return RATION_EINVAL;
	return ration__request_mistake(request, set_body_file(request, path, content_type));
}

static int set_body_fn(
	ration_request *request, const struct ration__body_source *source, const char *content_type)
{
	int code;

	if (!source->read || source->length < -1)
		return RATION_EINVAL;
	code = set_content_type(request, content_type);
	if (code)
		return code;
	begin_body(request, RATION__BODY_SOURCE);
	request->source = *source;
	return 0;
}

int ration_request_set_body_fn(ration_request *request, ration_source_fn read,
	ration_rewind_fn rewind, void *arg, int64_t length, const char *content_type)
{
	struct ration__body_source source = {
		.read = read, .rewind = rewind, .arg = arg, .length = length};

	if (!request)
		return RATION_EINVAL;
	return ration__request_mistake(request, set_body_fn(request, &source, content_type));
}

/* ---- multipart ---- */

/* 128 random bits: no content needs to be searched for it. */
static int begin_parts(ration_request *request)
{
	char type[96], boundary[sizeof(request->boundary)];
	struct ration__random random;
	int code;

	ration__random_init(&random, NULL, NULL);
	snprintf(boundary, sizeof(boundary), "----ration%016llx%016llx",
		(unsigned long long)ration__random_next(&random),
		(unsigned long long)ration__random_next(&random));
	snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", boundary);
	code = set_content_type(request, type);
	if (code)
		return code;
	begin_body(request, RATION__BODY_PARTS);
	memcpy(request->boundary, boundary, sizeof(boundary));
	return 0;
}

/* As browsers do (HTML, "multipart/form-data encoding algorithm"). */
static void put_quoted(struct ration__buffer *out, const char *name, const char *value)
{
	ration__buffer_printf(out, "; %s=\"", name);
	for (; *value; value++) {
		if (*value == '"')
			ration__buffer_puts(out, "%22");
		else if (*value == '\r')
			ration__buffer_puts(out, "%0D");
		else if (*value == '\n')
			ration__buffer_puts(out, "%0A");
		else
			ration__buffer_putc(out, *value);
	}
	ration__buffer_putc(out, '"');
}

struct part {
	const char *name, *filename, *content_type, *path;
	const void *data;
	size_t length;
};

/* Where the end of the last part begins: what the next one overwrites. */
static size_t parts_end(const ration_request *request)
{
	return request->body.length ? request->body.length - strlen(request->boundary) - 6 : 0;
}

static void put_part_head(struct ration__buffer *out, const char *boundary, const struct part *part)
{
	const char *type = part->content_type;

	if (!type && part->filename)
		type = "application/octet-stream";
	ration__buffer_printf(out, "--%s\r\nContent-Disposition: form-data", boundary);
	put_quoted(out, "name", part->name);
	if (part->filename)
		put_quoted(out, "filename", part->filename);
	if (type)
		ration__buffer_printf(out, "\r\nContent-Type: %s", type);
	ration__buffer_puts(out, "\r\n\r\n");
}

static int add_part(ration_request *request, const struct part *part)
{
	struct ration__buffer *body = &request->body;
	int code = 0;

	if (!part->name || (!part->data && part->length) || (part->path && !*part->path))
		return RATION_EINVAL;
	if (part->length > RATION__BODY_MAX)
		return RATION_ETOOBIG;
	if (part->content_type && !ration__header_value_ok(part->content_type))
		return RATION_EHEADER;
	if (request->body_kind == RATION__BODY_NONE)
		code = begin_parts(request);
	if (code)
		return code;
	if (request->body_kind != RATION__BODY_PARTS)
		return RATION_EINVAL;
	body->length = parts_end(request);
	put_part_head(body, request->boundary, part);
	code = check_grown(request);
	if (!code && part->path)
		code = add_file(request, part->path);
	if (code)
		return code;
	ration__buffer_append(body, part->data, part->length);
	ration__buffer_printf(body, "\r\n--%s--\r\n", request->boundary);
	return check_grown(request);
}

int ration_request_add_part(ration_request *request, const char *name, const char *filename,
	const char *content_type, const void *data, size_t length)
{
	struct part part = {.name = name,
		.filename = filename,
		.content_type = content_type,
		.data = data,
		.length = length};

	return request ? ration__request_mistake(request, add_part(request, &part)) : RATION_EINVAL;
}

int ration_request_add_part_file(ration_request *request, const char *name, const char *filename,
	const char *content_type, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	struct part part = {.name = name,
		.filename = filename ? filename
			    : slash  ? slash + 1
				     : path,
		.content_type = content_type,
		.path = path};

	if (!request)
		return RATION_EINVAL;
	return ration__request_mistake(request, path ? add_part(request, &part) : RATION_EINVAL);
}

/* ---- where the answer goes ---- */

static int set_sink_file(ration_request *request, const char *path)
{
	char *copy;

	if (!path || !*path || path[strlen(path) - 1] == '/')
		return RATION_EINVAL;
	if (strlen(path) > RATION__PATH_MAX)
		return RATION_ETOOBIG;
	copy = strdup(path);
	if (!copy)
		return RATION_ENOMEM;
	free(request->sink_path);
	request->sink_path = copy;
	request->sink = NULL;
	return 0;
}

int ration_request_set_sink_file(ration_request *request, const char *path)
{
	return request ? ration__request_mistake(request, set_sink_file(request, path))
		       : RATION_EINVAL;
}

int ration_request_set_sink(ration_request *request, ration_sink_fn fn, void *arg)
{
	if (!request)
		return RATION_EINVAL;
	if (!fn)
		return ration__request_mistake(request, RATION_EINVAL);
	free(request->sink_path);
	request->sink_path = NULL;
	request->sink = fn;
	request->sink_arg = arg;
	return 0;
}
