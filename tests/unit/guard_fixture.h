/* A store in a directory of its own, with a clock that the test moves. */
#ifndef TESTS_GUARD_FIXTURE_H
#define TESTS_GUARD_FIXTURE_H

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/util.h"
#include "guard/guard.h"

#define MS RATION__NS_PER_MS
#define S RATION__NS_PER_S

struct fake_clock {
	int64_t now_ns, wall_ns;
};

struct fixture {
	char path[64];
	struct fake_clock clock;
	struct ration__engine *engine;
	struct ration__rules rules;
	struct ration__guard *guard;
	char log[1024]; /* the last line */
};

static inline int64_t fake_now(void *arg, enum ration_clock which)
{
	struct fake_clock *clock = arg;

	return which == RATION_CLOCK_STEADY ? clock->now_ns : clock->wall_ns;
}

static inline void pass(struct fixture *f, int64_t ns)
{
	f->clock.now_ns += ns;
	f->clock.wall_ns += ns;
}

static inline void keep_log(void *arg, enum ration_log_level level, const char *text)
{
	struct fixture *f = arg;

	snprintf(f->log, sizeof(f->log), "%s", text);
}

static inline int open_engine(struct fixture *f, ration_error **err)
{
	struct ration__engine_options options = {
		.store = {.path = f->path, .clock = {.fn = fake_now, .arg = &f->clock}},
		.log = keep_log,
		.log_arg = f,
		.log_level = RATION_LOG_DEBUG};

	return ration__engine_open(&options, &f->engine, err);
}

static inline void fixture_open(struct fixture *f)
{
	ration_error *err = NULL;

	memset(f, 0, sizeof(*f));
	snprintf(f->path, sizeof(f->path), "/tmp/ration-test-%d-XXXXXX", (int)getpid());
	cr_assert(mkdtemp(f->path));
	f->clock.now_ns = 1000 * S;
	f->clock.wall_ns = INT64_C(1700000000) * S;
	cr_assert_eq(open_engine(f, &err), 0, "%s", ration_error_text(err));
	snprintf(f->rules.service, sizeof(f->rules.service), "api");
	f->rules.version = RATION__RULES_VERSION;
}

static inline void fixture_close(struct fixture *f)
{
	char command[128];

	ration__guard_close(f->guard);
	ration__engine_close(f->engine);
	snprintf(command, sizeof(command), "rm -rf %s", f->path);
	cr_assert_eq(system(command), 0);
}

static inline void define(struct fixture *f)
{
	ration_error *err = NULL;

	cr_assert_eq(ration__guard_open(f->engine, &f->rules, &f->guard, &err), 0, "%s",
		ration_error_text(err));
}

static inline struct ration__limit *add_limit(
	struct fixture *f, const char *name, enum ration__limit_kind kind)
{
	struct ration__limit *limit = &f->rules.limits[f->rules.limit_count++];

	snprintf(limit->name, sizeof(limit->name), "%s", name);
	limit->kind = kind;
	limit->estimate = 1;
	return limit;
}

static inline void add_rate(struct fixture *f, const char *name, double rate, double burst)
{
	struct ration__limit *limit = add_limit(f, name, RATION__LIMIT_BUCKET);

	limit->bucket.rate = rate;
	limit->bucket.burst = burst;
}

static inline struct ration__limit *add_quota(
	struct fixture *f, const char *name, int64_t max, int64_t window_ns)
{
	struct ration__limit *limit = add_limit(f, name, RATION__LIMIT_QUOTA);

	limit->window.max = max * (int64_t)RATION__MICRO;
	limit->window.window_ns = window_ns;
	limit->durable_ns = S;
	return limit;
}

static inline struct ration__keyset *keyset_of(
	struct fixture *f, const struct ration__pair *keys, size_t count)
{
	struct ration__keyset *keyset = NULL;

	cr_assert_eq(ration__keyset_new(f->guard, keys, count, &keyset, NULL), 0);
	return keyset;
}

/* One ask in one transaction. */
static inline struct ration__ask ask(struct fixture *f, struct ration__keyset *keyset,
	struct ration__grant *grant, bool may_book)
{
	struct ration__ask one = {.keyset = keyset, .grant = grant, .may_book = may_book};
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	cr_assert_eq(ration__guard_transact(f->engine, &batch, -1), 0);
	return one;
}

static inline struct ration__settle settle(
	struct fixture *f, struct ration__grant *grant, enum ration__outcome outcome)
{
	struct ration__settle one = {.grant = grant, .outcome = outcome, .last = true};
	struct ration__batch batch = {.settles = &one, .settle_count = 1};

	cr_assert_eq(ration__guard_transact(f->engine, &batch, -1), 0);
	return one;
}

/* Another member that took the gate and holds it until it is killed. */
static inline pid_t stuck_peer(struct fixture *f)
{
	struct ration__store_options options = {
		.path = f->path, .clock = {.fn = fake_now, .arg = &f->clock}};
	struct ration__store *store;
	struct ration__txn *txn;
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ration__store_open(&options, &store, NULL) < 0 ||
			ration__store_begin(store, -1, &txn) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1, "the peer holds the gate");
	close(ready[0]);
	return pid;
}

#endif
