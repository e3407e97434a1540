/*
 * Where a request's body comes from during one attempt: bytes of the packed call, files between
 * them, or a function of the caller's. Opened for each attempt anew and read piece by piece; no
 * more of it is in memory than a piece. Knows no libcurl.
 *
 * Files are counted when they are opened and stay open, so that the length that was announced is
 * that of what is sent.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "http/request.h"

#define RATION__LENGTH_UNKNOWN UINT64_MAX

struct ration__streams;

struct ration__source_file {
	int fd;
	uint64_t length;
};

struct ration__source {
	const struct ration__call *call;
	const struct ration__streams *streams; /* NULL: all of it stands in the call */
	uint64_t ticket;
	uint64_t length;		   /* RATION__LENGTH_UNKNOWN */
	uint64_t given;			   /* so far */
	uint64_t file_at;		   /* of the current file */
	struct ration__source_file *files; /* of the call's inserts */
	uint32_t file_count;		   /* open ones */
	uint32_t at;			   /* of the call's bytes */
	uint32_t file;			   /* the current or next one */
	bool begun;			   /* the caller's function was asked */
	bool ended;			   /* to its end */
};

/* A source of nothing. */
void ration__source_init(struct ration__source *source);
/* 0, RATION_EIO, RATION_ENOMEM: then it is a source of nothing. */
int ration__source_open(
	struct ration__source *source, const struct ration__call *call, uint64_t ticket);
void ration__source_close(struct ration__source *source);
/* Bytes put into buffer; 0: the end. RATION_EAGAIN: the caller's function asks for a pause;
 * RATION_EIO. */
ptrdiff_t ration__source_read(struct ration__source *source, void *buffer, size_t size);

#endif
