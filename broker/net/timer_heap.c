/* The textbook heap, 1-based, so that a zero index says "not in it". */
#include "timer_heap.h"

#include <stdlib.h>

#include "base/check.h"

enum { CAP_MIN = 16 };

void timer_heap_release(struct timer_heap *heap)
{
    free(heap->at);
    *heap = (struct timer_heap){0};
}

static void place(struct timer_heap *heap, size_t i, struct timer *timer)
{
    heap->at[i] = timer;
    timer->heap_index = i;
}

static void sift_up(struct timer_heap *heap, size_t i, struct timer *timer)
{
    for (; i > 1 && timer->deadline_ns < heap->at[i / 2]->deadline_ns; i /= 2) {
        place(heap, i, heap->at[i / 2]);
    }
    place(heap, i, timer);
}

static void sift_down(struct timer_heap *heap, size_t i, struct timer *timer)
{
    for (;;) {
        size_t child = 2 * i;
        if (child > heap->count) break;
        if (child < heap->count &&
            heap->at[child + 1]->deadline_ns < heap->at[child]->deadline_ns) {
            child++;
        }
        if (timer->deadline_ns <= heap->at[child]->deadline_ns) break;
        place(heap, i, heap->at[child]);
        i = child;
    }
    place(heap, i, timer);
}

/* Puts the timer where it belongs, starting from the hole at i. */
static void settle(struct timer_heap *heap, size_t i, struct timer *timer)
{
    if (i > 1 && timer->deadline_ns < heap->at[i / 2]->deadline_ns) {
        sift_up(heap, i, timer);
    } else {
        sift_down(heap, i, timer);
    }
}

static void reserve_one(struct timer_heap *heap)
{
    if (heap->count + 2 <= heap->cap) return;
    size_t cap = heap->cap ? 2 * heap->cap : CAP_MIN;
    struct timer **at = realloc(heap->at, cap * sizeof *at);
    CHECK(at);
    heap->at = at;
    heap->cap = cap;
}

void timer_heap_put(struct timer_heap *heap, struct timer *timer, int64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
    if (timer->heap_index) {
        DCHECK(heap->at[timer->heap_index] == timer);
        settle(heap, timer->heap_index, timer);
        return;
    }
    reserve_one(heap);
    heap->count++;
    sift_up(heap, heap->count, timer);
}

void timer_heap_remove(struct timer_heap *heap, struct timer *timer)
{
    size_t i = timer->heap_index;
    if (!i) return;
    CHECK(i <= heap->count && heap->at[i] == timer);
    struct timer *last = heap->at[heap->count--];
    if (last != timer) settle(heap, i, last);
    timer->heap_index = 0;
}

void timer_heap_check(const struct timer_heap *heap)
{
    for (size_t i = 1; i <= heap->count; i++) {
        CHECK(heap->at[i]->heap_index == i);
        CHECK(i == 1 || heap->at[i / 2]->deadline_ns <= heap->at[i]->deadline_ns);
    }
}
