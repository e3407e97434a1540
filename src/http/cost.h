/*
 * What a call really cost, read from its response. Pure; text from the network, so hostile: what is
 * no plain number within bounds was not said. Not here: whose account it goes to.
 */
#ifndef HTTP_COST_H
#define HTTP_COST_H

#include "http/service.h"

#define RATION__COST_MAX 1e12

/* What a response has to tell. */
struct ration__cost_text {
	const char *headers; /* "name\0value\0…", no trailers */
	size_t headers_length;
	const char *body; /* NULL: none, or not all of it */
	size_t body_length;
};

/* "body:" with a JSON pointer, "header:" with a header's name. */
bool ration__cost_source_ok(const char *source);
/* The service's actual_count values; NAN: not said. The body is read only when a source names it,
 * and then only a complete JSON value counts. */
void ration__cost_read(const struct ration__service_conf *service,
	const struct ration__cost_text *text, double actual[RATION__ACTUALS_MAX]);

#endif
