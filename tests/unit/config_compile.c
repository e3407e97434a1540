/* What the layers below get from settings; the dump; the manual's table. */
#include <stdio.h>
#include "config_help.h"

TestSuite(config_compile, .fini = check_leaks);

#define S RATION__NS_PER_S

static struct ration__rules *rules_of(const char *text, const char *service)
{
	struct ration__rules *rules = calloc(1, sizeof(*rules));
	ration_config *config = loaded(text);
	ration_error *err = NULL;

	cr_assert_eq(ration__config_rules(config, service, rules, &err), 0, "%s",
		ration_error_text(err));
	ration_config_free(config);
	return rules;
}

Test(config_compile, defaults_are_those_of_the_manual)
{
	ration_config *config = loaded("services: {n: {uris: 'http://h:1/a//'}}");
	struct ration__process_conf process;
	struct ration__service_conf conf;
	struct ration__rules rules;

	cr_assert_eq(ration__config_rules(config, "n", &rules, NULL), 0);
	cr_expect_eq(rules.version, RATION__RULES_VERSION);
	cr_expect_str_eq(rules.service, "n");
	cr_expect_eq(rules.limit_count, 0);
	cr_expect_eq(rules.revision, 0);
	cr_expect_eq(rules.breaker.trip_after, 5);
	cr_expect_eq(rules.breaker.open_ns, 60 * S);
	cr_expect_eq(rules.breaker.probes, 1);
	cr_expect_eq(rules.breaker.close_after, 1);
	cr_expect_eq(rules.concurrency.max, 20);
	cr_expect_eq(rules.own.wait_breaker + rules.own.wait_quota, 0);
	cr_expect_str_eq(rules.own.required_keys[0], "");

	cr_assert_eq(ration__config_service(config, "n", &conf, NULL), 0);
	cr_expect_str_eq(conf.name, "n");
	cr_expect_str_eq(conf.base, "http://h:1/a");
	cr_expect_eq(conf.timeouts.connect_ns, 5 * S);
	cr_expect_eq(conf.timeouts.read_ns, 30 * S);
	cr_expect_eq(conf.timeouts.write_ns, 30 * S);
	cr_expect_eq(conf.timeouts.attempt_ns, 60 * S);
	cr_expect_eq(conf.timeouts.total_ns, 120 * S);
	cr_expect_eq(conf.timeouts.wait_ns, 30 * S);
	cr_expect_eq(conf.retry.attempts, 3);
	cr_expect_eq(conf.retry.throttled_attempts, 20);
	cr_expect_eq(conf.retry.methods, RATION__METHODS_SAFE);
	cr_expect_eq(conf.retry.backoff.kind, RATION__BACKOFF_EXPONENTIAL);
	cr_expect_eq(conf.retry.backoff.jitter, RATION__JITTER_FULL);
	cr_expect_eq(conf.retry.backoff.first_ns, S);
	cr_expect_eq(conf.retry.backoff.max_ns, 60 * S);
	cr_expect(conf.retry.backoff.factor == 2);
	cr_expect_eq(conf.retry.throttle.kind, RATION__BACKOFF_CONSTANT);
	cr_expect_eq(conf.retry.throttle.jitter, RATION__JITTER_NONE);
	cr_expect_eq(conf.retry.retry_after_max_ns, 120 * S);
	cr_expect_eq(conf.body_max, 16u << 20);
	cr_expect_eq(conf.headers_max, 256u << 10);
	for (int i = 0; i < 6; i++)
		cr_expect_eq(conf.accept_class[i], i == 2);
	cr_expect_eq(conf.accept_codes, 0);
	cr_expect_eq(conf.connections_idle, 256);
	cr_expect_eq(conf.connection_age_ns, 25 * S);
	cr_expect_eq(conf.header_count, 0);
	ration__service_conf_fini(&conf);
	ration__service_conf_fini(&conf);

	ration__config_process(config, &process);
	cr_expect_eq(process.threads, 1);
	cr_expect_eq(process.queue_max, 10000);
	cr_expect_eq(process.log_level, RATION_LOG_INFO);
	ration_config_free(config);
}

