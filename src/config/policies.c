/* Breaker, concurrency, retry budget: what contradicts, and the defaults that depend on others. */
#include "config/policies.h"
#include <string.h>
#include "base/util.h"
#include "config/service.h"
#include "config/value.h"

enum {
	BREAKER_MIN_CALLS = 100,
	LEARNED_MAX = 200,
	LEARNED_INITIAL = 20,
	BUDGET_CAPACITY = 500,
};
#define OPEN_MAX_NS (3600 * RATION__NS_PER_S)
#define HOLD_MARGIN_NS (30 * RATION__NS_PER_S)

struct policies {
	const ration_config *config;
	const char *service;
	struct ration__rules *rules;
	ration_error **err;
};

static const struct ration__entry *entry_of(const struct policies *p, const char *pattern)
{
	return ration__bind_entry(p->config, pattern, p->service, NULL);
}

static int fail(const struct policies *p, const char *pattern, const char *what)
{
	return ration__bind_fail(entry_of(p, pattern), pattern, p->service, NULL, p->err, what);
}

/* At the first of the two that was set. */
static int fail_either(
	const struct policies *p, const char *pattern, const char *other, const char *what)
{
	return fail(p, entry_of(p, pattern) ? pattern : other, what);
}

/* ---- breaker ---- */

static int compile_window(const struct policies *p)
{
	struct ration__breaker_conf *breaker = &p->rules->breaker;
	struct ration__path path;
	const struct ration__setting *setting;
	struct ration__value window;

	ration__bind_path(&path, "services.*.breaker.window", p->service, NULL);
	setting = ration__schema_find(&path);
	ration__value_parse(
		setting, ration__bind_text(p->config, setting, p->service, NULL), &window);
	if (window.is_duration)
		breaker->window_s = (uint32_t)(window.ns / RATION__NS_PER_S);
	else
		breaker->window_calls = (uint32_t)window.integer;
	if (!breaker->min_calls) {
		breaker->min_calls = BREAKER_MIN_CALLS;
		if (!window.is_duration && breaker->min_calls > breaker->window_calls)
			breaker->min_calls = breaker->window_calls;
	}
	if (!window.is_duration && breaker->min_calls > breaker->window_calls)
		return fail_either(p, "services.*.breaker.min_calls", "services.*.breaker.window",
			"min_calls is above window: so many calls are never looked at");
	return 0;
}

/* Settings that would do nothing. Not of a breaker that is switched off or forced open: that is for
 * a time, and the rest is kept for later. */
static int check_idle(const struct policies *p)
{
	static const char *const of_all[] = {"services.*.breaker.open_for",
		"services.*.breaker.close_after", "services.*.breaker.probes",
		"services.*.breaker.open_factor", "services.*.breaker.open_max",
		"services.*.breaker.open_jitter", "services.*.breaker.counts"};
	const struct ration__breaker_conf *breaker = &p->rules->breaker;

	if (breaker->mode != RATION__BREAKER_AUTO)
		return 0;
	for (size_t i = 0; !ration__breaker_exists(breaker) && i < RATION__COUNT(of_all); i++)
		if (entry_of(p, of_all[i]))
			return fail(p, of_all[i],
				"there is no breaker: trip_after is off, and neither failure_rate "
				"nor slow_rate is set");
	if (entry_of(p, "services.*.breaker.open_max") && breaker->open_factor <= 1 &&
		breaker->open_jitter == 0)
		return fail(p, "services.*.breaker.open_max",
			"needs open_factor above 1 or open_jitter as well: the time open never "
			"grows");
	return 0;
}

static int compile_breaker(const struct policies *p)
{
	static const char *const of_rates[] = {
		"services.*.breaker.window", "services.*.breaker.min_calls"};
	struct ration__breaker_conf *breaker = &p->rules->breaker;
	bool rates = breaker->failure_rate > 0 || breaker->slow_rate > 0;
	int rc;

	for (size_t i = 0; !rates && i < RATION__COUNT(of_rates); i++)
		if (entry_of(p, of_rates[i]))
			return fail(p, of_rates[i], "needs failure_rate or slow_rate as well");
	if (rates && breaker->close_after > 1 && entry_of(p, "services.*.breaker.close_after"))
		return fail(p, "services.*.breaker.close_after",
			"cannot stand beside a rate, which judges all probes together");
	if (breaker->slow_rate == 0 && entry_of(p, "services.*.breaker.slow_after"))
		return fail(p, "services.*.breaker.slow_after", "needs slow_rate as well");
	rc = compile_window(p);
	if (rc < 0)
		return rc;
	if (!breaker->open_max_ns)
		breaker->open_max_ns =
			breaker->open_ns > OPEN_MAX_NS ? breaker->open_ns : OPEN_MAX_NS;
	if (breaker->open_max_ns < breaker->open_ns)
		return fail(p, "services.*.breaker.open_max", "is below open_for");
	if (rates && !entry_of(p, "services.*.breaker.trip_after"))
		breaker->trip_after = 0;
	rc = check_idle(p);
	if (rc < 0)
		return rc;
	if (breaker->mode == RATION__BREAKER_DISABLED) /* none: it costs nothing either */
		memset(breaker, 0, sizeof(*breaker));
	return 0;
}

/* ---- concurrency ---- */

/* Of the service's limit, or of the one per key. */
struct concurrency {
	struct ration__concurrency_conf *limit;
	const char *max, *initial, *min, *growth;
};

