/* The origin of a URL, which is its service's name when `ration run` has no configuration. */
#ifndef CLI_ORIGIN_H
#define CLI_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <ration/error.h>

/* Longest origin, with the NUL: a service's name must fit into the store's records. */
#define RATION__ORIGIN_SIZE 128

/* "HTTP://Host:80/path" is "http://host": scheme and host in lower case, the scheme's own port left
 * out. 0; RATION_EURL, with the reason; RATION_ETOOBIG. */
int ration__origin_parse(const char *url, char origin[RATION__ORIGIN_SIZE], ration_error **err);

/* The origins seen so far: few, looked up for each job. */
struct ration__origins {
	char (*names)[RATION__ORIGIN_SIZE];
	size_t *slots; /* open addressing; index + 1 */
	size_t count, slot_count, last;
};
#define RATION__ORIGINS_MAX ((size_t)10000)

bool ration__origins_has(struct ration__origins *origins, const char *origin);
/* 0, RATION_EFULL (RATION__ORIGINS_MAX), RATION_ENOMEM. */
int ration__origins_add(struct ration__origins *origins, const char *origin);
void ration__origins_fini(struct ration__origins *origins);

#endif
