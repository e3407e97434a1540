# src/testserver: a program of its own that knows nothing of the library
if BUILD_TESTSERVER
bin_PROGRAMS += src/ration-testserver
endif
src_ration_testserver_SOURCES = \
	src/testserver/answers.c \
	src/testserver/control.c \
	src/testserver/enforce.c \
	src/testserver/exchange.c \
	src/testserver/faults.c \
	src/testserver/idempotency.c src/testserver/idempotency.h \
	src/testserver/limit_spec.c \
	src/testserver/limits.c src/testserver/limits.h \
	src/testserver/log.c src/testserver/log.h \
	src/testserver/loop.c \
	src/testserver/main.c \
	src/testserver/options.c src/testserver/options.h \
	src/testserver/routes.c \
	src/testserver/server.h \
	src/testserver/streams.c \
	src/testserver/text.c src/testserver/text.h \
	src/testserver/timers.c src/testserver/timers.h \
	src/testserver/token.c
src_ration_testserver_CFLAGS = $(AM_CFLAGS) $(microhttpd_CFLAGS)
src_ration_testserver_LDADD = $(microhttpd_LIBS)
