/* One decision in the making: between ask.c, which asks every rule and changes nothing, and
 * decide.c, which takes. Under engine.mutex, inside a transaction. */
#ifndef GUARD_DECISION_H
#define GUARD_DECISION_H

#include "guard/engine.h"

struct ration__decision_work {
	struct ration__ask *ask;
	struct ration__keyset *keyset;
	const struct ration__rules *rules;
	struct ration__record *breaker, *concurrency, *place;
	const struct ration__breaker_conf *breaker_conf;
	uint32_t skip;
	int64_t now_ns, wall_ns;
	/* the first denial of each severity, and the longest wait */
	bool refused, waits;
	bool tokens_only; /* nothing but token buckets says wait */
	bool unread;	  /* observing: a quota's count is not in hot/ yet */
	int64_t wait_ns;
	/* From here on not cleared at first, because that costs more than deciding does: set by
	 * _load, as far as there are limits. */
	struct ration__record *limits[RATION__LIMITS_MAX]; /* NULL: does not apply */
	int64_t until_ns[RATION__LIMITS_MAX]; /* of buckets and windows: until then; 0: yes */
	struct ration__breaker_conf breaker_scratch; /* see ration__breaker_ready */
};

static inline bool ration__skips(uint32_t skip, uint32_t limit)
{
	return skip >> limit & 1;
}

/* 0; 1: the working set is full; or a store error */
int ration__decision_load(struct ration__decision_work *d, struct ration__txn *txn);
/* Fills refused, waits, wait_ns and the ask's denial. 0; 1: the working set is full; or a store
 * error */
int ration__decision_ask(struct ration__decision_work *d, struct ration__txn *txn);

/* probe.c: all half-open places of the breaker are taken: perhaps a holder is dead, or has held its
 * place for too long. 0 or a store error */
int ration__probe_reclaim(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__record *record);

#endif
