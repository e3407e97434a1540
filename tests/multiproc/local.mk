# Several processes on one store, judged by the log of the test server; FULL=1 for the sizes that
# the requirements name.
check_PROGRAMS += tests/multiproc/peer
tests_multiproc_peer_SOURCES = tests/multiproc/peer.c
tests_multiproc_peer_LDADD = src/libcore.la

check_PROGRAMS += tests/multiproc/age
tests_multiproc_age_SOURCES = tests/multiproc/age.c

multiproc_tests = tests/multiproc/rate.sh tests/multiproc/quota.sh \
	tests/multiproc/concurrency_kill.sh tests/multiproc/breaker.sh tests/multiproc/fair.sh \
	tests/multiproc/stop.sh tests/multiproc/pidns.sh tests/multiproc/slow1000.sh \
	tests/multiproc/memory.sh tests/integration/bad_input.sh \
	tests/multiproc/adaptive.sh tests/multiproc/two_limits.sh tests/multiproc/quota_kill.sh \
	tests/multiproc/hint.sh tests/multiproc/settle.sh tests/multiproc/operator.sh \
	tests/multiproc/budget.sh tests/multiproc/breaker_rate.sh tests/multiproc/fairness.sh \
	tests/multiproc/nodes.sh \
	tests/multiproc/token.sh tests/multiproc/resend.sh
if BUILD_TESTSERVER
TESTS += $(multiproc_tests)
endif
EXTRA_DIST += $(multiproc_tests) tests/multiproc/lib.sh
