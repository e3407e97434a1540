/* What servers say about time: Retry-After, RateLimit, the X-RateLimit families. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/util.h"
#include "http/hints.h"
#include "http/service.h"
#include "http_leaks.h"

TestSuite(hints, .fini = check_leaks);

#define NOW "date: Sun, 06 Nov 1994 08:49:37 GMT\n"    /* 784111777 */
#define RECENT "date: Wed, 15 Jan 2025 14:23:00 GMT\n" /* 1736950980 */

/* text: "name: value\n" … becomes the form of the headers, in a block of its own size. */
static struct ration__hints read_text(uint32_t which, const char *text)
{
	size_t length = strlen(text), used = 0;
	char *block = malloc(2 * length + 1);
	struct ration__hints hints = {.retry_after_ns = -1, .stop_ns = -1};

	while (*text) {
		size_t name = strcspn(text, ":\n"), line = strcspn(text, "\n");
		size_t value = name < line ? strspn(text + name, ": ") : 0;

		memcpy(block + used, text, name);
		used += name;
		block[used++] = '\0';
		memcpy(block + used, text + name + value, line - name - value);
		used += line - name - value;
		block[used++] = '\0';
		text += line + 1;
	}
	block = realloc(block, used + 1);
	block[used] = '\0';
	ration__hints_read(which, block, used, &hints);
	free(block);
	return hints;
}

static void check(const char *text, int64_t retry_after_ms, int64_t stop_ms)
{
	struct ration__hints hints = read_text(RATION__HINT_ALL, text);

	cr_expect_eq(hints.retry_after_ns, retry_after_ms * RATION__NS_PER_MS, "%s: %lld", text,
		(long long)hints.retry_after_ns);
	cr_expect_eq(hints.stop_ns, stop_ms * RATION__NS_PER_MS, "%s: %lld", text,
		(long long)hints.stop_ns);
}

Test(hints, D5_retry_after_as_seconds_and_dates)
{
	check("", 0, 0);
	check("content-type: text/plain\n" NOW, 0, 0);
	check("retry-after: 5\n", 5000, 0);
	check("retry-after: 5\nretry-after: 9\n", 5000, 0);
	check("retry-after: Sun, 06 Nov 1994 08:49:47 GMT\n" NOW, 10000, 0);
	check(NOW "retry-after: Sunday, 06-Nov-94 08:49:47 GMT\n", 10000, 0);
	check(NOW "retry-after: Sun Nov  6 08:49:47 1994\n", 10000, 0);
	check("retry-after: Sun, 06 Nov 1994 08:49:47 GMT\n", 0, 0);
	check("retry-after: -1\n", 0, 0);
}

Test(hints, D6_at_once_is_not_nothing)
{
	cr_expect(read_text(RATION__HINT_ALL, "retry-after: 0\n").at_once);
	cr_expect(read_text(RATION__HINT_ALL, NOW "retry-after: Sun, 06 Nov 1994 08:49:36 GMT\n")
			  .at_once);
	cr_expect_not(read_text(RATION__HINT_ALL, "retry-after: 1\n").at_once);
	cr_expect_not(read_text(RATION__HINT_ALL, "retry-after: -1\n").at_once);
	cr_expect_not(read_text(RATION__HINT_ALL, "ratelimit: \"a\";r=0;t=30\n").at_once);
	cr_expect_not(read_text(RATION__HINT_RATELIMIT, "retry-after: 0\n").at_once);
	cr_expect_not(read_text(RATION__HINT_ALL, "").at_once);
}

Test(hints, X8_retry_after_takes_the_place_of_a_stop)
{
	check("retry-after: 2\nratelimit: \"a\";r=0;t=30\n", 2000, 2000);
	check("retry-after: 90\nratelimit: \"a\";r=0;t=30\n", 90000, 90000);
	check("retry-after: 0\nratelimit: \"a\";r=0;t=30\n", 0, 0);
	check("retry-after: 7\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 30\n", 7000, 7000);
	check("retry-after: 7\nratelimit: \"a\";r=0\n", 7000, 7000);
	check("retry-after: 7\nratelimit: \"a\";r=1;t=30\n", 7000, 0);
	check("retry-after: soon\nratelimit: \"a\";r=0;t=30\n", 0, 30000);
}

