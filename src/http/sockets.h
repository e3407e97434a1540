/*
 * The descriptors of one multi handle on the caller's epoll, private to this layer.
 *
 * libcurl asks to add and remove a connection's descriptor for every request. It stays registered
 * instead, and only a change of the events wanted costs a system call: doc/internals/multi.md tells
 * why and when this is safe. One thread; lives as long as the multi handle, since libcurl calls
 * back while it is cleaned up.
 */
#ifndef HTTP_SOCKETS_H
#define HTTP_SOCKETS_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct ration__transfer;

struct ration__socket {
	struct ration__transfer *transfer; /* the one that uses it now; NULL: idle, or it may be
					      shared (HTTP/2) */
	uint32_t wanted;		   /* EPOLL* that libcurl asked for */
	uint32_t registered;		   /* EPOLL* that epoll knows; 0: it does not know it */
	uint32_t generation;		   /* tells events of an earlier owner of the number */
	bool ours;			   /* made by us: told when it is closed */
};

struct ration__sockets {
	int epoll_fd;
	size_t count;
	struct ration__socket *table; /* by descriptor */
};

/* The options of an easy handle and of the multi handle that concern descriptors. */
CURLcode ration__sockets_setopt(struct ration__sockets *sockets, struct ration__transfer *transfer);
CURLMcode ration__sockets_multi_setopt(struct ration__sockets *sockets, CURLM *multi);
/* An event of epoll. Returns the descriptor to hand to libcurl with *mask, and the transfer that
 * uses it alone (NULL: none); or -1 when it is nobody's. */
int ration__sockets_event(struct ration__sockets *sockets, uint64_t data, uint32_t events,
	int *mask, struct ration__transfer **transfer);
void ration__sockets_fini(struct ration__sockets *sockets);

#endif
