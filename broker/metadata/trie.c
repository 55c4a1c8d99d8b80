/* trie - see trie.h.
 *
 * A node's `places` says which of 32 places are taken, `inner` which of those hold a node; the
 * slots stand in the places' order. Each level takes five more bits of the hash. Where the bits are
 * used up (two keys with the same hash), a node is a plain list of items, searched from end to end.
 */
#include "trie.h"

#include <stdlib.h>

#include "base/check.h"

enum { LEVEL_BITS = 5, HASH_BITS = 60 };

struct trie_node {
    _Atomic int refs;
    uint32_t places;
    uint32_t inner;
    uint32_t count; /* of slots */
    void *slots[];  /* struct trie_node or struct item */
};

/* FNV-1a, stirred at the end because only its low bits would be used at first. */
static uint64_t hash_of(struct view key)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < key.len; i++) hash = (hash ^ key.data[i]) * 0x100000001b3;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93;
    return hash ^ hash >> 32;
}

static uint32_t bit_of(uint64_t hash, unsigned shift) { return 1u << (hash >> shift & 31); }

static size_t slot_of(const struct trie_node *node, uint32_t bit)
{
    return (size_t)__builtin_popcount(node->places & (bit - 1));
}

static bool is_list(unsigned shift) { return shift >= HASH_BITS; }

/* ---- nodes ---- */

static size_t node_size(size_t count) { return sizeof(struct trie_node) + count * sizeof(void *); }

static struct trie_node *node_new(void)
{
    struct trie_node *node = must_calloc(1, node_size(0));
    atomic_init(&node->refs, 1);
    return node;
}

static void node_unref(struct trie_node *node)
{
    if (!node || atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1) return;
    uint32_t left = node->places;
    for (size_t i = 0; left; i++, left &= left - 1) {
        if (node->inner & left & -left) node_unref(node->slots[i]);
    }
    free(node);
}

/* Makes *at the caller's own. */
static struct trie_node *own(struct trie_node **at)
{
    struct trie_node *old = *at;
    if (atomic_load_explicit(&old->refs, memory_order_acquire) == 1) return old;
    struct trie_node *node = must_alloc(node_size(old->count));
    atomic_init(&node->refs, 1);
    node->places = old->places;
    node->inner = old->inner;
    node->count = old->count;
    memcpy(node->slots, old->slots, old->count * sizeof(*node->slots));
    uint32_t left = node->places;
    for (size_t i = 0; left; i++, left &= left - 1) {
        if (!(node->inner & left & -left)) continue;
        struct trie_node *child = node->slots[i];
        atomic_fetch_add_explicit(&child->refs, 1, memory_order_relaxed);
    }
    *at = node;
    node_unref(old);
    return node;
}

/* Opens a slot in an own node. */
static struct trie_node *insert_slot(struct trie_node **at, size_t slot, void *value)
{
    struct trie_node *node = realloc(*at, node_size((*at)->count + 1));
    CHECK(node != NULL);
    memmove(node->slots + slot + 1, node->slots + slot,
            (node->count - slot) * sizeof(*node->slots));
    node->slots[slot] = value;
    node->count++;
    *at = node;
    return node;
}

static void remove_slot(struct trie_node *node, size_t slot)
{
    node->count--;
    memmove(node->slots + slot, node->slots + slot + 1,
            (node->count - slot) * sizeof(*node->slots));
}

/* ---- put ---- */

static void put_in_list(struct trie_node **at, trie_key_fn key_of, struct item *item)
{
    struct trie_node *node = own(at);
    for (uint32_t i = 0; i < node->count; i++) {
        if (!view_eq(key_of(node->slots[i]), key_of(item))) continue;
        node->slots[i] = item;
        return;
    }
    insert_slot(at, node->count, item);
}

static void put(struct trie_node **at, trie_key_fn key_of, struct item *item, unsigned shift)
{
    if (is_list(shift)) {
        put_in_list(at, key_of, item);
        return;
    }
    struct trie_node *node = own(at);
    uint32_t bit = bit_of(hash_of(key_of(item)), shift);
    size_t slot = slot_of(node, bit);
    if (!(node->places & bit)) {
        node = insert_slot(at, slot, item);
        node->places |= bit;
        return;
    }
    if (!(node->inner & bit)) {
        struct item *there = node->slots[slot];
        if (view_eq(key_of(there), key_of(item))) {
            node->slots[slot] = item;
            return;
        }
        struct trie_node *below = node_new();
        put(&below, key_of, there, shift + LEVEL_BITS);
        node->slots[slot] = below;
        node->inner |= bit;
    }
    put((struct trie_node **)&node->slots[slot], key_of, item, shift + LEVEL_BITS);
}

/* ---- remove ---- */

static void remove_from_list(struct trie_node *node, trie_key_fn key_of, struct view key)
{
    for (uint32_t i = 0; i < node->count; i++) {
        if (!view_eq(key_of(node->slots[i]), key)) continue;
        remove_slot(node, i);
        return;
    }
}

/* The key is there. */
static void remove_key(struct trie_node **at, trie_key_fn key_of, struct view key, unsigned shift)
{
    struct trie_node *node = own(at);
    if (is_list(shift)) {
        remove_from_list(node, key_of, key);
        return;
    }
    uint32_t bit = bit_of(hash_of(key), shift);
    size_t slot = slot_of(node, bit);
    if (node->inner & bit) {
        remove_key((struct trie_node **)&node->slots[slot], key_of, key, shift + LEVEL_BITS);
        struct trie_node *below = node->slots[slot];
        if (below->count > 0) return;
        node_unref(below);
        node->inner &= ~bit;
    }
    remove_slot(node, slot);
    node->places &= ~bit;
}

/* ---- the header's functions ---- */

struct trie trie_copy(const struct trie *trie)
{
    if (trie->root) atomic_fetch_add_explicit(&trie->root->refs, 1, memory_order_relaxed);
    return *trie;
}

void trie_release(struct trie *trie)
{
    node_unref(trie->root);
    trie->root = NULL;
}

void trie_put(struct trie *trie, trie_key_fn key_of, struct item *item)
{
    if (!trie->root) trie->root = node_new();
    put(&trie->root, key_of, item, 0);
}

void trie_remove(struct trie *trie, trie_key_fn key_of, struct view key)
{
    if (trie_find(trie, key_of, key)) remove_key(&trie->root, key_of, key, 0);
}

static struct item *find_in_list(const struct trie_node *node, trie_key_fn key_of, struct view key)
{
    for (uint32_t i = 0; i < node->count; i++) {
        if (view_eq(key_of(node->slots[i]), key)) return node->slots[i];
    }
    return NULL;
}

struct item *trie_find(const struct trie *trie, trie_key_fn key_of, struct view key)
{
    const struct trie_node *node = trie->root;
    if (!node) return NULL;
    uint64_t hash = hash_of(key);
    for (unsigned shift = 0; !is_list(shift); shift += LEVEL_BITS) {
        uint32_t bit = bit_of(hash, shift);
        if (!(node->places & bit)) return NULL;
        void *slot = node->slots[slot_of(node, bit)];
        if (!(node->inner & bit)) return view_eq(key_of(slot), key) ? slot : NULL;
        node = slot;
    }
    return find_in_list(node, key_of, key);
}
