/*
 * What the files of the store share. Who may touch what:
 *
 *     under the hot gate    hot, mtxn, txn, buried, sweep, notes, failed, reassert
 *     under ledger gate     ledger
 *     atomics               name, slot, generation, members_fd, forked, lost, joined, stall
 *     join_mutex            joining (taken before the gate, never inside)
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <lmdb.h>

#include "store/gate.h"
#include "store/layout.h"
#include "store/store.h"

#define RATION__WIPE_INTERVAL_NS (60 * RATION__NS_PER_S)
#define RATION__AHEAD_MAX_NS (10 * RATION__NS_PER_S)
/* A death inside a transaction adds, a commit takes one off: who is killed at random leaves many
 * commits between, a page that kills whoever reads it does not. At the maximum hot/ is suspect. */
#define RATION__SUSPICION_DEATH 32
#define RATION__SUSPICION_MAX (8 * RATION__SUSPICION_DEATH)
#define RATION__BURIED_MAX 64
#define RATION__SLOT_NONE UINT16_MAX

/* An LMDB environment that cannot kill the process: failed asserts come back as MDB_PANIC. */
struct ration__env {
	MDB_env *env; /* NULL: closed */
	MDB_dbi dbi;
	bool broken; /* an assert failed inside; only closing is allowed */
	jmp_buf trap;
	void *map;
	size_t map_bytes;
};

struct ration__ledger {
	struct ration__env env;
	struct ration__stall stall;
	int dir_fd;
	uint8_t *old, *value; /* RATION__LEDGER_VALUE_MAX each, allocated with the store */
};

struct ration__sweep {
	uint8_t key[RATION__KEY_MAX + 8]; /* stored form of the key to go on from */
	size_t key_length;		  /* 0: from the first */
	uint32_t interval, left;	  /* commits from one look to the next; until the next */
	size_t entries;			  /* when this round began */
};

/* A key as it stands in hot/ (record.c). */
struct ration__stored_key {
	size_t length; /* of the key as the caller knows it; 0: none */
	uint64_t hash;
	MDB_val val;
	uint8_t bytes[RATION__KEY_MAX + 9];
};

struct ration__store {
	struct ration__txn txn; /* first: what callers hold */
	/* the fast path */
	struct ration__header *header;
	_Atomic uint32_t name; /* in gates; a registrar's before it has a slot */
	_Atomic bool forked, lost;
	_Atomic bool joined; /* has a slot */
	bool reassert, compact;
	bool packs; /* the next compaction is for want of room: it may take longer, and grow */
	_Atomic bool full; /* the last transaction failed for want of room */
	int failed;	   /* of the running transaction */
	MDB_txn *mtxn;
	struct ration__stored_key key; /* of the last record that was asked for */
	struct ration__env hot, fresh; /* fresh: being made by compaction */
	uint64_t hot_epoch;	       /* 0: hot is closed */
	struct ration__sweep sweep;
	struct ration__stall stall;
	int64_t looked_ns; /* when the path was last compared with the gate file */
	int64_t wall_ns;   /* of the running transaction; 0: not read yet */
	int64_t compacted_ns;
	uint32_t until_info;   /* commits until the free pages are looked at */
	_Atomic uint16_t slot; /* written under the gate; RATION__SLOT_NONE: not joined */
	_Atomic uint32_t generation;

	struct ration__clock clock;
	struct ration__store_hooks hooks;
	int64_t deadline_ns;
	uint64_t hot_bytes, ledger_bytes;
	uint64_t hot_want; /* of the settings; hot_bytes may be the present file's; 0: as it is */
	int dir_fd, gate_fd, hot_dir_fd, wake_dir_fd, wake_fd;
	_Atomic int members_fd;
	dev_t dev; /* of the gate file */
	ino_t ino, members_ino;
	gid_t gid;
	bool shared; /* group mode */
	bool wake_bound;
	bool opened;	/* the caller has it: what it holds is to be re-asserted after joining */
	bool fork_busy; /* set around fork: this process was inside the gate */
	pthread_mutex_t join_mutex;
	struct ration__ledger ledger;

	uint16_t buried[RATION__BURIED_MAX];
	unsigned buried_count;
	struct {
		enum ration_log_level level;
		char text[256];
	} notes[4];
	unsigned note_count;

	struct ration__store *next; /* registry of this process, see registry.c */
	char path[PATH_MAX];
	char gate_path[PATH_MAX + 8];
	char hot_path[PATH_MAX + 8];
	char hot_wish[512]; /* where the caller wants it; "": no wish */
};

/* directory.c: makes or opens the store's directory, refusing what is not safe; the mode of files
 * in it. */
int ration__directory_open(struct ration__store *store, const struct ration__store_options *options,
	ration_error **err);
/* Name of a network file system by its statfs magic; NULL: it is none. */
const char *ration__network_fs(unsigned long magic);
int ration__directory_refuse_fs(int fd, const char *path, ration_error **err);
/* A directory inside the store's, made when absent. *fd on 0. */
int ration__directory_sub(
	struct ration__store *store, int at, const char *name, int *fd, ration_error **err);
