/* Counters over records as they may be read: whole, short, damaged, of another kind of window. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/clock.h"
#include "base/date.h"
#include "guard/counter.h"
#include "policy_dice.h"

#define UNIT INT64_C(1000000)
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define ROOM (sizeof(struct ration__quota) + RATION__LOG_SIZE_MAX)

static _Alignas(16) unsigned char state[ROOM];

static const struct ration__window_conf exact = {10 * UNIT, HOUR};
static const struct ration__window_conf coarse = {5000 * UNIT, HOUR};

static struct ration__record record_of(uint32_t length)
{
	struct ration__record record = {
		.type = RATION__RECORD_QUOTA, .length = length, .room = ROOM, .state = state};

	return record;
}

static struct ration__counter quota(struct ration__record *record, uint32_t calendar,
	const struct ration__window_conf *conf, int64_t now_ns)
{
	struct ration__limit limit = {.kind = RATION__LIMIT_QUOTA, .calendar = calendar};

	return ration__counter_of(record, &limit, conf, NULL, now_ns);
}

static struct ration__counter window(
	struct ration__record *record, const struct ration__window_conf *conf, int64_t now_ns)
{
	struct ration__limit limit = {.kind = RATION__LIMIT_WINDOW};

	record->type = RATION__RECORD_WINDOW;
	return ration__counter_of(record, &limit, conf, NULL, now_ns);
}

/* What is written is read in another transaction: what is beyond its length is gone. */
static struct ration__record read_again(const struct ration__record *record, uint32_t room)
{
	struct ration__record again = record_of(record->length);

	memset(state + record->length, 0xee, sizeof(state) - record->length);
	again.type = record->type;
	again.room = room;
	return again;
}

Test(counter, N4_small_limits_are_exact_and_the_record_grows_with_them)
{
	struct ration__record record = record_of(0);
	int64_t now = 1000 * HOUR + 7;

	for (int i = 0; i < 10; i++, now += SEC) {
		struct ration__counter counter = window(&record, &exact, now);

		cr_assert_eq(ration__counter_ask(&counter, UNIT).answer, RATION__YES);
		ration__counter_take(&counter, UNIT);
		cr_assert_eq(record.length,
			sizeof(struct ration__window) + RATION__LOG_SIZE((size_t)i + 1));
		record = read_again(&record, ROOM);
	}
	struct ration__counter counter = window(&record, &exact, now);

	cr_assert_eq(ration__counter_remaining(&counter), 0);
	cr_assert_eq(ration__counter_ask(&counter, UNIT).at_ns, 1001 * HOUR + 7);
	cr_assert_eq(ration__counter_frees_at(&counter), 1001 * HOUR + 7);
	counter = window(&record, &exact, 1001 * HOUR + 7);
	cr_assert_eq(ration__counter_ask(&counter, UNIT).answer, RATION__YES);
	ration__counter_refund(&counter, UNIT, 1000 * HOUR + 7 + SEC);
	cr_assert_eq(ration__counter_remaining(&counter), 2 * UNIT);
	cr_assert_eq(record.length, sizeof(struct ration__window) + RATION__LOG_SIZE(8));
}

Test(counter, large_limits_have_a_ring_only)
{
	struct ration__record record = record_of(sizeof(struct ration__window));
	struct ration__counter counter = window(&record, &coarse, HOUR);

	ration__counter_take(&counter, UNIT);
	cr_assert_null(counter.log);
	cr_assert_eq(record.length, sizeof(struct ration__window));
	cr_assert_gt(ration__counter_frees_at(&counter), 2 * HOUR);
	/* without room there is none either: a keyset that was made for other rules */
	record.room = sizeof(struct ration__window);
	counter = window(&record, &exact, HOUR);
	cr_assert_null(counter.log);
	cr_assert_eq(ration__counter_remaining(&counter), 9 * UNIT);
}

