/*
 * The public face's own: what stands behind ration_client. Argument checks and ownership, little
 * else; the machine is src/pool.
 *
 * Services are found by name without a lock: they are only ever added, each is complete before it
 * is linked (release; the walk acquires), and all live as long as the client.
 */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <ration/client.h>
#include "config/compile.h"
#include "pool/pool.h"

#define RATION__SERVICE_HEADS 64

struct ration__client_service {
	struct ration__client_service *next;
	struct ration__guard *guard;
	struct ration__service_conf conf;
	struct ration__fairness_conf fairness_conf;
	struct ration__fairness fairness; /* the same, as the pool wants it; weights owned */
	struct ration__pool_service *pool;
	struct ration__nodes *nodes;   /* NULL: not HTTP */
	struct ration__tokens *tokens; /* NULL: none */
};

struct ration_client {
	struct ration__engine *engine;
	struct ration__pool *pool;
	struct ration__config_hooks hooks;
	pthread_mutex_t mutex; /* one service is added at a time */
	_Atomic(struct ration__client_service *) services[RATION__SERVICE_HEADS];
};

/* client.c */

/* Adds config's service of that name to a client that is open; one that is there stays as it is.
 * Blocks on the store. 0, RATION_ESERVICE, RATION_ECONFIG, RATION_ENOMEM, or a store error. [any]
 */
int ration__client_add_service(
	ration_client *client, const ration_config *config, const char *name, ration_error **err);
/* NULL: none of that name. [any] */
struct ration__client_service *ration__client_service(
	const ration_client *client, const char *name);
/* 0 or RATION_EFORK, RATION_EINVAL. */
int ration__client_check(const ration_client *client);

#endif
