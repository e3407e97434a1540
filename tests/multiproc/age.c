/*
 * Lets a minute pass for a store's damage limit: hot/ is made anew at most once a minute, and a
 * test that deletes it a thousand times cannot wait so long. Writes that one stamp, nothing else;
 * safe beside running members, which read it under the gate only when hot/ is damaged.
 *
 * Argument: the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "store/internal.h"

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "age: %s: %s\n", what, why);
	return 1;
}

int main(int argc, char **argv)
{
	struct ration__header *header;
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (argc != 2 || snprintf(path, sizeof(path), "%s/gate", argv[1]) >= (int)sizeof(path))
		return fail("usage", "age STORE");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return fail(path, strerror(errno));
	if (st.st_size < (off_t)sizeof(*header))
		return fail(path, "is no gate");
	header = mmap(NULL, sizeof(*header), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header == MAP_FAILED)
		return fail(path, strerror(errno));
	atomic_store(&header->last_wipe_ns, 0);
	return 0;
}
