/* What of the test server curl cannot show: the cache's limits in time and number, the timers'
 * order, text that is no JSON as it stands, enforced limits by a clock that is made up. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testserver/idempotency.h"
#include "testserver/limits.h"
#include "testserver/text.h"
#include "testserver/timers.h"

/* Criterion alone does not fail on leaks. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);
static void check_leaks(void)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		abort();
}

TestSuite(testserver_cache, .fini = check_leaks);
TestSuite(testserver_timers, .fini = check_leaks);
TestSuite(testserver_text, .fini = check_leaks);
TestSuite(testserver_limits, .fini = check_leaks);

/* ---- idempotency ---- */

static const int64_t SECOND = INT64_C(1000000000);

/* A thousand entries are too much for the stack of some; each test is a process of its own. */
static struct ts_idempotency cache;

struct uuid {
	char text[TS_UUID_SIZE];
};

static struct uuid get(const char *key, int64_t now_ns)
{
	struct uuid uuid;

	cr_assert(ts__idempotency_get(&cache, key, now_ns, uuid.text));
	return uuid;
}

static struct uuid get_numbered(int number)
{
	char key[32];

	snprintf(key, sizeof(key), "key-%d", number);
	return get(key, 0);
}

static bool same(struct uuid a, struct uuid b)
{
	return strcmp(a.text, b.text) == 0;
}

Test(testserver_cache, R23_an_id_lives_300_seconds_from_its_making)
{
	ts__idempotency_init(&cache);
	struct uuid first = get("a", 0);

	cr_expect(same(get("a", 200 * SECOND), first));
	cr_expect(same(get("a", 300 * SECOND - 1), first), "being asked does not renew it");
	struct uuid second = get("a", 300 * SECOND);
	cr_expect_not(same(second, first));
	cr_expect(same(get("a", 599 * SECOND), second));
	cr_expect_not(same(get("a", 600 * SECOND), second));
}

Test(testserver_cache, R23_the_least_recently_used_of_1000_goes)
{
	static struct uuid made[TS_IDEMPOTENCY_ENTRIES];

	ts__idempotency_init(&cache);
	for (int i = 0; i < TS_IDEMPOTENCY_ENTRIES; i++)
		made[i] = get_numbered(i);
	for (int i = 0; i < TS_IDEMPOTENCY_ENTRIES; i++)
		cr_assert(same(get_numbered(i), made[i]), "entry %d is lost", i);

	cr_assert(same(get_numbered(0), made[0]));
	get("newcomer", 0);
	cr_expect(same(get_numbered(0), made[0]), "used a moment ago");
	cr_expect(same(get_numbered(2), made[2]), "only one had to go");
	cr_expect_not(same(get_numbered(1), made[1]), "the oldest had to go");
}

Test(testserver_cache, R23_many_ids_pass_through)
{
	ts__idempotency_init(&cache);
	for (int i = 0; i < 50000; i++) {
		struct uuid made = get_numbered(i);
		cr_assert(same(get_numbered(i), made));
		if (i >= TS_IDEMPOTENCY_ENTRIES)
			cr_assert_eq(cache.count, TS_IDEMPOTENCY_ENTRIES);
	}
	struct uuid last = get_numbered(49999 - (TS_IDEMPOTENCY_ENTRIES - 1));
	cr_expect(same(get_numbered(49999 - (TS_IDEMPOTENCY_ENTRIES - 1)), last));
}

Test(testserver_cache, R23_keys)
{
	char key[TS_IDEMPOTENCY_KEY_MAX + 2];
	char uuid[TS_UUID_SIZE] = "untouched";

	ts__idempotency_init(&cache);
	cr_expect_not(same(get(NULL, 0), get(NULL, 0)));
	cr_expect(same(get("", 0), get("", 0)));
	memset(key, 'k', sizeof(key));
	key[TS_IDEMPOTENCY_KEY_MAX + 1] = '\0';
	cr_expect_not(ts__idempotency_get(&cache, key, 0, uuid));
	cr_expect_str_eq(uuid, "untouched");
	key[TS_IDEMPOTENCY_KEY_MAX] = '\0';
	cr_expect(same(get(key, 0), get(key, 0)));
}

