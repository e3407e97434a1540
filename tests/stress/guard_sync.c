/*
 * A `sync` quota used up by many threads of one process: calls that turn out to cost nothing, calls
 * that turn out cheaper, and waits that end. In the end exactly the quota was used. For
 * ThreadSanitizer. Argument: the quota (600).
 */
#include <pthread.h>
#include <ration/ration.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 6

static ration_guard *guard;
static atomic_long used;
static atomic_int failures;

static void fail(const char *what, int code)
{
	fprintf(stderr, "guard_sync: %s: %s\n", what, ration_strerror(code));
	atomic_fetch_add(&failures, 1);
}

/* One call; its true cost is 0, 1 or 2 of 2. false: nothing is left, or it failed */
static bool call(ration_permit *permit, unsigned *seed)
{
	int actual = rand_r(seed) % 3, wait_ms = rand_r(seed) % 4, rc;

	rc = ration_permit_acquire(permit, wait_ms);
	if (rc == RATION_DENIED_QUOTA && wait_ms < 2) /* it did not wait for the disk */
		return rand_r(seed) % 64 > 0;
	if (rc > 0)
		return false;
	if (rc < 0) {
		fail("acquire", rc);
		return false;
	}
	rc = ration_permit_settle(permit, "units", actual);
	if (rc < 0)
		fail("settle", rc);
	atomic_fetch_add(&used, actual);
	rc = ration_permit_release(permit, RATION_SUCCESS);
	if (rc < 0)
		fail("release", rc);
	return rc == 0;
}

static void *run(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	ration_permit *permit = ration_permit_new(guard);

	if (!permit || ration_permit_set_cost(permit, "units", 2) < 0)
		fail("permit", RATION_ENOMEM);
	else
		while (atomic_load(&failures) == 0 && call(permit, &seed))
			;
	ration_permit_free(permit);
	return NULL;
}

/* What is left goes one by one. */
static void use_up(void)
{
	ration_permit *permit = ration_permit_new(guard);

	ration_permit_set_cost(permit, "units", 1);
	while (ration_permit_acquire(permit, 1000) == 0) {
		atomic_fetch_add(&used, 1);
		ration_permit_release(permit, RATION_SUCCESS);
	}
	ration_permit_free(permit);
}

static void try_all(const char *path, long quota)
{
	pthread_t threads[THREADS];
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	char text[256];

	snprintf(text, sizeof(text),
		"store: {path: %s}\n"
		"services: {api: {quotas: {daily: {max: %ld, window: 24h, unit: units, "
		"durable: sync}}}}\n",
		path, quota);
	if (!config || ration_config_load_text(config, text, NULL, &err) < 0 ||
		ration_guard_open(config, "api", &guard, &err) < 0) {
		fprintf(stderr, "guard_sync: %s\n", ration_error_text(err));
		exit(1);
	}
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	use_up();
	ration_guard_close(guard);
	ration_config_free(config);
}

int main(int argc, char **argv)
{
	long quota = argc > 1 ? atol(argv[1]) : 600;
	char path[] = "/tmp/ration-test-sync-XXXXXX", command[64];

	if (!mkdtemp(path))
		return 1;
	try_all(path, quota);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	if (system(command) != 0)
		return 1;
	printf("guard_sync: %ld of %ld used\n", atomic_load(&used), quota);
	return atomic_load(&used) == quota && atomic_load(&failures) == 0 ? 0 : 1;
}
