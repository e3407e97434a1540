/*
 * Durations, rates, sizes and numbers as text. Durations are integers throughout: what is written
 * is what is meant, to the nanosecond, and finer text is refused. Numbers go through strtod and
 * printf in the C locale, since a program that uses the library may have another one.
 */
#include "base/units.h"
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ration/error.h>
#include "base/clock.h"
#include "base/util.h"

#define DURATION_MAX (INT64_C(36525) * 24 * 3600 * RATION__NS_PER_S) /* 100 Julian years */

enum { NUMBER_TEXT_MAX = 40 };

struct unit {
	const char *name;
	int64_t ns;
};

/* Largest first: formatting goes down the table, and parts of a duration must as well. The first
 * of two names for the same length is the one that is written. */
static const struct unit units[] = {
	{"d", 24 * 3600 * RATION__NS_PER_S},
	{"h", 3600 * RATION__NS_PER_S},
	{"m", 60 * RATION__NS_PER_S},
	{"min", 60 * RATION__NS_PER_S},
	{"s", RATION__NS_PER_S},
	{"ms", RATION__NS_PER_MS},
	{"us", 1000},
	{"ns", 1},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The unit whose name is the run of letters at text. */
static const struct unit *find_unit(const char *text, size_t *length)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz");

	for (size_t i = 0; i < RATION__COUNT(units); i++) {
		if (strlen(units[i].name) == n && !memcmp(units[i].name, text, n)) {
			*length = n;
			return &units[i];
		}
	}
	return NULL;
}

/* digits [. digits] at *text, in units that are not known yet. */
struct decimal {
	int64_t whole;
	const char *fraction;
	size_t fraction_length;
};

static bool read_decimal(const char **text, struct decimal *out)
{
	const char *at = *text;

	if (!is_digit(*at))
		return false;
	*out = (struct decimal){0};
	for (; is_digit(*at); at++) {
		if (out->whole > DURATION_MAX / 10)
			return false;
		out->whole = out->whole * 10 + (*at - '0');
	}
	if (*at == '.') {
		out->fraction = ++at;
		out->fraction_length = strspn(at, "0123456789");
		if (!out->fraction_length)
			return false;
		at += out->fraction_length;
	}
	*text = at;
	return true;
}

/* Exact, or false. */
static bool decimal_ns(const struct decimal *decimal, int64_t unit_ns, int64_t *ns)
{
	int64_t total, scale = unit_ns;

	if (decimal->whole > DURATION_MAX / unit_ns)
		return false;
	total = decimal->whole * unit_ns;
	for (size_t i = 0; i < decimal->fraction_length; i++) {
		int digit = decimal->fraction[i] - '0';

		if (digit && (scale == 0 || scale % 10))
			return false;
		scale /= 10;
		total += digit * scale;
	}
	*ns = total;
	return true;
}

int ration__parse_duration(const char *text, int64_t *ns)
{
	int64_t total = 0, last_unit = INT64_MAX;

	if (!strcmp(text, "0")) {
		*ns = 0;
		return 0;
	}
	do {
		struct decimal decimal;
		const struct unit *unit;
		size_t length = 0;
		int64_t part;

		if (!read_decimal(&text, &decimal))
			return RATION_EINVAL;
		unit = find_unit(text, &length);
		/* "30m1h" and "1m1m" are slips of the pen, and "1.5h30m" is hard to read. */
		if (!unit || unit->ns >= last_unit || !decimal_ns(&decimal, unit->ns, &part))
			return RATION_EINVAL;
		text += length;
		if ((decimal.fraction_length && *text) || part > DURATION_MAX - total)
			return RATION_EINVAL;
		total += part;
		last_unit = unit->ns;
	} while (*text);
	*ns = total;
	return 0;
}

