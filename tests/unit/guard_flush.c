/*
 * Flushes of several processes in every order of their two halves, with hot/ lost in between
 * (guard/flush.h). The processes are the halves themselves: the engine is one.
 */
#include "guard_fixture.h"
#include "guard/flush.h"
#include "policy_dice.h"
#include "store/internal.h"

#define UNIT ((int64_t)RATION__MICRO)
#define HOUR (3600 * S)
#define PART (24 * HOUR / 64)
#define MAX 40

static struct fixture f;
static struct ration__keyset *keys;

static void setup(void)
{
	fixture_open(&f);
	/* of 1,000 at most: counted exactly, too */
	add_quota(&f, "daily", MAX, 24 * HOUR)->durable_ns = 0;
	f.clock.wall_ns = 20000 * 24 * HOUR; /* a part begins */
	define(&f);
	keys = keyset_of(&f, NULL, 0);
}
static void teardown(void)
{
	ration__keyset_unref(keys);
	fixture_close(&f);
}
TestSuite(flush, .init = setup, .fini = teardown, .timeout = 120);

/* false: the quota says no */
static bool take(void)
{
	struct ration__grant grant = {0};
	struct ration__ask one;
	int rc = ration__guard_acquire(keys, NULL, 0, 0, &grant, 0, &one);

	cr_assert_geq(rc, 0, "%s", ration_strerror(rc));
	settle(&f, &grant, RATION__SUCCESS);
	return one.decision == RATION__ADMITTED;
}

static int take_all(void)
{
	int count = 0;

	while (take())
		cr_assert_lt(++count, 1000);
	return count;
}

/* What hot/ knows to be covered. */
static bool hold_covered(struct ration__grant *grant)
{
	struct ration__ask one;

	memset(grant, 0, sizeof(*grant));
	one = ask(&f, keys, grant, false);
	f.engine->ledger_count = 0;
	return one.decision == RATION__ADMITTED;
}

static int take_covered(void)
{
	struct ration__grant grant;
	int count = 0;

	for (; hold_covered(&grant); count++)
		settle(&f, &grant, RATION__SUCCESS);
	return count;
}

static void give_back(struct ration__grant *grant)
{
	struct ration__settle one = {.grant = grant, .outcome = RATION__IGNORED, .unused = true};
	struct ration__batch batch = {.settles = &one, .settle_count = 1};

	cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
}

static double left(void)
{
	double value = -1;

	cr_assert_eq(ration__guard_remaining(keys, "daily", &value), 0);
	return value;
}

/* hot/ is made anew at most once a minute. */
static void wipe(void)
{
	struct ration__store *store = ration__engine_store(f.engine);

	pass(&f, 61 * S);
	store->header->suspect = store->hot_epoch;
}

/* ---- another process's flush ---- */

struct other {
	struct ration__ledger_request request;
	struct ration__flush flush;
};

/* It finds nothing covered. false: something is */
static bool finds(struct other *other, int units)
{
	struct ration__grant grant = {0};
	struct ration__ask one = ask(&f, keys, &grant, false);

	memset(other, 0, sizeof(*other));
	if (one.decision == RATION__ADMITTED)
		give_back(&grant);
	if (f.engine->ledger_count == 0)
		return false;
	f.engine->ledger_count = 0;
	other->request = f.engine->ledger[0];
	if (!other->request.lower) /* else something was given back */
		other->request.amount = other->request.needed = units * UNIT;
	other->flush.request = &other->request;
	return true;
}

static void writes(struct other *other)
{
	cr_assert_eq(ration__flush_write(f.engine, &other->flush), 0);
}

/* Once: false when it has to write again. */
static bool tells(struct other *other)
{
	bool done = false;

	cr_assert_eq(ration__flush_tell(f.engine, &other->flush, &done), 0);
	return done;
}

static void tells_at_last(struct other *other)
{
	for (int round = 0; !tells(other); round++) {
		cr_assert_lt(round, 3);
		writes(other);
	}
}

static void flushes(struct other *other)
{
	writes(other);
	tells_at_last(other);
}

/* ---- two of them ---- */

static struct other a, b;

/* a wrote and did not tell, b came and used what there was, hot/ was lost, a tells. */
Test(flush, what_one_wrote_another_does_not_use)
{
	int count = 1;

	cr_assert(take());
	cr_assert(finds(&a, 2));
	cr_assert(finds(&b, 2));
	writes(&a);
	flushes(&b);
	count += take_covered();
	cr_assert_eq(count, 3);
	wipe();
	tells_at_last(&a);
	count += take_covered();
	cr_assert_eq(count, 5);
	cr_assert_eq(count + take_all(), MAX);
}

