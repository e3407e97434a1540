/*
 * Record keys: a type byte, then length-prefixed parts, so that "a:b"+"c" is not "a"+"b:c".
 *
 *     type  len service  len limit  len value  len value ...
 *
 * Above what the store can hold, the parts are replaced by 0xff and their 128-bit hash.
 */
#ifndef GUARD_KEY_H
#define GUARD_KEY_H

#include <stddef.h>
#include <stdint.h>
#include "base/pair.h"
#include "guard/rules.h"

enum ration__record_type {
	RATION__RECORD_ADAPTIVE = 'A',
	RATION__RECORD_BUCKET = 'B',
	RATION__RECORD_BREAKER = 'K',
	RATION__RECORD_CONCURRENCY = 'C',
	RATION__RECORD_DEFINITION = 'D',
	RATION__RECORD_NODE = 'M',  /* which one it is, and why it is not healthy (node_label.h) */
	RATION__RECORD_NODES = 'N', /* health of a service's nodes (nodes.h) */
	RATION__RECORD_PERMIT = 'P',
	RATION__RECORD_PLACE = 'L', /* a concurrency limit per key */
	RATION__RECORD_QUOTA = 'Q',
	RATION__RECORD_BUDGET = 'R',
	RATION__RECORD_COOLDOWN = 'T',
	RATION__RECORD_WINDOW = 'W',
};

/* Payload layout versions, one for each type (store.h, `type`). */
#define RATION__LAYOUT(type) ((uint16_t)((type) << 8 | 3))

#define RATION__KEYVALUE_MAX 255 /* bytes of one key value */
#define RATION__KEY_ROOM 1536	 /* a full key before it is hashed */

/* Writes the key to out (RATION__KEY_ROOM bytes) and returns its length, at most RATION__KEY_MAX.
 * name: the limit's; NULL where a service has one of the type. per: the key names (NULL: none). */
size_t ration__key_build(uint8_t *out, enum ration__record_type type, const char *service,
	const char *name, const char (*per)[RATION__KEYNAME_MAX], const struct ration__pair *keys,
	size_t key_count);

/* Splits a key into at most max parts (borrowed, not NUL-terminated). Returns how many there are;
 * 0 for a hashed or foreign key. */
struct ration__key_part {
	const char *text;
	uint8_t length;
};
size_t ration__key_split(
	const void *key, size_t length, struct ration__key_part *parts, size_t max);

/* P, slot, generation, sequence, what: big endian, so that a member's permits stand together. */
#define RATION__PERMIT_KEY_SIZE 16
#define RATION__PERMIT_PREFIX_SIZE 7 /* type, slot, generation */
/* A place of the service's limit, a half-open probe, a place of the limit per key. */
enum ration__permit_what { RATION__PERMIT_PLACE, RATION__PERMIT_PROBE, RATION__PERMIT_KEY };
void ration__key_permit(uint8_t out[RATION__PERMIT_KEY_SIZE], uint16_t slot, uint32_t generation,
	uint64_t seq, enum ration__permit_what what);

#endif
