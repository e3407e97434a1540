/*
 * The records that a process goes by alone while the store cannot answer: a table by key, made when
 * it is needed, grown as it is, given back when the store answers again. See local.c.
 *
 * Under engine.mutex, outside transactions (looking at it: also inside one).
 */
#ifndef GUARD_LOCAL_H
#define GUARD_LOCAL_H

#include <stdbool.h>
#include <stdint.h>
#include "policy/adaptive.h"
#include "policy/bucket.h"

#define RATION__LOCALS_FIRST 256  /* places of the first table */
#define RATION__LOCALS_MAX 131072 /* and of the largest */
#define RATION__LOCALS_KEYS 65536 /* records, at most */

/* A bucket's share, or a cooldown that began meanwhile. */
struct ration__local {
	uint64_t hash;
	uint8_t *key; /* owned; NULL: free */
	uint16_t key_length;
	struct ration__bucket_conf conf;       /* the whole limit's */
	struct ration__bucket bucket;	       /* of the share */
	struct ration__adaptive_conf *learned; /* owned; of an adaptive limit, else NULL */
	double charge;			       /* admitted, not yet charged to the store */
	int64_t until_ns;		       /* the cooldown's end; then nothing of the above */
};

struct ration__locals {
	struct ration__local *entries; /* NULL: none yet */
	uint32_t size, count;
	int64_t purged_ns;
};

/* NULL: there is none. */
struct ration__local *ration__locals_find(
	const struct ration__locals *table, uint64_t hash, const uint8_t *key, uint16_t length);
/* One that is not there yet, zero but for its key; the others may move. Where there are too many,
 * those at rest go: made anew they would be at rest. NULL: no memory, or as many as there may be,
 * none of them at rest. */
struct ration__local *ration__locals_add(struct ration__locals *table, uint64_t hash,
	const uint8_t *key, uint16_t length, int64_t now_ns);
void ration__locals_clear(struct ration__locals *table);

#endif
