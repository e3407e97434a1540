/* What of the test server curl cannot show: the cache's limits in time and number, the timers'
 * order, text that is no JSON as it stands. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testserver/idempotency.h"
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