Test(counter, a_limit_that_is_lowered_counts_on_and_one_that_is_raised_drops_its_log)
{
	struct ration__record record = record_of(sizeof(struct ration__quota));
	struct ration__counter counter = quota(&record, 0, &coarse, HOUR);

	ration__counter_take(&counter, 7 * UNIT);
	record = read_again(&record, ROOM);
	counter = quota(&record, 0, &exact, HOUR + SEC);
	cr_assert_not_null(counter.log);
	cr_assert_eq(ration__counter_remaining(&counter), 3 * UNIT);
	ration__counter_take(&counter, UNIT);
	record = read_again(&record, ROOM);
	counter = quota(&record, 0, &coarse, HOUR + 2 * SEC);
	cr_assert_eq(ration__counter_remaining(&counter), 4992 * UNIT);
	cr_assert_eq(record.length, sizeof(struct ration__quota));
	counter = quota(&record, 0, &exact, HOUR + 2 * SEC);
	cr_assert_eq(ration__counter_remaining(&counter), 2 * UNIT, "from the ring again");
	cr_assert_eq(counter.log->seeded, 1);
}

/* Whatever stands there: nothing beyond the record is looked at, and the ring is what counts. */
Test(counter, a_damaged_log_is_made_anew)
{
	struct ration__random dice = dice_new(6);

	for (int round = 0; round < 20000; round++) {
		struct ration__record record = record_of(sizeof(struct ration__quota));
		struct ration__counter counter;
		uint32_t head = sizeof(struct ration__quota);
		int entries = (int)roll_dice(&dice, 6);

		memset(state, 0, sizeof(struct ration__quota));
		counter = quota(&record, 0, &exact, HOUR);
		for (int i = 0; i < entries; i++) {
			counter = quota(&record, 0, &exact, HOUR + i * 60 * SEC);
			ration__counter_take(&counter, UNIT);
		}
		record = read_again(&record, ROOM);
		switch (roll_dice(&dice, 3)) {
		case 0:
			record.length = head + (uint32_t)roll_dice(&dice, RATION__LOG_SIZE_MAX + 1);
			break;
		case 1:
			state[head + roll_dice(&dice, 16)] ^= 1 << roll_dice(&dice, 8);
			break;
		default:
			for (uint32_t i = head; i < record.length; i++)
				state[i] = (unsigned char)roll_dice(&dice, 256);
		}
		counter = quota(&record, 0, &exact, HOUR + 300 * SEC);
		cr_assert(ration__log_valid(counter.log, record.length - head));
		cr_assert_eq(ration__counter_remaining(&counter), (10 - entries) * UNIT, "round %d",
			round);
		ration__counter_take(&counter, UNIT);
		cr_assert(ration__log_valid(counter.log, record.length - head));
	}
}

Test(counter, a_calendar_quota_begins_anew_with_its_period)
{
	const struct ration__window_conf conf = {3 * UNIT, DAY};
	int64_t noon = ration__date_days(2024, 5, 5) * DAY + 12 * HOUR;
	struct ration__record record = record_of(sizeof(struct ration__quota));
	struct ration__counter counter = quota(&record, RATION__CALENDAR_DAY, &conf, noon);

	cr_assert_eq(ration__counter_frees_at(&counter), noon);
	ration__counter_take(&counter, 2 * UNIT);
	cr_assert_eq(record.length, sizeof(struct ration__quota), "no log");
	cr_assert_eq(ration__counter_part(&counter), noon - 12 * HOUR);
	cr_assert_eq(ration__counter_used_in(&counter, noon - 12 * HOUR), 2 * UNIT);
	cr_assert_eq(ration__counter_ask(&counter, 2 * UNIT).at_ns, noon + 12 * HOUR);
	cr_assert_eq(ration__counter_frees_at(&counter), noon + 12 * HOUR);
	counter = quota(&record, RATION__CALENDAR_DAY, &conf, noon + 12 * HOUR);
	cr_assert_eq(ration__counter_remaining(&counter), 3 * UNIT);
	cr_assert_eq(ration__counter_used_in(&counter, ration__counter_part(&counter)), 0);
	ration__counter_take(&counter, UNIT);
	counter = quota(&record, RATION__CALENDAR_DAY, &conf, noon);
	cr_assert_eq(ration__counter_part(&counter), noon + 12 * HOUR, "the clock stepped back");
	cr_assert_eq(ration__counter_used_in(&counter, noon + 12 * HOUR), UNIT);
	cr_assert_eq(ration__counter_remaining(&counter), 2 * UNIT);
}

