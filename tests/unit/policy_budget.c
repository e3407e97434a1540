/* The retry budget: the worked example, and what a fleet can do to a server that is down. */
#include <criterion/criterion.h>
#include "policy/budget.h"
#include "policy_dice.h"

static const struct ration__budget_conf aws = {
	.capacity = 500, .retry_cost = 14, .throttle_cost = 5, .success_gain = 1};

Test(budget, thirty_five_retries_then_none)
{
	struct ration__budget state = {0};

	cr_assert_eq(ration__budget_remaining(&aws, &state), 500);
	for (int i = 0; i < 35; i++)
		cr_assert_eq(ration__budget_take(&aws, &state, SEC, false), 14, "retry %d", i);
	cr_assert_eq(ration__budget_remaining(&aws, &state), 10);
	cr_assert_eq(ration__budget_take(&aws, &state, SEC, false), -1);
	cr_assert_eq(state.refused, 1);
	cr_assert_eq(ration__budget_remaining(&aws, &state), 10, "a refusal costs nothing");
	cr_assert_eq(ration__budget_take(&aws, &state, SEC, true), 5, "cheaper, there is enough");
	cr_assert_eq(ration__budget_take(&aws, &state, SEC, true), 5);
	cr_assert_eq(ration__budget_take(&aws, &state, SEC, true), -1);
	cr_assert_eq(ration__budget_remaining(&aws, &state), 0);
}

Test(budget, a_hundred_after_throttles)
{
	struct ration__budget state = {0};

	for (int i = 0; i < 100; i++)
		cr_assert_eq(ration__budget_take(&aws, &state, SEC, true), 5, "retry %d", i);
	cr_assert_eq(ration__budget_take(&aws, &state, SEC, true), -1);
}

Test(budget, successes_give_back)
{
	struct ration__budget state = {0};
	int cost;

	ration__budget_success(&aws, &state, SEC, 0);
	cr_assert_eq(ration__budget_remaining(&aws, &state), 500, "never above full");
	cost = ration__budget_take(&aws, &state, SEC, false);
	ration__budget_take(&aws, &state, SEC, true);
	cr_assert_eq(ration__budget_remaining(&aws, &state), 481);
	ration__budget_success(&aws, &state, SEC, 0);
	cr_assert_eq(ration__budget_remaining(&aws, &state), 482, "at the first try: 1");
	ration__budget_success(&aws, &state, SEC, cost);
	cr_assert_eq(ration__budget_remaining(&aws, &state), 496, "what its last retry cost");
	ration__budget_success(&aws, &state, SEC, 14);
	cr_assert_eq(ration__budget_remaining(&aws, &state), 500);
	cr_assert_eq(state.rest_at_ns, 1, "full is at rest");
}

Test(budget, no_refill_by_time_but_at_rest)
{
	struct ration__budget state = {0};
	int64_t rest;

	for (int i = 0; i < 35; i++)
		ration__budget_take(&aws, &state, SEC, false);
	rest = SEC + RATION__BUDGET_REST_NS;
	cr_assert_eq(state.rest_at_ns, rest);
	cr_assert_eq(ration__budget_take(&aws, &state, rest - 1, false), -1);
	rest = rest - 1 + RATION__BUDGET_REST_NS;
	cr_assert_eq(state.rest_at_ns, rest, "who is refused uses it, too");
	/* kept or swept, the same */
	cr_assert_eq(ration__budget_take(&aws, &state, rest, false), 14);
	cr_assert_eq(ration__budget_remaining(&aws, &state), 486);
	cr_assert_eq(state.refused, 0);
}

Test(budget, none)
{
	struct ration__budget_conf none = {.retry_cost = 14, .throttle_cost = 5};
	struct ration__budget state = {0};

	for (int i = 0; i < 1000; i++)
		cr_assert_eq(ration__budget_take(&none, &state, SEC, false), 0);
	ration__budget_success(&none, &state, SEC, 0);
	cr_assert_eq(state.rest_at_ns, 0);
}

Test(budget, a_lowered_capacity_is_not_owed)
{
	struct ration__budget_conf lower = aws;
	struct ration__budget state = {0};

	for (int i = 0; i < 20; i++)
		ration__budget_take(&aws, &state, SEC, false);
	lower.capacity = 100;
	cr_assert_eq(ration__budget_remaining(&lower, &state), 0);
	cr_assert_eq(ration__budget_take(&lower, &state, SEC, false), -1);
	ration__budget_success(&lower, &state, SEC, 14);
	cr_assert_eq(ration__budget_remaining(&lower, &state), 14);
}
