/*
 * The lines of the input, streamed. Memory is bounded by the longest line allowed: a longer one is
 * read past, counted and reported, never held.
 *
 * Nothing here waits: the caller polls the descriptor and then fills. Not here: what a line means.
 */
#ifndef CLI_RUN_INPUT_H
#define CLI_RUN_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ration/error.h>

#define RATION__INPUT_LINE_MAX (UINT64_C(16) << 20)

struct ration__input {
	int fd;
	bool owned;	 /* fd is ours to close */
	bool always;	 /* a regular file: readable without asking */
	uint64_t size;	 /* of a regular file from where we began; 0: not known */
	uint64_t offset; /* bytes of the lines that were handed out */
	uint64_t line;	 /* number of the last line that was handed out, from 1 */
	size_t line_max; /* bytes, without the newline */
	char *data;	 /* one byte more than capacity, for a NUL */
	size_t capacity, start, end;
	size_t scanned; /* bytes from start that hold no newline */
	bool eof;
	bool skipping; /* inside a line that is too long */
};

enum ration__input_event {
	RATION__INPUT_LINE,	/* text is NUL-terminated, writable, valid until the next call */
	RATION__INPUT_TOO_LONG, /* the line is gone */
	RATION__INPUT_MORE,	/* fill first */
	RATION__INPUT_END,
};

/* path "-" is standard input. A FIFO does not wait for its writer. 0, RATION_ENOFILE,
 * RATION_ENOMEM.
 */
int ration__input_open(
	struct ration__input *input, const char *path, size_t line_max, ration_error **err);
/* The same on a descriptor that stays the caller's. */
int ration__input_attach(struct ration__input *input, int fd, size_t line_max, ration_error **err);
enum ration__input_event ration__input_next(
	struct ration__input *input, char **text, size_t *length);
/* One read. 0 (also when nothing was there), RATION_EIO with errno, RATION_ENOMEM. */
int ration__input_fill(struct ration__input *input);
void ration__input_close(struct ration__input *input);

#endif
