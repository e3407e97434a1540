/*
 * Client, request, response: HTTP jobs through the governed pool.
 *
 * Strings in: UTF-8, NUL-terminated, copied. Strings out: borrowed until the object is freed.
 * Times: int64_t milliseconds, 0 now, -1 for ever. X_free(NULL) is fine.
 * [any] any thread; [1] one thread at a time per object; [B] may block; [W] runs on a worker:
 * must not block. In a forked child every call answers RATION_EFORK.
 */
#ifndef RATION_CLIENT_H
#define RATION_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <ration/config.h>
#include <ration/context.h>
#include <ration/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ration_client ration_client;
typedef struct ration_request ration_request;
typedef struct ration_response ration_response;
/* Names a submitted job until its response was fetched; 0 is none. */
typedef uint64_t ration_ticket;

/* Opens the store and starts the workers. Blocks on files. [any]
 * 0, RATION_ECONFIG, RATION_ENOMEM, or a store error. */
RATION_EXPORT int ration_client_open(
	const ration_config *config, ration_client **client, ration_error **err);
/* Waits until no job is queued or in flight; intake stays open, responses stay to be fetched.
 * 0, RATION_ETIMEOUT, RATION_EWORKER. [any] [B] */
RATION_EXPORT int ration_client_drain(ration_client *client, int64_t timeout_ms);
/* Cancels what is left (each job still completes once, unfetched responses are freed), stops the
 * workers, leaves the store. Not on a worker, not beside other calls on this client. [B] */
RATION_EXPORT void ration_client_close(ration_client *client);

/* ---- request [1] ---- */

/* target: "/path?query" below the service's base URI, or an absolute URL of the same origin.
 * NULL: out of memory. Bad arguments are kept and answered by submit and perform. */
RATION_EXPORT ration_request *ration_request_new(
	const char *service, const char *method, const char *target);
RATION_EXPORT void ration_request_free(ration_request *request);
/* Setters: 0, RATION_EINVAL, RATION_EHEADER, RATION_EJSON, RATION_ETOOBIG, RATION_ENOMEM. */
/* Replaces headers of that name (set) or adds one more (add). CR, LF and NUL are refused, and so
 * are Content-Length, Transfer-Encoding, Host, Connection and their kin. */
RATION_EXPORT int ration_request_set_header(
	ration_request *request, const char *name, const char *value);
RATION_EXPORT int ration_request_add_header(
	ration_request *request, const char *name, const char *value);
/* Adds one query parameter, percent-encoded. */
RATION_EXPORT int ration_request_add_query(
	ration_request *request, const char *name, const char *value);
RATION_EXPORT int ration_request_set_body(
	ration_request *request, const void *body, size_t length, const char *content_type);
/* Key values choose the limits' records ("per: [tenant]"). The names "node" and "service" are ours,
 * and refused: the key `node` is the node that an attempt goes to. */
RATION_EXPORT int ration_request_set_key(
	ration_request *request, const char *name, const char *value);
/* unit as the limits name it; "" or "calls" is the number of requests, 1 unless set. */
RATION_EXPORT int ration_request_set_cost(ration_request *request, const char *unit, double cost);
/* Comes back with the response; not sent. */
RATION_EXPORT int ration_request_set_id(ration_request *request, const char *id);
/* Sent as Idempotency-Key on every attempt; makes any method safe to repeat. */
RATION_EXPORT int ration_request_set_idempotency_key(ration_request *request, const char *key);
/* -100 .. 100, higher first, 0 unless set. */
RATION_EXPORT int ration_request_set_priority(ration_request *request, int priority);
/* From submit until the end of the job, waits included; -1 none. */
RATION_EXPORT int ration_request_set_deadline(ration_request *request, int64_t deadline_ms);
/* One setting of the service, for this request only: "timeouts.read", "retry.attempts" … */
RATION_EXPORT int ration_request_set_option(
	ration_request *request, const char *path, const char *value);
/* A pointer of yours that comes back with the response. */
RATION_EXPORT void ration_request_set_user(ration_request *request, void *user);
/* JSON of yours that comes back in the result line ("meta"). */
RATION_EXPORT int ration_request_set_meta(ration_request *request, const char *json);
/* The line of the input that the job came from; in the result line ("line"). 0: none. */
RATION_EXPORT void ration_request_set_line(ration_request *request, uint64_t line);

/* ---- bodies: of requests [1] and, below, of responses ---- */

/* A body set anew replaces the one before; forms and parts add to their own kind only, else
 * RATION_EINVAL. Files are opened when an attempt starts, so each attempt sends what the file holds
 * then; they are read, and sinks are written, on a worker: local files. What cannot be opened, read
 * or written ends the job with RATION_EIO. */

