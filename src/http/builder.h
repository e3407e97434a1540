/* The body of the public ration_request, private to this layer: written by http/request.c, read by
 * http/call.c. Every string in it is checked; nothing is borrowed from the caller. */
#ifndef HTTP_BUILDER_H
#define HTTP_BUILDER_H

#include "base/buffer.h"
#include "http/request.h"

struct ration__header_line {
	char *text; /* "Name: value", or "Name;" for an empty value, as libcurl wants it */
	size_t name_length, length;
};

struct ration_request {
	int error; /* the first one; 0 none */
	int priority;
	int64_t deadline_ms;
	void *user;
	uint64_t line;
	struct ration__header_line *headers;
	size_t header_count, header_bytes;
	struct ration__pair *keys; /* sorted by name; name and value share a block */
	struct ration__cost *costs;
	struct ration__pair *options;
	size_t key_count, cost_count, option_count;
	struct ration__buffer query; /* encoded, without '?' */
	char *body;
	size_t body_length;
	bool has_body;
	char *id, *meta;
	/* The caller's own idempotency key or request id is there. */
	bool keyed;
	/* In the same block. */
	const char *service, *method, *target;
};

/* Whether a header of that name was set. */
bool ration__request_has_header(const ration_request *request, const char *name);
/* Keeps the first mistake; returns code. */
int ration__request_mistake(ration_request *request, int code);
/* Room for one more element in an array of count; NULL: out of memory. The size doubles whenever
 * the count is a power of two, so no capacity is kept. */
void *ration__request_grown(void *array, size_t count, size_t size);

#endif