Test(counter, a_quota_of_another_kind_is_counted_over)
{
	const struct ration__window_conf rolling = {5000 * UNIT, 30 * DAY};
	const struct ration__window_conf conf = {5000 * UNIT, 31 * DAY};
	int64_t first = ration__date_days(2024, 5, 1) * DAY;
	struct ration__record record = record_of(sizeof(struct ration__quota));
	struct ration__counter counter = quota(&record, 0, &rolling, first - 10 * DAY);

	ration__counter_take(&counter, 100 * UNIT); /* in April */
	counter = quota(&record, 0, &rolling, first + 10 * DAY);
	ration__counter_take(&counter, 10 * UNIT);
	record.quota->covered_part = first;
	record.quota->covered = 1000 * UNIT;
	counter = quota(&record, RATION__CALENDAR_MONTH, &conf, first + 20 * DAY);
	cr_assert_eq(ration__counter_remaining(&counter), 4990 * UNIT, "of May only");
	cr_assert_neq(record.quota->covered_part, first, "the ledger knows nothing of it");
	ration__counter_take(&counter, UNIT);
	counter = quota(&record, 0, &rolling, first + 21 * DAY);
	cr_assert_eq(ration__counter_remaining(&counter), 4989 * UNIT, "as if just now");
	counter = quota(&record, 0, &rolling, first + 50 * DAY);
	cr_assert_eq(ration__counter_remaining(&counter), 4989 * UNIT);
	counter = quota(&record, 0, &rolling, first + 52 * DAY);
	cr_assert_eq(ration__counter_remaining(&counter), 5000 * UNIT);
}

/* The ledger's parts: a quota's ring is in those of its present window at once. */
Test(counter, parts_follow_the_window_and_the_newest_time)
{
	const struct ration__window_conf hour = {5000 * UNIT, HOUR}, day = {5000 * UNIT, DAY};
	struct ration__record record = record_of(sizeof(struct ration__quota));
	struct ration__counter counter = quota(&record, 0, &hour, 100 * HOUR);
	int64_t part;

	ration__counter_take(&counter, 3 * UNIT);
	part = ration__counter_part(&counter);
	cr_assert_eq(ration__counter_used_in(&counter, part), 3 * UNIT);
	record.quota->covered_part = part;
	record.quota->window.rest_at_ns = 123;
	counter = quota(&record, 0, &hour, 99 * HOUR);
	cr_assert_eq(ration__counter_part(&counter), part, "a clock that stepped back");
	cr_assert_eq(record.quota->covered_part, part);
	counter = quota(&record, 0, &day, 100 * HOUR);
	cr_assert_eq(ration__counter_used_in(&counter, ration__counter_part(&counter)), 3 * UNIT);
	cr_assert_neq(record.quota->covered_part, part, "numbers of other parts");
	cr_assert_eq(record.quota->window.rest_at_ns, 123, "the sweep's, of another clock");
}

/* The ledger covers the present part only: what is settled upwards later counts there. */
Test(counter, a_quota_takes_more_in_the_present_part)
{
	struct ration__record record = record_of(sizeof(struct ration__quota));
	struct ration__counter counter = quota(&record, 0, &coarse, 10 * HOUR);
	int64_t now = 10 * HOUR + 1000 * SEC;

	ration__counter_take(&counter, UNIT);
	counter = quota(&record, 0, &coarse, now);
	ration__counter_refund(&counter, -2 * UNIT, 10 * HOUR);
	cr_assert_eq(ration__counter_used_in(&counter, ration__counter_part(&counter)), 2 * UNIT);
	cr_assert_eq(ration__counter_remaining(&counter), 4997 * UNIT);
	/* a window has no ledger */
	memset(state, 0, sizeof(state));
	record = record_of(sizeof(struct ration__window));
	counter = window(&record, &coarse, 10 * HOUR);
	ration__counter_take(&counter, UNIT);
	counter = window(&record, &coarse, now);
	ration__counter_refund(&counter, -2 * UNIT, 10 * HOUR);
	cr_assert_eq(ration__counter_used_in(&counter, ration__counter_part(&counter)), 0);
}
