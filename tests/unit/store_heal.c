/* What hot/ survives, and how everybody learns of it: damage, wipes, reboots, compaction, rm -rf.
 */
#include "store_kit.h"

TestSuite(heal, .init = kit_setup, .fini = kit_teardown, .timeout = 60);

static void hot_file(char *out, size_t size, uint64_t epoch)
{
	snprintf(out, size, "%s/hot/data-%llu", kit_path, (unsigned long long)epoch);
}

/* Over everything, through the file: the map shows it, as a stray write would. */
static void scribble(uint64_t epoch, off_t from, uint8_t with)
{
	char path[400];
	uint8_t junk[4096];
	struct stat st;
	int fd;

	hot_file(path, sizeof(path), epoch);
	fd = open(path, O_RDWR);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	memset(junk, with, sizeof(junk));
	for (off_t at = from; at < st.st_size; at += (off_t)sizeof(junk))
		cr_assert_eq(pwrite(fd, junk, sizeof(junk), at), (ssize_t)sizeof(junk));
	close(fd);
}

/* One byte of the payload, behind LMDB's back. */
static void flip(struct ration__store *store, const char *key)
{
	struct ration__txn *txn = kit_begin(store);
	const void *value;
	size_t length;

	cr_assert_eq(ration__txn_get(txn, key, strlen(key), 1, &value, &length), 0);
	((uint8_t *)(uintptr_t)value)[9] ^= 1;
	ration__store_abort(txn);
}

Test(heal, a_flipped_bit_is_damage_and_hot_is_made_anew)
{
	struct ration__store *store = kit_open_fake();
	struct ration__txn *txn;
	int64_t number;

	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	txn = kit_begin(store);
	cr_assert_eq(txn->wipe_ns, 0);
	ration__store_abort(txn);
	flip(store, "a");
	cr_assert_eq(kit_get(store, "a", &number), RATION_EIO);
	kit_steady += 1000;
	cr_assert_eq(kit.reasserted, 0);
	txn = kit_begin(store);
	cr_assert_eq(kit.reasserted, 1);
	cr_assert_eq(txn->wipe_ns, kit_steady);
	cr_assert_eq(ration__store_commit(txn), 0);
	cr_assert_eq(ration__store_epoch(store), 2);
	cr_assert_eq(kit.logged, 1);
	cr_assert_eq(kit_get(store, "a", &number), RATION_EEMPTY);
	ration__store_close(store);
	store = kit_open_fake();
	txn = kit_begin(store);
	cr_assert_eq(txn->wipe_ns, kit_steady, "newcomers know of it too");
	ration__store_abort(txn);
	ration__store_close(store);
}

Test(heal, damage_spoils_the_transaction_that_met_it)
{
	struct ration__store *store = kit_open_fake();
	struct kit_value value = {RATION__NEVER, 1};
	struct ration__txn *txn;
	const void *got;
	size_t length;

	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	flip(store, "a");
	txn = kit_begin(store);
	cr_assert_eq(ration__txn_put(txn, "b", 1, 1, &value, sizeof(value)), 0);
	cr_assert_eq(ration__txn_get(txn, "a", 1, 1, &got, &length), RATION_EIO);
	cr_assert_eq(ration__txn_put(txn, "c", 1, 1, &value, sizeof(value)), RATION_EIO);
	cr_assert_eq(ration__store_commit(txn), RATION_EIO);
	ration__store_close(store);
}

Test(heal, another_layout_of_a_record_is_damage)
{
	struct ration__store *store = kit_open_fake();
	struct ration__txn *txn;
	const void *got;
	size_t length;

	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	txn = kit_begin(store);
	cr_assert_eq(ration__txn_get(txn, "a", 1, 2, &got, &length), RATION_EIO);
	ration__store_abort(txn);
	ration__store_close(store);
}

Test(heal, at_most_once_a_minute)
{
	struct ration__store *store = kit_open_fake();
	struct ration__txn *txn;
	int64_t number;

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
		flip(store, "a");
		cr_assert_eq(kit_get(store, "a", &number), RATION_EIO);
	}
	kit_steady += 59 * RATION__NS_PER_S;
	cr_assert_eq(ration__store_begin(store, -1, &txn), RATION_ESTORE);
	kit_steady += 2 * RATION__NS_PER_S;
	cr_assert_eq(kit_get(store, "a", &number), RATION_EEMPTY);
	cr_assert_eq(ration__store_epoch(store), 3);
	ration__store_close(store);
}

