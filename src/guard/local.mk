# src/guard: the one decision in one transaction
src_libcore_la_SOURCES += \
	src/guard/acquire.c \
	src/guard/booking.c \
	src/guard/control.c \
	src/guard/decide.c \
	src/guard/definition.c \
	src/guard/engine.c \
	src/guard/engine.h \
	src/guard/guard.c \
	src/guard/guard.h \
	src/guard/inspect.c \
	src/guard/key.c \
	src/guard/key.h \
	src/guard/keyset.c \
	src/guard/lazy.c \
	src/guard/local.c \
	src/guard/orphan.c \
	src/guard/permit.c \
	src/guard/quota.c \
	src/guard/rules.h \
	src/guard/words.c \
	src/guard/workset.c \
	src/guard/workset.h
