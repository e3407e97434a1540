/* A response while the pool makes it; afterwards it is immutable (the public ration_response). */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "http/multi.h"

#define RATION__WAITS_MAX 8

/* One line of "attempts" in the result. Kept by the job between attempts, so small. */
struct ration__attempt_note {
	const char *node;	/* its base URI; NULL: not known. Outlives the service's jobs */
	uint32_t elapsed_us;	/* saturating */
	int16_t code_or_status; /* > 0 a status, < 0 RATION_E* */
	bool redirected;	/* and it was followed: the next one is its hop */
	int16_t code;		/* 0: accepted; else RATION_E* */
};

/* Where the time before attempts went. name: "limit:NAME", "concurrency", "retry", "queue" … */
struct ration__wait_note {
	char name[56];
	int64_t ns;
};

/* What a job was thought to cost and what it cost, in one unit. */
struct ration__cost_note {
	const char *unit;
	double estimated, actual; /* NAN: not known */
};

struct ration__response_parts {
	const struct ration__call *call; /* copied from: id, url, meta, line */
	const struct ration__service_conf *service;
	const char *base;	      /* of the node that was last sent to; NULL: the service's */
	const char *url;	      /* where a redirect led in the end; NULL */
	int code;		      /* 0, a denial, RATION_E* */
	const char *message;	      /* copied */
	uint64_t random;	      /* makes the debug id */
	struct ration__attempt *last; /* taken over; NULL: nothing was sent */
	const struct ration__attempt_note *notes;
	uint32_t note_count; /* kept; attempts may be more */
	uint32_t attempts;
	const struct ration__wait_note *waits;
	uint32_t wait_count;
	const struct ration__cost *costs; /* the estimates; actual ones are read from last */
	uint32_t cost_count;
	const char *mode;  /* "exact"; else how limits were decided */
	uint8_t exhausted; /* enum ration_exhausted */
	void *user;
};
/* NULL: out of memory (last is still taken over). */
ration_response *ration__response_new(const struct ration__response_parts *parts);
/* Kind of a job's end: ration_response_kind. */
const char *ration__response_kind(int code, int status, uint8_t exhausted);
/* "ok", "failed", "unknown", "skipped" for a code; what was refused after an attempt was not
 * skipped.
 */
const char *ration__outcome_name(int code, uint32_t attempts);
/* An intrusive link for completion queues, NULL in a response that left them. */
ration_response **ration__response_link(ration_response *response);

#endif
