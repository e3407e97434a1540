/*
 * The store: a directory that processes share. Payloads are bytes to it; what they mean, and when
 * to wait, is the guard's business.
 *
 *     STORE/gate      header, lock words and slot table, mmapped; never replaced
 *     STORE/members   one byte per slot, locked (OFD) for the life of its member
 *     STORE/hot/      LMDB, WRITEMAP|NOSYNC|NOLOCK, disposable
 *     STORE/ledger/   LMDB, durable, own gate
 *     STORE/wake/     one datagram socket per slot
 *
 * Lock order: hot gate, then nothing. The ledger's gate is never held together with the hot gate.
 * Everything that touches hot/ happens between ration__store_begin and commit or abort, on one
 * thread, with no I/O, allocation, log line or callback to users in between.
 *
 * One process holds one `struct ration__store` per directory (the guard's engine keeps the
 * registry); all its threads share one slot.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/clock.h"
#include "base/error.h"

#define RATION__SLOTS_MAX 1024
#define RATION__SLOT_AREA 1024	/* bytes */
#define RATION__KEY_MAX 503	/* LMDB's 511, less the padding that keeps payloads aligned */
#define RATION__VALUE_MAX 32768 /* of a payload in hot/; of a value in the ledger: 16384 */
#define RATION__LEDGER_VALUE_MAX 16384
#define RATION__LEDGER_KEY_MAX 511
#define RATION__STORE_WORDS 16

struct ration__store;
struct ration__txn;

struct ration__store_hooks {
	void *arg;
	/* Member `slot` is dead: take back what it held with this generation or an older one.
	 * Called inside a transaction, also before ration__store_open returned (then txn->slot is
	 * no slot yet: do not use it), and for this member itself when it closes; may be called
	 * twice for the same. 0, or an error that aborts the transaction. */
	int (*bury)(void *arg, struct ration__txn *txn, uint16_t slot, uint32_t generation);
	/* hot/ was made anew, or this member was declared dead and registered again: put back what
	 * this process holds. Called inside a transaction, before anything else in it. */
	int (*reassert)(void *arg, struct ration__txn *txn);
	/* Something worth a line in the log. Called outside transactions. */
	void (*log)(void *arg, enum ration_log_level level, const char *text);
};

struct ration__store_options {
	const char *path;
	/* Absolute; NULL: PATH/hot, or under /dev/shm when the file system copies on write. Who
	 * makes the store decides; later ones follow, with a warning. */
	const char *hot_path;
	const char *group;     /* NULL: private to the owner */
	uint64_t hot_bytes;    /* 0: 64 MiB */
	uint64_t ledger_bytes; /* 0: 64 MiB */
	int64_t deadline_ns;   /* 0: 250 ms; how long the commit counter may stand still */
	struct ration__clock clock;
	struct ration__store_hooks hooks;
	/* RATION_ENOSTORE instead of making one. And who comes only to look makes a full hot/ no
	 * larger: its hot_bytes need not be what those who work in it were given. */
	bool must_exist;
};

/* The default path: $RATION_STORE, else $XDG_STATE_HOME/ration, else $HOME/.local/state/ration.
 * 0, RATION_ENOSTORE when none of them is set, RATION_ETOOBIG. */
int ration__store_default_path(char *out, size_t size);

/* Opens or makes the store and registers this process as a member. Blocks on files and, until the
 * deadline, for the gate; when a stopped peer holds that, the store opens all the same and
 * registers at the first transaction that gets in (until then begin answers RATION_ESTORE or
 * RATION_EAGAIN). Every refusal has its own code and says what is wrong and what would be right.
 * RATION_EBUSY: open in this process already. */
int ration__store_open(const struct ration__store_options *options, struct ration__store **store,
	ration_error **err);
/* Gives the slot back (after bury). NULL is fine. In a forked child it does nothing: what is left
 * of the parent's store there is not safe to take apart. */
void ration__store_close(struct ration__store *store);
/* This is a child of the process that opened it: every call answers RATION_EFORK. */
bool ration__store_forked(const struct ration__store *store);
const char *ration__store_path(const struct ration__store *store);
const char *ration__store_hot_path(const struct ration__store *store);

