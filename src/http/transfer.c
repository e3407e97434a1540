/*
 * One transfer's request: see http/transfer.h.
 *
 * The handle is not reset between requests. Options fall into those that never change, set once in
 * handle_setup, those of the connection (http/connect.h), and those that are set anew for each
 * request in ration__transfer_prepare: URL, headers, method with body. Nothing else may be set, so
 * nothing can leak from one request into the next; cookies and netrc are never switched on.
 */
#include <config.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "http/call.h"
#include "http/connect.h"
#include "http/sockets.h"
#include "http/transfer.h"

static CURLcode handle_setup(struct ration__transfer *t, struct ration__sockets *sockets)
{
	CURL *e = t->easy;
	CURLcode rc = ration__sockets_setopt(sockets, t);

	if (!rc)
		rc = ration__transfer_callbacks(t);

#define SET(option, value)                                       \
	do {                                                     \
		if (!rc)                                         \
			rc = curl_easy_setopt(e, option, value); \
	} while (0)
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_CURLU, t->url);
	SET(CURLOPT_QUICK_EXIT, 1L); /* else removing a handle may wait for the resolver */
	SET(CURLOPT_HTTPGET, 1L);
#undef SET
	t->plain = true;
	return rc;
}

struct ration__transfer *ration__transfer_new(
	struct ration__sockets *sockets, struct ration__link *touched_list)
{
	struct ration__transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->touched_list = touched_list;
	ration__link_init(&t->link);
	ration__link_init(&t->touched);
	ration__link_init(&t->held);
	ration__source_init(&t->source);
	ration__sink_init(&t->sink);
	ration__buffer_init(&t->headers, 0);
	ration__buffer_init(&t->body, 0);
	ration__buffer_init(&t->text, 0);
	ration__buffer_init(&t->origin, 0);
	ration__buffer_init(&t->connection, 0);
	t->url = curl_url();
	t->easy = curl_easy_init();
	if (!t->url || !t->easy || handle_setup(t, sockets) != CURLE_OK) {
		ration__transfer_free(t);
		return NULL;
	}
	return t;
}

void ration__transfer_free(struct ration__transfer *t)
{
	if (!t)
		return;
	curl_easy_cleanup(t->easy);
	curl_url_cleanup(t->url);
	ration__buffer_fini(&t->origin);
	ration__buffer_fini(&t->connection);
	ration__buffer_fini(&t->headers);
	ration__buffer_fini(&t->body);
	ration__buffer_fini(&t->text);
	free(t->nodes);
	free(t);
}

/* The list is built with offsets into the text, which may move while it grows. */
struct lines {
	struct ration__transfer *transfer;
	size_t count;
	bool failed;
};

static struct curl_slist *add_node(struct lines *lines)
{
	struct ration__transfer *t = lines->transfer;

	if (lines->count == t->node_capacity) {
		size_t capacity = t->node_capacity ? t->node_capacity * 2 : 8;
		struct curl_slist *nodes = realloc(t->nodes, capacity * sizeof(*nodes));

		if (!nodes) {
			lines->failed = true;
			return NULL;
		}
		t->nodes = nodes;
		t->node_capacity = capacity;
	}
	return &t->nodes[lines->count++];
}

/* A line that outlives the transfer. */
static void add_line(struct lines *lines, const char *line)
{
	struct curl_slist *node = add_node(lines);

	if (node)
		node->data = (char *)line;
}

static size_t name_length(const char *line)
{
	return strcspn(line, ":;");
}

/* The request's own header wins over the service's. */
static bool call_has_header(const struct ration__call *call, const char *name)
{
	const char *line = ration__call_text(call, call->headers);
	size_t length = strlen(name);

	for (unsigned i = 0; i < call->header_count; i++, line += strlen(line) + 1)
		if (name_length(line) == length && strncasecmp(line, name, length) == 0)
			return true;
	return false;
}

static void make_line(struct ration__buffer *text, const char *name, const char *value)
{
	ration__buffer_puts(text, name);
	ration__buffer_puts(text, *value ? ": " : ";");
	ration__buffer_append(text, value, strlen(value) + 1);
}

/* libcurl parses, normalizes and prints a URL for each request, byte by byte. It is given the
 * origin once and the request target as it is to be sent. */
static CURLcode set_origin(struct ration__transfer *t, const char *origin, size_t length)
{
	CURLUcode rc;

	if (t->origin.length == length && memcmp(t->origin.data, origin, length) == 0)
		return CURLE_OK;
	ration__buffer_clear(&t->origin);
	ration__buffer_append(&t->origin, origin, length);
	if (t->origin.failed)
		return CURLE_OUT_OF_MEMORY;
	rc = curl_url_set(t->url, CURLUPART_URL, t->origin.data, 0);
	if (rc == CURLUE_OK)
		return curl_easy_setopt(
			t->easy, CURLOPT_URL, NULL); /* what it made of the old one */
	ration__buffer_clear(&t->origin);
	return rc == CURLUE_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_URL_MALFORMAT;
}

