/* index_file - a file of entries of one size in ascending order, read through a mapping and written
 * behind a tail in memory.
 *
 * The offset index and the time index are both one. New entries stay in memory until some have
 * gathered, so that an entry costs no system call; what a crash takes is rebuilt from the log. The
 * newest entries also stay in memory after they were written: look-ups near the end touch no file.
 *
 * Not thread-safe. The owner's lock guards everything while entries are added; after the last one
 * look-ups may run from any thread.  *
 * Invariants
 *   1. tail_first <= written <= count.
 *   2. Entries [0, written) are in the file, [tail_first, count) in memory.
 */
#pragma once

#include "base/bytes.h"
#include "handle.h"

enum { INDEX_ENTRY_MAX_BYTES = 16 };

struct index_file {
    struct handle handle;
    uint32_t entry_size;
    uint32_t count;
    uint32_t written;
    uint32_t tail_first;
    uint32_t tail_cap; /* entries that `tail` has room for */
    uint8_t *tail;     /* owned; NULL until the first entry is added */
    bool is_unsynced;  /* the file was changed since its owner last had it synced */
};

/* Forgets what it knew; the file is not touched. */
void index_file_init(struct index_file *f, struct handle_cache *cache, struct file_name name,
                     uint32_t entry_size);
void index_file_release(struct index_file *f);

/* Makes an empty file, over whatever was there. */
err_t index_file_create(struct index_file *f);
/* Writes all, syncs, and gives the file, which has a temporary name, its own. */
err_t index_file_publish(struct index_file *f, const char *suffix);
/* Takes over the file that is there. ERR_NOT_FOUND; ERR_CORRUPT: not a whole number of entries. */
err_t index_file_load(struct index_file *f);

/* Into memory. ERR_NOMEM; ERR_LIMIT: nothing was written for too long. */
err_t index_file_append(struct index_file *f, const uint8_t *entry);
/* Enough has gathered for a write. */
bool index_file_is_due(const struct index_file *f);
/* Writes what is in memory only. */
err_t index_file_write(struct index_file *f);
/* Takes over the first `count` entries of a file that has at least those; the rest stays in the
 * file until index_file_cut(). */
void index_file_load_prefix(struct index_file *f, uint32_t count);
/* Forgets all entries from `count` on, also in the file. */
err_t index_file_cut(struct index_file *f, uint32_t count);

/* Entry i < count. */
err_t index_file_get(struct index_file *f, uint32_t i, uint8_t *entry);

/* How many entries, from the first on, are `below` the key (which has to be true for a prefix of
 * them and false for the rest), and the last two of those. */
typedef bool (*index_below_fn)(const uint8_t *entry, int64_t key);
struct index_hit {
    uint32_t rank;
    uint8_t last[INDEX_ENTRY_MAX_BYTES];     /* valid if rank >= 1 */
    uint8_t previous[INDEX_ENTRY_MAX_BYTES]; /* if rank >= 2 */
};
err_t index_file_find(struct index_file *f, index_below_fn below, int64_t key,
                      struct index_hit *hit);
