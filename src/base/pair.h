/* Names with values, as keys and costs travel through the layers. Borrowed strings. */
#ifndef BASE_PAIR_H
#define BASE_PAIR_H

#include <string.h>

struct ration__pair {
	const char *name, *value;
};
struct ration__cost {
	const char *unit; /* "": number of calls */
	double cost;
};

static inline const char *ration__unit_of(const char *name)
{
	return strcmp(name, "calls") == 0 ? "" : name;
}

#endif
