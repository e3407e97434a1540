/*
 * The yardstick: an ungoverned libcurl loop as people write it. curl_multi_socket_action on epoll
 * as in curl's own examples, easy handles reused with curl_easy_reset, connect and total timeouts
 * set. It is not made slow on purpose and not made fast with what is particular to this project.
 *
 * Usage: bare_loop URL REQUESTS CONNECTIONS [CA 1.1|2]; prints requests per second. The last two
 * for https: whom to trust, and which HTTP.
 */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct job {
	CURL *easy;
	size_t bytes;
	char body[4096];
};

static struct {
	CURLM *multi;
	int epoll, timer;
	const char *url, *ca;
	long version;
	long started, finished, failed, wanted;
} loop;

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct job *job = arg;
	size_t length = size * count;

	for (size_t i = 0; i < length && job->bytes < sizeof(job->body); i++)
		job->body[job->bytes++] = data[i];
	return length;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct epoll_event event = {.data.fd = fd};

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(loop.epoll, EPOLL_CTL_DEL, fd, &event);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	epoll_ctl(loop.epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
	if (!known)
		curl_multi_assign(loop.multi, fd, &loop);
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct itimerspec spec = {.it_value.tv_nsec = 0};

	if (ms > 0) {
		spec.it_value.tv_sec = ms / 1000;
		spec.it_value.tv_nsec = ms % 1000 * 1000000;
	} else if (ms == 0) {
		spec.it_value.tv_nsec = 1;
	}
	timerfd_settime(loop.timer, 0, &spec, NULL);
	return 0;
}

static void start(struct job *job)
{
	if (loop.started == loop.wanted)
		return;
	loop.started++;
	job->bytes = 0;
	curl_easy_reset(job->easy);
	curl_easy_setopt(job->easy, CURLOPT_URL, loop.url);
	curl_easy_setopt(job->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(job->easy, CURLOPT_WRITEDATA, job);
	curl_easy_setopt(job->easy, CURLOPT_PRIVATE, job);
	curl_easy_setopt(job->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(job->easy, CURLOPT_CONNECTTIMEOUT, 5L);
	curl_easy_setopt(job->easy, CURLOPT_TIMEOUT, 60L);
	if (loop.ca) {
		curl_easy_setopt(job->easy, CURLOPT_CAINFO, loop.ca);
		curl_easy_setopt(job->easy, CURLOPT_HTTP_VERSION, loop.version);
	}
	curl_multi_add_handle(loop.multi, job->easy);
}

static void finish(void)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(loop.multi, &left)) != NULL) {
		CURL *easy = message->easy_handle;
		char *owner;
		long status = 0;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		loop.failed += message->data.result != CURLE_OK || status != 200;
		loop.finished++;
		curl_multi_remove_handle(loop.multi, easy);
		start((struct job *)(void *)owner);
	}
}

static void run(void)
{
	struct epoll_event events[64];
	int running;

	while (loop.finished < loop.wanted) {
		int n = epoll_wait(loop.epoll, events, 64, 1000);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd, mask = 0;

			if (fd == loop.timer) {
				uint64_t count;

				if (read(fd, &count, sizeof(count)) < 0)
					continue;
				curl_multi_socket_action(
					loop.multi, CURL_SOCKET_TIMEOUT, 0, &running);
				continue;
			}
			if (events[i].events & EPOLLIN)
				mask |= CURL_CSELECT_IN;
			if (events[i].events & EPOLLOUT)
				mask |= CURL_CSELECT_OUT;
			if (events[i].events & (EPOLLERR | EPOLLHUP))
				mask |= CURL_CSELECT_ERR;
			curl_multi_socket_action(loop.multi, fd, mask, &running);
		}
		finish();
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc != 4 && argc != 6)
		return fprintf(stderr, "usage: bare_loop URL REQUESTS CONNECTIONS [CA 1.1|2]\n"), 2;
	int connections = atoi(argv[3]);
	struct job *jobs = calloc((size_t)connections, sizeof(*jobs));
	struct epoll_event event = {.events = EPOLLIN};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	loop.url = argv[1];
	if (argc == 6) {
		loop.ca = argv[4];
		loop.version =
			strcmp(argv[5], "2") == 0 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
	}
	loop.wanted = atol(argv[2]);
	loop.multi = curl_multi_init();
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	event.data.fd = loop.timer;
	epoll_ctl(loop.epoll, EPOLL_CTL_ADD, loop.timer, &event);
	curl_multi_setopt(loop.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(loop.multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(loop.multi, CURLMOPT_MAXCONNECTS, (long)connections);

	double from = seconds();

	for (int i = 0; i < connections; i++) {
		jobs[i].easy = curl_easy_init();
		start(&jobs[i]);
	}
	run();
	printf("%.0f\n", (double)loop.finished / (seconds() - from));
	for (int i = 0; i < connections; i++)
		curl_easy_cleanup(jobs[i].easy);
	curl_multi_cleanup(loop.multi);
	curl_global_cleanup();
	free(jobs);
	return loop.failed ? fprintf(stderr, "%ld failed\n", loop.failed), 1 : 0;
}
