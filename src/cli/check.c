/* ration check: reads a configuration as run does and prints every effective setting, and as
 * comments how exact its windows are. Sends nothing and opens no store. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ration/ration.h>
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/run_settings.h"
#include "config/compile.h"
#include "policy/log.h"

enum option { ENV, SET, HELP };

static const struct ration__option table[] = {
	[ENV] = {"env", 0, "NAME", "applies the files' environments.NAME [$RATION_ENV]"},
	[SET] = {"set", 0, "PATH=VALUE", "any setting, over the file's; may be repeated"},
	[HELP] = {"help", 'h', NULL, "this text"},
	{0},
};

static const char head[] = "Usage: ration check [OPTION]... FILE...\n"
			   "\n"
			   "Checks configuration files, of which later ones win, and prints the "
			   "effective settings,\n"
			   "defaults included, as YAML that can be loaded again; behind values "
			   "that stand in no file,\n"
			   "where they come from. A mistake is answered with file, line, column, "
			   "path and what is expected.\n"
			   "Comments at the end say how late what was used of a window returns.\n";

static int fail(int exit_code, ration_error *err)
{
	fprintf(stderr, "%s\n", ration_error_text(err)); /* begins with FILE:LINE:COLUMN */
	ration_error_free(err);
	return exit_code;
}

/* ---- how exact windows are ---- */

/* With its overrides a limit may be counted in both ways. */
static void find_ways(const struct ration__rules *rules, uint32_t i, bool *exact, bool *in_parts)
{
	struct ration__window_conf conf = rules->limits[i].window;

	*exact = ration__log_suits(&conf);
	*in_parts = !*exact;
	for (uint32_t n = 0; n < rules->override_count; n++) {
		conf.max = rules->overrides[n].max;
		if (rules->overrides[n].limit != i || conf.max < 0)
			continue;
		*exact |= ration__log_suits(&conf);
		*in_parts |= !ration__log_suits(&conf);
	}
}

static void put_window(const struct ration__rules *rules, uint32_t i)
{
	const struct ration__limit *limit = &rules->limits[i];
	bool exact, in_parts;
	char late[64];

	printf("# services.%s.%s.%s: ", rules->service,
		limit->kind == RATION__LIMIT_QUOTA ? "quotas" : "limits", limit->name);
	if (limit->calendar) {
		puts("all of it returns when its period begins");
		return;
	}
	find_ways(rules, i, &exact, &in_parts);
	ration__format_duration_human(
		late, sizeof(late), limit->window.window_ns / RATION__WINDOW_PARTS);
	if (!in_parts)
		puts("exact");
	else
		printf("what was used returns at most %s late (a max above %d is counted in %d "
		       "parts of the window%s)\n",
			late, RATION__LOG_MAX, RATION__WINDOW_PARTS,
			exact ? "; the others are exact" : "");
}

static int put_windows(const ration_config *config)
{
	struct ration__rules *rules = malloc(sizeof(*rules));
	int count = ration__config_service_count(config);
	int rc = rules ? 0 : RATION_ENOMEM;

	for (int i = 0; rc == 0 && i < count; i++) {
		rc = ration__config_rules(
			config, ration__config_service_name(config, i), rules, NULL);
		for (uint32_t n = 0; rc == 0 && n < rules->limit_count; n++)
			if (rules->limits[n].kind == RATION__LIMIT_WINDOW ||
				rules->limits[n].kind == RATION__LIMIT_QUOTA)
				put_window(rules, n);
	}
	free(rules);
	return rc;
}

static int check(const struct ration__run_flags *flags)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	char *text = NULL;
	int rc = config ? ration__cli_sources_load(&flags->sources, config, &err) : RATION_ENOMEM;

	if (rc == 0)
		rc = ration__settings_sets(config, flags, &err);
	if (rc == 0)
		rc = ration_config_dump(config, &text, &err);
	if (rc == 0) {
		fputs(text, stdout);
		rc = put_windows(config);
	}
	ration_free(text);
	ration_config_free(config);
	if (rc < 0)
		return fail(RATION__EXIT_CONFIG, err);
	return ration__cli_finish_stdout("check");
}

/* -1: go on */
static int take_options(struct ration__run_flags *flags, int argc, char **argv)
{
	struct ration__options options;
	int found;

	ration__options_init(&options, table, argc, argv);
	while ((found = ration__options_next(&options)) != RATION__OPTIONS_END) {
		switch (found) {
		case ENV:
			flags->sources.env = options.value;
			break;
		case SET:
			flags->sets[flags->set_count++] = options.value;
			break;
		case RATION__OPTIONS_ARGUMENT:
			flags->sources.files[flags->sources.file_count++] = options.value;
			break;
		case HELP:
			ration__options_help(stdout, head, table);
			return ration__cli_finish_stdout("check");
		default:
			return RATION__EXIT_USAGE;
		}
	}
	if (flags->sources.file_count)
		return -1;
	ration__cli_error("check", "which file? (see ration check --help)");
	return RATION__EXIT_USAGE;
}

int ration__cmd_check(int argc, char **argv)
{
	struct ration__run_flags flags = {.sets = calloc((size_t)argc, sizeof(*flags.sets))};
	int code;

	if (!flags.sets || ration__cli_sources_init(&flags.sources, argc) < 0) {
		free(flags.sets);
		return fail(RATION__EXIT_CONFIG, NULL);
	}
	code = take_options(&flags, argc, argv);
	if (code < 0)
		code = check(&flags);
	ration__cli_sources_fini(&flags.sources);
	free(flags.sets);
	return code;
}
