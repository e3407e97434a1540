/* Opening the store that a configuration names: the same for clients, guards, views and control. */
#ifndef CLIENT_STORE_H
#define CLIENT_STORE_H

#include <stdbool.h>
#include "guard/guard.h"

/* must_exist: views do not make a store. Close with ration__engine_close. */
int ration__client_engine(const ration_config *config, bool must_exist,
	struct ration__engine **engine, ration_error **err);

#endif
