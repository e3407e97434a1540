/* One limit or quota from settings; between the files that compile rules. */
#ifndef CONFIG_LIMIT_H
#define CONFIG_LIMIT_H

#include "config/bind.h"
#include "guard/rules.h"

struct ration__limit_source {
	const ration_config *config;
	const char *service, *name;
	const char *group; /* "limits", "quotas" */
	char pattern[64];  /* of the setting that was looked at last */
};

/* The limit's setting, such as "rate"; "": the limit itself. NULL: not set. */
const struct ration__entry *ration__limit_entry(
	struct ration__limit_source *source, const char *leaf);
/* RATION_ECONFIG at the leaf if it was set, else at the limit itself. */
int ration__limit_fail(struct ration__limit_source *source, const char *leaf, ration_error **err,
	const char *what);

/* All of it but for its overrides. The limit is zeroed before: rules compare as bytes. */
int ration__limit_compile(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err);
/* adaptive.c: limits that name a preset or an initial rate. */
bool ration__limit_is_adaptive(struct ration__limit_source *source);
int ration__adaptive_compile(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err);
/* The limit "learned" that a service has by its preset alone. */
int ration__adaptive_learned(const ration_config *config, const char *service,
	struct ration__limit *limit, ration_error **err);
/* Does the setting say anything to a limit of this kind? Of none but adaptive ones' `min`, say. */
bool ration__limit_takes(const struct ration__limit *limit, const char *leaf);

/* which.c: `when`, but for methods and path, which the table binds. */
int ration__when_compile(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err);
/* The overrides of limits[index], appended. */
int ration__overrides_compile(struct ration__limit_source *source, struct ration__rules *rules,
	uint32_t index, ration_error **err);

#endif
