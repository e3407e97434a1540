/* Command line options from a table. See options.h. */
#include "cli/options.h"

#include <string.h>
#include "cli/cli.h"

void ration__options_init(
	struct ration__options *options, const struct ration__option *table, int argc, char **argv)
{
	*options = (struct ration__options){.table = table, .argc = argc, .argv = argv, .next = 1};
}

static int bad(
	const struct ration__options *options, const char *what, const char *name, size_t length)
{
	ration__cli_error(options->argv[0], "%s: %.*s (ration %s --help lists the options)", what,
		(int)length, name, options->argv[0]);
	return RATION__OPTIONS_BAD;
}

static int value_of(struct ration__options *options, int index, const char *attached,
	const char *name, size_t length)
{
	const struct ration__option *option = &options->table[index];

	if (!option->arg) {
		if (attached)
			return bad(options, "takes no value", name, length);
		return index;
	}
	if (!attached) {
		if (options->next >= options->argc)
			return bad(options, "needs a value", name, length);
		attached = options->argv[options->next++];
	}
	options->value = attached;
	return index;
}

static int long_option(struct ration__options *options, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t length = equals ? (size_t)(equals - word) : strlen(word);

	for (int i = 0; options->table[i].name; i++)
		if (strlen(options->table[i].name) == length - 2 &&
			!memcmp(options->table[i].name, word + 2, length - 2))
			return value_of(options, i, equals ? equals + 1 : NULL, word, length);
	return bad(options, "no such option", word, length);
}

int ration__options_next(struct ration__options *options)
{
	options->value = NULL;
	while (options->next < options->argc) {
		const char *word = options->argv[options->next++];

		if (options->arguments_only || word[0] != '-' || !word[1]) {
			options->value = word;
			return RATION__OPTIONS_ARGUMENT;
		}
		if (!strcmp(word, "--")) {
			options->arguments_only = true;
			continue;
		}
		if (word[1] == '-')
			return long_option(options, word);
		for (int i = 0; options->table[i].name; i++)
			if (options->table[i].letter == word[1])
				return value_of(options, i, word[2] ? word + 2 : NULL, word, 2);
		return bad(options, "no such option", word, 2);
	}
	return RATION__OPTIONS_END;
}

void ration__options_help(FILE *out, const char *head, const struct ration__option *table)
{
	fprintf(out, "%s\nOptions:\n", head);
	for (const struct ration__option *option = table; option->name; option++) {
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", option->letter ? '-' : ' ',
			option->letter ? option->letter : ' ', option->letter ? ", " : "  ",
			option->name, option->arg ? " " : "", option->arg ? option->arg : "");
		fprintf(out, "  %-32s %s\n", left, option->help);
	}
}
