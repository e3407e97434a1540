/*
 * A service's nodes between two clients' worker threads, while the list is replaced: each pick is
 * answered, nodes of the list alone are picked once all know of it, and what is in use is given
 * back. For ThreadSanitizer. Argument: attempts of each thread (20000).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "guard/guard.h"
#include "pool/nodes.h"

#define THREADS 4
#define CLIENTS 2

static const char *const uris[] = {"http://a:1", "http://b:2", "http://c:3", "http://d:4"};
static const struct ration__service_conf conf = {.name = "api",
	.base = "http://a:1",
	.nodes = uris,
	.node_count = 3,
	.node_recover_ns = RATION__NS_PER_MS};
static struct ration__engine *engine;
static struct ration__nodes *clients[CLIENTS];
static uint64_t attempts;
static _Atomic uint64_t failures, waits;
static atomic_bool over;

static void fail(const char *what)
{
	fprintf(stderr, "pool_nodes: %s\n", what);
	atomic_fetch_add(&failures, 1);
}

static void attempt(struct ration__nodes *nodes, struct ration__random *random)
{
	uint64_t dice = ration__random_next(random) % 100;
	struct ration__node_want want = {.now_ns = ration__engine_now(engine)};
	struct ration__node_report report = {.start_ns = want.now_ns, .outcome = RATION__SUCCESS};
	struct ration__node *node = NULL;
	int64_t at_ns = 0;
	int rc = ration__nodes_pick(nodes, &want, &node, &at_ns);

	if (rc == RATION_EAGAIN && at_ns >= want.now_ns && at_ns < want.now_ns + RATION__NS_PER_S) {
		atomic_fetch_add(&waits, 1);
		return;
	}
	if (rc != 0 || !node) {
		fail("no node");
		return;
	}
	if (dice < 5)
		report.outcome = RATION__FAILURE;
	else if (dice < 8)
		report.outcome = RATION__THROTTLED;
	if (dice == 7)
		report.cool_ns = RATION__NS_PER_MS / 20;
	report.now_ns = ration__engine_now(engine);
	ration__nodes_report(nodes, node, &report);
	ration__nodes_have_other(nodes, node, report.now_ns);
}

static void *work(void *arg)
{
	uintptr_t number = (uintptr_t)arg;
	struct ration__random random;

	ration__random_init(&random, NULL, NULL);
	for (uint64_t i = 0; i < attempts; i++)
		attempt(clients[number % CLIENTS], &random);
	return NULL;
}

static void *replace(void *arg)
{
	for (unsigned i = 0; !atomic_load(&over); i++) {
		if (ration__nodes_replace(clients[i % CLIENTS], uris + i % 3, 2) != 0)
			fail("not replaced");
		if (ration__nodes_count(clients[i % CLIENTS]) != 2)
			fail("miscounted");
		usleep(200);
	}
	return arg;
}

int main(int argc, char **argv)
{
	char path[64], command[96];
	struct ration__engine_options options = {.store = {.path = path}};
	struct ration__nodes_options nodes = {.service = "api", .conf = &conf};
	pthread_t threads[THREADS], replacer;

	attempts = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
	snprintf(path, sizeof(path), "/tmp/ration-nodes-XXXXXX");
	if (!mkdtemp(path) || ration__engine_open(&options, &engine, NULL) < 0)
		return 1;
	nodes.engine = engine;
	for (int i = 0; i < CLIENTS; i++)
		if (ration__nodes_new(&nodes, &clients[i]) < 0)
			return 1;
	pthread_create(&replacer, NULL, replace, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&over, true);
	pthread_join(replacer, NULL);
	for (int i = 0; i < CLIENTS; i++)
		ration__nodes_free(clients[i]);
	ration__engine_close(engine);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	if (system(command) != 0)
		fail("the store stays");
	printf("pool_nodes: %llu attempts, %llu times all cooled\n",
		(unsigned long long)(THREADS * attempts), (unsigned long long)waits);
	return failures > 0;
}
