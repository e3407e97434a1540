/*
 * The ledger: what must outlive a power cut. LMDB with its durable defaults behind a gate of its
 * own, one transaction per update, opened when first needed.
 *
 * A value is an envelope with sequence and checksum, and its bytes. The sequence counts the writes
 * of a key and never goes back. What does not check is an error and stays as it is: unlike hot/,
 * nothing here is ever made anew by itself.
 *
 * Never together with the hot gate. Keys are stored as they are, values read into a buffer.
 */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/util.h"

#define LEDGER_BYTES_DEFAULT (UINT64_C(64) << 20)
#define LEDGER_SCHEMA 1
/* A commit waits for the disk, and others for it. */
#define DEADLINE_NS (10 * RATION__NS_PER_S)

struct envelope {
	uint64_t sum; /* over key, and all below */
	uint64_t sequence;
	uint32_t length;
	uint32_t version;
};
static_assert(sizeof(struct envelope) == 24, "no padding");

int ration__ledger_init(struct ration__store *store, ration_error **err)
{
	struct ration__ledger *ledger = &store->ledger;

	ledger->old = malloc(RATION__LEDGER_VALUE_MAX);
	ledger->value = malloc(RATION__LEDGER_VALUE_MAX);
	if (!ledger->old || !ledger->value)
		return RATION_ENOMEM;
	return ration__directory_sub(store, store->dir_fd, "ledger", &ledger->dir_fd, err);
}

void ration__ledger_fini(struct ration__store *store)
{
	struct ration__ledger *ledger = &store->ledger;

	ration__env_close(&ledger->env);
	if (ledger->dir_fd >= 0)
		close(ledger->dir_fd);
	free(ledger->old);
	free(ledger->value);
}

static int open_env(struct ration__store *store)
{
	struct ration__ledger *ledger = &store->ledger;
	char path[sizeof(store->path) + 16];
	mode_t mode = ration__store_mode(store);
	size_t bytes = store->ledger_bytes ? store->ledger_bytes : LEDGER_BYTES_DEFAULT;
	int rc;

	if (ledger->env.env && !ledger->env.broken)
		return 0;
	ration__env_close(&ledger->env);
	snprintf(path, sizeof(path), "%s/ledger/data", store->path);
	rc = ration__env_open(&ledger->env, path, 0, bytes, mode, LEDGER_SCHEMA, true);
	if (rc == 0 && store->shared && chown(path, (uid_t)-1, store->gid) == 0)
		chmod(path, mode); /* fails for those who did not make it, rightly */
	return ration__env_error(rc);
}

/* Declared dead, as members.c has it: the name is not to be signed with any more. */
static bool is_fenced(const struct ration__store *store)
{
	uint32_t name = store->name;
	unsigned id = ration__gate_id(name);

	return id >= RATION__SLOTS_MAX ||
	       ration__gate_name(id, store->header->slots[id].generation) != name;
}

static int register_anew(struct ration__store *store)
{
	struct ration__txn *txn;
	int rc = ration__store_begin(store, -1, &txn);

	return rc ? rc : ration__store_commit(txn);
}

static int acquire(struct ration__store *store, int64_t wait_ns)
{
	struct ration__header *header = store->header;
	const struct ration__gate_self self = {
		.name = &store->name,
		.members_fd = store->members_fd,
		.stall = &store->ledger.stall,
		.deadline_ns = ration__max64(DEADLINE_NS, store->deadline_ns),
	};
	bool inherited = false;
	int rc;

	if (store->forked)
		return RATION_EFORK;
	if (store->lost)
		return RATION_ESTORE;
	if (!store->joined || is_fenced(store)) {
		/* who is in a hurry comes again after its next transaction, which registers */
		rc = wait_ns < 0 ? register_anew(store) : RATION_EAGAIN;
		if (rc != 0)
			return rc;
	}
	if (!ration__gate_try(&header->ledger_gate, store->name) &&
		(rc = ration__gate_wait(&header->ledger_gate, &self, wait_ns, &inherited)) != 0)
		return rc;
	rc = open_env(store);
	if (rc != 0)
		ration__gate_release(&header->ledger_gate);
	return rc;
}

static uint64_t sum_of(
	const struct envelope *envelope, const void *key, size_t key_length, const void *value)
{
	return ration__hash64((const char *)envelope + sizeof(envelope->sum),
		       sizeof(*envelope) - sizeof(envelope->sum)) +
	       UINT64_C(0x9e3779b97f4a7c15) * ration__hash64(key, key_length) +
	       UINT64_C(0xc2b2ae3d27d4eb4f) * ration__hash64(value, envelope->length);
}

