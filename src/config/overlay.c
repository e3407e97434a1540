/* Environments: settings that a file has for one of several places of use, and that are applied
 * when that one is chosen. They lie beside the configuration until then. */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "config/settings.h"

static int fail_memory(ration_error **err)
{
	return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
}

int ration__overlays_reserve(ration_config *config, size_t extra, ration_error **err)
{
	struct ration__entry **list;
	size_t count = config->overlay_count + extra;

	if (!extra)
		return 0;
	if (count > 2 * (size_t)RATION__SETTINGS_MAX)
		return ration__error_set(err, RATION_ECONFIG,
			"more than %d settings of environments", 2 * RATION__SETTINGS_MAX);
	list = realloc(config->overlays, count * sizeof(*list));
	if (!list)
		return fail_memory(err);
	config->overlays = list;
	return 0;
}

void ration__overlays_add(ration_config *config, struct ration__entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		config->overlays[config->overlay_count++] = entries->list[i];
	entries->count = 0;
}

/* Appends each name once, as they came. */
static void append_names(const ration_config *config, struct ration__buffer *out)
{
	for (size_t i = 0; i < config->overlay_count; i++) {
		const char *name = config->overlays[i]->environment;
		size_t first = 0;

		while (strcmp(config->overlays[first]->environment, name))
			first++;
		if (first < i)
			continue;
		ration__buffer_puts(out, i ? ", " : "");
		ration__buffer_puts(out, name);
	}
}

static int fail_unknown(const ration_config *config, const char *name, ration_error **err)
{
	struct ration__buffer text;
	int rc;

	ration__buffer_init(&text, 0);
	ration__buffer_puts(&text, config->overlay_count ? "no such environment; known are "
							 : "no such environment: the "
							   "configuration defines none");
	append_names(config, &text);
	rc = text.failed ? fail_memory(err)
			 : ration__error_set(err, RATION_ECONFIG, "\"%.60s\": %s", name, text.data);
	ration__buffer_fini(&text);
	return rc;
}

int ration_config_overlay(ration_config *config, const char *name, ration_error **err)
{
	struct ration__entries entries = {0};
	const struct ration__place nowhere = {0};
	size_t found = 0;
	int rc = 0;

	if (!config || !name)
		return ration__error_set(err, RATION_EINVAL, "%s", ration_strerror(RATION_EINVAL));
	for (size_t i = 0; rc == 0 && i < config->overlay_count; i++) {
		const struct ration__entry *from = config->overlays[i];
		struct ration__entry *copy;

		if (strcmp(from->environment, name))
			continue;
		found++;
		if (!from->setting) /* only says that there is one of that name */
			continue;
		copy = ration__entry_copy(from);
		rc = copy ? ration__entries_add(&entries, copy, &nowhere, err) : fail_memory(err);
		if (rc < 0)
			free(copy);
	}
	if (rc == 0 && !found)
		rc = fail_unknown(config, name, err);
	if (rc == 0)
		rc = ration__settings_merge(config, &entries, err);
	ration__entries_fini(&entries);
	return rc;
}
