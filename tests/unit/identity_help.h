/* For tests of what a request says of itself: an upstream that keeps every head, and may accept one
 * token only. Beside client_fixture.h. */
#ifndef TESTS_IDENTITY_HELP_H
#define TESTS_IDENTITY_HELP_H

#include "client_fixture.h"
#include <strings.h>

#define HEADS_MAX 256

static struct {
	pthread_mutex_t mutex;
	char *heads[HEADS_MAX];
	int count;
	char accepted[64]; /* Authorization that is not answered 401; "": any */
} seen = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The value of a header in a head, in a buffer of its own for each of four calls; NULL: it is not
 * there. */
static inline const char *header_in(const char *head, const char *name)
{
	static char values[4][512];
	static int next;
	char line[96], *value = values[next++ % 4];
	const char *at;

	snprintf(line, sizeof(line), "\r\n%s:", name);
	at = strcasestr(head, line);
	if (!at)
		return NULL;
	at += strlen(line);
	at += strspn(at, " ");
	snprintf(value, sizeof(values[0]), "%.*s", (int)strcspn(at, "\r"), at);
	return value;
}

static inline bool identity_upstream(const struct server_request *request)
{
	const char *token = header_in(request->head, "Authorization");
	bool accepted;

	pthread_mutex_lock(&seen.mutex);
	cr_assert_lt(seen.count, HEADS_MAX);
	seen.heads[seen.count++] = strdup(request->head);
	accepted = !seen.accepted[0] || (token && strcmp(token, seen.accepted) == 0);
	pthread_mutex_unlock(&seen.mutex);
	if (!accepted)
		return server_say(
			request->fd, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n");
	return upstream(request);
}

/* Of the head number i; NULL: no such header. Heads are whole once their request was answered. */
static inline const char *sent(int i, const char *name)
{
	cr_assert_lt(i, seen.count);
	return header_in(seen.heads[i], name);
}

static inline void accept_token(const char *token)
{
	pthread_mutex_lock(&seen.mutex);
	snprintf(seen.accepted, sizeof(seen.accepted), "%s", token);
	pthread_mutex_unlock(&seen.mutex);
}

static inline void forget_heads(void)
{
	pthread_mutex_lock(&seen.mutex);
	while (seen.count)
		free(seen.heads[--seen.count]);
	pthread_mutex_unlock(&seen.mutex);
}

static inline void identity_init(struct fixture *f)
{
	fixture_init(f);
	f->server.script = identity_upstream;
}

static inline void identity_close(struct fixture *f)
{
	fixture_close(f);
	forget_heads();
}

#endif
