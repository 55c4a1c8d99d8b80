/* Is what the log says what the model knows? */
#include <stdlib.h>

#include "base/check.h"
#include "log_world.h"
#include "storage/producer_state.h"

enum { READ_BYTES_MAX = 30000 };

static koffset_t readable_end(const struct world *w)
{
    return log_offsets(w->log).is_failed ? w->model.flushed : w->model.end;
}

/* Compares bytes that begin with the item at `at`; returns the index behind the last whole one. The
 * last batch may be cut. */
static size_t compare(struct world *w, struct view bytes, size_t at)
{
    while (bytes.len) {
        if (at == w->model.count) world_violation(w, "%zu bytes behind the last batch", bytes.len);
        const struct model_item *item = &w->model.items[at];
        size_t size = item->header.size_bytes, len = MIN(size, bytes.len);
        if (memcmp(bytes.data, item->bytes, len) != 0)
            world_violation(w, "other bytes at offset %lld", (long long)item->header.base_offset);
        bytes = view_of(bytes.data + len, bytes.len - len);
        if (len == size) at++;
    }
    return at;
}

/* In a gap (a follower got none) the asked offset does, too. */
static void check_start(struct world *w, koffset_t asked, koffset_t start,
                        const struct model_item *item)
{
    koffset_t base = item->header.base_offset;
    if (start != base && !(asked < base && start == asked))
        world_violation(w, "read at %lld starts at %lld, not %lld", (long long)asked,
                        (long long)start, (long long)base);
}

/* One read at `offset`; returns the index behind the last whole batch, or SIZE_MAX after an error
 * that was excused. */
static size_t read_and_compare(struct world *w, koffset_t offset, koffset_t limit, size_t max_bytes)
{
    struct log_read read;
    struct buf bytes = {0};
    size_t at = log_model_find(&w->model, offset), next = SIZE_MAX;
    err_t err = log_read(w->log, offset, limit, max_bytes, true, &read);
    if (world_excuses(w, err)) return SIZE_MAX;
    err = log_read_bytes(w->log, &read.slice, &bytes);
    if (!world_excuses(w, err)) {
        bool is_gap = at == w->model.count || w->model.items[at].header.base_offset >= limit;
        if (is_gap && bytes.len == 0) {
            slice_release(&read.slice);
            return at; /* a gap up to the limit */
        }
        if (at == w->model.count) world_violation(w, "nothing is at %lld", (long long)offset);
        check_start(w, offset, read.start_offset, &w->model.items[at]);
        if (bytes.len != read.slice.len) world_violation(w, "a slice of another length");
        next = compare(w, buf_view(&bytes), at);
        if (next == at)
            world_violation(w, "no whole batch at %lld: %zu bytes", (long long)offset, bytes.len);
        if (w->model.items[next - 1].last_offset >= limit)
            world_violation(w, "read past the limit %lld", (long long)limit);
    }
    slice_release(&read.slice);
    buf_release(&bytes);
    return next;
}

void world_check_range(struct world *w, koffset_t from, koffset_t to)
{
    while (from < to) {
        size_t next = read_and_compare(w, from, to, rng_below(&w->rng, READ_BYTES_MAX));
        if (next == SIZE_MAX || next == log_model_find(&w->model, from)) return;
        from = w->model.items[next - 1].last_offset + 1;
    }
}

void world_check_read(struct world *w)
{
    koffset_t limit = readable_end(w);
    struct log_read read;
    w->doing = "read";
    if (rng_chance(&w->rng, 100)) {
        koffset_t offset = rng_chance(&w->rng, 500) ? w->model.start - 1 : w->model.end + 1;
        err_t err = log_read(w->log, offset, w->model.end, 1000, true, &read);
        if (err == OK) world_violation(w, "read outside of the log at %lld", (long long)offset);
        if (err != ERR_RANGE) (void)world_excuses(w, err);
        return;
    }
    if (w->model.start >= limit) return;
    koffset_t offset = rng_between(&w->rng, w->model.start, limit - 1);
    if (rng_chance(&w->rng, 100))
        world_check_range(w, w->model.start, limit);
    else
        (void)read_and_compare(w, offset, limit, rng_below(&w->rng, READ_BYTES_MAX));
}

static void check_max_timestamp(struct world *w)
{
    struct log_timestamp_match match;
    time_ms_t newest = -1;
    for (size_t i = log_model_find(&w->model, w->model.start); i < w->model.acked; i++) {
        const struct model_item *item = &w->model.items[i];
        newest = MAX(newest, item->first_timestamp + item->header.last_offset_delta);
    }
    if (world_excuses(w, log_find_max_timestamp(w->log, &match))) return;
    if (match.timestamp != newest)
        world_violation(w, "the newest record is of %lld, not %lld", (long long)match.timestamp,
                        (long long)newest);
}

