/*
 * A service's HTTP side: where it is and how calls to it are made. This process's own; what the
 * fleet shares is in guard/rules.h. Immutable once built; copied for a request that overrides some
 * of it.
 */
#ifndef HTTP_SERVICE_H
#define HTTP_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "policy/retry.h"

#define RATION__ACCEPT_CODES_MAX 16

struct ration__timeouts {
	int64_t connect_ns, read_ns, write_ns, attempt_ns; /* > 0 */
	int64_t total_ns; /* of a job without a deadline; -1 none */
	int64_t wait_ns;  /* for tokens and permits; -1 for ever */
};

struct ration__header {
	const char *name, *value; /* checked: no control characters */
};

/* Which of a server's hints are heard: ration__service_conf.hints. */
#define RATION__HINT_RETRY_AFTER 1u
#define RATION__HINT_RATELIMIT 2u   /* RateLimit, RateLimit-Policy, and what came before them */
#define RATION__HINT_X_RATELIMIT 4u /* X-RateLimit-* and vendors' families */
#define RATION__HINT_ALL 7u

/* Where a response tells what it really cost. */
struct ration__actual {
	const char *unit;
	const char *source; /* "body:JSON-POINTER" or "header:NAME" */
	double estimate;    /* the limit's, for calls that do not say */
};
#define RATION__ACTUALS_MAX 8

struct ration__service_conf {
	const char *name;
	const char *base; /* scheme://host[:port][/path], no trailing slash; NULL: not HTTP */
	struct ration__timeouts timeouts;
	struct ration__retry_conf retry;
	uint64_t body_max, headers_max; /* bytes */
	uint8_t accept_class[6];	/* [2]: all of 2xx is accepted */
	uint16_t accept_code[RATION__ACCEPT_CODES_MAX];
	uint32_t accept_codes;
	uint32_t connections_idle;	      /* kept per worker, all services */
	int64_t connection_age_ns;	      /* idle ones older than this are not used again */
	const struct ration__header *headers; /* on every request */
	size_t header_count;
	uint32_t hints; /* RATION__HINT_* */
	struct ration__actual *actuals;
	size_t actual_count; /* at most RATION__ACTUALS_MAX */
	void *memory; /* owns the strings above; freed by ration__service_conf_fini (config) */
};

#endif
