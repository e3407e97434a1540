/* Names with values, as keys and costs travel through the layers. Borrowed strings. */
#ifndef BASE_PAIR_H
#define BASE_PAIR_H

#include <string.h>

struct ration__pair {
	const char *name, *value;
};
/* Names of keys that no call gives by itself: the URI of the node that an attempt goes to, and the
 * service, which is the same for all calls that are told apart by keys and so stands for none. */
#define RATION__KEY_NODE "node"
#define RATION__KEY_SERVICE "service"

struct ration__cost {
	const char *unit; /* "": number of calls */
	double cost;
};

static inline int ration__key_is_ours(const char *name)
{
	return strcmp(name, RATION__KEY_NODE) == 0 || strcmp(name, RATION__KEY_SERVICE) == 0;
}

static inline const char *ration__unit_of(const char *name)
{
	return strcmp(name, "calls") == 0 ? "" : name;
}

#endif
