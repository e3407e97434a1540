/*
 * The jobs of a run, from line to result: reads lines while there is room, submits, fetches what
 * has ended, writes result lines. One thread; nothing here waits.
 *
 * Memory is bounded by jobs that were taken and have not ended, in number and in bytes, whatever
 * the length of the input. How far to read ahead adapts: no further than the workers can use,
 * because what was taken has to be finished after an interrupt.
 */
#ifndef CLI_RUN_JOBS_H
#define CLI_RUN_JOBS_H

#include <ration/client.h>
#include "cli/origin.h"
#include "cli/progress.h"
#include "cli/run_input.h"
#include "cli/run_output.h"
#include "cli/run_settings.h"

/* One job that was taken and has not ended. */
struct ration__run_job {
	struct ration__run_job *next, *previous; /* in the order of the input */
	uint64_t line;
	size_t bytes;
};

struct ration__run_jobs {
	/* borrowed; set before the first call */
	ration_client *client;
	struct ration__run_settings *settings;
	const struct ration__run_flags *flags;
	struct ration__input *input;
	struct ration__output *output;
	struct ration__progress *progress;
	uint64_t window_max; /* the client's queue_max */

	struct ration__origins origins;
	struct ration__run_job jobs; /* head of the ring */
	uint64_t outstanding, bytes;
	uint64_t window;  /* how many may be outstanding now */
	int64_t moved_ns; /* when a job ended last, or the window grew */
	/* read, but the client had no room */
	ration_request *pending;
	struct ration__run_job *pending_job;
	int64_t pending_deadline_ms, pending_since_ns;

	uint64_t taken_line; /* last line that was submitted, refused or passed over */
	struct ration__job_tally tally;
	char first_failure[400]; /* for the summary; "" none */
};

void ration__run_jobs_init(struct ration__run_jobs *jobs, int64_t now_ns);
/* Those outstanding are forgotten; close the client first. */
void ration__run_jobs_fini(struct ration__run_jobs *jobs);

enum ration__take {
	RATION__TAKE_MORE,  /* stopped after `most` lines; there may be more */
	RATION__TAKE_INPUT, /* needs input: poll, then fill */
	RATION__TAKE_FULL,  /* wait for a response */
	RATION__TAKE_END,   /* all lines were taken */
};
enum ration__take ration__run_jobs_take(
	struct ration__run_jobs *jobs, int64_t now_ns, unsigned most);
/* Writes results of up to `most` jobs that ended; how many. */
unsigned ration__run_jobs_fetch(struct ration__run_jobs *jobs, int64_t now_ns, unsigned most);
/* Line of the first job that was taken and has not ended; 0: none. */
uint64_t ration__run_jobs_first_open(const struct ration__run_jobs *jobs);

#endif
