/* Time zones against the C library's, and dates against a calendar that counts day by day. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <ration/error.h>
#include "base/date.h"
#include "base/util.h"
#include "base/zone.h"
#include "base/zone_rule.h"

#define DAY INT64_C(86400)

/* Criterion alone does not fail on leaks. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);
static void check_leaks(void)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		abort();
}

TestSuite(date, .fini = check_leaks);
TestSuite(zone, .fini = check_leaks);

Test(date, days_are_counted_as_a_calendar_on_the_wall_does)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t days = ration__date_days(-401, 1, 1);

	for (int64_t year = -401; year < 2801; year++)
		for (int month = 1; month <= 12; month++) {
			bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
			int length = lengths[month - 1] + (month == 2 && leap);

			for (int day = 1; day <= length; day++, days++) {
				int64_t y;
				int m, d;

				cr_assert_eq(ration__date_days(year, month, day), days, "%ld-%d-%d",
					(long)year, month, day);
				ration__date_of(days, &y, &m, &d);
				cr_assert(y == year && m == month && d == day, "%ld-%d-%d",
					(long)year, month, day);
			}
		}
	cr_assert_eq(ration__date_days(1970, 1, 1), 0);
	cr_assert_eq(ration__date_days(2000, 3, 1), 11017);
	cr_assert_eq(ration__date_days(2023, 12, 32), ration__date_days(2024, 1, 1));
}

static struct ration__zone *load(const char *name)
{
	struct ration__zone *zone = NULL;

	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
		cr_skip_test("no zone database here");
	cr_assert_eq(ration__zone_load(name, &zone), 0, "%s", name);
	return zone;
}

static int32_t library_offset(int64_t utc_s)
{
	time_t at = (time_t)utc_s;
	struct tm tm;

	localtime_r(&at, &tm);
	return (int32_t)tm.tm_gmtoff;
}

Test(zone, offsets_are_those_of_the_c_library)
{
	static const char *const names[] = {"Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata",
		"Australia/Lord_Howe", "America/New_York", "Europe/Dublin", "Africa/Casablanca",
		"Asia/Gaza", "Pacific/Apia", "America/St_Johns", "Antarctica/Troll", "Asia/Tehran",
		"Etc/GMT+5", "UTC"};

	for (size_t i = 0; i < RATION__COUNT(names); i++) {
		struct ration__zone *zone = load(names[i]);
		int32_t before = ration__zone_offset(zone, 0);

		setenv("TZ", names[i], 1);
		tzset();
		/* a step that meets every time of the day; and where it turns, to the second */
		for (int64_t at = 0; at < ration__date_days(2100, 1, 1) * DAY;
			at += 6 * 3600 - 61) {
			int32_t offset = ration__zone_offset(zone, at);

			cr_assert_eq(offset, library_offset(at), "%s at %ld", names[i], (long)at);
			if (offset == before)
				continue;
			before = offset;
			for (int64_t near = at - 6 * 3600; near < at; near += 7)
				cr_assert_eq(ration__zone_offset(zone, near), library_offset(near),
					"%s at %ld", names[i], (long)near);
		}
		ration__zone_free(zone);
	}
}

Test(zone, a_rule_holds_for_ever)
{
	struct ration__zone *zone = load("Europe/Berlin");

	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	for (int64_t year = 2100; year < 4000; year += 7) /* the fold is in there twice */
		for (int month = 1; month <= 12; month++) {
			int64_t at = ration__date_days(year, month, 26) * DAY + 5;

			cr_assert_eq(ration__zone_offset(zone, at), library_offset(at), "%ld-%d",
				(long)year, month);
		}
	ration__zone_free(zone);
}

