/* Threads that ask for permits of one guard: in which order they go. On the real clock. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <ration/ration.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "client/permit.h"

#define CALLERS 6

static char path[64];
static ration_config *config;
static ration_guard *guard;
static ration_permit *permit;
static atomic_int admitted;

static const char text[] = "services:\n"
			   "  narrow:\n"
			   "    concurrency: {max: 1}\n"
			   "  keyed:\n"
			   "    concurrency: {max: 1}\n"
			   "    limits:\n"
			   "      calls:\n"
			   "        rate: 1/s\n"
			   "        burst: 1\n"
			   "        per: [tenant]\n"
			   "        overrides: {fast: {rate: 1000/s, burst: 1000}}\n";

struct caller {
	pthread_t thread;
	int64_t timeout_ms;
	int rounds; /* 0: one, and its place is noted */
	int rc, place, went;
};

static void open_service(const char *service)
{
	ration_error *err = NULL;

	strcpy(path, "/tmp/ration-test-order-XXXXXX");
	cr_assert(mkdtemp(path));
	config = ration_config_new();
	cr_assert_eq(
		ration_config_load_text(config, text, NULL, &err), 0, "%s", ration_error_text(err));
	cr_assert_eq(ration_config_set(config, "store.path", path, NULL), 0);
	cr_assert_eq(
		ration_guard_open(config, service, &guard, &err), 0, "%s", ration_error_text(err));
	permit = ration_permit_new(guard);
	cr_assert(permit);
	atomic_store(&admitted, 0);
}

static void teardown(void)
{
	char command[128];

	ration_permit_free(permit);
	ration_guard_close(guard);
	ration_config_free(config);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
}

TestSuite(permit_order, .fini = teardown, .timeout = 60);

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static int in_line(void)
{
	int count = 0;

	pthread_mutex_lock(&guard->callers.mutex);
	for (const struct ration__caller *one = guard->callers.first; one; one = one->next)
		count++;
	pthread_mutex_unlock(&guard->callers.mutex);
	return count;
}

static void until_in_line(int count)
{
	while (in_line() != count)
		pause_ms(1);
}

static void *call(void *arg)
{
	struct caller *caller = arg;
	ration_permit *own = ration_permit_new(guard);

	do {
		caller->rc = ration_permit_acquire(own, caller->timeout_ms);
		if (caller->rc == 0) {
			caller->place = atomic_fetch_add(&admitted, 1);
			caller->went++;
			pause_ms(1);
		}
		ration_permit_release(own, RATION_SUCCESS);
	} while (caller->rc == 0 && atomic_load(&admitted) < caller->rounds);
	ration_permit_free(own);
	return NULL;
}

static void start(struct caller *caller, int64_t timeout_ms, int rounds)
{
	*caller = (struct caller){.timeout_ms = timeout_ms, .rounds = rounds, .place = -1};
	cr_assert_eq(pthread_create(&caller->thread, NULL, call, caller), 0);
}

Test(permit_order, E9_callers_go_in_the_order_in_which_they_came)
{
	struct caller callers[CALLERS];

	open_service("narrow");
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	for (int i = 0; i < CALLERS; i++) {
		start(&callers[i], -1, 0);
		until_in_line(i + 1);
	}
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	for (int i = 0; i < CALLERS; i++) {
		pthread_join(callers[i].thread, NULL);
		cr_expect_eq(callers[i].place, i, "%d was number %d", i, callers[i].place);
	}
}

Test(permit_order, E9_one_that_gave_up_is_skipped)
{
	struct caller callers[3];

	open_service("narrow");
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	for (int i = 0; i < 3; i++) {
		start(&callers[i], i == 1 ? 100 : -1, 0);
		until_in_line(i + 1);
	}
	until_in_line(2);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(callers[i].thread, NULL);
	cr_assert_eq(callers[1].rc, RATION_DENIED_CONCURRENCY);
	cr_assert_eq(callers[0].place, 0);
	cr_assert_eq(callers[2].place, 1);
}

Test(permit_order, who_comes_again_stands_behind_those_who_wait)
{
	struct caller callers[CALLERS];
	int rounds = 40 * CALLERS;

	open_service("narrow");
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	for (int i = 0; i < CALLERS; i++)
		start(&callers[i], -1, rounds);
	until_in_line(CALLERS);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	for (int i = 0; i < CALLERS; i++)
		pthread_join(callers[i].thread, NULL);
	for (int i = 0; i < CALLERS; i++)
		cr_expect_geq(callers[i].went, 30, "%d went %d times", i, callers[i].went);
}

static void *call_slow(void *arg)
{
	ration_permit *own = ration_permit_new(guard);

	ration_permit_set_key(own, "tenant", "slow");
	*(int *)arg = ration_permit_acquire(own, -1);
	ration_permit_free(own);
	return NULL;
}

Test(permit_order, who_waits_for_its_own_key_is_in_nobodys_way)
{
	pthread_t thread[2];
	int rc[2] = {-1, -1};

	open_service("keyed");
	ration_permit_set_key(permit, "tenant", "slow");
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	ration_permit_release(permit, RATION_SUCCESS);
	ration_permit_set_key(permit, "tenant", "fast");
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&thread[i], NULL, call_slow, &rc[i]), 0);
	until_in_line(2);
	for (int i = 0; in_line() == 2 && i < 100; i++) {
		cr_assert_eq(ration_permit_acquire(permit, 500), 0, "%d: %s", i,
			ration_permit_why(permit));
		ration_permit_release(permit, RATION_SUCCESS);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		cr_assert_eq(rc[i], 0);
	}
}

Test(permit_order, who_is_to_be_refused_does_not_wait_in_line_for_it)
{
	struct caller callers[2];

	open_service("narrow");
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	for (int i = 0; i < 2; i++)
		start(&callers[i], -1, 0);
	until_in_line(2);
	cr_assert_eq(ration_control(config, "narrow/breaker", "open", 0, NULL), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(callers[i].thread, NULL);
		cr_assert_eq(callers[i].rc, RATION_DENIED_BREAKER);
	}
	ration_permit_release(permit, RATION_SUCCESS);
}
