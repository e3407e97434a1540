/* The parts of a service's HTTP side, between the files that compile it. */
#ifndef CONFIG_SERVICE_H
#define CONFIG_SERVICE_H

#include "config/bind.h"
#include "config/uri_list.h"
#include "http/service.h"

/* sources.c: where responses tell true costs: a source for each unit, whichever of the unit's
 * limits names it. Borrowed from the configuration. */
struct ration__sources {
	struct ration__actual list[RATION__ACTUALS_MAX];
	size_t count;
};
/* *out is zeroed before. 0, RATION_ECONFIG. */
int ration__sources_find(const ration_config *config, const char *service,
	struct ration__sources *out, ration_error **err);

/* place.c: what contradicts in where a service is, as whom it is called and by which certificates;
 * and whether the files are there. 0, RATION_ECONFIG. */
int ration__place_check(const ration_config *config, const char *service, ration_error **err);
/* Its nodes, none for a guard. The caller frees them. 0, RATION_ECONFIG, RATION_ENOMEM. */
int ration__place_nodes(const ration_config *config, const char *service,
	struct ration__uri_list *out, ration_error **err);
/* Whether the service has a place: one without is a guard only. */
bool ration__place_exists(const ration_config *config, const char *service);

/* strings.c: everything of conf that points to memory, in one block of its own. RATION_ENOMEM. */
int ration__strings_copy(const ration_config *config, const char *service,
	const struct ration__sources *sources, const struct ration__uri_list *nodes,
	struct ration__service_conf *conf);

#endif
