/*
 * Eight callers that always have something to send, under one adaptive rate, against a server that
 * enforces its own: what of that they use. tests/multiproc/adaptive.sh does the same for real, for
 * a minute that ends where it happens to end: in the second in which all stand still after a 429,
 * or right before it, which is 1.7 % of the whole. Here the minutes end anywhere.
 */
#include <criterion/criterion.h>
#include <math.h>
#include "base/util.h"
#include "policy/adaptive.h"
#include "policy_dice.h"

#define CALLERS 8
#define BEGIN (100 * SEC)
#define ANSWER_NS MS
#define LATE_NS (100 * MS) /* a booking so late is given back, as by the guard */
#define RATE 100	   /* the server's, and its burst */

static const struct ration__adaptive_conf aimd = {.kind = RATION__ADAPTIVE_AIMD,
	.initial = 50,
	.min = 5,
	.max = 400,
	.step = 0.5,
	.factor = 0.5,
	.multiplier = 1,
	.cooldown_min_ns = SEC,
	.cooldown_max_ns = 60 * SEC,
	.idle_ns = 3600 * SEC};

struct caller {
	int64_t at_ns;	     /* of what it does next */
	int64_t start_ns;    /* its booking's; 0: it has none */
	int64_t sent_ns;     /* of the call that is out; 0: none is */
	bool allowed, bound; /* that call */
};

struct fleet {
	struct ration__adaptive state;
	struct caller callers[CALLERS];
	struct ration__random dice;
	int64_t late_ns; /* how late they are, at most */
	double server_level;
	int64_t server_ns;
	long allowed, refused;
};

static int64_t lateness(struct fleet *fleet)
{
	return roll_dice(&fleet->dice, 1 + fleet->late_ns);
}

static bool serve(struct fleet *fleet, int64_t now_ns)
{
	double gone = (double)(now_ns - fleet->server_ns) * 1e-9 * RATE;

	fleet->server_level = fmax(fleet->server_level - gone, 0);
	fleet->server_ns = now_ns;
	if (fleet->server_level + 1 > RATE)
		return false;
	fleet->server_level++;
	return true;
}

static void send_one(struct fleet *fleet, struct caller *caller, int64_t now_ns, bool bound)
{
	caller->bound = bound;
	caller->sent_ns = now_ns;
	caller->at_ns = now_ns + ANSWER_NS + lateness(fleet);
	caller->allowed = serve(fleet, now_ns);
	fleet->allowed += caller->allowed;
	fleet->refused += !caller->allowed;
}

static void answer_one(struct fleet *fleet, struct caller *caller, int64_t now_ns)
{
	if (caller->allowed)
		ration__adaptive_success(&aimd, &fleet->state, now_ns, caller->bound);
	else
		ration__adaptive_backoff(&aimd, &fleet->state, now_ns, caller->sent_ns, SEC);
	caller->sent_ns = 0;
}

/* Takes a token, now or by a booking; a booking that comes up in a cooldown waits for its end. */
static void go(struct fleet *fleet, struct caller *caller, int64_t now_ns)
{
	struct ration__adaptive *state = &fleet->state;
	bool bound = true;

	if (caller->start_ns && now_ns - caller->start_ns > LATE_NS) {
		ration__adaptive_refund(&aimd, state, now_ns, 1, caller->start_ns);
		caller->start_ns = 0;
	}
	if (caller->start_ns && state->cooldown_ns > now_ns) {
		caller->at_ns = state->cooldown_ns + lateness(fleet);
		return;
	}
	if (!caller->start_ns) {
		caller->start_ns = ration__adaptive_take(&aimd, state, now_ns, 1, &bound);
		if (caller->start_ns > now_ns) {
			caller->at_ns = caller->start_ns + lateness(fleet);
			return;
		}
	}
	caller->start_ns = 0;
	send_one(fleet, caller, now_ns, bound);
}

static void run(struct fleet *fleet, int64_t until_ns)
{
	for (;;) {
		struct caller *next = &fleet->callers[0];

		for (int i = 1; i < CALLERS; i++)
			if (fleet->callers[i].at_ns < next->at_ns)
				next = &fleet->callers[i];
		if (next->at_ns >= until_ns)
			return;
		if (next->sent_ns)
			answer_one(fleet, next, next->at_ns);
		else
			go(fleet, next, next->at_ns);
	}
}

static struct fleet begin(int64_t late_ns)
{
	struct fleet fleet = {
		.dice = dice_new((uint64_t)late_ns), .late_ns = late_ns, .server_ns = BEGIN};

	for (int i = 0; i < CALLERS; i++)
		fleet.callers[i].at_ns = BEGIN + i * MS;
	return fleet;
}

static void judge(const struct fleet *fleet, int64_t seconds, double least)
{
	cr_expect_geq((double)fleet->allowed / (RATE * (double)seconds), least, "%ld s: %ld",
		(long)seconds, fleet->allowed);
	cr_expect_leq((double)fleet->refused / (double)(fleet->allowed + fleet->refused), 0.02,
		"%ld s: %ld refused", (long)seconds, fleet->refused);
}

Test(adaptive, D16_a_fleet_uses_what_the_server_allows)
{
	static const int64_t late[] = {0, 500000, 2 * MS, 10 * MS, 30 * MS};

	for (size_t i = 0; i < RATION__COUNT(late); i++) {
		struct fleet fleet = begin(late[i]);

		for (int64_t seconds = 55; seconds < 66; seconds++) {
			run(&fleet, BEGIN + seconds * SEC);
			judge(&fleet, seconds, 0.95);
		}
		run(&fleet, BEGIN + 3600 * SEC);
		judge(&fleet, 3600, 0.95);
	}
}
