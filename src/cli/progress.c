/* What a run says on standard error. See progress.h. */
#include "cli/progress.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/clock.h"
#include "base/units.h"
#include "base/util.h"

#define BAR_EVERY (200 * RATION__NS_PER_MS)
#define LINE_EVERY (5 * RATION__NS_PER_S)
#define RATE_OVER (3 * RATION__NS_PER_S)

void ration__progress_init(
	struct ration__progress *progress, bool quiet, bool results_on_terminal, int64_t now_ns)
{
	const char *term = getenv("TERM");
	const char *no_color = getenv("NO_COLOR");
	bool terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb");

	*progress = (struct ration__progress){
		.quiet = quiet,
		.terminal = terminal,
		.color = terminal && !(no_color && *no_color),
		.shared = terminal && results_on_terminal,
		.start_ns = now_ns,
		.next_ns = now_ns + (terminal ? BAR_EVERY : LINE_EVERY),
		.mark_ns = {now_ns, now_ns},
	};
}

/* Whether standard error takes a line now without making us wait. */
static bool writable(void)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&fd, 1, 0) > 0 && fd.revents & POLLOUT;
}

static void put(const char *text, size_t length)
{
	ssize_t ignored = write(STDERR_FILENO, text, length);

	(void)ignored; /* nobody is left to be told */
}

/* Jobs per second over the last few seconds. */
static double rate(struct ration__progress *progress, int64_t now_ns, uint64_t done)
{
	double seconds = (double)(now_ns - progress->mark_ns[0]) / (double)RATION__NS_PER_S;
	double jobs = (double)(done - progress->mark_done[0]);

	if (now_ns - progress->mark_ns[1] >= RATE_OVER) {
		progress->mark_ns[0] = progress->mark_ns[1];
		progress->mark_done[0] = progress->mark_done[1];
		progress->mark_ns[1] = now_ns;
		progress->mark_done[1] = done;
	}
	return seconds > 0 ? jobs / seconds : 0;
}

static void put_duration(struct ration__buffer *line, int64_t ns)
{
	char text[64];

	ration__format_duration_human(text, sizeof(text), ns);
	ration__buffer_puts(line, text);
}

static void put_rate(struct ration__buffer *line, double per_second)
{
	ration__buffer_printf(line, per_second < 10 ? ", %.1f/s" : ", %.0f/s", per_second);
}

static void put_counts(
	struct ration__buffer *line, const struct ration__progress_view *view, bool color)
{
	const struct ration__job_tally *tally = &view->tally;
	const struct {
		uint64_t count;
		const char *name;
	} rest[] = {{tally->failed, "failed"}, {tally->unknown, "unknown"},
		{tally->skipped, "skipped"}};

	ration__buffer_printf(line, "%llu ok", (unsigned long long)tally->ok);
	for (size_t i = 0; i < RATION__COUNT(rest); i++)
		if (rest[i].count)
			ration__buffer_printf(line, ", %s%llu %s%s", color ? "\033[31m" : "",
				(unsigned long long)rest[i].count, rest[i].name,
				color ? "\033[0m" : "");
}

static unsigned terminal_width(void)
{
	struct winsize size = {0};

	ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	return size.ws_col > 1 ? size.ws_col - 1u : 79u;
}

/* Cuts to the terminal's width, colours not counted, so that the line can be taken back. */
static void fit(struct ration__buffer *line, unsigned max)
{
	unsigned width = 0;

	for (size_t i = 0; i < line->length; i++) {
		if (line->data[i] == '\033') {
			i += strcspn(line->data + i, "m");
			continue;
		}
		if (((unsigned char)line->data[i] & 0xc0) == 0x80)
			continue; /* not the first byte of its character */
		if (width++ == max) {
			line->data[i] = '\0';
			line->length = i;
			ration__buffer_puts(line, "\033[0m");
			return;
		}
	}
}

static void put_bar(struct ration__buffer *line, double fraction, int width)
{
	int full = (int)(fraction * width);

	ration__buffer_putc(line, '[');
	for (int i = 0; i < width; i++)
		ration__buffer_putc(line, i < full ? '=' : i == full ? '>' : ' ');
	ration__buffer_printf(line, "] %3d %%  ", (int)(fraction * 100));
}

