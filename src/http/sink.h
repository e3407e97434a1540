/*
 * Where the body of an accepted answer goes in place of memory, during one attempt: a file or a
 * function of the caller's. Knows no libcurl.
 *
 * The file has a temporary name from the start, when nothing is sent yet, and takes its place in
 * the end; what is discarded leaves nothing behind. It is not synced: a worker serves others.
 */
#ifndef HTTP_SINK_H
#define HTTP_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "http/request.h"

struct ration__sink {
	const char *path; /* the call's; NULL: no file */
	ration_sink_fn fn;
	void *arg;
	uint64_t ticket;
	char *temporary;
	int fd;
	bool active;	/* an accepted answer has begun */
	uint64_t taken; /* of it */
};

/* A sink that takes nothing. */
void ration__sink_init(struct ration__sink *sink);
/* 0; RATION_EIO, RATION_ENOMEM: then it takes nothing. */
int ration__sink_open(struct ration__sink *sink, const struct ration__call *call, uint64_t ticket);
static inline bool ration__sink_exists(const struct ration__sink *sink)
{
	return sink->path || sink->fn;
}
/* An accepted answer begins. 0 or RATION_EIO. */
int ration__sink_begin(struct ration__sink *sink);
/* 0: taken; RATION_EAGAIN: nothing was, and it asks for a pause; RATION_EIO. */
int ration__sink_write(struct ration__sink *sink, const void *data, size_t length);
/* The answer is complete. 0; RATION_EIO: the file could not take its place. Takes nothing then. */
int ration__sink_commit(struct ration__sink *sink);
void ration__sink_discard(struct ration__sink *sink);

#endif
