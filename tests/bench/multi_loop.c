/*
 * The same work as bare_loop through ration__multi: what this layer costs and saves by itself, with
 * neither store nor pool.
 *
 * Usage: multi_loop URL REQUESTS CONNECTIONS; prints requests per second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "base/util.h"
#include "http/multi.h"
#include "http/send.h"

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * RATION__NS_PER_S + t.tv_nsec;
}

struct bench {
	struct ration__multi *multi;
	struct ration__service_conf service;
	struct ration__call *call;
	int epoll;
	long started, finished, failed, wanted;
};

static void start(struct bench *b, int64_t now_ns)
{
	struct ration__send send = {.service = &b->service,
		.call = b->call,
		.id = "01234567-89ab-4cde-8f01-23456789abcd"};
	struct ration__transfer *transfer;

	if (b->started == b->wanted)
		return;
	b->started++;
	if (ration__multi_start(b->multi, &send, now_ns, b, &transfer))
		abort();
}

static void run(struct bench *b)
{
	struct epoll_event events[64];

	while (b->finished < b->wanted) {
		int64_t wait_ns = ration__multi_next_ns(b->multi) - now();
		int ms = (int)ration__min64(1000, ration__max64(0, (wait_ns + 999999) / 1000000));
		int n = epoll_wait(b->epoll, events, 64, ms);

		for (int i = 0; i < n; i++)
			ration__multi_event(b->multi, events[i].data.u64, events[i].events);
		int64_t now_ns = now();
		struct ration__attempt attempt;

		ration__multi_tick(b->multi, now_ns);
		while (ration__multi_done(b->multi, &attempt)) {
			b->failed += attempt.code != 0;
			b->finished++;
			ration__attempt_fini(&attempt);
			start(b, now_ns);
		}
		ration__multi_tick(b->multi, now_ns); /* sends what was started */
	}
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return fprintf(stderr, "usage: multi_loop URL REQUESTS CONNECTIONS\n"), 2;
	int connections = atoi(argv[3]);
	struct bench b = {.wanted = atol(argv[2]),
		.service = {.timeouts = {.connect_ns = 5 * RATION__NS_PER_S,
				    .read_ns = 30 * RATION__NS_PER_S,
				    .write_ns = 30 * RATION__NS_PER_S,
				    .attempt_ns = 60 * RATION__NS_PER_S},
			.body_max = 1 << 20,
			.headers_max = 1 << 16,
			.accept_class = {[2] = 1}}};
	ration_request *request = ration_request_new("bench", "GET", argv[1]);
	struct ration__multi_options options = {
		.connections_idle = 20, .connection_age_ns = 25 * RATION__NS_PER_S};
	size_t size;

	b.service.base = strndup(argv[1], 7 + strcspn(argv[1] + 7, "/"));
	if (ration__call_measure(request, &b.service, &size))
		return fprintf(stderr, "bad URL\n"), 2;
	b.call = malloc(size);
	ration__call_pack(request, &b.service, b.call);
	options.epoll_fd = b.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (ration__multi_new(&options, &b.multi))
		return 1;
	int64_t from = now();

	for (int i = 0; i < connections; i++)
		start(&b, from);
	run(&b);
	printf("%.0f\n", (double)b.finished / ((double)(now() - from) / 1e9));
	ration__multi_free(b.multi);
	ration_request_free(request);
	close(b.epoll);
	free(b.call);
	free((char *)b.service.base);
	return b.failed ? fprintf(stderr, "%ld failed\n", b.failed), 1 : 0;
}
