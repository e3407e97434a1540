/*
 * Command line options from a table, which also makes the help text: an option without a line of
 * help cannot exist. "--name value", "--name=value", "-x value", "-xvalue", "--" ends options, "-"
 * alone is an argument. Names are not abbreviated: a script must not change its meaning when an
 * option is added.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

struct ration__option {
	const char *name; /* without dashes; NULL ends the table */
	char letter;	  /* 0: none */
	const char *arg;  /* what the value is called; NULL: takes none */
	const char *help;
};

enum { RATION__OPTIONS_END = -1, RATION__OPTIONS_ARGUMENT = -2, RATION__OPTIONS_BAD = -3 };

struct ration__options {
	const struct ration__option *table;
	int argc;
	char **argv; /* argv[0] is the command's name, for messages */
	int next;
	bool arguments_only; /* after "--" */
	const char *value;   /* of the option or argument that was returned last */
};

void ration__options_init(
	struct ration__options *options, const struct ration__option *table, int argc, char **argv);
/* The next option's index in the table, or one of the above; BAD has printed why. */
int ration__options_next(struct ration__options *options);
void ration__options_help(FILE *out, const char *head, const struct ration__option *table);

#endif
