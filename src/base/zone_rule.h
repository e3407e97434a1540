/*
 * The rule of a time zone as POSIX writes it ("CET-1CEST,M3.5.0,M10.5.0/3"), with what RFC 9636
 * adds: times from -167 to 167 hours. Private to zone.c.
 */
#ifndef BASE_ZONE_RULE_H
#define BASE_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct ration__zone_turn {
	char form; /* M: month, week, weekday; J: day 1-365 without Feb 29; 0: day 0-365 with it */
	int month, week, day;
	int64_t time_s; /* on the clock before it */
};

struct ration__zone_rule {
	int32_t standard_s, summer_s; /* offsets east */
	bool summer;		      /* has one */
	struct ration__zone_turn begins, ends;
};

/* Whether the text, all of it, is a rule; *rule is undefined when not. */
bool ration__zone_rule_parse(const char *text, struct ration__zone_rule *rule);
/* When the clock on the wall, as it was before, turns in that year: seconds since 1970 on it. */
int64_t ration__zone_turn_local(const struct ration__zone_turn *turn, int64_t year);

#endif
