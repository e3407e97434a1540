/*
 * The public ration_response. All of it but the last answer's headers and body stands in one block,
 * which outlives the client, the service and the call that it was made of.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "http/call.h"
#include "http/limits.h"
#include "http/result.h"

/* Lays things out in the block behind the response. */
struct layout {
	char *block; /* NULL: measure only */
	size_t at;
};

static void *put(struct layout *l, const void *bytes, size_t length, size_t align)
{
	l->at = (l->at + align - 1) & ~(align - 1);
	char *to = l->block ? l->block + l->at : NULL;

	if (to && length && bytes)
		memcpy(to, bytes, length);
	l->at += length;
	return to;
}

static const char *put_text(struct layout *l, const char *text)
{
	return text ? put(l, text, strlen(text) + 1, 1) : NULL;
}

static const char *base_of(const struct ration__response_parts *parts)
{
	return parts->base ? parts->base : parts->service->base;
}

static const char *put_url(struct layout *l, const struct ration__response_parts *parts)
{
	const char *base = base_of(parts);
	size_t prefix_length, target_length;
	const char *prefix, *target;

	if (parts->url || !base)
		return put_text(l, parts->url ? parts->url : "");
	prefix = ration__call_prefix(parts->call, base, &prefix_length);
	target = ration__call_text(parts->call, parts->call->target);
	target_length = strlen(target) + 1;
	char *url = put(l, prefix, prefix_length, 1);

	put(l, target, target_length, 1);
	return url;
}

static const struct ration__wait *put_waits(
	struct layout *l, const struct ration__response_parts *parts)
{
	struct ration__wait *waits =
		put(l, NULL, parts->wait_count * sizeof(*waits), _Alignof(struct ration__wait));

	for (uint32_t i = 0; i < parts->wait_count; i++) {
		const char *name = put_text(l, parts->waits[i].name);

		if (waits)
			waits[i] = (struct ration__wait){.name = name, .ns = parts->waits[i].ns};
	}
	return waits;
}

/* The names of their nodes go along, each once where it stands next to itself. */
static const struct ration__attempt_note *put_notes(
	struct layout *l, const struct ration__response_parts *parts)
{
	struct ration__attempt_note *notes = put(l, parts->notes,
		parts->note_count * sizeof(*notes), _Alignof(struct ration__attempt_note));
	const char *last = NULL, *copy = NULL;

	for (uint32_t i = 0; i < parts->note_count; i++) {
		const char *node =
			parts->notes[i].node ? parts->notes[i].node : parts->service->base;

		if (node != last)
			copy = put_text(l, node);
		last = node;
		if (notes)
			notes[i].node = copy;
	}
	return notes;
}

static double actual_of(const struct ration__response_parts *parts, const char *unit)
{
	const struct ration__service_conf *service = parts->service;

	for (size_t i = 0; parts->last && i < service->actual_count; i++)
		if (strcmp(service->actuals[i].unit, unit) == 0 && !isnan(parts->last->actual[i]))
			return parts->last->actual[i];
	return NAN;
}

/* Whether an actual's unit was told before it: as an estimate or by an actual in front of it. */
static bool told_before(const struct ration__response_parts *parts, size_t which)
{
	const struct ration__actual *actuals = parts->service->actuals;

	for (uint32_t i = 0; i < parts->cost_count; i++)
		if (strcmp(parts->costs[i].unit, actuals[which].unit) == 0)
			return true;
	for (size_t i = 0; i < which; i++)
		if (strcmp(actuals[i].unit, actuals[which].unit) == 0)
			return true;
	return false;
}

#define COSTS_MAX (RATION__COST_COUNT_MAX + RATION__ACTUALS_MAX)

/* Estimates in their order, then what the response said of other units. */
static uint32_t merge_costs(
	const struct ration__response_parts *parts, struct ration__cost_note out[COSTS_MAX])
{
	uint32_t count = 0;

	for (; count < parts->cost_count && count < RATION__COST_COUNT_MAX; count++) {
		const char *unit = parts->costs[count].unit;

		out[count] = (struct ration__cost_note){.unit = unit,
			.estimated = parts->costs[count].cost,
			.actual = actual_of(parts, unit)};
	}
	for (size_t i = 0; i < parts->service->actual_count; i++) {
		const char *unit = parts->service->actuals[i].unit;
		double actual = actual_of(parts, unit);

		if (!isnan(actual) && !told_before(parts, i))
			out[count++] = (struct ration__cost_note){.unit = unit,
				.estimated = parts->service->actuals[i].estimate,
				.actual = actual};
	}
	return count;
}

static const struct ration__cost_note *put_costs(
	struct layout *l, const struct ration__response_parts *parts, uint32_t *count)
{
	struct ration__cost_note notes[COSTS_MAX];

	*count = merge_costs(parts, notes);
	for (uint32_t i = 0; i < *count; i++)
		notes[i].unit = put_text(l, notes[i].unit);
	return put(l, notes, *count * sizeof(notes[0]), _Alignof(struct ration__cost_note));
}

/* "[KIND] message"; the message. */
static const char *put_summary(
	struct layout *l, const struct ration__response_parts *parts, const char **summary)
{
	const char *kind = ration__response_kind(
		parts->code, parts->last ? parts->last->status : 0, parts->exhausted);

	*summary = put(l, "[", 1, 1);
	put(l, kind, strlen(kind), 1);
	put(l, "] ", 2, 1);
	return put_text(l, parts->message ? parts->message : "");
}

