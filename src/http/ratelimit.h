/*
 * The RateLimit and RateLimit-Policy fields: draft-ietf-httpapi-ratelimit-headers, in its present
 * form (lists of items with parameters) and that of drafts up to 7 (a dictionary). Pure.
 */
#ifndef HTTP_RATELIMIT_H
#define HTTP_RATELIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field's lines, joined with ", ". */
struct ration__field {
	const char *text; /* NULL: none */
	size_t length;
};

/* True: nothing is left under at least one policy; *seconds says for how long, the longest of them
 * (0: not said). A malformed field is ignored as a whole. A limit without a time of its own lasts
 * its policy's window; one of concurrent requests has none, since places come back by themselves.
 */
bool ration__ratelimit_spent(
	const struct ration__field *limit, const struct ration__field *policy, int64_t *seconds);

#endif
