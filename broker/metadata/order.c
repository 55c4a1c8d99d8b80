/* order - see order.h.
 *
 *   top: count, {chunk, index of its first item}...      found by binary search on first keys
 *         |
 *   chunk: count, item...                                found by binary search
 *
 * "Mine" is whatever has one reference and is reached through parts that have one reference: then
 * no other order can see it. The reference counts are read with acquire, so that what another
 * thread did with a part before it let go of it is over.
 *
 * A chunk that is full is split in halves, but for the last one, which stays full when items come
 * in rising order. Chunks that get empty go away; neighbours are not merged.
 */
#include "order.h"

#include <stdlib.h>

#include "base/check.h"

enum { CHUNK_MAX = 64 };

struct chunk {
    _Atomic int refs;
    size_t count;
    struct item *items[CHUNK_MAX];
};

struct order_entry {
    struct chunk *chunk;
    size_t first; /* index of its first item in the whole order */
};

struct order_top {
    _Atomic int refs;
    size_t item_count;
    size_t count, cap; /* of chunks */
    struct order_entry *entries;
};

void *must_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    CHECK(p != NULL);
    return p;
}

void *must_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    CHECK(p != NULL);
    return p;
}

static bool is_only_ref(const _Atomic int *refs)
{
    return atomic_load_explicit(refs, memory_order_acquire) == 1;
}

