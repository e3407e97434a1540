/* What servers say about time: see http/hints.h. */
#include <string.h>
#include "base/clock.h"
#include "base/units.h"
#include "base/util.h"
#include "http/answer.h"
#include "http/hints.h"
#include "http/ratelimit.h"

#define FIELD_MAX 2048u /* bytes of a field's lines joined; a longer one is ignored */
#define FAMILIES_MAX                                                                 \
	16u /* "remaining: 0" that are looked at: each costs a pass over the headers \
	     */

/* From here on a number is a moment, not a distance: 1e9 s are 31 years. */
#define EPOCH_MIN 1e9

struct headers {
	const char *at, *end;
};

static bool next_header(struct headers *headers, const char **name, const char **value)
{
	if (headers->at >= headers->end)
		return false;
	*name = headers->at;
	*value = *name + strlen(*name) + 1;
	headers->at = *value + strlen(*value) + 1;
	return true;
}

/* A field that may come in several lines: the only one as it is, more of them joined. */
struct field {
	struct ration__field whole; /* none when longer than we read */
	bool over;
	char joined[FIELD_MAX];
};

/* Not the room for more lines: most responses have none. */
static void field_init(struct field *field)
{
	field->whole = (struct ration__field){.text = NULL};
	field->over = false;
}

static void field_add(struct field *field, const char *line)
{
	struct ration__field *whole = &field->whole;
	size_t more = strlen(line), before = whole->text ? whole->length + 2 : 0;

	field->over = field->over || before + more > FIELD_MAX;
	if (field->over) {
		whole->text = NULL;
		return;
	}
	if (whole->text) {
		if (whole->text != field->joined)
			memcpy(field->joined, whole->text, whole->length);
		memcpy(field->joined + whole->length, ", ", 2);
		memcpy(field->joined + before, line, more);
		line = field->joined;
	}
	whole->text = line;
	whole->length = before + more;
}

/* What the headers came to so far. */
struct said {
	bool spent;	  /* somebody said that nothing is left */
	int64_t stop_ns;  /* for how long */
	const char *date; /* NULL: none */
	struct field limit, policy;
};

/* ---- families of headers ---- */

/* digits [. digits], nothing else: neither signs nor exponents. */
static bool read_decimal(const char *text, double *number)
{
	return !text[strspn(text, "0123456789.")] && ration__parse_number(text, number) == 0;
}

/* Seconds since 1970, finer units told by their size: no API's clock stands before 2001, nor in
 * the year 5000. */
static double epoch_seconds(double number)
{
	return number < 1e11   ? number
	       : number < 1e14 ? number / 1e3
	       : number < 1e17 ? number / 1e6
			       : number / 1e9;
}

/* A reset as these headers say it: seconds to go, a moment as a number or a date, a duration
 * ("6m0s"). */
static bool read_reset(const char *value, const char *date, int64_t *ns)
{
	int64_t now = 0, then;
	double number;

	if (ration__parse_duration(value, ns) == 0)
		return true;
	if (read_decimal(value, &number)) {
		if (number >= EPOCH_MIN) {
			if (!date || !ration__http_date(date, &now))
				return false;
			number = epoch_seconds(number) - (double)now;
		}
		if (number < 0)
			number = 0;
		*ns = number >= RATION__SECONDS_MAX ? RATION__SECONDS_MAX * RATION__NS_PER_S
						    : (int64_t)(number * 1e9);
		return true;
	}
	if ((!ration__http_date(value, &then) && !ration__rfc3339(value, &then)) || !date ||
		!ration__http_date(date, &now))
		return false;
	*ns = ration__max64(0, ration__min64(then - now, RATION__SECONDS_MAX)) * RATION__NS_PER_S;
	return true;
}

/* The reset that goes with a header PREFIXremainingSUFFIX: PREFIXresetSUFFIX, or with "reset-after"
 * in place of "reset", which is always seconds to go. */
static const char *find_reset(
	struct headers headers, const char *remaining, size_t prefix, const char *suffix)
{
	const char *name, *value, *found = NULL;

