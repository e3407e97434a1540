/*
 * A request while it is built (the public ration_request), and packed: one block of memory with
 * everything a job needs, as small as it can be, because a hundred thousand of them may be queued.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <ration/client.h>
#include "base/pair.h"
#include "http/service.h"

/* A function of the caller's that a body is read from. */
struct ration__body_source {
	ration_source_fn read;
	ration_rewind_fn rewind; /* NULL: it can be had once */
	void *arg;
	int64_t length; /* -1: not known */
};

/* What the builder holds that the pool asks for. Borrowed until the request changes. */
struct ration__request_view {
	const char *service;
	int error; /* first mistake made while building; 0 none */
	int priority;
	int64_t deadline_ms; /* -1 none */
	void *user;
	size_t key_count;
	const struct ration__pair *keys; /* sorted by name */
	size_t cost_count;
	const struct ration__cost *costs;
	size_t option_count; /* ration_request_set_option, in order */
	const struct ration__pair *options;
	const ration_context *context; /* its own, or the one lent; NULL: none */
};
void ration__request_view(const ration_request *request, struct ration__request_view *view);
/* A context for a request that has none of its own, until it is lent NULL again: while it is packed
 * into a job. */
void ration__request_lend(ration_request *request, const ration_context *context);

/* The packed form: a header followed by its strings in the same block. */
struct ration__call; /* http/call.h is private to the layer */

/* Size of the block; checks target against base: joined with exactly one slash, or an absolute URL
 * of the same origin. 0 on success, RATION_EURL and its kin otherwise. */
int ration__call_measure(
	const ration_request *request, const struct ration__service_conf *service, size_t *size);
/* Writes it to at (aligned to 8, measured size). */
void ration__call_pack(const ration_request *request, const struct ration__service_conf *service,
	struct ration__call *at);
/* A safe method, or the caller gave an Idempotency-Key or X-Request-ID of its own (X1, X9). */
bool ration__call_repeatable(const struct ration__call *call);
/* The caller gave an Idempotency-Key of its own. */
bool ration__call_keyed(const struct ration__call *call);
/* Its body, if it has one, can be had again. */
bool ration__call_rewinds(const struct ration__call *call);
/* Functions of the caller's take part, which may ask for a pause: so the job needs its ticket. */
bool ration__call_pauses(const struct ration__call *call);
/* Of a name that libcurl and the message's framing own: another's would contradict them. */
bool ration__header_is_ours(const char *name);
/* Size of a packed call. */
size_t ration__call_size(const struct ration__call *call);

#endif
