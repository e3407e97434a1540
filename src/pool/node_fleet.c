/*
 * What the fleet knows of a service's nodes, and what this process has to say of them: the copies'
 * keeping, and the log. See nodes.c for who locks what.
 */
#include "pool/node_state.h"

#include <stdarg.h>
#include <stdio.h>

#define GATE_NS RATION__NS_PER_MS
#define HOLD_NS (10 * RATION__NS_PER_MS) /* after the store could not be told */

/* ---- the log ---- */

void ration__node_note_change(struct ration__node_changes *changes, const struct ration__node *node,
	const struct ration__node_health *before)
{
	bool healthy = node->health.failed_ns == 0;

	if (!node->listed || healthy == (before->failed_ns == 0) ||
		changes->count == RATION__COUNT(changes->list))
		return;
	changes->list[changes->count].node = node;
	changes->list[changes->count++].healthy = healthy;
}

static void say(const struct ration__nodes *nodes, enum ration_log_level level, const char *format,
	...) __attribute__((format(printf, 3, 4)));
static void say(
	const struct ration__nodes *nodes, enum ration_log_level level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!nodes->options.log || level > nodes->options.log_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	nodes->options.log(nodes->options.log_arg, level, text);
}

void ration__nodes_tell_log(
	const struct ration__nodes *nodes, const struct ration__node_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		if (changes->list[i].healthy)
			say(nodes, RATION_LOG_INFO, "service %s: node %s is healthy again",
				nodes->options.service, changes->list[i].node->uri);
		else
			say(nodes, RATION_LOG_WARNING,
				"service %s: node %s failed; it is left alone for %g s, then probed",
				nodes->options.service, changes->list[i].node->uri,
				(double)nodes->options.conf->node_recover_ns / RATION__NS_PER_S);
}

/* ---- what the fleet knows ---- */

/* The latest of a node's events of a kind says it all; those of several kinds stay in
 * their order. */
void ration__nodes_add_untold(struct ration__nodes *nodes, const struct ration__node_news *news)
{
	size_t kept = 0;

	for (size_t i = 0; i < nodes->untold_count; i++) {
		const struct ration__node_news *old = &nodes->untold[i].news;

		if (old->node != news->node || old->event != news->event)
			nodes->untold[kept++] = nodes->untold[i];
	}
	if (kept < RATION__NODES_UNTOLD) /* else of nodes that left the list: not told */
		nodes->untold[kept++] = (struct ration__node_untold){++nodes->serial, *news};
	nodes->untold_count = kept;
}

/* Under mutex. */
static void drop_told(struct ration__nodes *nodes, uint64_t serial)
{
	size_t kept = 0;

	for (size_t i = 0; i < nodes->untold_count; i++)
		if (nodes->untold[i].serial > serial)
			nodes->untold[kept++] = nodes->untold[i];
	nodes->untold_count = kept;
}

/* Under mutex. */
static void adopt(struct ration__nodes *nodes, const struct ration__node_table *table,
	struct ration__node_changes *changes)
{
	for (struct ration__node *node = nodes->all; node; node = node->next) {
		const struct ration__node_health *health = ration__node_find(table, node->hash);
		struct ration__node_health before = node->health;

		node->health = health ? *health : (struct ration__node_health){0};
		for (size_t i = 0; i < nodes->untold_count; i++)
			if (nodes->untold[i].news.node == node->hash)
				ration__node_apply(&node->health, &nodes->untold[i].news);
		ration__node_note_change(changes, node, &before);
	}
}

int ration__nodes_ask(struct ration__nodes *nodes, int64_t now_ns,
	const struct ration__node_news *probe, bool *claimed)
{
	const struct ration__nodes_options *options = &nodes->options;
	struct ration__node_news news[RATION__NODES_UNTOLD + 1];
	struct ration__node_changes changes = {.count = 0};
	struct ration__node_table table;
	uint64_t serial, moved;
	size_t count;
	int rc;

	pthread_mutex_lock(&nodes->mutex);
	if (nodes->telling || now_ns < nodes->hold_ns) {
		pthread_mutex_unlock(&nodes->mutex);
		return RATION_EAGAIN;
	}
	nodes->telling = true;
	serial = nodes->serial;
	count = nodes->untold_count;
	for (size_t i = 0; i < count; i++)
		news[i] = nodes->untold[i].news;
	nodes->stale = false;
	pthread_mutex_unlock(&nodes->mutex);
	if (probe)
		news[count++] = *probe;
	rc = ration__fleet_nodes_tell(
		options->engine, options->service, news, count, GATE_NS, &table, &moved, claimed);
	pthread_mutex_lock(&nodes->mutex);
	nodes->telling = false;
	if (rc == 0) {
		nodes->moved = moved;
		drop_told(nodes, serial);
		adopt(nodes, &table, &changes);
	} else {
		nodes->stale = true;
		if (!ration__engine_clock_injected(options->engine)) /* which may stand still */
			nodes->hold_ns = now_ns + HOLD_NS;
	}
	pthread_mutex_unlock(&nodes->mutex);
	ration__nodes_tell_log(nodes, &changes);
	return rc;
}

void ration__nodes_follow(struct ration__nodes *nodes, int64_t now_ns)
{
	uint64_t moved = ration__fleet_nodes_moved(nodes->options.engine);
	bool wanted, claimed;

	pthread_mutex_lock(&nodes->mutex);
	wanted = nodes->moved != moved || nodes->stale || nodes->untold_count;
	pthread_mutex_unlock(&nodes->mutex);
	if (wanted)
		ration__nodes_ask(nodes, now_ns, NULL, &claimed);
}

bool ration__nodes_claim(struct ration__nodes *nodes, struct ration__node *node, int64_t now_ns)
{
	struct ration__node_news probe = {.node = node->hash,
		.uri = node->uri,
		.event = RATION__NODE_PROBE,
		.at_ns = now_ns,
		.recover_ns = nodes->options.conf->node_recover_ns};
	bool claimed = false;
	int rc = ration__nodes_ask(nodes, now_ns, &probe, &claimed);

	if (rc == 0 || rc == RATION_EAGAIN)
		return claimed;
	pthread_mutex_lock(&nodes->mutex);
	claimed = ration__node_apply(&node->health, &probe);
	pthread_mutex_unlock(&nodes->mutex);
	return claimed;
}
