/* A service as the pool knows it: its guard, how calls to it are made, and what its lanes wait for.
 * Lives as long as the pool. */
#ifndef POOL_SERVICE_H
#define POOL_SERVICE_H

#include "guard/guard.h"
#include "http/service.h"

struct ration__group;

/* "limit:requests" and its kin, made once and kept, so that jobs can point to them. */
struct ration__reason {
	struct ration__reason *next;
	char name[56];
};

struct ration__pool_service {
	struct ration__pool_service *next; /* pool's list */
	struct ration__guard *guard;
	const struct ration__service_conf *conf;
	/* under the pool's mutex */
	struct ration__rules rules; /* as the fleet had them when a keyset was last found stale */
	struct ration__reason *reasons;
	struct ration__group *timed;	/* groups that wait for a time alone */
	struct ration__group *eventful; /* groups whose wait may end by what others do */
};

#endif