Test(config_compile, every_setting_arrives)
{
	static const char text[] =
		"services:\n  n:\n    uris: https://h\n    revision: 9007199254740991\n"
		"    required_keys: [tenant, agent]\n    headers: {B: two, a: one}\n"
		"    limits:\n      win: {max: 1.5, window: 1m, per: [b, a], unit: tokens, "
		"estimate: 0.25}\n"
		"      bucket: {rate: 90/min, burst: 1m}\n"
		"    quotas:\n      q: {max: 3, window: 24h, durable: sync}\n"
		"      r: {max: 3, window: 1d}\n"
		"    concurrency: {max: 4, wait: forever}\n"
		"    breaker: {trip_after: 6, open_for: 7s, close_after: 8, probes: 9}\n"
		"    wait_for: [quota]\n"
		"    retry:\n      attempts: 10\n      throttled_attempts: 11\n      methods: "
		"none\n"
		"      backoff: {kind: constant, first: 12s, max: 13s, factor: 1.4, jitter: "
		"equal}\n"
		"      throttle: {kind: exponential, first: 15s, max: 16s, factor: 1.7, jitter: "
		"full, "
		"retry_after_max: 18s}\n"
		"    timeouts: {connect: 19s, read: 20s, write: 21s, attempt: 22s, total: none}\n"
		"    response: {body_max: 23B, headers_max: 24KiB, accept: [404, 3xx, 410]}\n"
		"    connections: {idle: 25, age: 26s}\n";
	ration_config *config = loaded(text);
	struct ration__service_conf conf;
	struct ration__rules rules;
	const struct ration__limit *limit = rules.limits;

	cr_assert_eq(ration__config_rules(config, "n", &rules, NULL), 0);
	cr_assert_eq(rules.limit_count, 4);
	cr_expect_eq(rules.revision, UINT64_C(9007199254740991));
	cr_expect_str_eq(rules.own.required_keys[0], "agent");
	cr_expect_str_eq(rules.own.required_keys[1], "tenant");
	cr_expect_str_eq(limit[0].name, "bucket");
	cr_expect_eq(limit[0].kind, RATION__LIMIT_BUCKET);
	cr_expect(limit[0].bucket.rate == 1.5 && limit[0].bucket.burst == 90);
	cr_expect(limit[0].estimate == 1);
	cr_expect_str_eq(limit[1].name, "win");
	cr_expect_eq(limit[1].kind, RATION__LIMIT_WINDOW);
	cr_expect_eq(limit[1].window.max, 1500000);
	cr_expect_eq(limit[1].window.window_ns, 60 * S);
	cr_expect_str_eq(limit[1].per[0], "a");
	cr_expect_str_eq(limit[1].per[1], "b");
	cr_expect_str_eq(limit[1].per[2], "");
	cr_expect_str_eq(limit[1].unit, "tokens");
	cr_expect(limit[1].estimate == 0.25);
	cr_expect_str_eq(limit[2].name, "q");
	cr_expect_eq(limit[2].kind, RATION__LIMIT_QUOTA);
	cr_expect_eq(limit[2].durable_ns, 0);
	cr_expect_eq(limit[3].durable_ns, S);
	cr_expect_eq(rules.concurrency.max, 4);
	cr_expect_eq(rules.breaker.trip_after, 6);
	cr_expect_eq(rules.breaker.open_ns, 7 * S);
	cr_expect_eq(rules.breaker.close_after, 8);
	cr_expect_eq(rules.breaker.probes, 9);
	cr_expect_eq(rules.own.wait_breaker, 0);
	cr_expect_eq(rules.own.wait_quota, 1);

	cr_assert_eq(ration__config_service(config, "n", &conf, NULL), 0);
	ration_config_free(config); /* conf is independent of it */
	cr_assert_eq(conf.header_count, 2);
	cr_expect_str_eq(conf.headers[0].name, "a");
	cr_expect_str_eq(conf.headers[0].value, "one");
	cr_expect_str_eq(conf.headers[1].name, "B");
	cr_expect_str_eq(conf.headers[1].value, "two");
	cr_expect_eq(conf.timeouts.wait_ns, -1);
	cr_expect_eq(conf.retry.attempts, 10);
	cr_expect_eq(conf.retry.throttled_attempts, 11);
	cr_expect_eq(conf.retry.methods, RATION__METHODS_NONE);
	cr_expect_eq(conf.retry.backoff.kind, RATION__BACKOFF_CONSTANT);
	cr_expect_eq(conf.retry.backoff.first_ns, 12 * S);
	cr_expect_eq(conf.retry.backoff.max_ns, 13 * S);
	cr_expect(conf.retry.backoff.factor == 1.4);
	cr_expect_eq(conf.retry.backoff.jitter, RATION__JITTER_EQUAL);
	cr_expect_eq(conf.retry.throttle.kind, RATION__BACKOFF_EXPONENTIAL);
	cr_expect_eq(conf.retry.throttle.first_ns, 15 * S);
	cr_expect_eq(conf.retry.throttle.max_ns, 16 * S);
	cr_expect(conf.retry.throttle.factor == 1.7);
	cr_expect_eq(conf.retry.throttle.jitter, RATION__JITTER_FULL);
	cr_expect_eq(conf.retry.retry_after_max_ns, 18 * S);
	cr_expect_eq(conf.timeouts.connect_ns, 19 * S);
	cr_expect_eq(conf.timeouts.read_ns, 20 * S);
	cr_expect_eq(conf.timeouts.write_ns, 21 * S);
	cr_expect_eq(conf.timeouts.attempt_ns, 22 * S);
	cr_expect_eq(conf.timeouts.total_ns, -1);
	cr_expect_eq(conf.body_max, 23);
	cr_expect_eq(conf.headers_max, 24 << 10);
	cr_expect_eq(conf.accept_class[2], 0);
	cr_expect_eq(conf.accept_class[3], 1);
	cr_assert_eq(conf.accept_codes, 2);
	cr_expect_eq(conf.accept_code[0], 404);
	cr_expect_eq(conf.accept_code[1], 410);
	cr_expect_eq(conf.connections_idle, 25);
	cr_expect_eq(conf.connection_age_ns, 26 * S);
	ration__service_conf_fini(&conf);
}

