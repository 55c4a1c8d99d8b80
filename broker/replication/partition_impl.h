/* partition_impl - what a partition is made of; for partition*.c, the table and housekeeping only.
 *
 * Everything below `lock` is guarded by it. Calls into the log are made with the lock held only
 * where they are short (append, offsets); rolls and flushes run on workers, which hold a reference
 * to the partition and nothing else.
 *
 * A write is in one of three places: nowhere (it is done), in `parked` (its bytes are copied, it
 * waits for a new segment), or in `committing` (it is in the log and waits for the high watermark).
 */
#pragma once

#include <stdatomic.h>

#include "base/list.h"
#include "base/mutex.h"
#include "partition.h"

struct table_dir;

struct partition {
    atomic_int refs;
    struct partition_table *table; /* outlives the partition */
    char *topic;
    struct uuid topic_id;
    int32_t index;
    struct table_dir *place; /* the directory of the log; NULL: none of ours took it */

    struct mutex lock; /* RANK_PARTITION */
    struct log *log;   /* NULL: offline, or on its way out */
    struct topic_config config;
    leader_epoch_t leader_epoch;
    int32_t isr_count;
    bool is_leader;
    koffset_t high_watermark;
    koffset_t log_start;
    struct list watches;    /* partition_watch */
    struct list parked;     /* partition_write, in the order they were handed in */
    struct list committing; /* partition_write, by rising offset */
    bool is_preparing;      /* a worker rolls or flushes, and then appends what is parked */
    bool needs_roll;        /* of the worker that prepares */
    bool is_flushing;
    bool is_dirty;       /* the table's housekeeping knows that there is something to flush */
    int64_t dirty_bytes; /* appended since the last flush began */
    struct task prepare_task;
    struct task flush_task;

    struct list dirty_link; /* guarded by housekeeping's lock */
};

struct partition_new {
    struct partition_table *table;
    const char *topic;
    struct uuid topic_id;
    int32_t index;
};
/* One reference, for the caller; without a log, not a leader. NULL without memory. */
struct partition *partition_new(const struct partition_new *what);

/* Gives the partition its log (or none: offline) and settings; once, before it can be found. */
void partition_set_log(struct partition *p, struct log *log, struct table_dir *place);
void partition_set_config(struct partition *p, const struct topic_config *config);

struct partition_leadership {
    bool is_leader;
    leader_epoch_t leader_epoch;
    int32_t isr_count;
};
/* Watches are fired; writes that wait are refused when this broker leads no more. */
void partition_set_leadership(struct partition *p, const struct partition_leadership *now);

/* Takes the log away: everybody who waits is told, later calls fail. Returns it when nobody but the
 * caller has a reference any more, or NULL. Not on a loop. */
struct log *partition_take_log(struct partition *p);

/* The bytes to be flushed now; they are the caller's to take off the table's sum. The lock is held.
 */
int64_t partition_take_dirty(struct partition *p);

/* The log's start may have moved. */
void partition_note_start(struct partition *p);

/* Starts a flush on a worker, unless one runs or there is nothing to flush. */
void partition_flush_if_dirty(struct partition *p);

/* Those who have to be told, collected under the lock. */
struct partition_news {
    struct list waiters; /* task links of taken waiters */
    struct list writes;  /* partition_write links */
};
void partition_news_init(struct partition_news *news);
/* Moves the high watermark up to `committed`; watches and writes that this sets free are taken. The
 * lock is held. */
void partition_advance(struct partition *p, koffset_t committed, struct partition_news *news);
/* Takes every watch's waiter. The lock is held. */
void partition_wake_watches(struct partition *p, struct partition_news *news);
/* Ends the writes that wait for a segment, or every write that waits, with the error. The lock is
 * held. */
void partition_fail_parked(struct partition *p, err_t err, struct partition_news *news);
void partition_fail_writes(struct partition *p, err_t err, struct partition_news *news);
/* Tells everybody; no lock is held. */
void partition_news_deliver(struct partition_news *news);
