/* Attempts that go to a caller's transport: see exchange.h. */
#include "http/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/token.h"
#include "base/util.h"
#include "http/fail.h"
#include "http/limits.h"
#include "http/transfer.h"

#define PIECE (16u << 10) /* as libcurl hands over */

enum phase { READING, ANSWERED, GIVING };

struct ration_exchange {
	struct ration__transfer *transfer;
	enum phase phase;
	struct ration__buffer url, headers, request; /* headers: "name\0value\0" … */
	/* what comes back */
	bool said;
	int code;   /* RATION_E*: it fails so; 0: it answers */
	int status; /* 0: it says nothing */
	int64_t delay_ns, due_ns;
	struct ration__buffer head; /* header lines, each with its CRLF */
	struct ration__buffer body;
	size_t head_given, body_given;
};

/* ---- the request ---- */

/* "Name: value", or "Name;" for an empty value; "Name:" tells libcurl to leave its own out. */
static void note_header(struct ration__buffer *out, const char *line)
{
	size_t name = strcspn(line, ":;");
	const char *value = line + name + (line[name] != '\0');

	if (line[name] == ':' && !*value)
		return;
	value += strspn(value, " ");
	ration__buffer_append(out, line, name);
	ration__buffer_putc(out, '\0');
	ration__buffer_append(out, value, strlen(value) + 1);
}

int ration__exchange_open(struct ration__transfer *t)
{
	ration_exchange *e = calloc(1, sizeof(*e));

	if (!e)
		return RATION_ENOMEM;
	e->transfer = t;
	ration__buffer_init(&e->url, 0);
	ration__buffer_init(&e->headers, 0);
	ration__buffer_init(&e->request, RATION__BODY_MAX);
	ration__buffer_init(&e->head, 0);
	ration__buffer_init(&e->body, 0);
	ration__buffer_append(&e->url, t->origin.data, t->origin.length);
	ration__buffer_puts(&e->url, t->text.data); /* the request target, then header lines */
	for (const struct curl_slist *line = t->nodes; line; line = line->next)
		note_header(&e->headers, line->data);
	ration__buffer_append(&e->request, "", 0);
	if (e->url.failed || e->headers.failed || e->request.failed) {
		ration__exchange_free(e);
		return RATION_ENOMEM;
	}
	t->exchange = e;
	return 0;
}

void ration__exchange_free(ration_exchange *e)
{
	if (!e)
		return;
	ration__buffer_fini(&e->url);
	ration__buffer_fini(&e->headers);
	ration__buffer_fini(&e->request);
	ration__buffer_fini(&e->head);
	ration__buffer_fini(&e->body);
	free(e);
}

const char *ration_exchange_service(const ration_exchange *e)
{
	return e->transfer->service->name;
}

const char *ration_exchange_method(const ration_exchange *e)
{
	return ration__transfer_method(e->transfer);
}

const char *ration_exchange_url(const ration_exchange *e)
{
	return e->url.data;
}

int ration_exchange_header_at(
	const ration_exchange *e, size_t i, const char **name, const char **value)
{
	const char *at = e->headers.data, *end = at + e->headers.length;

	for (; at && at < end; i--) {
		const char *text = at + strlen(at) + 1;

		if (i == 0) {
			*name = at;
			*value = text;
			return 0;
		}
		at = text + strlen(text) + 1;
	}
	return RATION_EEMPTY;
}

const char *ration_exchange_header(const ration_exchange *e, const char *name)
{
	const char *found, *value;

	for (size_t i = 0; name && ration_exchange_header_at(e, i, &found, &value) == 0; i++)
		if (strcasecmp(found, name) == 0)
			return value;
	return NULL;
}

const void *ration_exchange_body(const ration_exchange *e, size_t *length)
{
	if (length)
		*length = e->request.length;
	return e->request.data ? e->request.data : "";
}

int64_t ration_exchange_timeout_ms(const ration_exchange *e)
{
	return e->transfer->service->timeouts.attempt_ns / RATION__NS_PER_MS;
}

int ration_exchange_attempt(const ration_exchange *e)
{
	return (int)e->transfer->send.attempt;
}

/* ---- what comes back ---- */

int ration_exchange_answer(
	ration_exchange *e, int status, const char *const *headers, const void *body, size_t length)
{
	struct ration__buffer head, copy;

	if (e->said)
		return RATION_EBUSY;
	if (status < 200 || status > 599 || (length && !body))
		return RATION_EINVAL;
	for (const char *const *at = headers; at && at[0]; at += 2)
		if (!at[1] || !ration__header_name_ok(at[0]) || !ration__header_value_ok(at[1]))
			return RATION_EHEADER;
	ration__buffer_init(&head, 0);
	ration__buffer_init(&copy, 0);
	ration__buffer_printf(&head, "HTTP/1.1 %d \r\n", status);
	for (const char *const *at = headers; at && at[0]; at += 2)
		ration__buffer_printf(&head, "%s: %s\r\n", at[0], at[1]);
	ration__buffer_puts(&head, "\r\n");
	ration__buffer_append(&copy, body, length);
	if (head.failed || copy.failed) {
		ration__buffer_fini(&head);
		ration__buffer_fini(&copy);
		return RATION_ENOMEM;
	}
	ration__buffer_fini(&e->head);
	ration__buffer_fini(&e->body);
	e->head = head;
	e->body = copy;
	e->status = status;
	e->said = true;
	return 0;
}