Test(config_compile, X20_burst_unset_is_a_second_of_the_rate_and_at_least_one)
{
	static const struct {
		const char *text;
		double rate, burst;
	} cases[] = {
		{"services: {n: {limits: {a: {rate: 3/s}}}}", 3, 3},
		{"services: {n: {limits: {a: {rate: 30/min}}}}", 0.5, 1},
		{"services: {n: {limits: {a: {rate: 60/min, burst: 1m}}}}", 1, 60},
		{"services: {n: {limits: {a: {rate: 10/s, burst: 2.5}}}}", 10, 2.5},
	};

	for (size_t i = 0; i < RATION__COUNT(cases); i++) {
		struct ration__rules *rules = rules_of(cases[i].text, "n");

		cr_expect(rules->limits[0].bucket.rate == cases[i].rate, "%s", cases[i].text);
		cr_expect(rules->limits[0].bucket.burst == cases[i].burst, "%s", cases[i].text);
		free(rules);
	}
}

Test(config_compile, the_order_in_a_file_makes_no_other_definition)
{
	struct ration__rules *a =
		rules_of("services: {n: {limits: {x: {rate: 1/s, per: [p, q]}, x-y: "
			 "{max: 2, window: 1m}}, breaker: {probes: 2}}}",
			"n");
	struct ration__rules *b =
		rules_of("services: {n: {breaker: {probes: 2}, limits: {x-y: {window: "
			 "60s, max: 2.0}, x: {per: [q, p], rate: 60/min}}}}",
			"n");

	cr_expect_eq(memcmp(a, b, sizeof(*a)), 0);
	cr_expect_eq(a->limit_count, 2);
	free(a);
	free(b);
}

