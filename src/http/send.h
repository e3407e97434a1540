/*
 * What one attempt is sent with: where to, as whom, under which id. Made by the pool for each
 * attempt anew; the call itself never changes.
 */
#ifndef HTTP_SEND_H
#define HTTP_SEND_H

#include "http/redirect.h"
#include "http/request.h"

struct ration__send {
	const struct ration__service_conf *service;
	const struct ration__call *call;
	const char *base; /* the node's: scheme://host[:port][/path], no trailing slash; NULL: the
			     service's own */
	const struct ration__hop *hop;	/* where a redirect led; NULL: to the call's own target */
	bool fresh;			/* not on a kept connection: one was closed just now */
	uint32_t attempt;		/* number of the job's, from 1 */
	uint64_t ticket;		/* of the job, for the caller's source and sink */
	const char *id;			/* X-Request-ID, unless the call has its own */
	const char *authorization_name; /* header, with authorization */
	const char *authorization;	/* its value; NULL: none. Never sent to a foreign hop, and
					   not when the call has a header of that name */
};

#endif
