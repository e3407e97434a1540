/* Base URIs of a service's nodes: a list in the configuration, or a file with one in each line, in
 * which # begins a comment. */
#ifndef CONFIG_URI_LIST_H
#define CONFIG_URI_LIST_H

#include <stddef.h>
#include <ration/error.h>
#include "http/service.h"

struct ration__uri_list {
	const char *uri[RATION__NODES_MAX]; /* without trailing slash, no two alike */
	size_t count;
	char *memory;
};

/* Errors name file and line, never what stands there. A URI that comes again is dropped.
 * 0, RATION_ENOFILE, RATION_ECONFIG (not one URI; too many; broken), RATION_ENOMEM. */
int ration__uri_list_read(const char *path, struct ration__uri_list *out, ration_error **err);
/* A value of RATION__TYPE_URIS. 0, RATION_ECONFIG: one is there twice; RATION_ENOMEM. */
int ration__uri_list_parse(const char *text, struct ration__uri_list *out, ration_error **err);
void ration__uri_list_fini(struct ration__uri_list *list);

#endif
