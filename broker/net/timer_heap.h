/* timer_heap - the timers of one loop, earliest first: a binary heap of borrowed pointers.
 *
 * A timer knows its place in the heap, so that stopping one costs no search. Growing aborts when
 * memory is used up: the heap is a few bytes a connection. One owner, not thread-safe.
 *
 * Invariant: for every i > 1, at[i / 2] is not later than at[i]; at[i]->heap_index == i; at[0] is
 * not used.
 */
#pragma once

#include "loop.h"

struct timer_heap {
    struct timer **at; /* owned */
    size_t count;
    size_t cap;
};

void timer_heap_release(struct timer_heap *heap);
/* The timer is in the heap afterwards, with this deadline, whether it was before or not. */
void timer_heap_put(struct timer_heap *heap, struct timer *timer, int64_t deadline_ns);
/* Nothing happens if it is not in the heap. */
void timer_heap_remove(struct timer_heap *heap, struct timer *timer);
static inline struct timer *timer_heap_first(const struct timer_heap *heap)
{
    return heap->count ? heap->at[1] : NULL;
}
/* Stops the process unless the invariant holds. */
void timer_heap_check(const struct timer_heap *heap);