/* ---- timers ---- */

enum { TIMERS = 64 };

/* Against a naive model: the earliest by looking at all of them. */
Test(testserver_timers, the_earliest_is_first_whatever_comes_and_goes)
{
	struct ts_timers timers = {0};
	struct ts_timer all[TIMERS] = {{0}};
	unsigned random = 1;

	for (int step = 0; step < 20000; step++) {
		random = random * 1103515245u + 12345u;
		struct ts_timer *timer = &all[(random >> 8) % TIMERS];
		if (timer->place)
			ts__timers_clear(&timers, timer);
		else
			cr_assert(ts__timers_set(&timers, timer, (random >> 16) % 50));

		const struct ts_timer *earliest = NULL;
		size_t set = 0;
		for (int i = 0; i < TIMERS; i++) {
			if (!all[i].place)
				continue;
			set++;
			if (!earliest || all[i].due_ns < earliest->due_ns)
				earliest = &all[i];
		}
		const struct ts_timer *first = ts__timers_first(&timers);
		cr_assert_eq(timers.count, set);
		cr_assert_eq(!first, !earliest);
		cr_assert(!first || first->due_ns == earliest->due_ns, "step %d", step);
	}
	ts__timers_fini(&timers);
}

Test(testserver_timers, clearing_what_is_not_set_does_nothing)
{
	struct ts_timers timers = {0};
	struct ts_timer timer = {0};

	ts__timers_clear(&timers, &timer);
	cr_expect_eq(timers.count, 0);
	cr_expect_null(ts__timers_first(&timers));
	ts__timers_fini(&timers);
}

/* ---- text ---- */

static void expect_json(const char *bytes, size_t length, const char *wanted)
{
	struct ts_text text = {0};

	ts__text_json(&text, bytes, length);
	cr_expect(text.length == strlen(wanted) && memcmp(text.data, wanted, text.length) == 0,
		"%.*s is not %s", (int)text.length, text.data, wanted);
	ts__text_fini(&text);
}

#define EXPECT_JSON(literal, wanted) expect_json(literal, sizeof(literal) - 1, wanted)

