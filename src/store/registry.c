/*
 * The stores that this process has open: so that none is opened twice (an LMDB environment must
 * not be), and so that fork leaves the child without them.
 *
 * In the child: the descriptor that carries the slot's lock is closed, or the child would keep its
 * dead parent alive; and the shared mappings, which MADV_DONTFORK left out, are replaced by private
 * ones, so that a stray access does not fault. LMDB's environments are never touched again: another
 * thread may have been inside them. They stay reachable from here, with the store, for good.
 *
 * The list is the only global state of the library besides constants; its mutex is taken last.
 */
#include "store/internal.h"

#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t registry_once = PTHREAD_ONCE_INIT;
static struct ration__store *registry;
static int registry_rc;

static void before_fork(void)
{
	pthread_mutex_lock(&registry_mutex);
}

static void after_fork_parent(void)
{
	pthread_mutex_unlock(&registry_mutex);
}

static void replace(void *map, size_t bytes, int protection)
{
	if (map)
		mmap(map, bytes, protection,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

static void after_fork_child(void)
{
	for (struct ration__store *store = registry; store; store = store->next) {
		if (store->forked)
			continue; /* a child of a child */
		atomic_store_explicit(&store->forked, true, memory_order_relaxed);
		close(store->members_fd);
		close(store->wake_fd);
		store->members_fd = store->wake_fd = -1;
		replace(store->header, sizeof(*store->header), PROT_READ | PROT_WRITE);
		replace(store->hot.map, store->hot.map_bytes, PROT_NONE);
		replace(store->ledger.env.map, store->ledger.env.map_bytes, PROT_NONE);
	}
	pthread_mutex_unlock(&registry_mutex);
}

static void register_handlers(void)
{
	registry_rc = pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

int ration__registry_add(struct ration__store *store)
{
	int rc = 0;

	pthread_once(&registry_once, register_handlers);
	if (registry_rc != 0)
		return RATION_ENOMEM;
	pthread_mutex_lock(&registry_mutex);
	for (struct ration__store *other = registry; other; other = other->next)
		if (!other->forked && other->dev == store->dev && other->ino == store->ino)
			rc = RATION_EBUSY;
	if (rc == 0) {
		store->next = registry;
		registry = store;
	}
	pthread_mutex_unlock(&registry_mutex);
	return rc;
}

void ration__registry_remove(struct ration__store *store)
{
	pthread_mutex_lock(&registry_mutex);
	for (struct ration__store **at = &registry; *at; at = &(*at)->next) {
		if (*at == store) {
			*at = store->next;
			break;
		}
	}
	pthread_mutex_unlock(&registry_mutex);
}
