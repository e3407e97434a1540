/* The public face of the configuration, but for the file (yaml.c) and the dump (dump.c). */
#include <stdlib.h>
#include <string.h>
#include "config/profile.h"
#include "config/settings.h"

ration_config *ration_config_new(void)
{
	return calloc(1, sizeof(ration_config));
}

void ration_config_free(ration_config *config)
{
	struct ration__entries entries;

	if (!config)
		return;
	entries = (struct ration__entries){.list = config->entries, .count = config->count};
	ration__entries_fini(&entries);
	entries =
		(struct ration__entries){.list = config->overlays, .count = config->overlay_count};
	ration__entries_fini(&entries);
	free(config->services);
	for (size_t i = 0; i < config->file_count; i++)
		free(config->files[i]);
	free(config->files);
	for (size_t i = 0; i < config->token_count; i++)
		free(config->tokens[i].service);
	free(config->tokens);
	free(config);
}

int ration_config_set(
	ration_config *config, const char *path_text, const char *value, ration_error **err)
{
	const struct ration__place nowhere = {0}, place = {.path = path_text};
	struct ration__entries entries = {0};
	struct ration__entry *entry;
	struct ration__path path;
	int rc;

	if (!config || !path_text || !value)
		return ration__error_set(err, RATION_EINVAL, "%s", ration_strerror(RATION_EINVAL));
	if (ration__path_parse(path_text, &path) < 0)
		return ration__error_set_at(err, RATION_ECONFIG, &place,
			"expected a path such as services.NAME.limits.NAME.rate; a name with dots "
			"stands in double quotes");
	rc = ration__entry_new(&path, value, &nowhere, &entry, err);
	if (rc < 0)
		return rc;
	rc = ration__entries_add(&entries, entry, &place, err);
	if (rc < 0) {
		free(entry);
		return rc;
	}
	rc = ration__settings_merge(config, &entries, err);
	ration__entries_fini(&entries);
	return rc;
}

const char *ration_config_get(const ration_config *config, const char *path_text)
{
	const struct ration__setting *setting;
	const struct ration__entry *entry;
	const char *profile = NULL;
	struct ration__path path;

	if (!config || !path_text || ration__path_parse(path_text, &path) < 0)
		return NULL;
	setting = ration__schema_find(&path);
	if (setting && setting->alias) {
		/* another number than the `attempts` that are kept */
		if (!strcmp(ration__path_part(&path, path.count - 1), "retries"))
			return NULL;
		ration__path_follow(&path, setting->alias);
		setting = ration__schema_find(&path);
	}
	if (!setting)
		return NULL;
	entry = ration__settings_find(config, &path);
	if (!entry && path.count > 2)
		profile = ration__profile_text(config, setting, ration__path_part(&path, 1));
	return entry ? entry->text : profile ? profile : setting->fallback;
}

void ration_config_set_clock(ration_config *config, ration_clock_fn fn, void *arg)
{
	config->hooks.clock = (struct ration__clock){.fn = fn, .arg = arg};
}

void ration_config_set_random(ration_config *config, ration_random_fn fn, void *arg)
{
	config->hooks.random = fn;
	config->hooks.random_arg = arg;
}

void ration_config_set_transport(ration_config *config, ration_transport_fn fn, void *arg)
{
	config->hooks.transport = (struct ration__transport){.fn = fn, .arg = arg};
}

void ration_config_on_log(ration_config *config, ration_log_fn fn, void *arg)
{
	config->hooks.log = fn;
	config->hooks.log_arg = arg;
}

void ration_config_on_event(ration_config *config, ration_event_fn fn, void *arg)
{
	config->hooks.event = fn;
	config->hooks.event_arg = arg;
}

void ration__config_hooks(const ration_config *config, struct ration__config_hooks *out)
{
	*out = config->hooks;
}

/* ---- token providers ---- */

static struct ration__token_hook *find_token(const ration_config *config, const char *service)
{
	for (size_t i = 0; i < config->token_count; i++)
		if (strcmp(config->tokens[i].service, service) == 0)
			return &config->tokens[i];
	return NULL;
}

int ration_config_on_token(
	ration_config *config, const char *service, ration_token_fn fn, void *arg)
{
	struct ration__token_hook *hook, *grown;
	char *name;

	if (!config || !service || !*service)
		return RATION_EINVAL;
	hook = find_token(config, service);
	if (hook) {
		hook->fn = fn;
		hook->arg = arg;
		return 0;
	}
	name = strdup(service);
	grown = name ? realloc(config->tokens, (config->token_count + 1) * sizeof(*grown)) : NULL;
	if (!grown) {
		free(name);
		return RATION_ENOMEM;
	}
	config->tokens = grown;
	config->tokens[config->token_count++] =
		(struct ration__token_hook){.service = name, .fn = fn, .arg = arg};
	return 0;
}

void ration__config_token(
	const ration_config *config, const char *service, ration_token_fn *fn, void **arg)
{
	const struct ration__token_hook *hook = find_token(config, service);

	*fn = hook ? hook->fn : NULL;
	*arg = hook ? hook->arg : NULL;
}
