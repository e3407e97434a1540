/*
 * One transfer on one easy handle, private to this layer. http/transfer.c sets the handle up,
 * http/receive.c takes what libcurl hands in, http/attempt.c says what came of it; none of them
 * knows a loop. http/multi.c runs the loop.
 *
 * A transfer is reused with its handle and its buffers, so that a small request allocates nothing
 * here but what is handed over to the caller. Callbacks of libcurl only note: none of them drives
 * libcurl, removes a handle, or allocates without a bound.
 */
#ifndef HTTP_TRANSFER_H
#define HTTP_TRANSFER_H

#include <curl/curl.h>
#include "base/buffer.h"
#include "base/heap.h"
#include "http/body.h"
#include "http/exchange.h"
#include "http/multi.h"
#include "http/send.h"
#include "http/sink.h"

/* Doubly linked, circular, with a head of the same type. */
struct ration__link {
	struct ration__link *next, *previous; /* to itself: in no list */
};

static inline void ration__link_init(struct ration__link *link)
{
	link->next = link->previous = link;
}
static inline void ration__link_remove(struct ration__link *link)
{
	link->next->previous = link->previous;
	link->previous->next = link->next;
	ration__link_init(link);
}
static inline void ration__link_append(struct ration__link *head, struct ration__link *link)
{
	link->previous = head->previous;
	link->next = head;
	head->previous->next = link;
	head->previous = link;
}
static inline bool ration__link_in_list(const struct ration__link *link)
{
	return link->next != link;
}

#define RATION__REFUSAL_SIZE 120 /* fits into an attempt's message */

struct ration__door;
struct ration__sockets;

struct ration__transfer {
	struct ration__link link;    /* in the multi's active or ended list */
	struct ration__link touched; /* in the multi's list of those that moved in this tick */
	struct ration__link held;    /* at a door, or ready to go: http/resolve.h */
	struct ration__door *door;   /* NULL: at none */
	struct ration__transfer *free_next;
	struct ration__link *touched_list;
	CURL *easy;
	struct ration_exchange *exchange; /* http/exchange.h: libcurl never sees it; NULL */
	struct ration__sockets *sockets;
	struct ration__timer timer; /* at or before the earliest of its timeouts */
	struct ration__send send;
	const struct ration__service_conf *service; /* send's, as is the call */
	const struct ration__call *call;
	void *user;
	int64_t start_ns, progress_ns;

	int forced; /* RATION_E* that ends it in libcurl's place; 0 none */
	CURLcode result;
	int status;	     /* of the last status line */
	bool status_seen;    /* it has come, and its headers have not ended */
	uint8_t sends;	     /* begun; 2: the second was refused */
	uint8_t timed_sends; /* sends when the timer was set */
	bool headers_done;   /* of the answer, not of a 1xx */
	bool cut;	     /* the body at its limit */
	bool headers_cut;    /* the headers at theirs */
	bool no_memory;
	bool has_socket;   /* so its name is resolved */
	bool broken;	   /* its socket cannot be watched */
	bool multiplexed;  /* may share its connection with others: its socket's events say nothing
			      about it */
	bool has_secret;   /* the handle has what _connect_release takes out */
	bool address_seen; /* one that it may connect to */
	int refused;	   /* RATION_E*: it is not to be sent as it is, and why; 0 */
	char refusal[RATION__REFUSAL_SIZE];
	curl_off_t uploaded; /* of its body, when that was last looked at */
	bool paused;	     /* by the caller's source or sink */
	bool resumed;	     /* to go on in the next tick */
	const char *failed;  /* what could not be opened, read or written: ends with RATION_EIO */
	bool fresh;	     /* the handle is set to make a connection */
	bool alone;	     /* its connection can carry one request only */
	bool decodes;	     /* the handle is set to ask for compressed answers */
	uint64_t header_bytes;
	struct ration__source source; /* of the body that is sent: of nothing when none is */
	struct ration__sink sink;
	struct ration__buffer headers; /* "name\0value\0" … */
	struct ration__buffer body;

	CURLU *url;		      /* the origin only: parsed when it changes, not per request */
	struct ration__buffer origin; /* its text */
	struct ration__buffer connection; /* http/connect.c: what the handle is set to */
	struct ration__buffer text; /* request target and header lines made for this request */
	struct curl_slist *nodes;   /* libcurl only reads the list, so its nodes may be ours */
	size_t node_capacity;
	bool plain; /* the handle is set to a GET without a body */
	char error[CURL_ERROR_SIZE];
};

/* A transfer with its handle, its options that never change set. NULL: out of memory. */
struct ration__transfer *ration__transfer_new(
	struct ration__sockets *sockets, struct ration__link *touched_list);
void ration__transfer_free(struct ration__transfer *transfer);
/* Sets the handle up for one request. 0, RATION_ENOMEM. */
int ration__transfer_prepare(struct ration__transfer *transfer, const struct ration__send *send);
/* The earliest of its timeouts; *code is the error it ends with. */
int64_t ration__transfer_deadline(const struct ration__transfer *transfer, int *code);
/* Has a body to send, so that its phase may change without a callback. */
bool ration__transfer_uploads(const struct ration__transfer *transfer);
/* What came of it; takes headers and body out of it. */
void ration__transfer_result(
	struct ration__transfer *transfer, int64_t now_ns, struct ration__attempt *attempt);
/* It is over, or never began: closes its files, and removes what a sink has not finished. */
void ration__transfer_close(struct ration__transfer *transfer);
/* Goes on after a pause. CURLE_OK, or what ends it. */
CURLcode ration__transfer_resume(struct ration__transfer *transfer);
/* http/receive.c: the options that take what comes, and give what goes. */
CURLcode ration__transfer_callbacks(struct ration__transfer *transfer);
/* The same for what does not come from libcurl: one header line with its CRLF, a piece of the body.
 * Length: taken; else it ends there, or `paused` is set and it is to be offered again. */
size_t ration__transfer_take_header(struct ration__transfer *transfer, char *line, size_t length);
size_t ration__transfer_take_body(struct ration__transfer *transfer, char *data, size_t length);
/* It goes to an origin that is not the service's, where a redirect led. */
static inline bool ration__transfer_is_foreign(const struct ration__transfer *transfer)
{
	return transfer->send.hop && transfer->send.hop->foreign;
}
/* As it is sent, which after a redirect may be another than the call's. */
const char *ration__transfer_method(const struct ration__transfer *transfer);
/* sockets.c: that is no address for it. */
void ration__transfer_refuse_address(struct ration__transfer *transfer, const char *address);
/* Something moved: idle timeouts count from the next tick. */
static inline void ration__transfer_touch(struct ration__transfer *transfer)
{
	if (!ration__link_in_list(&transfer->touched))
		ration__link_append(transfer->touched_list, &transfer->touched);
}

#endif
