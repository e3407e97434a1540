/*
 * Rules: the shared policies of one service, as one flat value without pointers, because it is
 * stored as it stands: definitions live in the store, and whoever opens a service with another
 * definition replaces it for the whole fleet.
 *
 * Identity of a limit is (store, service, limit name): a record outlives a change of its rule.
 */
#ifndef GUARD_RULES_H
#define GUARD_RULES_H

#include <stddef.h>
#include <stdint.h>
#include "policy/adaptive.h"
#include "policy/breaker.h"
#include "policy/bucket.h"
#include "policy/budget.h"
#include "policy/calendar.h"
#include "policy/concurrency.h"
#include "policy/window.h"

#define RATION__NAME_MAX 128  /* service, limit and key names, with the NUL */
#define RATION__LIMITS_MAX 12 /* limits and quotas of one service */
#define RATION__PER_MAX 4     /* key names of one limit */
#define RATION__KEYNAME_MAX 32
#define RATION__WHEN_KEYS 2	/* keys that a limit's `when` looks at */
#define RATION__WHEN_VALUES 4	/* patterns of each */
#define RATION__PATTERN_MAX 128 /* a path's or value's pattern */
#define RATION__OVERRIDES_MAX 64
#define RATION__WARN_MAX 4
#define RATION__RULES_VERSION 2

enum ration__limit_kind {
	RATION__LIMIT_BUCKET = 1, /* rate + burst */
	RATION__LIMIT_WINDOW,	  /* max in any window; STEADY clock */
	RATION__LIMIT_QUOTA,	  /* the same, durable, rolling or by the calendar; WALL clock */
	RATION__LIMIT_ADAPTIVE,	  /* a bucket whose rate is learned */
};

/* Bits of when.methods. */
enum ration__method_bit {
	RATION__METHOD_GET = 1,
	RATION__METHOD_HEAD = 2,
	RATION__METHOD_POST = 4,
	RATION__METHOD_PUT = 8,
	RATION__METHOD_PATCH = 16,
	RATION__METHOD_DELETE = 32,
	RATION__METHOD_OPTIONS = 64,
	RATION__METHOD_OTHER = 128,
};

/* Which calls a limit applies to: all that is given must match. */
struct ration__when {
	uint32_t methods; /* RATION__METHOD_*; 0: all. A call without a method matches only 0 */
	uint32_t reserved;
	char path[RATION__PATTERN_MAX]; /* "": all. * within a segment, ** across; match.h */
	struct {
		char name[RATION__KEYNAME_MAX]; /* "": none */
		char values[RATION__WHEN_VALUES]
			   [RATION__KEYNAME_MAX * 2]; /* one of these patterns */
	} keys[RATION__WHEN_KEYS];
};

struct ration__limit {
	char name[RATION__NAME_MAX];
	char unit[RATION__KEYNAME_MAX];			/* "": number of calls */
	char per[RATION__PER_MAX][RATION__KEYNAME_MAX]; /* key names; "" ends */
	struct ration__when when;
	uint32_t kind;
	uint32_t
		calendar; /* quota: enum ration__calendar; then window_ns is the longest period's */
	char zone[40];	  /* of the calendar; "": UTC */
	uint32_t on_failure; /* 0: as the service says; else 1 + RATION__ON_FAILURE_* */
	uint32_t reserved;
	double estimate; /* cost of a call that does not say; 1 for calls */
	union {
		struct ration__bucket_conf bucket;
		struct ration__window_conf window;
		struct ration__adaptive_conf adaptive;
	};
	int64_t durable_ns;		/* quota: flush interval; 0: every unit (`sync`) */
	int64_t warn[RATION__WARN_MAX]; /* quota: an alert when less than this amount is left; 0
					   ends */
};

/* Other numbers for one value of a limit's only key. */
struct ration__override {
	char value[96];
	uint32_t limit; /* index */
	uint32_t reserved;
	double rate, burst; /* tokens per second, tokens; 0: the limit's */
	int64_t max;	    /* amount; -1: the limit's */
};

/* Other numbers for a bucket; 0: as it is. */
static inline void ration__bucket_override(
	struct ration__bucket_conf *conf, double rate, double burst)
{
	if (rate > 0)
		conf->rate = rate;
	if (burst > 0)
		conf->burst = burst;
}

#define RATION__ON_FAILURE_LOCAL 0
#define RATION__ON_FAILURE_CLOSED 1
#define RATION__ON_FAILURE_OPEN 2

/* own: 0, or 1 + one of these; service: one of these. */
static inline uint32_t ration__on_failure(uint32_t own, uint32_t service)
{
	return own ? own - 1 : service;
}

/* Each process's own choice: not compared and not taken over from the store. */
struct ration__own_rules {
	uint32_t wait_breaker; /* 1: an open breaker is waited for, not refused */
	uint32_t wait_quota;
	uint32_t on_failure;	     /* RATION__ON_FAILURE_*: when the store cannot answer */
	uint32_t breaker_on_failure; /* likewise; 0: as on_failure says, else 1 + the policy */
	uint32_t permits_on_failure; /* of both concurrency limits */
	uint32_t observe;	     /* 1: decide, count and say, but delay and refuse nothing */
	uint32_t queue_max; /* callers that may wait for a permit in this process; 0: any number */
	int64_t hold_ns;    /* a permit held longer may be taken back; 0: never */
	char required_keys[RATION__PER_MAX][RATION__KEYNAME_MAX];
};

struct ration__rules {
	uint32_t version; /* RATION__RULES_VERSION */
	uint32_t limit_count;
	uint64_t revision; /* 0: none; a lower one follows the store instead of replacing it */
	char service[RATION__NAME_MAX];
	struct ration__limit limits[RATION__LIMITS_MAX];
	uint32_t override_count;
	uint32_t reserved;
	struct ration__override overrides[RATION__OVERRIDES_MAX]; /* ordered by limit, then value */
	struct ration__breaker_conf breaker;			  /* see ration__breaker_exists */
	char breaker_per[RATION__PER_MAX][RATION__KEYNAME_MAX];	  /* none: one for the service */
	struct ration__concurrency_conf concurrency;		  /* max 0: none */
	struct ration__concurrency_conf place; /* a second limit, per key; max 0: none */
	char place_per[RATION__PER_MAX][RATION__KEYNAME_MAX];
	struct ration__budget_conf budget;			 /* of retries; capacity 0: none */
	char cooldown_per[RATION__PER_MAX][RATION__KEYNAME_MAX]; /* whom a server's "wait" is for */
	struct ration__own_rules own;
};
#define RATION__RULES_SHARED offsetof(struct ration__rules, own) /* bytes that are compared */

#endif
