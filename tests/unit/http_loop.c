/* See http_loop.h. */
#include "http_loop.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "base/util.h"

void loop_init(struct loop *l, server_script script)
{
	struct ration__multi_options options = {
		.connections_idle = 20, .connection_age_ns = 25 * RATION__NS_PER_S};

	memset(l, 0, sizeof(*l));
	server_start(&l->server, script);
	snprintf(l->base, sizeof(l->base), "http://127.0.0.1:%d", l->server.port);
	l->service = (struct ration__service_conf){.name = "s",
		.base = l->base,
		.timeouts = {.connect_ns = 5 * RATION__NS_PER_S,
			.read_ns = 30 * RATION__NS_PER_S,
			.write_ns = 30 * RATION__NS_PER_S,
			.attempt_ns = 60 * RATION__NS_PER_S},
		.body_max = 16 << 20,
		.headers_max = 64 << 10,
		.accept_class = {[2] = 1},
		.retry = {.retry_after_max_ns = 120 * RATION__NS_PER_S},
		.hints = RATION__HINT_ALL};
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	options.epoll_fd = l->epoll;
	cr_assert_eq(ration__multi_new(&options, &l->multi), 0);
}

void loop_fini(struct loop *l)
{
	ration__multi_free(l->multi);
	server_stop(&l->server);
	close(l->epoll);
}

int64_t loop_now(const struct loop *l)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * RATION__NS_PER_S + t.tv_nsec + l->ahead_ns;
}

struct ration__call *loop_pack(const struct loop *l, ration_request *request)
{
	size_t size = 0;

	cr_assert_eq(ration__call_measure(request, &l->service, &size), 0);
	struct ration__call *call = malloc(size);

	ration__call_pack(request, &l->service, call);
	ration_request_free(request);
	return call;
}

void loop_turn(struct loop *l, int ms)
{
	struct epoll_event events[16];
	int64_t wait_ns = ration__multi_next_ns(l->multi) - loop_now(l);
	int wait = (int)ration__max64(0, ration__min64(ms, (wait_ns + 999999) / 1000000));
	int n = epoll_wait(l->epoll, events, 16, wait);

	for (int i = 0; i < n; i++) {
		cr_assert(events[i].data.u64 & RATION__MULTI_TAG);
		l->events++;
		ration__multi_event(l->multi, events[i].data.u64, events[i].events);
	}
	ration__multi_tick(l->multi, loop_now(l));
}

struct ration__transfer *loop_start(struct loop *l, const struct ration__call *call, void *user)
{
	struct ration__transfer *transfer = NULL;
	struct ration__send send = {.service = &l->service, .call = call, .id = "the-id"};
	int code = ration__multi_start(l->multi, &send, loop_now(l), user, &transfer);

	cr_assert_eq(code, 0, "%s", ration_code_name(code));
	return transfer;
}

void *loop_wait(struct loop *l, struct ration__attempt *attempt)
{
	int64_t until = loop_now(l) - l->ahead_ns + 10 * RATION__NS_PER_S;

	while (loop_now(l) - l->ahead_ns < until) {
		void *user = ration__multi_done(l->multi, attempt);

		if (user)
			return user;
		loop_turn(l, 100);
	}
	return NULL;
}

void loop_until(struct loop *l, atomic_int *value, int n)
{
	for (int i = 0; i < 2000 && *value < n; i++)
		loop_turn(l, 5);
	cr_assert_geq(*value, n);
}

void loop_settle(struct loop *l)
{
	for (int quiet = 0; quiet < 20; quiet++) {
		unsigned long before = l->events;

		loop_turn(l, 5);
		quiet = l->events == before ? quiet : 0;
	}
}

void loop_run(struct loop *l, ration_request *request, struct ration__attempt *attempt)
{
	struct ration__call *call = loop_pack(l, request);

	loop_start(l, call, l);
	cr_assert_eq(loop_wait(l, attempt), l, "the transfer did not end");
	free(call);
}

void loop_get(struct loop *l, const char *path, struct ration__attempt *attempt)
{
	loop_run(l, ration_request_new("s", "GET", path), attempt);
}

int loop_watched(const struct loop *l)
{
	char path[64], text[8192];
	int count = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", l->epoll);
	FILE *info = fopen(path, "r");
	size_t n = fread(text, 1, sizeof(text) - 1, info);

	fclose(info);
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, "tfd:")) != NULL; at++)
		count++;
	return count;
}
