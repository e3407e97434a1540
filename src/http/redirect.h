/*
 * Redirects, followed by ourselves: each hop is an attempt of its own, with its own decision of the
 * guard. Pure but for the memory of the hop; Location is text from the network, so hostile.
 *
 * 301, 302, 303: a POST becomes a GET without its body (303: every method but HEAD); 307 and 308
 * keep method and body (RFC 9110 15.4). Across origins (scheme, host or port) credentials, the
 * service's headers and the caller's but an allow list stay behind, and never come back on a later
 * hop. A body that cannot be had again (a callback's without rewind) is not redirected with
 * 307/308.
 */
#ifndef HTTP_REDIRECT_H
#define HTTP_REDIRECT_H

#include <stdbool.h>
#include <stdint.h>
#include "http/multi.h"

#define RATION__HOPS_MAX 20u

/* service.redirects */
enum ration__redirects {
	RATION__REDIRECTS_NONE,
	RATION__REDIRECTS_SAME_ORIGIN,
	RATION__REDIRECTS_ANY,
};

/* One block of memory. */
struct ration__hop {
	uint32_t count; /* 1: the first */
	bool get;	/* by GET (HEAD stays HEAD) without a body, from here on */
	bool foreign;	/* another origin than the call's own was entered, now or before */
	bool pinned;	/* 308: retries of this job go straight there */
	uint64_t seen[RATION__HOPS_MAX + 1]; /* hashes of method and URL, the call's own first */
	char url[];			     /* absolute, without a fragment or user information */
};

/* Whether the status is a redirect that this layer follows: 301, 302, 303, 307, 308. */
bool ration__status_redirects(int status);

/* url: where the attempt that was redirected went (absolute). before: its hop, NULL the first.
 * 0 and *next (the caller frees it); RATION_EREDIRECT: not followed (policy, no or bad Location,
 * loop, too many, another scheme than http and https, https to http), *why says it in a static
 * text; RATION_ENOMEM. */
int ration__redirect_next(const struct ration__service_conf *service,
	const struct ration__call *call, const char *url, const struct ration__hop *before,
	const struct ration__attempt *attempt, struct ration__hop **next, const char **why);

/* Whether a request header of that name (not NUL-terminated) may cross origins: Accept,
 * Accept-Language, Accept-Encoding, Content-Type, Content-Language, User-Agent, X-Request-ID,
 * traceparent. Never Authorization, Cookie, API keys, or anything unknown. */
bool ration__header_may_cross(const char *name, size_t length);

#endif
