/*
 * A service's nodes in this process: the list, picking, reports. See nodes.h.
 *
 * Each has a copy of the fleet's health. What this process saw is applied to the copy at once, and
 * written to the store by the thread that saw it; what cannot be written (gate busy, store silent)
 * stays in `untold`, is applied again to whatever is read, and is said with the next attempt.
 *
 * nodes.mutex is a leaf: the store is asked without it, by one thread at a time (`telling`), and so
 * is the log written to.
 */
#include "pool/node_state.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

/* ---- the list ---- */

static struct ration__node *find_node(struct ration__nodes *nodes, const char *uri)
{
	for (struct ration__node *node = nodes->all; node; node = node->next)
		if (strcmp(node->uri, uri) == 0)
			return node;
	return NULL;
}

static struct ration__node *add_node(struct ration__nodes *nodes, const char *uri)
{
	struct ration__node *node = calloc(1, sizeof(*node) + strlen(uri) + 1);

	if (!node)
		return NULL;
	strcpy(node->uri, uri);
	node->hash = ration__hash64(uri, strlen(uri));
	if (ration__url_origin(node->uri, &node->origin))
		node->origin.length = 0; /* then it has none that a URL could name */
	node->next = nodes->all;
	nodes->all = node;
	return node;
}

/* Under mutex, or before anybody knows of it. */
static int set_list(struct ration__nodes *nodes, const char *const *uris, size_t count)
{
	struct ration__node *list[RATION__NODES_MAX];
	size_t listed = 0;

	if (count > RATION__NODES_MAX)
		return RATION_ETOOBIG;
	for (size_t i = 0; i < count; i++) {
		struct ration__node *node = find_node(nodes, uris[i]);
		bool twice = false;

		if (!node)
			node = add_node(nodes, uris[i]); /* stays, should the next one fail */
		if (!node)
			return RATION_ENOMEM;
		for (size_t k = 0; k < listed; k++)
			twice |= list[k] == node;
		if (!twice)
			list[listed++] = node;
	}
	for (struct ration__node *node = nodes->all; node; node = node->next)
		node->listed = false;
	for (size_t i = 0; i < listed; i++) {
		nodes->list[i] = list[i];
		list[i]->listed = true;
	}
	atomic_store_explicit(&nodes->count, listed, memory_order_relaxed);
	return 0;
}

int ration__nodes_new(const struct ration__nodes_options *options, struct ration__nodes **out)
{
	struct ration__nodes *nodes = calloc(1, sizeof(*nodes));
	int64_t start_ns;
	int rc;

	if (!nodes)
		return RATION_ENOMEM;
	memcpy((void *)&nodes->options, options, sizeof(*options));
	pthread_mutex_init(&nodes->mutex, NULL);
	/* short-lived processes that follow each other do not all begin with the same node */
	start_ns = ration__engine_now(options->engine);
	nodes->turn = ration__hash64(&start_ns, sizeof(start_ns)) >> 32;
	rc = set_list(nodes, options->conf->nodes, options->conf->node_count);
	if (rc == 0)
		*out = nodes;
	else
		ration__nodes_free(nodes);
	return rc;
}

int ration__nodes_replace(struct ration__nodes *nodes, const char *const *uris, size_t count)
{
	int rc;

	pthread_mutex_lock(&nodes->mutex);
	rc = set_list(nodes, uris, count);
	if (rc == 0)
		nodes->stale = true;
	pthread_mutex_unlock(&nodes->mutex);
	return rc;
}

size_t ration__nodes_count(const struct ration__nodes *nodes)
{
	return atomic_load_explicit(&nodes->count, memory_order_relaxed);
}

const char *ration__node_uri(const struct ration__node *node)
{
	return node->uri;
}

/* ---- picking ---- */

/* Nodes to choose from; under mutex. */
struct candidates {
	size_t count;
	int pinned;
	bool joins; /* to wait for, not to send to */
	struct ration__node *nodes[RATION__NODES_MAX];
	uint32_t bits[RATION__NODES_MAX];
	struct ration__node_view views[RATION__NODES_MAX];
};

static void add_candidate(struct candidates *c, const struct ration__nodes *nodes,
	struct ration__node *node, uint32_t bit, const struct ration__node_want *want)
{
	struct ration__node_view *view = &c->views[c->count];

	if (c->count == RATION__NODES_MAX)
		return;
	if (node == nodes->pinned)
		c->pinned = (int)c->count;
	c->nodes[c->count] = node;
	c->bits[c->count] = bit;
	*view = (struct ration__node_view){.health = node->health,
		.load = (c->joins ? node->jobs : node->in_flight) +
			ration__node_failures(&node->weight, want->now_ns),
		.avoid = node == want->avoid};
	if (c->joins && view->health.failed_ns)
		view->health.until_ns = ration__max64(view->health.until_ns, node->offered_ns);
	c->count++;
}

