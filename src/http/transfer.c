/*
 * One transfer: see http/transfer.h.
 *
 * The handle is not reset between requests. Options fall into those that never change, set once in
 * handle_setup, and those that are set anew for each request in ration__transfer_prepare: URL,
 * headers, method with body. Nothing else may be set, so nothing can leak from one request into the
 * next; cookies, credentials, netrc and proxies are never switched on.
 */
#include <config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/util.h"
#include "http/answer.h"
#include "http/call.h"
#include "http/curlcode.h"
#include "http/limits.h"
#include "http/sockets.h"
#include "http/transfer.h"

/* ---- what libcurl hands in ---- */

static int on_prereq(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct ration__transfer *t = arg;

	/* Fires before every send. libcurl sends again without asking, POST too, when a reused
	 * connection dies before the first byte of an answer. An attempt is one send: a second would
	 * be one that no limit was asked for. */
	if (t->sends)
		return CURL_PREREQFUNC_ABORT;
	t->sends = 1;
	ration__transfer_touch(t);
	return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct ration__transfer *t = arg;
	size_t length = size * count;
	uint64_t room = t->service->body_max - t->body.length;
	curl_off_t announced;

	ration__transfer_touch(t);
	if (length > room) {
		t->cut = true;
		ration__buffer_append(&t->body, data, (size_t)room);
		return CURL_WRITEFUNC_ERROR;
	}
	/* One allocation for a body that says how long it is; the limit holds, the claim is not
	 * trusted beyond a bound. */
	if (!t->body.data &&
		curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced) == CURLE_OK &&
		announced > (curl_off_t)length && announced <= RATION__BODY_RESERVE_MAX &&
		(uint64_t)announced <= t->service->body_max) {
		t->body.data = malloc((size_t)announced + 1);
		t->body.capacity = t->body.data ? (size_t)announced + 1 : 0;
	}
	ration__buffer_append(&t->body, data, length);
	if (!t->body.failed)
		return length;
	t->no_memory = true;
	return CURL_WRITEFUNC_ERROR;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "HTTP/1.1 200 OK": libcurl has checked it. */
static int parse_status(const char *line, size_t length)
{
	const char *at = memchr(line, ' ', length);

	if (!at || length - (size_t)(at - line) < 4)
		return 0;
	int status = 0;

	for (int i = 1; i <= 3; i++) {
		if (at[i] < '0' || at[i] > '9')
			return 0;
		status = status * 10 + (at[i] - '0');
	}
	return status;
}

static void add_header(struct ration__transfer *t, const char *line, size_t length)
{
	struct ration__buffer *out = &t->headers;
	const char *colon = memchr(line, ':', length);
	size_t name = colon ? (size_t)(colon - line) : 0;

	if (is_blank(*line)) { /* a folded line goes on with the value before it */
		if (!out->length)
			return;
		out->length--;
		ration__buffer_putc(out, ' ');
		name = 0;
	} else if (!name) {
		return;
	} else {
		size_t at = out->length;

		ration__buffer_append(out, line, name);
		if (out->failed)
			return;
		for (size_t i = at; i < out->length; i++)
			if (out->data[i] >= 'A' && out->data[i] <= 'Z')
				out->data[i] = (char)(out->data[i] - 'A' + 'a');
		ration__buffer_putc(out, '\0');
		name++;
	}
	while (name < length && is_blank(line[name]))
		name++;
	/* An embedded NUL would split the pair; libcurl refuses it, newer ones might not. */
	ration__buffer_append(out, line + name, strnlen(line + name, length - name));
	ration__buffer_putc(out, '\0');
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct ration__transfer *t = arg;
	size_t bytes = size * count, length = bytes;

	ration__transfer_touch(t);
	t->header_bytes += bytes;
	if (t->header_bytes > t->service->headers_max) {
		t->headers_cut = true;
		return CURL_WRITEFUNC_ERROR;
	}
	while (length && (line[length - 1] == '\r' || line[length - 1] == '\n' || is_blank(line[length - 1])))
		length--;
	if (t->headers_done) /* trailers: counted, not believed */
		return bytes;
	if (length > 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		t->status = parse_status(line, length);
		ration__buffer_clear(&t->headers);
	} else if (length == 0) {
		t->headers_done = t->status >= 200;
	} else {
		add_header(t, line, length);
	}
	if (!t->headers.failed)
		return bytes;
	t->no_memory = true;
	return CURL_WRITEFUNC_ERROR;
}

/* ---- set-up ---- */

static CURLcode handle_setup(struct ration__transfer *t, struct ration__sockets *sockets)
{
	CURL *e = t->easy;
	CURLcode rc = ration__sockets_setopt(sockets, e);

#define SET(option, value)                                                                         \
	do {                                                                                       \
		if (!rc)                                                                           \
			rc = curl_easy_setopt(e, option, value);                                   \
	} while (0)
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->error);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_PREREQFUNCTION, on_prereq);
	SET(CURLOPT_PREREQDATA, t);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_PROXY, ""); /* neither the environment's nor its look-up on each request */
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_CURLU, t->url);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
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
	ration__buffer_init(&t->headers, 0);
	ration__buffer_init(&t->body, 0);
	ration__buffer_init(&t->text, 0);
	ration__buffer_init(&t->origin, 0);
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

