/* Slots, generations, burying, fencing, fork. */
#include <poll.h>
#include "store_kit.h"

TestSuite(members, .init = kit_setup, .fini = kit_teardown, .timeout = 30);
TestSuite(store_fork, .init = kit_setup, .fini = kit_teardown, .timeout = 30);

Test(members, are_listed_counted_and_ranked)
{
	struct ration__store *store = kit_open();
	struct kit_peer a = kit_spawn(kit_member), b;
	struct ration__member list[8];

	kit_await(&a);
	b = kit_spawn(kit_member);
	kit_await(&b);
	cr_assert_eq(ration__store_members(store, list, 8), 3);
	cr_assert_eq(ration__store_members(store, list, 1), 3);
	cr_assert_eq(ration__store_live(store), 3);
	cr_assert_eq(ration__store_rank(store), 0);
	cr_assert_eq(list[1].pid, a.pid);
	cr_assert(list[0].alive && list[1].alive && list[2].alive);
	cr_assert_gt(strlen(list[1].name), 0);
	kit_kill(&a);
	cr_assert_eq(ration__store_members(store, list, 8), 3, "dead, not yet buried");
	cr_assert_not(list[1].alive);
	cr_assert_eq(ration__store_live(store), 2);
	kit_tell(&b);
	cr_assert_eq(kit_reap(&b), 0);
	cr_assert_eq(ration__store_members(store, list, 8), 2, "who closes leaves nothing");
	ration__store_close(store);
}

Test(members, that_died_are_buried_before_a_newcomer_begins)
{
	struct kit_peer a = kit_spawn(kit_member), b;
	struct ration__store *store;
	struct ration__member list[8];

	kit_await(&a);
	b = kit_spawn(kit_member);
	kit_await(&b);
	kit_kill(&a);
	kit_kill(&b);
	cr_assert_eq(kit.buried, 0);
	store = kit_open();
	cr_assert_eq(kit.buried, 2);
	cr_assert_eq(ration__store_members(store, list, 8), 1);
	cr_assert_eq(kit.buried_slot, 1);
	cr_assert_eq(kit.buried_generation, 1);
	/* raised by burial, and again by taking */
	cr_assert_eq(ration__store_slot(store), 0);
	cr_assert_eq(ration__store_generation(store), 3);
	ration__store_close(store);
	cr_assert_eq(kit.buried, 3, "the last burial is its own");
	cr_assert_eq(kit.buried_slot, 0);
	cr_assert_eq(kit.buried_generation, 3);
}

static int failing_bury(void *arg, struct ration__txn *txn, uint16_t slot, uint32_t generation)
{
	kit.buried++;
	return *(int *)arg;
}

Test(members, are_buried_again_when_the_burial_failed)
{
	struct ration__store_options options = kit_options();
	struct ration__store *store = NULL;
	struct kit_peer peer = kit_spawn(kit_member);
	int answer = RATION_EBUSY;

	options.hooks.bury = failing_bury;
	options.hooks.arg = &answer;
	kit_await(&peer);
	kit_kill(&peer);
	cr_assert_eq(ration__store_open(&options, &store, NULL), RATION_EBUSY);
	cr_assert_null(store);
	answer = 0;
	cr_assert_eq(ration__store_open(&options, &store, NULL), 0);
	cr_assert_eq(kit.buried, 2);
	ration__store_close(store);
}

Test(members, are_buried_in_a_transaction_when_asked)
{
	struct ration__store *store = kit_open();
	struct kit_peer peer = kit_spawn(kit_member);
	struct ration__txn *txn;
	uint32_t generation;

	kit_await(&peer);
	generation = store->header->slots[1].generation;
	txn = kit_begin(store);
	cr_assert_not(ration__txn_bury_if_dead(txn, 0), "this one");
	cr_assert_not(ration__txn_bury_if_dead(txn, 1), "alive");
	ration__store_abort(txn);
	kit_kill(&peer);
	txn = kit_begin(store);
	cr_assert(ration__txn_bury_if_dead(txn, 1));
	cr_assert(ration__txn_bury_if_dead(txn, 1));
	cr_assert_eq(kit.buried, 1);
	ration__store_abort(txn);
	cr_assert_eq(
		store->header->slots[1].generation, generation, "what is aborted did not happen");
	txn = kit_begin(store);
	cr_assert(ration__txn_bury_if_dead(txn, 1));
	cr_assert_eq(ration__store_commit(txn), 0);
	cr_assert_eq(kit.buried, 2);
	cr_assert_eq(kit.buried_generation, generation);
	cr_assert_eq(store->header->slots[1].generation, generation + 1);
	cr_assert_eq(ration__store_live(store), 1);
	ration__store_close(store);
}

Test(members, that_are_fenced_register_anew_and_reassert)
{
	struct ration__store *store = kit_open();
	uint32_t generation = ration__store_generation(store);
	struct ration__txn *txn;

	/* what a burial leaves, with the lock lost as when somebody closes all descriptors */
	close(store->members_fd);
	store->header->slots[0].generation++;
	store->header->slots[0].used = 0;
	txn = kit_begin(store);
	cr_assert_eq(kit.reasserted, 1);
	cr_assert_neq(txn->generation, generation);
	cr_assert_eq(txn->generation, ration__store_generation(store));
	cr_assert_eq(ration__store_commit(txn), 0);
	txn = kit_begin(store);
	cr_assert_eq(kit.reasserted, 1, "once");
	ration__store_abort(txn);
	ration__store_wake(store, ration__store_slot(store));
	cr_assert_eq(poll(&(struct pollfd){ration__store_wake_fd(store), POLLIN, 0}, 1, 1000), 1);
	cr_assert_eq(kit.logged, 0);
	ration__store_close(store);
}

