/* Descriptors on epoll: see http/sockets.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "http/address.h"
#include "http/sockets.h"
#include "http/transfer.h"

#define GENERATION_MASK UINT32_C(0x7fffffff) /* the tag has the bit above */

static struct ration__socket *slot_of(struct ration__sockets *s, int fd)
{
	if (fd < 0)
		return NULL;
	if ((size_t)fd >= s->count) {
		size_t count = s->count ? s->count : 64;

		while (count <= (size_t)fd)
			count *= 2;
		struct ration__socket *table = realloc(s->table, count * sizeof(*table));

		if (!table)
			return NULL;
		memset(table + s->count, 0, (count - s->count) * sizeof(*table));
		s->table = table;
		s->count = count;
	}
	return &s->table[fd];
}

static void watch(struct ration__sockets *s, int fd, struct ration__socket *slot,
	struct ration__transfer *transfer, uint32_t events)
{
	struct epoll_event event = {.events = events,
		.data.u64 = RATION__MULTI_TAG | (uint64_t)slot->generation << 32 | (uint32_t)fd};
	int op = slot->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (slot->registered == events)
		return;
	/* Numbers are reused: what epoll knows may differ from what we believe, both ways. */
	if (epoll_ctl(s->epoll_fd, op, fd, &event) != 0 &&
		!(errno == EEXIST && epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0) &&
		!(errno == ENOENT && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)) {
		slot->registered = 0;
		transfer->broken = true;
		ration__transfer_touch(transfer);
		return;
	}
	slot->registered = events;
}

static void unwatch(struct ration__sockets *s, int fd, struct ration__socket *slot)
{
	if (slot->registered)
		epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, &(struct epoll_event){.events = 0});
	slot->registered = 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct ration__sockets *s = arg;
	struct ration__socket *slot = slot_of(s, fd);
	struct ration__transfer *t;
	char *owner = NULL;

	if (!slot)
		return -1;
	if (what == CURL_POLL_REMOVE) {
		slot->transfer = NULL;
		slot->wanted = 0;
		/* The resolver's sockets are closed behind our back, and their numbers reused. */
		if (!slot->ours)
			unwatch(s, fd, slot);
		return 0;
	}
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
	t = (struct ration__transfer *)(void *)owner;
	/* Of a shared connection's users libcurl names one now and then, and tells nothing when it
	 * goes before the others: it must not be kept. */
	slot->transfer = t->multiplexed ? NULL : t;
	if (slot->ours && !t->has_socket) {
		t->has_socket = true;
		ration__transfer_touch(t);
	}
	slot->wanted = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	watch(s, fd, slot, t, slot->wanted);
	return 0;
}

void ration__transfer_refuse_address(struct ration__transfer *t, const char *address)
{
	t->refused = RATION_EADDRESS;
	snprintf(t->refusal, sizeof(t->refusal), "%s is not public", address);
}

/* A name may have several addresses: it is refused when none of them is allowed. */
static bool may_connect(struct ration__transfer *t, const struct sockaddr *address)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (!t->service->public_only || ration__address_is_public(address)) {
		t->address_seen = true;
		t->refused = 0;
		return true;
	}
	if (t->address_seen)
		return false;
	if (address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr,
			text, sizeof(text));
	else if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6,
			&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text,
			sizeof(text));
	ration__transfer_refuse_address(t, text);
	return false;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct ration__transfer *t = arg;
	struct ration__sockets *s = t->sockets;
	struct ration__socket *slot;
	int fd;

	if (!may_connect(t, &address->addr))
		return CURL_SOCKET_BAD;
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	slot = slot_of(s, fd);

	if (fd >= 0 && !slot) {
		close(fd);
		return CURL_SOCKET_BAD;
	}
	if (slot)
		*slot = (struct ration__socket){
			.ours = true, .generation = (slot->generation + 1) & GENERATION_MASK};
	return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
	struct ration__sockets *s = arg;

	if (fd >= 0 && (size_t)fd < s->count) {
		struct ration__socket *slot = &s->table[fd];

		/* Closing alone is not enough when a forked child still has the descriptor. */
		unwatch(s, fd, slot);
		*slot = (struct ration__socket){.generation = slot->generation};
	}
	return close(fd);
}

/* A connection outlives the transfer that opens it, so its end is told to the table. */
CURLcode ration__sockets_setopt(struct ration__sockets *sockets, struct ration__transfer *transfer)
{
	CURL *easy = transfer->easy;
	CURLcode rc = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);

	transfer->sockets = sockets;
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
	return rc;
}

CURLMcode ration__sockets_multi_setopt(struct ration__sockets *sockets, CURLM *multi)
{
	CURLMcode rc = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);

	return rc ? rc : curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, sockets);
}

int ration__sockets_event(struct ration__sockets *s, uint64_t data, uint32_t events, int *mask,
	struct ration__transfer **transfer)
{
	uint32_t fd = (uint32_t)data, generation = (uint32_t)(data >> 32) & GENERATION_MASK;
	struct ration__socket *slot = fd < s->count ? &s->table[fd] : NULL;

	if (!slot || slot->generation != generation)
		return -1;
	if (!slot->wanted) {
		/* Idle, and the server closed it or talks out of turn: libcurl sees that when it
		 * next looks; until then a level-triggered epoll would spin. */
		unwatch(s, (int)fd, slot);
		return -1;
	}
	*mask = 0;
	/* On an error libcurl is to read or write, whichever it waited for, and so learn its name.
	 */
	if (events & (EPOLLERR | EPOLLHUP))
		events |= slot->wanted;
	if (events & EPOLLIN)
		*mask |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		*mask |= CURL_CSELECT_OUT;
	*transfer = slot->transfer;
	return (int)fd;
}

void ration__sockets_fini(struct ration__sockets *sockets)
{
	free(sockets->table);
	*sockets = (struct ration__sockets){.epoll_fd = -1};
}
