/*
 * The test server: an upstream for clients under test. It keeps count of what it was asked, to
 * the request, and misbehaves on demand.
 *
 * One thread does everything: libmicrohttpd is driven through its epoll descriptor, timers and
 * vanished clients are looked after beside it (loop.c). So nothing here is locked, and the order
 * of log lines and counters is the order in which things happened.
 *
 * Names that cross files begin with ts__: this program does not link the library, whose internal
 * names (ration__) must not be mistaken for these.
 *
 * It is not a web server: no TLS, no files, no protection against who may connect.
 */
#ifndef TESTSERVER_SERVER_H
#define TESTSERVER_SERVER_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "testserver/idempotency.h"
#include "testserver/limits.h"
#include "testserver/log.h"
#include "testserver/text.h"
#include "testserver/timers.h"

#define TS_SECOND INT64_C(1000000000)
#define TS_MILLISECOND INT64_C(1000000)

enum {
	TS_DELAY_MAX_MS = 30000,	       /* of ?delay= */
	TS_HOLD_MAX_S = 60,		       /* a stalled client is let go after this */
	TS_IDLE_MAX_S = 300,		       /* a connection without a byte */
	TS_BODY_MAX_BYTES = 16 * 1024 * 1024,  /* of one request */
	TS_KEPT_MAX_BYTES = 128 * 1024 * 1024, /* of all bodies that are kept to be echoed */
};

/* What the command line says. */
struct ts_options {
	const char *address; /* numeric */
	const char *port_file;
	const char *log_file;
	const char *token_file; /* NULL: no token is asked for */
	int port;		/* 0: any free one */
	int64_t in_flight_max;	/* 0: no cap */
	int64_t timeout_ms;	/* 0: none */
	struct ts_limit_conf limits[TS_LIMITS_MAX];
	size_t limit_count;
};

/* Counters since the start or the last POST /stats/reset; in_flight is never reset. */
struct ts_stats {
	uint64_t requests;
	uint64_t aborted;
	uint64_t by_status[600];
	int64_t in_flight;
	int64_t peak;
};

/* Failures that were ordered with POST /fail/... */
struct ts_failures {
	int64_t count;
	int64_t until_ns;
};

struct ts_server {
	const struct ts_options *options;
	struct MHD_Daemon *daemon;
	struct ts_log log;
	struct ts_timers timers;
	struct ts_idempotency idempotency;
	struct ts_stats stats;
	struct ts_failures failures;
	struct ts_limits limits;
	int64_t started_ns;
	uint64_t request_last; /* running numbers: never reset */
	uint64_t connection_last;
	size_t kept_bytes;
	int epoll_fd; /* libmicrohttpd's, the watch and signals */
	int watch_fd; /* an epoll set of its own: the sockets of parked exchanges */
	int signal_fd;
	size_t watched;
};

/* One accepted connection. */
struct ts_peer {
	uint64_t number;
	uint64_t requests;
	int fd;
};

struct ts_exchange;
typedef enum MHD_Result (*ts_step)(struct ts_exchange *exchange);

/*
 * One request and its answer.
 *
 *   NEW ──headers──► RECEIVING ──body──► (route) ──► answered ──► ended
 *                                          │  ▲
 *                                        park  resume, or the client left
 *
 * A parked exchange is suspended in libmicrohttpd, has a timer, and its socket is watched.
 */
struct ts_exchange {
	struct ts_server *server;
	struct MHD_Connection *connection;
	struct ts_peer *peer;
	struct ts_timer timer;
	char *uri; /* as the client wrote it, cut at the question mark */
	const char *query;
	const char *method;
	const char *request_id; /* in libmicrohttpd's memory, like method; NULL when absent */
	const char *idempotency_key;
	uint64_t n;
	int64_t start_ns; /* boot time, headers complete */
	struct timespec start_wall;
	int64_t in_flight, peak; /* as they were at the start, with this one */
	int64_t answer_delay_ns;
	int status;
	enum { TS_NEW, TS_RECEIVING, TS_ROUTED } phase;
	bool counted; /* logged and in the statistics; not so for /stats and /fail */
	bool refused; /* by its headers: the body is not wanted */
	bool limited; /* the limits were asked: readings hold */
	bool ended;
	bool parked;
	bool gone;
	ts_step next;			    /* what follows when it is resumed */
	bool (*pump)(struct ts_exchange *); /* writes past libmicrohttpd; false: done */
	uint64_t body_bytes;
	struct ts_text body; /* only of routes that echo */
	double cost;
	const char *refused_by; /* the name of a limit; NULL: allowed */
	struct ts_limit_reading readings[TS_LIMITS_MAX];
	const struct ts_route *route;
	struct {
		uint64_t size;
		int64_t interval_ns;
		bool due;
	} stream;
};

