/* partition_table - the partitions that live on this broker, and what has to be done for them in
 * the background.
 *
 * Follows the metadata image: creates, opens, reconfigures and deletes logs on the proposer's
 * thread (as its subscriber), so that a topic exists on disk before its creation is answered.
 * Lookups take one short mutex (RANK_TOPICS). Spreads new partitions over the log directories with
 * the fewest partitions.
 *
 * Housekeeping runs on workers, only when there is something to do: flushing dirty logs (every 32
 * MiB or second each, the total unflushed bounded), checkpoints, retention, producer expiry,
 * deleted files, disk-space watch.
 */
#pragma once

#include "metadata/change.h"
#include "metadata/image.h"
#include "net/loop.h"
#include "net/worker.h"
#include "partition.h"
#include "storage/handle_cache.h"
#include "storage/log_dir.h"

struct partition_table;

struct partition_table_options {
    const struct env *env;
    int32_t node_id;
    struct log_dir **dirs; /* borrowed */
    int dir_count;
    struct handle_cache *handles;
    struct loop *timer_loop;          /* carries the timers of housekeeping */
    struct worker_pool *flushers;     /* fdatasync */
    struct worker_pool *housekeepers; /* rolls, retention, deletion */
    struct worker_pool *openers;      /* parallel recovery at start; may be housekeepers */
    struct broker_defaults defaults;
    int64_t flush_bytes; /* a log is flushed when so much is dirty */
    int64_t flush_interval_ms;
    int64_t unflushed_limit_bytes; /* over all logs */
    int64_t retention_check_ms;
    int64_t checkpoint_interval_ms;
    int64_t low_space_bytes; /* appends are refused below */
    void (*progress)(void *arg, int done, int total, int64_t bytes_done, int64_t bytes_total);
    void *progress_arg;
};

err_t partition_table_new(const struct partition_table_options *options,
                          struct partition_table **out);
/* Ends the background work and its timers. Before the end of the timers' loop; one that was never
 * started still has to run what was posted to it, between this and the free. */
void partition_table_stop(struct partition_table *table, bool loop_runs);
/* Drains the pools, flushes and closes all logs; returns when nobody holds a partition any more.
 * `clean`: everything was written, the directories may say so. NULL is allowed. */
void partition_table_free(struct partition_table *table, bool *clean);

/* The proposer's subscriber. `arg` is the table. */
void partition_table_apply(void *arg, const struct image *before, const struct image *after,
                           const struct change *change);

/* With a reference for the caller; NULL: not here. */
struct partition *partition_table_find(struct partition_table *table, struct view topic,
                                       int32_t index);
struct partition *partition_table_find_by_id(struct partition_table *table, struct uuid topic_id,
                                             int32_t index);
/* Calls fn for each partition, in order of topic and index, without holding the table's lock. */
void partition_table_each(struct partition_table *table, void (*fn)(void *arg, struct partition *p),
                          void *arg);
size_t partition_table_count(struct partition_table *table);
/* Which directory holds it; NULL: none. */
struct log_dir *partition_table_dir(struct partition_table *table, struct partition *p);
