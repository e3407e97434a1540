# tests of pool
check_PROGRAMS += tests/unit/test_pool_parts
TESTS += tests/unit/test_pool_parts
tests_unit_test_pool_parts_SOURCES = tests/unit/pool_parts.c tests/unit/http_leaks.h
tests_unit_test_pool_parts_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_pool_parts_CFLAGS = $(suite_cflags)
tests_unit_test_pool_parts_LDADD = $(suite_ldadd)

pool_fixture = tests/unit/pool_fixture.h tests/unit/guard_fixture.h tests/unit/http_leaks.h

check_PROGRAMS += tests/unit/test_pool_lanes
TESTS += tests/unit/test_pool_lanes
tests_unit_test_pool_lanes_SOURCES = tests/unit/pool_lanes.c $(pool_fixture)
tests_unit_test_pool_lanes_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_pool_lanes_CFLAGS = $(suite_cflags)
tests_unit_test_pool_lanes_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_pool_fair
TESTS += tests/unit/test_pool_fair
tests_unit_test_pool_fair_SOURCES = tests/unit/pool_fair.c $(pool_fixture)
tests_unit_test_pool_fair_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_pool_fair_CFLAGS = $(suite_cflags)
tests_unit_test_pool_fair_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_pool_govern
TESTS += tests/unit/test_pool_govern
tests_unit_test_pool_govern_SOURCES = tests/unit/pool_govern.c tests/unit/client_fixture.h \
	tests/unit/http_server.c tests/unit/http_server.h tests/unit/http_leaks.h
tests_unit_test_pool_govern_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_pool_govern_CFLAGS = $(suite_cflags)
tests_unit_test_pool_govern_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_pool_nodes
TESTS += tests/unit/test_pool_nodes
tests_unit_test_pool_nodes_SOURCES = tests/unit/pool_nodes.c tests/unit/guard_fixture.h \
	tests/unit/http_leaks.h
tests_unit_test_pool_nodes_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_pool_nodes_CFLAGS = $(suite_cflags)
tests_unit_test_pool_nodes_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_pool_by_node
TESTS += tests/unit/test_pool_by_node
tests_unit_test_pool_by_node_SOURCES = tests/unit/pool_by_node.c tests/unit/client_fixture.h \
	tests/unit/http_server.c tests/unit/http_server.h tests/unit/http_leaks.h
tests_unit_test_pool_by_node_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_pool_by_node_CFLAGS = $(suite_cflags)
tests_unit_test_pool_by_node_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_pool_token
TESTS += tests/unit/test_pool_token
tests_unit_test_pool_token_SOURCES = tests/unit/pool_token.c tests/unit/http_leaks.h
tests_unit_test_pool_token_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_unit_test_pool_token_CFLAGS = $(suite_cflags)
tests_unit_test_pool_token_LDADD = $(suite_ldadd)

# Plain programs, so that they run under ThreadSanitizer too; argument: how much of it.
check_PROGRAMS += tests/stress/pool_inbox tests/stress/pool_jobs tests/stress/pool_chaos
TESTS += tests/stress/pool_inbox tests/stress/pool_jobs tests/stress/pool_chaos
tests_stress_pool_chaos_SOURCES = tests/stress/pool_chaos.c
tests_stress_pool_chaos_LDADD = src/libcore.la
check_PROGRAMS += tests/stress/pool_nodes
TESTS += tests/stress/pool_nodes
tests_stress_pool_nodes_SOURCES = tests/stress/pool_nodes.c
tests_stress_pool_nodes_LDADD = src/libcore.la
tests_stress_pool_inbox_SOURCES = tests/stress/pool_inbox.c
tests_stress_pool_inbox_LDADD = src/libcore.la
tests_stress_pool_jobs_SOURCES = tests/stress/pool_jobs.c tests/unit/http_server.c \
	tests/unit/http_server.h
tests_stress_pool_jobs_LDADD = src/libcore.la
check_PROGRAMS += tests/stress/pool_tokens
TESTS += tests/stress/pool_tokens
tests_stress_pool_tokens_SOURCES = tests/stress/pool_tokens.c
tests_stress_pool_tokens_LDADD = src/libcore.la
check_PROGRAMS += tests/stress/pool_token_jobs
TESTS += tests/stress/pool_token_jobs
tests_stress_pool_token_jobs_SOURCES = tests/stress/pool_token_jobs.c
tests_stress_pool_token_jobs_LDADD = src/libcore.la
