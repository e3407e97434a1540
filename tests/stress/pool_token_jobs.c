/* Jobs that wait for their tokens: short deadlines, cancels and the client's close meet answers
 * that are just coming, over and over. Every job ends, once, and a worker never spins or sleeps on
 * it. Nothing listens: an attempt ends as soon as it begins. Argument: rounds. */
#include <ration/ration.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS 64
#define BOUND_S 100

static atomic_int ended, twice, sent, late, cancelled, others;
static atomic_uchar ends[JOBS];
static uint64_t state = 7;

static uint64_t next_random(void)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return state >> 33;
}

static int provide(void *arg, ration_token_ask *ask)
{
	static _Atomic unsigned calls;
	unsigned number = calls++;

	(void)arg;
	if (number % 3)
		usleep(number * 37 % 900);
	ration_token_ask_set(ask, "token");
	return number % 5 ? RATION_TOKEN_OK : RATION_TOKEN_AGAIN;
}

static void take(void *arg, ration_response *response)
{
	uintptr_t number = (uintptr_t)ration_response_user(response);
	int code = ration_response_code(response);

	(void)arg;
	twice += atomic_fetch_add(&ends[number - 1], 1) != 0;
	*(code == RATION_EDEADLINE	    ? &late
		: code == RATION_ECANCELLED ? &cancelled
		: code == RATION_ECONNECT   ? &sent
					    : &others) += 1;
	ration_response_free(response);
	ended++;
}

static void submit(ration_client *client, uintptr_t number, ration_ticket *ticket)
{
	static const char *const tenants[] = {"a", "b", "c", "d", "e"};
	ration_request *request = ration_request_new("api", "GET", "/");

	if (!request)
		abort();
	ration_request_set_user(request, (void *)number);
	ration_request_set_key(request, "tenant", tenants[next_random() % 5]);
	if (next_random() % 2)
		ration_request_set_deadline(request, (int64_t)(next_random() % 4));
	if (ration_submit(client, request, -1, ticket) < 0)
		abort();
}

/* True: every job has ended, once. */
static bool go_round(const ration_config *config, bool drains)
{
	ration_client *client;
	ration_ticket tickets[JOBS];
	int left = 0;

	memset((void *)ends, 0, sizeof(ends));
	if (ration_client_open(config, &client, NULL) < 0)
		abort();
	ration_client_on_done(client, take, NULL);
	for (uintptr_t i = 0; i < JOBS; i++) {
		submit(client, i + 1, &tickets[i]);
		if (next_random() % 4 == 0)
			ration_cancel(client, tickets[next_random() % (i + 1)]);
		if (next_random() % 8 == 0)
			usleep(next_random() % 400);
	}
	if (drains && ration_client_drain(client, BOUND_S * 1000) < 0)
		return false;
	ration_client_close(client);
	for (int i = 0; i < JOBS; i++)
		left += !ends[i];
	return left == 0;
}

int main(int argc, char **argv)
{
	static const char *const settings[][2] = {{"workers.threads", "2"},
		{"services.api.uris", "http://127.0.0.1:1"}, {"services.api.breaker", "off"},
		{"services.api.auth.per", "[tenant]"}, {"services.api.retry.attempts", "1"},
		{"services.api.timeouts.total", "1h"}};
	char store[] = "/tmp/ration-stress-XXXXXX", command[64];
	ration_config *config = ration_config_new();
	int rounds = argc > 1 ? atoi(argv[1]) : 60, bad = 0;

	if (!mkdtemp(store) || !config)
		return 1;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (ration_config_set(config, settings[i][0], settings[i][1], NULL) < 0)
			return 1;
	if (ration_config_set(config, "store.path", store, NULL) < 0 ||
		ration_config_on_token(config, "api", provide, NULL) < 0)
		return 1;
	alarm(BOUND_S); /* a worker that spins is ended from outside */
	for (int i = 0; i < rounds; i++)
		bad += !go_round(config, i % 2);
	printf("%d ended: %d sent, %d late, %d cancelled, %d else; %d twice, %d rounds bad\n",
		ended, sent, late, cancelled, others, twice, bad);
	ration_config_free(config);
	snprintf(command, sizeof(command), "rm -rf %s", store);
	return system(command) != 0 || bad || twice || others || !sent || !cancelled;
}
