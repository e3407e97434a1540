/*
 * Thousands of transfers in flight on two threads, against the test server, with timeouts, cancels
 * and resets at random: every job ends exactly once, and nothing leaks (run it under the
 * sanitizers). First as many requests as asked for are brought to where the server leaves them
 * without an answer; then each that is cancelled is followed by one of a random kind, so that as
 * many stay in flight until the end.
 *
 * Arguments: transfers in flight (5000), jobs of a random kind (twice as many). The test server is
 * src/ration-testserver below the working directory, or $RATION_TESTSERVER. 77: it is not there, or
 * so many descriptors are not to be had.
 */
#include <ration/ration.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIP 77
#define STARTING_MS 10000
/* Not how long it takes, but how long nobody would wait on any machine. */
#define PATIENCE_S 240

static ration_client *client;
static long in_flight, jobs; /* of a random kind */
static ration_ticket *first; /* the stalled ones that are not yet cancelled, in random order */
static atomic_uchar *ends;   /* by job, from 1 */
static long failures, ended, outcomes[3]; /* ok, failed, cancelled */
static char folder[] = "/tmp/ration-chaos-XXXXXX";
static pid_t server;

static void fail(const char *what, int code)
{
	fprintf(stderr, "pool_chaos: %s: %s\n", what, ration_strerror(code));
	failures++;
}

static uint64_t next_random(void)
{
	static uint64_t state = 4711;

	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return state >> 33;
}

/* ---- the server ---- */

static int start_server(void)
{
	const char *program = getenv("RATION_TESTSERVER");
	char port_file[64], text[16] = "";
	FILE *file;

	program = program ? program : "src/ration-testserver";
	if (access(program, X_OK) < 0)
		return 0;
	snprintf(port_file, sizeof(port_file), "%s/port", folder);
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!freopen("/dev/null", "w", stdout))
			_exit(126);
		execl(program, program, "--port-file", port_file, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; server > 0 && i < STARTING_MS; i++) {
		file = fopen(port_file, "re");
		if (file && fgets(text, sizeof(text), file) && strchr(text, '\n')) {
			fclose(file);
			return atoi(text);
		}
		if (file)
			fclose(file);
		usleep(1000);
	}
	return 0;
}

static void stop_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

/* ---- jobs ---- */

static void set_option(ration_request *request, const char *path, long from_ms, long to_ms)
{
	char value[32];

	snprintf(value, sizeof(value), "%ldms",
		from_ms + (long)(next_random() % (uint64_t)(to_ms - from_ms)));
	if (ration_request_set_option(request, path, value) < 0)
		fail(path, RATION_EINVAL);
}

static ration_request *new_request(const char *method, const char *path)
{
	ration_request *request = ration_request_new("api", method, path);

	if (!request)
		abort();
	return request;
}

static ration_request *random_request(void)
{
	static const char *const broken[] = {"/reset", "/reset-body", "/garbage", "/stall-body"};
	ration_request *request;
	char path[64];

	switch (next_random() % 6) {
	case 0:
		request = new_request("GET", broken[next_random() % 4]);
		set_option(request, "timeouts.read", 20, 800);
		return request;
	case 1:
		request = new_request("PUT", "/stall");
		set_option(request, "timeouts.attempt", 1, 1000);
		return request;
	case 2:
		request = new_request("POST", "/stall");
		ration_request_set_body(request, "body", 4, "text/plain");
		ration_request_set_deadline(request, (int64_t)(next_random() % 1000));
		return request;
	case 3:
		request = new_request("GET", "/stall");
		set_option(request, "timeouts.read", 1, 1000);
		return request;
	default:
		snprintf(path, sizeof(path), "/msg?delay=%d", (int)(next_random() % 700));
		return new_request("GET", path);
	}
}

static ration_ticket submit(ration_request *request, long number)
{
	ration_ticket ticket = 0;
	int rc;

	ration_request_set_user(request, (void *)(uintptr_t)number);
	rc = ration_submit(client, request, -1, &ticket);
	if (rc < 0) {
		ration_request_free(request);
		fail("submit", rc);
	}
	return ticket;
}

static void take(ration_response *response)
{
	uintptr_t number = (uintptr_t)ration_response_user(response);
	int code = ration_response_code(response);

	if (number == 0 || number > (uintptr_t)(in_flight + jobs))
		fail("a response of no job", code);
	else if (atomic_fetch_add(&ends[number - 1], 1) != 0)
		fail("a job ended twice", code);
	outcomes[code == 0 ? 0 : code == RATION_ECANCELLED ? 2 : 1]++;
	ended++;
	ration_response_free(response);
}

