/* The sources of a command's configuration. See sources.h. */
#include "cli/sources.h"

#include <stdlib.h>

int ration__cli_sources_init(struct ration__cli_sources *sources, int argc)
{
	*sources = (struct ration__cli_sources){
		.files = calloc((size_t)argc + 1, sizeof(*sources->files))};
	return sources->files ? 0 : RATION_ENOMEM;
}

void ration__cli_sources_fini(struct ration__cli_sources *sources)
{
	free(sources->files);
	*sources = (struct ration__cli_sources){0};
}

int ration__cli_sources_load(
	const struct ration__cli_sources *sources, ration_config *config, ration_error **err)
{
	const char *env = sources->env;
	int rc = 0;

	/* of no consequence to who has no file */
	if (!env && sources->file_count)
		env = getenv("RATION_ENV");

	for (size_t i = 0; rc == 0 && i < sources->file_count; i++)
		rc = ration_config_load(config, sources->files[i], err);
	if (rc == 0 && env && *env)
		rc = ration_config_overlay(config, env, err);
	return rc == 0 ? ration_config_load_env(config, NULL, NULL, err) : rc;
}
