/* Backoff, outcome classes, retry decisions. */
#include <criterion/criterion.h>
#include "base/util.h"
#include "policy/retry.h"
#include "policy_dice.h"

#define HALF (UINT64_C(1) << 63) /* random bits for 0.5 */
#define MOST UINT64_MAX		 /* for just below 1 */

static const struct ration__backoff_conf doubling = {
	RATION__BACKOFF_EXPONENTIAL, RATION__JITTER_NONE, SEC, 60 * SEC, 2, 0};

Test(retry, S7_delays_1_2_4_capped)
{
	static const int64_t seconds[] = {1, 2, 4, 8, 16, 32, 60, 60};

	for (size_t i = 0; i < RATION__COUNT(seconds); i++)
		cr_expect_eq(ration__backoff_delay(&doubling, (uint32_t)i + 1, 0, 0, 0),
			seconds[i] * SEC);
	cr_expect_eq(ration__backoff_delay(&doubling, UINT32_MAX, 0, 0, 0), 60 * SEC);
	cr_expect_eq(ration__backoff_delay(&doubling, 0, 0, 0, 0), SEC);
}

Test(retry, S7_jitter_varies_and_repeats_with_the_same_random)
{
	struct ration__backoff_conf conf = doubling;

	conf.jitter = RATION__JITTER_FULL;
	cr_expect_eq(ration__backoff_delay(&conf, 3, 0, 0, 0), 0);
	cr_expect_eq(ration__backoff_delay(&conf, 3, 0, HALF, 0), 2 * SEC);
	cr_expect_geq(ration__backoff_delay(&conf, 3, 0, MOST, 0), 4 * SEC - 10);
	cr_expect_leq(ration__backoff_delay(&conf, 3, 0, MOST, 0), 4 * SEC);
	conf.jitter = RATION__JITTER_EQUAL;
	cr_expect_eq(ration__backoff_delay(&conf, 3, 0, 0, 0), 2 * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 3, 0, HALF, 0), 3 * SEC);
	cr_expect_leq(ration__backoff_delay(&conf, 3, 0, MOST, 0), 4 * SEC);
}

Test(retry, X7_the_cap_applies_after_jitter)
{
	struct ration__backoff_conf conf = doubling;

	conf.jitter = RATION__JITTER_FULL;
	conf.max_ns = 3 * SEC;
	/* 8 s, half of it is 4 s, capped: not half of the cap */
	cr_expect_eq(ration__backoff_delay(&conf, 4, 0, HALF, 0), 3 * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, UINT32_MAX, 0, HALF, 0), 3 * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, UINT32_MAX, 0, 0, 0), 0, "infinity times 0");
}

Test(retry, X7_linear)
{
	struct ration__backoff_conf conf = doubling;

	conf.kind = RATION__BACKOFF_LINEAR;
	conf.first_ns = 2 * SEC;
	for (uint32_t i = 1; i <= 30; i++)
		cr_expect_eq(ration__backoff_delay(&conf, i, 0, 0, 0), 2 * i * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 31, 0, 0, 0), 60 * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, UINT32_MAX, 0, 0, 0), 60 * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 0, 0, 0, 0), 2 * SEC);
}

Test(retry, X7_plus_minus_a_part)
{
	struct ration__backoff_conf conf = doubling;

	conf.jitter = RATION__JITTER_PART;
	conf.jitter_part = 0.25;
	cr_expect_eq(ration__backoff_delay(&conf, 3, 0, 0, 0), 3 * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 3, 0, HALF, 0), 4 * SEC);
	cr_expect_geq(ration__backoff_delay(&conf, 3, 0, MOST, 0), 5 * SEC - 10);
	cr_expect_leq(ration__backoff_delay(&conf, 3, 0, MOST, 0), 5 * SEC);
	conf.max_ns = 4 * SEC;
	cr_expect_eq(ration__backoff_delay(&conf, 3, 0, MOST, 0), 4 * SEC, "the cap comes last");
	cr_expect_eq(ration__backoff_delay(&conf, 3, 0, 0, 0), 3 * SEC);
	conf.jitter_part = 1;
	cr_expect_eq(ration__backoff_delay(&conf, UINT32_MAX, 0, 0, 0), 0, "infinity times 0");
	conf.jitter_part = 0;
	cr_expect_eq(ration__backoff_delay(&conf, 2, 0, MOST, 0), 2 * SEC);
}

