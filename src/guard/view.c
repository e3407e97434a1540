/* Records as JSON objects. See view.h; the members' names are part of the public interface. */
#include "guard/view.h"

#include <stdio.h>
#include <string.h>
#include "base/units.h"
#include "base/zone.h"
#include "guard/selector.h"

static double seconds_until(int64_t at_ns, int64_t now_ns)
{
	return at_ns <= now_ns ? 0 : (double)(at_ns - now_ns) / 1e9;
}

static void set(json_t *object, const char *name, json_t *value)
{
	json_object_set_new(object, name, value);
}

static void set_rate(json_t *object, double per_second)
{
	struct ration__rate rate = {per_second, RATION__NS_PER_S};
	char text[64];

	ration__format_rate(text, sizeof(text), &rate);
	set(object, "rate", json_string(text));
}

/* skip: parts that are no values. A value that is no UTF-8 is shown as null. */
static void set_keys(json_t *object, const char (*per)[RATION__KEYNAME_MAX],
	const struct ration__key_part *parts, size_t count, size_t skip)
{
	json_t *keys;

	if (!per || !per[0][0])
		return;
	keys = json_object();
	for (size_t i = 0; i < RATION__PER_MAX && per[i][0] && i + skip < count; i++) {
		json_t *value = json_stringn(parts[i + skip].text, parts[i + skip].length);

		set(keys, per[i], value ? value : json_null());
	}
	set(object, "keys", keys);
}

static void append(json_t *service, const char *list, json_t *entry)
{
	if (!json_object_get(service, list))
		set(service, list, json_array());
	json_array_append_new(json_object_get(service, list), entry);
}

/* ---- what holds ---- */

static const struct ration__operator *held_for(
	const struct ration__view *view, const uint8_t *key, size_t length)
{
	for (const struct ration__held *held = view->held; held; held = held->next)
		if (held->key_length == length && memcmp(held->key, key, length) == 0)
			return &held->setting;
	return NULL;
}

/* The record's own setting, else its rule's. */
static const struct ration__operator *operator_of(const struct ration__view *view,
	const struct ration__copied *copy, const char *service, enum ration__record_type type,
	const char *name)
{
	const struct ration__operator *found = NULL;
	uint8_t key[RATION__KEY_ROOM];

	if (view->held && copy && copy->key_length)
		found = held_for(view, copy->key, copy->key_length);
	if (found || !view->held)
		return found;
	return held_for(view, key, ration__key_build(key, type, service, name, NULL, NULL, 0));
}

struct numbers {
	struct ration__bucket_conf bucket;
	int64_t max;
	bool set; /* by an operator */
};

static void take_numbers(struct numbers *n, double rate, double burst, int64_t max)
{
	ration__bucket_override(&n->bucket, rate, burst);
	if (max >= 0)
		n->max = max;
}

/* The rules' numbers, then the definition's override, then the operator's. */
static struct numbers numbers_of(const struct ration__view *view, const struct ration__rules *rules,
	uint32_t i, const struct ration__copied *copy, const struct ration__key_part *parts,
	size_t count)
{
	const struct ration__limit *limit = &rules->limits[i];
	enum ration__record_type type = ration__rule_type(limit);
	const struct ration__operator *all =
		operator_of(view, NULL, rules->service, type, limit->name);
	const struct ration__operator *held =
		operator_of(view, copy, rules->service, type, limit->name);
	struct numbers n = {.max = -1};

	if (limit->kind == RATION__LIMIT_BUCKET)
		n.bucket = limit->bucket;
	else if (limit->kind != RATION__LIMIT_ADAPTIVE)
		n.max = limit->window.max;
	for (uint32_t o = 0; o < rules->override_count && count > 2 && limit->per[0][0]; o++) {
		const struct ration__override *override = &rules->overrides[o];

		if (override->limit == i && strlen(override->value) == parts[2].length &&
			memcmp(override->value, parts[2].text, parts[2].length) == 0)
			take_numbers(&n, override->rate, override->burst, override->max);
	}
	if (all)
		take_numbers(&n, all->rate, all->burst, all->max);
	if (held)
		take_numbers(&n, held->rate, held->burst, held->max);
	n.set = held != NULL;
	return n;
}

/* ---- limits ---- */

static void set_bucket(struct ration__view *view, json_t *entry, const struct numbers *n,
	const struct ration__copied *copy)
{
	struct ration__bucket bucket = {0}; /* a record may be its head alone */

	memcpy(&bucket, copy->value, copy->length);
	set_rate(entry, n->bucket.rate);
	set(entry, "burst", json_real(n->bucket.burst));
	set(entry, "remaining",
		json_real(ration__bucket_remaining(&n->bucket, &bucket, view->now_ns)));
	set(entry, "full_in_s", json_real(seconds_until(bucket.rest_at_ns, view->now_ns)));
}

