/* Dense entries plus an index of slots (the layout of Python's dict): iteration is an array walk.
 * Removed entries leave a hole until the next rebuild, their slots stay occupied so that probing
 * goes on past them. */
#include "map.h"

#include <stdlib.h>

#include "check.h"

enum { SLOTS_MIN = 16 };

static uint32_t hash_bytes(struct view key)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, then a finisher for the low bits */
    for (size_t i = 0; i < key.len; i++) h = (h ^ key.data[i]) * 0x100000001b3u;
    h ^= h >> 32;
    return (uint32_t)(h * 0x9e3779b1u >> 7) ^ (uint32_t)h;
}

void map_release(struct map *m)
{
    for (size_t i = 0; i < m->used; i++) free((void *)m->entries[i].key.data);
    free(m->entries);
    free(m->slots);
    *m = (struct map){0};
}

/* The slot that holds the key, or the empty one where the search ended. */
static size_t find_slot(const struct map *m, struct view key, uint32_t hash)
{
    size_t mask = m->slot_count - 1;
    for (size_t s = hash & mask;; s = (s + 1) & mask) {
        if (m->slots[s] == 0) return s;
        const struct map_entry *e = &m->entries[m->slots[s] - 1];
        if (e->value && e->hash == hash && view_eq(e->key, key)) return s;
    }
}

void *map_get(const struct map *m, struct view key)
{
    if (m->slot_count == 0) return NULL;
    size_t s = find_slot(m, key, hash_bytes(key));
    return m->slots[s] ? m->entries[m->slots[s] - 1].value : NULL;
}

/* New arrays, without the holes; on failure the map stays as it was. */
static err_t rebuild(struct map *m)
{
    size_t slot_count = SLOTS_MIN;
    while (slot_count < (m->count + 1) * 3) slot_count *= 2;
    size_t cap = slot_count / 2;
    struct map_entry *entries = calloc(cap, sizeof *entries);
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (!entries || !slots) {
        free(entries);
        free(slots);
        return ERR_NOMEM;
    }
    size_t used = 0;
    for (size_t i = 0; i < m->used; i++) {
        if (!m->entries[i].value) continue;
        entries[used] = m->entries[i];
        size_t s = entries[used].hash & (slot_count - 1);
        while (slots[s]) s = (s + 1) & (slot_count - 1);
        slots[s] = (uint32_t)++used;
    }
    free(m->entries);
    free(m->slots);
    *m = (struct map){entries, slots, used, used, cap, slot_count};
    return OK;
}

err_t map_put(struct map *m, struct view key, void *value, void **old)
{
    CHECK(value);
    if (old) *old = NULL;
    if (m->used == m->cap) TRY(rebuild(m));
    uint32_t hash = hash_bytes(key);
    size_t s = find_slot(m, key, hash);
    if (m->slots[s]) {
        struct map_entry *e = &m->entries[m->slots[s] - 1];
        if (old) *old = e->value;
        e->value = value;
        return OK;
    }
    uint8_t *copy = malloc(key.len ? key.len : 1);
    if (!copy) return ERR_NOMEM;
    if (key.len) memcpy(copy, key.data, key.len);
    m->entries[m->used] = (struct map_entry){view_of(copy, key.len), value, hash};
    m->slots[s] = (uint32_t)++m->used;
    m->count++;
    return OK;
}

void *map_remove(struct map *m, struct view key)
{
    if (m->slot_count == 0) return NULL;
    size_t s = find_slot(m, key, hash_bytes(key));
    if (!m->slots[s]) return NULL;
    struct map_entry *e = &m->entries[m->slots[s] - 1];
    void *value = e->value;
    free((void *)e->key.data);
    *e = (struct map_entry){.hash = e->hash};
    m->count--;
    return value;
}

struct map_entry *map_next(const struct map *m, size_t *i)
{
    while (*i < m->used) {
        struct map_entry *e = &m->entries[(*i)++];
        if (e->value) return e;
    }
    return NULL;
}
