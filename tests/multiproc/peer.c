/*
 * A peer that is nearly always inside the store's gate: takes and gives back a permit of a service
 * of its own as fast as it can, so that a signal finds it in the middle of a transaction. Ends by a
 * signal only. It is a member like any other and touches no other service's limits.
 *
 * Argument: the store. Prints "ready" once it is at work.
 */
#include <stdio.h>
#include <ration/ration.h>

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "peer: %s: %s\n", what, why);
	return 1;
}

int main(int argc, char **argv)
{
	ration_config *config = ration_config_new();
	ration_guard *guard;
	ration_permit *permit;
	ration_error *why = NULL;
	int rc;

	if (argc != 2 || !config)
		return fail("usage", "peer STORE");
	if (ration_config_set(config, "store.path", argv[1], &why) < 0 ||
		ration_config_set(config, "services.peer.concurrency.max", "1000", &why) < 0 ||
		ration_guard_open(config, "peer", &guard, &why) < 0)
		return fail(argv[1], ration_error_text(why));
	permit = ration_permit_new(guard);
	if (!permit)
		return fail("permit", "out of memory");
	puts("ready");
	fflush(stdout);
	for (;;) {
		rc = ration_permit_acquire(permit, -1);
		if (rc == 0)
			rc = ration_permit_release(permit, RATION_SUCCESS);
		if (rc < 0)
			return fail("permit", ration_strerror(rc));
	}
}