Test(hints, ratelimit_field)
{
	check("ratelimit: \"default\";r=50;t=30\n", 0, 0);
	check("ratelimit: \"default\";r=0;t=30\n", 0, 30000);
	check("ratelimit: default;r=0;t=30\n", 0, 30000);
	check("ratelimit: \"default\";t=30;r=0;pk=:aGk=:;x=(;\n", 0, 0);
	check("ratelimit: \"default\";t=30;r=0;pk=:aGk=:;x=?1;acme-y\n", 0, 30000);
	check("ratelimit: \"a\";r=0;t=5, \"b\";r=0;t=9, \"c\";r=1;t=60\n", 0, 9000);
	check("ratelimit: \"a\";r=0;t=5\nratelimit: \"b\";r=0;t=9\n", 0, 9000);
	check("ratelimit: \"b\";r=0;t=9\nratelimit: \"a\";r=0;t=5\n", 0, 9000);
	check("ratelimit: \"a\";r=0;t=0\n", 0, 0);
	check("ratelimit: \"a\";r=1;r=0;t=3;t=4\n", 0, 4000);
	check("ratelimit: \n", 0, 0);
}

Test(hints, ratelimit_malformed_is_ignored_whole)
{
	static const char *const rows[] = {
		"ratelimit: \"a\";r=0;t=30,\n",
		"ratelimit: \"a\";r=0;t=30;\n",
		"ratelimit: \"a\";r=0;t=-30\n",
		"ratelimit: \"a\";r=0;t=30.0\n",
		"ratelimit: \"a\";r=0;t=\"30\"\n",
		"ratelimit: \"a\";r=0;t\n",
		"ratelimit: \"a\";t=30\n",
		"ratelimit: \"a\";r=-1;t=30\n",
		"ratelimit: \"a\";r=?0;t=30\n",
		"ratelimit: \"a\";r=0;t=30, \"b\"\n",
		"ratelimit: \"a\";r=0;t=30, 5\n",
		"ratelimit: 5;r=0;t=30\n",
		"ratelimit: (\"a\");r=0;t=30\n",
		"ratelimit: \"a;r=0;t=30\n",
		"ratelimit: \"a\" ;r=0;t=30\n",
		"ratelimit: \"a\";R=0;t=30\n",
		"ratelimit: \"a\";r=0;t=1000000000000000\n",
	};

	for (size_t i = 0; i < RATION__COUNT(rows); i++)
		check(rows[i], 0, 0);
	/* and takes nothing else with it */
	check("ratelimit: \"a\";r=0;t=30,\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 3\n", 0,
		3000);
	check("ratelimit: \"a\";r=0;t=999999999999999\n", 0, INT64_C(3153600000000));
}

Test(hints, ratelimit_older_drafts)
{
	check("ratelimit: limit=100, remaining=0, reset=5\n", 0, 5000);
	check("ratelimit: limit=100, remaining=50, reset=5\n", 0, 0);
	check("ratelimit: limit=100\nratelimit: remaining=0, reset=5\n", 0, 5000);
	check("ratelimit: remaining=0;x=1, reset=5\n", 0, 5000);
	check("ratelimit: limit=100, remaining=0\n", 0, 0);
	check("ratelimit: limit=100, remaining=0, reset=-5\n", 0, 0);
	check("ratelimit: limit=100, remaining=0, reset=5,\n", 0, 0);
	check("ratelimit: limit=100, remaining=\"0\", reset=5\n", 0, 0);
	check("ratelimit-limit: 100\nratelimit-remaining: 0\nratelimit-reset: 5\n", 0, 5000);
	check("ratelimit-limit: 100\nratelimit-remaining: 1\nratelimit-reset: 5\n", 0, 0);
	check("ratelimit-remaining: 0\n", 0, 0);
	check("ratelimit-reset: 5\n", 0, 0);
}

