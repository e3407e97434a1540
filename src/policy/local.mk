# src/policy: pure functions; no store, no curl, no malloc, no clock.
src_libcore_la_SOURCES += \
	src/policy/breaker.c src/policy/breaker.h \
	src/policy/bucket.c src/policy/bucket.h \
	src/policy/concurrency.c src/policy/concurrency.h \
	src/policy/retry.c src/policy/retry.h \
	src/policy/verdict.h \
	src/policy/window.c src/policy/window.h
