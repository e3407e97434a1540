/*
 * What a run says on standard error: a bar on a terminal, a plain line every few seconds elsewhere,
 * messages, a summary. Never on standard output. A reader of standard error that is slow loses
 * progress lines, never stops the jobs.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Jobs that ended. */
struct ration__job_tally {
	uint64_t ok, failed, unknown, skipped;
	/* of these: limits would have said no (`mode: observe`), or were decided without the store
	 */
	uint64_t observed, degraded;
};

static inline uint64_t ration__job_tally_done(const struct ration__job_tally *tally)
{
	return tally->ok + tally->failed + tally->unknown + tally->skipped;
}

struct ration__progress_view {
	struct ration__job_tally tally;
	uint64_t outstanding, in_flight, sent;
	double fraction;     /* of the input, 0 .. 1; < 0: not known */
	const char *waiting; /* what the first waiting job waits for; "" nothing */
	bool stopping;
};

struct ration__progress {
	bool quiet, terminal, color;
	bool shown;  /* a bar stands on the terminal's line */
	bool shared; /* results go to the same terminal */
	int64_t start_ns, next_ns;
	int64_t mark_ns[2]; /* rate: jobs done at two moments */
	uint64_t mark_done[2];
};

void ration__progress_init(
	struct ration__progress *progress, bool quiet, bool results_on_terminal, int64_t now_ns);
/* When _show would do something. */
static inline bool ration__progress_due(const struct ration__progress *progress, int64_t now_ns)
{
	return !progress->quiet && now_ns >= progress->next_ns;
}
void ration__progress_show(struct ration__progress *progress, int64_t now_ns,
	const struct ration__progress_view *view);
/* Takes the bar away, before anything else is written to the terminal. */
void ration__progress_clear(struct ration__progress *progress);
/* "ration run: TEXT", also when quiet. */
void ration__progress_say(struct ration__progress *progress, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The last lines; first_failure may be "". */
void ration__progress_summary(struct ration__progress *progress, int64_t now_ns,
	const struct ration__progress_view *view, const char *first_failure);

#endif
