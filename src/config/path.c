/* Paths as components and as text. */
#include "config/path.h"
#include <stdbool.h>
#include <string.h>
#include <ration/error.h>

void ration__path_init(struct ration__path *path)
{
	path->count = 0;
	path->end = 0;
}

static int push(struct ration__path *path, const char *part, size_t length)
{
	if (path->count == RATION__PATH_PARTS || length >= RATION__PART_MAX)
		return RATION_EINVAL;
	path->at[path->count++] = path->end;
	memcpy(path->text + path->end, part, length);
	path->text[path->end + length] = '\0';
	path->end = (uint16_t)(path->end + length + 1);
	return 0;
}

int ration__path_push(struct ration__path *path, const char *part)
{
	return push(path, part, strlen(part));
}

void ration__path_pop(struct ration__path *path)
{
	path->end = path->at[--path->count];
}

int ration__path_parse(const char *text, struct ration__path *path)
{
	ration__path_init(path);
	for (;;) {
		bool quoted = *text == '"';
		size_t length;

		text += quoted;
		length = strcspn(text, quoted ? "\"" : ".\"");
		if (!length || push(path, text, length) < 0)
			return RATION_EINVAL;
		text += length;
		if (quoted && *text++ != '"')
			return RATION_EINVAL;
		if (!*text)
			return 0;
		if (*text++ != '.')
			return RATION_EINVAL;
	}
}

void ration__path_format(const struct ration__path *path, char out[RATION__PATH_MAX + 16])
{
	char *to = out;

	for (unsigned i = 0; i < path->count; i++) {
		const char *part = ration__path_part(path, i);
		bool quote = !*part || strpbrk(part, ". \"");

		if (i)
			*to++ = '.';
		if (quote)
			*to++ = '"';
		for (; *part; part++) {
			unsigned char c = (unsigned char)*part;

			*to++ = c < ' ' || c == 0x7f || c == '"' ? '?' : *part;
		}
		if (quote)
			*to++ = '"';
	}
	*to = '\0';
}
