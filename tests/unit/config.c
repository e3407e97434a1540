/* Configuration: what is accepted, what is refused and with which words. */
#include <stdio.h>
#include <unistd.h>
#include "config/path.h"
#include "config_help.h"

TestSuite(config, .fini = check_leaks);
TestSuite(config_path, .fini = check_leaks);

/* ---- paths ---- */

Test(config_path, a_name_with_dots_stands_in_quotes)
{
	static const char *const same[] = {"version", "services.a.limits.b.rate",
		"services.\"http://127.0.0.1:8080\".uris", "services.http://localhost:8080.uris",
		"services.a.headers.\"x.y\""};
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "\"a", "\"\"", "a\"b\"",
		"\"a\"b", "1.2.3.4.5.6.7.8.9"};
	struct ration__path path;
	char out[RATION__PATH_MAX + 16], longest[300];

	for (size_t i = 0; i < RATION__COUNT(same); i++) {
		cr_expect_eq(ration__path_parse(same[i], &path), 0, "%s", same[i]);
		ration__path_format(&path, out);
		cr_expect_str_eq(out, same[i]);
	}
	for (size_t i = 0; i < RATION__COUNT(bad); i++)
		cr_expect_eq(ration__path_parse(bad[i], &path), RATION_EINVAL, "'%s'", bad[i]);
	memset(longest, 'a', sizeof(longest));
	longest[127] = '\0';
	cr_expect_eq(ration__path_parse(longest, &path), 0);
	longest[127] = 'a';
	longest[128] = '\0';
	cr_expect_eq(ration__path_parse(longest, &path), RATION_EINVAL);
	cr_expect_eq(ration__path_parse("\"a\".b", &path), 0);
	ration__path_format(&path, out);
	cr_expect_str_eq(out, "a.b");
}

/* ---- settings by path ---- */

Test(config, the_last_setting_wins_and_defaults_are_read)
{
	ration_config *config = loaded("services: {x: {timeouts: {read: 3s}}}");

	cr_expect_str_eq(ration_config_get(config, "services.x.timeouts.read"), "3s");
	cr_expect_str_eq(ration_config_get(config, "services.x.timeouts.connect"), "5s");
	cr_expect_eq(ration_config_set(config, "services.x.timeouts.read", "4s", NULL), 0);
	cr_expect_str_eq(ration_config_get(config, "services.x.timeouts.read"), "4s");
	cr_expect_eq(ration_config_load_text(
			     config, "services: {x: {timeouts: {read: 5s}}}", NULL, NULL),
		0);
	cr_expect_str_eq(ration_config_get(config, "services.x.timeouts.read"), "5s");
	cr_expect_null(ration_config_get(config, "services.x.limits.a.rate"));
	cr_expect_null(ration_config_get(config, "services.x.nothing"));
	cr_expect_null(ration_config_get(config, "services..x"));
	cr_expect_eq(ration_config_set(config, "services.x.concurrency", "7", NULL), 0);
	cr_expect_str_eq(ration_config_get(config, "services.x.concurrency"), "7");
	cr_expect_str_eq(ration_config_get(config, "services.x.concurrency.max"), "7");
	ration_config_free(config);
}

Test(config, X6_retries_are_attempts_without_the_first)
{
	ration_config *config = loaded("services: {x: {retry: {retries: 2}}}");

	cr_expect_str_eq(ration_config_get(config, "services.x.retry.attempts"), "3");
	cr_expect_eq(ration_config_set(config, "services.x.retry.retries", "0", NULL), 0);
	cr_expect_str_eq(ration_config_get(config, "services.x.retry.attempts"), "1");
	ration_config_free(config);
	expect_refused("services:\n  x:\n    retry:\n      attempts: 3\n      retries: 3\n",
		"t.yaml:5:16: services.x.retry.attempts: given twice; first in line 4");
}

Test(config, every_setting_accepts_its_default_and_names_what_it_expects)
{
	ration_config *config = ration_config_new();
	char path[256], wanted[512], longest[20000];

	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < ration__schema_count; i++) {
		const struct ration__setting *setting = &ration__schema[i];
		const char *const bad[] = {"\x01\x02\x7f", longest};

		named(setting->pattern, path);
		cr_assert_not_null(setting->expected, "%s", path);
		cr_expect(setting->alias || setting->meaning, "%s", path);
		if (setting->fallback)
			cr_expect_eq(ration_config_set(config, path, setting->fallback, NULL), 0,
				"%s", path);
		for (size_t j = 0; j < RATION__COUNT(bad); j++) {
			ration_error *err = NULL;

			cr_expect_eq(ration_config_set(config, path, bad[j], &err), RATION_ECONFIG,
				"%s", path);
			cr_expect_str_eq(ration_error_path(err), path);
			snprintf(wanted, sizeof(wanted), "expected %s", setting->expected);
			cr_expect_not_null(strstr(ration_error_text(err), wanted), "%s: %s", path,
				ration_error_text(err));
			cr_expect_lt(strlen(ration_error_text(err)), 400);
			ration_error_free(err);
		}
	}
	ration_config_free(config);
}

