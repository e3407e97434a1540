/* Adaptive limits, presets, calls and key values, quotas by the calendar, breakers by rates,
 * learned concurrency, budgets, fairness: from settings to what decides, and what contradicts. */
#include <stdio.h>
#include "config_help.h"

TestSuite(config_policies, .fini = check_leaks);

#define S RATION__NS_PER_S
#define N "services: {n: {"

static void compile_into(const char *text, struct ration__rules *rules)
{
	ration_config *config = loaded(text);
	ration_error *err = NULL;

	cr_assert_eq(
		ration__config_rules(config, "n", rules, &err), 0, "%s", ration_error_text(err));
	ration_config_free(config);
}

static void service_into(const char *text, struct ration__service_conf *conf)
{
	ration_config *config = loaded(text);
	ration_error *err = NULL;

	cr_assert_eq(
		ration__config_service(config, "n", conf, &err), 0, "%s", ration_error_text(err));
	ration_config_free(config);
}

static void expect_same(const ration_config *a, const ration_config *b, const char *service);

static void expect_text_refused(const char *settings, const char *error)
{
	char text[1024], whole[1024];

	snprintf(text, sizeof(text), N "\n%s\n}}", settings);
	snprintf(whole, sizeof(whole), "t.yaml:2:%s", error);
	expect_refused(text, whole);
}

/* ---- presets ---- */

static const struct {
	const char *name;
	double initial, min, max, step;
	const char *uri;
} presets[] = {
	{"notion", 2, 0.3, 3.5, 0.1, "https://api.notion.com"},
	{"vanta", 2, 0.5, 5, 0.2, "https://api.vanta.com"},
	{"fieldguide", 2, 0.5, 5, 0.2, "https://api.fieldguide.io"},
	{"airtable", 3, 0.5, 5, 0.2, "https://api.airtable.com"},
	{"zapier", 2, 0.3, 5, 0.2, "https://hooks.zapier.com"},
	{"slack", 1.5, 0.3, 4, 0.1, "https://slack.com/api"},
	{"github", 2, 0.5, 6, 0.2, "https://api.github.com"},
	{"openai", 1.5, 0.2, 5, 0.1, "https://api.openai.com"},
};

Test(config_policies, D1_presets_have_their_numbers_and_places)
{
	for (size_t i = 0; i < RATION__COUNT(presets); i++) {
		struct ration__service_conf conf;
		struct ration__rules rules;
		char text[128];
		const struct ration__adaptive_conf *rate = &rules.limits[0].adaptive;

		snprintf(text, sizeof(text), N "preset: %s}}", presets[i].name);
		compile_into(text, &rules);
		cr_assert_eq(rules.limit_count, 1, "%s", presets[i].name);
		cr_expect_str_eq(rules.limits[0].name, "learned");
		cr_expect_eq(rules.limits[0].kind, RATION__LIMIT_ADAPTIVE);
		cr_expect(rules.limits[0].estimate == 1);
		cr_expect(rate->initial == presets[i].initial && rate->min == presets[i].min &&
				  rate->max == presets[i].max && rate->step == presets[i].step &&
				  rate->factor == 0.5,
			"%s", presets[i].name);
		cr_expect_eq(rate->kind, RATION__ADAPTIVE_AIMD);
		cr_expect_eq(rate->growth, RATION__GROWTH_BINDING);
		cr_expect_eq(rate->cooldown_min_ns, S);
		cr_expect_eq(rate->cooldown_max_ns, 60 * S);
		cr_expect(rate->multiplier == 1);
		cr_expect_eq(rate->idle_ns, 3600 * S);
		service_into(text, &conf);
		cr_expect_str_eq(conf.base, presets[i].uri);
		ration__service_conf_fini(&conf);
	}
}

Test(config_policies, D1_presets_are_overridden_and_extended)
{
	struct ration__service_conf conf;
	struct ration__rules rules;
	const struct ration__adaptive_conf *rate = &rules.limits[0].adaptive;

	compile_into("presets: {notion: {max: 5/s}}\n" N "preset: notion}}", &rules);
	cr_expect(rate->initial == 2 && rate->max == 5 && rate->min == 0.3);
	/* without numbers of their own, they follow from initial */
	compile_into("presets: {a-b: {initial: 4/s}, a: {initial: 1/s, uri: https://h}}\n" N
		     "preset: a-b}}",
		&rules);
	cr_expect(rate->initial == 4 && rate->min == 0.4 && rate->max == 40 && rate->step == 0.2 &&
		  rate->factor == 0.5);
	service_into("presets: {a: {initial: 1/s, uri: 'https://h/x'}}\n" N "preset: a}}", &conf);
	cr_expect_str_eq(conf.base, "https://h/x");
	ration__service_conf_fini(&conf);
	/* what a service has of its own stays */
	service_into(N "preset: notion, uris: 'http://mine'}}", &conf);
	cr_expect_str_eq(conf.base, "http://mine");
	ration__service_conf_fini(&conf);
	compile_into(N "preset: notion, limits: {learned: {rate: 1/s}}}}", &rules);
	cr_expect_eq(rules.limit_count, 1);
	cr_expect_eq(rules.limits[0].kind, RATION__LIMIT_BUCKET);
	compile_into(N "preset: notion, quotas: {learned: {max: 3, window: 1d}}}}", &rules);
	cr_expect_eq(rules.limit_count, 1);
	compile_into(N "preset: notion, limits: {z: {rate: 1/s}, a: {rate: 1/s}}}}", &rules);
	cr_assert_eq(rules.limit_count, 3);
	cr_expect_str_eq(rules.limits[1].name, "learned");
	/* a limit may change parts of it */
	compile_into(
		N "limits: {l: {preset: notion, min: 1/s, step: 0.3/s, per: [tenant]}}}}", &rules);
	cr_expect(rate->initial == 2 && rate->min == 1 && rate->max == 3.5 && rate->step == 0.3);
	cr_expect_str_eq(rules.limits[0].per[0], "tenant");
}

Test(config_policies, D1_an_unknown_preset_is_answered_with_the_names)
{
	expect_text_refused("preset: noton",
		"9: services.n.preset: no such preset; known are airtable, fieldguide, github, "
		"notion, openai, slack, vanta, zapier");
	expect_text_refused("preset: noton, limits: {learned: {rate: 1/s}}",
		"9: services.n.preset: no such preset; known are airtable, fieldguide, github, "
		"notion, openai, slack, vanta, zapier");
	expect_refused("presets: {m: {initial: 1/s}, b: {initial: 1/s}, notion: {max: 9/s}}\n"
		       "services: {n: {limits: {l: {preset: x}}}}",
		"t.yaml:2:37: services.n.limits.l.preset: no such preset; known are airtable, b, "
		"fieldguide, github, m, notion, openai, slack, vanta, zapier");
	expect_refused(
		"presets: {m: {min: 1/s}}", "presets.m.initial: is missing: a rate such as 2/s");
	expect_refused("presets: {notion: {max: 1/s}}",
		"t.yaml:1:25: presets.notion.max: max is below initial");
	expect_refused("presets: {notion: {initial: 4/s}}",
		"t.yaml:1:29: presets.notion.initial: max is below initial");
	expect_refused("presets: {notion: {min: 3/s}}",
		"t.yaml:1:25: presets.notion.min: min is above initial");
}

