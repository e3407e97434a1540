/*
 * The store's directory: making it, opening it, and every reason to refuse one.
 *
 * All who can write a store trust each other as threads do, so a directory that somebody else could
 * write, or that somebody else prepared for root, is refused. Not here: what stands in the files.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/util.h"

int ration__errno_code(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case EROFS:
		return RATION_EACCESS;
	case ENOSPC:
	case EDQUOT:
		return RATION_ENOSPC;
	case ENOMEM:
		return RATION_ENOMEM;
	case ENAMETOOLONG:
		return RATION_ETOOBIG;
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
		return RATION_ENOSTORE;
	default:
		return RATION_ESYSTEM;
	}
}

mode_t ration__store_mode(const struct ration__store *store)
{
	return store->shared ? 0660 : 0600;
}

int ration__store_default_path(char *out, size_t size)
{
	const char *value, *tail;
	char text[PATH_MAX];
	int length;

	if ((value = getenv("RATION_STORE")) && *value)
		tail = "";
	else if ((value = getenv("XDG_STATE_HOME")) && *value == '/')
		tail = "/ration"; /* a relative one is to be ignored, says its specification */
	else if ((value = getenv("HOME")) && *value)
		tail = "/.local/state/ration";
	else
		return RATION_ENOSTORE;
	length = snprintf(text, sizeof(text), "%s%s", value, tail);
	if (length < 0 || (size_t)length >= sizeof(text) || (size_t)length >= size)
		return RATION_ETOOBIG;
	memcpy(out, text, (size_t)length + 1);
	return 0;
}

/* Locks, mmap and rename on these are not what one kernel's are. */
static const struct {
	unsigned long magic;
	const char *name;
} network_fs[] = {
	{NFS_SUPER_MAGIC, "NFS"}, {SMB_SUPER_MAGIC, "SMB"}, {0xff534d42, "CIFS"},
	{0xfe534d42, "SMB2"}, {CODA_SUPER_MAGIC, "Coda"}, {AFS_SUPER_MAGIC, "AFS"},
	{0x6b414653, "AFS"}, {0x5346414f, "OpenAFS"}, {V9FS_MAGIC, "9p"}, {0x00c36400, "Ceph"},
	{0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"}, {0x01161970, "GFS2"}, {0x7461636f, "OCFS2"},
	{0x19830326, "BeeGFS"}, {0xaad7aaea, "PanFS"}, {NCP_SUPER_MAGIC, "NCP"},
	{0x65735546, "FUSE"}, /* sshfs, s3fs, GlusterFS: cannot be told apart from local ones */
};

const char *ration__network_fs(unsigned long magic)
{
	for (size_t i = 0; i < RATION__COUNT(network_fs); i++)
		if (magic == network_fs[i].magic)
			return network_fs[i].name;
	return NULL;
}

int ration__directory_refuse_fs(int fd, const char *path, ration_error **err)
{
	struct statfs fs;
	const char *name;

	if (fstatfs(fd, &fs) != 0)
		return ration__error_set(
			err, RATION_ESYSTEM, "store %s: statfs: %s", path, strerror(errno));
	name = ration__network_fs((unsigned long)fs.f_type & 0xffffffffu);
	if (name)
		return ration__error_set(err, RATION_ENETFS,
			"store %s: is on %s, which cannot be shared safely; choose a directory on "
			"a local disk or tmpfs",
			path, name);
	return 0;
}

static int refuse_owner(const struct ration__store *store, const struct stat *st,
	const struct ration__store_options *options, ration_error **err)
{
	if (!S_ISDIR(st->st_mode))
		return ration__error_set(
			err, RATION_ENOSTORE, "store %s: is not a directory", store->path);
	if (st->st_mode & S_IWOTH)
		return ration__error_set(err, RATION_EPERM,
			"store %s: everybody may write to it (mode %04o); all who can write a "
			"store can break it: chmod o-w, or choose another directory",
			store->path, (unsigned)st->st_mode & 07777);
	if (store->shared) {
		if (st->st_gid != store->gid || !(st->st_mode & S_IWGRP))
			return ration__error_set(err, RATION_EPERM,
				"store %s: does not belong to group %s (mode %04o); chgrp it and "
				"chmod 2770, or drop the group setting",
				store->path, options->group, (unsigned)st->st_mode & 07777);
		if (geteuid() != 0 || st->st_uid == 0)
			return 0; /* who is no member of the group cannot write the files */
	} else if (st->st_mode & S_IWGRP) {
		return ration__error_set(err, RATION_EPERM,
			"store %s: its group may write to it (mode %04o); chmod g-w, or name the "
			"group in the store's settings to trust its members",
			store->path, (unsigned)st->st_mode & 07777);
	}
	if (st->st_uid != geteuid())
		return ration__error_set(err, RATION_EPERM,
			"store %s: belongs to user %u, not to %u%s; use a store of your own, or a "
			"group's",
			store->path, (unsigned)st->st_uid, (unsigned)geteuid(),
			geteuid() == 0 ? " (root)" : "");
	return 0;
}

/* Parents are made 0700: a state folder is private. */
static int make_path(struct ration__store *store, ration_error **err)
{
	char text[PATH_MAX];

	memcpy(text, store->path, sizeof(text));
	for (char *p = text + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(text, 0700) == 0) {
			if (c == '\0' && store->shared &&
				(chown(text, (uid_t)-1, store->gid) != 0 ||
					chmod(text, 02770) != 0))
				return ration__error_set(err, ration__errno_code(errno),
					"store %s: cannot be given to the group: %s", text,
					strerror(errno));
		} else if (errno != EEXIST) {
			return ration__error_set(err, ration__errno_code(errno),
				"store %s: cannot make %s: %s", store->path, text, strerror(errno));
		}
		if (c == '\0')
			return 0;
		*p = c;
	}
}

