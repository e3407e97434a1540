/*
 * A response as one line of JSON: what `ration run` writes and what bindings read. Every byte that
 * came from a server is escaped or checked, so that a line stays one line of valid JSON.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/base64.h"
#include "base/units.h"
#include "http/json.h"
#include "http/limits.h"
#include "http/result.h"

static void put_string(struct ration__buffer *out, const char *text)
{
	ration__buffer_json_string(out, text, strlen(text));
}

static void put_field(struct ration__buffer *out, const char *name, const char *text)
{
	ration__buffer_printf(out, ",\"%s\":", name);
	put_string(out, text);
}

/* Tenths are what a person reads, and enough for sums. printf would follow the locale. */
static void put_ms(struct ration__buffer *out, int64_t us)
{
	int64_t tenths = (us + 50) / 100;

	ration__buffer_printf(out, "%lld.%d", (long long)(tenths / 10), (int)(tenths % 10));
}

static void put_attempts(struct ration__buffer *out, const ration_response *r)
{
	ration__buffer_puts(out, ",\"attempts\":[");
	for (uint32_t i = 0; i < r->note_count; i++) {
		const struct ration__attempt_note *note = &r->notes[i];

		ration__buffer_puts(out, i ? ",{\"node\":" : "{\"node\":");
		put_string(out, r->notes[i].node);
		if (note->code_or_status > 0)
			ration__buffer_printf(out, ",\"status\":%d", note->code_or_status);
		else if (note->code_or_status < 0)
			put_field(out, "error", ration_code_name(note->code_or_status));
		ration__buffer_puts(out, ",\"ms\":");
		put_ms(out, note->elapsed_us);
		if (note->redirected)
			ration__buffer_puts(out, ",\"redirected\":true");
		ration__buffer_putc(out, '}');
	}
	ration__buffer_putc(out, ']');
	if (r->attempts > r->note_count)
		ration__buffer_printf(out, ",\"attempts_omitted\":%u", r->attempts - r->note_count);
}

static void put_waits(struct ration__buffer *out, const ration_response *r)
{
	bool any = false;

	for (uint32_t i = 0; i < r->wait_count; i++) {
		if (r->waits[i].ns <= 0)
			continue;
		ration__buffer_puts(out, any ? "," : ",\"wait_ms\":{");
		any = true;
		put_string(out, r->waits[i].name);
		ration__buffer_putc(out, ':');
		put_ms(out, r->waits[i].ns / 1000);
	}
	if (any)
		ration__buffer_putc(out, '}');
}

static void put_amount(struct ration__buffer *out, const char *name, double amount, bool *first)
{
	char number[40];

	if (isnan(amount))
		return;
	ration__format_number(number, sizeof(number), amount);
	ration__buffer_printf(out, "%s\"%s\":%s", *first ? "" : ",", name, number);
	*first = false;
}

static void put_costs(struct ration__buffer *out, const ration_response *r)
{
	if (!r->cost_count)
		return;
	for (uint32_t i = 0; i < r->cost_count; i++) {
		bool first = true;

		ration__buffer_puts(out, i ? "," : ",\"cost\":{");
		put_string(out, r->costs[i].unit);
		ration__buffer_puts(out, ":{");
		put_amount(out, "estimated", r->costs[i].estimated, &first);
		put_amount(out, "actual", r->costs[i].actual, &first);
		ration__buffer_putc(out, '}');
	}
	ration__buffer_putc(out, '}');
}

static bool seen_before(const ration_response *r, const char *name)
{
	const char *other, *value;
	size_t at = 0;

	while (ration__response_each(r, &at, &other, &value) && other != name)
		if (strcmp(other, name) == 0)
			return true;
	return false;
}

/* The value of all headers of that name, joined as RFC 9110 5.3 allows. */
static void put_joined(struct ration__buffer *out, const ration_response *r, const char *name)
{
	struct ration__buffer joined;
	const char *other, *value;
	size_t at = 0;

	ration__buffer_init(&joined, 0);
	while (ration__response_each(r, &at, &other, &value)) {
		if (strcmp(other, name) != 0)
			continue;
		if (joined.data)
			ration__buffer_puts(&joined, ", ");
		ration__buffer_puts(&joined, value);
	}
	if (joined.failed)
		out->failed = true;
	else
		ration__buffer_json_string(out, joined.data ? joined.data : "", joined.length);
	ration__buffer_fini(&joined);
}

/* More names than this would make the search for duplicates slow: what follows is left out. */
#define HEADER_NAMES_MAX 256

