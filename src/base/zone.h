/*
 * Time zones from the system's database, without touching the process's own zone (TZ, tzset).
 *
 * Own code because the C library has no localtime of a named zone. Reads TZif (RFC 9636), version 2
 * and later, with the rule for times after the last transition. A zone is read once and never
 * changes: what a later update of the database says is seen by whoever loads it then.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stdint.h>

struct ration__zone;

/* "Europe/Berlin", "UTC". Blocks on the file. 0; RATION_EINVAL: no such zone, or a name with a dot
 * component or a leading slash; RATION_EIO: not a valid file, or one that counts leap seconds;
 * RATION_ENOMEM. "UTC" needs no file. [any] */
int ration__zone_load(const char *name, struct ration__zone **zone);
void ration__zone_free(struct ration__zone *zone);

/* NULL is UTC in both. [any], pure. */
/* Seconds east of Greenwich at that UTC time. */
int32_t ration__zone_offset(const struct ration__zone *zone, int64_t utc_s);
/* The first UTC second at which the clock on the wall shows local_s or later (local_s: seconds
 * since 1970-01-01 00:00 on that clock). */
int64_t ration__zone_first(const struct ration__zone *zone, int64_t local_s);

#endif
