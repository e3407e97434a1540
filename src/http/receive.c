/*
 * What libcurl hands in during a transfer, and asks for: the send that begins, headers, bodies.
 * Each callback counts before it keeps, so that no server decides how much memory is used; what is
 * beyond a limit ends the transfer. They ask libcurl for numbers, no more.
 *
 * The caller's functions are called from here, on the worker: as deep as libcurl is then, they may
 * not enter the multi, and cannot, since resume and cancel only leave word for the next tick.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "http/address.h"
#include "http/answer.h"
#include "http/limits.h"
#include "http/transfer.h"

static int on_prereq(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct ration__transfer *t = arg;

	/* Fires before every send. libcurl sends again without asking, POST too, when a reused
	 * connection dies before the first byte of an answer. An attempt is one send: a second
	 * would be one that no limit was asked for. */
	if (t->sends) {
		t->sends = 2;
		return CURL_PREREQFUNC_ABORT;
	}
	if (t->service->public_only && !ration__address_text_is_public(peer)) {
		/* also on a connection made before, for others */
		ration__transfer_refuse_address(t, peer);
		return CURL_PREREQFUNC_ABORT;
	}
	t->sends = 1;
	ration__transfer_touch(t);
	return CURL_PREREQFUNC_OK;
}

/* ---- the body that goes ---- */

static size_t on_read(char *buffer, size_t size, size_t count, void *arg)
{
	struct ration__transfer *t = arg;
	ptrdiff_t n = ration__source_read(&t->source, buffer, size * count);

	if (n == RATION_EAGAIN) {
		t->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	if (n < 0) {
		t->failed = "body";
		return CURL_READFUNC_ABORT;
	}
	return (size_t)n;
}

/* libcurl goes back to send again, which on_prereq refuses: what matters is that it says so there.
 */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	(void)arg;
	(void)offset;
	(void)origin;
	return CURL_SEEKFUNC_OK;
}

/* ---- the body that comes ---- */

/* To the sink: kept nowhere. Offered again when it asks for a pause. */
static size_t give(struct ration__transfer *t, const char *data, size_t length)
{
	int code;

	if (length > t->service->body_max - t->sink.taken) {
		t->cut = true;
		return CURL_WRITEFUNC_ERROR;
	}
	code = ration__sink_write(&t->sink, data, length);
	if (code == RATION_EAGAIN) {
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (code == 0)
		return length;
	t->failed = "sink";
	return CURL_WRITEFUNC_ERROR;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct ration__transfer *t = arg;
	size_t length = size * count;
	uint64_t room = t->service->body_max - t->body.length;
	curl_off_t announced;

	ration__transfer_touch(t);
	if (t->sink.active)
		return give(t, data, length);
	if (length > room) {
		t->cut = true;
		ration__buffer_append(&t->body, data, (size_t)room);
		return CURL_WRITEFUNC_ERROR;
	}
	/* One allocation for a body that says how long it is; the limit holds, the claim is not
	 * trusted beyond a bound. */
	if (!t->body.data &&
		curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced) ==
			CURLE_OK &&
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

/* ---- headers ---- */

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

/* An answer that is not accepted explains itself in memory. */
static bool begin_sink(struct ration__transfer *t)
{
	if (!ration__sink_exists(&t->sink) || ration__status_code(t->service, t->status) != 0)
		return true;
	if (ration__sink_begin(&t->sink) == 0)
		return true;
	t->failed = "sink";
	return false;
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
	while (length && (line[length - 1] == '\r' || line[length - 1] == '\n' ||
				 is_blank(line[length - 1])))
		length--;
	if (t->headers_done) /* trailers: counted, not believed */
		return bytes;
	/* Only where one is due: a header of that name is no status line. */
	if (!t->status_seen && length > 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		t->status = parse_status(line, length);
		t->status_seen = true;
		ration__buffer_clear(&t->headers);
	} else if (length == 0) {
		t->headers_done = t->status >= 200;
		t->status_seen = false;
		if (t->headers_done && !begin_sink(t))
			return CURL_WRITEFUNC_ERROR;
	} else {
		add_header(t, line, length);
	}
	if (!t->headers.failed)
		return bytes;
	t->no_memory = true;
	return CURL_WRITEFUNC_ERROR;
}

size_t ration__transfer_take_header(struct ration__transfer *t, char *line, size_t length)
{
	return on_header(line, 1, length, t);
}

size_t ration__transfer_take_body(struct ration__transfer *t, char *data, size_t length)
{
	return on_body(data, 1, length, t);
}

CURLcode ration__transfer_resume(struct ration__transfer *t)
{
	t->resumed = false;
	if (!t->paused)
		return CURLE_OK;
	t->paused = false;
	/* later than any before, so that its timers are looked at anew */
	t->timed_sends = UINT8_MAX;
	return curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

CURLcode ration__transfer_callbacks(struct ration__transfer *t)
{
	CURL *e = t->easy;
	CURLcode rc = CURLE_OK;

#define SET(option, value)                                       \
	do {                                                     \
		if (!rc)                                         \
			rc = curl_easy_setopt(e, option, value); \
	} while (0)
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, t);
	SET(CURLOPT_SEEKFUNCTION, on_seek);
	SET(CURLOPT_SEEKDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_PREREQFUNCTION, on_prereq);
	SET(CURLOPT_PREREQDATA, t);
#undef SET
	return rc;
}
