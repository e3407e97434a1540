/*
 * The operator's settings: breakers forced open or disabled, other numbers for a limit or for one
 * of its key values. They are in the ledger and stay until they are taken back or their time is
 * over. Each engine keeps a copy in memory; a shared word counts the changes, and whoever sees
 * another number than its own reads the ledger again, before its next transaction.
 *
 *     ledger: 'O' and the key of the record, or of its rule without key values -> the setting
 *
 * The copy is changed under engine.mutex and meta_mutex, so it may be read under either.
 */
#ifndef GUARD_SETTINGS_H
#define GUARD_SETTINGS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ration__engine;

#define RATION__SETTINGS_MAX 4096 /* of one store */

struct ration__operator {
	int64_t until_ns;      /* WALL; 0: for good */
	uint32_t breaker_mode; /* enum ration__breaker_mode */
	uint32_t reserved;
	double rate, burst; /* 0: as the rules have it */
	int64_t max;	    /* amount; -1: as the rules have it */
};
static_assert(sizeof(struct ration__operator) == 40, "stored byte for byte: no padding");

/* Reads the ledger again if something changed there, drops settings whose time is over, and raises
 * the serial of every guard if that changed anything (keysets are made anew). One atomic load when
 * nothing did. Outside transactions, under engine.mutex. What cannot be read now is tried again at
 * the next call. */
void ration__operator_follow(struct ration__engine *engine);
/* What holds for a record: of its own key, else of its rule as a whole (rule_key: the same without
 * key values). Numbers that the own one does not name are the rule's. NULL: nothing. Valid until
 * the next follow. Under either mutex. */
const struct ration__operator *ration__operator_find(struct ration__engine *engine,
	const uint8_t *key, size_t length, const uint8_t *rule_key, size_t rule_length);
void ration__operator_free(struct ration__engine *engine);

/* ---- under no lock; block on the ledger ---- */

/* What the ledger has for just that key. 0; RATION_EEMPTY: nothing that still holds; or a store
 * error */
int ration__settings_get(struct ration__engine *engine, const uint8_t *key, size_t length,
	struct ration__operator *setting);
/* Writes (or, with NULL, takes away) what holds for a key; durable; tells the fleet.
 * 0; RATION_EFULL: the store has RATION__SETTINGS_MAX of them; or a store error */
int ration__operator_put(struct ration__engine *engine, const uint8_t *key, size_t length,
	const struct ration__operator *setting);
/* All that hold, in the order of their keys. fn may not come back here nor block; what it returns
 * other than 0 ends it and is returned. wait_ns: as ration__ledger_visit has it. */
typedef int (*ration__settings_fn)(
	void *arg, const uint8_t *key, size_t length, const struct ration__operator *setting);
int ration__settings_visit(
	struct ration__engine *engine, int64_t wait_ns, ration__settings_fn fn, void *arg);

#endif
