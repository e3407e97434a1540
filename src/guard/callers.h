/*
 * Callers: the threads that ask for permits of one guard and may wait, in the order in which they
 * came. Without it a thread that gives a place back and asks again always finds it before those
 * whom its release has to wake, and they never go.
 *
 * One stands behind all before it that want the same (a lane: the same records), and behind those
 * that wait for a place, if it wants one too: it is held, and asks only what it would be told. Who
 * waits for something else, such as its own key's tokens, is in nobody's way.
 *
 * The mutex is taken before a sleeper's, and under no other lock. Callers stand on their threads'
 * stacks: between _enter and _leave.
 *
 * Not a queue of places: which process has its turn is policy/concurrency.h's.
 */
#ifndef GUARD_CALLERS_H
#define GUARD_CALLERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum ration__caller_held {
	RATION__NOT_HELD,
	RATION__HELD_BY_LANE,
	RATION__HELD_BY_PLACES, /* the first of its lane */
};

struct ration__caller {
	struct ration__caller *next, **link;
	uint64_t lane;
	bool wants_place;	       /* of the service */
	bool at_places;		       /* waits for one */
	enum ration__caller_held held; /* when it looked last */
	void (*wake)(void *arg);
	void *arg;
};

struct ration__callers {
	pthread_mutex_t mutex;
	struct ration__caller *first, **last;
};

void ration__callers_init(struct ration__callers *callers);
void ration__callers_fini(struct ration__callers *callers); /* nobody is in it */
/* To the end; lane, wants_place, wake and arg are set. wake is called under the mutex. */
void ration__callers_enter(struct ration__callers *callers, struct ration__caller *caller);
/* Has somebody to go first? When that one has gone, or waits for something else, it is woken. */
bool ration__callers_held(struct ration__callers *callers, struct ration__caller *caller);
/* It asked, not being held, and was told to wait: for a place of the service, or something else. */
void ration__callers_denied(
	struct ration__callers *callers, struct ration__caller *caller, bool at_places);
void ration__callers_leave(struct ration__callers *callers, struct ration__caller *caller);

#endif
