/* Settings into members of structures, by the table; and errors about settings that are each right
 * but do not go together. For the files that compile. */
#ifndef CONFIG_BIND_H
#define CONFIG_BIND_H

#include "config/settings.h"

/* A pattern with its names filled in: services.*.limits.*.rate of a service and a limit. */
void ration__bind_path(
	struct ration__path *path, const char *pattern, const char *service, const char *name);
/* NULL: not set. */
const struct ration__entry *ration__bind_entry(
	const ration_config *config, const char *pattern, const char *service, const char *name);
/* The profile's default, else the table's, else NULL. */
const char *ration__bind_default(
	const ration_config *config, const struct ration__setting *setting, const char *service);
/* What was set, else the default, else NULL. */
const char *ration__bind_text(const ration_config *config, const struct ration__setting *setting,
	const char *service, const char *name);
/* One value, checked before, into its member. */
void ration__bind_store(const struct ration__setting *setting, const char *text, void *structure);
/* A list of statuses and classes. */
struct ration__status_set;
void ration__bind_statuses(struct ration__status_set *to, const char *text);
/* Every setting of a target whose pattern begins with prefix. */
void ration__bind_all(const ration_config *config, enum ration__setting_target target,
	const char *prefix, const char *service, const char *name, void *structure);

/* RATION_ECONFIG at the place of the entry, or of the pattern's path when there is none. */
int ration__bind_fail(const struct ration__entry *entry, const char *pattern, const char *service,
	const char *name, ration_error **err, const char *what);
int ration__bind_fail_service(const char *service, ration_error **err);

/* Entries whose path begins with `above` and a dot: *count of them from the index returned. They
 * are in the order of their paths as text, so those of one name need not be neighbours. */
size_t ration__bind_below(const ration_config *config, const char *above, size_t *count);
size_t ration__bind_below_pattern(const ration_config *config, const char *pattern,
	const char *service, const char *name, size_t *count);
/* Calls fn for each entry at or below services.SERVICE.GROUP.NAME until it returns non-zero, which
 * is returned. All of one name need not be neighbours. */
typedef int (*ration__bind_fn)(void *arg, const char *name, const struct ration__entry *entry);
int ration__bind_each(const ration_config *config, const char *service, const char *group,
	ration__bind_fn fn, void *arg);

#endif