Test(config_policies, D18_a_preset_is_looked_up_by_name)
{
	ration_config *config =
		loaded("presets: {mine: {initial: 1/s, factor: 0.25}, notion: {uri: http://h}}");
	ration_error *err = NULL;
	char *json = NULL;

	cr_assert_eq(ration_preset_get(NULL, "notion", &json, NULL), 0);
	cr_expect_str_eq(json, "{\"name\":\"notion\",\"initial\":2,\"min\":0.3,\"max\":3.5,"
			       "\"step\":0.1,\"factor\":0.5,\"uri\":\"https://api.notion.com\"}");
	free(json);
	cr_assert_eq(ration_preset_get(config, "notion", &json, NULL), 0);
	cr_expect_not_null(strstr(json, "\"uri\":\"http://h\""));
	free(json);
	cr_assert_eq(ration_preset_get(config, "mine", &json, NULL), 0);
	cr_expect_str_eq(json, "{\"name\":\"mine\",\"initial\":1,\"min\":0.1,\"max\":10,"
			       "\"step\":0.05,\"factor\":0.25,\"uri\":null}");
	free(json);
	json = NULL;
	cr_expect_eq(ration_preset_get(NULL, "mine", &json, &err), RATION_ECONFIG);
	cr_expect_str_eq(ration_error_text(err),
		"mine: no such preset; known are airtable, fieldguide, github, notion, openai, "
		"slack, vanta, zapier");
	cr_expect_null(json);
	cr_expect_eq(ration_preset_get(config, NULL, &json, NULL), RATION_EINVAL);
	ration_error_free(err);
	ration_config_free(config);
}

/* ---- adaptive limits ---- */

Test(config_policies, an_adaptive_limit_says_what_it_wants_and_the_rest_follows)
{
	struct ration__rules rules;
	const struct ration__adaptive_conf *rate = &rules.limits[0].adaptive;

	compile_into(N "limits: {a: {initial: 10/s}}}}", &rules);
	cr_expect_eq(rules.limits[0].kind, RATION__LIMIT_ADAPTIVE);
	cr_expect(rate->initial == 10 && rate->min == 1 && rate->max == 100 && rate->step == 0.5 &&
		  rate->factor == 0.5 && rate->burst == 0 && rate->scale == 0);
	compile_into(N "limits: {a: {initial: 10/s, kind: cubic}}}}", &rules);
	cr_expect_eq(rate->kind, RATION__ADAPTIVE_CUBIC);
	cr_expect(rate->factor == 0.7 && rate->scale == 0.4 && rate->step == 0);
	compile_into(N "limits: {a: {initial: 60/min, min: 30/min, max: 2/s, step: 1/min, factor: "
		       "0.6, burst: 7, multiplier: 2, cooldown_min: 2s, cooldown_max: 3s, idle: "
		       "5m, growth: seed}}}}",
		&rules);
	cr_expect(rate->initial == 1 && rate->min == 0.5 && rate->max == 2 &&
		  rate->step == 1.0 / 60 && rate->factor == 0.6 && rate->burst == 7 &&
		  rate->multiplier == 2);
	cr_expect_eq(rate->cooldown_min_ns, 2 * S);
	cr_expect_eq(rate->cooldown_max_ns, 3 * S);
	cr_expect_eq(rate->idle_ns, 300 * S);
	compile_into(N "limits: {a: {initial: 1/s, max: 2/s, burst: 7, estimate: 7}}}}", &rules);
	cr_expect(rules.limits[0].estimate == 7);
}

Test(config_policies, X18_growth_is_binding_unless_it_says_seed)
{
	struct ration__rules rules;

	compile_into(N "limits: {a: {preset: slack}}, concurrency: {algorithm: aimd}}}", &rules);
	cr_expect_eq(rules.limits[0].adaptive.growth, RATION__GROWTH_BINDING);
	cr_expect_eq(rules.concurrency.growth, RATION__GROWTH_BINDING);
	compile_into(N "limits: {a: {preset: slack, growth: seed}}, concurrency: {algorithm: aimd, "
		       "growth: seed}}}",
		&rules);
	cr_expect_eq(rules.limits[0].adaptive.growth, RATION__GROWTH_SEED);
	cr_expect_eq(rules.concurrency.growth, RATION__GROWTH_SEED);
}

Test(config_policies, adaptive_limits_that_contradict_are_refused)
{
	static const char *const cases[][2] = {
		{"limits: {a: {initial: 1/s, rate: 1/s}}",
			"34: services.n.limits.a.rate: cannot stand beside preset or initial: make "
			"it a limit of its own"},
		{"limits: {a: {preset: slack, max: 3, window: 1m}}",
			"45: services.n.limits.a.window: cannot stand beside preset or initial: "
			"make it a limit of its own"},
		{"limits: {a: {preset: slack, max: 3}}",
			"34: services.n.limits.a.max: is a rate in an adaptive limit, such as 10/s"},
		{"limits: {a: {max: 3/s}}",
			"19: services.n.limits.a.max: is a rate: needs preset or "
			"initial as well"},
		{"limits: {a: {max: 3/s, window: 1m}}",
			"19: services.n.limits.a.max: is a number in a limit with a window, such as "
			"1000"},
		{"limits: {a: {max: 3/s, rate: 1/s}}",
			"19: services.n.limits.a.max: cannot stand beside rate: make it a limit of "
			"its own"},
		{"limits: {a: {rate: 1/s, factor: 0.5}}",
			"33: services.n.limits.a.factor: is of adaptive limits: needs preset or "
			"initial as well"},
		{"limits: {a: {min: 1/s}}", "19: services.n.limits.a.min: is of adaptive limits: "
					    "needs preset or initial as well"},
		{"limits: {a: {initial: 1/s, min: 2/s}}",
			"33: services.n.limits.a.min: min is above initial"},
		{"limits: {a: {initial: 3/s, max: 2/s}}",
			"33: services.n.limits.a.max: max is below initial"},
		{"limits: {a: {preset: slack, initial: 5/s}}",
			"38: services.n.limits.a.initial: max is below initial"},
		{"limits: {a: {initial: 1/s, kind: cubic, step: 1/s}}",
			"47: services.n.limits.a.step: is of aimd: cubic has no steps"},
		{"limits: {a: {initial: 0.4/s, kind: cubic}}",
			"23: services.n.limits.a.initial: is below 0.5/s: a cubic rate never falls "
			"that low"},
		{"limits: {a: {preset: notion, kind: cubic, min: 0.4/s}}",
			"48: services.n.limits.a.min: is below 0.5/s: a cubic rate never falls "
			"that low"},
		{"limits: {a: {initial: 1/s, burst: 1m}}",
			"35: services.n.limits.a.burst: is a number in an adaptive limit"},
		{"limits: {a: {initial: 1/s, cooldown_max: 500ms}}",
			"42: services.n.limits.a.cooldown_max: cooldown_min is above cooldown_max"},
		{"limits: {a: {initial: 1/s, estimate: 11}}",
			"38: services.n.limits.a.estimate: is above the burst: a call that does not "
			"say its cost could never go"},
		{"limits: {a: {initial: 1/s, per: [b], overrides: {c: {rate: 1/s}}}}",
			"60: services.n.limits.a.overrides.c.rate: an adaptive limit learns a rate "
			"for each value: it has no overrides"},
	};

	for (size_t i = 0; i < RATION__COUNT(cases); i++)
		expect_text_refused(cases[i][0], cases[i][1]);
}

