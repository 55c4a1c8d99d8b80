/* trie - from keys to items by hash; a copy of it costs next to nothing.
 *
 * A hash array mapped trie: inner nodes have up to 32 places, shared between copies and copied on
 * change like the parts of an order (order.h), with the same rules of threads and memory. The items
 * are borrowed: some order owns them for as long as the trie is used. Which part of an item is its
 * key here is the caller's to say. A zeroed struct is empty.
 */
#pragma once

#include "order.h"

struct trie_node;
typedef struct view (*trie_key_fn)(const struct item *item);

struct trie {
    struct trie_node *root;
};

struct trie trie_copy(const struct trie *trie);
void trie_release(struct trie *trie);
/* An item with the same key is replaced. */
void trie_put(struct trie *trie, trie_key_fn key_of, struct item *item);
void trie_remove(struct trie *trie, trie_key_fn key_of, struct view key);
/* NULL: none. */
struct item *trie_find(const struct trie *trie, trie_key_fn key_of, struct view key);
