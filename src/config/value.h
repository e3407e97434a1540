/* Values as text, checked and read by the type of their setting. Pure. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include "base/units.h"
#include "config/schema.h"

struct ration__value {
	bool is_duration; /* of a burst or span */
	bool is_rate;	  /* of an amount */
	unsigned word;	  /* of a window: which of the words, from 1; 0: a duration */
	union {
		int64_t ns;
		struct ration__rate rate;
		uint64_t integer; /* sizes, whole numbers, the index of a choice */
		double number;
	};
};

/* 0, or RATION_EINVAL: then setting->expected says what would be right. Lists and texts are only
 * checked. */
int ration__value_parse(
	const struct ration__setting *setting, const char *text, struct ration__value *value);

/* Lists: "[a, b]", "a, b" or "a". Items may stand in double quotes. */
struct ration__list {
	const char *at, *end;
	bool more;
};
int ration__list_init(struct ration__list *list, const char *text); /* 0, RATION_EINVAL */
/* 1: item is filled; 0: no more; RATION_EINVAL: an empty item, or longer than size. */
int ration__list_next(struct ration__list *list, char *item, size_t size);

/* "404" or "2xx": 404, or 2. 0: neither. */
int ration__parse_status(const char *text);
/* scheme://host[:port][/path]: http or https, without user, query or fragment. */
bool ration__uri_ok(const char *text);
/* Index of text among words separated by |; -1. */
int ration__word_index(const char *words, const char *text);

#endif
