/*
 * One shared decision beside one raw LMDB transaction, in one run.
 *
 *   raw       begin, get and put one 96-byte record, commit, as LMDB alone would be used
 *             (WRITEMAP, NOSYNC, NOLOCK), 100 keys
 *   decision  ration__guard_transact with one ask: one rate limit, one key, one process
 *   all       rate, window of tokens, quota, breaker, concurrency limit and retry budget, admitted
 *             and settled
 *   adaptive  the same with a rate that is learned
 *
 * Rounds alternate; medians and ratios are printed as a table, or as JSON with --json.
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/util.h"
#include "guard/guard.h"

#define ROUNDS 15
#define LOOPS 40000
#define KEYS 100

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID,
		&ts); /* one thread that never sleeps: others do not count */
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

static void need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "decision: %s failed\n", what);
	exit(1);
}

/* ---- raw ---- */

static MDB_env *raw_env;
static MDB_dbi raw_dbi;
static char raw_keys[KEYS][24];

static void raw_once(int i)
{
	MDB_val key, value;
	MDB_txn *txn;
	char record[96];

	key.mv_data = raw_keys[i % KEYS];
	key.mv_size = sizeof(raw_keys[0]);
	need(mdb_txn_begin(raw_env, NULL, 0, &txn) == 0, "begin");
	memset(record, 0, sizeof(record));
	if (mdb_get(txn, raw_dbi, &key, &value) == 0)
		memcpy(record, value.mv_data, sizeof(record));
	++*(uint64_t *)(void *)record;
	value.mv_size = sizeof(record);
	value.mv_data = record;
	need(mdb_put(txn, raw_dbi, &key, &value, 0) == 0, "put");
	need(mdb_txn_commit(txn) == 0, "commit");
}

/* A file that is lived in: in each round another number of pages is left on the free list. What
 * LMDB does there depends on luck, whether a transaction needs just as many pages as the one before
 * freed: by luck it reads one entry and writes one, else two or three of each. A store that is in
 * use has no such luck, and its own rounds shake it by what the full decisions write in between. */
static void live_in(int round)
{
	static char large[16384];
	MDB_val key = {.mv_size = 1, .mv_data = large};
	MDB_val value = {.mv_size = 3000 + (size_t)(round % 3) * 4096, .mv_data = large};
	MDB_txn *txn;

	need(mdb_txn_begin(raw_env, NULL, 0, &txn) == 0, "begin");
	need(mdb_put(txn, raw_dbi, &key, &value, 0) == 0, "put");
	need(mdb_txn_commit(txn) == 0, "commit");
}

static void raw_open(const char *dir)
{
	char path[128];
	MDB_txn *txn;

	for (int i = 0; i < KEYS; i++)
		snprintf(raw_keys[i], sizeof(raw_keys[i]), "B\003one\010requests\006key-%02d", i);
	snprintf(path, sizeof(path), "%s/raw", dir);
	need(mkdir(path, 0700) == 0, "mkdir");
	need(mdb_env_create(&raw_env) == 0, "create");
	need(mdb_env_set_mapsize(raw_env, 64 << 20) == 0, "map size");
	need(mdb_env_open(raw_env, path, MDB_WRITEMAP | MDB_NOSYNC | MDB_NOLOCK, 0600) == 0,
		"open");
	need(mdb_txn_begin(raw_env, NULL, 0, &txn) == 0, "begin");
	need(mdb_dbi_open(txn, NULL, 0, &raw_dbi) == 0, "dbi");
	need(mdb_txn_commit(txn) == 0, "commit");
}

/* ---- decisions ---- */

static struct ration__engine *engine;

static void learn(struct ration__limit *limit)
{
	limit->kind = RATION__LIMIT_ADAPTIVE;
	limit->adaptive = (struct ration__adaptive_conf){.initial = 1e8,
		.min = 1,
		.max = 1e8,
		.step = 1,
		.factor = 0.5,
		.multiplier = 1,
		.cooldown_min_ns = RATION__NS_PER_S,
		.cooldown_max_ns = 60 * RATION__NS_PER_S,
		.idle_ns = 3600 * RATION__NS_PER_S};
}

