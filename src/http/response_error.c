/*
 * A response as an error: its kind, and the forms in which it is told, to anyone and to developers.
 * What is serialised holds kind, message and debug id; the rest stays in the process.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "http/result.h"

const char *ration__response_kind(int code, int status, uint8_t exhausted)
{
	switch (exhausted) {
	case RATION_EXHAUSTED_ATTEMPTS:
	case RATION_EXHAUSTED_THROTTLED:
	case RATION_EXHAUSTED_BUDGET:
		return ration_code_kind(RATION_EEXHAUSTED);
	default:
		return code == RATION_EAUTH && status == 403 ? "FORBIDDEN" : ration_code_kind(code);
	}
}

const char *ration_response_kind(const ration_response *response)
{
	return ration__response_kind(response->code, response->status, response->exhausted);
}

const char *ration_response_summary(const ration_response *response)
{
	return response->summary;
}

const char *ration_response_debug_id(const ration_response *response)
{
	return response->debug_id;
}

int ration_response_error(const ration_response *response, char **json)
{
	if (!json)
		return RATION_EINVAL;
	return ration__error_json(
		ration_response_kind(response), response->message, response->debug_id, json);
}

static void put_attempt(
	struct ration__buffer *out, uint32_t number, const struct ration__attempt_note *note)
{
	ration__buffer_printf(out, "\nattempt %u: ", number);
	ration__buffer_puts(out, ration_code_name(note->code));
	if (note->code_or_status > 0)
		ration__buffer_printf(out, " (status %d)", note->code_or_status);
	ration__buffer_printf(
		out, "%s, %.3f ms", note->redirected ? ", redirected" : "", note->elapsed_us / 1e3);
	if (note->node)
		ration__buffer_printf(out, ", %s", note->node);
}

int ration_response_debug(const ration_response *response, char **out)
{
	uint32_t before = response->attempts - response->note_count;
	struct ration__buffer text;
	char *taken;

	if (!out)
		return RATION_EINVAL;
	ration__buffer_init(&text, 0);
	ration__buffer_puts(&text, response->summary);
	if (response->code)
		ration__buffer_printf(&text, "\ncode: %s (%s), debug id %s",
			ration_code_name(response->code), ration_code_class(response->code),
			response->debug_id);
	ration__buffer_puts(&text, "\nurl: "); /* but its query and fragment */
	ration__buffer_append(&text, response->url, strcspn(response->url, "?#"));
	ration__buffer_printf(&text, "\nsent: %s, limits: %s, attempts: %u",
		response->sent > 0   ? "yes"
		: response->sent < 0 ? "not known"
				     : "no",
		response->mode, response->attempts);
	for (uint32_t i = 0; i < response->note_count; i++)
		put_attempt(&text, before + i + 1, &response->notes[i]);
	if (*response->debug)
		ration__buffer_printf(&text, "\nlast: %s", response->debug);
	taken = ration__buffer_take(&text, NULL);
	if (!taken)
		return RATION_ENOMEM;
	*out = taken;
	return 0;
}
