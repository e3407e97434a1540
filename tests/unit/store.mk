# tests of store

check_PROGRAMS += tests/unit/test_store
TESTS += tests/unit/test_store
tests_unit_test_store_SOURCES = tests/unit/store.c tests/unit/store_gate.c tests/unit/store_heal.c \
	tests/unit/store_kit.h tests/unit/store_members.c tests/unit/store_refuse.c
tests_unit_test_store_CFLAGS = $(suite_cflags)
tests_unit_test_store_LDADD = $(suite_ldadd)

# Plain programs, so that they run under ThreadSanitizer too; argument: how much of it.
check_PROGRAMS += tests/stress/store_kill tests/stress/store_stop tests/stress/store_threads \
	tests/stress/store_pidns
TESTS += tests/stress/store_kill tests/stress/store_stop tests/stress/store_threads \
	tests/stress/store_pidns
tests_stress_store_kill_SOURCES = tests/stress/store_kill.c tests/stress/store_kit.h
tests_stress_store_kill_LDADD = src/libcore.la
tests_stress_store_stop_SOURCES = tests/stress/store_stop.c tests/stress/store_kit.h
tests_stress_store_stop_LDADD = src/libcore.la
tests_stress_store_threads_SOURCES = tests/stress/store_threads.c
tests_stress_store_threads_LDADD = src/libcore.la
tests_stress_store_pidns_SOURCES = tests/stress/store_pidns.c tests/stress/store_kit.h
tests_stress_store_pidns_LDADD = src/libcore.la
