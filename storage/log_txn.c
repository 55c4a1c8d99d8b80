/* Producers and transactions, as others want to know of them. */
#include <stdlib.h>

#include "base/check.h"
#include "log_internal.h"

enum { ABORTED_MAX = 1000000 };

void log_each_producer(struct log *log, void (*fn)(void *arg, const struct producer_entry *entry),
                       void *arg)
{
    mutex_lock(&log->lock);
    producer_state_each(log->producers, fn, arg);
    mutex_unlock(&log->lock);
}

void log_expire_producers(struct log *log, time_ms_t now_ms)
{
    mutex_lock(&log->lock);
    if (log->config.producer_expiration_ms >= 0 && now_ms >= log->config.producer_expiration_ms) {
        producer_state_expire(log->producers, now_ms - log->config.producer_expiration_ms);
    }
    mutex_unlock(&log->lock);
}

/* ---- aborted transactions ---- */

struct aborted {
    koffset_t from, to;
    struct aborted_txn *found; /* owned */
    size_t count, cap;
    bool is_complete; /* no later entry can overlap */
    err_t err;
};

static bool collect(void *arg, const struct txn_entry *entry)
{
    struct aborted *a = arg;
    if (entry->last_offset >= a->from && entry->first_offset < a->to) {
        if (a->count == a->cap) {
            size_t cap = a->cap ? a->cap * 2 : 8;
            struct aborted_txn *grown = cap <= ABORTED_MAX ? realloc(a->found, cap * sizeof *grown)
                                                           : NULL;
            if (!grown) {
                a->err = ERR_NOMEM;
                return false;
            }
            a->found = grown;
            a->cap = cap;
        }
        a->found[a->count++] = (struct aborted_txn){entry->producer_id, entry->first_offset};
    }
    /* What was still open at that marker begins at its last stable offset or later. */
    a->is_complete = entry->last_stable_offset >= a->to;
    return !a->is_complete;
}

/* The next segment from `base` on that knows of an abort, with a reference; NULL: none. */
static struct segment *next_with_aborts(struct log *log, koffset_t base)
{
    struct segment *found = NULL;
    mutex_lock(&log->lock);
    koffset_t first = MAX(base, log->segments[0]->base_offset);
    for (size_t i = log_segment_index(log, first); i < log->segment_count && !found; i++) {
        struct segment *segment = log->segments[i];
        if (segment->base_offset >= base && segment->txns.count > 0) found = segment;
    }
    if (found) segment_ref(found);
    mutex_unlock(&log->lock);
    return found;
}

/* Base of the segment that holds `offset`. */
static koffset_t base_of(struct log *log, koffset_t offset)
{
    mutex_lock(&log->lock);
    koffset_t first = MAX(offset, log->segments[0]->base_offset);
    koffset_t base = log->segments[log_segment_index(log, first)]->base_offset;
    mutex_unlock(&log->lock);
    return base;
}

err_t log_aborted_txns(struct log *log, koffset_t from, koffset_t to, struct aborted_txn **out,
                       size_t *count)
{
    struct aborted a = {.from = from, .to = to};
    struct segment *segment;
    err_t err = OK;
    *out = NULL;
    *count = 0;
    for (koffset_t base = base_of(log, from); err == OK && !a.is_complete;) {
        segment = next_with_aborts(log, base);
        if (!segment) break;
        base = segment->base_offset + 1;
        err = txn_index_each(&segment->txns, collect, &a);
        if (err == ERR_NOT_FOUND) err = OK; /* retention was faster: nobody reads there any more */
        segment_unref(segment);
        if (err == OK) err = a.err;
    }
    if (err != OK) {
        free(a.found);
        return err;
    }
    *out = a.found;
    *count = a.count;
    return OK;
}
