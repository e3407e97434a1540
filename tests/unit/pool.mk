# tests of pool
EXTRA_PROGRAMS += tests/bench/pool_bench
tests_bench_pool_bench_SOURCES = tests/bench/pool_bench.c
tests_bench_pool_bench_LDADD = src/libcore.la
