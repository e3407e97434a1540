/* Presets. See preset.h. The built-in numbers are cautious ones to start from. */
#include "config/preset.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/units.h"
#include "base/util.h"
#include "config/bind.h"
#include "config/value.h"

static const struct {
	const char *name;
	struct ration__preset preset;
} builtin[] = {
	/* by name; paths begin with the API's version */
	{"airtable", {3, 0.5, 5, 0.2, 0.5, "https://api.airtable.com"}},
	{"fieldguide", {2, 0.5, 5, 0.2, 0.5, "https://api.fieldguide.io"}},
	{"github", {2, 0.5, 6, 0.2, 0.5, "https://api.github.com"}},
	{"notion", {2, 0.3, 3.5, 0.1, 0.5, "https://api.notion.com"}},
	{"openai", {1.5, 0.2, 5, 0.1, 0.5, "https://api.openai.com"}},
	{"slack", {1.5, 0.3, 4, 0.1, 0.5, "https://slack.com/api"}},
	{"vanta", {2, 0.5, 5, 0.2, 0.5, "https://api.vanta.com"}},
	{"zapier", {2, 0.3, 5, 0.2, 0.5, "https://hooks.zapier.com"}},
};

void ration__preset_complete(struct ration__preset *preset)
{
	if (preset->min == 0)
		preset->min = fmax(preset->initial / 10, RATION__RATE_MIN);
	if (preset->max == 0)
		preset->max = fmin(preset->initial * 10, RATION__RATE_MAX);
	if (preset->step == 0)
		preset->step = fmax(preset->initial / 20, RATION__RATE_MIN);
	if (preset->factor == 0)
		preset->factor = 0.5;
}

/* ---- names ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Appends every preset's name, in order, once each. */
static void append_names(const ration_config *config, struct ration__buffer *out)
{
	size_t count = 0, at = 0;
	struct ration__path path;
	const char **names;
	char(*own)[RATION__PART_MAX];

	if (config)
		at = ration__bind_below(config, "presets", &count);
	names = calloc(RATION__COUNT(builtin) + count, sizeof(*names));
	own = calloc(count + 1, sizeof(*own));
	if (!names || !own) {
		out->failed = true;
		goto done;
	}
	for (size_t i = 0; i < count; i++) {
		ration__path_parse(config->entries[at + i]->path, &path);
		memcpy(own[i], ration__path_part(&path, 1),
			strlen(ration__path_part(&path, 1)) + 1);
		names[i] = own[i];
	}
	for (size_t i = 0; i < RATION__COUNT(builtin); i++)
		names[count++] = builtin[i].name;
	qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 0; i < count; i++) {
		if (i && !strcmp(names[i], names[i - 1]))
			continue;
		ration__buffer_puts(out, i ? ", " : "");
		ration__buffer_puts(out, names[i]);
	}
done:
	free(own);
	free(names);
}

static int fail_unknown(const ration_config *config, const char *name,
	const struct ration__entry *blame, ration_error **err)
{
	struct ration__buffer text;
	int rc;

	ration__buffer_init(&text, 0);
	if (!blame)
		ration__buffer_printf(&text, "%.60s: ", name);
	ration__buffer_puts(&text, "no such preset; known are ");
	append_names(config, &text);
	if (text.failed)
		rc = ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	else if (blame)
		rc = ration__bind_fail(blame, NULL, NULL, NULL, err, text.data);
	else
		rc = ration__error_set(err, RATION_ECONFIG, "%s", text.data);
	ration__buffer_fini(&text);
	return rc;
}

/* ---- finding ---- */

static int fail_part(const ration_config *config, const char *name, const char *leaf,
	ration_error **err, const char *what)
{
	char pattern[32] = "presets.*.";
	const struct ration__entry *entry;

	strcat(pattern, leaf);
	entry = ration__bind_entry(config, pattern, name, NULL);
	if (!entry) /* the other one was set, then */
		entry = ration__bind_entry(config, "presets.*.initial", name, NULL);
	return ration__bind_fail(entry, pattern, name, NULL, err, what);
}