Test(config_compile, off_is_off)
{
	struct ration__rules *rules =
		rules_of("services: {n: {breaker: off, concurrency: off}}", "n");

	cr_expect_eq(rules->breaker.trip_after, 0);
	cr_expect_eq(rules->concurrency.max, 0);
	free(rules);
}

Test(config_compile, what_contradicts_is_refused)
{
	expect_refused("services: {n: {limits: {a: {rate: 3/s, max: 4}}}}",
		"t.yaml:1:45: services.n.limits.a.max: cannot stand beside rate: make it a limit "
		"of its own");
	expect_refused("services: {n: {limits: {a: {rate: 3/s, window: 4s}}}}",
		"t.yaml:1:48: services.n.limits.a.window: cannot stand beside rate: make it a "
		"limit of its "
		"own");
	expect_refused("services: {n: {limits: {a: {burst: 3}}}}",
		"t.yaml:1:36: services.n.limits.a.burst: needs rate as well");
	expect_refused("services: {n: {limits: {a: {max: 3}}}}",
		"t.yaml:1:34: services.n.limits.a.max: needs window as well, such as window: 24h");
	expect_refused("services: {n: {limits: {a: {window: 3s}}}}",
		"t.yaml:1:37: services.n.limits.a.window: needs max as well");
	expect_refused("services: {n: {limits: {a: {}}}}",
		"t.yaml:1:25: services.n.limits.a: needs rate, or max and window, or preset "
		"or initial");
	expect_refused("services: {n: {limits: {a: {per: [b]}}}}",
		"t.yaml:1:25: services.n.limits.a: needs rate, or max and window, or preset "
		"or initial");
	expect_refused("services: {n: {quotas: {a: }}}",
		"t.yaml:1:25: services.n.quotas.a: needs max and window");
	expect_refused("services: {n: {limits: {a: {rate: 1/s, burst: 10ms}}}}",
		"t.yaml:1:47: services.n.limits.a.burst: is less than one at this rate");
	expect_refused("services: {n: {limits: {a: {rate: 1/s, estimate: 10}}}}",
		"t.yaml:1:50: services.n.limits.a.estimate: is above the burst: a call that does "
		"not say its "
		"cost could never go");
	expect_refused("services: {n: {limits: {a: {max: 0.5, window: 1s}}}}",
		"t.yaml:1:25: services.n.limits.a: is above max: a call that does not say its cost "
		"could "
		"never go");
	expect_refused(
		"services: {n: {limits: {a: {rate: 1/s}}, quotas: {a: {max: 1, window: 1d}}}}",
		"t.yaml:1:51: services.n.quotas.a: a limit of the service has this name already");
	expect_refused("services: {n: {retry: {backoff: {first: 2m}}}}",
		"t.yaml:1:41: services.n.retry.backoff.first: first is above max");
	expect_refused("services: {n: {retry: {throttle: {max: 10ms}}}}",
		"t.yaml:1:40: services.n.retry.throttle.max: first is above max");
}

Test(config_compile, a_service_has_at_most_twelve_limits)
{
	ration_config *config = loaded("services: {n: }");
	struct ration__rules rules;
	ration_error *err = NULL;
	char path[64];

	for (int i = 0; i < 13; i++) {
		cr_expect_eq(ration__config_rules(config, "n", &rules, NULL), 0);
		cr_expect_eq(rules.limit_count, i);
		snprintf(path, sizeof(path), "services.n.limits.l%d.rate", i);
		cr_expect_eq(ration_config_set(config, path, "1/s", NULL), 0);
	}
	cr_expect_eq(ration__config_rules(config, "n", &rules, &err), RATION_ECONFIG);
	cr_expect_not_null(strstr(ration_error_text(err), "at most 12 limits and quotas"));
	ration_error_free(err);
	ration_config_free(config);
}