Test(hints, ratelimit_policy)
{
	/* a limit without a time lasts its policy's window */
	check("ratelimit: \"a\";r=0\n", 0, 0);
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"a\";q=100;w=60\n", 0, 60000);
	check("ratelimit-policy: \"b\";q=5;w=9, \"a\";q=100;w=60;qu=\"requests\"\nratelimit: "
	      "\"a\";r=0\n",
		0, 60000);
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"b\";q=5;w=9\nratelimit-policy: "
	      "\"a\";q=1;w=8;x=y\n",
		0, 8000);
	check("ratelimit: \"a\";r=0;t=3\nratelimit-policy: \"a\";q=100;w=60\n", 0, 3000);
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"b\";q=100;w=60\n", 0, 0);
	/* places come back when requests end */
	check("ratelimit: \"a\";r=0;t=3\nratelimit-policy: \"a\";q=9;qu=\"concurrent-requests\"\n",
		0, 0);
	check("ratelimit: \"a\";r=0;t=3\nratelimit-policy: \"a\";q=9;qu=\"content-bytes\"\n", 0,
		3000);
	/* malformed: as if it were not there */
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"a\";q=100;w=0\n", 0, 0);
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"a\";q=100;w=-60\n", 0, 0);
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"a\";w=60\n", 0, 0);
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"a\";q=1.0;w=60\n", 0, 0);
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"a\";q=1;w=60;qu=requests\n", 0, 0);
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"a\";q=1;w=60, \"b\";q=1;w=0\n", 0, 0);
	check("ratelimit: \"a\";r=0\nratelimit-policy: \"a\";q=1;w=60,\n", 0, 0);
	check("ratelimit: \"a\";r=0\nratelimit-policy: 100;w=60\n", 0, 0);
	check("ratelimit: \"a\";r=0;t=4\nratelimit-policy: \"a\";q=1;w=0\n", 0, 4000);
}

Test(hints, x_ratelimit_reset_as_distance_or_moment)
{
#define SPENT "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: "
	check(SPENT "30\n", 0, 30000);
	check(SPENT "0\n", 0, 0);
	check(SPENT "1.5\n", 0, 1500);
	check(SPENT "999999999\n", 0, INT64_C(999999999000));
	check(RECENT SPENT "1736951040\n", 0, 60000);
	check(RECENT SPENT "1736951040.250\n", 0, 60250);
	check(RECENT SPENT "1736951040000\n", 0, 60000);
	check(RECENT SPENT "1736951040000000\n", 0, 60000);
	check(RECENT SPENT "1736950980\n", 0, 0);
	check(RECENT SPENT "1736950000\n", 0, 0);
	check(RECENT SPENT "2025-01-15T14:24:00Z\n", 0, 60000);
	check(RECENT SPENT "2025-01-15T15:24:00+01:00\n", 0, 60000);
	check(RECENT SPENT "2025-01-15T14:22:00Z\n", 0, 0);
	check(RECENT SPENT "Wed, 15 Jan 2025 14:24:00 GMT\n", 0, 60000);
	check(RECENT SPENT "9999999999999999999999999999\n", 0, INT64_C(3153600000000));
	/* a moment without the server's own time says nothing */
	check(SPENT "1736951040\n", 0, 0);
	check("date: today\n" SPENT "1736951040\n", 0, 0);
	check(SPENT "2025-01-15T14:24:00Z\n", 0, 0);
	check(RECENT SPENT "-5\n", 0, 0);
	check(RECENT SPENT "+5\n", 0, 0);
	check(RECENT SPENT "5e1\n", 0, 0);
	check(RECENT SPENT "1.2.3\n", 0, 0);
	check(RECENT SPENT "soon\n", 0, 0);
	check(RECENT SPENT "\n", 0, 0);
	check(RECENT SPENT "5, 9\n", 0, 0);
#undef SPENT
}

Test(hints, x_ratelimit_remaining)
{
#define RESET "x-ratelimit-reset: 30\n"
	check("x-ratelimit-remaining: 0\n" RESET, 0, 30000);
	check("x-ratelimit-remaining: 0.0\n" RESET, 0, 30000);
	check("x-ratelimit-remaining: 1\n" RESET, 0, 0);
	check("x-ratelimit-remaining: 0.5\n" RESET, 0, 0);
	check("x-ratelimit-remaining: -1\n" RESET, 0, 0);
	check("x-ratelimit-remaining: -0\n" RESET, 0, 0);
	check("x-ratelimit-remaining: \n" RESET, 0, 0);
	check("x-ratelimit-remaining: none\n" RESET, 0, 0);
	check("x-ratelimit-remaining: 0\n", 0, 0);
	check(RESET, 0, 0);
#undef RESET
}

