/*
 * Limits that the server enforces: token buckets and exact windows, one state a key value.
 *
 * A request takes from all of them or from none. Decisions depend on nothing but what is passed in,
 * the time too, so that they are tested with a clock that is made up.
 *
 * These are deliberately no code of the library's: a judge must not share the accused's mistakes.
 */
#ifndef TESTSERVER_LIMITS_H
#define TESTSERVER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TS_LIMITS_MAX = 4,
	TS_LIMIT_KEYS_MAX = 10000, /* of one limit; a request with one more key is an error */
	TS_LIMIT_NAME_SIZE = 32,
	TS_LIMIT_HEADER_SIZE = 64,
};

#define TS_COST_MAX 1e12

enum ts_limit_kind { TS_BUCKET, TS_WINDOW };
enum ts_limit_fields { TS_FIELDS_NONE, TS_FIELDS_RATELIMIT, TS_FIELDS_X_RATELIMIT };
/* Instead of seconds: worked out from the limit, or no field at all. */
enum { TS_RETRY_AFTER_ON = -1, TS_RETRY_AFTER_OFF = -2 };

struct ts_limit_conf {
	enum ts_limit_kind kind;
	enum ts_limit_fields fields;
	double max;	   /* the burst; or what a window holds */
	double per_second; /* of a bucket */
	int64_t window_ns; /* of a window; a bucket's: in which it fills */
	int64_t retry_after_s;
	int status;
	bool weighted; /* takes the request's cost rather than 1 */
	bool named;    /* the name was given */
	char name[TS_LIMIT_NAME_SIZE];
	char header[TS_LIMIT_HEADER_SIZE]; /* whose value is the key; empty: one state for all */
};

/* What a limit of one key would say next. */
struct ts_limit_reading {
	int64_t remaining; /* whole units, rounded down */
	int64_t reset_ns;  /* until there is a unit again; if there is one, until (more of) the rest
			    */
};

struct ts_limit {
	const struct ts_limit_conf *conf;
	void *states; /* a tree of them, by key value */
	size_t state_count;
};

struct ts_limits {
	struct ts_limit list[TS_LIMITS_MAX];
	size_t count;
};

struct ts_limits_answer {
	int refused_by;	 /* the limit that is waited for longest; -1: allowed, taken */
	int64_t wait_ns; /* until it would be allowed, were nobody else there; -1: never will */
	struct ts_limit_reading readings[TS_LIMITS_MAX];
};

/* The configuration is borrowed. */
void ts__limits_init(
	struct ts_limits *limits, const struct ts_limit_conf *configuration, size_t count);
void ts__limits_fini(struct ts_limits *limits);
/* As at the start: buckets full, windows empty. */
void ts__limits_reset(struct ts_limits *limits);

/* keys: the key value for each limit. False on lack of memory or when there are too many keys;
 * then nothing was taken. */
bool ts__limits_take(struct ts_limits *limits, int64_t now_ns, double cost, const char *const *keys,
	struct ts_limits_answer *out);

/* SPEC of --limit and --window, see --help. NULL, or what is wrong with it. */
const char *ts__limit_read(enum ts_limit_kind kind, const char *spec, struct ts_limit_conf *out);

#endif