Test(config_compile, services_are_known_by_name)
{
	ration_config *config = loaded("services: {b: , a.b: , a: {breaker: off}}");
	struct ration__rules rules = {.limit_count = 77};
	struct ration__service_conf conf;
	ration_error *err = NULL;

	cr_assert_eq(
		ration_config_set(config, "services.\"http://h:1\".limits.a.rate", "1/s", NULL), 0);
	cr_assert_eq(ration__config_service_count(config), 4);
	cr_expect_str_eq(ration__config_service_name(config, 0), "a");
	cr_expect_str_eq(ration__config_service_name(config, 1), "a.b");
	cr_expect_str_eq(ration__config_service_name(config, 2), "b");
	cr_expect_str_eq(ration__config_service_name(config, 3), "http://h:1");
	cr_expect_eq(ration__config_rules(config, "a.b", &rules, NULL), 0);
	cr_expect_eq(rules.breaker.trip_after, 5);
	cr_expect_eq(ration__config_rules(config, "http://h:1", &rules, NULL), 0);
	cr_expect_eq(rules.limit_count, 1);
	cr_expect(ration__config_has_service(config, "b"));
	cr_expect_not(ration__config_has_service(config, "c"));
	rules.limit_count = 77;
	cr_expect_eq(ration__config_rules(config, "c", &rules, &err), RATION_ESERVICE);
	cr_expect_str_eq(ration_error_text(err), "c: no such service");
	cr_expect_eq(rules.limit_count, 77);
	cr_expect_eq(ration__config_service(config, "c", &conf, NULL), RATION_ESERVICE);
	ration_error_free(err);
	ration_config_free(config);
}

Test(config_compile, one_request_may_change_what_is_its_own)
{
	static const char *const refused[][2] = {{"breaker.trip_after", "3"}, {"uris", "http://h"},
		{"connections.idle", "3"}, {"limits.a.rate", "3/s"}, {"concurrency.max", "3"},
		{"nothing", "3"}, {"", "3"}, {"timeouts.read", "3"}, {"headers.a", "b"},
		{"retry.backoff.first", "2m"}};
	ration_config *config = loaded("services: {n: {uris: 'http://h', headers: {a: b}}}");
	struct ration__service_conf conf, copy, before;
	ration_error *err = NULL;

	cr_assert_eq(ration__config_service(config, "n", &conf, NULL), 0);
	ration_config_free(config);
	ration__service_conf_copy(&copy, &conf);
	cr_expect_eq(ration__config_request_option(&copy, "timeouts.read", "7s", NULL), 0);
	cr_expect_eq(ration__config_request_option(&copy, "retry.retries", "0", NULL), 0);
	cr_expect_eq(ration__config_request_option(&copy, "concurrency.wait", "0", NULL), 0);
	cr_expect_eq(ration__config_request_option(&copy, "response.accept", "[404]", NULL), 0);
	cr_expect_eq(ration__config_request_option(&copy, "retry.methods", "all", NULL), 0);
	cr_expect_eq(copy.timeouts.read_ns, 7 * S);
	cr_expect_eq(copy.retry.attempts, 1);
	cr_expect_eq(copy.timeouts.wait_ns, 0);
	cr_expect_eq(copy.accept_class[2], 0);
	cr_expect_eq(copy.accept_code[0], 404);
	cr_expect_eq(copy.retry.methods, RATION__METHODS_ALL);
	cr_expect_eq(copy.headers, conf.headers);
	cr_expect_eq(conf.timeouts.read_ns, 30 * S);
	before = copy;
	for (size_t i = 0; i < RATION__COUNT(refused); i++)
		cr_expect_eq(
			ration__config_request_option(&copy, refused[i][0], refused[i][1], NULL),
			RATION_ECONFIG, "%s", refused[i][0]);
	cr_expect_eq(memcmp(&before, &copy, sizeof(copy)), 0);
	ration__config_request_option(&copy, "timeouts.read", "3", &err);
	cr_expect_str_eq(ration_error_text(err),
		"services.n.timeouts.read: \"3\": expected a duration "
		"from 1ms to 30d, such as 30s");
	ration_error_free(err);
	ration__service_conf_fini(&copy); /* owns nothing */
	ration__service_conf_fini(&conf);
}

