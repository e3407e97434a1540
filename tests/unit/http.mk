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

check_PROGRAMS += tests/unit/test_http_faults
TESTS += tests/unit/test_http_faults
tests_unit_test_http_faults_SOURCES = tests/unit/http_faults.c $(http_upstream)
tests_unit_test_http_faults_CFLAGS = $(suite_cflags)
tests_unit_test_http_faults_LDADD = $(suite_ldadd)
