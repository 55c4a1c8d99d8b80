/* The layout of the entries is in entries.c. */
#include "base/check.h"
#include "index_rebuild.h"
#include "record/control.h"
#include "storage/producer_state.h"

void fresh_index_release(struct fresh_index *x)
{
    buf_release(&x->offsets);
    buf_release(&x->times);
    buf_release(&x->txns);
}

bool fresh_index_fits(const struct fresh_index *x, const struct batch_header *h, koffset_t limit)
{
    return h->base_offset >= x->end && batch_last_offset(h) < limit &&
           batch_last_offset(h) - x->base_offset <= INT32_MAX;
}

static void add_time(struct fresh_index *x)
{
    uint8_t raw[12];
    if (x->newest.timestamp <= x->newest_written) return;
    be64_put(raw, (uint64_t)x->newest.timestamp);
    be32_put(raw + 8, (uint32_t)(x->newest.offset - x->base_offset));
    must(buf_append(&x->times, raw, sizeof raw));
    x->newest_written = x->newest.timestamp;
}

static void add_abort(struct fresh_index *x, const struct completed_txn *txn)
{
    uint8_t raw[34] = {0};
    koffset_t unstable = producer_state_first_unstable(x->producers);
    be64_put(raw + 2, (uint64_t)txn->producer_id);
    be64_put(raw + 10, (uint64_t)txn->first_offset);
    be64_put(raw + 18, (uint64_t)txn->last_offset);
    be64_put(raw + 26, (uint64_t)(unstable >= 0 ? unstable : txn->last_offset + 1));
    must(buf_append(&x->txns, raw, sizeof raw));
}

static void follow_producers(struct fresh_index *x, const struct batch_header *h, struct view bytes)
{
    struct control_marker marker;
    struct completed_txn txn;
    if (!x->producers || !batch_has_producer_id(h)) return;
    if (!batch_is_control(h)) {
        must(producer_state_update(x->producers, h));
    } else if (bytes.data && control_marker_parse(bytes, &marker) == OK &&
               producer_state_end_txn(x->producers, h, !marker.is_commit, marker.coordinator_epoch,
                                      &txn) &&
               txn.is_aborted) {
        add_abort(x, &txn);
    }
}

void fresh_index_add(struct fresh_index *x, const struct batch_header *h, int64_t position,
                     struct view marker)
{
    koffset_t last = batch_last_offset(h);
    CHECK(h->base_offset >= x->end && last - x->base_offset <= INT32_MAX && last < INT64_MAX);
    if (h->max_timestamp > x->newest.timestamp) {
        x->newest.timestamp = h->max_timestamp;
        x->newest.offset = last;
    }
    if (x->since_bytes > x->interval_bytes) {
        uint8_t raw[8];
        be32_put(raw, (uint32_t)(last - x->base_offset));
        be32_put(raw + 4, (uint32_t)position);
        must(buf_append(&x->offsets, raw, sizeof raw));
        add_time(x);
        x->since_bytes = 0;
    }
    x->since_bytes += (int64_t)h->size_bytes;
    x->end = last + 1;
    follow_producers(x, h, marker);
}

void fresh_index_finish(struct fresh_index *x) { add_time(x); }
