/*
 * The governed pool with every policy on: N requests against a URL, so many at a time, each
 * completion's callback submitting the next. For comparison with tests/bench/bare_loop.c.
 *
 * Usage: pool_bench URL REQUESTS CONNECTIONS [THREADS [LIMITS [CA 1.1|2]]]; prints requests per
 * second. LIMITS 0: no rate and no quota. CA and version of HTTP: for https.
 */
#include <ration/ration.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	ration_client *client;
	const char *path;
	long wanted;
	atomic_long started, finished, failed;
} bench;

static void submit(void)
{
	ration_request *request;

	if (atomic_fetch_add(&bench.started, 1) >= bench.wanted)
		return;
	request = ration_request_new("bench", "GET", bench.path);
	if (!request || ration_submit(bench.client, request, 0, NULL) < 0) {
		ration_request_free(request);
		atomic_fetch_add(&bench.failed, 1);
		atomic_fetch_add(&bench.finished, 1);
	}
}

static void on_done(void *arg, ration_response *response)
{
	if (ration_response_code(response) != 0 || ration_response_status(response) != 200) {
		if (atomic_fetch_add(&bench.failed, 1) == 0)
			fprintf(stderr, "first failure: %s\n", ration_response_message(response));
	}
	ration_response_free(response);
	atomic_fetch_add(&bench.finished, 1);
	submit();
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void set(ration_config *config, const char *path, const char *value)
{
	ration_error *err = NULL;

	if (ration_config_set(config, path, value, &err) == 0)
		return;
	fprintf(stderr, "%s\n", ration_error_text(err));
	exit(1);
}

static ration_config *configure(const char *base, const char *concurrency, const char *threads,
	const char *store, int limits)
{
	ration_config *config = ration_config_new();
	char queue[32];

	if (!config)
		exit(1);
	snprintf(queue, sizeof(queue), "%s0", concurrency);
	set(config, "store.path", store);
	set(config, "workers.threads", threads);
	set(config, "workers.queue_max", queue);
	set(config, "services.bench.uris", base);
	set(config, "services.bench.concurrency.max", concurrency);
	set(config, "services.bench.connections.max", concurrency);
	set(config, "services.bench.breaker.trip_after", "5");
	set(config, "services.bench.retry.attempts", "3");
	if (limits) {
		set(config, "services.bench.limits.requests.rate", "1000000000/s");
		set(config, "services.bench.quotas.daily.max", "1000000000000");
		set(config, "services.bench.quotas.daily.window", "24h");
	}
	return config;
}

int main(int argc, char **argv)
{
	char base[256], store[] = "/tmp/ration-bench-XXXXXX", command[64];
	ration_error *err = NULL;
	ration_config *config;
	const char *path;
	double begin, end;
	long connections;

	if (argc < 4)
		return fprintf(stderr,
			       "usage: pool_bench URL REQUESTS CONNECTIONS [THREADS [LIMITS [CA "
			       "1.1|2]]]\n"),
		       2;
	path = strchr(strstr(argv[1], "://") ? strstr(argv[1], "://") + 3 : argv[1], '/');
	snprintf(base, sizeof(base), "%.*s", path ? (int)(path - argv[1]) : (int)strlen(argv[1]),
		argv[1]);
	bench.path = path ? path : "/";
	bench.wanted = atol(argv[2]);
	connections = atol(argv[3]);
	if (!mkdtemp(store))
		return perror(store), 1;
	config = configure(
		base, argv[3], argc > 4 ? argv[4] : "1", store, argc > 5 ? atoi(argv[5]) : 1);
	if (argc > 7) {
		set(config, "services.bench.tls.ca", argv[6]);
		set(config, "services.bench.connections.http", argv[7]);
	}
	if (ration_client_open(config, &bench.client, &err) < 0)
		return fprintf(stderr, "%s\n", ration_error_text(err)), 1;
	ration_client_on_done(bench.client, on_done, NULL);
	begin = seconds();
	for (long i = 0; i < connections; i++)
		submit();
	ration_client_drain(bench.client, -1);
	end = seconds();
	printf("%.0f requests/s, %ld failed\n", (double)bench.finished / (end - begin),
		(long)bench.failed);
	ration_client_close(bench.client);
	ration_config_free(config);
	snprintf(command, sizeof(command), "rm -rf %s", store);
	return system(command) != 0 || bench.failed > 0;
}
