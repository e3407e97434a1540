/* Adaptive rates: random sequences, judged by a naive integral of the rate. */
#include <criterion/criterion.h>
#include <math.h>
#include "base/util.h"
#include "policy/adaptive.h"
#include "policy_dice.h"

#define NOW (1000 * SEC)

static const struct ration__adaptive_conf aimd = {
	.kind = RATION__ADAPTIVE_AIMD, .factor = 0.5, .idle_ns = 3600 * SEC};
static const struct ration__adaptive_conf cubic = {
	.kind = RATION__ADAPTIVE_CUBIC, .factor = 0.7, .scale = 0.4, .idle_ns = 3600 * SEC};

enum { SENDS = 700 };

/* Keeps what it needs to say for each pair of calls how much may start between them. */
struct model {
	double given; /* integral of the rate outside cooldowns */
	int64_t t_ns, cool_ns;
	double rate;
	struct {
		double cost, given, burst;
		int64_t start_ns;
	} sends[SENDS];
	size_t count;
};

/* The rate was constant since the last call. */
static void model_advance(struct model *model, int64_t now_ns)
{
	int64_t from = ration__max64(model->t_ns, model->cool_ns);

	if (now_ns > from)
		model->given += model->rate * (double)(now_ns - from) * 1e-9;
	model->t_ns = now_ns;
}

static void model_judge(const struct model *model)
{
	for (size_t i = 0; i < model->count; i++) {
		double sum = 0;

		for (size_t k = i; k < model->count; k++) {
			double last = model->sends[k].cost - model->sends[k].burst;

			sum += model->sends[k].cost;
			cr_assert_leq(sum,
				model->sends[i].burst + (last > 0 ? last : 0) +
					model->sends[k].given - model->sends[i].given + 1e-6,
				"sends %zu to %zu", i, k);
		}
	}
}

static struct ration__adaptive_conf random_conf(struct ration__random *dice)
{
	struct ration__adaptive_conf conf = roll_dice(dice, 2) ? aimd : cubic;

	conf.growth = (uint32_t)roll_dice(dice, 2);
	conf.initial = 0.5 + (double)roll_dice(dice, 20);
	conf.min = roll_dice(dice, 2) ? conf.initial : 0.2;
	conf.max = conf.initial + (double)roll_dice(dice, 40);
	conf.step = 0.1 * (double)roll_dice(dice, 20);
	conf.multiplier = (double)roll_dice(dice, 3);
	conf.cooldown_min_ns = roll_dice(dice, 2) * SEC / 2;
	conf.cooldown_max_ns = 3 * SEC;
	conf.burst = roll_dice(dice, 3) ? 0 : 1 + (double)roll_dice(dice, 10);
	return conf;
}

/* One random thing that is not a send. */
static void disturb(const struct ration__adaptive_conf *conf, struct ration__adaptive *state,
	struct model *model, struct ration__random *dice, int64_t now_ns)
{
	size_t back = (size_t)roll_dice(dice, 5) + 1;
	int64_t wait_ns = roll_dice(dice, 4) ? 0 : roll_dice(dice, 2000) * MS;
	double part;

	switch (roll_dice(dice, 8)) {
	case 0:
		ration__adaptive_backoff(
			conf, state, now_ns, now_ns - roll_dice(dice, 900) * MS, wait_ns);
		break;
	case 1:
		ration__adaptive_cool(conf, state, now_ns, now_ns + wait_ns);
		break;
	case 2: /* not used after all, or used in part */
		if (back > model->count)
			break;
		back = model->count - back;
		part = model->sends[back].cost * (double)roll_dice(dice, 3) / 2;
		if (part > 0)
			ration__adaptive_settle(conf, state, now_ns, model->sends[back].cost,
				model->sends[back].cost - part, model->sends[back].start_ns);
		else
			ration__adaptive_refund(conf, state, now_ns, model->sends[back].cost,
				model->sends[back].start_ns);
		model->sends[back].cost = part > 0 ? model->sends[back].cost - part : 0;
		break;
	default:
		ration__adaptive_success(conf, state, now_ns, roll_dice(dice, 2));
		break;
	}
	model->cool_ns = ration__max64(model->cool_ns, state->cooldown_ns);
}

