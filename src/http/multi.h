/*
 * libcurl's multi interface on the caller's epoll: one per worker, one thread. The layer above
 * learns nothing of libcurl.
 *
 * Descriptors stay registered with epoll between requests of one connection (libcurl asks to add
 * and remove them for every request), see doc/internals/multi.md.
 */
#ifndef HTTP_MULTI_H
#define HTTP_MULTI_H

#include <stdbool.h>
#include <stdint.h>
#include "base/clock.h"
#include "http/exchange.h"
#include "http/request.h"
#include "http/service.h"
#include "policy/retry.h"

struct ration__multi;
struct ration__send; /* http/send.h */
struct ration__transfer;

struct ration__multi_options {
	int epoll_fd; /* level-triggered; the multi's events have RATION__MULTI_TAG set in
			 epoll_event.data.u64, the other bits are its own */
	uint32_t connections_idle;
	int64_t connection_age_ns;
	struct ration__transport transport; /* in place of libcurl */
};
#define RATION__MULTI_TAG (UINT64_C(1) << 63)

int ration__multi_new(const struct ration__multi_options *options, struct ration__multi **multi);
/* Cancels what is left. */
void ration__multi_free(struct ration__multi *multi);

/* Starts one attempt; the next _tick begins to send it, so after the last start of a turn call
 * _tick once more rather than wait for nothing. One attempt is at most one send: libcurl's own
 * second try is refused, and told as AMBIGUOUS. now_ns: STEADY. send is read now; what it points to
 * must outlive the transfer. user comes back. 0, RATION_ENOMEM, RATION_EURL …: then no transfer
 * exists. */
int ration__multi_start(struct ration__multi *multi, const struct ration__send *send,
	int64_t now_ns, void *user, struct ration__transfer **transfer);
/* Stops it at once; it will not come back from _done. */
void ration__multi_cancel(struct ration__multi *multi, struct ration__transfer *transfer);
/* The caller's source or sink, which asked for a pause, is asked again in the next tick. No pause:
 * nothing happens. */
void ration__multi_resume(struct ration__transfer *transfer);

/* One event of epoll whose data has the tag. */
void ration__multi_event(struct ration__multi *multi, uint64_t data, uint32_t events);
/* Runs due timers: libcurl's, and the transfers' connect, read, write and attempt timeouts. Call
 * it after all events of a tick: what is readable is not timed out. */
void ration__multi_tick(struct ration__multi *multi, int64_t now_ns);
/* When _tick wants to be called next; RATION__NEVER. */
int64_t ration__multi_next_ns(const struct ration__multi *multi);

/* What an attempt came to. The body and headers are handed over: free with _attempt_fini. */
struct ration__attempt {
	struct ration__attempt_end end;
	int code;	/* 0 answered; else RATION_E* */
	int status;	/* 0: none */
	int8_t sent;	/* 0 no, 1 yes, -1 unknown */
	bool truncated; /* body was cut at its limit */
	int64_t start_ns, end_ns;
	int64_t elapsed_us;
	double actual[RATION__ACTUALS_MAX]; /* of the service's actuals; NAN: not said */
	char *headers;			    /* "name\0value\0…", names in lower case */
	size_t headers_length;
	char *body; /* a NUL follows, not counted */
	size_t body_length;
	bool body_shared;  /* body stands in the block of headers */
	char *debug;	   /* of a failure, for developers; NULL: none */
	char message[160]; /* safe to show: no credentials, no query */
};
/* The next ended transfer of this tick; its user pointer, or NULL when there is none. The transfer
 * is gone then. */
void *ration__multi_done(struct ration__multi *multi, struct ration__attempt *attempt);
void ration__attempt_fini(struct ration__attempt *attempt);
uint32_t ration__multi_active(const struct ration__multi *multi);

/* All time. [any] */
struct ration__multi_stats {
	uint64_t connects;   /* connections made */
	uint64_t handshakes; /* of TLS, resumed ones too */
	uint64_t reused;     /* requests sent over a connection that was there */
};
void ration__multi_stats(const struct ration__multi *multi, struct ration__multi_stats *stats);

#endif
