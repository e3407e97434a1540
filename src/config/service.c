/* What is this process's own, from settings: the HTTP side of a service, the store's place,
 * workers.
 */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include "config/bind.h"
#include "config/value.h"

int ration__config_service_count(const ration_config *config)
{
	return (int)config->service_count;
}

const char *ration__config_service_name(const ration_config *config, int i)
{
	return config->services[i].name;
}

bool ration__config_has_service(const ration_config *config, const char *service)
{
	size_t at = ration__settings_service(config, service);

	return at < config->service_count && !strcmp(config->services[at].name, service);
}

/* ---- the HTTP side ---- */

static void store_accept(struct ration__service_conf *conf, const char *text)
{
	struct ration__list list;
	char item[8];

	memset(conf->accept_class, 0, sizeof(conf->accept_class));
	conf->accept_codes = 0;
	ration__list_init(&list, text);
	while (ration__list_next(&list, item, sizeof(item)) == 1) {
		int status = ration__parse_status(item);

		if (status < 10)
			conf->accept_class[status] = 1;
		else
			conf->accept_code[conf->accept_codes++] = (uint16_t)status;
	}
}

static int check_backoff(const ration_config *config, const char *service, const char *name,
	const struct ration__backoff_conf *backoff, ration_error **err)
{
	char pattern[64];
	const struct ration__entry *entry = NULL;

	if (backoff->first_ns <= backoff->max_ns)
		return 0;
	snprintf(pattern, sizeof(pattern), "services.*.retry.%s.first", name);
	if (config)
		entry = ration__bind_entry(config, pattern, service, NULL);
	if (config && !entry) {
		snprintf(pattern, sizeof(pattern), "services.*.retry.%s.max", name);
		entry = ration__bind_entry(config, pattern, service, NULL);
	}
	return ration__bind_fail(entry, pattern, service, NULL, err, "first is above max");
}

/* config is NULL for one request's copy. */
static int check_service(
	const ration_config *config, const struct ration__service_conf *conf, ration_error **err)
{
	int rc = check_backoff(config, conf->name, "backoff", &conf->retry.backoff, err);

	return rc ? rc : check_backoff(config, conf->name, "throttle", &conf->retry.throttle, err);
}

/* The service's headers are neighbours in the map. */
static size_t first_header(
	const ration_config *config, const char *service, char prefix[], size_t *count)
{
	struct ration__path path;
	size_t at, length;

	ration__bind_path(&path, "services.*.headers", service, NULL);
	ration__path_format(&path, prefix);
	strcat(prefix, ".");
	length = strlen(prefix);
	at = ration__settings_lower(config, prefix);
	*count = 0;
	while (at + *count < config->count &&
		!strncmp(config->entries[at + *count]->path, prefix, length))
		(*count)++;
	return at;
}

static char *copy_text(char **to, const char *text, size_t length)
{
	char *start = *to;

	memcpy(start, text, length);
	start[length] = '\0';
	*to += length + 1;
	return start;
}

/* Name, base and headers in one block, which conf owns. */
static int copy_strings(
	const ration_config *config, const char *service, struct ration__service_conf *conf)
{
	const struct ration__entry *uris =
		ration__bind_entry(config, "services.*.uris", service, NULL);
	char prefix[RATION__PATH_MAX + 32], base[2048] = "";
	struct ration__list list;
	struct ration__header *headers;
	size_t count, at = first_header(config, service, prefix, &count), size, base_length;
	char *to;

	if (uris) {
		ration__list_init(&list, uris->text);
		ration__list_next(&list, base, sizeof(base));
	}
	base_length = strlen(base);
	while (base_length && base[base_length - 1] == '/')
		base_length--;
	size = count * sizeof(*headers) + strlen(service) + 1 + base_length + 1;
	for (size_t i = at; i < at + count; i++)
		size += strlen(config->entries[i]->name) + strlen(config->entries[i]->text) + 2;
	headers = malloc(size);
	if (!headers)
		return RATION_ENOMEM;
	to = (char *)(headers + count);
	conf->memory = headers;
	conf->headers = headers;
	conf->header_count = count;
	conf->name = copy_text(&to, service, strlen(service));
	conf->base = base_length ? copy_text(&to, base, base_length) : NULL;
	for (size_t i = 0; i < count; i++) {
		const struct ration__entry *entry = config->entries[at + i];

		headers[i].name = copy_text(&to, entry->name, strlen(entry->name));
		headers[i].value = copy_text(&to, entry->text, strlen(entry->text));
	}
	return 0;
}