static void put_headers(struct ration__buffer *out, const ration_response *r)
{
	const char *name, *value;
	size_t at = 0;
	unsigned count = 0;

	if (!r->status)
		return;
	ration__buffer_puts(out, ",\"headers\":{");
	while (count < HEADER_NAMES_MAX && ration__response_each(r, &at, &name, &value)) {
		if (seen_before(r, name))
			continue;
		if (count++)
			ration__buffer_putc(out, ',');
		put_string(out, name);
		ration__buffer_putc(out, ':');
		if (strcmp(name, "set-cookie") == 0)
			ration__buffer_puts(out, "\"<REDACTED>\"");
		else
			put_joined(out, r, name);
	}
	ration__buffer_putc(out, '}');
}

/* application/json, text/json, anything+json; parameters are passed over. */
static bool is_json(const char *type)
{
	size_t length;

	if (!type)
		return false;
	length = strcspn(type, "; \t");
	if (length == 16 && strncasecmp(type, "application/json", 16) == 0)
		return true;
	if (length == 9 && strncasecmp(type, "text/json", 9) == 0)
		return true;
	return length > 5 && strncasecmp(type + length - 5, "+json", 5) == 0;
}

/* In pieces of whole groups, so that no second copy of it is made. */
static void put_base64(struct ration__buffer *out, const char *bytes, size_t length)
{
	char text[4 * 256 + 1];

	for (size_t i = 0; i < length; i += 3 * 256) {
		size_t n = length - i < 3 * 256 ? length - i : 3 * 256;

		ration__base64(bytes + i, n, text);
		ration__buffer_append(out, text, ration__base64_length(n));
	}
}

static void put_body(struct ration__buffer *out, const ration_response *r)
{
	const char *body = r->last.body;
	size_t length = r->last.body_length;

	if (!length)
		return;
	if (!r->truncated && length <= RATION__LINE_JSON_MAX &&
		is_json(ration_response_header(r, "content-type"))) {
		size_t before = out->length;

		ration__buffer_puts(out, ",\"json\":");
		if (out->failed || ration__json_compact(out, body, length))
			return;
		out->length = before;
		out->data[before] = '\0';
	}
	if (ration__utf8_valid(body, length)) {
		ration__buffer_puts(out, ",\"body\":");
		ration__buffer_json_string(out, body, length);
		return;
	}
	ration__buffer_puts(out, ",\"body_b64\":\"");
	put_base64(out, body, length);
	ration__buffer_putc(out, '"');
}

/* Why it was not made again, as enum ration_exhausted has it. */
static const char *exhausted_name(const ration_response *r)
{
	switch (r->exhausted) {
	case RATION_EXHAUSTED_ATTEMPTS:
		return "attempts";
	case RATION_EXHAUSTED_THROTTLED:
		return "throttled";
	case RATION_EXHAUSTED_BUDGET:
		return "budget";
	case RATION_EXHAUSTED_TIME:
		return "time";
	default:
		return NULL;
	}
}

static void put_error(struct ration__buffer *out, const ration_response *r)
{
	ration__buffer_puts(out, ",\"error\":{\"code\":");
	put_string(out, ration_code_name(r->code));
	put_field(out, "class", ration_code_class(r->code));
	if (exhausted_name(r))
		put_field(out, "exhausted", exhausted_name(r));
	put_field(out, "message", r->message);
	ration__buffer_putc(out, '}');
}

char *ration__response_write(const ration_response *r)
{
	struct ration__buffer out;

	ration__buffer_init(&out, 0);
	ration__buffer_putc(&out, '{');
	if (r->id)
		put_field(&out, "id", r->id);
	if (r->line_number)
		ration__buffer_printf(&out, ",\"line\":%llu", (unsigned long long)r->line_number);
	put_field(&out, "outcome", ration__outcome_name(r->code, r->attempts));
	if (r->status)
		ration__buffer_printf(&out, ",\"status\":%d", r->status);
	if (r->code)
		put_error(&out, r);
	put_attempts(&out, r);
	put_waits(&out, r);
	put_costs(&out, r);
	if (strcmp(r->mode, "exact") != 0)
		put_field(&out, "mode", r->mode);
	put_headers(&out, r);
	put_body(&out, r);
	if (r->truncated)
		ration__buffer_puts(&out, ",\"truncated\":true");
	if (r->meta) {
		ration__buffer_puts(&out, ",\"meta\":");
		ration__buffer_puts(&out, r->meta);
	}
	ration__buffer_putc(&out, '}');
	/* Each field brings its comma; the first one's goes. */
	if (!out.failed && out.length > 1 && out.data[1] == ',') {
		memmove(out.data + 1, out.data + 2, out.length - 1);
		out.length--;
	}
	return ration__buffer_take(&out, NULL);
}
