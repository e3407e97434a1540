/*
 * ration run: sends the jobs of a file or of standard input, writes their results. Here: options,
 * what is opened and in which order (all that can be refused is refused before anything is sent).
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <ration/ration.h>
#include "base/units.h"
#include "base/util.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/run.h"
#include "config/compile.h"

/* ---- options ---- */

enum option {
	CONFIG,
	ENV,
	SERVICE,
	STORE,
	PROFILE,
	RATE,
	BURST,
	QUOTA,
	CONCURRENCY,
	BREAKER,
	RETRIES,
	TIMEOUT,
	DEADLINE,
	NO_WAIT,
	THREADS,
	OUTPUT,
	SET,
	LINE_MAX,
	QUIET,
	HELP
};

static const struct ration__option table[] = {
	[CONFIG] = {"config", 'c', "FILE",
		"services and settings; may be repeated; see ration check"},
	[ENV] = {"env", 0, "NAME", "applies the files' environments.NAME [$RATION_ENV]"},
	[SERVICE] = {"service", 's', "NAME",
		"the service of jobs that name none, and of the flags"},
	[STORE] = {"store", 0, "DIR",
		"where limits are shared [$RATION_STORE, $XDG_STATE_HOME/ration]"},
	[PROFILE] = {"profile", 0, "NAME",
		"other defaults for timeouts and retries: high-throughput, production"},
	[RATE] = {"rate", 0, "R", "rate limit, such as 10/s"},
	[BURST] = {"burst", 0, "N", "how many may go at once [one second of the rate]"},
	[QUOTA] = {"quota", 0, "N/D", "at most N in any window of D, durable, such as 1000/24h"},
	[CONCURRENCY] = {"concurrency", 0, "N", "requests in flight, all processes together [20]"},
	[BREAKER] = {"breaker", 0, "N/D", "stop for D after N failures in a row [5/60s]; off"},
	[RETRIES] = {"retries", 0, "N", "sends after the first one failed [2]"},
	[TIMEOUT] = {"timeout", 0, "D", "of one attempt [60s]"},
	[DEADLINE] = {"deadline", 0, "D",
		"of a job that has none of its own, waits included [none]"},
	[NO_WAIT] = {"no-wait", 0, NULL, "refuse at once on an open breaker or a spent quota"},
	[THREADS] = {"threads", 0, "N", "worker threads [1]"},
	[OUTPUT] = {"output", 'o', "FILE", "results go there; must not exist [-]"},
	[SET] = {"set", 0, "PATH=VALUE", "any setting, as in the file; may be repeated"},
	[LINE_MAX] = {"line-max", 0, "SIZE", "a longer line is a failed job [16MiB]"},
	[QUIET] = {"quiet", 'q', NULL, "no settings, progress and summary on standard error"},
	[HELP] = {"help", 'h', NULL, "this text"},
	{0},
};

static const char head[] =
	"Usage: ration run [OPTION]... [JOBS|-]\n"
	"\n"
	"Sends the jobs of the file JOBS, or of standard input: URLs or JSON objects, one a line.\n"
	"Writes one JSON result a line, as jobs end. All processes with the same store share the "
	"limits.\n"
	"Waits for tokens, permits, an open breaker and a spent quota until the job's deadline.\n";

/* -1: go on; else the exit code. */
static int take_options(struct ration__run *run, int argc, char **argv)
{
	struct ration__options options;
	const char **values[] = {
		[ENV] = &run->flags.sources.env,
		[PROFILE] = &run->flags.profile,
		[SERVICE] = &run->flags.service,
		[STORE] = &run->flags.store,
		[RATE] = &run->flags.rate,
		[BURST] = &run->flags.burst,
		[QUOTA] = &run->flags.quota,
		[CONCURRENCY] = &run->flags.concurrency,
		[BREAKER] = &run->flags.breaker,
		[RETRIES] = &run->flags.retries,
		[TIMEOUT] = &run->flags.timeout,
		[DEADLINE] = &run->flags.deadline,
		[THREADS] = &run->flags.threads,
		[OUTPUT] = &run->output_path,
	};
	uint64_t size;
	int found;

	ration__options_init(&options, table, argc, argv);
	while ((found = ration__options_next(&options)) != RATION__OPTIONS_END) {
		switch (found) {
		case RATION__OPTIONS_BAD:
			return RATION__EXIT_USAGE;
		case RATION__OPTIONS_ARGUMENT:
			if (run->input_path) {
				ration__cli_error(
					"run", "one file of jobs only: %s", options.value);
				return RATION__EXIT_USAGE;
			}
			run->input_path = options.value;
			break;
		case CONFIG:
			run->flags.sources.files[run->flags.sources.file_count++] = options.value;
			break;
		case SET:
			run->flags.sets[run->flags.set_count++] = options.value;
			break;
		case NO_WAIT:
			run->flags.no_wait = true;
			break;
		case QUIET:
			run->quiet = true;
			break;
		case LINE_MAX:
			if (ration__parse_size(options.value, &size) < 0 || size < 1024 ||
				size > 1 << 30) {
				ration__cli_error("run",
					"--line-max: \"%.40s\": expected a size from 1KiB to 1GiB",
					options.value);
				return RATION__EXIT_USAGE;
			}
			run->line_max = (size_t)size;
			break;
		case HELP:
			ration__options_help(stdout, head, table);
			return ration__cli_finish_stdout("run");
		default:
			*values[found] = options.value;
		}
	}
	if (!run->input_path && isatty(STDIN_FILENO)) {
		ration__cli_error(
			"run", "no jobs: name a file, or - to type them (see ration run --help)");
		return RATION__EXIT_USAGE;
	}
	return -1;
}

