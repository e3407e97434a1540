/*
 * What a policy answers. Policies are pure functions over (configuration, state, now, cost or
 * outcome): no memory, no clock, no store. Times are int64_t nanoseconds of one clock of the
 * caller's choice. A state that is all zero is the state of a record that was never used, and a
 * record at rest may be forgotten: it would answer as the zero state does.
 */
#ifndef POLICY_VERDICT_H
#define POLICY_VERDICT_H

#include <stdint.h>

enum ration__answer {
	RATION__YES,
	RATION__WAIT,	    /* not now; at_ns is the earliest time when it can be yes */
	RATION__NO,	    /* refused until at_ns (open breaker, spent quota) */
	RATION__IMPOSSIBLE, /* never, whatever one waits: the cost is above the limit */
};

struct ration__verdict {
	enum ration__answer answer;
	int64_t at_ns; /* RATION__NEVER: not known */
};

/* What became of an attempt; same values as the public enum ration_outcome. */
enum ration__outcome {
	RATION__SUCCESS,
	RATION__FAILURE,
	RATION__THROTTLED,
	RATION__IGNORED,
};

#endif
