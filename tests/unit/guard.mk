# tests of guard
check_PROGRAMS += tests/unit/test_guard
TESTS += tests/unit/test_guard
tests_unit_test_guard_SOURCES = tests/unit/guard.c tests/unit/guard_fixture.h
tests_unit_test_guard_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_CFLAGS = $(suite_cflags)
tests_unit_test_guard_LDADD = $(suite_ldadd)
