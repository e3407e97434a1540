# src/client: the public face
src_libcore_la_SOURCES += \
	src/client/client.c \
	src/client/context.c \
	src/client/inspect.c \
	src/client/internal.h \
	src/client/library.c \
	src/client/permit.c \
	src/client/permit.h \
	src/client/permit_call.c \
	src/client/permit_rule.c \
	src/client/probe.c \
	src/client/retry.c \
	src/client/send.c \
	src/client/store.c \
	src/client/store.h \
	src/client/watch.c
