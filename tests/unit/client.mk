# tests of client
client_upstream = tests/unit/client_fixture.h tests/unit/http_server.c tests/unit/http_server.h \
	tests/unit/http_leaks.h

check_PROGRAMS += tests/unit/test_client_send
TESTS += tests/unit/test_client_send
tests_unit_test_client_send_SOURCES = tests/unit/client_send.c $(client_upstream)
tests_unit_test_client_send_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_send_CFLAGS = $(suite_cflags)
tests_unit_test_client_send_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_govern
TESTS += tests/unit/test_client_govern
tests_unit_test_client_govern_SOURCES = tests/unit/client_govern.c $(client_upstream)
tests_unit_test_client_govern_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_govern_CFLAGS = $(suite_cflags)
tests_unit_test_client_govern_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_policy
TESTS += tests/unit/test_client_policy
tests_unit_test_client_policy_SOURCES = tests/unit/client_policy.c
tests_unit_test_client_policy_CFLAGS = $(suite_cflags)
tests_unit_test_client_policy_LDADD = $(suite_ldadd)
