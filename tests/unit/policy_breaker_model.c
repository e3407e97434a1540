/* What is stored of a breaker by rates; and random sequences against a model that keeps every call
 * in a list. */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <string.h>
#include "policy/breaker.h"
#include "policy_dice.h"

union room {
	struct ration__breaker state;
	uint8_t bytes[RATION__BREAKER_SIZE_MAX];
};

/* ---- stored states ---- */

static const struct ration__breaker_conf ten = {.trip_after = 9,
	.close_after = 1,
	.probes = 1,
	.open_ns = SEC,
	.failure_rate = 0.5,
	.window_calls = 10,
	.min_calls = 10};

static void fail(const struct ration__breaker_conf *conf, union room *room, int times)
{
	for (int i = 0; i < times; i++)
		ration__breaker_settle(conf, &room->state, 100 * SEC,
			ration__breaker_take(conf, &room->state, 100 * SEC), RATION__FAILURE, 0, 0);
}

Test(breaker_model, sizes)
{
	struct ration__breaker_conf conf = {.trip_after = 3, .window_calls = 100};

	cr_expect_eq(ration__breaker_size(&conf), sizeof(struct ration__breaker), "no rates");
	conf.failure_rate = 0.1;
	cr_expect_eq(ration__breaker_size(&conf), sizeof(struct ration__breaker) + 32);
	conf.window_calls = UINT32_MAX;
	cr_expect_eq(ration__breaker_size(&conf), sizeof(struct ration__breaker) + 256);
	conf.window_calls = 0;
	conf.window_s = 10;
	cr_expect_eq(ration__breaker_size(&conf), sizeof(struct ration__breaker) + 120);
	conf.window_s = UINT32_MAX;
	cr_expect_leq(ration__breaker_size(&conf), RATION__BREAKER_SIZE_MAX);
}

Test(breaker_model, a_fitting_state_is_left_alone)
{
	union room room = {0}, before;

	fail(&ten, &room, 4);
	before = room;
	ration__breaker_fit(&ten, &room.state, ration__breaker_size(&ten));
	cr_assert_arr_eq(&before, &room, sizeof(room));
}

Test(breaker_model, half_a_window_is_an_empty_one)
{
	struct ration__breaker_conf conf = ten;
	union room room = {0};

	conf.window_calls = 0;
	conf.window_s = 60;
	fail(&conf, &room, 4);
	ration__breaker_fit(&conf, &room.state, ration__breaker_size(&conf) - 1);
	cr_assert_eq(ration__breaker_counts(&conf, &room.state, 100 * SEC).calls, 0);
	cr_assert_eq(room.state.failures, 4);
}

Test(breaker_model, who_does_not_know_the_configuration_leaves_the_window)
{
	static const struct ration__breaker_conf any = {
		.trip_after = 1, .close_after = 1, .probes = 1};
	size_t size = ration__breaker_size(&ten);
	union room room = {0};

	fail(&ten, &room, 4);
	ration__breaker_fit(&any, &room.state, size);
	ration__breaker_settle(&any, &room.state, 100 * SEC, (struct ration__breaker_pass){0, 1},
		RATION__IGNORED, 0, 0);
	ration__breaker_fit(&ten, &room.state, size);
	cr_assert_eq(ration__breaker_counts(&ten, &room.state, 100 * SEC).failures, 4);
}

Test(breaker_model, another_window_is_forgotten_the_rest_stays)
{
	struct ration__breaker_conf others[4] = {ten, ten, ten, ten};

	others[0].window_calls = 12; /* as many bytes */
	others[1].window_calls = 1000;
	others[2].window_calls = 0;
	others[2].window_s = 600;
	others[3].failure_rate = 0; /* no window at all */
	for (int i = 0; i < 4; i++) {
		size_t size = ration__breaker_size(&others[i]);
		struct ration__breaker_counts counts;
		union room room = {0};

		fail(&ten, &room, 4);
		/* an arena's room is not clean */
		memset(room.bytes + ration__breaker_size(&ten), 0xaa,
			sizeof(room) - ration__breaker_size(&ten));
		ration__breaker_fit(&others[i], &room.state, ration__breaker_size(&ten));
		for (size_t at = ration__breaker_size(&ten); at < size; at++)
			cr_assert_eq(room.bytes[at], 0, "what is stored next is no leftover");
		for (size_t at = size; at < sizeof(room); at++)
			cr_assert(at < ration__breaker_size(&ten) || room.bytes[at] == 0xaa);
		cr_assert_eq(room.state.failures, 4);
		counts = ration__breaker_counts(&others[i], &room.state, 100 * SEC);
		cr_assert_eq(counts.calls, 0);
		fail(&others[i], &room, 3);
		counts = ration__breaker_counts(&others[i], &room.state, 100 * SEC);
		cr_assert_eq(counts.calls, i < 3 ? 3 : 0);
		cr_assert_eq(counts.failures, i < 3 ? 3 : 0);
		cr_assert_eq(room.state.failures, 7);
	}
}

