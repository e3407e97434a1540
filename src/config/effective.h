/* What holds where nothing was set and the table has no plain default: as text, for the dump. */
#ifndef CONFIG_EFFECTIVE_H
#define CONFIG_EFFECTIVE_H

#include <stdbool.h>
#include "config/preset.h"
#include "guard/rules.h"

#define RATION__EFFECTIVE_MAX 64

/* Each returns out, or NULL: the table knows, or there is nothing. leaf: the setting without what
 * comes before it: "burst" of a limit, "breaker.open_max" of a service, "min" of a preset. */
const char *ration__effective_limit(
	const char *leaf, const struct ration__limit *limit, char out[RATION__EFFECTIVE_MAX]);
const char *ration__effective_service(
	const char *leaf, const struct ration__rules *rules, char out[RATION__EFFECTIVE_MAX]);
const char *ration__effective_preset(
	const char *leaf, const struct ration__preset *preset, char out[RATION__EFFECTIVE_MAX]);

/* Does a setting of the service say anything beside the others? */
bool ration__service_takes(const char *leaf, const struct ration__rules *rules);

#endif