/* Checks and copies out; value has RATION__LEDGER_VALUE_MAX bytes. */
static int check_value(const struct ration__env *env, const MDB_val *key, const MDB_val *found,
	uint8_t *value, struct envelope *envelope)
{
	if (found->mv_size < sizeof(*envelope) || found->mv_size > env->map_bytes ||
		(uintptr_t)found->mv_data - (uintptr_t)env->map > env->map_bytes - found->mv_size)
		return RATION_EIO;
	memcpy(envelope, found->mv_data, sizeof(*envelope));
	if (envelope->version != LEDGER_SCHEMA || envelope->length > RATION__LEDGER_VALUE_MAX ||
		envelope->length != found->mv_size - sizeof(*envelope))
		return RATION_EIO;
	memcpy(value, (const char *)found->mv_data + sizeof(*envelope), envelope->length);
	if (envelope->sum != sum_of(envelope, key->mv_data, key->mv_size, value))
		return RATION_EIO;
	return 0;
}

/* RATION_EEMPTY: absent */
static int read_value(struct ration__env *env, MDB_txn *txn, MDB_val *key, uint8_t *value,
	struct envelope *envelope)
{
	MDB_val found;
	int rc = ration__env_get(env, txn, key, &found);

	return rc != 0 ? ration__env_error(rc) : check_value(env, key, &found, value, envelope);
}

static int write_value(struct ration__env *env, MDB_txn *txn, MDB_val *key, const uint8_t *value,
	struct envelope *envelope)
{
	MDB_val room = {.mv_size = sizeof(*envelope) + envelope->length};
	int rc;

	envelope->version = LEDGER_SCHEMA;
	envelope->sum = sum_of(envelope, key->mv_data, key->mv_size, value);
	rc = ration__env_put(env, txn, key, &room, MDB_RESERVE);
	if (rc != 0)
		return ration__env_error(rc);
	memcpy(room.mv_data, envelope, sizeof(*envelope));
	memcpy((char *)room.mv_data + sizeof(*envelope), value, envelope->length);
	return 0;
}

static int update_inside(
	struct ration__ledger *ledger, MDB_txn *txn, MDB_val *key, ration__ledger_fn fn, void *arg)
{
	struct envelope envelope = {0};
	size_t length = 0;
	int rc = read_value(&ledger->env, txn, key, ledger->old, &envelope);
	bool absent = rc == RATION_EEMPTY;

	if (rc != 0 && !absent)
		return rc;
	rc = fn(arg, absent ? NULL : ledger->old, absent ? 0 : envelope.length, ledger->value,
		RATION__LEDGER_VALUE_MAX, &length);
	if (rc != 0)
		return rc;
	if (length > RATION__LEDGER_VALUE_MAX)
		return RATION_ETOOBIG;
	envelope.sequence++;
	envelope.length = (uint32_t)length;
	return write_value(&ledger->env, txn, key, ledger->value, &envelope);
}

static int make_key(const void *key, size_t length, MDB_val *out)
{
	static const uint8_t marker[8];

	if (length == 0 || (length == sizeof(marker) && memcmp(key, marker, length) == 0))
		return RATION_EINVAL;
	if (length > RATION__LEDGER_KEY_MAX)
		return RATION_ETOOBIG;
	out->mv_data = (void *)(uintptr_t)key;
	out->mv_size = length;
	return 0;
}

static void complain(struct ration__store *store, int rc)
{
	char text[sizeof(store->path) + 128];

	if (rc != RATION_EIO || !store->hooks.log)
		return;
	snprintf(text, sizeof(text),
		"store %s: ledger/data is damaged; quotas and settings in it cannot be read; move "
		"it away to begin a new one",
		store->path);
	store->hooks.log(store->hooks.arg, RATION_LOG_ERROR, text);
}

/* Commits what was written, unless rc says that it could not be. */
static int finish(struct ration__store *store, MDB_txn *txn, int rc)
{
	struct ration__ledger *ledger = &store->ledger;

	if (rc == 0 && !ration__gate_is(&store->header->ledger_gate, store->name))
		rc = RATION_ESTORE; /* taken for dead meanwhile: another may be writing */
	if (rc == 0)
		return ration__env_error(ration__env_commit(&ledger->env, txn));
	ration__env_abort(&ledger->env, txn);
	return rc;
}

int ration__ledger_update(struct ration__store *store, const void *key, size_t key_length,
	ration__ledger_fn fn, void *arg)
{
	struct ration__ledger *ledger = &store->ledger;
	MDB_val stored;
	MDB_txn *txn;
	int rc;

	rc = make_key(key, key_length, &stored);
	if (rc != 0)
		return rc;
	rc = acquire(store, -1);
	if (rc != 0)
		goto out;
	rc = ration__env_error(ration__env_begin(&ledger->env, &txn));
	if (rc == 0) {
		rc = finish(store, txn, update_inside(ledger, txn, &stored, fn, arg));
	}
	ration__gate_release(&store->header->ledger_gate);
	if (rc == RATION_EEMPTY)
		rc = 0; /* fn left things as they are */
out:
	complain(store, rc);
	return rc;
}

