/*
 * The working set of one transaction: records are read once, policies change the copies, what
 * changed is written once at the end. At most 64 records, then the gate is let go.
 *
 * Belongs to the engine; used by the thread that is inside the transaction. Nothing is allocated.
 */
#ifndef GUARD_WORKSET_H
#define GUARD_WORKSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "guard/key.h"
#include "policy/breaker.h"
#include "policy/bucket.h"
#include "policy/concurrency.h"
#include "policy/window.h"
#include "store/store.h"

#define RATION__WORKSET_MAX 64

/* A quota's record: the window, and how much of it the ledger covers. */
struct ration__quota {
	struct ration__window window; /* WALL clock, but for rest_at_ns */
	int64_t covered_part;	      /* part number that `covered` speaks of */
	int64_t covered; /* amount that may be used in that part: written to the ledger already */
	int64_t flushed_ns;   /* WALL */
	int64_t flushed_used; /* used in covered_part when it was flushed: how fast it goes */
	uint64_t seq;	      /* of the ledger's value that this record continues */
};

struct ration__record {
	uint64_t hash;
	const uint8_t *key; /* borrowed from a keyset for the transaction */
	uint16_t key_length;
	uint8_t type;  /* enum ration__record_type */
	uint8_t place; /* in the set's index */
	bool absent;   /* was not in the store */
	bool dirty;
	bool dealt;	   /* concurrency: permits moved, so turns may have to be dealt */
	int64_t denied_ns; /* denied in this transaction until then; 0 not */
	const struct ration__concurrency_conf *concurrency_conf; /* of the rules in force */
	union {
		void *state;
		struct ration__bucket *bucket;
		struct ration__window *window;
		struct ration__quota *quota;
		struct ration__breaker *breaker;
		struct ration__concurrency *concurrency;
	};
};

struct ration__workset {
	struct ration__txn *txn;
	uint32_t count;
	uint8_t index[2 *
		      RATION__WORKSET_MAX]; /* open addressing by hash; 0 free, else number + 1 */
	struct ration__record records[RATION__WORKSET_MAX];
	size_t arena_used;
	_Alignas(16) unsigned char arena[256 * 1024];
};

void ration__workset_begin(struct ration__workset *set, struct ration__txn *txn);
/* The record, read when it is not there yet; an absent one is all zero. NULL in *record: the set is
 * full. 0 or a store error. */
int ration__workset_get(struct ration__workset *set, uint64_t hash, const uint8_t *key,
	size_t key_length, struct ration__record **record);
/* Only when it is in the set already. */
struct ration__record *ration__workset_find(
	struct ration__workset *set, uint64_t hash, const uint8_t *key, size_t key_length);
/* Writes what changed; a record at rest is deleted. 0 or a store error. */
int ration__workset_flush(struct ration__workset *set);

#endif
