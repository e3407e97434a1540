/* The request log; see the header. */
#include "testserver/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "testserver/server.h"

/* Of a path, query or id, so that a line stays short whatever a client sends; and of what is
 * gathered before it is written within one turn of the loop. */
enum { FIELD_MAX = 2048, GATHER_MAX = 64 * 1024 };

int ts__log_open(struct ts_log *log, const char *path)
{
	int fd = -1;

	if (path) {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0)
			return errno;
	}
	*log = (struct ts_log){.fd = fd};
	return 0;
}

void ts__log_close(struct ts_log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	ts__text_fini(&log->lines);
	log->fd = -1;
}

void ts__log_add(struct ts_log *log, const struct ts_exchange *exchange, bool aborted)
{
	struct ts_text *line = &log->lines;

	if (log->fd < 0)
		return;
	ts__text_printf(line,
		"{\"t\":%lld.%06ld,\"mono\":%" PRId64 ",\"n\":%" PRIu64 ",\"method\":",
		(long long)exchange->start_wall.tv_sec, exchange->start_wall.tv_nsec / 1000,
		exchange->start_ns, exchange->n);
	ts__text_json_string(line, exchange->method, FIELD_MAX);
	ts__text_puts(line, ",\"path\":");
	ts__text_json_string(line, exchange->uri, FIELD_MAX);
	ts__text_puts(line, ",\"query\":");
	ts__text_json_string(line, exchange->query, FIELD_MAX);
	ts__text_printf(line,
		",\"status\":%d,\"aborted\":%s,\"in_flight\":%" PRId64 ",\"peak\":%" PRId64
		",\"id\":",
		exchange->status, aborted ? "true" : "false", exchange->in_flight, exchange->peak);
	ts__text_json_string(line, exchange->request_id, FIELD_MAX);
	ts__text_puts(line, ",\"idempotency_key\":");
	ts__text_json_string(line, exchange->idempotency_key, FIELD_MAX);
	ts__text_printf(line,
		",\"dur_ms\":%.3f,\"conn\":%" PRIu64 ",\"cost\":%.15g,\"allowed\":%s,\"limit\":",
		(double)(ts__now_ns() - exchange->start_ns) / 1e6, exchange->peer->number,
		exchange->cost, exchange->refused_by ? "false" : "true");
	ts__text_json_string(line, exchange->refused_by, FIELD_MAX);
	ts__text_puts(line, "}\n");
	if (line->length >= GATHER_MAX)
		ts__log_flush(log);
}

bool ts__log_flush(struct ts_log *log)
{
	size_t done = 0;

	if (log->lines.failed)
		log->failed = true;
	while (done < log->lines.length && !log->failed) {
		ssize_t wrote = write(log->fd, log->lines.data + done, log->lines.length - done);
		if (wrote >= 0)
			done += (size_t)wrote;
		else if (errno != EINTR)
			log->failed = true;
	}
	log->lines.length = 0;
	return !log->failed;
}
