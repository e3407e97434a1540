# manual pages and documents
manuals = doc/ration.1 doc/ration-control.1 doc/ration-jobs.5
EXTRA_DIST += doc/ration.1.scd doc/ration-control.1.scd doc/ration-jobs.5.scd
if HAVE_SCDOC
man_MANS = $(manuals)
CLEANFILES += $(manuals)
doc/ration.1: doc/ration.1.scd
	$(AM_V_GEN)$(MKDIR_P) doc && $(SCDOC) < $(srcdir)/doc/ration.1.scd > $@.new && mv $@.new $@
doc/ration-control.1: doc/ration-control.1.scd
	$(AM_V_GEN)$(MKDIR_P) doc && $(SCDOC) < $(srcdir)/doc/ration-control.1.scd > $@.new && mv $@.new $@
doc/ration-jobs.5: doc/ration-jobs.5.scd
	$(AM_V_GEN)$(MKDIR_P) doc && $(SCDOC) < $(srcdir)/doc/ration-jobs.5.scd > $@.new && mv $@.new $@
endif

# CONFIGURATION.md and UNITS.md: src/config/local.mk
EXTRA_DIST += doc/ABI.md doc/ARCHITECTURE.md doc/DECISIONS.md doc/TESTING.md doc/THREADS.md
dist-hook:
	if test -d $(srcdir)/doc/internals; then \
		$(MKDIR_P) $(distdir)/doc/internals && \
		cp -p $(srcdir)/doc/internals/*.md $(distdir)/doc/internals; \
	fi

# The examples use the library as a stranger would: its public headers and libration.so.
examples = doc/examples/send doc/examples/guard doc/examples/tokens doc/examples/breaker \
	doc/examples/retry doc/examples/transport
check_PROGRAMS += $(examples)
doc_examples_send_SOURCES = doc/examples/send.c
doc_examples_send_CPPFLAGS = -I$(top_srcdir)/include
doc_examples_send_LDADD = src/libration.la
doc_examples_guard_SOURCES = doc/examples/guard.c
doc_examples_guard_CPPFLAGS = -I$(top_srcdir)/include
doc_examples_guard_LDADD = src/libration.la
doc_examples_tokens_SOURCES = doc/examples/tokens.c
doc_examples_tokens_CPPFLAGS = -I$(top_srcdir)/include
doc_examples_tokens_LDADD = src/libration.la
doc_examples_breaker_SOURCES = doc/examples/breaker.c
doc_examples_breaker_CPPFLAGS = -I$(top_srcdir)/include
doc_examples_breaker_LDADD = src/libration.la
doc_examples_retry_SOURCES = doc/examples/retry.c
doc_examples_retry_CPPFLAGS = -I$(top_srcdir)/include
doc_examples_retry_LDADD = src/libration.la
doc_examples_transport_SOURCES = doc/examples/transport.c
doc_examples_transport_CPPFLAGS = -I$(top_srcdir)/include
doc_examples_transport_LDADD = src/libration.la
EXTRA_DIST += doc/examples/fleet.yaml
