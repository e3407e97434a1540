/*
 * The packed form of a request, private to this layer. One block: the header below, then the
 * strings it names by offset from the block's start. Position independent, immutable once packed;
 * it holds no pointer but the caller's own, so that a queued job costs little over its own bytes.
 *
 * The target is kept, not the whole URL: the part in front comes from the service when it is sent.
 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include <assert.h>
#include "http/request.h"
#include "http/service.h"

enum ration__call_flag {
	RATION__CALL_ORIGIN = 1 << 0,	    /* target stands after the origin, not after the base */
	RATION__CALL_REPEATABLE = 1 << 1,   /* see ration__call_repeatable */
	RATION__CALL_REQUEST_ID = 1 << 2,   /* has its own X-Request-ID header */
	RATION__CALL_CONTENT_TYPE = 1 << 3, /* has its own Content-Type header */
	RATION__CALL_BODY = 1 << 4,	    /* has a body, perhaps of length 0 */
	RATION__CALL_STREAMS = 1 << 7,	    /* has struct ration__streams */
	/* ORIGIN: whose, as the index of one of the service's nodes; in the bits from here on */
	RATION__CALL_NODE_SHIFT = 11,
};
static_assert(RATION__NODES_MAX <= 1 << (16 - RATION__CALL_NODE_SHIFT), "an index fits");

struct ration__call {
	uint64_t line;	  /* of the input; 0: none */
	uint32_t size;	  /* of the block */
	uint32_t target;  /* "" or begins with '/' or '?' */
	uint32_t headers; /* header_count strings "Name: value", one after the other, each with its
			     NUL */
	uint32_t id;	  /* 0: none */
	uint32_t meta;	  /* compact JSON; 0: none */
	uint32_t body;	  /* the bytes that stand here; 0: none */
	uint32_t body_length;
	uint16_t header_count;
	uint16_t flags;
	/* the method follows, then the rest */
};
static_assert(sizeof(struct ration__call) == 40, "a queued job must stay small");

/* A file of the body: its bytes come before the call's own byte number at. */
struct ration__insert {
	uint32_t at, path;
};

/* A body that does not stand in the call, or not as a whole, and where the answer's goes. Few calls
 * have them, so they take no room in the others: at the end of the block. */
struct ration__streams {
	struct ration__body_source source; /* read NULL: none */
	ration_sink_fn sink;		   /* NULL: none */
	void *sink_arg;
	uint32_t sink_path; /* 0: none */
	uint32_t inserts;   /* insert_count of them, by at */
	uint32_t insert_count;
	uint32_t unused;
};
static_assert(sizeof(struct ration__streams) % 8 == 0, "it ends where the block ends");

static inline const struct ration__streams *ration__call_streams(const struct ration__call *call)
{
	return call->flags & RATION__CALL_STREAMS
		       ? (const struct ration__streams *)(const void *)((const char *)call +
									call->size) -
				 1
		       : NULL;
}

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
/* The node's base whose origin an absolute URL named; NULL: it goes to any of them. */
const char *ration__call_pin(
	const struct ration__call *call, const struct ration__service_conf *service);
/* Length of "scheme://host:port" at the front of a base or prefix. */
size_t ration__call_origin_length(const char *base);

#endif
