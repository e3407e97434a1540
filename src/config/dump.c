/*
 * Every effective setting as YAML that loads to the same again. What was not set is marked with
 * "# default"; what has no default stands there as a comment. Secrets are left out.
 */
#include <stdio.h>
#include <string.h>
#include "base/token.h"
#include "base/units.h"
#include "base/util.h"
#include "config/bind.h"
#include "config/effective.h"
#include "config/limit.h"
#include "config/profile.h"
#include "config/service.h"
#include "config/value.h"

struct dump {
	const ration_config *config;
	struct ration__buffer out;
	struct ration__path last; /* of the line before: maps are opened where paths part */
	const char *service;
	const char *group; /* "limits", "quotas" */
	ration_error **err;
};

/* ---- YAML ---- */

static bool is_plain(const char *text)
{
	size_t length =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-+");

	return length && !text[length] && *text != '-' && *text != '+' && *text != '.' &&
	       strcmp(text, "null");
}

/* Double quotes as JSON has them are YAML's as well. */
static void put_text(struct dump *dump, const char *text)
{
	if (is_plain(text))
		ration__buffer_puts(&dump->out, text);
	else
		ration__buffer_json_string(&dump->out, text, strlen(text));
}

static void put_list(struct dump *dump, const char *text)
{
	struct ration__list list;
	char item[2048];
	const char *comma = "";

	ration__list_init(&list, text);
	ration__buffer_putc(&dump->out, '[');
	while (ration__list_next(&list, item, sizeof(item)) == 1) {
		ration__buffer_puts(&dump->out, comma);
		put_text(dump, item);
		comma = ", ";
	}
	ration__buffer_putc(&dump->out, ']');
}

static void put_value(struct dump *dump, const struct ration__setting *setting, const char *text)
{
	if (ration__type_is_list(setting->type)) {
		put_list(dump, text);
		return;
	}
	switch (setting->type) {
	case RATION__TYPE_TEXT:
	case RATION__TYPE_HEADER:
		/* always quoted: other readers take 2022-06-28 or yes for something else */
		ration__buffer_json_string(&dump->out, text, strlen(text));
		break;
	default:
		put_text(dump, text);
	}
}

static void indent(struct dump *dump, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		ration__buffer_puts(&dump->out, "  ");
}

/* Opens the maps above the path's last component. */
static void open_maps(struct dump *dump, const struct ration__path *path)
{
	unsigned same = 0;

	while (same + 1 < path->count && same + 1 < dump->last.count &&
		!strcmp(ration__path_part(path, same), ration__path_part(&dump->last, same)))
		same++;
	for (; same + 1 < path->count; same++) {
		indent(dump, same);
		put_text(dump, ration__path_part(path, same));
		ration__buffer_puts(&dump->out, ":\n");
	}
	dump->last = *path;
}

/* ---- settings ---- */

/* Where a value comes from, unless it was set in a file or by code. */
static void put_origin(struct dump *dump, const struct ration__setting *setting,
	const struct ration__entry *entry, const char *text)
{
	const char *profile = NULL;

	if (entry && entry->file && !entry->line)
		ration__buffer_printf(&dump->out, "  # %s", entry->file);
	if (entry || !text)
		return;
	if (dump->service)
		profile = ration__profile_text(dump->config, setting, dump->service);
	if (profile && !strcmp(profile, text))
		ration__buffer_printf(&dump->out, "  # profile %s",
			ration__bind_entry(dump->config, "services.*.profile", dump->service, NULL)
				->text);
	else
		ration__buffer_puts(&dump->out, "  # default");
}

static void put_line(struct dump *dump, const struct ration__setting *setting,
	const struct ration__path *path, const struct ration__entry *entry, const char *text)
{
	const char *name = entry ? entry->name : NULL;
	bool secret = setting->type == RATION__TYPE_SECRET ||
		      (setting->type == RATION__TYPE_HEADER && ration__header_name_secret(name));

	/* an alias has another name than what it sets */
	if (setting->type != RATION__TYPE_HEADER)
		name = ration__path_part(path, path->count - 1);
	open_maps(dump, path);
	indent(dump, path->count - 1);
	secret = secret && text;
	if (secret || !text)
		ration__buffer_puts(&dump->out, "# ");
	put_text(dump, name);
	ration__buffer_puts(&dump->out, ": ");
	if (secret)
		ration__buffer_puts(&dump->out, "(hidden)");
	else if (!text)
		ration__buffer_printf(&dump->out, "(%s)", setting->unset);
	else
		put_value(dump, setting, text);
	put_origin(dump, setting, entry, text);
	ration__buffer_putc(&dump->out, '\n');
}

