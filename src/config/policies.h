/* A service's breaker, concurrency, budget from settings; for rules.c. */
#ifndef CONFIG_POLICIES_H
#define CONFIG_POLICIES_H

#include "config/bind.h"
#include "guard/rules.h"

/* Contradictions, and what follows from other settings; what is plain was bound before.
 * 0, RATION_ECONFIG. */
int ration__policies_compile(const ration_config *config, const char *service,
	struct ration__rules *rules, ration_error **err);

#endif
