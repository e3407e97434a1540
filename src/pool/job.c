/* Jobs and flights. See job.h. */
#include "pool/job.h"

#include <stdlib.h>
#include <string.h>
#include "http/call.h"
#include "http/redirect.h"
#include "pool/service.h"

/* Bytes of "name\0value\0" of every key. */
static size_t keys_size(const struct ration__request_view *view)
{
	size_t size = 0;

	for (size_t i = 0; i < view->key_count; i++)
		size += strlen(view->keys[i].name) + strlen(view->keys[i].value) + 2;
	return size;
}

/* Bytes of the units' names. */
static size_t units_size(const struct ration__request_view *view)
{
	size_t size = 0;

	for (size_t i = 0; i < view->cost_count; i++)
		size += strlen(view->costs[i].unit) + 1;
	return size;
}

static char *put_text(char *at, const char *text)
{
	size_t length = strlen(text) + 1;

	memcpy(at, text, length);
	return at + length;
}

static void pack_names(struct ration__job *job, const struct ration__request_view *view)
{
	struct ration__cost *costs = (struct ration__cost *)(job + 1);
	char *at = (char *)job + job->keys;

	for (size_t i = 0; i < view->key_count; i++) {
		at = put_text(at, view->keys[i].name);
		at = put_text(at, view->keys[i].value);
	}
	for (size_t i = 0; i < view->cost_count; i++) {
		costs[i] = (struct ration__cost){.unit = at, .cost = view->costs[i].cost};
		at = put_text(at, view->costs[i].unit);
	}
}

int ration__job_new(const ration_request *request, const struct ration__request_view *view,
	struct ration__pool_service *service, const struct ration__service_conf *conf,
	struct ration__job **out)
{
	const struct ration__service_conf *effective = conf ? conf : service->conf;
	size_t call_size, keys = keys_size(view), costs, offset;
	struct ration__job *job;
	int rc = ration__call_measure(request, effective, &call_size);

	if (rc < 0)
		return rc;
	if (keys > RATION__JOB_KEYS_MAX || view->key_count > UINT8_MAX ||
		view->cost_count > UINT8_MAX)
		return RATION_ETOOBIG;
	costs = view->cost_count * sizeof(struct ration__cost);
	offset = sizeof(*job) + costs + call_size;
	if (offset > UINT32_MAX)
		return RATION_ETOOBIG;
	job = malloc(offset + keys + units_size(view));
	if (!job)
		return RATION_ENOMEM;
	memset(job, 0, sizeof(*job));
	job->service = service;
	job->conf = effective;
	job->user = view->user;
	job->priority = (int8_t)view->priority;
	job->keys = (uint32_t)offset;
	job->keys_length = (uint16_t)keys;
	job->key_count = (uint8_t)view->key_count;
	job->cost_count = (uint8_t)view->cost_count;
	job->flags = conf ? RATION__JOB_OWN_CONF : 0;
	job->deadline_ns = RATION__NEVER;
	ration__call_pack(request, effective, (struct ration__call *)ration__job_call(job));
	pack_names(job, view);
	*out = job;
	return 0;
}

const char *ration__job_method(const struct ration__job *job)
{
	return ration__call_method(ration__job_call(job));
}

const char *ration__job_path(const struct ration__job *job)
{
	const struct ration__call *call = ration__job_call(job);
	const char *path = ration__call_text(call, call->target);
	const char *base = ration__call_pin(call, job->conf);
	size_t length;

	if (!base) /* below the base already */
		return path;
	base += ration__call_origin_length(base);
	length = strlen(base);
	if (strncmp(path, base, length) == 0 && strchr("/?", path[length]))
		path += length;
	return path;
}

void ration__job_free(struct ration__job *job)
{
	if (!job)
		return;
	if (job->flags & RATION__JOB_OWN_CONF)
		free((void *)job->conf);
	free(job);
}

bool ration__job_want(const struct ration__job *job, int64_t now_ns, struct ration__node_want *want)
{
	const struct ration__flight *flight = job->flight;
	const struct ration__hop *hop = flight ? flight->hop : NULL;

	*want = (struct ration__node_want){.now_ns = now_ns};
	if (hop && hop->foreign)
		return false;
	if (flight && flight->avoid)
		want->avoid = flight->node;
	want->origin = hop ? hop->url : ration__call_pin(ration__job_call(job), job->conf);
	if (want->origin)
		want->origin_length = ration__call_origin_length(want->origin);
	return true;
}

void ration__flight_waited(struct ration__flight *flight, const char *name, int64_t ns)
{
	if (!name || ns <= 0)
		return;
	for (uint8_t i = 0; i < flight->wait_count; i++)
		if (strcmp(flight->waits[i].name, name) == 0) {
			flight->waits[i].ns += ns;
			return;
		}
	/* more reasons than there is room for: the last one stands for the rest, so the sum is
	 * right */
	if (flight->wait_count == RATION__WAITS_MAX) {
		flight->waits[RATION__WAITS_MAX - 1].ns += ns;
		return;
	}
	flight->waits[flight->wait_count++] = (struct ration__job_wait){.name = name, .ns = ns};
}

/* NULL: the service's only one. */
static const char *node_of(const struct ration__flight *flight)
{
	if (flight->node)
		return ration__node_uri(flight->node);
	return flight->hop && flight->hop->foreign ? "" : NULL;
}

void ration__flight_note(struct ration__flight *flight, const struct ration__attempt *attempt)
{
	struct ration__attempt_note *note;

	if (flight->note_count == RATION__JOB_NOTES) {
		memmove(flight->notes, flight->notes + 1,
			(RATION__JOB_NOTES - 1) * sizeof(flight->notes[0]));
		flight->note_count--;
	}
	note = &flight->notes[flight->note_count++];
	*note = (struct ration__attempt_note){
		.code_or_status = (int16_t)(attempt->status > 0 ? attempt->status : attempt->code),
		.code = (int16_t)attempt->code,
		.elapsed_us = attempt->elapsed_us > UINT32_MAX ? UINT32_MAX
							       : (uint32_t)attempt->elapsed_us,
		.node = node_of(flight)};
}
