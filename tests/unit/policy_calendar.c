/* Calendar windows: hours, days and months of real zones, whatever their clocks do. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/date.h"
#include "base/util.h"
#include "base/zone.h"
#include "policy/calendar.h"
#include "policy_dice.h"

#define HOUR (3600 * SEC)
#define UTC(year, month, day, hour, minute) \
	((ration__date_days(year, month, day) * 86400 + (hour)*3600 + (minute)*60) * SEC)

static struct ration__zone *load(const char *name)
{
	struct ration__zone *zone = NULL;

	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
		cr_skip_test("no zone database here");
	cr_assert_eq(ration__zone_load(name, &zone), 0, "%s", name);
	return zone;
}

static void expect(enum ration__calendar kind, const char *name, int64_t at_ns, int64_t start_ns,
	int64_t end_ns, int line)
{
	struct ration__zone *zone = load(name);
	const int64_t inside[] = {at_ns, start_ns, end_ns - 1};

	for (size_t i = 0; i < RATION__COUNT(inside); i++) {
		struct ration__period period = ration__calendar_period(kind, zone, inside[i]);

		cr_assert(period.start_ns == start_ns && period.end_ns == end_ns,
			"line %d: [%ld, %ld) s, not [%ld, %ld) s", line,
			(long)(period.start_ns / SEC), (long)(period.end_ns / SEC),
			(long)(start_ns / SEC), (long)(end_ns / SEC));
	}
	cr_assert_eq(ration__calendar_period(kind, zone, end_ns).start_ns, end_ns, "line %d", line);
	cr_assert_eq(ration__calendar_period(kind, zone, start_ns - 1).end_ns, start_ns, "line %d",
		line);
	ration__zone_free(zone);
}
#define EXPECT(kind, zone, at, start, end) \
	expect(RATION__CALENDAR_##kind, zone, at, start, end, __LINE__)

Test(calendar, a_day_in_berlin_has_23_to_25_hours)
{
	EXPECT(DAY, "Europe/Berlin", UTC(2024, 1, 15, 12, 0), UTC(2024, 1, 14, 23, 0),
		UTC(2024, 1, 15, 23, 0));
	EXPECT(DAY, "Europe/Berlin", UTC(2024, 3, 31, 12, 0), UTC(2024, 3, 30, 23, 0),
		UTC(2024, 3, 31, 22, 0)); /* 23 hours */
	EXPECT(DAY, "Europe/Berlin", UTC(2024, 10, 27, 12, 0), UTC(2024, 10, 26, 22, 0),
		UTC(2024, 10, 27, 23, 0)); /* 25 */
	EXPECT(DAY, "UTC", UTC(2024, 10, 27, 12, 0), UTC(2024, 10, 27, 0, 0),
		UTC(2024, 10, 28, 0, 0));
	EXPECT(DAY, "Europe/Berlin", UTC(2061, 3, 27, 12, 0), UTC(2061, 3, 26, 23, 0),
		UTC(2061, 3, 27, 22, 0)); /* by the rule */
}

Test(calendar, hours_are_those_on_the_wall)
{
	EXPECT(HOUR, "Europe/Berlin", UTC(2024, 10, 27, 0, 59), UTC(2024, 10, 27, 0, 0),
		UTC(2024, 10, 27, 2, 0)); /* 02:59 and 02:00 again: one of two hours */
	EXPECT(HOUR, "Europe/Berlin", UTC(2024, 10, 27, 1, 30), UTC(2024, 10, 27, 0, 0),
		UTC(2024, 10, 27, 2, 0));
	EXPECT(HOUR, "Europe/Berlin", UTC(2024, 3, 31, 0, 30), UTC(2024, 3, 31, 0, 0),
		UTC(2024, 3, 31, 1, 0));
	EXPECT(HOUR, "Europe/Berlin", UTC(2024, 3, 31, 1, 30), UTC(2024, 3, 31, 1, 0),
		UTC(2024, 3, 31, 2, 0)); /* 03:30; there was no 02 */
	EXPECT(HOUR, "Asia/Kolkata", UTC(2024, 5, 1, 12, 0), UTC(2024, 5, 1, 11, 30),
		UTC(2024, 5, 1, 12, 30));
	EXPECT(HOUR, "Australia/Lord_Howe", UTC(2024, 4, 6, 15, 10), UTC(2024, 4, 6, 14, 0),
		UTC(2024, 4, 6, 15, 30)); /* 02:00 became 01:30: an hour and a half */
	EXPECT(HOUR, "UTC", UTC(1969, 12, 31, 23, 59), UTC(1969, 12, 31, 23, 0), 0);
}

