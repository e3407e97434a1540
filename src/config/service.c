/* What is this process's own, from settings: the HTTP side of a service, the store's place,
 * workers.
 */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include "base/util.h"
#include "config/service.h"
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

/* The setting's member, if it is a list of statuses. */
static bool store_statuses(
	struct ration__service_conf *conf, const struct ration__setting *setting, const char *text)
{
	if (setting->type == RATION__TYPE_ACCEPT)
		store_accept(conf, text);
	else if (setting->type == RATION__TYPE_STATUSES && strstr(setting->pattern, ".throttle."))
		ration__bind_statuses(&conf->retry.throttled, text);
	else if (setting->type == RATION__TYPE_STATUSES)
		ration__bind_statuses(&conf->retry.transient, text);
	else
		return false;
	return true;
}

/* What is accepted always; what is retried only where it was set: unset is empty. */
static void bind_statuses(
	const ration_config *config, const char *service, struct ration__service_conf *conf)
{
	static const char *const patterns[] = {"services.*.response.accept",
		"services.*.retry.statuses", "services.*.retry.throttle.statuses"};

	for (size_t i = 0; i < RATION__COUNT(patterns); i++) {
		const struct ration__entry *entry =
			ration__bind_entry(config, patterns[i], service, NULL);
		const struct ration__setting *setting;
		struct ration__path path;

		ration__bind_path(&path, patterns[i], service, NULL);
		setting = ration__schema_find(&path);
		if (entry || setting->type == RATION__TYPE_ACCEPT)
			store_statuses(conf, setting, entry ? entry->text : setting->fallback);
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

#define CONNECTIONS_MAX 100
#define CONNECTIONS_UNLIMITED 65535
#define LEARNED_MAX 200 /* concurrency.max of a limit that learns, unless set */

static uint32_t number_of(
	const ration_config *config, const char *service, const char *pattern, bool *is_set)
{
	const struct ration__setting *setting;
	struct ration__value value = {0};
	struct ration__path path;

	*is_set = ration__bind_entry(config, pattern, service, NULL) != NULL;
	ration__bind_path(&path, pattern, service, NULL);
	setting = ration__schema_find(&path);
	ration__value_parse(setting, ration__bind_text(config, setting, service, NULL), &value);
	return (uint32_t)value.integer;
}

/* Whoever allows more calls in flight means connections for them. */
static void fill_connections(
	const ration_config *config, const char *service, struct ration__service_conf *conf)
{
	const struct ration__entry *algorithm =
		ration__bind_entry(config, "services.*.concurrency.algorithm", service, NULL);
	bool is_set;
	uint32_t calls;

	if (conf->connections_max)
		return;
	calls = number_of(config, service, "services.*.concurrency.max", &is_set);
	if (!is_set && algorithm && strcmp(algorithm->text, "fixed") != 0)
		calls = LEARNED_MAX;
	if (!calls)
		calls = CONNECTIONS_UNLIMITED;
	conf->connections_max = calls > CONNECTIONS_MAX ? calls : CONNECTIONS_MAX;
}

int ration__config_service(const ration_config *config, const char *service,
	struct ration__service_conf *out, ration_error **err)
{
	struct ration__sources sources = {0};
	struct ration__service_conf conf = {0};
	struct ration__uri_list nodes;
	int rc;

	if (!ration__config_has_service(config, service))
		return ration__bind_fail_service(service, err);
	ration__bind_all(config, RATION__TARGET_SERVICE, "services.*.", service, NULL, &conf);
	bind_statuses(config, service, &conf);
	fill_connections(config, service, &conf);
	conf.name = service;
	rc = check_service(config, &conf, err);
	if (rc == 0)
		rc = ration__sources_find(config, service, &sources, err);
	if (rc == 0)
		rc = ration__place_check(config, service, err);
	if (rc == 0)
		rc = ration__place_nodes(config, service, &nodes, err);
	if (rc < 0)
		return rc;
	rc = ration__strings_copy(config, service, &sources, &nodes, &conf);
	ration__uri_list_fini(&nodes);
	if (rc < 0)
		return ration__error_set(err, rc, "%s", ration_strerror(rc));
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
	place.path = NULL; /* the whole path is said instead */
	rc = ration__entry_new(&path, value, &place, &entry, err);
	if (rc < 0)
		return rc;
	if (!store_statuses(&conf, entry->setting, entry->text))
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