static void run(uint64_t seed)
{
	struct ration__random dice = dice_new(seed);
	struct ration__adaptive_conf conf = random_conf(&dice);
	double most = conf.burst > 0 ? conf.burst : fmax(1, conf.max);
	struct ration__adaptive state = {0};
	struct model model = {.t_ns = NOW, .rate = conf.initial};
	int64_t now = NOW, until = 0;

	while (model.count < SENDS) {
		double cost =
			roll_dice(&dice, 5) ? 1 : fmin(most, 0.5 * (double)roll_dice(&dice, 30));
		struct ration__verdict verdict = ration__adaptive_ask(&conf, &state, now, cost);
		bool bound;

		cr_assert_neq(verdict.answer, RATION__IMPOSSIBLE);
		if (verdict.answer == RATION__YES) {
			model.sends[model.count].cost = cost;
			model.sends[model.count].given = model.given;
			model.sends[model.count].start_ns = now;
			model.sends[model.count++].burst =
				ration__adaptive_bucket(&conf, &state, now).burst;
			cr_assert_geq(now, model.cool_ns, "seed %lu", (unsigned long)seed);
			cr_assert_eq(ration__adaptive_take(&conf, &state, now, cost, &bound), now);
			until = now;
		} else {
			cr_assert_gt(verdict.at_ns, now);
			until = verdict.at_ns;
		}
		if (roll_dice(&dice, 3))
			disturb(&conf, &state, &model, &dice, now);
		model.rate = ration__adaptive_rate(&conf, &state, now);
		cr_assert(model.rate >= conf.min && model.rate <= conf.max);
		/* exactly when it was said, or at any time */
		now = roll_dice(&dice, 3) ? ration__max64(until, now)
					  : now + roll_dice(&dice, 300) * MS;
		model_advance(&model, now);
	}
	model_judge(&model);
	/* and nothing is lost for good */
	now = ration__max64(state.bucket.rest_at_ns, model.cool_ns);
	cr_assert_float_eq(ration__adaptive_remaining(&conf, &state, now),
		ration__adaptive_bucket(&conf, &state, now).burst, 1e-9);
}

Test(adaptive, D16_never_more_than_burst_and_the_integral_of_the_rate)
{
	for (uint64_t seed = 0; seed < 120; seed++)
		run(seed);
}

/* Bookings, one at a time, as a process makes them: asked again at their start. */
static void run_booked(uint64_t seed)
{
	struct ration__random dice = dice_new(seed);
	struct ration__adaptive_conf conf = random_conf(&dice);
	double most = conf.burst > 0 ? conf.burst : fmax(1, conf.max);
	struct ration__adaptive state = {0};
	static int64_t starts[SENDS];
	int64_t now = NOW;

	for (int i = 0; i < SENDS;) {
		bool bound;
		int64_t start = ration__adaptive_take(&conf, &state, now, 1, &bound);

		cr_assert(start == now || bound);
		cr_assert_geq(start, state.cooldown_ns);
		while (roll_dice(&dice, 2)) {
			int64_t t = now + roll_dice(&dice, 1 + (start - now) / MS) * MS;

			if (roll_dice(&dice, 6))
				ration__adaptive_success(&conf, &state, t, roll_dice(&dice, 2));
			else
				ration__adaptive_backoff(&conf, &state, t, t - SEC / 2, 0);
			now = t;
		}
		now = ration__max64(now, start);
		if (state.cooldown_ns > now || !roll_dice(&dice, 10))
			ration__adaptive_refund(&conf, &state, now, 1, start);
		else
			starts[i++] = now;
	}
	for (int i = 0; i < SENDS; i++)
		for (int k = i; k < SENDS; k++)
			cr_assert_leq(k - i + 1,
				most + conf.max * (double)(starts[k] - starts[i]) * 1e-9 + 1e-6);
}

Test(adaptive, D17_bookings_keep_the_highest_rate)
{
	for (uint64_t seed = 0; seed < 120; seed++)
		run_booked(seed);
}
