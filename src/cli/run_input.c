/* The lines of the input, streamed. See run_input.h. */
#include "cli/run_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"

#define CHUNK ((size_t)64 << 10)
#define KEEP ((size_t)1 << 20) /* a buffer that grew above this is not kept */

static int resize(struct ration__input *input, size_t capacity)
{
	char *data = realloc(input->data, capacity + 1);

	if (!data)
		return RATION_ENOMEM;
	input->data = data;
	input->capacity = capacity;
	return 0;
}

int ration__input_attach(struct ration__input *input, int fd, size_t line_max, ration_error **err)
{
	struct ration__input made = {.fd = fd, .line_max = line_max};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ration__error_set(err, RATION_ENOFILE, "%s", strerror(errno));
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
		return ration__error_set(err, RATION_ENOFILE, "closed");
	if (S_ISDIR(st.st_mode))
		return ration__error_set(err, RATION_ENOFILE, "%s", strerror(EISDIR));
	if (S_ISREG(st.st_mode)) {
		off_t at = lseek(fd, 0, SEEK_CUR);

		made.always = true;
		made.size = at >= 0 && st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
	}
	if (resize(&made, CHUNK) < 0)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	*input = made;
	return 0;
}

int ration__input_open(
	struct ration__input *input, const char *path, size_t line_max, ration_error **err)
{
	int fd, rc;

	if (!strcmp(path, "-"))
		return ration__input_attach(input, STDIN_FILENO, line_max, err);
	/* non-blocking, so that a signal can end the wait for a FIFO's writer */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return ration__error_set(err, RATION_ENOFILE, "%s", strerror(errno));
	rc = ration__input_attach(input, fd, line_max, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	input->owned = true;
	return 0;
}

/* The bytes from start, `length` of them and the newline that may follow, are handed out. */
static void consume(struct ration__input *input, size_t length)
{
	input->start += length;
	input->offset += length;
	input->scanned = 0;
}

static void drop_all(struct ration__input *input)
{
	consume(input, input->end - input->start);
	input->start = input->end = 0;
	if (input->capacity > KEEP)
		(void)resize(input, CHUNK); /* shrinking that fails leaves what was */
}

static enum ration__input_event hand_out(struct ration__input *input, size_t length,
	size_t with_newline, char **text, size_t *out_length)
{
	char *line = input->data + input->start;

	consume(input, with_newline);
	input->line++;
	if (length && line[length - 1] == '\r')
		length--;
	if (input->skipping || length > input->line_max) {
		input->skipping = false;
		return RATION__INPUT_TOO_LONG;
	}
	line[length] = '\0';
	if (input->line == 1 && length >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3; /* a byte order mark says nothing about UTF-8 */
		length -= 3;
	}
	*text = line;
	*out_length = length;
	return RATION__INPUT_LINE;
}

enum ration__input_event ration__input_next(
	struct ration__input *input, char **text, size_t *length)
{
	char *from = input->data + input->start;
	size_t there = input->end - input->start;
	char *newline = memchr(from + input->scanned, '\n', there - input->scanned);

	if (newline) {
		size_t found = (size_t)(newline - from);

		return hand_out(input, found, found + 1, text, length);
	}
	if (input->eof) {
		if (there || input->skipping)
			return hand_out(input, there, there, text, length);
		return RATION__INPUT_END;
	}
	input->scanned = there;
	/* one byte more: "\r" before a newline that is yet to come is not part of the line */
	if (input->skipping || there > input->line_max + 1) {
		input->skipping = true;
		drop_all(input);
	}
	return RATION__INPUT_MORE;
}

int ration__input_fill(struct ration__input *input)
{
	size_t there = input->end - input->start;
	ssize_t got;

	if (!there && input->capacity > KEEP)
		drop_all(input);
	/* only an incomplete line is left, at the end of the buffer */
	memmove(input->data, input->data + input->start, there);
	input->start = 0;
	input->end = there;
	if (input->capacity - there < CHUNK / 2) {
		size_t most = input->line_max + CHUNK; /* a longer line is not held */

		if (resize(input, input->capacity * 2 < most ? input->capacity * 2 : most) < 0)
			return RATION_ENOMEM;
	}
	got = read(input->fd, input->data + there, input->capacity - there);
	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : RATION_EIO;
	if (!got)
		input->eof = true;
	input->end += (size_t)got;
	return 0;
}

void ration__input_close(struct ration__input *input)
{
	if (input->owned)
		close(input->fd);
	free(input->data);
	*input = (struct ration__input){.fd = -1};
}
