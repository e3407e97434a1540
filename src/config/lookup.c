/* Paths against the table of settings: which setting a path names, and what is wrong when it names
 * none. */
#include <string.h>
#include <strings.h>
#include "base/token.h"
#include "base/util.h"
#include "config/schema.h"
#include "config/value.h"
#include "guard/rules.h"
#include "http/request.h"

enum { SUGGEST_LENGTH_MAX = 32 };
#define VALUE_EXPECTED \
	"a key's value of at most 95 bytes, without quotes, control characters and blanks at its ends"

const char *ration__pattern_next(const char **pattern, size_t *length)
{
	const char *part = *pattern;

	if (!*part)
		return NULL;
	*length = strcspn(part, ".");
	*pattern = part + *length + (part[*length] == '.');
	return part;
}

static bool part_matches(const char *part, size_t length, const char *name)
{
	return (length == 1 && *part == '*') ||
	       (strlen(name) == length && !memcmp(part, name, length));
}

/* How many components of the path the pattern goes along with; *left: what it has beyond them. */
static unsigned match(const struct ration__path *path, const char *pattern, const char **left)
{
	const char *at = pattern, *part;
	size_t length;
	unsigned n = 0;

	*left = pattern;
	while (n < path->count && (part = ration__pattern_next(&at, &length))) {
		if (!part_matches(part, length, ration__path_part(path, n)))
			break;
		n++;
		*left = at;
	}
	return n;
}

const struct ration__setting *ration__schema_find(const struct ration__path *path)
{
	const char *left;

	for (size_t i = 0; i < ration__schema_count; i++)
		if (match(path, ration__schema[i].pattern, &left) == path->count && !*left)
			return &ration__schema[i];
	return NULL;
}

bool ration__schema_is_map(const struct ration__path *path)
{
	const char *left;

	for (size_t i = 0; i < ration__schema_count; i++)
		if (match(path, ration__schema[i].pattern, &left) == path->count && *left)
			return true;
	return false;
}

bool ration__name_ok(const char *name, size_t size)
{
	size_t length =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return length && length < size && !name[length];
}

/* A service may be named after an origin: whatever is printable, but for what quotes paths. */
static bool service_name_ok(const char *name)
{
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || *name == '"' || *name == '\\')
			return false;
	return true;
}

/* What selects a rule in the store: SERVICE/NAME. */
static bool rule_name_ok(const char *name)
{
	static const char *const taken[] = {
		"breaker", "concurrency", "place", "cooldown", "budget"};

	for (size_t i = 0; i < RATION__COUNT(taken); i++)
		if (!strcmp(name, taken[i]))
			return false;
	return ration__name_ok(name, RATION__PART_MAX);
}

/* A key's value: what a path and a definition can hold. */
static bool key_value_ok(const char *value)
{
	return strlen(value) < sizeof(((struct ration__override *)0)->value) &&
	       ration__header_value_ok(value) && !strpbrk(value, "\"\t");
}

static const char *check_limit_names(const struct ration__path *path)
{
	const char *part;

	if (!rule_name_ok(ration__path_part(path, 3)))
		return "a name of letters, digits, dots, dashes and underscores, not \"breaker\", "
		       "\"concurrency\", \"place\", \"cooldown\" or \"budget\"";
	if (path->count < 7)
		return NULL;
	part = ration__path_part(path, 4);
	if (!strcmp(part, "overrides") && !key_value_ok(ration__path_part(path, 5)))
		return VALUE_EXPECTED;
	if (!strcmp(part, "when") &&
		!ration__name_ok(ration__path_part(path, 6), RATION__KEYNAME_MAX))
		return "a key's name of at most 31 letters, digits, dots, dashes and underscores";
	return NULL;
}

const char *ration__schema_check_names(const struct ration__path *path)
{
	const char *group;

	if (path->count < 2)
		return NULL;
	if (!strcmp(ration__path_part(path, 0), "presets"))
		return ration__name_ok(ration__path_part(path, 1), RATION__KEYNAME_MAX)
			       ? NULL
			       : "a preset's name of at most 31 letters, digits, dots, dashes and "
				 "underscores";
	if (strcmp(ration__path_part(path, 0), "services"))
		return NULL;
	if (!service_name_ok(ration__path_part(path, 1)))
		return "a service's name of printable ASCII characters without blanks, quotes and "
		       "backslashes";
	if (path->count < 4)
		return NULL;
	group = ration__path_part(path, 2);
	if (!strcmp(group, "limits") || !strcmp(group, "quotas"))
		return check_limit_names(path);
	if (!strcmp(group, "headers") &&
		(!ration__header_name_ok(ration__path_part(path, 3)) ||
			ration__header_is_ours(ration__path_part(path, 3))))
		return "a header's name, not one of those that HTTP itself sets, such as Host and "
		       "Content-Length";
	if (!strcmp(group, "fairness") && path->count == 5 &&
		!key_value_ok(ration__path_part(path, 4)))
		return VALUE_EXPECTED;
	return NULL;
}

