/*
 * What is told of an attempt that failed: to anyone (the message: our words, libcurl's and the
 * system's fixed texts), and to developers (libcurl's own text, which names hosts and addresses).
 * Neither holds credentials, queries, header values or bodies.
 */
#ifndef HTTP_FAIL_H
#define HTTP_FAIL_H

#include <stdbool.h>
#include <stddef.h>
#include "policy/retry.h"

struct ration__transfer;

/* What may be concluded of a code without knowing more: for those who have no more, calls that are
 * no HTTP and transports of tests. 0 is answered with 200. */
void ration__end_of_code(int code, struct ration__attempt_end *end);

/* Of a transfer that libcurl ended: why, without input of anybody's; "" when the code says all. */
void ration__fail_reason(const struct ration__transfer *transfer, char *out, size_t size);
/* libcurl's text, address, TLS; caller frees, NULL: nothing to say, or out of memory. */
char *ration__fail_debug(const struct ration__transfer *transfer);

#endif
