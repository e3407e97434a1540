/*
 * A whole client under many threads, for ThreadSanitizer: two nodes with rules for each, submits
 * with keys, weights, priorities and deadlines, cancels at any moment, performs, fetching from
 * several threads, looks from outside. Every job ends exactly once. Argument: jobs per thread
 * (300).
 */
#include <pthread.h>
#include <ration/ration.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../unit/http_server.h"
#include "client/internal.h"

#define THREADS 4
#define FETCHERS 2

static ration_client *client;
static long jobs_each;
static atomic_uchar *ends; /* by job */
static atomic_long submitted, fetched, failures;
static atomic_bool over;

static void fail(const char *what, int code)
{
	fprintf(stderr, "pool_jobs: %s: %s\n", what, ration_strerror(code));
	atomic_fetch_add(&failures, 1);
}

static bool upstream(const struct server_request *request)
{
	if (strstr(request->head, " /slow "))
		usleep(3000);
	if (strstr(request->head, " /bad "))
		return server_say(
			request->fd, "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n");
	if (strstr(request->head, " /cut "))
		return false;
	return server_ok(request, "ok");
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *state >> 33;
}

static ration_request *make(uint64_t *random)
{
	static const char *const paths[] = {"/hello", "/hello", "/hello", "/slow", "/bad", "/cut"};
	static const char *const tenants[] = {"a", "b", "c", "d", "e"};
	ration_request *request = ration_request_new(
		"api", next_random(random) % 4 ? "GET" : "PUT", paths[next_random(random) % 6]);

	if (!request)
		abort();
	ration_request_set_key(request, "tenant", tenants[next_random(random) % 5]);
	ration_request_set_priority(request, (int)(next_random(random) % 5) - 2);
	if (next_random(random) % 8 == 0)
		ration_request_set_deadline(request, (int64_t)(next_random(random) % 20));
	return request;
}

static void *send_jobs(void *arg)
{
	uint64_t thread = (uint64_t)(uintptr_t)arg, random = thread + 7;
	ration_ticket last = 0;

	for (long i = 0; i < jobs_each; i++) {
		ration_request *request = make(&random);
		ration_response *response;
		ration_ticket ticket;
		int rc;

		if (next_random(&random) % 16 == 0) {
			rc = ration_perform(client, request, &response);
			ration_request_free(request);
			if (rc == RATION_EINVAL || rc == RATION_EWORKER)
				fail("perform", rc);
			else if (rc != RATION_EFULL)
				ration_response_free(response);
			continue;
		}
		ration_request_set_user(request,
			(void *)(uintptr_t)(thread * (uint64_t)jobs_each + (uint64_t)i + 1));
		rc = ration_submit(client, request, 1000, &ticket);
		if (rc < 0) {
			ration_request_free(request);
			if (rc != RATION_EFULL)
				fail("submit", rc);
			continue;
		}
		atomic_fetch_add(&submitted, 1);
		if (next_random(&random) % 6 == 0)
			ration_cancel(client, next_random(&random) % 2 ? ticket : last);
		last = ticket;
	}
	return NULL;
}

static void *fetch(void *arg)
{
	ration_response *response;

	while (!atomic_load(&over) || atomic_load(&fetched) < atomic_load(&submitted)) {
		int rc = ration_next(client, 20, &response);
		uintptr_t number;

		if (rc < 0)
			continue;
		number = (uintptr_t)ration_response_user(response);
		if (number && atomic_fetch_add(&ends[number - 1], 1) != 0)
			fail("a job ended twice", ration_response_code(response));
		atomic_fetch_add(&fetched, 1);
		ration_response_free(response);
	}
	return NULL;
}

static void *look(void *arg)
{
	while (!atomic_load(&over)) {
		struct ration_counts counts = {.size = sizeof(counts)};
		char *waiting = NULL;

		ration_client_counts(client, &counts);
		if (ration_client_waiting(client, &waiting) == 0)
			ration_free(waiting);
		usleep(500);
	}
	return NULL;
}

static const struct ration__fair_weight weights[] = {{"a", 3}, {"b", 2}};
static const struct ration__fairness fairness = {
	.per = "tenant", .weights = weights, .weight_count = 2};

static void configure(ration_config *config, const char *store, int port)
{
	char uris[96];
	const char *const settings[][2] = {{"store.path", store}, {"workers.threads", "3"},
		{"workers.queue_max", "64"}, {"services.api.uris", uris},
		{"services.api.concurrency.max", "6"}, {"services.api.breaker", "off"},
		{"services.api.limits.fast.rate", "20000/s"},
		{"services.api.limits.fast.burst", "20"},
		{"services.api.limits.each.rate", "5000/s"},
		{"services.api.limits.each.burst", "5"},
		{"services.api.limits.each.per", "[tenant]"},
		{"services.api.limits.writes.rate", "3000/s"},
		{"services.api.limits.writes.burst", "3"},
		{"services.api.limits.writes.when.methods", "[PUT]"},
		{"services.api.limits.server.rate", "4000/s"},
		{"services.api.limits.server.burst", "4"},
		{"services.api.limits.server.per", "[node]"},
		{"services.api.concurrency.per_key.per", "[node]"},
		{"services.api.concurrency.per_key.max", "4"},
		{"services.api.nodes.recover_after", "2ms"},
		{"services.api.concurrency.queue", "20"}, {"services.api.retry.attempts", "2"},
		{"services.api.retry.backoff.first", "1ms"},
		{"services.api.retry.backoff.max", "2ms"}};

	/* two nodes, by name */
	snprintf(uris, sizeof(uris), "http://127.0.0.1:%d, http://localhost:%d", port, port);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (ration_config_set(config, settings[i][0], settings[i][1], NULL) < 0)
			abort();
}

int main(int argc, char **argv)
{
	char store[] = "/tmp/ration-stress-XXXXXX", command[64];
	pthread_t senders[THREADS], fetchers[FETCHERS], looker;
	struct server server = {.flag = 0};
	ration_config *config = ration_config_new();
	ration_error *err = NULL;

	jobs_each = argc > 1 ? atol(argv[1]) : 300;
	ends = calloc((size_t)(THREADS * jobs_each), sizeof(*ends));
	if (!mkdtemp(store) || !config || !ends)
		return 1;
	server_start(&server, upstream);
	configure(config, store, server.port);
	if (ration_client_open(config, &client, &err) < 0)
		return fprintf(stderr, "%s\n", ration_error_text(err)), 1;
	ration__pool_fair(ration__client_service(client, "api")->pool, &fairness);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&senders[i], NULL, send_jobs, (void *)i);
	for (int i = 0; i < FETCHERS; i++)
		pthread_create(&fetchers[i], NULL, fetch, NULL);
	pthread_create(&looker, NULL, look, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(senders[i], NULL);
	if (ration_client_drain(client, 60000) < 0)
		fail("drain", RATION_ETIMEOUT);
	atomic_store(&over, true);
	for (int i = 0; i < FETCHERS; i++)
		pthread_join(fetchers[i], NULL);
	pthread_join(looker, NULL);
	if (fetched != submitted)
		fail("jobs without an end", 0);
	ration_client_close(client);
	ration_config_free(config);
	server_stop(&server);
	free((void *)ends);
	snprintf(command, sizeof(command), "rm -rf %s", store);
	return system(command) != 0 || failures > 0;
}
