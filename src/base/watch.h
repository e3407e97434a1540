/*
 * Files that are watched for changes: one thread, which calls back when what a path leads to may
 * have become something else: written to, replaced by rename, reached through a symbolic link that
 * was swapped, gone, or come back.
 *
 * inotify on each file's folder says so at once; every two seconds all of them are looked at in
 * any case, since inotify is silent about links into other folders, bind mounts and network file
 * systems, and may not be had at all (its instances are limited per user).
 *
 * Not here: reading the files, and what to do about them.
 */
#ifndef BASE_WATCH_H
#define BASE_WATCH_H

#include "base/error.h"

struct ration__watch;
struct ration__watched;

/* On the watch's thread, which takes no signals; no lock is held: it may block on the file. Called
 * once soon after the file was added, so that a change between the caller's own reading and the
 * adding is not lost, then after each change; sometimes when nothing changed. */
typedef void (*ration__watch_fn)(void *arg);

/* Starts the thread. 0, RATION_ENOMEM, RATION_ESYSTEM (no thread). [any] */
int ration__watch_new(struct ration__watch **watch);
/* Ends the thread; what is still watched is forgotten. NULL is fine. Not from within fn, nor in a
 * forked child. [B] */
void ration__watch_free(struct ration__watch *watch);

/* The path is copied; nothing need be there yet. Does not block. 0, RATION_ENOMEM. [any] */
int ration__watch_add(struct ration__watch *watch, const char *path, ration__watch_fn fn, void *arg,
	struct ration__watched **file);
/* After it returned, fn is not running and will not be called; frees file (NULL is fine). Waits for
 * an fn that is running, unless called from within it. [any] [B] */
void ration__watch_remove(struct ration__watch *watch, struct ration__watched *file);

#endif
