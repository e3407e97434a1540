/* Base64 (RFC 4648, 4) with padding. Pure. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>

/* Characters that length bytes become, without a NUL. */
static inline size_t ration__base64_length(size_t length)
{
	return (length + 2) / 3 * 4;
}
/* Writes them and a NUL; out must not overlap data. */
void ration__base64(const void *data, size_t length, char *out);

#endif
