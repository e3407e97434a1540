/*
 * An upstream that misbehaves on demand, for tests: raw sockets, one thread per connection, and a
 * script that answers one request on one connection as it likes. It counts what really arrived:
 * the judge of every promise about sending.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct server_request {
	int fd;
	int connection;	  /* from 1 */
	int nth;	  /* on this connection, from 1 */
	const char *head; /* request line and headers, with the NUL */
	const char *body;
	size_t body_length;
	struct server *server;
};
/* True: wait for the next request on this connection; false: close it. */
typedef bool (*server_script)(const struct server_request *request);

struct server {
	int listener, port;
	server_script script;
	bool raw; /* the script is called as soon as the connection stands, without a request */
	atomic_int connections, requests, closed;
	atomic_int flag; /* for scripts */
	char last_head[8192];
	unsigned long thread;
};

void server_start(struct server *server, server_script script);
void server_stop(struct server *server);
/* Sends text; false when the peer is gone. */
bool server_say(int fd, const char *text);
/* 200 with that body. */
bool server_ok(const struct server_request *request, const char *body);
/* Closes with RST. */
void server_reset(int fd);

#endif