static void take_all(int64_t timeout_ms)
{
	ration_response *response;

	while (ration_next(client, timeout_ms, &response) == 0) {
		take(response);
		timeout_ms = 0;
	}
}

static uint64_t flying(void)
{
	struct ration_counts counts = {.size = sizeof(counts)};

	ration_client_counts(client, &counts);
	return counts.in_flight;
}

static void fill(void)
{
	for (long i = 0; i < in_flight; i++)
		first[i] = submit(new_request("GET", "/stall"), i + 1);
	for (long i = in_flight - 1; i > 0; i--) { /* cancelled in an order that nobody knows */
		long other = (long)(next_random() % (uint64_t)(i + 1));
		ration_ticket ticket = first[i];

		first[i] = first[other];
		first[other] = ticket;
	}
	while (flying() < (uint64_t)in_flight)
		usleep(1000);
	printf("%ld in flight\n", in_flight);
}

static void stir(void)
{
	long cancelled = 0;

	for (long i = 0; i < jobs; i++) {
		ration_ticket ticket = submit(random_request(), in_flight + i + 1);

		/* half of the stalled ones while the others come, the rest at the end */
		if (cancelled < in_flight / 2 && next_random() % 4 == 0)
			ration_cancel(client, first[cancelled++]);
		if (next_random() % 5 == 0)
			ration_cancel(client, ticket);
		if (i % 64 == 0)
			take_all(0);
	}
	while (cancelled < in_flight)
		ration_cancel(client, first[cancelled++]);
	while (ended < in_flight + jobs)
		take_all(1000);
}

static int open_client(int port)
{
	char uri[64], store[64], number[16];
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	const char *const settings[][2] = {{"store.path", store}, {"workers.threads", "2"},
		{"workers.queue_max", "100000"}, {"services.api.uris", uri},
		{"services.api.concurrency.max", number}, {"services.api.breaker", "off"},
		{"services.api.connections.max", number}, {"services.api.retry.attempts", "2"},
		{"services.api.retry.budget", "off"}, {"services.api.retry.backoff.first", "1ms"},
		{"services.api.retry.backoff.max", "50ms"}, {"services.api.timeouts.read", "1h"},
		{"services.api.timeouts.attempt", "1h"}, {"services.api.timeouts.connect", "1h"},
		{"services.api.timeouts.total", "none"}};

	snprintf(uri, sizeof(uri), "http://127.0.0.1:%d", port);
	snprintf(store, sizeof(store), "%s/store", folder);
	snprintf(number, sizeof(number), "%ld", in_flight);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (ration_config_set(config, settings[i][0], settings[i][1], &err) < 0) {
			fprintf(stderr, "%s\n", ration_error_text(err));
			return -1;
		}
	if (ration_client_open(config, &client, &err) < 0) {
		fprintf(stderr, "%s\n", ration_error_text(err));
		return -1;
	}
	ration_config_free(config);
	return 0;
}

static bool enough_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	limit.rlim_cur = limit.rlim_max;
	return limit.rlim_max > (rlim_t)in_flight + 1000 && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

int main(int argc, char **argv)
{
	char command[64];
	int port;

	in_flight = argc > 1 ? atol(argv[1]) : 5000;
	jobs = argc > 2 ? atol(argv[2]) : 2 * in_flight;
	first = calloc((size_t)in_flight, sizeof(*first));
	ends = calloc((size_t)(in_flight + jobs), sizeof(*ends));
	if (!first || !ends || !mkdtemp(folder))
		return 1;
	if (!enough_descriptors() || (port = start_server()) == 0)
		return SKIP;
	alarm(PATIENCE_S);
	if (open_client(port) < 0)
		return 1;
	fill();
	stir();
	for (long i = 0; i < in_flight + jobs; i++)
		if (ends[i] != 1)
			fail("a job without an end", 0);
	printf("%ld jobs ended: %ld ok, %ld failed, %ld cancelled\n", ended, outcomes[0],
		outcomes[1], outcomes[2]);
	if (!outcomes[0] || !outcomes[1] || !outcomes[2])
		fail("one kind of end did not happen", 0);
	ration_client_close(client);
	stop_server();
	free(first);
	free((void *)ends);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) != 0 || failures > 0;
}
