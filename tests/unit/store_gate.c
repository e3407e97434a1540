/* The gate, with real processes: killed, stopped, waiting. No assertion is about how long it took.
 */
#include <pthread.h>
#include <semaphore.h>
#include "store_kit.h"

TestSuite(gate, .init = kit_setup, .fini = kit_teardown, .timeout = 30);

Test(gate, is_taken_over_from_a_killed_owner)
{
	struct ration__store *store = kit_open();
	struct kit_peer peer = kit_spawn(kit_holder);
	int64_t number;

	kit_await(&peer);
	kit_kill(&peer);
	cr_assert_eq(kit_get(store, "held", &number), RATION_EEMPTY, "uncommitted must be gone");
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	ration__store_close(store);
}

Test(gate, is_not_taken_from_a_stopped_owner)
{
	struct ration__store *store = kit_open();
	struct kit_peer peer = kit_spawn(kit_holder);
	struct ration__txn *txn = NULL;
	int64_t number = 0;

	kit_await(&peer);
	kit_stop(&peer);
	cr_assert_eq(ration__store_begin(store, 0, &txn), RATION_EAGAIN);
	cr_assert_eq(ration__store_begin(store, RATION__NS_PER_MS, &txn), RATION_EAGAIN);
	cr_assert_eq(ration__store_begin(store, -1, &txn), RATION_ESTORE);
	cr_assert_eq(ration__store_begin(store, RATION__NS_PER_MS, &txn), RATION_ESTORE,
		"it still does not move");
	cr_assert_null(txn);
	kill(peer.pid, SIGCONT);
	kit_tell(&peer);
	kit_await(&peer);
	cr_assert_eq(kit_get(store, "held", &number), 0);
	cr_assert_eq(number, 7);
	kit_tell(&peer);
	cr_assert_eq(kit_reap(&peer), 0);
	ration__store_close(store);
}

/* A worker only ever waits 1 ms: the store's failure must show all the same. */
Test(gate, short_waits_add_up_to_the_deadline)
{
	struct ration__store *store = kit_open();
	struct kit_peer peer = kit_spawn(kit_holder);
	struct ration__txn *txn;
	int rc, calls = 0;

	kit_await(&peer);
	kit_stop(&peer);
	do {
		rc = ration__store_begin(store, RATION__NS_PER_MS, &txn);
		calls++;
	} while (rc == RATION_EAGAIN && calls < 10000);
	cr_assert_eq(rc, RATION_ESTORE);
	/* 60 ms; at most a gap of 10 ms and a slice of 1 ms is counted for one call */
	cr_assert_geq(calls, 6);
	kit_kill(&peer);
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	ration__store_close(store);
}

static struct {
	struct ration__store *store;
	sem_t has, let;
} sibling;

static void *hold_in_thread(void *arg)
{
	struct ration__txn *txn;

	if (ration__store_begin(sibling.store, -1, &txn) != 0)
		abort();
	sem_post(&sibling.has);
	sem_wait(&sibling.let);
	if (ration__store_commit(txn) != 0)
		abort();
	return NULL;
}

Test(gate, a_sibling_thread_is_alive)
{
	struct ration__txn *txn;
	pthread_t thread;

	sibling.store = kit_open();
	sem_init(&sibling.has, 0, 0);
	sem_init(&sibling.let, 0, 0);
	cr_assert_eq(pthread_create(&thread, NULL, hold_in_thread, NULL), 0);
	sem_wait(&sibling.has);
	cr_assert_eq(
		ration__store_begin(sibling.store, 12 * RATION__NS_PER_MS, &txn), RATION_EAGAIN);
	cr_assert_eq(ration__store_begin(sibling.store, -1, &txn), RATION_ESTORE);
	sem_post(&sibling.let);
	pthread_join(thread, NULL);
	cr_assert_eq(kit_put(sibling.store, "a", RATION__NEVER, 1), 0);
	ration__store_close(sibling.store);
}