/* text must be valid JSON; sets Content-Type to application/json. */
RATION_EXPORT int ration_request_set_json(ration_request *request, const char *text);
/* The bytes of a regular file; never in memory as a whole. Its length is that of the moment; one
 * that shrinks while it is sent fails the job, what is added to it is not sent. content_type may be
 * NULL. */
RATION_EXPORT int ration_request_set_body_file(
	ration_request *request, const char *path, const char *content_type);
/* Puts up to size bytes into buffer and returns how many; 0: the end. RATION_EAGAIN: none at the
 * moment, ration_resume goes on. Anything else below 0 ends the job with RATION_EIO. [W] */
typedef ptrdiff_t (*ration_source_fn)(void *arg, ration_ticket ticket, void *buffer, size_t size);
/* Called before the first read of every attempt, the first one too: back to the beginning. 0, or
 * below 0: it cannot. [W] */
typedef int (*ration_rewind_fn)(void *arg);
/* A body that read gives. rewind NULL: it can be had once, so a job that has begun to read it is
 * not tried again, whatever its method. length -1: not known, sent in chunks; else read must give
 * just as much. Neither is called after the job's response is there. */
RATION_EXPORT int ration_request_set_body_fn(ration_request *request, ration_source_fn read,
	ration_rewind_fn rewind, void *arg, int64_t length, const char *content_type);
/* One field of a form (application/x-www-form-urlencoded), in the order they are added. */
RATION_EXPORT int ration_request_add_form(
	ration_request *request, const char *name, const char *value);
/* One part of a form (multipart/form-data). filename and content_type may be NULL; quotes and line
 * ends in names are escaped as browsers do. */
RATION_EXPORT int ration_request_add_part(ration_request *request, const char *name,
	const char *filename, const char *content_type, const void *data, size_t length);
/* Likewise from a file. filename NULL: the path's last component; content_type NULL:
 * application/octet-stream. */
RATION_EXPORT int ration_request_add_part_file(ration_request *request, const char *name,
	const char *filename, const char *content_type, const char *path);
/* An Authorization header made of both. No colon in user, no control characters: RATION_EHEADER. */
RATION_EXPORT int ration_request_set_basic_auth(
	ration_request *request, const char *user, const char *password);

/* Sinks take the body of an accepted answer in place of memory: ration_response_body is empty then.
 * Other answers are kept in memory as ever. response.body_max holds for sinks too: raise it for a
 * request that expects more (ration_request_set_option).
 *
 * To a file: written under a temporary name beside path with mode 0600, which takes path's place
 * when the answer is complete; otherwise nothing is left of it. Each attempt begins anew. What is
 * there must be a regular file, or a link to one, which is replaced itself: else RATION_EIO, and
 * nothing is sent. */
RATION_EXPORT int ration_request_set_sink_file(ration_request *request, const char *path);
/* data NULL: an answer begins; what was taken before came from an attempt that failed. Returns 0:
 * taken, all of it. RATION_EAGAIN: none of it; it is offered again after ration_resume. Meanwhile
 * the server is not read from and the read timeout does not run; those of the attempt and the job
 * do. Anything else below 0 ends the job with RATION_EIO. [W] */
typedef int (*ration_sink_fn)(void *arg, ration_ticket ticket, const void *data, size_t length);
/* To a function, piece by piece. Not called after the job's response is there. */
RATION_EXPORT int ration_request_set_sink(ration_request *request, ration_sink_fn fn, void *arg);
/* Goes on after RATION_EAGAIN of a source or sink of that job, which learns the ticket as its
 * argument. One that comes while the function runs is not lost. 0; RATION_EEMPTY: no such job any
 * more. [any] */
RATION_EXPORT int ration_resume(ration_client *client, ration_ticket ticket);

/* ---- context: see ration/context.h ---- */

/* On whose behalf; wins over the client's. Its deadline and the request's: the earlier one. Takes a
 * reference of its own; NULL: none. 0, RATION_EINVAL. [1] */
RATION_EXPORT int ration_request_set_context(ration_request *request, ration_context *context);
/* For requests that are submitted from now on without one of their own. Takes a reference of its
 * own; NULL: none. 0, RATION_EINVAL, RATION_EFORK. [any] */
RATION_EXPORT int ration_client_set_context(ration_client *client, ration_context *context);

/* ---- sending [any] ---- */

