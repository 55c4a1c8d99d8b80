/* offset_index - the sparse map of one segment from offsets to file positions (.index).
 *
 * An entry says: the batch whose last offset is this one starts there. Eight bytes: the offset less
 * the segment's base, and the position. Part of a segment; locking as for index_file, look-ups of a
 * segment that is no longer written may run from any thread.
 */
#pragma once

#include "base/types.h"
#include "index_file.h"

enum { OFFSET_ENTRY_BYTES = 8 };

struct offset_entry {
    koffset_t offset; /* last one of the batch */
    int64_t position; /* where the batch starts */
};

struct offset_index {
    struct index_file file;
    koffset_t base_offset;
    struct offset_entry last; /* of the newest entry; {base_offset, 0} when there is none */
};

void offset_index_init(struct offset_index *index, struct handle_cache *cache, const char *dir,
                       koffset_t base_offset);
void offset_index_release(struct offset_index *index);

err_t offset_index_create(struct offset_index *index);
/* Begins anew beside the file that is there; offset_index_publish() puts it in its place: half an
 * index would look like a whole one. */
err_t offset_index_rebuild(struct offset_index *index);
err_t offset_index_publish(struct offset_index *index); /* nothing without a rebuild */
/* Takes over the file. ERR_NOT_FOUND or ERR_CORRUPT (length, last entry beyond the log's size, zero
 * tail): make it anew. */
err_t offset_index_load(struct offset_index *index, int64_t log_size);
/* Takes over what `from`, complete in the same file, has below `offset`; the rest stays in the file
 * until offset_index_trim(). */
err_t offset_index_load_below(struct offset_index *index, struct offset_index *from,
                              koffset_t offset);
/* Cuts the file to the entries there are. */
err_t offset_index_trim(struct offset_index *index);
/* Reads every entry: ERR_CORRUPT unless offsets and positions rise strictly. */
err_t offset_index_verify(struct offset_index *index);

err_t offset_index_append(struct offset_index *index, koffset_t last_offset, int64_t position);
err_t offset_index_write(struct offset_index *index);
/* Forgets entries whose offset is `offset` or more. */
err_t offset_index_truncate(struct offset_index *index, koffset_t offset);

/* The last entry with offset <= `offset`; {base_offset, 0} when there is none. */
err_t offset_index_lookup(struct offset_index *index, koffset_t offset, struct offset_entry *out);
/* The last entry with position <= `position`, and the offset of the entry before it (base_offset -
 * 1 when there is none). ERR_NOT_FOUND. */
err_t offset_index_lookup_position(struct offset_index *index, int64_t position,
                                   struct offset_entry *out, koffset_t *previous_offset);
static inline uint32_t offset_index_count(const struct offset_index *index)
{
    return index->file.count;
}