/* ---- which calls, which values ---- */

Test(config_policies, N2_a_minutes_burst_and_keys_agent_and_tool)
{
	struct ration__rules rules;

	compile_into(N "limits: {a: {rate: 60/min, burst: 1m, per: [tool, agent]}}}}", &rules);
	cr_expect(rules.limits[0].bucket.burst == 60);
	cr_expect_str_eq(rules.limits[0].per[0], "agent");
	cr_expect_str_eq(rules.limits[0].per[1], "tool");
}

Test(config_policies, N19_a_limit_applies_by_method_path_and_tool)
{
	struct ration__rules a, b;
	const struct ration__when *when = &a.limits[0].when;

	compile_into(N "limits: {w: {rate: 1/s, when: {methods: [POST, DELETE, other], path: "
		       "'/v1/**', keys: {tool: ['drop*', 'delete*'], agent: nightly}}}}}}",
		&a);
	cr_expect_eq(
		when->methods, RATION__METHOD_POST | RATION__METHOD_DELETE | RATION__METHOD_OTHER);
	cr_expect_str_eq(when->path, "/v1/**");
	cr_expect_str_eq(when->keys[0].name, "agent");
	cr_expect_str_eq(when->keys[0].values[0], "nightly");
	cr_expect_str_eq(when->keys[0].values[1], "");
	cr_expect_str_eq(when->keys[1].name, "tool");
	cr_expect_str_eq(when->keys[1].values[0], "delete*");
	cr_expect_str_eq(when->keys[1].values[1], "drop*");
	/* no order makes another definition */
	compile_into(N "limits: {w: {when: {keys: {agent: nightly, tool: ['delete*', 'drop*']}, "
		       "path: '/v1/**', methods: [other, DELETE, POST]}, rate: 1/s}}}}",
		&b);
	cr_expect_eq(memcmp(&a, &b, sizeof(a)), 0);
	compile_into(N "limits: {w: {rate: 1/s}}}}", &a);
	cr_expect_eq(when->methods, 0);
	compile_into(N "quotas: {w: {max: 1, window: 1d, when: {methods: [GET, HEAD, PUT, PATCH, "
		       "OPTIONS]}}}}}",
		&a);
	cr_expect_eq(when->methods, RATION__METHOD_GET | RATION__METHOD_HEAD | RATION__METHOD_PUT |
					    RATION__METHOD_PATCH | RATION__METHOD_OPTIONS);
	expect_text_refused("limits: {a: {rate: 1/s, when: {keys: {a: [b], c: [d], e: [f]}}}}",
		"58: services.n.limits.a.when.keys.e: a limit looks at no more than 2 keys");
}

Test(config_policies, N5_overrides_stand_in_order_and_follow_the_rate)
{
	struct ration__rules rules, same;
	const struct ration__override *o = rules.overrides;

	compile_into(N
		"limits:\n"
		" {a: {rate: 2/s, per: [agent], overrides: {x: {rate: 10/s}, b.c: {burst: 5}, "
		"a: {rate: 1/s, burst: 3s}}},\n"
		"  b: {rate: 2/s, burst: 2s, per: [k], overrides: {v: {rate: 5/s}}},\n"
		"  c: {rate: 2/s, burst: 4, per: [k], overrides: {v: {rate: 5/s}}},\n"
		"  w: {max: 3, window: 1m, per: [k], overrides: {'blank in': {max: 2.5}}}},\n"
		" quotas: {q: {max: 1000, window: 24h, per: [agent], overrides: {premium: "
		"{max: 10000}, none: {max: 0}}}}}}",
		&rules);
	cr_assert_eq(rules.override_count, 8);
	cr_expect_str_eq(o[0].value, "a");
	cr_expect(o[0].limit == 0 && o[0].rate == 1 && o[0].burst == 3 && o[0].max == -1);
	cr_expect_str_eq(o[1].value, "b.c");
	cr_expect(o[1].rate == 0 && o[1].burst == 5);
	cr_expect_str_eq(o[2].value, "x");
	cr_expect(o[2].rate == 10 && o[2].burst == 10); /* as X20, from its own rate */
	cr_expect(o[3].limit == 1 && o[3].rate == 5 && o[3].burst == 10); /* two seconds of it */
	cr_expect(o[4].limit == 2 && o[4].rate == 5 && o[4].burst == 4);  /* the limit's four */
	cr_expect_str_eq(o[5].value, "blank in");
	cr_expect(o[5].limit == 3 && o[5].max == 2500000 && o[5].rate == 0);
	cr_expect_str_eq(o[6].value, "none");
	cr_expect(o[6].limit == 4 && o[6].max == 0);
	cr_expect_str_eq(o[7].value, "premium");
	cr_expect(o[7].max == INT64_C(10000000000));
	compile_into(N
		"quotas: {q: {overrides: {none: {max: 0}, premium: {max: 10000}}, per: [agent],\n"
		" window: 24h, max: 1000}}, limits:\n"
		" {w: {max: 3, window: 1m, per: [k], overrides: {'blank in': {max: 2.5}}},\n"
		"  c: {rate: 2/s, burst: 4, per: [k], overrides: {v: {rate: 5/s}}},\n"
		"  b: {rate: 2/s, burst: 2s, per: [k], overrides: {v: {rate: 5/s}}},\n"
		"  a: {rate: 2/s, per: [agent], overrides: {a: {burst: 3s, rate: 1/s}, b.c: "
		"{burst: 5}, x: {rate: 10/s}}}}}}",
		&same);
	cr_expect_eq(memcmp(&rules, &same, sizeof(rules)), 0);
}

Test(config_policies, the_order_of_settings_by_path_makes_no_other_definition)
{
	static const char *const paths[] = {
		"services.n.limits.a-b.rate", "services.n.limits.a.rate"};
	struct ration__rules rules, same;
	ration_config *config = ration_config_new();

	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(ration_config_set(config, paths[i], "1/s", NULL), 0);
	cr_assert_eq(ration__config_rules(config, "n", &rules, NULL), 0);
	compile_into(N "limits: {a: {rate: 1/s}, a-b: {rate: 1/s}}}}", &same);
	cr_expect_eq(memcmp(&rules, &same, sizeof(rules)), 0);
	ration_config_free(config);
}

