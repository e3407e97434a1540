/* Messages and exit codes that the subcommands share. See cli.h. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ration__cli_error(const char *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "ration %s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int ration__cli_exit_of(int code)
{
	const char *class = ration_code_class(code);

	if (code == RATION_OK)
		return RATION__EXIT_OK;
	if (!strcmp(class, "config") || !strcmp(class, "usage"))
		return RATION__EXIT_CONFIG;
	/* what is left while opening: the store, or the machine that it stands on */
	return RATION__EXIT_STORE;
}

int ration__cli_finish_stdout(const char *command)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		if (errno != EPIPE)
			ration__cli_error(command, "cannot write: %s", strerror(errno));
		return RATION__EXIT_OUTPUT;
	}
	return RATION__EXIT_OK;
}
