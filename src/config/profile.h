/* Profiles: sets of defaults by name, for a service to choose with `profile`. What is set
 * explicitly wins over them. */
#ifndef CONFIG_PROFILE_H
#define CONFIG_PROFILE_H

#include "config/settings.h"

/* The default that the service's profile gives to the setting; NULL: it has none, or says nothing
 * about it. */
const char *ration__profile_text(
	const ration_config *config, const struct ration__setting *setting, const char *service);

#endif
