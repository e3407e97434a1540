/* A service's breaker, concurrency, budget from settings; for rules.c. */
#ifndef CONFIG_POLICIES_H
#define CONFIG_POLICIES_H

#include "config/bind.h"
#include "guard/rules.h"

/* keys.c: nowhere where a call's own key is meant stands one of ours. 0, RATION_ECONFIG. */
int ration__keys_check(const ration_config *config, const char *service, ration_error **err);
/* Contradictions, and what follows from other settings; what is plain was bound before.
 * 0, RATION_ECONFIG. */
int ration__policies_compile(const ration_config *config, const char *service,
	struct ration__rules *rules, ration_error **err);

#endif
