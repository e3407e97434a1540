/* The body of the public ration_response, private to this layer: made by http/response.c, written
 * as a line by http/line.c. Immutable but for the line, which is made at the first call. */
#ifndef HTTP_RESULT_H
#define HTTP_RESULT_H

#include <stdatomic.h>
#include "base/id.h"
#include "http/response.h"

struct ration__wait {
	const char *name;
	int64_t ns;
};

/* One block: this, then waits, notes, costs and strings. Headers and body are the last attempt's
 * memory.
 */
struct ration_response {
	ration_response *next;
	void *user;
	uint64_t line_number; /* of the input; 0: none */
	int code, status;
	uint32_t attempts;
	uint32_t note_count, wait_count, cost_count;
	int8_t sent;
	bool truncated;
	uint8_t exhausted; /* enum ration_exhausted */
	const struct ration__wait *waits;
	const struct ration__attempt_note *notes;
	const struct ration__cost_note *costs;
	const char *id, *meta; /* NULL: none */
	const char *url, *mode, *node;
	const char *summary, *message; /* the message is the end of the summary */
	const char *debug;
	char debug_id[RATION__DEBUG_ID_SIZE]; /* "": all went well */
	struct ration__attempt last;	      /* only headers and body */
	_Atomic(char *) line;
	_Atomic(signed char) json; /* the body is: 1 yes, -1 no, 0 nobody has looked */
};

/* The next header after position *at, which begins at 0; false: no more. */
bool ration__response_each(
	const ration_response *response, size_t *at, const char **name, const char **value);
/* http/line.c: NULL when out of memory. The caller frees it. */
char *ration__response_write(const ration_response *response);

#endif
