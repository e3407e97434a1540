/*
 * What is to be told once a transaction is over: a bounded list, filled inside it without
 * formatting or allocation, then said to the log and the event hook under no lock.
 *
 * Told once in the whole fleet, by the process whose decision it was. When more happens in one
 * transaction than there is room for, the rest is not told: the state itself says it.
 */
#include "guard/engine.h"

#include <stdio.h>
#include <string.h>
#include "base/units.h"
#include "guard/selector.h"

static bool has_name(uint8_t type)
{
	return type == RATION__RECORD_BUCKET || type == RATION__RECORD_ADAPTIVE ||
	       type == RATION__RECORD_WINDOW || type == RATION__RECORD_QUOTA;
}

/* "" for a record without key values, and for one whose values are known by their hash alone. */
static void key_values(char *out, size_t size, const uint8_t *key, size_t length)
{
	struct ration__key_part parts[2 + RATION__PER_MAX];
	size_t count = ration__key_split(key, length, parts, RATION__COUNT(parts));
	size_t skip = has_name(key[0]) ? 2 : 1;

	out[0] = 0;
	if (count > skip)
		ration__selector_values(out, size, parts + skip, count - skip);
}

void ration__news_put(struct ration__engine *engine, enum ration_event event, const char *service,
	const char *rule, const uint8_t *key, size_t key_length, double value)
{
	struct ration__news *news;

	if (engine->news_count == RATION__NEWS_MAX)
		return;
	news = &engine->news[engine->news_count++];
	news->event = event;
	news->value = value;
	snprintf(news->service, sizeof(news->service), "%s", service);
	snprintf(news->rule, sizeof(news->rule), "%s", rule);
	news->keys[0] = 0;
	if (key_length)
		key_values(news->keys, sizeof(news->keys), key, key_length);
}

void ration__news_add(struct ration__engine *engine, enum ration_event event,
	const struct ration__keyset *keyset, const struct ration__cell *cell, const char *rule,
	double value)
{
	ration__news_put(engine, event, keyset->guard->own.service, rule,
		cell ? ration__cell_key(keyset, cell) : NULL, cell ? cell->length : 0, value);
}

uint32_t ration__news_take(struct ration__engine *engine, struct ration__news out[RATION__NEWS_MAX])
{
	uint32_t count = engine->news_count;

	memcpy(out, engine->news, count * sizeof(*out));
	engine->news_count = 0;
	return count;
}

static void say(struct ration__engine *engine, const struct ration__news *news)
{
	const char *of = news->keys[0] ? " for " : "", *service = news->service;
	char number[48];

	switch (news->event) {
	case RATION_EVENT_BREAKER_OPENED:
		ration__engine_log(engine, RATION_LOG_WARNING,
			"service %s: circuit breaker opened%s%s", service, of, news->keys);
		break;
	case RATION_EVENT_BREAKER_CLOSED:
		ration__engine_log(engine, RATION_LOG_INFO,
			"service %s: circuit breaker closed%s%s", service, of, news->keys);
		break;
	case RATION_EVENT_QUOTA_LOW:
		ration__format_number(number, sizeof(number), news->value);
		ration__engine_log(engine, RATION_LOG_WARNING, "service %s: quota %s: %s left%s%s",
			service, news->rule, number, of, news->keys);
		break;
	case RATION_EVENT_RATE_CUT:
		ration__engine_log(engine, RATION_LOG_INFO,
			"service %s: limit %s: rate cut to %.3g/s%s%s", service, news->rule,
			news->value, of, news->keys);
		break;
	case RATION_EVENT_COOLDOWN:
		ration__format_duration_human(number, sizeof(number), (int64_t)(news->value * 1e9));
		ration__engine_log(engine, RATION_LOG_INFO, "service %s: nobody sends for %s%s%s",
			service, number, of, news->keys);
		break;
	default: /* a definition's replacement: definition.c names old and new */
		break;
	}
}

void ration__news_report(
	struct ration__engine *engine, const struct ration__news *news, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		say(engine, &news[i]);
		if (engine->event)
			engine->event(engine->event_arg, (enum ration_event)news[i].event,
				news[i].service, news[i].rule, news[i].keys, news[i].value);
	}
}
