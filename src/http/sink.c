/* Bodies of answers: see http/sink.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "http/call.h"
#include "http/sink.h"

void ration__sink_init(struct ration__sink *sink)
{
	*sink = (struct ration__sink){.fd = -1};
}

void ration__sink_discard(struct ration__sink *sink)
{
	if (sink->fd >= 0)
		close(sink->fd);
	if (sink->temporary)
		unlink(sink->temporary);
	free(sink->temporary);
	ration__sink_init(sink);
}

/* Beside it, so that it can be renamed; mkostemp makes it 0600. A directory could not be replaced,
 * and a device, /dev/null say, must not be: known before anything is sent. */
static int open_file(struct ration__sink *sink)
{
	static const char suffix[] = ".XXXXXX";
	size_t length = strlen(sink->path);
	struct stat old;

	if (stat(sink->path, &old) == 0 && !S_ISREG(old.st_mode))
		return RATION_EIO;
	sink->temporary = malloc(length + sizeof(suffix));
	if (!sink->temporary)
		return RATION_ENOMEM;
	memcpy(sink->temporary, sink->path, length);
	memcpy(sink->temporary + length, suffix, sizeof(suffix));
	sink->fd = mkostemp(sink->temporary, O_CLOEXEC);
	if (sink->fd >= 0)
		return 0;
	free(sink->temporary);
	sink->temporary = NULL;
	return RATION_EIO;
}

int ration__sink_open(struct ration__sink *sink, const struct ration__call *call, uint64_t ticket)
{
	const struct ration__streams *streams = ration__call_streams(call);
	int code = 0;

	ration__sink_init(sink);
	if (!streams)
		return 0;
	sink->fn = streams->sink;
	sink->arg = streams->sink_arg;
	sink->ticket = ticket;
	sink->path = ration__call_text(call, streams->sink_path);
	if (sink->path)
		code = open_file(sink);
	if (code)
		ration__sink_init(sink);
	return code;
}

static int write_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return RATION_EIO;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

static int call(struct ration__sink *sink, const void *data, size_t length)
{
	int code = sink->fn(sink->arg, sink->ticket, data, length);

	if (code < 0 && code != RATION_EAGAIN)
		return RATION_EIO;
	return code < 0 ? code : 0;
}

int ration__sink_begin(struct ration__sink *sink)
{
	sink->active = true;
	/* There is nothing yet to be offered again. */
	return sink->path || call(sink, NULL, 0) != RATION_EIO ? 0 : RATION_EIO;
}

int ration__sink_write(struct ration__sink *sink, const void *data, size_t length)
{
	int code = sink->path ? write_all(sink->fd, data, length) : call(sink, data, length);

	if (code == 0)
		sink->taken += length;
	return code;
}

int ration__sink_commit(struct ration__sink *sink)
{
	int code = 0;

	if (sink->path) {
		/* Network file systems tell here what could not be written. */
		int closed = close(sink->fd);

		sink->fd = -1;
		if (closed != 0 || rename(sink->temporary, sink->path) != 0) {
			code = RATION_EIO;
		} else {
			free(sink->temporary);
			sink->temporary = NULL;
		}
	}
	ration__sink_discard(sink);
	return code;
}