static void set_adaptive(struct ration__view *view, json_t *entry,
	const struct ration__adaptive_conf *conf, const struct ration__adaptive *state)
{
	double left = ration__adaptive_remaining(conf, state, view->now_ns);

	set(entry, "kind", json_string("adaptive"));
	set_rate(entry, ration__adaptive_rate(conf, state, view->now_ns));
	set(entry, "min", json_real(conf->min));
	set(entry, "max", json_real(conf->max));
	set(entry, "burst", json_real(ration__adaptive_bucket(conf, state, view->now_ns).burst));
	set(entry, "remaining", json_real(left));
	set(entry, "tokens", json_real(left));
	set(entry, "cooldown_s", json_real(seconds_until(state->cooldown_ns, view->now_ns)));
	if (state->cut_ns)
		set(entry, "cut_s", json_real(seconds_until(view->now_ns, state->cut_ns)));
}

/* NULL: UTC */
static const struct ration__zone *zone_of(struct ration__view *view, const char *name)
{
	if (!name[0])
		return NULL;
	if (strcmp(view->zone_name, name) != 0) {
		ration__zone_free(view->zone);
		view->zone = NULL;
		snprintf(view->zone_name, sizeof(view->zone_name), "%s", name);
		if (ration__zone_load(name, &view->zone) < 0)
			view->zone = NULL;
	}
	return view->zone;
}

static void set_counted(struct ration__view *view, json_t *entry, const struct ration__limit *limit,
	const struct numbers *n, const struct ration__copied *copy)
{
	static const char *const periods[] = {
		[RATION__CALENDAR_HOUR] = "hour",
		[RATION__CALENDAR_DAY] = "day",
		[RATION__CALENDAR_MONTH] = "month",
	};
	bool quota = limit->kind == RATION__LIMIT_QUOTA;
	int64_t now_ns = quota ? view->wall_ns : view->now_ns;
	struct ration__window_conf conf = {n->max, limit->window.window_ns};
	struct ration__record record = {.key = copy->key,
		.type = ration__rule_type(limit),
		.absent = copy->key_length == 0,
		.length = (uint32_t)copy->length,
		.room = sizeof(view->scratch),
		.state = view->scratch};
	struct ration__counter counter;
	char text[64];

	memset(view->scratch, 0, sizeof(view->scratch));
	memcpy(view->scratch, copy->value, copy->length);
	counter = ration__counter_of(&record, limit, &conf, zone_of(view, limit->zone), now_ns);
	ration__format_duration(text, sizeof(text), limit->window.window_ns);
	if (limit->calendar && limit->calendar < RATION__COUNT(periods)) {
		snprintf(text, sizeof(text), "%s", periods[limit->calendar]);
		set(entry, "resets_in_s", json_real(seconds_until(counter.period.end_ns, now_ns)));
		set(entry, "zone", json_string(limit->zone[0] ? limit->zone : "UTC"));
	}
	set(entry, "max", json_real((double)conf.max / RATION__MICRO));
	set(entry, "window", json_string(text));
	set(entry, "remaining",
		json_real((double)ration__max64(0, ration__counter_remaining(&counter)) /
			  RATION__MICRO));
	set(entry, "frees_in_s",
		json_real(seconds_until(ration__counter_frees_at(&counter), now_ns)));
}

/* Whether the record is what this limit counts with: one of another kind may linger under its name.
 */
static bool is_of(const struct ration__limit *limit, const struct ration__copied *copy)
{
	if (copy->key_length && copy->key[0] != ration__rule_type(limit))
		return false;
	switch (limit->kind) {
	case RATION__LIMIT_BUCKET:
		return copy->length == sizeof(struct ration__bucket) ||
		       copy->length == RATION__BUCKET_HEAD;
	case RATION__LIMIT_ADAPTIVE:
		return copy->length == sizeof(struct ration__adaptive);
	case RATION__LIMIT_WINDOW:
		return copy->length >= sizeof(struct ration__window) &&
		       copy->length <= sizeof(struct ration__window) + RATION__LOG_SIZE_MAX;
	default:
		return copy->length >= sizeof(struct ration__quota) &&
		       copy->length <= sizeof(struct ration__quota) + RATION__LOG_SIZE_MAX;
	}
}