static int compare(struct view a, struct view b)
{
    size_t len = MIN(a.len, b.len);
    int order = len ? memcmp(a.data, b.data, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* ---- chunks ---- */

static struct chunk *chunk_new(struct item *const *items, size_t count)
{
    struct chunk *chunk = must_alloc(sizeof(*chunk));
    atomic_init(&chunk->refs, 1);
    chunk->count = count;
    if (count) memcpy(chunk->items, items, count * sizeof(*items));
    return chunk;
}

static void chunk_unref(struct chunk *chunk)
{
    if (atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < chunk->count; i++) item_unref(chunk->items[i]);
    free(chunk);
}

/* Where the key is or would be. */
static size_t chunk_search(const struct chunk *chunk, struct view key, bool *found)
{
    size_t low = 0, high = chunk->count;
    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(key, chunk->items[middle]->key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* ---- the top ---- */

static struct order_top *top_new(size_t cap)
{
    struct order_top *top = must_calloc(1, sizeof(*top));
    atomic_init(&top->refs, 1);
    top->cap = cap;
    top->entries = must_alloc(cap * sizeof(*top->entries));
    return top;
}

static void top_unref(struct order_top *top)
{
    if (!top || atomic_fetch_sub_explicit(&top->refs, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < top->count; i++) chunk_unref(top->entries[i].chunk);
    free(top->entries);
    free(top);
}

/* The chunk that holds the key or would: the last one that does not begin behind it. */
static size_t top_search(const struct order_top *top, struct view key)
{
    size_t low = 0, high = top->count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (compare(key, top->entries[middle].chunk->items[0]->key) < 0) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return low;
}

static struct order_top *own_top(struct order *order)
{
    struct order_top *old = order->top;
    if (!old) {
        order->top = top_new(4);
    } else if (!is_only_ref(&old->refs)) {
        struct order_top *top = top_new(old->count + 4);
        top->item_count = old->item_count;
        top->count = old->count;
        memcpy(top->entries, old->entries, old->count * sizeof(*old->entries));
        for (size_t i = 0; i < top->count; i++) {
            atomic_fetch_add_explicit(&top->entries[i].chunk->refs, 1, memory_order_relaxed);
        }
        order->top = top;
        top_unref(old);
    }
    return order->top;
}

static struct chunk *own_chunk(struct order_top *top, size_t at)
{
    struct chunk *old = top->entries[at].chunk;
    if (is_only_ref(&old->refs)) return old;
    struct chunk *chunk = chunk_new(old->items, old->count);
    for (size_t i = 0; i < chunk->count; i++) item_ref(chunk->items[i]);
    top->entries[at].chunk = chunk;
    chunk_unref(old);
    return chunk;
}

static void insert_chunk(struct order_top *top, size_t at, struct chunk *chunk)
{
    if (top->count == top->cap) {
        top->cap *= 2;
        top->entries = realloc(top->entries, top->cap * sizeof(*top->entries));
        CHECK(top->entries != NULL);
    }
    memmove(top->entries + at + 1, top->entries + at, (top->count - at) * sizeof(*top->entries));
    top->entries[at].chunk = chunk;
    top->count++;
}

static void renumber(struct order_top *top, size_t from)
{
    for (size_t i = from; i < top->count; i++) {
        top->entries[i].first = i ? top->entries[i - 1].first + top->entries[i - 1].chunk->count
                                  : 0;
    }
}

/* Makes room in the full chunk `at` for an item at `pos`; *at and *pos name the place afterwards.
 */
static void split(struct order_top *top, size_t *at, size_t *pos)
{
    struct chunk *full = top->entries[*at].chunk;
    bool is_appending = *at + 1 == top->count && *pos == full->count;
    size_t keep = is_appending ? full->count : full->count / 2;
    insert_chunk(top, *at + 1, chunk_new(full->items + keep, full->count - keep));
    full->count = keep;
    if (*pos < keep || (*pos == keep && !is_appending)) return;
    *at += 1;
    *pos -= keep;
}

/* ---- the header's functions ---- */

struct order order_copy(const struct order *order)
{
    if (order->top) atomic_fetch_add_explicit(&order->top->refs, 1, memory_order_relaxed);
    return *order;
}

void order_release(struct order *order)
{
    top_unref(order->top);
    order->top = NULL;
}

size_t order_count(const struct order *order) { return order->top ? order->top->item_count : 0; }

struct item *order_find(const struct order *order, struct view key)
{
    if (order_count(order) == 0) return NULL;
    bool found;
    struct chunk *chunk = order->top->entries[top_search(order->top, key)].chunk;
    size_t pos = chunk_search(chunk, key, &found);
    return found ? chunk->items[pos] : NULL;
}

struct item *order_at(const struct order *order, size_t i)
{
    CHECK(i < order_count(order));
    const struct order_top *top = order->top;
    size_t low = 0, high = top->count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (i < top->entries[middle].first) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return top->entries[low].chunk->items[i - top->entries[low].first];
}

void order_put(struct order *order, struct item *item)
{
    struct order_top *top = own_top(order);
    if (top->count == 0) insert_chunk(top, 0, chunk_new(NULL, 0));
    size_t at = top->item_count ? top_search(top, item->key) : 0;
    struct chunk *chunk = own_chunk(top, at);
    bool found;
    size_t pos = chunk_search(chunk, item->key, &found);
    if (found) {
        item_unref(chunk->items[pos]);
        chunk->items[pos] = item;
        return;
    }
    size_t changed = at;
    if (chunk->count == CHUNK_MAX) split(top, &at, &pos);
    chunk = top->entries[at].chunk;
    memmove(chunk->items + pos + 1, chunk->items + pos, (chunk->count - pos) * sizeof(item));
    chunk->items[pos] = item;
    chunk->count++;
    top->item_count++;
    renumber(top, changed);
}

struct item *order_own(struct order *order, struct view key)
{
    if (!order_find(order, key)) return NULL;
    struct order_top *top = own_top(order);
    struct chunk *chunk = own_chunk(top, top_search(top, key));
    bool found;
    size_t pos = chunk_search(chunk, key, &found);
    CHECK(found);
    struct item *item = chunk->items[pos];
    if (is_only_ref(&item->refs)) return item;
    chunk->items[pos] = item->kind->copy(item);
    item_unref(item);
    return chunk->items[pos];
}

bool order_remove(struct order *order, struct view key)
{
    if (!order_find(order, key)) return false;
    struct order_top *top = own_top(order);
    size_t at = top_search(top, key);
    struct chunk *chunk = own_chunk(top, at);
    bool found;
    size_t pos = chunk_search(chunk, key, &found);
    CHECK(found);
    item_unref(chunk->items[pos]);
    chunk->count--;
    memmove(chunk->items + pos, chunk->items + pos + 1,
            (chunk->count - pos) * sizeof(*chunk->items));
    if (chunk->count == 0) {
        chunk_unref(chunk);
        top->count--;
        memmove(top->entries + at, top->entries + at + 1,
                (top->count - at) * sizeof(*top->entries));
    }
    top->item_count--;
    renumber(top, at);
    return true;
}
