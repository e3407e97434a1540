/*
 * The value of a quota in the ledger: the count, ahead of what hot/ lets through, and the last
 * writes to it, so that what a process wrote can be told for it when it died before it did.
 *
 * Values of two former layouts end earlier.
 */
#ifndef GUARD_LEDGER_H
#define GUARD_LEDGER_H

#include <assert.h>
#include "guard/workset.h"

#define RATION__LEDGER_WRITES 8

/* Zero seq: none. */
struct ration__ledger_write {
	uint64_t seq;
	uint64_t hot_epoch; /* of the hot/ that there was before */
	int64_t part;	    /* of the count */
	int64_t given;	    /* what may be used of it */
	uint32_t generation;
	uint16_t slot; /* who wrote */
	uint16_t reserved;
};

struct ration__ledger_value {
	union {
		struct ration__window window;
		struct ration__tally tally;
	};
	uint64_t seq;	   /* raised with each write */
	uint64_t epoch;	   /* raised with each reset */
	uint32_t calendar; /* enum ration__calendar: what the union holds */
	uint32_t reserved;
	struct ration__ledger_write writes[RATION__LEDGER_WRITES]; /* in no order */
};
static_assert(sizeof(struct ration__ledger_value) ==
		      sizeof(struct ration__window) + 24 + RATION__LEDGER_WRITES * 40,
	"stored byte for byte: no padding");

/* 0, RATION_EIO. No value (NULL) is one that is all zero. */
int ration__ledger_parse(const void *bytes, size_t length, struct ration__ledger_value *value);
/* What a quota's record and the ledger share. Of its writes, nobody knows what hot/ was told. */
void ration__ledger_copy(struct ration__quota *to, const struct ration__ledger_value *from);
/* The record's count, when it began, had all that was written up to this number. */
static inline bool ration__ledger_had(const struct ration__quota *quota, uint64_t seq)
{
	return (int32_t)(quota->base - (uint32_t)seq) >= 0;
}
/* Write number seq was told, or need not be. */
static inline bool ration__ledger_told(const struct ration__quota *quota, uint64_t seq)
{
	return seq <= quota->newest &&
	       (quota->newest - seq >= 64 || quota->told >> (quota->newest - seq) & 1);
}
/* From now on. */
void ration__ledger_tell(struct ration__quota *quota, uint64_t seq);
/* In the place of the oldest one. */
void ration__ledger_note(
	struct ration__ledger_value *value, const struct ration__ledger_write *write);

#endif
