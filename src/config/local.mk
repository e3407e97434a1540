# src/config: settings by path, YAML, and what the layers below get of them.
src_libcore_la_SOURCES += \
	src/config/adaptive.c \
	src/config/bind.c src/config/bind.h \
	src/config/compile.h \
	src/config/config.c \
	src/config/dump.c \
	src/config/effective.c src/config/effective.h \
	src/config/fairness.c \
	src/config/file.c src/config/file.h \
	src/config/keys.c \
	src/config/limit.c src/config/limit.h \
	src/config/lookup.c \
	src/config/overlay.c \
	src/config/path.c src/config/path.h \
	src/config/place.c \
	src/config/policies.c src/config/policies.h \
	src/config/preset.c src/config/preset.h \
	src/config/profile.c src/config/profile.h \
	src/config/rules.c \
	src/config/schema.c src/config/schema.h \
	src/config/service.c src/config/service.h \
	src/config/settings.c src/config/settings.h \
	src/config/sources.c \
	src/config/strings.c \
	src/config/uri_list.c src/config/uri_list.h \
	src/config/value.c src/config/value.h \
	src/config/variables.c \
	src/config/which.c \
	src/config/yaml.c

EXTRA_DIST += \
	src/config/schema_http.inc \
	src/config/schema_limits.inc \
	src/config/schema_place.inc \
	src/config/schema_policies.inc

# a test compares the table in the manual with the schema
EXTRA_DIST += doc/CONFIGURATION.md doc/UNITS.md doc/examples/policies.yaml
