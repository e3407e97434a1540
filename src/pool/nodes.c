/* See nodes.h. */
#include "pool/nodes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct ration__node {
	const char *uri;
};

struct ration__nodes {
	const struct ration__nodes_options options;
	_Atomic uint64_t turn;
	size_t count;
	struct ration__node list[RATION__NODES_MAX];
};

int ration__nodes_new(const struct ration__nodes_options *options, struct ration__nodes **out)
{
	struct ration__nodes *nodes = calloc(1, sizeof(*nodes));

	if (!nodes)
		return RATION_ENOMEM;
	memcpy((void *)&nodes->options, options, sizeof(*options));
	nodes->count = options->conf->node_count;
	for (size_t i = 0; i < nodes->count; i++)
		nodes->list[i].uri = options->conf->nodes[i];
	*out = nodes;
	return 0;
}

void ration__nodes_free(struct ration__nodes *nodes)
{
	free(nodes);
}

size_t ration__nodes_count(const struct ration__nodes *nodes)
{
	return nodes->count;
}

int ration__nodes_pick(struct ration__nodes *nodes, const struct ration__node_want *want,
	struct ration__node **node, int64_t *at_ns)
{
	(void)want;
	(void)at_ns;
	*node = &nodes->list[atomic_fetch_add(&nodes->turn, 1) % nodes->count];
	return 0;
}

bool ration__nodes_have_other(
	struct ration__nodes *nodes, const struct ration__node *node, int64_t now_ns)
{
	(void)node;
	(void)now_ns;
	return nodes->count > 1;
}

void ration__nodes_report(struct ration__nodes *nodes, struct ration__node *node,
	const struct ration__node_report *report)
{
	(void)nodes;
	(void)node;
	(void)report;
}

const char *ration__node_uri(const struct ration__node *node)
{
	return node->uri;
}
