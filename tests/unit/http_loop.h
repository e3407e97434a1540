/* A worker's loop around ration__multi for tests, with a clock that may be pushed forward. */
#ifndef HTTP_LOOP_H
#define HTTP_LOOP_H

#include "http/multi.h"
#include "http/send.h"
#include "http_server.h"

struct loop {
	struct ration__multi *multi;
	int epoll;
	int64_t ahead_ns; /* added to the real clock */
	struct ration__service_conf service;
	char base[64];
	struct server server;
	unsigned long events; /* seen so far */
};

/* A server with that script, and a service with the defaults of the documentation. */
void loop_init(struct loop *loop, server_script script);
void loop_fini(struct loop *loop);
int64_t loop_now(const struct loop *loop);
struct ration__call *loop_pack(const struct loop *loop, ration_request *request);
/* One turn: waits at most ms for events. */
void loop_turn(struct loop *loop, int ms);
/* Starts the call; user comes back from done. */
struct ration__transfer *loop_start(struct loop *loop, const struct ration__call *call, void *user);
/* Turns until one ended; NULL when none did within ten real seconds. */
void *loop_wait(struct loop *loop, struct ration__attempt *attempt);
/* Turns until *value is at least n. */
void loop_until(struct loop *loop, atomic_int *value, int n);
/* Turns until nothing has moved for a while. */
void loop_settle(struct loop *loop);
/* The whole: packs, sends, waits. Frees the request. */
void loop_run(struct loop *loop, ration_request *request, struct ration__attempt *attempt);
/* GET of that path. */
void loop_get(struct loop *loop, const char *path, struct ration__attempt *attempt);
/* Descriptors that its epoll knows of. */
int loop_watched(const struct loop *loop);

#endif
