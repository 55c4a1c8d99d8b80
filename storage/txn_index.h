/* txn_index - the aborted transactions whose marker lies in one segment (.txnindex).
 *
 * The file exists only when there is an abort. Entries are 34 bytes, in order of the marker's
 * offset. Nothing is kept in memory but the count. Part of a segment. append and truncate under the
 * log's lock; txn_index_each() reads the file and may run from any thread beside an append.
 */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "base/types.h"
#include "handle.h"

enum { TXN_ENTRY_BYTES = 34, TXN_ENTRY_VERSION = 0 };

struct txn_entry {
    producer_id_t producer_id;
    koffset_t first_offset;
    koffset_t last_offset;        /* of the marker */
    koffset_t last_stable_offset; /* after the marker */
};

struct txn_index {
    struct handle handle;
    _Atomic uint32_t count; /* whole entries in the file */
    koffset_t last_offset;  /* of the newest entry; -1: none */
    bool is_unsynced;       /* the file was changed since its owner last had it synced */
    bool is_rebuilding;     /* entries go to `rebuilt`, the file stays as it is meanwhile */
    struct buf rebuilt;     /* owned */
};

void txn_index_init(struct txn_index *index, struct handle_cache *cache, const char *dir,
                    koffset_t base_offset);
void txn_index_release(struct txn_index *index);

/* Takes over the file. ERR_NOT_FOUND: there is none, which is well; ERR_CORRUPT: make it anew;
 * ERR_UNSUPPORTED: a newer version. */
err_t txn_index_load(struct txn_index *index);
/* Forgets what is there; the file is replaced, at once, when all has been appended again: half an
 * index would look like a whole one. */
void txn_index_rebuild(struct txn_index *index);
err_t txn_index_rebuild_end(struct txn_index *index);
/* One write; the file is created with the first entry. */
err_t txn_index_append(struct txn_index *index, const struct txn_entry *entry);
/* Takes over what `from` has below `offset`; the rest stays in the file until txn_index_trim(). */
err_t txn_index_load_below(struct txn_index *index, struct txn_index *from, koffset_t offset);
/* Cuts the file to the entries there are, if there is one. */
err_t txn_index_trim(struct txn_index *index);
/* Forgets entries whose marker is at `offset` or above. */
err_t txn_index_truncate(struct txn_index *index, koffset_t offset);
/* Each entry in order until fn returns false. */
err_t txn_index_each(struct txn_index *index, bool (*fn)(void *arg, const struct txn_entry *entry),
                     void *arg);
