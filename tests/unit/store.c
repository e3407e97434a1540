/* Records, transactions, sweep, ledger, wake: one member's view. */
#include <poll.h>
#include <time.h>
#include "store_kit.h"

TestSuite(record, .init = kit_setup, .fini = kit_teardown, .timeout = 30);
TestSuite(sweep, .init = kit_setup, .fini = kit_teardown, .timeout = 30);
TestSuite(ledger, .init = kit_setup, .fini = kit_teardown, .timeout = 30);
TestSuite(wake, .init = kit_setup, .fini = kit_teardown, .timeout = 30);
TestSuite(store_time, .init = kit_setup, .fini = kit_teardown, .timeout = 30);

Test(record, comes_back_as_it_was_put_at_every_length_and_aligned)
{
	struct ration__store *store = kit_open();
	struct ration__txn *txn;
	uint8_t key[RATION__KEY_MAX], value[600];
	const void *got;
	size_t length;

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 7);
	for (size_t n = 8; n < sizeof(value); n += 13) {
		size_t key_length = n % RATION__KEY_MAX + 1;

		memset(key, (int)n, sizeof(key));
		txn = kit_begin(store);
		cr_assert_eq(ration__txn_put(txn, key, key_length, 3, value, n), 0);
		cr_assert_eq(ration__store_commit(txn), 0);
	}
	txn = kit_begin(store);
	for (size_t n = 8; n < sizeof(value); n += 13) {
		memset(key, (int)n, sizeof(key));
		cr_assert_eq(
			ration__txn_get(txn, key, n % RATION__KEY_MAX + 1, 3, &got, &length), 0);
		cr_assert_eq(length, n);
		cr_assert_eq((uintptr_t)got % 8, 0);
		cr_assert_eq(memcmp(got, value, n), 0);
	}
	ration__store_abort(txn);
	ration__store_close(store);
}

Test(record, has_limits)
{
	struct ration__store *store = kit_open();
	struct ration__txn *txn = kit_begin(store);
	static uint8_t value[RATION__VALUE_MAX + 1];
	uint8_t key[RATION__KEY_MAX + 1] = {1};
	const void *got;
	size_t length;

	cr_assert_eq(ration__txn_put(txn, key, 0, 1, value, 8), RATION_EINVAL);
	cr_assert_eq(ration__txn_put(txn, key, 1, 1, value, 7), RATION_EINVAL);
	cr_assert_eq(ration__txn_put(txn, key, sizeof(key), 1, value, 8), RATION_ETOOBIG);
	cr_assert_eq(ration__txn_put(txn, key, 1, 1, value, sizeof(value)), RATION_ETOOBIG);
	cr_assert_eq(ration__txn_put(txn, key, RATION__KEY_MAX, 1, value, RATION__VALUE_MAX), 0);
	cr_assert_eq(ration__txn_get(txn, key, RATION__KEY_MAX, 1, &got, &length), 0);
	cr_assert_eq(length, RATION__VALUE_MAX);
	cr_assert_eq(ration__store_commit(txn), 0, "a refused argument does not spoil the rest");
	ration__store_close(store);
}

Test(record, keys_of_zeros_are_not_each_other)
{
	struct ration__store *store = kit_open();
	static const uint8_t zeros[32];
	struct kit_value value = {RATION__NEVER, 0};
	struct ration__txn *txn = kit_begin(store);
	const void *got;
	size_t length;

	for (size_t n = 1; n <= sizeof(zeros); n++) {
		value.number = (int64_t)n;
		cr_assert_eq(ration__txn_get(txn, zeros, n, 1, &got, &length), RATION_EEMPTY);
		cr_assert_eq(ration__txn_put(txn, zeros, n, 1, &value, sizeof(value)), 0);
	}
	for (size_t n = 1; n <= sizeof(zeros); n++) {
		cr_assert_eq(ration__txn_get(txn, zeros, n, 1, &got, &length), 0);
		cr_assert_eq(((const struct kit_value *)got)->number, (int64_t)n);
	}
	cr_assert_eq(ration__txn_del(txn, zeros, 8), 0);
	cr_assert_eq(ration__txn_del(txn, zeros, 8), RATION_EEMPTY);
	cr_assert_eq(ration__txn_get(txn, zeros, 8, 1, &got, &length), RATION_EEMPTY);
	cr_assert_eq(ration__txn_get(txn, zeros, 9, 1, &got, &length), 0);
	cr_assert_eq(ration__store_commit(txn), 0);
	ration__store_close(store);
}

