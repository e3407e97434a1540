# Tests. Criterion suites write TAP; each test runs in a process of its own.
TEST_EXTENSIONS = .sh
suite_cflags = $(AM_CFLAGS) $(criterion_CFLAGS)
suite_ldadd = src/libcore.la $(criterion_LIBS)

if BUILD_TESTS
include tests/unit/base.mk
include tests/unit/policy.mk
include tests/unit/store.mk
include tests/unit/guard.mk
include tests/unit/http.mk
include tests/unit/pool.mk
include tests/unit/config.mk
include tests/unit/client.mk
include tests/unit/cli.mk
include tests/unit/testserver.mk
endif
