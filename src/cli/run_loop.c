/*
 * One poll() over input, responses, output and signals; the requests run on the client's workers.
 *
 * How it ends: the input's end, or a signal, or a reader of the results that went away (stop
 * taking, finish what was taken), or results that cannot be written, or a second signal (stop at
 * once).
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <ration/guard.h>
#include "base/clock.h"
#include "base/util.h"
#include "cli/run.h"

#define MOST 256 /* lines or results handled before looking at the other side */
#define FLUSH_EVERY (100 * RATION__NS_PER_MS)
#define POLL_MAX_MS 1000

int64_t ration__run_now(void)
{
	static const struct ration__clock system;

	return ration__clock_now(&system, RATION_CLOCK_STEADY);
}

void ration__run_print_messages(struct ration__run *run)
{
	struct ration__messages *messages = &run->messages;
	size_t length;
	char *text;

	pthread_mutex_lock(&messages->mutex);
	text = messages->text.length ? ration__buffer_take(&messages->text, &length) : NULL;
	pthread_mutex_unlock(&messages->mutex);
	if (!text)
		return;
	for (size_t at = 0; at < length; at += strlen(text + at) + 1)
		ration__progress_say(&run->progress, "%s", text + at);
	free(text);
}

static void take_signals(struct ration__run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (run->signal) {
			run->now = true;
			/* a third one ends the process as usual */
			pthread_sigmask(SIG_SETMASK, &run->before, NULL);
			continue;
		}
		run->signal = (int)info.ssi_signo;
		run->taking = false;
		ration__progress_say(&run->progress,
			"%s: %" PRIu64 " job%s to finish; again to stop at once",
			strsignal(run->signal), run->jobs.outstanding,
			run->jobs.outstanding == 1 ? "" : "s");
	}
}

void ration__run_view(struct ration__run *run, struct ration__progress_view *out, char **waiting)
{
	struct ration_counts counts = {.size = sizeof(counts)};
	uint64_t taken;

	(void)ration_client_counts(run->client, &counts);
	*waiting = NULL;
	(void)ration_client_waiting(run->client, waiting);
	*out = (struct ration__progress_view){
		.tally = run->jobs.tally,
		.outstanding = run->jobs.outstanding,
		.in_flight = counts.in_flight,
		.sent = counts.sent,
		.fraction = -1,
		.waiting = *waiting,
		.stopping = !run->taking && !run->ended,
	};
	/* of what was read only the part counts that has ended */
	taken = ration__job_tally_done(&out->tally) + out->outstanding;
	if (run->input.size && taken)
		out->fraction = (double)run->input.offset / (double)run->input.size *
				(double)ration__job_tally_done(&out->tally) / (double)taken;
	if (out->fraction > 1) /* the file grew */
		out->fraction = 1;
}

static void show_progress(struct ration__run *run, int64_t at_ns)
{
	struct ration__progress_view shown;
	char *waiting;

	if (!ration__progress_due(&run->progress, at_ns))
		return;
	ration__run_view(run, &shown, &waiting);
	ration__progress_show(&run->progress, at_ns, &shown);
	ration_free(waiting);
}

void ration__run_flush(struct ration__run *run, int64_t at_ns)
{
	if (run->progress.shared && ration__output_pending(&run->output))
		ration__progress_clear(&run->progress);
	run->stalled = ration__output_flush(&run->output) == RATION_EAGAIN;
	run->flushed_ns = at_ns;
}

/* What fails on the output's side ends the taking. */
static void look_at_output(struct ration__run *run)
{
	if (!run->output.error)
		return;
	run->taking = false;
	/* a reader that has seen enough lets what was taken end; results that are lost are not
	 * worth sending for */
	if (run->output.error != EPIPE)
		run->now = true;
}

/* True: something was read, or is there to be handled. */
static bool take(struct ration__run *run, int64_t at_ns)
{
	enum ration__take taken = ration__run_jobs_take(&run->jobs, at_ns, MOST);

	if (taken == RATION__TAKE_INPUT && (run->input.always || run->readable)) {
		run->readable = false;
		if (ration__input_fill(&run->input) == 0)
			return true;
		ration__progress_say(&run->progress, "%s: %s after line %" PRIu64, run->input_path,
			strerror(errno), run->jobs.taken_line);
		run->taking = false;
		return false;
	}
	if (taken == RATION__TAKE_END) {
		run->ended = true;
		run->taking = false;
	}
	return taken == RATION__TAKE_MORE;
}

static int poll_ms(const struct ration__run *run, bool busy, int64_t at_ns)
{
	int64_t until = at_ns + POLL_MAX_MS * RATION__NS_PER_MS;

	if (busy)
		return 0;
	if (!run->quiet)
		until = ration__min64(until, run->progress.next_ns);
	/* a window that is full looks again whether it may grow, a full queue whether it is */
	if (run->taking)
		until = ration__min64(until, at_ns + FLUSH_EVERY);
	return (int)ration__max64(0, (until - at_ns + RATION__NS_PER_MS - 1) / RATION__NS_PER_MS);
}

static void wait_for_something(struct ration__run *run, bool busy, bool full, int64_t at_ns)
{
	bool wants_input = run->taking && !run->input.always && !run->readable;
	struct pollfd fds[] = {
		{.fd = run->signal_fd, .events = POLLIN},
		{.fd = full ? -1 : ration_fd(run->client), .events = POLLIN},
		{.fd = wants_input ? run->input.fd : -1, .events = POLLIN},
		/* even without results: a reader that went away is seen at once */
		{.fd = run->stalled || (run->output.fifo && !run->output.error) ? run->output.fd
										: -1,
			.events = run->stalled ? POLLOUT : 0},
	};

	if (poll(fds, RATION__COUNT(fds), poll_ms(run, busy, at_ns)) < 0)
		return;
	if (fds[0].revents)
		take_signals(run);
	if (fds[2].revents)
		run->readable = true;
	if (fds[3].revents & POLLERR && run->output.fifo)
		ration__output_broken(&run->output);
}

static bool finished(const struct ration__run *run)
{
	if (run->now)
		return true;
	return !run->taking && !run->jobs.outstanding && !ration__output_pending(&run->output);
}

void ration__run_loop(struct ration__run *run)
{
	run->taking = true;
	while (!finished(run)) {
		int64_t at_ns = ration__run_now();
		bool full = ration__output_pending(&run->output) >= RATION__OUTPUT_FULL;
		unsigned fetched = full ? 0 : ration__run_jobs_fetch(&run->jobs, at_ns, MOST);
		bool more = run->taking && !full && take(run, at_ns);
		bool busy = more || fetched == MOST;

		if (ration__output_pending(&run->output) >= RATION__OUTPUT_FLUSH || !busy ||
			at_ns - run->flushed_ns >= FLUSH_EVERY)
			ration__run_flush(run, at_ns);
		look_at_output(run);
		ration__run_print_messages(run);
		show_progress(run, at_ns);
		if (!finished(run))
			wait_for_something(run, busy, full, at_ns);
		look_at_output(run);
	}
}
