/*
 * Prepaid units of a `sync` quota: what a process had written to the ledger for calls of its own
 * and has not used yet. hot/ counts them in `covered` and in `owned`, so nobody else uses them.
 *
 * They stand in the process's slot, too, in memory that all share and that does not go with hot/,
 * so that neither a death nor a loss of hot/ nor both waste them:
 *
 *                   announced           told               used
 *     slot           coming              kept               -         after that of hot/
 *     ledger         written             |                  |
 *     hot/            -                 covered, owned     used
 *
 * hot/ is lost: its new record begins with all that the ledger has as used. Who lives takes its
 * units out of that when it comes to ask. Those of the dead become the units of who comes first.
 * A slot says that units are there later than they are, and not as long as they are: what it says
 * is never used already. It is read when its process is dead.
 *
 * Units are good for the part that they were written for, and given up by who has no use for them.
 *
 * All of this under engine.mutex, inside a transaction, with the quota's record in the working set,
 * unless another place is named.
 */
#ifndef GUARD_PREPAID_H
#define GUARD_PREPAID_H

#include "guard/counter.h"
#include "guard/engine.h"
#include "guard/ledger.h"

/* What this process may use of it now. Of a record that hot/ lost: what it may when there is one
 * again. */
int64_t ration__prepaid_units(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter);
/* Units that were covered just now become this process's, as far as it has room to remember them.
 */
void ration__prepaid_add(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter, int64_t units);
/* amount of the quota was used: by this process, of its own first. */
void ration__prepaid_use(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, int64_t amount);
/* They are nobody's, and anybody's. Returns how many. */
int64_t ration__prepaid_release(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__record *record);
/* A keyset whose calls will not be made has no use for them. 0 or a store error */
int ration__prepaid_leave(struct ration__keyset *keyset, struct ration__txn *txn);
/* May it have some? Without any lock. */
static inline bool ration__prepaid_held(const struct ration__keyset *keyset)
{
	return atomic_load_explicit(&keyset->guard->engine->prepaid_count, memory_order_relaxed) >
	       0;
}

/* In this transaction hot/ is told of what was announced. */
void ration__prepaid_told(struct ration__engine *engine);
/* The transaction is about to be committed; and it is over. */
void ration__prepaid_hide(struct ration__engine *engine);
void ration__prepaid_end(struct ration__engine *engine, bool committed);

/* By who flushes, inside the ledger's transaction, before it writes; and when it has written. */
void ration__prepaid_announce(struct ration__engine *engine, uint64_t hash, uint64_t epoch,
	const struct ration__ledger_write *write);
void ration__prepaid_confirm(struct ration__engine *engine);

/* What dead processes had of the quota becomes this one's. writes: the ledger's last ones, if they
 * were read now; else NULL. Returns whether there was anything. */
bool ration__prepaid_inherit(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter,
	const struct ration__ledger_write *writes);
/* hot/ was told of that write in its process's place. */
void ration__prepaid_void(struct ration__store *store, const struct ration__ledger_write *write);

#endif
