/* Quotas between hot/ and the ledger: what is written ahead, lost, taken over and reset. */
#include "guard_fixture.h"
#include "base/date.h"
#include "guard/engine.h"
#include "store/internal.h"

#define UNIT ((int64_t)RATION__MICRO)
#define HOUR (3600 * S)

static struct fixture f;
static struct ration__keyset *keys;

static void setup(void)
{
	fixture_open(&f);
}
static void teardown(void)
{
	ration__keyset_unref(keys);
	fixture_close(&f);
}
TestSuite(quota, .init = setup, .fini = teardown, .timeout = 60);

static void begin(void)
{
	define(&f);
	keys = keyset_of(&f, NULL, 0);
}

static enum ration__decision take(struct ration__ask *one)
{
	struct ration__grant grant = {0};
	int rc = ration__guard_acquire(keys, NULL, 0, 0, &grant, 0, one);

	cr_assert_geq(rc, 0, "%s", ration_strerror(rc));
	if (one->decision == RATION__ADMITTED)
		settle(&f, &grant, RATION__SUCCESS);
	return one->decision;
}

static int take_all(void)
{
	struct ration__ask one;
	int count = 0;

	while (take(&one) == RATION__ADMITTED)
		cr_assert_lt(++count, 100000);
	return count;
}

static double left(void)
{
	double value = -1;

	cr_assert_eq(ration__guard_remaining(keys, "daily", &value), 0);
	return value;
}

static void wipe(void)
{
	struct ration__store *store = ration__engine_store(f.engine);

	pass(&f, 61 * S); /* hot/ is made anew at most once a minute */
	store->header->suspect = store->hot_epoch;
}

static const uint8_t *key_of(size_t *length)
{
	*length = keys->cells[0].length;
	return ration__cell_key(keys, &keys->cells[0]);
}

/* What the ledger counts as used. */
static int64_t in_ledger(void)
{
	struct ration__quota quota;
	size_t length;
	const uint8_t *key = key_of(&length);

	cr_assert_eq(ration__ledger_read(f.engine, key, length, &quota), 0);
	if (quota.calendar)
		return quota.tally.used;
	return 1000000 * UNIT -
	       ration__window_remaining(&(struct ration__window_conf){1000000 * UNIT,
						f.rules.limits[0].window.window_ns},
		       &quota.window, f.clock.wall_ns);
}

static void reset(void)
{
	size_t length;
	const uint8_t *key = key_of(&length);

	cr_assert_eq(ration__ledger_reset(f.engine, key, length), 0);
}

/* An ask that the ledger does not cover yet: a request is in the queue. */
static void ask_uncovered(void)
{
	struct ration__grant grant = {0};
	struct ration__ask one = ask(&f, keys, &grant, false);

	cr_assert_eq(one.decision, RATION__DENIED);
	cr_assert_eq(f.engine->ledger_count, 1);
}

/* ---- exact, and by the calendar ---- */

Test(quota, N4_a_small_one_is_exact_to_the_nanosecond)
{
	struct ration__ask one;
	int64_t first;

	add_quota(&f, "daily", 1000, 24 * HOUR);
	begin();
	first = f.clock.now_ns;
	for (int i = 0; i < 1000; i++, pass(&f, 61 * S))
		cr_assert_eq(take(&one), RATION__ADMITTED, "%d", i);
	cr_assert_eq(take(&one), RATION__REFUSED);
	cr_assert_eq(one.denial, RATION_DENIED_QUOTA);
	cr_assert_eq(one.at_ns, first + 24 * HOUR);
	cr_assert_eq(left(), 0);
	pass(&f, first + 24 * HOUR - 1 - f.clock.now_ns);
	cr_assert_eq(take(&one), RATION__REFUSED);
	pass(&f, 1);
	cr_assert_eq(take(&one), RATION__ADMITTED, "the oldest aged out");
	cr_assert_eq(take(&one), RATION__REFUSED);
	cr_assert_eq(one.at_ns, first + 24 * HOUR + 61 * S);
}

Test(quota, X22_after_a_wipe_a_small_one_is_a_64th_late_and_never_too_much)
{
	struct ration__ask one;
	int64_t first, last;

	add_quota(&f, "daily", 10, 24 * HOUR)->durable_ns = 0;
	begin();
	first = f.clock.now_ns;
	for (int i = 0; i < 10; i++, pass(&f, 60 * S))
		cr_assert_eq(take(&one), RATION__ADMITTED);
	last = f.clock.now_ns;
	wipe();
	cr_assert_eq(take(&one), RATION__REFUSED);
	cr_assert_geq(one.at_ns, first + 24 * HOUR);
	cr_assert_leq(one.at_ns, last + 24 * HOUR + 24 * HOUR / 64);
	pass(&f, one.at_ns - f.clock.now_ns);
	cr_assert_eq(take(&one), RATION__ADMITTED);
}