Test(flush, nobody_writes_on_top_of_what_is_told_a_moment_later)
{
	cr_assert(take());
	cr_assert(finds(&a, 2));
	cr_assert(finds(&b, 2));
	a.request.sync = b.request.sync = false;
	writes(&a);
	writes(&b);
	cr_assert(tells(&a));
	cr_assert(tells(&b));
	cr_assert_eq(b.flush.seq, 0);
	cr_assert_eq(take_covered(), 2);
	cr_assert_eq(take_all(), MAX - 3);
}

/* Two reserves would be lost with hot/ where one is. */
Test(flush, a_reserve_is_not_written_on_top_of_anothers)
{
	cr_assert(take());
	cr_assert(finds(&a, 10));
	writes(&a);
	cr_assert(finds(&b, 10));
	b.request.needed = 0; /* it would be early */
	b.request.sync = false;
	writes(&b);
	cr_assert(tells(&b));
	cr_assert_eq(b.flush.seq, 0);
	cr_assert(finds(&b, 10));
	b.request.needed = UNIT;
	b.request.sync = false;
	flushes(&b);
	cr_assert_eq(b.flush.given, UNIT);
	cr_assert(tells(&a));
	cr_assert_eq(take_covered(), 11);
}

/* hot/ is new, both write without knowing anything; who wrote last tells first. */
Test(flush, a_record_that_counts_as_used_what_was_not_told_gives_it_back)
{
	cr_assert(finds(&a, 2));
	cr_assert(finds(&b, 3));
	writes(&a);
	writes(&b);
	cr_assert(tells(&b));
	cr_assert_eq(left(), MAX - 2);
	cr_assert(tells(&a));
	cr_assert_eq(left(), MAX);
	cr_assert_eq(take_all(), MAX);
}

Test(flush, the_order_in_which_it_is_told_does_not_matter)
{
	cr_assert(finds(&a, 2));
	cr_assert(finds(&b, 3));
	writes(&a);
	writes(&b);
	cr_assert(tells(&a));
	cr_assert(tells(&b));
	cr_assert_eq(left(), MAX);
	cr_assert_eq(take_all(), MAX);
}

/* Written while there was no record, told to the next hot/: it was all used meanwhile. */
Test(flush, what_was_read_for_a_hot_that_is_lost_begins_no_record)
{
	cr_assert(finds(&a, 2));
	writes(&a);
	cr_assert_eq(take_all(), MAX - 2);
	wipe();
	cr_assert_not(tells(&a));
	writes(&a);
	cr_assert(tells(&a));
	cr_assert_eq(left(), 2);
	cr_assert_eq(take_all(), 2);
}

/* Lost twice before it is told: still its own. */
Test(flush, what_was_written_is_ones_own_until_it_is_told)
{
	cr_assert(take());
	cr_assert(finds(&a, 2));
	writes(&a);
	for (int i = 0; i < 2; i++) {
		wipe();
		cr_assert_not(tells(&a));
		writes(&a);
	}
	cr_assert_eq(take_all(), MAX - 3);
	wipe();
	tells_at_last(&a);
	cr_assert_eq(take_all(), 2);
}

Test(flush, the_units_of_one_that_died_are_counted_as_used)
{
	cr_assert(take());
	cr_assert(finds(&a, 2));
	writes(&a);
	cr_assert_eq(take_all(), MAX - 3);
	cr_assert_eq(left(), 0);
	cr_assert_not(take());
	cr_assert(tells(&a), "it only slept");
	cr_assert_eq(left(), 2);
	cr_assert_eq(take_all(), 2);
}

Test(flush, what_others_write_blindly_fits_beside_it)
{
	cr_assert(take());
	cr_assert(finds(&a, MAX - 2));
	writes(&a);
	cr_assert(finds(&b, 3));
	flushes(&b);
	cr_assert_eq(b.flush.given, UNIT);
	cr_assert_eq(take_all(), 1);
	tells_at_last(&a);
	cr_assert_eq(take_all(), MAX - 2);
}

/* b finds nobody who tells, and counts what was written; in the part before, there is nothing to
 * give back, and what a wrote for it does not move what is covered now. */
Test(flush, what_is_told_in_another_part_is_not_used)
{
	cr_assert(take());
	cr_assert(finds(&a, 2));
	writes(&a);
	pass(&f, PART);
	cr_assert(take());
	cr_assert(finds(&b, 3));
	flushes(&b);
	tells_at_last(&a);
	cr_assert_eq(take_covered(), 3);
	cr_assert_eq(5 + take_all(), MAX);
	wipe();
	cr_assert_eq(take_all(), 0);
}

