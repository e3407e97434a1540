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

check_PROGRAMS += tests/unit/test_guard_limits
TESTS += tests/unit/test_guard_limits
tests_unit_test_guard_limits_SOURCES = tests/unit/guard_limits.c tests/unit/guard_fixture.h
tests_unit_test_guard_limits_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_limits_CFLAGS = $(suite_cflags)
tests_unit_test_guard_limits_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_guard_review3
TESTS += tests/unit/test_guard_review3
tests_unit_test_guard_review3_SOURCES = tests/unit/guard_review3.c tests/unit/guard_fixture.h
tests_unit_test_guard_review3_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_review3_CFLAGS = $(suite_cflags)
tests_unit_test_guard_review3_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_permit
TESTS += tests/unit/test_permit
tests_unit_test_permit_SOURCES = tests/unit/permit.c tests/unit/guard_fixture.h
tests_unit_test_permit_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_permit_CFLAGS = $(suite_cflags)
tests_unit_test_permit_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_guard_counter
TESTS += tests/unit/test_guard_counter
tests_unit_test_guard_counter_SOURCES = tests/unit/guard_counter.c tests/unit/policy_dice.h
tests_unit_test_guard_counter_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_counter_CFLAGS = $(suite_cflags)
tests_unit_test_guard_counter_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_guard_flush
TESTS += tests/unit/test_guard_flush
tests_unit_test_guard_flush_SOURCES = tests/unit/guard_flush.c tests/unit/guard_fixture.h \
	tests/unit/policy_dice.h
tests_unit_test_guard_flush_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_flush_CFLAGS = $(suite_cflags)
tests_unit_test_guard_flush_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/stress/guard_sync
TESTS += tests/stress/guard_sync
tests_stress_guard_sync_SOURCES = tests/stress/guard_sync.c
tests_stress_guard_sync_LDADD = src/libcore.la

check_PROGRAMS += tests/unit/test_guard_prepaid
TESTS += tests/unit/test_guard_prepaid
tests_unit_test_guard_prepaid_SOURCES = tests/unit/guard_prepaid.c tests/unit/guard_fixture.h \
	tests/unit/policy_dice.h
tests_unit_test_guard_prepaid_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_prepaid_CFLAGS = $(suite_cflags)
tests_unit_test_guard_prepaid_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_guard_quota
TESTS += tests/unit/test_guard_quota
tests_unit_test_guard_quota_SOURCES = tests/unit/guard_quota.c tests/unit/guard_fixture.h
tests_unit_test_guard_quota_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_quota_CFLAGS = $(suite_cflags)
tests_unit_test_guard_quota_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_guard_operator
TESTS += tests/unit/test_guard_operator
tests_unit_test_guard_operator_SOURCES = tests/unit/guard_operator.c tests/unit/guard_fixture.h
tests_unit_test_guard_operator_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_operator_CFLAGS = $(suite_cflags)
tests_unit_test_guard_operator_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_guard_match
TESTS += tests/unit/test_guard_match
tests_unit_test_guard_match_SOURCES = tests/unit/guard_match.c
tests_unit_test_guard_match_CFLAGS = $(suite_cflags)
tests_unit_test_guard_match_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_guard_probe
TESTS += tests/unit/test_guard_probe
tests_unit_test_guard_probe_SOURCES = tests/unit/guard_probe.c tests/unit/guard_fixture.h
tests_unit_test_guard_probe_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_probe_CFLAGS = $(suite_cflags)
tests_unit_test_guard_probe_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_permit_order
TESTS += tests/unit/test_permit_order
tests_unit_test_permit_order_SOURCES = tests/unit/permit_order.c
tests_unit_test_permit_order_CFLAGS = $(suite_cflags)
tests_unit_test_permit_order_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_guard_local
TESTS += tests/unit/test_guard_local
tests_unit_test_guard_local_SOURCES = tests/unit/guard_local.c tests/unit/guard_fixture.h
tests_unit_test_guard_local_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_guard_local_CFLAGS = $(suite_cflags)
tests_unit_test_guard_local_LDADD = $(suite_ldadd)
