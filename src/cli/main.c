/* ration: finds the subcommand. Not here: anything that a subcommand does. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <ration/ration.h>
#include "base/util.h"
#include "cli/cli.h"

static const char usage[] =
	"Usage: ration COMMAND [OPTION]... [ARGUMENT]...\n"
	"\n"
	"HTTP jobs under limits that every process on the host shares.\n"
	"\n"
	"Commands:\n"
	"  run      send the jobs of a file or of standard input\n"
	"  status   show limits, breakers, requests in flight and members of a store\n"
	"  control  reset, open, disable or set what runs\n"
	"  check    check a configuration file and print its effective settings\n"
	"\n"
	"  ration COMMAND --help   the options of a command\n"
	"  ration --version        the version\n"
	"\n"
	"Exit status: 0 all ok; 1 some jobs failed; 2 usage; 66 no input; 69 store unavailable;\n"
	"74 output failed; 78 configuration; 130 interrupted.\n";

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"run", ration__cmd_run},
	{"status", ration__cmd_status},
	{"control", ration__cmd_control},
	{"check", ration__cmd_check},
};

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < RATION__COUNT(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* A closed standard stream would be the next file that is opened: a store, written to as if it were
 * standard output. /dev/null, opened the wrong way round, fails as the closed one would. */
static void fill_standard_streams(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			_exit(RATION__EXIT_OUTPUT);
}

int main(int argc, char **argv)
{
	const struct command *command;

	fill_standard_streams();
	if (argc < 2) {
		fputs(usage, stderr);
		return RATION__EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("ration %s\n", ration_version());
		return ration__cli_finish_stdout("--version");
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		command = argc > 2 ? find(argv[2]) : NULL;
		if (command)
			return command->run(2, (char *[]){argv[2], (char[]){"--help"}, NULL});
		fputs(usage, stdout);
		return ration__cli_finish_stdout("--help");
	}
	command = find(argv[1]);
	if (!command) {
		fprintf(stderr, "ration: no such command: %s (ration --help lists them)\n",
			argv[1]);
		return RATION__EXIT_USAGE;
	}
	return command->run(argc - 1, argv + 1);
}
