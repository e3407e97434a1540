/* Clock and random source, timers' heap, hashes, ids, errors. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ration/error.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/util.h"

/* Criterion alone does not fail on leaks. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);
static void check_leaks(void)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		abort();
}

TestSuite(clock, .fini = check_leaks);
TestSuite(heap, .fini = check_leaks);
TestSuite(hash, .fini = check_leaks);
TestSuite(id, .fini = check_leaks);
TestSuite(error, .fini = check_leaks);

/* ---- clock and randomness ---- */

static int64_t fake_clock(void *arg, enum ration_clock which)
{
	return *(int64_t *)arg + (which == RATION_CLOCK_WALL ? 1000 : 0);
}

static uint64_t fake_random(void *arg)
{
	return (*(uint64_t *)arg)++;
}

Test(clock, injected_time_is_the_only_time)
{
	int64_t now = 42;
	struct ration__clock fake = {fake_clock, &now}, system = {0};

	cr_assert(ration__clock_injected(&fake));
	cr_assert_not(ration__clock_injected(&system));
	cr_assert_eq(ration__clock_now(&fake, RATION_CLOCK_STEADY), 42);
	cr_assert_eq(ration__clock_now(&fake, RATION_CLOCK_WALL), 1042);
	now = 43;
	cr_assert_eq(ration__clock_now(&fake, RATION_CLOCK_STEADY), 43);
}

Test(clock, system_time_goes_on)
{
	struct ration__clock system = {0};
	int64_t first = ration__clock_now(&system, RATION_CLOCK_STEADY);

	cr_assert_gt(first, 0);
	cr_assert_geq(ration__clock_now(&system, RATION_CLOCK_STEADY), first);
	/* 2020 .. 2100 */
	cr_assert_gt(ration__clock_now(&system, RATION_CLOCK_WALL), 1577836800 * RATION__NS_PER_S);
	cr_assert_lt(ration__clock_now(&system, RATION_CLOCK_WALL), 4102444800 * RATION__NS_PER_S);
}

Test(clock, injected_randomness_is_the_only_randomness)
{
	struct ration__random random;
	uint64_t next = 7;

	ration__random_init(&random, fake_random, &next);
	cr_assert_eq(ration__random_next(&random), 7);
	cr_assert_eq(ration__random_next(&random), 8);
	next = UINT64_MAX;
	cr_assert_lt(ration__random_unit(&random), 1.0);
	cr_assert_eq(ration__random_unit(&random), 0.0);
}

Test(clock, generator_is_xoshiro256starstar)
{
	/* the first outputs of the published algorithm from the state 1, 2, 3, 4 */
	static const uint64_t expected[] = {UINT64_C(11520), 0, UINT64_C(1509978240),
		UINT64_C(1215971899390074240), UINT64_C(1216172134540287360)};
	struct ration__random random = {.state = {1, 2, 3, 4}};

	for (size_t i = 0; i < RATION__COUNT(expected); i++)
		cr_expect_eq(ration__random_next(&random), expected[i], "output %zu", i);
}

Test(clock, two_generators_differ)
{
	struct ration__random a, b;
	double sum = 0;

	ration__random_init(&a, NULL, NULL);
	ration__random_init(&b, NULL, NULL);
	cr_assert_neq(ration__random_next(&a), ration__random_next(&b));
	for (int i = 0; i < 10000; i++) {
		double unit = ration__random_unit(&a);

		cr_assert(unit >= 0 && unit < 1);
		sum += unit;
	}
	cr_assert(sum > 4700 && sum < 5300); /* ten standard deviations */
}

/* ---- heap ---- */

#define TIMERS 500

static void heap_check(const struct ration__heap *heap)
{
	for (uint32_t i = 0; i < heap->count; i++) {
		cr_assert_eq(heap->items[i]->index, i + 1);
		if (i)
			cr_assert_leq(heap->items[(i - 1) / 2]->at_ns, heap->items[i]->at_ns);
	}
}