void world_check_timestamps(struct world *w)
{
    struct log_timestamp_match match;
    w->doing = "find timestamp";
    if (log_offsets(w->log).is_failed) return;
    if (rng_chance(&w->rng, 300)) check_max_timestamp(w);
    time_ms_t target = w->now_ms - (int64_t)rng_below(&w->rng, 20000);
    koffset_t expected = log_model_find_timestamp(&w->model, target);
    if (world_excuses(w, log_find_timestamp(w->log, target, w->model.end, &match))) return;
    if (match.offset != expected)
        world_violation(w, "timestamp %lld found at %lld, not %lld", (long long)target,
                        (long long)match.offset, (long long)expected);
    if (expected >= 0 && match.timestamp < target) world_violation(w, "found an older timestamp");
}

void world_check_epochs(struct world *w)
{
    w->doing = "epochs";
    koffset_t known_from = MAX(w->model.start, w->model.start_highest);
    size_t first = log_model_find(&w->model, known_from), count = w->model.acked;
    if (first >= count) return;
    size_t at = first + rng_below(&w->rng, count - first);
    const struct model_item *item = &w->model.items[at];
    leader_epoch_t epoch = item->header.leader_epoch, found;
    koffset_t offset = MAX(item->header.base_offset, known_from), end, expected = w->model.end;
    for (size_t i = count; i > at; i--)
        if (w->model.items[i - 1].header.leader_epoch > epoch)
            expected = w->model.items[i - 1].header.base_offset;
    if (log_epoch_of(w->log, offset) != epoch)
        world_violation(w, "leader epoch of %lld is %d, not %d", (long long)offset,
                        log_epoch_of(w->log, offset), epoch);
    if (world_excuses(w, log_epoch_end(w->log, epoch, &found, &end))) return;
    if (found != epoch || end != expected)
        world_violation(w, "epoch %d ends at %lld, not %lld", epoch, (long long)end,
                        (long long)expected);
}

/* The first offset of the transaction that the marker at index `at` ended; -1: it had no data. */
static koffset_t first_of_ended(const struct log_model *m, size_t at)
{
    koffset_t first = -1;
    for (size_t i = 0; i < at; i++) {
        const struct model_item *item = &m->items[i];
        if (item->header.producer_id != m->items[at].header.producer_id) continue;
        if (item->kind != ITEM_DATA)
            first = -1;
        else if (first < 0)
            first = item->header.base_offset;
    }
    return first;
}

/* Of a transaction that began below the start perhaps only a later beginning is known: its first
 * batches are gone. */
static bool is_first(const struct world *w, koffset_t first, koffset_t named, koffset_t marker)
{
    koffset_t highest = MAX(w->model.start, w->model.start_highest);
    return named == first || (first < highest && named > first && named < marker);
}

/* Every aborted transaction that has data in the range is named, and no other. */
static void check_aborted(struct world *w, koffset_t from, koffset_t to)
{
    const struct log_model *m = &w->model;
    struct aborted_txn *txns = NULL;
    size_t count = 0, right = 0;
    if (world_excuses(w, log_aborted_txns(w->log, from, to, &txns, &count))) return;
    for (size_t i = 0; i < m->acked; i++) {
        const struct model_item *marker = &m->items[i];
        if (marker->kind != ITEM_ABORT || marker->last_offset < from) continue;
        koffset_t first = first_of_ended(m, i);
        bool is_named = false;
        for (size_t k = 0; k < count && first >= 0 && !is_named; k++)
            is_named = txns[k].producer_id == marker->header.producer_id &&
                       is_first(w, first, txns[k].first_offset, marker->last_offset);
        right += is_named;
        bool must_be = first >= MAX(m->start, m->start_highest) && first < to;
        if (must_be && !is_named)
            world_violation(w, "aborted transaction of %lld from %lld is not named in [%lld, %lld)",
                            (long long)marker->header.producer_id, (long long)first,
                            (long long)from, (long long)to);
    }
    if (right < count)
        world_violation(w, "%zu aborted transactions are named in [%lld, %lld), %zu are right",
                        count, (long long)from, (long long)to, right);
    free(txns);
}

void world_check_txns(struct world *w)
{
    w->doing = "transactions";
    koffset_t unstable = log_offsets(w->log).first_unstable;
    koffset_t stable = world_stable_end(w, 0), seen = world_stable_end(w, w->model.start);
    koffset_t named = unstable < 0 ? w->model.end : unstable;
    /* The batches that began it may be gone, then a later one counts. */
    bool is_right = named == stable || (stable < w->model.start && named > stable && named <= seen);
    if (!is_right)
        world_violation(w, "first unstable offset is %lld, not %lld or %lld", (long long)unstable,
                        (long long)stable, (long long)seen);
    koffset_t to = rng_between(&w->rng, w->model.start, w->model.end);
    check_aborted(w, rng_between(&w->rng, w->model.start, to), to);
}

void world_check_slices(struct world *w)
{
    w->doing = "held slice";
    for (int i = 0; i < SLICES; i++) {
        struct held_slice *held = &w->slices[i];
        struct buf bytes = {0};
        if (!held->slice.file) continue;
        if (!world_excuses(w, log_read_bytes(w->log, &held->slice, &bytes)) &&
            !view_eq(buf_view(&bytes), buf_view(&held->expected)))
            world_violation(w, "the bytes of a slice changed");
        buf_release(&bytes);
    }
}

/* ---- producers ---- */

