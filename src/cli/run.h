/* The state of `ration run`, shared by its parts: run.c opens and closes, run_loop.c runs,
 * run_end.c says how it went. One thread, but for `messages`. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ration/client.h>
#include "base/buffer.h"
#include "cli/progress.h"
#include "cli/run_input.h"
#include "cli/run_jobs.h"
#include "cli/run_output.h"
#include "cli/run_settings.h"

/* What the library tells, until the loop prints it: its threads must not wait for a terminal. */
struct ration__messages {
	pthread_mutex_t mutex;
	struct ration__buffer text; /* each ends with a NUL */
	enum ration_log_level level;
};

struct ration__run {
	struct ration__run_flags flags;
	const char *input_path, *output_path; /* "-": the standard streams */
	size_t line_max;
	bool quiet;

	struct ration__run_settings settings;
	struct ration__input input;
	struct ration__output output;
	struct ration__progress progress;
	struct ration__run_jobs jobs;
	struct ration__messages messages;
	ration_client *client;
	sigset_t blocked, before;
	int signal_fd; /* of the blocked ones */

	int64_t flushed_ns;
	bool taking;   /* lines are read */
	bool readable; /* input may be read without waiting */
	bool ended;    /* the input's last line was taken */
	bool stalled;  /* output takes nothing now */
	int signal;    /* that ended the taking; 0 none */
	bool now;      /* stop at once */
};

int64_t ration__run_now(void); /* STEADY */
void ration__run_loop(struct ration__run *run);
/* Writes what can be written now. */
void ration__run_flush(struct ration__run *run, int64_t now_ns);
void ration__run_print_messages(struct ration__run *run);
/* Numbers for progress and summary. Free *waiting with ration_free. */
void ration__run_view(struct ration__run *run, struct ration__progress_view *out, char **waiting);
/* Closes client and output, says how it went. argv: the command's, to say how to go on. Answers the
 * exit code. */
int ration__run_finish(struct ration__run *run, int argc, char **argv);

#endif
