/* The batches before a snapshot.
 *
 * A snapshot knows the last batch of each producer; Kafka's format has no room for more. But a
 * producer whose requests were under way when the broker stopped sends up to five batches again,
 * and every one of them that was written has to be known as a duplicate: judged out of order, it
 * would make the client begin a new epoch and write them twice. So the headers before the snapshot
 * are read for what the producers in it wrote before their last batch.
 *
 * What may come again was written shortly before the stop, so a bounded piece of the log is enough.
 */
#include "base/check.h"
#include "log_internal.h"

enum { RECALL_BYTES = 4 << 20 };

struct recall {
    struct log *log;
    struct producer_state *state;
    koffset_t end;       /* of the snapshot */
    size_t first, last;  /* segments */
    int64_t first_bytes; /* of the first one: where to begin at the earliest */
};

/* Where RECALL_BYTES before the snapshot lie. */
static err_t find_first(struct recall *r)
{
    struct segment *segment = r->log->segments[r->last];
    struct offset_entry entry;
    TRY(segment_lookup(segment, r->end, &entry));
    int64_t left = RECALL_BYTES, position = entry.position;
    if (r->end >= segment->end_offset) position = segment->size_bytes;
    for (r->first = r->last; position < left && r->first > 0;) {
        left -= position;
        r->first--;
        position = r->log->segments[r->first]->size_bytes;
    }
    r->first_bytes = MAX(position - left, 0);
    return OK;
}

static err_t walk(const struct recall *r, struct segment *segment, struct segment_scan *scan)
{
    struct batch_header header;
    err_t err;
    while ((err = log_next_batch(r->log, segment, scan, &header)) == OK) {
        if (header.base_offset >= r->end) return OK;
        producer_state_recall(r->state, &header);
    }
    /* Damage costs what lies behind it in this segment, no more. */
    return err == ERR_IO || err == ERR_NOMEM ? err : OK;
}

static err_t walk_segment(const struct recall *r, size_t index)
{
    struct segment *segment = r->log->segments[index];
    struct offset_entry entry = {segment->base_offset, 0};
    struct segment_scan scan;
    struct slice_file *file;
    koffset_t unused;
    if (index == r->first) {
        err_t err = offset_index_lookup_position(&segment->offsets, r->first_bytes, &entry,
                                                 &unused);
        if (err == ERR_IO || err == ERR_LIMIT || err == ERR_NOMEM) return err;
        if (err != OK) entry = (struct offset_entry){segment->base_offset, 0};
    }
    TRY(segment_pin(segment, &file));
    segment_scan_init(&scan, log_os(r->log), file->fd, SCAN_HEADERS);
    err_t err = segment_scan_from(segment, &scan, entry, segment->size_bytes);
    if (err == OK) err = walk(r, segment, &scan);
    segment_scan_release(&scan);
    slice_file_unref(file);
    return err;
}

err_t log_recall_batches(struct log *log, struct producer_state *state, koffset_t offset)
{
    struct recall r = {.log = log, .state = state, .end = offset};
    if (producer_state_count(state) == 0 || offset <= log->segments[0]->base_offset) return OK;
    r.last = log_segment_index(log, offset - 1);
    TRY(find_first(&r));
    for (size_t i = r.first; i <= r.last; i++) TRY(walk_segment(&r, i));
    return OK;
}
