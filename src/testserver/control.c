/* What steers and watches the server: health, statistics, ordered failures. */
#include <inttypes.h>
#include <string.h>

#include "testserver/server.h"

enum { FAIL_COUNT_MAX = 1000, FAIL_DURATION_MAX_S = 3600 };

enum MHD_Result ts__answer_health(struct ts_exchange *exchange)
{
	struct ts_text json = {0};

	ts__text_printf(&json, "{\"status\":\"ok\",\"uptime_seconds\":%.3f}\n",
		(double)(ts__now_ns() - exchange->server->started_ns) / TS_SECOND);
	return ts__exchange_json(exchange, MHD_HTTP_OK, &json);
}

enum MHD_Result ts__answer_stats(struct ts_exchange *exchange)
{
	const struct ts_stats *stats = &exchange->server->stats;
	struct ts_text json = {0};
	const char *comma = "";

	/* Who has read the statistics finds the lines of what they count in the log. */
	ts__log_flush(&exchange->server->log);
	ts__text_printf(&json,
		"{\"requests\":%" PRIu64 ",\"in_flight\":%" PRId64 ",\"peak\":%" PRId64
		",\"aborted\":%" PRIu64 ",\"by_status\":{",
		stats->requests, stats->in_flight, stats->peak, stats->aborted);
	for (int status = 0; status < 600; status++) {
		if (stats->by_status[status] == 0)
			continue;
		ts__text_printf(
			&json, "%s\"%d\":%" PRIu64, comma, status, stats->by_status[status]);
		comma = ",";
	}
	ts__text_puts(&json, "}}\n");
	return ts__exchange_json(exchange, MHD_HTTP_OK, &json);
}

enum MHD_Result ts__answer_stats_reset(struct ts_exchange *exchange)
{
	struct ts_stats *stats = &exchange->server->stats;

	*stats = (struct ts_stats){.in_flight = stats->in_flight, .peak = stats->in_flight};
	return ts__answer_stats(exchange);
}

enum MHD_Result ts__answer_fail_status(struct ts_exchange *exchange)
{
	const struct ts_failures *failures = &exchange->server->failures;
	struct ts_text json = {0};
	int64_t left_ns = failures->until_ns - ts__now_ns();

	if (left_ns < 0)
		left_ns = 0;
	ts__text_printf(&json,
		"{\"failing\":%s,\"fail_count\":%" PRId64 ",\"fail_seconds_left\":%.3f}\n",
		failures->count > 0 || left_ns > 0 ? "true" : "false", failures->count,
		(double)left_ns / TS_SECOND);
	return ts__exchange_json(exchange, MHD_HTTP_OK, &json);
}

enum MHD_Result ts__answer_fail_count(struct ts_exchange *exchange)
{
	if (!ts__route_number(exchange, 0, FAIL_COUNT_MAX, &exchange->server->failures.count))
		return ts__exchange_error(exchange, MHD_HTTP_BAD_REQUEST, "the count is 0 to 1000");
	return ts__answer_fail_status(exchange);
}

enum MHD_Result ts__answer_fail_duration(struct ts_exchange *exchange)
{
	int64_t seconds;

	if (!ts__route_number(exchange, 0, FAIL_DURATION_MAX_S, &seconds))
		return ts__exchange_error(
			exchange, MHD_HTTP_BAD_REQUEST, "the duration is 0 to 3600 seconds");
	exchange->server->failures.until_ns = ts__now_ns() + seconds * TS_SECOND;
	return ts__answer_fail_status(exchange);
}

enum MHD_Result ts__answer_fail_reset(struct ts_exchange *exchange)
{
	exchange->server->failures = (struct ts_failures){0};
	return ts__answer_fail_status(exchange);
}

/* Whether this request has to fail; uses up one of the ordered failures. */
bool ts__failure_take(struct ts_server *server)
{
	struct ts_failures *failures = &server->failures;

	if (failures->until_ns > 0 && ts__now_ns() < failures->until_ns)
		return true;
	failures->until_ns = 0;
	if (failures->count == 0)
		return false;
	failures->count--;
	return true;
}
