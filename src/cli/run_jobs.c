/* The jobs of a run, from line to result. See run_jobs.h. */
#include "cli/run_jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/job_line.h"
#include "client/internal.h"
#include "config/compile.h"
#include "http/response.h"

#define WINDOW_FIRST 64
#define BYTES_MAX (UINT64_C(256) << 20)
/* A batch in which nothing ended for so long reads further: perhaps other services can go. */
#define STALL_NS RATION__NS_PER_S
#define ORIGINS_SHOWN 10

void ration__run_jobs_init(struct ration__run_jobs *jobs, int64_t now_ns)
{
	jobs->jobs.next = jobs->jobs.previous = &jobs->jobs;
	jobs->window = jobs->window_max < WINDOW_FIRST ? jobs->window_max : WINDOW_FIRST;
	jobs->moved_ns = now_ns;
}

static void drop(struct ration__run_jobs *jobs, struct ration__run_job *job)
{
	job->next->previous = job->previous;
	job->previous->next = job->next;
	jobs->outstanding--;
	jobs->bytes -= job->bytes;
	free(job);
}

void ration__run_jobs_fini(struct ration__run_jobs *jobs)
{
	while (jobs->jobs.next != &jobs->jobs)
		drop(jobs, jobs->jobs.next);
	ration_request_free(jobs->pending);
	free(jobs->pending_job);
	ration__origins_fini(&jobs->origins);
}

uint64_t ration__run_jobs_first_open(const struct ration__run_jobs *jobs)
{
	return jobs->jobs.next == &jobs->jobs ? 0 : jobs->jobs.next->line;
}

/* ---- results ---- */

static void count(struct ration__run_jobs *jobs, int code, uint32_t attempts, uint64_t line,
	const char *message)
{
	const char *outcome = ration__outcome_name(code, attempts);

	if (!strcmp(outcome, "ok"))
		jobs->tally.ok++;
	else if (!strcmp(outcome, "unknown"))
		jobs->tally.unknown++;
	else if (!strcmp(outcome, "skipped"))
		jobs->tally.skipped++;
	else
		jobs->tally.failed++;
	if (code != 0 && !*jobs->first_failure)
		snprintf(jobs->first_failure, sizeof(jobs->first_failure), "line %" PRIu64 ": %s",
			line, message);
}

/* A line that did not become a job; err may be NULL when there was no memory for it. */
static void refuse_line(struct ration__run_jobs *jobs, const char *id, int code, ration_error *err)
{
	const char *message = err ? ration_error_text(err) : ration_strerror(code);
	struct ration__buffer out;

	ration__buffer_init(&out, 0);
	ration__buffer_puts(&out, "{");
	if (id) {
		ration__buffer_puts(&out, "\"id\":");
		ration__buffer_json_string(&out, id, strlen(id));
		ration__buffer_puts(&out, ",");
	}
	ration__buffer_printf(&out,
		"\"line\":%" PRIu64 ",\"outcome\":\"failed\",\"error\":{\"code\":",
		jobs->input->line);
	ration__buffer_printf(&out, "\"%s\",\"class\":\"%s\",\"message\":", ration_code_name(code),
		ration_code_class(code));
	ration__buffer_json_string(&out, message, strlen(message));
	ration__buffer_puts(&out, "}}");
	if (!out.failed)
		ration__output_line(jobs->output, out.data, out.length);
	ration__buffer_fini(&out);
	count(jobs, code, 0, jobs->input->line, message);
	ration_error_free(err);
}

static void count_mode(struct ration__job_tally *tally, const char *mode)
{
	if (!strcmp(mode, "observe"))
		tally->observed++;
	else if (strcmp(mode, "exact") != 0)
		tally->degraded++;
}

unsigned ration__run_jobs_fetch(struct ration__run_jobs *jobs, int64_t now_ns, unsigned most)
{
	ration_response *response;
	unsigned fetched = 0;

	while (fetched < most && ration_next(jobs->client, 0, &response) == 0) {
		struct ration__run_job *job = ration_response_user(response);
		const char *line = ration_response_line(response);

		if (line)
			ration__output_line(jobs->output, line, strlen(line));
		else
			jobs->output->lost++;
		count(jobs, ration_response_code(response),
			(uint32_t)ration_response_attempts(response), job->line,
			ration_response_message(response));
		count_mode(&jobs->tally, ration_response_mode(response));
		ration_response_free(response);
		drop(jobs, job);
		jobs->moved_ns = now_ns;
		fetched++;
	}
	return fetched;
}

/* ---- services ---- */

/* The service of a job; origin is room for its name. 0, or why there is none. */
static int service_of(struct ration__run_jobs *jobs, const struct ration__job_line *job,
	char origin[RATION__ORIGIN_SIZE], const char **service, ration_error **err)
{
	struct ration__run_settings *settings = jobs->settings;
	int rc;

	if (!settings->origins) {
		*service = job->service ? job->service : settings->service;
		if (!*service)
			return ration__error_set(err, RATION_ESERVICE,
				"which service? several are defined: say it with \"service\" or "
				"--service");
		return 0;
	}
	if (job->service)
		return ration__error_set(err, RATION_ESERVICE,
			"no such service: services are defined in a file (-c)");
	if (!job->url)
		return ration__error_set(err, RATION_EURL,
			"a path needs a service, and services are defined in a file (-c)");
	rc = ration__origin_parse(job->url, origin, err);
	if (rc < 0)
		return rc;
	*service = origin;
	if (ration__origins_has(&jobs->origins, origin))
		return 0;
	if (ration__config_has_service(
		    settings->config, origin)) /* by --set: opened with the client */
		return ration__origins_add(&jobs->origins, origin);
	if (jobs->origins.count >= RATION__ORIGINS_MAX)
		return ration__error_set(
			err, RATION_ESERVICE, "more than %zu origins", RATION__ORIGINS_MAX);
	rc = ration__settings_add_origin(settings, jobs->flags, origin, err);
	if (rc == 0)
		rc = ration__client_add_service(jobs->client, settings->config, origin, err);
	if (rc == 0)
		rc = ration__origins_add(&jobs->origins, origin);
	if (rc < 0)
		return rc;
	if (!jobs->progress->quiet && jobs->origins.count <= ORIGINS_SHOWN) {
		struct ration__buffer text;

		ration__buffer_init(&text, 0);
		ration__settings_describe(settings->config, origin, &text);
		if (!text.failed)
			ration__progress_say(jobs->progress, "%s%s", text.data,
				jobs->origins.count == ORIGINS_SHOWN ? "; further origins likewise"
								     : "");
		ration__buffer_fini(&text);
	}
	return 0;
}