Test(quota, a_day_in_berlin_ends_at_its_midnight)
{
	struct ration__limit *limit = add_quota(&f, "daily", 5, 25 * HOUR);
	int64_t midnight = (ration__date_days(2024, 3, 31) * 86400 + 22 * 3600) * S;
	struct ration__ask one;

	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
		cr_skip_test("no zone database here");
	limit->calendar = RATION__CALENDAR_DAY;
	snprintf(limit->zone, sizeof(limit->zone), "Europe/Berlin");
	f.clock.wall_ns = midnight - 23 * HOUR; /* the day has 23 hours */
	begin();
	cr_assert_eq(take_all(), 5);
	pass(&f, 23 * HOUR - 1);
	cr_assert_eq(take(&one), RATION__REFUSED);
	cr_assert_eq(one.at_ns, f.clock.now_ns + 1);
	wipe(); /* a minute later is tomorrow */
	cr_assert_eq(left(), 5);
	cr_assert_eq(take_all(), 5);
	wipe();
	cr_assert_eq(take(&one), RATION__REFUSED);
	cr_assert_eq(one.at_ns - f.clock.now_ns, midnight + 24 * HOUR - f.clock.wall_ns);
	pass(&f, -2 * HOUR); /* not the steady clock, of course */
	f.clock.now_ns += 2 * HOUR;
	cr_assert_eq(take(&one), RATION__REFUSED, "back in yesterday");
}

Test(quota, one_that_becomes_a_calendar_one_keeps_its_count)
{
	struct ration__guard *first;
	struct ration__ask one;

	f.clock.wall_ns = (ration__date_days(2024, 5, 15) * 86400) * S;
	add_quota(&f, "daily", 5000, 24 * HOUR);
	begin();
	first = f.guard;
	for (int i = 0; i < 40; i++)
		cr_assert_eq(take(&one), RATION__ADMITTED);
	ration__keyset_unref(keys);
	f.rules.limits[0].calendar = RATION__CALENDAR_MONTH;
	f.rules.limits[0].window.window_ns = 31 * 24 * HOUR;
	begin();
	cr_assert_eq(left(), 4960);
	cr_assert_eq(take(&one), RATION__ADMITTED);
	cr_assert_eq(left(), 4959);
	wipe();
	cr_assert_leq(left(), 4959);
	cr_assert_geq(left(), 4959 - 5000 / 8);
	ration__guard_close(first);
}

/* ---- what is written ahead ---- */

Test(quota, sync_writes_what_is_admitted_and_nothing_ahead)
{
	struct ration__ask one;

	add_quota(&f, "daily", 100, 24 * HOUR)->durable_ns = 0;
	begin();
	for (int i = 1; i <= 50; i++, pass(&f, 1000 * S)) {
		cr_assert_eq(take(&one), RATION__ADMITTED);
		cr_assert_eq(in_ledger(), i * UNIT);
		if (i % 10 == 0)
			wipe();
	}
	cr_assert_eq(take_all(), 50, "nothing was wasted");
}

Test(quota, an_interval_wastes_at_most_one_reserve_a_wipe)
{
	struct ration__ask one;
	int admitted = 0, wipes = 0;

	add_quota(&f, "daily", 6400, 24 * HOUR);
	begin();
	for (; wipes < 5; wipes++) {
		for (int i = 0; i < 500; i++, admitted++, pass(&f, MS)) {
			cr_assert_eq(take(&one), RATION__ADMITTED);
			cr_assert_geq(in_ledger(), (admitted + 1) * UNIT);
		}
		wipe();
	}
	admitted += take_all();
	cr_assert_leq(admitted, 6400);
	cr_assert_geq(admitted, 6400 - wipes * 6400 / 8);
}

