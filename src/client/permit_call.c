/*
 * A permit's call: asked for, held, its true cost settled, given back; and in words what was
 * answered.
 */
#include "client/permit.h"

#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "pool/pool.h"

/* ---- what was answered ---- */

static int64_t ms_until(int64_t at_ns, int64_t now_ns)
{
	return at_ns <= now_ns ? 0 : (at_ns - now_ns + RATION__NS_PER_MS - 1) / RATION__NS_PER_MS;
}

/* rc: 0 or a denial. In observe mode a yes carries the denial that would have been. */
static void remember(ration_permit *permit, const struct ration__ask *ask, int rc)
{
	int64_t now_ns = ration__engine_now(permit->guard->engine);
	bool observed = ask->mode == RATION__OBSERVED;
	char *name;

	permit->why[0] = permit->rule[0] = 0;
	permit->retry_after_ms = -1;
	permit->mode = ask->mode;
	if (rc <= 0 && !observed)
		return;
	ration__denial_text(permit->why, sizeof(permit->why), permit->guard->guard, ask, now_ns);
	ration__rule_name(permit->rule, sizeof(permit->rule), permit->guard->guard, ask->rule);
	name = strchr(permit->rule, ':'); /* the limit's own name */
	if (name)
		memmove(permit->rule, name + 1, strlen(name + 1) + 1);
	if (ask->at_ns < RATION__NEVER)
		permit->retry_after_ms = ms_until(ask->at_ns, now_ns);
}

const char *ration_permit_why(const ration_permit *permit)
{
	return permit ? permit->why : "";
}

const char *ration_permit_rule(const ration_permit *permit)
{
	return permit ? permit->rule : "";
}

int64_t ration_permit_retry_after_ms(const ration_permit *permit)
{
	return permit ? permit->retry_after_ms : -1;
}

const char *ration_permit_mode(const ration_permit *permit)
{
	return ration__mode_name(permit ? permit->mode : 0);
}

/* ---- asking ---- */

/* Negative, and more than fits: for ever (-1). */
static int64_t timeout_ns(int64_t ms)
{
	if (ms < 0)
		return -1;
	return ms > RATION__NEVER / RATION__NS_PER_MS ? -1 : ms * RATION__NS_PER_MS;
}

int ration_permit_acquire(ration_permit *permit, int64_t timeout_ms)
{
	int64_t left_ns = timeout_ns(timeout_ms), end_ns;
	struct ration__ask ask;
	int rc;

	if (!permit)
		return RATION_EINVAL;
	if (timeout_ms != 0 && ration__on_worker())
		return RATION_EWORKER;
	if (permit->grant.seq)
		return RATION_EBUSY;
	end_ns = ration__engine_now(permit->guard->engine) + left_ns;
	do {
		rc = ration__permit_ready(permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_acquire_in_line(&permit->guard->callers, permit->keyset,
			permit->costs, permit->cost_count, permit->skip, &permit->grant, left_ns,
			&ask);
		if (rc == RATION_EAGAIN)
			ration__permit_drop(permit);
		if (left_ns > 0)
			left_ns = ration__max64(
				0, end_ns - ration__engine_now(permit->guard->engine));
	} while (rc == RATION_EAGAIN);
	permit->settled_count = 0;
	remember(permit, &ask, rc);
	return rc;
}

int ration_permit_peek(ration_permit *permit)
{
	struct ration__ask ask;
	int rc;

	if (!permit)
		return RATION_EINVAL;
	do {
		rc = ration__permit_ready(permit);
		if (rc < 0)
			return rc;
		rc = ration__guard_peek(
			permit->keyset, permit->costs, permit->cost_count, permit->skip, &ask);
		if (rc == RATION_EAGAIN)
			ration__permit_drop(permit);
	} while (rc == RATION_EAGAIN);
	if (rc >= 0)
		remember(permit, &ask, rc);
	return rc;
}

/* ---- settling ---- */

/* Where the unit's true cost is kept, or NULL: there is no room for one more. */
static struct ration__settled *find_settled(ration_permit *permit, const char *unit)
{
	for (size_t i = 0; i < permit->settled_count; i++)
		if (strcmp(permit->settled[i].unit, unit) == 0)
			return &permit->settled[i];
	return permit->settled_count < RATION__PERMIT_COSTS
		       ? &permit->settled[permit->settled_count]
		       : NULL;
}

/* What the held call has paid so far: what was settled, before what was estimated. */
static size_t list_paid(
	const ration_permit *permit, struct ration__cost paid[2 * RATION__PERMIT_COSTS])
{
	size_t count = 0;

	for (size_t i = 0; i < permit->settled_count; i++)
		paid[count++] =
			(struct ration__cost){permit->settled[i].unit, permit->settled[i].cost};
	for (size_t i = 0; i < permit->cost_count; i++)
		paid[count++] = permit->costs[i];
	return count;
}

/* One settle by itself: 0 when it was done. */
static int settle_alone(ration_permit *permit, struct ration__settle *settle)
{
	struct ration__batch batch;
	int rc;

	do {
		batch = (struct ration__batch){.settles = settle, .settle_count = 1};
		rc = ration__guard_transact(permit->guard->engine, &batch, -1);
	} while (rc == RATION_EAGAIN || (rc == 0 && batch.settle_count == 0));
	return rc;
}

int ration_permit_settle(ration_permit *permit, const char *unit, double actual)
{
	struct ration__cost paid[2 * RATION__PERMIT_COSTS], cost = {.cost = actual};
	struct ration__settle settle = {
		.keep = true, .costs = paid, .actuals = &cost, .actual_count = 1};
	struct ration__settled *settled;
	int rc;

	if (!permit || !unit || !(actual >= 0 && actual <= 1e12) ||
		strlen(unit) >= RATION__KEYNAME_MAX || !permit->grant.seq)
		return RATION_EINVAL;
	cost.unit = unit = ration__unit_of(unit);
	settled = find_settled(permit, unit);
	if (!settled)
		return RATION_ETOOBIG;
	settle.grant = &permit->grant;
	settle.cost_count = list_paid(permit, paid);
	rc = settle_alone(permit, &settle);
	if (rc < 0)
		return rc;
	if (settled == &permit->settled[permit->settled_count])
		strcpy(permit->settled[permit->settled_count++].unit, unit);
	settled->cost = actual;
	return 0;
}

int ration_permit_release(ration_permit *permit, enum ration_outcome outcome)
{
	struct ration__settle settle;
	int rc;

	if (!permit || outcome < RATION_SUCCESS || outcome > RATION_IGNORED)
		return RATION_EINVAL;
	if (!permit->grant.seq)
		return 0;
	settle = (struct ration__settle){.grant = &permit->grant,
		.outcome = (enum ration__outcome)outcome,
		.last = true,
		.overload = outcome == RATION_THROTTLED,
		.throttle = outcome == RATION_THROTTLED,
		.elapsed_ns = ration__max64(
			0, ration__engine_now(permit->guard->engine) - permit->grant.at_ns)};
	rc = settle_alone(permit, &settle);
	if (rc == 0 && permit->grant.seq) /* it could not be asked, and takes it back when it can */
		rc = RATION_ESTORE;
	if (rc == RATION_ESTORE)
		ration__grant_abandon(permit->guard->engine, &permit->grant);
	return rc;
}
