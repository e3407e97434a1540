/* What the suites of the store share: a directory of its own per test, a clock in hand, and peers,
 * which are real processes. */
#ifndef TESTS_UNIT_STORE_KIT_H
#define TESTS_UNIT_STORE_KIT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "store/internal.h"
#include "base/util.h"

/* ---- the directory ---- */

static char kit_dir[256], kit_path[300];

/* Criterion alone does not fail on leaks. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

static inline void kit_setup(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(kit_dir, sizeof(kit_dir), "%s/ration-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	cr_assert(mkdtemp(kit_dir));
	snprintf(kit_path, sizeof(kit_path), "%s/store", kit_dir);
}

static inline void kit_teardown(void)
{
	char command[400];

	snprintf(command, sizeof(command), "rm -rf '%s'", kit_dir);
	if (system(command) != 0)
		abort();
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		abort();
}

/* ---- a clock in hand ---- */

static int64_t kit_steady = 1000 * RATION__NS_PER_S, kit_wall = 5000 * RATION__NS_PER_S;

static inline int64_t kit_clock(void *arg, enum ration_clock which)
{
	return which == RATION_CLOCK_WALL ? kit_wall : kit_steady;
}

/* ---- hooks that count ---- */

static struct {
	unsigned buried, reasserted, logged;
	uint16_t buried_slot;
	uint32_t buried_generation;
	char log[512];
} kit;

static inline int kit_bury(void *arg, struct ration__txn *txn, uint16_t slot, uint32_t generation)
{
	kit.buried++;
	kit.buried_slot = slot;
	kit.buried_generation = generation;
	return 0;
}

static inline int kit_reassert(void *arg, struct ration__txn *txn)
{
	kit.reasserted++;
	return 0;
}

static inline void kit_log(void *arg, enum ration_log_level level, const char *text)
{
	kit.logged++;
	snprintf(kit.log, sizeof(kit.log), "%s", text);
}

static inline struct ration__store_options kit_options(void)
{
	struct ration__store_options options = {
		.path = kit_path,
		.hot_bytes = 1 << 20,
		.deadline_ns = 60 * RATION__NS_PER_MS,
		.hooks = {.bury = kit_bury, .reassert = kit_reassert, .log = kit_log},
	};

	return options;
}

static inline struct ration__store *kit_open_with(const struct ration__store_options *options)
{
	struct ration__store *store = NULL;
	ration_error *err = NULL;
	int rc = ration__store_open(options, &store, &err);

	cr_assert_eq(rc, 0, "open: %d %s", rc, ration_error_text(err));
	cr_assert_null(err);
	return store;
}

static inline struct ration__store *kit_open(void)
{
	struct ration__store_options options = kit_options();

	return kit_open_with(&options);
}

static inline struct ration__store *kit_open_fake(void)
{
	struct ration__store_options options = kit_options();

	options.clock.fn = kit_clock;
	return kit_open_with(&options);
}

/* ---- one record, for short ---- */

struct kit_value {
	int64_t rest_at_ns, number;
};

static inline struct ration__txn *kit_begin(struct ration__store *store)
{
	struct ration__txn *txn = NULL;
	int rc = ration__store_begin(store, -1, &txn);

	cr_assert_eq(rc, 0, "begin: %s", ration_strerror(rc));
	return txn;
}

static inline int kit_put(
	struct ration__store *store, const char *key, int64_t rest, int64_t number)
{
	struct kit_value value = {rest, number};
	struct ration__txn *txn = kit_begin(store);
	int rc = ration__txn_put(txn, key, strlen(key), 1, &value, sizeof(value));
	int committed = ration__store_commit(txn);

	return rc ? rc : committed;
}

static inline int kit_get(struct ration__store *store, const char *key, int64_t *number)
{
	struct ration__txn *txn = kit_begin(store);
	const void *value;
	size_t length;
	int rc = ration__txn_get(txn, key, strlen(key), 1, &value, &length);

	if (rc == 0) {
		cr_assert_eq(length, sizeof(struct kit_value));
		*number = ((const struct kit_value *)value)->number;
	}
	ration__store_abort(txn);
	return rc;
}

/* ---- peers ---- */

/* Runs fn in a child. Its `say` and the parent's `kit_await` are the only words between them. */
struct kit_peer {
	pid_t pid;
	int from, to;
};

static int kit_in, kit_out; /* in the child */

static inline void kit_say(void)
{
	if (write(kit_out, "x", 1) != 1)
		_exit(99);
}

static inline void kit_listen(void)
{
	char byte;

	if (read(kit_in, &byte, 1) != 1)
		_exit(98);
}

static inline struct kit_peer kit_spawn(int (*fn)(void))
{
	struct kit_peer peer;
	int up[2], down[2];

	cr_assert_eq(pipe(up), 0);
	cr_assert_eq(pipe(down), 0);
	peer.pid = fork();
	cr_assert_geq(peer.pid, 0);
	if (peer.pid == 0) {
		kit_in = down[0];
		kit_out = up[1];
		close(up[0]);
		close(down[1]);
		_exit(fn());
	}
	close(up[1]);
	close(down[0]);
	peer.from = up[0];
	peer.to = down[1];
	return peer;
}

static inline void kit_await(const struct kit_peer *peer)
{
	char byte;

	cr_assert_eq(read(peer->from, &byte, 1), 1, "the peer ended too early");
}

static inline void kit_tell(const struct kit_peer *peer)
{
	cr_assert_eq(write(peer->to, "x", 1), 1);
}

/* Waits for its end; its exit status, or minus the signal. */
static inline int kit_reap(const struct kit_peer *peer)
{
	int status;

	cr_assert_eq(waitpid(peer->pid, &status, 0), peer->pid);
	close(peer->from);
	close(peer->to);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static inline void kit_kill(const struct kit_peer *peer)
{
	kill(peer->pid, SIGKILL);
	cr_assert_eq(kit_reap(peer), -SIGKILL);
}

static inline void kit_stop(const struct kit_peer *peer)
{
	int status;

	kill(peer->pid, SIGSTOP);
	cr_assert_eq(waitpid(peer->pid, &status, WUNTRACED), peer->pid);
	cr_assert(WIFSTOPPED(status));
}

/* A child opens for itself; asserts do not work there, hence exit statuses. */
static inline struct ration__store *kit_child_open(void)
{
	struct ration__store_options options = kit_options();
	struct ration__store *store;
	ration_error *err = NULL;

	if (ration__store_open(&options, &store, &err) != 0) {
		fprintf(stderr, "child: %s\n", ration_error_text(err));
		_exit(97);
	}
	return store;
}

/* Holds the gate inside a transaction until told, then commits. */
static inline int kit_holder(void)
{
	struct ration__store *store = kit_child_open();
	struct kit_value value = {RATION__NEVER, 7};
	struct ration__txn *txn;

	if (ration__store_begin(store, -1, &txn) != 0 ||
		ration__txn_put(txn, "held", 4, 1, &value, sizeof(value)) != 0)
		return 1;
	kit_say();
	kit_listen();
	if (ration__store_commit(txn) != 0)
		return 2;
	kit_say();
	kit_listen();
	ration__store_close(store);
	return 0;
}

/* Is a member until told. */
static inline int kit_member(void)
{
	struct ration__store *store = kit_child_open();

	kit_say();
	kit_listen();
	ration__store_close(store);
	return 0;
}

#endif