Test(heap, random_operations_against_a_scan)
{
	static struct ration__timer timers[TIMERS];
	struct ration__random random = {.state = {1, 2, 3, 4}};
	struct ration__heap heap;

	ration__heap_init(&heap);
	cr_assert_null(ration__heap_first(&heap));
	for (int i = 0; i < 20000; i++) {
		struct ration__timer *timer = &timers[ration__random_next(&random) % TIMERS];
		int64_t earliest = INT64_MAX;
		uint32_t count = 0;

		if (ration__random_next(&random) % 3) {
			int64_t at = (int64_t)(ration__random_next(&random) % 1000);

			cr_assert_eq(ration__heap_set(&heap, timer, at), 0);
			cr_assert_eq(timer->at_ns, at);
		} else {
			ration__heap_remove(&heap, timer);
			cr_assert_eq(timer->index, 0);
		}
		for (int t = 0; t < TIMERS; t++) {
			if (!timers[t].index)
				continue;
			count++;
			earliest = ration__min64(earliest, timers[t].at_ns);
		}
		cr_assert_eq(heap.count, count);
		if (count)
			cr_assert_eq(ration__heap_first(&heap)->at_ns, earliest);
		if (i % 100 == 0)
			heap_check(&heap);
	}
	ration__heap_fini(&heap);
}

Test(heap, comes_out_in_order)
{
	struct ration__timer timers[100] = {0};
	struct ration__heap heap;
	int64_t last = -1;

	ration__heap_init(&heap);
	for (int i = 0; i < 100; i++)
		ration__heap_set(&heap, &timers[i], i * 37 % 100);
	while (ration__heap_first(&heap)) {
		struct ration__timer *first = ration__heap_first(&heap);

		cr_assert_eq(first->at_ns, last + 1);
		last = first->at_ns;
		ration__heap_remove(&heap, first);
		ration__heap_remove(&heap, first); /* absent is fine */
	}
	cr_assert_eq(last, 99);
	ration__heap_fini(&heap);
}

Test(heap, reserved_room_needs_no_memory)
{
	struct ration__timer timers[200] = {0};
	struct ration__timer **items;
	struct ration__heap heap;

	ration__heap_init(&heap);
	cr_assert_eq(ration__heap_reserve(&heap, 200), 0);
	items = heap.items;
	for (int i = 0; i < 200; i++)
		cr_assert_eq(ration__heap_set(&heap, &timers[i], -i), 0);
	cr_assert_eq(heap.items, items);
	cr_assert_eq(ration__heap_reserve(&heap, UINT32_MAX), RATION_ENOMEM);
	cr_assert_eq(heap.count, 200);
	ration__heap_fini(&heap);
}

/* ---- hash, id ---- */

Test(hash, known_values)
{
	/* XXH3 of nothing, seed 0, as its authors publish it */
	cr_assert_eq(ration__hash64("", 0), UINT64_C(0x2d06800538d394c2));
	cr_assert_eq(ration__hash128("", 0).low, UINT64_C(0x6001c324468d497f));
	cr_assert_eq(ration__hash128("", 0).high, UINT64_C(0x99aa06d3014798d8));
	cr_assert_neq(ration__hash64("a", 1), ration__hash64("b", 1));
}

Test(id, uuid_is_version_4)
{
	struct ration__random random;
	uint64_t bits = UINT64_MAX - 1;
	char text[RATION__UUID_SIZE];

	ration__random_init(&random, fake_random, &bits);
	ration__uuid(&random, text);
	cr_assert_str_eq(text, "ffffffff-ffff-4ffe-bfff-ffffffffffff");
	bits = UINT64_C(0x0123456789abcdef);
	ration__uuid(&random, text);
	cr_assert_str_eq(text, "01234567-89ab-4def-8123-456789abcdf0");
}

/* ---- errors ---- */

Test(error, set_makes_one_and_keeps_the_first)
{
	ration_error *err = NULL;

	cr_assert_eq(ration__error_set(NULL, RATION_EFULL, "unseen"), RATION_EFULL);
	cr_assert_eq(ration__error_set(&err, RATION_EINVAL, "no %s, %d", "name", 3), RATION_EINVAL);
	cr_assert_eq(ration__error_set(&err, RATION_EIO, "later"), RATION_EIO);
	cr_assert_eq(ration_error_code(err), RATION_EINVAL);
	cr_assert_str_eq(ration_error_text(err), "no name, 3");
	cr_assert_str_eq(ration_error_path(err), "");
	cr_assert_eq(ration_error_line(err), 0);
	ration_error_free(err);
}

