/*
 * Grants whose holder went away while the store could not answer: settled as ignored with the next
 * transaction that succeeds. (If none does, they go when this process ends.) Under engine.mutex.
 */
#include "guard/engine.h"

#include <stdlib.h>
#include <string.h>

#define SETTLE_MAX 16 /* in one transaction */

struct ration__orphan {
	struct ration__grant grant;
	struct ration__orphan *next;
};

void ration__grant_abandon(struct ration__engine *engine, struct ration__grant *grant)
{
	struct ration__orphan *orphan;

	if (!grant->seq || ration__store_forked(engine->store))
		return;
	orphan = malloc(sizeof(*orphan));
	pthread_mutex_lock(&engine->mutex);
	if (orphan) {
		ration__grant_move(grant, &orphan->grant);
		orphan->next = engine->orphans;
		engine->orphans = orphan;
	} else {
		ration__grant_unlink(grant);
	}
	pthread_mutex_unlock(&engine->mutex);
}

int ration__orphans_settle(struct ration__engine *engine, struct ration__txn *txn)
{
	int rc = 0, n = 0;

	for (struct ration__orphan *orphan = engine->orphans; orphan && rc == 0 && n < SETTLE_MAX;
		orphan = orphan->next, n++) {
		struct ration__settle settle = {
			.grant = &orphan->grant, .outcome = RATION__IGNORED};

		rc = ration__settle_one(engine, txn, &settle);
	}
	return rc;
}

void ration__orphans_done(struct ration__engine *engine)
{
	for (int n = 0; engine->orphans && n < SETTLE_MAX; n++) {
		struct ration__orphan *orphan = engine->orphans;

		engine->orphans = orphan->next;
		ration__grant_unlink(&orphan->grant);
		free(orphan);
	}
}

void ration__orphans_forget(struct ration__engine *engine)
{
	while (engine->orphans)
		ration__orphans_done(engine);
}
