/*
 * Real servers for tests: nginx and nghttpd on a free port of loopback, and certificates made on
 * the spot. A test whose program is not installed is skipped, unless RATION_CHECK_ALL is set.
 */
#ifndef HTTP_PEER_H
#define HTTP_PEER_H

#include <sys/types.h>

/* A folder with ca.pem, other.pem (another authority), cas/ (ca.pem, as a directory), server.pem
 * and .key (for localhost and 127.0.0.1), alice.pem and .key, bob.pem and .key, sealed.key
 * (alice's, encrypted), password and wrong (files). */
struct kit {
	char folder[64];
};
void kit_init(struct kit *kit);
void kit_fini(struct kit *kit);
/* FOLDER/NAME, in static memory of a few. */
const char *kit_path(const struct kit *kit, const char *name);

struct peer {
	pid_t pid;
	int port;
};
/* nginx with that text inside "server { listen ... }": options follow the port, as "ssl http2". */
void peer_nginx(struct peer *peer, const struct kit *kit, const char *options, const char *server);
/* nghttpd: HTTP/2 alone, in the clear or with TLS; it serves the folder. */
void peer_nghttpd(struct peer *peer, const struct kit *kit, int tls);
void peer_stop(struct peer *peer);

#endif
