/* map - a hash table from byte strings to pointers.
 *
 * Keys are copied, values are borrowed (the map never frees them). Lookups are O(1); iteration is
 * in insertion order as long as nothing was removed, and always deterministic: no address or seed
 * influences it. Not thread-safe.
 */
#pragma once

#include "bytes.h"

struct map_entry {
    struct view key; /* owned by the map */
    void *value;     /* NULL: a removed slot, skipped by map_each */
    uint32_t hash;
};

struct map {
    struct map_entry *entries; /* dense, in insertion order */
    uint32_t *slots;           /* open addressing into entries, +1; 0 is empty */
    size_t count;              /* live entries */
    size_t used;               /* entries including removed ones */
    size_t cap;                /* of entries */
    size_t slot_count;         /* a power of two */
};

void map_release(struct map *m);

/* NULL when there is none. */
void *map_get(const struct map *m, struct view key);
/* Inserts or replaces; the value must not be NULL. *old (may be NULL) receives the value replaced,
 * else NULL. */
err_t map_put(struct map *m, struct view key, void *value, void **old);
/* The value removed, or NULL. */
void *map_remove(struct map *m, struct view key);

/* for (size_t i = 0; (e = map_next(m, &i));) visits every live entry. */
struct map_entry *map_next(const struct map *m, size_t *i);
