/*
 * Attempts that go to a caller's transport in place of libcurl (ration/transport.h). The handle is
 * set up as ever, so that what the transport sees is what would be sent, but never handed to
 * libcurl; what it answers comes in through the same functions that take libcurl's pieces, so that
 * limits, sinks and back-pressure are the same.
 *
 *     READING ──► ANSWERED ──► GIVING ──► over
 *     the body    waits for    headers,
 *     is read     its time     then body
 *
 * READING and GIVING stop when the caller's source or sink asks for a pause, and go on after its
 * resume. A transport that says nothing leaves it in ANSWERED until a timeout strikes.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <ration/transport.h>

struct ration__transfer;

struct ration__transport {
	ration_transport_fn fn; /* NULL: the network */
	void *arg;
};

/* Of a transfer that is prepared. 0, RATION_ENOMEM. */
int ration__exchange_open(struct ration__transfer *transfer);
/* NULL is fine. */
void ration__exchange_free(ration_exchange *exchange);
/* Goes on as far as it can; true: the transfer has ended. */
bool ration__exchange_step(struct ration__transfer *transfer,
	const struct ration__transport *transport, int64_t now_ns);
/* When it wants its next step (*code is 0), or is out of time with that code. */
int64_t ration__exchange_deadline(const struct ration__transfer *transfer, int *code);
/* What a transport's failure means, where libcurl's would be known better. */
struct ration__attempt;
void ration__exchange_result(
	const struct ration__transfer *transfer, struct ration__attempt *attempt);

#endif
