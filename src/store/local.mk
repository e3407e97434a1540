# src/store
src_libcore_la_SOURCES += \
	src/store/compact.c \
	src/store/directory.c \
	src/store/env.c \
	src/store/gate.c \
	src/store/gate.h \
	src/store/header.c \
	src/store/hot.c \
	src/store/internal.h \
	src/store/layout.h \
	src/store/ledger.c \
	src/store/log.c \
	src/store/members.c \
	src/store/record.c \
	src/store/registry.c \
	src/store/store.c \
	src/store/store.h \
	src/store/sweep.c \
	src/store/txn.c \
	src/store/wake.c
