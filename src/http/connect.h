/*
 * How a transfer's connection is made: TLS, version of HTTP, proxy. Private to this layer.
 *
 * The options are set when they differ from those of the handle's last transfer, compared by what
 * they say and not by where they stand: a request may have settings of its own, whose memory is
 * another's later. libcurl never gives a connection made with other TLS settings or another
 * proxy to a transfer, nor one of HTTP/2 to a transfer that wants 1.1.
 *
 * Secrets (a key's password, a proxy's credentials) are read from their files for each transfer and
 * taken from the handle when it ends, so that they are not kept, and a file that changes counts
 * from the next attempt. libcurl's copies are freed, not wiped.
 */
#ifndef HTTP_CONNECT_H
#define HTTP_CONNECT_H

#include "http/transfer.h"

/* After the transfer's origin is known. 0 or RATION_ENOMEM. A file that cannot be read: 0, and the
 * transfer is refused (transfer->refused, its error's text). */
int ration__connect_prepare(struct ration__transfer *transfer);
/* Takes the secrets out. */
void ration__connect_release(struct ration__transfer *transfer);
/* Of a transfer that failed: which of our files is to blame, where libcurl's text does not say it;
 * false: none. */
bool ration__connect_blame(const struct ration__transfer *transfer, char *text, size_t size);

#endif
