/* producer_state - what a log remembers about its producers: the last batches for idempotence, open
 * transactions.
 *
 * Part of a log and guarded by its mutex. Kafka's rules (KIP-98, KIP-360): the last five batches of
 * each producer id are known; the same (epoch, first sequence, last sequence) again is a duplicate
 * and gets its old offset; otherwise the next sequence must follow the last, 2^31-1 being followed
 * by 0; a new epoch starts at 0; an unknown producer may start anywhere; replicated and own appends
 * are never rejected. Pure: no I/O, no clock. Snapshot format: kafka.md 2.5.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/types.h"
#include "record/batch.h"

struct buf;

enum { PRODUCER_BATCHES_KEPT = 5 };

struct producer_batch {
    int32_t first_sequence;
    int32_t last_sequence;
    koffset_t first_offset;
    koffset_t last_offset;
    time_ms_t timestamp;
};

struct producer_entry {
    producer_id_t id;
    int16_t epoch;
    int32_t coordinator_epoch;  /* of the last marker; -1: none */
    time_ms_t last_timestamp;   /* of the newest batch or marker */
    koffset_t txn_first_offset; /* of the open transaction; -1: none */
    int batch_count;            /* valid entries in batches, oldest first */
    struct producer_batch batches[PRODUCER_BATCHES_KEPT];
};

struct producer_state; /* id -> entry, plus the open transactions in order of their first offset */

struct producer_state *producer_state_new(void);
void producer_state_free(struct producer_state *state); /* NULL is allowed */
void producer_state_clear(struct producer_state *state);

/* Judges a client's batch without changing anything. OK: append it. ERR_EXISTS: a duplicate,
 * *duplicate tells where it was. ERR_SEQUENCE, ERR_PRODUCER_EPOCH: refuse. Batches without a
 * producer id are always OK. */
err_t producer_state_check(const struct producer_state *state, const struct batch_header *batch,
                           struct producer_batch *duplicate);

/* A marker that ended a transaction, to be written into the transaction index when it was an abort.
 */
struct completed_txn {
    producer_id_t producer_id;
    koffset_t first_offset;
    koffset_t last_offset; /* of the marker */
    bool is_aborted;
};

/* Records an appended data batch (offsets filled in). ERR_NOMEM only. */
err_t producer_state_update(struct producer_state *state, const struct batch_header *batch);
/* Records a batch that lies before the last one known of its producer, and behind those recalled
 * before. A snapshot holds no more than the last ones. */
void producer_state_recall(struct producer_state *state, const struct batch_header *batch);
/* Records an appended control batch with an ABORT or COMMIT marker; *completed is set and true
 * returned if a transaction with data ended. */
bool producer_state_end_txn(struct producer_state *state, const struct batch_header *batch,
                            bool is_abort, int32_t coordinator_epoch,
                            struct completed_txn *completed);

/* First offset of the oldest open transaction; -1: none. */
koffset_t producer_state_first_unstable(const struct producer_state *state);
/* Forgets producers idle since before `before` without an open transaction; returns how many. */
size_t producer_state_expire(struct producer_state *state, time_ms_t before);
/* NULL when unknown; valid until the next change. */
const struct producer_entry *producer_state_find(const struct producer_state *state,
                                                 producer_id_t id);
size_t producer_state_count(const struct producer_state *state);
/* In order of id. */
void producer_state_each(const struct producer_state *state,
                         void (*fn)(void *arg, const struct producer_entry *), void *arg);

/* The snapshot file's bytes, appended to `out`; load replaces everything. ERR_CORRUPT: bad CRC,
 * version or lengths. */
err_t producer_state_encode(const struct producer_state *state, struct buf *out);
err_t producer_state_decode(struct producer_state *state, struct view bytes);
