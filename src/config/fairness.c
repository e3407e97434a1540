/* Whose turn it is, from settings: for the pool, through the client. */
#include <stdlib.h>
#include <string.h>
#include "config/bind.h"
#include "config/compile.h"
#include "config/value.h"

static int compare_weights(const void *a, const void *b)
{
	return strcmp(((const struct ration__weight *)a)->value,
		((const struct ration__weight *)b)->value);
}

/* Weights and their texts in one block. */
static int copy_weights(
	const ration_config *config, size_t at, size_t count, struct ration__fairness_conf *conf)
{
	size_t size = count * sizeof(*conf->weights);
	struct ration__path path;
	char *to;

	for (size_t i = at; i < at + count; i++)
		size += strlen(config->entries[i]->path) + 1;
	conf->weights = malloc(size);
	if (!conf->weights)
		return RATION_ENOMEM;
	to = (char *)(conf->weights + count);
	for (size_t i = 0; i < count; i++) {
		const struct ration__entry *entry = config->entries[at + i];
		struct ration__value value;

		ration__path_parse(entry->path, &path);
		ration__value_parse(entry->setting, entry->text, &value);
		conf->weights[i].value = strcpy(to, ration__path_part(&path, 4));
		conf->weights[i].weight = (uint32_t)value.integer;
		to += strlen(to) + 1;
	}
	qsort(conf->weights, count, sizeof(*conf->weights), compare_weights);
	conf->weight_count = count;
	return 0;
}

int ration__config_fairness(const ration_config *config, const char *service,
	struct ration__fairness_conf *out, ration_error **err)
{
	struct ration__fairness_conf conf = {0};
	size_t at, count;

	if (!ration__config_has_service(config, service))
		return ration__bind_fail_service(service, err);
	ration__bind_all(
		config, RATION__TARGET_FAIRNESS, "services.*.fairness.", service, NULL, &conf);
	at = ration__bind_below_pattern(
		config, "services.*.fairness.weights", service, NULL, &count);
	if (count && !*conf.per)
		return ration__bind_fail(config->entries[at], NULL, NULL, NULL, err,
			"weights need fairness.per as well, such as per: tenant");
	if (count > RATION__WEIGHTS_MAX)
		return ration__bind_fail(config->entries[at + RATION__WEIGHTS_MAX], NULL, NULL,
			NULL, err, "a service has at most 256 weights");
	if (count && copy_weights(config, at, count, &conf) < 0)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	*out = conf;
	return 0;
}

void ration__fairness_conf_fini(struct ration__fairness_conf *conf)
{
	free(conf->weights);
	*conf = (struct ration__fairness_conf){0};
}
