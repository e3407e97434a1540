/* Time and randomness, the system's unless injected. The generator is xoshiro256** (Blackman and
 * Vigna, 2018): for jitter and ids, never for secrets. */
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int64_t ration__clock_now(const struct ration__clock *clock, enum ration_clock which)
{
	struct timespec now;

	if (clock->fn)
		return clock->fn(clock->arg, which);
	/* cannot fail: both clocks are older than any kernel that runs this */
	clock_gettime(which == RATION_CLOCK_WALL ? CLOCK_REALTIME : CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * RATION__NS_PER_S + now.tv_nsec;
}

/* splitmix64: spreads a poor seed over the whole state. */
static uint64_t spread(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Early at boot getrandom would block; then two processes still differ by id, time and address. */
static void seed_poorly(struct ration__random *random)
{
	const struct ration__clock system = {0};
	uint64_t seed = (uint64_t)ration__clock_now(&system, RATION_CLOCK_WALL) ^
			(uint64_t)ration__clock_now(&system, RATION_CLOCK_STEADY) << 20 ^
			(uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)random;

	for (int i = 0; i < 4; i++)
		random->state[i] = spread(&seed);
}

void ration__random_init(struct ration__random *random, ration_random_fn fn, void *arg)
{
	ssize_t got;

	memset(random, 0, sizeof(*random));
	random->fn = fn;
	random->arg = arg;
	if (fn)
		return;
	do
		got = getrandom(random->state, sizeof(random->state), GRND_NONBLOCK);
	while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(random->state))
		seed_poorly(random);
	/* the one state that the generator never leaves */
	if (!(random->state[0] | random->state[1] | random->state[2] | random->state[3]))
		random->state[0] = 1;
}

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

uint64_t ration__random_next(struct ration__random *random)
{
	uint64_t *s = random->state;
	uint64_t result, shifted;

	if (random->fn)
		return random->fn(random->arg);
	result = rotate(s[1] * 5, 7) * 9;
	shifted = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate(s[3], 45);
	return result;
}

double ration__random_unit(struct ration__random *random)
{
	return (double)(ration__random_next(random) >> 11) * 0x1p-53;
}
