/* Options: every form, every mistake. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "cli/options.h"

TestSuite(options, .init = cr_redirect_stderr);

static const struct ration__option table[] = {
	{"rate", 'r', "R", "a rate"}, {"quiet", 'q', NULL, "no words"}, {0}};

/* All of argv as text: "0=value" for options, "value" for arguments, "bad". */
static void read_all(char *out, int argc, char **argv)
{
	struct ration__options options;
	int found;

	*out = '\0';
	ration__options_init(&options, table, argc, argv);
	while ((found = ration__options_next(&options)) != RATION__OPTIONS_END) {
		if (found == RATION__OPTIONS_BAD) {
			strcpy(out, "bad");
			return;
		}
		if (found == RATION__OPTIONS_ARGUMENT)
			out += sprintf(out, "%s ", options.value);
		else
			out += sprintf(out, "%d=%s ", found, options.value ? options.value : "");
	}
}

#define READ(...)                                                           \
	read_all(out, (int)RATION__COUNT(((char *[]){"cmd", __VA_ARGS__})), \
		(char *[]){"cmd", __VA_ARGS__})

Test(options, forms)
{
	char out[256];

	READ("--rate", "1/s", "a", "--rate=2/s", "-r3/s", "-r", "4/s", "-q", "--quiet", "-", "b");
	cr_expect_str_eq(out, "0=1/s a 0=2/s 0=3/s 0=4/s 1= 1= - b ");
	READ("--", "--rate", "-q");
	cr_expect_str_eq(out, "--rate -q ");
	READ("--rate=");
	cr_expect_str_eq(out, "0= ");
	READ("--rate", "--quiet"); /* a value may look like an option */
	cr_expect_str_eq(out, "0=--quiet ");
}

Test(options, mistakes)
{
	char out[256];

	READ("--rat", "1");
	cr_expect_str_eq(out, "bad");
	READ("--ratee", "1");
	cr_expect_str_eq(out, "bad");
	READ("--rate");
	cr_expect_str_eq(out, "bad");
	READ("-r");
	cr_expect_str_eq(out, "bad");
	READ("-x");
	cr_expect_str_eq(out, "bad");
	READ("--quiet=1");
	cr_expect_str_eq(out, "bad");
}
