/* See http_server.h. Threads are detached and end with the test's process. */
#include "http_server.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Sessions write last_head beside each other; tests read it when a request was answered. */
static pthread_mutex_t head_mutex = PTHREAD_MUTEX_INITIALIZER;

struct session {
	struct server *server;
	int fd, number;
	size_t have;
	char data[1 << 21];
};

bool server_say(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		left -= (size_t)n;
	}
	return true;
}

bool server_ok(const struct server_request *request, const char *body)
{
	char head[128];

	snprintf(
		head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(body));
	return server_say(request->fd, head) && server_say(request->fd, body);
}

void server_reset(int fd)
{
	setsockopt(
		fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
}

static size_t content_length(const char *head)
{
	const char *at = strcasestr(head, "\r\ncontent-length:");

	return at ? (size_t)atol(at + 17) : 0;
}

/* Until size bytes are there; false at the end. */
static bool fill(struct session *s, size_t size)
{
	while (s->have < size) {
		ssize_t n = recv(s->fd, s->data + s->have, sizeof(s->data) - 1 - s->have, 0);

		if (n <= 0)
			return false;
		s->have += (size_t)n;
		s->data[s->have] = '\0';
	}
	return true;
}

static bool one_request(struct session *s, int nth)
{
	char *end;

	while ((end = strstr(s->data, "\r\n\r\n")) == NULL)
		if (!fill(s, s->have + 1))
			return false;
	size_t head = (size_t)(end - s->data) + 4;
	char *copy = strndup(s->data, head);

	s->server->requests++;
	pthread_mutex_lock(&head_mutex);
	snprintf(s->server->last_head, sizeof(s->server->last_head), "%s", copy);
	pthread_mutex_unlock(&head_mutex);
	size_t length = content_length(copy);
	struct server_request request = {.fd = s->fd,
		.connection = s->number,
		.nth = nth,
		.head = copy,
		.server = s->server};
	bool on = true;

	/* Scripts that never read a body set flag to -1. */
	if (s->server->flag != -1) {
		if (!fill(s, head + length)) {
			free(copy);
			return false;
		}
		request.body = s->data + head;
		request.body_length = length;
	}
	on = s->server->script(&request);
	free(copy);
	if (!on)
		return false;
	memmove(s->data, s->data + head + length, s->have - head - length + 1);
	s->have -= head + length;
	return true;
}

static void *serve(void *arg)
{
	struct session *s = arg;

	s->data[0] = '\0';
	if (s->server->raw) {
		struct server_request request = {
			.fd = s->fd, .connection = s->number, .server = s->server};

		s->server->script(&request);
	} else {
		for (int nth = 1; one_request(s, nth);)
			nth++;
	}
	close(s->fd);
	s->server->closed++;
	free(s);
	return NULL;
}

static void *accept_loop(void *arg)
{
	struct server *server = arg;

	for (;;) {
		int fd = accept(server->listener, NULL, NULL);
		pthread_t thread;

		if (fd < 0)
			return NULL;
		struct session *s = calloc(1, sizeof(*s));

		s->server = server;
		s->fd = fd;
		s->number = ++server->connections;
		if (pthread_create(&thread, NULL, serve, s) == 0)
			pthread_detach(thread);
	}
}

void server_start(struct server *server, server_script script)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	pthread_t thread;

	server->script = script;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->listener, (struct sockaddr *)&address, length) != 0 ||
		listen(server->listener, 512) != 0 ||
		getsockname(server->listener, (struct sockaddr *)&address, &length) != 0)
		abort();
	server->port = ntohs(address.sin_port);
	if (pthread_create(&thread, NULL, accept_loop, server) != 0)
		abort();
	server->thread = thread;
}

void server_stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
	/* Sessions end when their peer closes, which the test has done. */
	for (int i = 0; i < 2000 && server->closed != server->connections; i++)
		usleep(1000);
}