static int sees_the_new_epoch(void)
{
	struct ration__store *store = kit_child_open();
	struct ration__txn *txn;

	kit_say();
	kit_listen();
	if (ration__store_begin(store, -1, &txn) != 0 || kit.reasserted != 1 || txn->wipe_ns == 0)
		return 1;
	if (ration__store_commit(txn) != 0 || ration__store_begin(store, -1, &txn) != 0)
		return 2;
	ration__store_abort(txn);
	if (kit.reasserted != 1)
		return 3;
	ration__store_close(store);
	return 0;
}

Test(heal, every_member_follows_the_epoch_and_reasserts)
{
	struct ration__store *store = kit_open();
	struct kit_peer peer = kit_spawn(sees_the_new_epoch);
	int64_t number;

	kit_await(&peer);
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	flip(store, "a");
	cr_assert_eq(kit_get(store, "a", &number), RATION_EIO);
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	kit_tell(&peer);
	cr_assert_eq(kit_reap(&peer), 0);
	ration__store_close(store);
}

Test(heal, a_file_of_nonsense)
{
	static const uint8_t kinds[] = {0x00, 0xff, 0x5a};

	for (size_t i = 0; i < RATION__COUNT(kinds); i++) {
		struct ration__store *store = kit_open_fake();
		int64_t number;
		uint64_t epoch;

		cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
		epoch = ration__store_epoch(store);
		ration__store_close(store);
		scribble(epoch, 0, kinds[i]);
		kit_steady += 61 * RATION__NS_PER_S;
		store = kit_open_fake();
		cr_assert_eq(kit_get(store, "a", &number), RATION_EEMPTY);
		cr_assert_eq(ration__store_epoch(store), epoch + 1);
		ration__store_close(store);
	}
}

Test(heal, a_file_that_is_gone_or_cut)
{
	struct ration__store *store = kit_open_fake();
	char path[400];
	int64_t number;

	ration__store_close(store);
	hot_file(path, sizeof(path), 1);
	cr_assert_eq(unlink(path), 0);
	store = kit_open_fake();
	cr_assert_eq(kit_get(store, "a", &number), RATION_EEMPTY);
	cr_assert_eq(ration__store_epoch(store), 2);
	ration__store_close(store);
	hot_file(path, sizeof(path), 2);
	cr_assert_eq(truncate(path, 5000), 0);
	kit_steady += 61 * RATION__NS_PER_S;
	store = kit_open_fake();
	cr_assert_eq(kit_get(store, "a", &number), RATION_EEMPTY);
	cr_assert_eq(ration__store_epoch(store), 3);
	ration__store_close(store);
}

/* A branch page of one key is what LMDB asserts not to meet. Page: number (8 bytes), pad, flags,
 * end of the list of nodes. */
static void spoil_branch_pages(uint64_t epoch)
{
	char path[400];
	uint16_t flags, one_key = 16 + 2;
	unsigned spoilt = 0;
	struct stat st;
	int fd;

	hot_file(path, sizeof(path), epoch);
	fd = open(path, O_RDWR);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	for (off_t at = 2 * 4096; at < st.st_size; at += 4096) {
		cr_assert_eq(pread(fd, &flags, sizeof(flags), at + 10), sizeof(flags));
		if (flags != 1)
			continue;
		cr_assert_eq(pwrite(fd, &one_key, sizeof(one_key), at + 12), sizeof(one_key));
		spoilt++;
	}
	close(fd);
	cr_assert_gt(spoilt, 0);
}

/* LMDB's own answer is to abort the process. */
Test(heal, a_failed_assert_inside_lmdb)
{
	struct ration__store *store = kit_open_fake();
	int64_t number;

	for (int i = 0; i < 2000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%06d", i);
		cr_assert_eq(kit_put(store, key, RATION__NEVER, i), 0);
	}
	spoil_branch_pages(1);
	cr_assert_eq(kit_get(store, "001000", &number), RATION_EIO);
	cr_assert_null(store->hot.env, "it may only be closed");
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	cr_assert_eq(ration__store_epoch(store), 2);
	ration__store_close(store);
}

Test(heal, pages_that_were_overwritten)
{
	struct ration__store *store = kit_open_fake();
	int rc = 0;

	for (int i = 0; i < 2000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%06d", i);
		cr_assert_eq(kit_put(store, key, RATION__NEVER, i), 0);
	}
	scribble(1, 2 * 4096, 0);
	for (int i = 0; i < 2000 && rc == 0; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%06d", i);
		rc = kit_put(store, key, RATION__NEVER, i + 1);
	}
	cr_assert_eq(rc, RATION_EIO);
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	cr_assert_eq(ration__store_epoch(store), 2);
	ration__store_close(store);
}