/* Those of the list; of an origin, if there are any, else those that were in the list once: a call
 * that was accepted for one of them goes nowhere else. */
static void gather(const struct ration__nodes *nodes, const struct ration__node_want *want,
	uint32_t tried, struct candidates *c)
{
	struct ration__origin origin;
	bool named = want->origin && ration__url_origin(want->origin, &origin) == 0;

	c->count = 0;
	c->pinned = -1;
	if (want->only) {
		add_candidate(c, nodes, want->only, 0, want);
		return;
	}
	for (size_t i = 0; i < nodes->count; i++)
		if (!(tried >> i & 1) &&
			(!named || ration__origin_equal(&nodes->list[i]->origin, &origin)))
			add_candidate(c, nodes, nodes->list[i], UINT32_C(1) << i, want);
	for (struct ration__node *node = nodes->all; node && named && !tried && !c->count;
		node = node->next)
		if (ration__origin_equal(&node->origin, &origin))
			add_candidate(c, nodes, node, 0, want);
}

/* Another node of the list has neither failed nor cools down. */
static bool other_is_ready(
	const struct ration__nodes *nodes, const struct ration__node *node, int64_t now_ns)
{
	bool other = false;

	for (size_t i = 0; i < nodes->count; i++) {
		const struct ration__node_health *health = &nodes->list[i]->health;

		other |= nodes->list[i] != node && !health->failed_ns && health->cool_ns <= now_ns;
	}
	return other;
}

/* The node is not to be sent to, though it could be: it failed, is not to be probed, and another
 * would do. */
static bool is_shunned(const struct ration__nodes *nodes, const struct ration__node_want *want,
	const struct ration__node *node, bool probes)
{
	return node->health.failed_ns && !probes && !want->origin &&
	       other_is_ready(nodes, node, want->now_ns);
}

/* RATION_EBUSY: *node is to be claimed first. */
static int choose(struct ration__nodes *nodes, const struct ration__node_want *want, bool may_probe,
	struct ration__node **node, int64_t *at_ns)
{
	struct ration__node_want_conf conf = {
		.strategy = nodes->options.conf->node_strategy, .may_probe = may_probe};
	struct ration__node_choice choice;
	struct candidates c = {.joins = false};

	gather(nodes, want, 0, &c);
	if (!c.count) { /* of no origin that was ever ours: not to be had */
		*at_ns = RATION__NEVER;
		return RATION_EAGAIN;
	}
	conf.turn = nodes->turn;
	conf.pinned = c.pinned;
	choice = ration__node_choose(&conf, c.views, c.count, want->now_ns);
	if (choice.index < 0) {
		*at_ns = want->only && !want->origin &&
					 other_is_ready(nodes, want->only, want->now_ns)
				 ? want->now_ns
				 : choice.at_ns;
		return RATION_EAGAIN;
	}
	if (want->only && is_shunned(nodes, want, want->only, choice.probe)) {
		*at_ns = want->now_ns;
		return RATION_EAGAIN;
	}
	*node = c.nodes[choice.index];
	return choice.probe ? RATION_EBUSY : 0;
}

int ration__nodes_pick(struct ration__nodes *nodes, const struct ration__node_want *want,
	struct ration__node **out, int64_t *at_ns)
{
	struct ration__node *node = NULL;
	bool may_probe = true, claimed = false;
	int64_t until_ns = 0;
	int rc;

	if (ration__nodes_count(nodes) > 1)
		ration__nodes_follow(nodes, want->now_ns);
	for (;;) {
		pthread_mutex_lock(&nodes->mutex);
		rc = claimed ? 0 : choose(nodes, want, may_probe, &node, &until_ns);
		if (rc == 0) {
			node->in_flight++;
			if (!want->only) { /* else it had its turn when it was joined */
				nodes->turn++;
				nodes->pinned = node;
			}
		}
		pthread_mutex_unlock(&nodes->mutex);
		if (rc != RATION_EBUSY)
			break;
		claimed = ration__nodes_claim(nodes, node, want->now_ns);
		may_probe = false;
	}
	if (rc == 0)
		*out = node;
	else
		*at_ns = until_ns;
	return rc;
}

bool ration__nodes_have_other(
	struct ration__nodes *nodes, const struct ration__node *node, int64_t now_ns)
{
	bool other;

	pthread_mutex_lock(&nodes->mutex);
	other = other_is_ready(nodes, node, now_ns);
	pthread_mutex_unlock(&nodes->mutex);
	return other;
}

/* ---- joining ---- */