Test(members, that_are_fenced_inside_do_not_commit)
{
	struct ration__store *store = kit_open();
	struct kit_value value = {RATION__NEVER, 1};
	struct ration__txn *txn = kit_begin(store);
	int64_t number;

	cr_assert_eq(ration__txn_put(txn, "a", 1, 1, &value, sizeof(value)), 0);
	atomic_store(&store->header->gate.word, ration__gate_name(99, 1)); /* taken over */
	cr_assert_eq(ration__store_commit(txn), RATION_ESTORE);
	cr_assert_eq(ration__gate_id(store->header->gate.word), 99, "not ours to let go");
	cr_assert_eq(kit_get(store, "a", &number), RATION_EEMPTY);
	ration__store_close(store);
}

Test(members, slot_words_begin_at_zero)
{
	struct ration__store *store = kit_open();

	*ration__slot_word(store, 0) = 42;
	*ration__store_word(store, 3) = 43;
	ration__store_close(store);
	store = kit_open();
	cr_assert_eq(*ration__slot_word(store, 0), 0);
	cr_assert_eq(*ration__store_word(store, 3), 43);
	ration__store_close(store);
}

static int locks_every_slot(void)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = RATION__SLOTS_MAX};
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/members", kit_path);
	fd = open(path, O_RDWR);
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) != 0)
		return 1;
	kit_say();
	kit_listen();
	return 0;
}

Test(members, may_be_too_many)
{
	struct ration__store_options options = kit_options();
	struct ration__store *store = NULL;
	ration_error *err = NULL;
	struct kit_peer peer;

	ration__store_close(kit_open());
	peer = kit_spawn(locks_every_slot);
	kit_await(&peer);
	cr_assert_eq(ration__store_open(&options, &store, &err), RATION_EMEMBERS);
	cr_assert(strstr(ration_error_text(err), "1024"));
	ration_error_free(err);
	kit_tell(&peer);
	cr_assert_eq(kit_reap(&peer), 0);
	ration__store_close(kit_open());
}

static struct ration__store *inherited;
static struct ration__txn *inherited_txn;

static int uses_after_fork(void)
{
	struct ration__store *own;
	struct ration__txn *txn;
	char buffer[8];
	size_t length;

	if (ration__store_begin(inherited, -1, &txn) != RATION_EFORK)
		return 1;
	if (ration__ledger_get(inherited, "a", 1, buffer, 8, &length) != RATION_EFORK)
		return 2;
	if (ration__store_live(inherited) != 1 || ration__store_members(inherited, NULL, 0) != 0)
		return 3;
	ration__store_wake(inherited, 0);
	*ration__store_word(inherited, 0) = 99; /* goes nowhere */
	if (ration__store_commit(inherited_txn) != RATION_EFORK)
		return 5;
	ration__store_abort(inherited_txn);
	ration__store_close(inherited);
	own = kit_child_open();
	if (ration__store_begin(own, -1, &txn) != 0 || ration__store_commit(txn) != 0)
		return 4;
	ration__store_close(own);
	return 0;
}

static int add_nothing(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	*length = 0;
	return 0;
}

Test(store_fork, makes_a_child_open_for_itself)
{
	struct kit_peer peer;
	int64_t number;

	inherited = kit_open();
	cr_assert_eq(kit_put(inherited, "a", RATION__NEVER, 1), 0);
	cr_assert_eq(ration__ledger_update(inherited, "a", 1, add_nothing, NULL), 0);
	inherited_txn = kit_begin(inherited);
	peer = kit_spawn(uses_after_fork);
	cr_assert_eq(ration__store_commit(inherited_txn), 0);
	cr_assert_eq(kit_reap(&peer), 0);
	cr_assert_eq(*ration__store_word(inherited, 0), 0);
	cr_assert_eq(kit_get(inherited, "a", &number), 0, "the parent goes on");
	cr_assert_eq(ration__store_live(inherited), 1);
	ration__store_close(inherited);
}

static int forks_and_waits(void)
{
	struct ration__store *store = kit_child_open();
	pid_t child = fork();

	if (child == 0) {
		kit_say(); /* the handlers have run */
		kit_listen();
		_exit(0);
	}
	pause();
	return store ? 1 : 2;
}

/* OFD locks are inherited: a child would keep its dead parent alive. */
Test(store_fork, does_not_keep_a_dead_parent_alive)
{
	struct ration__store *store = kit_open();
	struct kit_peer peer = kit_spawn(forks_and_waits);

	kit_await(&peer);
	cr_assert_eq(ration__store_live(store), 2);
	kill(peer.pid, SIGKILL);
	cr_assert_eq(waitpid(peer.pid, NULL, 0), peer.pid);
	cr_assert_eq(ration__store_live(store), 1);
	kit_tell(&peer); /* its child, which lives */
	close(peer.to);
	close(peer.from);
	ration__store_close(store);
}

Test(members, open_one_store_once_per_process)
{
	struct ration__store_options options = kit_options();
	struct ration__store *store = kit_open(), *again = NULL;
	ration_error *err = NULL;

	cr_assert_eq(ration__store_open(&options, &again, &err), RATION_EBUSY);
	cr_assert_null(again);
	cr_assert(strstr(ration_error_text(err), "already"));
	ration_error_free(err);
	ration__store_close(store);
	ration__store_close(NULL);
}
