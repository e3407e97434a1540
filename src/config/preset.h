/* Presets: what is known of an API's pace and place, by name. Built-in ones, and those of the
 * configuration, which may also change parts of a built-in one. */
#ifndef CONFIG_PRESET_H
#define CONFIG_PRESET_H

#include "config/settings.h"

struct ration__preset {
	double initial, min, max, step; /* tokens per second */
	double factor;
	const char *uri; /* as in `uris`; NULL: none. Borrowed until config's next change */
};

/* What is not said follows from initial; for limits that name no preset, too. */
void ration__preset_complete(struct ration__preset *preset);

/* config may be NULL: only built-in ones. blame: the entry that names it, for the place of the
 * error that lists the names; NULL: none. 0, RATION_ECONFIG. */
int ration__preset_find(const ration_config *config, const char *name,
	const struct ration__entry *blame, struct ration__preset *out, ration_error **err);
/* The service's preset. 1: *out is it, *name its name; 0: it names none; RATION_ECONFIG. */
int ration__preset_of(const ration_config *config, const char *service, struct ration__preset *out,
	const char **name, ration_error **err);
/* The text of the service's URIs, be they its own or its preset's; NULL: it has none, or they stand
 * in its uri_file. */
const char *ration__service_uris(const ration_config *config, const char *service);

#endif