/* ---- transactions on hot/ ---- */

struct ration__txn {
	struct ration__store *store;
	int64_t now_ns; /* STEADY, read once, after the gate was had */
	uint16_t slot;
	uint32_t generation; /* of this member */
	int64_t wipe_ns; /* STEADY time of the last wipe that was no reboot; 0: none. A record that
			    is absent because of it is not "never used". */
};

/* WALL, clamped: never before what an earlier transaction of any member saw; while the clock is
 * behind that it goes on at half the speed of STEADY. Read when asked for, once per transaction
 * (most transactions have no quota). */
int64_t ration__txn_wall(struct ration__txn *txn);

/* Takes the gate, waiting at most wait_ns (-1: until the store "cannot answer"), checks epoch and
 * generation, begins. The transaction object lives in the store (one at a time).
 * 0; RATION_EAGAIN: not had in time, and the store still moves; RATION_ESTORE: the gate was not had
 * and the commit counter stood still for the deadline; RATION_EFORK; other store errors. */
int ration__store_begin(struct ration__store *store, int64_t wait_ns, struct ration__txn **txn);
/* 0 or an error; the gate is free afterwards either way. Sweeps a few records at rest on the way.
 */
int ration__store_commit(struct ration__txn *txn);
void ration__store_abort(struct ration__txn *txn);

/* A record. The first 8 bytes of every payload are its rest time, an int64_t of STEADY: from then
 * on it may be deleted; RATION__NEVER: never by the sweep. `type` is the payload's layout version,
 * checked on reading together with length and checksum.
 * get: 0, RATION_EEMPTY (absent), RATION_EIO (damaged: the transaction aborts and wipes). *value is
 * inside the map: copy it before the next put or del; aligned to 8. */
int ration__txn_get(struct ration__txn *txn, const void *key, size_t key_length, uint16_t type,
	const void **value, size_t *length);
int ration__txn_put(struct ration__txn *txn, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length);
/* 0; RATION_EEMPTY: was not there */
int ration__txn_del(struct ration__txn *txn, const void *key, size_t key_length);
/* Visits records whose key begins with prefix, from `from` on (NULL: the first), at most `max`,
 * until fn returns non-zero. The callback may not put or del. Returns 0, what fn returned, or an
 * error; *next_length (with next: RATION__KEY_MAX bytes) is the key to go on from, 0 at the end. */
typedef int (*ration__visit_fn)(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length);
int ration__txn_visit(struct ration__txn *txn, const void *prefix, size_t prefix_length,
	const void *from, size_t from_length, size_t max, ration__visit_fn fn, void *arg,
	void *next, size_t *next_length);

/* Bytes of hot/ that hold records; bytes that were ever written since it was made (the file itself
 * is allocated in full); and how many records there are. */
void ration__txn_usage(
	struct ration__txn *txn, uint64_t *used_bytes, uint64_t *file_bytes, uint64_t *records);
/* Bytes that hot/ has room for, whatever this member's hot_bytes are. */
uint64_t ration__txn_size(const struct ration__txn *txn);

/* hot/ is full: puts fail with RATION_ENOSPC. What helps is asked for by who goes on without the
 * store meanwhile. */
/* Deletes up to 2,048 records at rest; returns how many, or an error. Pages that they leave empty
 * can be used two commits later. */
int ration__txn_sweep(struct ration__txn *txn);
bool ration__txn_has_room(struct ration__txn *txn); /* an eighth is free */
/* The next begin moves the live records to a new file, when this member did not so for 10 s; to a
 * larger one where this member's hot_bytes are more than the file has (grows). */
void ration__txn_pack(struct ration__txn *txn);
bool ration__txn_grows(const struct ration__txn *txn);
/* Outside transactions: the last one failed for that (else RATION_ENOSPC was the disk's). */
bool ration__store_full(const struct ration__store *store);

/* Liveness inside a transaction: looks at slot's lock, without the gate's help. When it is dead its
 * generation is raised and hooks.bury called. true: it was dead. */
