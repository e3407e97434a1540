/* Opening and closing: the order in which the parts of a store come up, and go. */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_DEFAULT_NS (250 * RATION__NS_PER_MS)

static void init(struct ration__store *store, const struct ration__store_options *options)
{
	store->txn.store = store;
	store->clock = options->clock;
	store->hooks = options->hooks;
	store->deadline_ns = options->deadline_ns > 0 ? options->deadline_ns : DEADLINE_DEFAULT_NS;
	store->hot_bytes = ration__hot_size(options->hot_bytes);
	store->hot_want = options->must_exist ? 0 : store->hot_bytes;
	store->ledger_bytes = options->ledger_bytes;
	store->slot = RATION__SLOT_NONE;
	store->dir_fd = store->gate_fd = store->hot_dir_fd = -1;
	store->wake_dir_fd = store->wake_fd = store->ledger.dir_fd = -1;
	store->members_fd = -1;
}

/* Everything but membership and registry; takes half-built ones. */
static void fini(struct ration__store *store)
{
	int fds[3] = {store->dir_fd, store->hot_dir_fd, -1};

	ration__wake_close(store);
	ration__ledger_fini(store);
	ration__hot_close(store);
	ration__header_close(store);
	fds[2] = store->members_fd; /* the slot's lock goes here, last */
	for (unsigned i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&store->join_mutex);
	free(store);
}

static int bring_up(struct ration__store *store, const struct ration__store_options *options,
	ration_error **err)
{
	const char *hot = options->hot_path ? options->hot_path : "";
	int rc;

	if (*hot && (*hot != '/' || strlen(hot) >= sizeof(store->hot_wish)))
		return ration__error_set(err, RATION_EINVAL,
			"store %s: the place of hot/ must be an absolute path below %zu bytes",
			options->path, sizeof(store->hot_wish));
	strcpy(store->hot_wish, hot);
	rc = ration__directory_open(store, options, err);
	if (rc == 0)
		rc = ration__header_open(store, options, err);
	if (rc == 0)
		rc = ration__members_open(store, err);
	if (rc == 0)
		rc = ration__wake_open(store, err);
	if (rc == 0)
		rc = ration__ledger_init(store, err);
	return rc;
}

/* A stopped peer that holds the gate is no reason to fail: this member begins degraded, and joins
 * at the first transaction that gets in. */
static int join_first(struct ration__store *store, ration_error **err)
{
	ration_error *why = NULL;
	int rc = ration__members_join(store, -1, &why);

	if (rc == RATION_ESTORE) {
		if (store->hooks.log)
			store->hooks.log(
				store->hooks.arg, RATION_LOG_WARNING, ration_error_text(why));
		ration_error_free(why);
		return 0;
	}
	if (err && !*err)
		*err = why;
	else
		ration_error_free(why);
	return rc;
}

int ration__store_open(
	const struct ration__store_options *options, struct ration__store **out, ration_error **err)
{
	struct ration__store *store;
	int rc;

	store = calloc(1, sizeof(*store));
	if (!store)
		return ration__error_set(err, RATION_ENOMEM, "store: out of memory");
	init(store, options);
	rc = pthread_mutex_init(&store->join_mutex, NULL);
	if (rc != 0) {
		free(store);
		return ration__error_set(err, RATION_ENOMEM, "store: %s", strerror(rc));
	}
	rc = bring_up(store, options, err);
	if (rc != 0)
		goto not_up;
	rc = ration__registry_add(store);
	if (rc != 0) {
		ration__error_set(
			err, rc, "store %s: is open in this process already", store->path);
		goto not_up;
	}
	rc = join_first(store, err);
	if (rc != 0)
		goto not_joined;
	store->opened = true;
	*out = store;
	return 0;

not_joined:
	ration__registry_remove(store);
not_up:
	ration__error_set(err, rc, "store %s: %s", store->path, ration_strerror(rc));
	fini(store);
	return rc;
}

void ration__store_close(struct ration__store *store)
{
	if (!store || store->forked)
		return; /* in a child: see registry.c */
	ration__members_leave(store);
	ration__registry_remove(store);
	fini(store);
}

bool ration__store_forked(const struct ration__store *store)
{
	return store->forked;
}

const char *ration__store_path(const struct ration__store *store)
{
	return store->path;
}

const char *ration__store_hot_path(const struct ration__store *store)
{
	return store->hot_path;
}

uint64_t ration__store_commits(const struct ration__store *store)
{
	return atomic_load_explicit(&store->header->commits, memory_order_relaxed);
}

uint64_t ration__store_epoch(const struct ration__store *store)
{
	return atomic_load_explicit(&store->header->epoch, memory_order_relaxed);
}

_Atomic uint64_t *ration__store_word(struct ration__store *store, unsigned index)
{
	return &store->header->words[index];
}

_Atomic uint64_t *ration__slot_word(struct ration__store *store, uint16_t slot)
{
	return &store->header->slots[slot].word;
}

void *ration__slot_area(struct ration__store *store, uint16_t slot)
{
	return store->header->areas[slot];
}

uint16_t ration__store_slot(const struct ration__store *store)
{
	return store->slot;
}

uint32_t ration__store_generation(const struct ration__store *store)
{
	return store->generation;
}
