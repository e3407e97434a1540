/* Health of nodes and which one is chosen. */
#include <criterion/criterion.h>
#include "base/clock.h"
#include "policy/node.h"

TestSuite(node, .timeout = 30);

#define S RATION__NS_PER_S
#define RECOVER (30 * S)
#define NOW (1000 * S)

static struct ration__node_choice choose_at(const struct ration__node_view *views, size_t count,
	enum ration__node_strategy strategy, uint64_t turn, int64_t now_ns)
{
	struct ration__node_want_conf want = {
		.strategy = strategy, .turn = turn, .pinned = -1, .may_probe = true};

	return ration__node_choose(&want, views, count, now_ns);
}

static int choose(const struct ration__node_view *views, size_t count, uint64_t turn)
{
	return choose_at(views, count, RATION__NODES_ROUND_ROBIN, turn, NOW).index;
}

/* ---- health ---- */

Test(node, E17_a_failure_marks_for_thirty_seconds)
{
	struct ration__node_health health = {0};

	cr_assert(ration__node_fail(&health, NOW - S, NOW, RECOVER));
	cr_assert_eq(health.failed_ns, NOW);
	cr_assert_eq(health.until_ns, NOW + RECOVER);
	cr_assert_eq(ration__node_rests_at(&health), NOW + RECOVER + RATION__NODE_REST_NS);
}

Test(node, what_began_before_the_failure_says_nothing_new)
{
	struct ration__node_health health = {0};

	ration__node_fail(&health, NOW - S, NOW, RECOVER);
	cr_assert_not(ration__node_fail(&health, NOW - 1, NOW + S, RECOVER), "an old failure");
	cr_assert_eq(health.until_ns, NOW + RECOVER);
	cr_assert_not(ration__node_succeed(&health, NOW - 1), "an old success");
	cr_assert_eq(health.failed_ns, NOW);
	cr_assert(ration__node_fail(&health, NOW, NOW + S, RECOVER), "a new failure");
	cr_assert_eq(health.until_ns, NOW + S + RECOVER);
}

Test(node, E18_probe_is_claimed_once_and_its_success_heals)
{
	struct ration__node_health health = {0};

	cr_assert_not(ration__node_claim(&health, NOW, RECOVER), "healthy");
	ration__node_fail(&health, NOW, NOW, RECOVER);
	cr_assert_not(ration__node_claim(&health, NOW + RECOVER - 1, RECOVER), "too early");
	cr_assert(ration__node_claim(&health, NOW + RECOVER, RECOVER));
	cr_assert_not(ration__node_claim(&health, NOW + RECOVER, RECOVER), "the second one");
	cr_assert_not(ration__node_claim(&health, NOW + 2 * RECOVER - 1, RECOVER));
	cr_assert(ration__node_claim(&health, NOW + 2 * RECOVER, RECOVER), "it never came back");
	cr_assert(ration__node_succeed(&health, NOW + 2 * RECOVER));
	cr_assert_eq(health.failed_ns, 0);
	cr_assert_eq(ration__node_rests_at(&health), 0);
	cr_assert_not(ration__node_succeed(&health, NOW + 3 * RECOVER), "no news");
}

Test(node, X8_cooling_is_no_failure)
{
	struct ration__node_health health = {0};

	cr_assert(ration__node_cool(&health, NOW + S));
	cr_assert_not(ration__node_cool(&health, NOW + S - 1), "never shorter");
	cr_assert_eq(health.failed_ns, 0);
	cr_assert_eq(ration__node_rests_at(&health), NOW + S);
}

/* ---- weight ---- */

Test(node, failures_weigh_half_after_thirty_seconds)
{
	struct ration__node_weight weight = {0};

	ration__node_weigh(&weight, RATION__FAILURE, 0, NOW);
	cr_assert_float_eq(ration__node_failures(&weight, NOW), 10, 1e-9);
	cr_assert_float_eq(ration__node_failures(&weight, NOW + 30 * S), 5, 1e-9);
	ration__node_weigh(&weight, RATION__FAILURE, 500, NOW + 30 * S);
	cr_assert_float_eq(ration__node_failures(&weight, NOW + 30 * S), 15, 1e-9);
	ration__node_weigh(&weight, RATION__SUCCESS, 404, NOW + 60 * S);
	cr_assert_float_eq(ration__node_failures(&weight, NOW + 60 * S), 7.6, 1e-9);
	ration__node_weigh(&weight, RATION__SUCCESS, 200, NOW + 60 * S);
	ration__node_weigh(&weight, RATION__IGNORED, 0, NOW + 60 * S);
	cr_assert_float_eq(ration__node_failures(&weight, NOW + 60 * S), 7.6, 1e-9);
}

/* ---- choice ---- */

Test(node, E16_round_robin)
{
	struct ration__node_view views[2] = {{.load = 0}};
	int taken[2] = {0};

	for (uint64_t turn = 7; turn < 107; turn++)
		taken[choose(views, 2, turn)]++;
	cr_assert_eq(taken[0], 50);
	cr_assert_eq(taken[1], 50);
}

Test(node, round_robin_stays_even_beside_a_failed_node)
{
	struct ration__node_view views[4] = {{.load = 0}};
	int taken[4] = {0};

	views[1].health = (struct ration__node_health){NOW - S, NOW + RECOVER, 0};
	for (uint64_t turn = 0; turn < 300; turn++)
		taken[choose(views, 4, turn)]++;
	cr_assert_eq(taken[1], 0);
	cr_assert(taken[0] == 100 && taken[2] == 100 && taken[3] == 100);
}