/* A setting of dump's service (or preset), or of none; text: what holds when it is not set, NULL:
 * the table's default. */
static void put_setting(struct dump *dump, const struct ration__setting *setting, const char *name,
	const char *text)
{
	const struct ration__entry *entry =
		ration__bind_entry(dump->config, setting->pattern, dump->service, name);
	struct ration__path path;

	ration__bind_path(&path, setting->pattern, dump->service, name);
	if (entry)
		text = entry->text;
	else if (!text)
		text = dump->service ? ration__bind_default(dump->config, setting, dump->service)
				     : setting->fallback;
	if (text || setting->unset)
		put_line(dump, setting, &path, entry, text);
}

/* What was set below a pattern, as it stands. */
static void put_below(struct dump *dump, const char *pattern, const char *name)
{
	size_t count,
		at = ration__bind_below_pattern(dump->config, pattern, dump->service, name, &count);
	struct ration__path path;

	for (size_t i = at; i < at + count; i++) {
		const struct ration__entry *entry = dump->config->entries[i];

		ration__path_parse(entry->path, &path);
		put_line(dump, entry->setting, &path, entry, entry->text);
	}
}

/* The overrides of limits[index]; a burst that follows from an override's rate is said. */
static void put_overrides(struct dump *dump, const struct ration__rules *rules, uint32_t index)
{
	static const char *const leaves[] = {"max", "rate", "burst"};
	char pattern[48], text[64];

	snprintf(pattern, sizeof(pattern), "services.*.%s.*.overrides", dump->group);
	for (uint32_t i = 0; i < rules->override_count; i++) {
		const struct ration__override *override = &rules->overrides[i];

		for (size_t j = 0; override->limit == index && j < RATION__COUNT(leaves); j++) {
			const struct ration__entry *entry;
			struct ration__path path;
			bool derived = j == 2 && override->burst > 0;

			ration__bind_path(&path, pattern, dump->service, rules->limits[index].name);
			ration__path_push(&path, override->value);
			ration__path_push(&path, leaves[j]);
			entry = ration__settings_find(dump->config, &path);
			ration__format_number(text, sizeof(text), override->burst);
			if (entry || derived)
				put_line(dump, ration__schema_find(&path), &path, entry,
					entry ? entry->text : text);
		}
	}
}

/* Settings whose names are the user's choice, at the first of them in the table. */
static void put_map(
	struct dump *dump, const char *leaf, const struct ration__rules *rules, uint32_t index)
{
	char pattern[48];

	snprintf(pattern, sizeof(pattern), "services.*.%s.*.when.keys", dump->group);
	if (!strcmp(leaf, "when.keys.*"))
		put_below(dump, pattern, rules->limits[index].name);
	else if (!strcmp(leaf, "overrides.*.max"))
		put_overrides(dump, rules, index);
}

/* One limit or quota: what its kind has. */
static void put_limit(struct dump *dump, const struct ration__rules *rules, uint32_t index)
{
	const struct ration__limit *limit = &rules->limits[index];
	char prefix[32], text[RATION__EFFECTIVE_MAX];
	size_t length = (size_t)snprintf(prefix, sizeof(prefix), "services.*.%s.*.", dump->group);

	for (size_t i = 0; i < ration__schema_count; i++) {
		const struct ration__setting *setting = &ration__schema[i];
		const char *leaf = setting->pattern + length;

		if (strncmp(setting->pattern, prefix, length))
			continue;
		if (strchr(leaf, '*'))
			put_map(dump, leaf, rules, index);
		else if (ration__limit_takes(limit, leaf))
			put_setting(dump, setting, limit->name,
				ration__effective_limit(leaf, limit, text));
	}
}

static void put_limits(struct dump *dump, const struct ration__rules *rules, const char *group)
{
	bool quotas = !strcmp(group, "quotas");

	dump->group = group;
	for (uint32_t i = 0; i < rules->limit_count; i++)
		if (quotas == (rules->limits[i].kind == RATION__LIMIT_QUOTA))
			put_limit(dump, rules, i);
}

static void put_service_setting(
	struct dump *dump, const struct ration__setting *setting, const struct ration__rules *rules)
{
	const char *leaf = setting->pattern + strlen("services.*.");
	char text[RATION__EFFECTIVE_MAX];