Test(config, ranges_hold_at_both_ends)
{
	static const struct {
		const char *path, *good, *bad;
	} cases[] = {
		{"version", "1", "2"},
		{"workers.threads", "64", "65"},
		{"workers.threads", "1", "0"},
		{"store.hot_size", "1MiB", "1048575"},
		{"store.path", "/a", "~/a"},
		{"store.path", "a", ""},
		{"services.x.concurrency.max", "65535", "65536"},
		{"services.x.concurrency.max", "off", "0"},
		{"services.x.concurrency.wait", "forever", "none"},
		{"services.x.concurrency.wait", "0", "-1s"},
		{"services.x.timeouts.total", "none", "forever"},
		{"services.x.timeouts.connect", "1ms", "0"},
		{"services.x.timeouts.connect", "30d", "31d"},
		{"services.x.breaker.mode", "disabled", "off"},
		{"services.x.breaker.failure_rate", "50%", "101%"},
		{"services.x.breaker.failure_rate", "0.5", "0"},
		{"services.x.breaker.failure_rate", "off", "50 %"},
		{"services.x.breaker.slow_rate", "1", "%"},
		{"services.x.breaker.open_jitter", "0%", "-1%"},
		{"services.x.breaker.window", "1024", "1025"},
		{"services.x.breaker.window", "1", "0"},
		{"services.x.breaker.window", "10m", "601s"},
		{"services.x.breaker.window", "1s", "1500ms"},
		{"services.x.concurrency.hold", "never", "0"},
		{"services.x.concurrency.queue", "unlimited", "0"},
		{"services.x.concurrency.per_key.per", "[a]", "[]"},
		{"services.x.retry.budget", "off", "0"},
		{"services.x.retry.budget.capacity", "1", "off by one"},
		{"services.x.retry.backoff.jitter", "plus-minus", "plus"},
		{"services.x.server_hints", "[]", "[retry]"},
		{"services.x.fairness.weights.acme", "100", "101"},
		{"services.x.fairness.weights.acme", "1", "0"},
		{"services.x.limits.a.max", "10/s", "10/"},
		{"services.x.limits.a.factor", "0.99", "1"},
		{"services.x.limits.a.window", "day", "days"},
		{"services.x.limits.a.actual", "header:X-Cost", "header:X Cost"},
		{"services.x.limits.a.actual", "body:/usage/total_tokens", "body:usage"},
		{"services.x.limits.a.actual", "body:/a b", "trailer:x"},
		{"services.x.limits.a.when.methods", "[GET, other]", "[get]"},
		{"services.x.limits.a.when.methods", "GET", "[]"},
		{"services.x.limits.a.when.path", "/v1/**", "v1"},
		{"services.x.limits.a.when.path", "**/a", ""},
		{"services.x.limits.a.when.keys.tool", "[delete*, drop*]", "[]"},
		{"services.x.limits.a.when.keys.tool", "[a, b, c, d]", "[a, b, c, d, e]"},
		{"services.x.limits.a.overrides.v.rate", "1/s", "1"},
		{"services.x.limits.a.overrides.\"a.b\".max", "0", "-1"},
		{"services.x.quotas.a.window", "month", "year"},
		{"services.x.quotas.a.zone", "Europe/Berlin", ""},
		{"services.x.quotas.a.warn_below", "[4, 3, 2, 1]", "[5, 4, 3, 2, 1]"},
		{"services.x.quotas.a.warn_below", "10", "0"},
		{"services.x.quotas.a.max", "1", "1/s"},
		{"presets.a.initial", "2/s", "2"},
		{"presets.a.uri", "https://h", "h"},
		{"services.x.retry.backoff.factor", "1", "0.9"},
		{"services.x.retry.methods", "all", "al"},
		{"services.x.retry.methods", "none", "safe|all"},
		{"services.x.limits.a.rate", "1e9/s", "2e9/s"},
		{"services.x.limits.a.burst", "1", "0.5"},
		{"services.x.limits.a.burst", "1m", "0s"},
		{"services.x.limits.a.max", "0.000001", "0"},
		{"services.x.limits.a.per", "[a, b, c, d]", "[a, b, c, d, e]"},
		{"services.x.limits.a.per", "[]", "[a,,b]"},
		{"services.x.limits.a.per", "[a, b]", "[a, b, a]"},
		{"services.x.required_keys", "[a]", "[a, \"a\"]"},
		{"services.x.limits.a.per", "a, \"b\"", "[a b]"},
		{"services.x.limits.a.per", "abc", "[a"},
		{"services.x.quotas.a.durable", "sync", "async"},
		{"services.x.wait_for", "[quota, breaker]", "[rate]"},
		{"services.x.response.accept", "[2xx, 404]", "[2xx, 600]"},
		{"services.x.response.accept", "404", "40"},
		{"services.x.response.accept", "4xx", "[]"},
		{"services.x.uris", "https://h:443/a/b/", "ftp://h/"},
		{"services.x.uris", "[http://h]", "[http://a, ftp://b]"},
		{"services.x.uris", "[http://a, http://b]", "http://u@h"},
		{"services.x.health", "/health", "health"},
		{"services.x.health", "/", "/?q"},
		{"services.x.proxy", "socks5h://proxy:1080", "http://u:p@proxy"},
		{"services.x.proxy", "environment", "ftp://proxy"},
		{"services.x.proxy", "none", "proxy:3128"},
		{"services.x.retry.statuses", "[]", "[200]"},
		{"services.x.retry.statuses", "[408, 5xx]", "[3xx]"},
		{"services.x.tls.verify", "false", "no"},
		{"services.x.tls.min_version", "1.3", "1.1"},
		{"services.x.connections.http", "2-prior-knowledge", "3"},
		{"services.x.connections.max", "65535", "0"},
		{"services.x.response.redirect_max", "20", "21"},
		{"services.x.response.redirect_max", "0", "-1"},
		{"services.x.nodes.recover_after", "24h", "0"},
		{"services.x.auth.header", "X-Api-Key", "a b"},
		{"services.x.auth.scheme", "none", ""},
		{"services.x.auth.bearer", "a b", "a\r\nb: c"},
		{"services.x.auth.per", "[a, b]", "[a/b]"},
		{"services.x.uris", "http://h", "[]"},
		{"services.x.uris", "http://[::1]:8080", "http://h/?q"},
		{"services.x.uris", "HTTP://h", "http://h/#f"},
		{"services.x.headers.a", "b", "b\r\nc: d"},
		{"services.x.headers.a", "", " b"},
	};
	ration_config *config = ration_config_new();

	for (size_t i = 0; i < RATION__COUNT(cases); i++) {
		ration_error *err = NULL;

		cr_expect_eq(ration_config_set(config, cases[i].path, cases[i].good, &err), 0, "%s",
			ration_error_text(err));
		cr_expect_eq(ration_config_set(config, cases[i].path, cases[i].bad, NULL),
			RATION_ECONFIG, "%s %s", cases[i].path, cases[i].bad);
		cr_expect_str_eq(ration_config_get(config, cases[i].path), cases[i].good);
		ration_error_free(err);
	}
	ration_config_free(config);
}