/* Hands the job over. wait_ms: how long to wait while the queue is full. Takes the request on 0
 * only. RATION_EFULL, RATION_ESERVICE, RATION_EURL, RATION_EINVAL, RATION_ECLOSED, RATION_ENOMEM;
 * on a worker wait_ms must be 0 (RATION_EWORKER). ticket may be NULL. [B] unless wait_ms is 0 */
RATION_EXPORT int ration_submit(
	ration_client *client, ration_request *request, int64_t wait_ms, ration_ticket *ticket);
/* Ends the job with RATION_ECANCELLED as soon as possible; its response still comes.
 * 0; RATION_EEMPTY: already ended. */
RATION_EXPORT int ration_cancel(ration_client *client, ration_ticket ticket);
/* The next response, as jobs end. RATION_EEMPTY: none pending, and no job that could make one
 * (timeout_ms -1) or none yet (0); RATION_ETIMEOUT; RATION_EWORKER. [B] */
RATION_EXPORT int ration_next(ration_client *client, int64_t timeout_ms, ration_response **out);
/* Readable while ration_next(client, 0, …) has one. Owned by the client; only poll it. */
RATION_EXPORT int ration_fd(const ration_client *client);
/* Called for each response instead of next and fd; set it before the first submit. The response
 * is the callback's to free. May submit (wait_ms 0) and cancel. [W] */
typedef void (*ration_done_fn)(void *arg, ration_response *response);
RATION_EXPORT int ration_client_on_done(ration_client *client, ration_done_fn fn, void *arg);
/* Sends and waits for the answer. A response is there but for RATION_ENOMEM and misuse, so that
 * refusals and errors explain themselves; returns its code. The request stays yours. [B] */
RATION_EXPORT int ration_perform(
	ration_client *client, ration_request *request, ration_response **out);
RATION_EXPORT int ration_get(
	ration_client *client, const char *service, const char *target, ration_response **out);
/* ---- probe and warm-up [any] [B] ---- */

/* One GET of the service's health path (`health`, "/" unless set), governed as any other and sent
 * once at most: is the service there, and does it let us in? timeout_ms: all of it, waits included;
 * -1 as long as its jobs may take. Returns as ration_perform, with a response where that has one.
 */
RATION_EXPORT int ration_client_probe(
	ration_client *client, const char *service, int64_t timeout_ms, ration_response **out);
/* Makes so many connections to each of the service's nodes, by as many GETs of the health path at
 * once, each over a connection of its own that stays open for the next request; they take tokens
 * and permits as any other. Connections are a worker's: with several workers each gets some. What
 * is above `connections.idle` is closed again. timeout_ms as above. connections: 1 .. 1000.
 *
 * How many were answered, with whatever status; RATION_EINVAL, RATION_ESERVICE, RATION_EWORKER,
 * RATION_EFORK, RATION_ECLOSED, RATION_EFULL, RATION_ENOMEM when none could be tried. */
RATION_EXPORT int ration_client_warm(
	ration_client *client, const char *service, int connections, int64_t timeout_ms);

/* Numbers of this client now. [any] */
struct ration_counts {
	uint64_t size;		 /* set to sizeof by the caller; fields beyond are untouched */
	uint64_t queued;	 /* submitted, not in flight */
	uint64_t in_flight;	 /* attempts on the wire */
	uint64_t waiting;	 /* between attempts */
	uint64_t completed;	 /* jobs ended, all time */
	uint64_t sent;		 /* attempts started, all time */
	uint64_t connects;	 /* connections made, all time */
	uint64_t tls_handshakes; /* resumed ones too, all time */
};
RATION_EXPORT int ration_client_counts(const ration_client *client, struct ration_counts *out);
/* What the first waiting job waits for, in words ("rate:requests, next in 0.8 s"); "" when none.
 * Caller frees with ration_free. [any] */
RATION_EXPORT int ration_client_waiting(const ration_client *client, char **text);

/* ---- response [any]: immutable, outlives its client ---- */

/* 0: answered and accepted; >0: a denial; <0: RATION_E*. */
RATION_EXPORT int ration_response_code(const ration_response *response);
/* Whether the last attempt reached the wire: 0 no, 1 yes, -1 unknown. */
RATION_EXPORT int ration_response_sent(const ration_response *response);
RATION_EXPORT int ration_response_status(const ration_response *response); /* 0: no answer */
/* One line that may be shown to anyone. */
RATION_EXPORT const char *ration_response_message(const ration_response *response);
RATION_EXPORT const char *ration_response_id(const ration_response *response);
RATION_EXPORT const char *ration_response_url(const ration_response *response);
RATION_EXPORT void *ration_response_user(const ration_response *response);
/* First header of that name, or NULL. */
RATION_EXPORT const char *ration_response_header(const ration_response *response, const char *name);
/* Header number i from 0; 0, or RATION_EEMPTY past the last. */
RATION_EXPORT int ration_response_header_at(
	const ration_response *response, size_t i, const char **name, const char **value);
