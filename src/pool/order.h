/*
 * An ordered set of elements that stand where they are: a search tree by key that needs no memory
 * of its own, so that adding never fails. Equal keys come in the order in which they were added.
 * Not thread safe. It is balanced by chance (a treap whose chance is the elements' addresses).
 */
#ifndef POOL_ORDER_H
#define POOL_ORDER_H

#include <stdint.h>

struct ration__order_node {
	int64_t key;
	struct ration__order_node *left, *right, *parent;
};

/* Zeros: empty. */
struct ration__order {
	struct ration__order_node *root;
};

/* node must not be in any order. O(log n). */
void ration__order_add(struct ration__order *order, struct ration__order_node *node, int64_t key);
/* node must be in this one. O(log n). */
void ration__order_remove(struct ration__order *order, struct ration__order_node *node);
/* Of the lowest key; NULL: empty. O(log n). */
struct ration__order_node *ration__order_first(const struct ration__order *order);
/* Of the highest, likewise. */
struct ration__order_node *ration__order_last(const struct ration__order *order);

#endif
