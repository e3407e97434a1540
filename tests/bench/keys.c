/*
 * Many keys: what a record costs among a million random ones, and what is left of that afterwards.
 *
 *   record    ration__guard_transact with batches of 32 asks, each of another random key; the time
 *             of one ask, with and without what it takes to make its keyset
 *   ten keys  single asks of ten keys, in a fresh store and in one that has forgotten a million
 *
 * The store's clock is the bench's own, so that a million records are at rest at once.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/util.h"
#include "guard/guard.h"

#define RECORDS 1000000
#define BATCH 32
#define PROBES 400000 /* asks that are timed, at random */
#define TEN_LOOPS 200000
#define ROUNDS 9

static int64_t steady_ns = INT64_C(1000) * RATION__NS_PER_S;

static int64_t bench_clock(void *arg, enum ration_clock which)
{
	return which == RATION_CLOCK_STEADY ? steady_ns
					    : INT64_C(1700000000) * RATION__NS_PER_S + steady_ns;
}

static double cpu_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "keys: %s failed\n", what);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct bench {
	char path[64];
	struct ration__engine *engine;
	struct ration__guard *guard;
};

static void open_bench(struct bench *b, const char *dir, const char *name)
{
	struct ration__engine_options options = {0};
	struct ration__rules *rules = calloc(1, sizeof(*rules));
	ration_error *err = NULL;

	need(rules != NULL, "malloc");
	snprintf(b->path, sizeof(b->path), "%s/%s", dir, name);
	options.store.path = b->path;
	options.store.hot_bytes = UINT64_C(1) << 30;
	options.store.clock = (struct ration__clock){.fn = bench_clock};
	need(ration__engine_open(&options, &b->engine, &err) == 0, ration_error_text(err));
	snprintf(rules->service, sizeof(rules->service), "api");
	rules->limit_count = 1;
	snprintf(rules->limits[0].name, sizeof(rules->limits[0].name), "requests");
	snprintf(rules->limits[0].per[0], sizeof(rules->limits[0].per[0]), "tenant");
	rules->limits[0].kind = RATION__LIMIT_BUCKET;
	rules->limits[0].estimate = 1;
	rules->limits[0].bucket = (struct ration__bucket_conf){.rate = 1, .burst = 1e6};
	need(ration__guard_open(b->engine, rules, &b->guard, &err) == 0, ration_error_text(err));
	free(rules);
}

static void close_bench(struct bench *b)
{
	ration__guard_close(b->guard);
	ration__engine_close(b->engine);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void) /* xorshift64 (Marsaglia) */
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static struct ration__keyset *keyset_of(struct bench *b, uint64_t number)
{
	char name[24];
	struct ration__pair key = {"tenant", name};
	struct ration__keyset *keyset;

	/* spread: neighbours in number are none in the tree */
	snprintf(name, sizeof(name), "%016llx",
		(unsigned long long)(number * UINT64_C(0x9e3779b97f4a7c15)));
	need(ration__keyset_new(b->guard, &key, 1, &keyset, NULL) == 0, "keyset");
	return keyset;
}

/* Asks of BATCH keys in one transaction. Returns the transaction's time. */
static double ask_batch(struct bench *b, uint64_t numbers[BATCH])
{
	struct ration__keyset *keysets[BATCH];
	struct ration__grant grants[BATCH] = {0};
	struct ration__ask asks[BATCH];
	struct ration__batch batch = {.asks = asks, .ask_count = BATCH};
	double time;

	for (int i = 0; i < BATCH; i++) {
		keysets[i] = keyset_of(b, numbers[i]);
		asks[i] = (struct ration__ask){.keyset = keysets[i], .grant = &grants[i]};
	}
	time = cpu_s();
	need(ration__guard_transact(b->engine, &batch, -1) == 0, "transact");
	time = cpu_s() - time;
	for (int i = 0; i < BATCH; i++) {
		need(asks[i].decision == RATION__ADMITTED, "admission");
		ration__grant_forget(b->engine, &grants[i]);
		ration__keyset_unref(keysets[i]);
	}
	return time;
}

struct ten {
	struct bench *bench;
	struct ration__keyset *keysets[10]; /* their bursts last for all of it */
	double rounds[ROUNDS];
};

static void ten_round(struct ten *ten, int round)
{
	double start = cpu_s();

	for (int i = 0; i < TEN_LOOPS / ROUNDS; i++) {
		struct ration__grant grant = {0};
		struct ration__ask ask = {.keyset = ten->keysets[i % 10], .grant = &grant};
		struct ration__batch batch = {.asks = &ask, .ask_count = 1};

		need(ration__guard_transact(ten->bench->engine, &batch, -1) == 0, "transact");
		need(ask.decision == RATION__ADMITTED, "admission");
		ration__grant_forget(ten->bench->engine, &grant);
	}
	ten->rounds[round] = (cpu_s() - start) / (TEN_LOOPS / ROUNDS) * 1e6;
}

