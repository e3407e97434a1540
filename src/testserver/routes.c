/* The table of routes, and what each request passes on its way to one: token, cap, limits,
 * ordered failures, delay, timeout. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "testserver/server.h"

static const struct ts_route routes[] = {
	{"/msg", "GET", ts__answer_msg, 0},
	{"/status", NULL, ts__answer_status, TS_ARGUMENT},
	{"/bytes", NULL, ts__answer_bytes, TS_ARGUMENT},
	{"/echo", NULL, ts__answer_echo, TS_SUBPATHS | TS_KEEP_BODY},
	{"/anything", NULL, ts__answer_echo, TS_SUBPATHS | TS_KEEP_BODY},
	{"/redirect", NULL, ts__answer_redirect, TS_ARGUMENT},
	{"/slow", NULL, ts__answer_slow, 0},
	{"/endless", NULL, ts__answer_endless, 0},
	{"/endless-headers", NULL, ts__answer_endless_headers, 0},
	{"/stall", NULL, ts__answer_stall, 0},
	{"/stall-body", NULL, ts__answer_stall_body, 0},
	{"/reset", NULL, ts__answer_reset, 0},
	{"/reset-body", NULL, ts__answer_reset_body, 0},
	{"/reset-reused", NULL, ts__answer_reset_reused, 0},
	{"/garbage", NULL, ts__answer_garbage, 0},
	{"/usage", NULL, ts__answer_usage, TS_USAGE},
	{"/health", "GET", ts__answer_health, TS_EXEMPT},
	{"/stats", "GET", ts__answer_stats, TS_CONTROL | TS_EXEMPT},
	{"/stats/reset", "POST", ts__answer_stats_reset, TS_CONTROL | TS_EXEMPT},
	{"/fail/count", "POST", ts__answer_fail_count, TS_CONTROL | TS_EXEMPT | TS_ARGUMENT},
	{"/fail/duration", "POST", ts__answer_fail_duration, TS_CONTROL | TS_EXEMPT | TS_ARGUMENT},
	{"/fail/reset", "POST", ts__answer_fail_reset, TS_CONTROL | TS_EXEMPT},
	{"/fail/status", "GET", ts__answer_fail_status, TS_CONTROL | TS_EXEMPT},
	{"/limits/reset", "POST", ts__answer_limits_reset, TS_CONTROL | TS_EXEMPT},
};

static bool matches(const struct ts_route *route, const char *path)
{
	size_t length = strlen(route->path);

	if (strncmp(path, route->path, length) != 0)
		return false;
	const char *rest = path + length;
	if (route->flags & TS_ARGUMENT)
		return rest[0] == '/' && rest[1] != '\0' && !strchr(rest + 1, '/');
	return rest[0] == '\0' || (route->flags & TS_SUBPATHS && rest[0] == '/');
}

const struct ts_route *ts__route_find(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (matches(&routes[i], path))
			return &routes[i];
	}
	return NULL;
}

static bool number_of(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno || *end || value < min || value > max)
		return false;
	*out = value;
	return true;
}

bool ts__route_number(const struct ts_exchange *exchange, int64_t min, int64_t max, int64_t *out)
{
	return number_of(strrchr(exchange->uri, '/') + 1, min, max, out);
}

const char *ts__query_text(const struct ts_exchange *exchange, const char *name)
{
	return MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, name);
}

bool ts__query_number(const struct ts_exchange *exchange, const char *name, int64_t min,
	int64_t max, int64_t *out)
{
	const char *text = *exchange->query ? ts__query_text(exchange, name) : NULL;

	return !text || number_of(text, min, max, out);
}

static enum MHD_Result answer_timeout(struct ts_exchange *exchange)
{
	return ts__exchange_error(exchange, MHD_HTTP_REQUEST_TIMEOUT, "request timeout");
}

static enum MHD_Result answer_after(struct ts_exchange *exchange, ts_step answer, int64_t delay_ms)
{
	if (delay_ms == 0)
		return answer(exchange);
	exchange->next = answer;
	return ts__exchange_park(exchange, delay_ms * TS_MILLISECOND) ? MHD_YES : MHD_NO;
}

static enum MHD_Result refuse_method(struct ts_exchange *exchange)
{
	struct ts_text json = {0};

	ts__text_puts(&json, "{\"error\":\"method not allowed\"}\n");
	struct MHD_Response *response = ts__response_new(&json);
	if (response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, exchange->route->method);
	return ts__exchange_answer(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, response);
}

static bool method_fits(const char *wanted, const char *method)
{
	return !wanted || strcmp(wanted, method) == 0 ||
	       (strcmp(wanted, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* The request is complete: what stands before its route, then the route. */
enum MHD_Result ts__route_enter(struct ts_exchange *exchange)
{
	struct ts_server *server = exchange->server;
	const struct ts_options *options = server->options;
	const struct ts_route *route = exchange->route;
	int64_t delay_ms = 0;
	enum MHD_Result refused;

	if (!route || !(route->flags & TS_EXEMPT)) {
		if (!ts__token_right(exchange))
			return ts__token_refuse(exchange);
		if (!ts__cost_read(exchange))
			return ts__exchange_error(exchange, MHD_HTTP_BAD_REQUEST,
				"X-Cost or total_tokens is a number from 0 to 1e12");
		if (options->in_flight_max && exchange->in_flight > options->in_flight_max) {
			exchange->refused_by = "concurrency";
			return ts__exchange_error(exchange, MHD_HTTP_SERVICE_UNAVAILABLE,
				"too many requests in flight");
		}
		if (!ts__limits_pass(exchange, &refused))
			return refused;
		if (ts__failure_take(server))
			return ts__exchange_error(
				exchange, MHD_HTTP_INTERNAL_SERVER_ERROR, "a failure, as ordered");
	}
	if (!route)
		return ts__exchange_error(exchange, MHD_HTTP_NOT_FOUND, "no such route");
	if (!method_fits(route->method, exchange->method))
		return refuse_method(exchange);
	if (!ts__query_number(exchange, "delay", 0, TS_DELAY_MAX_MS, &delay_ms))
		return ts__exchange_error(
			exchange, MHD_HTTP_BAD_REQUEST, "delay is 0 to 30000 milliseconds");
	if (route->flags & TS_EXEMPT)
		delay_ms = 0;
	if (options->timeout_ms && delay_ms > options->timeout_ms)
		return answer_after(exchange, answer_timeout, options->timeout_ms);
	return answer_after(exchange, route->answer, delay_ms);
}
