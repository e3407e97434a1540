/*
 * The working set of one transaction: records are read once, policies change the copies, what
 * changed is written once at the end. At most 64 records, then the gate is let go.
 *
 * Belongs to the engine; used by the thread that is inside the transaction. Nothing is allocated.
 */
#ifndef GUARD_WORKSET_H
#define GUARD_WORKSET_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "guard/key.h"
#include "policy/adaptive.h"
#include "policy/breaker.h"
#include "policy/bucket.h"
#include "policy/budget.h"
#include "policy/calendar.h"
#include "policy/concurrency.h"
#include "policy/log.h"
#include "policy/window.h"
#include "store/store.h"

#define RATION__WORKSET_MAX 64
/* Shared word: bit (record's hash % 64) is set before a breaker's record is written, and stays.
 * While it is clear there is no such record, and nobody need look. */
#define RATION__WORD_BREAKERS 5

/* A quota's record: the window, and how much of it the ledger covers. */
struct ration__quota {
	union {
		struct ration__window window; /* WALL clock, but for rest_at_ns */
		struct ration__tally tally;   /* of a calendar quota */
	};
	int64_t covered_part; /* part number that `covered` speaks of */
	int64_t covered; /* amount that may be used in that part: written to the ledger already */
	int64_t flushed_ns;   /* WALL */
	int64_t flushed_used; /* used in covered_part when it was flushed: how fast it goes */
	uint64_t seq;	      /* of the ledger's value that this record continues */
	uint64_t epoch;	      /* of the same: raised by a reset */
	uint32_t calendar;    /* enum ration__calendar: what the union holds */
	uint32_t base;	      /* low half of the seq whose count this record began with */
	int64_t owned;	      /* of covered, what processes keep for their own calls (prepaid.h) */
	uint64_t newest;      /* the latest write to the ledger that was told (flush.h) */
	uint64_t told;	      /* bit i: write newest - i was told, or nobody can know */
	uint64_t born;	      /* epoch of the hot/ that it was begun in */
};
static_assert(sizeof(struct ration__quota) == sizeof(struct ration__window) + 88, "stored");

struct ration__record {
	uint64_t hash;
	const uint8_t *key; /* borrowed from a keyset for the transaction */
	uint16_t key_length;
	uint8_t type;  /* enum ration__record_type */
	uint8_t place; /* in the set's index */
	bool absent;   /* was not in the store */
	bool dirty;
	bool counted;	 /* window, quota: its log is known to be one (counter.c) */
	bool dealt;	 /* concurrency: permits moved, so turns may have to be dealt */
	uint32_t length; /* bytes that are valid and will be written; not of a concurrency record */
	uint32_t room;	 /* bytes there are */
	const void *before; /* concurrency: as it was read; NULL: not kept */
	uint32_t before_length;
	uint32_t promised; /* concurrency: who will come when the ledger covers them */
	int64_t denied_ns; /* denied in this transaction until then; 0 not */
	const struct ration__concurrency_conf *concurrency_conf; /* of the rules in force */
	union {
		void *state;
		struct ration__bucket *bucket;
		struct ration__window *window;
		struct ration__quota *quota;
		struct ration__breaker *breaker;
		struct ration__concurrency *concurrency;
		struct ration__adaptive *adaptive;
		struct ration__budget *budget;
		int64_t *rest_at_ns; /* of all of them; a cooldown has no more */
	};
};

struct ration__workset {
	struct ration__txn *txn;
	uint32_t count;
	uint8_t index[2 *
		      RATION__WORKSET_MAX]; /* open addressing by hash; 0 free, else number + 1 */
	struct ration__record records[RATION__WORKSET_MAX];
	size_t arena_used;
	_Alignas(16) unsigned char arena[1024 * 1024];
};

void ration__workset_begin(struct ration__workset *set, struct ration__txn *txn);
/* The record, read when it is not there yet; an absent one is all zero. room: bytes that its state
 * may grow to (0: as its type has them); what is read and has no business being longer or shorter
 * is brought to its length (breaker.h, log.h). NULL in *record: the set is full. 0 or a store
 * error. */
int ration__workset_get(struct ration__workset *set, uint64_t hash, const uint8_t *key,
	size_t key_length, uint32_t room, struct ration__record **record);
/* Only when it is in the set already. */
struct ration__record *ration__workset_find(
	struct ration__workset *set, uint64_t hash, const uint8_t *key, size_t key_length);
/* Raises the bit of a breaker's record: when it is written, and before it is looked for again in
 * the transaction that changed it. */
void ration__workset_touch(struct ration__workset *set, const struct ration__record *record);
/* Writes what changed; a record at rest is deleted. 0 or a store error. */
int ration__workset_flush(struct ration__workset *set);

#endif
