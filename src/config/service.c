/* What is this process's own, from settings: the HTTP side of a service, the store's place,
 * workers.
 */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include "config/bind.h"
#include "config/preset.h"
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

/* Where responses tell true costs: a source for each unit, whichever of the unit's limits names it.
 */
struct sources {
	const ration_config *config;
	const char *service;
	const char *group; /* that is looked at */
	struct ration__actual list[RATION__ACTUALS_MAX];
	size_t count;
	ration_error **err;
};

static double estimate_of(const struct sources *sources, const char *name)
{
	struct ration__value value = {.number = 1};
	const struct ration__entry *entry;
	char pattern[48];

	snprintf(pattern, sizeof(pattern), "services.*.%s.*.estimate", sources->group);
	entry = ration__bind_entry(sources->config, pattern, sources->service, name);
	if (entry)
		ration__value_parse(entry->setting, entry->text, &value);
	return value.number;
}

static int add_source(void *arg, const char *name, const struct ration__entry *entry)
{
	struct sources *sources = arg;
	const struct ration__entry *unit;
	char pattern[48];

	if (entry->setting->type != RATION__TYPE_SOURCE)
		return 0;
	snprintf(pattern, sizeof(pattern), "services.*.%s.*.unit", sources->group);
	unit = ration__bind_entry(sources->config, pattern, sources->service, name);
	if (!unit)
		return 0; /* refused with the limit */
	for (size_t i = 0; i < sources->count; i++) {
		if (strcmp(sources->list[i].unit, unit->text))
			continue;
		if (!strcmp(sources->list[i].source, entry->text))
			return 0;
		return ration__bind_fail(entry, NULL, NULL, NULL, sources->err,
			"another limit reads the cost in this unit from elsewhere");
	}
	if (sources->count == RATION__ACTUALS_MAX)
		return ration__bind_fail(entry, NULL, NULL, NULL, sources->err,
			"responses tell the cost in at most 8 units");
	sources->list[sources->count++] = (struct ration__actual){
		.unit = unit->text, .source = entry->text, .estimate = estimate_of(sources, name)};
	return 0;
}

static int compare_sources(const void *a, const void *b)
{
	return strcmp(
		((const struct ration__actual *)a)->unit, ((const struct ration__actual *)b)->unit);
}

static int find_sources(struct sources *sources)
{
	static const char *const groups[] = {"limits", "quotas"};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2; i++) {
		sources->group = groups[i];
		rc = ration__bind_each(
			sources->config, sources->service, groups[i], add_source, sources);
	}
	qsort(sources->list, sources->count, sizeof(*sources->list), compare_sources);
	return rc;
}

static char *copy_text(char **to, const char *text, size_t length)
{
	char *start = *to;

	memcpy(start, text, length);
	start[length] = '\0';
	*to += length + 1;
	return start;
}

static char *copy_string(char **to, const char *text)
{
	return copy_text(to, text, strlen(text));
}

/* Name, base, headers and sources in one block, which conf owns. */
static int copy_strings(const ration_config *config, const char *service,
	const struct sources *sources, struct ration__service_conf *conf)
{
	const char *uris = ration__service_uris(config, service);
	char base[2048] = "", *to;
	struct ration__list list;
	struct ration__header *headers;
	size_t count, size, base_length;
	size_t at = ration__bind_below_pattern(config, "services.*.headers", service, NULL, &count);

	if (uris) {
		ration__list_init(&list, uris);
		ration__list_next(&list, base, sizeof(base));
	}
	base_length = strlen(base);
	while (base_length && base[base_length - 1] == '/')
		base_length--;
	size = count * sizeof(*headers) + sizeof(sources->list) + strlen(service) + 1 +
	       base_length + 1;
	for (size_t i = at; i < at + count; i++)
		size += strlen(config->entries[i]->name) + strlen(config->entries[i]->text) + 2;
	for (size_t i = 0; i < sources->count; i++)
		size += strlen(sources->list[i].unit) + strlen(sources->list[i].source) + 2;
	headers = malloc(size);
	if (!headers)
		return RATION_ENOMEM;
	conf->memory = headers;
	conf->headers = headers;
	conf->header_count = count;
	conf->actuals = (struct ration__actual *)(headers + count);
	conf->actual_count = sources->count;
	to = (char *)(conf->actuals + RATION__ACTUALS_MAX);
	conf->name = copy_string(&to, service);
	conf->base = base_length ? copy_text(&to, base, base_length) : NULL;
	for (size_t i = 0; i < count; i++) {
		headers[i].name = copy_string(&to, config->entries[at + i]->name);
		headers[i].value = copy_string(&to, config->entries[at + i]->text);
	}
	for (size_t i = 0; i < sources->count; i++) {
		conf->actuals[i].estimate = sources->list[i].estimate;
		conf->actuals[i].unit = copy_string(&to, sources->list[i].unit);
		conf->actuals[i].source = copy_string(&to, sources->list[i].source);
	}
	return 0;
}

int ration__config_service(const ration_config *config, const char *service,
	struct ration__service_conf *out, ration_error **err)
{
	struct sources sources = {.config = config, .service = service, .err = err};
	struct ration__service_conf conf = {0};
	struct ration__preset preset;
	struct ration__path accept;
	const char *name;
	int rc;

	if (!ration__config_has_service(config, service))
		return ration__bind_fail_service(service, err);
	ration__bind_all(config, RATION__TARGET_SERVICE, "services.*.", service, NULL, &conf);
	ration__bind_path(&accept, "services.*.response.accept", service, NULL);
	store_accept(&conf, ration__bind_text(config, ration__schema_find(&accept), service, NULL));
	conf.name = service;
	rc = check_service(config, &conf, err);
	if (rc == 0)
		rc = find_sources(&sources);
	if (rc == 0)
		rc = ration__preset_of(config, service, &preset, &name, err);
	if (rc < 0)
		return rc;
	if (copy_strings(config, service, &sources, &conf) < 0)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	*out = conf;
	out->nodes = &out->base;
	out->node_count = out->base != NULL;
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
