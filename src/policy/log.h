/*
 * Exact window: a log of what was taken and when. For limits of up to RATION__LOG_MAX units; above,
 * the ring (window.h), which is of constant size and returns a unit up to window / 64 late.
 *
 * "At most max in any window": what was taken at t counts until t + window, exclusively: at
 * t + window itself it is gone. Entries are in order of time. What is taken while the clock stands
 * before the newest entry is given that one's time (a clock that steps back forgets nothing).
 *
 * When the log is full, which takes costs below one unit, two neighbours become one, at the later
 * one's time: never too much, and what is in an entry was taken after the entry before it, so that
 * the two are chosen which keep that shortest: it returns at most a 500th of the window late.
 */
#ifndef POLICY_LOG_H
#define POLICY_LOG_H

#include <assert.h>
#include <stddef.h>
#include "policy/window.h"

#define RATION__LOG_MAX 1000 /* units: limits up to this are exact */
#define RATION__LOG_ENTRIES 1024

struct ration__log_entry {
	int64_t t_ns;
	int64_t amount; /* > 0 */
};

/* Variable size: entries[count] follow. All zero: nothing taken. */
struct ration__log {
	uint32_t count;
	uint32_t seeded; /* 1: continues what a ring knew */
	int64_t sum;	 /* of all entries */
	struct ration__log_entry entries[];
};
static_assert(sizeof(struct ration__log) == 16, "stored byte for byte: no padding");

#define RATION__LOG_SIZE(count) \
	(sizeof(struct ration__log) + (size_t)(count) * sizeof(struct ration__log_entry))
/* Room that every state passed in here must have, but for those that are const. */
#define RATION__LOG_SIZE_MAX RATION__LOG_SIZE(RATION__LOG_ENTRIES)

/* Is this limit to be counted exactly? */
static inline int ration__log_suits(const struct ration__window_conf *conf)
{
	return conf->max <= (int64_t)(RATION__LOG_MAX * RATION__MICRO);
}

/* From a ring that was counted with: each part's amount at a time at which it returns when the ring
 * would have returned it. A ring of parts of another length (the window was changed) counts at the
 * latest time at which it can have been taken. */
void ration__log_seed(const struct ration__window_conf *conf, struct ration__log *state,
	const struct ration__window *ring, int64_t now_ns);
/* Could these bytes be a log: lengths, order and sum. size is what there is of it. */
int ration__log_valid(const struct ration__log *state, size_t size);
/* As ration__window_*; none of them allows more than was taken. A refund is looked for from
 * taken_ns on, since entries only move to later times. */
struct ration__verdict ration__log_ask(const struct ration__window_conf *conf,
	const struct ration__log *state, int64_t now_ns, int64_t amount);
void ration__log_take(const struct ration__window_conf *conf, struct ration__log *state,
	int64_t now_ns, int64_t amount);
void ration__log_refund(const struct ration__window_conf *conf, struct ration__log *state,
	int64_t now_ns, int64_t amount, int64_t taken_ns);
int64_t ration__log_remaining(
	const struct ration__window_conf *conf, const struct ration__log *state, int64_t now_ns);
int64_t ration__log_frees_at(
	const struct ration__window_conf *conf, const struct ration__log *state, int64_t now_ns);

#endif
