/*
 * LMDB with a net: a failed assert inside comes back here by longjmp as MDB_PANIC, and from then on
 * the environment may only be closed. (LMDB's own answer is abort(), on damage that a stray write
 * can cause.) Each wrapper is a frame of its own, so that no local lives across the jump.
 *
 * One environment is used by one thread at a time: its gate sees to that, hence one jump buffer.
 * Also here: the converter of LMDB's errors.
 */
#include "store/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void trapped(MDB_env *mdb, const char *text)
{
	struct ration__env *env = mdb_env_get_userctx(mdb);

	longjmp(env->trap, 1);
}

/* True after a jump; then the environment is broken. A macro: setjmp's frame must not return. */
#define TRAP(env) ((env)->broken || (_setjmp((env)->trap) != 0 && ((env)->broken = true)))

static int open_main(struct ration__env *env, MDB_txn *txn)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_dbi_open(txn, NULL, 0, &env->dbi);
}

static int open_inside(struct ration__env *env, const char *path, unsigned flags, mode_t mode)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_env_open(env->env, path, flags, mode);
}

/* The first record of every environment: whose it is. Its key is not the stored form of any key. */
static const uint8_t marker_key[8];

static int get_marker(struct ration__env *env, MDB_txn *txn, MDB_val *value)
{
	MDB_val key = {.mv_size = sizeof(marker_key), .mv_data = (void *)marker_key};

	return ration__env_get(env, txn, &key, value);
}

static int put_marker(struct ration__env *env, MDB_txn *txn, uint64_t tag)
{
	MDB_val key = {.mv_size = sizeof(marker_key), .mv_data = (void *)marker_key};
	MDB_val value = {.mv_size = sizeof(tag), .mv_data = &tag};
	MDB_stat stat;
	int rc = mdb_stat(txn, env->dbi, &stat);

	if (rc == 0)
		rc = stat.ms_entries ? MDB_INVALID : ration__env_put(env, txn, &key, &value, 0);
	return rc;
}

static int open_database(struct ration__env *env, uint64_t tag, bool make)
{
	MDB_val value;
	MDB_txn *txn;
	uint64_t found;
	int rc = ration__env_begin(env, &txn);

	if (rc != 0)
		return rc;
	rc = open_main(env, txn);
	if (rc == 0)
		rc = get_marker(env, txn, &value);
	if (rc == MDB_NOTFOUND)
		rc = make ? put_marker(env, txn, tag) : MDB_INVALID;
	else if (rc == 0 && value.mv_size != sizeof(found))
		rc = MDB_INVALID;
	else if (rc == 0 && (memcpy(&found, value.mv_data, sizeof(found)), found != tag))
		rc = MDB_VERSION_MISMATCH;
	if (rc != 0) {
		ration__env_abort(env, txn);
		return rc;
	}
	return ration__env_commit(env, txn);
}

/* LMDB does not say where its map is, but a page begins with its own number. */
static int find_map(struct ration__env *env)
{
	MDB_envinfo info;
	MDB_stat stat;
	MDB_val value;
	MDB_txn *txn;
	uintptr_t page;
	size_t number;
	int rc = ration__env_begin(env, &txn);

	if (rc != 0)
		return rc;
	rc = get_marker(env, txn, &value);
	if (rc == 0)
		rc = mdb_stat(txn, env->dbi, &stat);
	if (rc == 0)
		rc = mdb_env_info(env->env, &info);
	if (rc == 0) {
		page = (uintptr_t)value.mv_data & ~(uintptr_t)(stat.ms_psize - 1);
		memcpy(&number, (const void *)page, sizeof(number));
		env->map_bytes = info.me_mapsize;
		if (number >= info.me_mapsize / stat.ms_psize)
			rc = MDB_CORRUPTED;
		else
			env->map = (void *)(page - number * stat.ms_psize);
	}
	ration__env_abort(env, txn);
	if (rc == 0 && madvise(env->map, env->map_bytes, MADV_DONTFORK) != 0)
		rc = MDB_CORRUPTED;
	return rc;
}

int ration__env_open(struct ration__env *env, const char *path, unsigned flags, size_t bytes,
	mode_t mode, uint64_t tag, bool make)
{
	int rc;

	memset(env, 0, sizeof(*env));
	rc = mdb_env_create(&env->env);
	if (rc != 0)
		return rc;
	mdb_env_set_userctx(env->env, env);
	mdb_env_set_assert(env->env, trapped);
	rc = mdb_env_set_mapsize(env->env, bytes);
	if (rc == 0)
		rc = open_inside(env, path, flags | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, mode);
	if (rc == 0)
		rc = open_database(env, tag, make);
	if (rc == 0)
		rc = find_map(env);
	if (rc != 0)
		ration__env_close(env);
	return rc;
}

void ration__env_close(struct ration__env *env)
{
	env->map = NULL; /* first: a child forked now must not replace what is unmapped */
	if (env->env)
		mdb_env_close(env->env);
	env->env = NULL;
}

int ration__env_begin(struct ration__env *env, MDB_txn **txn)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_txn_begin(env->env, NULL, 0, txn);
}

int ration__env_commit(struct ration__env *env, MDB_txn *txn)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_txn_commit(txn);
}

void ration__env_abort(struct ration__env *env, MDB_txn *txn)
{
	if (TRAP(env))
		return; /* closing frees it */
	mdb_txn_abort(txn);
}

int ration__env_get(struct ration__env *env, MDB_txn *txn, MDB_val *key, MDB_val *value)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_get(txn, env->dbi, key, value);
}

int ration__env_put(
	struct ration__env *env, MDB_txn *txn, MDB_val *key, MDB_val *value, unsigned flags)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_put(txn, env->dbi, key, value, flags);
}

int ration__env_del(struct ration__env *env, MDB_txn *txn, MDB_val *key)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_del(txn, env->dbi, key, NULL);
}

int ration__env_cursor(struct ration__env *env, MDB_txn *txn, MDB_cursor **cursor)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_cursor_open(txn, env->dbi, cursor);
}

int ration__env_seek(
	struct ration__env *env, MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_cursor_get(cursor, key, value, op);
}

int ration__env_cursor_del(struct ration__env *env, MDB_cursor *cursor)
{
	if (TRAP(env))
		return MDB_PANIC;
	return mdb_cursor_del(cursor, 0);
}

int ration__env_error(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case MDB_NOTFOUND:
		return RATION_EEMPTY;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return RATION_ENOSPC;
	case MDB_BAD_VALSIZE:
		return RATION_ETOOBIG;
	case EINTR:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOSPC:
	case EDQUOT:
	case EACCES:
	case EPERM:
	case EROFS:
		return ration__errno_code(rc);
	default:
		/* MDB_CORRUPTED, PAGE_NOTFOUND, PANIC, INVALID, VERSION_MISMATCH, BAD_TXN, ... and
		 * a file that is gone or unreadable: made anew, as far as hot/ is concerned */
		return RATION_EIO;
	}
}
