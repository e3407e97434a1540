/*
 * Enforced limits between a request and the decision (limits.c): its cost, its keys, what the
 * refusal looks like, what the fields of every answer say.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "testserver/server.h"

static bool read_cost(const char *text, double *out)
{
	char *end;

	if ((*text < '0' || *text > '9') && *text != '.')
		return false;
	double value = strtod(text, &end);
	if (end == text || *end || !isfinite(value) || value > TS_COST_MAX)
		return false;
	*out = value;
	return true;
}

bool ts__cost_read(struct ts_exchange *exchange)
{
	const char *text = NULL;

	if (exchange->route && exchange->route->flags & TS_USAGE && *exchange->query)
		text = ts__query_text(exchange, "total_tokens");
	if (!text)
		text = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "X-Cost");
	return !text || read_cost(text, &exchange->cost);
}

/* Rounded up: who comes back then is not too early. */
static int64_t whole_seconds(int64_t ns)
{
	return (ns + TS_SECOND - 1) / TS_SECOND;
}

/* Who has been refused and comes back after no time at all learns nothing. */
static void add_retry_after(
	const struct ts_limit_conf *conf, int64_t wait_ns, struct MHD_Response *response)
{
	int64_t seconds = conf->retry_after_s;
	char value[24];

	if (seconds == TS_RETRY_AFTER_OFF || (seconds == TS_RETRY_AFTER_ON && wait_ns < 0))
		return;
	if (seconds == TS_RETRY_AFTER_ON)
		seconds = whole_seconds(wait_ns);
	snprintf(value, sizeof(value), "%" PRId64, seconds);
	MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, value);
}

static enum MHD_Result refuse(
	struct ts_exchange *exchange, const struct ts_limit_conf *conf, int64_t wait_ns)
{
	struct ts_text json = {0};

	exchange->refused_by = conf->name;
	ts__text_puts(&json, conf->status == MHD_HTTP_TOO_MANY_REQUESTS
				     ? "{\"error\":\"too many requests\",\"limit\":"
				     : "{\"error\":\"overloaded\",\"limit\":");
	ts__text_json_string(&json, conf->name, SIZE_MAX);
	if (wait_ns < 0)
		ts__text_puts(&json, ",\"wait_ms\":null}\n");
	else
		ts__text_printf(&json, ",\"wait_ms\":%" PRId64 "}\n", wait_ns / TS_MILLISECOND);
	struct MHD_Response *response = ts__response_new(&json);
	if (response)
		add_retry_after(conf, wait_ns, response);
	return ts__exchange_answer(exchange, conf->status, response);
}

bool ts__limits_pass(struct ts_exchange *exchange, enum MHD_Result *result)
{
	struct ts_limits *limits = &exchange->server->limits;
	struct ts_limits_answer answer;
	const char *keys[TS_LIMITS_MAX];

	if (limits->count == 0)
		return true;
	for (size_t i = 0; i < limits->count; i++) {
		const char *header = limits->list[i].conf->header;
		keys[i] = *header ? MHD_lookup_connection_value(
					    exchange->connection, MHD_HEADER_KIND, header)
				  : NULL;
		if (!keys[i])
			keys[i] = "";
	}
	if (!ts__limits_take(limits, ts__now_ns(), exchange->cost, keys, &answer)) {
		*result = ts__exchange_error(exchange, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"a limit has too many keys, or there is no memory");
		return false;
	}
	exchange->limited = true;
	memcpy(exchange->readings, answer.readings, sizeof(answer.readings));
	if (answer.refused_by < 0)
		return true;
	*result = refuse(exchange, limits->list[answer.refused_by].conf, answer.wait_ns);
	return false;
}

/* A field of each name; its value lists all limits that say something in it. */
static void add_ratelimit(const struct ts_exchange *exchange, struct MHD_Response *response)
{
	const struct ts_limits *limits = &exchange->server->limits;
	char left[TS_LIMITS_MAX * 96] = "", policy[TS_LIMITS_MAX * 96] = "";
	size_t left_length = 0, policy_length = 0;

	for (size_t i = 0; i < limits->count; i++) {
		const struct ts_limit_conf *conf = limits->list[i].conf;
		const struct ts_limit_reading *reading = &exchange->readings[i];
		if (conf->fields != TS_FIELDS_RATELIMIT)
			continue;
		left_length += (size_t)snprintf(left + left_length, sizeof(left) - left_length,
			"%s\"%s\";r=%" PRId64 ";t=%" PRId64, left_length ? ", " : "", conf->name,
			reading->remaining, whole_seconds(reading->reset_ns));
		policy_length +=
			(size_t)snprintf(policy + policy_length, sizeof(policy) - policy_length,
				"%s\"%s\";q=%" PRId64 ";w=%" PRId64, policy_length ? ", " : "",
				conf->name, (int64_t)conf->max, whole_seconds(conf->window_ns));
	}
	if (left_length == 0)
		return;
	MHD_add_response_header(response, "RateLimit", left);
	MHD_add_response_header(response, "RateLimit-Policy", policy);
}

/* X-RateLimit-Limit, or X-RateLimit-Limit-NAME where the limit was given a name. */
static void add_x_ratelimit(const struct ts_limit_conf *conf,
	const struct ts_limit_reading *reading, struct MHD_Response *response)
{
	const struct {
		const char *name;
		int64_t value;
	} fields[] = {{"Limit", (int64_t)conf->max}, {"Remaining", reading->remaining},
		{"Reset", whole_seconds(reading->reset_ns)}};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char name[64], value[24];
		snprintf(name, sizeof(name), "X-RateLimit-%s%s%s", fields[i].name,
			conf->named ? "-" : "", conf->named ? conf->name : "");
		snprintf(value, sizeof(value), "%" PRId64, fields[i].value);
		MHD_add_response_header(response, name, value);
	}
}

void ts__limits_add_fields(const struct ts_exchange *exchange, struct MHD_Response *response)
{
	const struct ts_limits *limits = &exchange->server->limits;

	if (!exchange->limited)
		return;
	add_ratelimit(exchange, response);
	for (size_t i = 0; i < limits->count; i++) {
		if (limits->list[i].conf->fields == TS_FIELDS_X_RATELIMIT)
			add_x_ratelimit(limits->list[i].conf, &exchange->readings[i], response);
	}
}

enum MHD_Result ts__answer_limits_reset(struct ts_exchange *exchange)
{
	struct ts_text json = {0};

	ts__limits_reset(&exchange->server->limits);
	ts__text_printf(&json, "{\"limits\":%zu}\n", exchange->server->limits.count);
	return ts__exchange_json(exchange, MHD_HTTP_OK, &json);
}

/* As the answers of language models say what was used; and in a header, for who reads those. */
enum MHD_Result ts__answer_usage(struct ts_exchange *exchange)
{
	struct ts_text json = {0};
	char cost[32];

	snprintf(cost, sizeof(cost), "%.15g", exchange->cost);
	ts__text_printf(&json, "{\"usage\":{\"total_tokens\":%s}}\n", cost);
	struct MHD_Response *response = ts__response_new(&json);
	if (response)
		MHD_add_response_header(response, "X-Cost", cost);
	return ts__exchange_answer(exchange, MHD_HTTP_OK, response);
}