static void put_status(struct ration__progress *progress, struct ration__buffer *line,
	int64_t now_ns, const struct ration__progress_view *view)
{
	uint64_t done = ration__job_tally_done(&view->tally);
	double per_second = rate(progress, now_ns, done);

	put_counts(line, view, progress->color);
	if (view->in_flight)
		ration__buffer_printf(
			line, ", %llu in flight", (unsigned long long)view->in_flight);
	put_rate(line, per_second);
	if (view->stopping) {
		ration__buffer_printf(
			line, ", stopping: %llu to finish", (unsigned long long)view->outstanding);
	} else if (view->fraction > 0 && view->fraction < 1 && per_second > 0 && done) {
		double left = (double)done / view->fraction * (1 - view->fraction) / per_second;

		if (left < 365 * 86400.0) {
			ration__buffer_puts(line, ", ");
			put_duration(line, (int64_t)(left + 1) * RATION__NS_PER_S);
			ration__buffer_puts(line, " left");
		}
	}
	if (view->waiting && *view->waiting)
		ration__buffer_printf(line, "; waiting: %s", view->waiting);
}

void ration__progress_show(
	struct ration__progress *progress, int64_t now_ns, const struct ration__progress_view *view)
{
	unsigned width = progress->terminal ? terminal_width() : 0;
	struct ration__buffer line;

	progress->next_ns = now_ns + (progress->terminal ? BAR_EVERY : LINE_EVERY);
	if (!writable())
		return;
	ration__buffer_init(&line, 0);
	if (progress->terminal && view->fraction >= 0)
		put_bar(&line, view->fraction, width < 110 ? 10 : 20);
	else if (!progress->terminal)
		ration__buffer_puts(&line, "ration run: ");
	put_status(progress, &line, now_ns, view);
	if (progress->terminal && !line.failed) {
		fit(&line, width);
		put("\r\033[K", 4);
		progress->shown = true;
	} else {
		ration__buffer_putc(&line, '\n');
	}
	if (!line.failed)
		put(line.data, line.length);
	ration__buffer_fini(&line);
}

void ration__progress_clear(struct ration__progress *progress)
{
	if (!progress->shown)
		return;
	put("\r\033[K", 4);
	progress->shown = false;
	progress->next_ns = 0; /* soon again */
}

void ration__progress_say(struct ration__progress *progress, const char *format, ...)
{
	char text[1024];
	va_list args;

	ration__progress_clear(progress);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "ration run: %s\n", text);
}

void ration__progress_summary(struct ration__progress *progress, int64_t now_ns,
	const struct ration__progress_view *view, const char *first_failure)
{
	uint64_t done = ration__job_tally_done(&view->tally);
	double seconds = (double)(now_ns - progress->start_ns) / (double)RATION__NS_PER_S;
	struct ration__buffer line;

	ration__progress_clear(progress);
	if (progress->quiet)
		return;
	ration__buffer_init(&line, 0);
	ration__buffer_printf(
		&line, "%llu job%s in ", (unsigned long long)done, done == 1 ? "" : "s");
	put_duration(&line, now_ns - progress->start_ns);
	put_rate(&line, seconds > 0 ? (double)done / seconds : 0);
	ration__buffer_puts(&line, ": ");
	put_counts(&line, view, progress->color);
	ration__buffer_printf(&line, "; %llu request%s sent", (unsigned long long)view->sent,
		view->sent == 1 ? "" : "s");
	if (view->tally.observed)
		ration__buffer_printf(&line, "; %llu only because limits are observed",
			(unsigned long long)view->tally.observed);
	if (view->tally.degraded)
		ration__buffer_printf(&line, "; %llu without the store",
			(unsigned long long)view->tally.degraded);
	if (!line.failed)
		ration__progress_say(progress, "%s", line.data);
	ration__buffer_fini(&line);
	if (*first_failure)
		ration__progress_say(progress, "first failure: %s", first_failure);
}
