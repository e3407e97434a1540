/* Seeing and steering the store, without a client. See ration/guard.h. */
#include <ration/guard.h>

#include <stdlib.h>
#include <string.h>
#include "client/store.h"

int ration_inspect(
	const ration_config *config, const char *selector, char **json, ration_error **err)
{
	struct ration__engine *engine;
	int rc;

	if (!config || !json)
		return ration__error_set(err, RATION_EINVAL, "config and json are needed");
	rc = ration__client_engine(config, true, &engine, err);
	if (rc < 0)
		return rc;
	rc = ration__engine_inspect(engine, selector, json, err);
	ration__engine_close(engine);
	return rc;
}

int ration_control(const ration_config *config, const char *selector, const char *action,
	int64_t ttl_ms, ration_error **err)
{
	struct ration__engine *engine;
	int rc;

	if (!config || !selector || !action)
		return ration__error_set(
			err, RATION_EINVAL, "config, selector and action are needed");
	rc = ration__client_engine(config, true, &engine, err);
	if (rc < 0)
		return rc;
	rc = ration__engine_control(engine, selector, action, ttl_ms, err);
	ration__engine_close(engine);
	return rc;
}
