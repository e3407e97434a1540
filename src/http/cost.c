/* True costs: see http/cost.h. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include "base/token.h"
#include "base/units.h"
#include "http/cost.h"
#include "http/json.h"
#include "http/pointer.h"

static const char body_source[] = "body:", header_source[] = "header:";

/* What follows the prefix; NULL: another source. */
static const char *source_is(const char *source, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(source, prefix, length) == 0 ? source + length : NULL;
}

bool ration__cost_source_ok(const char *source)
{
	const char *rest = source_is(source, body_source);

	if (rest)
		return ration__pointer_valid(rest);
	rest = source_is(source, header_source);
	return rest && ration__header_name_ok(rest);
}

static double read_number(const char *text, size_t length)
{
	char number[64];
	double value;

	if (length >= sizeof(number))
		return NAN;
	memcpy(number, text, length);
	number[length] = '\0';
	if (ration__parse_number(number, &value) || value < 0 || value > RATION__COST_MAX)
		return NAN;
	return value + 0.0; /* "-0" is 0 */
}

/* Of several lines the first. */
static double read_header(const struct ration__cost_text *text, const char *name)
{
	const char *at = text->headers, *end = at + text->headers_length;

	while (at < end) {
		const char *value = at + strlen(at) + 1;

		if (strcasecmp(at, name) == 0)
			return read_number(value, strlen(value));
		at = value + strlen(value) + 1;
	}
	return NAN;
}

static double read_body(const struct ration__cost_text *text, const char *pointer)
{
	const char *value;
	size_t length;

	if (!ration__pointer_find(text->body, text->body_length, pointer, &value, &length))
		return NAN;
	return read_number(value, length);
}

void ration__cost_read(const struct ration__service_conf *service,
	const struct ration__cost_text *text, double actual[RATION__ACTUALS_MAX])
{
	int whole = -1; /* asked for at the first source that needs it */

	for (size_t i = 0; i < service->actual_count && i < RATION__ACTUALS_MAX; i++) {
		const char *pointer = source_is(service->actuals[i].source, body_source);
		const char *name = source_is(service->actuals[i].source, header_source);

		if (pointer && whole < 0)
			whole = text->body &&
				ration__json_compact(NULL, text->body, text->body_length);
		if (pointer)
			actual[i] = whole ? read_body(text, pointer) : NAN;
		else
			actual[i] = name ? read_header(text, name) : NAN;
	}
}
