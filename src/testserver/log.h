/*
 * The request log, the judge of tests: one JSON line a request, written when the request has
 * ended, in whole lines to a file opened for appending, at the latest before the loop waits again.
 * A line that cannot be written ends the server: a judge that forgets is worse than none.
 */
#ifndef TESTSERVER_LOG_H
#define TESTSERVER_LOG_H

#include <stdbool.h>

#include "testserver/text.h"

struct ts_exchange;

struct ts_log {
	int fd; /* -1: no log is wanted */
	bool failed;
	struct ts_text lines;
};

/* Returns 0 or an errno value; no path: a log that keeps nothing. */
int ts__log_open(struct ts_log *log, const char *path);
void ts__log_close(struct ts_log *log);
void ts__log_add(struct ts_log *log, const struct ts_exchange *exchange, bool aborted);
/* False when lines were lost, now or before. */
bool ts__log_flush(struct ts_log *log);

#endif
