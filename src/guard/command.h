/*
 * An operator's command in the making: between command.c, which finds out what is wanted of what,
 * and control.c and slow.c, which do it. Of one thread; under no lock.
 */
#ifndef GUARD_COMMAND_H
#define GUARD_COMMAND_H

#include "guard/engine.h"
#include "guard/selector.h"

enum ration__action {
	RATION__ACTION_RESET,
	RATION__ACTION_OPEN,
	RATION__ACTION_DISABLE,
	RATION__ACTION_AUTO,
	RATION__ACTION_SET,
	RATION__ACTION_BACKOFF,
};

struct ration__command {
	struct ration__engine *engine;
	const char *text; /* the selector, for errors */
	enum ration__action action;
	int64_t ttl_ms;
	struct ration__operator numbers; /* of set; what is not named as in a setting */
	struct ration__selector selector;
	struct ration__rules *rules; /* the service's definition */
	struct ration__rule list[RATION__RULES_OF_MAX];
	size_t count;			 /* of the list */
	const struct ration__rule *rule; /* NULL: the selector names none */
	ration_error **err;
};

/* command.c; all answer 0 or an error, which is set */
int ration__command_refuse(const struct ration__command *c, const char *why);
int ration__command_error(const struct ration__command *c, int rc); /* 0 or more stays */
int ration__command_parse(struct ration__command *c, const char *action);
/* The definition of the selector's service; an error that names what exists. */
int ration__command_load(struct ration__command *c);
/* The selector's rule in it, and whether the values are as many as its keys. */
int ration__command_find(struct ration__command *c);
/* The selector, if it names values. */
const struct ration__selector *ration__command_values(const struct ration__command *c);
/* Has the rule records that are not named by the selector one by one? */
bool ration__command_many(const struct ration__command *c, const struct ration__rule *rule);

/* slow.c: a backoff signal by hand */
int ration__command_slow(struct ration__command *c);

#endif
