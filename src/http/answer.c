/* What an answer means: see http/answer.h. */
#include <string.h>
#include <ration/error.h>
#include "base/clock.h"
#include "base/util.h"
#include "http/answer.h"

int ration__status_code(const struct ration__service_conf *service, int status)
{
	int class = status / 100;

	if (class >= 0 && class < 6 && service->accept_class[class])
		return 0;
	for (uint32_t i = 0; i < service->accept_codes; i++)
		if (service->accept_code[i] == status)
			return 0;
	switch (status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return RATION_EREDIRECT;
	case 400:
	case 422:
		return RATION_EREQUEST;
	case 401:
	case 403:
		return RATION_EAUTH;
	case 404:
		return RATION_ENOTFOUND;
	case 408:
		return RATION_ESERVERTIMEOUT;
	case 429:
		return RATION_ETHROTTLED;
	case 502:
	case 503:
	case 504:
		return RATION_EUNAVAILABLE;
	default:
		return class == 5 ? RATION_ESERVER : RATION_ESTATUS;
	}
}

/* ---- dates ---- */

struct date {
	int year, month, day, hour, minute, second; /* month from 0 */
};

static bool eat(const char **at, const char *text)
{
	size_t length = strlen(text);

	if (strncmp(*at, text, length) != 0)
		return false;
	*at += length;
	return true;
}

/* Exactly `width` digits; a blank may stand for the first when padded. */
static bool eat_number(const char **at, int width, bool padded, int *number)
{
	int n = 0, i = 0;

	if (padded && **at == ' ')
		i++;
	for (; i < width; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9')
			return false;
		n = n * 10 + (c - '0');
	}
	*at += width;
	*number = n;
	return true;
}

static bool eat_name(const char **at, const char *const *names, int count, int *which)
{
	for (int i = 0; i < count; i++) {
		if (eat(at, names[i])) {
			*which = i;
			return true;
		}
	}
	return false;
}

static bool eat_month(const char **at, int *month)
{
	static const char *const names[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	return eat_name(at, names, 12, month);
}

static bool eat_time(const char **at, struct date *d)
{
	return eat_number(at, 2, false, &d->hour) && eat(at, ":") &&
	       eat_number(at, 2, false, &d->minute) && eat(at, ":") &&
	       eat_number(at, 2, false, &d->second);
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool parse_imf(const char *at, struct date *d)
{
	return eat(&at, ", ") && eat_number(&at, 2, false, &d->day) && eat(&at, " ") &&
	       eat_month(&at, &d->month) && eat(&at, " ") && eat_number(&at, 4, false, &d->year) &&
	       eat(&at, " ") && eat_time(&at, d) && eat(&at, " GMT") && !*at;
}

/* Sunday, 06-Nov-94 08:49:37 GMT. Two digits of a year: without a clock the century is the one
 * that POSIX chooses. */
static bool parse_rfc850(const char *at, struct date *d)
{
	if (!(eat(&at, ", ") && eat_number(&at, 2, false, &d->day) && eat(&at, "-") &&
		    eat_month(&at, &d->month) && eat(&at, "-") &&
		    eat_number(&at, 2, false, &d->year) && eat(&at, " ") && eat_time(&at, d) &&
		    eat(&at, " GMT") && !*at))
		return false;
	d->year += d->year < 69 ? 2000 : 1900;
	return true;
}

/* Sun Nov  6 08:49:37 1994 */
static bool parse_asctime(const char *at, struct date *d)
{
	return eat(&at, " ") && eat_month(&at, &d->month) && eat(&at, " ") &&
	       eat_number(&at, 2, true, &d->day) && eat(&at, " ") && eat_time(&at, d) &&
	       eat(&at, " ") && eat_number(&at, 4, false, &d->year) && !*at;
}

static bool date_ok(const struct date *d)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;

	return d->year >= 1970 && d->day >= 1 &&
	       d->day <= days[d->month] + (d->month == 1 && leap) && d->hour < 24 &&
	       d->minute < 60 && d->second <= 60;
}

/* Days since 1970-01-01 in the Gregorian calendar: years counted from March, so that the leap day
 * is a year's last. */
static int64_t days_of(const struct date *d)
{
	int64_t year = d->month < 2 ? d->year - 1 : d->year;
	int64_t month = (d->month + 10) % 12;
	int64_t day_of_year = (153 * month + 2) / 5 + d->day - 1;

	return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static int64_t seconds_of(const struct date *d)
{
	return days_of(d) * 86400 + d->hour * 3600 + d->minute * 60 + d->second;
}

bool ration__http_date(const char *text, int64_t *seconds)
{
	static const char *const names[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
		"Friday", "Saturday", "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	struct date d = {0};
	int which;

	if (!eat_name(&text, names, (int)RATION__COUNT(names), &which))
		return false;
	bool ok =
		which < 7 ? parse_rfc850(text, &d) : parse_imf(text, &d) || parse_asctime(text, &d);

	if (!ok || !date_ok(&d))
		return false;
	*seconds = seconds_of(&d);
	return true;
}

/* 1994-11-06T08:49:37[.5](Z|+01:00) */
bool ration__rfc3339(const char *text, int64_t *seconds)
{
	int offset_hour = 0, offset_minute = 0, sign = 1;
	struct date d = {0};

	if (!(eat_number(&text, 4, false, &d.year) && eat(&text, "-") &&
		    eat_number(&text, 2, false, &d.month) && eat(&text, "-") &&
		    eat_number(&text, 2, false, &d.day) && eat(&text, "T") && eat_time(&text, &d)))
		return false;
	if (eat(&text, ".")) {
		size_t digits = strspn(text, "0123456789");

		if (!digits)
			return false;
		text += digits;
	}
	if (!eat(&text, "Z")) {
		sign = *text == '-' ? -1 : 1;
		if (!((eat(&text, "+") || eat(&text, "-")) &&
			    eat_number(&text, 2, false, &offset_hour) && eat(&text, ":") &&
			    eat_number(&text, 2, false, &offset_minute)) ||
			offset_hour > 23 || offset_minute > 59)
			return false;
	}
	if (*text || d.month < 1 || d.month > 12)
		return false;
	d.month--;
	if (!date_ok(&d))
		return false;
	*seconds = seconds_of(&d) - sign * (offset_hour * 3600 + offset_minute * 60);
	return true;
}

/* delta-seconds: digits only, so neither "-1" nor "+1" nor "1.0"; saturates. */
static bool parse_seconds(const char *text, int64_t *seconds)
{
	int64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = ration__min64(n * 10 + (*text - '0'), RATION__SECONDS_MAX);
	}
	*seconds = n;
	return true;
}

bool ration__retry_after(const char *value, const char *date, int64_t *ns)
{
	int64_t seconds, now;

	if (!value)
		return false;
	if (!parse_seconds(value, &seconds)) {
		if (!date || !ration__http_date(value, &seconds) || !ration__http_date(date, &now))
			return false;
		seconds = ration__max64(0, ration__min64(seconds - now, RATION__SECONDS_MAX));
	}
	*ns = seconds * RATION__NS_PER_S;
	return true;
}