/* A redirect's URL stands for itself. */
static CURLcode make_hop_target(struct ration__transfer *t)
{
	const char *url = t->send.hop->url;
	size_t origin = ration__call_origin_length(url);

	ration__buffer_clear(&t->text);
	if (url[origin] != '/')
		ration__buffer_putc(&t->text, '/');
	ration__buffer_append(&t->text, url + origin, strlen(url + origin) + 1);
	return set_origin(t, url, origin);
}

static CURLcode make_target(struct ration__transfer *t)
{
	const char *base = t->send.base ? t->send.base : t->service->base;
	size_t length, origin;
	const char *prefix = ration__call_prefix(t->call, base, &length);
	const char *target = ration__call_text(t->call, t->call->target);

	if (t->send.hop)
		return make_hop_target(t);
	origin = ration__call_origin_length(prefix);
	if (origin > length)
		return CURLE_URL_MALFORMAT;
	ration__buffer_clear(&t->text);
	if (origin == length && *target != '/')
		ration__buffer_putc(&t->text, '/');
	ration__buffer_append(&t->text, prefix + origin, length - origin);
	ration__buffer_append(&t->text, target, strlen(target) + 1);
	return set_origin(t, prefix, origin);
}

/* Whether a header of that name goes along: a foreign origin gets only what tells it nothing, and
 * what speaks of a body stays behind with it. */
static bool goes_along(const struct ration__transfer *t, const char *name, size_t length)
{
	static const char content[] = "Content-";

	if (t->send.hop && t->send.hop->get && length >= sizeof(content) - 1 &&
		strncasecmp(name, content, sizeof(content) - 1) == 0)
		return false;
	return !ration__transfer_is_foreign(t) || ration__header_may_cross(name, length);
}

/* The lines that are made here: they stand in the text, one after the other. */
static unsigned make_lines(struct ration__transfer *t)
{
	const struct ration__service_conf *service = t->service;
	const struct ration__send *send = &t->send;
	unsigned made = 0;
	bool has_id = t->call->flags & RATION__CALL_REQUEST_ID;

	for (size_t i = 0; i < service->header_count; i++) {
		const struct ration__header *header = &service->headers[i];

		if (call_has_header(t->call, header->name) ||
			!goes_along(t, header->name, strlen(header->name)))
			continue;
		if (send->authorization && !strcasecmp(header->name, send->authorization_name))
			continue;
		has_id = has_id || strcasecmp(header->name, "X-Request-ID") == 0;
		make_line(&t->text, header->name, header->value);
		made++;
	}
	if (!has_id && send->id) {
		make_line(&t->text, "X-Request-ID", send->id);
		made++;
	}
	if (send->authorization && !ration__transfer_is_foreign(t) &&
		!call_has_header(t->call, send->authorization_name)) {
		make_line(&t->text, send->authorization_name, send->authorization);
		made++;
	}
	return made;
}

static bool has_header(const struct ration__transfer *t, const char *name)
{
	for (size_t i = 0; i < t->service->header_count; i++)
		if (strcasecmp(t->service->headers[i].name, name) == 0)
			return true;
	return call_has_header(t->call, name);
}

/* The call's, unless a redirect made it a GET. */
const char *ration__transfer_method(const struct ration__transfer *t)
{
	const char *method = ration__call_method(t->call);

	return t->send.hop && t->send.hop->get && strcmp(method, "HEAD") != 0 ? "GET" : method;
}

/* Sent as a POST is: with a body, or by a method that says "Content-Length: 0" when it has none. */
static bool posts(const struct ration__transfer *t)
{
	const struct ration__call *call = t->call;
	const char *method = ration__transfer_method(t);

	if (t->send.hop && t->send.hop->get)
		return false;
	return call->flags & RATION__CALL_BODY || strcmp(method, "POST") == 0 ||
	       strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

/* NULL when out of memory. */
static struct curl_slist *make_headers(struct ration__transfer *t, unsigned made)
{
	struct lines lines = {.transfer = t};
	const struct ration__call *call = t->call;
	const char *line = t->text.data + strlen(t->text.data) + 1;

	for (unsigned i = 0; i < made; i++, line += strlen(line) + 1)
		add_line(&lines, line);
	if (!has_header(t, "User-Agent"))
		add_line(&lines, "User-Agent: " PACKAGE_NAME "/" PACKAGE_VERSION);
	line = ration__call_text(call, call->headers);
	for (unsigned i = 0; i < call->header_count; i++, line += strlen(line) + 1)
		if (goes_along(t, line, name_length(line)))
			add_line(&lines, line);
	if (posts(t)) {
		add_line(&lines, "Expect:"); /* else up to a second is spent on "100 Continue" */
		if (!has_header(t, "Content-Type"))
			add_line(&lines, "Content-Type:"); /* libcurl would claim it were a form */
	}
	if (lines.failed)
		return NULL;
	for (size_t i = 0; i < lines.count; i++)
		t->nodes[i].next = i + 1 < lines.count ? &t->nodes[i + 1] : NULL;
	return t->nodes;
}

/* What stands in the call is not copied; all else is read as it is sent (http/receive.c). */
static CURLcode set_body(struct ration__transfer *t)
{
	const struct ration__source *source = &t->source;
	bool whole = source->length == t->call->body_length; /* or empty, or as short by chance */
	const char *bytes = ration__call_text(t->call, t->call->body);
	curl_off_t length =
		source->length == RATION__LENGTH_UNKNOWN ? -1 : (curl_off_t)source->length;
	CURLcode rc = curl_easy_setopt(t->easy, CURLOPT_POST, 1L);

	if (!rc)
		rc = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, length);
	if (!rc)
		rc = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS,
			!whole	? NULL
			: bytes ? bytes
				: "");
	return rc;
}