static int64_t fixed_clock(void *arg, enum ration_clock which)
{
	return which == RATION_CLOCK_WALL ? 2 : *(int64_t *)arg;
}

Test(config_compile, the_store_and_the_hooks)
{
	int64_t now = 5;
	ration_config *config = loaded("store: {path: /a, hot_size: 2MiB, group: g}");
	struct ration__store_options options;
	struct ration__config_hooks hooks;
	char path[64];

	ration_config_set_clock(config, fixed_clock, &now);
	cr_assert_eq(ration__config_store(config, &options, path, sizeof(path), NULL), 0);
	cr_expect_str_eq(options.path, "/a");
	cr_expect_str_eq(options.group, "g");
	cr_expect_null(options.hot_path);
	cr_expect_eq(options.hot_bytes, 2 << 20);
	cr_expect_eq(ration__clock_injected(&options.clock), true);
	ration__config_hooks(config, &hooks);
	cr_expect_eq(hooks.clock.fn(hooks.clock.arg, RATION_CLOCK_STEADY), 5);
	cr_expect_null(hooks.random);
	cr_expect_null(hooks.log);
	ration_config_free(config);
}

/* ---- dump ---- */

static void expect_same(const ration_config *a, const ration_config *b, const char *service)
{
	struct ration__rules rules[2];
	struct ration__service_conf conf[2];

	cr_assert_eq(ration__config_rules(a, service, &rules[0], NULL), 0);
	cr_assert_eq(ration__config_rules(b, service, &rules[1], NULL), 0);
	cr_expect_eq(memcmp(&rules[0], &rules[1], sizeof(rules[0])), 0, "%s", service);
	cr_assert_eq(ration__config_service(a, service, &conf[0], NULL), 0);
	cr_assert_eq(ration__config_service(b, service, &conf[1], NULL), 0);
	cr_assert_eq(conf[0].header_count, conf[1].header_count);
	for (size_t i = 0; i < conf[0].header_count; i++) {
		cr_expect_str_eq(conf[0].headers[i].name, conf[1].headers[i].name);
		cr_expect_str_eq(conf[0].headers[i].value, conf[1].headers[i].value);
	}
	cr_expect_eq(conf[0].timeouts.total_ns, conf[1].timeouts.total_ns);
	cr_expect_eq(memcmp(conf[0].accept_class, conf[1].accept_class, 6), 0);
	cr_expect_eq(conf[0].accept_codes, conf[1].accept_codes);
	cr_expect_eq(conf[0].retry.attempts, conf[1].retry.attempts);
	cr_expect_eq(!conf[0].base, !conf[1].base);
	if (conf[0].base)
		cr_expect_str_eq(conf[0].base, conf[1].base);
	ration__service_conf_fini(&conf[0]);
	ration__service_conf_fini(&conf[1]);
}

static void remove_all(char *text, const char *what)
{
	size_t length = strlen(what);

	while ((text = strstr(text, what)))
		memmove(text, text + length, strlen(text + length) + 1);
}

