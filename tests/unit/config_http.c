/* The HTTP side of a service from settings: place, identity, certificates, answers; what is refused
 * with which words; and that secrets are shown nowhere. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/uri_list.h"
#include "config_help.h"
#include "http/redirect.h"

TestSuite(config_http, .fini = check_leaks);

#define S RATION__NS_PER_S

static void service_into(const char *text, struct ration__service_conf *conf)
{
	ration_config *config = loaded(text);
	ration_error *err = NULL;

	cr_assert_eq(
		ration__config_service(config, "n", conf, &err), 0, "%s", ration_error_text(err));
	ration_config_free(config);
}

/* A file with that text, in a folder of its own; removed by the caller. */
static void write_file(char path[64], const char *text)
{
	FILE *file;
	int fd;

	strcpy(path, "/tmp/ration-config-XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	file = fdopen(fd, "w");
	fputs(text, file);
	fclose(file);
}

Test(config_http, D14_and_S9_what_nobody_sets_is_finite)
{
	struct ration__service_conf conf;

	service_into("services: {n: {uris: 'http://h'}}", &conf);
	cr_expect_eq(conf.timeouts.connect_ns, 5 * S);
	cr_expect_eq(conf.timeouts.attempt_ns, 60 * S);
	cr_expect_eq(conf.timeouts.total_ns, 120 * S);
	cr_expect_eq(conf.timeouts.wait_ns, 30 * S);
	cr_expect_eq(conf.connections_max, 100);
	cr_expect_eq(conf.retry.attempts, 3);
	cr_expect_eq(conf.node_strategy, RATION__NODES_ROUND_ROBIN);
	cr_expect_eq(conf.node_recover_ns, 30 * S);
	cr_expect_eq(conf.failover, 1);
	cr_expect_eq(conf.redirects, RATION__REDIRECTS_SAME_ORIGIN);
	cr_expect_eq(conf.redirect_max, 20);
	cr_expect_eq(conf.compressed, 1);
	cr_expect_eq(conf.http, RATION__HTTP_AUTO);
	cr_expect_eq(conf.public_only, 0);
	cr_expect_eq(conf.idempotency_raw, 0);
	cr_expect_eq(conf.tls.verify, 1);
	cr_expect_eq(conf.tls.min_version, RATION__TLS_1_2);
	cr_expect_null(conf.tls.ca);
	cr_expect_null(conf.tls.cert);
	cr_expect_null(conf.proxy);
	cr_expect_null(conf.health);
	cr_expect_null(conf.uri_file);
	cr_expect_str_eq(conf.auth.header, "Authorization");
	cr_expect_str_eq(conf.auth.scheme, "Bearer ");
	cr_expect_null(conf.auth.bearer);
	cr_expect_null(conf.auth.per);
	for (size_t i = 0; i < RATION__COUNT(conf.retry.transient.bits); i++)
		cr_expect_eq(conf.retry.transient.bits[i] | conf.retry.throttled.bits[i], 0);
	cr_assert_eq(conf.node_count, 1);
	cr_expect_eq(conf.nodes[0], conf.base);
	ration__service_conf_fini(&conf);
}

/* SETTINGS: with FILE for a file that is there. */
static void service_with_file(const char *settings, struct ration__service_conf *conf)
{
	char text[2048] = "services: {n: {uris: [https://a, 'https://b:1/c/'], ", *to = text;
	char path[64];

	write_file(path, "");
	for (to += strlen(text); *settings; settings++) {
		if (strncmp(settings, "FILE", 4)) {
			*to++ = *settings;
			continue;
		}
		to = stpcpy(to, path);
		settings += 3;
	}
	strcpy(to, "}}");
	service_into(text, conf);
	unlink(path);
}

Test(config_http, E22_S9_every_setting_of_the_place_arrives)
{
	struct ration__service_conf conf;

	service_with_file(
		"tls: {ca: FILE, cert: FILE, key: FILE, key_password_file: FILE, verify: false, "
		"min_version: 1.3}, auth: {header: X-Token, scheme: none, basic_file: FILE, per: "
		"[tenant, agent]}, proxy: 'socks5h://p:1080', proxy_auth_file: FILE, health: /up, "
		"connections: {max: 7, idle: 20, http: 2-prior-knowledge, addresses: any}, "
		"nodes: {strategy: balanced, recover_after: 9s, failover: false}, response: "
		"{redirects: any, redirect_max: 3, compressed: false}, retry: {methods: "
		"idempotent, idempotency_key: raw, statuses: [500, 4xx], throttle: {statuses: "
		"[]}}, timeouts: {pool: 11s}",
		&conf);
	cr_assert_eq(conf.node_count, 2);
	cr_expect_str_eq(conf.nodes[0], "https://a");
	cr_expect_str_eq(conf.nodes[1], "https://b:1/c");
	cr_expect_str_eq(conf.tls.ca, conf.tls.key);
	cr_expect_str_eq(conf.tls.cert, conf.tls.key_password_file);
	cr_expect_str_eq(conf.tls.ca, conf.proxy_auth_file);
	cr_expect_str_eq(conf.tls.ca, conf.auth.basic_file);
	cr_expect_eq(strncmp(conf.tls.ca, "/tmp/ration-config-", 19), 0);
	cr_expect_eq(conf.tls.verify, 0);
	cr_expect_eq(conf.tls.min_version, RATION__TLS_1_3);
	cr_expect_str_eq(conf.auth.header, "X-Token");
	cr_expect_str_eq(conf.auth.scheme, "");
	cr_expect_eq(memcmp(conf.auth.per, "tenant\0agent\0", 14), 0);
	cr_expect_str_eq(conf.proxy, "socks5h://p:1080");
	cr_expect_str_eq(conf.health, "/up");
	cr_expect_eq(conf.connections_max, 7);
	cr_expect_eq(conf.connections_idle, 20);
	cr_expect_eq(conf.http, RATION__HTTP_2_PRIOR);
	cr_expect_eq(conf.public_only, 0);
	cr_expect_eq(conf.node_strategy, RATION__NODES_BALANCED);
	cr_expect_eq(conf.node_recover_ns, 9 * S);
	cr_expect_eq(conf.failover, 0);
	cr_expect_eq(conf.redirects, RATION__REDIRECTS_ANY);
	cr_expect_eq(conf.redirect_max, 3);
	cr_expect_eq(conf.compressed, 0);
	cr_expect_eq(conf.retry.methods, RATION__METHODS_IDEMPOTENT);
	cr_expect_eq(conf.idempotency_raw, 1);
	cr_expect_eq(conf.timeouts.wait_ns, 11 * S);
	for (int status = 100; status < 600; status++) {
		cr_expect_eq(ration__status_in(&conf.retry.transient, status),
			status == 500 || status / 100 == 4, "%d", status);
		cr_expect_not(ration__status_in(&conf.retry.throttled, status));
	}
	/* none at all, which is not the same as unset */
	cr_expect_neq(conf.retry.throttled.bits[0], 0);
	ration__service_conf_fini(&conf);
}

Test(config_http, R3_R4_R8_a_request_overrides)
{
	static const char *const own[][2] = {{"timeouts.connect", "1s"}, {"timeouts.pool", "2s"},
		{"retry.backoff.jitter", "none"}, {"retry.statuses", "[503]"},
		{"retry.throttle.statuses", "[430]"}, {"response.redirects", "none"},
		{"response.compressed", "false"}, {"retry.idempotency_key", "raw"}};
	static const char *const refused[] = {"tls.verify", "auth.bearer", "proxy",
		"connections.max", "nodes.failover", "user_agent", "uri_file", "profile"};
	struct ration__service_conf conf, copy;

	service_into("services: {n: {uris: 'http://h', user_agent: me/1}}", &conf);
	cr_assert_eq(conf.header_count, 1);
	cr_expect_str_eq(conf.headers[0].name, "User-Agent");
	cr_expect_str_eq(conf.headers[0].value, "me/1");
	ration__service_conf_copy(&copy, &conf);
	for (size_t i = 0; i < RATION__COUNT(own); i++)
		cr_expect_eq(ration__config_request_option(&copy, own[i][0], own[i][1], NULL), 0,
			"%s", own[i][0]);
	for (size_t i = 0; i < RATION__COUNT(refused); i++)
		cr_expect_eq(ration__config_request_option(&copy, refused[i], "false", NULL),
			RATION_ECONFIG, "%s", refused[i]);
	cr_expect_eq(copy.timeouts.connect_ns, S);
	cr_expect_eq(copy.timeouts.wait_ns, 2 * S);
	cr_expect_eq(copy.retry.backoff.jitter, RATION__JITTER_NONE);
	cr_expect(ration__status_in(&copy.retry.transient, 503));
	cr_expect_not(ration__status_in(&copy.retry.transient, 500));
	cr_expect(ration__status_in(&copy.retry.throttled, 430));
	cr_expect_eq(copy.redirects, RATION__REDIRECTS_NONE);
	cr_expect_eq(copy.compressed, 0);
	cr_expect_eq(copy.idempotency_raw, 1);
	cr_expect_eq(conf.compressed, 1);
	ration__service_conf_fini(&conf);
}

Test(config_http, E2_a_service_without_a_place_is_refused_at_load)
{
	struct ration__service_conf conf;

	expect_refused("services: {n: {headers: {a: b}}}",
		"t.yaml:1:29: services.n.headers.a: the service has no place to send to: it needs "
		"uris, uri_file or a preset with a uri");
	expect_refused("services:\n  n:\n    timeouts: {read: 3s}\n",
		"t.yaml:3:22: services.n.timeouts.read: the service has no place to send to: it "
		"needs uris, uri_file or a preset with a uri");
	expect_refused("presets: {p: {initial: 1/s}}\nservices: {n: {preset: p, tls: {verify: "
		       "false}}}",
		"t.yaml:2:41: services.n.tls.verify: the service has no place to send to: it needs "
		"uris, uri_file or a preset with a uri");
	/* a guard, with what guards use */
	service_into("services: {n: {concurrency: 4, retry: {attempts: 2}, timeouts: {attempt: 1s, "
		     "total: 3s, pool: 1s}, profile: production}}",
		&conf);
	cr_expect_null(conf.base);
	cr_expect_null(conf.nodes);
	cr_expect_eq(conf.node_count, 0);
	ration__service_conf_fini(&conf);
	service_into("services: {n: {preset: notion, tls: {verify: false}}}", &conf);
	cr_expect_str_eq(conf.base, "https://api.notion.com");
	cr_expect_eq(conf.node_count, 1);
	ration__service_conf_fini(&conf);
}

#define N "services: {n: {uris: [https://h], "

Test(config_http, what_contradicts_is_refused_where_it_stands)
{
	static const char *const cases[][2] = {
		{N "auth: {bearer: a, basic_file: b}}}",
			"65: services.n.auth.basic_file: of bearer, bearer_file and basic_file "
			"only one may be set"},
		{N "auth: {bearer_file: '/etc/{a'}}}",
			"55: services.n.auth.bearer_file: expected a key's name in braces, such as "
			"{tenant}, or no braces"},
		{N "auth: {bearer_file: '/nowhere/{a}/{b.c}'}}}",
			"55: services.n.auth.bearer_file: /nowhere/: No such file or directory"},
		{N "auth: {bearer_file: /nowhere/a}}}",
			"55: services.n.auth.bearer_file: /nowhere/a: No such file or directory"},
		{N "auth: {basic_file: /nowhere}}}",
			"54: services.n.auth.basic_file: /nowhere: No such file or directory"},
		{N "tls: {cert: /a}}}",
			"47: services.n.tls.cert: needs key as well: the same file, where it holds "
			"both"},
		{N "tls: {key: /a}}}", "46: services.n.tls.key: needs cert as well"},
		{N "tls: {key_password_file: /a}}}",
			"60: services.n.tls.key_password_file: needs cert and key as well"},
		{N "tls: {ca: /nowhere}}}",
			"45: services.n.tls.ca: /nowhere: No such file or directory"},
		{N "proxy_auth_file: /a}}", "52: services.n.proxy_auth_file: needs proxy as well"},
		{N "proxy: none, proxy_auth_file: /a}}",
			"65: services.n.proxy_auth_file: needs proxy as well"},
		{N "proxy: environment, connections: {addresses: public}}}",
			"80: services.n.connections.addresses: cannot be public: a proxy hides "
			"whom it connects to"},
		{N "uri_file: /a}}",
			"45: services.n.uri_file: of uris and uri_file only one may be set"},
		{"services: {n: {uris: [http://h], tls: {ca: /etc/passwd}}}",
			"44: services.n.tls.ca: is never used: all of the service's uris are "
			"http://"},
		{"services: {n: {uris: [http://h], response: {redirects: any}, "
		 "tls: {ca: /etc, cert: /a, key: /a}}}",
			"84: services.n.tls.cert: is never used: all of the service's uris are "
			"http://"},
		{"services: {n: {uris: [http://h, 'http://h/'], mode: observe}}",
			"22: services.n.uris: one of them is there twice: http://h"},
		{"services: {n: {uri_file: /nowhere}}",
			"26: services.n.uri_file: /nowhere: No such file or directory"},
		{N "headers: {content-length: 5}}}",
			"61: services.n.headers.content-length: expected a header's name, not one of "
			"those that HTTP itself sets, such as Host and Content-Length"},
		{N "auth: {header: Transfer-Encoding}}}",
			"50: services.n.auth.header: \"Transfer-Encoding\": expected a header's "
			"name"},
		{"services: {n: {uris: ['HTTPS://h'], tls: {ca: /nowhere}}}",
			"47: services.n.tls.ca: /nowhere: No such file or directory"},
		{"services: {n: {uri_file: /tmp}}",
			"26: services.n.uri_file: /tmp: not a regular file"},
	};
	char text[256];

	for (size_t i = 0; i < RATION__COUNT(cases); i++) {
		snprintf(text, sizeof(text), "t.yaml:1:%s", cases[i][1]);
		expect_refused(cases[i][0], text);
	}
}

Test(config_http, certificates_for_redirects_and_files_of_nodes_are_used)
{
	struct ration__service_conf conf;

	service_into(
		"services: {n: {uris: ['http://h'], tls: {ca: /etc}, response: {redirects: "
		"any}, auth: {bearer_file: '/etc/{tenant}'}, connections: {addresses: public}}}",
		&conf);
	cr_expect_eq(conf.public_only, 1);
	cr_expect_str_eq(conf.tls.ca, "/etc"); /* folders are read by OpenSSL */
	cr_expect_str_eq(conf.auth.bearer_file, "/etc/{tenant}");
	ration__service_conf_fini(&conf);
	/* only the folder must be there, and be one of this process's where none is named */
	service_into(N "auth: {bearer_file: '/etc/of-{tenant}/token'}}}", &conf);
	ration__service_conf_fini(&conf);
	service_into(N "auth: {bearer_file: 'of-{tenant}'}}}", &conf);
	ration__service_conf_fini(&conf);
}

/* ---- uri_file ---- */

Test(config_http, E23_the_nodes_of_a_file)
{
	char path[64], text[256];
	struct ration__service_conf conf;
	ration_config *config;
	struct ration__rules rules;

	write_file(path, "# nodes\r\n\n  http://a:1/ # first\nhttps://b/x//\nhttp://a:1\nhttp://c");
	snprintf(text, sizeof(text), "services: {n: {uri_file: %s, preset: notion}}", path);
	service_into(text, &conf);
	cr_assert_eq(conf.node_count, 3);
	cr_expect_str_eq(conf.nodes[0], "http://a:1");
	cr_expect_str_eq(conf.nodes[1], "https://b/x");
	cr_expect_str_eq(conf.nodes[2], "http://c");
	cr_expect_eq(conf.base, conf.nodes[0]);
	cr_expect_str_eq(conf.uri_file, path);
	ration__service_conf_fini(&conf);
	/* and it is a service with a place in all else: a budget, places taken back */
	config = loaded(text);
	cr_assert_eq(ration__config_rules(config, "n", &rules, NULL), 0);
	cr_expect_eq(rules.budget.capacity, 500);
	cr_expect_eq(rules.own.hold_ns, 90 * S);
	ration_config_free(config);
	unlink(path);
}

static void expect_bad_file(const char *content, const char *what)
{
	struct ration__uri_list list = {.count = 77};
	ration_error *err = NULL;
	char path[64], text[256];

	write_file(path, content);
	cr_expect_eq(ration__uri_list_read(path, &list, &err), RATION_ECONFIG, "%s", content);
	snprintf(text, sizeof(text), "%s%s", path, what);
	cr_expect_str_eq(ration_error_text(err), text);
	cr_expect_eq(list.count, 77);
	ration_error_free(err);
	unlink(path);
}

Test(config_http, E23_a_broken_file_of_nodes_is_refused_by_line_and_shows_nothing)
{
	char many[2048] = "";

	for (int i = 0; i < 33; i++)
		sprintf(many + strlen(many), "http://h:%d\n", i + 1);
	expect_bad_file("", ": holds no URI");
	expect_bad_file("# http://a\n\n", ": holds no URI");
	expect_bad_file("http://a\nhttp://me:hunter2@b\n",
		":2: expected an http:// or https:// URI without user, query or fragment");
	expect_bad_file("http://a http://b\n",
		":1: expected an http:// or https:// URI without user, query or fragment");
	expect_bad_file(many, ":33: more than 32 URIs");
}

/* ---- secrets ---- */

#define CANARY "c4nary-7f3a"

static void expect_clean(const char *text)
{
	cr_expect_null(strstr(text, CANARY), "shown in: %s", text);
}

Test(config_http, secrets_are_in_no_dump_and_no_error)
{
	static const char *const bad[][2] = {
		{"services.n.auth.bearer", CANARY "\n"},
		{"services.n.auth.bearer", CANARY " "},
		{"services.n.headers.Authorization", CANARY "\x01"},
		{"services.n.headers.X-Api-Key", " " CANARY},
		{"services.n.proxy", "http://me:" CANARY "@proxy:1"},
		{"services.n.uris", "[http://a, http://me:" CANARY "@b]"},
		{"services.n.user_agent", CANARY "\r\n"},
	};
	ration_config *config =
		loaded(N "auth: {bearer: " CANARY "}, headers: {Authorization: Basic " CANARY
			 ", X-Auth-Token: " CANARY ", Cookie: a=" CANARY "}}}");
	const char *env[] = {"RATION__services__n__auth__bearer=" CANARY "\n", NULL};
	ration_error *err = NULL;
	char *text = NULL;

	cr_assert_eq(ration_config_dump(config, &text, NULL), 0);
	expect_clean(text);
	cr_expect_not_null(strstr(text, "# bearer: (hidden)\n"));
	free(text);
	for (size_t i = 0; i < RATION__COUNT(bad); i++) {
		cr_expect_eq(ration_config_set(config, bad[i][0], bad[i][1], &err), RATION_ECONFIG);
		expect_clean(ration_error_text(err));
		ration_error_free(err);
		err = NULL;
	}
	cr_expect_eq(ration_config_load_env(config, NULL, env, &err), RATION_ECONFIG);
	expect_clean(ration_error_text(err));
	ration_error_free(err);
	err = NULL;
	/* neither in an error about another setting beside it */
	cr_expect_eq(ration_config_set(config, "services.n.auth.basic_file", "/nowhere", NULL), 0);
	cr_expect_eq(ration_config_dump(config, &text, &err), RATION_ECONFIG);
	expect_clean(ration_error_text(err));
	ration_error_free(err);
	ration_config_free(config);
}
