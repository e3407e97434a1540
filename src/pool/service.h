/* A service as the pool knows it: its guard, how calls to it are made, whose turn it is among its
 * jobs, and what its lanes wait for. Lives as long as the pool. */
#ifndef POOL_SERVICE_H
#define POOL_SERVICE_H

#include <stdatomic.h>
#include "guard/guard.h"
#include "http/service.h"
#include "pool/line.h"

struct ration__group;
struct ration__nodes;
struct ration__tokens;

/* "limit:requests" and its kin, made once and kept, so that jobs can point to them. */
struct ration__reason {
	struct ration__reason *next;
	char name[56];
};

/* Who a service's tenants are: the values of one key. */
struct ration__fair_weight {
	const char *value;
	uint32_t weight; /* >= 1: jobs in each round */
};
struct ration__fairness {
	const char *per; /* key's name; "" or NULL: all jobs of the service are one tenant's */
	const struct ration__fair_weight *weights; /* by value, in order; of others it is 1 */
	size_t weight_count;
};

/* What would have happened without `mode: observe`. Relaxed: figures, not signals. */
struct ration__observed {
	_Atomic uint64_t waits, refusals;
	_Atomic int64_t told_ns; /* when that was last logged */
};

struct ration__pool_service {
	struct ration__pool_service *next; /* pool's list */
	struct ration__guard *guard;
	const struct ration__service_conf *conf;
	const struct ration__fairness *fairness; /* NULL: none; set before the first job */
	struct ration__nodes *nodes;		 /* NULL: not HTTP; likewise, as the next */
	struct ration__tokens *tokens;		 /* NULL: none */
	struct ration__own_rules own;		 /* constant: this process's own choice */
	struct ration__observed observed;
	/* Attempts asked for or on their way; at conf->connections_max the service is full. Taken
	 * under the pool's mutex, given back without it. */
	_Atomic uint32_t connections;
	/* under the pool's mutex */
	bool full;		    /* its READY lanes are not asked for, nor counted as ready */
	uint32_t ready_count;	    /* lanes */
	int64_t full_ns;	    /* when that was last so */
	struct ration__rules rules; /* as the fleet had them when a keyset was last found stale */
	bool looks;		    /* some of them ask for the method or path */
	bool names_node;	    /* some of them hold for each node */
	struct ration__reason *reasons;
	struct ration__group *timed;	/* groups that wait for a time alone */
	struct ration__group *eventful; /* groups whose wait may end by what others do */
	struct ration__line ready;	/* lanes that may be asked for */
	struct ration__pool_service *ready_next, **ready_link; /* services with such lanes */
	uint64_t crowd; /* jobs in lanes that are parked for want of a permit */
};

/* Has room for one more attempt. */
static inline bool ration__service_has_room(const struct ration__pool_service *service)
{
	uint32_t max = service->conf->connections_max;

	return !max || atomic_load_explicit(&service->connections, memory_order_relaxed) < max;
}
/* Reads the rules as they are now. */
void ration__service_read(struct ration__pool_service *service);
/* Frees what hangs on it; its lanes must be gone. */
void ration__service_fini(struct ration__pool_service *service);
/* A rule's name for waits, kept as long as the service. Under the pool's mutex. */
const char *ration__service_reason(struct ration__pool_service *service, int rule);
/* The names of the keys that a rule is per, "" ends, at most RATION__PER_MAX; NULL: none. */
const char (*ration__service_per(
	const struct ration__pool_service *service, int rule))[RATION__KEYNAME_MAX];
/* A rule that holds for each node, or for some only: another node may say something else. */
bool ration__service_rule_by_node(const struct ration__pool_service *service, int rule);
/* Its jobs wait in lanes of one node's each. */
bool ration__service_by_node(const struct ration__pool_service *service);
/* Of a tenant; 1 unless said. */
uint32_t ration__service_weight(const struct ration__pool_service *service, const char *tenant);
/* Does what this rule denied end by what others do, rather than at a time? */
bool ration__service_eventful(const struct ration__pool_service *service, int rule);
/* A server's "not now" is its node's alone: there are others to go to. */
bool ration__service_node_cools(const struct ration__pool_service *service);
/* A limit whose true costs come with the answers: what it has may come back before its time, here
 * and in other processes. */
bool ration__service_settles(const struct ration__pool_service *service, int rule);

#endif