Test(config_compile, a_dump_loads_to_the_same)
{
	static const char text[] =
		"store: {path: '/a \"b\" # c', group: yes}\nlog: {level: debug}\nservices:\n"
		"  n:\n    uris: 'http://[::1]:80/x'\n"
		"    headers: {A: 'x: y # z', b: '', C: \"tab\\there \xc3\xa4\", D: "
		"\"2022-06-28\"}\n"
		"    limits:\n      a: {rate: 1/3s, per: [p, q]}\n      a.b: {rate: 100/7min, "
		"burst: 3m}\n"
		"      null: {max: 0.1, window: 1d12h, estimate: 0}\n"
		"    quotas: {q: {max: 7, window: 24h, durable: sync}}\n    concurrency: 3\n"
		"    breaker: off\n    retry: {retries: 0}\n    wait_for: [breaker, quota]\n"
		"    response: {accept: [404, 2xx]}\n    timeouts: {total: none}\n"
		"  \"http://127.0.0.1:8080\":\n    limits: {r: {rate: 1/s}}\n  -odd-: {}\n";
	ration_config *before = loaded(text), *after;
	char *dump = NULL, *again = NULL;

	cr_assert_eq(ration_config_dump(before, &dump, NULL), 0);
	after = loaded(dump);
	cr_assert_eq(ration_config_dump(after, &again, NULL), 0);
	cr_expect_eq(ration__config_service_count(after), 3);
	for (int i = 0; i < ration__config_service_count(before); i++) {
		const char *name = ration__config_service_name(before, i);

		cr_expect_str_eq(ration__config_service_name(after, i), name);
		expect_same(before, after, name);
	}
	cr_expect_str_eq(ration_config_get(after, "store.path"), "/a \"b\" # c");
	cr_expect_str_eq(ration_config_get(after, "store.group"), "yes");
	cr_expect_str_eq(ration_config_get(after, "log.level"), "debug");
	/* nothing is a default any more, and nothing else has changed */
	cr_expect_null(strstr(again, "# default"));
	remove_all(dump, "  # default");
	cr_expect_str_eq(dump, again);
	free(dump);
	free(again);
	ration_config_free(before);
	ration_config_free(after);
}

/* ---- the manual ---- */

/* The table of all settings as doc/CONFIGURATION.md has it. */
static char *settings_table(void)
{
	struct ration__buffer out;

	ration__buffer_init(&out, 0);
	ration__buffer_puts(
		&out, "| setting | value | default | meaning |\n| --- | --- | --- | --- |\n");
	for (size_t i = 0; i < ration__schema_count; i++) {
		const struct ration__setting *setting = &ration__schema[i];

		if (setting->alias)
			continue;
		ration__buffer_printf(&out, "| `%s` | %s | ", setting->pattern, setting->expected);
		if (setting->fallback)
			ration__buffer_printf(&out, "`%s`", setting->fallback);
		else
			ration__buffer_puts(&out, setting->unset ? setting->unset : "");
		ration__buffer_printf(&out, " | %s |\n", setting->meaning);
	}
	return ration__buffer_take(&out, NULL);
}

Test(config_compile, the_manual_lists_every_setting)
{
	char *table = settings_table(), *text = calloc(1, 1 << 17);
	FILE *file = fopen(SRCDIR "/doc/CONFIGURATION.md", "r");

	cr_assert_not_null(file);
	cr_assert_gt(fread(text, 1, (1 << 17) - 1, file), 0);
	fclose(file);
	cr_expect_not_null(strstr(text, table), "the table should read:\n%s", table);
	free(table);
	free(text);
}

/* Whole configurations among the manual's examples; others show a part of one. */
Test(config_compile, the_manuals_examples_load)
{
	static const char *const begins[] = {"version:", "services:", "presets:", "environments:"};
	char *text = calloc(1, 1 << 17), *at, *end;
	FILE *file = fopen(SRCDIR "/doc/CONFIGURATION.md", "r");
	unsigned loaded_count = 0;

	cr_assert_not_null(file);
	cr_assert_gt(fread(text, 1, (1 << 17) - 1, file), 0);
	fclose(file);
	for (at = text; (at = strstr(at, "\n```yaml\n")); at = end + 4) {
		at += strlen("\n```yaml\n");
		end = strstr(at, "\n```");
		cr_assert_not_null(end);
		end[1] = '\0';
		for (size_t i = 0; i < RATION__COUNT(begins); i++) {
			if (strncmp(at, begins[i], strlen(begins[i])))
				continue;
			ration_config_free(loaded(at));
			loaded_count++;
		}
	}
	cr_expect_geq(loaded_count, 6);
	free(text);
}
