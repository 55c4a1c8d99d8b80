/* order - a sorted row of shared items; a copy of it costs next to nothing.
 *
 * The items are kept in order of their keys (as memcmp, shorter first) in chunks, and a top holds
 * the chunks. Copies share top and chunks; whoever changes one copies the top and one chunk first,
 * unless it is their only owner. So a change costs the same however many items there are, but for
 * the top's pointers (one per 32 to 64 items).
 *
 * Ownership: each chunk holds one reference on each of its items. References may be dropped by any
 * thread; an order is changed by one thread, and only while nobody else reads that very struct.
 * A zeroed struct is an empty order. Memory for it is not allowed to fail: a node that cannot hold
 * its metadata cannot go on.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct item;

struct item_kind {
    struct item *(*copy)(const struct item *item); /* with one reference */
    void (*free)(struct item *item);
};

/* The first member of what is kept in an order. */
struct item {
    _Atomic int refs;
    const struct item_kind *kind;
    struct view key; /* inside of the object; never changes */
};

static inline void item_ref(struct item *item)
{
    atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
}
static inline void item_unref(struct item *item)
{
    if (atomic_fetch_sub_explicit(&item->refs, 1, memory_order_acq_rel) == 1) {
        item->kind->free(item);
    }
}

struct order_top;

struct order {
    struct order_top *top; /* NULL: empty */
};

struct order order_copy(const struct order *order);
void order_release(struct order *order);

/* Takes the caller's reference; an item with the same key goes. */
void order_put(struct order *order, struct item *item);
/* The item under the key, made this order's own, so that it may be changed (but not its key); NULL:
 * there is none. */
struct item *order_own(struct order *order, struct view key);
bool order_remove(struct order *order, struct view key);

size_t order_count(const struct order *order);
struct item *order_find(const struct order *order, struct view key); /* borrowed; NULL: none */
struct item *order_at(const struct order *order, size_t i);          /* borrowed */

/* malloc and calloc that do not fail. */
void *must_alloc(size_t size);
void *must_calloc(size_t count, size_t size);
