/*
 * JSON pointers (RFC 6901) into text: the value is found where it stands, no tree is built. Pure.
 */
#ifndef HTTP_POINTER_H
#define HTTP_POINTER_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buffer.h"

/* "" or "/a/b": each '~' followed by 0 or 1. */
bool ration__pointer_valid(const char *pointer);
/* text must be valid JSON (ration__json_compact says so). Of keys that come twice the last counts,
 * as most parsers have it. False, outputs untouched: no such value, or no pointer. */
bool ration__pointer_find(const char *text, size_t length, const char *pointer, const char **value,
	size_t *value_length);
/* value: a string of such a text, with its quotes. Appends its characters; half a surrogate pair
 * becomes U+FFFD. False: it is no string. Memory: see out->failed. */
bool ration__pointer_string(const char *value, size_t length, struct ration__buffer *out);

#endif
