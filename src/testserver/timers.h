/* Timers: a binary heap, earliest first. A timer is part of what it times and knows its place. */
#ifndef TESTSERVER_TIMERS_H
#define TESTSERVER_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_timer {
	int64_t due_ns;
	size_t place; /* 0: not set, else one more than its index */
	void *owner;
};

struct ts_timers {
	struct ts_timer **heap;
	size_t count;
	size_t capacity;
};

void ts__timers_fini(struct ts_timers *timers);
/* False on lack of memory. The timer must not be set already. */
bool ts__timers_set(struct ts_timers *timers, struct ts_timer *timer, int64_t due_ns);
void ts__timers_clear(struct ts_timers *timers, struct ts_timer *timer);
/* The earliest, or NULL. */
struct ts_timer *ts__timers_first(const struct ts_timers *timers);

#endif
