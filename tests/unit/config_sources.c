/* Where settings come from beside files and code: environment variables, environments in files,
 * profiles. */
#include <stdio.h>
#include "config_help.h"

TestSuite(config_sources, .fini = check_leaks);

#define S RATION__NS_PER_S

/* ---- environment variables ---- */

static ration_config *with_env(const char *text, const char *const *env)
{
	ration_config *config = loaded(text);
	ration_error *err = NULL;

	cr_assert_eq(
		ration_config_load_env(config, NULL, env, &err), 0, "%s", ration_error_text(err));
	return config;
}

Test(config_sources, R9_variables_supply_configuration_over_the_files)
{
	static const char *const env[] = {"HOME=/root", "RATION_STORE=/x", "RATION=1",
		"RATION__STORE__PATH=/var/lib/ration",
		"RATION__services__notion__timeouts__read=15s",
		"RATION__SERVICES__NOTION__BREAKER__TRIP_AFTER=7",
		"RATION__Services__Reports_DB__Limits__Per_Agent__Rate=9/s",
		"RATION__SERVICES__NEW__URIS=https://new",
		"RATION__SERVICES__NEW__RETRY__RETRIES=0",
		"RATION__SERVICES__NEW__HEADERS__X_API_KEY=a=b", "OTHER__SERVICES__NEW__MODE=x",
		NULL};
	ration_config *config = with_env("services: {notion: {uris: 'http://h', timeouts: {read: "
					 "3s, write: 4s}}, reports-db: {limits: {per.agent: {rate: "
					 "1/s}}}}",
		env);
	char *text = NULL;

	cr_expect_str_eq(ration_config_get(config, "store.path"), "/var/lib/ration");
	cr_expect_str_eq(ration_config_get(config, "services.notion.timeouts.read"), "15s");
	cr_expect_str_eq(ration_config_get(config, "services.notion.timeouts.write"), "4s");
	cr_expect_str_eq(ration_config_get(config, "services.notion.breaker.trip_after"), "7");
	cr_expect_str_eq(
		ration_config_get(config, "services.reports-db.limits.\"per.agent\".rate"), "9/s");
	cr_expect_str_eq(ration_config_get(config, "services.new.uris"), "https://new");
	cr_expect_str_eq(ration_config_get(config, "services.new.retry.attempts"), "1");
	cr_expect_str_eq(ration_config_get(config, "services.new.headers.x-api-key"), "a=b");
	cr_expect_eq(ration__config_service_count(config), 3);
	/* defaults are still there, and the dump says whence */
	cr_expect_str_eq(ration_config_get(config, "services.new.timeouts.read"), "30s");
	cr_assert_eq(ration_config_dump(config, &text, NULL), 0);
	cr_expect_not_null(strstr(text, "read: 15s  # RATION__services__notion__timeouts__read\n"));
	free(text);
	ration_config_free(config);
}