int ration__ledger_get(struct ration__store *store, const void *key, size_t key_length, void *value,
	size_t size, size_t *length)
{
	struct ration__ledger *ledger = &store->ledger;
	struct envelope envelope;
	MDB_val stored;
	MDB_txn *txn;
	int rc;

	rc = make_key(key, key_length, &stored);
	if (rc != 0)
		return rc;
	rc = acquire(store, -1);
	if (rc != 0)
		goto out;
	rc = ration__env_error(ration__env_begin(&ledger->env, &txn));
	if (rc == 0) {
		rc = read_value(&ledger->env, txn, &stored, ledger->old, &envelope);
		ration__env_abort(&ledger->env, txn);
	}
	if (rc == 0 && envelope.length > size)
		rc = RATION_ETOOBIG;
	if (rc == 0) {
		memcpy(value, ledger->old, envelope.length);
		*length = envelope.length;
	}
	ration__gate_release(&store->header->ledger_gate);
out:
	complain(store, rc);
	return rc;
}

int ration__ledger_delete(struct ration__store *store, const void *key, size_t key_length)
{
	struct ration__ledger *ledger = &store->ledger;
	MDB_val stored;
	MDB_txn *txn;
	int rc;

	rc = make_key(key, key_length, &stored);
	if (rc != 0)
		return rc;
	rc = acquire(store, -1);
	if (rc != 0)
		goto out;
	rc = ration__env_error(ration__env_begin(&ledger->env, &txn));
	if (rc == 0) {
		rc = finish(
			store, txn, ration__env_error(ration__env_del(&ledger->env, txn, &stored)));
	}
	ration__gate_release(&store->header->ledger_gate);
	if (rc == RATION_EEMPTY)
		rc = 0;
out:
	complain(store, rc);
	return rc;
}

struct visit {
	const void *prefix;
	size_t prefix_length, max;
	ration__ledger_visit_fn fn;
	void *arg, *next;
	size_t next_length;
};

/* From the key that the cursor is to stand on. */
static int visit_from(
	struct ration__ledger *ledger, MDB_cursor *cursor, MDB_val *key, struct visit *visit)
{
	MDB_val value;
	int rc = ration__env_seek(&ledger->env, cursor, key, &value, MDB_SET_RANGE);

	for (size_t n = 0; rc == 0 && key->mv_size >= visit->prefix_length &&
			   memcmp(key->mv_data, visit->prefix, visit->prefix_length) == 0;
		n++) {
		struct envelope envelope;

		if (key->mv_size > RATION__LEDGER_KEY_MAX)
			return RATION_EIO;
		if (n == visit->max) {
			if (visit->next) {
				memcpy(visit->next, key->mv_data, key->mv_size);
				visit->next_length = key->mv_size;
			}
			return 0;
		}
		rc = check_value(&ledger->env, key, &value, ledger->old, &envelope);
		if (rc == 0)
			rc = visit->fn(visit->arg, key->mv_data, key->mv_size, ledger->old,
				envelope.length);
		if (rc != 0)
			return rc;
		rc = ration__env_seek(&ledger->env, cursor, key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : ration__env_error(rc);
}

static int visit_inside(struct ration__ledger *ledger, MDB_val *from, struct visit *visit)
{
	MDB_cursor *cursor;
	MDB_txn *txn;
	int rc = ration__env_error(ration__env_begin(&ledger->env, &txn));

	if (rc != 0)
		return rc;
	rc = ration__env_error(ration__env_cursor(&ledger->env, txn, &cursor));
	if (rc == 0) {
		rc = visit_from(ledger, cursor, from, visit);
		mdb_cursor_close(cursor);
	}
	ration__env_abort(&ledger->env, txn);
	return rc;
}

int ration__ledger_visit(struct ration__store *store, const void *prefix, size_t prefix_length,
	int64_t wait_ns, const void *from, size_t from_length, size_t max,
	ration__ledger_visit_fn fn, void *arg, void *next, size_t *next_length)
{
	struct visit visit = {.prefix = prefix,
		.prefix_length = prefix_length,
		.max = max,
		.fn = fn,
		.arg = arg,
		.next = next};
	MDB_val first;
	int rc;

	rc = make_key(from ? from : prefix, from ? from_length : prefix_length, &first);
	if (rc != 0)
		return rc;
	if (store->forked)
		return RATION_EFORK;
	if (faccessat(store->ledger.dir_fd, "data", F_OK, 0) < 0 && errno == ENOENT) {
		if (next_length)
			*next_length = 0;
		return 0;
	}
	rc = acquire(store, wait_ns);
	if (rc == 0) {
		rc = visit_inside(&store->ledger, &first, &visit);
		ration__gate_release(&store->header->ledger_gate);
	}
	if (rc == 0 && next_length)
		*next_length = visit.next_length;
	complain(store, rc);
	return rc;
}