int ration_exchange_fail(ration_exchange *e, int code)
{
	if (e->said)
		return RATION_EBUSY;
	switch (code) {
	case RATION_EDNS:
	case RATION_ECONNECT:
	case RATION_ETLS:
	case RATION_EADDRESS:
	case RATION_ECONNECTTIMEOUT:
	case RATION_ERESET:
	case RATION_EPROTOCOL:
	case RATION_ETIMEOUT:
	case RATION_EREADTIMEOUT:
	case RATION_EWRITETIMEOUT:
	case RATION_EATTEMPTTIMEOUT:
	case RATION_ELOCAL:
		e->code = code;
		e->said = true;
		return 0;
	default:
		return RATION_EINVAL;
	}
}

int ration_exchange_delay(ration_exchange *e, int64_t delay_ms)
{
	if (delay_ms < 0)
		return RATION_EINVAL;
	e->delay_ns =
		ration__min64(delay_ms, RATION__NEVER / RATION__NS_PER_MS / 2) * RATION__NS_PER_MS;
	return 0;
}

/* ---- the run ---- */

/* True: all of it is there. */
static bool read_body(ration_exchange *e)
{
	struct ration__transfer *t = e->transfer;
	char piece[PIECE];
	ptrdiff_t n;

	while ((n = ration__source_read(&t->source, piece, sizeof(piece))) > 0) {
		ration__buffer_append(&e->request, piece, (size_t)n);
		if (e->request.failed) /* one that never ends must not hold the worker */
			break;
	}
	if (n == RATION_EAGAIN) {
		t->paused = true;
		return false;
	}
	if (n < 0)
		t->failed = "body";
	if (e->request.failed)
		t->no_memory = true;
	return true;
}

/* True: the transfer has ended. */
static bool ask(ration_exchange *e, const struct ration__transport *transport, int64_t now_ns)
{
	struct ration__transfer *t = e->transfer;

	if (t->failed || t->no_memory) {
		t->result = CURLE_ABORTED_BY_CALLBACK;
		return true;
	}
	t->sends = 1;
	t->progress_ns = now_ns;
	transport->fn(transport->arg, e);
	e->due_ns = e->said ? now_ns + e->delay_ns : RATION__NEVER;
	e->phase = ANSWERED;
	return false;
}

/* A failure of its own: as libcurl's would be noted. */
static void fail(ration_exchange *e)
{
	struct ration__transfer *t = e->transfer;
	struct ration__attempt_end end;

	ration__end_of_code(e->code, &end);
	if (end.end == RATION__END_NOT_SENT || e->code == RATION_EADDRESS)
		t->sends = 0;
	t->forced = e->code;
}

static bool has_body(const ration_exchange *e)
{
	return strcmp(ration_exchange_method(e), "HEAD") != 0 && e->status != 204 &&
	       e->status != 304;
}

/* True: all was taken, or what was not ends the transfer. */
static bool give(ration_exchange *e)
{
	struct ration__transfer *t = e->transfer;
	size_t body = has_body(e) ? e->body.length : 0;

	while (e->head_given < e->head.length) {
		char *line = e->head.data + e->head_given;
		size_t length = (size_t)(strchr(line, '\n') + 1 - line);

		if (ration__transfer_take_header(t, line, length) != length) {
			t->result = CURLE_WRITE_ERROR;
			return true;
		}
		e->head_given += length;
	}
	while (e->body_given < body) {
		size_t length = (size_t)ration__min64((int64_t)(body - e->body_given), PIECE);
		size_t taken = ration__transfer_take_body(t, e->body.data + e->body_given, length);

		if (t->paused)
			return false;
		if (taken != length) {
			t->result = CURLE_WRITE_ERROR;
			return true;
		}
		e->body_given += length;
	}
	return true;
}

bool ration__exchange_step(
	struct ration__transfer *t, const struct ration__transport *transport, int64_t now_ns)
{
	ration_exchange *e = t->exchange;

	if (t->paused && !t->resumed)
		return false;
	t->paused = t->resumed = false;
	if (e->phase == READING && (!read_body(e) || ask(e, transport, now_ns)))
		return !t->paused;
	if (e->phase == ANSWERED) {
		if (now_ns < e->due_ns)
			return false;
		e->phase = GIVING;
		t->progress_ns = now_ns;
	}
	if (e->phase != GIVING)
		return false;
	if (e->code) {
		fail(e);
		return true;
	}
	return give(e);
}

int64_t ration__exchange_deadline(const struct ration__transfer *t, int *code)
{
	const ration_exchange *e = t->exchange;
	int64_t at = t->start_ns + t->service->timeouts.attempt_ns;
	int64_t silent = t->progress_ns + t->service->timeouts.read_ns;

	*code = RATION_EATTEMPTTIMEOUT;
	if (t->paused) /* the caller's time, not the server's */
		return at;
	if (silent < at) {
		at = silent;
		*code = RATION_EREADTIMEOUT;
	}
	if (e->phase == ANSWERED && e->due_ns <= at) {
		at = e->due_ns;
		*code = 0;
	}
	return at;
}

void ration__exchange_result(const struct ration__transfer *t, struct ration__attempt *attempt)
{
	const ration_exchange *e = t->exchange;

	attempt->sent = t->sends ? 1 : 0;
	if (e->code && t->forced == e->code && e->phase == GIVING)
		ration__end_of_code(e->code, &attempt->end);
}