void ration__view_limit(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, uint32_t i, const struct ration__copied *copy,
	const struct ration__key_part *parts, size_t count)
{
	const struct ration__limit *limit = &rules->limits[i];
	struct numbers n;
	json_t *entry;

	if (!is_of(limit, copy))
		return;
	n = numbers_of(view, rules, i, copy, parts, count);
	entry = json_object();
	set(entry, "name", json_string(limit->name));
	if (limit->unit[0])
		set(entry, "unit", json_string(limit->unit));
	set_keys(entry, limit->per, parts, count, 2);
	if (limit->kind == RATION__LIMIT_BUCKET)
		set_bucket(view, entry, &n, copy);
	else if (limit->kind == RATION__LIMIT_ADAPTIVE)
		set_adaptive(view, entry, &limit->adaptive, (const void *)copy->value);
	else
		set_counted(view, entry, limit, &n, copy);
	if (n.set)
		set(entry, "set", json_true());
	append(service, limit->kind == RATION__LIMIT_QUOTA ? "quotas" : "limits", entry);
}

void ration__view_overrides(json_t *service, const struct ration__rules *rules)
{
	for (uint32_t i = 0; i < rules->override_count; i++) {
		const struct ration__override *override = &rules->overrides[i];
		json_t *entry = json_object();

		if (override->limit < rules->limit_count)
			set(entry, "limit", json_string(rules->limits[override->limit].name));
		set(entry, "value", json_string(override->value));
		if (override->rate > 0)
			set_rate(entry, override->rate);
		if (override->burst > 0)
			set(entry, "burst", json_real(override->burst));
		if (override->max >= 0)
			set(entry, "max", json_real((double) override->max / RATION__MICRO));
		append(service, "overrides", entry);
	}
}

/* ---- breaker ---- */

static void set_rates(struct ration__view *view, json_t *entry,
	const struct ration__breaker_conf *conf, const struct ration__breaker *state)
{
	struct ration__breaker_counts counts = ration__breaker_counts(conf, state, view->now_ns);
	double calls = counts.calls ? counts.calls : 1;

	if (!(conf->failure_rate > 0 || conf->slow_rate > 0))
		return;
	set(entry, "calls", json_integer(counts.calls));
	set(entry, "failure_rate", json_real(counts.failures / calls));
	set(entry, "slow_rate", json_real(counts.slow / calls));
}

void ration__view_breaker(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, const struct ration__copied *copy,
	const struct ration__key_part *parts, size_t count)
{
	const char *name = json_string_value(json_object_get(service, "name"));
	const struct ration__operator *held =
		operator_of(view, copy, name, RATION__RECORD_BREAKER, NULL);
	struct ration__breaker_conf conf = {0};
	struct ration__breaker *state = (void *)view->scratch;
	const char *word;
	json_t *entry;

	if (copy && (copy->length < sizeof(*state) || copy->length > RATION__BREAKER_SIZE_MAX))
		return;
	if (rules)
		conf = rules->breaker;
	if (held && held->breaker_mode)
		conf.mode = held->breaker_mode;
	if (!ration__breaker_exists(&conf) && !copy)
		return;
	memset(view->scratch, 0, RATION__BREAKER_SIZE_MAX);
	if (copy)
		memcpy(view->scratch, copy->value, copy->length);
	ration__breaker_fit(&conf, state, copy ? copy->length : 0);
	word = conf.mode == RATION__BREAKER_FORCED_OPEN ? "forced-open"
	       : conf.mode == RATION__BREAKER_DISABLED	? "disabled"
							: ration__breaker_state_name(state->state);
	entry = json_pack("{s:s, s:i, s:I}", "state", word, "failures", (int)state->failures,
		"trips", (json_int_t)state->trips);
	if (rules)
		set_keys(entry, rules->breaker_per, parts, count, 1);
	if (state->state == RATION__OPEN && conf.mode == RATION__BREAKER_AUTO)
		set(entry, "until_s",
			json_real(
				seconds_until(ration__breaker_until(&conf, state), view->now_ns)));
	if (state->state == RATION__HALF_OPEN) {
		set(entry, "probes", json_integer(state->probes));
		set(entry, "successes", json_integer(state->successes));
	}
	set_rates(view, entry, &conf, state);
	if (held && held->until_ns)
		set(entry, "forced_for_s", json_real(seconds_until(held->until_ns, view->wall_ns)));
	if (count > 1)
		append(service, "breakers", entry);
	else
		set(service, "breaker", entry);
}

/* ---- concurrency ---- */

static const char *algorithm_name(uint32_t algorithm)
{
	static const char *const names[] = {"fixed", "aimd", "cautious", "vegas"};

	return algorithm < RATION__COUNT(names) ? names[algorithm] : "unknown";
}

