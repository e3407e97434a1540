# src/policy: pure functions; no store, no curl, no malloc, no clock.
src_libcore_la_SOURCES += \
	src/policy/adaptive.c src/policy/adaptive.h \
	src/policy/breaker.c src/policy/breaker.h \
	src/policy/bucket.c src/policy/bucket.h \
	src/policy/budget.c src/policy/budget.h \
	src/policy/calendar.c src/policy/calendar.h \
	src/policy/concurrency.c src/policy/concurrency.h \
	src/policy/limiter.c \
	src/policy/log.c src/policy/log.h \
	src/policy/node.c src/policy/node.h \
	src/policy/retry.c src/policy/retry.h \
	src/policy/verdict.h \
	src/policy/window.c src/policy/window.h
