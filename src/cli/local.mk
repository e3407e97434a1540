# The command. Its parts stand in a convenience library, so that unit tests can reach them.
noinst_LTLIBRARIES += src/libcli.la
src_libcli_la_SOURCES = \
	src/cli/check.c \
	src/cli/cli.h \
	src/cli/common.c \
	src/cli/control.c \
	src/cli/job_line.c \
	src/cli/job_line.h \
	src/cli/job_members.c \
	src/cli/job_members.h \
	src/cli/job_request.c \
	src/cli/options.c \
	src/cli/options.h \
	src/cli/origin.c \
	src/cli/origin.h \
	src/cli/progress.c \
	src/cli/progress.h \
	src/cli/run.c \
	src/cli/run.h \
	src/cli/run_describe.c \
	src/cli/run_end.c \
	src/cli/run_input.c \
	src/cli/run_input.h \
	src/cli/run_jobs.c \
	src/cli/run_jobs.h \
	src/cli/run_loop.c \
	src/cli/run_output.c \
	src/cli/run_output.h \
	src/cli/run_settings.c \
	src/cli/run_settings.h \
	src/cli/sources.c \
	src/cli/sources.h \
	src/cli/status.c \
	src/cli/status_view.c \
	src/cli/status_view.h
src_libcli_la_LIBADD = src/libcore.la

bin_PROGRAMS += src/ration
src_ration_SOURCES = src/cli/main.c
src_ration_LDADD = src/libcli.la
