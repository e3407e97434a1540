/*
 * Packing: one pass over the request with a writer that counts, one that writes. Both passes are
 * the same code, so that size and content cannot disagree.
 */
#include <assert.h>
#include <string.h>
#include "http/builder.h"
#include "http/call.h"
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

static int resolve_target(
	const char *text, const struct ration__service_conf *service, struct target *out)
{
	struct target target = {.text = text};
	struct ration__origin own, origin;

	if (!service->base)
		return RATION_ESERVICE;
	if (ration__url_origin(service->base, &own))
		return RATION_EURL;
	if (ration__url_is_absolute(text)) {
		if (ration__url_origin(text, &origin) || !ration__origin_equal(&own, &origin))
			return RATION_EURL;
		target.text += origin.length;
		target.flags = RATION__CALL_ORIGIN;
	}
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

static uint16_t call_flags(const ration_request *request)
{
	unsigned flags = 0;

	if (request->keyed || ration__method_is_safe(request->method))
		flags |= RATION__CALL_REPEATABLE;
	if (ration__request_has_header(request, "X-Request-ID"))
		flags |= RATION__CALL_REQUEST_ID;
	if (ration__request_has_header(request, "Content-Type"))
		flags |= RATION__CALL_CONTENT_TYPE;
	if (request->has_body)
		flags |= RATION__CALL_BODY;
	return (uint16_t)flags;
}

/* Everything behind the header; fills *call. */
static void write_call(struct writer *w, const ration_request *request, const struct target *target,
	struct ration__call *call)
{
	w->at = sizeof(*call);
	write_text(w, request->method);
	call->line = request->line;
	call->flags = (uint16_t)(target->flags | call_flags(request));
	call->target = write_url(w, target, request);
	call->header_count = (uint16_t)request->header_count;
	call->headers = request->header_count ? (uint32_t)w->at : 0;
	for (size_t i = 0; i < request->header_count; i++)
		write_text(w, request->headers[i].text);
	call->id = write_text(w, request->id);
	call->meta = write_text(w, request->meta);
	call->body = request->body_length ? (uint32_t)w->at : 0;
	call->body_length = (uint32_t)request->body_length;
	write_bytes(w, request->body, request->body_length);
	/* The next block may stand right behind this one. */
	call->size = (uint32_t)((w->at + 7) & ~(size_t)7);
	write_bytes(w, "\0\0\0\0\0\0\0", call->size - w->at);
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
	if (request->has_body &&
		(strcmp(request->method, "HEAD") == 0 || strcmp(request->method, "TRACE") == 0))
		return RATION_EINVAL;
	write_url(&w, &target, request);
	if (strlen(service->base) + w.at > RATION__URL_MAX)
		return RATION_ETOOBIG;
	write_call(&w, request, &target, &call);
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
	write_call(&w, request, &target, at);
}

bool ration__call_repeatable(const struct ration__call *call)
{
	return call->flags & RATION__CALL_REPEATABLE;
}

size_t ration__call_size(const struct ration__call *call)
{
	return call->size;
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
