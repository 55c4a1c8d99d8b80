/* epoch_cache - leader epochs of a log and the offset where each begins (KIP-101), as kept in
 * leader-epoch-checkpoint.
 *
 * Part of a log and guarded by its mutex; pure, the log writes the file. Epochs and offsets rise
 * strictly. Text format: line 1 "0", line 2 the count, then "epoch startOffset" a line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/types.h"

struct buf;

struct epoch_start {
    leader_epoch_t epoch;
    koffset_t start_offset;
};

struct epoch_cache {
    struct epoch_start *entries; /* owned, ascending */
    size_t count;
    size_t cap;
};

void epoch_cache_release(struct epoch_cache *cache);
/* Notes that `epoch` wrote at `offset`, in any order; *changed when that was news (the file wants
 * writing). Later entries that contradict (an older epoch behind a newer one, two at one offset)
 * are dropped, others stay: recovery reads old batches again. */
err_t epoch_cache_assign(struct epoch_cache *cache, leader_epoch_t epoch, koffset_t offset,
                         bool *changed);
/* Largest known epoch <= `epoch` and the offset where the next one begins (log_end when there is
 * none); ERR_NOT_FOUND when the epoch is unknown (newer than all, or older than the first), as
 * Kafka answers -1. */
err_t epoch_cache_end(const struct epoch_cache *cache, leader_epoch_t epoch, koffset_t log_end,
                      leader_epoch_t *found, koffset_t *end_offset);
leader_epoch_t epoch_cache_at(const struct epoch_cache *cache, koffset_t offset); /* -1: unknown */
leader_epoch_t epoch_cache_latest(const struct epoch_cache *cache);               /* -1: empty */
bool epoch_cache_truncate_end(struct epoch_cache *cache,
                              koffset_t end_offset); /* true when changed */
bool epoch_cache_truncate_start(struct epoch_cache *cache, koffset_t start_offset);
err_t epoch_cache_encode(const struct epoch_cache *cache, struct buf *out);
err_t epoch_cache_decode(struct epoch_cache *cache,
                         struct view text); /* ERR_CORRUPT leaves the cache empty */
