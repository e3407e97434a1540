/*
 * Whether an address is one of the public internet: what a service that is told its URLs by
 * strangers may connect to. Pure.
 *
 * Strict: what is not known to be public is not. Addresses that carry another one inside
 * (v4-mapped, NAT64, 6to4, Teredo) are refused, whatever they carry: no public server needs to be
 * reached by them. Not here: names. What counts is the peer of the connection, since a name may
 * stand for another address a moment later.
 */
#ifndef HTTP_ADDRESS_H
#define HTTP_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Other families than IPv4 and IPv6: false. */
bool ration__address_is_public(const struct sockaddr *address);
/* "192.0.2.1", "2001:db8::1", without brackets; anything else: false. */
bool ration__address_text_is_public(const char *text);

#endif