/* main.c, loop.c */
int64_t ts__now_ns(void);
int ts__loop_init(struct ts_server *server);
int ts__loop_run(struct ts_server *server);
void ts__loop_fini(struct ts_server *server);
/* Sees at once which parked clients have left, so that their places are free for who comes now. */
void ts__loop_reap(struct ts_server *server);
/* Suspends until the time has passed or the client has left; then next is called by whoever
 * libmicrohttpd calls again. */
bool ts__exchange_park(struct ts_exchange *exchange, int64_t duration_ns);

/* exchange.c */
struct MHD_Daemon *ts__server_start(struct ts_server *server, int listen_fd, unsigned limit);
void ts__exchange_end(struct ts_exchange *exchange, bool aborted);
/* Takes the response over. */
enum MHD_Result ts__exchange_answer(
	struct ts_exchange *exchange, int status, struct MHD_Response *response);
/* Takes the text's bytes over; NULL on lack of memory. */
struct MHD_Response *ts__response_new(struct ts_text *json);
enum MHD_Result ts__exchange_json(struct ts_exchange *exchange, int status, struct ts_text *json);
enum MHD_Result ts__exchange_error(struct ts_exchange *exchange, int status, const char *why);

/* routes.c */
enum ts_route_flags {
	TS_CONTROL = 1,	 /* not logged, not counted */
	TS_EXEMPT = 2,	 /* from ordered failures, cap and limits */
	TS_ARGUMENT = 4, /* /name/ARGUMENT, one segment */
	TS_SUBPATHS = 8, /* /name and everything below */
	TS_KEEP_BODY = 16,
	TS_USAGE = 32, /* ?total_tokens is the request's cost */
};

struct ts_route {
	const char *path;
	const char *method; /* NULL: any */
	ts_step answer;
	unsigned flags;
};

const struct ts_route *ts__route_find(const char *path);
enum MHD_Result ts__route_enter(struct ts_exchange *exchange);
/* The last segment of the path as a number within bounds. */
bool ts__route_number(const struct ts_exchange *exchange, int64_t min, int64_t max, int64_t *out);
/* A query parameter as a number within bounds; absent: *out stays. */
bool ts__query_number(const struct ts_exchange *exchange, const char *name, int64_t min,
	int64_t max, int64_t *out);
const char *ts__query_text(const struct ts_exchange *exchange, const char *name);

/* control.c */
enum MHD_Result ts__answer_health(struct ts_exchange *exchange);
enum MHD_Result ts__answer_stats(struct ts_exchange *exchange);
enum MHD_Result ts__answer_stats_reset(struct ts_exchange *exchange);
enum MHD_Result ts__answer_fail_count(struct ts_exchange *exchange);
enum MHD_Result ts__answer_fail_duration(struct ts_exchange *exchange);
enum MHD_Result ts__answer_fail_reset(struct ts_exchange *exchange);
enum MHD_Result ts__answer_fail_status(struct ts_exchange *exchange);
bool ts__failure_take(struct ts_server *server);

/* enforce.c */
/* False when what the request says of its cost is no number. */
bool ts__cost_read(struct ts_exchange *exchange);
/* False: refused, and *result is what the answer's queueing said. */
bool ts__limits_pass(struct ts_exchange *exchange, enum MHD_Result *result);
void ts__limits_add_fields(const struct ts_exchange *exchange, struct MHD_Response *response);
enum MHD_Result ts__answer_limits_reset(struct ts_exchange *exchange);
enum MHD_Result ts__answer_usage(struct ts_exchange *exchange);

/* token.c */
/* Whether the request carries the token that the file holds now, or none is asked for. */
bool ts__token_right(const struct ts_exchange *exchange);
enum MHD_Result ts__token_refuse(struct ts_exchange *exchange);

/* answers.c */
enum MHD_Result ts__answer_msg(struct ts_exchange *exchange);
enum MHD_Result ts__answer_status(struct ts_exchange *exchange);
enum MHD_Result ts__answer_redirect(struct ts_exchange *exchange);
enum MHD_Result ts__answer_echo(struct ts_exchange *exchange);

/* streams.c */
enum MHD_Result ts__answer_bytes(struct ts_exchange *exchange);
enum MHD_Result ts__answer_slow(struct ts_exchange *exchange);
enum MHD_Result ts__answer_endless(struct ts_exchange *exchange);
enum MHD_Result ts__answer_stall_body(struct ts_exchange *exchange);
enum MHD_Result ts__answer_reset_body(struct ts_exchange *exchange);

/* faults.c */
enum MHD_Result ts__answer_stall(struct ts_exchange *exchange);
enum MHD_Result ts__answer_reset(struct ts_exchange *exchange);
enum MHD_Result ts__answer_reset_reused(struct ts_exchange *exchange);
enum MHD_Result ts__answer_garbage(struct ts_exchange *exchange);
enum MHD_Result ts__answer_endless_headers(struct ts_exchange *exchange);
void ts__peer_reset(const struct ts_peer *peer);

#endif