/* ---- files ---- */

Test(config, a_mistake_is_answered_with_its_place_and_what_would_be_right)
{
	/* as the manual shows it */
	ration_config *config = ration_config_new();
	ration_error *err = NULL;

	cr_assert_eq(ration_config_load_text(config,
			     "version: 1\n\n\n\n\nservices:\n  notion:\n\n\n\n    limits:\n"
			     "      requests: {rate: 3 per sec, burst: 3}\n",
			     "fleet.yaml", &err),
		RATION_ECONFIG);
	cr_expect_str_eq(ration_error_text(err),
		"fleet.yaml:12:24: services.notion.limits.requests.rate: \"3 per sec\": expected a "
		"rate "
		"such as 3/s, 180/min or 1000/24h");
	cr_expect_str_eq(ration_error_path(err), "services.notion.limits.requests.rate");
	cr_expect_eq(ration_error_line(err), 12);
	cr_expect_eq(ration_error_column(err), 24);
	ration_error_free(err);
	/* all or nothing: the right line before it is not there either */
	cr_expect_eq(ration__config_service_count(config), 0);
	ration_config_free(config);
}

Test(config, R7_unknown_keys_are_refused_with_a_suggestion)
{
	expect_refused("services:\n  n:\n    limit: {}\n",
		"t.yaml:3:5: services.n.limit: unknown key; did you mean limits?");
	expect_refused("services: {n: {timeouts: {reed: 3s}}}",
		"t.yaml:1:27: services.n.timeouts.reed: unknown key; did you mean read?");
	expect_refused("servces: {}", "t.yaml:1:1: servces: unknown key; did you mean services?");
	expect_refused(
		"log: {lefvel: info}", "t.yaml:1:7: log.lefvel: unknown key; did you mean level?");
	expect_refused(
		"log: {format: json}", "t.yaml:1:7: log.format: unknown key; known here: level");
	expect_refused("services: {n: {colour: red}}",
		"t.yaml:1:16: services.n.colour: unknown key; known here: mode, preset, profile, "
		"uris, uri_file, revision, required_keys, headers, user_agent, limits, quotas, "
		"concurrency, breaker, cooldown, fairness, wait_for, on_store_failure, "
		"server_hints, retry, timeouts, response, connections, nodes, health, auth, tls, "
		"proxy, proxy_auth_file");
	expect_refused("services: {n: {limits: {a: {when: {verbs: [GET]}}}}}",
		"t.yaml:1:36: services.n.limits.a.when.verbs: unknown key; known here: methods, "
		"path, keys");
	expect_refused("presets: {a: {intial: 1/s}}",
		"t.yaml:1:15: presets.a.intial: unknown key; did you mean initial?");
	expect_refused("version: {a: 1}", "t.yaml:1:10: version: expected 1");
	expect_refused("services: {n: {wait_for: {a: 1}}}",
		"t.yaml:1:26: services.n.wait_for: expected a list of breaker and quota");
	expect_refused("<<: {a: 1}", "t.yaml:1:1: <<: unknown key; known here: version, store, "
				     "workers, log, presets, environments, services");
}