Test(config_policies, overrides_that_contradict_are_refused)
{
	static const char *const cases[][2] = {
		{"limits: {a: {rate: 1/s, overrides: {b: {rate: 2/s}}}}",
			"47: services.n.limits.a.overrides.b.rate: overrides need per with one key, "
			"such as per: [agent], whose values they name"},
		{"limits: {a: {rate: 1/s, per: [x, y], overrides: {b: {rate: 2/s}}}}",
			"60: services.n.limits.a.overrides.b.rate: overrides need per with one key, "
			"such as per: [agent], whose values they name"},
		{"limits: {a: {rate: 1/s, per: [x], overrides: {b: {max: 2}}}}",
			"56: services.n.limits.a.overrides.b.max: is of limits with max: this one "
			"has a rate"},
		{"limits: {a: {max: 1, window: 1s, per: [x], overrides: {b: {rate: 2/s}}}}",
			"66: services.n.limits.a.overrides.b.rate: is of limits with rate: this one "
			"has max and window"},
		{"limits: {a: {max: 1, window: 1s, per: [x], overrides: {b: {burst: 2}}}}",
			"67: services.n.limits.a.overrides.b.burst: is of limits with rate: this "
			"one has max and window"},
		{"quotas: {a: {max: 9, window: 1d, estimate: 2, per: [x], overrides: {b: {max: 1}}}}",
			"78: services.n.quotas.a.overrides.b.max: is below estimate: a call that "
			"does not say its cost could never go"},
		{"limits: {a: {rate: 9/s, estimate: 5, per: [x], overrides: {b: {rate: 1/s}}}}",
			"70: services.n.limits.a.overrides.b.rate: makes a burst below estimate: a "
			"call that does not say its cost could never go"},
		{"limits: {a: {rate: 9/s, per: [x], overrides: {b: {burst: 1ms}}}}",
			"58: services.n.limits.a.overrides.b.burst: makes a burst of less than one"},
	};

	for (size_t i = 0; i < RATION__COUNT(cases); i++)
		expect_text_refused(cases[i][0], cases[i][1]);
}

Test(config_policies, a_service_has_at_most_64_overrides)
{
	ration_config *config = loaded(N "limits: {a: {rate: 1/s, per: [k]}}}}");
	struct ration__rules rules;
	ration_error *err = NULL;
	char path[64];

	for (int i = 0; i <= 64; i++) {
		cr_expect_eq(ration__config_rules(config, "n", &rules, NULL), 0);
		cr_expect_eq(rules.override_count, i);
		snprintf(path, sizeof(path), "services.n.limits.a.overrides.v%d.rate", i);
		cr_assert_eq(ration_config_set(config, path, "1/s", NULL), 0);
	}
	cr_expect_eq(ration__config_rules(config, "n", &rules, &err), RATION_ECONFIG);
	cr_expect_not_null(strstr(ration_error_text(err), "at most 64 overrides"));
	ration_error_free(err);
	ration_config_free(config);
}

/* ---- keys that are ours ---- */

Test(config_policies, a_rule_per_service_has_no_keys)
{
	struct ration__rules rules;

	compile_into(N "limits: {a: {rate: 1/s, per: [service]}, b: {rate: 1/s, per: [tenant, "
		       "service, node]}}, breaker: {per: [service]}, cooldown: {per: service}, "
		       "concurrency: {per_key: {per: [service, agent], max: 2}}}}",
		&rules);
	cr_expect_str_eq(rules.limits[0].per[0], "");
	cr_expect_str_eq(rules.limits[1].per[0], "node");
	cr_expect_str_eq(rules.limits[1].per[1], "tenant");
	cr_expect_str_eq(rules.limits[1].per[2], "");
	cr_expect_str_eq(rules.breaker_per[0], "");
	cr_expect_str_eq(rules.cooldown_per[0], "");
	cr_expect_str_eq(rules.place_per[0], "agent");
	cr_expect_str_eq(rules.place_per[1], "");
	compile_into(N "required_keys: [node], limits: {a: {rate: 1/s, per: [node]}}}}", &rules);
	cr_expect_str_eq(rules.own.required_keys[0], "node", "of what is no HTTP");
}

Test(config_policies, keys_that_no_call_gives_are_refused)
{
	static const char *const cases[][2] = {
		{"uris: 'http://h', required_keys: [tenant, node]",
			"34: services.n.required_keys: \"node\" is no key that a call gives: it is "
			"the node that the call goes to"},
		{"required_keys: [service]",
			"16: services.n.required_keys: \"service\" is no key that a call gives: it "
			"stands for the service"},
		{"uris: 'http://h', auth: {bearer: x, per: [node]}",
			"42: services.n.auth.per: \"node\" is no key that a call gives: it is the "
			"node that the call goes to"},
		{"uris: 'http://h', auth: {bearer_file: '/tmp/{service}'}",
			"39: services.n.auth.bearer_file: \"service\" is no key that a call gives: "
			"it stands for the service"},
		{"fairness: {per: service}",
			"17: services.n.fairness.per: \"service\" is no key that a call gives: it "
			"stands for the service"},
		{"limits: {a: {rate: 1/s, when: {keys: {service: x}}}}",
			"48: services.n.limits.a.when.keys.service: \"service\" is no key that a "
			"call gives: it stands for the service"},
		{"limits: {a: {rate: 1/s, per: [service], overrides: {b: {rate: 2/s}}}}",
			"63: services.n.limits.a.overrides.b.rate: overrides need per with one "
			"key, such as per: [agent], whose values they name"},
		{"concurrency: {per_key: {per: [service], max: 2}}",
			"30: services.n.concurrency.per_key.per: names no key: the limit of the "
			"service as a whole is concurrency.max"},
	};

	for (size_t i = 0; i < RATION__COUNT(cases); i++)
		expect_text_refused(cases[i][0], cases[i][1]);
}

/* ---- quotas and true costs ---- */

Test(config_policies, quotas_by_the_calendar_and_their_warnings)
{
	struct ration__rules rules;
	const struct ration__limit *q = rules.limits;

	compile_into(N "quotas: {a: {max: 10, window: hour}, b: {max: 10, window: day, zone: UTC, "
		       "warn_below: 3}, c: {max: 10, window: month, warn_below: [1, 2.5, 9]}, d: "
		       "{max: 10, window: 24h}}}}",
		&rules);
	cr_expect_eq(q[0].calendar, RATION__CALENDAR_HOUR);
	cr_expect_eq(q[0].window.window_ns, 7200 * S);
	cr_expect_eq(q[0].warn[0], 0);
	cr_expect_eq(q[1].calendar, RATION__CALENDAR_DAY);
	cr_expect_eq(q[1].window.window_ns, 25 * 3600 * S);
	cr_expect_str_eq(q[1].zone, "UTC");
	cr_expect_eq(q[1].warn[0], 3000000);
	cr_expect_eq(q[1].warn[1], 0);
	cr_expect_eq(q[2].calendar, RATION__CALENDAR_MONTH);
	cr_expect_eq(q[2].window.window_ns, (31 * 24 + 1) * 3600 * S);
	cr_expect_eq(q[2].warn[0], 9000000);
	cr_expect_eq(q[2].warn[1], 2500000);
	cr_expect_eq(q[2].warn[2], 1000000);
	cr_expect_eq(q[3].calendar, RATION__CALENDAR_NONE);
	cr_expect_eq(q[3].window.window_ns, 24 * 3600 * S);
	expect_text_refused("limits: {a: {max: 3, window: day}}",
		"30: services.n.limits.a.window: is of the calendar: make it a quota");
	expect_text_refused("quotas: {a: {max: 3, window: 1d, zone: UTC}}",
		"40: services.n.quotas.a.zone: needs a window of the calendar: hour, day or month");
	expect_text_refused("quotas: {a: {max: 3, window: day, zone: Europe/Berlinn}}",
		"41: services.n.quotas.a.zone: is no time zone of this system: expected a name such "
		"as Europe/Berlin");
	expect_text_refused("quotas: {a: {max: 3, window: day, zone: ../../etc/passwd}}",
		"41: services.n.quotas.a.zone: is no time zone of this system: expected a name such "
		"as Europe/Berlin");
	expect_text_refused("quotas: {a: {max: 3, window: day, warn_below: [1, 3]}}",
		"47: services.n.quotas.a.warn_below: is not below max");
}

