/* The store's state as a table for people. */
#ifndef CLI_STATUS_VIEW_H
#define CLI_STATUS_VIEW_H

/* Prints what ration_inspect answered. An exit code. */
int ration__status_view(const char *json);

#endif
