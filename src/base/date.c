/* Dates of the Gregorian calendar. See date.h. */
#include "base/date.h"

int64_t ration__date_days(int64_t year, int month, int64_t day)
{
	/* years from March, so that the leap day is the last; in cycles of 400 */
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t cycle = (y >= 0 ? y : y - 399) / 400;
	int64_t of_cycle = y - cycle * 400;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5;

	return cycle * 146097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year + day - 1 -
	       719468;
}

void ration__date_of(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t since = days + 719468; /* 0000-03-01 */
	int64_t cycle = (since >= 0 ? since : since - 146096) / 146097;
	int64_t rest = since - cycle * 146097;
	int64_t y = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
	int64_t of_year = rest - (365 * y + y / 4 - y / 100);
	int from_march = (int)((5 * of_year + 2) / 153);

	*day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = y + cycle * 400 + (*month <= 2);
}