int ration__preset_find(const ration_config *config, const char *name,
	const struct ration__entry *blame, struct ration__preset *out, ration_error **err)
{
	struct ration__preset preset = {0};
	const struct ration__entry *uri = NULL;
	struct ration__path path;
	char text[RATION__PATH_MAX + 16];
	bool known = false;
	size_t count = 0;

	for (size_t i = 0; i < RATION__COUNT(builtin); i++) {
		if (strcmp(builtin[i].name, name))
			continue;
		preset = builtin[i].preset;
		known = true;
	}
	if (config) {
		ration__bind_path(&path, "presets.*", name, NULL);
		ration__path_format(&path, text);
		ration__bind_below(config, text, &count);
		known = known || count || ration__bind_entry(config, "presets.*", name, NULL);
	}
	if (!known)
		return fail_unknown(config, name, blame, err);
	if (config) {
		ration__bind_all(config, RATION__TARGET_PRESET, "presets.*.", name, NULL, &preset);
		uri = ration__bind_entry(config, "presets.*.uri", name, NULL);
	}
	if (uri)
		preset.uri = uri->text;
	if (preset.initial == 0)
		return fail_part(config, name, "initial", err, "is missing: a rate such as 2/s");
	ration__preset_complete(&preset);
	if (preset.min > preset.initial)
		return fail_part(config, name, "min", err, "min is above initial");
	if (preset.max < preset.initial)
		return fail_part(config, name, "max", err, "max is below initial");
	*out = preset;
	return 0;
}

int ration__preset_of(const ration_config *config, const char *service, struct ration__preset *out,
	const char **name, ration_error **err)
{
	const struct ration__entry *entry =
		ration__bind_entry(config, "services.*.preset", service, NULL);
	int rc;

	if (!entry)
		return 0;
	rc = ration__preset_find(config, entry->text, entry, out, err);
	if (rc < 0)
		return rc;
	*name = entry->text;
	return 1;
}

const char *ration__service_uris(const ration_config *config, const char *service)
{
	const struct ration__entry *uris =
		ration__bind_entry(config, "services.*.uris", service, NULL);
	struct ration__preset preset;
	const char *name;

	if (uris)
		return uris->text;
	if (ration__bind_entry(config, "services.*.uri_file", service, NULL))
		return NULL;
	return ration__preset_of(config, service, &preset, &name, NULL) == 1 ? preset.uri : NULL;
}

/* ---- public ---- */

static void put_rate(struct ration__buffer *out, const char *name, double value)
{
	char text[32];

	ration__format_number(text, sizeof(text), value);
	ration__buffer_printf(out, ",\"%s\":%s", name, text);
}

int ration_preset_get(
	const ration_config *config, const char *name, char **json, ration_error **err)
{
	struct ration__preset preset;
	struct ration__buffer out;
	struct ration__list list;
	char uri[2048] = "", *text;
	int rc;

	if (!name || !json)
		return ration__error_set(err, RATION_EINVAL, "%s", ration_strerror(RATION_EINVAL));
	rc = ration__preset_find(config, name, NULL, &preset, err);
	if (rc < 0)
		return rc;
	if (preset.uri) {
		ration__list_init(&list, preset.uri);
		ration__list_next(&list, uri, sizeof(uri));
	}
	ration__buffer_init(&out, 0);
	ration__buffer_puts(&out, "{\"name\":");
	ration__buffer_json_string(&out, name, strlen(name));
	put_rate(&out, "initial", preset.initial);
	put_rate(&out, "min", preset.min);
	put_rate(&out, "max", preset.max);
	put_rate(&out, "step", preset.step);
	put_rate(&out, "factor", preset.factor);
	ration__buffer_puts(&out, ",\"uri\":");
	if (preset.uri)
		ration__buffer_json_string(&out, uri, strlen(uri));
	else
		ration__buffer_puts(&out, "null");
	ration__buffer_putc(&out, '}');
	text = ration__buffer_take(&out, NULL);
	if (!text)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	*json = text;
	return 0;
}
