/* log - one partition's log on disk: a row of segments with indexes, producer state and leader
 * epochs.
 *
 * Owned by a partition. All functions may be called from any thread unless said otherwise: the log
 * has one short mutex (RANK_LOG) held for memory work and the append's write. What takes long
 * (roll, flush, retention, recovery) is split so that the slow part runs without it; those calls
 * belong on a worker and exclude each other inside.
 *
 * Invariants
 *   1. start_offset <= high-water of deletions <= flushed_offset <= end_offset; offsets never go
 * back except by truncate.
 *   2. Bytes below the end of a segment are never overwritten or shrunk while a slice on them
 * lives.
 *   3. The active segment is the last one and the only one written.
 *   4. flushed_offset says what fdatasync has covered: never more.
 *   5. Nothing of an append is visible unless its whole write succeeded.
 *
 * After a failed write or flush the log is FAILED: reads go on below the last flushed offset, every
 * change is refused with ERR_FAILED until it is closed, opened and recovered. A full disk is not a
 * failure: the append gives ERR_NOSPACE, the segment is cut back to its end, and later appends may
 * work.
 *
 * Files and names are Apache Kafka's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/env.h"
#include "base/slice.h"
#include "base/types.h"
#include "base/uuid.h"
#include "log_config.h"
#include "record/batch.h"

struct log;
struct handle_cache;
struct buf;

struct log_options {
    const struct env *env;        /* borrowed, outlives the log */
    struct handle_cache *handles; /* borrowed; bounds open files and mappings over all logs */
    const char *path;             /* the partition directory; copied */
    struct log_config config;     /* copied */
    koffset_t
        recovery_point; /* all below is on disk for certain; from the checkpoint, 0 if unknown */
    koffset_t start_offset;  /* from the checkpoint, 0 if unknown */
    bool was_clean_shutdown; /* trust files and snapshot without a scan */
    bool is_same_boot; /* the page cache survived: an unclean tail is process death, not power loss
                        */
    void (*progress)(void *arg, int64_t bytes_done,
                     int64_t bytes_total); /* recovery; may be NULL; any thread */
    void *progress_arg;
};

/* Opens or creates; creates the directory if it is missing. Recovers what needs recovery (batches
 * are checked from the recovery point on; a bad one above it is a torn tail: cut, kept beside as
 * <base offset>.torn-<n>, reported; below it, or after a clean stop, it is damage: the range is
 * marked and never served). Errors: ERR_IO, ERR_NOSPACE, ERR_PERM, ERR_LIMIT (descriptors),
 * ERR_UNSUPPORTED (a newer format). */
err_t log_open(const struct log_options *options, struct log **out);

/* Writes what a clean restart wants (producer snapshot, trimmed indexes), flushes when `flush`,
 * closes. Slices that are still out keep their files alive. NULL is allowed. Returns the first
 * error; the log is gone in any case. */
err_t log_close(struct log *log, bool flush);

/* ---- append ---- */

enum log_origin {
    LOG_FROM_CLIENT, /* assigns offsets and leader epoch, checks producer sequences */
    LOG_FROM_SELF,   /* coordinator and markers: assigns offsets, no sequence checks */
    LOG_FROM_LEADER, /* replication: offsets and epochs are kept and have to follow the end */
};

/* One batch to append. The caller has checked CRC and structure (batch_check_produced). */
struct log_append {
    uint8_t *
        data; /* in: the whole batch; base offset and leader epoch are patched in place; borrowed */
    struct batch_header header; /* in: parsed; out: offsets filled in */
    bool is_done;               /* in: false; out: err and the fields below are valid */
    bool is_duplicate;          /* out: seen before; base_offset is where it was then */
    err_t err; /* out: OK, ERR_SEQUENCE, ERR_PRODUCER_EPOCH, ERR_NOSPACE, ERR_FAILED, ERR_RANGE,
                  ERR_IO */
    koffset_t base_offset; /* out */
    koffset_t last_offset; /* out */
};

/* Appends the batches in order with as few writes as possible (one, while they fit one segment).
 * Batches with an error of their own are skipped, the others go on. Returns OK when every batch is
 * done; ERR_AGAIN when a roll is needed first: those not done are untouched, call log_roll() on a
 * worker and append the rest again, in order. */
err_t log_append(struct log *log, struct log_append *batches, size_t count, enum log_origin origin,
                 leader_epoch_t leader_epoch);

/* Starts a new segment. Creates files: on a worker only. OK also when somebody else has rolled
 * meanwhile. */
err_t log_roll(struct log *log);

/* Makes everything below the current end durable; *flushed_to gets the new flushed offset. Worker
 * only. A failure turns the log FAILED and is never retried. */
err_t log_flush(struct log *log, koffset_t *flushed_to);

