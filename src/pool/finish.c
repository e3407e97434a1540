/* Ended jobs become responses and reach whoever waits for them. See worker.h and completion.h. */
#include "pool/worker.h"

#include <stdio.h>
#include <string.h>
#include <ration/client.h>
#include "base/util.h"
#include "http/redirect.h"

#define MESSAGE_MAX 512

/* What it waited for, and until when that would have been. */
static void write_denial(
	const struct ration__worker *worker, const struct ration__job *job, char *out, size_t size)
{
	struct ration__ask ask = {.decision = RATION__DENIED,
		.denial = job->denial,
		.rule = job->rule,
		.at_ns = job->timer.at_ns};

	ration__denial_text(out, size, job->service->guard, &ask, worker->now_ns);
}

/* What its last attempt came to, when that is not why the job ended. */
static void write_last(const struct ration__job *job, char *out, size_t size)
{
	const struct ration__flight *flight = job->flight;
	size_t length = strlen(out);

	if (flight && flight->has_attempt && flight->attempt.code &&
		flight->attempt.code != job->code && flight->attempt.message[0])
		snprintf(out + length, size - length, "; before: %s", flight->attempt.message);
}

static void write_message(
	const struct ration__worker *worker, const struct ration__job *job, char *out, size_t size)
{
	const struct ration__flight *flight = job->flight;
	const char *attempt = flight && flight->has_attempt ? flight->attempt.message : "";
	char denial[MESSAGE_MAX / 2] = "";

	if (job->denial)
		write_denial(worker, job, denial, sizeof(denial));
	switch (job->end) {
	case RATION__ENDED_ATTEMPT:
		if (job->code == RATION_EUNKNOWN)
			snprintf(out, size, "%s: %s", ration_strerror(job->code), attempt);
		else
			snprintf(out, size, "%s", attempt);
		break;
	case RATION__ENDED_EXHAUSTED:
		snprintf(out, size, "%s: %s (%u attempts)", ration_strerror(RATION_EEXHAUSTED),
			attempt, flight->attempts - flight->uncounted);
		break;
	case RATION__ENDED_THROTTLED:
		snprintf(out, size, "%s: gave up after %u throttled attempts: %s",
			ration_strerror(RATION_EEXHAUSTED), flight->throttled, attempt);
		break;
	case RATION__ENDED_BUDGET:
		snprintf(out, size, "%s: %s: the retry budget is spent",
			ration_strerror(RATION_EEXHAUSTED), attempt);
		break;
	case RATION__ENDED_NO_TIME:
		snprintf(out, size, "%s; the next attempt would be past the deadline", attempt);
		break;
	case RATION__ENDED_DENIED:
		snprintf(out, size, "%s", denial);
		write_last(job, out, size);
		break;
	case RATION__ENDED_LATE:
	case RATION__ENDED_DEADLINE:
		snprintf(out, size, "%s%s%s", ration_strerror(job->code), denial[0] ? ": " : "",
			denial);
		write_last(job, out, size);
		break;
	case RATION__ENDED_ERROR:
		if (job->code == RATION_EKEY && job->waited_for)
			snprintf(out, size, "%s: %s", ration_strerror(job->code), job->waited_for);
		else
			snprintf(out, size, "%s", ration_strerror(job->code));
		break;
	default:
		snprintf(out, size, "%s", ration_strerror(job->code));
		break;
	}
}

static enum ration_exhausted exhausted_of(const struct ration__job *job)
{
	switch (job->end) {
	case RATION__ENDED_EXHAUSTED:
		return RATION_EXHAUSTED_ATTEMPTS;
	case RATION__ENDED_THROTTLED:
		return RATION_EXHAUSTED_THROTTLED;
	case RATION__ENDED_BUDGET:
		return RATION_EXHAUSTED_BUDGET;
	case RATION__ENDED_NO_TIME:
		return RATION_EXHAUSTED_TIME;
	default:
		return RATION_EXHAUSTED_NOT;
	}
}