Test(config_sources, R9_bad_variables_are_named_and_then_none_is_taken)
{
	static const char *const cases[][2] = {
		{"RATION__SERVICES__N__TIMEOUTS__READ=3",
			"RATION__SERVICES__N__TIMEOUTS__READ: services.n.timeouts.read: \"3\": "
			"expected a duration from 1ms to 30d, such as 30s"},
		{"RATION__SERVICES__N__TIMEOUT__READ=3s",
			"RATION__SERVICES__N__TIMEOUT__READ: services.n.timeout.read: unknown key; "
			"did you mean timeouts?"},
		{"RATION__LOG__LEVEL=",
			"RATION__LOG__LEVEL: log.level: \"\": expected error, warning, info or "
			"debug"},
		{"RATION__=x", "RATION__: expected a path such as services__NAME__timeouts__read "
			       "behind the prefix"},
		{"RATION__A____B=x", "RATION__A____B: expected a path such as "
				     "services__NAME__timeouts__read behind the prefix"},
		{"RATION__SERVICES__A_B__MODE=observe",
			"RATION__SERVICES__A_B__MODE: \"A_B\" may mean several names that there "
			"are, \"a.b\" among them: set it in a file"},
		{"RATION__ENVIRONMENTS__DEV__LOG__LEVEL=info",
			"RATION__ENVIRONMENTS__DEV__LOG__LEVEL: environments.dev.log.level: stands "
			"in files only: expected a map"},
		{"RATION__1__2__3__4__5__6__7__8__9=x",
			"RATION__1__2__3__4__5__6__7__8__9: too deep: no setting is"},
	};

	for (size_t i = 0; i < RATION__COUNT(cases); i++) {
		const char *env[] = {"RATION__WORKERS__THREADS=7", cases[i][0], NULL};
		ration_config *config = loaded("services: {a-b: {}, a.b: {}}");
		ration_error *err = NULL;

		cr_expect_eq(ration_config_load_env(config, NULL, env, &err), RATION_ECONFIG, "%s",
			cases[i][0]);
		cr_expect_str_eq(ration_error_text(err), cases[i][1]);
		cr_expect_str_eq(ration_config_get(config, "workers.threads"), "1");
		ration_error_free(err);
		ration_config_free(config);
	}
}

Test(config_sources, R9_one_setting_by_two_variables_is_refused)
{
	static const char *const env[] = {"P__LOG__LEVEL=info", "P__log__level=debug", NULL};
	ration_config *config = ration_config_new();
	ration_error *err = NULL;

	cr_expect_eq(ration_config_load_env(config, "P", env, &err), RATION_ECONFIG);
	cr_expect_str_eq(ration_error_text(err),
		"P__log__level: log.level: given twice; also by P__LOG__LEVEL");
	ration_error_free(err);
	cr_expect_eq(ration_config_load_env(config, "", env, NULL), RATION_EINVAL);
	cr_expect_eq(ration_config_load_env(NULL, "P", env, NULL), RATION_EINVAL);
	cr_expect_eq(ration_config_load_env(config, "Q", env, NULL), 0);
	ration_config_free(config);
}

Test(config_sources, R9_the_processs_own_variables_are_read_when_asked_only)
{
	ration_config *config = ration_config_new();

	setenv("RATION__LOG__LEVEL", "debug", 1);
	cr_expect_str_eq(ration_config_get(config, "log.level"), "info");
	cr_expect_eq(ration_config_load_env(config, NULL, NULL, NULL), 0);
	cr_expect_str_eq(ration_config_get(config, "log.level"), "debug");
	unsetenv("RATION__LOG__LEVEL");
	ration_config_free(config);
}

/* ---- environments ---- */

static const char fleet[] = "services:\n"
			    "  n: {uris: [http://localhost:1], timeouts: {read: 1s}}\n"
			    "environments:\n"
			    "  production:\n"
			    "    log: {level: warning}\n"
			    "    services:\n"
			    "      n: {uris: [https://h], retry: {retries: 4}}\n"
			    "      m: {concurrency: 3}\n"
			    "  dev: {}\n";

Test(config_sources, an_environment_holds_over_the_rest_once_it_is_chosen)
{
	ration_config *config = loaded(fleet);
	ration_error *err = NULL;

	cr_expect_eq(ration__config_service_count(config), 1);
	cr_expect_str_eq(ration_config_get(config, "services.n.uris"), "[http://localhost:1]");
	cr_expect_eq(ration_config_overlay(config, "dev", &err), 0);
	cr_expect_str_eq(ration_config_get(config, "services.n.uris"), "[http://localhost:1]");
	/* another file completes it, and then it holds over both */
	cr_expect_eq(ration_config_load_text(config,
			     "log: {level: debug}\nenvironments: {production: {workers: {threads: "
			     "2}}}",
			     "b", NULL),
		0);
	cr_expect_eq(
		ration_config_overlay(config, "production", &err), 0, "%s", ration_error_text(err));
	cr_expect_str_eq(ration_config_get(config, "services.n.uris"), "[https://h]");
	cr_expect_str_eq(ration_config_get(config, "services.n.timeouts.read"), "1s");
	cr_expect_str_eq(ration_config_get(config, "services.n.retry.attempts"), "5");
	cr_expect_str_eq(ration_config_get(config, "services.m.concurrency.max"), "3");
	cr_expect_str_eq(ration_config_get(config, "log.level"), "warning");
	cr_expect_str_eq(ration_config_get(config, "workers.threads"), "2");
	cr_expect_eq(ration__config_service_count(config), 2);
	/* what comes later wins; applied again, it does */
	cr_expect_eq(ration_config_set(config, "log.level", "error", NULL), 0);
	cr_expect_str_eq(ration_config_get(config, "log.level"), "error");
	cr_expect_eq(ration_config_overlay(config, "production", NULL), 0);
	cr_expect_str_eq(ration_config_get(config, "log.level"), "warning");
	ration_config_free(config);
}

