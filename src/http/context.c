/*
 * Request contexts: one block of memory each, counted, never changed once made. See context.h.
 *
 * The deadline is kept as a time of the system's clock, since a context belongs to no client and
 * so to no clock of one; who uses it asks for what is left.
 */
#include "http/context.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/id.h"
#include "base/token.h"
#include "base/util.h"
#include "http/limits.h"

#define FIELDS 4 /* enum ration_context_field, from 1 */

struct ration_context {
	_Atomic uint32_t refs;
	int64_t deadline_ns; /* RATION__NEVER */
	const char *fields[FIELDS];
	char text[]; /* them */
};

static const char *const header_names[FIELDS] = {
	"X-Request-Id", "X-Tenant-Id", "X-Project-Id", "X-User-Id"};

static int64_t now_ns(void)
{
	static const struct ration__clock real = {0};

	return ration__clock_now(&real, RATION_CLOCK_STEADY);
}

/* ---- making ---- */

static int check_value(const char *value)
{
	if (!*value)
		return RATION_EINVAL;
	if (strnlen(value, RATION__KEY_VALUE_MAX + 1) > RATION__KEY_VALUE_MAX)
		return RATION_ETOOBIG;
	return ration__header_value_ok(value) ? 0 : RATION_EHEADER;
}

static int make(const char *const fields[FIELDS], int64_t deadline_ns, ration_context **out)
{
	size_t size = 0;
	ration_context *context;
	char *at;

	for (int i = 0; i < FIELDS; i++) {
		int rc = fields[i] ? check_value(fields[i]) : 0;

		if (rc < 0)
			return rc;
		size += fields[i] ? strlen(fields[i]) + 1 : 0;
	}
	context = calloc(1, sizeof(*context) + size);
	if (!context)
		return RATION_ENOMEM;
	atomic_init(&context->refs, 1);
	context->deadline_ns = deadline_ns;
	at = context->text;
	for (int i = 0; i < FIELDS; i++) {
		if (!fields[i])
			continue;
		context->fields[i] = strcpy(at, fields[i]);
		at += strlen(at) + 1;
	}
	*out = context;
	return 0;
}

/* Its request id is made when it has none. */
static int make_new(const char *fields[FIELDS], ration_context **out)
{
	struct ration__random random;
	char id[RATION__UUID_SIZE];

	if (!fields[0]) {
		ration__random_init(&random, NULL, NULL);
		ration__uuid(&random, id);
		fields[0] = id;
	}
	return make(fields, RATION__NEVER, out);
}

int ration_context_new(const char *request_id, ration_context **context)
{
	return context ? make_new((const char *[FIELDS]){request_id}, context) : RATION_EINVAL;
}

int ration_context_for_worker(const char *job_id, ration_context **context)
{
	return job_id ? ration_context_new(job_id, context) : RATION_EINVAL;
}

static int field_of(const char *name)
{
	for (int i = 0; i < FIELDS; i++)
		if (strcasecmp(name, header_names[i]) == 0)
			return i;
	return -1;
}

int ration_context_from_headers(
	const struct ration_context_header *headers, size_t count, ration_context **context)
{
	const char *fields[FIELDS] = {NULL};

	if (!context || (!headers && count))
		return RATION_EINVAL;
	for (size_t i = 0; i < count; i++) {
		const char *name = headers[i].name, *value = headers[i].value;
		int field;

		if (!name || !value)
			return RATION_EINVAL;
		field = field_of(name);
		if (field < 0 || !*value)
			continue;
		if (fields[field] && strcmp(fields[field], value) != 0)
			return RATION_EHEADER;
		fields[field] = value;
	}
	return make_new(fields, context);
}

int ration_context_with(const ration_context *context, enum ration_context_field field,
	const char *value, ration_context **changed)
{
	const char *fields[FIELDS];

	if (!context || !changed || (int)field < 1 || (int)field > FIELDS ||
		(!value && field == RATION_CONTEXT_REQUEST_ID))
		return RATION_EINVAL;
	memcpy(fields, context->fields, sizeof(fields));
	fields[field - 1] = value;
	return make(fields, context->deadline_ns, changed);
}

int ration_context_with_deadline(
	const ration_context *context, int64_t deadline_ms, ration_context **changed)
{
	int64_t deadline_ns = RATION__NEVER;

	if (!context || !changed || deadline_ms < -1)
		return RATION_EINVAL;
	if (deadline_ms >= 0 && deadline_ms < RATION__NEVER / 2 / RATION__NS_PER_MS)
		deadline_ns = now_ns() + deadline_ms * RATION__NS_PER_MS;
	return make(context->fields, deadline_ns, changed);
}

/* ---- looking at it ---- */

const char *ration_context_get(const ration_context *context, enum ration_context_field field)
{
	return context && (int)field >= 1 && (int)field <= FIELDS ? context->fields[field - 1]
								  : NULL;
}

int64_t ration__context_left_ns(const ration_context *context)
{
	return context->deadline_ns >= RATION__NEVER
		       ? RATION__NEVER
		       : ration__max64(context->deadline_ns - now_ns(), 0);
}

int64_t ration_context_deadline(const ration_context *context)
{
	int64_t left_ns = context ? ration__context_left_ns(context) : RATION__NEVER;

	return left_ns >= RATION__NEVER ? -1
					: (left_ns + RATION__NS_PER_MS - 1) / RATION__NS_PER_MS;
}

struct ration__pair ration__context_header(const ration_context *context, unsigned i)
{
	return (struct ration__pair){header_names[i], context->fields[i]};
}

bool ration__context_replaces(const ration_context *context, const char *name, size_t length)
{
	for (unsigned i = 0; i < RATION__CONTEXT_HEADERS; i++)
		if (context->fields[i] && strlen(header_names[i]) == length &&
			strncasecmp(header_names[i], name, length) == 0)
			return true;
	return false;
}

static const struct {
	const char *name;
	enum ration_context_field field;
} keys[RATION__CONTEXT_KEYS] = {{"project", RATION_CONTEXT_PROJECT},
	{"tenant", RATION_CONTEXT_TENANT}, {"user", RATION_CONTEXT_USER}};

const char *ration__context_key_name(unsigned i)
{
	return keys[i].name;
}

struct ration__pair ration__context_key(const ration_context *context, unsigned i)
{
	return (struct ration__pair){keys[i].name, context->fields[keys[i].field - 1]};
}

/* ---- references ---- */

ration_context *ration_context_ref(ration_context *context)
{
	if (context)
		atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
	return context;
}

void ration_context_free(ration_context *context)
{
	/* acq_rel: whoever frees it comes after all others */
	if (context && atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) == 1)
		free(context);
}