Test(node, probe_comes_first_when_its_time_has_come)
{
	struct ration__node_view views[2] = {{.load = 0}};
	struct ration__node_choice choice;

	views[1].health = (struct ration__node_health){NOW - RECOVER, NOW, 0};
	for (uint64_t turn = 0; turn < 4; turn++) {
		choice = choose_at(views, 2, RATION__NODES_ROUND_ROBIN, turn, NOW);
		cr_assert_eq(choice.index, 1);
		cr_assert(choice.probe);
		choice = choose_at(views, 2, RATION__NODES_ROUND_ROBIN, turn, NOW - 1);
		cr_assert_eq(choice.index, 0);
		cr_assert_not(choice.probe);
	}
	views[1].avoid = true;
	cr_assert_eq(choose(views, 2, 0), 0, "not by the call that it has just failed");
}

Test(node, E19_all_unhealthy_the_one_that_failed_longest_ago)
{
	struct ration__node_view views[3] = {{.load = 0}};

	for (int i = 0; i < 3; i++)
		views[i].health.until_ns = NOW + S;
	views[0].health.failed_ns = NOW - 2 * S;
	views[1].health.failed_ns = NOW - 3 * S;
	views[2].health.failed_ns = NOW - S;
	for (uint64_t turn = 0; turn < 6; turn++) {
		cr_assert_eq(choose(views, 3, turn), 1);
		cr_assert_not(choose_at(views, 3, RATION__NODES_ROUND_ROBIN, turn, NOW).probe);
	}
	views[1].health.failed_ns = NOW; /* it failed again */
	cr_assert_eq(choose(views, 3, 0), 0);
}

Test(node, E11_another_one_if_there_is_one)
{
	struct ration__node_view views[2] = {{.load = 0}};

	views[0].avoid = true;
	for (uint64_t turn = 0; turn < 4; turn++)
		cr_assert_eq(choose(views, 2, turn), 1);
	cr_assert_eq(choose(views, 1, 0), 0, "there is no other");
	views[1].health = (struct ration__node_health){NOW - S, NOW + S, 0};
	cr_assert_eq(choose(views, 2, 0), 0, "rather than one that failed");
}

Test(node, X8_cooling_nodes_are_left_alone_and_all_of_them_name_the_time)
{
	struct ration__node_view views[2] = {{.load = 0}};
	struct ration__node_choice choice;

	views[0].health.cool_ns = NOW + 5 * S;
	for (uint64_t turn = 0; turn < 4; turn++)
		cr_assert_eq(choose(views, 2, turn), 1);
	views[1].health.cool_ns = NOW + 3 * S;
	choice = choose_at(views, 2, RATION__NODES_ROUND_ROBIN, 0, NOW);
	cr_assert_eq(choice.index, -1);
	cr_assert_eq(choice.at_ns, NOW + 3 * S);
	cr_assert_eq(
		choose_at(views, 2, RATION__NODES_ROUND_ROBIN, 0, NOW + 3 * S).index, 1, "over");
}

Test(node, who_cools_is_waited_for_rather_than_asking_the_dead)
{
	struct ration__node_view views[2] = {{.load = 0}};
	struct ration__node_choice choice;

	views[0].health.cool_ns = NOW + 60 * S;
	views[1].health = (struct ration__node_health){NOW - S, NOW + 9 * S, 0};
	choice = choose_at(views, 2, RATION__NODES_ROUND_ROBIN, 0, NOW);
	cr_assert_eq(choice.index, -1);
	cr_assert_eq(choice.at_ns, NOW + 9 * S, "then it may be probed");
	choice = choose_at(views, 2, RATION__NODES_ROUND_ROBIN, 0, NOW + 9 * S);
	cr_assert_eq(choice.index, 1);
	cr_assert(choice.probe);
}

Test(node, pinned_until_an_error)
{
	struct ration__node_view views[3] = {{.load = 0}};
	struct ration__node_want_conf want = {
		.strategy = RATION__NODES_PIN, .pinned = 2, .may_probe = true};

	views[0].health = (struct ration__node_health){NOW - RECOVER, NOW, 0};
	for (want.turn = 0; want.turn < 5; want.turn++)
		cr_assert_eq(ration__node_choose(&want, views, 3, NOW).index, 2, "no probing");
	views[2].health = (struct ration__node_health){NOW, NOW + RECOVER, 0};
	cr_assert_eq(ration__node_choose(&want, views, 3, NOW).index, 1);
	views[1].health.cool_ns = NOW + S;
	cr_assert_eq(ration__node_choose(&want, views, 3, NOW).index, 0, "when it is needed");
	cr_assert(ration__node_choose(&want, views, 3, NOW).probe);
}

Test(node, balanced_takes_the_least_loaded)
{
	struct ration__node_view views[3] = {{.load = 3}, {.load = 2.5}, {.load = 10}};
	int taken[3] = {0};

	for (uint64_t turn = 0; turn < 6; turn++)
		cr_assert_eq(choose_at(views, 3, RATION__NODES_BALANCED, turn, NOW).index, 1);
	views[1].avoid = true;
	cr_assert_eq(choose_at(views, 3, RATION__NODES_BALANCED, 0, NOW).index, 0);
	views[0].load = views[1].load = views[2].load = 0;
	views[1].avoid = false;
	for (uint64_t turn = 0; turn < 6; turn++)
		taken[choose_at(views, 3, RATION__NODES_BALANCED, turn, NOW).index]++;
	cr_assert(taken[0] == 2 && taken[1] == 2 && taken[2] == 2, "equals take turns");
}