Test(hints, x_ratelimit_families)
{
	check("x-ratelimit-limit-requests: 60\nx-ratelimit-limit-tokens: 150000\n"
	      "x-ratelimit-remaining-requests: 59\nx-ratelimit-remaining-tokens: 0\n"
	      "x-ratelimit-reset-requests: 1s\nx-ratelimit-reset-tokens: 6m0s\n",
		0, 360000);
	check("x-ratelimit-remaining-requests: 0\nx-ratelimit-remaining-tokens: 0\n"
	      "x-ratelimit-reset-requests: 1s\nx-ratelimit-reset-tokens: 20ms\n",
		0, 1000);
	check("x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 7.66s\n", 0, 7660);
	check("x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 1h2m3.5s\n", 0, 3723500);
	check("x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 3s1m\n", 0, 0);
	check("x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset: 9\n", 0, 0);
	check("x-ratelimit-remaining-minute: 0\nx-ratelimit-reset-minute: 9\n", 0, 9000);
	check("x-rate-limit-remaining: 0\nx-rate-limit-reset: 9\n", 0, 9000);
	check("x-rate-limit-remaining: 0\nx-ratelimit-reset: 9\n", 0, 0);
	check(RECENT "anthropic-ratelimit-requests-remaining: 5\n"
		     "anthropic-ratelimit-requests-reset: 2025-01-15T14:28:00Z\n"
		     "anthropic-ratelimit-tokens-remaining: 0\n"
		     "anthropic-ratelimit-tokens-reset: 2025-01-15T14:24:00Z\n",
		0, 60000);
	/* "reset-after" needs no clock, so it is preferred */
	check("x-ratelimit-remaining: 0\nx-ratelimit-reset: 30\nx-ratelimit-reset-after: 1.25\n", 0,
		1250);
	check("x-ratelimit-reset-after: 1.25\nx-ratelimit-reset: 30\nx-ratelimit-remaining: 0\n", 0,
		1250);
	check("x-ratelimit-remaining: 0\nx-ratelimit-reset-after-all: 5\nx-ratelimit-reset: 30\n",
		0, 30000);
	check("x-ratelimitless-remaining: 0\nx-ratelimitless-reset: 30\n", 0, 0);
	check("y-x-ratelimit-remaining: 0\ny-x-ratelimit-reset: 30\n", 0, 0);
}

Test(hints, the_longest_stop_counts)
{
	check("ratelimit: \"a\";r=0;t=5\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 30\n", 0,
		30000);
	check("ratelimit: \"a\";r=0;t=50\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 30\n", 0,
		50000);
}

Test(hints, each_can_be_switched_off)
{
	static const char text[] = "retry-after: 5\nratelimit: \"a\";r=0;t=6\nratelimit-remaining: "
				   "0\nratelimit-reset: 7\nx-ratelimit-remaining: 0\n"
				   "x-ratelimit-reset: 8\n";
	static const struct {
		uint32_t which;
		int64_t retry_after_s, stop_s;
	} rows[] = {{RATION__HINT_ALL, 5, 5}, {0, 0, 0}, {RATION__HINT_RETRY_AFTER, 5, 0},
		{RATION__HINT_RATELIMIT, 0, 7}, {RATION__HINT_X_RATELIMIT, 0, 8},
		{RATION__HINT_RATELIMIT | RATION__HINT_X_RATELIMIT, 0, 8}};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		struct ration__hints hints = read_text(rows[i].which, text);

		cr_expect_eq(hints.retry_after_ns, rows[i].retry_after_s * RATION__NS_PER_S,
			"row %zu: %lld", i, (long long)hints.retry_after_ns);
		cr_expect_eq(hints.stop_ns, rows[i].stop_s * RATION__NS_PER_S, "row %zu: %lld", i,
			(long long)hints.stop_ns);
	}
}

