/*
 * One shared decision beside one raw LMDB transaction, in one run.
 *
 *   raw       begin, get and put one 96-byte record, commit, as LMDB alone would be used
 *             (WRITEMAP, NOSYNC, NOLOCK), 100 keys
 *   decision  ration__guard_transact with one ask: one rate limit, one key, one process
 *   all       one of each policy: rate, quota, breaker, concurrency limit, retry budget; admitted
 * and settled window    the same and a window of tokens beside adaptive  the same as all with a
 * rate that is learned
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

enum kind { ONE, ALL, WINDOW, ADAPTIVE, KINDS };

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
	rules->limit_count = !all ? 1 : all == WINDOW ? 3 : 2;
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
		rules->limits[1].window.window_ns = INT64_C(3650) * 86400 * RATION__NS_PER_S;
		/* nobody here writes the ledger in between, as the engine's thread does */
		rules->limits[1].durable_ns = 3600 * RATION__NS_PER_S;
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
		if (all == ADAPTIVE)
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

static const char *const names[KINDS] = {"one", "all", "window", "adaptive"};

static void measure(double times[KINDS + 1][ROUNDS])
{
	struct ration__guard *guards[KINDS];
	struct ration__keyset *ones[KEYS], *keysets[KINDS];
	struct ration__grant first[KINDS] = {0};
	struct ration__ask ask;

	for (int k = 0; k < KINDS; k++)
		guards[k] = open_guard(names[k], k);
	for (int i = 0; i < KEYS; i++) {
		char name[24];
		struct ration__pair key = {"tenant", name};

		snprintf(name, sizeof(name), "key-%02d", i);
		need(ration__keyset_new(guards[ONE], &key, 1, &ones[i], NULL) == 0, "keyset");
	}
	for (int k = ALL; k < KINDS; k++) {
		need(ration__keyset_new(guards[k], NULL, 0, &keysets[k], NULL) == 0, "keyset");
		/* the ledger is read once, before */
		need(ration__guard_acquire(keysets[k], NULL, 0, 0, &first[k], 0, &ask) == 0,
			"quota");
	}
	for (int r = 0; r < ROUNDS; r++) {
		double start;

		live_in(r);
		start = now_s();
		for (int i = 0; i < LOOPS; i++)
			raw_once(i);
		times[KINDS][r] = (now_s() - start) / LOOPS * 1e6;
		times[ONE][r] = 0;
		for (int i = 0; i < LOOPS / KEYS; i++)
			times[ONE][r] += decide_stretch(ones) / LOOPS * 1e6;
		for (int k = ALL; k < KINDS; k++) {
			start = now_s();
			for (int i = 0; i < LOOPS; i++)
				decide_all(keysets[k]);
			times[k][r] = (now_s() - start) / LOOPS * 1e6;
		}
	}
	for (int i = 0; i < KEYS; i++)
		ration__keyset_unref(ones[i]);
	for (int k = ALL; k < KINDS; k++) {
		ration__grant_forget(engine, &first[k]);
		ration__keyset_unref(keysets[k]);
	}
	for (int k = 0; k < KINDS; k++)
		ration__guard_close(guards[k]);
}

int main(int argc, char **argv)
{
	static const char *const texts[KINDS] = {"one decision, one limit",
		"all policies, and settled", "all, and a window of tokens",
		"all, the rate learned"};
	static const char *const goals[KINDS] = {" (goal 1.5)", " (goal 3)", "", ""};
	static double times[KINDS + 1][ROUNDS];
	double raw;
	char dir[] = "/tmp/ration-bench-XXXXXX", store[64], command[96];
	struct ration__engine_options options = {0};
	ration_error *err = NULL;

	need(mkdtemp(dir) != NULL, "mkdtemp");
	raw_open(dir);
	snprintf(store, sizeof(store), "%s/store", dir);
	options.store.path = store;
	need(ration__engine_open(&options, &engine, &err) == 0, ration_error_text(err));
	measure(times);
	ration__engine_close(engine);
	mdb_env_close(raw_env);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	need(system(command) == 0, "cleaning up");
	raw = median(times[KINDS]);
	if (argc > 1 && strcmp(argv[1], "--json") == 0) {
		printf("{\"raw_us\":%.3f", raw);
		for (int k = 0; k < KINDS; k++)
			printf(",\"%s_us\":%.3f,\"%s_ratio\":%.2f", k ? names[k] : "decision",
				median(times[k]), k ? names[k] : "decision",
				median(times[k]) / raw);
		printf("}\n");
	} else {
		printf("raw LMDB transaction        %7.3f us\n", raw);
		for (int k = 0; k < KINDS; k++)
			printf("%-27s %7.3f us  %5.2f of raw%s\n", texts[k], median(times[k]),
				median(times[k]) / raw, goals[k]);
	}
	return 0;
}
