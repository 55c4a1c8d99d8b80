/* index_rebuild - the indexes of one segment, put together in memory from its batches. Private to
 * `stele index-rebuild`. A program without memory ends with a message. */
#pragma once

#include "base/buf.h"
#include "files.h"
#include "record/batch.h"
#include "rows.h"

enum { MARKER_MAX_BYTES = 1 << 16 };

struct producer_state;

struct fresh_index {
    koffset_t base_offset;
    koffset_t end; /* the next batch begins here or later */
    int64_t interval_bytes;
    struct producer_state *producers; /* borrowed; NULL: aborts cannot be told */
    struct buf offsets, times, txns;  /* owned: the files */
    int64_t since_bytes;              /* written since the last entry */
    struct {
        time_ms_t timestamp;
        koffset_t offset;
    } newest;
    time_ms_t newest_written;
};

void fresh_index_release(struct fresh_index *x);
/* Whether the batch's offsets can be part of the segment. */
bool fresh_index_fits(const struct fresh_index *x, const struct batch_header *h, koffset_t limit);
/* `marker`: the bytes of a control batch. */
void fresh_index_add(struct fresh_index *x, const struct batch_header *h, int64_t position,
                     struct view marker);
void fresh_index_finish(struct fresh_index *x);