/* prefix, count times middle, suffix */
static char *build(const char *prefix, const char *middle, size_t count, const char *suffix)
{
	size_t length = strlen(middle);
	char *text = malloc(strlen(prefix) + count * length + strlen(suffix) + 1), *at = text;

	at = stpcpy(at, prefix);
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, middle);
	stpcpy(at, suffix);
	return text;
}

static void check_built(
	const char *prefix, const char *middle, size_t count, const char *suffix, int64_t stop_ms)
{
	char *text = build(prefix, middle, count, suffix);

	check(text, 0, stop_ms);
	free(text);
}

Test(hints, hostile_amounts)
{
	/* one long line is read; lines are joined up to a bound, beyond it the field is ignored */
	check_built("ratelimit: \"a\";r=0;t=5", ";x=\"yyyyyyyyyyyyyyyyyyyyyyyyy\"", 50, "\n", 5000);
	check_built("", "ratelimit: \"a\";r=0;t=5\n", 100, "", 5000);
	check_built("", "ratelimit: \"a\";r=0;t=5\n", 2000, "", 0);
	check_built("ratelimit: \"a\";r=0;t=5", ";x", 254, "\n", 5000);
	check_built("ratelimit: \"a\";r=0;t=5", ";x", 2000, "\n", 0);
	check_built("ratelimit: ", "(", 2000, "\n", 0);
	check_built("ratelimit-policy: \"z\";q=1;w=1", ", \"y\";q=1;w=1", 100,
		"\nratelimit: \"z\";r=0\n", 1000);
	/* only so many families are looked at */
	check_built("", "x-ratelimit-remaining: 0\n", 2500, "x-ratelimit-reset: 5\n", 5000);
	check_built("", "x-ratelimit-remaining-a: 0\n", 2500,
		"x-ratelimit-remaining: 0\nx-ratelimit-reset: 5\n", 0);
	check_built("x-ratelimit-remaining: 0", "0", 60000, "\nx-ratelimit-reset: 5\n", 5000);
	check_built("x-ratelimit-remaining: 0\nx-ratelimit-reset: ", "9", 60000, "\n", 0);
}

/* Right lines, each with some of its bytes replaced: sanitizers watch, and whatever comes out is
 * within bounds. */
Test(hints, random_headers)
{
	static const char *const lines[] = {"retry-after: 5", "ratelimit: \"a\";r=0;t=5, \"b\";r=3",
		"ratelimit-policy: \"a\";q=1;w=2;qu=\"requests\"", "ratelimit-remaining: 0",
		"ratelimit-reset: 5", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 1736951040",
		"x-ratelimit-reset-after: 1.5", "x-ratelimit-remaining-tokens: 0",
		"x-ratelimit-reset-tokens: 6m0s", "date: Wed, 15 Jan 2025 14:23:00 GMT",
		"ratelimit: limit=1, remaining=0, reset=5",
		"x-ratelimit-reset: 2025-01-15T14:24:00Z",
		"retry-after: Wed, 15 Jan 2025 14:24:00 GMT"};
	static const char likely[] = "0159.-;=,\"()TZ: smh";
	struct ration__random random = {.state = {4, 3, 2, 1}};
	unsigned stops = 0, waits = 0;

	for (int i = 0; i < 50000; i++) {
		char text[1024] = "";
		size_t count = ration__random_next(&random) % 7;

		while (count--) {
			uint64_t dice = ration__random_next(&random);
			char *line = text + strlen(text);

			strcat(text, lines[dice % RATION__COUNT(lines)]);
			for (dice >>= 32; dice % 2; dice /= 2)
				line[ration__random_next(&random) % strlen(line)] =
					likely[ration__random_next(&random) % (sizeof(likely) - 1)];
			strcat(text, "\n");
		}
		struct ration__hints hints = read_text(RATION__HINT_ALL, text);

		cr_assert(hints.retry_after_ns >= 0 && hints.stop_ns >= 0);
		cr_assert_leq(hints.retry_after_ns, INT64_C(3153600000) * RATION__NS_PER_S);
		cr_assert_leq(hints.stop_ns, INT64_C(3153600000) * RATION__NS_PER_S);
		stops += hints.stop_ns > 0;
		waits += hints.retry_after_ns > 0;
	}
	cr_expect(stops > 1000 && waits > 1000, "%u stops, %u waits", stops, waits);
}
