/*
 * The settings that were made: an ordered map from path to text, with the place where each was
 * written. Every entry in it is known to the table and of the right form; what contradicts what is
 * looked at when it is compiled.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stddef.h>
#include <ration/config.h>
#include "base/error.h"
#include "config/compile.h"
#include "config/path.h"
#include "config/schema.h"

enum {
	RATION__SETTINGS_MAX = 16384,
	RATION__TEXT_MAX = 16384,   /* bytes of one value */
	RATION__FILE_MAX = 1 << 20, /* bytes of one file */
};

/* One allocation; path, name and text stand behind it. */
struct ration__entry {
	const struct ration__setting *setting;
	const char
		*file; /* NULL: set by code. Borrowed: from the file's name in the configuration */
	int line, column;	 /* 0 of a file that is an environment variable */
	const char *environment; /* of an overlay, borrowed likewise; else NULL */
	const char *path;	 /* one spelling for each setting */
	const char *name;	 /* last component as it was written: headers keep their case */
	const char *text;
};

struct ration__service_name {
	char name[RATION__PART_MAX];
};

struct ration__token_hook {
	char *service;
	ration_token_fn fn;
	void *arg;
};

struct ration_config {
	struct ration__entry **entries; /* by path */
	size_t count, capacity;
	struct ration__service_name *services; /* by name */
	size_t service_count, service_capacity;
	struct ration__entry **overlays; /* of environments, as they came */
	size_t overlay_count;
	char **files;
	size_t file_count;
	struct ration__config_hooks hooks;
	struct ration__token_hook *tokens; /* by service; token_count of them */
	size_t token_count;
};

struct ration__entries {
	struct ration__entry **list;
	size_t count, capacity;
};
void ration__entries_fini(struct ration__entries *entries); /* and the entries that are left */

/* Checks one setting and makes its entry: an alias becomes the setting that it stands for, a
 * header's name is compared without case. place->path: what errors have in front of the path, or
 * NULL.
 * 0, RATION_ECONFIG, RATION_ENOMEM. */
int ration__entry_new(const struct ration__path *path, const char *text,
	const struct ration__place *place, struct ration__entry **out, ration_error **err);
struct ration__entry *ration__entry_copy(const struct ration__entry *entry); /* NULL: no memory */
/* The entry that says that there is an environment of that name; it has no setting. */
struct ration__entry *ration__entry_name(const char *environment);
/* Takes over entry on success. 0, RATION_ENOMEM, RATION_ECONFIG: too many. */
int ration__entries_add(struct ration__entries *entries, struct ration__entry *entry,
	const struct ration__place *place, ration_error **err);
/* All of them or none; later ones replace what was there. The list is empty on success. */
int ration__settings_merge(
	ration_config *config, struct ration__entries *entries, ration_error **err);
/* Room for what _add then appends: what stands in environments. 0, RATION_ECONFIG: too many,
 * RATION_ENOMEM. */
int ration__overlays_reserve(ration_config *config, size_t extra, ration_error **err);
void ration__overlays_add(ration_config *config, struct ration__entries *entries); /* empties it */
/* Adds what stands in a YAML text: all of it or nothing. */
int ration__settings_load(ration_config *config, const char *text, size_t length, const char *name,
	ration_error **err);
/* The configuration's own copy of a name of a file, variable or environment; NULL: out of memory.
 */
const char *ration__settings_file(ration_config *config, const char *name);

/* NULL: not set. */
const struct ration__entry *ration__settings_find(
	const ration_config *config, const struct ration__path *path);
/* Index of the first service whose name is not before this one. */
size_t ration__settings_service(const ration_config *config, const char *name);
/* Makes of an alias's path that of the setting of the same service which it stands for. */
void ration__path_follow(struct ration__path *path, const char *alias);
/* Index of the first entry whose path is not before the text. */
size_t ration__settings_lower(const ration_config *config, const char *path);

#endif
