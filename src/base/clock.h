/* Clock and random source, both injected: nothing else in the library asks the system for time or
 * randomness where a decision depends on it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <ration/config.h>

#define RATION__NS_PER_MS INT64_C(1000000)
#define RATION__NS_PER_S INT64_C(1000000000)
/* "Never"; far enough that adding a century to any clock does not overflow. */
#define RATION__NEVER (INT64_MAX / 2)

struct ration__clock {
	ration_clock_fn fn; /* NULL: the system's */
	void *arg;
};

/* Nanoseconds. STEADY is CLOCK_BOOTTIME, WALL is CLOCK_REALTIME, unless injected. */
int64_t ration__clock_now(const struct ration__clock *clock, enum ration_clock which);
static inline bool ration__clock_injected(const struct ration__clock *clock)
{
	return clock->fn != 0;
}

struct ration__random {
	ration_random_fn fn; /* NULL: own generator (xoshiro256**), seeded by getrandom */
	void *arg;
	uint64_t state[4];
};

/* Not thread safe: one per thread. */
void ration__random_init(struct ration__random *random, ration_random_fn fn, void *arg);
uint64_t ration__random_next(struct ration__random *random);
/* [0, 1) */
double ration__random_unit(struct ration__random *random);

#endif