Test(breaker_model, an_open_one_stays_open_and_probes_stay_counted)
{
	struct ration__breaker_conf other = ten, three = ten;
	union room room = {0};

	other.window_calls = 20;
	fail(&ten, &room, 9);
	ration__breaker_fit(&other, &room.state, ration__breaker_size(&ten));
	cr_assert_eq(room.state.state, RATION__OPEN);
	three.probes = other.probes = 3;
	room.state.opened_ns = 0;
	fail(&three, &room, 2);
	ration__breaker_fit(&other, &room.state, ration__breaker_size(&three));
	cr_assert_eq(ration__breaker_counts(&other, &room.state, 0).failures, 2);
	fail(&other, &room, 1);
	cr_assert_eq(room.state.state, RATION__OPEN);
	cr_assert_eq(room.state.streak, 2);
}

Test(breaker_model, damage_never_leaves_the_room)
{
	struct ration__random dice = dice_new(8);
	struct ration__breaker_conf confs[3] = {ten, ten, ten};

	confs[1].window_calls = 0;
	confs[1].window_s = 7;
	confs[2].failure_rate = 0;
	for (int round = 0; round < 20000; round++) {
		const struct ration__breaker_conf *conf = &confs[round % 3];
		size_t size = ration__breaker_size(conf), stored = size;
		union room room;

		for (size_t i = 0; i < size; i++)
			room.bytes[i] = (uint8_t)ration__random_next(&dice);
		memset(room.bytes + size, 0xaa, sizeof(room) - size);
		room.state.state %= 4;
		if (round % 7)
			room.state.position %= round % 4 ? 12 : 5000, room.state.ended %= 12;
		room.state.opened_ns = roll_dice(&dice, 200 * SEC);
		if (round % 2)
			room.state.layout = (round % 3 ? 0x20000 | 7 : 0x10000 | 10);
		if (round % 5 == 0)
			stored = (size_t)roll_dice(&dice, (int64_t)size + 1);
		ration__breaker_fit(conf, &room.state, stored);
		if (stored < sizeof(room.state))
			cr_assert_eq(room.state.generation, 0, "half a state is none");
		cr_assert_leq(room.state.state, RATION__HALF_OPEN);
		if (conf == &confs[0] && room.state.state == RATION__CLOSED)
			cr_assert_leq(ration__breaker_counts(conf, &room.state, 0).calls, 10);
		fail(conf, &room, 20);
		ration__breaker_counts(conf, &room.state, 200 * SEC);
		for (size_t i = size; i < size + 1300; i++)
			cr_assert_eq(room.bytes[i], 0xaa);
	}
}

/* ---- the model ---- */

struct model {
	const struct ration__breaker_conf *conf;
	enum ration__breaker_state state;
	int64_t opened_ns, interval;
	uint32_t changes, row, streak, out; /* out: probes */
	int count;			    /* of calls since the last change */
	struct {
		int64_t second;
		bool failed, slow;
	} calls[20000];
};

static void model_turn(struct model *model, enum ration__breaker_state to, int64_t now_ns)
{
	const struct ration__breaker_conf *conf = model->conf;

	model->state = to;
	model->changes++;
	model->row = model->out = 0;
	model->count = 0;
	if (to == RATION__CLOSED)
		model->streak = 0;
	if (to != RATION__OPEN)
		return;
	model->opened_ns = now_ns;
	model->interval =
		model->streak++ ? model->interval * (int64_t)conf->open_factor : conf->open_ns;
}

/* The calls that are looked at now. */
static struct ration__breaker_counts model_counts(const struct model *model, int64_t now_ns)
{
	const struct ration__breaker_conf *conf = model->conf;
	struct ration__breaker_counts counts = {0};

