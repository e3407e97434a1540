/*
 * The configuration of a run: the defaults of a batch, then files and environment (sources.h), then
 * the flags, then --set; each wins over those before it.
 *
 * Without a file (and without services by --set) each URL's origin is a service of that name, made
 * when it is first met, with the settings that the flags give.
 */
#ifndef CLI_RUN_SETTINGS_H
#define CLI_RUN_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <ration/config.h>
#include "base/buffer.h"
#include "cli/sources.h"

/* As on the command line; NULL: not given. */
struct ration__run_flags {
	struct ration__cli_sources sources;
	const char *service, *store, *threads, *profile;
	/* settings of a service */
	const char *rate, *burst, *quota, *concurrency, *breaker, *retries, *timeout, *deadline;
	bool no_wait;
	const char **sets; /* "PATH=VALUE" */
	size_t set_count;
};

struct ration__run_settings {
	ration_config *config;
	bool origins;	     /* services are named after origins as they come */
	const char *service; /* of jobs that name none; NULL: they must, or origins */
};

/* Prints what is wrong. Answers an exit code; settings are made on RATION__EXIT_OK only. */
int ration__settings_make(
	const struct ration__run_flags *flags, struct ration__run_settings *settings);
/* The flags' --set, in order. 0, RATION_ECONFIG, RATION_ENOMEM. */
int ration__settings_sets(
	ration_config *config, const struct ration__run_flags *flags, ration_error **err);
/* Adds the service of an origin. 0, RATION_ECONFIG, RATION_ENOMEM. */
int ration__settings_add_origin(struct ration__run_settings *settings,
	const struct ration__run_flags *flags, const char *origin, ration_error **err);
/* One line about a service's settings that matter, for people. */
void ration__settings_describe(
	const ration_config *config, const char *service, struct ration__buffer *out);
void ration__settings_fini(struct ration__run_settings *settings);

#endif
