/*
 * URLs, as far as this layer must understand them: origins are compared, paths are joined, query
 * parameters are encoded. No resolution of dots, no IDNA: libcurl does the first, the second is
 * off.
 */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buffer.h"

struct ration__origin {
	const char *host; /* as written, with the brackets of IPv6 */
	size_t host_length;
	int port;      /* effective */
	bool tls;      /* https */
	size_t length; /* of "scheme://host:port" in the text; what follows is path, query, fragment
			*/
};

/* Whether the text begins as an absolute URL does: a scheme, then "://". */
bool ration__url_is_absolute(const char *url);
/* 0, or RATION_EURL: not http or https, user information, no host, a bad port or character. */
int ration__url_origin(const char *url, struct ration__origin *origin);
bool ration__origin_equal(const struct ration__origin *a, const struct ration__origin *b);
/* Length of the part before a fragment; RATION_EURL when it holds a blank or a control. */
int ration__url_check(const char *target, size_t *length);
/* Appends "name=value" with everything but unreserved characters percent-encoded. */
void ration__url_add_query(struct ration__buffer *query, const char *name, const char *value);

#endif