/* Fills *r; the same walk measures. */
static void lay_out(
	struct layout *l, const struct ration__response_parts *parts, ration_response *r)
{
	l->at = sizeof(*r);
	r->waits = put_waits(l, parts);
	r->notes = put_notes(l, parts);
	r->costs = put_costs(l, parts, &r->cost_count);
	r->id = put_text(l, ration__call_text(parts->call, parts->call->id));
	r->meta = put_text(l, ration__call_text(parts->call, parts->call->meta));
	r->url = put_url(l, parts);
	r->message = put_summary(l, parts, &r->summary);
	r->debug = put_text(l, parts->last && parts->last->debug ? parts->last->debug : "");
	r->mode = put_text(l, parts->mode ? parts->mode : "exact");
	r->node = put_text(l, base_of(parts) ? base_of(parts) : "");
}

ration_response *ration__response_new(const struct ration__response_parts *parts)
{
	ration_response measured, *r;
	struct layout l = {.block = NULL};

	lay_out(&l, parts, &measured);
	l.block = calloc(1, l.at);
	r = (ration_response *)(void *)l.block;
	if (!r) {
		if (parts->last)
			ration__attempt_fini(parts->last);
		return NULL;
	}
	lay_out(&l, parts, r);
	r->user = parts->user;
	r->line_number = parts->call->line;
	r->code = parts->code;
	r->attempts = parts->attempts;
	r->exhausted = parts->exhausted;
	if (r->code)
		ration__debug_id(parts->random, r->debug_id);
	r->note_count = parts->note_count;
	r->wait_count = parts->wait_count;
	atomic_init(&r->line, NULL);
	if (parts->last) {
		r->last = *parts->last;
		r->status = r->last.status;
		r->sent = r->last.sent;
		r->truncated = r->last.truncated;
		free(r->last.debug); /* copied */
		r->last.debug = NULL;
		/* Theirs no longer. */
		parts->last->headers = parts->last->body = parts->last->debug = NULL;
		parts->last->headers_length = parts->last->body_length = 0;
	}
	return r;
}

void ration_response_free(ration_response *response)
{
	if (!response)
		return;
	ration__attempt_fini(&response->last);
	free(atomic_load(&response->line));
	free(response);
}

ration_response **ration__response_link(ration_response *response)
{
	return &response->next;
}

const char *ration__outcome_name(int code, uint32_t attempts)
{
	if (code == 0)
		return "ok";
	if (code > 0)
		return attempts ? "failed" : "skipped";
	return code == RATION_EUNKNOWN ? "unknown" : "failed";
}

/* ---- what callers ask ---- */

int ration_response_code(const ration_response *response)
{
	return response->code;
}

int ration_response_sent(const ration_response *response)
{
	return response->sent;
}

int ration_response_status(const ration_response *response)
{
	return response->status;
}

const char *ration_response_message(const ration_response *response)
{
	return response->message;
}

const char *ration_response_id(const ration_response *response)
{
	return response->id ? response->id : "";
}

const char *ration_response_url(const ration_response *response)
{
	return response->url;
}

void *ration_response_user(const ration_response *response)
{
	return response->user;
}

bool ration__response_each(
	const ration_response *response, size_t *at, const char **name, const char **value)
{
	const struct ration__attempt *last = &response->last;

	if (!last->headers || *at >= last->headers_length)
		return false;
	*name = last->headers + *at;
	*value = *name + strlen(*name) + 1;
	*at = (size_t)(*value + strlen(*value) + 1 - last->headers);
	return true;
}

const char *ration_response_header(const ration_response *response, const char *name)
{
	const char *found, *value;

	if (!name)
		return NULL;
	for (size_t at = 0; ration__response_each(response, &at, &found, &value);)
		if (strcasecmp(found, name) == 0)
			return value;
	return NULL;
}

int ration_response_header_at(
	const ration_response *response, size_t i, const char **name, const char **value)
{
	const char *found, *its;

	for (size_t at = 0; ration__response_each(response, &at, &found, &its); i--) {
		if (i == 0) {
			*name = found;
			*value = its;
			return 0;
		}
	}
	return RATION_EEMPTY;
}

const void *ration_response_body(const ration_response *response, size_t *length)
{
	if (length)
		*length = response->last.body_length;
	return response->last.body ? response->last.body : "";
}

int ration_response_truncated(const ration_response *response)
{
	return response->truncated;
}

int ration_response_attempts(const ration_response *response)
{
	return (int)response->attempts;
}

int ration_response_attempt(const ration_response *response, size_t i, const char **node, int *code,
	int *status, double *ms)
{
	const struct ration__attempt_note *note;

	if (i >= response->note_count)
		return RATION_EEMPTY;
	note = &response->notes[i];
	if (node)
		*node = note->node ? note->node : "";
	if (code)
		*code = note->code;
	if (status)
		*status = note->code_or_status > 0 ? note->code_or_status : 0;
	if (ms)
		*ms = note->elapsed_us / 1e3;
	return 0;
}

int ration_response_exhausted(const ration_response *response)
{
	return response->exhausted;
}

const char *ration_response_mode(const ration_response *response)
{
	return response->mode;
}

int ration_response_cause(const ration_response *response)
{
	return response->note_count ? response->notes[response->note_count - 1].code : 0;
}

double ration_response_wait_ms(const ration_response *response, const char *why)
{
	int64_t ns = 0;

	for (uint32_t i = 0; i < response->wait_count; i++)
		if (!why || strcmp(response->waits[i].name, why) == 0)
			ns += response->waits[i].ns;
	return (double)ns / 1e6;
}

const char *ration_response_line(const ration_response *response)
{
	/* Made once by whichever thread asks first; the cast is safe since each response was made
	 * writable by ration__response_new. */
	_Atomic(char *) *slot = &((ration_response *)response)->line;
	char *line = atomic_load(slot);

	if (line)
		return line;
	line = ration__response_write(response);
	if (!line)
		return "";
	char *first = NULL;

	if (atomic_compare_exchange_strong(slot, &first, line))
		return line;
	free(line);
	return first;
}
