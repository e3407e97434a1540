/* One look-up at a time: see http/resolve.h. */
#include "http/resolve.h"

#include <string.h>
#include "base/hash.h"
#include "base/util.h"

void ration__resolve_init(struct ration__resolve *r)
{
	for (unsigned i = 0; i < RATION__DOORS; i++) {
		r->doors[i] = (struct ration__door){.first = NULL};
		ration__link_init(&r->doors[i].held);
	}
	ration__link_init(&r->ready);
}

/* "[::1]:80", "10.0.0.1:8080": no name's last label is a number. */
static bool is_number(const char *origin, size_t length)
{
	size_t host = length;

	if (length && origin[length - 1] == ']')
		return true;
	for (size_t i = 0; i < length; i++)
		if (origin[i] == ':')
			host = i; /* the last colon: of the port, or of the scheme when there is
				     none */
	if (host + 2 < length && origin[host + 1] == '/')
		host = length;
	return host &&
	       (origin[host - 1] == ']' || (origin[host - 1] >= '0' && origin[host - 1] <= '9'));
}

static bool same_origin(const struct ration__transfer *a, const struct ration__transfer *b)
{
	return a->origin.length == b->origin.length &&
	       memcmp(a->origin.data, b->origin.data, a->origin.length) == 0;
}

bool ration__resolve_enter(struct ration__resolve *r, struct ration__transfer *t, int64_t now_ns)
{
	const struct ration__buffer *origin = &t->origin;
	struct ration__door *door;

	if (is_number(origin->data, origin->length))
		return true;
	door = &r->doors[ration__hash64(origin->data, origin->length) % RATION__DOORS];
	if (now_ns < door->open_until_ns)
		return true;
	/* A stranger of the same hash, whose name may be slow, is not waited for. */
	if (door->first && !same_origin(door->first, t))
		return true;
	t->door = door;
	if (door->first) {
		ration__link_append(&door->held, &t->held);
		return false;
	}
	door->first = t;
	return true;
}

static void make_ready(struct ration__resolve *r, struct ration__door *door)
{
	struct ration__link *link = door->held.next;

	ration__link_remove(link);
	ration__link_append(&r->ready, link);
}

void ration__resolve_leave(
	struct ration__resolve *r, struct ration__transfer *t, bool resolved, int64_t now_ns)
{
	struct ration__door *door = t->door;

	ration__link_remove(&t->held);
	t->door = NULL;
	if (!door || door->first != t)
		return;
	door->first = NULL;
	if (resolved) {
		door->open_until_ns = now_ns + RATION__RESOLVED_NS;
		for (struct ration__link *link = door->held.next; link != &door->held;
			link = link->next)
			RATION__CONTAINER(link, struct ration__transfer, held)->door = NULL;
		while (ration__link_in_list(&door->held))
			make_ready(r, door);
	} else if (ration__link_in_list(&door->held)) {
		door->first = RATION__CONTAINER(door->held.next, struct ration__transfer, held);
		make_ready(r, door);
	}
}
