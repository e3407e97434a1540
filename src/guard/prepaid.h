/*
 * Prepaid units of a `sync` quota: what a process had written to the ledger for calls of its own
 * and has not used yet. hot/ counts them in `covered` and in `owned`, so nobody else uses them.
 *
 *     U slot generation record-hash -> { rest, units, part, epoch, record key }
 *
 * The owner remembers them, too; so a unit is lost only when both are gone at once:
 *
 *     hot/ is lost       the new record begins with all that the ledger has as used; the owner
 *                        takes its units out of that when it comes to ask
 *     the owner dies     its entries are buried: what they said is not covered any more, and the
 *                        next who writes to the ledger writes without it
 *
 * They are good for the part that they were written for, and given up by who has no use for them.
 *
 * All of this under engine.mutex, inside a transaction, with the quota's record in the working set.
 */
#ifndef GUARD_PREPAID_H
#define GUARD_PREPAID_H

#include "guard/counter.h"
#include "guard/engine.h"

/* What this process may use of it now. Of a record that hot/ lost: what it may when there is one
 * again. Store errors show at the transaction's end. */
int64_t ration__prepaid_units(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter);
/* Units that were covered just now become this process's, as far as it can remember them. */
void ration__prepaid_add(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter, int64_t units);
/* amount of the quota was used: by this process, of its own first. */
void ration__prepaid_use(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, int64_t amount);
/* They are nobody's, and anybody's. Returns how many. */
int64_t ration__prepaid_release(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__record *record);
/* Looks whether other owners are dead. */
void ration__prepaid_reclaim(struct ration__txn *txn, const struct ration__record *record);

/* A keyset whose calls will not be made has no use for them. 0 or a store error */
int ration__prepaid_leave(struct ration__keyset *keyset, struct ration__txn *txn);
/* May it have some? Without any lock. */
static inline bool ration__prepaid_held(const struct ration__keyset *keyset)
{
	return atomic_load_explicit(
		       &keyset->guard->engine->prepaid_count, memory_order_relaxed) > 0;
}

/* Hooks of the store (store.h). */
int ration__prepaid_bury(
	struct ration__engine *engine, struct ration__txn *txn, uint16_t slot, uint32_t generation);
void ration__prepaid_reassert(struct ration__engine *engine, struct ration__txn *txn);
/* The transaction is over. */
void ration__prepaid_end(struct ration__engine *engine, bool committed);

#endif