/* Wiped between the write to the ledger and hot/ being told of it. */
Test(quota, what_a_flush_wrote_is_its_own_when_hot_is_lost_meanwhile)
{
	struct ration__ask one;

	add_quota(&f, "daily", 100, 24 * HOUR)->durable_ns = 0;
	begin();
	cr_assert_eq(take(&one), RATION__ADMITTED);
	ask_uncovered();
	wipe();
	ration__ledger_work(f.engine);
	cr_assert_eq(in_ledger(), 2 * UNIT);
	cr_assert_eq(left(), 99);
	cr_assert_eq(take(&one), RATION__ADMITTED);
	cr_assert_eq(in_ledger(), 2 * UNIT, "the unit that was written");
	cr_assert_eq(take_all(), 98);
}

Test(quota, the_exact_count_may_be_used_up_although_the_ring_is_late)
{
	struct ration__ask one;
	int64_t part = 24 * HOUR / 64;

	add_quota(&f, "daily", 2, 24 * HOUR)->durable_ns = 0;
	f.clock.wall_ns = 20000 * 24 * HOUR + 1; /* early in a part */
	begin();
	cr_assert_eq(take(&one), RATION__ADMITTED);
	pass(&f, 2 * part);
	cr_assert_eq(take(&one), RATION__ADMITTED);
	pass(&f, 24 * HOUR - 2 * part); /* the ring lets the first go a part later */
	cr_assert_eq(take(&one), RATION__ADMITTED);
	cr_assert_eq(take(&one), RATION__REFUSED);
}

/* ---- reset ---- */

Test(quota, N6_reset_clears_the_use_and_keeps_the_limit)
{
	struct ration__ask one;

	add_quota(&f, "daily", 20, 24 * HOUR);
	begin();
	cr_assert_eq(take_all(), 20);
	reset();
	cr_assert_eq(left(), 20);
	cr_assert_eq(in_ledger(), 0);
	cr_assert_eq(take_all(), 20);
	cr_assert_eq(take(&one), RATION__REFUSED);
	wipe();
	cr_assert_eq(take(&one), RATION__REFUSED);
}

/* A flush of before, done after: it must not bring back what was reset. */
Test(quota, a_reset_is_not_undone_by_a_flush_that_was_on_its_way)
{
	struct ration__ask one;

	add_quota(&f, "daily", 100, 24 * HOUR)->durable_ns = 0;
	begin();
	for (int i = 0; i < 60; i++)
		cr_assert_eq(take(&one), RATION__ADMITTED);
	ask_uncovered();
	reset();
	ration__ledger_work(f.engine);
	cr_assert_eq(in_ledger(), 0);
	cr_assert_eq(left(), 100);
	cr_assert_eq(take_all(), 100);
}

/* The same by another process, whose record was read from the ledger before the reset: hot/ has the
 * old count when the ledger has the new epoch. */
static void follow_a_reset(int64_t max)
{
	struct ration__store *store = ration__engine_store(f.engine);
	static unsigned char old[sizeof(struct ration__quota) + RATION__LOG_SIZE_MAX];
	const struct ration__cell *cell;
	struct ration__txn *txn;
	struct ration__ask one;
	const void *value;
	size_t length;

	add_quota(&f, "daily", max, 24 * HOUR);
	begin();
	cell = &keys->cells[0];
	for (int i = 0; i < 600; i++, pass(&f, MS))
		cr_assert_eq(take(&one), RATION__ADMITTED);
	cr_assert_eq(ration__store_begin(store, -1, &txn), 0);
	cr_assert_eq(ration__txn_get(txn, ration__cell_key(keys, cell), cell->length,
			     RATION__LAYOUT(RATION__RECORD_QUOTA), &value, &length),
		0);
	memcpy(old, value, length);
	ration__store_abort(txn);
	reset();
	cr_assert_eq(ration__store_begin(store, -1, &txn), 0);
	cr_assert_eq(ration__txn_put(txn, ration__cell_key(keys, cell), cell->length,
			     RATION__LAYOUT(RATION__RECORD_QUOTA), old, length),
		0);
	cr_assert_eq(ration__store_commit(txn), 0);
	cr_assert_eq(left(), (double)max - 600);
	for (int i = 0; i < 300; i++)
		cr_assert_eq(take(&one), RATION__ADMITTED);
	cr_assert_geq(left(), (double)max - 300, "it went back to nothing on the way");
	cr_assert_geq(in_ledger(), (int64_t)((double)max - left()) * UNIT);
}

Test(quota, a_record_of_before_a_reset_follows_at_its_next_flush)
{
	follow_a_reset(2000);
}

Test(quota, a_record_with_a_log_of_before_a_reset_follows_too)
{
	follow_a_reset(1000);
}

/* ---- values in the ledger ---- */

