/* The token bucket under load: what calls that cost less than estimated leave for others, and that
 * it never is too much. Each history is judged by what started when, at its true cost. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "policy/bucket.h"
#include "policy_dice.h"

#define MINUTE (60 * SEC)
#define OUT_MAX 64

struct call {
	int64_t start_ns, end_ns;
	double cost; /* as far as it is known */
};

/* In the order of starts, so at last. */
static int compare_starts(const void *left, const void *right)
{
	int64_t a = ((const struct call *)left)->start_ns;
	int64_t b = ((const struct call *)right)->start_ns;

	return (a > b) - (a < b);
}

/* No time t sees more than burst + rate * t: the fullest of all that end at a start, for each. */
static void judge(
	const struct ration__bucket_conf *conf, struct call *calls, size_t count, uint64_t seed)
{
	double level = 0;

	qsort(calls, count, sizeof(*calls), compare_starts);
	for (size_t i = 0; i < count; i++) {
		if (i)
			level -= (double)(calls[i].start_ns - calls[i - 1].start_ns) * 1e-9 *
				 conf->rate;
		level = fmax(level, 0) + calls[i].cost;
		if (calls[i].cost > 0)
			cr_assert_leq(level, conf->burst * (1 + 1e-12) + conf->rate * 2e-9 + 1e-6,
				"seed %lu, call %zu: %f of %f", (unsigned long)seed, i, level,
				conf->burst);
	}
}

/* ---- saturated ---- */

struct load {
	struct ration__bucket_conf conf;
	double estimate, actual;
	int64_t length_ns;
	int heads; /* each books as soon as it has started; 0: calls ask */
};

static void settle_ended(const struct load *load, struct ration__bucket *state, struct call *calls,
	size_t *ended, size_t count, int64_t now_ns)
{
	for (; *ended < count && calls[*ended].end_ns <= now_ns; ++*ended) {
		struct call *call = &calls[*ended];

		ration__bucket_settle(
			&load->conf, state, now_ns, load->estimate, load->actual, call->start_ns);
		call->cost = load->actual;
	}
}

/* The part of the rate that is used from the fifth minute to the tenth, when it is asked for as
 * often as it says. */
static double used(const struct load *load)
{
	size_t room = (size_t)(1000 * load->conf.rate / load->actual), count = 0, ended = 0;
	struct call *calls = calloc(room, sizeof(*calls));
	int64_t next_ns[OUT_MAX], now = 1000 * SEC;
	struct ration__bucket state = {0};
	const int64_t from = now + 5 * MINUTE, to = from + 5 * MINUTE;
	double sum = 0;

	for (int i = 0; i < OUT_MAX; i++)
		next_ns[i] = now;
	while (now < to) {
		int head = 0;
		int64_t at;

		settle_ended(load, &state, calls, &ended, count, now);
		for (int i = 1; i < load->heads; i++)
			if (next_ns[i] < next_ns[head])
				head = i;
		at = load->heads
			     ? next_ns[head]
			     : ration__bucket_ask(&load->conf, &state, now, load->estimate).at_ns;
		if (at <= now) {
			at = ration__bucket_take(&load->conf, &state, now, load->estimate);
			next_ns[head] = at;
			cr_assert_lt(count, room);
			calls[count++] = (struct call){at, at + load->length_ns, load->estimate};
			/* a call whose tokens came back may start before one that is booked */
			for (size_t i = count - 1;
				i > ended && calls[i].end_ns < calls[i - 1].end_ns; i--) {
				struct call swap = calls[i];

				calls[i] = calls[i - 1];
				calls[i - 1] = swap;
			}
			continue;
		}
		now = ended < count ? ration__min64(at, calls[ended].end_ns) : at;
	}
	judge(&load->conf, calls, count, 0);
	for (size_t i = 0; i < count; i++)
		if (calls[i].start_ns >= from && calls[i].start_ns < to)
			sum += load->actual;
	free(calls);
	return sum / (load->conf.rate * (double)(to - from) * 1e-9);
}

Test(bucket_sim, what_was_reserved_too_much_is_used_by_others)
{
	static const struct {
		struct load load;
		double least;
	} rows[] = {
		{{{1000, 10000}, 200, 100, 50 * MS, 0}, 0.99},
		{{{1000, 10000}, 200, 100, 2 * SEC, 0}, 0.99},
		{{{1000, 10000}, 200, 100, 2 * SEC, 1}, 0.99},
		{{{1000, 10000}, 200, 100, 2 * SEC, 8}, 0.99},
		{{{1000, 10000}, 200, 100, 2 * SEC, 20}, 0.95},
		{{{1000, 60000}, 200, 100, 20 * SEC, 0}, 0.99},
		{{{1000, 60000}, 200, 100, 20 * SEC, 8}, 0.99},
		{{{1000, 60000}, 200, 100, 20 * SEC, 40}, 0.95},
		{{{1000, 60000}, 4000, 2000, 20 * SEC, 0}, 0.95},
		{{{1000, 10000}, 110, 100, 20 * SEC, 4}, 0.95},
		{{{1000, 1000}, 200, 100, 300 * MS, 0}, 0.95},
		{{{5, 60}, 2, 1, 5 * SEC, 3}, 0.95},
		/* 10 s of calls that may cost twice as much do not fit into 10 s of the rate:
		 * whoever kept every call in mind would admit 3/4 */
		{{{1000, 10000}, 200, 100, 20 * SEC, 0}, 0.6},
	};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		double part = used(&rows[i].load);

		cr_expect_geq(part, rows[i].least, "row %zu: %.3f", i, part);
	}
}