	while (next_header(&headers, &name, &value)) {
		if (strncmp(name, remaining, prefix) != 0 ||
			strncmp(name + prefix, "reset", 5) != 0)
			continue;
		if (!found && strcmp(name + prefix + 5, suffix) == 0)
			found = value;
		else if (strncmp(name + prefix + 5, "-after", 6) == 0 &&
			 strcmp(name + prefix + 11, suffix) == 0)
			return value;
	}
	return found;
}

/* Which hint a family belongs to; 0: none. */
static uint32_t family_of(const char *name)
{
	static const struct {
		const char *prefix;
		uint32_t hint;
	} families[] = {{"x-ratelimit-", RATION__HINT_X_RATELIMIT},
		{"x-rate-limit-", RATION__HINT_X_RATELIMIT},
		{"anthropic-ratelimit-", RATION__HINT_X_RATELIMIT},
		{"ratelimit-", RATION__HINT_RATELIMIT}}; /* drafts up to 6 */

	for (size_t i = 0; i < RATION__COUNT(families); i++)
		if (strncmp(name, families[i].prefix, strlen(families[i].prefix)) == 0)
			return families[i].hint;
	return 0;
}

static void read_families(struct said *said, uint32_t which, struct headers headers)
{
	struct headers all = headers;
	const char *name, *value;
	unsigned looked = 0;

	while (looked < FAMILIES_MAX && next_header(&headers, &name, &value)) {
		const char *word, *reset;
		double left;
		int64_t ns;

		if (!(family_of(name) & which) || !(word = strstr(name, "remaining")) ||
			!read_decimal(value, &left) || left > 0)
			continue;
		looked++;
		reset = find_reset(all, name, (size_t)(word - name), word + 9);
		if (!reset || !read_reset(reset, said->date, &ns))
			continue;
		said->spent = true;
		said->stop_ns = ration__max64(said->stop_ns, ns);
	}
}

/* ---- all of it ---- */

/* A cheap look at most responses: they say nothing of this. Returns whether a family may be there.
 */
static bool collect(struct headers headers, struct said *said, const char **retry_after)
{
	const char *name, *value;
	bool family = false;

	while (next_header(&headers, &name, &value)) {
		if (*name == 'd' && !said->date && strcmp(name, "date") == 0)
			said->date = value;
		else if (*name == 'r' && !*retry_after && strcmp(name, "retry-after") == 0)
			*retry_after = value;
		else if (*name == 'r' && strcmp(name, "ratelimit") == 0)
			field_add(&said->limit, value);
		else if (*name == 'r' && strcmp(name, "ratelimit-policy") == 0)
			field_add(&said->policy, value);
		else if (*name == 'r' || *name == 'x' || *name == 'a')
			family = family || family_of(name);
	}
	return family;
}

void ration__hints_read(
	uint32_t which, const char *headers, size_t length, struct ration__hints *hints)
{
	struct headers all = {.at = headers, .end = headers + length};
	const char *retry_after = NULL;
	struct ration__hints out = {0};
	struct said said;
	bool families, asked;
	int64_t seconds;

	said.spent = false;
	said.stop_ns = 0;
	said.date = NULL;
	field_init(&said.limit);
	field_init(&said.policy);
	families = collect(all, &said, &retry_after);
	if (which & RATION__HINT_RATELIMIT &&
		ration__ratelimit_spent(&said.limit.whole, &said.policy.whole, &seconds)) {
		said.spent = true;
		said.stop_ns = ration__min64(seconds, RATION__SECONDS_MAX) * RATION__NS_PER_S;
	}
	if (families)
		read_families(&said, which, all);
	asked = which & RATION__HINT_RETRY_AFTER &&
		ration__retry_after(retry_after, said.date, &out.retry_after_ns);
	out.at_once = asked && out.retry_after_ns == 0;
	if (said.spent)
		out.stop_ns = asked ? out.retry_after_ns : said.stop_ns;
	*hints = out;
}
