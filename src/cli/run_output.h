/*
 * The results: lines gathered in memory and written in big pieces, without ever blocking on a
 * reader that is slow (the caller polls, and stops fetching results while too much is gathered).
 *
 * After a failed write everything further is thrown away; the caller looks at `error`.
 */
#ifndef CLI_RUN_OUTPUT_H
#define CLI_RUN_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ration/error.h>
#include "base/buffer.h"

#define RATION__OUTPUT_FLUSH ((size_t)64 << 10) /* worth writing */
#define RATION__OUTPUT_FULL ((size_t)1 << 20)	/* gather no more */

struct ration__output {
	int fd;
	bool owned;  /* fd is ours to close */
	bool direct; /* never waits for a reader: a file, or a device such as /dev/null */
	bool terminal;
	bool fifo;
	struct ration__buffer lines;
	size_t written; /* of lines, from its start */
	uint64_t lost;	/* lines that did not reach the output, as far as is known */
	int error;	/* errno of the write that failed; 0 none */
};

/* path "-" is standard output. A regular file that exists is refused. 0, RATION_EIO. */
int ration__output_open(struct ration__output *output, const char *path, ration_error **err);
/* text and a newline. */
void ration__output_line(struct ration__output *output, const char *text, size_t length);
/* Bytes not written yet. */
size_t ration__output_pending(const struct ration__output *output);
/* Lines not written yet. */
uint64_t ration__output_unwritten(const struct ration__output *output);
/* The reader is known to be gone (EPIPE). */
void ration__output_broken(struct ration__output *output);
/* Writes what can be written now. 0: all is written, or thrown away; RATION_EAGAIN: poll for
 * writing.
 */
int ration__output_flush(struct ration__output *output);
/* Closes; what is pending is lost. Sets `error` when the file system tells only now. */
void ration__output_close(struct ration__output *output);

#endif
