/* ration check: reads a configuration as run does and prints every effective setting. Sends nothing
 * and opens no store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ration/ration.h>
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/run_settings.h"

enum option { SET, HELP };

static const struct ration__option table[] = {
	[SET] = {"set", 0, "PATH=VALUE", "any setting, over the file's; may be repeated"},
	[HELP] = {"help", 'h', NULL, "this text"},
	{0},
};

static const char head[] = "Usage: ration check [OPTION]... FILE\n"
			   "\n"
			   "Checks a configuration file and prints its effective settings, "
			   "defaults included, as YAML that\n"
			   "can be loaded again. A mistake is answered with file, line, column, "
			   "path and what is expected.\n";

static int fail(int exit_code, ration_error *err)
{
	fprintf(stderr, "%s\n", ration_error_text(err)); /* begins with FILE:LINE:COLUMN */
	ration_error_free(err);
	return exit_code;
}

static int check(const char *file, const struct ration__run_flags *flags)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	char *text = NULL;
	int rc = config ? ration_config_load(config, file, &err) : RATION_ENOMEM;

	if (rc == 0)
		rc = ration__settings_sets(config, flags, &err);
	if (rc == 0)
		rc = ration_config_dump(config, &text, &err);
	ration_config_free(config);
	if (rc < 0)
		return fail(RATION__EXIT_CONFIG, err);
	fputs(text, stdout);
	ration_free(text);
	return ration__cli_finish_stdout("check");
}

int ration__cmd_check(int argc, char **argv)
{
	struct ration__run_flags flags = {.sets = calloc((size_t)argc, sizeof(*flags.sets))};
	struct ration__options options;
	const char *file = NULL;
	int found, code = -1;

	if (!flags.sets)
		return fail(RATION__EXIT_CONFIG, NULL);
	ration__options_init(&options, table, argc, argv);
	while (code < 0 && (found = ration__options_next(&options)) != RATION__OPTIONS_END) {
		if (found == SET) {
			flags.sets[flags.set_count++] = options.value;
		} else if (found == HELP) {
			ration__options_help(stdout, head, table);
			code = ration__cli_finish_stdout("check");
		} else if (found == RATION__OPTIONS_ARGUMENT && !file) {
			file = options.value;
		} else {
			if (found == RATION__OPTIONS_ARGUMENT)
				ration__cli_error("check", "one file only: %s", options.value);
			code = RATION__EXIT_USAGE;
		}
	}
	if (code < 0 && !file) {
		ration__cli_error("check", "which file? (see ration check --help)");
		code = RATION__EXIT_USAGE;
	}
	if (code < 0)
		code = check(file, &flags);
	free(flags.sets);
	return code;
}
