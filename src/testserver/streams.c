/*
 * Bodies that are made while they are sent: large, slow, endless, stalling, cut by a reset.
 *
 * A reader that waits parks its exchange and returns 0; when it is resumed, libmicrohttpd asks the
 * reader again.
 */
#include <string.h>

#include "testserver/server.h"

enum {
	BLOCK_BYTES = 64 * 1024,
	PART_BYTES = 512,      /* what arrives of a body that then fails */
	PROMISED_BYTES = 1024, /* what its Content-Length says */
	RESET_AFTER_MS = 20,   /* so that the part is read before the reset can overtake it */
	SLOW_BYTES_MAX = 1000000,
};

static const int64_t BYTES_MAX = INT64_C(1) << 40;

static enum MHD_Result answer_stream(
	struct ts_exchange *exchange, uint64_t size, MHD_ContentReaderCallback reader)
{
	struct MHD_Response *response =
		MHD_create_response_from_callback(size, BLOCK_BYTES, reader, exchange, NULL);

	if (response)
		MHD_add_response_header(
			response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
	return ts__exchange_answer(exchange, MHD_HTTP_OK, response);
}

static ssize_t read_full(void *closure, uint64_t position, char *buffer, size_t max)
{
	memset(buffer, 'x', max);
	return (ssize_t)max;
}

enum MHD_Result ts__answer_bytes(struct ts_exchange *exchange)
{
	int64_t size;

	if (!ts__route_number(exchange, 0, BYTES_MAX, &size))
		return ts__exchange_error(exchange, MHD_HTTP_BAD_REQUEST, "the size is 0 to 2^40");
	return answer_stream(exchange, (uint64_t)size, read_full);
}

enum MHD_Result ts__answer_endless(struct ts_exchange *exchange)
{
	return answer_stream(exchange, MHD_SIZE_UNKNOWN, read_full);
}

/* Whether the reader must return now, with what; each second call finds the pause over. */
static bool pause_reader(struct ts_exchange *exchange, int64_t duration_ns, ssize_t *result)
{
	exchange->stream.due = !exchange->stream.due;
	if (exchange->gone) {
		*result = MHD_CONTENT_READER_END_WITH_ERROR;
		return true;
	}
	if (!exchange->stream.due)
		return false;
	*result = ts__exchange_park(exchange, duration_ns) ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
	return true;
}

static ssize_t read_slow(void *closure, uint64_t position, char *buffer, size_t max)
{
	struct ts_exchange *exchange = closure;
	ssize_t result;

	if (position >= exchange->stream.size)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (position > 0 && pause_reader(exchange, exchange->stream.interval_ns, &result))
		return result;
	buffer[0] = 'x';
	return 1;
}

enum MHD_Result ts__answer_slow(struct ts_exchange *exchange)
{
	int64_t size = 10, interval_ms = 100;

	if (!ts__query_number(exchange, "bytes", 0, SLOW_BYTES_MAX, &size) ||
		!ts__query_number(exchange, "interval_ms", 0, TS_DELAY_MAX_MS, &interval_ms))
		return ts__exchange_error(exchange, MHD_HTTP_BAD_REQUEST,
			"bytes is 0 to 1000000, interval_ms 0 to 30000");
	exchange->stream.size = (uint64_t)size;
	exchange->stream.interval_ns = interval_ms * TS_MILLISECOND;
	return answer_stream(exchange, MHD_SIZE_UNKNOWN, read_slow);
}

static ssize_t read_part(char *buffer, size_t max)
{
	size_t size = max < PART_BYTES ? max : PART_BYTES;

	memset(buffer, 'x', size);
	return (ssize_t)size;
}

static ssize_t read_stall(void *closure, uint64_t position, char *buffer, size_t max)
{
	ssize_t result;

	if (position == 0)
		return read_part(buffer, max);
	if (pause_reader(closure, TS_HOLD_MAX_S * TS_SECOND, &result))
		return result;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

enum MHD_Result ts__answer_stall_body(struct ts_exchange *exchange)
{
	return answer_stream(exchange, PROMISED_BYTES, read_stall);
}

static ssize_t read_reset(void *closure, uint64_t position, char *buffer, size_t max)
{
	struct ts_exchange *exchange = closure;
	ssize_t result;

	if (position == 0)
		return read_part(buffer, max);
	if (pause_reader(exchange, RESET_AFTER_MS * TS_MILLISECOND, &result))
		return result;
	ts__peer_reset(exchange->peer);
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

enum MHD_Result ts__answer_reset_body(struct ts_exchange *exchange)
{
	return answer_stream(exchange, PROMISED_BYTES, read_reset);
}
