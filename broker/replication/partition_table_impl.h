/* partition_table_impl - what the table is made of; for this layer's own files only. */
#pragma once

#include <stdatomic.h>

#include "base/map.h"
#include "base/mutex.h"
#include "housekeeping.h"
#include "partition_impl.h"
#include "partition_table.h"

/* One log directory. */
struct table_dir {
    struct log_dir *dir;
    atomic_int partitions;       /* in it */
    atomic_bool is_low_on_space; /* appends are refused */
};

/* One topic of which at least one partition lives here. Guarded by the table's lock; changed on the
 * proposer's thread only, which may therefore read without it. */
struct table_topic {
    char *name;
    struct uuid id;
    struct partition **partitions; /* by index, one reference each; NULL: not here */
    int32_t count;
};

struct partition_table {
    struct partition_table_options options;
    struct table_dir *dirs;
    struct housekeeping *housekeeping;
    _Atomic int64_t unflushed_bytes; /* over all logs */

    struct mutex lock; /* RANK_TOPICS */
    struct map by_name;
    struct map by_id;

    /* Somebody waits until a partition's last but one reference is gone. */
    struct mutex unref_lock; /* RANK_LEAF */
    pthread_cond_t unref_cond;
    atomic_int unref_waiters;

    /* Recovery at start, for progress. */
    atomic_int opened;
    int opening_total;
    struct task sweep_task; /* of leftovers */
    _Atomic int64_t recovered_bytes, recovering_bytes;
};

void table_topic_free(struct table_topic *topic);

/* Called when a partition may have one reference left. The partition itself may be gone. */
void partition_table_note_unref(struct partition_table *table);
/* Returns when *refs is 1. */
void partition_table_wait_unref(struct partition_table *table, const atomic_int *refs);

/* Runs fn for each of `count` items on the openers, all at once, and waits. One item runs in place.
 */
void partition_table_run_all(struct partition_table *table, void (*fn)(void *item), void **items,
                             size_t count);
