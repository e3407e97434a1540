/* A binary min-heap of timers, intrusive: an element knows its place, so removal is O(log n)
 * without a search. Not thread safe. The heap never frees elements. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct ration__timer {
	int64_t at_ns;
	uint32_t index; /* place in the heap + 1; 0: not in a heap */
};

struct ration__heap {
	struct ration__timer **items;
	uint32_t count, capacity;
};

void ration__heap_init(struct ration__heap *heap);
void ration__heap_fini(struct ration__heap *heap);
/* Makes room, so that the next `extra` additions cannot fail. 0 or RATION_ENOMEM. */
int ration__heap_reserve(struct ration__heap *heap, uint32_t extra);
/* Adds, or moves when it is in the heap already. 0 or RATION_ENOMEM (never when moving). */
int ration__heap_set(struct ration__heap *heap, struct ration__timer *timer, int64_t at_ns);
void ration__heap_remove(
	struct ration__heap *heap, struct ration__timer *timer);	   /* absent is fine */
struct ration__timer *ration__heap_first(const struct ration__heap *heap); /* NULL: empty */

#endif
