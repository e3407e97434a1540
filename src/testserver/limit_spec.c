/* Limits as the command line writes them: NUMBER/TIME[,NAME=VALUE]... */
#include "testserver/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1e9

/* A positive decimal number; *at is left behind it. */
static bool read_positive(const char **at, double max, double *out)
{
	char *after;

	if ((**at < '0' || **at > '9') && **at != '.')
		return false;
	double value = strtod(*at, &after);
	if (after == *at || !isfinite(value) || value <= 0 || value > max)
		return false;
	*at = after;
	*out = value;
	return true;
}

static bool at_end(char c)
{
	return c == '\0' || c == ',';
}

/* s, 10s, 250ms, 1.5m, 60: seconds when there is no unit; a unit alone is one of it. */
static bool read_time(const char **at, double *seconds)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400},
		{"", 1}};
	double count = 1;
	bool counted = read_positive(at, 1e9, &count);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t length = strlen(units[i].name);
		if (strncmp(*at, units[i].name, length) != 0 || !at_end((*at)[length]) ||
			(length == 0 && !counted))
			continue;
		*at += length;
		*seconds = count * units[i].seconds;
		return *seconds >= 0.001 && *seconds <= 1e8;
	}
	return false;
}

static bool copy_token(char *out, size_t size, const char *value, size_t length)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-";

	if (length == 0 || length >= size || strspn(value, token) < length)
		return false;
	memcpy(out, value, length);
	out[length] = '\0';
	return true;
}

static bool is(const char *word, const char *value, size_t length)
{
	return strlen(word) == length && memcmp(word, value, length) == 0;
}

static const char *set_burst(struct ts_limit_conf *conf, const char *value, size_t length)
{
	const char *at = value;

	if (conf->kind != TS_BUCKET)
		return "only --limit has a burst";
	if (!read_positive(&at, TS_COST_MAX, &conf->max) || at != value + length || conf->max < 1)
		return "burst is a number of at least 1";
	return NULL;
}

static const char *set_answer(struct ts_limit_conf *conf, const char *value, size_t length)
{
	if (!is("429", value, length) && !is("503", value, length))
		return "answer is 429 or 503";
	conf->status = *value == '4' ? 429 : 503;
	return NULL;
}

static const char *set_retry_after(struct ts_limit_conf *conf, const char *value, size_t length)
{
	if (is("on", value, length)) {
		conf->retry_after_s = TS_RETRY_AFTER_ON;
	} else if (is("off", value, length)) {
		conf->retry_after_s = TS_RETRY_AFTER_OFF;
	} else if (length > 0 && length <= 9 && strspn(value, "0123456789") == length) {
		conf->retry_after_s = strtoll(value, NULL, 10);
	} else {
		return "retry_after is on, off or whole seconds";
	}
	return NULL;
}

static const char *set_fields(struct ts_limit_conf *conf, const char *value, size_t length)
{
	if (is("none", value, length))
		conf->fields = TS_FIELDS_NONE;
	else if (is("ratelimit", value, length))
		conf->fields = TS_FIELDS_RATELIMIT;
	else if (is("x-ratelimit", value, length))
		conf->fields = TS_FIELDS_X_RATELIMIT;
	else
		return "fields is ratelimit, x-ratelimit or none";
	return NULL;
}

static const char *set_count(struct ts_limit_conf *conf, const char *value, size_t length)
{
	if (!is("requests", value, length) && !is("cost", value, length))
		return "count is requests or cost";
	conf->weighted = *value == 'c';
	return NULL;
}

static const char *set_key(struct ts_limit_conf *conf, const char *value, size_t length)
{
	if (!copy_token(conf->header, sizeof(conf->header), value, length))
		return "key is a header's name";
	return NULL;
}

static const char *set_name(struct ts_limit_conf *conf, const char *value, size_t length)
{
	if (!copy_token(conf->name, sizeof(conf->name), value, length))
		return "name has 1 to 31 letters, digits, dots, dashes and underscores";
	conf->named = true;
	return NULL;
}

static const char *set_option(struct ts_limit_conf *conf, const char *option, size_t length)
{
	static const struct {
		const char *name;
		const char *(*set)(struct ts_limit_conf *conf, const char *value, size_t length);
	} known[] = {{"burst", set_burst}, {"answer", set_answer}, {"retry_after", set_retry_after},
		{"fields", set_fields}, {"count", set_count}, {"key", set_key}, {"name", set_name}};
	const char *equals = memchr(option, '=', length);

	if (!equals)
		return "after a limit's comma comes NAME=VALUE";
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (is(known[i].name, option, (size_t)(equals - option)))
			return known[i].set(
				conf, equals + 1, (size_t)(option + length - equals - 1));
	}
	return "a limit has burst, answer, retry_after, fields, count, key and name";
}

const char *ts__limit_read(enum ts_limit_kind kind, const char *spec, struct ts_limit_conf *out)
{
	struct ts_limit_conf conf = {
		.kind = kind, .status = 429, .retry_after_s = TS_RETRY_AFTER_ON};
	const char *at = spec;
	double seconds;

	strcpy(conf.name, kind == TS_BUCKET ? "rate" : "window");
	if (!read_positive(&at, TS_COST_MAX, &conf.max) || *at++ != '/' ||
		!read_time(&at, &seconds))
		return kind == TS_BUCKET
			       ? "a limit begins with a rate such as 100/s, 60/min or 5/10s"
			       : "a window begins with what it holds, such as 1000/1m";
	if (kind == TS_BUCKET) {
		conf.per_second = conf.max / seconds;
		if (conf.max < 1)
			conf.max = 1;
	}
	while (*at == ',') {
		const char *option = at + 1;
		size_t length = strcspn(option, ",");
		const char *wrong = set_option(&conf, option, length);
		if (wrong)
			return wrong;
		at = option + length;
	}
	if (kind == TS_BUCKET)
		seconds = conf.max / conf.per_second;
	conf.window_ns = (int64_t)((seconds < 1e9 ? seconds : 1e9) * SECOND);
	*out = conf;
	return NULL;
}
