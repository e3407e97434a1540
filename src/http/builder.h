/* The body of the public ration_request, private to this layer: written by http/request.c, read by
 * http/call.c. Every string in it is checked; nothing is borrowed from the caller. */
#ifndef HTTP_BUILDER_H
#define HTTP_BUILDER_H

#include "base/buffer.h"
#include <ration/context.h>
#include "http/request.h"

struct ration__header_line {
	char *text; /* "Name: value", or "Name;" for an empty value, as libcurl wants it */
	size_t name_length, length;
	bool quoted; /* an idempotency key, which a service may want without its quotes */
};

enum ration__body_kind {
	RATION__BODY_NONE,
	RATION__BODY_BYTES,
	RATION__BODY_FORM,
	RATION__BODY_PARTS,
	RATION__BODY_FILE,
	RATION__BODY_SOURCE,
};

/* Its bytes come before the body's own byte number at. */
struct ration__body_file {
	char *path;
	uint32_t at;
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
	uint8_t body_kind;	     /* enum ration__body_kind */
	struct ration__buffer body;  /* bytes, form, and the text between the files of parts */
	struct ration__body_file *files;
	size_t file_count;
	char boundary[48];		   /* PARTS */
	struct ration__body_source source; /* SOURCE */
	char *sink_path;		   /* NULL: none */
	ration_sink_fn sink;		   /* NULL: none */
	void *sink_arg;
	char *id, *meta;
	ration_context *context;    /* a reference; NULL: none */
	const ration_context *lent; /* while it is packed: its client's, when it has none */
	/* The caller's own idempotency key or request id is there. */
	bool keyed;
	/* In the same block. */
	const char *service, *method, *target;
};

/* Whether a header of that name was set. */
bool ration__request_has_header(const ration_request *request, const char *name);
/* Sets (replace) or adds one header; the checks of ration_request_set_header. */
int ration__request_header(
	ration_request *request, const char *name, const char *value, bool replace);
/* http/request_body.c: frees what it made. */
void ration__request_body_fini(ration_request *request);
/* Its own, or the one that was lent; NULL: none. */
static inline const ration_context *ration__request_context(const ration_request *request)
{
	return request->context ? request->context : request->lent;
}
/* Keeps the first mistake; returns code. */
int ration__request_mistake(ration_request *request, int code);
/* Room for one more element in an array of count; NULL: out of memory. The size doubles whenever
 * the count is a power of two, so no capacity is kept. */
void *ration__request_grown(void *array, size_t count, size_t size);

#endif
