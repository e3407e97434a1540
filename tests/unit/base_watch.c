/* Files that are watched: written, replaced, swapped behind a link, gone and back. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/watch.h"
#include "http_leaks.h"

TestSuite(watch, .fini = check_leaks, .timeout = 60);

static char folder[64];
static struct ration__watch *watch;

struct seen {
	char path[96];
	char text[32]; /* what stood there when it was called; "": nothing */
	atomic_int calls;
	pthread_mutex_t mutex;
	struct ration__watched *file;
};

static void see(void *arg)
{
	struct seen *seen = arg;
	char text[32] = "";
	FILE *file = fopen(seen->path, "r");

	if (file) {
		size_t length = fread(text, 1, sizeof(text) - 1, file);

		text[length] = '\0';
		fclose(file);
	}
	pthread_mutex_lock(&seen->mutex);
	strcpy(seen->text, text);
	pthread_mutex_unlock(&seen->mutex);
	atomic_fetch_add(&seen->calls, 1);
}

static bool shows(struct seen *seen, const char *text)
{
	bool same;

	pthread_mutex_lock(&seen->mutex);
	same = strcmp(seen->text, text) == 0;
	pthread_mutex_unlock(&seen->mutex);
	return same && seen->calls;
}

#define UNTIL(condition)                                                       \
	do {                                                                   \
		int tries = 0;                                                 \
		while (!(condition)) {                                         \
			cr_assert_lt(tries++, 20000, "never: %s", #condition); \
			usleep(1000);                                          \
		}                                                              \
	} while (0)

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	cr_assert(file);
	fputs(text, file);
	fclose(file);
}

static void begin(void)
{
	snprintf(folder, sizeof(folder), "/tmp/ration-watch-XXXXXX");
	cr_assert(mkdtemp(folder));
	cr_assert_eq(ration__watch_new(&watch), 0);
}

static void end(void)
{
	char command[96];

	ration__watch_free(watch);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

static void add(struct seen *seen, const char *name)
{
	memset(seen, 0, sizeof(*seen));
	pthread_mutex_init(&seen->mutex, NULL);
	snprintf(seen->path, sizeof(seen->path), "%s/%s", folder, name);
	cr_assert_eq(ration__watch_add(watch, seen->path, see, seen, &seen->file), 0);
}

static char *in(const char *name)
{
	static char paths[4][96];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

Test(watch, written_replaced_gone_and_back)
{
	struct seen seen;

	begin();
	add(&seen, "file");
	UNTIL(seen.calls == 1);
	cr_assert_str_eq(seen.text, "");
	put(in("file"), "one");
	UNTIL(shows(&seen, "one"));
	put(in("other"), "two");
	cr_assert_eq(rename(in("other"), in("file")), 0);
	UNTIL(shows(&seen, "two"));
	cr_assert_eq(unlink(in("file")), 0);
	UNTIL(shows(&seen, ""));
	put(in("file"), "six");
	UNTIL(shows(&seen, "six"));
	end();
}

/* As Kubernetes replaces secrets: file -> ..data/file, ..data -> ..1, swapped by rename. */
Test(watch, link_in_its_way_is_swapped)
{
	struct seen seen;

	begin();
	for (int i = 1; i <= 2; i++) {
		char name[16];

		snprintf(name, sizeof(name), "..%d", i);
		cr_assert_eq(mkdir(in(name), 0700), 0);
		snprintf(name, sizeof(name), "..%d/file", i);
		put(in(name), i == 1 ? "one" : "two");
	}
	cr_assert_eq(symlink("..1", in("..data")), 0);
	cr_assert_eq(symlink("..data/file", in("file")), 0);
	add(&seen, "file");
	UNTIL(shows(&seen, "one"));
	cr_assert_eq(symlink("..2", in("..new")), 0);
	cr_assert_eq(rename(in("..new"), in("..data")), 0);
	UNTIL(shows(&seen, "two"));
	end();
}

/* inotify says nothing of it: the regular look does. */
Test(watch, folder_is_replaced_and_links_lead_elsewhere)
{
	struct seen seen, linked;

	begin();
	cr_assert_eq(mkdir(in("a"), 0700), 0);
	cr_assert_eq(mkdir(in("b"), 0700), 0);
	put(in("a/file"), "one");
	put(in("b/file"), "two");
	put(in("target"), "one");
	cr_assert_eq(symlink("../target", in("b/link")), 0);
	add(&seen, "a/file");
	add(&linked, "b/link");
	UNTIL(shows(&seen, "one") && shows(&linked, "one"));
	cr_assert_eq(rename(in("a"), in("c")), 0);
	cr_assert_eq(rename(in("b"), in("a")), 0);
	UNTIL(shows(&seen, "two"));
	UNTIL(shows(&linked, ""));
	put(in("a/file"), "six");
	UNTIL(shows(&seen, "six"));
	cr_assert_eq(mkdir(in("b"), 0700), 0);
	cr_assert_eq(symlink("../target", in("b/link")), 0);
	UNTIL(shows(&linked, "one"));
	put(in("target"), "two!");
	UNTIL(shows(&linked, "two!"));
	end();
}

Test(watch, not_called_once_removed)
{
	struct seen first, second;
	int calls;

	begin();
	put(in("a"), "one");
	add(&first, "a");
	add(&second, "a");
	UNTIL(shows(&first, "one") && shows(&second, "one"));
	ration__watch_remove(watch, first.file);
	calls = first.calls;
	put(in("a"), "two");
	UNTIL(shows(&second, "two"));
	cr_assert_eq(first.calls, calls);
	ration__watch_remove(watch, NULL);
	end();
}

static void leave(void *arg)
{
	struct seen *seen = arg;

	see(seen);
	ration__watch_remove(watch, seen->file);
}

Test(watch, removes_itself)
{
	struct seen seen, other;

	begin();
	memset(&seen, 0, sizeof(seen));
	pthread_mutex_init(&seen.mutex, NULL);
	snprintf(seen.path, sizeof(seen.path), "%s/a", folder);
	cr_assert_eq(ration__watch_add(watch, seen.path, leave, &seen, &seen.file), 0);
	UNTIL(seen.calls == 1);
	add(&other, "a");
	put(in("a"), "one");
	UNTIL(shows(&other, "one"));
	cr_assert_eq(seen.calls, 1);
	end();
}
