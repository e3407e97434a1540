/*
 * Where a command's configuration comes from: the files of -c in their order, the environment that
 * --env or $RATION_ENV chooses, the variables RATION__...; each wins over those before it, and what
 * stands on the command line wins over all.
 */
#ifndef CLI_SOURCES_H
#define CLI_SOURCES_H

#include <stddef.h>
#include <ration/config.h>

struct ration__cli_sources {
	const char **files; /* freed by _fini, the texts are argv's */
	size_t file_count;
	const char *env; /* --env; NULL: with files, $RATION_ENV, if that is set and not empty */
};

/* For as many files as argc. 0, RATION_ENOMEM. */
int ration__cli_sources_init(struct ration__cli_sources *sources, int argc);
void ration__cli_sources_fini(struct ration__cli_sources *sources);
/* 0, or an error of the library. */
int ration__cli_sources_load(
	const struct ration__cli_sources *sources, ration_config *config, ration_error **err);

#endif