static CURLcode set_method(struct ration__transfer *t)
{
	const char *method = ration__transfer_method(t);
	bool post = posts(t);
	bool get = !post && strcmp(method, "GET") == 0;
	CURLcode rc;

	if (get && t->plain)
		return CURLE_OK;
	/* HTTPGET undoes NOBODY and POST of the request before. */
	rc = curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
	if (!rc && post) {
		rc = set_body(t);
	} else if (!rc && strcmp(method, "HEAD") == 0) {
		rc = curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
	}
	bool implied = get || strcmp(method, post ? "POST" : "HEAD") == 0;

	if (!rc)
		rc = curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, implied ? NULL : method);
	t->plain = !rc && get;
	return rc;
}

static CURLcode set_fresh(struct ration__transfer *t)
{
	bool fresh = t->service->fresh || t->send.fresh || t->alone;
	CURLcode rc;

	if (fresh == t->fresh)
		return CURLE_OK;
	rc = curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
	if (!rc)
		t->fresh = fresh;
	return rc;
}

/* Who asks for an encoding by a header of their own gets what comes. */
static CURLcode set_decoding(struct ration__transfer *t)
{
	bool decodes = t->service->compressed && !has_header(t, "Accept-Encoding");
	CURLcode rc;

	if (decodes == t->decodes)
		return CURLE_OK;
	/* "": all that this libcurl knows */
	rc = curl_easy_setopt(t->easy, CURLOPT_ACCEPT_ENCODING, decodes ? "" : NULL);
	t->decodes = !rc && decodes;
	return rc;
}

void ration__transfer_close(struct ration__transfer *t)
{
	ration__source_close(&t->source);
	ration__sink_discard(&t->sink);
}

/* Before anything is sent: what is not there, or cannot be written, ends the attempt here. */
static int open_streams(struct ration__transfer *t)
{
	int code = posts(t) ? ration__source_open(&t->source, t->call, t->send.ticket) : 0;

	if (code == RATION_EIO)
		t->failed = "body's file";
	if (code)
		return code;
	code = ration__sink_open(&t->sink, t->call, t->send.ticket);
	if (code == RATION_EIO)
		t->failed = "sink's file";
	return code;
}

static void reset(struct ration__transfer *t, const struct ration__send *send)
{
	t->send = *send;
	t->service = send->service;
	t->call = send->call;
	t->forced = 0;
	t->result = CURLE_OK;
	t->status = 0;
	t->sends = 0;
	t->headers_done = t->cut = t->headers_cut = t->no_memory = t->broken = false;
	t->status_seen = false;
	t->has_socket = t->paused = t->resumed = false;
	t->failed = NULL;
	t->header_bytes = 0;
	t->error[0] = '\0';
	ration__buffer_clear(&t->headers);
	ration__buffer_clear(&t->body);
}

int ration__transfer_prepare(struct ration__transfer *t, const struct ration__send *send)
{
	struct curl_slist *headers;
	unsigned made;
	CURLcode rc;
	int code;

	reset(t, send);
	rc = make_target(t);
	if (rc)
		return rc == CURLE_OUT_OF_MEMORY ? RATION_ENOMEM : RATION_EURL;
	if (ration__connect_prepare(t) != 0)
		return RATION_ENOMEM;
	code = open_streams(t);
	if (code == RATION_EIO)
		t->refused = code;
	else if (code)
		return code;
	made = make_lines(t);
	if (t->text.failed)
		return RATION_ENOMEM;
	headers = make_headers(t, made);
	if (!headers)
		return RATION_ENOMEM;
	if (curl_easy_setopt(t->easy, CURLOPT_REQUEST_TARGET, t->text.data) != CURLE_OK ||
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
		set_method(t) != CURLE_OK || set_decoding(t) != CURLE_OK ||
		set_fresh(t) != CURLE_OK)
		return RATION_ENOMEM;
	return 0;
}
