/*
 * The gate: a futex word in shared memory that is timed and knows who holds it.
 *
 *     31        30            11 10          0
 *     waiters   generation (20)  slot + 1 (11)      0: free
 *
 *                 compare-and-swap               exchange 0, wake one if waiters
 *        free ───────────────────────► held ──────────────────────────────────► free
 *                                       │
 *                                       └─ a waiter, after a slice, finds the owner's slot lock
 *                                          gone: compare-and-swap to its own name (take-over)
 *
 * Whether an owner lives is asked of the kernel (its byte in `members`), never of a pid or thread
 * id: those mean nothing across PID namespaces. All threads of a process share one name, so the
 * word excludes them from each other too; a thread must not enter twice.
 *
 * Invariants: the word changes from one owner to another only by compare-and-swap against the very
 * owner whose death was seen; generations make a name unique, so the same word cannot come back.
 * `turns` is raised by each new owner: that it stands still is what "the store does not move"
 * means.
 *
 * Not here: what is done inside, and what taking over from a dead owner obliges to.
 */
#ifndef STORE_GATE_H
#define STORE_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RATION__GATE_WAITERS UINT32_C(0x80000000)
/* Ids above the slots: members that do not have a slot yet, see members.c. */
#define RATION__REGISTRARS 16

struct ration__gate {
	_Atomic uint32_t word;
	uint32_t reserved;
	_Atomic uint64_t turns;
};

static inline uint32_t ration__gate_name(unsigned id, uint32_t generation)
{
	return (generation & 0xfffffu) << 11 | (id + 1);
}
static inline unsigned ration__gate_id(uint32_t word)
{
	return (word & 0x7ffu) - 1;
}

/* What one process saw of a gate it could not have; shared by its threads. The fields are only
 * hints against each other, hence relaxed: an error of a slice does no harm. */
struct ration__stall {
	_Atomic uint64_t turns;
	_Atomic int64_t looked_ns; /* CLOCK_MONOTONIC */
	_Atomic int64_t stood_ns;  /* how long turns stood still while this process looked */
};

struct ration__gate_self {
	_Atomic uint32_t *name; /* may change while threads wait: registered anew */
	int members_fd;
	struct ration__stall *stall;
	int64_t deadline_ns;
};

/* The fast path: free, or not. On true the gate is had under *name. */
static inline bool ration__gate_try(struct ration__gate *gate, uint32_t name)
{
	uint32_t free_word = 0;

	/* acquire: pairs with the release in ration__gate_release */
	if (!atomic_compare_exchange_strong_explicit(
		    &gate->word, &free_word, name, memory_order_acquire, memory_order_relaxed))
		return false;
	/* only the owner writes turns, so load and store need not be one operation */
	atomic_store_explicit(&gate->turns,
		atomic_load_explicit(&gate->turns, memory_order_relaxed) + 1, memory_order_relaxed);
	return true;
}

/* Waits at most wait_ns (-1: until the gate stalls). 0; RATION_EAGAIN: not in time; RATION_ESTORE:
 * turns stood still for the deadline, counted over successive calls. *inherited is set to true when
 * the gate was taken from a dead owner, otherwise left alone. Callers use the fast path first. */
int ration__gate_wait(struct ration__gate *gate, const struct ration__gate_self *self,
	int64_t wait_ns, bool *inherited);
void ration__gate_release(struct ration__gate *gate);
/* The owner goes on under another name. */
void ration__gate_rename(struct ration__gate *gate, uint32_t name);
/* Does the owner's name (without the waiters bit) equal name? */
static inline bool ration__gate_is(const struct ration__gate *gate, uint32_t name)
{
	return (atomic_load_explicit(&((struct ration__gate *)gate)->word, memory_order_relaxed) &
		       ~RATION__GATE_WAITERS) == name;
}

/* Is the byte of slot (or registrar) id locked by another process? Asks the kernel. */
bool ration__byte_locked(int members_fd, unsigned id);

#endif