	for (int i = 0; i < model->count; i++) {
		if (model->state == RATION__CLOSED && conf->window_calls &&
			model->count - i > (int)conf->window_calls)
			continue;
		if (model->state == RATION__CLOSED && conf->window_s &&
			now_ns / SEC - model->calls[i].second >= (int64_t)conf->window_s)
			continue;
		counts.calls++;
		counts.failures += model->calls[i].failed;
		counts.slow += model->calls[i].slow;
	}
	return counts;
}

static enum ration__answer model_ask(const struct model *model, int64_t now_ns)
{
	if (model->state == RATION__CLOSED)
		return RATION__YES;
	if (model->state == RATION__OPEN)
		return now_ns > model->opened_ns + model->interval ? RATION__YES : RATION__NO;
	return model->out + (uint32_t)model->count < model->conf->probes ? RATION__YES
									 : RATION__WAIT;
}

/* percent: exact, unlike the rates of the configuration */
static void model_settle(struct model *model, int64_t now_ns, struct ration__breaker_pass pass,
	enum ration__outcome outcome, int64_t elapsed_ns, uint32_t failure_pc, uint32_t slow_pc)
{
	const struct ration__breaker_conf *conf = model->conf;
	struct ration__breaker_counts counts;
	bool bad, known, failed = outcome == RATION__FAILURE;

	if (pass.generation != model->changes)
		return;
	model->out -= pass.probe;
	if (outcome == RATION__IGNORED ||
		(outcome == RATION__THROTTLED && model->state == RATION__CLOSED))
		return;
	model->row = failed ? model->row + 1 : 0;
	model->calls[model->count].second = now_ns / SEC;
	model->calls[model->count].failed = failed;
	model->calls[model->count++].slow = slow_pc && elapsed_ns > conf->slow_ns;
	counts = model_counts(model, now_ns);
	bad = (failure_pc && counts.failures * 100 >= failure_pc * counts.calls) ||
	      (slow_pc && counts.slow * 100 >= slow_pc * counts.calls);
	if (model->state == RATION__HALF_OPEN) {
		if (counts.calls >= conf->probes)
			model_turn(model, bad ? RATION__OPEN : RATION__CLOSED, now_ns);
		return;
	}
	known = counts.calls >= conf->min_calls;
	if ((bad && known) || (conf->trip_after && model->row >= conf->trip_after))
		model_turn(model, RATION__OPEN, now_ns);
}

static void expect_same(const struct model *model, const union room *room, int64_t now_ns)
{
	struct ration__breaker_counts naive = model_counts(model, now_ns);
	struct ration__breaker_counts counts =
		ration__breaker_counts(model->conf, &room->state, now_ns);

	cr_assert_eq(room->state.state, model->state);
	cr_assert_eq(room->state.generation, model->changes);
	cr_assert_eq(room->state.probes, model->out);
	cr_assert(model->state != RATION__OPEN || room->state.open_for_ns == model->interval);
	cr_assert(counts.calls == naive.calls && counts.failures == naive.failures &&
			  counts.slow == naive.slow,
		"%u %u %u, not %u %u %u", counts.calls, counts.failures, counts.slow, naive.calls,
		naive.failures, naive.slow);
	cr_assert_eq(ration__breaker_ask(model->conf, &room->state, now_ns).answer,
		model_ask(model, now_ns));
	/* a window at rest is an empty one; one by calls is kept */
	if (room->state.rest_at_ns <= now_ns && !model->conf->window_calls)
		cr_assert_eq(counts.calls, 0);
}

static void play(const struct ration__breaker_conf *conf, uint32_t failure_pc, uint32_t slow_pc,
	struct ration__random *dice, int64_t bad_pc)
{
	static struct model model;
	static union room room, before;
	struct ration__breaker_pass out[8];
	size_t count = 0, size = ration__breaker_size(conf);
	int64_t now = roll_dice(dice, 2) * roll_dice(dice, 2000 * SEC);

