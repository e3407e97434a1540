/* What the configuration's suites share. */
#ifndef TESTS_CONFIG_HELP_H
#define TESTS_CONFIG_HELP_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <ration/config.h>
#include "base/util.h"
#include "config/compile.h"
#include "config/schema.h"

/* Criterion alone does not fail on leaks. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);
static void check_leaks(void)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		abort();
}

static inline ration_config *loaded(const char *text)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	int rc = ration_config_load_text(config, text, "t.yaml", &err);

	cr_assert_eq(rc, 0, "%s", ration_error_text(err));
	return config;
}

/* The error with which a text is refused, on loading or on compiling. */
static inline void expect_refused(const char *text, const char *error)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	char *dump = NULL;
	int rc = ration_config_load_text(config, text, "t.yaml", &err);

	if (rc == 0)
		rc = ration_config_dump(config, &dump, &err);
	cr_expect_eq(rc, RATION_ECONFIG, "accepted: %s", text);
	cr_expect_str_eq(ration_error_text(err), error);
	ration_error_free(err);
	free(dump);
	ration_config_free(config);
}

/* A pattern with names in the place of its stars. */
static inline const char *named(const char *pattern, char out[256])
{
	char *to = out;

	for (; *pattern; pattern++) {
		if (*pattern != '*')
			*to++ = *pattern;
		else
			*to++ = 'x';
	}
	*to = '\0';
	return out;
}

#endif
