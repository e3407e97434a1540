/* How a run went: closes what matters, the summary, how to go on, the exit code. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <ration/guard.h>
#include "cli/cli.h"
#include "cli/run.h"

static bool plain_word(const char *word)
{
	return *word && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789./_-=:,+@%")] == '\0';
}

static void put_word(struct ration__buffer *out, const char *word)
{
	if (plain_word(word)) {
		ration__buffer_puts(out, word);
		return;
	}
	ration__buffer_putc(out, '\'');
	for (; *word; word++)
		if (*word == '\'')
			ration__buffer_puts(out, "'\\''");
		else
			ration__buffer_putc(out, *word);
	ration__buffer_putc(out, '\'');
}

/* The command that goes on where this run stopped. */
static void say_resume(struct ration__run *run, int argc, char **argv)
{
	uint64_t open = ration__run_jobs_first_open(&run->jobs);
	uint64_t from = open ? open : run->jobs.taken_line + 1;
	struct ration__buffer out;

	if (open)
		ration__progress_say(&run->progress,
			"%" PRIu64 " jobs from line %" PRIu64
			" on did not end; later ones may have",
			run->jobs.outstanding, open);
	if (!strcmp(run->input_path, "-")) {
		ration__progress_say(&run->progress,
			"stopped; to go on, give the input from its line %" PRIu64, from);
		return;
	}
	ration__buffer_init(&out, 0);
	ration__buffer_printf(&out, "tail -n +%" PRIu64 " ", from);
	put_word(&out, run->input_path);
	ration__buffer_puts(&out, " | ration");
	for (int i = 0; i < argc; i++) {
		if (argv[i] == run->input_path)
			continue;
		if (argv[i] == run->output_path ||
			(i + 1 < argc && argv[i + 1] == run->output_path))
			continue;
		if (!strncmp(argv[i], "-o", 2) || !strncmp(argv[i], "--output=", 9))
			continue;
		ration__buffer_putc(&out, ' ');
		put_word(&out, argv[i]);
	}
	if (run->output.owned) {
		ration__buffer_puts(&out, " - >> ");
		put_word(&out, run->output_path);
	} else {
		ration__buffer_puts(&out, " -");
	}
	if (!out.failed)
		ration__progress_say(&run->progress, "stopped; to go on: %s", out.data);
	ration__buffer_fini(&out);
}

/* Everything was fetched that will be. */
int ration__run_finish(struct ration__run *run, int argc, char **argv)
{
	struct ration__progress_view last;
	const struct ration__job_tally *tally = &run->jobs.tally;
	char *waiting;
	bool complete; /* a signal that came late changed nothing */

	if (run->now && !run->output.error) /* what has ended by now need not be repeated */
		while (ration__run_jobs_fetch(&run->jobs, ration__run_now(), UINT_MAX))
			continue;
	complete = run->ended && !run->jobs.outstanding;
	ration__run_view(run, &last, &waiting);
	ration_free(waiting);
	ration_client_close(run->client);
	run->client = NULL;
	ration__run_flush(run, ration__run_now());
	ration__run_print_messages(run);
	run->output.lost += ration__output_unwritten(&run->output);
	ration__output_close(&run->output);
	if (run->output.error == EPIPE && !run->signal) {
		ration__progress_clear(&run->progress);
	} else {
		ration__progress_summary(
			&run->progress, ration__run_now(), &last, run->jobs.first_failure);
		if (!complete && !run->output.error)
			say_resume(run, argc, argv);
	}
	if (run->now && !run->output.error && run->output.lost)
		ration__progress_say(&run->progress,
			"%" PRIu64 " results were not written: the reader is too slow",
			run->output.lost);
	if (run->output.error && run->output.error != EPIPE) {
		ration__progress_say(&run->progress,
			"cannot write %s: %s; %" PRIu64 " results were lost",
			strcmp(run->output_path, "-") ? run->output_path : "results",
			strerror(run->output.error), run->output.lost);
		return RATION__EXIT_OUTPUT;
	}
	if (run->signal && !complete)
		return RATION__EXIT_INTERRUPTED;
	if (!run->ended && !run->output.error)
		return RATION__EXIT_NOINPUT; /* reading failed on the way */
	return tally->failed || tally->unknown || tally->skipped ? RATION__EXIT_FAILED
								 : RATION__EXIT_OK;
}