/* ---- lines to jobs ---- */

/* False: the client has no room now; the job stays pending. */
static bool submit_pending(struct ration__run_jobs *jobs, int64_t now_ns)
{
	struct ration__run_job *job = jobs->pending_job;
	int rc;

	if (jobs->pending_deadline_ms >= 0) {
		/* it counts from when the line was read */
		int64_t waited = (now_ns - jobs->pending_since_ns) / RATION__NS_PER_MS;
		int64_t left = jobs->pending_deadline_ms - waited;

		(void)ration_request_set_deadline(jobs->pending, left > 0 ? left : 0);
	}
	rc = ration_submit(jobs->client, jobs->pending, 0, NULL);
	if (rc == RATION_EFULL)
		return false;
	if (rc == 0) {
		job->previous = jobs->jobs.previous;
		job->next = &jobs->jobs;
		job->previous->next = job->next->previous = job;
		jobs->outstanding++;
		jobs->bytes += job->bytes;
	} else {
		ration_request_free(jobs->pending);
		free(job);
		refuse_line(jobs, NULL, rc, NULL);
	}
	jobs->pending = NULL;
	jobs->pending_job = NULL;
	jobs->taken_line = jobs->input->line;
	return true;
}

/* Makes the pending request of a line, or its result when that cannot be. */
static void read_line(struct ration__run_jobs *jobs, char *text, size_t length, int64_t now_ns)
{
	char origin[RATION__ORIGIN_SIZE];
	struct ration__run_job *job = NULL;
	struct ration__job_line line;
	ration_error *err = NULL;
	const char *service = NULL;
	size_t bytes;
	int rc;

	rc = ration__job_line_parse(&line, text, length, &err);
	if (rc == 0)
		rc = service_of(jobs, &line, origin, &service, &err);
	if (rc == 0 && !(job = malloc(sizeof(*job))))
		rc = RATION_ENOMEM;
	if (rc == 0)
		rc = ration__job_line_request(&line, service, &jobs->pending, &bytes, &err);
	if (rc == 0) {
		*job = (struct ration__run_job){.line = jobs->input->line, .bytes = bytes};
		ration_request_set_line(jobs->pending, jobs->input->line);
		ration_request_set_user(jobs->pending, job);
		jobs->pending_job = job;
		jobs->pending_deadline_ms = line.deadline_ms;
		jobs->pending_since_ns = now_ns;
	} else {
		free(job);
		refuse_line(jobs, line.id, rc, err);
		jobs->taken_line = jobs->input->line;
	}
	ration__job_line_fini(&line);
}

/* Room for one more; lets the window grow when the workers could use more. */
static bool has_room(struct ration__run_jobs *jobs, int64_t now_ns)
{
	struct ration_counts counts = {.size = sizeof(counts)};

	if (jobs->bytes >= BYTES_MAX || jobs->outstanding >= jobs->window_max)
		return false;
	if (jobs->outstanding < jobs->window)
		return true;
	if (ration_client_counts(jobs->client, &counts) < 0)
		return false;
	if (counts.queued > jobs->window / 4 && now_ns - jobs->moved_ns < STALL_NS)
		return false;
	jobs->window = jobs->window * 2 < jobs->window_max ? jobs->window * 2 : jobs->window_max;
	jobs->moved_ns = now_ns;
	return true;
}

enum ration__take ration__run_jobs_take(
	struct ration__run_jobs *jobs, int64_t now_ns, unsigned most)
{
	while (most--) {
		size_t length;
		char *text;

		if (!has_room(jobs, now_ns))
			return RATION__TAKE_FULL;
		if (jobs->pending) {
			if (!submit_pending(jobs, now_ns))
				return RATION__TAKE_FULL;
			continue;
		}
		if (ration__output_pending(jobs->output) >= RATION__OUTPUT_FULL)
			return RATION__TAKE_FULL; /* bad lines alone make results, too */
		switch (ration__input_next(jobs->input, &text, &length)) {
		case RATION__INPUT_MORE:
			return RATION__TAKE_INPUT;
		case RATION__INPUT_END:
			return RATION__TAKE_END;
		case RATION__INPUT_TOO_LONG: {
			ration_error *err = NULL;

			ration__error_set(&err, RATION_ETOOBIG,
				"line longer than %zu bytes (--line-max)", jobs->input->line_max);
			refuse_line(jobs, NULL, RATION_ETOOBIG, err);
			jobs->taken_line = jobs->input->line;
			break;
		}
		case RATION__INPUT_LINE:
			if (ration__job_line_empty(text))
				jobs->taken_line = jobs->input->line;
			else
				read_line(jobs, text, length, now_ns);
			break;
		}
		if (jobs->pending && !submit_pending(jobs, now_ns))
			return RATION__TAKE_FULL;
	}
	return RATION__TAKE_MORE;
}
