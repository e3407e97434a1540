/* ration status: what a store holds now. The JSON is the library's; the table is made from it
 * (status_view.c), so that people and programs see the same. Looks only: makes no store, takes
 * nothing. */
#include <stdio.h>
#include <ration/ration.h>
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/status_view.h"

enum option { CONFIG, STORE, JSON, HELP };

static const struct ration__option table[] = {
	[CONFIG] = {"config", 'c', "FILE", "the configuration that names the store"},
	[STORE] = {"store", 0, "DIR", "the store [$RATION_STORE, $XDG_STATE_HOME/ration]"},
	[JSON] = {"json", 0, NULL, "as JSON"},
	[HELP] = {"help", 'h', NULL, "this text"},
	{0},
};

static const char head[] =
	"Usage: ration status [OPTION]... [SERVICE]\n"
	"\n"
	"Shows the limits, quotas, breakers, requests in flight, cooldowns, operator's settings and\n"
	"members of a store, or those of one service. A limit with keys shows those that are in use:\n"
	"one at rest has no record.\n";

static int fail(int code, ration_error *err)
{
	ration__cli_error("status", "%s", err ? ration_error_text(err) : ration_strerror(code));
	ration_error_free(err);
	return ration__cli_exit_of(code);
}

static int status(const char *file, const char *store, const char *service, bool as_json)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	int rc = config ? 0 : RATION_ENOMEM;
	char *json = NULL;

	if (rc == 0 && file)
		rc = ration_config_load(config, file, &err);
	if (rc == 0 && store)
		rc = ration_config_set(config, "store.path", store, &err);
	if (rc == 0)
		rc = ration_inspect(config, service, &json, &err);
	ration_config_free(config);
	if (rc < 0)
		return fail(rc, err);
	if (as_json) {
		puts(json);
		rc = ration__cli_finish_stdout("status");
	} else {
		rc = ration__status_view(json);
	}
	ration_free(json);
	return rc;
}

int ration__cmd_status(int argc, char **argv)
{
	const char *file = NULL, *store = NULL, *service = NULL;
	struct ration__options options;
	bool as_json = false;
	int found;

	ration__options_init(&options, table, argc, argv);
	while ((found = ration__options_next(&options)) != RATION__OPTIONS_END) {
		switch (found) {
		case CONFIG:
			file = options.value;
			break;
		case STORE:
			store = options.value;
			break;
		case JSON:
			as_json = true;
			break;
		case HELP:
			ration__options_help(stdout, head, table);
			return ration__cli_finish_stdout("status");
		case RATION__OPTIONS_ARGUMENT:
			if (!service) {
				service = options.value;
				break;
			}
			ration__cli_error("status", "one service only: %s", options.value);
			return RATION__EXIT_USAGE;
		default:
			return RATION__EXIT_USAGE;
		}
	}
	return status(file, store, service ? service : "", as_json);
}
