/*
 * Concurrency limits that learn, against a simulated server whose answers become slow above 40 at
 * once and are refusals above 60. Members have more calls than they may make. Deterministic.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "policy/concurrency.h"
#include "policy_dice.h"

#define CAPACITY 40
#define REFUSES_ABOVE 60
#define CALLS 256
#define MEMBERS 3

struct call {
	int64_t ends_ns; /* 0: none */
	struct ration__sample sample;
	uint16_t slot;
};

struct server {
	struct ration__concurrency_conf conf;
	struct ration__concurrency *state;
	struct ration__random dice;
	struct call calls[CALLS];
	int64_t now_ns;
	int64_t base_ns; /* round trip without load */
	uint64_t done, refused, sum;
	uint32_t least, most;
};

/* Its answer is known when a call starts: up to its capacity it works on all at once. */
static void server_start(struct server *server, uint16_t slot)
{
	struct call *call = server->calls;
	uint32_t in_flight;
	double load;

	ration__concurrency_take(&server->conf, server->state, server->now_ns, slot);
	in_flight = server->state->in_flight;
	load = in_flight > CAPACITY ? (double)in_flight / CAPACITY : 1;
	while (call->ends_ns)
		call++;
	call->slot = slot;
	call->sample = (struct ration__sample){
		.sent_ns = server->now_ns, .in_flight = in_flight, .outcome = RATION__SUCCESS};
	call->sample.elapsed_ns = (int64_t)((double)server->base_ns * load *
					    (0.95 + (double)roll_dice(&server->dice, 1000) / 1e4));
	if (in_flight > REFUSES_ABOVE) {
		call->sample.elapsed_ns = MS;
		call->sample.outcome = RATION__THROTTLED;
		call->sample.overload = 1;
	}
	call->ends_ns = server->now_ns + call->sample.elapsed_ns;
}

/* Each member asks for all it can get, and again when it is called. */
static void server_fill(struct server *server)
{
	uint16_t wake[MEMBERS];
	size_t called = MEMBERS;

	for (uint16_t slot = 0; slot < MEMBERS; slot++)
		wake[slot] = slot;
	while (called) {
		for (size_t i = 0; i < called; i++) {
			while (ration__concurrency_ask(
				       &server->conf, server->state, server->now_ns, wake[i])
					.answer == RATION__YES)
				server_start(server, wake[i]);
			ration__concurrency_wait(
				&server->conf, server->state, server->now_ns, wake[i], true);
		}
		called = ration__concurrency_deal(
			&server->conf, server->state, server->now_ns, wake, MEMBERS);
	}
}

/* Until count calls have ended. What the limit was is counted from then on. */
static void server_run(struct server *server, uint64_t count)
{
	server->sum = server->refused = server->done = 0;
	server->least = UINT32_MAX;
	server->most = 0;
	while (server->done < count) {
		struct call *next = NULL;
		uint32_t limit;

		server_fill(server);
		for (struct call *call = server->calls; call < server->calls + CALLS; call++)
			if (call->ends_ns && (!next || call->ends_ns < next->ends_ns))
				next = call;
		server->now_ns = next->ends_ns;
		next->ends_ns = 0;
		ration__concurrency_release(
			&server->conf, server->state, server->now_ns, next->slot);
		ration__concurrency_learn(
			&server->conf, server->state, server->now_ns, &next->sample);
		limit = ration__concurrency_limit(&server->conf, server->state);
		server->done++;
		server->refused += (uint64_t)next->sample.overload;
		server->sum += limit;
		server->least = limit < server->least ? limit : server->least;
		server->most = limit > server->most ? limit : server->most;
	}
}

static void server_init(struct server *server, uint32_t algorithm, uint32_t initial)
{
	memset(server, 0, sizeof(*server));
	server->conf = (struct ration__concurrency_conf){
		.max = 200, .algorithm = algorithm, .initial = initial, .min = 1};
	server->state = calloc(1, RATION__CONCURRENCY_SIZE_MAX);
	server->dice = dice_new(algorithm);
	server->now_ns = SEC;
	server->base_ns = 50 * MS;
}

static void show(const struct server *server)
{
	cr_log_info("%u .. %u, mean %.1f, refused %.2f %%", server->least, server->most,
		(double)server->sum / (double)server->done,
		100.0 * (double)server->refused / (double)server->done);
}

static const uint32_t starts[] = {1, 20, 200};

Test(limiter, aimd_ends_between_half_of_what_is_refused_and_that)
{
	for (size_t i = 0; i < RATION__COUNT(starts); i++) {
		struct server server;

		server_init(&server, RATION__CONCURRENCY_AIMD, starts[i]);
		server_run(&server, 20000);
		server_run(&server, 50000);
		show(&server);
		cr_assert_geq(server.least, REFUSES_ABOVE / 2);
		cr_assert_leq(server.most, REFUSES_ABOVE + 4);
		cr_assert_lt(server.refused * 50, server.done);
		free(server.state);
	}
}

Test(limiter, cautious_ends_below_what_is_refused)
{
	for (size_t i = 0; i < RATION__COUNT(starts); i++) {
		struct server server;

		server_init(&server, RATION__CONCURRENCY_CAUTIOUS, starts[i]);
		server_run(&server, 20000);
		server_run(&server, 50000);
		show(&server);
		cr_assert_geq(server.least, REFUSES_ABOVE * 9 / 10 - 1);
		cr_assert_leq(server.most, REFUSES_ABOVE + 1);
		cr_assert_lt(server.refused * 200, server.done);
		free(server.state);
	}
}

/* It is at its mean but for probes, which go to half of it. */
static void check_vegas(const struct server *server)
{
	double mean = (double)server->sum / (double)server->done;

	show(server);
	cr_assert(mean >= CAPACITY && mean <= CAPACITY + 6, "%f", mean);
	cr_assert_geq(server->least, CAPACITY / 2);
	cr_assert_leq(server->most, CAPACITY + 12);
}

Test(limiter, vegas_ends_near_the_capacity)
{
	for (size_t i = 0; i < RATION__COUNT(starts); i++) {
		struct server server;

		server_init(&server, RATION__CONCURRENCY_VEGAS, starts[i]);
		server_run(&server, 20000);
		server_run(&server, 50000);
		check_vegas(&server);
		cr_assert_eq(server.refused, 0);
		/* three times as slow for good: not a queue */
		server.base_ns *= 3;
		server_run(&server, 20000);
		server_run(&server, 50000);
		check_vegas(&server);
		free(server.state);
	}
}