Test(config, yaml_that_is_no_configuration_is_refused)
{
	expect_refused("services: 3",
		"t.yaml:1:11: services: expected settings below it: a name of yours");
	expect_refused("services: [3]", "t.yaml:1:11: services: expected a map");
	expect_refused("- a", "t.yaml:1:1: expected settings, such as services: {NAME: {...}}");
	expect_refused("a text", "t.yaml:1:1: expected settings, such as services: {NAME: {...}}");
	expect_refused("version: 1\n---\nversion: 1\n", "t.yaml:2:1: a second document");
	expect_refused(
		"version: 1\nversion: 1\n", "t.yaml:2:1: version: given twice; first in line 1");
	expect_refused("services: {n: }\nservices: {m: }",
		"t.yaml:2:1: services: given twice; first in line 1");
	expect_refused("services: {n: {headers: {Accept: a, accept: b}}}",
		"t.yaml:1:45: services.n.headers.accept: given twice; first in line 1");
	expect_refused("services: {n: {concurrency: 3, concurrency: {max: 4}}}",
		"t.yaml:1:32: services.n.concurrency: given twice; first in line 1");
	expect_refused(
		"store: &a {path: x}\nlog: *a", "t.yaml:2:6: log: aliases are not supported");
	expect_refused("store: {path: }", "t.yaml:1:9: store.path: has no value");
	expect_refused("store: {path: ~}", "t.yaml:1:9: store.path: has no value");
	expect_refused(
		"store: {path: \"a\\0b\"}", "t.yaml:1:15: store.path: a NUL character in the text");
	expect_refused("{[a]: b}", "t.yaml:1:2: expected a name as key");
	expect_refused("services: {n: {wait_for: [[quota]]}}",
		"t.yaml:1:27: services.n.wait_for: expected a list of plain texts");
	expect_refused("services: {n: {wait_for: [\"quota,breaker\"]}}",
		"t.yaml:1:27: services.n.wait_for: expected a list of plain texts");
	expect_refused("services: {\"a b\": }",
		"t.yaml:1:12: services.\"a b\": expected a service's name of printable ASCII "
		"characters without blanks, quotes and backslashes");
	expect_refused("services: {n: {limits: {breaker: {rate: 1/s}}}}",
		"t.yaml:1:25: services.n.limits.breaker: expected a name of letters, digits, dots, "
		"dashes and underscores, not \"breaker\", \"concurrency\", \"place\", "
		"\"cooldown\" or \"budget\"");
	expect_refused("services: {n: {limits: {a: {overrides: {\"a\\tb\": {rate: 1/s}}}}}}",
		"t.yaml:1:56: services.n.limits.a.overrides.a?b.rate: expected a key's value of at "
		"most 95 bytes, without quotes, control characters and blanks at its ends");
	expect_refused("services: {n: {limits: {a: {when: {keys: {\"a b\": [c]}}}}}}",
		"t.yaml:1:50: services.n.limits.a.when.keys.\"a b\": expected a key's name of at "
		"most 31 letters, digits, dots, dashes and underscores");
	expect_refused("services: {n: {fairness: {weights: {\" a\": 2}}}}",
		"t.yaml:1:43: services.n.fairness.weights.\" a\": expected a key's value of at most "
		"95 bytes, without quotes, control characters and blanks at its ends");
	expect_refused("presets: {\"a b\": {initial: 1/s}}",
		"t.yaml:1:11: presets.\"a b\": expected a preset's name of at most 31 letters, "
		"digits, dots, dashes and underscores");
	expect_refused("a: [",
		"t.yaml:1:1: a: unknown key; known here: version, store, workers, log, presets, "
		"environments, services");
	expect_refused("store: {path: [",
		"t.yaml:1:15: store.path: expected a directory's path; ~ is not expanded");
	expect_refused("store: {path: x", "t.yaml:2:1: store: did not find expected ',' or '}'");
}

