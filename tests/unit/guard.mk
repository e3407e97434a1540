# tests of guard
check_PROGRAMS += tests/unit/test_guard
TESTS += tests/unit/test_guard
tests_unit_test_guard_SOURCES = tests/unit/guard.c tests/unit/guard_fixture.h
tests_unit_test_guard_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_CFLAGS = $(suite_cflags)
tests_unit_test_guard_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_guard_review
TESTS += tests/unit/test_guard_review
tests_unit_test_guard_review_SOURCES = tests/unit/guard_review.c tests/unit/guard_fixture.h
tests_unit_test_guard_review_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_review_CFLAGS = $(suite_cflags)
tests_unit_test_guard_review_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_permit
TESTS += tests/unit/test_permit
tests_unit_test_permit_SOURCES = tests/unit/permit.c tests/unit/guard_fixture.h
tests_unit_test_permit_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_permit_CFLAGS = $(suite_cflags)
tests_unit_test_permit_LDADD = $(suite_ldadd)
