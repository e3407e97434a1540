/* The slow side of the gate: spinning, waiting, take-over. Invariants and picture: gate.h. */
#include "store/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"

/* A hold is below a microsecond, so a short spin usually spares two system calls. */
#define SPINS 40
#define SLICE_NS (5 * RATION__NS_PER_MS)
/* Between two calls a process was about its own work or not scheduled (stopped, suspended, out of
 * CPU): it cannot tell, so that no more than this counts as having seen the gate stand still. */
#define GAP_MAX_NS (10 * RATION__NS_PER_MS)

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Real time, also when decisions run on an injected clock: a futex waits in real time. */
static int64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * RATION__NS_PER_S + ts.tv_nsec;
}

bool ration__byte_locked(int members_fd, unsigned id)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)id, .l_len = 1};

	/* an error counts as locked: nobody is declared dead because a question failed */
	return fcntl(members_fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

static bool owner_is_dead(uint32_t word, uint32_t name, int members_fd)
{
	uint32_t owner = word & ~RATION__GATE_WAITERS;

	if (owner == name)
		return false; /* another thread of this process */
	if (ration__gate_id(owner) == ration__gate_id(name))
		return true; /* this slot's lock is ours, so its former member is gone */
	return !ration__byte_locked(members_fd, ration__gate_id(owner));
}

/* Returns for how long the gate has not moved as far as this process could see. */
static int64_t look(struct ration__stall *stall, uint64_t turns, int64_t now, int64_t cap)
{
	int64_t before, stood;

	before = atomic_exchange_explicit(&stall->looked_ns, now, memory_order_relaxed);
	if (atomic_exchange_explicit(&stall->turns, turns, memory_order_relaxed) != turns) {
		atomic_store_explicit(&stall->stood_ns, 0, memory_order_relaxed);
		return 0;
	}
	stood = ration__max64(0, ration__min64(now - before, cap));
	return atomic_fetch_add_explicit(&stall->stood_ns, stood, memory_order_relaxed) + stood;
}

static void had(struct ration__gate *gate)
{
	atomic_store_explicit(&gate->turns,
		atomic_load_explicit(&gate->turns, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* true: slept for the whole slice; false: woken, or the word was another already. */
static bool sleep_on(struct ration__gate *gate, uint32_t word, int64_t slice_ns)
{
	struct timespec slice = {.tv_sec = 0, .tv_nsec = (long)slice_ns};

	return syscall(SYS_futex, &gate->word, FUTEX_WAIT, word, &slice, NULL, 0) != 0 &&
	       errno == ETIMEDOUT;
}

int ration__gate_wait(struct ration__gate *gate, const struct ration__gate_self *self,
	int64_t wait_ns, bool *inherited)
{
	int64_t start, now, slice, stood;
	uint32_t word, name;
	bool whole = false;

	for (int i = 0; i < SPINS; i++) {
		name = atomic_load_explicit(self->name, memory_order_relaxed);
		if (atomic_load_explicit(&gate->word, memory_order_relaxed) == 0 &&
			ration__gate_try(gate, name))
			return 0;
		relax();
	}
	now = start = monotonic_ns();
	slice = GAP_MAX_NS;
	for (;;) {
		stood = look(self->stall, atomic_load_explicit(&gate->turns, memory_order_relaxed),
			now, slice);
		name = atomic_load_explicit(self->name, memory_order_relaxed);
		word = atomic_load_explicit(&gate->word, memory_order_relaxed);
		if (word == 0) {
			/* With the waiters bit: others may sleep, and only the word remembers it.
			 * acquire: pairs with the release in ration__gate_release */
			if (atomic_compare_exchange_strong_explicit(&gate->word, &word,
				    name | RATION__GATE_WAITERS, memory_order_acquire,
				    memory_order_relaxed)) {
				had(gate);
				return 0;
			}
			continue;
		}
		slice = SLICE_NS;
		if (wait_ns >= 0)
			slice = ration__min64(slice, start + wait_ns - now);
		if (whole || slice <= 0 || stood >= self->deadline_ns) {
			/* The kernel is asked once a slice at most. What the dead one wrote was
			 * seen by the kernel before it dropped the lock, so acquire suffices. */
			if (owner_is_dead(word, name, self->members_fd)) {
				if (!atomic_compare_exchange_strong_explicit(&gate->word, &word,
					    name | RATION__GATE_WAITERS, memory_order_acquire,
					    memory_order_relaxed))
					continue;
				had(gate);
				*inherited = true;
				return 0;
			}
			if (stood >= self->deadline_ns)
				return RATION_ESTORE;
			if (slice <= 0)
				return RATION_EAGAIN;
		}
		if (!(word & RATION__GATE_WAITERS)) {
			if (!atomic_compare_exchange_strong_explicit(&gate->word, &word,
				    word | RATION__GATE_WAITERS, memory_order_relaxed,
				    memory_order_relaxed))
				continue;
			word |= RATION__GATE_WAITERS;
		}
		whole = sleep_on(gate, word, slice);
		now = monotonic_ns();
	}
}

void ration__gate_release(struct ration__gate *gate)
{
	/* release: pairs with each acquire above and in ration__gate_try */
	if (atomic_exchange_explicit(&gate->word, 0, memory_order_release) & RATION__GATE_WAITERS)
		syscall(SYS_futex, &gate->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void ration__gate_rename(struct ration__gate *gate, uint32_t name)
{
	uint32_t word = atomic_load_explicit(&gate->word, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(&gate->word, &word,
		name | (word & RATION__GATE_WAITERS), memory_order_acq_rel, memory_order_relaxed))
		;
}
