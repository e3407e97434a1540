/* Timers: a binary heap; see the header. */
#include "testserver/timers.h"

#include <stdlib.h>

void ts__timers_fini(struct ts_timers *timers)
{
	free(timers->heap);
	*timers = (struct ts_timers){0};
}

static void put(struct ts_timers *timers, size_t index, struct ts_timer *timer)
{
	timers->heap[index] = timer;
	timer->place = index + 1;
}

static void rise(struct ts_timers *timers, size_t index)
{
	struct ts_timer *timer = timers->heap[index];

	while (index > 0 && timers->heap[(index - 1) / 2]->due_ns > timer->due_ns) {
		put(timers, index, timers->heap[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	put(timers, index, timer);
}

static void sink(struct ts_timers *timers, size_t index)
{
	struct ts_timer *timer = timers->heap[index];

	for (;;) {
		size_t child = 2 * index + 1;
		if (child + 1 < timers->count &&
			timers->heap[child + 1]->due_ns < timers->heap[child]->due_ns)
			child++;
		if (child >= timers->count || timers->heap[child]->due_ns >= timer->due_ns)
			break;
		put(timers, index, timers->heap[child]);
		index = child;
	}
	put(timers, index, timer);
}

bool ts__timers_set(struct ts_timers *timers, struct ts_timer *timer, int64_t due_ns)
{
	if (timers->count == timers->capacity) {
		size_t capacity = timers->capacity ? timers->capacity * 2 : 64;
		struct ts_timer **heap = realloc(timers->heap, capacity * sizeof(heap[0]));
		if (!heap)
			return false;
		timers->heap = heap;
		timers->capacity = capacity;
	}
	timer->due_ns = due_ns;
	timers->heap[timers->count++] = timer;
	rise(timers, timers->count - 1);
	return true;
}

void ts__timers_clear(struct ts_timers *timers, struct ts_timer *timer)
{
	if (timer->place == 0)
		return;

	size_t index = timer->place - 1;
	struct ts_timer *last = timers->heap[--timers->count];
	timer->place = 0;
	if (last == timer)
		return;
	put(timers, index, last);
	rise(timers, index);
	sink(timers, last->place - 1);
}

struct ts_timer *ts__timers_first(const struct ts_timers *timers)
{
	return timers->count > 0 ? timers->heap[0] : NULL;
}
