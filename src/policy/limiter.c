/*
 * Concurrency limits that learn from how calls end; the conf, the state and the samples are
 * concurrency.h's. It changes numbers only: who gets the permits is concurrency.c's.
 *
 *   aimd      row E: 2xx + 1; 429 or 503 half, rounded down; nothing else moves it
 *   cautious  a success + 1/limit; a drop (429, 503, failure) * 0.9
 *   vegas     Netflix's VegasLimit (concurrency-limits): queue = ceil(L * (1 - noload/rtt)) is how
 *             many wait at the server. With l = log10 L, whole and at least 1:
 *               drop, or queue > 6 l   L - l
 *               queue <= l             L + 6 l
 *               queue < 3 l            L + l
 *             and no step by round trips when less than half of the limit was used
 *
 * But for aimd that grows as row E says (`seed`):
 *   - what was sent before the last cut saw another limit: it neither cuts again (one congestion,
 *     one decrease) nor makes up for the cut
 *   - aimd and cautious grow only when the limit was binding: at least 90 % of it in use when the
 *     call started
 *
 * Netflix's takes a step with each sample, or with the mean of each second. Here it is one with the
 * mean of a round: as many samples as the limit permits, all sent after the last step. So its
 * effect is seen before the next one (a limit that falls by 1 with each of the L answers under way
 * ends near 1), and the quickest of many different requests does not count as the server without
 * load. Now and then, each 30 rounds as Netflix's, a server without load is measured anew, in case
 * that it became slower. Netflix's takes the present round trip for it, queue and all, so that the
 * limit creeps upwards. Here a probe halves the limit for a round; then it is what was no queue by
 * the new measure, L * noload/rtt, and 3 l.
 *
 * Invariant: the limit is within min .. max, whatever is stored.
 */
#include "base/util.h"
#include "policy/adaptive.h"
#include "policy/concurrency.h"

#define PROBE_ROUNDS 30

static double clamp(const struct ration__concurrency_conf *conf, double limit)
{
	if (!(limit > conf->min)) /* not a number, too */
		return conf->min;
	return limit < conf->max ? limit : conf->max;
}

static double present(
	const struct ration__concurrency_conf *conf, const struct ration__concurrency *state)
{
	return clamp(conf, state->limit > 0 ? state->limit : conf->initial);
}

/* Where nothing changes nothing was learned, and the record may rest. */
static void set_limit(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, double limit)
{
	limit = clamp(conf, limit);
	if (limit < present(conf, state) || limit > present(conf, state))
		state->limit = limit;
}

static void cut(const struct ration__concurrency_conf *conf, struct ration__concurrency *state,
	int64_t now_ns, double limit)
{
	set_limit(conf, state, limit);
	state->cut_ns = now_ns;
}

static bool is_drop(const struct ration__sample *sample)
{
	return sample->overload || sample->outcome == RATION__FAILURE;
}

/* In permits, which are whole: at a limit of 20.05 the 18th is at 90 %. */
static bool was_binding(uint32_t limit, const struct ration__sample *sample)
{
	return (uint64_t)sample->in_flight * 10 >= (uint64_t)limit * 9;
}

static void learn_aimd(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, const struct ration__sample *sample)
{
	bool seed = conf->growth == RATION__GROWTH_SEED;
	uint32_t limit = ration__concurrency_limit(conf, state);

	if (!seed && sample->sent_ns < state->cut_ns)
		return;
	if (sample->overload)
		cut(conf, state, now_ns, limit / 2);
	else if (sample->outcome == RATION__SUCCESS && !sample->neutral &&
		 (seed || was_binding(limit, sample)))
		set_limit(conf, state, limit + 1.0);
}

static void learn_cautious(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, const struct ration__sample *sample)
{
	double limit = present(conf, state);

	if (sample->sent_ns < state->cut_ns)
		return;
	if (is_drop(sample))
		cut(conf, state, now_ns, limit * 0.9);
	else if (sample->outcome == RATION__SUCCESS &&
		 was_binding(ration__concurrency_limit(conf, state), sample))
		set_limit(conf, state, limit + 1 / limit);
}

/* ---- vegas ---- */

static uint32_t whole_log10(double limit)
{
	uint32_t log = 0;

	for (; limit >= 10; limit /= 10)
		log++;
	return log ? log : 1;
}

static uint32_t round_up(double value)
{
	uint32_t whole = (uint32_t)value;

	return whole + (value > whole);
}