static const struct {
	struct ration__place place;
	const char *text;
	int line, column;
} places[] = {
	{{"fleet.yaml", 12, 24, "a.rate"}, "fleet.yaml:12:24: a.rate: bad", 12, 24},
	{{"fleet.yaml", 12, 0, NULL}, "fleet.yaml:12: bad", 12, 0},
	{{"fleet.yaml", 0, 5, NULL}, "fleet.yaml: bad", 0, 0},
	{{"--set", 0, 0, "a.rate"}, "--set: a.rate: bad", 0, 0},
	{{NULL, 0, 0, "a.rate"}, "a.rate: bad", 0, 0},
	{{NULL, 7, 1, NULL}, "7:1: bad", 7, 1},
	{{NULL, 0, 0, NULL}, "bad", 0, 0},
};

Test(error, place_stands_in_front)
{
	for (size_t i = 0; i < RATION__COUNT(places); i++) {
		ration_error *err = NULL;

		ration__error_set_at(&err, RATION_ECONFIG, &places[i].place, "%s", "bad");
		cr_expect_str_eq(ration_error_text(err), places[i].text);
		cr_expect_str_eq(
			ration_error_path(err), places[i].place.path ? places[i].place.path : "");
		cr_expect_eq(ration_error_line(err), places[i].line);
		cr_expect_eq(ration_error_column(err), places[i].column);
		ration_error_free(err);
	}
}

Test(error, text_is_one_plain_line)
{
	ration_error *err = NULL;

	ration__error_set(&err, RATION_EINVAL, "\"%s\"", "a\nb\x1b[31m\x7f");
	cr_assert_str_eq(ration_error_text(err), "\"a b [31m \"");
	ration_error_free(err);
}

Test(error, null_is_no_error)
{
	cr_assert_eq(ration_error_code(NULL), 0);
	cr_assert_str_eq(ration_error_text(NULL), "");
	cr_assert_str_eq(ration_error_path(NULL), "");
	cr_assert_eq(ration_error_line(NULL), 0);
	cr_assert_eq(ration_error_column(NULL), 0);
	ration_error_free(NULL);
}

Test(error, every_code_has_name_class_and_text)
{
	static const char classes[] =
		" usage resource store config transport timeout status cancelled ";
	static const int all[] = {
#define RATION_X(name, value, class_, retryable, text) value,
		RATION_ERROR_LIST(RATION_X)
#undef RATION_X
	};

	for (size_t i = 0; i < RATION__COUNT(all); i++) {
		char padded[32];

		snprintf(padded, sizeof(padded), " %s ", ration_code_class(all[i]));
		cr_expect(strstr(classes, padded), "%d: %s", all[i], padded);
		cr_expect_eq(ration_code_name(all[i])[0], 'E');
		cr_expect_neq(ration_strerror(all[i])[0], '\0');
		for (size_t j = 0; j < i; j++)
			cr_expect_neq(all[i], all[j], "value used twice");
	}
	cr_assert_str_eq(ration_code_name(RATION_EFULL), "EFULL");
	cr_assert_str_eq(ration_code_class(RATION_EFULL), "resource");
	cr_assert_eq(ration_code_retryable(RATION_EFULL), 1);
	cr_assert_eq(ration_code_retryable(RATION_ECONFIG), 0);
	cr_assert_str_eq(ration_code_name(RATION_DENIED_RATE), "DENIED_RATE");
	cr_assert_str_eq(ration_code_class(RATION_DENIED_RATE), "denied");
	cr_assert_str_eq(ration_strerror(RATION_DENIED_RATE), "rate limit exceeded");
	cr_assert_eq(ration_code_retryable(RATION_DENIED_RATE), 1);
	cr_assert_eq(ration_code_retryable(RATION_DENIED_IMPOSSIBLE), 0);
	cr_assert_str_eq(ration_code_class(0), "ok");
	cr_assert_str_eq(ration_code_name(-9999), "UNKNOWN");
	cr_assert_str_eq(ration_strerror(9999), "unknown code");
}