int ration__config_service(const ration_config *config, const char *service,
	struct ration__service_conf *out, ration_error **err)
{
	struct ration__service_conf conf = {0};
	struct ration__path accept;
	int rc;

	if (!ration__config_has_service(config, service))
		return ration__bind_fail_service(service, err);
	ration__bind_all(config, RATION__TARGET_SERVICE, "services.*.", service, NULL, &conf);
	ration__bind_path(&accept, "services.*.response.accept", service, NULL);
	store_accept(&conf, ration__bind_text(config, ration__schema_find(&accept), service, NULL));
	conf.name = service;
	rc = check_service(config, &conf, err);
	if (rc < 0)
		return rc;
	if (copy_strings(config, service, &conf) < 0)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	*out = conf;
	return 0;
}

void ration__service_conf_fini(struct ration__service_conf *conf)
{
	free(conf->memory);
	*conf = (struct ration__service_conf){0};
}

void ration__service_conf_copy(
	struct ration__service_conf *copy, const struct ration__service_conf *from)
{
	*copy = *from;
	copy->memory = NULL;
}

int ration__config_request_option(struct ration__service_conf *copy, const char *path_text,
	const char *value, ration_error **err)
{
	struct ration__place place = {.path = path_text};
	struct ration__service_conf conf = *copy;
	const struct ration__setting *setting;
	struct ration__path path, local;
	struct ration__entry *entry;
	int rc;

	if (ration__path_parse(path_text, &local) < 0)
		return ration__error_set_at(
			err, RATION_ECONFIG, &place, "expected a path such as timeouts.read");
	ration__bind_path(&path, "services.*", copy->name, NULL);
	for (unsigned i = 0; i < local.count; i++)
		if (ration__path_push(&path, ration__path_part(&local, i)) < 0)
			return ration__error_set_at(err, RATION_ECONFIG, &place, "too deep");
	setting = ration__schema_find(&path);
	if (!setting || !setting->per_request)
		return ration__error_set_at(err, RATION_ECONFIG, &place,
			"not a setting of one request: these are timeouts, retry, response and "
			"concurrency.wait");
	rc = ration__entry_new(&path, value, &place, &entry, err);
	if (rc < 0)
		return rc;
	if (entry->setting->type == RATION__TYPE_ACCEPT)
		store_accept(&conf, entry->text);
	else
		ration__bind_store(entry->setting, entry->text, &conf);
	free(entry);
	rc = check_service(NULL, &conf, err);
	if (rc == 0)
		*copy = conf;
	return rc;
}

/* ---- this process ---- */

int ration__config_store(const ration_config *config, struct ration__store_options *out, char *path,
	size_t size, ration_error **err)
{
	const char *set = ration_config_get(config, "store.path");
	struct ration__value hot;
	struct ration__path hot_path;
	const struct ration__setting *setting;
	int rc;

	if (!set) {
		rc = ration__store_default_path(path, size);
		if (rc < 0)
			return ration__error_set(err, rc,
				"store.path is not set, and neither RATION_STORE, XDG_STATE_HOME "
				"nor HOME names a place for it");
	}
	ration__bind_path(&hot_path, "store.hot_size", NULL, NULL);
	setting = ration__schema_find(&hot_path);
	ration__value_parse(setting, ration__bind_text(config, setting, NULL, NULL), &hot);
	*out = (struct ration__store_options){
		.path = set ? set : path,
		.hot_path = ration_config_get(config, "store.hot_path"),
		.group = ration_config_get(config, "store.group"),
		.hot_bytes = hot.integer,
		.clock = config->hooks.clock,
	};
	return 0;
}

void ration__config_process(const ration_config *config, struct ration__process_conf *out)
{
	ration__bind_all(config, RATION__TARGET_PROCESS, "", NULL, NULL, out);
}
