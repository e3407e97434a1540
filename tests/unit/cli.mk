# tests of cli
cli_ldadd = src/libcli.la $(suite_ldadd) $(jansson_LIBS)

check_PROGRAMS += tests/unit/test_cli_jobs
TESTS += tests/unit/test_cli_jobs
tests_unit_test_cli_jobs_SOURCES = tests/unit/cli_job_line.c tests/unit/cli_leaks.h \
	tests/unit/cli_origin.c
tests_unit_test_cli_jobs_CFLAGS = $(suite_cflags)
tests_unit_test_cli_jobs_LDADD = $(cli_ldadd)

check_PROGRAMS += tests/unit/test_cli_streams
TESTS += tests/unit/test_cli_streams
tests_unit_test_cli_streams_SOURCES = tests/unit/cli_input.c tests/unit/cli_leaks.h \
	tests/unit/cli_options.c tests/unit/cli_output.c tests/unit/cli_status.c
tests_unit_test_cli_streams_CFLAGS = $(suite_cflags)
tests_unit_test_cli_streams_LDADD = $(cli_ldadd)

# The command from outside; each needs jq and the test server.
run_tests = tests/integration/control.sh tests/integration/sources.sh \
	tests/integration/run_basic.sh tests/integration/run_end.sh tests/integration/run_input.sh \
	tests/integration/run_limits.sh tests/integration/status.sh
if BUILD_TESTSERVER
TESTS += $(run_tests)
endif
EXTRA_DIST += $(run_tests) tests/integration/run_lib.sh