mode_t ration__store_mode(const struct ration__store *store);

/* header.c */
int ration__header_open(struct ration__store *store, const struct ration__store_options *options,
	ration_error **err);
void ration__header_close(struct ration__store *store);
void ration__boot_id(char out[40]);
uint64_t ration__time_namespace(void);
/* Under the gate, at joining: clock, time namespace, boot. *reboot: hot/ is from another boot. */
int ration__header_admit(
	struct ration__store *store, int64_t now, bool *reboot, ration_error **err);
void ration__header_reboot(struct ration__store *store);

/* members.c */
int ration__members_open(struct ration__store *store, ration_error **err);
/* Takes a slot, opening hot/ and burying the dead on the way. Gate not held before nor after. */
int ration__members_join(struct ration__store *store, int64_t wait_ns, ration_error **err);
void ration__members_leave(struct ration__store *store);
void ration__members_buried(struct ration__store *store); /* after the commit that buried them */

/* env.c: LMDB calls that may meet damage; all answer MDB_*, MDB_PANIC after a failed assert. An
 * environment begins with a marker that holds `tag`: made in an empty one when `make`, else
 * checked. */
int ration__env_open(struct ration__env *env, const char *path, unsigned flags, size_t bytes,
	mode_t mode, uint64_t tag, bool make);
void ration__env_close(struct ration__env *env);
int ration__env_begin(struct ration__env *env, MDB_txn **txn);
int ration__env_commit(struct ration__env *env, MDB_txn *txn);
void ration__env_abort(struct ration__env *env, MDB_txn *txn);
int ration__env_get(struct ration__env *env, MDB_txn *txn, MDB_val *key, MDB_val *value);
int ration__env_put(
	struct ration__env *env, MDB_txn *txn, MDB_val *key, MDB_val *value, unsigned flags);
int ration__env_del(struct ration__env *env, MDB_txn *txn, MDB_val *key);
int ration__env_cursor(struct ration__env *env, MDB_txn *txn, MDB_cursor **cursor);
int ration__env_seek(struct ration__env *env, MDB_cursor *cursor, MDB_val *key, MDB_val *value,
	MDB_cursor_op op);
int ration__env_cursor_del(struct ration__env *env, MDB_cursor *cursor);
/* The one converter of LMDB's errors. RATION_EIO: damage. */
int ration__env_error(int rc);

/* hot.c; all under the gate */
int ration__hot_locate(struct ration__store *store, ration_error **err);
int ration__hot_prepare(struct ration__store *store, int64_t now, bool reboot);
void ration__hot_close(struct ration__store *store);
uint64_t ration__hot_size(uint64_t bytes); /* as a file of it is made; 0: the default */

/* compact.c: moves the live records to a new hot/ when free pages outweigh the used */
void ration__hot_look(struct ration__store *store);
int ration__hot_compact(struct ration__store *store, int64_t now);
/* hot.c, for compact.c */
int ration__hot_make(struct ration__store *store, uint64_t epoch, struct ration__env *env);
void ration__hot_unlink(struct ration__store *store, uint64_t epoch);

/* record.c */
/* The rest time of a stored record, after its envelope was checked. */
int ration__record_check(const struct ration__env *env, const MDB_val *key, const MDB_val *value,
	int64_t *rest_at_ns);
/* The same without the checksum: a look, after which nothing is done that trusts it. */
int ration__record_rest(const struct ration__env *env, const MDB_val *value, int64_t *rest_at_ns);
int ration__key_store(const void *key, size_t length, uint8_t *out, size_t *stored);
int ration__key_load(const MDB_val *stored, size_t *length);

/* sweep.c */
int ration__sweep_some(struct ration__store *store, MDB_txn *txn, int64_t now);

/* txn.c */
/* The gate as this member; a stall is counted for it. */
int ration__store_acquire(struct ration__store *store, int64_t wait_ns);
void ration__store_release(struct ration__store *store); /* and writes the notes */
/* Under the gate: prepares hot/ and begins. On an error nothing is begun; the gate stays held. */
int ration__txn_open(struct ration__store *store, int64_t now);
/* Commits, or aborts when something failed; what the gate must see of it is stored. Gate stays. */
int ration__txn_end(struct ration__store *store);
void ration__txn_fail(struct ration__store *store, int code);
void ration__txn_damage(struct ration__store *store);

/* log.c */
/* Kept until the gate is let go; more than fit are dropped. */
void ration__store_note(struct ration__store *store, enum ration_log_level level,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* registry.c: the stores of this process, for fork and against opening one twice */
int ration__registry_add(struct ration__store *store);
void ration__registry_remove(struct ration__store *store);

/* wake.c */
int ration__wake_open(struct ration__store *store, ration_error **err);
void ration__wake_join(struct ration__store *store, unsigned registrar);
void ration__wake_close(struct ration__store *store);

/* ledger.c */
int ration__ledger_init(struct ration__store *store, ration_error **err);
void ration__ledger_fini(struct ration__store *store);

/* errno as a code: EACCES, ENOSPC, ... */
int ration__errno_code(int error);

#endif
