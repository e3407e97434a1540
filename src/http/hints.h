/*
 * What a server says about time in its headers: Retry-After, RateLimit and RateLimit-Policy (IETF
 * draft-ietf-httpapi-ratelimit-headers and its older forms), the X-RateLimit families. Pure; text
 * from the network, so hostile. Headers only: trailers never come here (http/receive.c).
 *
 * What is malformed is ignored, field by field. Nothing here looks at the status: a success that
 * says "nothing left" asks for a stop as a 429 does. Not here: what is done about it.
 */
#ifndef HTTP_HINTS_H
#define HTTP_HINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ration__hints {
	int64_t retry_after_ns; /* 0: none, or at once */
	bool at_once;		/* Retry-After was there, and says now */
	/* Nothing is left, for that long: the longest that any policy or family says. 0: none.
	 * A Retry-After beside it takes its place. Not capped but against overflow. */
	int64_t stop_ns;
};

/* which: RATION__HINT_* (http/service.h). headers: "name\0value\0…", names in lower case, with a
 * NUL behind them. Times are told against the response's own Date, never this host's clock. */
void ration__hints_read(
	uint32_t which, const char *headers, size_t length, struct ration__hints *hints);

#endif
