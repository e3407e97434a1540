/* Units, buffers and tokens. */
#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <ration/error.h>
#include "base/buffer.h"
#include "base/clock.h"
#include "base/token.h"
#include "base/units.h"
#include "base/util.h"

/* Criterion alone does not fail on leaks. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);
static void check_leaks(void)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		abort();
}

TestSuite(units, .fini = check_leaks);
TestSuite(buffer, .fini = check_leaks);
TestSuite(token, .fini = check_leaks);

#define S RATION__NS_PER_S

static const struct {
	const char *text;
	int64_t ns;
	const char *written; /* NULL: the same */
} durations[] = {
	{"0", 0, "0s"},
	{"0s", 0, NULL},
	{"1ns", 1, NULL},
	{"250ms", 250 * RATION__NS_PER_MS, NULL},
	{"30s", 30 * S, NULL},
	{"1.5s", S + S / 2, "1s500ms"},
	{"2m", 120 * S, NULL},
	{"2min", 120 * S, "2m"},
	{"90s", 90 * S, "1m30s"},
	{"24h", 24 * 3600 * S, "1d"},
	{"7d", 7 * 24 * 3600 * S, NULL},
	{"1h30m", 5400 * S, NULL},
	{"0.000000001s", 1, "1ns"},
	{"1.50000000000000000000s", S + S / 2, "1s500ms"},
	{"0.5d", 12 * 3600 * S, "12h"},
	{"36525d", INT64_C(3155760000) * S, NULL},
	{"1d2h3m4s5ms6us7ns", 93784 * S + 5006007, NULL},
};

Test(units, durations_are_read_and_written)
{
	for (size_t i = 0; i < RATION__COUNT(durations); i++) {
		const char *written =
			durations[i].written ? durations[i].written : durations[i].text;
		int64_t ns = -1;
		char out[64];

		cr_expect_eq(
			ration__parse_duration(durations[i].text, &ns), 0, "%s", durations[i].text);
		cr_expect_eq(ns, durations[i].ns, "%s: %lld", durations[i].text, (long long)ns);
		cr_expect_eq(ration__format_duration(out, sizeof(out), ns), (int)strlen(written));
		cr_expect_str_eq(out, written);
		cr_expect_eq(ration__parse_duration(out, &ns), 0);
		cr_expect_eq(ns, durations[i].ns);
	}
}

Test(units, what_is_no_duration_is_refused)
{
	static const char *const bad[] = {"", " ", "1", "s", "-1s", "+1s", "1 s", "1s ", " 1s",
		"1.s", ".5s", "1.5", "1e3s", "0x1s", "1sec", "1S", "1M", "30m1h", "1m1m", "1m2min",
		"1.5h30m", "0.1ns", "0.0000000001s", "1.00000000001s", "36525d1ns", "36526d", "1w",
		"99999999999999999999s", "9223372036854775807ns", "1h30", "00", "1s\n",
		"1\xc2\xb5s"};

	for (size_t i = 0; i < RATION__COUNT(bad); i++) {
		int64_t ns = 77;

		cr_expect_eq(ration__parse_duration(bad[i], &ns), RATION_EINVAL, "'%s'", bad[i]);
		cr_expect_eq(ns, 77, "output touched by '%s'", bad[i]);
	}
}

Test(units, rates_are_read_and_written)
{
	static const struct {
		const char *text;
		double count;
		int64_t period_ns;
		const char *written;
	} rates[] = {
		{"3/s", 3, S, "3/s"},
		{"180/min", 180, 60 * S, "180/min"},
		{"60/m", 60, 60 * S, "60/min"},
		{"1000/24h", 1000, 86400 * S, "1000/d"},
		{"0.5/s", 0.5, S, "0.5/s"},
		{"10/500ms", 10, S / 2, "10/500ms"},
		{"7/1h30m", 7, 5400 * S, "7/1h30m"},
		{"1e3/h", 1000, 3600 * S, "1000/h"},
		{"0.1/s", 0.1, S, "0.1/s"},
	};

	for (size_t i = 0; i < RATION__COUNT(rates); i++) {
		struct ration__rate rate = {0};
		char out[64];

		cr_expect_eq(ration__parse_rate(rates[i].text, &rate), 0, "%s", rates[i].text);
		cr_expect(rate.count == rates[i].count && rate.period_ns == rates[i].period_ns,
			"%s", rates[i].text);
		ration__format_rate(out, sizeof(out), &rate);
		cr_expect_str_eq(out, rates[i].written);
	}
}

Test(units, what_is_no_rate_is_refused)
{
	static const char *const bad[] = {"", "3", "/s", "3/", "3 per sec", "3/sec", "0/s", "-1/s",
		"3/0s", "3/0", "3/1", "3 /s", "3/ s", "nan/s", "inf/s", "0x10/s", "1e400/s", "3//s",
		"3/s/s", "11111111111111111111111111111111111111111111/s"};

	for (size_t i = 0; i < RATION__COUNT(bad); i++) {
		struct ration__rate rate = {.count = 77};

		cr_expect_eq(ration__parse_rate(bad[i], &rate), RATION_EINVAL, "'%s'", bad[i]);
		cr_expect(rate.count == 77, "output touched by '%s'", bad[i]);
	}
}