static int find_group(struct ration__store *store, const char *group, ration_error **err)
{
	struct group entry, *found = NULL;
	size_t size = 65536;
	char *buffer = malloc(size);
	int rc;

	if (!buffer)
		return RATION_ENOMEM;
	rc = getgrnam_r(group, &entry, buffer, size, &found);
	if (found) {
		store->gid = found->gr_gid;
		store->shared = true;
	}
	free(buffer);
	if (!found)
		return ration__error_set(err, RATION_EINVAL, "store %s: group \"%s\": %s",
			store->path, group, rc ? strerror(rc) : "no such group");
	return 0;
}

int ration__directory_open(struct ration__store *store, const struct ration__store_options *options,
	ration_error **err)
{
	struct stat st;
	char *real;
	size_t length;
	int rc, fd;

	length = options->path ? strlen(options->path) : 0;
	while (length > 1 && options->path[length - 1] == '/')
		length--;
	if (length == 0)
		return ration__error_set(err, RATION_EINVAL, "store: the path is empty");
	if (length >= sizeof(store->path) - 32)
		return ration__error_set(err, RATION_ETOOBIG, "store: the path is too long");
	memcpy(store->path, options->path, length);
	if (options->group && (rc = find_group(store, options->group, err)) != 0)
		return rc;

	fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !options->must_exist) {
		rc = make_path(store, err);
		if (rc != 0)
			return rc;
		fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0) {
		rc = errno;
		return ration__error_set(err, ration__errno_code(rc), "store %s: %s", store->path,
			rc == ENOENT ? "does not exist" : strerror(rc));
	}
	if (fstat(fd, &st) != 0)
		rc = ration__error_set(
			err, RATION_ESYSTEM, "store %s: %s", store->path, strerror(errno));
	else
		rc = refuse_owner(store, &st, options, err);
	if (rc == 0)
		rc = ration__directory_refuse_fs(fd, store->path, err);
	if (rc != 0)
		goto refused;

	/* absolute, so that a later chdir changes nothing */
	real = realpath(store->path, NULL);
	if (!real || strlen(real) >= sizeof(store->path) - 32) {
		rc = ration__error_set(err, real ? RATION_ETOOBIG : ration__errno_code(errno),
			"store %s: %s", store->path,
			real ? "the path is too long" : strerror(errno));
		free(real);
		goto refused;
	}
	strcpy(store->path, real);
	free(real);
	snprintf(store->gate_path, sizeof(store->gate_path), "%s/gate", store->path);
	store->dir_fd = fd;
	return 0;

refused:
	close(fd);
	return rc;
}

int ration__directory_sub(
	struct ration__store *store, int at, const char *name, int *out, ration_error **err)
{
	struct stat st;
	int fd;

	if (mkdirat(at, name, 0700) == 0) {
		/* the umask may take from the mode, never from what trust asks for */
		if (store->shared && (fchownat(at, name, (uid_t)-1, store->gid, 0) != 0 ||
					     fchmodat(at, name, 02770, 0) != 0))
			return ration__error_set(err, ration__errno_code(errno), "store %s: %s: %s",
				store->path, name, strerror(errno));
	} else if (errno != EEXIST) {
		return ration__error_set(err, ration__errno_code(errno),
			"store %s: cannot make %s: %s", store->path, name, strerror(errno));
	}
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return ration__error_set(err, ration__errno_code(errno), "store %s: %s: %s",
			store->path, name, strerror(errno));
	if (fstat(fd, &st) != 0 || (st.st_mode & S_IWOTH) ||
		(st.st_uid != geteuid() && !store->shared)) {
		close(fd);
		return ration__error_set(err, RATION_EPERM,
			"store %s: %s belongs to another user, or everybody may write to it",
			store->path, name);
	}
	*out = fd;
	return 0;
}