/* ---- random ---- */

#define CALLS 1500

struct out {
	struct call *call;
	int parts; /* in how many settlements what it cost less is told */
	bool cancel;
};

struct model {
	struct ration__random dice;
	struct ration__bucket_conf conf;
	struct ration__bucket state;
	double most; /* that a call may cost */
	int64_t length_ns, now_ns;
	int book; /* one in so many that would have to wait; 0: none */
	struct call calls[CALLS];
	size_t count;
	struct out out[OUT_MAX];
	size_t out_count;
	double back, given; /* what should have come back, and what has */
};

/* 1/range to range, as often below 1 as above */
static double roll_scale(struct ration__random *dice, double range)
{
	return exp(log(range) * (2 * ration__random_unit(dice) - 1));
}

static void model_begin(struct model *model, uint64_t seed)
{
	double burst_s;

	memset(model, 0, sizeof(*model));
	model->dice = dice_new(seed);
	model->now_ns = SEC + roll_dice(&model->dice, 1000 * SEC);
	model->conf.rate = 30 * roll_scale(&model->dice, 30);
	burst_s = 3 * roll_scale(&model->dice, 20);
	model->conf.burst = fmax(model->conf.rate * burst_s, 1);
	model->most = model->conf.burst;
	if (roll_dice(&model->dice, 4))
		model->most /= 1 + 50 * ration__random_unit(&model->dice);
	model->length_ns = (int64_t)(1e9 * burst_s * 0.5 * roll_scale(&model->dice, 10)) + 1;
	model->book = (int)roll_dice(&model->dice, 4);
}

/* Given up, or a part of what it cost less. */
static void model_settle(struct model *model, size_t which)
{
	struct out *out = &model->out[which];
	struct call *call = out->call;
	double level = model->conf.burst -
		       ration__bucket_remaining(&model->conf, &model->state, model->now_ns);
	double actual = 0;

	if (out->cancel) {
		ration__bucket_refund(
			&model->conf, &model->state, model->now_ns, call->cost, call->start_ns);
	} else {
		if (roll_dice(&model->dice, 8)) /* else it cost nothing */
			actual = call->cost * ration__random_unit(&model->dice);
		ration__bucket_settle(&model->conf, &model->state, model->now_ns, call->cost,
			actual, call->start_ns);
	}
	if (level < model->conf.burst) {
		model->back += call->cost - actual;
		model->given +=
			level - model->conf.burst +
			ration__bucket_remaining(&model->conf, &model->state, model->now_ns);
	}
	call->cost = actual;
	call->end_ns = model->now_ns + roll_dice(&model->dice, model->length_ns);
	if (out->cancel || --out->parts <= 0)
		*out = model->out[--model->out_count];
}

static void model_take(struct model *model, double cost)
{
	struct ration__random *dice = &model->dice;
	struct call *call = &model->calls[model->count];
	int64_t at = ration__bucket_ask(&model->conf, &model->state, model->now_ns, cost).at_ns;
	int64_t start;

	if (at > model->now_ns && (!model->book || roll_dice(dice, model->book)))
		return;
	start = ration__bucket_take(&model->conf, &model->state, model->now_ns, cost);
	cr_assert_eq(start, ration__max64(at, model->now_ns));
	*call = (struct call){.start_ns = start, .cost = cost};
	call->end_ns = start + (int64_t)((double)model->length_ns * roll_scale(dice, 4));
	model->out[model->out_count] = (struct out){.call = call, .parts = 1};
	if (roll_dice(dice, 5) == 0)
		model->out[model->out_count].parts = 3;
	if (roll_dice(dice, 10) == 0) { /* before it starts, or soon after */
		model->out[model->out_count].cancel = true;
		call->end_ns = model->now_ns +
			       roll_dice(dice, 1 + ration__max64(2 * (start - model->now_ns),
							   model->length_ns / 8));
	}
	model->out_count++;
	model->count++;
}

static int64_t model_pause(struct model *model)
{
	struct ration__random *dice = &model->dice;
	int64_t wait_ns = (int64_t)(model->most / model->conf.rate * 1e9);

	if (roll_dice(dice, 200) == 0) /* now and then nobody asks */
		return (int64_t)(model->conf.burst / model->conf.rate * 2e9);
	if (roll_dice(dice, 4) == 0) /* at the same instant */
		return 0;
	return roll_dice(dice, 1 + wait_ns / 2);
}

static void model_run(struct model *model)
{
	while (model->count < CALLS) {
		model->now_ns += model_pause(model);
		for (size_t i = model->out_count; i-- > 0;)
			if (model->out[i].call->end_ns <= model->now_ns)
				model_settle(model, i);
		if (model->out_count < OUT_MAX)
			model_take(model, model->most * ration__random_unit(&model->dice));
	}
}

Test(bucket_sim, never_more_with_long_calls_that_overlap)
{
	static struct model model;
	double back = 0, given = 0;

	for (uint64_t seed = 0; seed < 400; seed++) {
		model_begin(&model, seed);
		model_run(&model);
		judge(&model.conf, model.calls, model.count, seed);
		back += model.back / model.conf.burst;
		given += model.given / model.conf.burst;
	}
	cr_assert_gt(given, 0.3 * back, "%.3f", given / back);
}
