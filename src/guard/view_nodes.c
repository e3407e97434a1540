/* The nodes of a service that are not simply healthy, as JSON. See view.h. */
#include "guard/node_label.h"
#include "guard/view.h"

#include <string.h>

/* Labels were copied before all but definitions. All zero: there is none. */
static void find_label(const struct ration__view *view, const char *service, uint64_t node,
	struct ration__node_label *label)
{
	const struct ration__copied *copy = view->first;
	uint8_t key[RATION__KEY_ROOM];
	size_t length = ration__node_label_key(key, service, node);

	while (copy && (copy->key_length != length || memcmp(copy->key, key, length) != 0))
		copy = copy->key[0] == RATION__RECORD_DEFINITION ||
				       copy->key[0] == RATION__RECORD_NODE
			       ? copy->next
			       : NULL;
	ration__node_label_read(label, copy ? copy->value : NULL, copy ? copy->length : 0);
}

/* NULL: healthy. *until_ns: when that may change by itself */
static const char *state_of(const struct ration__node_health *health,
	const struct ration__node_label *label, int64_t now_ns, int64_t *until_ns)
{
	*until_ns = health->failed_ns ? health->until_ns : 0;
	if (*until_ns > now_ns) {
		*until_ns = ration__max64(*until_ns, health->cool_ns);
		return label->probed_ns > health->failed_ns ? "probing" : "unhealthy";
	}
	if (health->cool_ns > now_ns) {
		*until_ns = health->cool_ns;
		return "cooling";
	}
	return health->failed_ns ? "due" : NULL;
}

static double seconds(int64_t from_ns, int64_t to_ns)
{
	return (double)ration__max64(0, to_ns - from_ns) / RATION__NS_PER_S;
}

/* NULL: nothing is to be said of it. */
static json_t *node_of(const struct ration__view *view, const char *service,
	const struct ration__node_entry *stored)
{
	const struct ration__node_health *health = &stored->health;
	struct ration__node_label label;
	uint32_t failures = 0;
	int64_t until_ns;
	const char *state;
	json_t *uri, *node;

	if (ration__node_rests_at(health) <= view->now_ns)
		return NULL;
	find_label(view, service, stored->node, &label);
	state = state_of(health, &label, view->now_ns, &until_ns);
	if (!state)
		return NULL;
	uri = label.length ? json_stringn(label.uri, label.length) : NULL;
	if (health->failed_ns) /* at somebody's who keeps no labels, if there is none */
		failures = label.failures ? label.failures : 1;
	node = json_pack("{s:o, s:s, s:I, s:f}", "uri", uri ? uri : json_null(), "state", state,
		"failures", (json_int_t)failures, "for_s", seconds(view->now_ns, until_ns));
	if (!failures)
		return node;
	if (label.status)
		json_object_set_new(node, "status", json_integer(label.status));
	json_object_set_new(node, "out_s",
		json_real(seconds(
			label.failures ? label.since_ns : health->failed_ns, view->now_ns)));
	return node;
}

void ration__view_nodes(
	struct ration__view *view, json_t *service, const struct ration__copied *copy)
{
	const struct ration__node_table *table = (const void *)copy->value;
	json_t *list = json_object_get(service, "nodes");

	for (uint32_t i = 0; ration__node_table_fits(table, copy->length) && i < table->count;
		i++) {
		json_t *node = node_of(view, json_string_value(json_object_get(service, "name")),
			&table->entries[i]);

		if (!node)
			continue;
		if (!list) {
			list = json_array();
			json_object_set_new(service, "nodes", list);
		}
		json_array_append_new(list, node);
	}
}