Test(retry, X7_decorrelated)
{
	struct ration__backoff_conf conf = doubling;
	struct ration__random dice = dice_new(7);
	int64_t delay = 0, longest = 0;

	conf.kind = RATION__BACKOFF_DECORRELATED;
	conf.jitter = RATION__JITTER_FULL; /* it is its own */
	cr_expect_eq(ration__backoff_delay(&conf, 1, 0, 0, 0), SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 1, 0, MOST, 0), SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 2, 5 * SEC, 0, 0), SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 2, 5 * SEC, HALF, 0), 8 * SEC);
	cr_expect_geq(ration__backoff_delay(&conf, 2, 5 * SEC, MOST, 0), 15 * SEC - 10);
	cr_expect_leq(ration__backoff_delay(&conf, 2, 5 * SEC, MOST, 0), 15 * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 2, 50 * SEC, MOST, 0), 60 * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 2, RATION__NEVER, MOST, 0), 60 * SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 2, 1, MOST, 0), SEC, "never below the first");
	for (uint32_t i = 1; i < 1000; i++) {
		int64_t previous = delay;

		delay = ration__backoff_delay(&conf, i, previous, ration__random_next(&dice), 0);
		cr_assert_geq(delay, SEC);
		cr_assert_leq(delay, ration__max64(SEC, ration__min64(3 * previous, 60 * SEC)));
		longest = ration__max64(longest, delay);
	}
	cr_expect_eq(longest, 60 * SEC);
}

Test(retry, X8_retry_after_is_the_floor)
{
	struct ration__backoff_conf conf = doubling;

	conf.kind = RATION__BACKOFF_CONSTANT;
	cr_expect_eq(ration__backoff_delay(&conf, 9, 0, 0, 0), SEC);
	cr_expect_eq(ration__backoff_delay(&conf, 9, 0, 0, 5 * SEC), 5 * SEC);
	cr_expect_eq(
		ration__backoff_delay(&conf, 9, 0, 0, 90 * SEC), 90 * SEC, "above the cap, too");
	cr_expect_eq(ration__backoff_delay(&conf, 9, 0, 0, SEC / 2), SEC);
}

Test(retry, no_delay_at_all)
{
	struct ration__backoff_conf conf = doubling;

	conf.first_ns = 0;
	cr_expect_eq(ration__backoff_delay(&conf, UINT32_MAX, 0, MOST, 0), 0);
}

Test(retry, X11_outcome_classes)
{
	static const struct {
		struct ration__attempt_end end;
		enum ration__outcome outcome;
	} rows[] = {
		{{.end = RATION__END_ANSWERED, .status = 200}, RATION__SUCCESS},
		{{.end = RATION__END_ANSWERED, .status = 301}, RATION__SUCCESS},
		{{.end = RATION__END_ANSWERED, .status = 400}, RATION__SUCCESS},
		{{.end = RATION__END_ANSWERED, .status = 404}, RATION__SUCCESS},
		{{.end = RATION__END_ANSWERED, .status = 408}, RATION__FAILURE},
		{{.end = RATION__END_ANSWERED, .status = 429}, RATION__THROTTLED},
		{{.end = RATION__END_ANSWERED, .status = 499}, RATION__SUCCESS},
		{{.end = RATION__END_ANSWERED, .status = 500}, RATION__FAILURE},
		{{.end = RATION__END_ANSWERED, .status = 503}, RATION__FAILURE},
		{{.end = RATION__END_NOT_SENT}, RATION__FAILURE},
		{{.end = RATION__END_NOT_SENT, .timed_out = true}, RATION__FAILURE},
		{{.end = RATION__END_AMBIGUOUS}, RATION__FAILURE},
		{{.end = RATION__END_AMBIGUOUS, .stale = true}, RATION__IGNORED},
		{{.end = RATION__END_PERMANENT}, RATION__IGNORED},
		{{.end = RATION__END_LOCAL}, RATION__IGNORED},
		{{.end = RATION__END_CANCELLED}, RATION__IGNORED},
	};

	for (size_t i = 0; i < RATION__COUNT(rows); i++)
		cr_expect_eq(ration__outcome_of(NULL, &rows[i].end), rows[i].outcome, "row %zu", i);
}

