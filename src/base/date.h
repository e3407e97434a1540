/*
 * Dates of the Gregorian calendar, also before there was one, as days since 1970-01-01. Numbers
 * only: text and time zones stand elsewhere.
 */
#ifndef BASE_DATE_H
#define BASE_DATE_H

#include <stdint.h>

/* Days since 1970-01-01; month 1-12, day may be any number. [any], pure */
int64_t ration__date_days(int64_t year, int month, int64_t day);
/* The year, month (1-12) and day of the month of a day. [any], pure */
void ration__date_of(int64_t days, int64_t *year, int *month, int *day);

#endif
