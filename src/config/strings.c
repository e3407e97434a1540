/* The memory of a service's HTTP side: its texts and lists in one block. See service.h. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "config/service.h"
#include "config/value.h"

/* Filled twice by the same steps: without memory, to learn the size, and then in it. */
struct block {
	char *memory;
	size_t used;
};

/* Room for bytes, aligned for pointers and doubles where asked for; NULL when only counting. */
static void *take(struct block *block, size_t size, size_t align)
{
	size_t at = (block->used + align - 1) / align * align;

	block->used = at + size;
	return block->memory ? block->memory + at : NULL;
}

static void *take_array(struct block *block, size_t count, size_t size)
{
	return count ? take(block, count * size, sizeof(double)) : NULL;
}

static const char *put_bytes(struct block *block, const char *text, size_t length)
{
	char *to = take(block, length + 1, 1);

	if (!to)
		return NULL;
	memcpy(to, text, length);
	to[length] = '\0';
	return to;
}

static const char *put(struct block *block, const char *text)
{
	return put_bytes(block, text, strlen(text));
}

/* "[a, b]" as "a\0b\0\0". */
static const char *put_names(struct block *block, const char *text)
{
	char names[RATION__PER_MAX * RATION__KEYNAME_MAX], item[RATION__KEYNAME_MAX];
	struct ration__list list;
	size_t length = 0;

	ration__list_init(&list, text);
	while (ration__list_next(&list, item, sizeof(item)) == 1) {
		memcpy(names + length, item, strlen(item) + 1);
		length += strlen(item) + 1;
	}
	return length ? put_bytes(block, names, length) : NULL;
}

static const char *put_setting(
	struct block *block, const struct ration__setting *setting, const char *text)
{
	char scheme[RATION__TEXT_MAX + 2];

	if (setting->type == RATION__TYPE_NAMES)
		return put_names(block, text);
	if (setting->type == RATION__TYPE_PROXY && !strcmp(text, "none"))
		return NULL;
	if (strcmp(setting->pattern, "services.*.auth.scheme"))
		return put(block, text);
	if (!strcmp(text, "none"))
		return put(block, "");
	strcpy(scheme, text);
	strcat(scheme, " ");
	return put(block, scheme);
}

static void put_settings(struct block *block, const ration_config *config, const char *service,
	struct ration__service_conf *conf)
{
	for (size_t i = 0; i < ration__schema_count; i++) {
		const struct ration__setting *setting = &ration__schema[i];
		const char *text, *string = NULL;

		if (setting->target != RATION__TARGET_STRING)
			continue;
		text = ration__bind_text(config, setting, service, NULL);
		if (text)
			string = put_setting(block, setting, text);
		memcpy((char *)conf + setting->offset, &string, sizeof(string));
	}
}

static void put_headers(struct block *block, const ration_config *config, const char *service,
	struct ration__service_conf *conf)
{
	size_t count, at = ration__bind_below_pattern(
			      config, "services.*.headers", service, NULL, &count);
	struct ration__header *headers = take_array(block, count, sizeof(*headers));

	for (size_t i = 0; i < count; i++) {
		const char *name = put(block, config->entries[at + i]->name);
		const char *value = put(block, config->entries[at + i]->text);

		if (headers)
			headers[i] = (struct ration__header){.name = name, .value = value};
	}
	conf->headers = headers;
	conf->header_count = count;
}

static void put_nodes(struct block *block, const struct ration__uri_list *nodes,
	struct ration__service_conf *conf)
{
	const char **list = take_array(block, nodes->count, sizeof(*list));

	for (size_t i = 0; i < nodes->count; i++) {
		const char *uri = put(block, nodes->uri[i]);

		if (list)
			list[i] = uri;
	}
	conf->nodes = list;
	conf->node_count = nodes->count;
	conf->base = list ? list[0] : NULL;
}

static void put_actuals(struct block *block, const struct ration__sources *sources,
	struct ration__service_conf *conf)
{
	struct ration__actual *actuals = take_array(block, sources->count, sizeof(*actuals));

	for (size_t i = 0; i < sources->count; i++) {
		const char *unit = put(block, sources->list[i].unit);
		const char *source = put(block, sources->list[i].source);

		if (actuals)
			actuals[i] = (struct ration__actual){.unit = unit,
				.source = source,
				.estimate = sources->list[i].estimate};
	}
	conf->actuals = actuals;
	conf->actual_count = sources->count;
}

int ration__strings_copy(const ration_config *config, const char *service,
	const struct ration__sources *sources, const struct ration__uri_list *nodes,
	struct ration__service_conf *conf)
{
	struct block block = {0};

	for (int pass = 0; pass < 2; pass++) {
		if (pass) {
			block = (struct block){.memory = malloc(block.used)};
			if (!block.memory)
				return RATION_ENOMEM;
		}
		conf->name = put(&block, service);
		put_nodes(&block, nodes, conf);
		put_headers(&block, config, service, conf);
		put_actuals(&block, sources, conf);
		put_settings(&block, config, service, conf);
	}
	conf->memory = block.memory;
	return 0;
}