/* Another round begins: its samples are those sent from now on. */
static void step(const struct ration__concurrency_conf *conf, struct ration__concurrency *state,
	int64_t now_ns, double limit)
{
	cut(conf, state, now_ns, limit);
	state->round_ns = 0;
	state->round_samples = 0;
	state->round_peak = 0;
}

/* The step that the mean round trip of a round asks for; noload is not above it. */
static double step_by_queue(double limit, int64_t noload_ns, int64_t rtt_ns)
{
	uint32_t log = whole_log10(limit);
	uint32_t queue = round_up(limit * (1 - (double)noload_ns / (double)rtt_ns));

	if (queue <= log)
		return limit + 6 * log;
	if (queue < 3 * log)
		return limit + log;
	return queue > 6 * log ? limit - log : limit;
}

static void end_round(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns)
{
	int64_t rtt_ns = (int64_t)(state->round_ns / state->round_samples);
	double limit = present(conf, state);
	bool used = state->round_peak * 2.0 >= limit;

	if (state->probed > 0) {
		double queueless = state->probed * (double)rtt_ns;

		/* not above what it was, should the server become slower in this very round */
		limit = clamp(conf, queueless < 2 * limit ? queueless : 2 * limit);
		state->noload_ns = rtt_ns;
		state->probed = 0;
		limit += 3 * whole_log10(limit);
	} else if (++state->rounds >= PROBE_ROUNDS) {
		state->rounds = 0;
		state->noload_ns = rtt_ns;
		if (used) { /* hardly used, there is no queue to drain */
			state->probed = limit / (double)rtt_ns;
			limit /= 2;
		}
	} else if (state->noload_ns <= 0 || rtt_ns < state->noload_ns) {
		state->noload_ns = rtt_ns;
	} else if (used) {
		limit = step_by_queue(limit, state->noload_ns, rtt_ns);
	}
	step(conf, state, now_ns, limit);
}

static void learn_vegas(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, const struct ration__sample *sample)
{
	double limit = present(conf, state);

	if (sample->sent_ns < state->cut_ns)
		return;
	if (is_drop(sample)) { /* refusals are quick: their round trips say nothing */
		step(conf, state, now_ns, limit - whole_log10(limit));
		return;
	}
	if (sample->outcome != RATION__SUCCESS || sample->elapsed_ns <= 0)
		return;
	state->round_ns += (double)ration__min64(sample->elapsed_ns, INT64_MAX / 2);
	if (sample->in_flight > state->round_peak)
		state->round_peak = sample->in_flight;
	if (++state->round_samples >= (uint32_t)limit)
		end_round(conf, state, now_ns);
}

/* ---- public ---- */

uint32_t ration__concurrency_limit(
	const struct ration__concurrency_conf *conf, const struct ration__concurrency *state)
{
	return conf->algorithm == RATION__CONCURRENCY_FIXED ? conf->max
							    : (uint32_t)present(conf, state);
}

void ration__concurrency_forget(struct ration__concurrency *state, int64_t now_ns)
{
	if (!state->used_ns || state->rest_at_ns > now_ns)
		return;
	state->limit = 0;
	state->cut_ns = 0;
	state->noload_ns = 0;
	state->round_ns = 0;
	state->round_samples = 0;
	state->round_peak = 0;
	state->rounds = 0;
	state->probed = 0;
	state->used_ns = 0;
}

void ration__concurrency_learn(const struct ration__concurrency_conf *conf,
	struct ration__concurrency *state, int64_t now_ns, const struct ration__sample *sample)
{
	if (conf->algorithm == RATION__CONCURRENCY_FIXED || sample->outcome == RATION__IGNORED)
		return;
	ration__concurrency_forget(state, now_ns);
	if (conf->algorithm == RATION__CONCURRENCY_AIMD)
		learn_aimd(conf, state, now_ns, sample);
	else if (conf->algorithm == RATION__CONCURRENCY_CAUTIOUS)
		learn_cautious(conf, state, now_ns, sample);
	else
		learn_vegas(conf, state, now_ns, sample);
	if (!(state->limit > 0) && !state->noload_ns && !state->round_samples)
		return;
	state->used_ns = ration__max64(now_ns, 1);
	if (!state->count)
		state->rest_at_ns = state->used_ns + RATION__CONCURRENCY_IDLE_NS;
}