/* What a power cut leaves: everything in the files, nobody alive. */
static int loses_power(void)
{
	struct ration__store *store = kit_child_open();
	struct kit_value value = {RATION__NEVER, 1};
	struct ration__txn *txn;

	if (ration__store_begin(store, -1, &txn) != 0 ||
		ration__txn_put(txn, "a", 1, 1, &value, sizeof(value)) != 0 ||
		ration__store_commit(txn) != 0)
		return 1;
	*ration__store_word(store, 0) = 1;
	store->header->slots[7].used = 1;
	store->header->last_now_ns = RATION__NEVER;
	store->header->gate.word = ration__gate_name(7, 1);
	store->header->boot_id[0] = '?';
	return 0;
}

Test(heal, another_boot_begins_empty_and_is_no_wipe)
{
	struct kit_peer peer = kit_spawn(loses_power);
	struct ration__store *store;
	struct ration__txn *txn;
	int64_t number;

	cr_assert_eq(kit_reap(&peer), 0);
	store = kit_open();
	cr_assert_eq(kit.buried, 0, "nothing of it is left to bury");
	cr_assert_eq(ration__store_epoch(store), 2);
	cr_assert_eq(*ration__store_word(store, 0), 0);
	cr_assert_gt(ration__store_generation(store), 1);
	txn = kit_begin(store);
	cr_assert_eq(txn->wipe_ns, 0);
	cr_assert_lt(txn->now_ns, RATION__NEVER);
	ration__store_abort(txn);
	cr_assert_eq(kit_get(store, "a", &number), RATION_EEMPTY);
	ration__store_close(store);
}

Test(heal, two_kernels_are_refused)
{
	struct ration__store_options options = kit_options();
	struct kit_peer peer = kit_spawn(kit_member);
	struct ration__store *store = NULL;
	ration_error *err = NULL;
	int fd;

	kit_await(&peer);
	fd = open((snprintf(kit.log, sizeof(kit.log), "%s/gate", kit_path), kit.log), O_RDWR);
	cr_assert_eq(pwrite(fd, "?", 1, offsetof(struct ration__header, boot_id)), 1);
	close(fd);
	cr_assert_eq(ration__store_open(&options, &store, &err), RATION_EKERNEL);
	cr_assert(strstr(ration_error_text(err), "kernel"));
	ration_error_free(err);
	kit_kill(&peer);
	store = kit_open();
	ration__store_close(store);
}

Test(heal, a_hot_that_kills_its_members)
{
	struct ration__store *store = kit_open_fake();
	int64_t number;

	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	for (int i = 0; i < 20; i++) {
		atomic_store(&store->header->gate.word, ration__gate_name(5, 1)); /* died inside */
		cr_assert_eq(kit_get(store, "a", &number), 0);
		/* commits between the deaths acquit it */
		for (int j = 0; j < RATION__SUSPICION_DEATH; j++)
			cr_assert_eq(kit_put(store, "b", RATION__NEVER, 1), 0);
	}
	cr_assert_eq(ration__store_epoch(store), 1);
	for (int i = 0; i < 9; i++) {
		cr_assert_eq(kit_put(store, "b", RATION__NEVER, 1), 0, "joining commits, too");
		atomic_store(&store->header->gate.word, ration__gate_name(5, 1));
		kit_get(store, "a", &number);
	}
	cr_assert_eq(ration__store_epoch(store), 2);
	ration__store_close(store);
}

Test(heal, a_stamp_from_the_future)
{
	struct ration__store *store = kit_open();
	struct ration__txn *txn = kit_begin(store);
	int64_t now = txn->now_ns;

	ration__store_abort(txn);
	store->header->last_now_ns = now + 5 * RATION__NS_PER_S;
	txn = kit_begin(store);
	cr_assert_eq(txn->now_ns, now + 5 * RATION__NS_PER_S, "a little is followed");
	ration__store_abort(txn);
	store->header->last_now_ns = now + 86400 * RATION__NS_PER_S;
	txn = kit_begin(store);
	cr_assert_lt(txn->now_ns, now + 80000 * RATION__NS_PER_S, "a day would freeze the fleet");
	cr_assert_neq(txn->wipe_ns, 0);
	cr_assert_eq(ration__store_commit(txn), 0);
	ration__store_close(store);
}

