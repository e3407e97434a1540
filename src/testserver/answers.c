/* Well-formed answers: messages, any status, redirects, echo. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "testserver/server.h"

/* X-Request-ID names the request when there is no field of its own for that. */
enum MHD_Result ts__answer_msg(struct ts_exchange *exchange)
{
	const char *key =
		exchange->idempotency_key ? exchange->idempotency_key : exchange->request_id;
	struct ts_text json = {0};
	char uuid[TS_UUID_SIZE];

	if (key && strlen(key) > TS_IDEMPOTENCY_KEY_MAX)
		return ts__exchange_error(
			exchange, MHD_HTTP_BAD_REQUEST, "a request id has at most 255 bytes");
	if (!ts__idempotency_get(&exchange->server->idempotency, key, ts__now_ns(), uuid))
		return MHD_NO;
	ts__text_printf(&json, "{\"message_id\":\"%s\"}\n", uuid);
	return ts__exchange_json(exchange, MHD_HTTP_OK, &json);
}

/* ?ratelimit=LIMIT,REMAINING,RESET[,WINDOW] in the words of both dialects. */
static bool add_rate_limit(struct MHD_Response *response, const char *text)
{
	long long number[4] = {0, 0, 0, 60};
	char value[96];
	int read = 0;
	int fields = sscanf(text, "%lld,%lld,%lld%n,%lld%n", &number[0], &number[1], &number[2],
		&read, &number[3], &read);

	if (fields < 3 || text[read] != '\0')
		return false;
	snprintf(value, sizeof(value), "\"default\";r=%lld;t=%lld", number[1], number[2]);
	MHD_add_response_header(response, "RateLimit", value);
	snprintf(value, sizeof(value), "\"default\";q=%lld;w=%lld", number[0], number[3]);
	MHD_add_response_header(response, "RateLimit-Policy", value);
	static const char *const names[] = {
		"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"};
	for (int i = 0; i < 3; i++) {
		snprintf(value, sizeof(value), "%lld", number[i]);
		MHD_add_response_header(response, names[i], value);
	}
	return true;
}

/* The headers that the query asks for; false when they cannot be. */
static bool add_headers(const struct ts_exchange *exchange, struct MHD_Response *response)
{
	const char *retry_after = ts__query_text(exchange, "retry_after");
	const char *rate_limit = ts__query_text(exchange, "ratelimit");

	if (retry_after && MHD_add_response_header(
				   response, MHD_HTTP_HEADER_RETRY_AFTER, retry_after) != MHD_YES)
		return false;
	return !rate_limit || add_rate_limit(response, rate_limit);
}

enum MHD_Result ts__answer_status(struct ts_exchange *exchange)
{
	struct ts_text json = {0};
	int64_t status;

	if (!ts__route_number(exchange, 200, 599, &status))
		return ts__exchange_error(
			exchange, MHD_HTTP_BAD_REQUEST, "the status is 200 to 599");
	if (status != MHD_HTTP_NO_CONTENT && status != MHD_HTTP_NOT_MODIFIED)
		ts__text_printf(&json, "{\"status\":%" PRId64 "}\n", status);
	struct MHD_Response *response = ts__response_new(&json);
	if (response && !add_headers(exchange, response)) {
		MHD_destroy_response(response);
		return ts__exchange_error(exchange, MHD_HTTP_BAD_REQUEST,
			"retry_after is a header's value; ratelimit is "
			"LIMIT,REMAINING,RESET[,WINDOW]");
	}
	return ts__exchange_answer(exchange, (int)status, response);
}

/* Without a target: to itself, a redirect without end. */
enum MHD_Result ts__answer_redirect(struct ts_exchange *exchange)
{
	const char *to = ts__query_text(exchange, "to");
	struct ts_text json = {0};
	int64_t status;

	if (!ts__route_number(exchange, 300, 399, &status))
		return ts__exchange_error(
			exchange, MHD_HTTP_BAD_REQUEST, "the status is 300 to 399");
	if (!to)
		to = exchange->uri;
	if (status != MHD_HTTP_NOT_MODIFIED) {
		ts__text_puts(&json, "{\"to\":");
		ts__text_json_string(&json, to, SIZE_MAX);
		ts__text_puts(&json, "}\n");
	}
	struct MHD_Response *response = ts__response_new(&json);
	if (response &&
		MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, to) != MHD_YES) {
		MHD_destroy_response(response);
		return ts__exchange_error(
			exchange, MHD_HTTP_BAD_REQUEST, "to is no value for Location");
	}
	return ts__exchange_answer(exchange, (int)status, response);
}

struct listing {
	struct ts_text *json;
	const char *comma;
};

/* Fields in the order received, a repeated one as often as it came. */
static enum MHD_Result list_header(
	void *closure, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct listing *listing = closure;

	ts__text_puts(listing->json, listing->comma);
	ts__text_puts(listing->json, "[");
	ts__text_json_string(listing->json, name, SIZE_MAX);
	ts__text_puts(listing->json, ",");
	ts__text_json_string(listing->json, value ? value : "", SIZE_MAX);
	ts__text_puts(listing->json, "]");
	listing->comma = ",";
	return MHD_YES;
}

enum MHD_Result ts__answer_echo(struct ts_exchange *exchange)
{
	const struct ts_text *body = &exchange->body;
	struct ts_text json = {0};
	struct listing listing = {&json, ""};

	ts__text_puts(&json, "{\"method\":");
	ts__text_json_string(&json, exchange->method, SIZE_MAX);
	ts__text_puts(&json, ",\"path\":");
	ts__text_json_string(&json, exchange->uri, SIZE_MAX);
	ts__text_puts(&json, ",\"query\":");
	ts__text_json_string(&json, exchange->query, SIZE_MAX);
	ts__text_puts(&json, ",\"headers\":[");
	MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, list_header, &listing);
	ts__text_printf(&json, "],\"body_bytes\":%" PRIu64 ",", exchange->body_bytes);
	if (ts__text_is_plain(body->data, body->length)) {
		ts__text_puts(&json, "\"body\":");
		ts__text_json(&json, body->data, body->length);
	} else {
		ts__text_puts(&json, "\"body_base64\":\"");
		ts__text_base64(&json, body->data, body->length);
		ts__text_puts(&json, "\"");
	}
	ts__text_puts(&json, "}\n");
	return ts__exchange_json(exchange, MHD_HTTP_OK, &json);
}
