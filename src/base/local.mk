# src/base: what every layer needs; includes nothing above itself.
src_libcore_la_SOURCES += \
	src/base/base64.c src/base/base64.h \
	src/base/buffer.c src/base/buffer.h \
	src/base/clock.c src/base/clock.h \
	src/base/date.c src/base/date.h \
	src/base/error.c src/base/error.h \
	src/base/hash.c src/base/hash.h \
	src/base/heap.c src/base/heap.h \
	src/base/id.c src/base/id.h \
	src/base/pair.h \
	src/base/secret.c src/base/secret.h \
	src/base/token.c src/base/token.h \
	src/base/units.c src/base/units.h \
	src/base/util.h \
	src/base/watch.c src/base/watch.h \
	src/base/zone.c src/base/zone.h \
	src/base/zone_rule.c src/base/zone_rule.h
