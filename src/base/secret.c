/* The first line of a file. See secret.h. */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <ration/error.h>
#include "base/token.h"

/* As much as there is, and a byte more than there may be. NULL, or what went wrong. */
static const char *read_all(int fd, struct ration__secret *secret)
{
	secret->length = 0;
	while (secret->length < sizeof(secret->text)) {
		ssize_t n = read(
			fd, secret->text + secret->length, sizeof(secret->text) - secret->length);

		if (n == 0)
			return NULL;
		if (n < 0 && errno != EINTR)
			return strerror(errno);
		if (n > 0)
			secret->length += (size_t)n;
	}
	return "larger than 16 KiB";
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static const char *take_line(struct ration__secret *secret)
{
	char *begin = secret->text, *end = memchr(begin, '\n', secret->length);

	if (!end)
		end = begin + secret->length;
	while (begin < end && is_blank(*begin))
		begin++;
	while (end > begin && is_blank(end[-1]))
		end--;
	if (begin == end)
		return "its first line is empty";
	secret->length = (size_t)(end - begin);
	memmove(secret->text, begin, secret->length);
	explicit_bzero(secret->text + secret->length,
		sizeof(secret->text) - secret->length); /* the rest */
	if (strlen(secret->text) != secret->length || !ration__header_value_ok(secret->text))
		return "its first line has control characters";
	return NULL;
}

int ration__secret_read(const char *path, struct ration__secret *secret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat state;

	if (fd < 0) {
		secret->why = strerror(errno);
		return RATION_ENOFILE;
	}
	secret->why = fstat(fd, &state) < 0	? strerror(errno)
		      : !S_ISREG(state.st_mode) ? "not a regular file"
						: read_all(fd, secret);
	close(fd);
	if (!secret->why)
		secret->why = take_line(secret);
	if (secret->why) {
		explicit_bzero(secret->text, sizeof(secret->text));
		return RATION_ECONFIG;
	}
	secret->exposed = state.st_mode & (S_IWGRP | S_IWOTH);
	return 0;
}