Test(record, of_an_aborted_transaction_is_not)
{
	struct ration__store *store = kit_open();
	struct kit_value value = {RATION__NEVER, 1};
	struct ration__txn *txn;
	int64_t number;
	uint64_t commits = ration__store_commits(store);

	txn = kit_begin(store);
	cr_assert_eq(ration__txn_put(txn, "a", 1, 1, &value, sizeof(value)), 0);
	ration__store_abort(txn);
	cr_assert_eq(ration__store_commits(store), commits);
	cr_assert_eq(kit_get(store, "a", &number), RATION_EEMPTY);
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	cr_assert_eq(ration__store_commits(store), commits + 1);
	cr_assert_eq(kit_get(store, "a", &number), 0);
	ration__store_close(store);
	store = kit_open();
	cr_assert_eq(kit_get(store, "a", &number), 0, "it outlives its member");
	ration__store_close(store);
}

struct seen {
	unsigned count;
	int64_t sum;
	int stop_at;
};

static int see(void *arg, const void *key, size_t key_length, uint16_t type, const void *value,
	size_t length)
{
	struct seen *seen = arg;

	cr_assert_eq(type, 1);
	seen->sum += ((const struct kit_value *)value)->number;
	return (int)++seen->count == seen->stop_at ? 5 : 0;
}

Test(record, visits_go_by_prefix_in_pages)
{
	struct ration__store *store = kit_open();
	struct seen seen = {0};
	struct ration__txn *txn = kit_begin(store);
	char next[RATION__KEY_MAX];
	size_t next_length = 0;
	unsigned pages = 0;

	for (int i = 0; i < 100; i++) {
		struct kit_value value = {RATION__NEVER, i};
		char key[16];

		snprintf(key, sizeof(key), "%c:%d", i % 2 ? 'p' : 'q', i);
		cr_assert_eq(ration__txn_put(txn, key, strlen(key), 1, &value, sizeof(value)), 0);
	}
	do {
		cr_assert_eq(ration__txn_visit(txn, "p:", 2, next_length ? next : NULL, next_length,
				     7, see, &seen, next, &next_length),
			0);
		pages++;
	} while (next_length);
	cr_assert_eq(seen.count, 50);
	cr_assert_eq(seen.sum, 2500);
	cr_assert_eq(pages, 8);

	seen = (struct seen){.stop_at = 3};
	cr_assert_eq(
		ration__txn_visit(txn, "p:", 2, NULL, 0, 100, see, &seen, next, &next_length), 5);
	cr_assert_eq(seen.count, 3);
	cr_assert_gt(next_length, 0);
	seen = (struct seen){0};
	cr_assert_eq(
		ration__txn_visit(txn, "p:", 2, next, next_length, 100, see, &seen, NULL, NULL), 0);
	cr_assert_eq(seen.count, 47);
	seen = (struct seen){0};
	cr_assert_eq(
		ration__txn_visit(txn, "", 0, NULL, 0, 1000, see, &seen, next, &next_length), 0);
	cr_assert_eq(seen.count, 100, "all, and the marker is no record");
	/* "p:1" is padded with zeros: that is not a key beginning with "p:1\0" */
	seen = (struct seen){0};
	cr_assert_eq(
		ration__txn_visit(txn, "p:1\0", 4, NULL, 0, 100, see, &seen, next, &next_length),
		0);
	cr_assert_eq(seen.count, 0);
	ration__store_abort(txn);
	ration__store_close(store);
}

static size_t entries(struct ration__store *store)
{
	struct ration__txn *txn = kit_begin(store);
	MDB_stat stat;

	cr_assert_eq(mdb_stat(store->mtxn, store->hot.dbi, &stat), 0);
	ration__store_abort(txn);
	return stat.ms_entries - 1; /* the marker */
}

