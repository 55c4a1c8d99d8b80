/* housekeeping - what has to be done for partitions in the background: flushing what is dirty,
 * checkpoints, retention, deleted files, producer expiry, watching the free space.
 *
 * Owned by the partition table. Nothing ticks when there is nothing to do: each kind of work has a
 * deadline that is set by the event that makes it necessary (an append, a flush), and one timer on
 * one loop is armed to the earliest. The work itself runs on workers. Functions may be called from
 * any thread, also with a partition's lock held.
 */
#pragma once

#include <stdbool.h>

#include "base/types.h"

struct housekeeping;
struct partition;
struct partition_table;

/* NULL without memory. */
struct housekeeping *housekeeping_new(struct partition_table *table);
/* Before the first append: directories that are low on space take none. */
void housekeeping_look_at_space(struct housekeeping *hk);
/* No more timers and no more work is started; where the timers' loop runs, it is waited for. What
 * runs already is for the caller to drain. */
void housekeeping_stop(struct housekeeping *hk, bool loop_runs);
/* After the stop and after the workers are drained. NULL is allowed. */
void housekeeping_free(struct housekeeping *hk);

/* The partition has unflushed bytes. */
void housekeeping_note_dirty(struct housekeeping *hk, struct partition *p);
/* Everything below `flushed` is durable, `bytes` more than before. Without the partition's lock. */
void housekeeping_note_flushed(struct housekeeping *hk, struct partition *p, koffset_t flushed,
                               int64_t bytes);
/* The log's start was moved within a segment: no file says so but the checkpoint, which is written
 * soon. */
void housekeeping_note_start(struct housekeeping *hk, struct partition *p, koffset_t start);
/* There are logs which retention may concern. */
void housekeeping_note_data(struct housekeeping *hk);
/* Drops what is kept of a partition that goes away. */
void housekeeping_forget(struct housekeeping *hk, struct partition *p);
