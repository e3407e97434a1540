/* Threads of one member on everything that threads may share, for ThreadSanitizer: transactions,
 * wipes, ledger, wake-ups, lists. Argument: rounds per thread (2000). */
#include <pthread.h>
#include <poll.h>
#include "store_kit.h"

static struct ration__store *store;
static int rounds;
static _Atomic unsigned failures;

static int add_one(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	int64_t number = 0;

	if (old)
		memcpy(&number, old, sizeof(number));
	number++;
	memcpy(value, &number, sizeof(number));
	*length = sizeof(number);
	return 0;
}

static void *move(void *arg)
{
	uint64_t id = (uint64_t)(uintptr_t)arg, random = id * 0x9e3779b97f4a7c15u;

	for (int i = 0; i < rounds; i++)
		if (move_some(store, id, &random) != 0)
			atomic_fetch_add(&failures, 1);
	return NULL;
}

static void *look(void *arg)
{
	struct ration__member members[4];

	for (int i = 0; i < rounds / 20; i++) {
		if (ration__store_live(store) != 1 || ration__store_members(store, members, 4) != 1)
			atomic_fetch_add(&failures, 1);
		atomic_fetch_add(ration__store_word(store, 0), 1);
		ration__store_wake(store, 0);
		ration__store_wake_drain(store);
		(void)ration__store_commits(store);
	}
	return NULL;
}

static void *keep(void *arg)
{
	for (int i = 0; i < rounds / 100; i++)
		if (ration__ledger_update(store, "n", 1, add_one, NULL) != 0)
			atomic_fetch_add(&failures, 1);
	return NULL;
}

int main(int argc, char **argv)
{
	void *(*const bodies[])(void *) = {move, move, move, look, keep, keep};
	pthread_t threads[RATION__COUNT(bodies)];
	int64_t number = 0;
	size_t length;
	int bad;

	rounds = argc > 1 ? atoi(argv[1]) : 2000;
	make_dir();
	store = open_store(PATIENCE);
	if (!store)
		return 2;
	fill(store);
	for (size_t i = 0; i < RATION__COUNT(bodies); i++)
		if (pthread_create(&threads[i], NULL, bodies[i], (void *)(uintptr_t)(i + 1)) != 0)
			return 2;
	for (size_t i = 0; i < RATION__COUNT(bodies); i++)
		pthread_join(threads[i], NULL);
	bad = judge(store) || failures || board->intruders;
	bad |= ration__ledger_get(store, "n", 1, &number, sizeof(number), &length) != 0 ||
	       number != 2 * (rounds / 100);
	printf("%u failures, %u intruders, ledger %lld\n", failures, board->intruders,
		(long long)number);
	ration__store_close(store);
	remove_dir();
	return bad;
}