Test(config, nothing_is_a_configuration_too)
{
	static const char *const empty[] = {
		"", "# nothing\n", "---\n", "services:\n", "{}", "store: {}\n"};

	for (size_t i = 0; i < RATION__COUNT(empty); i++)
		ration_config_free(loaded(empty[i]));
}

Test(config, bounds_on_size_and_number)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	char *text = malloc(3 << 20), *at = text;

	memset(text, '#', (1 << 20) + 1);
	text[(1 << 20) + 1] = '\0';
	cr_expect_eq(ration_config_load_text(config, text, "big", &err), RATION_ECONFIG);
	cr_expect_str_eq(ration_error_text(err), "big: larger than 1 MiB");
	ration_error_free(err);
	err = NULL;
	text[1 << 20] = '\0';
	cr_expect_eq(ration_config_load_text(config, text, "big", &err), 0);

	at += sprintf(at, "services: {n: {headers: {\n");
	for (int i = 0; i < 16390; i++)
		at += sprintf(at, "a%d: b,\n", i);
	strcpy(at, "}}}");
	cr_expect_eq(ration_config_load_text(config, text, "many", &err), RATION_ECONFIG);
	cr_expect_not_null(strstr(ration_error_text(err), "more than 16384 settings"));
	cr_expect_eq(ration__config_service_count(config), 0);
	ration_error_free(err);
	err = NULL;

	at = text + sprintf(text, "services: {n: {required_keys: [");
	for (int i = 0; i < 20000; i++)
		at += sprintf(at, "a,");
	strcpy(at, "]}}");
	cr_expect_eq(ration_config_load_text(config, text, "long", &err), RATION_ECONFIG);
	cr_expect_str_eq(ration_error_text(err),
		"long:1:31: services.n.required_keys: a list longer than 16384 bytes");
	ration_error_free(err);
	free(text);
	ration_config_free(config);
}

Test(config, files_are_read_and_their_absence_is_told)
{
	char path[] = "/tmp/ration-config-XXXXXX";
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "log: {level: debug}\n", 20), 20);
	close(fd);
	cr_expect_eq(ration_config_load(config, path, &err), 0, "%s", ration_error_text(err));
	cr_expect_str_eq(ration_config_get(config, "log.level"), "debug");
	unlink(path);
	cr_expect_eq(ration_config_load(config, path, &err), RATION_ENOFILE);
	cr_expect_not_null(strstr(ration_error_text(err), "No such file"));
	ration_error_free(err);
	err = NULL;
	cr_expect_eq(ration_config_load(config, "/tmp", &err), RATION_ENOFILE);
	ration_error_free(err);
	ration_config_free(config);
}

