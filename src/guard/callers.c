/* Threads that wait in acquire, in their order. See callers.h. */
#include "guard/callers.h"

#include <stddef.h>

void ration__callers_init(struct ration__callers *callers)
{
	pthread_mutex_init(&callers->mutex, NULL);
	callers->first = NULL;
	callers->last = &callers->first;
}

void ration__callers_fini(struct ration__callers *callers)
{
	pthread_mutex_destroy(&callers->mutex);
}

void ration__callers_enter(struct ration__callers *callers, struct ration__caller *caller)
{
	caller->next = NULL;
	caller->at_places = false;
	caller->held = RATION__NOT_HELD;
	pthread_mutex_lock(&callers->mutex);
	caller->link = callers->last;
	*callers->last = caller;
	callers->last = &caller->next;
	pthread_mutex_unlock(&callers->mutex);
}

bool ration__callers_held(struct ration__callers *callers, struct ration__caller *caller)
{
	enum ration__caller_held held = RATION__NOT_HELD;

	pthread_mutex_lock(&callers->mutex);
	for (const struct ration__caller *before = callers->first;
		before != caller && held != RATION__HELD_BY_LANE; before = before->next) {
		if (before->lane == caller->lane)
			held = RATION__HELD_BY_LANE;
		else if (before->at_places && caller->wants_place)
			held = RATION__HELD_BY_PLACES;
	}
	caller->held = held;
	pthread_mutex_unlock(&callers->mutex);
	return held != RATION__NOT_HELD;
}

/* The first of those that may not be held any more; it looks for itself, and so on. Under the
 * mutex. */
static void wake_first(
	struct ration__callers *callers, enum ration__caller_held held, uint64_t lane)
{
	struct ration__caller *next = callers->first;

	while (next && (next->held != held || (held == RATION__HELD_BY_LANE && next->lane != lane)))
		next = next->next;
	if (next)
		next->wake(next->arg);
}

void ration__callers_denied(
	struct ration__callers *callers, struct ration__caller *caller, bool at_places)
{
	pthread_mutex_lock(&callers->mutex);
	caller->at_places = at_places;
	if (!at_places)
		wake_first(callers, RATION__HELD_BY_PLACES, 0);
	pthread_mutex_unlock(&callers->mutex);
}

void ration__callers_leave(struct ration__callers *callers, struct ration__caller *caller)
{
	pthread_mutex_lock(&callers->mutex);
	*caller->link = caller->next;
	if (caller->next)
		caller->next->link = caller->link;
	else
		callers->last = caller->link;
	wake_first(callers, RATION__HELD_BY_LANE, caller->lane);
	wake_first(callers, RATION__HELD_BY_PLACES, 0);
	pthread_mutex_unlock(&callers->mutex);
}