/* libcurl parses, normalizes and prints a URL for each request, byte by byte. It is given the origin
 * once and the request target as it is to be sent. */
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
		return curl_easy_setopt(t->easy, CURLOPT_URL, NULL); /* what it made of the old one */
	ration__buffer_clear(&t->origin);
	return rc == CURLUE_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_URL_MALFORMAT;
}

static CURLcode make_target(struct ration__transfer *t)
{
	size_t length, origin;
	const char *prefix = ration__call_prefix(t->call, t->service, &length);
	const char *target = ration__call_text(t->call, t->call->target);

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

/* The lines that are made here: they stand in the text, one after the other. */
static unsigned make_lines(struct ration__transfer *t, const char *id)
{
	const struct ration__service_conf *service = t->service;
	unsigned made = 0;
	bool has_id = t->call->flags & RATION__CALL_REQUEST_ID;

	for (size_t i = 0; i < service->header_count; i++) {
		const struct ration__header *header = &service->headers[i];

		if (call_has_header(t->call, header->name))
			continue;
		has_id = has_id || strcasecmp(header->name, "X-Request-ID") == 0;
		make_line(&t->text, header->name, header->value);
		made++;
	}
	if (!has_id && id) {
		make_line(&t->text, "X-Request-ID", id);
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

/* Sent as a POST is: with a body, or by a method that says "Content-Length: 0" when it has none. */
static bool posts(const struct ration__call *call)
{
	const char *method = ration__call_method(call);

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
		add_line(&lines, line);
	if (posts(call)) {
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

static CURLcode set_method(struct ration__transfer *t)
{
	const struct ration__call *call = t->call;
	const char *method = ration__call_method(call);
	bool post = posts(call);
	bool get = !post && strcmp(method, "GET") == 0;
	CURLcode rc;

	if (get && t->plain)
		return CURLE_OK;
	t->plain = false;
	/* HTTPGET undoes NOBODY and POST of the request before. */
	rc = curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
	if (!rc && post) {
		const char *bytes = ration__call_text(call, call->body);

		rc = curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
		if (!rc)
			rc = curl_easy_setopt(
				t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_length);
		if (!rc)
			rc = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, bytes ? bytes : "");
	} else if (!rc && strcmp(method, "HEAD") == 0) {
		rc = curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
	}
	bool implied = get || strcmp(method, post ? "POST" : "HEAD") == 0;

	if (!rc)
		rc = curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, implied ? NULL : method);
	t->plain = !rc && get;
	return rc;
}

int ration__transfer_prepare(struct ration__transfer *t,
	const struct ration__service_conf *service, const struct ration__call *call, const char *id)
{
	struct curl_slist *headers;
	unsigned made;
	CURLcode rc;

	t->service = service;
	t->call = call;
	t->forced = 0;
	t->result = CURLE_OK;
	t->status = 0;
	t->sends = 0;
	t->headers_done = t->cut = t->headers_cut = t->no_memory = t->broken = false;
	t->header_bytes = 0;
	t->error[0] = '\0';
	ration__buffer_clear(&t->headers);
	ration__buffer_clear(&t->body);
	rc = make_target(t);
	if (rc)
		return rc == CURLE_OUT_OF_MEMORY ? RATION_ENOMEM : RATION_EURL;
	made = make_lines(t, id);
	if (t->text.failed)
		return RATION_ENOMEM;
	headers = make_headers(t, made);
	if (!headers)
		return RATION_ENOMEM;
	if (curl_easy_setopt(t->easy, CURLOPT_REQUEST_TARGET, t->text.data) != CURLE_OK ||
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
		set_method(t) != CURLE_OK)
		return RATION_ENOMEM;
	return 0;
}

/* ---- time ---- */

bool ration__transfer_uploads(const struct ration__transfer *t)
{
	return t->call->body_length > 0;
}

static bool uploading(const struct ration__transfer *t)
{
	curl_off_t sent;

	return t->call->body_length &&
		curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK &&
		sent < (curl_off_t)t->call->body_length;
}

int64_t ration__transfer_deadline(const struct ration__transfer *t, int *code)
{
	const struct ration__timeouts *timeouts = &t->service->timeouts;
	int64_t attempt = t->start_ns + timeouts->attempt_ns;
	int64_t at;

	if (!t->sends) {
		at = t->start_ns + timeouts->connect_ns;
		*code = RATION_ECONNECTTIMEOUT;
	} else if (uploading(t)) {
		at = t->progress_ns + timeouts->write_ns;
		*code = RATION_EWRITETIMEOUT;
	} else {
		at = t->progress_ns + timeouts->read_ns;
		*code = RATION_EREADTIMEOUT;
	}
	if (at <= attempt)
		return at;
	if (t->sends)
		*code = RATION_EATTEMPTTIMEOUT;
	return attempt;
}

/* ---- the end ---- */

static const char *find_header(const struct ration__attempt *attempt, const char *name)
{
	const char *at = attempt->headers, *end = at + attempt->headers_length;

	while (at < end) {
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

/* Small answers: headers and body in one block. Large ones: the body's own memory goes along. */
static bool hand_over(struct ration__transfer *t, struct ration__attempt *attempt)
{
	bool shared = t->body.length <= RATION__BODY_SHARED_MAX;
	char *block = malloc(t->headers.length + (shared ? t->body.length : 0) + 2);

	if (!block)
		return false;
	if (t->headers.length)
		memcpy(block, t->headers.data, t->headers.length);
	block[t->headers.length] = '\0';
	attempt->headers = block;
	attempt->headers_length = t->headers.length;
	attempt->body_shared = shared;
	if (shared) {
		attempt->body = block + t->headers.length + 1;
		attempt->body_length = t->body.length;
		if (t->body.length)
			memcpy(attempt->body, t->body.data, t->body.length);
		attempt->body[t->body.length] = '\0';
		return true;
	}
	attempt->body = ration__buffer_take(&t->body, &attempt->body_length);
	return attempt->body != NULL;
}

/* Text of libcurl may quote what a server sent. */
static void sanitize(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void say(struct ration__attempt *attempt, const char *more)
{
	if (attempt->code == 0)
		snprintf(attempt->message, sizeof(attempt->message), "ok");
	else if (more && *more)
		snprintf(attempt->message, sizeof(attempt->message), "%s: %s",
			ration_strerror(attempt->code), more);
	else
		snprintf(attempt->message, sizeof(attempt->message), "%s",
			ration_strerror(attempt->code));
	sanitize(attempt->message);
}

static void result_error(struct ration__attempt *attempt, enum ration__end end, int code,
	const char *more)
{
	attempt->end.end = end;
	attempt->code = code;
	say(attempt, more);
}

/* A complete answer, or one that was cut at a limit. */
static void result_answer(struct ration__transfer *t, struct ration__attempt *attempt)
{
	char more[32];

	attempt->status = t->status;
	attempt->truncated = t->cut;
	if (!hand_over(t, attempt)) {
		attempt->status = 0;
		result_error(attempt, RATION__END_LOCAL, RATION_ENOMEM, NULL);
		return;
	}
	attempt->code = ration__status_code(t->service, t->status);
	/* A refusal is one, however long its explanation. */
	if (t->cut && attempt->code == 0) {
		result_error(attempt, RATION__END_PERMANENT, RATION_EBODY, "body");
		return;
	}
	attempt->end.end = RATION__END_ANSWERED;
	attempt->end.status = t->status;
	attempt->end.retry_after_ns = ration__retry_after(
		find_header(attempt, "retry-after"), find_header(attempt, "date"));
	snprintf(more, sizeof(more), "status %d", t->status);
	say(attempt, more);
}

static void result_failure(struct ration__transfer *t, struct ration__attempt *attempt)
{
	bool sent = t->sends > 0;
	struct ration__curl_meaning meaning = ration__curl_meaning(t->result, sent);

	if (t->no_memory) {
		result_error(attempt, RATION__END_LOCAL, RATION_ENOMEM, NULL);
	} else if (t->headers_cut) {
		result_error(attempt, RATION__END_PERMANENT, RATION_EBODY, "headers");
	} else if (t->broken) {
		result_error(attempt, RATION__END_LOCAL, RATION_ESYSTEM, NULL);
	} else if (t->forced) {
		attempt->end.timed_out = true;
		result_error(attempt, sent ? RATION__END_AMBIGUOUS : RATION__END_NOT_SENT, t->forced, NULL);
	} else {
		attempt->end.timed_out = t->result == CURLE_OPERATION_TIMEDOUT;
		result_error(attempt, meaning.end, meaning.code,
			t->error[0] ? t->error : curl_easy_strerror(t->result));
	}
}

/* Whether the request reached the wire: 0, 1, -1 not known. */
static int8_t was_sent(const struct ration__transfer *t)
{
	long bytes = 0;

	if (!t->sends)
		return 0;
	if (t->status)
		return 1;
	curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &bytes);
	return bytes > 0 ? 1 : -1;
}

void ration__transfer_result(
	struct ration__transfer *t, int64_t now_ns, struct ration__attempt *attempt)
{
	memset(attempt, 0, offsetof(struct ration__attempt, message));
	attempt->message[0] = '\0';
	attempt->start_ns = t->start_ns;
	attempt->end_ns = ration__max64(now_ns, t->start_ns);
	attempt->elapsed_us = (attempt->end_ns - attempt->start_ns) / 1000;
	attempt->sent = was_sent(t);
	if (!t->forced && !t->broken && (t->result == CURLE_OK || t->cut))
		result_answer(t, attempt);
	else
		result_failure(t, attempt);
	/* A large body that was not handed over is not kept for the next request. */
	if (t->body.capacity > RATION__BODY_SHARED_MAX)
		ration__buffer_fini(&t->body);
}

void ration__attempt_fini(struct ration__attempt *attempt)
{
	if (!attempt->body_shared)
		free(attempt->body);
	free(attempt->headers);
	attempt->headers = attempt->body = NULL;
	attempt->headers_length = attempt->body_length = 0;
}
