/* budget - the frame bytes that all connections together may buffer.
 *
 * Bytes are counted when they are kept (a frame that is not whole, or one that waits behind a
 * hold), not when they are announced. Over the threshold, connections stop reading and wait. So
 * that they cannot wait for each other for ever, one of them at a time may go on reading, the
 * overdraft; the threshold leaves room for its frame. What each loop's last read before brought
 * comes on top of the limit. Any thread.
 *
 * Whoever waits is counted in `waiting` before it looks a last time, and whoever gives bytes back
 * looks at `waiting` afterwards, so no one is forgotten.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct budget {
    int64_t threshold; /* INT64_MAX: no limit */
    _Atomic int64_t used;
    _Atomic int waiting; /* connections that stopped reading */
    _Atomic(const void *) overdraft;
};

/* `limit` <= 0: none. */
static inline void budget_init(struct budget *b, int64_t limit, int64_t max_frame_bytes)
{
    int64_t room = max_frame_bytes < limit / 2 ? max_frame_bytes : limit / 2;
    b->threshold = limit > 0 ? limit - room : INT64_MAX;
    atomic_init(&b->used, 0);
    atomic_init(&b->waiting, 0);
    atomic_init(&b->overdraft, NULL);
}

static inline bool budget_is_over(const struct budget *b)
{
    return atomic_load(&b->used) > b->threshold;
}

/* True: the caller has to wake those who wait. */
static inline bool budget_add(struct budget *b, int64_t delta)
{
    atomic_fetch_add(&b->used, delta);
    return delta < 0 && atomic_load(&b->waiting) > 0 && !budget_is_over(b);
}

/* True: `who` may read although the budget is used up. */
static inline bool budget_take_overdraft(struct budget *b, const void *who)
{
    const void *holder = NULL;
    return atomic_compare_exchange_strong(&b->overdraft, &holder, who) || holder == who;
}

/* True: the caller has to wake those who wait. */
static inline bool budget_drop_overdraft(struct budget *b, const void *who)
{
    const void *holder = who;
    return atomic_load_explicit(&b->overdraft, memory_order_relaxed) == who &&
           atomic_compare_exchange_strong(&b->overdraft, &holder, NULL) &&
           atomic_load(&b->waiting) > 0;
}