int ration__parse_rate(const char *text, struct ration__rate *rate)
{
	const char *slash = strchr(text, '/');
	char number[NUMBER_TEXT_MAX];
	struct ration__rate out;
	const struct unit *unit;
	size_t length;

	if (!slash || (size_t)(slash - text) >= sizeof(number))
		return RATION_EINVAL;
	length = (size_t)(slash - text);
	memcpy(number, text, length);
	number[length] = '\0';
	if (ration__parse_number(number, &out.count) < 0 || out.count <= 0)
		return RATION_EINVAL;
	unit = find_unit(slash + 1, &length);
	if (unit && !slash[1 + length])
		out.period_ns = unit->ns;
	else if (ration__parse_duration(slash + 1, &out.period_ns) < 0 || out.period_ns == 0)
		return RATION_EINVAL;
	*rate = out;
	return 0;
}

static const struct {
	const char *name;
	bool written; /* by format_size; the others are only read */
	uint64_t bytes;
} sizes[] = {
	{"TiB", true, UINT64_C(1) << 40},
	{"GiB", true, UINT64_C(1) << 30},
	{"MiB", true, UINT64_C(1) << 20},
	{"KiB", true, UINT64_C(1) << 10},
	{"TB", false, UINT64_C(1000000000000)},
	{"GB", false, UINT64_C(1000000000)},
	{"MB", false, UINT64_C(1000000)},
	{"kB", false, UINT64_C(1000)},
	{"KB", false, UINT64_C(1000)},
	{"B", false, 1},
	{"", false, 1},
};

int ration__parse_size(const char *text, uint64_t *bytes)
{
	size_t length = strspn(text, "0123456789");
	char digits[NUMBER_TEXT_MAX];
	uint64_t count;

	if (!length || length >= sizeof(digits))
		return RATION_EINVAL;
	memcpy(digits, text, length);
	digits[length] = '\0';
	for (size_t i = 0; i < RATION__COUNT(sizes); i++) {
		if (strcmp(text + length, sizes[i].name))
			continue;
		if (ration__parse_uint(digits, UINT64_MAX / sizes[i].bytes, &count) < 0)
			return RATION_EINVAL;
		*bytes = count * sizes[i].bytes;
		return 0;
	}
	return RATION_EINVAL;
}

/* glibc and musl answer with a static object: nothing is allocated and nothing to be freed. */
static locale_t c_locale(void)
{
	return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* -? digits [. digits] [e [+-] digits]: what strtod would also read (hex, inf, blanks) is not. */
static bool is_number(const char *text)
{
	size_t digits;

	text += *text == '-';
	digits = strspn(text, "0123456789");
	if (!digits)
		return false;
	text += digits;
	if (*text == '.') {
		digits = strspn(++text, "0123456789");
		if (!digits)
			return false;
		text += digits;
	}
	if (*text == 'e' || *text == 'E') {
		text++;
		text += *text == '+' || *text == '-';
		digits = strspn(text, "0123456789");
		if (!digits)
			return false;
		text += digits;
	}
	return !*text;
}

int ration__parse_number(const char *text, double *number)
{
	locale_t locale;
	double value;

	if (!is_number(text))
		return RATION_EINVAL;
	locale = c_locale();
	if (!locale)
		return RATION_EINVAL;
	value = strtod_l(text, NULL, locale);
	freelocale(locale);
	if (!isfinite(value))
		return RATION_EINVAL;
	*number = value;
	return 0;
}

int ration__parse_uint(const char *text, uint64_t max, uint64_t *number)
{
	uint64_t value = 0;

	if (!*text)
		return RATION_EINVAL;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (!is_digit(*text) || value > max / 10 || value * 10 > max - digit || digit > max)
			return RATION_EINVAL;
		value = value * 10 + digit;
	}
	*number = value;
	return 0;
}

int ration__parse_bool(const char *text, int *value)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < RATION__COUNT(words); i++) {
		if (!strcmp(text, words[i])) {
			*value = (int)(i % 2);
			return 0;
		}
	}
	return RATION_EINVAL;
}