static const void *value_to_write;
static size_t size_to_write;
static int write_value(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	memcpy(value, value_to_write, size_to_write);
	*length = size_to_write;
	return 0;
}

static void write_ledger(const void *value, size_t size)
{
	size_t length;
	const uint8_t *key = key_of(&length);

	value_to_write = value;
	size_to_write = size;
	cr_assert_eq(ration__ledger_update(
			     ration__engine_store(f.engine), key, length, write_value, NULL),
		0);
}

Test(quota, values_of_the_first_layout_count)
{
	struct {
		struct ration__window window;
		uint64_t seq;
	} first = {.seq = 7};
	struct ration__ask one;

	add_quota(&f, "daily", 5000, 24 * HOUR);
	begin();
	ration__window_take(&f.rules.limits[0].window, &first.window, f.clock.wall_ns, 4990 * UNIT);
	write_ledger(&first, sizeof(first));
	cr_assert_eq(left(), 10);
	cr_assert_eq(take_all(), 10);
	cr_assert_eq(take(&one), RATION__REFUSED);
}

Test(quota, values_that_cannot_be_read_let_nothing_through)
{
	static const unsigned char junk[1000] = {1};
	static const size_t sizes[] = {0, 1, sizeof(struct ration__window), 1000};
	struct ration__ask one;
	double value;

	add_quota(&f, "daily", 5000, 24 * HOUR);
	begin();
	for (size_t i = 0; i < RATION__COUNT(sizes); i++) {
		write_ledger(junk, sizes[i]);
		cr_assert_eq(take(&one), RATION__DENIED);
		cr_assert_eq(ration__guard_remaining(keys, "daily", &value), RATION_EIO);
		cr_assert(strstr(f.log, "ledger:"), "%s", f.log);
	}
	reset();
	cr_assert_eq(take(&one), RATION__ADMITTED, "a reset heals it");
}

/* ---- observing ---- */

static void observe_one(int64_t durable_ns)
{
	struct ration__ask one;

	add_quota(&f, "daily", 3, 24 * HOUR)->durable_ns = durable_ns;
	f.rules.own.observe = 1;
	begin();
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(take(&one), RATION__ADMITTED);
		cr_assert_eq(one.denial, 0, "the rules say yes");
	}
	cr_assert_eq(left(), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(take(&one), RATION__ADMITTED);
		cr_assert_eq(one.denial, RATION_DENIED_QUOTA, "and no");
	}
	ration__ledger_work(f.engine);
	cr_assert_eq(in_ledger(), 3 * UNIT, "what was counted");
	wipe();
	cr_assert_eq(take(&one), RATION__ADMITTED);
	cr_assert_eq(one.denial, RATION_DENIED_QUOTA, "it is read again");
}

Test(quota, one_that_is_observed_counts_and_reports)
{
	observe_one(S);
}

Test(quota, so_does_a_sync_one)
{
	observe_one(0);
}

Test(quota, a_ledger_that_cannot_be_read_delays_nobody_who_is_observed)
{
	struct ration__ask one;

	add_quota(&f, "daily", 3, 24 * HOUR);
	f.rules.own.observe = 1;
	begin();
	write_ledger("junk", 4);
	take(&one);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(take(&one), RATION__ADMITTED);
}

/* ---- another calendar ---- */

/* The present period of the new one began before that which was covered. */
Test(quota, N4_another_calendar_goes_on_at_once)
{
	static const enum ration__calendar kinds[] = {RATION__CALENDAR_HOUR, RATION__CALENDAR_DAY,
		RATION__CALENDAR_MONTH, RATION__CALENDAR_DAY, RATION__CALENDAR_HOUR};
	struct ration__guard *first = NULL;
	struct ration__ask one;

	f.clock.wall_ns = (ration__date_days(2024, 5, 15) * 86400 + 45000) * S;
	add_quota(&f, "daily", 1000, 24 * HOUR)->durable_ns = 0;
	for (size_t i = 0; i < RATION__COUNT(kinds); i++) {
		f.rules.limits[0].calendar = kinds[i];
		begin();
		cr_assert_eq(take(&one), RATION__ADMITTED, "%zu", i);
		cr_assert_eq(take(&one), RATION__ADMITTED, "%zu", i);
		cr_assert_eq(left(), 1000 - 2 * (double)(i + 1), "%zu", i);
		ration__keyset_unref(keys);
		ration__guard_close(first);
		first = f.guard;
	}
	f.guard = NULL;
	keys = NULL;
	ration__guard_close(first);
}
