# Benchmarks: built by `make bench` only, and by CI so that they stay whole.
bench_programs = tests/bench/bare_loop tests/bench/decision tests/bench/multi_loop \
	tests/bench/job_memory tests/bench/keys tests/bench/pool_bench
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs) bench.json

tests_bench_bare_loop_SOURCES = tests/bench/bare_loop.c
tests_bench_bare_loop_LDADD = $(curl_LIBS)
tests_bench_decision_SOURCES = tests/bench/decision.c
tests_bench_decision_LDADD = src/libcore.la $(lmdb_LIBS)
tests_bench_job_memory_SOURCES = tests/bench/job_memory.c
tests_bench_job_memory_LDADD = src/libcore.la
tests_bench_keys_SOURCES = tests/bench/keys.c
tests_bench_keys_LDADD = src/libcore.la
tests_bench_multi_loop_SOURCES = tests/bench/multi_loop.c
tests_bench_multi_loop_LDADD = src/libcore.la
tests_bench_pool_bench_SOURCES = tests/bench/pool_bench.c
tests_bench_pool_bench_LDADD = src/libcore.la

.PHONY: bench bench-programs
bench-programs: $(bench_programs)
bench: bench-programs
	$(srcdir)/contrib/bench.sh $(BENCH_FLAGS)