/* ---- read ---- */

struct log_read {
    struct slice slice;     /* owned by the caller: slice_release(); empty at the end of the log */
    koffset_t start_offset; /* base offset of the first batch in it (may lie below the asked one) */
};

/* Finds the batch that holds `offset` and up to max_bytes from there, never past `limit_offset`
 * (exclusive, a batch boundary: high watermark or last stable offset) nor past one segment. The
 * last batch may be cut. With `at_least_one` the first batch comes whole, however large. offset ==
 * limit: an empty slice. Errors: ERR_RANGE (below the start or above the end), ERR_DAMAGED, ERR_IO.
 */
err_t log_read(struct log *log, koffset_t offset, koffset_t limit_offset, size_t max_bytes,
               bool at_least_one, struct log_read *out);

/* The bytes of a slice into memory (conversion, compaction, inspection); appended to `out`. */
err_t log_read_bytes(struct log *log, const struct slice *slice, struct buf *out);

struct log_timestamp_match {
    koffset_t offset; /* -1: none */
    time_ms_t timestamp;
    leader_epoch_t leader_epoch;
};

/* The first record at or after `timestamp` and below limit_offset, exact to the record. Reads
 * records: may touch disk. */
err_t log_find_timestamp(struct log *log, time_ms_t timestamp, koffset_t limit_offset,
                         struct log_timestamp_match *out);
/* The record with the largest timestamp (KIP-734). */
err_t log_find_max_timestamp(struct log *log, struct log_timestamp_match *out);

/* ---- offsets ---- */

struct log_offsets {
    koffset_t start;          /* first readable */
    koffset_t end;            /* next to be written */
    koffset_t flushed;        /* durable below this */
    koffset_t first_unstable; /* first offset of the oldest open transaction; -1: none */
    int64_t size_bytes;       /* of all segments */
    int64_t unflushed_bytes;
    leader_epoch_t last_leader_epoch; /* of the last batch; -1: none */
    bool is_failed;
    bool is_damaged; /* some range is refused */
};
struct log_offsets log_offsets(const struct log *log);

/* The last offset of `epoch` + 1 as KIP-101 wants it: the largest known epoch <= the asked one and
 * where it ends. ERR_NOT_FOUND when nothing is known. */
err_t log_epoch_end(struct log *log, leader_epoch_t epoch, leader_epoch_t *found_epoch,
                    koffset_t *end_offset);
/* The leader epoch under which `offset` was written; -1 if unknown. */
leader_epoch_t log_epoch_of(struct log *log, koffset_t offset);

/* ---- shrink ---- */

/* Forgets everything at or above `offset`. No slice on those bytes may be out (they lie above the
 * high watermark). */
err_t log_truncate(struct log *log, koffset_t offset);
/* Forgets everything and goes on at `offset`. */
err_t log_reset(struct log *log, koffset_t offset);
/* DeleteRecords: moves the start; whole segments below it are dropped later by log_apply_retention.
 */
err_t log_advance_start(struct log *log, koffset_t offset);
/* Drops segments by time, size and start offset, never at or above `limit_offset` (high watermark);
 * *dropped counts. */
err_t log_apply_retention(struct log *log, time_ms_t now_ms, koffset_t limit_offset, int *dropped);
/* Unlinks .deleted files whose delay is over and whose last slice is gone; *next_ms: when to come
 * again, -1: nothing. */
err_t log_reap(struct log *log, time_ms_t now_ms, time_ms_t *next_ms);
/* Renames the directory to <topic>-<partition>.<uuid>-delete and closes the log; its files go at
 * the last slice. */
err_t log_delete(struct log *log);

/* ---- producers and transactions ---- */

struct producer_entry; /* producer_state.h */
/* Calls fn for each live producer under the log's mutex: fn must be short. */
void log_each_producer(struct log *log, void (*fn)(void *arg, const struct producer_entry *entry),
                       void *arg);
void log_expire_producers(struct log *log, time_ms_t now_ms);

struct aborted_txn {
    producer_id_t producer_id;
    koffset_t first_offset;
};
/* Aborted transactions that overlap [from, to), into a malloc'ed array owned by the caller. */
err_t log_aborted_txns(struct log *log, koffset_t from, koffset_t to, struct aborted_txn **out,
                       size_t *count);

/* ---- settings, description ---- */
void log_set_config(struct log *log, const struct log_config *config);
struct log_config log_get_config(const struct log *log);
const char *log_path(const struct log *log);
/* Writes <topic>/partition.metadata's topic id, once; ERR_EXISTS when another id stands there. */
err_t log_set_topic_id(struct log *log, struct uuid id);
/* Zero when the file is missing. */
struct uuid log_topic_id(const struct log *log);