static struct ration__guard *open_guard(const char *service, int all)
{
	struct ration__rules *rules = calloc(1, sizeof(*rules));
	struct ration__guard *guard;
	ration_error *err = NULL;

	need(rules != NULL, "malloc");
	snprintf(rules->service, sizeof(rules->service), "%s", service);
	rules->limit_count = all ? 3 : 1;
	snprintf(rules->limits[0].name, sizeof(rules->limits[0].name), "requests");
	snprintf(rules->limits[0].per[0], sizeof(rules->limits[0].per[0]), "tenant");
	rules->limits[0].kind = RATION__LIMIT_BUCKET;
	rules->limits[0].estimate = 1;
	rules->limits[0].bucket = (struct ration__bucket_conf){.rate = 10, .burst = 1e9};
	if (all) {
		snprintf(rules->limits[1].name, sizeof(rules->limits[1].name), "daily");
		rules->limits[1].kind = RATION__LIMIT_QUOTA;
		rules->limits[1].estimate = 1;
		rules->limits[1].window.max = INT64_C(1000000000000) * 1000000;
		rules->limits[1].window.window_ns = 86400 * RATION__NS_PER_S;
		rules->limits[1].durable_ns = RATION__NS_PER_S;
		rules->breaker = (struct ration__breaker_conf){.trip_after = 5,
			.close_after = 1,
			.probes = 1,
			.open_ns = 60 * RATION__NS_PER_S};
		snprintf(rules->limits[2].name, sizeof(rules->limits[2].name), "tokens");
		snprintf(rules->limits[2].unit, sizeof(rules->limits[2].unit), "tokens");
		rules->limits[2].kind = RATION__LIMIT_WINDOW;
		rules->limits[2].estimate = 1;
		rules->limits[2].window.max = INT64_C(1000000000000) * 1000000;
		rules->limits[2].window.window_ns = 60 * RATION__NS_PER_S;
		rules->budget = (struct ration__budget_conf){500, 14, 5, 1};
		rules->concurrency.max = 64;
		if (all == 2)
			learn(&rules->limits[0]);
	}
	need(ration__guard_open(engine, rules, &guard, &err) == 0, ration_error_text(err));
	free(rules);
	return guard;
}

static struct ration__grant grants[KEYS];

static void decide_once(struct ration__keyset *keyset, struct ration__grant *grant)
{
	struct ration__ask ask = {.keyset = keyset, .grant = grant, .may_book = true};
	struct ration__batch batch = {.asks = &ask, .ask_count = 1};

	need(ration__guard_transact(engine, &batch, -1) == 0, "transact");
	need(ask.decision == RATION__ADMITTED, "admission");
}

/* As a worker whose ticks hold one job each: admitted and settled, the settlement with the next
 * decision. */
static void decide_all(struct ration__keyset *keyset)
{
	struct ration__settle settle = {
		.grant = &grants[0], .outcome = RATION__SUCCESS, .last = true};
	struct ration__batch batch = {.settles = &settle, .settle_count = 1};

	decide_once(keyset, &grants[0]);
	need(ration__guard_transact(engine, &batch, -1) == 0, "settle");
}

/* One limit has nothing to settle: its grants are let go between the measured stretches. */
static double decide_stretch(struct ration__keyset **keysets)
{
	double start = now_s();

	for (int i = 0; i < KEYS; i++)
		decide_once(keysets[i], &grants[i]);
	start = now_s() - start;
	for (int i = 0; i < KEYS; i++)
		ration__grant_forget(engine, &grants[i]);
	return start;
}

