/* Hashes: xxHash (XXH3), for tables, checksums and keys too long for the store. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t ration__hash64(const void *data, size_t length);
struct ration__hash128 {
	uint64_t low, high;
};
struct ration__hash128 ration__hash128(const void *data, size_t length);

#endif
