# tests of policy: fake time, fixed randomness, naive models

check_PROGRAMS += tests/unit/test_policy
TESTS += tests/unit/test_policy
tests_unit_test_policy_SOURCES = tests/unit/policy_adaptive.c tests/unit/policy_adaptive_sim.c \
	tests/unit/policy_adaptive_fleet.c \
	tests/unit/policy_budget.c \
	tests/unit/policy_breaker.c tests/unit/policy_breaker_model.c \
	tests/unit/policy_breaker_rates.c tests/unit/policy_bucket.c \
	tests/unit/policy_bucket_sim.c tests/unit/policy_calendar.c \
	tests/unit/policy_concurrency.c tests/unit/policy_concurrency_sim.c tests/unit/policy_dice.h \
	tests/unit/policy_limiter.c tests/unit/policy_limiter_sim.c tests/unit/policy_log.c \
	tests/unit/policy_node.c \
	tests/unit/policy_retry.c tests/unit/policy_window.c
tests_unit_test_policy_CFLAGS = $(suite_cflags)
tests_unit_test_policy_LDADD = $(suite_ldadd)
