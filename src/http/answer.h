/*
 * What an answer means: its status by the service's rules, and what the server says about time.
 * Pure functions over text from the network: hostile input.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "http/service.h"

/* 0 when the service accepts that status, else the RATION_E* that names its kind. */
int ration__status_code(const struct ration__service_conf *service, int status);

/* HTTP date, in the three forms of RFC 9110 5.6.7, to seconds since 1970. Returns false, output
 * untouched, on anything else. */
bool ration__http_date(const char *text, int64_t *seconds);
/* Retry-After as nanoseconds: seconds, or a date against the response's own date (the host's clock
 * and time zone play no part). 0: none, not understood, or a date without one to compare. */
int64_t ration__retry_after(const char *value, const char *date);

#endif
