/* partition - one replica of one partition on this broker: its log, who leads it, what is
 * committed, who waits.
 *
 * Reference-counted; found through the partition table; every function may be called from any
 * thread. One short mutex (RANK_PARTITION, before the log's) makes append, high watermark and
 * waiters one step. Completed waiters are fired after it is released.
 *
 * Invariants
 *   1. high watermark <= log end; it never goes back within a leader epoch.
 *   2. With durability fsync the high watermark never passes the flushed offset: nothing unflushed
 * is acknowledged or visible.
 *   3. Writes take effect in the order in which they were handed in; those parked for a roll keep
 * their place.
 *
 * With one replica the high watermark is the log's end (page-cache) or its flushed offset (fsync);
 * in-sync replicas come in where partition_advance() computes it.
 */
#pragma once

#include "base/types.h"
#include "base/uuid.h"
#include "metadata/topic_settings.h"
#include "storage/log.h"
#include "waiter.h"

struct partition;
struct partition_table;

/* ---- identity and description ---- */
const char *partition_topic(const struct partition *p);
struct uuid partition_topic_id(const struct partition *p);
int32_t partition_index(const struct partition *p);
void partition_ref(struct partition *p);
void partition_unref(struct partition *p); /* NULL is allowed */

struct partition_view {
    struct log_offsets log;
    koffset_t high_watermark;
    koffset_t last_stable;
    leader_epoch_t leader_epoch;
    int32_t isr_count; /* in-sync replicas as the metadata has them */
    bool is_leader;
    bool is_offline; /* its log directory failed, or the log did */
};
struct partition_view partition_describe(struct partition *p);
/* A copy of the merged settings. */
struct topic_config partition_config(struct partition *p);
/* The log, valid while the reference is held. NULL: offline or deleted. */
struct log *partition_log(struct partition *p);

/* ---- write ---- */

/* One batch of one Produce request. Embedded in the request; lives until its result is valid. */
struct partition_write {
    struct list link;
    struct log_append batch; /* in: data and header; out: err, offsets, is_duplicate */
    bool waits_for_commit;   /* in: acks=all (on fsync topics every write waits) */
    bool is_parked;          /* out of partition_append: the result comes later, through done() */
    void *owned_data;        /* the partition's copy of a parked batch */
    koffset_t log_start;     /* out */
    /* in: called once for a parked write, under no lock, any thread. The writes of one request
     * count themselves there and fire the request's waiter. */
    void (*done)(struct partition_write *write);
};

/* Appends the writes in order, with one system call if possible. When it returns, each is either
 * done or parked; parked ones may be over before it returns. Errors in batch.err: those of
 * log_append, ERR_NOT_LEADER, ERR_FAILED, ERR_NOSPACE (the directory is nearly full). */
void partition_append(struct partition *p, struct partition_write **writes, size_t count);

/* ---- read ---- */

struct partition_fetch {
    koffset_t offset;
    leader_epoch_t current_leader_epoch; /* -1: not checked */
    size_t max_bytes;
    bool at_least_one;
    bool read_committed;
};
struct partition_fetched {
    err_t err; /* OK, ERR_RANGE, ERR_NOT_LEADER, ERR_STALE_EPOCH, ERR_UNKNOWN_EPOCH, ERR_DAMAGED,
                  ERR_FAILED, ERR_IO */
    struct slice slice; /* owned */
    koffset_t high_watermark, last_stable, log_start;
    struct aborted_txn *aborted; /* malloc'ed; read_committed only */
    size_t aborted_count;
};
void partition_read(struct partition *p, const struct partition_fetch *fetch,
                    struct partition_fetched *out);

/* OK, ERR_NOT_LEADER, ERR_FAILED, and for an epoch that is not -1: ERR_STALE_EPOCH,
 * ERR_UNKNOWN_EPOCH. */
err_t partition_check_leader(struct partition *p, leader_epoch_t current_leader_epoch);

/* A fetch's interest in one partition. */
struct partition_watch {
    struct list link;
    struct partition *partition; /* a reference while it watches */
    struct waiter *waiter;
};
/* From now on the waiter is fired when the partition's high watermark moves, its leadership changes
 * or it goes away. */
void partition_watch(struct partition *p, struct partition_watch *watch, struct waiter *waiter);
void partition_unwatch(struct partition_watch *watch);

/* ---- admin ---- */
/* DeleteRecords: offset -1 is the high watermark. ERR_RANGE above it. Worker. */
err_t partition_delete_records(struct partition *p, koffset_t offset, koffset_t *new_start);