static void fill(struct ration__store *store, const char *kind, int from, int to, int64_t rest)
{
	for (int i = from; i < to; i++) {
		char key[32];

		snprintf(key, sizeof(key), "%s%06d", kind, i);
		cr_assert_eq(kit_put(store, key, rest, i), 0);
	}
}

Test(sweep, deletes_what_rests_and_nothing_else)
{
	struct ration__store *store = kit_open_fake();
	int64_t number;

	fill(store, "rests", 0, 500, kit_steady + 100);
	fill(store, "stays", 0, 500, RATION__NEVER);
	fill(store, "later", 0, 100, kit_steady + 1000000);
	cr_assert_eq(entries(store), 1100);
	kit_steady += 100;
	/* each commit looks at a few; a pass over 1,100 records takes so many at most */
	for (int i = 0; i < 3000; i++)
		cr_assert_eq(kit_put(store, "one", RATION__NEVER, i), 0);
	cr_assert_eq(entries(store), 601);
	cr_assert_eq(kit_get(store, "stays000499", &number), 0);
	cr_assert_eq(kit_get(store, "later000099", &number), 0);
	cr_assert_eq(kit_get(store, "rests000000", &number), RATION_EEMPTY);
	ration__store_close(store);
}

/* Each commit makes a record that rests soon: the sweep must keep up, or the map fills. */
Test(sweep, keeps_up_with_records_that_are_used_once)
{
	struct ration__store *store = kit_open_fake();
	size_t most = 0, now;

	for (int i = 0; i < 20000; i++) {
		char key[32];

		snprintf(key, sizeof(key), "%08x", (unsigned)i * 2654435761u);
		kit_steady += 1000;
		cr_assert_eq(kit_put(store, key, kit_steady + 100 * 1000, i), 0);
		if (i % 500 == 0 && (now = entries(store)) > most)
			most = now;
	}
	cr_assert_lt(most, 2000, "%zu records, of which 100 live", most);
	ration__store_close(store);
}

Test(sweep, makes_room_in_a_full_store)
{
	struct ration__store *store = kit_open_fake();
	int rc = 0, refused = 0;

	/* the first refusal only makes it pack what it has */
	for (int i = 0; i < 100000 && refused < 2; i++) {
		char key[32];

		snprintf(key, sizeof(key), "full%08d", i);
		rc = kit_put(store, key, kit_steady + RATION__NS_PER_S, i);
		refused = rc == RATION_ENOSPC ? refused + 1 : 0;
		cr_assert(rc == 0 || refused);
	}
	cr_assert_eq(refused, 2);
	kit_steady += 20 * RATION__NS_PER_S;
	rc = kit_put(store, "more", RATION__NEVER, 1);
	cr_assert_eq(rc, 0, "%s", ration_strerror(rc));
	cr_assert_eq(kit_put(store, "more", RATION__NEVER, 2), 0);
	ration__store_close(store);
}

/* ---- ledger ---- */

static int add_one(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	int64_t number = 0;

	if (old)
		memcpy(&number, old, sizeof(number));
	number++;
	memcpy(value, &number, sizeof(number));
	*length = sizeof(number);
	return arg ? *(int *)arg : 0;
}

static int64_t ledger_number(struct ration__store *store)
{
	int64_t number = -1;
	size_t length = 0;
	int rc = ration__ledger_get(store, "n", 1, &number, sizeof(number), &length);

	cr_assert(rc == 0 || rc == RATION_EEMPTY);
	return rc == 0 ? number : -1;
}

