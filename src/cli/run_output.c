/* The results. See run_output.h. */
#include "cli/run_output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"

static int open_file(const char *path, ration_error **err)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);

	if (fd >= 0)
		return fd;
	if (errno == EEXIST && stat(path, &st) == 0) {
		if (S_ISREG(st.st_mode))
			return ration__error_set(err, RATION_EIO,
				"%s: exists already; name another file, or remove it", path);
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY); /* /dev/null, a FIFO */
		if (fd >= 0)
			return fd;
	}
	return ration__error_set(err, RATION_EIO, "%s: %s", path, strerror(errno));
}

int ration__output_open(struct ration__output *output, const char *path, ration_error **err)
{
	struct ration__output made = {.fd = STDOUT_FILENO};
	struct stat st;

	if (strcmp(path, "-")) {
		made.fd = open_file(path, err);
		if (made.fd < 0)
			return made.fd;
		made.owned = true;
	}
	if (fstat(made.fd, &st) < 0 || (fcntl(made.fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return ration__error_set(err, RATION_EIO, "standard output is closed");
	made.terminal = isatty(made.fd);
	made.fifo = S_ISFIFO(st.st_mode);
	made.direct = S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && !made.terminal);
	ration__buffer_init(&made.lines, 0);
	*output = made;
	return 0;
}

size_t ration__output_pending(const struct ration__output *output)
{
	return output->lines.length - output->written;
}

uint64_t ration__output_unwritten(const struct ration__output *output)
{
	const char *at = output->lines.data + output->written;
	size_t left = ration__output_pending(output);
	uint64_t lines = 0;

	for (size_t i = 0; i < left; i++)
		lines += at[i] == '\n';
	return lines;
}

static void fail(struct ration__output *output, int error)
{
	output->error = error;
	output->lost += ration__output_unwritten(output);
	ration__buffer_clear(&output->lines);
	output->written = 0;
}

void ration__output_line(struct ration__output *output, const char *text, size_t length)
{
	if (output->error) {
		output->lost++;
		return;
	}
	ration__buffer_append(&output->lines, text, length);
	ration__buffer_putc(&output->lines, '\n');
	if (output->lines.failed) {
		fail(output, ENOMEM);
		output->lost++;
	}
}

void ration__output_broken(struct ration__output *output)
{
	if (!output->error)
		fail(output, EPIPE);
}

static bool writable(const struct ration__output *output)
{
	struct pollfd fd = {.fd = output->fd, .events = POLLOUT};

	return output->direct || poll(&fd, 1, 0) > 0;
}

int ration__output_flush(struct ration__output *output)
{
	while (ration__output_pending(output)) {
		size_t length = ration__output_pending(output);
		ssize_t wrote;

		if (!writable(output))
			return RATION_EAGAIN;
		/* a pipe that polls writable takes this much without blocking, not more; its
		 * O_NONBLOCK flag is not ours to set, since others share it */
		if (!output->direct && length > PIPE_BUF)
			length = PIPE_BUF;
		wrote = write(output->fd, output->lines.data + output->written, length);
		if (wrote < 0 && errno == EAGAIN)
			return RATION_EAGAIN;
		if (wrote < 0 && errno != EINTR)
			fail(output, errno);
		if (wrote > 0)
			output->written += (size_t)wrote;
	}
	ration__buffer_clear(&output->lines);
	output->written = 0;
	return 0;
}

void ration__output_close(struct ration__output *output)
{
	if (output->owned && close(output->fd) < 0 && !output->error)
		output->error = errno;
	ration__buffer_fini(&output->lines);
	output->fd = -1;
	output->owned = false;
}