Test(calendar, days_without_a_midnight_and_with_two)
{
	EXPECT(DAY, "America/Sao_Paulo", UTC(2018, 11, 4, 12, 0), UTC(2018, 11, 4, 3, 0),
		UTC(2018, 11, 5, 2, 0)); /* began at 01:00 */
	EXPECT(DAY, "America/Sao_Paulo", UTC(2019, 2, 16, 12, 0), UTC(2019, 2, 16, 2, 0),
		UTC(2019, 2, 17, 3, 0)); /* 24:00 became 23:00: 25 hours */
	EXPECT(DAY, "America/Sao_Paulo", UTC(2024, 2, 17, 12, 0), UTC(2024, 2, 17, 3, 0),
		UTC(2024, 2, 18, 3, 0)); /* no summer time since 2019 */
	/* at 00:01 of the 1st it became 23:01 of the 31st: the day that had begun goes on */
	EXPECT(DAY, "America/St_Johns", UTC(2009, 11, 1, 3, 0), UTC(2009, 11, 1, 2, 30),
		UTC(2009, 11, 2, 3, 30));
	EXPECT(MONTH, "America/St_Johns", UTC(2009, 11, 1, 3, 0), UTC(2009, 11, 1, 2, 30),
		UTC(2009, 12, 1, 3, 30));
	EXPECT(DAY, "Pacific/Apia", UTC(2011, 12, 30, 9, 0), UTC(2011, 12, 29, 10, 0),
		UTC(2011, 12, 30, 10, 0)); /* the 29th; the next day is the 31st */
	EXPECT(DAY, "Pacific/Apia", UTC(2011, 12, 30, 10, 0), UTC(2011, 12, 30, 10, 0),
		UTC(2011, 12, 31, 10, 0));
}

Test(calendar, months_have_their_lengths)
{
	EXPECT(MONTH, "UTC", UTC(2024, 2, 29, 12, 0), UTC(2024, 2, 1, 0, 0), UTC(2024, 3, 1, 0, 0));
	EXPECT(MONTH, "UTC", UTC(2023, 2, 28, 23, 59), UTC(2023, 2, 1, 0, 0),
		UTC(2023, 3, 1, 0, 0));
	EXPECT(MONTH, "UTC", UTC(2100, 2, 28, 12, 0), UTC(2100, 2, 1, 0, 0), UTC(2100, 3, 1, 0, 0));
	EXPECT(MONTH, "UTC", UTC(2023, 12, 31, 12, 0), UTC(2023, 12, 1, 0, 0),
		UTC(2024, 1, 1, 0, 0));
	EXPECT(MONTH, "Europe/Berlin", UTC(2024, 3, 10, 0, 0), UTC(2024, 2, 29, 23, 0),
		UTC(2024, 3, 31, 22, 0));
	EXPECT(DAY, "UTC", UTC(2024, 2, 29, 12, 0), UTC(2024, 2, 29, 0, 0), UTC(2024, 3, 1, 0, 0));
}

/* Over a century, in zones that turn in odd ways: each period begins where the one before ends. */
Test(calendar, periods_have_no_gaps_and_never_come_back)
{
	static const char *const names[] = {"UTC", "Europe/Berlin", "America/Sao_Paulo",
		"America/St_Johns", "Antarctica/Troll", "Africa/Casablanca", "Pacific/Apia",
		"Asia/Kathmandu"};
	struct ration__random dice = dice_new(4);

	for (size_t i = 0; i < RATION__COUNT(names); i++) {
		struct ration__zone *zone = load(names[i]);

		for (enum ration__calendar kind = RATION__CALENDAR_HOUR;
			kind <= RATION__CALENDAR_MONTH; kind++) {
			int64_t longest = kind == RATION__CALENDAR_HOUR	 ? 4 * HOUR
					  : kind == RATION__CALENDAR_DAY ? 48 * HOUR
									 : 32 * 24 * HOUR;
			int64_t count = kind == RATION__CALENDAR_HOUR ? 60000 : 20000;
			struct ration__period last = ration__calendar_period(kind, zone, 0);

			for (; count > 0 && last.end_ns < UTC(2120, 1, 1, 0, 0); count--) {
				struct ration__period next =
					ration__calendar_period(kind, zone, last.end_ns);
				int64_t length = next.end_ns - next.start_ns, inside;

				cr_assert_eq(next.start_ns, last.end_ns, "%s", names[i]);
				cr_assert(length > 0 && length <= longest, "%s %d: %ld s at %ld s",
					names[i], kind, (long)(length / SEC),
					(long)(next.start_ns / SEC));
				inside = next.start_ns + roll_dice(&dice, length);
				last = ration__calendar_period(kind, zone, inside);
				cr_assert(last.start_ns == next.start_ns &&
						  last.end_ns == next.end_ns,
					"%s %d at %ld", names[i], kind, (long)(inside / SEC));
			}
		}
		ration__zone_free(zone);
	}
}

Test(calendar, far_from_now_nothing_overflows)
{
	struct ration__zone *zone = load("Europe/Berlin");

	for (int kind = RATION__CALENDAR_HOUR; kind <= RATION__CALENDAR_MONTH; kind++) {
		struct ration__period late = ration__calendar_period(kind, zone, INT64_MAX - 1);
		struct ration__period early = ration__calendar_period(kind, zone, INT64_MIN + 1);

		cr_assert(late.start_ns < INT64_MAX - 1 && late.end_ns == INT64_MAX);
		cr_assert(early.start_ns == INT64_MIN && early.end_ns > INT64_MIN + 1);
	}
	ration__zone_free(zone);
}

