/* What people read of a node. See node_label.h. */
#include "guard/node_label.h"

#include <stdio.h>
#include <string.h>
#include "guard/key.h"

#define HEAD offsetof(struct ration__node_label, uri)

size_t ration__node_label_key(uint8_t *out, const char *service, uint64_t node)
{
	char name[17];

	snprintf(name, sizeof(name), "%016llx", (unsigned long long)node);
	return ration__key_build(out, RATION__RECORD_NODE, service, name, NULL, NULL, 0);
}

/* Settings refuse a URI with a user, a query or a fragment: this is for whatever is let in later.
 */
size_t ration__node_label_name(char out[RATION__NODE_URI_MAX], const char *uri)
{
	const char *mark = strstr(uri, "://");
	size_t head = mark ? (size_t)(mark - uri) + 3 : 0;
	const char *rest = uri + head, *path = rest + strcspn(rest, "/?#");
	size_t length, size = RATION__NODE_URI_MAX;

	for (const char *at = rest; at < path; at++)
		if (*at == '@')
			rest = at + 1;
	if (head > size / 2) /* no scheme */
		head = 0;
	memcpy(out, uri, head);
	length = strcspn(rest, "?#");
	if (length <= size - head) {
		memcpy(out + head, rest, length);
		return head + length;
	}
	length = size - head - 3;
	while (length && ((unsigned char)rest[length] & 0xc0) == 0x80)
		length--; /* not within a character */
	memcpy(out + head, rest, length);
	memcpy(out + head + length, "...", 3);
	return head + length + 3;
}

bool ration__node_label_read(struct ration__node_label *label, const void *value, size_t length)
{
	memset(label, 0, sizeof(*label));
	if (length < HEAD || length > sizeof(*label))
		return false;
	memcpy(label, value, length);
	if (label->length == length - HEAD)
		return true;
	memset(label, 0, sizeof(*label));
	return false;
}

static void change(struct ration__node_label *label, const struct ration__node_news *news,
	const struct ration__node_health *before)
{
	switch (news->event) {
	case RATION__NODE_FAILED:
		if (!before->failed_ns) {
			label->failures = 0;
			label->since_ns = news->at_ns;
		} else if (!label->failures) { /* it failed at somebody's who keeps no labels */
			label->failures = 1;
			label->since_ns = before->failed_ns;
		}
		label->failures++;
		label->status = news->status;
		break;
	case RATION__NODE_ANSWERED:
		label->failures = label->status = 0;
		label->since_ns = 0;
		break;
	case RATION__NODE_PROBE:
		label->probed_ns = news->at_ns;
		break;
	case RATION__NODE_COOLS:
		break;
	}
	if (news->uri && !label->length) /* a node's never changes */
		label->length = (uint16_t)ration__node_label_name(label->uri, news->uri);
}

int ration__node_label_note(struct ration__txn *txn, const char *service,
	const struct ration__node_news *news, const struct ration__node_health *before,
	const struct ration__node_health *after)
{
	struct ration__node_label label = {0};
	uint8_t key[RATION__KEY_ROOM];
	size_t key_length = ration__node_label_key(key, service, news->node), length;
	const void *value;
	int rc;

	if (ration__node_rests_at(after) <= txn->now_ns) {
		rc = ration__txn_del(txn, key, key_length);
		return rc == RATION_EEMPTY ? 0 : rc;
	}
	rc = ration__txn_get(
		txn, key, key_length, RATION__LAYOUT(RATION__RECORD_NODE), &value, &length);
	if (rc == 0)
		ration__node_label_read(&label, value, length);
	else if (rc != RATION_EEMPTY)
		return rc;
	change(&label, news, before);
	label.rest_at_ns = ration__node_rests_at(after);
	return ration__txn_put(txn, key, key_length, RATION__LAYOUT(RATION__RECORD_NODE), &label,
		HEAD + label.length);
}