Test(heal, compaction_keeps_the_living_and_follows_for_all)
{
	struct ration__store_options options = kit_options();
	struct ration__store *store;
	struct ration__txn *txn;
	int64_t number;
	uint64_t epoch;
	char key[16];

	options.hot_bytes = 16 << 20;
	options.clock.fn = kit_clock;
	store = kit_open_with(&options);
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "keep%d", i);
		cr_assert_eq(kit_put(store, key, RATION__NEVER, i), 0);
	}
	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "rest%d", i);
		cr_assert_eq(kit_put(store, key, kit_steady + RATION__NS_PER_S, i), 0);
	}
	epoch = ration__store_epoch(store);
	kit_steady += 2 * RATION__NS_PER_S;
	for (int i = 0; i < 6000; i++)
		cr_assert_eq(kit_put(store, "keep0", RATION__NEVER, i), 0);
	cr_assert_eq(ration__store_epoch(store), epoch + 1);
	for (int i = 1; i < 10; i++) {
		snprintf(key, sizeof(key), "keep%d", i);
		cr_assert_eq(kit_get(store, key, &number), 0);
		cr_assert_eq(number, i);
	}
	txn = kit_begin(store);
	cr_assert_eq(txn->wipe_ns, 0, "nothing was lost");
	ration__store_abort(txn);
	cr_assert_eq(kit.logged, 0);
	ration__store_close(store);
}

/* Puts until hot/ is full, and again, which makes it larger if anything does. Its size then. */
static uint64_t size_when_full(const struct ration__store_options *options)
{
	struct ration__store *store = kit_open_with(options);
	struct ration__txn *txn;
	uint64_t size;
	char key[16];
	int rc = 0;

	for (int i = 0; rc == 0 && i < 100000; i++) {
		snprintf(key, sizeof(key), "keep%d", i);
		rc = kit_put(store, key, RATION__NEVER, i);
	}
	cr_assert_eq(rc, RATION_ENOSPC);
	txn = kit_begin(store);
	size = ration__txn_size(txn);
	ration__store_abort(txn);
	ration__store_close(store);
	return size;
}

Test(heal, who_only_looks_makes_a_full_one_no_larger)
{
	struct ration__store_options options = kit_options();

	options.hot_bytes = 1 << 20;
	cr_assert_eq(size_when_full(&options), 1 << 20);
	options.hot_bytes = 2 << 20;
	options.must_exist = true;
	cr_assert_eq(size_when_full(&options), 1 << 20);
	options.must_exist = false;
	cr_assert_eq(size_when_full(&options), 2 << 20);
}

Test(heal, a_removed_store_is_noticed)
{
	struct ration__store *store = kit_open_fake();
	struct ration__txn *txn;
	char moved[400];
	int64_t number;

	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	snprintf(moved, sizeof(moved), "%s.away", kit_path);
	cr_assert_eq(rename(kit_path, moved), 0);
	kit_steady += 2 * RATION__NS_PER_S;
	cr_assert_eq(ration__store_begin(store, -1, &txn), RATION_ESTORE);
	cr_assert_eq(ration__store_begin(store, -1, &txn), RATION_ESTORE);
	cr_assert_eq(kit.logged, 1, "said once");
	cr_assert_eq(mkdir(kit_path, 0700), 0);
	cr_assert_eq(ration__store_begin(store, -1, &txn), RATION_ESTORE);
	cr_assert_eq(rmdir(kit_path), 0);
	cr_assert_eq(rename(moved, kit_path), 0);
	cr_assert_eq(kit_get(store, "a", &number), 0, "put back");
	ration__store_close(store);
}

Test(heal, a_maker_that_died)
{
	char path[400];
	struct stat st;
	int64_t number;
	int fd;

	/* gate without magic, of any length, and leftovers of hot/ */
	cr_assert_eq(mkdir(kit_path, 0700), 0);
	for (int i = 0; i < 3; i++) {
		struct ration__store *store;

		snprintf(path, sizeof(path), "%s/gate", kit_path);
		unlink(path);
		fd = open(path, O_RDWR | O_CREAT, 0600);
		cr_assert_eq(ftruncate(fd, i * 40000), 0);
		if (i == 2)
			cr_assert_eq(pwrite(fd, "junk", 4, 100), 4);
		close(fd);
		store = kit_open();
		cr_assert_eq(ration__store_epoch(store), 1);
		cr_assert_eq(kit_get(store, "a", &number), RATION_EEMPTY);
		cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
		ration__store_close(store);
		cr_assert_eq(stat(path, &st), 0);
		cr_assert_eq(st.st_mode & 07777, 0600);
	}
}
