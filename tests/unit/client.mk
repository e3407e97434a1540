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

check_PROGRAMS += tests/unit/test_client_errors
TESTS += tests/unit/test_client_errors
tests_unit_test_client_errors_SOURCES = tests/unit/client_errors.c $(client_upstream)
tests_unit_test_client_errors_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_errors_CFLAGS = $(suite_cflags)
tests_unit_test_client_errors_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_retry_any
TESTS += tests/unit/test_client_retry_any
tests_unit_test_client_retry_any_SOURCES = tests/unit/client_retry_any.c
tests_unit_test_client_retry_any_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_retry_any_CFLAGS = $(suite_cflags)
tests_unit_test_client_retry_any_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_seam
TESTS += tests/unit/test_client_seam
tests_unit_test_client_seam_SOURCES = tests/unit/client_seam.c $(client_upstream)
tests_unit_test_client_seam_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_seam_CFLAGS = $(suite_cflags)
tests_unit_test_client_seam_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_probe
TESTS += tests/unit/test_client_probe
tests_unit_test_client_probe_SOURCES = tests/unit/client_probe.c $(client_upstream)
tests_unit_test_client_probe_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_probe_CFLAGS = $(suite_cflags)
tests_unit_test_client_probe_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_nodes
TESTS += tests/unit/test_client_nodes
tests_unit_test_client_nodes_SOURCES = tests/unit/client_nodes.c $(client_upstream)
tests_unit_test_client_nodes_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_nodes_CFLAGS = $(suite_cflags)
tests_unit_test_client_nodes_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_context
TESTS += tests/unit/test_client_context
tests_unit_test_client_context_SOURCES = tests/unit/client_context.c tests/unit/identity_help.h \
	$(client_upstream)
tests_unit_test_client_context_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_context_CFLAGS = $(suite_cflags)
tests_unit_test_client_context_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_token
TESTS += tests/unit/test_client_token
tests_unit_test_client_token_SOURCES = tests/unit/client_token.c tests/unit/identity_help.h \
	$(client_upstream)
tests_unit_test_client_token_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_token_CFLAGS = $(suite_cflags)
tests_unit_test_client_token_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_redirect
TESTS += tests/unit/test_client_redirect
tests_unit_test_client_redirect_SOURCES = tests/unit/client_redirect.c $(client_upstream)
tests_unit_test_client_redirect_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_redirect_CFLAGS = $(suite_cflags)
tests_unit_test_client_redirect_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_timeouts
TESTS += tests/unit/test_client_timeouts
tests_unit_test_client_timeouts_SOURCES = tests/unit/client_timeouts.c $(client_upstream)
tests_unit_test_client_timeouts_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_timeouts_CFLAGS = $(suite_cflags)
tests_unit_test_client_timeouts_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_body
TESTS += tests/unit/test_client_body
tests_unit_test_client_body_SOURCES = tests/unit/client_body.c $(client_upstream)
tests_unit_test_client_body_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_body_CFLAGS = $(suite_cflags)
tests_unit_test_client_body_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_connections
TESTS += tests/unit/test_client_connections
tests_unit_test_client_connections_SOURCES = tests/unit/client_connections.c $(client_upstream)
tests_unit_test_client_connections_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_connections_CFLAGS = $(suite_cflags)
tests_unit_test_client_connections_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_retry
TESTS += tests/unit/test_client_retry
tests_unit_test_client_retry_SOURCES = tests/unit/client_retry.c $(client_upstream)
tests_unit_test_client_retry_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_retry_CFLAGS = $(suite_cflags)
tests_unit_test_client_retry_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_client_nginx
TESTS += tests/unit/test_client_nginx
tests_unit_test_client_nginx_SOURCES = tests/unit/client_nginx.c tests/unit/http_peer.c \
	tests/unit/http_peer.h $(client_upstream)
tests_unit_test_client_nginx_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_client_nginx_CFLAGS = $(suite_cflags)
tests_unit_test_client_nginx_LDADD = $(suite_ldadd)
