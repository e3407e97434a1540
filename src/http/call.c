/*
 * Packing: one pass over the request with a writer that counts, one that writes. Both passes are
 * the same code, so that size and content cannot disagree.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>
#include "http/builder.h"
#include "http/call.h"
#include "http/context.h"
#include "http/limits.h"
#include "http/url.h"
#include "policy/retry.h"

struct writer {
	char *block; /* NULL: count only */
	size_t at;
};

static void write_bytes(struct writer *w, const char *bytes, size_t length)
{
	if (w->block && length)
		memcpy(w->block + w->at, bytes, length);
	w->at += length;
}

static uint32_t write_text(struct writer *w, const char *text)
{
	uint32_t at = (uint32_t)w->at;

	if (!text)
		return 0;
	write_bytes(w, text, strlen(text) + 1);
	return at;
}

/* Bytes above 127 are sent percent-encoded, as browsers do: raw, servers disagree about them. */
static void write_target(struct writer *w, const char *text, size_t length)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x80)
			write_bytes(w, text + i, 1);
		else
			write_bytes(w, (const char[3]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

/* Where the target's path begins, with which flags. */
struct target {
	const char *text;
	size_t length; /* without a fragment */
	uint16_t flags;
};

static size_t node_count(const struct ration__service_conf *service)
{
	return service->nodes ? service->node_count : 1;
}

static const char *node_at(const struct ration__service_conf *service, size_t i)
{
	return service->nodes ? service->nodes[i] : service->base;
}

/* An absolute URL goes to a node of its origin; elsewhere no credentials of the service go. */
static int resolve_origin(const struct ration__service_conf *service, struct target *target)
{
	struct ration__origin own, origin;

	if (ration__url_origin(target->text, &origin))
		return RATION_EURL;
	for (size_t i = 0; i < node_count(service); i++)
		if (ration__url_origin(node_at(service, i), &own) == 0 &&
			ration__origin_equal(&own, &origin)) {
			target->text += origin.length;
			target->flags =
				(uint16_t)(RATION__CALL_ORIGIN | i << RATION__CALL_NODE_SHIFT);
			return 0;
		}
	return RATION_EURL;
}

static int resolve_target(
	const char *text, const struct ration__service_conf *service, struct target *out)
{
	struct target target = {.text = text};
	struct ration__origin own;

	if (!service->base)
		return RATION_ESERVICE;
	if (ration__url_origin(service->base, &own))
		return RATION_EURL;
	if (ration__url_is_absolute(text) && resolve_origin(service, &target))
		return RATION_EURL;
	if (ration__url_check(target.text, &target.length))
		return RATION_EURL;
	/* Exactly one slash between base and path, and none that could make it "//host". */
	while (target.length > 1 && target.text[0] == '/' && target.text[1] == '/') {
		target.text++;
		target.length--;
	}
	*out = target;
	return 0;
}

static uint32_t write_url(
	struct writer *w, const struct target *target, const ration_request *request)
{
	uint32_t at = (uint32_t)w->at;
	bool query = memchr(target->text, '?', target->length) != NULL;

	if (target->length && *target->text != '/' && *target->text != '?')
		write_bytes(w, "/", 1);
	write_target(w, target->text, target->length);
	if (request->query.length) {
		char last = target->length ? target->text[target->length - 1] : '\0';

		if (!query)
			write_bytes(w, "?", 1);
		else if (last != '?' && last != '&')
			write_bytes(w, "&", 1);
		write_bytes(w, request->query.data, request->query.length);
	}
	write_bytes(w, "", 1);
	return at;
}

static bool has_streams(const ration_request *request)
{
	return request->file_count || request->body_kind == RATION__BODY_SOURCE || request->sink ||
	       request->sink_path;
}

/* With a context its request id, and so the header, only correlates (X9). */
static bool is_keyed(const ration_request *request)
{
	return request->keyed && (!ration__request_context(request) ||
					 ration__request_has_header(request, "Idempotency-Key"));
}

static uint16_t call_flags(const ration_request *request)
{
	unsigned flags = 0;

	if (is_keyed(request) || ration__method_is_safe(request->method))
		flags |= RATION__CALL_REPEATABLE;
	if (ration__request_context(request) || ration__request_has_header(request, "X-Request-ID"))
		flags |= RATION__CALL_REQUEST_ID;
	if (ration__request_has_header(request, "Content-Type"))
		flags |= RATION__CALL_CONTENT_TYPE;
	if (request->body_kind != RATION__BODY_NONE)
		flags |= RATION__CALL_BODY;
	if (has_streams(request))
		flags |= RATION__CALL_STREAMS;
	return (uint16_t)flags;
}

/* The next block, or a structure, may stand right behind. */
static void write_padding(struct writer *w)
{
	write_bytes(w, "\0\0\0\0\0\0\0", -w->at & 7);
}

/* Last: it ends where the block ends. */
static void write_streams(struct writer *w, const ration_request *request)
{
	struct ration__streams streams = {.source = request->source,
		.sink = request->sink,
		.sink_arg = request->sink_arg,
		.insert_count = (uint32_t)request->file_count};
	struct ration__insert inserts[RATION__FILES_MAX];

	for (size_t i = 0; i < request->file_count; i++)
		inserts[i] = (struct ration__insert){
			.at = request->files[i].at, .path = write_text(w, request->files[i].path)};
	streams.sink_path = write_text(w, request->sink_path);
	write_padding(w);
	streams.inserts = (uint32_t)w->at;
	write_bytes(w, (const char *)inserts, request->file_count * sizeof(inserts[0]));
	write_bytes(w, (const char *)&streams, sizeof(streams));
}

/* A service may want the key as it was given, without the quotes. */
static void write_key(struct writer *w, const struct ration__header_line *line)
{
	size_t value = line->name_length + 2;

	write_bytes(w, line->text, value);
	for (size_t i = value + 1; i + 1 < line->length; i++) {
		i += line->text[i] == '\\';
		write_bytes(w, line->text + i, 1);
	}
	write_bytes(w, "", 1);
}

/* The context's headers take the place of the request's own of that name. */
static uint16_t write_headers(
	struct writer *w, const ration_request *request, const struct ration__service_conf *service)
{
	const ration_context *context = ration__request_context(request);
	unsigned count = 0;

	for (unsigned i = 0; context && i < RATION__CONTEXT_HEADERS; i++) {
		struct ration__pair header = ration__context_header(context, i);

		if (!header.value)
			continue;
		write_bytes(w, header.name, strlen(header.name));
		write_bytes(w, ": ", 2);
		write_text(w, header.value);
		count++;
	}
	for (size_t i = 0; i < request->header_count; i++) {
		const struct ration__header_line *line = &request->headers[i];

		if (context && ration__context_replaces(context, line->text, line->name_length))
			continue;
		if (line->quoted && service->idempotency_raw)
			write_key(w, line);
		else
			write_text(w, line->text);
		count++;
	}
	return (uint16_t)count;
}

/* Everything behind the header; fills *call. */
static void write_call(struct writer *w, const ration_request *request, const struct target *target,
	const struct ration__service_conf *service, struct ration__call *call)
{
	w->at = sizeof(*call);
	write_text(w, request->method);
	call->line = request->line;
	call->flags = (uint16_t)(target->flags | call_flags(request));
	call->target = write_url(w, target, request);
	call->headers = (uint32_t)w->at;
	call->header_count = write_headers(w, request, service);
	if (!call->header_count)
		call->headers = 0;
	call->id = write_text(w, request->id);
	call->meta = write_text(w, request->meta);
	call->body = request->body.length ? (uint32_t)w->at : 0;
	call->body_length = (uint32_t)request->body.length;
	write_bytes(w, request->body.data, request->body.length);
	if (call->flags & RATION__CALL_STREAMS)
		write_streams(w, request);
	write_padding(w);
	call->size = (uint32_t)w->at;
}

int ration__call_measure(
	const ration_request *request, const struct ration__service_conf *service, size_t *size)
{
	struct writer w = {.block = NULL};
	struct ration__call call;
	struct target target;
	int code = request->error;

	if (!code)
		code = resolve_target(request->target, service, &target);
	if (code)
		return code;
	/* Neither has a meaning that libcurl or servers agree on. */
	if (request->body_kind != RATION__BODY_NONE &&
		(strcmp(request->method, "HEAD") == 0 || strcmp(request->method, "TRACE") == 0))
		return RATION_EINVAL;
	write_url(&w, &target, request);
	if (strlen(service->base) + w.at > RATION__URL_MAX)
		return RATION_ETOOBIG;
	write_call(&w, request, &target, service, &call);
	*size = call.size;
	return 0;
}

void ration__call_pack(const ration_request *request, const struct ration__service_conf *service,
	struct ration__call *at)
{
	struct writer w = {.block = (char *)at};
	struct target target = {.text = ""};
	int code = resolve_target(request->target, service, &target);

	assert(!code);
	(void)code;
	write_call(&w, request, &target, service, at);
}

bool ration__call_repeatable(const struct ration__call *call)
{
	return call->flags & RATION__CALL_REPEATABLE;
}

/* Looked for, not noted: only a 409 or 422 asks. */
bool ration__call_keyed(const struct ration__call *call)
{
	static const char name[] = "Idempotency-Key:";
	const char *line = ration__call_text(call, call->headers);

	for (unsigned i = 0; i < call->header_count; i++, line += strlen(line) + 1)
		if (strncasecmp(line, name, sizeof(name) - 1) == 0)
			return true;
	return false;
}

bool ration__call_rewinds(const struct ration__call *call)
{
	const struct ration__streams *streams = ration__call_streams(call);

	return !streams || !streams->source.read || streams->source.rewind;
}

bool ration__call_pauses(const struct ration__call *call)
{
	const struct ration__streams *streams = ration__call_streams(call);

	return streams && (streams->source.read || streams->sink);
}

size_t ration__call_size(const struct ration__call *call)
{
	return call->size;
}

const char *ration__call_pin(
	const struct ration__call *call, const struct ration__service_conf *service)
{
	size_t i = call->flags >> RATION__CALL_NODE_SHIFT;

	return call->flags & RATION__CALL_ORIGIN && i < node_count(service) ? node_at(service, i)
									    : NULL;
}

size_t ration__call_origin_length(const char *base)
{
	const char *authority = strstr(base, "://");
	size_t n = authority ? (size_t)(authority + 3 - base) : 0;

	return n + strcspn(base + n, "/?#");
}

const char *ration__call_prefix(const struct ration__call *call, const char *base, size_t *length)
{
	size_t n = strlen(base);

	if (call->flags & RATION__CALL_ORIGIN)
		n = ration__call_origin_length(base);
	while (n && base[n - 1] == '/')
		n--;
	*length = n;
	return base;
}
