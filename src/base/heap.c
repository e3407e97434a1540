/* Binary min-heap. Invariant: items[i]->index == i + 1, and no item is earlier than its parent. */
#include "base/heap.h"

#include <stdlib.h>
#include "base/error.h"

#define HEAP_FIRST_CAPACITY 64

void ration__heap_init(struct ration__heap *heap)
{
	*heap = (struct ration__heap){0};
}

void ration__heap_fini(struct ration__heap *heap)
{
	free(heap->items);
	*heap = (struct ration__heap){0};
}

int ration__heap_reserve(struct ration__heap *heap, uint32_t extra)
{
	uint64_t need = (uint64_t)heap->count + extra;
	uint64_t capacity = heap->capacity ? heap->capacity : HEAP_FIRST_CAPACITY;
	struct ration__timer **items;

	if (need <= heap->capacity)
		return 0;
	while (capacity < need)
		capacity *= 2;
	if (capacity > UINT32_MAX) /* an index has 32 bits */
		return RATION_ENOMEM;
	items = realloc(heap->items, (size_t)capacity * sizeof(*items));
	if (!items)
		return RATION_ENOMEM;
	heap->items = items;
	heap->capacity = (uint32_t)capacity;
	return 0;
}

static void put(struct ration__heap *heap, uint32_t place, struct ration__timer *timer)
{
	heap->items[place] = timer;
	timer->index = place + 1;
}

/* The place is a hole that timer shall fill; it moves until the order holds. */
static void rise(struct ration__heap *heap, uint32_t place, struct ration__timer *timer)
{
	while (place > 0) {
		uint32_t parent = (place - 1) / 2;

		if (heap->items[parent]->at_ns <= timer->at_ns)
			break;
		put(heap, place, heap->items[parent]);
		place = parent;
	}
	put(heap, place, timer);
}

static void sink(struct ration__heap *heap, uint32_t place, struct ration__timer *timer)
{
	for (;;) {
		uint64_t child = (uint64_t)place * 2 + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
			heap->items[child + 1]->at_ns < heap->items[child]->at_ns)
			child++;
		if (timer->at_ns <= heap->items[child]->at_ns)
			break;
		put(heap, place, heap->items[child]);
		place = (uint32_t)child;
	}
	put(heap, place, timer);
}

static void settle(struct ration__heap *heap, uint32_t place, struct ration__timer *timer)
{
	if (place > 0 && timer->at_ns < heap->items[(place - 1) / 2]->at_ns)
		rise(heap, place, timer);
	else
		sink(heap, place, timer);
}

int ration__heap_set(struct ration__heap *heap, struct ration__timer *timer, int64_t at_ns)
{
	if (!timer->index) {
		int rc = ration__heap_reserve(heap, 1);

		if (rc)
			return rc;
		timer->at_ns = at_ns;
		rise(heap, heap->count++, timer);
		return 0;
	}
	timer->at_ns = at_ns;
	settle(heap, timer->index - 1, timer);
	return 0;
}

void ration__heap_remove(struct ration__heap *heap, struct ration__timer *timer)
{
	uint32_t place = timer->index - 1;
	struct ration__timer *last;

	if (!timer->index)
		return;
	timer->index = 0;
	last = heap->items[--heap->count];
	if (last != timer)
		settle(heap, place, last);
}

struct ration__timer *ration__heap_first(const struct ration__heap *heap)
{
	return heap->count ? heap->items[0] : NULL;
}
