/* Small things that every layer needs. */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stddef.h>
#include <stdint.h>

#define RATION__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RATION__CONTAINER(pointer, type, member) \
	((type *)((char *)(pointer)-offsetof(type, member)))

static inline int64_t ration__min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
static inline int64_t ration__max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

#endif