Test(units, sizes_are_read_and_written)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		const char *written;
	} sizes[] = {
		{"0", 0, "0"},
		{"512", 512, "512"},
		{"512B", 512, "512"},
		{"64KiB", 65536, "64KiB"},
		{"16MiB", 16777216, "16MiB"},
		{"1024KiB", 1048576, "1MiB"},
		{"1MB", 1000000, "1000000"},
		{"2kB", 2000, "2000"},
		{"3GiB", UINT64_C(3) << 30, "3GiB"},
		{"18446744073709551615", UINT64_MAX, "18446744073709551615"},
	};
	static const char *const bad[] = {"", "B", "-1", "1.5MiB", "1 MiB", "1Mib", "1M", "1mib",
		"18446744073709551616", "16777216TiB", "0x10", "1MiBB"};
	uint64_t bytes;
	char out[32];

	for (size_t i = 0; i < RATION__COUNT(sizes); i++) {
		cr_expect_eq(ration__parse_size(sizes[i].text, &bytes), 0, "%s", sizes[i].text);
		cr_expect_eq(bytes, sizes[i].bytes, "%s", sizes[i].text);
		ration__format_size(out, sizeof(out), bytes);
		cr_expect_str_eq(out, sizes[i].written);
	}
	for (size_t i = 0; i < RATION__COUNT(bad); i++)
		cr_expect_eq(ration__parse_size(bad[i], &bytes), RATION_EINVAL, "'%s'", bad[i]);
}

Test(units, numbers)
{
	static const char *const bad[] = {"", "-", ".5", "5.", "1e", "1e+", "0x1", "inf", "nan",
		" 1", "1 ", "1,5", "1e999", "--1", "+1", "1_000"};
	static const double round[] = {0, 1, 3, 0.5, 0.1, 1.0 / 3, 1e-9, 123456789012345, 1e15,
		1e300, 5e-324, -2.5, 9007199254740993.0};
	double number;
	char out[64];

	for (size_t i = 0; i < RATION__COUNT(bad); i++)
		cr_expect_eq(ration__parse_number(bad[i], &number), RATION_EINVAL, "'%s'", bad[i]);
	for (size_t i = 0; i < RATION__COUNT(round); i++) {
		ration__format_number(out, sizeof(out), round[i]);
		cr_expect_eq(ration__parse_number(out, &number), 0, "%s", out);
		cr_expect(number == round[i], "%s", out);
	}
	ration__format_number(out, sizeof(out), 0.1);
	cr_expect_str_eq(out, "0.1");
	ration__format_number(out, sizeof(out), 1000000);
	cr_expect_str_eq(out, "1000000");
}

Test(units, the_programs_locale_does_not_matter)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"};
	const char *had = NULL;
	double number = 0;
	char out[32];

	for (size_t i = 0; i < RATION__COUNT(names) && !had; i++)
		had = setlocale(LC_ALL, names[i]);
	if (!had)
		cr_skip_test("no locale with a decimal comma here");
	cr_assert_eq(ration__parse_number("1.5", &number), 0);
	cr_assert(number == 1.5);
	ration__format_number(out, sizeof(out), 1.5);
	cr_assert_str_eq(out, "1.5");
	cr_assert_str_eq(setlocale(LC_ALL, NULL), had);
}

Test(units, unsigned_numbers_and_words)
{
	uint64_t number = 0;
	int value = -1;

	cr_expect_eq(ration__parse_uint("0", 0, &number), 0);
	cr_expect_eq(ration__parse_uint("18446744073709551615", UINT64_MAX, &number), 0);
	cr_expect_eq(number, UINT64_MAX);
	cr_expect_eq(
		ration__parse_uint("18446744073709551616", UINT64_MAX, &number), RATION_EINVAL);
	cr_expect_eq(ration__parse_uint("7", 6, &number), RATION_EINVAL);
	cr_expect_eq(ration__parse_uint("5", 4, &number), RATION_EINVAL);
	cr_expect_eq(ration__parse_uint("10", 9, &number), RATION_EINVAL);
	cr_expect_eq(ration__parse_uint("", 6, &number), RATION_EINVAL);
	cr_expect_eq(ration__parse_uint("-1", 6, &number), RATION_EINVAL);
	cr_expect_eq(ration__parse_uint("1.0", 6, &number), RATION_EINVAL);
	cr_expect_eq(ration__parse_bool("on", &value), 0);
	cr_expect_eq(value, 1);
	cr_expect_eq(ration__parse_bool("no", &value), 0);
	cr_expect_eq(value, 0);
	cr_expect_eq(ration__parse_bool("1", &value), RATION_EINVAL);
}