/* A fixed limit has but its max. */
static int compile_fixed(const struct policies *p, const struct concurrency *c)
{
	const char *const learned[] = {c->initial, c->min, c->growth};

	for (size_t i = 0; i < RATION__COUNT(learned); i++)
		if (entry_of(p, learned[i]))
			return fail(p, learned[i],
				"needs an algorithm that learns: aimd, cautious or vegas");
	c->limit->initial = c->limit->min = c->limit->growth = 0;
	return 0;
}

static int compile_learned(const struct policies *p, const struct concurrency *c)
{
	struct ration__concurrency_conf *limit = c->limit;

	if (!limit->initial)
		limit->initial = LEARNED_INITIAL < limit->min	? limit->min
				 : LEARNED_INITIAL < limit->max ? LEARNED_INITIAL
								: limit->max;
	if (limit->min > limit->max)
		return fail_either(p, c->min, c->max, "min is above max");
	if (limit->initial < limit->min)
		return fail(p, c->initial, "is below min");
	if (limit->initial > limit->max)
		return fail(p, c->initial, "is above max");
	if (limit->algorithm != RATION__CONCURRENCY_AIMD && entry_of(p, c->growth))
		return fail(p, c->growth, "is of aimd only");
	return 0;
}

static int compile_service_limit(const struct policies *p)
{
	struct ration__concurrency_conf *limit = &p->rules->concurrency;
	const struct concurrency c = {limit, "services.*.concurrency.max",
		"services.*.concurrency.initial", "services.*.concurrency.min",
		"services.*.concurrency.growth"};

	if (limit->algorithm == RATION__CONCURRENCY_FIXED)
		return compile_fixed(p, &c);
	if (!limit->max)
		return fail(p, c.max, "off cannot stand beside an algorithm that learns the limit");
	if (!entry_of(p, c.max) && !entry_of(p, "services.*.profile"))
		limit->max = LEARNED_MAX;
	return compile_learned(p, &c);
}

static int compile_per_key(const struct policies *p)
{
	static const char *const others[] = {
		"services.*.concurrency.per_key.per", "services.*.concurrency.per_key.algorithm"};
	struct ration__concurrency_conf *limit = &p->rules->place;
	const struct concurrency c = {limit, "services.*.concurrency.per_key.max",
		"services.*.concurrency.per_key.initial", "services.*.concurrency.per_key.min",
		"services.*.concurrency.per_key.growth"};

	if (entry_of(p, others[0]) && !*p->rules->place_per[0])
		return fail(p, others[0],
			"names no key: the limit of the service as a whole is concurrency.max");
	if (limit->max && !*p->rules->place_per[0])
		return fail(p, c.max, "needs per as well, such as per: [tenant]");
	for (size_t i = 0; i < RATION__COUNT(others) && !limit->max; i++)
		if (entry_of(p, others[i]))
			return fail(p, others[i], "needs max as well");
	return limit->algorithm == RATION__CONCURRENCY_FIXED ? compile_fixed(p, &c)
							     : compile_learned(p, &c);
}

/* How long a place may be held: longer than any attempt lasts. */
static int compile_hold(const struct policies *p)
{
	struct ration__own_rules *own = &p->rules->own;
	struct ration__path path;
	const struct ration__setting *setting;
	struct ration__value attempt;

	if (!ration__place_exists(p->config, p->service))
		return 0;
	ration__bind_path(&path, "services.*.timeouts.attempt", p->service, NULL);
	setting = ration__schema_find(&path);
	ration__value_parse(
		setting, ration__bind_text(p->config, setting, p->service, NULL), &attempt);
	if (!entry_of(p, "services.*.concurrency.hold"))
		own->hold_ns = attempt.ns + HOLD_MARGIN_NS;
	else if (own->hold_ns && own->hold_ns <= attempt.ns)
		return fail(p, "services.*.concurrency.hold",
			"is not above timeouts.attempt: places would be taken back from attempts "
			"that go on");
	return 0;
}

static int compile_concurrency(const struct policies *p)
{
	int rc = compile_service_limit(p);

	if (rc == 0)
		rc = compile_per_key(p);
	return rc ? rc : compile_hold(p);
}

/* ---- retry budget ---- */

static int compile_budget(const struct policies *p)
{
	static const char *const others[] = {"services.*.retry.budget.retry",
		"services.*.retry.budget.throttle", "services.*.retry.budget.success"};
	struct ration__budget_conf *budget = &p->rules->budget;
	uint32_t most = budget->retry_cost > budget->throttle_cost ? budget->retry_cost
								   : budget->throttle_cost;

	if (!entry_of(p, "services.*.retry.budget.capacity")) {
		if (ration__place_exists(p->config, p->service))
			budget->capacity = BUDGET_CAPACITY;
		for (size_t i = 0; !budget->capacity && i < RATION__COUNT(others); i++)
			if (entry_of(p, others[i]))
				return fail(p, others[i],
					"needs capacity as well: a service without uris has no "
					"budget unless it is set");
	}
	if (!budget->capacity || budget->capacity >= most)
		return 0;
	if (entry_of(p, "services.*.retry.budget.capacity"))
		return fail(p, "services.*.retry.budget.capacity",
			"is below what one retry costs: there would be none");
	return fail(p,
		budget->retry_cost == most ? "services.*.retry.budget.retry"
					   : "services.*.retry.budget.throttle",
		"is above capacity: there would be no retry");
}

int ration__policies_compile(const ration_config *config, const char *service,
	struct ration__rules *rules, ration_error **err)
{
	struct policies p = {.config = config, .service = service, .rules = rules, .err = err};
	int rc = compile_breaker(&p);

	if (rc == 0)
		rc = compile_concurrency(&p);
	return rc ? rc : compile_budget(&p);
}