Test(config_sources, an_unknown_environment_is_answered_with_those_that_there_are)
{
	ration_config *config = loaded(fleet), *empty = ration_config_new();
	ration_error *err = NULL;

	cr_expect_eq(ration_config_overlay(config, "prod", &err), RATION_ECONFIG);
	cr_expect_str_eq(
		ration_error_text(err), "\"prod\": no such environment; known are dev, production");
	ration_error_free(err);
	err = NULL;
	cr_expect_eq(ration_config_overlay(empty, "prod", &err), RATION_ECONFIG);
	cr_expect_str_eq(ration_error_text(err),
		"\"prod\": no such environment: the configuration defines none");
	ration_error_free(err);
	cr_expect_eq(ration_config_overlay(config, NULL, NULL), RATION_EINVAL);
	ration_config_free(config);
	ration_config_free(empty);
}

Test(config_sources, mistakes_in_an_environment_are_refused_where_they_stand)
{
	expect_refused("environments: {dev: {services: {n: {timeouts: {read: 3}}}}}",
		"t.yaml:1:54: environments.dev.services.n.timeouts.read: \"3\": expected a "
		"duration from 1ms to 30d, such as 30s");
	expect_refused("environments: {dev: {service: {}}}",
		"t.yaml:1:22: environments.dev.service: unknown key; did you mean services?");
	expect_refused("environments: {dev: {log: {level: info}}, dev: {}}",
		"t.yaml:1:43: environments.dev: given twice; first in line 1");
	expect_refused("environments: {dev: {services: {n: {retry: {attempts: 3, retries: 3}}}}}",
		"t.yaml:1:67: services.n.retry.attempts: given twice; first in line 1");
	expect_refused("environments: {dev: {environments: {}}}",
		"t.yaml:1:22: environments.dev.environments: an environment has no environments");
	expect_refused("environments: {\"a b\": {}}",
		"t.yaml:1:16: environments.\"a b\": expected an environment's name of at most 31 "
		"letters, digits, dots, dashes and underscores");
	expect_refused("environments: {dev: 3}",
		"t.yaml:1:21: environments.dev: expected a map of settings");
	expect_refused("environments: [dev]", "t.yaml:1:15: environments: expected a map");
}

Test(config_sources, environments_do_not_mix)
{
	ration_config *config =
		loaded("environments: {a: {log: {level: error}}, b: {log: {level: debug}}}");

	cr_expect_str_eq(ration_config_get(config, "log.level"), "info");
	cr_expect_eq(ration_config_overlay(config, "a", NULL), 0);
	cr_expect_str_eq(ration_config_get(config, "log.level"), "error");
	cr_expect_null(ration_config_get(config, "environments.a"));
	cr_expect_eq(ration_config_set(config, "environments.a.log.level", "info", NULL),
		RATION_ECONFIG);
	ration_config_free(config);
}

/* ---- profiles ---- */