Test(retry, a_429_or_503_is_a_throttle_and_overload)
{
	for (int status = 100; status < 600; status++) {
		struct ration__attempt_end end = {.end = RATION__END_ANSWERED, .status = status};

		cr_expect_eq(ration__end_is_throttle(NULL, &end), status == 429 || status == 503);
		cr_expect_eq(ration__end_is_overload(NULL, &end), status == 429 || status == 503);
		end.end = RATION__END_AMBIGUOUS;
		cr_expect_not(ration__end_is_overload(NULL, &end));
	}
}

static const struct ration__retry_conf retry_conf = {
	.attempts = 3,
	.throttled_attempts = 20,
	.methods = RATION__METHODS_SAFE,
	.backoff = {RATION__BACKOFF_EXPONENTIAL, RATION__JITTER_NONE, SEC, 60 * SEC, 2, 0},
	.throttle = {RATION__BACKOFF_CONSTANT, RATION__JITTER_NONE, 3 * SEC, 60 * SEC, 2, 0},
	.retry_after_max_ns = 120 * SEC,
};

static enum ration__retry_answer decide(uint32_t attempts, uint32_t throttled, bool repeatable,
	struct ration__attempt_end end, int64_t *delay_ns)
{
	struct ration__retry_state state = {
		.attempts = attempts, .throttled = throttled, .repeatable = repeatable};

	*delay_ns = -1;
	return ration__retry_decide(&retry_conf, &state, &end, 0, delay_ns);
}

static enum ration__retry_answer decide_status(int status, bool repeatable)
{
	struct ration__attempt_end end = {.end = RATION__END_ANSWERED, .status = status};
	int64_t delay;
	enum ration__retry_answer answer =
		decide(1, status == 429 ? 1 : 0, repeatable, end, &delay);

	cr_expect_eq(delay >= 0, answer == RATION__RETRY_AGAIN, "delay of %d", status);
	return answer;
}

Test(retry, E10_safe_methods_again_others_once)
{
	static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
	static const char *const unsafe[] = {
		"POST", "PUT", "DELETE", "PATCH", "get", "CONNECT", ""};

	for (size_t i = 0; i < RATION__COUNT(safe); i++)
		cr_expect(ration__method_is_safe(safe[i]));
	for (size_t i = 0; i < RATION__COUNT(unsafe); i++)
		cr_expect_not(ration__method_is_safe(unsafe[i]));
	cr_expect_eq(decide_status(503, true), RATION__RETRY_AGAIN);
	cr_expect_eq(decide_status(503, false), RATION__RETRY_REFUSED);
}

Test(retry, S5_which_statuses)
{
	static const int again[] = {408, 429, 500, 502, 503, 504, 507, 599};
	static const int never[] = {
		100, 301, 304, 400, 401, 403, 404, 409, 410, 422, 425, 451, 499};

	for (size_t i = 0; i < RATION__COUNT(again); i++)
		cr_expect_eq(decide_status(again[i], true), RATION__RETRY_AGAIN, "%d", again[i]);
	for (size_t i = 0; i < RATION__COUNT(never); i++)
		cr_expect_eq(decide_status(never[i], true), RATION__RETRY_REFUSED, "%d", never[i]);
	cr_expect_eq(decide_status(200, true), RATION__RETRY_ACCEPT);
	cr_expect_eq(decide_status(204, false), RATION__RETRY_ACCEPT);
}

Test(retry, X2_throttled_is_repeated_whatever_the_method)
{
	cr_expect_eq(decide_status(429, false), RATION__RETRY_AGAIN);
}