	memset(&model, 0, sizeof(model));
	memset(&room, 0x5a, sizeof(room)); /* what lies behind a state without a layout */
	memset(&room.state, 0, sizeof(room.state));
	model.conf = conf;
	for (int step = 0; step < 2000; step++) {
		now += roll_dice(dice, 4) ? roll_dice(dice, 300 * MS) : roll_dice(dice, 4 * SEC);
		memcpy(&before, &room, size);
		expect_same(&model, &room, now);
		if (count < 8 && model_ask(&model, now) == RATION__YES && roll_dice(dice, 2)) {
			out[count] = ration__breaker_take(conf, &room.state, now);
			cr_assert_eq(out[count].probe, model.state != RATION__CLOSED);
			if (model.state == RATION__OPEN)
				model_turn(&model, RATION__HALF_OPEN, now);
			model.out += out[count++].probe;
		} else if (count) {
			size_t which = (size_t)roll_dice(dice, (int64_t)count);
			struct ration__breaker_pass pass = out[which];
			enum ration__outcome outcome =
				roll_dice(dice, 100) < bad_pc
					? RATION__FAILURE
					: (enum ration__outcome[]){RATION__SUCCESS, RATION__SUCCESS,
						  RATION__THROTTLED,
						  RATION__IGNORED}[roll_dice(dice, 4)];
			int64_t elapsed = conf->slow_ns + (roll_dice(dice, 100) < bad_pc);
			bool was_open = model.state == RATION__OPEN;
			enum ration__breaker_event event;

			out[which] = out[--count];
			event = ration__breaker_settle(
				conf, &room.state, now, pass, outcome, elapsed, 0);
			model_settle(&model, now, pass, outcome, elapsed, failure_pc, slow_pc);
			cr_assert_eq(event == RATION__BREAKER_OPENED,
				!was_open && model.state == RATION__OPEN);
		}
		if (memcmp(&before, &room, size) != 0)
			cr_assert_neq(memcmp(&before.state, &room.state, sizeof(room.state)), 0,
				"the head tells that there is something to store");
	}
}

Test(breaker_model, B8_sequences_against_a_list_of_all_calls)
{
	struct ration__random dice = dice_new(11);

	for (int round = 0; round < 200; round++) {
		uint32_t failure_pc = (uint32_t)roll_dice(&dice, 100), slow_pc = 0;
		struct ration__breaker_conf conf = {.close_after = 1,
			.probes = 1 + (uint32_t)roll_dice(&dice, 5),
			.open_ns = 1 + roll_dice(&dice, 3 * SEC),
			.slow_ns = SEC,
			.min_calls = 1 + (uint32_t)roll_dice(&dice, 12),
			.open_factor = 1 + (double)roll_dice(&dice, 2)};

		if (roll_dice(&dice, 2))
			slow_pc = 1 + (uint32_t)roll_dice(&dice, 100);
		if (roll_dice(&dice, 2))
			conf.window_s = 1 + (uint32_t)roll_dice(&dice, 15);
		else
			conf.window_calls = conf.min_calls + (uint32_t)roll_dice(&dice, 30);
		if (!roll_dice(&dice, 3))
			conf.trip_after = 1 + (uint32_t)roll_dice(&dice, 6);
		failure_pc += !failure_pc && !slow_pc;
		conf.failure_rate = failure_pc / 100.0;
		conf.slow_rate = slow_pc / 100.0;
		play(&conf, failure_pc, slow_pc, &dice, roll_dice(&dice, 101));
	}
}

Test(breaker_model, quiet_means_that_a_success_changes_nothing)
{
	struct ration__breaker_conf confs[] = {
		{.trip_after = 2, .close_after = 2, .probes = 1, .open_ns = 1},
		{.trip_after = 2, .mode = RATION__BREAKER_DISABLED},
		{.mode = RATION__BREAKER_FORCED_OPEN},
		ten,
	};
	const int quiet[4][4] = {{1, 0, 0, 0}, {1, 1, 1, 1}, {1, 1, 1, 1}, {0, 0, 0, 0}};

	for (int i = 0; i < 4; i++)
		for (int kind = 0; kind < 4; kind++) {
			union room room = {.state = {.state = (uint32_t)(kind < 3 ? kind : 0),
						   .failures = kind == 3}};
			struct ration__breaker before;

			cr_expect_eq(ration__breaker_quiet(&confs[i], &room.state), quiet[i][kind],
				"%d %d", i, kind);
			if (!quiet[i][kind])
				continue;
			ration__breaker_settle(&confs[i], &room.state, 5,
				(struct ration__breaker_pass){0, 0}, RATION__IGNORED, 0, 0);
			before = room.state;
			ration__breaker_settle(&confs[i], &room.state, 5,
				(struct ration__breaker_pass){0, 0}, RATION__SUCCESS, 0, 0);
			before.rest_at_ns = room.state.rest_at_ns;
			cr_expect_arr_eq(&before, &room.state, sizeof(before));
		}
}
