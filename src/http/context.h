/*
 * What a request context means for a request: headers, keys, an end. See
 * include/ration/context.h.
 *
 * Not here: which context a request has (http/builder.h), and when it is over (src/client).
 */
#ifndef HTTP_CONTEXT_H
#define HTTP_CONTEXT_H

#include <ration/context.h>
#include <stdbool.h>
#include "base/pair.h"

#define RATION__CONTEXT_HEADERS 3
#define RATION__CONTEXT_KEYS 3

/* The header and its value number i below RATION__CONTEXT_HEADERS; value NULL: it is not sent. */
struct ration__pair ration__context_header(const ration_context *context, unsigned i);
/* Whether a header of that name gives way to the context's. */
bool ration__context_replaces(const ration_context *context, const char *name, size_t length);
/* Names of keys, in order; i is below RATION__CONTEXT_KEYS. */
const char *ration__context_key_name(unsigned i);
/* The key and its value; NULL: it has none. */
struct ration__pair ration__context_key(const ration_context *context, unsigned i);
/* What is left, in ns; RATION__NEVER: it has no deadline. */
int64_t ration__context_left_ns(const ration_context *context);

#endif
