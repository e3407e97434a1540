/*
 * What the stress programs of the store share: workers that move amounts between accounts and hold
 * permits, a directory, and the judge.
 *
 * Invariants, whatever dies: the accounts' sum is constant; there are as many permits as the
 * counter says, and none of a member that was buried; nobody is inside the gate beside another.
 */
#ifndef TESTS_STRESS_STORE_KIT_H
#define TESTS_STRESS_STORE_KIT_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/util.h"
#include "store/store.h"

#define ACCOUNTS 16
#define START 1000
/* Of workers: nobody here stops or dies for so long, however busy the machine. A gate that is never
 * handed on is seen all the same. */
#define PATIENCE (10 * RATION__NS_PER_S)

static char dir[256];

/* Shared by all processes: who is inside, and what was seen. */
static struct board {
	_Atomic uint64_t inside, next_id;
	_Atomic unsigned intruders, errors, buried;
	_Atomic int last_error;
} * board;

struct account {
	int64_t rest_at_ns, amount;
};

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

static inline int64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * RATION__NS_PER_S + ts.tv_nsec;
}

static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline int get_amount(struct ration__txn *txn, const char *key, int64_t *amount)
{
	const void *value;
	size_t length;
	int rc = ration__txn_get(txn, key, strlen(key), 1, &value, &length);

	if (rc == RATION_EEMPTY)
		*amount = 0;
	else if (rc == 0)
		*amount = ((const struct account *)value)->amount;
	return rc == RATION_EEMPTY ? 0 : rc;
}

static inline int set_amount(struct ration__txn *txn, const char *key, int64_t amount)
{
	struct account account = {RATION__NEVER, amount};

	return ration__txn_put(txn, key, strlen(key), 1, &account, sizeof(account));
}

static inline int add_amount(struct ration__txn *txn, const char *key, int64_t by)
{
	int64_t amount;
	int rc = get_amount(txn, key, &amount);

	return rc ? rc : set_amount(txn, key, amount + by);
}

/* A permit is an entry of its own; the counter beside it must agree. */
static inline int bury(void *arg, struct ration__txn *txn, uint16_t slot, uint32_t generation)
{
	char key[32];
	int rc;

	for (uint32_t g = generation > 3 ? generation - 3 : 0; g <= generation; g++) {
		snprintf(key, sizeof(key), "permit:%u:%u", slot, g);
		rc = ration__txn_del(txn, key, strlen(key));
		if (rc == 0)
			rc = add_amount(txn, "count", -1);
		if (rc != 0 && rc != RATION_EEMPTY)
			return rc;
	}
	atomic_fetch_add(&board->buried, 1);
	return 0;
}

static inline void say(void *arg, enum ration_log_level level, const char *text)
{
	fprintf(stderr, "log: %s\n", text);
}

static inline struct ration__store *open_store(int64_t deadline_ns)
{
	struct ration__store_options options = {
		.path = dir,
		.hot_bytes = 4 << 20,
		.deadline_ns = deadline_ns,
		.hooks = {.bury = bury, .log = say},
	};
	struct ration__store *store;
	ration_error *err = NULL;
	int rc = ration__store_open(&options, &store, &err);

	if (rc != 0) {
		fprintf(stderr, "open: %s\n", ration_error_text(err));
		ration_error_free(err);
		atomic_fetch_add(&board->errors, 1);
		return NULL;
	}
	return store;
}

static inline int toggle_permit(struct ration__txn *txn)
{
	char key[32];
	int rc;

	snprintf(key, sizeof(key), "permit:%u:%u", txn->slot, txn->generation);
	rc = ration__txn_del(txn, key, strlen(key));
	if (rc == 0)
		return add_amount(txn, "count", -1);
	if (rc != RATION_EEMPTY)
		return rc;
	rc = set_amount(txn, key, 1);
	return rc ? rc : add_amount(txn, "count", 1);
}

/* One transaction of a worker. 0, or an error that is one of the store's. */
static inline int move_some(struct ration__store *store, uint64_t id, uint64_t *random)
{
	char from[24], to[24];
	struct ration__txn *txn;
	int64_t by = (int64_t)(next_random(random) % 10);
	int rc = ration__store_begin(store, -1, &txn);

	if (rc != 0)
		return rc;
	atomic_store(&board->inside, id);
	snprintf(from, sizeof(from), "account%u", (unsigned)(next_random(random) % ACCOUNTS));
	snprintf(to, sizeof(to), "account%u", (unsigned)(next_random(random) % ACCOUNTS));
	rc = add_amount(txn, from, -by);
	if (rc == 0)
		rc = add_amount(txn, to, by);
	if (rc == 0 && next_random(random) % 4 == 0)
		rc = toggle_permit(txn);
	if (atomic_load(&board->inside) != id)
		atomic_fetch_add(&board->intruders, 1);
	if (rc == 0)
		return ration__store_commit(txn);
	ration__store_abort(txn);
	return rc;
}

static inline void work(void)
{
	uint64_t id = atomic_fetch_add(&board->next_id, 1) + 1, random = id * 0x9e3779b97f4a7c15u;
	struct ration__store *store = open_store(PATIENCE);
	int rc = 0;

	while (store && rc == 0)
		rc = move_some(store, id, &random);
	if (rc != 0) {
		atomic_store(&board->last_error, rc);
		atomic_fetch_add(&board->errors, 1);
	}
	_exit(1);
}

