/* The command line of the test server. */
#ifndef TESTSERVER_OPTIONS_H
#define TESTSERVER_OPTIONS_H

struct ts_options;

/* Returns -1 to go on, else the status to exit with. */
int ts__options_read(struct ts_options *options, int argc, char **argv);

#endif