Test(zone, the_first_time_that_a_clock_shows)
{
	static const struct {
		const char *zone;
		int64_t around_s;
	} places[] = {
		{"Europe/Berlin", INT64_C(1711846800)},	      /* 2024-03-31: 02 becomes 03 */
		{"Europe/Berlin", INT64_C(1729990800)},	      /* 2024-10-27: 03 becomes 02 */
		{"America/Sao_Paulo", INT64_C(1541300400)},   /* 2018-11-04: no midnight */
		{"America/Sao_Paulo", INT64_C(1550368800)},   /* 2019-02-17: 00 becomes 23 */
		{"America/St_Johns", INT64_C(1256956260)},    /* 2009-11-01: 00:01 becomes 23:01 */
		{"Australia/Lord_Howe", INT64_C(1712415600)}, /* 2024-04-07: half an hour */
		{"Pacific/Apia", INT64_C(1325239200)},	      /* 2011-12-30: no such day */
		{"Europe/Berlin", INT64_C(15000000000)},      /* 2445, behind the fold */
	};

	for (size_t i = 0; i < RATION__COUNT(places); i++) {
		struct ration__zone *zone = load(places[i].zone);
		int64_t from = places[i].around_s - 3 * DAY, seen = INT64_MIN;

		/* what the clock shows beyond all that it showed before, it shows first now */
		for (int64_t at = from; at < places[i].around_s + 3 * DAY; at += 30) {
			int64_t local = at + ration__zone_offset(zone, at);
			int64_t first = ration__zone_first(zone, local);

			if (local > seen && seen != INT64_MIN)
				cr_assert_eq(first, at, "%s at %ld", places[i].zone, (long)at);
			else if (seen != INT64_MIN)
				cr_assert_lt(first, at, "%s at %ld", places[i].zone, (long)at);
			for (int64_t gap = seen + 30; seen != INT64_MIN && gap < local; gap += 30)
				cr_assert_eq(ration__zone_first(zone, gap), at, "%s gap %ld",
					places[i].zone, (long)gap);
			seen = ration__max64(seen, local);
		}
		ration__zone_free(zone);
	}
	cr_assert_eq(ration__zone_first(NULL, 77), 77);
	cr_assert_eq(ration__zone_offset(NULL, 77), 0);
}

Test(zone, names_are_no_paths)
{
	static const char *const bad[] = {"", "/etc/passwd", "../../../etc/passwd", "Europe/../UTC",
		"./UTC", "Europe//Berlin", "Europe/", "Europe", "Mars/Olympus", "Europe/.hidden"};
	struct ration__zone *zone = NULL;
	char long_name[5000];

	for (size_t i = 0; i < RATION__COUNT(bad); i++)
		cr_assert_eq(ration__zone_load(bad[i], &zone), RATION_EINVAL, "%s", bad[i]);
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = 0;
	cr_assert_eq(ration__zone_load(long_name, &zone), RATION_EINVAL);
	if (access("/usr/share/zoneinfo/zone.tab", R_OK) == 0)
		cr_assert_eq(ration__zone_load("zone.tab", &zone), RATION_EIO);
	cr_assert_null(zone, "untouched on failure");
	cr_assert_eq(ration__zone_load("UTC", &zone), 0, "needs no file");
	ration__zone_free(zone);
	ration__zone_free(NULL);
}

Test(zone, rules_as_they_are_written)
{
	struct ration__zone_rule rule;

	cr_assert(ration__zone_rule_parse("CET-1CEST,M3.5.0,M10.5.0/3", &rule));
	cr_assert(rule.standard_s == 3600 && rule.summer_s == 7200 && rule.summer);
	cr_assert_eq(ration__zone_turn_local(&rule.begins, 2024),
		ration__date_days(2024, 3, 31) * DAY + 7200);
	cr_assert_eq(ration__zone_turn_local(&rule.ends, 2024),
		ration__date_days(2024, 10, 27) * DAY + 10800);
	cr_assert(ration__zone_rule_parse("<+0330>-3:30", &rule));
	cr_assert(rule.standard_s == 12600 && !rule.summer);
	cr_assert(ration__zone_rule_parse("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", &rule));
	cr_assert(rule.standard_s == -7200 && rule.summer_s == -3600);
	cr_assert_eq(ration__zone_turn_local(&rule.begins, 2024),
		ration__date_days(2024, 3, 30) * DAY + 23 * 3600);
	cr_assert(ration__zone_rule_parse("IST-1GMT0,M10.5.0,M3.5.0/1", &rule));
	cr_assert(rule.standard_s == 3600 && rule.summer_s == 0);
	cr_assert(ration__zone_rule_parse("EST5EDT4:30:15,J60/0,365/24:00:01", &rule));
	cr_assert_eq(rule.summer_s, -(4 * 3600 + 30 * 60 + 15));
	cr_assert_eq(ration__zone_turn_local(&rule.begins, 2024), /* J60 is March 1 in any year */
		ration__date_days(2024, 3, 1) * DAY);
	cr_assert_eq(ration__zone_turn_local(&rule.ends, 2024), /* the 366th day */
		ration__date_days(2024, 12, 31) * DAY + DAY + 1);
	static const char *const bad[] = {"", "5", "CET", "CET-", "CET-25", "<CET-1", "CET-1CEST",
		"CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
		"CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.0.0,M10.5.0", "CET-1CEST,J0,J5",
		"CET-1CEST,366,5", "CET-1CEST,M3.5.0/168,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0 ",
		"CET-1:60", "CET-99999999999999999999"};

	for (size_t i = 0; i < RATION__COUNT(bad); i++)
		cr_assert_not(ration__zone_rule_parse(bad[i], &rule), "%s", bad[i]);
}