Test(ledger, keeps_what_was_updated)
{
	struct ration__store *store = kit_open();
	int leave = RATION_EEMPTY, bad = RATION_EBUSY;
	uint8_t small[4];
	size_t length = 77;

	cr_assert_eq(ledger_number(store), -1);
	cr_assert_eq(ration__ledger_update(store, "n", 1, add_one, &leave), 0);
	cr_assert_eq(ledger_number(store), -1);
	cr_assert_eq(ration__ledger_update(store, "n", 1, add_one, NULL), 0);
	cr_assert_eq(ration__ledger_update(store, "n", 1, add_one, NULL), 0);
	cr_assert_eq(ration__ledger_update(store, "n", 1, add_one, &bad), RATION_EBUSY);
	cr_assert_eq(ledger_number(store), 2);
	cr_assert_eq(
		ration__ledger_get(store, "n", 1, small, sizeof(small), &length), RATION_ETOOBIG);
	cr_assert_eq(length, 77);
	cr_assert_eq(
		ration__ledger_get(store, "n", 0, small, sizeof(small), &length), RATION_EINVAL);
	ration__store_close(store);
	store = kit_open();
	cr_assert_eq(ledger_number(store), 2);
	/* hot/ made anew is no matter of the ledger's */
	atomic_store(&store->header->suspect, store->hot_epoch);
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0);
	cr_assert_eq(ledger_number(store), 2);
	ration__store_close(store);
}

static int adds_twenty(void)
{
	struct ration__store *store = kit_child_open();

	for (int i = 0; i < 20; i++)
		if (ration__ledger_update(store, "n", 1, add_one, NULL) != 0)
			return 1;
	ration__store_close(store);
	return 0;
}

Test(ledger, counts_right_with_several_processes)
{
	struct ration__store *store = kit_open();
	struct kit_peer peers[4];

	for (size_t i = 0; i < RATION__COUNT(peers); i++)
		peers[i] = kit_spawn(adds_twenty);
	for (size_t i = 0; i < RATION__COUNT(peers); i++)
		cr_assert_eq(kit_reap(&peers[i]), 0);
	cr_assert_eq(ledger_number(store), 80);
	ration__store_close(store);
}

static int scribble(const char *name, size_t skip)
{
	char path[400];
	uint8_t junk[4096];
	ssize_t wrote = 0;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", kit_path, name);
	fd = open(path, O_RDWR);
	cr_assert_geq(fd, 0);
	fstat(fd, &st);
	memset(junk, 0xa5, sizeof(junk));
	for (off_t at = (off_t)skip; at + (off_t)sizeof(junk) <= st.st_size; at += sizeof(junk))
		wrote += pwrite(fd, junk, sizeof(junk), at);
	close(fd);
	return wrote > 0;
}

Test(ledger, is_never_emptied_when_damaged)
{
	struct ration__store *store = kit_open();
	struct stat before, after;
	char path[400];
	int64_t number;
	size_t length;

	cr_assert_eq(ration__ledger_update(store, "n", 1, add_one, NULL), 0);
	ration__store_close(store);
	snprintf(path, sizeof(path), "%s/ledger/data", kit_path);
	cr_assert_eq(stat(path, &before), 0);
	cr_assert(scribble("ledger/data", 0));
	store = kit_open();
	cr_assert_eq(
		ration__ledger_get(store, "n", 1, &number, sizeof(number), &length), RATION_EIO);
	cr_assert_eq(ration__ledger_update(store, "n", 1, add_one, NULL), RATION_EIO);
	cr_assert(strstr(kit.log, "ledger"));
	cr_assert_eq(stat(path, &after), 0);
	cr_assert_eq(before.st_ino, after.st_ino);
	cr_assert_eq(kit_put(store, "a", RATION__NEVER, 1), 0, "hot/ goes on");
	ration__store_close(store);
}

static int write_words(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	*length = 24;
	memcpy(value, "these are the very words", *length);
	return 0;
}

Test(ledger, knows_a_value_that_was_altered)
{
	struct ration__store *store = kit_open();
	char path[400], file[65536], *found = file, value[64];
	unsigned altered = 0;
	size_t length;
	ssize_t size;
	int fd;

	cr_assert_eq(ration__ledger_update(store, "n", 1, add_one, NULL), 0);
	cr_assert_eq(ration__ledger_update(store, "w", 1, write_words, NULL), 0);
	cr_assert_eq(ration__ledger_get(store, "w", 1, value, sizeof(value), &length), 0);
	snprintf(path, sizeof(path), "%s/ledger/data", kit_path);
	fd = open(path, O_RDWR);
	cr_assert_geq(fd, 0);
	size = pread(fd, file, sizeof(file), 0);
	cr_assert_gt(size, 0);
	while ((found = memmem(found, (size_t)(file + size - found), "very words", 10))) {
		cr_assert_eq(pwrite(fd, "V", 1, found - file), 1);
		found++;
		altered++;
	}
	close(fd);
	cr_assert_gt(altered, 0);
	cr_assert_eq(ration__ledger_get(store, "w", 1, value, sizeof(value), &length), RATION_EIO);
	cr_assert_eq(ration__ledger_update(store, "w", 1, write_words, NULL), RATION_EIO);
	cr_assert_eq(ledger_number(store), 1, "others are not");
	ration__store_close(store);
}