Test(config, secrets_are_in_no_error_and_no_dump)
{
	ration_config *config =
		loaded("services: {n: {uris: 'http://h', headers: {Authorization: Bearer "
		       "hunter2, X-Api-Key: hunter2, Accept: text}}}");
	ration_error *err = NULL;
	char *text = NULL;

	cr_expect_eq(
		ration_config_set(config, "services.n.headers.Authorization", "hunter2\n", &err),
		RATION_ECONFIG);
	cr_expect_null(strstr(ration_error_text(err), "hunter2"));
	ration_error_free(err);
	err = NULL;
	cr_expect_eq(ration_config_set(config, "services.n.uris", "http://me:hunter2@h", &err),
		RATION_ECONFIG);
	cr_expect_null(strstr(ration_error_text(err), "hunter2"));
	ration_error_free(err);
	cr_assert_eq(ration_config_dump(config, &text, NULL), 0);
	cr_expect_null(strstr(text, "hunter2"));
	cr_expect_not_null(strstr(text, "# Authorization: (hidden)\n"));
	cr_expect_not_null(strstr(text, "Accept: \"text\"\n"));
	free(text);
	ration_config_free(config);
}

/* ---- hostile input: whatever comes, an answer and no damage ---- */

static const char fleet[] =
	"version: 1\nstore: {path: /var/lib/ration}\nservices:\n  notion:\n"
	"    uris: [https://api.notion.com]\n    headers: {Notion-Version: \"2022-06-28\"}\n"
	"    limits:\n      requests: {rate: 3/s, burst: 3, per: [tenant]}\n"
	"    quotas:\n      daily: {max: 1000, window: 24h}\n"
	"    retry:\n      retries: 2\n    breaker: off\n  db: {concurrency: 4}\n"
	"  x: {preset: slack, mode: observe, fairness: {per: t, weights: {a: 3}}, quotas:\n"
	"    {m: {max: 7, window: day, zone: UTC, per: [t], overrides: {b: {max: 9}}, "
	"warn_below: [1, 2]}},\n"
	"    limits: {w: {rate: 1/s, unit: u, actual: 'header:a', when: {methods: [GET], path: "
	"/v1/**, keys: {k: [x*]}}}}}\n"
	"presets: {slack: {max: 9/s}}\n"
	"environments: {p: {services: {notion: {uris: ['http://a', 'http://b'], auth: {bearer: x, "
	"per: [t]}, retry: {statuses: [4xx]}, profile: production}}}, q: {}}\n";

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void try_text(const char *text)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	char *dump = NULL;
	int rc = ration_config_load_text(config, text, "t.yaml", &err);

	cr_assert(rc == 0 || rc == RATION_ECONFIG, "%d for: %s", rc, text);
	cr_assert_eq(rc == 0, err == NULL);
	if (rc == 0)
		ration_config_overlay(config, "p", NULL);
	if (rc == 0)
		rc = ration_config_dump(config, &dump, &err);
	cr_assert(rc == 0 || *ration_error_text(err));
	free(dump);
	ration_error_free(err);
	ration_config_free(config);
}

Test(config, every_beginning_of_a_file_gets_an_answer)
{
	char text[sizeof(fleet)];

	for (size_t length = 0; length < sizeof(fleet); length++) {
		memcpy(text, fleet, length);
		text[length] = '\0';
		try_text(text);
	}
}

Test(config, damaged_files_get_an_answer)
{
	uint64_t random = 88172645463325252u;
	char text[sizeof(fleet)];

	for (int i = 0; i < 10000; i++) {
		size_t changes = 1 + next_random(&random) % 4;

		memcpy(text, fleet, sizeof(fleet));
		while (changes--) {
			static const char likely[] = "{}[]:,-\"'\n \t&*!|>%@`#?~.0";
			char c = (char)next_random(&random);

			if (next_random(&random) % 2)
				c = likely[next_random(&random) % (sizeof(likely) - 1)];
			text[next_random(&random) % (sizeof(fleet) - 1)] = c ? c : ' ';
		}
		try_text(text);
	}
}

Test(config, random_paths_and_values_get_an_answer)
{
	uint64_t random = 1;
	ration_config *config = ration_config_new();

	for (int i = 0; i < 50000; i++) {
		char path[256], value[16];
		size_t length = next_random(&random) % sizeof(value);
		const struct ration__setting *setting =
			&ration__schema[next_random(&random) % ration__schema_count];

		named(setting->pattern, path);
		if (next_random(&random) % 4 == 0)
			path[next_random(&random) % strlen(path)] =
				(char)(1 + next_random(&random) % 255);
		for (size_t j = 0; j < length; j++)
			value[j] = "0123456789.smh/Mi{}[],\"a \xff"[next_random(&random) % 26];
		value[length ? length - 1 : 0] = '\0';
		ration_config_set(config, path, value, NULL);
		ration_config_get(config, path);
	}
	ration_config_free(config);
}