Test(config_policies, true_costs_have_one_source_for_each_unit)
{
	struct ration__service_conf conf;

	service_into(N "limits: {a: {max: 9, window: 1m, unit: tokens, actual: "
		       "'body:/usage/total_tokens'}, b: {rate: 9/s, unit: cost, actual: "
		       "'header:X-Cost'}}, quotas: {c: {max: 9, window: 1d, unit: tokens, actual: "
		       "'body:/usage/total_tokens'}}}}",
		&conf);
	cr_assert_eq(conf.actual_count, 2);
	cr_expect_str_eq(conf.actuals[0].unit, "cost");
	cr_expect_str_eq(conf.actuals[0].source, "header:X-Cost");
	cr_expect_str_eq(conf.actuals[1].unit, "tokens");
	cr_expect_str_eq(conf.actuals[1].source, "body:/usage/total_tokens");
	ration__service_conf_fini(&conf);
	expect_text_refused("limits: {a: {max: 9, window: 1m, unit: t, actual: 'header:a'}}, "
			    "quotas: {c: {max: 9, window: 1d, unit: t, actual: 'header:b'}}",
		"115: services.n.quotas.c.actual: another limit reads the cost in this unit from "
		"elsewhere");
	expect_text_refused("limits: {a: {max: 9, window: 1m, actual: 'header:a'}}",
		"42: services.n.limits.a.actual: needs unit as well, such as unit: tokens");
}

Test(config_policies, responses_tell_costs_in_at_most_eight_units)
{
	ration_config *config = loaded("services: {n: }");
	struct ration__service_conf conf;
	ration_error *err = NULL;

	for (int i = 0; i <= 8; i++) {
		static const char *const settings[][2] = {
			{"rate", "9/s"}, {"unit", "u"}, {"actual", "header:a"}};
		char path[64], unit[16];

		cr_assert_eq(ration__config_service(config, "n", &conf, NULL), 0);
		cr_expect_eq(conf.actual_count, i);
		ration__service_conf_fini(&conf);
		for (size_t j = 0; j < 3; j++) {
			snprintf(path, sizeof(path), "services.n.limits.l%d.%s", i, settings[j][0]);
			snprintf(unit, sizeof(unit), "u%d", i);
			cr_assert_eq(ration_config_set(
					     config, path, j == 1 ? unit : settings[j][1], NULL),
				0);
		}
	}
	cr_expect_eq(ration__config_service(config, "n", &conf, &err), RATION_ECONFIG);
	cr_expect_not_null(strstr(ration_error_text(err), "at most 8 units"));
	ration_error_free(err);
	ration_config_free(config);
}

/* ---- concurrency ---- */

Test(config_policies, R6_concurrency_its_queue_and_its_hold)
{
	struct ration__rules rules;

	compile_into("services: {n: }", &rules);
	cr_expect_eq(rules.concurrency.algorithm, RATION__CONCURRENCY_FIXED);
	cr_expect_eq(rules.concurrency.initial + rules.concurrency.min, 0);
	cr_expect_eq(rules.own.queue_max, 10000);
	cr_expect_eq(rules.own.hold_ns, 0);
	cr_expect_eq(rules.place.max, 0);
	compile_into(N "uris: 'http://h', timeouts: {attempt: 10s}}}", &rules);
	cr_expect_eq(rules.own.hold_ns, 40 * S);
	compile_into(N "preset: slack}}", &rules);
	cr_expect_eq(rules.own.hold_ns, 90 * S);
	compile_into(N "uris: 'http://h', concurrency: {queue: unlimited, hold: never, per_key: "
		       "{per: [tenant], max: 5}}}}",
		&rules);
	cr_expect_eq(rules.own.hold_ns, 0);
	cr_expect_eq(rules.own.queue_max, 0);
	cr_expect_eq(rules.place.max, 5);
	cr_expect_str_eq(rules.place_per[0], "tenant");
	compile_into(N "concurrency: {hold: 5s}}}", &rules);
	cr_expect_eq(rules.own.hold_ns, 5 * S);
}

Test(config_policies, concurrency_that_learns)
{
	struct ration__rules rules;
	const struct ration__concurrency_conf *limit = &rules.concurrency;

	compile_into(N "concurrency: {algorithm: aimd}}}", &rules);
	cr_expect_eq(limit->algorithm, RATION__CONCURRENCY_AIMD);
	cr_expect(limit->max == 200 && limit->initial == 20 && limit->min == 1);
	compile_into(N "concurrency: {algorithm: vegas, max: 7}}}", &rules);
	cr_expect_eq(limit->algorithm, RATION__CONCURRENCY_VEGAS);
	cr_expect(limit->max == 7 && limit->initial == 7);
	compile_into(N "concurrency: {algorithm: cautious, min: 30}}}", &rules);
	cr_expect_eq(limit->algorithm, RATION__CONCURRENCY_CAUTIOUS);
	cr_expect(limit->initial == 30 && limit->min == 30);
	compile_into(N "concurrency: {algorithm: aimd, initial: 3, min: 2, max: 4}}}", &rules);
	cr_expect(limit->initial == 3 && limit->min == 2 && limit->max == 4);
}

Test(config_policies, concurrency_per_key_learns_too)
{
	struct ration__rules rules;
	const struct ration__concurrency_conf *limit = &rules.place;

	compile_into(N "concurrency: {per_key: {per: [node], max: 50, algorithm: aimd}}}}", &rules);
	cr_expect_eq(limit->algorithm, RATION__CONCURRENCY_AIMD);
	cr_expect(limit->max == 50 && limit->initial == 20 && limit->min == 1);
	cr_expect_eq(rules.concurrency.algorithm, RATION__CONCURRENCY_FIXED);
	compile_into(
		N "concurrency: {per_key: {per: [a], max: 9, algorithm: vegas, min: 2}}}}", &rules);
	cr_expect(limit->max == 9 && limit->initial == 9 && limit->min == 2);
	compile_into(N "concurrency: {per_key: {per: [a], max: 9}}}}", &rules);
	cr_expect_eq(limit->initial + limit->min + limit->growth, 0);
}

