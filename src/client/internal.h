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
#include "base/watch.h"
#include "config/compile.h"
#include "http/context.h"
#include "http/limits.h"
#include "pool/pool.h"

#define RATION__SERVICE_HEADS 64

struct ration__client_service {
	struct ration__client_service *next;
	struct ration__guard *guard;
	struct ration__service_conf conf;
	struct ration__fairness_conf fairness_conf;
	struct ration__fairness fairness; /* the same, as the pool wants it; weights owned */
	struct ration__pool_service *pool;
	struct ration__nodes *nodes;	/* NULL: not HTTP */
	struct ration__uri_watch *uris; /* NULL: they stand in no file */
	struct ration__tokens *tokens;	/* NULL: none */
	unsigned context_keys;		/* see ration__client_context_keys */
};

struct ration_client {
	struct ration__engine *engine;
	struct ration__pool *pool;
	struct ration__config_hooks hooks;
	pthread_mutex_t mutex;	     /* one service is added at a time */
	struct ration__watch *watch; /* of files; NULL: nothing is to be watched */
	pthread_mutex_t context_mutex;
	_Atomic(ration_context *)
		context; /* written under it, read without to see that it is NULL */
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

/* send.c */

/* ration_perform in two halves, for several at once. fresh: over a connection of its own, of a
 * request that has options. _end waits, once for each _begin that answered 0. */
int ration__client_begin(
	ration_client *client, ration_request *request, bool fresh, struct ration__waiter *waiter);
int ration__client_end(ration_client *client, struct ration__waiter *waiter, ration_response **out);

/* context.c */

/* A reference to the client's own context; NULL: none. [any] */
ration_context *ration__client_context(ration_client *client);
/* Which of a context's keys (bits, as ration__context_key counts) the service's limits, fairness or
 * tokens ask for: others would only scatter its jobs over lanes. */
unsigned ration__client_context_keys(
	const struct ration__client_service *service, const struct ration__rules *rules);
/* The wanted keys of a context, where the request has none of that name; room stays while the view
 * does. */
struct ration__keys_room {
	struct ration__pair keys[RATION__KEY_COUNT_MAX + RATION__CONTEXT_KEYS];
};
void ration__client_add_keys(struct ration__request_view *view, const ration_context *context,
	unsigned wanted, struct ration__keys_room *room);

/* watch.c */

/* The file that the service's nodes were read from, if there is one, is read again whenever it
 * changes. Under client.mutex, or before anybody knows the client. 0, RATION_ENOMEM,
 * RATION_ESYSTEM (no thread). */
int ration__client_watch_uris(
	ration_client *client, struct ration__client_service *service, ration_error **err);
/* Waits for a reading that goes on. NULL is fine. */
void ration__uri_watch_free(struct ration__uri_watch *uris);

#endif