/* ---- the tally ---- */

static struct ration__period utc_day(int64_t wall_ns)
{
	return ration__calendar_period(RATION__CALENDAR_DAY, NULL, wall_ns);
}

Test(tally, N4_a_day_is_exact_and_the_next_begins_at_midnight)
{
	struct ration__tally tally = {0};
	int64_t now = UTC(2024, 5, 5, 23, 59);
	struct ration__period today = utc_day(now), tomorrow = utc_day(today.end_ns);

	cr_assert_eq(ration__tally_remaining(&tally, 1000, &today), 1000);
	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(ration__tally_ask(&tally, 1000, &today, now, 1).answer, RATION__YES);
		ration__tally_take(&tally, &today, 1);
	}
	cr_assert_eq(ration__tally_ask(&tally, 1000, &today, now, 1).answer, RATION__NO);
	cr_assert_eq(ration__tally_ask(&tally, 1000, &today, now, 1).at_ns, UTC(2024, 5, 6, 0, 0));
	cr_assert_eq(ration__tally_ask(&tally, 1000, &today, now, 1001).answer, RATION__IMPOSSIBLE);
	cr_assert_eq(ration__tally_ask(&tally, 1000, &today, now, 0).answer, RATION__YES);
	cr_assert_eq(ration__tally_remaining(&tally, 1000, &today), 0);
	cr_assert_eq(ration__tally_remaining(&tally, 10, &today), 0, "N5: lowered below the use");
	cr_assert_eq(
		ration__tally_ask(&tally, 1000, &tomorrow, today.end_ns, 1000).answer, RATION__YES);
	cr_assert_eq(ration__tally_remaining(&tally, 1000, &tomorrow), 1000);
	cr_assert_eq(tally.rest_at_ns, today.end_ns, "then it may be forgotten");
}

Test(tally, a_clock_that_steps_back_gains_nothing)
{
	struct ration__tally tally = {0};
	struct ration__period day = utc_day(UTC(2024, 5, 6, 0, 1));
	struct ration__period before = utc_day(UTC(2024, 5, 5, 23, 58));
	struct ration__verdict verdict;

	ration__tally_take(&tally, &day, 10);
	verdict = ration__tally_ask(&tally, 10, &before, UTC(2024, 5, 5, 23, 58), 1);
	cr_assert(verdict.answer == RATION__NO && verdict.at_ns == day.end_ns);
	ration__tally_take(&tally, &before, 1); /* counts, in the newest period */
	cr_assert_eq(tally.used, 11);
	cr_assert_eq(tally.start_ns, day.start_ns);
	cr_assert_eq(ration__tally_remaining(&tally, 12, &day), 1);
}

Test(tally, refunds_within_the_period_only)
{
	struct ration__tally tally = {0};
	int64_t now = UTC(2024, 5, 6, 12, 0);
	struct ration__period day = utc_day(now), next = utc_day(day.end_ns);

	ration__tally_take(&tally, &day, 10);
	ration__tally_refund(&tally, &day, 4, now);
	cr_assert_eq(tally.used, 6);
	ration__tally_refund(&tally, &day, 4, day.start_ns - 1);
	cr_assert_eq(tally.used, 6, "of yesterday");
	ration__tally_refund(&tally, &day, -3, now);
	cr_assert_eq(tally.used, 9);
	ration__tally_refund(&tally, &day, 100, now);
	cr_assert_eq(tally.used, 0, "never below none");
	ration__tally_take(&tally, &day, 5);
	ration__tally_refund(&tally, &next, 5, now);
	cr_assert_eq(tally.used, 0);
	cr_assert_eq(tally.start_ns, next.start_ns, "it turned first");
	ration__tally_refund(&tally, &next, INT64_MIN, next.start_ns);
	ration__tally_take(&tally, &next, INT64_MAX);
	cr_assert_eq(tally.used, INT64_MAX, "saturates");
}

Test(tally, another_kind_of_period_keeps_what_it_overlaps)
{
	struct ration__tally tally = {0};
	int64_t now = UTC(2024, 5, 6, 12, 0);
	struct ration__period day = utc_day(now), next = utc_day(day.end_ns);
	struct ration__period month = ration__calendar_period(RATION__CALENDAR_MONTH, NULL, now);

	ration__tally_take(&tally, &day, 7);
	cr_assert_eq(ration__tally_remaining(&tally, 10, &month), 3);
	ration__tally_take(&tally, &month, 1);
	cr_assert_eq(tally.end_ns, month.end_ns);
	cr_assert_eq(ration__tally_remaining(&tally, 10, &day), 2, "and back");
	ration__tally_turn(&tally, &day);
	cr_assert_eq(ration__tally_remaining(&tally, 10, &next), 10);
}
