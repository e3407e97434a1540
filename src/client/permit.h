/*
 * A permit's inside: what permit.c sets up, permit_call.c holds and gives back, and permit_rule.c
 * looks at and changes by the name of a policy.
 *
 * The keyset is made when it is first needed, for the keys as they are then, and made anew when
 * keys or the service's rules changed. What is held keeps its own.
 */
#ifndef CLIENT_PERMIT_H
#define CLIENT_PERMIT_H

#include <stdbool.h>
#include <ration/guard.h>
#include "config/compile.h"
#include "guard/callers.h"
#include "guard/guard.h"

#define RATION__PERMIT_KEYS 16
#define RATION__PERMIT_COSTS 8

struct ration_guard {
	struct ration__engine *engine;
	struct ration__guard *guard;
	struct ration__service_conf conf; /* for retries (client/retry.c) */
	struct ration__callers callers;	  /* in acquire */
	bool observes;			  /* likewise: the budget is told, and refuses nothing */
	ration_random_fn random;	  /* NULL: the library's own */
	void *random_arg;
};

struct ration__settled {
	char unit[RATION__KEYNAME_MAX];
	double cost;
};

struct ration_permit {
	ration_guard *guard;
	struct ration__keyset *keyset; /* NULL: keys changed since it was made */
	struct ration__grant grant;
	struct ration__pair keys[RATION__PERMIT_KEYS]; /* owned */
	size_t key_count;
	struct ration__cost costs[RATION__PERMIT_COSTS]; /* units owned */
	size_t cost_count;
	struct ration__settled settled[RATION__PERMIT_COSTS]; /* of what is held */
	size_t settled_count;
	char *method, *path;	     /* of the call; NULL: no HTTP */
	char only[RATION__NAME_MAX]; /* the one policy that it concerns; "": all */
	bool skip_known;	     /* skip is the keyset's, method's, path's and only's */
	uint32_t skip;
	int64_t retry_after_ms;
	char why[256];
	char rule[160];
	char state[sizeof(((struct ration__rule_state *)0)->state)];
	uint8_t mode; /* of the last decision */
};

/* The permit's keyset and skip are there. 0, RATION_EKEY (then why says which), RATION_EINVAL: the
 * service lost the policy that the permit is for; RATION_ENOMEM. */
int ration__permit_ready(ration_permit *permit);
/* The rules changed: the next ready makes another. What is held has a reference of its own. */
void ration__permit_drop(ration_permit *permit);

#endif
