/*
 * JSON as text: checked and stripped of blanks, nothing else. It is not turned into values and
 * back, so that numbers of any size, the order of keys and duplicates come out as they went in.
 */
#ifndef HTTP_JSON_H
#define HTTP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buffer.h"

#define RATION__JSON_DEPTH_MAX 512

/* Appends the one JSON value in text without blanks outside of strings, so without line ends. False
 * when text is not valid (RFC 8259, UTF-8); out is as before then. Memory: see out->failed. out may
 * be NULL to check only. */
bool ration__json_compact(struct ration__buffer *out, const char *text, size_t length);
/* RFC 3629: no overlong forms, no surrogates. */
bool ration__utf8_valid(const char *text, size_t length);

#endif