/* ---- wake ---- */

static bool readable(int fd, int timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, timeout_ms) == 1;
}

static int wakes_slot_0(void)
{
	struct ration__store *store = kit_child_open();

	for (int i = 0; i < 1000; i++)
		ration__store_wake(store, 0); /* a full queue does not block */
	ration__store_wake(store, 77);	      /* nobody there */
	kit_say();
	kit_listen();
	ration__store_close(store);
	return 0;
}

Test(wake, reaches_the_slot_and_never_blocks)
{
	struct ration__store *store = kit_open();
	struct kit_peer peer;

	cr_assert_eq(ration__store_slot(store), 0);
	cr_assert_not(readable(ration__store_wake_fd(store), 0));
	peer = kit_spawn(wakes_slot_0);
	kit_await(&peer);
	cr_assert(readable(ration__store_wake_fd(store), 1000));
	ration__store_wake_drain(store);
	cr_assert_not(readable(ration__store_wake_fd(store), 0));
	kit_tell(&peer);
	cr_assert_eq(kit_reap(&peer), 0);
	ration__store_close(store);
}

Test(wake, works_where_the_path_is_too_long_for_a_socket)
{
	struct ration__store *store;
	size_t length = strlen(kit_path);

	memset(kit_path + length, 'x', 120);
	kit_path[length] = '/';
	kit_path[length + 120] = '\0';
	store = kit_open();
	ration__store_wake(store, ration__store_slot(store));
	cr_assert(readable(ration__store_wake_fd(store), 1000));
	cr_assert_eq(kit.logged, 0);
	ration__store_close(store);
}

/* ---- time ---- */

Test(store_time, never_goes_back_for_any_member)
{
	struct ration__store *store = kit_open_fake();
	int64_t steady = kit_steady, wall = kit_wall;
	struct ration__txn *txn = kit_begin(store);

	cr_assert_eq(txn->now_ns, steady);
	cr_assert_eq(ration__txn_wall(txn), wall);
	cr_assert_eq(ration__store_commit(txn), 0);
	kit_steady -= 5;
	kit_wall -= 3600 * RATION__NS_PER_S;
	txn = kit_begin(store);
	cr_assert_eq(txn->now_ns, steady);
	cr_assert_eq(ration__txn_wall(txn), wall);
	cr_assert_eq(ration__store_commit(txn), 0);
	kit_wall = wall + 1;
	txn = kit_begin(store);
	cr_assert_eq(ration__txn_wall(txn), wall + 1);
	ration__store_abort(txn);
	ration__store_close(store);
}

static int64_t wall_of(struct ration__store *store)
{
	struct ration__txn *txn = kit_begin(store);
	int64_t wall = ration__txn_wall(txn);

	ration__store_abort(txn);
	return wall;
}

Test(store_time, goes_on_at_half_its_speed_behind_a_clock_that_was_ahead)
{
	const int64_t hour = 3600 * RATION__NS_PER_S, ahead = 10 * hour;
	struct ration__store *store = kit_open_fake();
	int64_t wall = kit_wall;

	kit_wall += ahead;
	cr_assert_eq(wall_of(store), wall + ahead);
	kit_wall = wall;
	cr_assert_eq(wall_of(store), wall + ahead);
	for (int hours = 1; hours <= 25; hours++) {
		kit_steady += hour;
		kit_wall += hour;
		cr_assert_eq(wall_of(store),
			hours < 19 ? wall + ahead + hours * hour / 2 : kit_wall, "%d h", hours);
	}
	ration__store_close(store);
}
