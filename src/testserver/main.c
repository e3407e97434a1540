/* ration-testserver: start, listen, end. What it does is said in server.h and by --help. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testserver/options.h"
#include "testserver/server.h"

enum {
	FAILED = 1,
	LISTEN_BACKLOG = 4096,
	OWN_FILES = 32, /* descriptors that are no connections */
	CONNECTIONS_MAX = 65536,
};

static int fail(const char *doing, const char *what, const char *why)
{
	fprintf(stderr, "ration-testserver: cannot %s %s: %s\n", doing, what, why);
	return FAILED;
}

/* As many connections as the hard limit on open files allows. */
static unsigned raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return 1024 - OWN_FILES;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur > CONNECTIONS_MAX + OWN_FILES)
		return CONNECTIONS_MAX;
	return files.rlim_cur > 2 * OWN_FILES ? (unsigned)files.rlim_cur - OWN_FILES : OWN_FILES;
}

/* The socket, or -1 and a reason. */
static int open_socket(const char *address, int port, const char **why)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *info;
	char service[8];
	const int yes = 1;

	snprintf(service, sizeof(service), "%d", port);
	int error = getaddrinfo(address, service, &hints, &info);
	if (error) {
		*why = gai_strerror(error);
		return -1;
	}
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		*why = strerror(errno);
		goto no_socket;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
		*why = strerror(errno);
		goto no_listener;
	}
	freeaddrinfo(info);
	return fd;

no_listener:
	close(fd);
no_socket:
	freeaddrinfo(info);
	return -1;
}

static int port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	char service[8];

	if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
		getnameinfo((struct sockaddr *)&address, size, NULL, 0, service, sizeof(service),
			NI_NUMERICSERV) != 0)
		return 0;
	return atoi(service);
}

/* Whole or not at all: who waits for the file reads it the moment it appears. */
static bool write_port_file(const char *path, int port)
{
	char temporary[4096];
	int error;

	if (snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid()) >=
		(int)sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return false;
	}
	FILE *file = fopen(temporary, "we");
	if (!file)
		return false;
	bool good = fprintf(file, "%d\n", port) > 0;
	good = fclose(file) == 0 && good;
	if (good && rename(temporary, path) == 0)
		return true;
	error = errno;
	unlink(temporary);
	errno = error;
	return false;
}

static int announce(const struct ts_options *options, int port)
{
	bool v6 = strchr(options->address, ':');

	if (options->port_file && !write_port_file(options->port_file, port))
		return fail("write", options->port_file, strerror(errno));
	printf("listening on http://%s%s%s:%d\n", v6 ? "[" : "", options->address, v6 ? "]" : "",
		port);
	if (fflush(stdout) != 0)
		return fail("write to", "standard output", strerror(errno));
	return 0;
}

static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The loop between start and stop of libmicrohttpd; the listening socket is its own by now. */
static int serve(struct ts_server *server, int port)
{
	int status;
	int error = ts__loop_init(server);

	if (error) {
		MHD_stop_daemon(server->daemon);
		return fail("watch", "sockets", strerror(error));
	}
	status = announce(server->options, port);
	if (status == 0) {
		error = ts__loop_run(server);
		if (server->log.failed)
			status = fail("write", "the log", "lines were lost");
		else if (error)
			status = fail("go on", "serving", strerror(error));
	}
	MHD_stop_daemon(server->daemon);
	ts__loop_fini(server);
	return status;
}

static int run(struct ts_server *server, const struct ts_options *options)
{
	const char *why;
	int status = FAILED;
	int error = ts__log_open(&server->log, options->log_file);

	if (error)
		return fail("open", options->log_file, strerror(error));
	int listen_fd = open_socket(options->address, options->port, &why);
	if (listen_fd < 0) {
		fail("listen on", options->address, why);
		goto no_socket;
	}
	int port = port_of(listen_fd);
	server->options = options;
	server->started_ns = ts__now_ns();
	ts__limits_init(&server->limits, options->limits, options->limit_count);
	ts__idempotency_init(&server->idempotency);
	server->daemon = ts__server_start(server, listen_fd, raise_limits());
	if (!server->daemon) {
		fail("start", "libmicrohttpd", strerror(errno));
		close(listen_fd);
		goto no_socket;
	}
	status = serve(server, port);
	/* Requests that were cut off by the end have got their lines only now. */
	if (!ts__log_flush(&server->log) && status == 0)
		status = fail("write", "the log", "lines were lost");

no_socket:
	ts__log_close(&server->log);
	ts__timers_fini(&server->timers);
	ts__limits_fini(&server->limits);
	return status;
}

int main(int argc, char **argv)
{
	struct ts_options options;
	int status = ts__options_read(&options, argc, argv);

	if (status >= 0)
		return status;
	struct ts_server *server = calloc(1, sizeof(*server));
	if (!server)
		return fail("get", "memory", strerror(errno));
	server->epoll_fd = server->watch_fd = server->signal_fd = -1;
	block_signals();
	status = run(server, &options);
	free(server);
	return status;
}
