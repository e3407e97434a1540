/* Half-open places whose holders are no more, and what else a breaker's probes leave behind. */
#include <sys/wait.h>
#include "guard_fixture.h"

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
	f.rules.breaker = (struct ration__breaker_conf){
		.trip_after = 1, .close_after = 1, .probes = 1, .open_ns = S};
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(guard_probe, .init = setup, .fini = teardown, .timeout = 60);

static bool try(struct ration__keyset *keys, struct ration__grant *grant)
{
	return ask(&f, keys, grant, false).decision == RATION__ADMITTED;
}

static void trip(struct ration__keyset *keys)
{
	struct ration__grant grant = {0};

	cr_assert(try(keys, &grant));
	cr_assert(settle(&f, &grant, RATION__FAILURE).breaker_opened);
	pass(&f, 2 * S);
}

/* Another process that takes the probe and keeps it until it is killed. */
static pid_t prober(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct ration__grant grant = {0};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (open_engine(&f, NULL) < 0 || /* a child opens it again */
			ration__guard_open(f.engine, &f.rules, &f.guard, NULL) < 0 ||
			!try(keyset_of(&f, NULL, 0), &grant) || !grant.pass.probe ||
			write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1, "the other process has the probe");
	close(ready[0]);
	return pid;
}

static void end_peer(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(guard_probe, the_probe_of_a_killed_process_comes_back)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	pid_t peer;

	define(&f);
	keys = keyset_of(&f, NULL, 0);
	trip(keys);
	peer = prober();
	cr_assert_not(try(keys, &grant), "its holder lives");
	end_peer(peer);
	cr_assert_not(try(keys, &grant), "looked for just now");
	pass(&f, 300 * MS);
	cr_assert(try(keys, &grant));
	cr_assert(grant.pass.probe);
	cr_assert(settle(&f, &grant, RATION__SUCCESS).breaker_closed);
	ration__keyset_unref(keys);
}

Test(guard_probe, one_that_is_held_longer_than_hold_is_taken_back)
{
	struct ration__grant held = {0}, grant = {0};
	struct ration__keyset *keys;

	f.rules.own.hold_ns = 10 * S;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	trip(keys);
	cr_assert(try(keys, &held));
	pass(&f, 9 * S);
	cr_assert_not(try(keys, &grant));
	pass(&f, 2 * S);
	cr_assert(try(keys, &grant));
	cr_assert_not(settle(&f, &held, RATION__SUCCESS).breaker_closed, "it comes too late");
	cr_assert(settle(&f, &grant, RATION__FAILURE).breaker_opened);
	ration__keyset_unref(keys);
}

/* The machine runs for longer than a record is kept. */
Test(guard_probe, N9_calls_from_before_a_reset_do_not_count)
{
	struct ration__grant grants[3] = {{0}};
	struct ration__rule_state state;
	struct ration__keyset *keys;

	pass(&f, 10000 * S);
	f.rules.breaker.trip_after = 3;
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 3; i++)
		cr_assert(try(keys, &grants[i]));
	settle(&f, &grants[0], RATION__FAILURE);
	cr_assert_eq(ration__guard_reset(keys, "breaker"), 0);
	settle(&f, &grants[1], RATION__FAILURE);
	settle(&f, &grants[2], RATION__FAILURE);
	cr_assert_eq(ration__guard_state(keys, "breaker", &state), 0);
	cr_assert_eq(state.failures, 0);
	ration__keyset_unref(keys);
}