Test(config_policies, concurrency_that_contradicts_is_refused)
{
	static const char *const cases[][2] = {
		{"concurrency: {initial: 3}",
			"24: services.n.concurrency.initial: needs an algorithm "
			"that learns: aimd, cautious or vegas"},
		{"concurrency: {min: 3}", "20: services.n.concurrency.min: needs an algorithm that "
					  "learns: aimd, cautious or vegas"},
		{"concurrency: {growth: seed}", "23: services.n.concurrency.growth: needs an "
						"algorithm that learns: aimd, cautious or vegas"},
		{"concurrency: {algorithm: aimd, max: off}",
			"37: services.n.concurrency.max: off cannot stand beside an algorithm that "
			"learns the limit"},
		{"concurrency: {algorithm: aimd, max: 3, min: 4}",
			"45: services.n.concurrency.min: min is above max"},
		{"concurrency: {algorithm: aimd, min: 3, initial: 2}",
			"49: services.n.concurrency.initial: is below min"},
		{"concurrency: {algorithm: aimd, max: 3, initial: 4}",
			"49: services.n.concurrency.initial: is above max"},
		{"concurrency: {algorithm: vegas, growth: seed}",
			"41: services.n.concurrency.growth: is of aimd only"},
		{"concurrency: {per_key: {max: 3}}",
			"30: services.n.concurrency.per_key.max: needs per as well, such as per: "
			"[tenant]"},
		{"concurrency: {per_key: {per: [a]}}",
			"30: services.n.concurrency.per_key.per: needs max as well"},
		{"concurrency: {per_key: {algorithm: aimd}}",
			"36: services.n.concurrency.per_key.algorithm: needs max as well"},
		{"concurrency: {per_key: {per: [a], max: 3, min: 2}}",
			"48: services.n.concurrency.per_key.min: needs an algorithm that learns: "
			"aimd, cautious or vegas"},
		{"concurrency: {per_key: {per: [a], max: 3, min: 4, algorithm: aimd}}",
			"48: services.n.concurrency.per_key.min: min is above max"},
		{"uris: 'http://h', concurrency: {hold: 60s}",
			"39: services.n.concurrency.hold: is not above timeouts.attempt: places "
			"would be taken back from attempts that go on"},
	};

	for (size_t i = 0; i < RATION__COUNT(cases); i++)
		expect_text_refused(cases[i][0], cases[i][1]);
}

/* ---- breaker, cooldown, budget ---- */

Test(config_policies, R5_a_breaker_by_failures_in_a_row_or_by_rates)
{
	struct ration__rules rules;
	const struct ration__breaker_conf *breaker = &rules.breaker;

	compile_into("services: {n: }", &rules);
	cr_expect_eq(breaker->trip_after, 5);
	cr_expect(breaker->failure_rate == 0 && breaker->slow_rate == 0);
	cr_expect(breaker->open_factor == 1 && breaker->open_jitter == 0);
	cr_expect_eq(breaker->open_max_ns, 3600 * S);
	cr_expect_eq(breaker->counts_attempts, 0);
	cr_expect_eq(breaker->mode, RATION__BREAKER_AUTO);
	cr_expect_str_eq(rules.breaker_per[0], "");
	cr_expect(ration__breaker_exists(breaker));
	/* what goes with a rate is as Resilience4j has it */
	compile_into(N "breaker: {failure_rate: 50%}}}", &rules);
	cr_expect_eq(breaker->trip_after, 0);
	cr_expect(breaker->failure_rate == 0.5);
	cr_expect_eq(breaker->window_calls, 100);
	cr_expect_eq(breaker->window_s, 0);
	cr_expect_eq(breaker->min_calls, 100);
	cr_expect_eq(breaker->slow_ns, 60 * S);
	compile_into(N "breaker: {slow_rate: 0.25, slow_after: 2s, window: 20}}}", &rules);
	cr_expect(breaker->slow_rate == 0.25 && breaker->trip_after == 0);
	cr_expect_eq(breaker->slow_ns, 2 * S);
	cr_expect_eq(breaker->window_calls, 20);
	cr_expect_eq(breaker->min_calls, 20);
	compile_into(N "breaker: {failure_rate: 100%, trip_after: 7, window: 1m, min_calls: 5, "
		       "open_for: 2h, open_factor: 2, open_max: 8h, open_jitter: 10%, counts: "
		       "attempts, mode: open, per: [tenant, node]}}}",
		&rules);
	cr_expect(breaker->failure_rate == 1 && breaker->trip_after == 7);
	cr_expect_eq(breaker->window_calls, 0);
	cr_expect_eq(breaker->window_s, 60);
	cr_expect_eq(breaker->min_calls, 5);
	cr_expect(breaker->open_factor == 2 && breaker->open_jitter == 0.1);
	cr_expect_eq(breaker->open_max_ns, 8 * 3600 * S);
	cr_expect_eq(breaker->counts_attempts, 1);
	cr_expect_eq(breaker->mode, RATION__BREAKER_FORCED_OPEN);
	cr_expect_str_eq(rules.breaker_per[0], "node");
	cr_expect_str_eq(rules.breaker_per[1], "tenant");
	compile_into(N "breaker: {open_for: 2h, per: [service]}}}", &rules);
	cr_expect_eq(breaker->open_max_ns, 2 * 3600 * S);
	cr_expect_str_eq(rules.breaker_per[0], "");
	compile_into(N "breaker: {per: [agent, service, tool]}}}", &rules);
	cr_expect_str_eq(rules.breaker_per[0], "agent");
	cr_expect_str_eq(rules.breaker_per[1], "tool");
	cr_expect_str_eq(rules.breaker_per[2], "");
}

Test(config_policies, a_breaker_that_is_off_is_none)
{
	struct ration__rules rules;
	ration_config *config = loaded(N "breaker: {failure_rate: 50%, window: 10}}}");

	compile_into(N "breaker: {mode: disabled}}}", &rules);
	cr_expect_not(ration__breaker_exists(&rules.breaker));
	compile_into(N "breaker: {trip_after: off}}}", &rules);
	cr_expect_not(ration__breaker_exists(&rules.breaker));
	/* whatever it would trip by */
	cr_assert_eq(ration_config_set(config, "services.n.breaker", "off", NULL), 0);
	cr_assert_eq(ration__config_rules(config, "n", &rules, NULL), 0);
	cr_expect_not(ration__breaker_exists(&rules.breaker));
	ration_config_free(config);
}

Test(config_policies, breakers_and_budgets_that_contradict_are_refused)
{
	static const char *const cases[][2] = {
		{"breaker: {window: 10}", "19: services.n.breaker.window: needs failure_rate or "
					  "slow_rate as well"},
		{"breaker: {min_calls: 10}", "22: services.n.breaker.min_calls: needs failure_rate "
					     "or slow_rate as well"},
		{"breaker: {failure_rate: 1, slow_after: 1s}",
			"40: services.n.breaker.slow_after: needs slow_rate as well"},
		{"breaker: {failure_rate: 1, close_after: 2}",
			"41: services.n.breaker.close_after: cannot stand beside a rate, which "
			"judges all probes together"},
		{"breaker: {failure_rate: 1, window: 10, min_calls: 11}",
			"51: services.n.breaker.min_calls: min_calls is above window: so many calls "
			"are never looked at"},
		{"breaker: {open_for: 2m, open_max: 1m}",
			"35: services.n.breaker.open_max: is below open_for"},
		{"breaker: {open_max: 2h}",
			"21: services.n.breaker.open_max: needs open_factor above 1 or open_jitter "
			"as well: the time open never grows"},
		{"breaker: {trip_after: off, open_for: 2m}",
			"38: services.n.breaker.open_for: there is no breaker: trip_after is off, "
			"and neither failure_rate nor slow_rate is set"},
		{"breaker: {counts: attempts, trip_after: off}",
			"19: services.n.breaker.counts: there is no breaker: trip_after is off, "
			"and neither failure_rate nor slow_rate is set"},
		{"retry: {budget: {success: 2}}",
			"27: services.n.retry.budget.success: needs capacity as well: a service "
			"without uris has no budget unless it is set"},
		{"retry: {budget: {capacity: 13}}",
			"28: services.n.retry.budget.capacity: is below what one retry costs: there "
			"would be none"},
		{"uris: 'http://h', retry: {budget: {retry: 501}}",
			"43: services.n.retry.budget.retry: is above capacity: there would be no "
			"retry"},
		{"fairness: {weights: {acme: 3}}",
			"28: services.n.fairness.weights.acme: weights need fairness.per as well, "
			"such as per: tenant"},
	};

	for (size_t i = 0; i < RATION__COUNT(cases); i++)
		expect_text_refused(cases[i][0], cases[i][1]);
}

