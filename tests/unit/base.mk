# tests of base

check_PROGRAMS += tests/unit/test_base_units
TESTS += tests/unit/test_base_units
tests_unit_test_base_units_SOURCES = tests/unit/base_units.c
tests_unit_test_base_units_CFLAGS = $(suite_cflags)
tests_unit_test_base_units_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_base_core
TESTS += tests/unit/test_base_core
tests_unit_test_base_core_SOURCES = tests/unit/base_core.c
tests_unit_test_base_core_CFLAGS = $(suite_cflags)
tests_unit_test_base_core_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_base_zone
TESTS += tests/unit/test_base_zone
tests_unit_test_base_zone_SOURCES = tests/unit/base_zone.c
tests_unit_test_base_zone_CFLAGS = $(suite_cflags)
tests_unit_test_base_zone_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_base_error
TESTS += tests/unit/test_base_error
tests_unit_test_base_error_SOURCES = tests/unit/base_error.c
tests_unit_test_base_error_CFLAGS = $(suite_cflags)
tests_unit_test_base_error_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_base_watch
TESTS += tests/unit/test_base_watch
tests_unit_test_base_watch_SOURCES = tests/unit/base_watch.c tests/unit/http_leaks.h
tests_unit_test_base_watch_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_base_watch_CFLAGS = $(suite_cflags)
tests_unit_test_base_watch_LDADD = $(suite_ldadd)
