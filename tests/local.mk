# Tests. Each Criterion test runs in a process of its own; stress programs have a plain main, so
# that they run under ThreadSanitizer too.
TEST_EXTENSIONS = .sh
suite_cflags = $(AM_CFLAGS) $(criterion_CFLAGS)
suite_ldadd = src/libcore.la $(criterion_LIBS)

# checks of the tree itself
tree_checks = tests/checks/docs.sh tests/checks/headers.sh tests/checks/layers.sh \
	tests/checks/length.sh tests/checks/purity.sh tests/checks/symbols.sh tests/checks/words.sh
TESTS += $(tree_checks)
EXTRA_DIST += $(tree_checks) tests/checks/lib.sh tests/checks/symbols.list
AM_TESTS_ENVIRONMENT = CC='$(CC)'; NM='$(NM)'; export CC NM;

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
include tests/multiproc/local.mk
endif
include tests/bench/local.mk

if BUILD_TESTSERVER
TESTS += tests/integration/readme.sh
endif
EXTRA_DIST += tests/integration/readme.sh tests/checks/installed.sh

# what was installed serves a stranger; also part of distcheck
installcheck-local:
	prefix='$(prefix)' bindir='$(DESTDIR)$(bindir)' libdir='$(DESTDIR)$(libdir)' \
	srcdir='$(srcdir)' CC='$(CC) $(RATION_SANITIZER_FLAGS)' $(srcdir)/tests/checks/installed.sh

# for contrib/check.sh, which runs a part of them under ThreadSanitizer
.PHONY: list-tests
list-tests:
	@printf '%s\n' $(TESTS)
