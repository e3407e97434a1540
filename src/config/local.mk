# src/config: settings by path, YAML, and what the layers below get of them.
src_libcore_la_SOURCES += \
	src/config/bind.c src/config/bind.h \
	src/config/compile.h \
	src/config/config.c \
	src/config/dump.c \
	src/config/file.c \
	src/config/lookup.c \
	src/config/path.c src/config/path.h \
	src/config/rules.c \
	src/config/schema.c src/config/schema.h \
	src/config/service.c \
	src/config/settings.c src/config/settings.h \
	src/config/value.c src/config/value.h \
	src/config/yaml.c

# a test compares the table in the manual with the schema
EXTRA_DIST += doc/CONFIGURATION.md doc/UNITS.md
