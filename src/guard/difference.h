/* What differs between two definitions of a service, in words, for the log. Pure. */
#ifndef GUARD_DIFFERENCE_H
#define GUARD_DIFFERENCE_H

#include <stddef.h>
#include "guard/rules.h"

/* "tokens: 10/s burst 20 -> none (and 3 more changes)": the first one and how many more there are.
 * Limits are compared by name. "" when only each process's own choice differs, or nothing. */
void ration__rules_difference(
	char *out, size_t size, const struct ration__rules *old, const struct ration__rules *new);

#endif