int ration__format_duration(char *out, size_t size, int64_t ns)
{
	char text[96];
	size_t length = 0;

	if (ns <= 0)
		return snprintf(out, size, "0s");
	for (size_t i = 0; i < RATION__COUNT(units); i++) {
		if (ns < units[i].ns)
			continue;
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%lld%s",
			(long long)(ns / units[i].ns), units[i].name);
		ns %= units[i].ns;
	}
	return snprintf(out, size, "%s", text);
}

int ration__format_rate(char *out, size_t size, const struct ration__rate *rate)
{
	char count[NUMBER_TEXT_MAX], period[96];

	ration__format_number(count, sizeof(count), rate->count);
	for (size_t i = 0; i < RATION__COUNT(units); i++) {
		if (units[i].ns == rate->period_ns) {
			/* "m" alone is read as metres or months by people; "min" is not. */
			const char *name = strcmp(units[i].name, "m") ? units[i].name : "min";

			return snprintf(out, size, "%s/%s", count, name);
		}
	}
	ration__format_duration(period, sizeof(period), rate->period_ns);
	return snprintf(out, size, "%s/%s", count, period);
}

int ration__format_size(char *out, size_t size, uint64_t bytes)
{
	for (size_t i = 0; i < RATION__COUNT(sizes); i++)
		if (sizes[i].written && bytes && bytes % sizes[i].bytes == 0)
			return snprintf(out, size, "%llu%s",
				(unsigned long long)(bytes / sizes[i].bytes), sizes[i].name);
	return snprintf(out, size, "%llu", (unsigned long long)bytes);
}

int ration__format_number(char *out, size_t size, double number)
{
	char text[NUMBER_TEXT_MAX];
	locale_t locale = c_locale(), before = uselocale(locale);

	if (fabs(number) < 1e15 && number == (double)(int64_t)number) {
		snprintf(text, sizeof(text), "%.0f", number);
	} else {
		for (int digits = 1; digits <= 17; digits++) {
			snprintf(text, sizeof(text), "%.*g", digits, number);
			if (strtod(text, NULL) == number)
				break;
		}
	}
	uselocale(before);
	freelocale(locale);
	return snprintf(out, size, "%s", text);
}

/* In tenths of a second below 10 s, in milliseconds below 100 ms, then two parts. Rounded up: who
 * comes back at the time that was named is not too early. */
int ration__format_duration_human(char *out, size_t size, int64_t ns)
{
	long long seconds, tenths, ms;

	if (ns <= 0)
		return snprintf(out, size, "0 s");
	ms = (long long)(ns / RATION__NS_PER_MS + (ns % RATION__NS_PER_MS != 0));
	if (ms < 100)
		return snprintf(out, size, "%lld ms", ms);
	tenths = (ms + 99) / 100;
	if (tenths < 100 && tenths % 10)
		return snprintf(out, size, "%lld.%lld s", tenths / 10, tenths % 10);
	if (tenths < 100)
		return snprintf(out, size, "%lld s", tenths / 10);
	seconds = (ms + 999) / 1000;
	if (seconds < 60)
		return snprintf(out, size, "%lld s", seconds);
	if (seconds < 3600 && seconds % 60)
		return snprintf(out, size, "%lld min %lld s", seconds / 60, seconds % 60);
	if (seconds < 3600)
		return snprintf(out, size, "%lld min", seconds / 60);
	seconds = (seconds + 59) / 60; /* minutes from here */
	if (seconds < 24 * 60 && seconds % 60)
		return snprintf(out, size, "%lld h %lld min", seconds / 60, seconds % 60);
	if (seconds < 24 * 60)
		return snprintf(out, size, "%lld h", seconds / 60);
	seconds = (seconds + 59) / 60; /* hours from here */
	if (seconds % 24)
		return snprintf(out, size, "%lld d %lld h", seconds / 24, seconds % 24);
	return snprintf(out, size, "%lld d", seconds / 24);
}