Test(retry, E11_constant_for_429_E12_exponential_for_503)
{
	struct ration__attempt_end throttled = {.end = RATION__END_ANSWERED, .status = 429};
	struct ration__attempt_end unavailable = {.end = RATION__END_ANSWERED, .status = 503};
	int64_t delay;

	cr_expect_eq(decide(7, 7, true, throttled, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(delay, 3 * SEC);
	cr_expect_eq(decide(2, 0, true, unavailable, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(delay, 2 * SEC);
	/* throttled sends do not raise the exponent */
	cr_expect_eq(decide(9, 8, true, unavailable, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(delay, SEC);
	unavailable.retry_after_ns = 7 * SEC;
	decide(2, 0, true, unavailable, &delay);
	cr_expect_eq(delay, 7 * SEC);
	unavailable.retry_after_ns = 3600 * SEC;
	decide(2, 0, true, unavailable, &delay);
	cr_expect_eq(delay, 120 * SEC);
}

Test(retry, stop_is_a_floor_as_retry_after)
{
	static const struct {
		int64_t retry_after_ns, stop_ns, delay_ns;
	} rows[] = {{0, 7 * SEC, 7 * SEC}, {9 * SEC, 7 * SEC, 9 * SEC}, {7 * SEC, 9 * SEC, 9 * SEC},
		{0, 0, SEC}, {0, 3600 * SEC, 120 * SEC}, {SEC / 2, SEC / 4, SEC}};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		struct ration__attempt_end end = {.end = RATION__END_ANSWERED,
			.status = 503,
			.retry_after_ns = rows[i].retry_after_ns,
			.stop_ns = rows[i].stop_ns};
		int64_t delay;

		cr_expect_eq(decide(1, 0, true, end, &delay), RATION__RETRY_AGAIN);
		cr_expect_eq(delay, rows[i].delay_ns, "row %zu", i);
	}
}

Test(retry, X7_decorrelated_grows_from_the_delay_before)
{
	struct ration__attempt_end failed = {.end = RATION__END_NOT_SENT};
	struct ration__retry_state state = {
		.attempts = 2, .repeatable = true, .previous_ns = 4 * SEC};
	struct ration__retry_conf conf = retry_conf;
	int64_t delay;

	conf.backoff.kind = conf.throttle.kind = RATION__BACKOFF_DECORRELATED;
	ration__retry_decide(&conf, &state, &failed, HALF, &delay);
	cr_expect_eq(delay, (SEC + 12 * SEC) / 2);
	state.throttled = 1;
	failed = (struct ration__attempt_end){.end = RATION__END_ANSWERED, .status = 429};
	ration__retry_decide(&conf, &state, &failed, HALF, &delay);
	cr_expect_eq(delay, (3 * SEC + 12 * SEC) / 2);
}

Test(retry, R16_three_sends_and_no_fourth)
{
	struct ration__attempt_end failed = {.end = RATION__END_ANSWERED, .status = 500};
	int64_t delay;

	cr_expect_eq(decide(1, 0, true, failed, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(decide(2, 0, true, failed, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(decide(3, 0, true, failed, &delay), RATION__RETRY_EXHAUSTED);
	cr_expect_eq(delay, -1);
}

Test(retry, X19_throttled_attempts_are_counted_apart)
{
	struct ration__attempt_end throttled = {.end = RATION__END_ANSWERED, .status = 429};
	struct ration__attempt_end failed = {.end = RATION__END_NOT_SENT};
	int64_t delay;

	cr_expect_eq(decide(19, 19, false, throttled, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(decide(20, 20, false, throttled, &delay), RATION__RETRY_EXHAUSTED, "D8");
	cr_expect_eq(decide(21, 19, false, throttled, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(decide(21, 19, false, failed, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(decide(22, 19, false, failed, &delay), RATION__RETRY_EXHAUSTED);
}

Test(retry, X5_transport_errors)
{
	struct ration__attempt_end end = {.end = RATION__END_NOT_SENT};
	int64_t delay;

	cr_expect_eq(decide(1, 0, false, end, &delay), RATION__RETRY_AGAIN, "not sent: any method");
	end.end = RATION__END_AMBIGUOUS;
	cr_expect_eq(decide(1, 0, false, end, &delay), RATION__RETRY_UNKNOWN);
	cr_expect_eq(decide(1, 0, true, end, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(decide(3, 0, true, end, &delay), RATION__RETRY_EXHAUSTED);
	end.end = RATION__END_PERMANENT;
	cr_expect_eq(decide(1, 0, true, end, &delay), RATION__RETRY_REFUSED);
	end.end = RATION__END_CANCELLED;
	cr_expect_eq(decide(1, 0, true, end, &delay), RATION__RETRY_REFUSED);
	end.end = RATION__END_LOCAL;
	cr_expect_eq(decide(1, 0, true, end, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(decide(1, 0, false, end, &delay), RATION__RETRY_REFUSED);
	end.unsent = true;
	cr_expect_eq(decide(1, 0, false, end, &delay), RATION__RETRY_AGAIN, "it never left");
}

Test(retry, X1_the_set_of_methods_is_a_policy)
{
	struct ration__attempt_end lost = {.end = RATION__END_AMBIGUOUS};
	struct ration__attempt_end unsent = {.end = RATION__END_NOT_SENT};
	struct ration__retry_state post = {.attempts = 1},
				   get = {.attempts = 1, .repeatable = true};
	struct ration__retry_state put = {.attempts = 1, .idempotent = true};
	struct ration__retry_conf conf = retry_conf;
	int64_t delay;

	conf.methods = RATION__METHODS_ALL;
	cr_expect_eq(ration__retry_decide(&conf, &post, &lost, 0, &delay), RATION__RETRY_AGAIN);
	conf.methods = RATION__METHODS_IDEMPOTENT;
	cr_expect_eq(ration__retry_decide(&conf, &post, &lost, 0, &delay), RATION__RETRY_UNKNOWN);
	cr_expect_eq(ration__retry_decide(&conf, &put, &lost, 0, &delay), RATION__RETRY_AGAIN);
	cr_expect_eq(ration__retry_decide(&conf, &get, &lost, 0, &delay), RATION__RETRY_AGAIN);
	conf.methods = RATION__METHODS_SAFE;
	cr_expect_eq(ration__retry_decide(&conf, &put, &lost, 0, &delay), RATION__RETRY_UNKNOWN);
	conf.methods = RATION__METHODS_NONE;
	cr_expect_eq(ration__retry_decide(&conf, &get, &lost, 0, &delay), RATION__RETRY_UNKNOWN);
	cr_expect_eq(ration__retry_decide(&conf, &get, &unsent, 0, &delay), RATION__RETRY_AGAIN);
}

Test(retry, E4_one_attempt_is_one_send)
{
	struct ration__attempt_end failed = {.end = RATION__END_ANSWERED, .status = 503};
	struct ration__retry_state state = {.attempts = 1, .repeatable = true};
	struct ration__retry_conf conf = retry_conf;
	int64_t delay;

	conf.attempts = 1;
	cr_expect_eq(
		ration__retry_decide(&conf, &state, &failed, 0, &delay), RATION__RETRY_EXHAUSTED);
}

/* ---- statuses by configuration, and keys ---- */

static void add_status(struct ration__status_set *set, int status)
{
	set->bits[status / 64] |= UINT64_C(1) << (status % 64);
}

static struct ration__attempt_end answered(int status)
{
	return (struct ration__attempt_end){.end = RATION__END_ANSWERED, .status = status};
}

static enum ration__retry_answer decide_with(
	const struct ration__retry_conf *conf, int status, bool repeatable, bool keyed)
{
	struct ration__retry_state state = {.attempts = 1,
		.throttled = ration__status_in(&conf->throttled, status),
		.repeatable = repeatable,
		.keyed = keyed};
	struct ration__attempt_end end = answered(status);
	int64_t delay;

	return ration__retry_decide(conf, &state, &end, 0, &delay);
}

Test(retry, D6_another_status_throttles)
{
	struct ration__retry_conf conf = retry_conf;
	struct ration__attempt_end end = answered(529);
	struct ration__retry_state state = {.attempts = 4, .throttled = 4};
	int64_t delay;

	cr_expect_eq(ration__outcome_of(&conf, &end), RATION__FAILURE);
	cr_expect_not(ration__end_is_throttle(&conf, &end));
	add_status(&conf.throttled, 529);
	cr_expect_eq(ration__outcome_of(&conf, &end), RATION__THROTTLED);
	cr_expect(ration__end_is_throttle(&conf, &end));
	cr_expect(ration__end_is_overload(&conf, &end));
	cr_expect_eq(ration__retry_decide(&conf, &state, &end, 0, &delay), RATION__RETRY_AGAIN,
		"any method, and by its own counter");
	cr_expect_eq(delay, 3 * SEC);
	/* what is not named any more is as other 4xx */
	end = answered(429);
	cr_expect_eq(ration__outcome_of(&conf, &end), RATION__SUCCESS);
	cr_expect_eq(decide_with(&conf, 429, true, false), RATION__RETRY_REFUSED);
	cr_expect_eq(decide_with(&conf, 503, true, false), RATION__RETRY_AGAIN, "as before");
	end = answered(529);
	end.end = RATION__END_AMBIGUOUS;
	cr_expect_not(ration__end_is_throttle(&conf, &end));
}

Test(retry, X3_which_statuses_are_transient_is_a_policy)
{
	struct ration__retry_conf conf = retry_conf;
	struct ration__attempt_end end = answered(425);

	add_status(&conf.transient, 425);
	add_status(&conf.transient, 503);
	cr_expect_eq(decide_with(&conf, 425, true, false), RATION__RETRY_AGAIN);
	cr_expect_eq(decide_with(&conf, 425, false, false), RATION__RETRY_REFUSED);
	cr_expect_eq(decide_with(&conf, 503, true, false), RATION__RETRY_AGAIN);
	cr_expect_eq(decide_with(&conf, 500, true, false), RATION__RETRY_REFUSED);
	cr_expect_eq(decide_with(&conf, 408, true, false), RATION__RETRY_REFUSED);
	cr_expect_eq(decide_with(&conf, 429, false, false), RATION__RETRY_AGAIN, "as before");
	/* what a breaker counts stays the same */
	cr_expect_eq(ration__outcome_of(&conf, &end), RATION__SUCCESS);
	end = answered(500);
	cr_expect_eq(ration__outcome_of(&conf, &end), RATION__FAILURE);
	/* in both: throttled */
	add_status(&conf.throttled, 503);
	end = answered(503);
	cr_expect_eq(ration__outcome_of(&conf, &end), RATION__THROTTLED);
	cr_expect_eq(decide_with(&conf, 503, false, false), RATION__RETRY_AGAIN);
}

Test(retry, a_key_in_progress_is_repeated_and_a_reused_one_never)
{
	struct ration__retry_conf conf = retry_conf;

	cr_expect_eq(decide_with(&conf, 409, true, true), RATION__RETRY_AGAIN);
	cr_expect_eq(decide_with(&conf, 409, true, false), RATION__RETRY_REFUSED);
	cr_expect_eq(decide_with(&conf, 422, true, true), RATION__RETRY_REFUSED);
	add_status(&conf.transient, 422);
	cr_expect_eq(decide_with(&conf, 422, true, true), RATION__RETRY_REFUSED);
	cr_expect_eq(decide_with(&conf, 422, true, false), RATION__RETRY_AGAIN);
	conf.methods = RATION__METHODS_NONE;
	cr_expect_eq(decide_with(&conf, 409, true, true), RATION__RETRY_REFUSED);
}

Test(retry, E10_idempotent_methods)
{
	cr_expect(ration__method_is_idempotent("PUT"));
	cr_expect(ration__method_is_idempotent("DELETE"));
	cr_expect_not(ration__method_is_idempotent("POST"));
	cr_expect_not(ration__method_is_idempotent("PATCH"));
	cr_expect_not(ration__method_is_idempotent("put"));
}