/* ---- messages of the library ---- */

static void on_log(void *arg, enum ration_log_level level, const char *text)
{
	struct ration__messages *messages = arg;

	if (level > messages->level)
		return;
	pthread_mutex_lock(&messages->mutex);
	if (messages->text.length < 65536) { /* a flood is cut, not waited for */
		ration__buffer_puts(&messages->text, text);
		ration__buffer_putc(&messages->text, '\0');
	}
	pthread_mutex_unlock(&messages->mutex);
}

/* ---- signals ---- */

/* Before any thread is made, so that all inherit it. What was ignored (nohup) stays so. */
static int block_signals(struct ration__run *run)
{
	static const int wanted[] = {SIGINT, SIGTERM, SIGHUP};

	signal(SIGPIPE, SIG_IGN); /* write() tells it */
	sigemptyset(&run->blocked);
	for (size_t i = 0; i < RATION__COUNT(wanted); i++) {
		struct sigaction action;

		if (sigaction(wanted[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&run->blocked, wanted[i]);
	}
	pthread_sigmask(SIG_BLOCK, &run->blocked, &run->before);
	run->signal_fd = signalfd(-1, &run->blocked, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signal_fd < 0 ? RATION_ESYSTEM : 0;
}

/* ---- start and end ---- */

static int open_failed(const char *what, int exit_code, ration_error *err)
{
	ration__cli_error("run", "%s%s%s", what, *what ? ": " : "", ration_error_text(err));
	ration_error_free(err);
	return exit_code;
}

static void show_settings(struct ration__run *run)
{
	struct ration__buffer text;

	if (run->quiet) /* origins are shown as they come */
		return;
	for (int i = 0; i < ration__config_service_count(run->settings.config); i++) {
		ration__buffer_init(&text, 0);
		ration__settings_describe(run->settings.config,
			ration__config_service_name(run->settings.config, i), &text);
		if (!text.failed)
			ration__progress_say(&run->progress, "%s", text.data);
		ration__buffer_fini(&text);
	}
}

static int open_all(struct ration__run *run)
{
	struct ration__process_conf process;
	ration_error *err = NULL;
	int code = ration__settings_make(&run->flags, &run->settings);

	if (code != RATION__EXIT_OK)
		return code;
	if (block_signals(run) < 0)
		return open_failed("", RATION__EXIT_STORE, NULL);
	if (ration__input_open(&run->input, run->input_path, run->line_max, &err) < 0)
		return open_failed(
			strcmp(run->input_path, "-") ? run->input_path : "standard input",
			RATION__EXIT_NOINPUT, err);
	ration__config_process(run->settings.config, &process);
	run->messages.level = (enum ration_log_level)process.log_level;
	ration_config_on_log(run->settings.config, on_log, &run->messages);
	code = ration_client_open(run->settings.config, &run->client, &err);
	if (code < 0)
		return open_failed("", ration__cli_exit_of(code), err);
	if (ration__output_open(&run->output, run->output_path, &err) < 0)
		return open_failed("", RATION__EXIT_OUTPUT, err);
	run->jobs = (struct ration__run_jobs){
		.client = run->client,
		.settings = &run->settings,
		.flags = &run->flags,
		.input = &run->input,
		.output = &run->output,
		.progress = &run->progress,
		.window_max = process.queue_max,
	};
	ration__run_jobs_init(&run->jobs, ration__run_now());
	ration__progress_init(&run->progress, run->quiet, run->output.terminal, ration__run_now());
	return RATION__EXIT_OK;
}

int ration__cmd_run(int argc, char **argv)
{
	struct ration__run run = {
		.line_max = RATION__INPUT_LINE_MAX,
		.signal_fd = -1,
		.output_path = "-",
		.input = {.fd = -1},
		.messages = {.mutex = PTHREAD_MUTEX_INITIALIZER},
	};
	int code;

	run.jobs.jobs.next = run.jobs.jobs.previous = &run.jobs.jobs;
	run.flags.sets = calloc((size_t)argc, sizeof(*run.flags.sets));
	if (!run.flags.sets || ration__cli_sources_init(&run.flags.sources, argc) < 0) {
		ration__cli_error("run", "%s", ration_strerror(RATION_ENOMEM));
		free(run.flags.sets);
		return RATION__EXIT_STORE;
	}
	code = take_options(&run, argc, argv);
	if (code < 0) {
		if (!run.input_path)
			run.input_path = "-";
		code = open_all(&run);
		if (code == RATION__EXIT_OK) {
			show_settings(&run);
			ration__run_loop(&run);
			code = ration__run_finish(&run, argc, argv);
		}
	}
	ration_client_close(run.client);
	ration__run_jobs_fini(&run.jobs);
	ration__input_close(&run.input);
	ration__output_close(&run.output);
	ration__settings_fini(&run.settings);
	ration__buffer_fini(&run.messages.text);
	if (run.signal_fd >= 0)
		close(run.signal_fd);
	ration__cli_sources_fini(&run.flags.sources);
	free(run.flags.sets);
	return code;
}
