# tests of the test server, and of the judge that reads its log
if BUILD_TESTSERVER
TESTS += tests/integration/testserver.sh tests/integration/testserver_limits.sh

check_PROGRAMS += tests/unit/test_testserver
TESTS += tests/unit/test_testserver
endif
EXTRA_DIST += tests/integration/testserver.sh tests/integration/testserver_limits.sh
tests_unit_test_testserver_SOURCES = tests/unit/testserver.c \
	src/testserver/idempotency.c src/testserver/limit_spec.c src/testserver/limits.c \
	src/testserver/text.c src/testserver/timers.c
tests_unit_test_testserver_CFLAGS = $(suite_cflags)
tests_unit_test_testserver_LDADD = $(criterion_LIBS)

check_PROGRAMS += tests/multiproc/judge
tests_multiproc_judge_SOURCES = tests/multiproc/judge.c
TESTS += tests/multiproc/judge_test.sh
EXTRA_DIST += tests/multiproc/judge_test.sh
