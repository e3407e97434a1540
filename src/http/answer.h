/*
 * What an answer means: its status by the service's rules, and what the server says about time.
 * Pure functions over text from the network: hostile input.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "http/service.h"

/* The longest wait that is believed; policies cap far below. Keeps nanoseconds from overflowing. */
#define RATION__SECONDS_MAX (INT64_C(100) * 365 * 24 * 3600)

/* 0 when the service accepts that status, else the RATION_E* that names its kind. */
int ration__status_code(const struct ration__service_conf *service, int status);

/* HTTP date, in the three forms of RFC 9110 5.6.7, to seconds since 1970. Returns false, output
 * untouched, on anything else. */
bool ration__http_date(const char *text, int64_t *seconds);
/* RFC 3339 with "Z" or an offset, likewise; parts of a second are passed over. */
bool ration__rfc3339(const char *text, int64_t *seconds);
/* Retry-After as nanoseconds: seconds, or a date against the response's own date (the host's clock
 * and time zone play no part). False, output untouched: none (NULL), not understood, or a date
 * without one to compare. */
bool ration__retry_after(const char *value, const char *date, int64_t *ns);

#endif