static inline int count_permit(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	++*(int64_t *)arg;
	return 0;
}

/* The judge. 0 when everything adds up. */
static inline int judge(struct ration__store *store)
{
	int64_t sum = 0, amount = 0, permits = 0, counted = 0;
	struct ration__txn *txn;
	char key[24];
	int rc = ration__store_begin(store, -1, &txn);

	if (rc != 0) {
		fprintf(stderr, "judge: %s\n", ration_strerror(rc));
		return 1;
	}
	for (int i = 0; i < ACCOUNTS && rc == 0; i++) {
		snprintf(key, sizeof(key), "account%d", i);
		rc = get_amount(txn, key, &amount);
		sum += amount;
	}
	if (rc == 0)
		rc = get_amount(txn, "count", &counted);
	if (rc == 0)
		rc = ration__txn_visit(
			txn, "permit:", 7, NULL, 0, 10000, count_permit, &permits, NULL, NULL);
	ration__store_abort(txn);
	if (rc != 0 || sum != ACCOUNTS * START || permits != counted) {
		fprintf(stderr, "judge: %s, sum %lld of %d, %lld permits, counted %lld\n",
			ration_strerror(rc), (long long)sum, ACCOUNTS * START, (long long)permits,
			(long long)counted);
		return 1;
	}
	return 0;
}

static inline void fill(struct ration__store *store)
{
	struct ration__txn *txn;
	char key[24];

	if (ration__store_begin(store, -1, &txn) != 0)
		exit(2);
	for (int i = 0; i < ACCOUNTS; i++) {
		snprintf(key, sizeof(key), "account%d", i);
		if (set_amount(txn, key, START) != 0)
			exit(2);
	}
	if (ration__store_commit(txn) != 0)
		exit(2);
}

static inline void make_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/ration-stress-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		die("mkdtemp");
	board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		die("mmap");
}

static inline void remove_dir(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		die("rm");
}

/* ---- workers as processes ---- */

struct worker {
	pid_t child, pid; /* ours to reap; the one at work */
};

/* In namespaces of their own all workers are process 1 and thread 1. The one in between tells its
 * number as seen from here. */
static inline bool start_in_namespace(struct worker *worker)
{
	pid_t pid = 0;
	int ends[2];

	if (pipe(ends) != 0)
		die("pipe");
	worker->child = fork();
	if (worker->child == 0) {
		if (unshare(CLONE_NEWPID) == 0) {
			pid = fork();
			if (pid == 0)
				work();
		}
		if (write(ends[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(3);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		_exit(0);
	}
	close(ends[1]);
	if (read(ends[0], &pid, sizeof(pid)) != sizeof(pid))
		die("read");
	close(ends[0]);
	worker->pid = pid;
	return pid > 0;
}

static inline bool start(struct worker *worker, bool pidns)
{
	if (pidns)
		return start_in_namespace(worker);
	worker->pid = worker->child = fork();
	if (worker->pid < 0)
		die("fork");
	if (worker->pid == 0)
		work();
	return true;
}

static inline void kill_worker(struct worker *worker)
{
	kill(worker->pid, SIGKILL);
	waitpid(worker->child, NULL, 0);
}

/* SIGKILL at random moments, `kills` times. Exit status for automake. */
static inline int run_kills(int kills, bool pidns)
{
	struct worker workers[4];
	uint64_t random = (uint64_t)monotonic() | 1, waited, worst = 0;
	struct ration__store *store;
	int bad = 0;

	make_dir();
	store = open_store(PATIENCE);
	if (!store)
		return 2;
	fill(store);
	for (size_t i = 0; i < RATION__COUNT(workers); i++)
		if (!start(&workers[i], pidns)) {
			printf("no PID namespaces here: skipped\n");
			waitpid(workers[i].child, NULL, 0);
			ration__store_close(store);
			remove_dir();
			return 77;
		}
	for (int i = 0; i < kills && !bad; i++) {
		struct worker *worker = &workers[next_random(&random) % RATION__COUNT(workers)];
		struct timespec pause = {.tv_nsec = (long)(next_random(&random) % 3000000)};

		nanosleep(&pause, NULL);
		kill_worker(worker);
		waited = (uint64_t)monotonic();
		bad = judge(store);
		waited = (uint64_t)monotonic() - waited;
		if (waited > worst)
			worst = waited;
		start(worker, pidns);
	}
	for (size_t i = 0; i < RATION__COUNT(workers); i++)
		kill_worker(&workers[i]);
	ration__store_close(store);
	store = open_store(PATIENCE); /* buries who is left */
	if (!store)
		return 2;
	bad |= judge(store);
	printf("%d kills, %llu transactions, %u burials, epoch %llu, longest judgement %.1f ms; "
	       "%u intruders, %u errors (%s)\n",
		kills, (unsigned long long)ration__store_commits(store), board->buried,
		(unsigned long long)ration__store_epoch(store), (double)worst / 1e6,
		board->intruders, board->errors, ration_code_name(board->last_error));
	bad |= board->intruders || board->errors || ration__store_epoch(store) != 1;
	ration__store_close(store);
	remove_dir();
	return bad;
}

#endif
