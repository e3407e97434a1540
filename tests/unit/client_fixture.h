/*
 * A client on a store of its own, with an upstream that does as the path says:
 *
 *     /s/NNN     that status          /slow/MS   200 after MS
 *     /flaky     503 while server.flag > 0, counted down; then 200. Also as /slow/MS/flaky
 *     /hang      never answers
 */
#ifndef TESTS_CLIENT_FIXTURE_H
#define TESTS_CLIENT_FIXTURE_H

#include <criterion/criterion.h>
#include <pthread.h>
#include <ration/ration.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "http_leaks.h"
#include "http_server.h"

struct fixture {
	char store[64];
	struct server server;
	ration_config *config;
	ration_client *client;
	char log[16384]; /* the path and id of every request, as they came */
	pthread_mutex_t mutex;
};

static struct fixture *current;

static inline const char *path_number(const char *head, const char *prefix)
{
	const char *at = strstr(head, prefix);

	return at && at < strstr(head, "\r\n") ? at + strlen(prefix) : NULL;
}

static inline void note_request(const char *head)
{
	const char *path = strchr(head, ' ') + 1;

	pthread_mutex_lock(&current->mutex);
	if (strlen(current->log) + 128 < sizeof(current->log)) {
		strncat(current->log, path, strcspn(path, " "));
		strcat(current->log, "\n");
	}
	pthread_mutex_unlock(&current->mutex);
}

static inline bool upstream(const struct server_request *request)
{
	const char *number;
	char answer[128];

	note_request(request->head);
	if (path_number(request->head, " /hang")) {
		usleep(20 * 1000 * 1000);
		return false;
	}
	number = path_number(request->head, " /slow/");
	if (number)
		usleep((useconds_t)atoi(number) * 1000);
	number = path_number(request->head, " /s/");
	if (path_number(request->head, "/flaky") && request->server->flag > 0) {
		request->server->flag--;
		number = "503";
	}
	if (!number)
		return server_ok(request, "ok");
	snprintf(answer, sizeof(answer), "HTTP/1.1 %d Status\r\nContent-Length: 3\r\n\r\nno\n",
		atoi(number));
	return server_say(request->fd, answer);
}

static inline void set(struct fixture *f, const char *path, const char *value)
{
	ration_error *err = NULL;

	cr_assert_eq(
		ration_config_set(f->config, path, value, &err), 0, "%s", ration_error_text(err));
}

static inline void fixture_init(struct fixture *f)
{
	char uri[64];

	memset(f, 0, sizeof(*f));
	current = f;
	pthread_mutex_init(&f->mutex, NULL);
	snprintf(f->store, sizeof(f->store), "/tmp/ration-client-XXXXXX");
	cr_assert(mkdtemp(f->store));
	server_start(&f->server, upstream);
	f->config = ration_config_new();
	cr_assert(f->config);
	snprintf(uri, sizeof(uri), "http://127.0.0.1:%d", f->server.port);
	set(f, "store.path", f->store);
	set(f, "workers.threads", "2");
	set(f, "services.api.uris", uri);
	set(f, "services.api.retry.backoff.first", "10ms");
	set(f, "services.api.retry.backoff.max", "20ms");
}

static inline void fixture_open(struct fixture *f)
{
	ration_error *err = NULL;

	cr_assert_eq(
		ration_client_open(f->config, &f->client, &err), 0, "%s", ration_error_text(err));
}

static inline void fixture_close(struct fixture *f)
{
	char command[128];

	ration_client_close(f->client);
	ration_config_free(f->config);
	server_stop(&f->server);
	snprintf(command, sizeof(command), "rm -rf %s", f->store);
	cr_assert_eq(system(command), 0);
}

static inline ration_request *new_request(const char *path)
{
	ration_request *request = ration_request_new("api", "GET", path);

	cr_assert(request);
	return request;
}

/* Submits a GET; its ticket. */
static inline ration_ticket submit(struct fixture *f, const char *path)
{
	ration_ticket ticket = 0;

	cr_assert_eq(ration_submit(f->client, new_request(path), 0, &ticket), 0);
	cr_assert_neq(ticket, 0);
	return ticket;
}

/* Performs a GET; its code. */
static inline int get(struct fixture *f, const char *path)
{
	ration_response *response = NULL;
	int code = ration_get(f->client, "api", path, &response);

	cr_assert(response, "%s: %s", path, ration_strerror(code));
	ration_response_free(response);
	return code;
}

/* The next response's code; its message in text. */
static inline int next_code(struct fixture *f, char *text, size_t size)
{
	ration_response *response = NULL;
	int code, rc = ration_next(f->client, 10000, &response);

	cr_assert_eq(rc, 0, "%s", ration_strerror(rc));
	code = ration_response_code(response);
	snprintf(text, size, "%s", ration_response_message(response));
	ration_response_free(response);
	return code;
}

static inline struct ration_counts counts(struct fixture *f)
{
	struct ration_counts c = {.size = sizeof(c)};

	cr_assert_eq(ration_client_counts(f->client, &c), 0);
	return c;
}

/* Waits until the condition holds; at most 10 s, then the test fails. */
#define UNTIL(condition)                                                       \
	do {                                                                   \
		int tries = 0;                                                 \
		while (!(condition)) {                                         \
			cr_assert_lt(tries++, 10000, "never: %s", #condition); \
			usleep(1000);                                          \
		}                                                              \
	} while (0)

#endif