static void measure(double *raw, double *one, double *all, double *adaptive)
{
	struct ration__guard *simple = open_guard("one", 0), *full = open_guard("all", 1),
			     *learned = open_guard("adaptive", 2);
	struct ration__keyset *ones[KEYS], *fulls, *learns;
	struct ration__grant grant = {0}, other = {0};
	struct ration__ask ask;

	for (int i = 0; i < KEYS; i++) {
		char name[24];
		struct ration__pair key = {"tenant", name};

		snprintf(name, sizeof(name), "key-%02d", i);
		need(ration__keyset_new(simple, &key, 1, &ones[i], NULL) == 0, "keyset");
	}
	need(ration__keyset_new(full, NULL, 0, &fulls, NULL) == 0, "keyset");
	need(ration__keyset_new(learned, NULL, 0, &learns, NULL) == 0, "keyset");
	/* the ledger is read once, before */
	need(ration__guard_acquire(fulls, NULL, 0, 0, &grant, 0, &ask) == 0, "quota");
	need(ration__guard_acquire(learns, NULL, 0, 0, &other, 0, &ask) == 0, "quota");
	for (int r = 0; r < ROUNDS; r++) {
		double start;

		live_in(r);
		start = now_s();
		for (int i = 0; i < LOOPS; i++)
			raw_once(i);
		raw[r] = (now_s() - start) / LOOPS * 1e6;
		one[r] = 0;
		for (int i = 0; i < LOOPS / KEYS; i++)
			one[r] += decide_stretch(ones) / LOOPS * 1e6;
		start = now_s();
		for (int i = 0; i < LOOPS; i++)
			decide_all(fulls);
		all[r] = (now_s() - start) / LOOPS * 1e6;
		start = now_s();
		for (int i = 0; i < LOOPS; i++)
			decide_all(learns);
		adaptive[r] = (now_s() - start) / LOOPS * 1e6;
	}
	ration__grant_forget(engine, &grant);
	ration__grant_forget(engine, &other);
	for (int i = 0; i < KEYS; i++)
		ration__keyset_unref(ones[i]);
	ration__keyset_unref(fulls);
	ration__keyset_unref(learns);
	ration__guard_close(simple);
	ration__guard_close(full);
	ration__guard_close(learned);
}

int main(int argc, char **argv)
{
	double raw[ROUNDS], one[ROUNDS], all[ROUNDS], adaptive[ROUNDS];
	char dir[] = "/tmp/ration-bench-XXXXXX", store[64], command[96];
	struct ration__engine_options options = {0};
	ration_error *err = NULL;

	need(mkdtemp(dir) != NULL, "mkdtemp");
	raw_open(dir);
	snprintf(store, sizeof(store), "%s/store", dir);
	options.store.path = store;
	need(ration__engine_open(&options, &engine, &err) == 0, ration_error_text(err));
	measure(raw, one, all, adaptive);
	ration__engine_close(engine);
	mdb_env_close(raw_env);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	need(system(command) == 0, "cleaning up");
	if (argc > 1 && strcmp(argv[1], "--json") == 0)
		printf("{\"raw_us\":%.3f,\"decision_us\":%.3f,\"decision_ratio\":%.2f,"
		       "\"all_us\":%.3f,\"all_ratio\":%.2f,"
		       "\"adaptive_us\":%.3f,\"adaptive_ratio\":%.2f}\n",
			median(raw), median(one), median(one) / median(raw), median(all),
			median(all) / median(raw), median(adaptive),
			median(adaptive) / median(raw));
	else
		printf("raw LMDB transaction        %7.3f us\n"
		       "one decision, one limit     %7.3f us  %5.2f of raw (goal 1.5)\n"
		       "all policies, and settled   %7.3f us  %5.2f of raw (goal 3)\n"
		       "all, the rate learned       %7.3f us  %5.2f of raw\n",
			median(raw), median(one), median(one) / median(raw), median(all),
			median(all) / median(raw), median(adaptive),
			median(adaptive) / median(raw));
	return 0;
}