static json_t *members_of(const struct ration__view *view, const struct ration__concurrency *state,
	bool per_key, uint32_t *in_flight)
{
	json_t *members = json_array();

	for (uint16_t i = 0; i < state->count; i++) {
		const struct ration__contender *member = &state->contenders[i];
		uint32_t held = member->held;

		/* ended, and settled with its member's next decision */
		if (!per_key && held && member->slot < RATION__SLOTS_MAX &&
			*ration__slot_word(view->engine->store, member->slot)) {
			held--;
			*in_flight -= *in_flight > 0;
		}
		json_array_append_new(
			members, json_pack("{s:i, s:i, s:b}", "slot", (int)member->slot,
					 "in_flight", (int)held, "waiting", member->waiting != 0));
	}
	return members;
}

void ration__view_concurrency(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, const struct ration__copied *copy,
	const struct ration__key_part *parts, size_t count)
{
	static const struct ration__concurrency none;
	const struct ration__concurrency *state = copy ? (const void *)copy->value : &none;
	bool per_key = copy && copy->key[0] == RATION__RECORD_PLACE;
	struct ration__concurrency_conf conf = {0};
	uint32_t in_flight;
	json_t *entry;

	if (copy && (copy->length < sizeof(*state) ||
			    copy->length != RATION__CONCURRENCY_SIZE(state->count)))
		return;
	if (rules)
		conf = per_key ? rules->place : rules->concurrency;
	in_flight = state->in_flight;
	entry = json_object();
	if (per_key && rules)
		set_keys(entry, rules->place_per, parts, count, 1);
	set(entry, "max", json_integer(conf.max));
	set(entry, "limit", json_integer(conf.max ? ration__concurrency_limit(&conf, state) : 0));
	set(entry, "algorithm", json_string(algorithm_name(conf.algorithm)));
	set(entry, "members", members_of(view, state, per_key, &in_flight));
	set(entry, "in_flight", json_integer(in_flight));
	if (per_key)
		append(service, "places", entry);
	else
		set(service, "concurrency", entry);
}

/* ---- cooldown, budget, settings ---- */

void ration__view_cooldown(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, const struct ration__copied *copy,
	const struct ration__key_part *parts, size_t count)
{
	int64_t until_ns;
	json_t *entry;

	if (copy->length != sizeof(until_ns))
		return;
	memcpy(&until_ns, copy->value, sizeof(until_ns));
	if (until_ns <= view->now_ns)
		return;
	entry = json_object();
	if (rules)
		set_keys(entry, rules->cooldown_per, parts, count, 1);
	set(entry, "for_s", json_real(seconds_until(until_ns, view->now_ns)));
	append(service, "cooldowns", entry);
}

void ration__view_budget(struct ration__view *view, json_t *service,
	const struct ration__rules *rules, const struct ration__copied *copy)
{
	struct ration__budget state = {0};

	if (!rules || !rules->budget.capacity || (copy && copy->length != sizeof(state)))
		return;
	if (copy)
		memcpy(&state, copy->value, sizeof(state));
	set(service, "budget",
		json_pack("{s:I, s:I, s:I}", "capacity", (json_int_t)rules->budget.capacity,
			"remaining", (json_int_t)ration__budget_remaining(&rules->budget, &state),
			"refused", (json_int_t)state.refused));
}

void ration__view_setting(
	struct ration__view *view, json_t *service, const struct ration__held *held)
{
	const struct ration__operator *setting = &held->setting;
	struct ration__key_part parts[2 + RATION__PER_MAX];
	size_t count = ration__key_split(held->key, held->key_length, parts, RATION__COUNT(parts));
	bool breaker = held->key[0] == RATION__RECORD_BREAKER;
	size_t skip = breaker ? 1 : 2;
	json_t *entry = json_object();
	char values[RATION__PER_MAX * (2 * RATION__KEYVALUE_MAX + 1)];

	if (breaker)
		set(entry, "rule", json_string("breaker"));
	else if (count > 1)
		set(entry, "rule", json_stringn(parts[1].text, parts[1].length));
	if (count > skip) {
		ration__selector_values(values, sizeof(values), parts + skip, count - skip);
		set(entry, "values", json_string(values));
	}
	if (setting->breaker_mode)
		set(entry, "state",
			json_string(setting->breaker_mode == RATION__BREAKER_FORCED_OPEN
					    ? "forced-open"
					    : "disabled"));
	if (setting->rate > 0)
		set_rate(entry, setting->rate);
	if (setting->burst > 0)
		set(entry, "burst", json_real(setting->burst));
	if (setting->max >= 0)
		set(entry, "max", json_real((double)setting->max / RATION__MICRO));
	if (setting->until_ns)
		set(entry, "for_s", json_real(seconds_until(setting->until_ns, view->wall_ns)));
	append(service, "settings", entry);
}
