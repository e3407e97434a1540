# tests of config
check_PROGRAMS += tests/unit/test_config tests/unit/test_config_compile tests/unit/test_config_policies
TESTS += tests/unit/test_config tests/unit/test_config_compile tests/unit/test_config_policies

tests_unit_test_config_SOURCES = tests/unit/config.c tests/unit/config_help.h
tests_unit_test_config_CFLAGS = $(suite_cflags)
tests_unit_test_config_LDADD = $(suite_ldadd)

tests_unit_test_config_compile_SOURCES = tests/unit/config_compile.c tests/unit/config_help.h
tests_unit_test_config_compile_CFLAGS = $(suite_cflags) -DSRCDIR=\"$(abs_top_srcdir)\"
tests_unit_test_config_compile_LDADD = $(suite_ldadd)

tests_unit_test_config_policies_SOURCES = tests/unit/config_policies.c tests/unit/config_help.h
tests_unit_test_config_policies_CFLAGS = $(suite_cflags) -DSRCDIR=\"$(abs_top_srcdir)\"
tests_unit_test_config_policies_LDADD = $(suite_ldadd)
