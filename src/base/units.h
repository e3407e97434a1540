/* Durations, rates, sizes and numbers as people write them. Pure; the grammar is in doc/UNITS.md.
 * Parsers answer 0 or RATION_EINVAL and leave the output untouched; whole text or nothing. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "250ms", "30s", "1.5s", "2m", "24h", "7d", "1h30m"; "0". A bare number other than 0 is refused:
 * it has no unit. Result in nanoseconds, 0 .. 100 years. */
int ration__parse_duration(const char *text, int64_t *ns);
/* "3/s", "200/min", "1000/24h", "0.5/s", "10/500ms": count and period. Count > 0. */
struct ration__rate {
	double count;
	int64_t period_ns;
};
int ration__parse_rate(const char *text, struct ration__rate *rate);
static inline double ration__rate_per_second(const struct ration__rate *rate)
{
	return rate->count / ((double)rate->period_ns / 1e9);
}
#define RATION__RATE_MIN 1e-9 /* per second: of any limit's rate */
#define RATION__RATE_MAX 1e9
/* "16MiB", "64KiB", "1MB", "512": bytes */
int ration__parse_size(const char *text, uint64_t *bytes);
/* Finite decimal number, no hex, no inf or nan, no trailing text. */
int ration__parse_number(const char *text, double *number);
int ration__parse_uint(const char *text, uint64_t max, uint64_t *number);
int ration__parse_bool(const char *text, int *value); /* true false yes no on off */

/* Shortest exact spelling that the parser reads back: "1m30s", "250ms", "3/s", "16MiB". Return
 * what snprintf would. */
int ration__format_duration(char *out, size_t size, int64_t ns);
int ration__format_rate(char *out, size_t size, const struct ration__rate *rate);
int ration__format_size(char *out, size_t size, uint64_t bytes);
int ration__format_number(char *out, size_t size, double number); /* "3", "0.5" */
/* For people, two significant parts at most: "0.8 s", "4 min 10 s", "2 h 5 min". */
int ration__format_duration_human(char *out, size_t size, int64_t ns);

#endif
