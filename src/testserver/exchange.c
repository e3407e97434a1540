/*
 * Requests and answers between libmicrohttpd and the routes: the callbacks, the counting, bodies.
 *
 * An exchange begins when its request line was read, is counted when its headers are complete, and
 * ends when libmicrohttpd has sent the answer's last byte or gave the connection up. Since there
 * is one thread and libmicrohttpd finishes one connection before it reads from the next, an
 * answered request has left the count before anyone who saw the answer can send another.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "testserver/server.h"

struct MHD_Response *ts__response_new(struct ts_text *json)
{
	if (json->failed) {
		ts__text_fini(json);
		return NULL;
	}
	struct MHD_Response *response =
		MHD_create_response_from_buffer(json->length, json->data, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		ts__text_fini(json);
		return NULL;
	}
	*json = (struct ts_text){0};
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	return response;
}

enum MHD_Result ts__exchange_answer(
	struct ts_exchange *exchange, int status, struct MHD_Response *response)
{
	if (!response)
		return MHD_NO;
	ts__limits_add_fields(exchange, response);
	enum MHD_Result result =
		MHD_queue_response(exchange->connection, (unsigned)status, response);
	MHD_destroy_response(response);
	if (result == MHD_YES)
		exchange->status = status;
	return result;
}

enum MHD_Result ts__exchange_json(struct ts_exchange *exchange, int status, struct ts_text *json)
{
	return ts__exchange_answer(exchange, status, ts__response_new(json));
}

enum MHD_Result ts__exchange_error(struct ts_exchange *exchange, int status, const char *why)
{
	struct ts_text json = {0};

	ts__text_puts(&json, "{\"error\":");
	ts__text_json_string(&json, why, SIZE_MAX);
	ts__text_puts(&json, "}\n");
	return ts__exchange_json(exchange, status, &json);
}

/* Counts; who has been refused by libmicrohttpd before its headers were complete is counted when
 * it ends. */
static void count_start(struct ts_exchange *exchange)
{
	struct ts_stats *stats = &exchange->server->stats;

	exchange->counted = true;
	exchange->n = ++exchange->server->request_last;
	stats->requests++;
	stats->in_flight++;
	if (stats->in_flight > stats->peak)
		stats->peak = stats->in_flight;
	exchange->in_flight = stats->in_flight;
	exchange->peak = stats->peak;
	exchange->start_ns = ts__now_ns();
	clock_gettime(CLOCK_REALTIME, &exchange->start_wall);
}

void ts__exchange_end(struct ts_exchange *exchange, bool aborted)
{
	struct ts_server *server = exchange->server;

	if (exchange->ended)
		return;
	exchange->ended = true;
	server->kept_bytes -= exchange->body.length;
	if (!exchange->counted)
		return;
	server->stats.in_flight--;
	if (aborted)
		server->stats.aborted++;
	if (exchange->status >= 0 && exchange->status < 600)
		server->stats.by_status[exchange->status]++;
	ts__log_add(&server->log, exchange, aborted);
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* The headers are complete. */
static enum MHD_Result begin(struct ts_exchange *exchange, const char *method)
{
	const char *length = header(exchange->connection, MHD_HTTP_HEADER_CONTENT_LENGTH);

	exchange->phase = TS_RECEIVING;
	exchange->method = method;
	exchange->request_id = header(exchange->connection, "X-Request-ID");
	exchange->idempotency_key = header(exchange->connection, "Idempotency-Key");
	exchange->route = ts__route_find(exchange->uri);
	ts__loop_reap(exchange->server);
	exchange->peer->requests++;
	if (!exchange->route || !(exchange->route->flags & TS_CONTROL))
		count_start(exchange);

	if (length && strtoull(length, NULL, 10) > TS_BODY_MAX_BYTES) {
		exchange->refused = true;
		return ts__exchange_error(
			exchange, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than 16 MiB");
	}
	return MHD_YES;
}

/* A piece of the body. Returning MHD_NO ends the connection: libmicrohttpd can answer only before
 * the body or after it, and this one would not end in time. */
static enum MHD_Result receive(struct ts_exchange *exchange, const char *bytes, size_t *length)
{
	struct ts_server *server = exchange->server;
	size_t size = *length;

	*length = 0;
	exchange->body_bytes += size;
	if (exchange->refused)
		return MHD_YES;
	if (exchange->body_bytes > TS_BODY_MAX_BYTES)
		return MHD_NO;
	if (exchange->route && exchange->route->flags & TS_KEEP_BODY) {
		if (server->kept_bytes + size > TS_KEPT_MAX_BYTES)
			return MHD_NO;
		ts__text_add(&exchange->body, bytes, size);
		if (exchange->body.failed)
			return MHD_NO;
		server->kept_bytes += size;
	}
	return MHD_YES;
}

static enum MHD_Result on_request(void *closure, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **context)
{
	struct ts_exchange *exchange = *context;

	if (!exchange || exchange->gone)
		return MHD_NO;
	switch (exchange->phase) {
	case TS_NEW:
		return begin(exchange, method);
	case TS_RECEIVING:
		if (*upload_size > 0)
			return receive(exchange, upload, upload_size);
		if (exchange->refused)
			return MHD_YES;
		exchange->phase = TS_ROUTED;
		return ts__route_enter(exchange);
	case TS_ROUTED:
		break;
	}
	return exchange->next(exchange);
}

/* Called with the request line's target; what it returns is on_request's context. */
static void *on_target(void *closure, const char *target, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct ts_peer *peer = info ? info->socket_context : NULL;
	struct ts_exchange *exchange = calloc(1, sizeof(*exchange));

	if (!exchange || !peer || !(exchange->uri = strdup(target))) {
		free(exchange);
		return NULL;
	}
	char *mark = strchr(exchange->uri, '?');
	exchange->query = mark ? mark + 1 : "";
	if (mark)
		*mark = '\0';
	exchange->server = closure;
	exchange->connection = connection;
	exchange->peer = peer;
	exchange->timer.owner = exchange;
	exchange->cost = 1;
	return exchange;
}

static void on_completed(void *closure, struct MHD_Connection *connection, void **context,
	enum MHD_RequestTerminationCode code)
{
	struct ts_exchange *exchange = *context;

	if (!exchange)
		return;
	*context = NULL;
	if (exchange->phase == TS_NEW) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);
		count_start(exchange);
		exchange->status = info ? (int)info->http_status : 0;
	}
	ts__exchange_end(exchange, code != MHD_REQUEST_TERMINATED_COMPLETED_OK);
	ts__text_fini(&exchange->body);
	free(exchange->uri);
	free(exchange);
}

static void on_connection(void *closure, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct ts_server *server = closure;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		free(*socket_context);
		*socket_context = NULL;
		return;
	}
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ts_peer *peer = calloc(1, sizeof(*peer));
	if (peer) {
		peer->number = ++server->connection_last;
		peer->fd = info->connect_fd;
	}
	*socket_context = peer;
}

struct MHD_Daemon *ts__server_start(struct ts_server *server, int listen_fd, unsigned limit)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
		server, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)TS_IDLE_MAX_S, MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, server, MHD_OPTION_END);
}
