/*
 * Request context: on whose behalf, and within which time, a request is made.
 *
 * A context is made where a program learns of these things, from its own authenticated caller or
 * for a worker's job, and handed to the requests that follow from it, or to a client for all of
 * them. It is immutable and counted: threads share it, and one that differs in a field is a copy.
 *
 * Sent with every attempt, in place of headers of the same name that the request or its service
 * has: X-Request-Id, X-Tenant-Id and X-Project-Id, absent when they are not set. The user is sent
 * only where a program puts it into a header itself. Other origins, where redirects lead, get the
 * request id alone.
 *
 * Tenant, project and user are also the values of the keys of these names ("per: [tenant]") for
 * requests without such a key of their own.
 *
 * With a context the request id only correlates. What makes a request safe to repeat is an
 * idempotency key (ration_request_set_idempotency_key).
 *
 * [any] any thread; [1] one thread at a time per object. X_free(NULL) is fine.
 */
#ifndef RATION_CONTEXT_H
#define RATION_CONTEXT_H

#include <stddef.h>
#include <stdint.h>
#include <ration/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ration_context ration_context;

/* Values never change; more may come. */
enum ration_context_field {
	RATION_CONTEXT_REQUEST_ID = 1, /* always set */
	RATION_CONTEXT_TENANT = 2,
	RATION_CONTEXT_PROJECT = 3,
	RATION_CONTEXT_USER = 4,
};

/* Makers: 0 and *context with one reference, which is the caller's; else *context is untouched.
 * RATION_EINVAL; RATION_EHEADER: a value with control characters or a blank at its ends;
 * RATION_ETOOBIG: above 256 bytes; RATION_ENOMEM. [any] */

/* Of that request id; NULL: one is made (a random UUID). */
RATION_EXPORT int ration_context_new(const char *request_id, ration_context **context);
/* For a job of a queue: its id is the request id, so that all attempts at it correlate. */
RATION_EXPORT int ration_context_for_worker(const char *job_id, ration_context **context);

struct ration_context_header {
	const char *name, *value;
};
/* Of what a caller sent: X-Request-Id (one is made when it is absent), X-Tenant-Id, X-Project-Id
 * and X-User-Id; others are skipped, empty ones are absent. They are believed: only for callers
 * that were authenticated and may speak for that tenant. RATION_EHEADER also when one of them is
 * there twice with different values. */
RATION_EXPORT int ration_context_from_headers(
	const struct ration_context_header *headers, size_t count, ration_context **context);

/* A copy with one field changed; value NULL: unset (not the request id). */
RATION_EXPORT int ration_context_with(const ration_context *context,
	enum ration_context_field field, const char *value, ration_context **changed);
/* A copy that ends so many milliseconds from now; -1: without a deadline. */
RATION_EXPORT int ration_context_with_deadline(
	const ration_context *context, int64_t deadline_ms, ration_context **changed);

/* NULL: not set. As long as the context. [any] */
RATION_EXPORT const char *ration_context_get(
	const ration_context *context, enum ration_context_field field);
/* Milliseconds that are left, rounded up; 0: it has passed; -1: there is none. [any] */
RATION_EXPORT int64_t ration_context_deadline(const ration_context *context);

/* One more reference; returns context. [any] */
RATION_EXPORT ration_context *ration_context_ref(ration_context *context);
/* One reference less; with the last one it is freed. [any] */
RATION_EXPORT void ration_context_free(ration_context *context);

#ifdef __cplusplus
}
#endif
#endif
