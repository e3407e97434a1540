/*
 * A flush: on behalf of a quota, an amount is written to the ledger, and hot/ is told that it may
 * be used.
 *
 *     write   ledger + amount, sequence + 1        durable; takes as long as the disk does
 *     tell    hot/: covered + amount, told + 1     one transaction
 *
 * Processes do so at the same time, and hot/ may be lost at any moment. What was written belongs to
 * who wrote it until it is told, and it is told once; so nothing can be used twice. The record's
 * seq counts what it was told of, from that of the value that it began with. It is the ledger's
 * when nothing is on its way: only then may the ledger be set to what hot/ counts. Else
 *
 *     others wrote, and tell soon     is not written on top: what they wrote may do for both
 *     and have not told meanwhile     written on top, as much as somebody waits for; hot/ counts
 *                                     theirs as used, since they may be dead. Who tells after all
 *                                     gives it back to the count
 *     they are dead                   the value names who made its last writes, the record which of
 *                                     them it was told of: it is told in their place
 *     hot/ is lost                    the record begins with all that the ledger has as used, but
 *                                     for what its teller wrote
 *
 * For a `sync` quota each writes, and keeps, its own (prepaid.h); so it writes on top at once.
 *
 * A record begins only with what was read while this hot/ was there already: what was read before
 * may have been used up in the one that was lost.
 *
 * A reset raises the epoch of the ledger's value, then that of hot/'s record. What belongs to an
 * older epoch, wherever it was on its way, is dropped where it arrives.
 */
#ifndef GUARD_FLUSH_H
#define GUARD_FLUSH_H

#include "guard/engine.h"
#include "guard/ledger.h"

struct ration__flush {
	struct ration__ledger_request *request;
	uint64_t hot_epoch; /* the hot/ that there was when the ledger was looked at */
	bool whole;	    /* the snapshot is all that the ledger knows, for a new record */
	bool insists;	    /* writes although hot/ was not told of all that others wrote */
	bool blind;	    /* wrote so */
	uint64_t seq;	    /* what it wrote: number, 0: nothing yet; epoch; part of the count */
	uint64_t epoch;
	int64_t part;
	int64_t added;	/* to the ledger in that part */
	int64_t given;	/* of it, what may be used: not what was used beyond what was covered */
	int64_t before; /* blind: the part in the ledger without it */
	struct ration__engine *engine;
	uint16_t slot; /* who wrote */
	uint32_t generation;
	uint64_t read_epoch; /* of the ledger's value, and its last writes, as they were read */
	struct ration__ledger_write writes[RATION__LEDGER_WRITES];
};

/* Both block, under no lock. 0, or an error of the store. Not done: both once more. */
int ration__flush_write(struct ration__engine *engine, struct ration__flush *flush);
int ration__flush_tell(struct ration__engine *engine, struct ration__flush *flush, bool *done);
/* All of it; an error is logged. */
void ration__flush_do(struct ration__engine *engine, struct ration__ledger_request *request);

#endif
