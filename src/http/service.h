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
#include "policy/node.h"
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

enum ration__http_version {
	RATION__HTTP_AUTO, /* HTTP/2 where offered if this libcurl does it right, else 1.1 */
	RATION__HTTP_1_1,
	RATION__HTTP_2,	      /* where offered (ALPN), else 1.1 */
	RATION__HTTP_2_PRIOR, /* also without TLS, without asking */
};

enum ration__tls_version { RATION__TLS_1_2, RATION__TLS_1_3 };

/* Paths are files in PEM; NULL: the system's authorities, no client certificate. */
struct ration__tls_conf {
	const char *ca; /* a file, or a directory made by c_rehash */
	const char *cert, *key;
	const char *key_password_file; /* its first line; read when a connection is made */
	uint8_t verify;		       /* 0: neither chain nor name */
	uint8_t min_version;	       /* enum ration__tls_version */
};

/* As whom calls are made (pool/token.h). At most one of the sources; a token provider given by code
 * wins over all. */
struct ration__auth_conf {
	const char *header;	 /* name; "Authorization" unless set */
	const char *scheme;	 /* in front of a token, with a blank; "" none */
	const char *bearer;	 /* a token, secret; NULL */
	const char *bearer_file; /* its first line; "{tenant}" stands for a key's value; NULL */
	const char *basic_file;	 /* "user:password" in its first line; NULL */
	const char *per;	 /* names of keys, "a\0b\0": a provider is asked once for each of
				    their values; NULL: once for all */
};

struct ration__service_conf {
	const char *name;
	const char *base; /* scheme://host[:port][/path], no trailing slash; NULL: not HTTP. The
			     first of nodes */
	const char *const *nodes; /* all of them, likewise; from uris, or read from uri_file */
	size_t node_count;
	const char *uri_file;	  /* one URI a line, # begins a comment; NULL */
	uint8_t node_strategy;	  /* enum ration__node_strategy */
	uint8_t redirects;	  /* enum ration__redirects */
	uint8_t http;		  /* enum ration__http_version */
	uint8_t compressed;	  /* Accept-Encoding is sent, and answers are decoded */
	uint8_t public_only;	  /* private, loopback and link-local addresses are refused */
	uint8_t idempotency_raw;  /* Idempotency-Key as given, not as a quoted string */
	uint8_t fresh;		  /* of one request: over a connection that is made for it */
	uint8_t failover;	  /* what was not sent goes to another node at once */
	uint32_t redirect_max;	  /* hops, at most RATION__HOPS_MAX */
	int64_t node_recover_ns;  /* after a failure a node is left alone that long, then probed */
	uint32_t connections_max; /* of this process to this service; attempts beyond wait */
	const char *proxy;	  /* URL; NULL: none, whatever the environment says */
	const char *proxy_auth_file; /* "user:password" in its first line; NULL */
	const char *health;	     /* path of a cheap GET, for probes and warm-up; NULL: "/" */
	struct ration__tls_conf tls;
	struct ration__auth_conf auth;
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
