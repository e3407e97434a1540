/*
 * A transfer's time and its end: which timeout counts in which phase, and what is told of it when
 * it is over. An answer that is not whole is no answer: its status is not shown as one.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "http/answer.h"
#include "http/call.h"
#include "http/connect.h"
#include "http/cost.h"
#include "http/curlcode.h"
#include "http/fail.h"
#include "http/hints.h"
#include "http/limits.h"
#include "http/transfer.h"

/* ---- time ---- */

bool ration__transfer_uploads(const struct ration__transfer *t)
{
	return t->source.length > 0;
}

static bool uploading(const struct ration__transfer *t)
{
	const struct ration__source *source = &t->source;
	uint64_t length = source->length;
	curl_off_t sent;

	/* in chunks: more bytes are sent than were read */
	if (length == RATION__LENGTH_UNKNOWN && source->ended)
		length = source->given;
	return length && curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK &&
	       (uint64_t)sent < length;
}

int64_t ration__transfer_deadline(const struct ration__transfer *t, int *code)
{
	const struct ration__timeouts *timeouts = &t->service->timeouts;
	int64_t attempt = t->start_ns + timeouts->attempt_ns;
	int64_t at;

	if (t->paused) { /* the caller's time, not the server's */
		*code = RATION_EATTEMPTTIMEOUT;
		return attempt;
	}
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

static void result_error(
	struct ration__attempt *attempt, enum ration__end end, int code, const char *more)
{
	attempt->end.end = end;
	attempt->code = code;
	say(attempt, more);
}

/* What the answer says about time and costs. A server that asks for a year is not given one. */
static void take_hints(const struct ration__transfer *t, struct ration__attempt *attempt)
{
	const struct ration__service_conf *service = t->service;
	struct ration__hints hints;
	struct ration__cost_text text = {.headers = attempt->headers,
		.headers_length = attempt->headers_length,
		.body = attempt->truncated ? NULL : attempt->body,
		.body_length = attempt->body_length};

	ration__hints_read(service->hints, text.headers, text.headers_length, &hints);
	attempt->end.retry_after_ns = hints.retry_after_ns;
	attempt->end.at_once = hints.at_once;
	attempt->end.stop_ns = ration__min64(hints.stop_ns, service->retry.retry_after_max_ns);
	if (service->actual_count)
		ration__cost_read(service, &text, attempt->actual);
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
	take_hints(t, attempt);
	attempt->code = ration__status_code(t->service, t->status);
	/* A refusal is one, however long its explanation. */
	if (t->cut && attempt->code == 0) {
		result_error(attempt, RATION__END_PERMANENT, RATION_EBODY, "body");
		return;
	}
	attempt->end.end = RATION__END_ANSWERED;
	attempt->end.status = t->status;
	snprintf(more, sizeof(more), "status %d", t->status);
	say(attempt, more);
}

/* A kept connection that died before the first byte of an answer. Mostly libcurl sees it and would
 * send again; after five times with one handle it gives up and tells the plain error. */
static bool is_stale(const struct ration__transfer *t)
{
	long connects = 1;

	if (t->sends > 1)
		return true;
	return t->sends && !t->header_bytes &&
	       (t->result == CURLE_RECV_ERROR || t->result == CURLE_SEND_ERROR ||
		       t->result == CURLE_GOT_NOTHING) &&
	       curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK &&
	       connects == 0;
}

static void result_failure(struct ration__transfer *t, struct ration__attempt *attempt)
{
	bool sent = t->sends > 0;
	struct ration__curl_meaning meaning = ration__curl_meaning(t->result, sent);
	char reason[RATION__REFUSAL_SIZE];

	if (t->no_memory) {
		result_error(attempt, RATION__END_LOCAL, RATION_ENOMEM, NULL);
	} else if (t->headers_cut) {
		result_error(attempt, RATION__END_PERMANENT, RATION_EBODY, "headers");
	} else if (t->failed) {
		result_error(attempt, RATION__END_PERMANENT, RATION_EIO, t->failed);
	} else if (t->refused) {
		result_error(attempt, RATION__END_PERMANENT, t->refused, t->refusal);
	} else if (t->broken) {
		result_error(attempt, RATION__END_LOCAL, RATION_ESYSTEM, NULL);
	} else if (t->forced) {
		attempt->end.timed_out = true;
		result_error(attempt, sent ? RATION__END_AMBIGUOUS : RATION__END_NOT_SENT,
			t->forced, NULL);
	} else {
		attempt->end.timed_out = t->result == CURLE_OPERATION_TIMEDOUT;
		attempt->end.stale = is_stale(t);
		if (!ration__connect_blame(t, reason, sizeof(reason)))
			ration__fail_reason(t, reason, sizeof(reason));
		if (attempt->end.stale)
			snprintf(reason, sizeof(reason), "a kept connection was closed");
		result_error(attempt, meaning.end, meaning.code, reason);
	}
	attempt->debug = ration__fail_debug(t);
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

static bool is_answer(const struct ration__transfer *t)
{
	return !t->forced && !t->broken && !t->failed && !t->refused &&
	       (t->result == CURLE_OK || t->cut);
}

/* The file takes its place, or is gone. */
static void finish_sink(struct ration__transfer *t, struct ration__attempt *attempt)
{
	bool whole = t->sink.active && attempt->code == 0;

	if (whole && ration__sink_commit(&t->sink) != 0)
		result_error(attempt, RATION__END_PERMANENT, RATION_EIO, "sink's file");
}

void ration__transfer_result(
	struct ration__transfer *t, int64_t now_ns, struct ration__attempt *attempt)
{
	memset(attempt, 0, offsetof(struct ration__attempt, message));
	attempt->message[0] = '\0';
	for (size_t i = 0; i < RATION__ACTUALS_MAX; i++)
		attempt->actual[i] = NAN;
	attempt->start_ns = t->start_ns;
	attempt->end_ns = ration__max64(now_ns, t->start_ns);
	attempt->elapsed_us = (attempt->end_ns - attempt->start_ns) / 1000;
	attempt->sent = was_sent(t);
	if (is_answer(t))
		result_answer(t, attempt);
	else
		result_failure(t, attempt);
	finish_sink(t, attempt);
	/* A large body that was not handed over is not kept for the next request. */
	if (t->body.capacity > RATION__BODY_SHARED_MAX)
		ration__buffer_fini(&t->body);
}

void ration__attempt_fini(struct ration__attempt *attempt)
{
	if (!attempt->body_shared)
		free(attempt->body);
	free(attempt->headers);
	free(attempt->debug);
	attempt->headers = attempt->body = attempt->debug = NULL;
	attempt->headers_length = attempt->body_length = 0;
}
