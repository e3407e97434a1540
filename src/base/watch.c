/*
 * Watching files. See watch.h.
 *
 * watch.mutex guards the list and what is in its entries; it is let go while a callback runs.
 * `running` names the entry whose callback that is: who removes that one waits for its end. An
 * entry that is removed from within its own callback is freed after it.
 *
 * Only the watch's thread asks the file system anything.
 */
#include "base/watch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 2000
#define SETTLE_MS 10 /* so that a busy folder is looked at a hundred times a second at most */
#define EVENTS                                                                              \
	(IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | \
		IN_ONLYDIR)

/* What a path led to when it was last looked at. */
struct looks {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct ration__watched {
	struct ration__watched *next, **link;
	ration__watch_fn fn;
	void *arg;
	bool seen;    /* looked at before */
	bool due;     /* to be called whatever it looks like */
	bool removed; /* from within its callback */
	int folder;   /* inotify's; -1 none */
	struct looks looks;
	char path[];
};

struct ration__watch {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t done; /* a callback ended */
	int kick_fd, inotify_fd;
	bool stop;
	struct ration__watched *files;
	struct ration__watched *running;
};

static void kick(struct ration__watch *watch)
{
	uint64_t one = 1;

	while (write(watch->kick_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* ---- looking ---- */

static struct looks look(const char *path)
{
	struct looks looks = {.there = false};
	struct stat st;

	if (stat(path, &st) == 0)
		looks = (struct looks){.there = true,
			.dev = st.st_dev,
			.ino = st.st_ino,
			.size = st.st_size,
			.mtime = st.st_mtim,
			.ctime = st.st_ctim};
	return looks;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same(const struct looks *a, const struct looks *b)
{
	return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       same_time(a->mtime, b->mtime) && same_time(a->ctime, b->ctime);
}

static const char *name_of(const struct ration__watched *file)
{
	const char *slash = strrchr(file->path, '/');

	return slash ? slash + 1 : file->path;
}

/* Unless somebody else watches that folder too. */
static void leave_folder(struct ration__watch *watch, int folder)
{
	if (folder < 0)
		return;
	for (const struct ration__watched *file = watch->files; file; file = file->next)
		if (file->folder == folder)
			return;
	inotify_rm_watch(watch->inotify_fd, folder);
}

/* inotify is asked for the folder again each time: the same one gives the same number, and one that
 * was replaced a new one. */
static void watch_folder(struct ration__watch *watch, struct ration__watched *file)
{
	size_t length = (size_t)(name_of(file) - file->path);
	char folder[PATH_MAX] = ".";
	int before;

	if (watch->inotify_fd < 0 || length >= sizeof(folder))
		return;
	if (length) {
		memcpy(folder, file->path, length);
		folder[length] = '\0';
	}
	before = file->folder;
	file->folder = inotify_add_watch(watch->inotify_fd, folder, EVENTS);
	if (before != file->folder)
		leave_folder(watch, before);
}

/* True: it is to be told. The folder comes first: what changes after that is seen either way. */
static bool changed(struct ration__watch *watch, struct ration__watched *file)
{
	struct looks now;
	bool tell;

	watch_folder(watch, file);
	now = look(file->path);
	tell = file->due || !file->seen || !same(&now, &file->looks);
	file->looks = now;
	file->seen = true;
	file->due = false;
	return tell;
}

/* ---- calling ---- */

static void unlink_file(struct ration__watch *watch, struct ration__watched *file)
{
	*file->link = file->next;
	if (file->next)
		file->next->link = file->link;
	leave_folder(watch, file->folder);
}

static void call(struct ration__watch *watch, struct ration__watched *file)
{
	watch->running = file;
	pthread_mutex_unlock(&watch->mutex);
	file->fn(file->arg);
	pthread_mutex_lock(&watch->mutex);
	watch->running = NULL;
	if (file->removed)
		free(file);
	pthread_cond_broadcast(&watch->done);
}

/* Under mutex, which is let go for callbacks: the list is begun again after each, until nobody in
 * it has changed. */
static void look_at_all(struct ration__watch *watch)
{
	struct ration__watched *file = watch->files;

	while (file && !watch->stop) {
		if (!changed(watch, file)) {
			file = file->next;
			continue;
		}
		call(watch, file);
		file = watch->files;
	}
}

/* ---- the thread ---- */

/* Who is named in an event is told even if it looks as before: clocks of file systems are coarse,
 * and two writes in one tick look alike. */
static void take_events(struct ration__watch *watch)
{
	_Alignas(struct inotify_event) char buffer[4096];
	ssize_t length = read(watch->inotify_fd, buffer, sizeof(buffer));

	for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= length;) {
		const struct inotify_event *event = (const void *)(buffer + at);

		for (struct ration__watched *file = watch->files; file; file = file->next)
			if (event->len && event->wd == file->folder &&
				!(event->mask & (IN_CREATE | IN_ISDIR)) &&
				strcmp(event->name, name_of(file)) == 0)
				file->due = true;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
}

static void *watch_thread(void *arg)
{
	struct ration__watch *watch = arg;
	struct pollfd fds[2] = {{.fd = watch->kick_fd, .events = POLLIN},
		{.fd = watch->inotify_fd, .events = POLLIN}};

	pthread_mutex_lock(&watch->mutex);
	while (!watch->stop) {
		uint64_t count;
		int ready;

		pthread_mutex_unlock(&watch->mutex);
		ready = poll(fds, 2, LOOK_MS);
		if (ready > 0 && fds[0].revents && read(watch->kick_fd, &count, sizeof(count)) < 0)
			fds[0].revents = 0; /* it was none: the look is made anyway */
		if (ready > 0 && fds[1].revents && !fds[0].revents)
			poll(fds, 1, SETTLE_MS);
		pthread_mutex_lock(&watch->mutex);
		if (ready > 0 && fds[1].revents)
			take_events(watch);
		look_at_all(watch);
	}
	pthread_mutex_unlock(&watch->mutex);
	return NULL;
}

/* Threads of a library take no signals: the program's handlers run on the program's threads. */
static int start_thread(struct ration__watch *watch)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&watch->thread, NULL, watch_thread, watch);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		pthread_setname_np(watch->thread, "ration-files");
	return rc == 0 ? 0 : RATION_ESYSTEM;
}

/* ---- the face ---- */

/* Without its thread. */
static void destroy(struct ration__watch *watch)
{
	if (watch->kick_fd >= 0)
		close(watch->kick_fd);
	if (watch->inotify_fd >= 0)
		close(watch->inotify_fd);
	pthread_cond_destroy(&watch->done);
	pthread_mutex_destroy(&watch->mutex);
	free(watch);
}

int ration__watch_new(struct ration__watch **out)
{
	struct ration__watch *watch = calloc(1, sizeof(*watch));
	int rc = RATION_ESYSTEM;

	if (!watch)
		return RATION_ENOMEM;
	pthread_mutex_init(&watch->mutex, NULL);
	pthread_cond_init(&watch->done, NULL);
	watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK); /* -1: then by looking alone */
	watch->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watch->kick_fd >= 0)
		rc = start_thread(watch);
	if (rc == 0) {
		*out = watch;
		return 0;
	}
	destroy(watch);
	return rc;
}

void ration__watch_free(struct ration__watch *watch)
{
	if (!watch)
		return;
	pthread_mutex_lock(&watch->mutex);
	watch->stop = true;
	pthread_mutex_unlock(&watch->mutex);
	kick(watch);
	pthread_join(watch->thread, NULL);
	while (watch->files) {
		struct ration__watched *file = watch->files;

		watch->files = file->next;
		free(file);
	}
	destroy(watch);
}

int ration__watch_add(struct ration__watch *watch, const char *path, ration__watch_fn fn, void *arg,
	struct ration__watched **out)
{
	struct ration__watched *file = calloc(1, sizeof(*file) + strlen(path) + 1);

	if (!file)
		return RATION_ENOMEM;
	strcpy(file->path, path);
	file->fn = fn;
	file->arg = arg;
	file->folder = -1;
	pthread_mutex_lock(&watch->mutex);
	file->next = watch->files;
	file->link = &watch->files;
	if (file->next)
		file->next->link = &file->next;
	watch->files = file;
	*out = file;
	pthread_mutex_unlock(&watch->mutex);
	kick(watch);
	return 0;
}

void ration__watch_remove(struct ration__watch *watch, struct ration__watched *file)
{
	bool within = pthread_equal(pthread_self(), watch->thread);

	if (!file)
		return;
	pthread_mutex_lock(&watch->mutex);
	unlink_file(watch, file);
	if (watch->running == file && within) {
		file->removed = true;
		file = NULL;
	}
	while (file && watch->running == file)
		pthread_cond_wait(&watch->done, &watch->mutex);
	pthread_mutex_unlock(&watch->mutex);
	free(file);
}