static void profile_into(
	const char *text, struct ration__rules *rules, struct ration__service_conf *conf)
{
	ration_config *config = loaded(text);
	ration_error *err = NULL;

	cr_assert_eq(
		ration__config_rules(config, "n", rules, &err), 0, "%s", ration_error_text(err));
	cr_assert_eq(
		ration__config_service(config, "n", conf, &err), 0, "%s", ration_error_text(err));
	ration_config_free(config);
}

Test(config_sources, R22_profiles_are_other_defaults)
{
	struct ration__service_conf conf;
	struct ration__rules rules;

	profile_into("services: {n: {uris: 'http://h', profile: high-throughput}}", &rules, &conf);
	cr_expect_eq(conf.timeouts.connect_ns, 30 * S);
	cr_expect_eq(conf.timeouts.read_ns, 10 * S);
	cr_expect_eq(conf.timeouts.write_ns, 10 * S);
	cr_expect_eq(conf.timeouts.wait_ns, 5 * S);
	cr_expect_eq(conf.retry.attempts, 2);
	cr_expect_eq(conf.retry.backoff.first_ns, S / 10);
	cr_expect_eq(conf.retry.backoff.max_ns, S);
	cr_expect_eq(rules.concurrency.max, 100);
	ration__service_conf_fini(&conf);

	profile_into("services: {n: {uris: 'http://h', profile: production}}", &rules, &conf);
	cr_expect_eq(conf.timeouts.connect_ns, 60 * S);
	cr_expect_eq(conf.timeouts.read_ns, 30 * S);
	cr_expect_eq(conf.timeouts.write_ns, 30 * S);
	cr_expect_eq(conf.timeouts.wait_ns, 10 * S);
	cr_expect_eq(conf.retry.attempts, 3);
	cr_expect_eq(conf.retry.backoff.first_ns, S);
	cr_expect_eq(conf.retry.backoff.max_ns, 30 * S);
	cr_expect_eq(rules.breaker.trip_after, 5);
	cr_expect_eq(rules.breaker.open_ns, 60 * S);
	cr_expect_eq(rules.concurrency.max, 20);
	ration__service_conf_fini(&conf);
}

Test(config_sources, R22_what_is_set_wins_over_a_profile)
{
	static const char text[] =
		"services: {n: {uris: 'http://h', profile: high-throughput, retry: {retries: 6}, "
		"timeouts: {pool: 9s}, concurrency: {algorithm: aimd}}}";
	ration_config *config = loaded(text);
	struct ration__service_conf conf;
	struct ration__rules rules;
	char *dump = NULL, *again = NULL;

	profile_into(text, &rules, &conf);
	cr_expect_eq(conf.retry.attempts, 7);
	cr_expect_eq(conf.timeouts.wait_ns, 9 * S);
	cr_expect_eq(rules.concurrency.max, 100); /* not the 200 of what learns */
	ration__service_conf_fini(&conf);
	cr_expect_str_eq(ration_config_get(config, "services.n.timeouts.read"), "10s");
	cr_expect_str_eq(ration_config_get(config, "services.n.timeouts.total"), "2m");
	cr_assert_eq(ration_config_dump(config, &dump, NULL), 0);
	cr_expect_not_null(strstr(dump, "    attempts: 7\n"), "%s", dump);
	cr_expect_not_null(strstr(dump, "read: 10s  # profile high-throughput\n"));
	cr_expect_not_null(strstr(dump, "total: 2m  # default\n"));
	ration_config_free(config);
	config = loaded(dump); /* which loads to the same */
	cr_assert_eq(ration_config_dump(config, &again, NULL), 0);
	cr_expect_not_null(strstr(again, "read: 10s\n"));
	free(dump);
	free(again);
	ration_config_free(config);
	expect_refused("services: {n: {profile: fast}}",
		"t.yaml:1:25: services.n.profile: \"fast\": expected high-throughput or "
		"production");
	expect_refused("services: {n: {profile: high-throughput, retry: {backoff: {first: 2s}}}}",
		"t.yaml:1:67: services.n.retry.backoff.first: first is above max");
}