/* For a time: what is set otherwise waits for it to be over. */
Test(config_policies, what_is_switched_off_keeps_its_settings)
{
	static const char *const texts[] = {
		"breaker: {mode: disabled, trip_after: 3, open_for: 5s, open_max: 2h}",
		"breaker: {mode: disabled, trip_after: off, close_after: 2}",
		"breaker: {mode: open, trip_after: off, open_for: 5s, probes: 3}",
		"breaker: {trip_after: off, per: [tenant]}", /* may be forced open for each */
		"uris: 'http://h', retry: {budget: {capacity: off, retry: 3}}",
		"retry: {budget: {capacity: off, throttle: 3}}",
	};

	for (size_t i = 0; i < RATION__COUNT(texts); i++) {
		char text[256], *dump = NULL;
		ration_error *err = NULL;
		ration_config *config, *again;

		snprintf(text, sizeof(text), N "%s}}", texts[i]);
		config = loaded(text);
		cr_assert_eq(
			ration_config_dump(config, &dump, &err), 0, "%s", ration_error_text(err));
		again = loaded(dump);
		expect_same(config, again, "n");
		ration_config_free(again);
		ration_config_free(config);
		free(dump);
	}
}

Test(config_policies, the_retry_budget_is_on_where_there_is_a_server)
{
	struct ration__rules rules;
	const struct ration__budget_conf *budget = &rules.budget;

	compile_into("services: {n: }", &rules);
	cr_expect_eq(budget->capacity, 0);
	compile_into(N "uris: 'http://h'}}", &rules);
	cr_expect(budget->capacity == 500 && budget->retry_cost == 14 &&
		  budget->throttle_cost == 5 && budget->success_gain == 1);
	compile_into(N "uris: 'http://h', retry: {budget: off}}}", &rules);
	cr_expect_eq(budget->capacity, 0);
	compile_into(
		N "retry: {budget: {capacity: 30, retry: 3, throttle: 2, success: 4}}}}", &rules);
	cr_expect(budget->capacity == 30 && budget->retry_cost == 3 && budget->throttle_cost == 2 &&
		  budget->success_gain == 4);
	compile_into(N "retry: {budget: 20}}}", &rules);
	cr_expect_eq(budget->capacity, 20);
}

Test(config_policies, X7_jitter_is_a_choice_and_kinds_of_backoff_another)
{
	struct ration__service_conf conf;

	service_into(N "retry: {backoff: {kind: linear, jitter: plus-minus, jitter_part: 30%}, "
		       "throttle: {kind: decorrelated}}}}",
		&conf);
	cr_expect_eq(conf.retry.backoff.kind, RATION__BACKOFF_LINEAR);
	cr_expect_eq(conf.retry.backoff.jitter, RATION__JITTER_PART);
	cr_expect(conf.retry.backoff.jitter_part == 0.3);
	cr_expect_eq(conf.retry.throttle.kind, RATION__BACKOFF_DECORRELATED);
	cr_expect(conf.retry.throttle.jitter_part == 0.2);
	ration__service_conf_fini(&conf);
}

Test(config_policies, mode_cooldown_and_hints)
{
	struct ration__service_conf conf;
	struct ration__rules rules;

	compile_into(N "mode: observe, cooldown: {per: [tenant]}}}", &rules);
	cr_expect_eq(rules.own.observe, 1);
	cr_expect_str_eq(rules.cooldown_per[0], "tenant");
	compile_into(N "mode: enforce}}", &rules);
	cr_expect_eq(rules.own.observe, 0);
	cr_expect_str_eq(rules.cooldown_per[0], "");
	service_into("services: {n: }", &conf);
	cr_expect_eq(conf.hints, RATION__HINT_ALL);
	cr_expect_eq(conf.actual_count, 0);
	ration__service_conf_fini(&conf);
	service_into(N "uris: 'http://h', server_hints: [x-ratelimit, retry-after]}}", &conf);
	cr_expect_eq(conf.hints, RATION__HINT_RETRY_AFTER | RATION__HINT_X_RATELIMIT);
	ration__service_conf_fini(&conf);
	service_into(N "uris: 'http://h', server_hints: [ratelimit]}}", &conf);
	cr_expect_eq(conf.hints, RATION__HINT_RATELIMIT);
	ration__service_conf_fini(&conf);
	service_into(N "uris: 'http://h', server_hints: []}}", &conf);
	cr_expect_eq(conf.hints, 0);
	ration__service_conf_fini(&conf);
}

/* ---- fairness ---- */

Test(config_policies, fairness_and_its_weights)
{
	ration_config *config = loaded(
		N "fairness: {per: tenant, weights: {b.c: 3, 'a b': 100, a-: 2, a: 1}}}, m: }");
	struct ration__fairness_conf conf;

	cr_assert_eq(ration__config_fairness(config, "m", &conf, NULL), 0);
	cr_expect_str_eq(conf.per, "");
	cr_expect_eq(conf.weight_count, 0);
	ration__fairness_conf_fini(&conf);
	cr_assert_eq(ration__config_fairness(config, "n", &conf, NULL), 0);
	cr_expect_eq(ration__config_fairness(config, "o", &conf, NULL), RATION_ESERVICE);
	ration_config_free(config); /* conf is independent of it */
	cr_expect_str_eq(conf.per, "tenant");
	cr_assert_eq(conf.weight_count, 4);
	cr_expect_str_eq(conf.weights[0].value, "a");
	cr_expect_eq(conf.weights[0].weight, 1);
	cr_expect_str_eq(conf.weights[1].value, "a b");
	cr_expect_eq(conf.weights[1].weight, 100);
	cr_expect_str_eq(conf.weights[2].value, "a-");
	cr_expect_str_eq(conf.weights[3].value, "b.c");
	cr_expect_eq(conf.weights[3].weight, 3);
	ration__fairness_conf_fini(&conf);
	ration__fairness_conf_fini(&conf);
}