/* All cool down: the first that will not. */
static int cool_first(const struct candidates *c)
{
	int64_t best_ns = RATION__NEVER;
	int best = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct ration__node_health *health = &c->views[i].health;
		int64_t at_ns =
			ration__max64(health->cool_ns, health->failed_ns ? health->until_ns : 0);

		if (at_ns >= best_ns)
			continue;
		best = (int)i;
		best_ns = at_ns;
	}
	return best;
}

/* Under mutex. -1: none. */
static int choose_to_join(const struct ration__nodes *nodes, const struct ration__node_want *want,
	uint32_t tried, struct candidates *c)
{
	struct ration__node_want_conf conf = {.strategy = nodes->options.conf->node_strategy,
		.turn = nodes->turn,
		.may_probe = true};
	struct ration__node_choice choice;

	c->joins = true;
	gather(nodes, want, tried, c);
	if (!c->count)
		return -1;
	conf.pinned = c->pinned;
	choice = ration__node_choose(&conf, c->views, c->count, want->now_ns);
	if (choice.index < 0)
		return tried ? -1 : cool_first(c);
	return is_shunned(nodes, want, c->nodes[choice.index], choice.probe) ? -1 : choice.index;
}

int ration__nodes_choose(struct ration__nodes *nodes, const struct ration__node_want *want,
	uint32_t tried, struct ration__node **node, uint32_t *bit)
{
	struct candidates c;
	int index;

	pthread_mutex_lock(&nodes->mutex);
	index = choose_to_join(nodes, want, tried, &c);
	pthread_mutex_unlock(&nodes->mutex);
	if (index < 0)
		return RATION_EAGAIN;
	*node = c.nodes[index];
	*bit = c.bits[index];
	return 0;
}

void ration__nodes_join(struct ration__nodes *nodes, struct ration__node *node, int64_t now_ns)
{
	pthread_mutex_lock(&nodes->mutex);
	node->jobs++;
	nodes->turn++;
	nodes->pinned = node;
	if (node->health.failed_ns && node->health.until_ns <= now_ns)
		node->offered_ns = now_ns + nodes->options.conf->node_recover_ns;
	pthread_mutex_unlock(&nodes->mutex);
}

void ration__nodes_leave(struct ration__nodes *nodes, struct ration__node *node)
{
	pthread_mutex_lock(&nodes->mutex);
	node->jobs--;
	pthread_mutex_unlock(&nodes->mutex);
}

/* ---- reports ---- */

/* Under mutex. True: the fleet is to be told. */
static bool take_note(struct ration__nodes *nodes, struct ration__node *node,
	const struct ration__node_news *news, struct ration__node_changes *changes)
{
	struct ration__node_health before = node->health;

	if (!ration__node_apply(&node->health, news))
		return false;
	ration__nodes_add_untold(nodes, news);
	ration__node_note_change(changes, node, &before);
	return true;
}

void ration__nodes_report(struct ration__nodes *nodes, struct ration__node *node,
	const struct ration__node_report *report)
{
	struct ration__node_news news = {.node = node->hash,
		.uri = node->uri,
		.status = report->status >= 400 ? (uint16_t)report->status : 0,
		.start_ns = report->start_ns,
		.at_ns = report->now_ns,
		.recover_ns = nodes->options.conf->node_recover_ns};
	struct ration__node_changes changes = {.count = 0};
	bool tell = false, claimed;

	pthread_mutex_lock(&nodes->mutex);
	node->in_flight--;
	ration__node_weigh(&node->weight, report->outcome, report->status, report->now_ns);
	if (report->outcome == RATION__SUCCESS || report->outcome == RATION__THROTTLED) {
		news.event = RATION__NODE_ANSWERED;
		tell = take_note(nodes, node, &news, &changes);
	} else if (report->outcome == RATION__FAILURE && nodes->count > 1) {
		news.event = RATION__NODE_FAILED;
		tell = take_note(nodes, node, &news, &changes);
	}
	if (report->cool_ns > 0 && nodes->count > 1) {
		news.event = RATION__NODE_COOLS;
		news.at_ns = report->now_ns + report->cool_ns;
		tell |= take_note(nodes, node, &news, &changes);
	}
	pthread_mutex_unlock(&nodes->mutex);
	ration__nodes_tell_log(nodes, &changes);
	if (tell)
		ration__nodes_ask(nodes, report->now_ns, NULL, &claimed);
}

void ration__nodes_free(struct ration__nodes *nodes)
{
	struct ration__node *node, *next;
	bool claimed;

	if (!nodes)
		return;
	nodes->hold_ns = 0;
	if (nodes->untold_count) /* nobody of this process will say it any more */
		ration__nodes_ask(nodes, 0, NULL, &claimed);
	for (node = nodes->all; node; node = next) {
		next = node->next;
		free(node);
	}
	pthread_mutex_destroy(&nodes->mutex);
	free(nodes);
}
