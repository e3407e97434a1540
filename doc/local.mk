# manual pages and documents
manuals = doc/ration.1 doc/ration-jobs.5
EXTRA_DIST += doc/ration.1.scd doc/ration-jobs.5.scd
if HAVE_SCDOC
man_MANS = $(manuals)
CLEANFILES += $(manuals)
doc/ration.1: doc/ration.1.scd
	$(AM_V_GEN)$(MKDIR_P) doc && $(SCDOC) < $(srcdir)/doc/ration.1.scd > $@.new && mv $@.new $@
doc/ration-jobs.5: doc/ration-jobs.5.scd
	$(AM_V_GEN)$(MKDIR_P) doc && $(SCDOC) < $(srcdir)/doc/ration-jobs.5.scd > $@.new && mv $@.new $@
endif