Test(flush, what_is_told_late_leaves_the_present_part_covered)
{
	cr_assert(take());
	cr_assert(finds(&a, 2));
	writes(&a);
	pass(&f, PART);
	cr_assert(finds(&b, 3));
	flushes(&b);
	cr_assert(tells(&a));
	cr_assert_eq(take_covered(), 3);
	cr_assert_eq(4 + take_all(), MAX);
}

/* A call that cost more than it had asked for: nothing is asked for, the excess is written. */
Test(flush, what_is_owed_is_written_although_others_have_not_told)
{
	cr_assert(take());
	cr_assert(finds(&a, 2));
	writes(&a);
	cr_assert(finds(&b, 0));
	writes(&b);
	cr_assert_neq(b.flush.seq, 0);
	cr_assert(tells(&b));
	cr_assert(tells(&a));
	cr_assert_eq(take_covered(), 2);
	cr_assert_eq(3 + take_all(), MAX);
}

static void reset(void)
{
	cr_assert_eq(ration__ledger_reset(f.engine, ration__cell_key(keys, &keys->cells[0]),
			     keys->cells[0].length),
		0);
}

Test(flush, one_that_was_on_its_way_when_a_reset_came_is_dropped)
{
	cr_assert(take());
	cr_assert(finds(&a, 2));
	writes(&a);
	reset();
	cr_assert(tells(&a));
	cr_assert_eq(left(), MAX);
	cr_assert_eq(take_all(), MAX);
}

Test(flush, nor_does_it_come_back_when_hot_is_lost)
{
	cr_assert(take());
	cr_assert(finds(&a, 2));
	writes(&a);
	reset();
	for (int i = 0; i < 5; i++)
		cr_assert(take());
	wipe();
	tells_at_last(&a);
	cr_assert_eq(left(), MAX - 5);
	cr_assert_eq(take_all(), MAX - 5);
}

/* ---- many, at random ---- */

#define OTHERS 5
#define GRANTS 64

struct crowd {
	struct other others[OTHERS];
	enum { IDLE, ASKS, WROTE } state[OTHERS];
	struct ration__grant grants[GRANTS];
	int grant_count, used, lost;
	int64_t told; /* amount that hot/ was told of */
};

static void step(struct crowd *c, struct ration__random *dice)
{
	int i = (int)roll_dice(dice, OTHERS), what = (int)roll_dice(dice, 100);
	struct ration__grant *last = &c->grants[c->grant_count];

	if (what < 1 && c->lost < 20) {
		wipe();
		c->lost++;
	} else if (what < 2)
		pass(&f, PART);
	else if (what < 8 && c->grant_count > 0) {
		give_back(last - 1);
		c->grant_count--;
		c->used--;
	} else if (what < 40 && c->grant_count < GRANTS - 1) {
		if (hold_covered(last)) {
			c->grant_count++;
			c->used++;
		}
	} else if (c->state[i] == IDLE) {
		if (finds(&c->others[i], 1 + (int)roll_dice(dice, 3))) {
			if (!c->others[i].request.lower)
				c->others[i].request.sync = roll_dice(dice, 2);
			c->state[i] = ASKS;
		}
	} else if (c->state[i] == ASKS) {
		writes(&c->others[i]);
		c->state[i] = WROTE;
	} else if (roll_dice(dice, 20) == 0)
		c->state[i] = IDLE; /* dies */
	else if (tells(&c->others[i])) {
		c->state[i] = IDLE;
		/* what was due may have been written by another meanwhile, and serves the next */
		if (c->others[i].flush.seq)
			c->told +=
				ration__max64(c->others[i].flush.given, c->others[i].flush.added);
	} else
		c->state[i] = ASKS;
}

Test(flush, in_no_order_is_more_used_than_the_quota)
{
	static struct crowd c;
	int wasted = 0;

	for (int seed = 0; seed < 40; seed++) {
		struct ration__random dice = dice_new((uint64_t)seed);

		reset();
		memset(&c, 0, sizeof(c));
		for (int i = 0; i < 300; i++) {
			step(&c, &dice);
			cr_assert_leq(c.used, MAX, "seed %d, step %d", seed, i);
			cr_assert_leq(c.used * UNIT, c.told, "seed %d, step %d", seed, i);
		}
		for (int i = 0; i < OTHERS; i++)
			if (c.state[i] == WROTE)
				tells_at_last(&c.others[i]);
		c.used += take_all();
		cr_assert_leq(c.used, MAX, "seed %d", seed);
		wasted += MAX - c.used;
		while (c.grant_count > 0)
			settle(&f, &c.grants[--c.grant_count], RATION__SUCCESS);
	}
	cr_log_info("%d wasted", wasted);
}
