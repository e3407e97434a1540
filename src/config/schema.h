/*
 * The settings there are: one table from which checking, defaults, dump, suggestions for unknown
 * keys and the table in doc/CONFIGURATION.md come. What is not in it is refused.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buffer.h"
#include "config/path.h"

enum ration__setting_type {
	RATION__TYPE_MAP,      /* a name may stand there, with settings below it or none */
	RATION__TYPE_DURATION, /* ns in int64_t; or `word` */
	RATION__TYPE_RATE,
	RATION__TYPE_BURST,    /* a number, or a duration's worth of the rate */
	RATION__TYPE_AMOUNT,   /* a number, or a rate */
	RATION__TYPE_WINDOW,   /* a duration, or one of `words` */
	RATION__TYPE_SPAN,     /* a whole number up to max, or whole seconds up to max_s */
	RATION__TYPE_SIZE,     /* bytes in uint64_t */
	RATION__TYPE_NUMBER,   /* double */
	RATION__TYPE_PART,     /* double: 0.5, or 50% */
	RATION__TYPE_UINT,     /* uint32_t or uint64_t; or `word` */
	RATION__TYPE_CHOICE,   /* one of `words`; its index in an enumeration */
	RATION__TYPE_TEXT,     /* of at most max bytes, where that is given */
	RATION__TYPE_HEADER,   /* text that may be a secret */
	RATION__TYPE_SECRET,   /* text that is one */
	RATION__TYPE_FIELD,    /* a header's name or another word of its characters */
	RATION__TYPE_TARGET,   /* path of a URL */
	RATION__TYPE_PROXY,    /* URL of a proxy */
	RATION__TYPE_PATTERN,  /* of a path: begins with / or * */
	RATION__TYPE_SOURCE,   /* body:JSON-POINTER or header:NAME */
	RATION__TYPE_NAME,     /* a key's or unit's name */
	RATION__TYPE_NAMES,    /* list of them */
	RATION__TYPE_NUMBERS,  /* list of numbers */
	RATION__TYPE_PATTERNS, /* list of patterns of key values */
	RATION__TYPE_CHOICES,  /* list of `words`, at least `min`; a bit of uint32_t for each */
	RATION__TYPE_URIS,     /* list of at most max base URIs */
	RATION__TYPE_ACCEPT,   /* list of statuses: 404, 2xx */
	RATION__TYPE_STATUSES, /* likewise, of 4xx and 5xx; struct ration__status_set */
};

/* Which structure a value ends up in. */
enum ration__setting_target {
	RATION__TARGET_NONE,	 /* read by name in the files that compile */
	RATION__TARGET_PROCESS,	 /* struct ration__process_conf */
	RATION__TARGET_PRESET,	 /* struct ration__preset */
	RATION__TARGET_SERVICE,	 /* struct ration__service_conf */
	RATION__TARGET_STRING,	 /* a text of it, in its memory; NULL: not set, and no default */
	RATION__TARGET_RULES,	 /* struct ration__rules */
	RATION__TARGET_LIMIT,	 /* struct ration__limit */
	RATION__TARGET_ADAPTIVE, /* struct ration__adaptive_conf of a limit */
	RATION__TARGET_FAIRNESS, /* struct ration__fairness_conf */
};

struct ration__setting {
	const char *pattern; /* components with dots; * is a name of the user's choice */
	enum ration__setting_type type;
	const char *fallback; /* default as text; NULL: none, or worked out (`unset` says how) */
	const char *unset;    /* what holds when nothing is set; for people */
	double min, max;      /* of numbers, bytes, ns */
	double max_s;	      /* of a span in seconds */
	const char *words;    /* choices, separated by | */
	const char *word;     /* a duration or number may be this word instead */
	int64_t word_value;
	const char *expected; /* "expected ..." in errors */
	const char *meaning;  /* one line */
	const char *alias;    /* another way to write this setting of the same service */
	enum ration__setting_target target;
	size_t offset, width; /* of the member */
	bool per_request;     /* ration_request_set_option may change it */
	bool http;	      /* says something only to a service that has a place */
};

extern const struct ration__setting ration__schema[]; /* schema.c */
extern const size_t ration__schema_count;

/* Is a value of this type a list? */
bool ration__type_is_list(enum ration__setting_type type);

/* NULL: no such setting. */
const struct ration__setting *ration__schema_find(const struct ration__path *path);
/* Settings may stand below the path. */
bool ration__schema_is_map(const struct ration__path *path);
/* Names of keys and units: letters, digits, dots, dashes, underscores; fits into size with the NUL.
 */
bool ration__name_ok(const char *name, size_t size);
/* NULL when every name of the user's choice in the path may be one, else what is expected there. */
const char *ration__schema_check_names(const struct ration__path *path);
/* The word of the vocabulary that the path may go on with, compared without case. */
bool ration__schema_word(
	const struct ration__path *path, const char *text, char out[RATION__PART_MAX]);
/* Appends what is wrong with a path that is no setting, and what would be right. */
void ration__schema_explain(const struct ration__path *path, struct ration__buffer *out);
/* The pattern's first component (*length bytes at the returned pointer) and what follows it; NULL
 * past the last. Walk: for (at = pattern; (part = ration__pattern_next(&at, &length));) */
const char *ration__pattern_next(const char **pattern, size_t *length);

#endif
