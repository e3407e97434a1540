/* Health and choice of nodes: see the header. */
#include "policy/node.h"

#include <math.h>
#include "base/clock.h"
#include "base/util.h"

#define HALF_LIFE_NS (30.0 * RATION__NS_PER_S)
#define WEIGHT_FAILED 10.0 /* 5xx, transport */
#define WEIGHT_REFUSED 0.1 /* 4xx */

/* ---- health ---- */

bool ration__node_fail(
	struct ration__node_health *health, int64_t start_ns, int64_t now_ns, int64_t recover_ns)
{
	if (health->failed_ns && (start_ns < health->failed_ns || now_ns < health->failed_ns))
		return false;
	health->failed_ns = now_ns;
	health->until_ns = now_ns + recover_ns;
	return true;
}

bool ration__node_succeed(struct ration__node_health *health, int64_t start_ns)
{
	if (!health->failed_ns || start_ns < health->failed_ns)
		return false;
	health->failed_ns = health->until_ns = 0;
	return true;
}

bool ration__node_cool(struct ration__node_health *health, int64_t until_ns)
{
	if (until_ns <= health->cool_ns)
		return false;
	health->cool_ns = until_ns;
	return true;
}

bool ration__node_claim(struct ration__node_health *health, int64_t now_ns, int64_t recover_ns)
{
	if (!health->failed_ns || now_ns < health->until_ns)
		return false;
	health->until_ns = now_ns + recover_ns;
	return true;
}

int64_t ration__node_rests_at(const struct ration__node_health *health)
{
	int64_t failed_ns = health->failed_ns ? health->until_ns + RATION__NODE_REST_NS : 0;

	return ration__max64(failed_ns, health->cool_ns);
}

/* ---- weight ---- */

double ration__node_failures(const struct ration__node_weight *weight, int64_t now_ns)
{
	if (weight->failures == 0)
		return 0;
	return weight->failures *
	       exp2(-(double)ration__max64(0, now_ns - weight->at_ns) / HALF_LIFE_NS);
}

void ration__node_weigh(struct ration__node_weight *weight, enum ration__outcome outcome,
	int status, int64_t now_ns)
{
	double add = 0;

	if (outcome == RATION__FAILURE || status >= 500)
		add = WEIGHT_FAILED;
	else if (status >= 400)
		add = WEIGHT_REFUSED;
	if (add == 0)
		return;
	weight->failures = ration__node_failures(weight, now_ns) + add;
	weight->at_ns = now_ns;
}

/* ---- choice ---- */

static bool cools(const struct ration__node_view *view, int64_t now_ns)
{
	return view->health.cool_ns > now_ns;
}

static bool is_ready(const struct ration__node_view *view, int64_t now_ns)
{
	return !view->health.failed_ns && !cools(view, now_ns);
}

static bool is_due(const struct ration__node_view *view, int64_t now_ns)
{
	return view->health.failed_ns && view->health.until_ns <= now_ns && !cools(view, now_ns);
}

/* The one that is free for a probe for longest; -1: none. */
static int due_first(const struct ration__node_view *views, size_t count, int64_t now_ns)
{
	int best = -1;

	for (size_t i = 0; i < count; i++)
		if (is_due(&views[i], now_ns) && !views[i].avoid &&
			(best < 0 || views[i].health.until_ns < views[best].health.until_ns))
			best = (int)i;
	return best;
}

/* The nth of those that are ready, avoided ones or not; -1: there is none. */
static int nth_ready(const struct ration__node_view *views, size_t count, int64_t now_ns,
	bool avoided, uint64_t turn)
{
	size_t ready = 0;

	for (size_t i = 0; i < count; i++)
		ready += is_ready(&views[i], now_ns) && views[i].avoid == avoided;
	if (!ready)
		return -1;
	turn %= ready;
	for (size_t i = 0;; i++)
		if (is_ready(&views[i], now_ns) && views[i].avoid == avoided && turn-- == 0)
			return (int)i;
}

/* Among equals the turn decides. */
static int least_loaded(
	const struct ration__node_view *views, size_t count, int64_t now_ns, uint64_t turn)
{
	int best = -1;

	for (size_t n = 0; n < count; n++) {
		size_t i = (size_t)((turn + n) % count);

		if (is_ready(&views[i], now_ns) && !views[i].avoid &&
			(best < 0 || views[i].load < views[best].load))
			best = (int)i;
	}
	return best;
}

static int by_strategy(const struct ration__node_want_conf *want,
	const struct ration__node_view *views, size_t count, int64_t now_ns)
{
	const struct ration__node_view *pinned = want->pinned < 0 ? NULL : &views[want->pinned];

	if (want->strategy == RATION__NODES_PIN && pinned && is_ready(pinned, now_ns) &&
		!pinned->avoid)
		return want->pinned;
	if (want->strategy == RATION__NODES_BALANCED)
		return least_loaded(views, count, now_ns, want->turn);
	return nth_ready(views, count, now_ns, false, want->turn);
}

/* All are unhealthy: the one that failed longest ago. */
static int failed_first(const struct ration__node_view *views, size_t count, int64_t now_ns)
{
	int best = -1;

	for (size_t i = 0; i < count; i++)
		if (!cools(&views[i], now_ns) &&
			(best < 0 || views[i].health.failed_ns < views[best].health.failed_ns))
			best = (int)i;
	return best;
}

/* A healthy node cools down: until it is ready, or another may be probed. */
static bool is_worth_waiting(
	const struct ration__node_view *views, size_t count, int64_t now_ns, int64_t *at_ns)
{
	bool healthy = false;

	*at_ns = RATION__NEVER;
	for (size_t i = 0; i < count; i++) {
		const struct ration__node_health *health = &views[i].health;

		healthy |= !health->failed_ns;
		*at_ns = ration__min64(*at_ns,
			ration__max64(health->cool_ns, health->failed_ns ? health->until_ns : 0));
	}
	/* one that is due already, and whose probe somebody else has just taken or may take */
	*at_ns = ration__max64(*at_ns, now_ns);
	return healthy;
}

struct ration__node_choice ration__node_choose(const struct ration__node_want_conf *want,
	const struct ration__node_view *views, size_t count, int64_t now_ns)
{
	struct ration__node_choice choice = {.index = -1};
	int due = want->may_probe ? due_first(views, count, now_ns) : -1;
	int64_t at_ns;

	if (want->strategy != RATION__NODES_PIN)
		choice.index = due;
	if (choice.index < 0)
		choice.index = by_strategy(want, views, count, now_ns);
	if (choice.index < 0)
		choice.index = due;
	if (choice.index < 0)
		choice.index = nth_ready(views, count, now_ns, true, want->turn);
	if (choice.index < 0 && !is_worth_waiting(views, count, now_ns, &at_ns))
		choice.index = failed_first(views, count, now_ns);
	if (choice.index < 0)
		choice.at_ns = at_ns;
	else
		choice.probe = want->may_probe && is_due(&views[choice.index], now_ns);
	return choice;
}
