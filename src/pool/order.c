/* A treap. Invariants: keys ascend from left to right; no node's chance is above its parent's. */
#include "pool/order.h"

#include <stdbool.h>
#include <stddef.h>

/* Addresses differ in few bits: the multiplication carries them upwards. */
static uint64_t chance(const struct ration__order_node *node)
{
	uint64_t x = (uint64_t)(uintptr_t)node * UINT64_C(0x9e3779b97f4a7c15);

	return (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
}

static struct ration__order_node **link_of(
	struct ration__order *order, struct ration__order_node *node)
{
	if (!node->parent)
		return &order->root;
	return node->parent->left == node ? &node->parent->left : &node->parent->right;
}

/* node goes where its parent is, and the parent below it. */
static void rise(struct ration__order *order, struct ration__order_node *node)
{
	struct ration__order_node *parent = node->parent, *between;

	*link_of(order, parent) = node;
	node->parent = parent->parent;
	if (parent->left == node) {
		between = node->right;
		node->right = parent;
		parent->left = between;
	} else {
		between = node->left;
		node->left = parent;
		parent->right = between;
	}
	if (between)
		between->parent = parent;
	parent->parent = node;
}

void ration__order_add(struct ration__order *order, struct ration__order_node *node, int64_t key)
{
	struct ration__order_node **link = &order->root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = key < parent->key ? &parent->left : &parent->right;
	}
	*node = (struct ration__order_node){.key = key, .parent = parent};
	*link = node;
	while (node->parent && chance(node) > chance(node->parent))
		rise(order, node);
}

void ration__order_remove(struct ration__order *order, struct ration__order_node *node)
{
	struct ration__order_node *child;

	while (node->left && node->right)
		rise(order, chance(node->left) > chance(node->right) ? node->left : node->right);
	child = node->left ? node->left : node->right;
	*link_of(order, node) = child;
	if (child)
		child->parent = node->parent;
	node->left = node->right = node->parent = NULL;
}

struct ration__order_node *ration__order_first(const struct ration__order *order)
{
	struct ration__order_node *node = order->root;

	while (node && node->left)
		node = node->left;
	return node;
}

struct ration__order_node *ration__order_last(const struct ration__order *order)
{
	struct ration__order_node *node = order->root;

	while (node && node->right)
		node = node->right;
	return node;
}
