# The library: every layer's objects in one convenience library, so that tests can reach them;
# libration.so is the same with only the public names left visible.
noinst_LTLIBRARIES += src/libcore.la
src_libcore_la_SOURCES =
src_libcore_la_LIBADD = $(curl_LIBS) $(jansson_LIBS) $(yaml_LIBS) $(xxhash_LIBS) $(lmdb_LIBS)

include src/base/local.mk
include src/policy/local.mk
include src/store/local.mk
include src/guard/local.mk
include src/http/local.mk
include src/pool/local.mk
include src/config/local.mk
include src/client/local.mk
include src/cli/local.mk
include src/testserver/local.mk

lib_LTLIBRARIES += src/libration.la
src_libration_la_SOURCES =
src_libration_la_LIBADD = src/libcore.la
src_libration_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(RATION_LIBTOOL_VERSION) -no-undefined \
	-Wl,--version-script=$(top_srcdir)/src/libration.map
src_libration_la_DEPENDENCIES = src/libcore.la src/libration.map
EXTRA_DIST += src/libration.map

pkginclude_HEADERS = include/ration/ration.h include/ration/error.h include/ration/config.h \
	include/ration/client.h include/ration/context.h include/ration/guard.h \
	include/ration/retry.h include/ration/transport.h
pkgincludedir = $(includedir)/ration

pkgconfig_DATA = src/libration.pc
