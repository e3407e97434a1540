/* The origin of a URL. See origin.h. */
#include "cli/origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/hash.h"
#include "http/url.h"

int ration__origin_parse(const char *url, char origin[RATION__ORIGIN_SIZE], ration_error **err)
{
	struct ration__origin parts;
	char made[RATION__ORIGIN_SIZE];
	size_t unused;
	int length;

	if (ration__url_check(url, &unused) < 0)
		return ration__error_set(err, RATION_EURL,
			"invalid URL: holds a blank or control character, to be percent-encoded");
	if (ration__url_origin(url, &parts) < 0)
		return ration__error_set(err, RATION_EURL,
			"invalid URL: expected http://HOST[:PORT]/... or https:, without "
			"credentials");
	length = snprintf(made, sizeof(made), "%s://%.*s", parts.tls ? "https" : "http",
		(int)parts.host_length, parts.host);
	if (parts.port != (parts.tls ? 443 : 80) && (size_t)length < sizeof(made))
		length += snprintf(made + length, sizeof(made) - (size_t)length, ":%d", parts.port);
	if ((size_t)length >= sizeof(made))
		return ration__error_set(err, RATION_ETOOBIG,
			"the URL's origin is longer than %zu bytes", sizeof(made) - 1);
	for (char *c = made; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	memcpy(origin, made, sizeof(made));
	return 0;
}

static size_t slot_of(const struct ration__origins *origins, const char *origin)
{
	size_t at = ration__hash64(origin, strlen(origin)) & (origins->slot_count - 1);

	while (origins->slots[at] && strcmp(origins->names[origins->slots[at] - 1], origin))
		at = (at + 1) & (origins->slot_count - 1);
	return at;
}

bool ration__origins_has(struct ration__origins *origins, const char *origin)
{
	size_t index;

	if (!origins->count)
		return false;
	if (!strcmp(origins->names[origins->last], origin)) /* most batches have one */
		return true;
	index = origins->slots[slot_of(origins, origin)];
	if (index)
		origins->last = index - 1;
	return index != 0;
}

/* Room for twice as many, at most half full. */
static int grow(struct ration__origins *origins)
{
	struct ration__origins larger = *origins;
	void *names;

	larger.slot_count = origins->slot_count ? origins->slot_count * 2 : 32;
	larger.slots = calloc(larger.slot_count, sizeof(*larger.slots));
	if (!larger.slots)
		return RATION_ENOMEM;
	names = realloc(origins->names, larger.slot_count / 2 * sizeof(*larger.names));
	if (!names) {
		free(larger.slots);
		return RATION_ENOMEM;
	}
	larger.names = names;
	for (size_t i = 0; i < larger.count; i++)
		larger.slots[slot_of(&larger, larger.names[i])] = i + 1;
	free(origins->slots);
	*origins = larger;
	return 0;
}

int ration__origins_add(struct ration__origins *origins, const char *origin)
{
	if (origins->count >= RATION__ORIGINS_MAX)
		return RATION_EFULL;
	if (origins->count >= origins->slot_count / 2) {
		int rc = grow(origins);

		if (rc < 0)
			return rc;
	}
	strcpy(origins->names[origins->count], origin);
	origins->slots[slot_of(origins, origin)] = origins->count + 1;
	origins->last = origins->count++;
	return 0;
}

void ration__origins_fini(struct ration__origins *origins)
{
	free(origins->names);
	free(origins->slots);
	*origins = (struct ration__origins){0};
}
