/* segment - one piece of a log: a file of batches (.log) with its indexes.
 *
 * Owned by a log, reference-counted because a reader may still look into a segment that retention
 * or truncation has taken out of the row. All fields and calls are guarded by the log's lock, but:
 * once a segment is sealed (no longer the last of its log) its indexes do not change any more, and
 * look-ups and scans run from any thread. Private to storage.
 *
 * Invariants
 *   1. Bytes [0, size_bytes) of the file are whole batches, but for ranges the log knows as
 * damaged.
 *   2. base_offset <= offset of every record < end_offset.
 *   3. `dirty` pins the descriptor from the first write on until a flush has covered size_bytes.
 */
#pragma once

#include <stdatomic.h>

#include "base/env.h"
#include "offset_index.h"
#include "record/batch.h"
#include "time_index.h"
#include "txn_index.h"

struct segment {
    _Atomic int refs;
    struct handle file;
    struct offset_index offsets;
    struct time_index times;
    struct txn_index txns;
    koffset_t base_offset;
    koffset_t end_offset; /* one after the last record; of a sealed one: the next one's base */
    int64_t size_bytes;
    int64_t flushed_bytes;  /* of these, fdatasync has covered */
    int64_t reserved_bytes; /* blocks were reserved up to here */
    int64_t log_position;   /* bytes of the log before this segment: a count that only grows */
    int64_t bytes_since_index;
    time_ms_t created_ms;
    time_ms_t roll_timestamp; /* of the first batch; -1: none yet */
    int64_t roll_jitter_ms;
    struct time_entry newest; /* largest timestamp; {-1, base_offset} when there is none */
    struct slice_file *dirty; /* one reference; NULL: nothing unflushed */
    bool is_sealed;
    bool is_unsynced;          /* a former life may have cut it without coming to sync that */
    bool has_txn_file;         /* found at open, not looked into yet */
    _Atomic bool is_index_bad; /* an entry lied: look-ups scan until the next open rebuilds it */
};

struct segment_options {
    const struct env *env;
    struct handle_cache *handles;
    const char *dir; /* borrowed, outlives the segment */
};

/* In memory only. */
struct segment *segment_new(const struct segment_options *options, koffset_t base_offset);
void segment_ref(struct segment *segment);
void segment_unref(struct segment *segment);

/* Makes the files, empty. */
err_t segment_create(struct segment *segment);
/* Reserves blocks for the whole segment; where that is not to be had, it is done without. */
void segment_preallocate(struct segment *segment, int64_t bytes);
/* Looks up size and age of the file that is there; end_offset and newest stay unknown. */
err_t segment_stat(struct segment *segment);

/* Whether the batch (offset filled in) may go behind `staged_bytes` more; else a roll is due. */
struct log_config;
bool segment_has_room(const struct segment *segment, const struct log_config *config,
                      int64_t staged_bytes, const struct batch_header *batch, time_ms_t now_ms);
/* Writes behind the end. Nothing is part of the segment until segment_add(). ERR_NOSPACE,
 * ERR_LIMIT: nothing is left of it; ERR_IO: the state of the file is unknown. */
struct iovec;
err_t segment_write(struct segment *segment, const struct iovec *iov, int count, size_t bytes);
/* Takes back what was written and not added. ERR_IO. */
err_t segment_cut_back(struct segment *segment);
/* The batch that lies at size_bytes becomes part of the segment, with index entries when due. */
err_t segment_add(struct segment *segment, const struct batch_header *batch,
                  int64_t index_interval_bytes);
/* The final time entry, and what the indexes have in memory only. */
err_t segment_write_indexes(struct segment *segment);
/* No more appends. */
err_t segment_seal(struct segment *segment);
/* Gives blocks behind the end back. No lock needed: nobody may write meanwhile. */
err_t segment_trim(struct segment *segment);
/* A flush has covered the first `bytes`. */
void segment_note_flushed(struct segment *segment, int64_t bytes);

/* A segment of the same base that ends at `position`, where the batch with `end_offset` began;
 * takes over what of the indexes and of the unflushed state lies before. The old one stays
 * readable; the files are cut by segment_cut_files(). Every index entry of the old one must be in
 * its files. */
err_t segment_new_below(const struct segment_options *options, struct segment *old,
                        koffset_t end_offset, int64_t position, struct segment **out);
/* Makes the cut durable, too: bytes that come back after a power loss would be taken for good after
 * a clean stop. */
err_t segment_cut_files(struct segment *segment);

/* Reference for reading. */
err_t segment_pin(struct segment *segment, struct slice_file **out);
/* The last index entry at or before the offset; where the segment begins when there is none. */
err_t segment_lookup(struct segment *segment, koffset_t offset, struct offset_entry *out);
void segment_distrust_index(struct segment *segment);
/* Sets the scan to start at that entry, after making sure that the batch there is the one it names;
 * if not, at the beginning. */
struct segment_scan;
err_t segment_scan_from(struct segment *segment, struct segment_scan *scan,
                        struct offset_entry entry, int64_t end);
/* The largest timestamp, read from the time index when it is not known yet. */
time_ms_t segment_max_timestamp(struct segment *segment);

/* Renames (or unlinks) all files; stops at the first error, and may be called again. */
err_t segment_rename(struct segment *segment, const char *from_suffix, const char *to_suffix);
err_t segment_unlink(struct segment *segment, const char *suffix);
/* Only the offset index. */
err_t segment_unlink_index(struct segment *segment);
