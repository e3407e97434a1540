/* Values in a response's body, named by JSON pointers. The body is checked once: what follows
 * reads it as text that is known to be JSON. */
#include <stdlib.h>
#include "http/json.h"
#include "http/pointer.h"
#include "http/result.h"

/* As ration_response_line does: whichever thread asks first. All of them find the same. */
static bool is_json(const ration_response *response)
{
	_Atomic(signed char) *known = &((ration_response *)response)->json;
	const struct ration__attempt *last = &response->last;
	/* relaxed: it orders nothing, the body was there before */
	signed char json = atomic_load_explicit(known, memory_order_relaxed);

	if (json == 0) {
		json = last->body && !response->truncated &&
				       ration__json_compact(NULL, last->body, last->body_length)
			       ? 1
			       : -1;
		atomic_store_explicit(known, json, memory_order_relaxed);
	}
	return json > 0;
}

static int find(
	const ration_response *response, const char *pointer, const char **value, size_t *length)
{
	if (!pointer || !ration__pointer_valid(pointer))
		return RATION_EINVAL;
	if (!is_json(response))
		return RATION_EJSON;
	return ration__pointer_find(
		       response->last.body, response->last.body_length, pointer, value, length)
		       ? 0
		       : RATION_EEMPTY;
}

int ration_response_json(
	const ration_response *response, const char *pointer, const char **text, size_t *length)
{
	if (!response || !text || !length)
		return RATION_EINVAL;
	return find(response, pointer, text, length);
}

int ration_response_string(
	const ration_response *response, const char *pointer, char **text, size_t *length)
{
	struct ration__buffer out;
	const char *value;
	size_t value_length;
	char *copy;
	int code;

	if (!response || !text)
		return RATION_EINVAL;
	code = find(response, pointer, &value, &value_length);
	if (code)
		return code;
	ration__buffer_init(&out, 0);
	if (!ration__pointer_string(value, value_length, &out))
		return RATION_EINVAL;
	copy = ration__buffer_take(&out, &value_length);
	if (!copy)
		return RATION_ENOMEM;
	*text = copy;
	if (length)
		*length = value_length;
	return 0;
}
