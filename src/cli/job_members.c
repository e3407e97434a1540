/* Where the values of "json" and "meta" stand in a job line. See job_members.h.
 *
 * The scanner relies on the text being valid JSON, which jansson has seen to, and on jansson
 * keeping an object's members in the order of the text, so that names need no decoding here. */
#include "cli/job_members.h"

#include <string.h>

static const char *skip_blanks(const char *c)
{
	return c + strspn(c, " \t\r\n");
}

/* c at the opening quote; answers what follows the closing one */
static const char *skip_string(const char *c)
{
	for (c++; *c != '"'; c++)
		if (*c == '\\')
			c++;
	return c + 1;
}

static const char *skip_value(const char *c)
{
	size_t depth = 0;

	do {
		if (*c == '"') {
			c = skip_string(c);
			continue;
		}
		if (*c == '{' || *c == '[')
			depth++;
		else if (*c == '}' || *c == ']')
			depth--;
		else if (!depth)
			return c + strcspn(c, " \t\r\n,}]"); /* number or word */
		c++;
	} while (depth);
	return c;
}

void ration__job_members_find(struct ration__job_line *job)
{
	const char *c = skip_blanks(job->text) + 1;
	const char *key;
	json_t *value;

	json_object_foreach(job->root, key, value)
	{
		const char *start;

		c = skip_blanks(skip_string(skip_blanks(c)));
		start = skip_blanks(c + 1); /* past the colon */
		c = skip_value(start);
		if (!json_is_null(value) && (!strcmp(key, "json") || !strcmp(key, "meta")))
			*(key[0] == 'j' ? &job->json : &job->meta) = (struct ration__job_span){
				(size_t)(start - job->text), (size_t)(c - start)};
		c = skip_blanks(c) + 1; /* past the comma */
	}
}