/* Levenshtein's distance; texts longer than what is worth a suggestion are far away. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned row[SUGGEST_LENGTH_MAX + 1];

	if (a_length > SUGGEST_LENGTH_MAX || b_length > SUGGEST_LENGTH_MAX)
		return SUGGEST_LENGTH_MAX;
	for (unsigned j = 0; j <= b_length; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_length; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b_length; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b_length];
}

/* Calls fn for each distinct component that may follow the first `depth` of the path. */
struct following {
	const char *part;
	size_t length;
};
enum { FOLLOWING_MAX = 48 };

static size_t list_following(
	const struct ration__path *path, unsigned depth, struct following out[FOLLOWING_MAX])
{
	struct ration__path front = *path;
	size_t count = 0;

	front.count = depth;
	for (size_t i = 0; i < ration__schema_count; i++) {
		const char *left;
		struct following new;
		size_t j = 0;

		if (match(&front, ration__schema[i].pattern, &left) < depth)
			continue;
		new.part = ration__pattern_next(&left, &new.length);
		if (!new.part)
			continue;
		while (j < count &&
			(out[j].length != new.length || memcmp(out[j].part, new.part, new.length)))
			j++;
		if (j == count && count < FOLLOWING_MAX)
			out[count++] = new;
	}
	return count;
}

bool ration__schema_word(
	const struct ration__path *path, const char *text, char out[RATION__PART_MAX])
{
	struct following list[FOLLOWING_MAX];
	size_t count = list_following(path, path->count, list), length = strlen(text);

	for (size_t i = 0; i < count; i++) {
		if (*list[i].part == '*' || list[i].length != length ||
			strncasecmp(list[i].part, text, length))
			continue;
		memcpy(out, list[i].part, length);
		out[length] = '\0';
		return true;
	}
	return false;
}

static const struct following *closest(const struct following *list, size_t count, const char *name)
{
	const struct following *best = NULL;
	size_t length = strlen(name);
	unsigned best_distance = length > 6 ? 3 : length > 3 ? 2 : 1;

	for (size_t i = 0; i < count; i++) {
		unsigned d = distance(list[i].part, list[i].length, name, length);

		if (d <= best_distance && (!best || d < best_distance)) {
			best = &list[i];
			best_distance = d;
		}
	}
	return best;
}

static void append_all(const struct following *list, size_t count, struct ration__buffer *out)
{
	for (size_t i = 0; i < count; i++) {
		ration__buffer_puts(out, i ? ", " : "");
		if (*list[i].part == '*')
			ration__buffer_puts(out, "a name of yours");
		else
			ration__buffer_append(out, list[i].part, list[i].length);
	}
}

void ration__schema_explain(const struct ration__path *path, struct ration__buffer *out)
{
	struct following list[FOLLOWING_MAX];
	const struct following *near;
	unsigned depth = 0;
	size_t count;

	for (size_t i = 0; i < ration__schema_count; i++) {
		const char *left;
		unsigned n = match(path, ration__schema[i].pattern, &left);

		if (n > depth)
			depth = n;
	}
	count = list_following(path, depth, list);
	if (depth == path->count) {
		ration__buffer_puts(out, "expected settings below it: ");
		append_all(list, count, out);
		return;
	}
	if (!count) {
		ration__buffer_puts(out, "unknown key: there are no settings below ");
		ration__buffer_puts(out, ration__path_part(path, depth - 1));
		return;
	}
	near = closest(list, count, ration__path_part(path, depth));
	if (near) {
		ration__buffer_puts(out, "unknown key; did you mean ");
		ration__buffer_append(out, near->part, near->length);
		ration__buffer_puts(out, "?");
	} else {
		ration__buffer_puts(out, "unknown key; known here: ");
		append_all(list, count, out);
	}
}
