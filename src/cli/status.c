/* ration status: what a store holds now. The JSON is the library's; the table is made from it
 * (status_view.c), so that people and programs see the same. Looks only: makes no store, takes
 * nothing. */
#include <stdio.h>
#include <ration/ration.h>
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/sources.h"
#include "cli/status_view.h"

enum option { CONFIG, ENV, STORE, JSON, HELP };

static const struct ration__option table[] = {
	[CONFIG] = {"config", 'c', "FILE",
		"the configuration that names the store; may be repeated"},
	[ENV] = {"env", 0, "NAME", "applies the files' environments.NAME [$RATION_ENV]"},
	[STORE] = {"store", 0, "DIR", "the store [$RATION_STORE, $XDG_STATE_HOME/ration]"},
	[JSON] = {"json", 0, NULL, "as JSON"},
	[HELP] = {"help", 'h', NULL, "this text"},
	{0},
};

static const char head[] =
	"Usage: ration status [OPTION]... [SERVICE]\n"
	"\n"
	"Shows the limits, quotas, breakers, requests in flight, cooldowns, nodes that are not healthy,\n"
	"operator's settings and members of a store, or those of one service. A limit with keys shows\n"
	"those that are in use: one at rest has no record.\n";

struct arguments {
	struct ration__cli_sources sources;
	const char *store, *service;
	bool as_json;
};

static int fail(int code, ration_error *err)
{
	ration__cli_error("status", "%s", err ? ration_error_text(err) : ration_strerror(code));
	ration_error_free(err);
	return ration__cli_exit_of(code);
}

static int status(const struct arguments *arguments)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	int rc = config ? 0 : RATION_ENOMEM;
	char *json = NULL;

	if (rc == 0)
		rc = ration__cli_sources_load(&arguments->sources, config, &err);
	if (rc == 0 && arguments->store)
		rc = ration_config_set(config, "store.path", arguments->store, &err);
	if (rc == 0)
		rc = ration_inspect(
			config, arguments->service ? arguments->service : "", &json, &err);
	ration_config_free(config);
	if (rc < 0)
		return fail(rc, err);
	if (arguments->as_json) {
		puts(json);
		rc = ration__cli_finish_stdout("status");
	} else {
		rc = ration__status_view(json);
	}
	ration_free(json);
	return rc;
}

/* -1: go on */
static int take_options(struct arguments *arguments, int argc, char **argv)
{
	struct ration__options options;
	int found;

	ration__options_init(&options, table, argc, argv);
	while ((found = ration__options_next(&options)) != RATION__OPTIONS_END) {
		switch (found) {
		case CONFIG:
			arguments->sources.files[arguments->sources.file_count++] = options.value;
			break;
		case ENV:
			arguments->sources.env = options.value;
			break;
		case STORE:
			arguments->store = options.value;
			break;
		case JSON:
			arguments->as_json = true;
			break;
		case HELP:
			ration__options_help(stdout, head, table);
			return ration__cli_finish_stdout("status");
		case RATION__OPTIONS_ARGUMENT:
			if (!arguments->service) {
				arguments->service = options.value;
				break;
			}
			ration__cli_error("status", "one service only: %s", options.value);
			return RATION__EXIT_USAGE;
		default:
			return RATION__EXIT_USAGE;
		}
	}
	return -1;
}

int ration__cmd_status(int argc, char **argv)
{
	struct arguments arguments = {0};
	int code;

	if (ration__cli_sources_init(&arguments.sources, argc) < 0)
		return fail(RATION_ENOMEM, NULL);
	code = take_options(&arguments, argc, argv);
	if (code < 0)
		code = status(&arguments);
	ration__cli_sources_fini(&arguments.sources);
	return code;
}