Test(testserver_text, json_strings)
{
	EXPECT_JSON("", "\"\"");
	EXPECT_JSON("plain / 'text'", "\"plain / 'text'\"");
	EXPECT_JSON("a\"b\\c", "\"a\\\"b\\\\c\"");
	EXPECT_JSON("\n\r\t", "\"\\n\\r\\t\"");
	EXPECT_JSON("a\0b\x1f\x7f", "\"a\\u0000b\\u001f\\u007f\"");
	EXPECT_JSON(
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

/* As Latin-1, byte by byte: overlong forms, surrogates, beyond the last, cut short, stray. */
Test(testserver_text, bytes_that_are_no_utf8)
{
	EXPECT_JSON("\xe9t\xe9", "\"\\u00e9t\\u00e9\"");
	EXPECT_JSON("\xc0\x80", "\"\\u00c0\\u0080\"");
	EXPECT_JSON("\xe0\x9f\xbf", "\"\\u00e0\\u009f\\u00bf\"");
	EXPECT_JSON("\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"");
	EXPECT_JSON("\xf0\x8f\xbf\xbf", "\"\\u00f0\\u008f\\u00bf\\u00bf\"");
	EXPECT_JSON("\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\"");
	EXPECT_JSON("\xe2\x82", "\"\\u00e2\\u0082\"");
	EXPECT_JSON("\xff", "\"\\u00ff\"");
}

Test(testserver_text, plain_or_not)
{
	cr_expect(ts__text_is_plain("a\tb\r\n\xc3\xa9", 7));
	cr_expect(ts__text_is_plain(NULL, 0));
	cr_expect_not(ts__text_is_plain("a\0", 2));
	cr_expect_not(ts__text_is_plain("\x7f", 1));
	cr_expect_not(ts__text_is_plain("\xc3", 1));
}

static void expect_base64(const char *bytes, size_t length, const char *wanted)
{
	struct ts_text text = {0};

	ts__text_base64(&text, bytes, length);
	cr_expect(text.length == strlen(wanted) && memcmp(text.data, wanted, text.length) == 0,
		"%.*s is not %s", (int)text.length, text.data, wanted);
	ts__text_fini(&text);
}

/* RFC 4648, section 10 */
Test(testserver_text, base64)
{
	expect_base64("f", 1, "Zg==");
	expect_base64("fo", 2, "Zm8=");
	expect_base64("foo", 3, "Zm9v");
	expect_base64("foobar", 6, "Zm9vYmFy");
	expect_base64("\xff\xef\xbe", 3, "/+++");
}

Test(testserver_text, grows_with_what_is_printed)
{
	struct ts_text text = {0};
	char long_word[1000];

	memset(long_word, 'w', sizeof(long_word) - 1);
	long_word[sizeof(long_word) - 1] = '\0';
	for (int i = 0; i < 10; i++)
		ts__text_printf(&text, "%s%d", long_word, i);
	cr_assert_eq(text.length, 10 * sizeof(long_word));
	for (size_t i = 0; i < 10; i++)
		cr_expect_eq(text.data[(i + 1) * sizeof(long_word) - 1], '0' + (char)i);
	ts__text_fini(&text);
}

/* ---- limits ---- */

static const int64_t MS = INT64_C(1000000);

static struct ts_limit_conf configuration[TS_LIMITS_MAX];
static struct ts_limits limits;
static struct ts_limits_answer answer;

/* Before any request. */
static void add_limit(enum ts_limit_kind kind, const char *spec)
{
	size_t count = limits.count;
	const char *wrong = ts__limit_read(kind, spec, &configuration[count]);

	cr_assert_null(wrong, "%s: %s", spec, wrong);
	ts__limits_init(&limits, configuration, count + 1);
}

/* The answer's wait in ms, rounded down; 0: allowed. */
static int64_t take_keyed(int64_t now_ns, double cost, const char *key)
{
	const char *const keys[TS_LIMITS_MAX] = {key, key, key, key};

	cr_assert(ts__limits_take(&limits, now_ns, cost, keys, &answer));
	cr_assert_eq(answer.refused_by < 0, answer.wait_ns == 0);
	return answer.wait_ns < 0 ? -1 : answer.wait_ns / MS;
}

static int64_t take(int64_t now_ns, double cost)
{
	return take_keyed(now_ns, cost, "");
}

Test(testserver_limits, a_bucket_gives_its_burst_and_then_its_rate)
{
	add_limit(TS_BUCKET, "100/s,burst=20");
	for (int i = 0; i < 20; i++)
		cr_assert_eq(take(0, 1), 0);
	cr_expect_eq(take(0, 1), 10);
	cr_expect_eq(take(5 * MS, 1), 5);
	cr_expect_eq(take(10 * MS, 1), 0, "when it said so; what was refused took nothing");
	cr_expect_neq(take(10 * MS, 1), 0);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(take(10 * SECOND, 1), 0);
	cr_expect_neq(take(10 * SECOND, 1), 0, "it never holds more than the burst");
	ts__limits_fini(&limits);
}

/* At a rate that no binary fraction hits. */
Test(testserver_limits, who_comes_when_he_was_told_to_is_let_in)
{
	int64_t now_ns = 0;

	add_limit(TS_BUCKET, "7/10s,burst=1");
	for (int i = 0; i < 60000; i++) {
		take(now_ns, 1);
		if (take(now_ns, 1) == 0)
			continue;
		int64_t told_ns = now_ns + answer.wait_ns;
		cr_assert_neq(take(told_ns - MS, 1), 0, "request %d is early", i);
		cr_assert_eq(take(told_ns, 1), 0, "request %d", i);
		now_ns = told_ns;
	}
	ts__limits_fini(&limits);
}

Test(testserver_limits, a_window_is_exact)
{
	add_limit(TS_WINDOW, "3/10s");
	cr_expect_eq(take(0, 1), 0);
	cr_expect_eq(take(4 * SECOND, 1), 0);
	cr_expect_eq(take(5 * SECOND, 1), 0);
	cr_expect_eq(take(5 * SECOND, 1), 5000);
	take(10 * SECOND - 1, 1);
	cr_expect_eq(answer.wait_ns, 1, "a nanosecond before the first ages out");
	cr_expect_eq(take(10 * SECOND, 1), 0);
	cr_expect_eq(take(10 * SECOND, 1), 4000);
	ts__limits_fini(&limits);
}

/* Against a naive model that adds up everything there ever was. */
Test(testserver_limits, a_window_of_costs_against_a_list)
{
	enum { REQUESTS = 3000 };
	static struct {
		int64_t t_ns;
		double cost;
	} sent[REQUESTS];
	size_t count = 0;
	int64_t now_ns = 0;
	unsigned random = 1;

	add_limit(TS_WINDOW, "1000/1m,count=cost");
	for (int step = 0; step < REQUESTS; step++) {
		random = random * 1103515245u + 12345u;
		/* Half seconds: many come the instant another ages out; dense ones at last. */
		bool dense = step > REQUESTS / 2;
		now_ns += (random >> 8) % 13 * 500 * MS / (dense ? 10 : 1);
		double cost = (random >> 20) % (dense ? 9 : 300);
		double used = 0;
		for (size_t i = 0; i < count; i++)
			used += sent[i].t_ns + 60 * SECOND > now_ns ? sent[i].cost : 0;
		bool allowed = take(now_ns, cost) == 0;
		cr_assert_eq(allowed, used + cost <= 1000, "step %d: %g and %g", step, used, cost);
		if (allowed) {
			sent[count].t_ns = now_ns;
			sent[count++].cost = cost;
			used += cost;
		}
		cr_assert_eq(answer.readings[0].remaining, (int64_t)(1000 - used));
	}
	cr_expect_gt(count, REQUESTS / 4);
	cr_expect_lt(count, REQUESTS);
	ts__limits_fini(&limits);
}

Test(testserver_limits, two_limits_take_together_or_not_at_all)
{
	add_limit(TS_WINDOW, "4/10s");
	add_limit(TS_WINDOW, "100/1m,count=cost,name=tokens");
	cr_expect_eq(take(0, 90), 0);
	for (int i = 0; i < 10; i++) {
		cr_expect_eq(take(SECOND, 11), 59000);
		cr_expect_eq(answer.refused_by, 1);
	}
	cr_expect_eq(answer.readings[0].remaining, 3, "what tokens refused is no request");
	for (int i = 0; i < 3; i++)
		cr_expect_eq(take(SECOND, 3), 0);
	cr_expect_eq(take(SECOND, 1), 9000);
	cr_expect_eq(answer.refused_by, 0);
	cr_expect_eq(take(SECOND, 2), 59000, "both refuse: the longer wait is said");
	cr_expect_eq(answer.refused_by, 1);
	cr_expect_eq(take(20 * SECOND, 101), -1, "never");
	cr_expect_eq(answer.refused_by, 1);
	cr_expect_eq(take(20 * SECOND, 1), 0);
	ts__limits_fini(&limits);
}

Test(testserver_limits, each_key_has_its_own)
{
	char key[32];

	add_limit(TS_BUCKET, "1/m,key=X-Tenant");
	for (int i = 0; i < TS_LIMIT_KEYS_MAX; i++) {
		snprintf(key, sizeof(key), "tenant-%d", i);
		cr_assert_eq(take_keyed(0, 1, key), 0);
		cr_assert_eq(take_keyed(0, 1, key), 60000);
	}
	const char *const one_more[] = {"one more"};
	answer.wait_ns = 7;
	cr_expect_not(ts__limits_take(&limits, 0, 1, one_more, &answer));
	cr_expect_eq(answer.wait_ns, 7, "untouched");
	ts__limits_reset(&limits);
	cr_expect_eq(take_keyed(0, 1, "one more"), 0);
	cr_expect_eq(take_keyed(0, 1, "tenant-0"), 0, "full again");
	ts__limits_fini(&limits);
}

Test(testserver_limits, what_the_fields_say)
{
	add_limit(TS_BUCKET, "10/s,burst=5");
	take(0, 1);
	cr_expect_eq(answer.readings[0].remaining, 4);
	cr_expect_eq(answer.readings[0].reset_ns / MS, 100, "until it is full");
	for (int i = 0; i < 4; i++)
		take(0, 1);
	take(50 * MS, 1);
	cr_expect_eq(answer.readings[0].remaining, 0);
	cr_expect_eq(answer.readings[0].reset_ns / MS, 50, "until there is one");
	ts__limits_fini(&limits);

	add_limit(TS_WINDOW, "2/10s");
	take(0, 1);
	take(3 * SECOND, 1);
	cr_expect_eq(answer.readings[0].remaining, 0);
	cr_expect_eq(answer.readings[0].reset_ns, 7 * SECOND);
	ts__limits_fini(&limits);
}

Test(testserver_limits, specifications)
{
	struct ts_limit_conf conf;

	cr_expect_null(ts__limit_read(TS_BUCKET, "0.5/s", &conf));
	cr_expect(conf.per_second == 0.5 && conf.max == 1, "a burst is at least 1");
	cr_expect(conf.status == 429 && conf.retry_after_s == TS_RETRY_AFTER_ON &&
		  conf.fields == TS_FIELDS_NONE && !conf.weighted && !conf.named && !*conf.header);
	cr_expect_str_eq(conf.name, "rate");
	cr_expect_null(ts__limit_read(TS_WINDOW,
		"90000/1m,count=cost,name=tokens,key=X-Tenant,answer=503,retry_after=7,"
		"fields=x-ratelimit",
		&conf));
	cr_expect(conf.max == 90000 && conf.window_ns == 60 * SECOND && conf.weighted &&
		  conf.named && conf.status == 503 && conf.retry_after_s == 7 &&
		  conf.fields == TS_FIELDS_X_RATELIMIT);
	cr_expect_str_eq(conf.name, "tokens");
	cr_expect_str_eq(conf.header, "X-Tenant");
	cr_expect_null(ts__limit_read(TS_BUCKET, "3/250ms,burst=2.5,retry_after=off", &conf));
	cr_expect(conf.per_second == 12 && conf.max == 2.5 &&
		  conf.retry_after_s == TS_RETRY_AFTER_OFF);

	static const char *const bad[] = {"", "5", "5/", "/s", "x/s", "-1/s", "0/s", "5/0s", "5/x",
		"5/s:2", "5/s,", "5/s,burst", "5/s,burst=", "5/s,burst=0.5", "5/s,burst=2x",
		"5/s,answer=500", "5/s,retry_after=", "5/s,retry_after=-1", "5/s,fields=all",
		"5/s,count=tokens", "5/s,key=", "5/s,key=a b", "5/s,name=\"", "5/s,burst=2,,",
		"5/s,name=a-name-that-is-longer-than-31-bytes", "5/s,colour=red", "1e13/s"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		conf.status = 7;
		cr_expect_not_null(ts__limit_read(TS_BUCKET, bad[i], &conf), "%s", bad[i]);
		cr_expect_eq(conf.status, 7, "untouched");
	}
	cr_expect_not_null(ts__limit_read(TS_WINDOW, "5/s,burst=2", &conf));
}
