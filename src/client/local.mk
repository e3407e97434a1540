# src/client: the public face
src_libcore_la_SOURCES += \
	src/client/inspect.c \
	src/client/permit.c \
	src/client/store.c \
	src/client/store.h
