/*
 * Answers that are none: silence, a reset, bytes that are no HTTP, headers without end. They write
 * past libmicrohttpd to the connection's socket, which holds while nothing of a response was
 * queued, and end by refusing the request, upon which it closes the connection.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "testserver/server.h"

/*
 * Sends a TCP reset now. Connecting to no address is what makes the kernel do so at once: with
 * SO_LINGER 0 the reset comes only at close, before which libmicrohttpd shuts the socket down and
 * so sends an orderly end first.
 */
void ts__peer_reset(const struct ts_peer *peer)
{
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	connect(peer->fd, &nowhere, sizeof(nowhere));
}

static enum MHD_Result give_up(struct ts_exchange *exchange)
{
	return MHD_NO;
}

static enum MHD_Result hold(struct ts_exchange *exchange)
{
	exchange->next = give_up;
	return ts__exchange_park(exchange, TS_HOLD_MAX_S * TS_SECOND) ? MHD_YES : MHD_NO;
}

enum MHD_Result ts__answer_stall(struct ts_exchange *exchange)
{
	return hold(exchange);
}

enum MHD_Result ts__answer_reset(struct ts_exchange *exchange)
{
	ts__peer_reset(exchange->peer);
	return MHD_NO;
}

/* What a client meets that reuses a connection just when the server lets it go. */
enum MHD_Result ts__answer_reset_reused(struct ts_exchange *exchange)
{
	struct ts_text json = {0};

	if (exchange->peer->requests > 1)
		return ts__answer_reset(exchange);
	ts__text_puts(&json, "{\"first\":true}\n");
	return ts__exchange_json(exchange, MHD_HTTP_OK, &json);
}

enum MHD_Result ts__answer_garbage(struct ts_exchange *exchange)
{
	static const char garbage[] = "\x16\x03\x01 this is not HTTP \xff\xfe\r\n\r\n";

	send(exchange->peer->fd, garbage, sizeof(garbage) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return MHD_NO;
}

/* Always ends with a whole line, so that what follows begins with one, unless the socket took only
 * a part; the next line then begins in the middle of a value, which is as good. */
static bool pump_headers(struct ts_exchange *exchange)
{
	char lines[16 * 1024];
	static const char line[] =
		"X-Endless: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
	size_t length = 0;

	while (length + sizeof(line) <= sizeof(lines)) {
		memcpy(lines + length, line, sizeof(line) - 1);
		length += sizeof(line) - 1;
	}
	return send(exchange->peer->fd, lines, length, MSG_NOSIGNAL | MSG_DONTWAIT) > 0 ||
	       errno == EAGAIN;
}

enum MHD_Result ts__answer_endless_headers(struct ts_exchange *exchange)
{
	static const char start[] = "HTTP/1.1 200 OK\r\n";

	if (send(exchange->peer->fd, start, sizeof(start) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return MHD_NO;
	exchange->pump = pump_headers;
	return hold(exchange);
}
