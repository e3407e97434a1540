/* Opening the store that a configuration names. See store.h. */
#include "client/store.h"

#include <limits.h>
#include "config/compile.h"

int ration__client_engine(const ration_config *config, bool must_exist,
	struct ration__engine **engine, ration_error **err)
{
	struct ration__engine_options options = {.log_level = RATION_LOG_INFO};
	struct ration__process_conf process;
	struct ration__config_hooks hooks;
	char path[PATH_MAX];
	int rc = ration__config_store(config, &options.store, path, sizeof(path), err);

	if (rc < 0)
		return rc;
	ration__config_hooks(config, &hooks);
	ration__config_process(config, &process);
	options.store.clock = hooks.clock;
	options.store.must_exist = must_exist;
	options.log = hooks.log;
	options.log_arg = hooks.log_arg;
	options.event = hooks.event;
	options.event_arg = hooks.event_arg;
	options.log_level = (enum ration_log_level)process.log_level;
	return ration__engine_open(&options, engine, err);
}