static uint32_t write_waits(const struct ration__worker *worker, const struct ration__job *job,
	struct ration__wait_note *notes)
{
	const struct ration__flight *flight = job->flight;
	int64_t open_ns = job->mark_ns < RATION__NEVER ? worker->now_ns - job->mark_ns : 0;
	uint32_t count = 0;

	for (uint32_t i = 0; flight && i < flight->wait_count; i++) {
		snprintf(notes[count].name, sizeof(notes[0].name), "%s", flight->waits[i].name);
		notes[count++].ns = flight->waits[i].ns;
	}
	if (open_ns > 0) { /* it ended while it waited, perhaps for the same as before */
		uint32_t i = 0;

		while (i < count && strcmp(notes[i].name, job->waited_for) != 0)
			i++;
		if (i == count && count < RATION__WAITS_MAX) {
			snprintf(notes[i].name, sizeof(notes[0].name), "%s", job->waited_for);
			notes[count++].ns = 0;
		}
		if (i < count)
			notes[i].ns += open_ns;
	}
	return count;
}

static ration_response *make_response(struct ration__worker *worker, struct ration__job *job)
{
	struct ration__flight *flight = job->flight;
	bool performs = job->flags & RATION__JOB_PERFORM;
	struct ration__wait_note waits[RATION__WAITS_MAX];
	char message[MESSAGE_MAX];
	struct ration__response_parts parts = {.call = ration__job_call(job),
		.service = job->conf,
		.code = job->code,
		.message = message,
		.random = job->code ? ration__random_next(&worker->random) : 0,
		.waits = waits,
		.costs = ration__job_costs(job),
		.cost_count = job->cost_count,
		.exhausted = (uint8_t)exhausted_of(job),
		.mode = ration__mode_name(flight ? flight->mode : RATION__EXACT),
		.user = performs ? ((struct ration__waiter *)job->user)->user : job->user};

	write_message(worker, job, message, sizeof(message));
	parts.wait_count = write_waits(worker, job, waits);
	if (flight) {
		parts.base = flight->node ? ration__node_uri(flight->node) : NULL;
		parts.url = flight->hop ? flight->hop->url : NULL;
		parts.notes = flight->notes;
		parts.note_count = flight->note_count;
		parts.attempts = flight->attempts;
		if (flight->has_attempt)
			parts.last = &flight->attempt;
		flight->has_attempt = false; /* taken over */
	}
	return ration__response_new(&parts);
}

static void free_job(struct ration__worker *worker, struct ration__job *job)
{
	struct ration__flight *flight = job->flight;

	if (flight && flight->settling)
		flight->job = NULL; /* it stays for its grant */
	else
		ration__flight_free(worker, flight);
	ration__job_free(job);
}

void ration__worker_finish(struct ration__worker *worker)
{
	struct ration__completion *completion = &worker->pool->completion;
	ration_response *first = NULL, **last = &first;
	uint32_t count = 0, lost = 0;
	uint64_t ended = atomic_load_explicit(&worker->completed, memory_order_relaxed);
	bool calls = completion->fn;
	struct ration__job *job;

	if (calls)
		ration__completion_begin(completion);
	while ((job = ration__job_queue_take(&worker->done)) != NULL) {
		struct ration__waiter *waiter = job->flags & RATION__JOB_PERFORM ? job->user : NULL;
		ration_response *response = make_response(worker, job);

		free_job(worker, job);
		/* before anybody can see the response: counts never lag behind it */
		atomic_store_explicit(&worker->completed, ++ended, memory_order_relaxed);
		if (waiter)
			ration__completion_answer(completion, waiter, response);
		else if (calls)
			ration__completion_call(completion, response);
		else if (response) {
			*last = response;
			last = ration__response_link(response);
			count++;
		} else
			lost++;
	}
	if (calls)
		ration__completion_end(completion);
	if (count || lost)
		ration__completion_put(completion, first, count, lost);
}
