/* The public ration_request: what travels with the job and is not sent. See http/request.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "http/builder.h"
#include "http/json.h"
#include "http/limits.h"

/* A name and its value in one block, which the name's pointer owns. */
static int make_pair(const char *name, const char *value, struct ration__pair *pair)
{
	size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
	char *block = malloc(name_size + value_size);

	if (!block)
		return RATION_ENOMEM;
	pair->name = memcpy(block, name, name_size);
	pair->value = memcpy(block + name_size, value, value_size);
	return 0;
}

static int set_key(ration_request *request, const char *name, const char *value)
{
	struct ration__pair pair;
	size_t at = 0;
	int order = 1;

	if (!name || !*name || !value || ration__key_is_ours(name))
		return RATION_EINVAL;
	if (strlen(name) > RATION__KEY_NAME_MAX || strlen(value) > RATION__KEY_VALUE_MAX)
		return RATION_ETOOBIG;
	while (at < request->key_count && (order = strcmp(request->keys[at].name, name)) < 0)
		at++;
	bool replace = at < request->key_count && order == 0;

	if (!replace) {
		if (request->key_count >= RATION__KEY_COUNT_MAX)
			return RATION_ETOOBIG;
		void *keys = ration__request_grown(
			request->keys, request->key_count, sizeof(*request->keys));

		if (!keys)
			return RATION_ENOMEM;
		request->keys = keys;
	}
	if (make_pair(name, value, &pair))
		return RATION_ENOMEM;
	if (replace) {
		free((char *)request->keys[at].name);
	} else {
		memmove(request->keys + at + 1, request->keys + at,
			(request->key_count - at) * sizeof(*request->keys));
		request->key_count++;
	}
	request->keys[at] = pair;
	return 0;
}

int ration_request_set_key(ration_request *request, const char *name, const char *value)
{
	return request ? ration__request_mistake(request, set_key(request, name, value))
		       : RATION_EINVAL;
}

static int set_cost(ration_request *request, const char *unit, double cost)
{
	char *copy;

	if (!unit || !isfinite(cost) || cost < 0)
		return RATION_EINVAL;
	if (strlen(unit) > RATION__KEY_NAME_MAX)
		return RATION_ETOOBIG;
	unit = ration__unit_of(unit);
	for (size_t i = 0; i < request->cost_count; i++) {
		if (strcmp(request->costs[i].unit, unit) == 0) {
			request->costs[i].cost = cost;
			return 0;
		}
	}
	if (request->cost_count >= RATION__COST_COUNT_MAX)
		return RATION_ETOOBIG;
	void *costs =
		ration__request_grown(request->costs, request->cost_count, sizeof(*request->costs));

	if (!costs)
		return RATION_ENOMEM;
	request->costs = costs;
	copy = strdup(unit);
	if (!copy)
		return RATION_ENOMEM;
	request->costs[request->cost_count++] = (struct ration__cost){.unit = copy, .cost = cost};
	return 0;
}

int ration_request_set_cost(ration_request *request, const char *unit, double cost)
{
	return request ? ration__request_mistake(request, set_cost(request, unit, cost))
		       : RATION_EINVAL;
}

static int set_option(ration_request *request, const char *path, const char *value)
{
	struct ration__pair pair;

	if (!path || !*path || !value)
		return RATION_EINVAL;
	if (request->option_count >= RATION__OPTION_COUNT_MAX)
		return RATION_ETOOBIG;
	void *options = ration__request_grown(
		request->options, request->option_count, sizeof(*request->options));

	if (!options)
		return RATION_ENOMEM;
	request->options = options;
	if (make_pair(path, value, &pair))
		return RATION_ENOMEM;
	request->options[request->option_count++] = pair;
	return 0;
}

int ration_request_set_option(ration_request *request, const char *path, const char *value)
{
	return request ? ration__request_mistake(request, set_option(request, path, value))
		       : RATION_EINVAL;
}

static int set_id(ration_request *request, const char *id)
{
	char *copy;

	if (!id)
		return RATION_EINVAL;
	if (strlen(id) > RATION__ID_MAX)
		return RATION_ETOOBIG;
	copy = strdup(id);
	if (!copy)
		return RATION_ENOMEM;
	free(request->id);
	request->id = copy;
	return 0;
}

int ration_request_set_id(ration_request *request, const char *id)
{
	return request ? ration__request_mistake(request, set_id(request, id)) : RATION_EINVAL;
}

static int set_meta(ration_request *request, const char *json)
{
	struct ration__buffer compact;

	if (!json)
		return RATION_EINVAL;
	if (strlen(json) > RATION__META_MAX)
		return RATION_ETOOBIG;
	ration__buffer_init(&compact, 0);
	if (!ration__json_compact(&compact, json, strlen(json))) {
		int code = compact.failed ? RATION_ENOMEM : RATION_EJSON;

		ration__buffer_fini(&compact);
		return code;
	}
	char *text = ration__buffer_take(&compact, NULL);

	if (!text)
		return RATION_ENOMEM;
	free(request->meta);
	request->meta = text;
	return 0;
}

int ration_request_set_meta(ration_request *request, const char *json)
{
	return request ? ration__request_mistake(request, set_meta(request, json)) : RATION_EINVAL;
}

int ration_request_set_priority(ration_request *request, int priority)
{
	if (!request)
		return RATION_EINVAL;
	if (priority < -RATION__PRIORITY_MAX || priority > RATION__PRIORITY_MAX)
		return ration__request_mistake(request, RATION_EINVAL);
	request->priority = priority;
	return 0;
}

int ration_request_set_deadline(ration_request *request, int64_t deadline_ms)
{
	if (!request)
		return RATION_EINVAL;
	if (deadline_ms < -1)
		return ration__request_mistake(request, RATION_EINVAL);
	request->deadline_ms = deadline_ms;
	return 0;
}

void ration_request_set_user(ration_request *request, void *user)
{
	if (request)
		request->user = user;
}

void ration_request_set_line(ration_request *request, uint64_t line)
{
	if (request)
		request->line = line;
}