static int waiter(void)
{
	struct ration__store *store = kit_child_open();
	struct ration__txn *txn;

	store->deadline_ns = 60 * RATION__NS_PER_S;
	kit_say();
	return ration__store_begin(store, -1, &txn) == 0 ? 0 : 1;
}

/* Robust mutexes gave away what was held when a waiter with an equal thread id died. */
Test(gate, a_killed_waiter_gives_nothing_away)
{
	struct ration__store *store = kit_open();
	struct kit_peer waits = kit_spawn(waiter), holds;
	struct ration__txn *txn;

	kit_await(&waits);
	cr_assert_eq(kit_reap(&waits), 0); /* nobody held it: proves that the waiter waits below */
	holds = kit_spawn(kit_holder);
	kit_await(&holds);
	/* registering needs the gate too, so this one waits before it says anything */
	waits = kit_spawn(waiter);
	while (!(atomic_load(&store->header->gate.word) & RATION__GATE_WAITERS))
		;
	kit_kill(&waits);
	cr_assert_eq(ration__store_begin(store, 20 * RATION__NS_PER_MS, &txn), RATION_EAGAIN);
	kit_tell(&holds);
	kit_await(&holds);
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	kit_tell(&holds);
	cr_assert_eq(kit_reap(&holds), 0);
	ration__store_close(store);
}

Test(gate, a_dead_predecessor_in_this_slot_is_dead)
{
	struct ration__store *store = kit_open();

	atomic_store(
		&store->header->gate.word, ration__gate_name(store->slot, store->generation - 1));
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	cr_assert_eq(atomic_load(&store->header->gate.word), 0);
	ration__store_close(store);
}

Test(gate, a_registrar_that_died_lets_go)
{
	struct ration__store *store = kit_open();

	atomic_store(&store->header->gate.word, ration__gate_name(RATION__SLOTS_MAX + 3, 12345));
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	ration__store_close(store);
}

Test(gate, waits_end_when_it_is_let_go)
{
	struct ration__store *store = kit_open();
	struct kit_peer holds = kit_spawn(kit_holder), waits;

	kit_await(&holds);
	waits = kit_spawn(waiter);
	while (!(atomic_load(&store->header->gate.word) & RATION__GATE_WAITERS))
		;
	kit_tell(&holds);
	kit_await(&waits);
	cr_assert_eq(kit_reap(&waits), 0);
	kit_kill(&holds);
	ration__store_close(store);
}

Test(gate, a_store_opens_beside_a_stopped_owner)
{
	struct kit_peer peer = kit_spawn(kit_holder);
	struct ration__store *store;
	struct ration__txn *txn;

	kit_await(&peer);
	kit_stop(&peer);
	store = kit_open();
	cr_assert_gt(kit.logged, 0);
	cr_assert_eq(ration__store_live(store), 2);
	cr_assert_eq(ration__store_rank(store), 1);
	cr_assert_eq(ration__store_begin(store, RATION__NS_PER_MS, &txn), RATION_ESTORE);
	kill(peer.pid, SIGCONT);
	kit_tell(&peer);
	kit_await(&peer);
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	cr_assert_eq(kit.reasserted, 1, "what was granted in the meantime is put on record");
	kit_tell(&peer);
	cr_assert_eq(kit_reap(&peer), 0);
	ration__store_close(store);
}

Test(gate, names_are_unique_and_reversible)
{
	for (unsigned id = 0; id < RATION__SLOTS_MAX + RATION__REGISTRARS; id++) {
		uint32_t name = ration__gate_name(id, 0xffffffff);

		cr_assert_eq(ration__gate_id(name), id);
		cr_assert_eq(name & RATION__GATE_WAITERS, 0);
		cr_assert_neq(name, 0);
		cr_assert_neq(name, ration__gate_name(id, 1));
	}
	cr_assert_neq(ration__gate_name(0, 0), 0);
}