	if (!strcmp(leaf, "headers.*"))
		put_below(dump, "services.*.headers", NULL);
	else if (!strcmp(leaf, "fairness.weights.*"))
		put_below(dump, "services.*.fairness.weights", NULL);
	else if (!strcmp(leaf, "limits.*"))
		put_limits(dump, rules, "limits");
	else if (!strcmp(leaf, "quotas.*"))
		put_limits(dump, rules, "quotas");
	else if (!strcmp(leaf, "uris"))
		put_setting(dump, setting, NULL, ration__service_uris(dump->config, dump->service));
	else if (setting->http && !ration__place_exists(dump->config, dump->service))
		return; /* and would be refused */
	else if (!strchr(leaf, '*') && ration__service_takes(leaf, rules))
		put_setting(dump, setting, NULL, ration__effective_service(leaf, rules, text));
}

/* What contradicts in what the settings are for is found by compiling. */
static int compile(struct dump *dump, const char *service, struct ration__rules *rules)
{
	struct ration__fairness_conf fairness;
	struct ration__service_conf conf;
	int rc = ration__config_rules(dump->config, service, rules, dump->err);

	if (rc == 0)
		rc = ration__config_service(dump->config, service, &conf, dump->err);
	if (rc < 0)
		return rc;
	ration__service_conf_fini(&conf);
	rc = ration__config_fairness(dump->config, service, &fairness, dump->err);
	if (rc == 0)
		ration__fairness_conf_fini(&fairness);
	return rc;
}

static int put_service(struct dump *dump, const char *service)
{
	struct ration__rules rules;
	int rc = compile(dump, service, &rules);

	dump->service = service;
	for (size_t i = 0; rc == 0 && i < ration__schema_count; i++)
		if (!strncmp(ration__schema[i].pattern, "services.*.", 11) &&
			!ration__schema[i].alias)
			put_service_setting(dump, &ration__schema[i], &rules);
	return rc;
}

static int put_preset(struct dump *dump, const char *name)
{
	const size_t length = strlen("presets.*.");
	char text[RATION__EFFECTIVE_MAX];
	struct ration__preset preset;
	int rc = ration__preset_find(dump->config, name, NULL, &preset, dump->err);

	dump->service = name;
	for (size_t i = 0; rc == 0 && i < ration__schema_count; i++) {
		const struct ration__setting *setting = &ration__schema[i];

		if (!strncmp(setting->pattern, "presets.*.", length))
			put_setting(dump, setting, NULL,
				ration__effective_preset(setting->pattern + length, &preset, text));
	}
	dump->service = NULL;
	return rc;
}

/* Those of the configuration. What is below a name stands together, the name itself need not. */
static int put_presets(struct dump *dump)
{
	size_t count, at = ration__bind_below(dump->config, "presets", &count);
	char last[RATION__PART_MAX] = "";
	struct ration__path path;
	int rc = 0;

	for (size_t i = at; rc == 0 && i < at + count; i++) {
		const char *name;

		ration__path_parse(dump->config->entries[i]->path, &path);
		name = ration__path_part(&path, 1);
		if (path.count > 2 && (!strcmp(name, last) || ration__bind_entry(dump->config,
								      "presets.*", name, NULL)))
			continue;
		snprintf(last, sizeof(last), "%s", name);
		rc = put_preset(dump, name);
	}
	return rc;
}

int ration_config_dump(const ration_config *config, char **text, ration_error **err)
{
	struct dump dump = {.config = config, .err = err};
	char *out;
	int rc = 0;

	if (!config || !text)
		return ration__error_set(err, RATION_EINVAL, "%s", ration_strerror(RATION_EINVAL));
	ration__buffer_init(&dump.out, 0);
	for (size_t i = 0; i < ration__schema_count; i++)
		if (strncmp(ration__schema[i].pattern, "services.", 9) &&
			strncmp(ration__schema[i].pattern, "presets.", 8) &&
			strncmp(ration__schema[i].pattern, "environments.", 13))
			put_setting(&dump, &ration__schema[i], NULL, NULL);
	rc = put_presets(&dump);
	for (int i = 0; rc == 0 && i < ration__config_service_count(config); i++)
		rc = put_service(&dump, ration__config_service_name(config, i));
	if (rc < 0) {
		ration__buffer_fini(&dump.out);
		return rc;
	}
	out = ration__buffer_take(&dump.out, NULL);
	if (!out)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	*text = out;
	return 0;
}
