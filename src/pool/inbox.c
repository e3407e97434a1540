/* The inbox and its sleepers. See inbox.h for the orders. */
#include "pool/inbox.h"

void ration__inbox_init(struct ration__inbox *inbox, unsigned workers)
{
	atomic_init(&inbox->top, NULL);
	atomic_init(&inbox->sleeping, 0);
	inbox->workers = workers >= 64 ? UINT64_MAX : (UINT64_C(1) << workers) - 1;
}

void ration__inbox_push(struct ration__inbox *inbox, struct ration__job *job)
{
	struct ration__job *top = atomic_load_explicit(&inbox->top, memory_order_relaxed);

	do
		job->next = top;
	while (!atomic_compare_exchange_weak_explicit(
		&inbox->top, &top, job, memory_order_seq_cst, memory_order_relaxed));
}

struct ration__job *ration__inbox_take(struct ration__inbox *inbox)
{
	struct ration__job *job, *first = NULL;

	/* the usual case costs no locked access */
	if (!atomic_load_explicit(&inbox->top, memory_order_relaxed))
		return NULL;
	/* pairs with the exchange of every push in the chain: they form one release sequence */
	job = atomic_exchange_explicit(&inbox->top, NULL, memory_order_acquire);
	while (job) {
		struct ration__job *next = job->next;

		job->next = first;
		first = job;
		job = next;
	}
	return first;
}

bool ration__inbox_empty(const struct ration__inbox *inbox)
{
	return !atomic_load_explicit(&inbox->top, memory_order_seq_cst);
}

void ration__inbox_sleep(struct ration__inbox *inbox, unsigned worker)
{
	atomic_fetch_or_explicit(&inbox->sleeping, UINT64_C(1) << worker, memory_order_seq_cst);
}

void ration__inbox_awake(struct ration__inbox *inbox, unsigned worker)
{
	atomic_fetch_and_explicit(&inbox->sleeping, ~(UINT64_C(1) << worker), memory_order_seq_cst);
}

bool ration__inbox_claim(struct ration__inbox *inbox, unsigned worker)
{
	uint64_t bit = UINT64_C(1) << worker;

	if (!(atomic_load_explicit(&inbox->sleeping, memory_order_seq_cst) & bit))
		return false;
	return atomic_fetch_and_explicit(&inbox->sleeping, ~bit, memory_order_seq_cst) & bit;
}

int ration__inbox_claim_if_idle(struct ration__inbox *inbox)
{
	uint64_t sleeping = atomic_load_explicit(&inbox->sleeping, memory_order_seq_cst);

	while (sleeping == inbox->workers) {
		unsigned worker = (unsigned)__builtin_ctzll(sleeping);

		/* strong: a failure means that somebody else claimed or a worker woke */
		if (atomic_compare_exchange_strong_explicit(&inbox->sleeping, &sleeping,
			    sleeping & ~(UINT64_C(1) << worker), memory_order_seq_cst,
			    memory_order_seq_cst))
			return (int)worker;
	}
	return -1;
}
