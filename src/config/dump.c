/*
 * Every effective setting as YAML that loads to the same again. What was not set is marked with
 * "# default"; what has no default stands there as a comment. Secrets are left out.
 */
#include <string.h>
#include "base/token.h"
#include "base/units.h"
#include "config/bind.h"
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
	switch (setting->type) {
	case RATION__TYPE_NAMES:
	case RATION__TYPE_CHOICES:
	case RATION__TYPE_URIS:
	case RATION__TYPE_ACCEPT:
		put_list(dump, text);
		break;
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

static void put_line(struct dump *dump, const struct ration__setting *setting,
	const struct ration__path *path, const struct ration__entry *entry, const char *text)
{
	const char *name = entry ? entry->name : NULL;
	bool secret = setting->type == RATION__TYPE_HEADER && ration__header_name_secret(name);

	/* an alias has another name than what it sets */
	if (setting->type != RATION__TYPE_HEADER)
		name = ration__path_part(path, path->count - 1);
	open_maps(dump, path);
	indent(dump, path->count - 1);
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
	if (text && !entry)
		ration__buffer_puts(&dump->out, "  # default");
	ration__buffer_putc(&dump->out, '\n');
}

/* A setting of the service's or of no service. */
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
		text = setting->fallback;
	if (text || setting->unset)
		put_line(dump, setting, &path, entry, text);
}

static int put_header(void *arg, const char *name, const struct ration__entry *entry)
{
	struct dump *dump = arg;
	struct ration__path path;

	(void)name;
	ration__path_parse(entry->path, &path);
	put_line(dump, entry->setting, &path, entry, entry->text);
	return 0;
}

/* One limit or quota: what its kind has. */
static void put_limit(struct dump *dump, const char *name, const struct ration__limit *limit)
{
	char prefix[32], burst[64];
	size_t length;

	strcpy(prefix, "services.*.");
	strcat(prefix, dump->group);
	strcat(prefix, ".*.");
	length = strlen(prefix);
	for (size_t i = 0; i < ration__schema_count; i++) {
		const struct ration__setting *setting = &ration__schema[i];
		const char *text = NULL;

		if (strncmp(setting->pattern, prefix, length))
			continue;
		if (setting->type == RATION__TYPE_BURST) {
			if (limit->kind != RATION__LIMIT_BUCKET)
				continue;
			ration__format_number(burst, sizeof(burst), limit->bucket.burst);
			text = burst;
		}
		put_setting(dump, setting, name, text);
	}
}

static void put_limits(struct dump *dump, const struct ration__rules *rules, const char *group)
{
	bool quotas = !strcmp(group, "quotas");

	dump->group = group;
	for (uint32_t i = 0; i < rules->limit_count; i++)
		if (quotas == (rules->limits[i].kind == RATION__LIMIT_QUOTA))
			put_limit(dump, rules->limits[i].name, &rules->limits[i]);
}

static int put_service(struct dump *dump, const char *service)
{
	struct ration__service_conf conf;
	struct ration__rules rules;
	int rc = ration__config_rules(dump->config, service, &rules, dump->err);

	if (rc == 0)
		rc = ration__config_service(dump->config, service, &conf, dump->err);
	if (rc < 0)
		return rc;
	ration__service_conf_fini(&conf);
	dump->service = service;
	for (size_t i = 0; i < ration__schema_count; i++) {
		const struct ration__setting *setting = &ration__schema[i];

		if (strncmp(setting->pattern, "services.*.", 11) || setting->alias)
			continue;
		if (setting->type == RATION__TYPE_HEADER)
			ration__bind_each(dump->config, service, "headers", put_header, dump);
		else if (!strcmp(setting->pattern, "services.*.limits.*"))
			put_limits(dump, &rules, "limits");
		else if (!strcmp(setting->pattern, "services.*.quotas.*"))
			put_limits(dump, &rules, "quotas");
		else if (!strchr(setting->pattern + 11, '*'))
			put_setting(dump, setting, NULL, NULL);
	}
	return 0;
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
		if (strncmp(ration__schema[i].pattern, "services.", 9))
			put_setting(&dump, &ration__schema[i], NULL, NULL);
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
