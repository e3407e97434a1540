/*
 * One look-up of a name at a time, private to this layer. libcurl starts a thread for each look-up
 * and does not merge equal ones: five hundred first requests to a host would be five hundred
 * threads. So the first transfer to an origin goes ahead and the others are held until it has a
 * socket (then the name is in libcurl's cache) or fails (then the next one tries).
 *
 * A door stands for all origins of the same hash: of two that collide, the second one is not held
 * while the first one is on its way, nor within 50 s of it. Addresses written as numbers pass.
 */
#ifndef HTTP_RESOLVE_H
#define HTTP_RESOLVE_H

#include "http/transfer.h"

#define RATION__DOORS 64
/* Below the 60 s that libcurl keeps a name. */
#define RATION__RESOLVED_NS (INT64_C(50) * RATION__NS_PER_S)

struct ration__door {
	int64_t open_until_ns;
	struct ration__transfer *first; /* on its way; NULL: nobody */
	struct ration__link held;
};

struct ration__resolve {
	struct ration__door doors[RATION__DOORS];
	struct ration__link ready; /* held no longer: to be handed to libcurl */
};

void ration__resolve_init(struct ration__resolve *resolve);
/* True: may go now. False: held, until it appears in ready. */
bool ration__resolve_enter(
	struct ration__resolve *resolve, struct ration__transfer *transfer, int64_t now_ns);
/* It has its socket (resolved), or ended. Does nothing for one that is at no door. */
void ration__resolve_leave(struct ration__resolve *resolve, struct ration__transfer *transfer,
	bool resolved, int64_t now_ns);

#endif
