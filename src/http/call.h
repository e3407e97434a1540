/*
 * The packed form of a request, private to this layer. One block: the header below, then the
 * strings it names by offset from the block's start. Position independent, immutable once packed;
 * it holds no pointer, so that a queued job costs little over its own bytes.
 *
 * The target is kept, not the whole URL: the part in front comes from the service when it is sent.
 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include <assert.h>
#include "http/request.h"

enum ration__call_flag {
	RATION__CALL_ORIGIN = 1 << 0,	    /* target stands after the origin, not after the base */
	RATION__CALL_REPEATABLE = 1 << 1,   /* see ration__call_repeatable */
	RATION__CALL_REQUEST_ID = 1 << 2,   /* has its own X-Request-ID header */
	RATION__CALL_CONTENT_TYPE = 1 << 3, /* has its own Content-Type header */
	RATION__CALL_BODY = 1 << 4,	    /* has a body, perhaps of length 0 */
};

struct ration__call {
	uint64_t line;	  /* of the input; 0: none */
	uint32_t size;	  /* of the block */
	uint32_t target;  /* "" or begins with '/' or '?' */
	uint32_t headers; /* header_count strings "Name: value", one after the other, each with its
			     NUL */
	uint32_t id;	  /* 0: none */
	uint32_t meta;	  /* compact JSON; 0: none */
	uint32_t body;	  /* 0: none */
	uint32_t body_length;
	uint16_t header_count;
	uint16_t flags;
	/* the method follows, then the rest */
};
static_assert(sizeof(struct ration__call) == 40, "a queued job must stay small");

static inline const char *ration__call_text(const struct ration__call *call, uint32_t offset)
{
	return offset ? (const char *)call + offset : NULL;
}

static inline const char *ration__call_method(const struct ration__call *call)
{
	return (const char *)(call + 1);
}

/* The URL is prefix followed by target. The prefix is the front of base, a node's.
 */
const char *ration__call_prefix(const struct ration__call *call, const char *base, size_t *length);
/* Length of "scheme://host:port" at the front of a base or prefix. */
size_t ration__call_origin_length(const char *base);

#endif
