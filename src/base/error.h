/* Errors with a place. The codes are public: include/ration/error.h. Not here: converters of
 * foreign errors, each of which stands with the one file that speaks to that library. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <ration/error.h>

/* Makes *err (when err is not NULL and *err is NULL) and returns code, so that callers can write
 * `return ration__error_set(err, RATION_EINVAL, "...", ...)`. Out of memory leaves *err NULL. */
int ration__error_set(ration_error **err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Where a mistake stands; any part may be missing (NULL, 0). */
struct ration__place {
	const char *file;
	int line, column; /* from 1 */
	const char *path; /* setting's path */
};

/* The same with "FILE:LINE:COLUMN: PATH: " in front of the text. */
int ration__error_set_at(ration_error **err, int code, const struct ration__place *place,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The serialised form of any error: {"code", "message", "debug_id"}. Caller frees. 0,
 * RATION_ENOMEM. */
int ration__error_json(const char *kind, const char *message, const char *debug_id, char **json);

#endif
