/* The configuration of a run. See run_settings.h. */
#include "cli/run_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/units.h"
#include "base/util.h"
#include "cli/cli.h"
#include "cli/origin.h"
#include "config/compile.h"
#include "config/path.h"

/* Longest value of a flag that has two parts. */
#define PART_MAX 64

static int set_of_service(ration_config *config, const char *service, const char *setting,
	const char *value, ration_error **err)
{
	char path[RATION__PATH_MAX];
	int length = snprintf(path, sizeof(path), "services.\"%s\".%s", service, setting);

	if (length < 0 || (size_t)length >= sizeof(path))
		return ration__error_set(err, RATION_ECONFIG, "the service's name is too long");
	return ration_config_set(config, path, value, err);
}

/* What a batch does otherwise than a program that somebody waits for: it waits. */
static int set_defaults(ration_config *config, const char *service, ration_error **err)
{
	static const char *const defaults[][2] = {
		{"timeouts.total", "none"},
		{"concurrency.wait", "forever"},
		{"wait_for", "[breaker, quota]"},
	};

	for (size_t i = 0; i < RATION__COUNT(defaults); i++) {
		int rc = set_of_service(config, service, defaults[i][0], defaults[i][1], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* "A/B" into two settings. */
static int set_pair(ration_config *config, const char *service, const char *value,
	const char *first, const char *second, const char *expected, ration_error **err)
{
	const char *slash = strchr(value, '/');
	char left[PART_MAX];
	int rc;

	if (!slash || slash == value || !slash[1] || (size_t)(slash - value) >= sizeof(left))
		return ration__error_set(
			err, RATION_ECONFIG, "\"%.60s\": expected %s", value, expected);
	memcpy(left, value, (size_t)(slash - value));
	left[slash - value] = '\0';
	rc = set_of_service(config, service, first, left, err);
	return rc < 0 ? rc : set_of_service(config, service, second, slash + 1, err);
}

/* An error about a setting as one about the flag that gave it. */
static int blame_flag(const char *flag, int rc, ration_error *from, ration_error **err)
{
	const char *text = ration_error_text(from);
	const char *path = ration_error_path(from);

	if (path && !strncmp(text, path, strlen(path)) && !strncmp(text + strlen(path), ": ", 2))
		text += strlen(path) + 2;
	ration__error_set(err, rc, "%s: %s", flag, text);
	ration_error_free(from);
	return rc;
}

static int set_flags(ration_config *config, const struct ration__run_flags *flags,
	const char *service, ration_error **err)
{
	const struct {
		const char *value, *flag, *setting;
	} plain[] = {
		{flags->profile, "--profile", "profile"},
		{flags->rate, "--rate", "limits.rate.rate"},
		{flags->burst, "--burst", "limits.rate.burst"},
		{flags->concurrency, "--concurrency", "concurrency.max"},
		{flags->retries, "--retries", "retry.retries"},
		{flags->timeout, "--timeout", "timeouts.attempt"},
		{flags->deadline, "--deadline", "timeouts.total"},
		{flags->no_wait ? "[]" : NULL, "--no-wait", "wait_for"},
	};
	ration_error *why = NULL;

	for (size_t i = 0; i < RATION__COUNT(plain); i++) {
		int rc = plain[i].value ? set_of_service(config, service, plain[i].setting,
						  plain[i].value, &why)
					: 0;

		if (rc < 0)
			return blame_flag(plain[i].flag, rc, why, err);
	}
	if (flags->quota) {
		int rc = set_pair(config, service, flags->quota, "quotas.quota.max",
			"quotas.quota.window", "a quota such as 1000/24h", &why);

		if (rc < 0)
			return blame_flag("--quota", rc, why, err);
	}
	if (flags->breaker) {
		int rc = !strcmp(flags->breaker, "off")
				 ? set_of_service(config, service, "breaker", "off", &why)
				 : set_pair(config, service, flags->breaker, "breaker.trip_after",
					   "breaker.open_for",
					   "FAILURES/OPEN such as 5/60s, or off", &why);

		if (rc < 0)
			return blame_flag("--breaker", rc, why, err);
	}
	return 0;
}

static bool has_service_flags(const struct ration__run_flags *flags)
{
	return flags->profile || flags->rate || flags->burst || flags->quota ||
	       flags->concurrency || flags->breaker || flags->retries || flags->timeout ||
	       flags->deadline;
}

/* Room for twice what may be in flight, so that a place that frees is filled at once; more read
 * ahead is only more to finish after an interrupt. */
static int set_queue(
	ration_config *config, const struct ration__run_flags *flags, ration_error **err)
{
	uint64_t concurrency = 0;
	char text[32];

	if (flags->concurrency)
		(void)ration__parse_uint(flags->concurrency, 65535, &concurrency);
	snprintf(text, sizeof(text), "%" PRIu64, concurrency > 500 ? 2 * concurrency : 1000);
	return ration_config_set(config, "workers.queue_max", text, err);
}

static int set_process(
	ration_config *config, const struct ration__run_flags *flags, ration_error **err)
{
	ration_error *why = NULL;
	int rc = 0;

	if (flags->store)
		rc = ration_config_set(config, "store.path", flags->store, err);
	if (rc == 0 && flags->threads)
		rc = ration_config_set(config, "workers.threads", flags->threads, &why);
	return rc < 0 && why ? blame_flag("--threads", rc, why, err) : rc;
}

int ration__settings_sets(
	ration_config *config, const struct ration__run_flags *flags, ration_error **err)
{
	for (size_t i = 0; i < flags->set_count; i++) {
		const char *set = flags->sets[i];
		const char *equals = strchr(set, '=');
		char *path;
		int rc;

		/* a quoted name may hold "=" */
		while (equals) {
			size_t quotes = 0;

			for (const char *c = set; c < equals; c++)
				quotes += *c == '"';
			if (quotes % 2 == 0)
				break;
			equals = strchr(equals + 1, '=');
		}
		if (!equals)
			return ration__error_set(
				err, RATION_ECONFIG, "--set %.100s: expected PATH=VALUE", set);
		path = strndup(set, (size_t)(equals - set));
		if (!path)
			return ration__error_set(err, RATION_ENOMEM, "out of memory");
		rc = ration_config_set(config, path, equals + 1, err);
		free(path);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The batch's defaults stand below what the sources say, and only they know the services: they are
 * read twice. */
static int load(
	ration_config *config, const struct ration__cli_sources *sources, ration_error **err)
{
	ration_config *names = ration_config_new();
	int rc, count;

	if (!names)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	rc = ration__cli_sources_load(sources, names, err);
	count = rc == 0 ? ration__config_service_count(names) : 0;
	for (int i = 0; rc == 0 && i < count; i++)
		rc = set_defaults(config, ration__config_service_name(names, i), err);
	ration_config_free(names);
	return rc < 0 ? rc : ration__cli_sources_load(sources, config, err);
}

static int report(int exit_code, ration_error *err)
{
	ration__cli_error(
		"run", "%s", err ? ration_error_text(err) : ration_strerror(RATION_ENOMEM));
	ration_error_free(err);
	return exit_code;
}

/* Flags and --set must be right before anything is sent, also when no service is known yet. */
static int check_origin_flags(const struct ration__run_flags *flags)
{
	struct ration__run_settings probe = {.config = ration_config_new(), .origins = true};
	ration_error *err = NULL;
	char *text;
	int rc = RATION_ENOMEM;

	if (probe.config)
		rc = ration__settings_add_origin(&probe, flags, "http://origin", &err);
	if (rc == 0)
		rc = ration_config_dump(probe.config, &text, &err);
	if (rc == 0)
		free(text);
	ration_config_free(probe.config);
	return rc < 0 ? report(RATION__EXIT_USAGE, err) : RATION__EXIT_OK;
}

/* Of several files the one that was to complete the others. */
static const char *last_file(const struct ration__run_flags *flags)
{
	const struct ration__cli_sources *sources = &flags->sources;

	return sources->file_count ? sources->files[sources->file_count - 1] : "";
}

/* The services are known: which one do jobs without a name, and the flags, mean? */
static int choose_service(
	struct ration__run_settings *settings, const struct ration__run_flags *flags)
{
	int count = ration__config_service_count(settings->config);
	ration_error *err = NULL;

	if (flags->service) {
		if (!ration__config_has_service(settings->config, flags->service)) {
			ration__cli_error("run", "--service %s: no such service%s%s",
				flags->service, flags->sources.file_count ? " in " : "",
				last_file(flags));
			return RATION__EXIT_USAGE;
		}
		settings->service = flags->service;
	} else if (count == 1) {
		settings->service = ration__config_service_name(settings->config, 0);
	} else if (has_service_flags(flags)) {
		ration__cli_error("run",
			"%d services: which one the flags mean is said with --service", count);
		return RATION__EXIT_USAGE;
	}
	if (settings->service && set_flags(settings->config, flags, settings->service, &err) < 0)
		return report(RATION__EXIT_USAGE, err);
	for (int i = 0; flags->no_wait && !settings->service && i < count; i++)
		if (set_of_service(settings->config,
			    ration__config_service_name(settings->config, i), "wait_for", "[]",
			    &err) < 0)
			return report(RATION__EXIT_CONFIG, err);
	return RATION__EXIT_OK;
}

/* Services that only --set speaks of, named as origins are: they stay origins. */
static bool only_origins(const ration_config *config)
{
	for (int i = 0; i < ration__config_service_count(config); i++) {
		const char *name = ration__config_service_name(config, i);
		char origin[RATION__ORIGIN_SIZE];

		if (ration__origin_parse(name, origin, NULL) < 0 || strcmp(name, origin) != 0)
			return false;
	}
	return true;
}

static int prepare_origins(
	struct ration__run_settings *settings, const struct ration__run_flags *flags)
{
	int code = check_origin_flags(flags);
	ration_error *err = NULL;

	if (flags->service) {
		ration__cli_error(
			"run", "--service %s: services are defined in a file (-c)", flags->service);
		return RATION__EXIT_USAGE;
	}
	code = check_origin_flags(flags);
	settings->origins = true;
	for (int i = 0;
		code == RATION__EXIT_OK && i < ration__config_service_count(settings->config);
		i++) {
		char origin[RATION__ORIGIN_SIZE]; /* the name itself moves with the next change */

		strcpy(origin, ration__config_service_name(settings->config, i));
		if (ration__settings_add_origin(settings, flags, origin, &err) < 0)
			code = report(RATION__EXIT_CONFIG, err);
	}
	return code;
}

static int make_config(ration_config *config, const struct ration__run_flags *flags)
{
	ration_error *err = NULL;

	if (set_queue(config, flags, &err) < 0 || load(config, &flags->sources, &err) < 0)
		return report(RATION__EXIT_CONFIG, err);
	if (set_process(config, flags, &err) < 0)
		return report(RATION__EXIT_USAGE, err);
	if (ration__settings_sets(config, flags, &err) < 0)
		return report(RATION__EXIT_CONFIG, err);
	return RATION__EXIT_OK;
}

int ration__settings_make(
	const struct ration__run_flags *flags, struct ration__run_settings *settings)
{
	struct ration__run_settings made = {.config = ration_config_new()};
	ration_error *err = NULL;
	int code;

	if (!made.config)
		return report(RATION__EXIT_STORE, err);
	code = make_config(made.config, flags);
	if (code == RATION__EXIT_OK && !flags->sources.file_count && only_origins(made.config)) {
		code = prepare_origins(&made, flags);
	} else if (code == RATION__EXIT_OK) {
		if (ration__config_service_count(made.config) == 0) {
			ration__cli_error("run", "%s: no services", last_file(flags));
			code = RATION__EXIT_CONFIG;
		} else {
			code = choose_service(&made, flags);
		}
		/* once more: it wins over flags */
		if (code == RATION__EXIT_OK && ration__settings_sets(made.config, flags, &err) < 0)
			code = report(RATION__EXIT_CONFIG, err);
	}
	if (code != RATION__EXIT_OK) {
		ration_config_free(made.config);
		return code;
	}
	*settings = made;
	return code;
}

int ration__settings_add_origin(struct ration__run_settings *settings,
	const struct ration__run_flags *flags, const char *origin, ration_error **err)
{
	int rc = set_of_service(settings->config, origin, "uris", origin, err);

	if (rc == 0)
		rc = set_defaults(settings->config, origin, err);
	if (rc == 0)
		rc = set_flags(settings->config, flags, origin, err);
	return rc == 0 ? ration__settings_sets(settings->config, flags, err) : rc;
}

void ration__settings_fini(struct ration__run_settings *settings)
{
	ration_config_free(settings->config);
	*settings = (struct ration__run_settings){0};
}
