/* What may stand in an HTTP header field: names are tokens (RFC 9110, 5.6.2), values are free of
 * control characters (5.5), so that neither can start another line. Pure. */
#ifndef BASE_TOKEN_H
#define BASE_TOKEN_H

#include <stdbool.h>

/* One or more token characters: also what a method is made of. */
bool ration__header_name_ok(const char *name);
/* No control character but tab, no blank at either end; bytes above 127 are allowed. May be empty.
 */
bool ration__header_value_ok(const char *value);
/* Headers whose values are never shown: credentials by name (authorization, cookie, x-api-key,
 * anything with token, secret, password … in it). */
bool ration__header_name_secret(const char *name);

#endif
