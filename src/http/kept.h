/*
 * The connections of one multi handle, private to this layer: how many libcurl keeps, how old they
 * get, what they share, and how many were made. The connections themselves are libcurl's.
 *
 * One thread, but for the counters, which anyone may read.
 */
#ifndef HTTP_KEPT_H
#define HTTP_KEPT_H

#include <stdatomic.h>
#include "http/transfer.h"

struct ration__kept {
	CURLM *curl;
	CURLSH *share; /* TLS sessions; no locks: one thread */
	uint32_t idle;
	long age_s;
	long max;		    /* as set at libcurl */
	uint32_t peak, peak_before; /* most active, this period and the one before */
	int64_t peak_until_ns;
	bool multiplexes;
	_Atomic uint64_t connects, handshakes, reused; /* relaxed: they need no order */
};

/* 0 or RATION_ENOMEM: then nothing is left to be freed. */
int ration__kept_init(struct ration__kept *kept, CURLM *curl, uint32_t idle, int64_t age_ns);
/* After the multi handle and its easy handles are gone. */
void ration__kept_fini(struct ration__kept *kept);
/* The options of an easy handle that concern this. */
CURLcode ration__kept_setopt(const struct ration__kept *kept, CURL *easy);
/* A transfer is about to be handed to libcurl: it may be the first that shares connections. */
CURLMcode ration__kept_enter(struct ration__kept *kept, const struct ration__transfer *transfer);
/* So many are active now. */
void ration__kept_follow(struct ration__kept *kept, uint32_t active, int64_t now_ns);
/* A transfer is over; before its handle is given to another. */
void ration__kept_count(struct ration__kept *kept, const struct ration__transfer *transfer);

#endif