struct producer_check {
    struct world *w;
    unsigned seen;
};

static void check_producer(void *arg, const struct producer_entry *entry)
{
    struct producer_check *check = arg;
    struct world *w = check->w;
    for (int i = 0; i < PRODUCERS; i++) {
        const struct model_item *last = world_known_last(w, &w->producers[i]);
        if (w->producers[i].id != entry->id || !last) continue;
        check->seen |= 1u << i;
        const struct producer_batch *newest = entry->batch_count
                                                  ? &entry->batches[entry->batch_count - 1]
                                                  : NULL;
        if (!newest || entry->epoch != last->header.producer_epoch ||
            newest->last_sequence != batch_last_sequence(&last->header) ||
            newest->last_offset != last->last_offset)
            world_violation(w, "producer %lld: not the batch at %lld", (long long)entry->id,
                            (long long)last->header.base_offset);
    }
}

void world_check_producers(struct world *w)
{
    struct producer_check check = {.w = w};
    w->doing = "producers";
    if (log_offsets(w->log).is_failed) return;
    log_each_producer(w->log, check_producer, &check);
    for (int i = 0; i < PRODUCERS; i++)
        if (world_known_last(w, &w->producers[i]) && !(check.seen & 1u << i))
            world_violation(w, "producer %lld is forgotten", (long long)w->producers[i].id);
}

/* ---- files ---- */

struct file_check {
    struct world *w;
    struct buf names; /* each with its NUL */
};

static void note_name(void *arg, const char *name)
{
    struct file_check *check = arg;
    CHECK(buf_append(&check->names, name, strlen(name) + 1) == OK);
}

static bool has_log(const struct file_check *check, const char *base)
{
    for (size_t at = 0; at < check->names.len;) {
        const char *name = (const char *)check->names.data + at;
        if (strncmp(name, base, 20) == 0 && strncmp(name + 20, ".log", 4) == 0) return true;
        at += strlen(name) + 1;
    }
    return false;
}

void world_check_files(struct world *w)
{
    struct file_check check = {.w = w};
    w->doing = "list files";
    if (w->env.os->list(w->env.os, w->log_path, note_name, &check) < 0) return;
    for (size_t at = 0; at < check.names.len;) {
        const char *name = (const char *)check.names.data + at;
        bool is_index = strstr(name, "index") != NULL && name[0] == '0';
        if ((is_index && !has_log(&check, name)) || strstr(name, ".tmp"))
            world_violation(w, "left behind: %s", name);
        at += strlen(name) + 1;
    }
    buf_release(&check.names);
}

/* ---- after an open ---- */

void world_check_reopened(struct world *w, koffset_t required_end)
{
    struct log_model *m = &w->model;
    struct log_offsets o = log_offsets(w->log);
    w->doing = "check after open";
    if (o.start < m->start_promised || o.start > MAX(m->start, m->start_maybe))
        world_violation(w, "start is %lld after the open", (long long)o.start);
    if (o.end < required_end)
        world_violation(w, "end is %lld, %lld is required", (long long)o.end,
                        (long long)required_end);
    if (o.is_damaged) world_violation(w, "a range is called damaged");
    /* Up to where the items reach; reads compare the rest. */
    koffset_t known_end = m->count ? m->items[m->count - 1].last_offset + 1 : m->end;
    if (o.end > MAX(known_end, o.start))
        world_violation(w, "end is %lld, but only %lld was ever written", (long long)o.end,
                        (long long)known_end);
    m->start_highest = MAX(m->start_highest, MAX(m->start, m->start_maybe));
    m->start = o.start;
    world_check_range(w, o.start, o.end);
    log_model_cut(m, o.end);
    m->flushed = o.flushed;
    m->start_maybe = 0;
    m->end_maybe = INT64_MAX;
    world_follow_loss(w);
    if (sim_disk_is_stopped(w->disk)) return;
    world_take_promises(w);
    world_check_txns(w);
    world_check_epochs(w);
    world_check_producers(w);
}

void world_check_damaged(struct world *w)
{
    struct log_offsets o = log_offsets(w->log);
    struct log_timestamp_match match;
    struct aborted_txn *txns = NULL;
    size_t count;
    w->doing = "read damaged log";
    if (o.start > o.end) world_violation(w, "start behind the end");
    for (koffset_t offset = o.start; offset < o.end;) {
        struct log_read read;
        struct buf bytes = {0};
        struct batch_header header;
        koffset_t next = offset + 1;
        err_t err = log_read(w->log, offset, o.end, READ_BYTES_MAX, true, &read);
        if (err == OK) {
            err = log_read_bytes(w->log, &read.slice, &bytes);
            if (err == OK && batch_header_parse(buf_view(&bytes), &header) == OK &&
                batch_last_offset(&header) >= offset)
                next = batch_last_offset(&header) + 1;
            slice_release(&read.slice);
            buf_release(&bytes);
        }
        offset = next;
    }
    (void)!log_find_timestamp(w->log, w->now_ms - 10000, o.end, &match);
    (void)!log_find_max_timestamp(w->log, &match);
    if (log_aborted_txns(w->log, o.start, o.end, &txns, &count) == OK) free(txns);
}
