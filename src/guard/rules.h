/*
 * Rules: the shared policies of one service, as one flat value without pointers, because it is
 * stored as it stands: definitions live in the store, and whoever opens a service with another
 * definition replaces it for the whole fleet.
 *
 * Identity of a limit is (store, service, limit name): a record outlives a change of its rule.
 */
#ifndef GUARD_RULES_H
#define GUARD_RULES_H

#include <stdint.h>
#include "policy/breaker.h"
#include "policy/bucket.h"
#include "policy/concurrency.h"
#include "policy/window.h"

#define RATION__NAME_MAX 128  /* service, limit and key names, with the NUL */
#define RATION__LIMITS_MAX 12 /* limits and quotas of one service */
#define RATION__PER_MAX 4     /* key names of one limit */
#define RATION__KEYNAME_MAX 32
#define RATION__RULES_VERSION 1

enum ration__limit_kind {
	RATION__LIMIT_BUCKET = 1, /* rate + burst */
	RATION__LIMIT_WINDOW,	  /* max in any window; STEADY clock */
	RATION__LIMIT_QUOTA,	  /* the same, durable; WALL clock */
};

struct ration__limit {
	char name[RATION__NAME_MAX];
	char unit[RATION__KEYNAME_MAX];			/* "": number of calls */
	char per[RATION__PER_MAX][RATION__KEYNAME_MAX]; /* key names; "" ends */
	uint32_t kind;
	uint32_t reserved;
	double estimate; /* cost of a call that does not say; 1 for calls */
	union {
		struct ration__bucket_conf bucket;
		struct ration__window_conf window;
	};
	int64_t durable_ns; /* quota: flush interval; 0: every unit (`sync`) */
};

#define RATION__ON_FAILURE_LOCAL 0
#define RATION__ON_FAILURE_CLOSED 1
#define RATION__ON_FAILURE_OPEN 2

struct ration__rules {
	uint32_t version; /* RATION__RULES_VERSION */
	uint32_t limit_count;
	uint64_t revision; /* 0: none; a lower one follows the store instead of replacing it */
	char service[RATION__NAME_MAX];
	struct ration__limit limits[RATION__LIMITS_MAX];
	struct ration__breaker_conf breaker;	     /* trip_after 0: none */
	struct ration__concurrency_conf concurrency; /* max 0: none */
	uint32_t wait_breaker; /* 1: an open breaker is waited for, not refused (not shared: see
				  below) */
	uint32_t wait_quota;
	uint32_t on_failure; /* RATION__ON_FAILURE_*: when the store cannot answer */
	char required_keys[RATION__PER_MAX][RATION__KEYNAME_MAX];
};
/* wait_*, on_failure and required_keys are this process's own choice: they are not compared and not
 * taken over from the store. */

#endif
