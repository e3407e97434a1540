/* Repeatable random numbers for the policies' tests. */
#ifndef TESTS_POLICY_DICE_H
#define TESTS_POLICY_DICE_H

#include <stdint.h>
#include "base/clock.h"

#define MS RATION__NS_PER_MS
#define SEC RATION__NS_PER_S

static inline struct ration__random dice_new(uint64_t seed)
{
	struct ration__random dice = {.state = {seed + 1, 2, 3, 4}};

	for (int i = 0; i < 16; i++)
		ration__random_next(&dice);
	return dice;
}

/* 0 .. sides - 1 */
static inline int64_t roll_dice(struct ration__random *dice, int64_t sides)
{
	return (int64_t)(ration__random_next(dice) % (uint64_t)sides);
}

#endif
