/* The rule of a time zone. See zone_rule.h. */
#include "base/zone_rule.h"

#include <string.h>
#include "base/date.h"

#define DAY_S INT64_C(86400)

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The text is walked by a cursor; what does not fit sets it to NULL, and there it stays. */
static int64_t number(const char **at, int64_t most)
{
	int64_t value = 0;

	if (!*at || **at < '0' || **at > '9') {
		*at = NULL;
		return 0;
	}
	for (; **at >= '0' && **at <= '9'; (*at)++)
		if ((value = value * 10 + (**at - '0')) > most) {
			*at = NULL;
			return 0;
		}
	return value;
}

static bool accept(const char **at, char wanted)
{
	if (!*at || **at != wanted)
		return false;
	(*at)++;
	return true;
}

static void skip_name(const char **at)
{
	const char *from = *at;

	if (accept(at, '<')) {
		while (**at && **at != '>')
			(*at)++;
		if (!accept(at, '>'))
			*at = NULL;
		return;
	}
	while (*at && ((**at >= 'a' && **at <= 'z') || (**at >= 'A' && **at <= 'Z')))
		(*at)++;
	if (*at == from)
		*at = NULL;
}

static int64_t clock_time(const char **at, int64_t most_h)
{
	bool minus = accept(at, '-');
	int64_t seconds;

	if (!minus)
		accept(at, '+');
	seconds = number(at, most_h) * 3600;
	if (accept(at, ':')) {
		seconds += number(at, 59) * 60;
		if (accept(at, ':'))
			seconds += number(at, 59);
	}
	return minus ? -seconds : seconds;
}

static struct ration__zone_turn parse_turn(const char **at)
{
	struct ration__zone_turn turn = {.time_s = 2 * 3600};

	if (!accept(at, ','))
		*at = NULL;
	if (accept(at, 'M')) {
		turn.form = 'M';
		turn.month = (int)number(at, 12);
		if (!accept(at, '.'))
			*at = NULL;
		turn.week = (int)number(at, 5);
		if (!accept(at, '.'))
			*at = NULL;
		turn.day = (int)number(at, 6);
		if (*at && (turn.month < 1 || turn.week < 1))
			*at = NULL;
	} else {
		turn.form = accept(at, 'J') ? 'J' : 0;
		turn.day = (int)number(at, 365);
		if (turn.form && turn.day < 1)
			*at = NULL;
	}
	if (accept(at, '/'))
		turn.time_s = clock_time(at, 167);
	return turn;
}

bool ration__zone_rule_parse(const char *text, struct ration__zone_rule *rule)
{
	const char *at = text;

	memset(rule, 0, sizeof(*rule));
	skip_name(&at);
	/* signs there are west of Greenwich */
	rule->standard_s = (int32_t)-clock_time(&at, 24);
	if (at && *at) {
		rule->summer = true;
		skip_name(&at);
		rule->summer_s = rule->standard_s + 3600;
		if (at && *at != ',')
			rule->summer_s = (int32_t)-clock_time(&at, 24);
		rule->begins = parse_turn(&at);
		rule->ends = parse_turn(&at);
	}
	return at && !*at;
}

int64_t ration__zone_turn_local(const struct ration__zone_turn *turn, int64_t year)
{
	int64_t days;

	if (turn->form == 'M') {
		int64_t first = ration__date_days(year, turn->month, 1);
		int64_t next = turn->month == 12 ? ration__date_days(year + 1, 1, 1)
						 : ration__date_days(year, turn->month + 1, 1);
		int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */

		days = first + (turn->day - weekday + 7) % 7 + 7 * (turn->week - 1);
		while (days >= next) /* week 5 is the last one */
			days -= 7;
	} else {
		days = ration__date_days(year, 1, 1) + turn->day - (turn->form == 'J');
		if (turn->form == 'J' && turn->day >= 60 && is_leap(year))
			days++;
	}
	return days * DAY_S + turn->time_s;
}