Test(config_policies, a_service_has_at_most_256_weights)
{
	ration_config *config = loaded(N "fairness: {per: tenant}}}");
	struct ration__fairness_conf conf;
	ration_error *err = NULL;
	char path[64];

	for (int i = 0; i < 257; i++) {
		cr_assert_eq(ration__config_fairness(config, "n", &conf, NULL), 0);
		ration__fairness_conf_fini(&conf);
		snprintf(path, sizeof(path), "services.n.fairness.weights.t%d", i);
		cr_assert_eq(ration_config_set(config, path, "2", NULL), 0);
	}
	cr_expect_eq(ration__config_fairness(config, "n", &conf, &err), RATION_ECONFIG);
	cr_expect_not_null(strstr(ration_error_text(err), "at most 256 weights"));
	ration_error_free(err);
	ration_config_free(config);
}

/* ---- hooks, dump ---- */

static void on_event(void *arg, enum ration_event event, const char *service, const char *rule,
	const char *keys, double value)
{
	(void)service, (void)rule, (void)keys, (void)value;
	*(int *)arg = (int)event;
}

Test(config_policies, who_wants_events_is_kept)
{
	ration_config *config = ration_config_new();
	struct ration__config_hooks hooks;
	int seen = 0;

	ration__config_hooks(config, &hooks);
	cr_expect_null(hooks.event);
	ration_config_on_event(config, on_event, &seen);
	ration__config_hooks(config, &hooks);
	cr_assert_not_null(hooks.event);
	hooks.event(hooks.event_arg, RATION_EVENT_QUOTA_LOW, "", "", "", 1);
	cr_expect_eq(seen, RATION_EVENT_QUOTA_LOW);
	ration_config_free(config);
}

static void expect_same(const ration_config *a, const ration_config *b, const char *service)
{
	struct ration__rules rules[2];
	struct ration__service_conf conf[2];
	struct ration__fairness_conf fairness[2];
	const ration_config *configs[] = {a, b};

	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(ration__config_rules(configs[i], service, &rules[i], NULL), 0);
		cr_assert_eq(ration__config_service(configs[i], service, &conf[i], NULL), 0);
		cr_assert_eq(ration__config_fairness(configs[i], service, &fairness[i], NULL), 0);
	}
	cr_expect_eq(memcmp(&rules[0], &rules[1], sizeof(rules[0])), 0, "%s", service);
	cr_expect_eq(memcmp(&conf[0].retry, &conf[1].retry, sizeof(conf[0].retry)), 0);
	cr_expect_eq(conf[0].hints, conf[1].hints);
	cr_expect_eq(!conf[0].base, !conf[1].base);
	if (conf[0].base)
		cr_expect_str_eq(conf[0].base, conf[1].base);
	cr_assert_eq(conf[0].actual_count, conf[1].actual_count);
	for (size_t i = 0; i < conf[0].actual_count; i++)
		cr_expect_str_eq(conf[0].actuals[i].source, conf[1].actuals[i].source);
	cr_expect_str_eq(fairness[0].per, fairness[1].per);
	cr_assert_eq(fairness[0].weight_count, fairness[1].weight_count);
	for (size_t i = 0; i < fairness[0].weight_count; i++) {
		cr_expect_str_eq(fairness[0].weights[i].value, fairness[1].weights[i].value);
		cr_expect_eq(fairness[0].weights[i].weight, fairness[1].weights[i].weight);
	}
	for (size_t i = 0; i < 2; i++) {
		ration__service_conf_fini(&conf[i]);
		ration__fairness_conf_fini(&fairness[i]);
	}
}

static void remove_all(char *text, const char *what)
{
	size_t length = strlen(what);

	while ((text = strstr(text, what)))
		memmove(text, text + length, strlen(text + length) + 1);
}

Test(config_policies, a_dump_of_everything_loads_to_the_same)
{
	static const char text[] =
		"presets:\n  a: {initial: 7/3s}\n  a-b: {initial: 1/s, uri: 'http://p'}\n"
		"  notion: {max: 9/s}\n"
		"services:\n"
		"  guard: {}\n"
		"  notion: {preset: notion, breaker: {failure_rate: 33%, window: 30s}}\n"
		"  full:\n    preset: a-b\n    mode: observe\n"
		"    limits:\n"
		"      r: {rate: 100/7min, per: [agent], overrides: {'x y': {rate: 2/s}, a.b: "
		"{burst: 9}, a-b: {rate: 1/s, burst: 1m}}}\n"
		"      w: {max: 9.5, window: 1m, unit: tokens, actual: 'body:/a/b', when: {methods: "
		"[GET, other], path: '/v1/**', keys: {tool: ['x*', y], agent: [z]}}}\n"
		"      l: {preset: a, step: 0.1/s, growth: seed, burst: 3}\n"
		"      c: {initial: 300/7min, kind: cubic}\n"
		"    quotas:\n"
		"      m: {max: 7, window: month, zone: UTC, warn_below: [1, 2], per: [agent], "
		"overrides: {b: {max: 0}}}\n"
		"      h: {max: 7, window: hour, warn_below: 3}\n"
		"    concurrency: {algorithm: vegas, hold: never, queue: unlimited, per_key: {per: "
		"[tenant], max: 5}}\n"
		"    breaker: {slow_rate: 0.1, open_factor: 1.5, open_jitter: 7%, per: [node]}\n"
		"    retry: {budget: {retry: 3}, backoff: {kind: linear, jitter: plus-minus, "
		"jitter_part: 0.1}}\n"
		"    fairness: {per: tenant, weights: {'a b': 3, a.b: 4}}\n"
		"    cooldown: {per: [tenant]}\n    server_hints: []\n"
		"  off: {breaker: off, concurrency: off, uris: 'http://h', retry: {budget: off}}\n";
	ration_config *before = loaded(text), *after;
	char *dump = NULL, *again = NULL;
	ration_error *err = NULL;

	/* a breaker that was switched off later keeps its other settings */
	cr_assert_eq(ration_config_set(before, "services.notion.breaker", "off", NULL), 0);
	cr_assert_eq(ration_config_dump(before, &dump, &err), 0, "%s", ration_error_text(err));
	after = loaded(dump);
	cr_assert_eq(
		ration_config_dump(after, &again, &err), 0, "%s\n%s", ration_error_text(err), dump);
	for (int i = 0; i < ration__config_service_count(before); i++)
		expect_same(before, after, ration__config_service_name(before, i));
	cr_expect_null(strstr(again, "# default"));
	remove_all(dump, "  # default");
	cr_expect_str_eq(dump, again);
	free(dump);
	free(again);
	ration_config_free(before);
	ration_config_free(after);
}

Test(config_policies, the_examples_are_right)
{
	static const char *const files[] = {"fleet.yaml", "policies.yaml"};

	for (size_t i = 0; i < RATION__COUNT(files); i++) {
		ration_config *config = ration_config_new();
		ration_error *err = NULL;
		char path[512], *dump = NULL;

		snprintf(path, sizeof(path), "%s/doc/examples/%s", SRCDIR, files[i]);
		cr_assert_eq(
			ration_config_load(config, path, &err), 0, "%s", ration_error_text(err));
		cr_expect_eq(
			ration_config_dump(config, &dump, &err), 0, "%s", ration_error_text(err));
		ration_error_free(err);
		free(dump);
		ration_config_free(config);
	}
}