RATION_EXPORT const void *ration_response_body(const ration_response *response, size_t *length);
/* The value that a JSON pointer (RFC 6901) names in the body: its text as it was sent, so strings
 * with their quotes; borrowed, not NUL-terminated. 0; RATION_EEMPTY: no such value; RATION_EJSON:
 * the body is not JSON as a whole; RATION_EINVAL: no pointer. */
RATION_EXPORT int ration_response_json(
	const ration_response *response, const char *pointer, const char **text, size_t *length);
/* The characters of a string there, escapes undone (half a surrogate pair is U+FFFD). Caller frees
 * with ration_free; length may be NULL. RATION_EINVAL also when the value is no string. */
RATION_EXPORT int ration_response_string(
	const ration_response *response, const char *pointer, char **text, size_t *length);
RATION_EXPORT int ration_response_truncated(const ration_response *response);
RATION_EXPORT int ration_response_attempts(const ration_response *response);
/* attempts: each send, the hops of redirects among them; the last 32 are remembered, and i
 * counts from 0, the oldest of these. Outputs may be NULL: the node's base URI (as long as the
 * response; "": a redirect led to another origin), RATION_E* or 0 when it was accepted, the status
 * or 0, and how long it took. 0, or RATION_EEMPTY: there is no such attempt. */
RATION_EXPORT int ration_response_attempt(const ration_response *response, size_t i,
	const char **node, int *code, int *status, double *ms);
/* Why a job that would have been made again was not. Its code is that of its last attempt: the
 * cause. */
enum ration_exhausted {
	RATION_EXHAUSTED_NOT = 0, /* ended otherwise */
	RATION_EXHAUSTED_ATTEMPTS = 1,
	RATION_EXHAUSTED_THROTTLED = 2, /* throttled_attempts */
	RATION_EXHAUSTED_BUDGET = 3,	/* the service's retry budget */
	RATION_EXHAUSTED_TIME = 4,	/* the next attempt would have been past the deadline */
};
RATION_EXPORT int ration_response_exhausted(const ration_response *response);
/* How the limits decided about its last attempt, as ration_permit_mode says it: "exact"; "local" or
 * "open" when the store could not answer; "observe" when they would have said no. */
RATION_EXPORT const char *ration_response_mode(const ration_response *response);
/* Code of the last attempt, which may be another than the job's: what made it RATION_EUNKNOWN, or
 * what it tried again when its deadline passed. 0: accepted, or never sent. */
RATION_EXPORT int ration_response_cause(const ration_response *response);
/* ---- errors: a response as one [any] ---- */

/* What a program does about it: ration_code_kind of its code, but FORBIDDEN for 403 and
 * RETRIES_EXHAUSTED when attempts, throttled attempts or the retry budget were used up (the code is
 * the cause's). "OK" for 0. Static. */
RATION_EXPORT const char *ration_response_kind(const ration_response *response);
/* "[KIND] message", as safe as the message. */
RATION_EXPORT const char *ration_response_summary(const ration_response *response);
/* 8 hexadecimal digits, at random, by which a failure is found again; "" when the code is 0. */
RATION_EXPORT const char *ration_response_debug_id(const ration_response *response);
/* For developers, several lines: code and class, where it went, each attempt that is remembered
 * with its node, libcurl's own words, addresses, TLS. No credentials, no query, no body, but names
 * of hosts: not for strangers. Caller frees with ration_free. 0, RATION_EINVAL, RATION_ENOMEM. */
RATION_EXPORT int ration_response_debug(const ration_response *response, char **text);
/* The form that may leave the process: {"code": KIND, "message": …, "debug_id": …}, nothing else.
 * Caller frees with ration_free. 0, RATION_EINVAL, RATION_ENOMEM. */
RATION_EXPORT int ration_response_error(const ration_response *response, char **json);

/* Total time spent waiting before attempts, ms. why: "limit:NAME", "retry", "queue" …; NULL: all.
 */
RATION_EXPORT double ration_response_wait_ms(const ration_response *response, const char *why);
/* The JSON object that `ration run` writes, without a newline. Made at the first call. */
RATION_EXPORT const char *ration_response_line(const ration_response *response);
RATION_EXPORT void ration_response_free(ration_response *response);

#ifdef __cplusplus
}
#endif
#endif
