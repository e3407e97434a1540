/* ration control: steers what a store's processes share, while they run or while none does. What it
 * means is the library's (ration_control); here words become its arguments. Makes no store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ration/ration.h>
#include "base/buffer.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/sources.h"

enum option { CONFIG, ENV, STORE, FOR, HELP };

static const struct ration__option table[] = {
	[CONFIG] = {"config", 'c', "FILE",
		"the configuration that names the store; may be repeated"},
	[ENV] = {"env", 0, "NAME", "applies the files' environments.NAME [$RATION_ENV]"},
	[STORE] = {"store", 0, "DIR", "the store [$RATION_STORE, $XDG_STATE_HOME/ration]"},
	[FOR] = {"for", 0, "DURATION", "until then, such as 30m [until auto]"},
	[HELP] = {"help", 'h', NULL, "this text"},
	{0},
};

static const char head[] =
	"Usage: ration control [OPTION]... SELECTOR ACTION\n"
	"\n"
	"Steers limits, quotas and breakers of all processes that share a store, at once. Processes\n"
	"that start later find it so.\n"
	"\n"
	"Selectors: SERVICE, SERVICE/RULE, or SERVICE/RULE/VALUE,VALUE for the values of its keys.\n"
	"RULE is a limit or quota, breaker, concurrency, place, cooldown or budget.\n"
	"\n"
	"Actions:\n"
	"  reset                   a bucket full, a quota unused, a breaker closed\n"
	"  open                    a breaker: nothing goes\n"
	"  disable                 a breaker: everything goes\n"
	"  set rate=5/s burst=10   a rate limit: other numbers\n"
	"  set max=1000            a window limit or quota: another number\n"
	"  auto                    takes back what open, disable and set did\n"
	"  backoff                 adaptive limits decrease; with --for nothing goes for so long\n"
	"\n"
	"Examples:\n"
	"  ration control notion/breaker open --for 30m\n"
	"  ration control notion/daily/premium set max=10000\n"
	"  ration control notion auto\n";

struct command {
	struct ration__cli_sources sources;
	const char *store, *selector;
	struct ration__buffer action;
	int64_t ttl_ms;
};

/* Of an error of ration_control. A selector or action that is refused is a wrong command line;
 * one that was carried out in part is a failure. */
static int exit_of(int code)
{
	switch (code) {
	case RATION_EINVAL:
	case RATION_ESERVICE:
		return RATION__EXIT_USAGE;
	case RATION_ETOOBIG:
		return RATION__EXIT_FAILED;
	default:
		return ration__cli_exit_of(code);
	}
}

static int fail(int exit_code, int code, ration_error *err)
{
	ration__cli_error("control", "%s", err ? ration_error_text(err) : ration_strerror(code));
	ration_error_free(err);
	return exit_code;
}

static int control(struct command *command)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	int rc = config ? 0 : RATION_ENOMEM;

	if (command->action.failed)
		rc = RATION_ENOMEM;
	if (rc == 0)
		rc = ration__cli_sources_load(&command->sources, config, &err);
	if (rc == 0 && command->store)
		rc = ration_config_set(config, "store.path", command->store, &err);
	if (rc < 0) {
		ration_config_free(config);
		return fail(ration__cli_exit_of(rc), rc, err);
	}
	rc = ration_control(config, command->selector, command->action.data, command->ttl_ms, &err);
	ration_config_free(config);
	return rc < 0 ? fail(exit_of(rc), rc, err) : RATION__EXIT_OK;
}

static int set_time(struct command *command, const char *text)
{
	int64_t ns;

	if (ration__parse_duration(text, &ns) < 0 || ns < RATION__NS_PER_MS) {
		ration__cli_error("control",
			"--for: \"%s\": expected a duration such as 30s, 30m or 24h", text);
		return RATION__EXIT_USAGE;
	}
	command->ttl_ms = ns / RATION__NS_PER_MS;
	return -1;
}

/* The words after the selector are one action. */
static void add_word(struct command *command, const char *word)
{
	if (!command->selector) {
		command->selector = word;
		return;
	}
	if (command->action.length)
		ration__buffer_puts(&command->action, " ");
	ration__buffer_puts(&command->action, word);
}

/* -1: go on */
static int take_option(struct command *command, int found, const char *value)
{
	switch (found) {
	case CONFIG:
		command->sources.files[command->sources.file_count++] = value;
		return -1;
	case ENV:
		command->sources.env = value;
		return -1;
	case STORE:
		command->store = value;
		return -1;
	case FOR:
		return set_time(command, value);
	case HELP:
		ration__options_help(stdout, head, table);
		return ration__cli_finish_stdout("control");
	case RATION__OPTIONS_ARGUMENT:
		add_word(command, value);
		return -1;
	default:
		return RATION__EXIT_USAGE;
	}
}

int ration__cmd_control(int argc, char **argv)
{
	struct command command = {0};
	struct ration__options options;
	int found, code = -1;

	if (ration__cli_sources_init(&command.sources, argc) < 0)
		return fail(RATION__EXIT_STORE, RATION_ENOMEM, NULL);
	ration__options_init(&options, table, argc, argv);
	while (code < 0 && (found = ration__options_next(&options)) != RATION__OPTIONS_END)
		code = take_option(&command, found, options.value);
	if (code < 0 && (!command.selector || !command.action.length)) {
		ration__cli_error("control", "%s (see ration control --help)",
			command.selector ? "which action?" : "which service, and which action?");
		code = RATION__EXIT_USAGE;
	}
	if (code < 0)
		code = control(&command);
	ration__buffer_fini(&command.action);
	ration__cli_sources_fini(&command.sources);
	return code;
}
