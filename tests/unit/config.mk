# tests of config
check_PROGRAMS += tests/unit/test_config tests/unit/test_config_compile tests/unit/test_config_policies \
	tests/unit/test_config_http tests/unit/test_config_sources
TESTS += tests/unit/test_config tests/unit/test_config_compile tests/unit/test_config_policies \
	tests/unit/test_config_http tests/unit/test_config_sources

tests_unit_test_config_SOURCES = tests/unit/config.c tests/unit/config_help.h
tests_unit_test_config_CFLAGS = $(suite_cflags)
tests_unit_test_config_LDADD = $(suite_ldadd)

tests_unit_test_config_compile_SOURCES = tests/unit/config_compile.c tests/unit/config_help.h
tests_unit_test_config_compile_CFLAGS = $(suite_cflags) -DSRCDIR=\"$(abs_top_srcdir)\"
tests_unit_test_config_compile_LDADD = $(suite_ldadd)

tests_unit_test_config_policies_SOURCES = tests/unit/config_policies.c tests/unit/config_help.h
tests_unit_test_config_policies_CFLAGS = $(suite_cflags) -DSRCDIR=\"$(abs_top_srcdir)\"
tests_unit_test_config_policies_LDADD = $(suite_ldadd)

tests_unit_test_config_http_SOURCES = tests/unit/config_http.c tests/unit/config_help.h
tests_unit_test_config_http_CFLAGS = $(suite_cflags)
tests_unit_test_config_http_LDADD = $(suite_ldadd)

tests_unit_test_config_sources_SOURCES = tests/unit/config_sources.c tests/unit/config_help.h
tests_unit_test_config_sources_CFLAGS = $(suite_cflags)
tests_unit_test_config_sources_LDADD = $(suite_ldadd)
