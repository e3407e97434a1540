/*
 * Retry budget, shared by the fleet, as AWS's standard retry mode: a bucket of tokens that retries
 * pay from and successes fill. There is no refill by time: when a server is down, retries end after
 * `capacity` tokens, whatever the number of processes.
 *
 * Tokens are taken when the retry is *decided*, so retries that wait in backoff count.
 * All zero: full.
 */
#ifndef POLICY_BUDGET_H
#define POLICY_BUDGET_H

#include <assert.h>
#include <stdbool.h>
#include "policy/verdict.h"

struct ration__budget_conf {
	uint32_t capacity;	/* tokens, <= INT32_MAX; 0: no budget, retries are free */
	uint32_t retry_cost;	/* 14 */
	uint32_t throttle_cost; /* of a retry after a throttle: 5 */
	uint32_t success_gain;	/* of a success at the first try: 1 */
};

struct ration__budget {
	int64_t rest_at_ns; /* full: 1; else last use + RATION__BUDGET_REST_NS */
	uint32_t used;	    /* tokens that are missing */
	uint32_t reserved;
	uint64_t refused; /* retries, since the record came to be */
};
static_assert(sizeof(struct ration__budget) == 24, "stored byte for byte: no padding");
#define RATION__BUDGET_REST_NS INT64_C(3600000000000)

/* Takes the retry's tokens. Returns what it cost (>= 0; to be given back at a success), or -1: not
 * enough is left, no retry. */
int ration__budget_take(const struct ration__budget_conf *conf, struct ration__budget *state,
	int64_t now_ns, bool throttled);
/* A success: gives back what the call's last retry cost; 0: it was the first try, which gains
 * success_gain. Never above full. */
void ration__budget_success(const struct ration__budget_conf *conf, struct ration__budget *state,
	int64_t now_ns, int last_cost);
uint32_t ration__budget_remaining(
	const struct ration__budget_conf *conf, const struct ration__budget *state);

#endif
