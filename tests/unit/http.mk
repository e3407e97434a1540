# tests of http

check_PROGRAMS += tests/unit/test_http_request
TESTS += tests/unit/test_http_request
tests_unit_test_http_request_SOURCES = tests/unit/http_request.c tests/unit/http_leaks.h
tests_unit_test_http_request_CFLAGS = $(suite_cflags)
tests_unit_test_http_request_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_http_answer
TESTS += tests/unit/test_http_answer
tests_unit_test_http_answer_SOURCES = tests/unit/http_answer.c tests/unit/http_leaks.h
tests_unit_test_http_answer_CFLAGS = $(suite_cflags)
tests_unit_test_http_answer_LDADD = $(suite_ldadd) $(curl_LIBS)

check_PROGRAMS += tests/unit/test_http_structured
TESTS += tests/unit/test_http_structured
tests_unit_test_http_structured_SOURCES = tests/unit/http_structured.c tests/unit/http_leaks.h
tests_unit_test_http_structured_CFLAGS = $(suite_cflags)
tests_unit_test_http_structured_LDADD = $(suite_ldadd)

# the public tests: skipped unless STRUCTURED_FIELD_TESTS names their folder
check_PROGRAMS += tests/unit/http_structured_suite
TESTS += tests/unit/http_structured_suite
tests_unit_http_structured_suite_SOURCES = tests/unit/http_structured_suite.c
tests_unit_http_structured_suite_LDADD = src/libcore.la $(jansson_LIBS)

check_PROGRAMS += tests/unit/test_http_hints
TESTS += tests/unit/test_http_hints
tests_unit_test_http_hints_SOURCES = tests/unit/http_hints.c tests/unit/http_leaks.h
tests_unit_test_http_hints_CFLAGS = $(suite_cflags)
tests_unit_test_http_hints_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_http_cost
TESTS += tests/unit/test_http_cost
tests_unit_test_http_cost_SOURCES = tests/unit/http_cost.c tests/unit/http_leaks.h
tests_unit_test_http_cost_CFLAGS = $(suite_cflags)
tests_unit_test_http_cost_LDADD = $(suite_ldadd)

http_upstream = tests/unit/http_loop.c tests/unit/http_loop.h tests/unit/http_server.c \
	tests/unit/http_server.h tests/unit/http_leaks.h

check_PROGRAMS += tests/unit/test_http_response
TESTS += tests/unit/test_http_response
tests_unit_test_http_response_SOURCES = tests/unit/http_response.c tests/unit/http_leaks.h
tests_unit_test_http_response_CFLAGS = $(suite_cflags)
tests_unit_test_http_response_LDADD = $(suite_ldadd) $(jansson_LIBS)

check_PROGRAMS += tests/unit/test_http_multi
TESTS += tests/unit/test_http_multi
tests_unit_test_http_multi_SOURCES = tests/unit/http_multi.c $(http_upstream)
tests_unit_test_http_multi_CFLAGS = $(suite_cflags)
tests_unit_test_http_multi_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_http_names
TESTS += tests/unit/test_http_names
tests_unit_test_http_names_SOURCES = tests/unit/http_names.c $(http_upstream)
tests_unit_test_http_names_CFLAGS = $(suite_cflags)
tests_unit_test_http_names_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_http_faults
TESTS += tests/unit/test_http_faults
tests_unit_test_http_faults_SOURCES = tests/unit/http_faults.c $(http_upstream)
tests_unit_test_http_faults_CFLAGS = $(suite_cflags)
tests_unit_test_http_faults_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_http_redirect
TESTS += tests/unit/test_http_redirect
tests_unit_test_http_redirect_SOURCES = tests/unit/http_redirect.c tests/unit/http_leaks.h
tests_unit_test_http_redirect_CFLAGS = $(suite_cflags)
tests_unit_test_http_redirect_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_http_body
TESTS += tests/unit/test_http_body
tests_unit_test_http_body_SOURCES = tests/unit/http_body.c $(http_upstream)
tests_unit_test_http_body_CFLAGS = $(suite_cflags)
tests_unit_test_http_body_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_http_sink
TESTS += tests/unit/test_http_sink
tests_unit_test_http_sink_SOURCES = tests/unit/http_sink.c $(http_upstream)
tests_unit_test_http_sink_CFLAGS = $(suite_cflags)
tests_unit_test_http_sink_LDADD = $(suite_ldadd)

http_peers = $(http_upstream) tests/unit/http_peer.c tests/unit/http_peer.h

check_PROGRAMS += tests/unit/test_http_connect
TESTS += tests/unit/test_http_connect
tests_unit_test_http_connect_SOURCES = tests/unit/http_connect.c $(http_upstream)
tests_unit_test_http_connect_CFLAGS = $(suite_cflags)
tests_unit_test_http_connect_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_http_tls
TESTS += tests/unit/test_http_tls
tests_unit_test_http_tls_SOURCES = tests/unit/http_tls.c $(http_peers)
tests_unit_test_http_tls_CFLAGS = $(suite_cflags)
tests_unit_test_http_tls_LDADD = $(suite_ldadd)

check_PROGRAMS += tests/unit/test_http_h2
TESTS += tests/unit/test_http_h2
tests_unit_test_http_h2_SOURCES = tests/unit/http_h2.c $(http_peers)
tests_unit_test_http_h2_CFLAGS = $(suite_cflags)
tests_unit_test_http_h2_LDADD = $(suite_ldadd) $(curl_LIBS)
