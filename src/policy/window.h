/*
 * At most max in any window: a ring of equal parts and the newest part's number. The sum runs over
 * parts + 1, that is, the oldest part counts in full until the whole of it is out of the window.
 * Never admits too much, and returns a unit at most window / parts late. (Two counters, weighted,
 * are no bound: 1,999 of 1,000 were admitted in one window in a simulation.)
 *
 * Amounts are integers of a millionth of a unit, so sums are exact.
 */
#ifndef POLICY_WINDOW_H
#define POLICY_WINDOW_H

#include <assert.h>
#include "policy/verdict.h"

#define RATION__WINDOW_PARTS 64
#define RATION__MICRO 1000000.0 /* amounts per unit */

struct ration__window_conf {
	int64_t max;	   /* amount, >= 0 */
	int64_t window_ns; /* > 0, a multiple of nothing; part = ceil(window / parts) */
};

struct ration__window {
	int64_t rest_at_ns;
	int64_t part_ns; /* part length it was counted with; another window is counted over into it
			  */
	int64_t head;	 /* number of the newest part: time / part length */
	int64_t used[RATION__WINDOW_PARTS + 1]; /* by part number modulo parts + 1 */
};
static_assert(sizeof(struct ration__window) == 24 + 8 * (RATION__WINDOW_PARTS + 1),
	"stored byte for byte: no padding");

/* Cost of 1.5 units as an amount. Rounds up beyond the number's own precision: a cost never costs
 * less than it says, and a hundred of 4.03 fit into 403. */
int64_t ration__window_amount(double cost);
/* Yes, impossible, or NO until the amount fits, when nothing else is taken. Time before the head's
 * part is clamped to it: a clock that steps back forgets nothing. */
struct ration__verdict ration__window_ask(const struct ration__window_conf *conf,
	const struct ration__window *state, int64_t now_ns, int64_t amount);
void ration__window_take(const struct ration__window_conf *conf, struct ration__window *state,
	int64_t now_ns, int64_t amount);
/* amount was taken at taken_ns; nothing is given back for a part that has left the window. Serves
 * refund and settlement (a negative amount takes more). */
void ration__window_refund(const struct ration__window_conf *conf, struct ration__window *state,
	int64_t now_ns, int64_t amount, int64_t taken_ns);
int64_t ration__window_remaining(
	const struct ration__window_conf *conf, const struct ration__window *state, int64_t now_ns);
/* When the next used unit returns; now when nothing is used. */
int64_t ration__window_frees_at(
	const struct ration__window_conf *conf, const struct ration__window *state, int64_t now_ns);
/* The number of the part of a time, and the amount used in it (parts of the length that the state
 * was counted with); for what is reserved ahead. */
int64_t ration__window_part(const struct ration__window_conf *conf, int64_t now_ns);
int64_t ration__window_used_in(const struct ration__window *state, int64_t part);

#endif
