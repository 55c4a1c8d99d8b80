/* time_index - how timestamps rise along one segment (.timeindex).
 *
 * An entry says: no record up to and with this offset is newer than this timestamp. Twelve bytes:
 * the timestamp, and the offset less the segment's base. Timestamps rise strictly. Part of a
 * segment; locking as for index_file.
 */
#pragma once

#include "base/types.h"
#include "index_file.h"

enum { TIME_ENTRY_BYTES = 12 };

struct time_entry {
    time_ms_t timestamp; /* largest so far; -1: none */
    koffset_t offset;    /* last one of the batch that holds it */
};

struct time_index {
    struct index_file file;
    koffset_t base_offset;
    struct time_entry last; /* {-1, base_offset} when there is none */
};

void time_index_init(struct time_index *index, struct handle_cache *cache, const char *dir,
                     koffset_t base_offset);
void time_index_release(struct time_index *index);

err_t time_index_create(struct time_index *index);
/* Begins anew beside the file that is there; time_index_publish() puts it in its place: half an
 * index would look like a whole one. */
err_t time_index_rebuild(struct time_index *index);
err_t time_index_publish(struct time_index *index); /* nothing without a rebuild */
/* ERR_NOT_FOUND or ERR_CORRUPT (length, zero tail): make it anew. */
err_t time_index_load(struct time_index *index);
/* Takes over what `from`, complete in the same file, has below `offset`; the rest stays in the file
 * until time_index_trim(). */
err_t time_index_load_below(struct time_index *index, struct time_index *from, koffset_t offset);
/* Cuts the file to the entries there are. */
err_t time_index_trim(struct time_index *index);
/* Reads every entry: ERR_CORRUPT unless timestamps and offsets rise. */
err_t time_index_verify(struct time_index *index);

/* Does nothing unless the timestamp is larger than the last one. */
err_t time_index_append(struct time_index *index, struct time_entry entry);
err_t time_index_write(struct time_index *index);
/* Forgets entries whose offset is `offset` or more. */
err_t time_index_truncate(struct time_index *index, koffset_t offset);

/* The last entry with a timestamp below `timestamp`: everything up to its offset is older.
 * {-1, base_offset} when there is none. */
err_t time_index_lookup(struct time_index *index, time_ms_t timestamp, struct time_entry *out);
static inline uint32_t time_index_count(const struct time_index *index)
{
    return index->file.count;
}
