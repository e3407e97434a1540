/*
 * The loop: libmicrohttpd's epoll descriptor, the watch over parked exchanges, timers and signals,
 * all in the one thread.
 *
 * libmicrohttpd does not look at the socket of a suspended connection, so a client that left
 * during a delay would count as in flight until the delay is over, and the log would accuse the
 * wrong party. Therefore the sockets of parked exchanges stand in an epoll set of their own (the
 * watch), which is asked before each new request is counted: whoever left before the newcomer
 * sent his request is not in flight beside him. The price: a client that shuts down its sending
 * side after the request counts as gone.
 *
 * Invariant: an exchange is parked exactly while it is suspended, has a timer set, and its socket
 * is in the watch.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "testserver/server.h"

enum source { FROM_DAEMON, FROM_WATCH, FROM_SIGNAL };
enum { BATCH = 256 };

int64_t ts__now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * TS_SECOND + now.tv_nsec;
}

static int add_source(int epoll_fd, int fd, enum source source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

/* The daemon must run, and SIGTERM and SIGINT be blocked. Returns 0 or an errno value. */
int ts__loop_init(struct ts_server *server)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	sigset_t signals;
	int error;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	server->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (!info || server->epoll_fd < 0 || server->watch_fd < 0 || server->signal_fd < 0) {
		error = errno ? errno : EINVAL;
		goto no_sources;
	}
	error = add_source(server->epoll_fd, info->epoll_fd, FROM_DAEMON);
	if (!error)
		error = add_source(server->epoll_fd, server->watch_fd, FROM_WATCH);
	if (!error)
		error = add_source(server->epoll_fd, server->signal_fd, FROM_SIGNAL);
	if (error)
		goto no_sources;
	return 0;

no_sources:
	ts__loop_fini(server);
	return error;
}

void ts__loop_fini(struct ts_server *server)
{
	int *const fds[] = {&server->epoll_fd, &server->watch_fd, &server->signal_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

bool ts__exchange_park(struct ts_exchange *exchange, int64_t duration_ns)
{
	struct ts_server *server = exchange->server;
	struct epoll_event event = {
		.events = EPOLLRDHUP | (exchange->pump ? (uint32_t)EPOLLOUT : 0),
		.data.ptr = exchange,
	};

	if (!ts__timers_set(&server->timers, &exchange->timer, ts__now_ns() + duration_ns))
		return false;
	if (epoll_ctl(server->watch_fd, EPOLL_CTL_ADD, exchange->peer->fd, &event) != 0) {
		ts__timers_clear(&server->timers, &exchange->timer);
		return false;
	}
	server->watched++;
	exchange->parked = true;
	MHD_suspend_connection(exchange->connection);
	return true;
}

static void unpark(struct ts_exchange *exchange)
{
	struct ts_server *server = exchange->server;

	epoll_ctl(server->watch_fd, EPOLL_CTL_DEL, exchange->peer->fd, NULL);
	ts__timers_clear(&server->timers, &exchange->timer);
	server->watched--;
	exchange->parked = false;
	MHD_resume_connection(exchange->connection);
}

/* Its place in flight is free and its line is written at once; libmicrohttpd hears later. */
static void leave(struct ts_exchange *exchange)
{
	exchange->gone = true;
	ts__exchange_end(exchange, true);
	unpark(exchange);
}

static void look_at_watch(struct ts_server *server, bool pump)
{
	struct epoll_event events[BATCH];
	int count;

	if (server->watched == 0)
		return;
	/* Events are level-triggered and an exchange that left is no longer in the set, so a full
	 * batch of leavers is followed by another look; sockets to pump stay for the next turn. */
	do {
		int left = 0;
		count = epoll_wait(server->watch_fd, events, BATCH, 0);
		for (int i = 0; i < count; i++) {
			struct ts_exchange *exchange = events[i].data.ptr;
			if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
				leave(exchange);
				left++;
			} else if (pump && exchange->pump && !exchange->pump(exchange)) {
				leave(exchange);
			}
		}
		if (left == 0)
			break;
	} while (count == BATCH);
}

void ts__loop_reap(struct ts_server *server)
{
	look_at_watch(server, false);
}

static void run_timers(struct ts_server *server)
{
	int64_t now_ns = ts__now_ns();
	struct ts_timer *timer;

	while ((timer = ts__timers_first(&server->timers)) && timer->due_ns <= now_ns)
		unpark(timer->owner);
}

/* In milliseconds, -1 for ever; rounded up, for a timer must not be asked before it is due. */
static int time_to_wait(struct ts_server *server)
{
	const struct ts_timer *first = ts__timers_first(&server->timers);
	MHD_UNSIGNED_LONG_LONG daemon_ms;
	int64_t wait_ms = -1;

	if (first) {
		int64_t left_ns = first->due_ns - ts__now_ns();
		wait_ms = left_ns <= 0 ? 0 : (left_ns + TS_MILLISECOND - 1) / TS_MILLISECOND;
	}
	if (MHD_get_timeout(server->daemon, &daemon_ms) == MHD_YES &&
		(wait_ms < 0 || daemon_ms < (MHD_UNSIGNED_LONG_LONG)wait_ms))
		wait_ms = (int64_t)daemon_ms;
	return wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms;
}

/* Until a signal asks to end (0) or something broke (an errno value). */
int ts__loop_run(struct ts_server *server)
{
	int error = 0;
	bool end = false;

	while (!end && !error) {
		struct epoll_event events[3];
		int count = epoll_wait(server->epoll_fd, events, 3, time_to_wait(server));
		if (count < 0 && errno != EINTR)
			error = errno;
		for (int i = 0; i < count; i++) {
			if (events[i].data.u32 == FROM_SIGNAL)
				end = true;
		}
		/* Sockets before timers: who has left is not answered. */
		look_at_watch(server, true);
		run_timers(server);
		if (MHD_run(server->daemon) != MHD_YES)
			error = EIO;
		if (!ts__log_flush(&server->log))
			error = EIO;
	}

	/* libmicrohttpd insists that nothing is suspended when it stops. */
	struct ts_timer *timer;
	while ((timer = ts__timers_first(&server->timers)))
		leave(timer->owner);
	return error;
}
