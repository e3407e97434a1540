/*
 * What people read of a node that is not simply healthy: which one it is, and why. A record for
 * each in hot/, beside the service's table (nodes.h), which has all that decides.
 *
 * A record of its own, so that who chooses nodes reads no names, and so that members of a release
 * without it share the same table: they pass it by. So it may be absent, or behind what the table
 * says, and nobody decides by it. It changes in the table's transactions and rests when the node's
 * health does.
 */
#ifndef GUARD_NODE_LABEL_H
#define GUARD_NODE_LABEL_H

#include "guard/nodes.h"
#include "store/store.h"

#define RATION__NODE_URI_MAX 224

/* Stored. */
struct ration__node_label {
	int64_t rest_at_ns;
	int64_t since_ns;  /* the first of its failures in a row */
	int64_t probed_ns; /* when its last probe was claimed */
	uint32_t failures; /* in a row; of attempts that were under way together one counts */
	uint16_t status;   /* what the last of them was answered, from 400 on; 0: nothing */
	uint16_t length;   /* of uri; 0: whoever wrote this knew none */
	char uri[RATION__NODE_URI_MAX]; /* no NUL; only length of them are stored */
};
static_assert(sizeof(struct ration__node_label) == 32 + RATION__NODE_URI_MAX,
	"stored byte for byte: no padding");

/* To out (RATION__KEY_ROOM bytes); returns the length. */
size_t ration__node_label_key(uint8_t *out, const char *service, uint64_t node);
/* The URI as it is stored, without user, query and fragment; what is too long ends in "...".
 * Returns the length. */
size_t ration__node_label_name(char out[RATION__NODE_URI_MAX], const char *uri);
/* What is stored; false, and all zero: that is none. */
bool ration__node_label_read(struct ration__node_label *label, const void *value, size_t length);
/* The news changed the node's health. Inside a transaction. 0 or a store error */
int ration__node_label_note(struct ration__txn *txn, const char *service,
	const struct ration__node_news *news, const struct ration__node_health *before,
	const struct ration__node_health *after);

#endif