/* Rounds of both (b may be NULL) alternate; medians. */
static void ten_keys(struct bench *a, struct bench *b, double *of_a, double *of_b)
{
	struct ten tens[2] = {{.bench = a}, {.bench = b}};

	for (int n = 0; n < 2 && tens[n].bench; n++)
		for (int i = 0; i < 10; i++)
			tens[n].keysets[i] =
				keyset_of(tens[n].bench, UINT64_C(77000000) + (uint64_t)i);
	for (int r = 0; r < ROUNDS; r++)
		for (int n = 0; n < 2 && tens[n].bench; n++)
			ten_round(&tens[n], r);
	for (int n = 0; n < 2 && tens[n].bench; n++) {
		for (int i = 0; i < 10; i++)
			ration__keyset_unref(tens[n].keysets[i]);
		qsort(tens[n].rounds, ROUNDS, sizeof(*tens[n].rounds), compare);
		*(n ? of_b : of_a) = tens[n].rounds[ROUNDS / 2];
	}
}

/* Bytes of hot/ that were ever written since it was made. */
static double hot_mib(struct bench *b)
{
	char *json, *at;
	ration_error *err = NULL;
	double pages = 0;

	need(ration__engine_inspect(b->engine, "", &json, &err) == 0, ration_error_text(err));
	at = strstr(json, "\"written_bytes\":");
	if (at)
		pages = atof(at + strlen("\"written_bytes\":"));
	free(json);
	return pages / (1 << 20);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/ration-bench-XXXXXX", command[96];
	struct bench fresh, used;
	uint64_t numbers[BATCH];
	double record = 0, fill = 0, ten_fresh, ten_full, ten_swept, full_mib, swept_mib, fresh_mib;
	long commits = 0;

	need(mkdtemp(dir) != NULL, "mkdtemp");
	open_bench(&fresh, dir, "fresh");
	open_bench(&used, dir, "used");
	for (uint64_t n = 0; n < RECORDS;) {
		for (int i = 0; i < BATCH; i++)
			numbers[i] = n++;
		fill += ask_batch(&used, numbers);
	}
	for (long n = 0; n < PROBES; n += BATCH) {
		for (int i = 0; i < BATCH; i++)
			numbers[i] = next_random() % RECORDS;
		record += ask_batch(&used, numbers);
	}
	full_mib = hot_mib(&used);
	ten_keys(&used, NULL, &ten_full, NULL);
	/* all at rest; the sweep goes a little way with each transaction */
	steady_ns += INT64_C(100000000) * RATION__NS_PER_S;
	do {
		for (int i = 0; i < 1000; i++) {
			for (int k = 0; k < BATCH; k++)
				numbers[k] = UINT64_C(88000000) + (uint64_t)k;
			ask_batch(&used, numbers);
			steady_ns += 100 * RATION__NS_PER_S;
		}
		commits += 1000;
	} while (hot_mib(&used) > 2 && commits < 2000000);
	/* those that the sweep went along with are at rest as well: ten keys are left, as in the
	 * fresh one, where more would make a tree of two levels */
	steady_ns += INT64_C(100000) * RATION__NS_PER_S;
	ten_keys(&used, NULL, &ten_swept, NULL);
	ten_keys(&fresh, &used, &ten_fresh, &ten_swept);
	swept_mib = hot_mib(&used);
	fresh_mib = hot_mib(&fresh);
	close_bench(&fresh);
	close_bench(&used);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	need(system(command) == 0, "cleaning up");
	if (argc > 1 && strcmp(argv[1], "--json") == 0)
		printf("{\"record_us\":%.3f,\"fill_us\":%.3f,\"ten_keys_full_us\":%.3f,"
		       "\"ten_keys_swept_us\":%.3f,\"ten_keys_fresh_us\":%.3f,"
		       "\"ten_keys_ratio\":%.2f,\"hot_mib\":%.2f,\"hot_swept_mib\":%.2f,"
		       "\"hot_fresh_mib\":%.2f}\n",
			record / PROBES * 1e6, fill / RECORDS * 1e6, ten_full, ten_swept, ten_fresh,
			ten_swept / ten_fresh, full_mib, swept_mib, fresh_mib);
	else
		printf("a record among a million    %7.3f us (goal 2.5); making them %.3f us\n"
		       "ten keys beside the million %7.3f us\n"
		       "ten keys after the sweep    %7.3f us  %5.2f of a fresh store's %.3f us "
		       "(goal 1.2)\n"
		       "hot/ in use                 %7.2f MiB, swept %.2f MiB, fresh %.2f MiB\n",
			record / PROBES * 1e6, fill / RECORDS * 1e6, ten_full, ten_swept,
			ten_swept / ten_fresh, ten_fresh, full_mib, swept_mib, fresh_mib);
	return 0;
}
