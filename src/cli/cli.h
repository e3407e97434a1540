/* What the subcommands share: exit codes and entry points. Each subcommand stands in its own file.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <ration/error.h>

/* Documented in ration(1) and tested one by one; a value never changes its meaning. */
enum ration__exit {
	RATION__EXIT_OK = 0,
	RATION__EXIT_FAILED = 1,       /* some jobs failed; a bad line is a failed job */
	RATION__EXIT_USAGE = 2,	       /* the command line is wrong; nothing was done */
	RATION__EXIT_NOINPUT = 66,     /* the jobs cannot be read */
	RATION__EXIT_STORE = 69,       /* the store is not available */
	RATION__EXIT_OUTPUT = 74,      /* results cannot be written */
	RATION__EXIT_CONFIG = 78,      /* the configuration is wrong; nothing was sent */
	RATION__EXIT_INTERRUPTED = 130 /* by a signal; says how to go on */
};

/* argv[0] is the subcommand's name. Answer an exit code. */
int ration__cmd_run(int argc, char **argv);
int ration__cmd_status(int argc, char **argv);
int ration__cmd_check(int argc, char **argv);
int ration__cmd_control(int argc, char **argv);

/* "ration COMMAND: TEXT" on stderr. */
void ration__cli_error(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The exit code for an error of the library while something was opened. */
int ration__cli_exit_of(int code);
/* Flushes stdout; RATION__EXIT_OK, or RATION__EXIT_OUTPUT with a message. */
int ration__cli_finish_stdout(const char *command);

#endif