Test(units, durations_for_people)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{-1, "0 s"},
		{0, "0 s"},
		{1, "1 ms"},
		{99 * RATION__NS_PER_MS, "99 ms"},
		{100 * RATION__NS_PER_MS, "0.1 s"},
		{800 * RATION__NS_PER_MS, "0.8 s"},
		{801 * RATION__NS_PER_MS, "0.9 s"},
		{S, "1 s"},
		{4100 * RATION__NS_PER_MS, "4.1 s"},
		{9901 * RATION__NS_PER_MS, "10 s"},
		{59 * S + 1, "1 min"},
		{250 * S, "4 min 10 s"},
		{60 * S, "1 min"},
		{3599 * S + 1, "1 h"},
		{7500 * S, "2 h 5 min"},
		{7200 * S, "2 h"},
		{86399 * S, "1 d"},
		{100 * 3600 * S, "4 d 4 h"},
		{48 * 3600 * S, "2 d"},
	};
	char out[64];

	for (size_t i = 0; i < RATION__COUNT(cases); i++) {
		ration__format_duration_human(out, sizeof(out), cases[i].ns);
		cr_expect_str_eq(out, cases[i].text);
	}
}

Test(buffer, grows_and_is_always_terminated)
{
	struct ration__buffer buffer;
	size_t length = 0;
	char *text;

	ration__buffer_init(&buffer, 0);
	for (int i = 0; i < 1000; i++) {
		ration__buffer_printf(&buffer, "%d,", i);
		cr_assert_eq(strlen(buffer.data), buffer.length);
	}
	cr_assert_not(buffer.failed);
	cr_assert_eq(buffer.length, 10 * 2 + 90 * 3 + 900 * 4);
	text = ration__buffer_take(&buffer, &length);
	cr_assert_not_null(text);
	cr_assert_eq(length, strlen(text));
	cr_assert_null(buffer.data);
	free(text);
	text = ration__buffer_take(&buffer, &length); /* nothing was appended: an empty text */
	cr_assert_str_eq(text, "");
	cr_assert_eq(length, 0);
	free(text);
}

Test(buffer, above_its_limit_nothing_more_is_appended)
{
	struct ration__buffer buffer;

	ration__buffer_init(&buffer, 8);
	ration__buffer_puts(&buffer, "12345678");
	cr_assert_not(buffer.failed);
	ration__buffer_putc(&buffer, '9');
	cr_assert(buffer.failed);
	cr_assert_str_eq(buffer.data, "12345678");
	ration__buffer_append(&buffer, "", 0);
	cr_assert(buffer.failed);
	ration__buffer_clear(&buffer);
	ration__buffer_printf(&buffer, "%s", "again");
	cr_assert_str_eq(buffer.data, "again");
	ration__buffer_printf(&buffer, "%s", "far too long");
	cr_assert_null(ration__buffer_take(&buffer, NULL));
	cr_assert_null(buffer.data);
}

Test(buffer, json_strings)
{
	static const struct {
		const char *in;
		size_t length;
		const char *out;
	} cases[] = {
		{"plain", 5, "\"plain\""},
		{"\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
		{"\0\x1f\x7f", 3, "\"\\u0000\\u001f\x7f\""},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
			"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"a\xff"
		 "b",
			3,
			"\"a\xef\xbf\xbd"
			"b\""},
		{"\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xe0\x80\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xe2\x82\xac", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
		{"x\xe2\x82", 3, "\"x\xef\xbf\xbd\xef\xbf\xbd\""},
		{"", 0, "\"\""},
	};
	struct ration__buffer buffer;

	ration__buffer_init(&buffer, 0);
	for (size_t i = 0; i < RATION__COUNT(cases); i++) {
		ration__buffer_clear(&buffer);
		ration__buffer_json_string(&buffer, cases[i].in, cases[i].length);
		cr_expect_str_eq(buffer.data, cases[i].out);
	}
	ration__buffer_fini(&buffer);
}

Test(token, a_header_cannot_start_another_line)
{
	for (int c = 1; c < 256; c++) {
		char value[] = {'a', (char)c, 'b', '\0'};

		cr_expect_eq(ration__header_value_ok(value), (c >= ' ' || c == '\t') && c != 0x7f,
			"%d", c);
		cr_expect_eq(ration__header_name_ok(value),
			c < 0x80 && (strchr("!#$%&'*+-.^_`|~", c) || (c >= '0' && c <= '9') ||
					    ((c | 32) >= 'a' && (c | 32) <= 'z')),
			"%d", c);
	}
	cr_expect_not(ration__header_name_ok(""));
	cr_expect(ration__header_value_ok(""));
	cr_expect_not(ration__header_value_ok(" a"));
	cr_expect_not(ration__header_value_ok("a\t"));
}

Test(token, credentials_are_known_by_name)
{
	static const char *const secret[] = {"Authorization", "PROXY-AUTHORIZATION", "Cookie",
		"Set-Cookie", "X-Api-Key", "apikey", "X-Auth-Token", "X-Amz-Security-Token"};
	static const char *const open[] = {"Accept", "Notion-Version", "User-Agent", "X-Key", ""};

	for (size_t i = 0; i < RATION__COUNT(secret); i++)
		cr_expect(ration__header_name_secret(secret[i]), "%s", secret[i]);
	for (size_t i = 0; i < RATION__COUNT(open); i++)
		cr_expect_not(ration__header_name_secret(open[i]), "%s", open[i]);
}
