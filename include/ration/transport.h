/*
 * A transport of your own in place of the network: for tests of programs that use libration.
 *
 * It is asked for every attempt, with the request exactly as it would be sent, and says what came
 * back. Everything else is as with the network: limits, permits, retries, redirects, tokens,
 * timeouts, hints and costs. No connection is made, no name looked up; TLS, proxies, compression
 * and the limits of connections play no part.
 *
 *     static void upstream(void *arg, ration_exchange *exchange)
 *     {
 *             static const char *const headers[] = {"Content-Type", "text/plain", NULL};
 *
 *             ration_exchange_answer(exchange, 200, headers, "hello", 5);
 *     }
 *
 *     ration_config_set_transport(config, upstream, NULL);
 */
#ifndef RATION_TRANSPORT_H
#define RATION_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include <ration/config.h>
#include <ration/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ration_exchange ration_exchange;

/* One attempt. The exchange is the function's until it returns: what it has not answered or failed
 * by then is never answered, and ends by its timeouts. Several workers call it at once. [W] */
typedef void (*ration_transport_fn)(void *arg, ration_exchange *exchange);
/* For all services of clients that are opened with this configuration. NULL: the network. [1] */
RATION_EXPORT void ration_config_set_transport(
	ration_config *config, ration_transport_fn fn, void *arg);

/* ---- the request; strings are borrowed until the function returns [1] ---- */

RATION_EXPORT const char *ration_exchange_service(const ration_exchange *exchange);
RATION_EXPORT const char *ration_exchange_method(const ration_exchange *exchange);
/* Absolute, with its query: the node's that was chosen, or where a redirect led. */
RATION_EXPORT const char *ration_exchange_url(const ration_exchange *exchange);
/* First header of that name, in any case; NULL: none. All that this library sends, its own
 * X-Request-ID, Authorization and User-Agent among them; Host, Accept, Accept-Encoding and
 * Content-Length are made by libcurl and are not there. */
RATION_EXPORT const char *ration_exchange_header(const ration_exchange *exchange, const char *name);
/* Header number i from 0; 0, or RATION_EEMPTY past the last. */
RATION_EXPORT int ration_exchange_header_at(
	const ration_exchange *exchange, size_t i, const char **name, const char **value);
/* Never NULL; a NUL follows that length does not count. Files and callbacks were read to their end.
 */
RATION_EXPORT const void *ration_exchange_body(const ration_exchange *exchange, size_t *length);
/* How long the attempt may take in all. */
RATION_EXPORT int64_t ration_exchange_timeout_ms(const ration_exchange *exchange);
/* Number of this attempt of its job, from 1; hops of redirects count. */
RATION_EXPORT int ration_exchange_attempt(const ration_exchange *exchange);

/* ---- what comes back: one of the two, once [1] ---- */

/* headers: names and values in turn, NULL after the last; NULL: none. All is copied. A body after
 * HEAD, 204 and 304 is left out. 0; RATION_EBUSY: said already; RATION_EINVAL: no status from 200
 * to 599; RATION_EHEADER, RATION_ENOMEM. */
RATION_EXPORT int ration_exchange_answer(ration_exchange *exchange, int status,
	const char *const *headers, const void *body, size_t length);
/* As the network fails: RATION_EDNS, _ECONNECT, _ETLS, _EADDRESS, _ECONNECTTIMEOUT (nothing was
 * sent), _ERESET, _EPROTOCOL, _ETIMEOUT, _EREADTIMEOUT, _EWRITETIMEOUT, _EATTEMPTTIMEOUT (sent,
 * unanswered), _ELOCAL. 0; RATION_EBUSY: said already; RATION_EINVAL: another code. */
RATION_EXPORT int ration_exchange_fail(ration_exchange *exchange, int code);
/* The answer or failure comes so much later; timeouts count meanwhile. 0, RATION_EINVAL. */
RATION_EXPORT int ration_exchange_delay(ration_exchange *exchange, int64_t delay_ms);

#ifdef __cplusplus
}
#endif
#endif
