/*
 * Waking: a datagram socket per slot, STORE/wake/<slot>.
 *
 * A wake-up is a hint, the waiter's timer being the fallback: a full queue means that one is
 * pending already, and a member that is gone needs none. The socket is bound under the name of the
 * registrar byte that its process holds, where nobody else binds, and renamed to the slot, which
 * replaces what a dead member left. (A socket is found by its inode, so it may be renamed.)
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t address(const struct ration__store *store, struct sockaddr_un *out,
	const char *kind, unsigned number)
{
	int length;

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	length = snprintf(
		out->sun_path, sizeof(out->sun_path), "%s/wake/%s%u", store->path, kind, number);
	if (length < 0 || (size_t)length >= sizeof(out->sun_path)) /* 107 bytes are not much */
		snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s%u",
			store->wake_dir_fd, kind, number);
	return sizeof(*out);
}

int ration__wake_open(struct ration__store *store, ration_error **err)
{
	int rc = ration__directory_sub(store, store->dir_fd, "wake", &store->wake_dir_fd, err);

	if (rc != 0)
		return rc;
	store->wake_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (store->wake_fd < 0)
		return ration__error_set(err, ration__errno_code(errno),
			"store %s: wake socket: %s", store->path, strerror(errno));
	return 0;
}

static bool bind_as_slot(struct ration__store *store, int fd, unsigned registrar)
{
	struct sockaddr_un at;
	char from[24], to[24];
	socklen_t size = address(store, &at, "r", registrar);

	snprintf(from, sizeof(from), "r%u", registrar);
	snprintf(to, sizeof(to), "%u", store->slot);
	unlinkat(store->wake_dir_fd, from, 0);
	if (bind(fd, (struct sockaddr *)&at, size) != 0)
		return false;
	if (store->shared && (fchownat(store->wake_dir_fd, from, (uid_t)-1, store->gid, 0) != 0 ||
				     fchmodat(store->wake_dir_fd, from, 0660, 0) != 0))
		return false;
	return renameat(store->wake_dir_fd, from, store->wake_dir_fd, to) == 0;
}

/* Holding the registrar's byte and the slot's lock. Failing costs punctuality only. */
void ration__wake_join(struct ration__store *store, unsigned registrar)
{
	int fd = store->wake_fd;
	bool done;

	/* registered anew: a socket binds once, so another takes over its number */
	if (store->wake_bound)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	done = fd >= 0 && bind_as_slot(store, fd, registrar);
	if (done && fd != store->wake_fd)
		done = dup3(fd, store->wake_fd, O_CLOEXEC) >= 0;
	if (fd >= 0 && fd != store->wake_fd)
		close(fd);
	store->wake_bound = store->wake_bound || done;
	if (!done && store->hooks.log)
		store->hooks.log(store->hooks.arg, RATION_LOG_WARNING,
			"store: cannot be woken by other members; waits end by timer");
}

int ration__store_wake_fd(const struct ration__store *store)
{
	return store->wake_fd;
}

void ration__store_wake_drain(struct ration__store *store)
{
	char byte;

	while (store->wake_fd >= 0 && recv(store->wake_fd, &byte, 1, MSG_DONTWAIT) >= 0)
		;
}

void ration__store_wake(struct ration__store *store, uint16_t slot)
{
	struct sockaddr_un at;
	socklen_t size;

	if (store->forked || slot >= RATION__SLOTS_MAX ||
		!atomic_load_explicit(&store->header->slots[slot].used, memory_order_relaxed))
		return;
	size = address(store, &at, "", slot);
	sendto(store->wake_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&at, size);
}

void ration__wake_close(struct ration__store *store)
{
	char name[24];

	if (store->wake_bound) {
		snprintf(name, sizeof(name), "%u", store->slot);
		unlinkat(store->wake_dir_fd, name, 0);
	}
	if (store->wake_fd >= 0)
		close(store->wake_fd);
	if (store->wake_dir_fd >= 0)
		close(store->wake_dir_fd);
}
