/* Bodies of requests: see http/body.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "http/body.h"
#include "http/call.h"

void ration__source_init(struct ration__source *source)
{
	*source = (struct ration__source){.ended = true};
}

void ration__source_close(struct ration__source *source)
{
	for (uint32_t i = 0; i < source->file_count; i++)
		close(source->files[i].fd);
	free(source->files);
	ration__source_init(source);
}

static const struct ration__insert *inserts_of(const struct ration__source *source)
{
	const struct ration__streams *streams = source->streams;

	return (const struct ration__insert *)(const void *)((const char *)source->call +
							     streams->inserts);
}

/* Not a FIFO, which would stop the worker, nor anything else without a length. */
static int open_file(const char *path, struct ration__source_file *file)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return RATION_EIO;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		close(fd);
		return RATION_EIO;
	}
	file->fd = fd;
	file->length = (uint64_t)status.st_size;
	return 0;
}

static int open_files(struct ration__source *source)
{
	uint32_t count = source->streams->insert_count;

	source->files = calloc(count, sizeof(*source->files));
	if (!source->files)
		return RATION_ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct ration__source_file *file = &source->files[i];
		int code = open_file(
			ration__call_text(source->call, inserts_of(source)[i].path), file);

		if (code)
			return code;
		source->file_count++;
		source->length += file->length;
	}
	return 0;
}

int ration__source_open(
	struct ration__source *source, const struct ration__call *call, uint64_t ticket)
{
	const struct ration__streams *streams = ration__call_streams(call);
	int code = 0;

	*source = (struct ration__source){
		.call = call, .streams = streams, .ticket = ticket, .length = call->body_length};
	if (streams && streams->source.read)
		source->length = streams->source.length < 0 ? RATION__LENGTH_UNKNOWN
							    : (uint64_t)streams->source.length;
	else if (streams && streams->insert_count)
		code = open_files(source);
	if (code)
		ration__source_close(source);
	return code;
}

static ptrdiff_t read_function(struct ration__source *source, void *buffer, size_t size)
{
	const struct ration__body_source *own = &source->streams->source;
	uint64_t left = source->length - source->given;
	ptrdiff_t n;

	if (!source->begun) {
		source->begun = true;
		if (own->rewind && own->rewind(own->arg) < 0)
			return RATION_EIO;
	}
	if (size > left)
		size = (size_t)left;
	n = size ? own->read(own->arg, source->ticket, buffer, size) : 0;
	if (n < 0)
		return n == RATION_EAGAIN ? n : RATION_EIO;
	/* more than there is room for, or less than was announced */
	if ((size_t)n > size || (n == 0 && left && source->length != RATION__LENGTH_UNKNOWN))
		return RATION_EIO;
	return n;
}

static ptrdiff_t read_file(struct ration__source *source, void *buffer, size_t size)
{
	const struct ration__source_file *file = &source->files[source->file];
	uint64_t left = file->length - source->file_at;
	ssize_t n;

	if (size > left)
		size = (size_t)left;
	do
		n = pread(file->fd, buffer, size, (off_t)source->file_at);
	while (n < 0 && errno == EINTR);
	if (n <= 0) /* 0: it is shorter than it was */
		return RATION_EIO;
	source->file_at += (uint64_t)n;
	return n;
}

/* The next piece of what stands in the call and its files. */
static ptrdiff_t read_pieces(struct ration__source *source, void *buffer, size_t size)
{
	for (;;) {
		bool has_file = source->file < source->file_count;
		uint32_t stop =
			has_file ? inserts_of(source)[source->file].at : source->call->body_length;

		if (source->at < stop) {
			size_t n = stop - source->at < size ? stop - source->at : size;

			memcpy(buffer,
				ration__call_text(source->call, source->call->body) + source->at,
				n);
			source->at += (uint32_t)n;
			return (ptrdiff_t)n;
		}
		if (!has_file)
			return 0;
		if (source->file_at < source->files[source->file].length)
			return read_file(source, buffer, size);
		source->file++;
		source->file_at = 0;
	}
}

ptrdiff_t ration__source_read(struct ration__source *source, void *buffer, size_t size)
{
	ptrdiff_t n;

	if (source->ended || !size)
		return 0;
	n = source->streams && source->streams->source.read ? read_function(source, buffer, size)
							    : read_pieces(source, buffer, size);
	if (n > 0)
		source->given += (uint64_t)n;
	source->ended = n == 0;
	return n;
}