bool ration__txn_bury_if_dead(struct ration__txn *txn, uint16_t slot);
/* The same of one of its lives: true also when it left, or was taken for dead and is another now.
 */
bool ration__txn_member_gone(struct ration__txn *txn, uint16_t slot, uint32_t generation);

/* Counters of transactions, for tests and status. */
uint64_t ration__store_commits(const struct ration__store *store);
/* Hot epoch: raised at each wipe. */
uint64_t ration__store_epoch(const struct ration__store *store);

/* ---- words shared by all members, outside transactions (zero in a new store) ---- */

/* Free for the guard's use; index < RATION__STORE_WORDS. Lives as long as the store is open. */
_Atomic uint64_t *ration__store_word(struct ration__store *store, unsigned index);
/* One word per slot for the guard's use (a permit that ended but was not settled yet). Set to 0
 * when the slot is taken. */
_Atomic uint64_t *ration__slot_word(struct ration__store *store, uint16_t slot);
/* Bytes of a slot for the guard's use, aligned to 64; zero after a boot, else as the slot's last
 * owner left them. Unlike hot/ they are there as long as the store's directory is. */
void *ration__slot_area(struct ration__store *store, uint16_t slot);
uint16_t ration__store_slot(const struct ration__store *store);
uint32_t ration__store_generation(const struct ration__store *store);

/* ---- members ---- */

struct ration__member {
	uint16_t slot;
	uint32_t generation;
	bool alive;
	int64_t pid; /* as the member sees itself: for people only, means nothing across namespaces
		      */
	int64_t since_wall_ns;
	char name[32]; /* program name, for people */
};
/* Lists the slots in use, at most max; without the gate. Returns how many there are. */
size_t ration__store_members(struct ration__store *store, struct ration__member *out, size_t max);
/* Live members by their locks, without the gate. >= 1. */
size_t ration__store_live(struct ration__store *store);
/* This member's place among the live ones, from 0. */
size_t ration__store_rank(struct ration__store *store);

/* ---- waking (outside transactions) ---- */

/* Readable when somebody woke this member; owned by the store. The number stays; after a fenced
 * member registered anew it is another socket, which poll follows and epoll does not. */
int ration__store_wake_fd(const struct ration__store *store);
void ration__store_wake_drain(struct ration__store *store);
/* Never blocks; a member that is gone is no error. */
void ration__store_wake(struct ration__store *store, uint16_t slot);

/* ---- ledger: durable; blocks on the disk; never inside a hot transaction ---- */

/* Reads, changes and writes one value durably in one transaction of its own. fn gets the old value
 * (NULL, 0 when absent) and fills value (size bytes at most), setting *length; it returns 0 to
 * write, RATION_EEMPTY to leave things as they are, or an error. Values carry a sequence and
 * checksum of the ledger's own. */
typedef int (*ration__ledger_fn)(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length);
int ration__ledger_update(struct ration__store *store, const void *key, size_t key_length,
	ration__ledger_fn fn, void *arg);
int ration__ledger_get(struct ration__store *store, const void *key, size_t key_length, void *value,
	size_t size, size_t *length);
/* Takes a value away, durably; its sequence begins anew. 0 also when there was none. */
int ration__ledger_delete(struct ration__store *store, const void *key, size_t key_length);
/* Visits values in the order of their keys, as ration__txn_visit does; next: RATION__LEDGER_KEY_MAX
 * bytes. fn runs inside the ledger's gate: it may not block nor come back here. wait_ns: longest
 * wait for that gate (-1: until it "cannot answer", 0 just a try): RATION_EAGAIN, and nothing was
 * visited. A ledger that nobody wrote yet is not made by looking. */
typedef int (*ration__ledger_visit_fn)(
	void *arg, const void *key, size_t key_length, const void *value, size_t length);
int ration__ledger_visit(struct ration__store *store, const void *prefix, size_t prefix_length,
	int64_t wait_ns, const void *from, size_t from_length, size_t max,
	ration__ledger_visit_fn fn, void *arg, void *next, size_t *next_length);

#endif
