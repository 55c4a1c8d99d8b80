/* Happy path, under the log's lock: batches are staged one by one (judged against the producers,
 * given their offsets and leader epoch, tested for room in the active segment), then written with
 * one call, then committed (index, producers, epochs, end offset).
 *
 * Batches of one call must see each other: when the second one continues the first one's sequence,
 * the state that says so does not exist before the write has succeeded. So those staged are kept in
 * a second producer state, `staged`, which knows only them: it is asked about a producer that it
 * knows, the real one about duplicates of older batches and about everybody else. When the write
 * fails, forgetting `staged` is all there is to undo.
 *
 * Failure modes. Disk full, no descriptor, no memory for what a written batch changes: the batch
 * and those behind it get the error (going on with a smaller one would change the order), what was
 * written of them is cut off, the log works on. Any other failure: the log is FAILED. No room in
 * the segment: those before are written, the others untouched, ERR_AGAIN.
 */
#include <stdlib.h>

#include "base/check.h"
#include "log_internal.h"
#include "record/control.h"

enum { GROUP_MAX = 256 }; /* batches in one write */

struct group {
    struct log_append *batches[GROUP_MAX];
    struct iovec iov[GROUP_MAX];
    int count;
    size_t bytes;
    koffset_t end_offset; /* after those staged */
    time_ms_t now_ms;
};

static void done(struct log_append *batch, err_t err)
{
    batch->is_done = true;
    batch->err = err;
}

static void done_all(struct log_append *batches, size_t count, err_t err)
{
    for (size_t i = 0; i < count; i++) {
        if (!batches[i].is_done) done(&batches[i], err);
    }
}

/* ---- stage ---- */

/* Judges a client's batch as if those staged were written already. */
static err_t judge(struct log *log, const struct group *group, const struct batch_header *batch,
                   struct producer_batch *duplicate)
{
    if (!batch_has_producer_id(batch)) return OK;
    err_t err = producer_state_check(log->producers, batch, duplicate);
    if (err == ERR_EXISTS || group->count == 0 || !log->staged) return err;
    if (!producer_state_find(log->staged, batch->producer_id)) return err;
    return producer_state_check(log->staged, batch, duplicate);
}

/* Puts the batch at the end: false if it is done already, with an error or as a duplicate. */
static bool place(struct log *log, struct group *group, struct log_append *batch,
                  enum log_origin origin, leader_epoch_t leader_epoch)
{
    struct batch_header *header = &batch->header;
    struct producer_batch duplicate;
    err_t err = OK;
    if (origin == LOG_FROM_LEADER) {
        if (header->base_offset < group->end_offset) err = ERR_RANGE;
    } else {
        if (origin == LOG_FROM_CLIENT) err = judge(log, group, header, &duplicate);
        if (group->end_offset > INT64_MAX - 1 - header->last_offset_delta) err = ERR_RANGE;
    }
    if (err == ERR_EXISTS) {
        batch->is_duplicate = true;
        batch->base_offset = duplicate.first_offset;
        batch->last_offset = duplicate.last_offset;
        done(batch, OK);
        return false;
    }
    if (err != OK) {
        done(batch, err);
        return false;
    }
    if (origin != LOG_FROM_LEADER) {
        header->base_offset = group->end_offset;
        header->leader_epoch = leader_epoch;
    }
    batch->is_duplicate = false;
    batch->base_offset = header->base_offset;
    batch->last_offset = batch_last_offset(header);
    return true;
}

static err_t stage(struct log *log, struct group *group, struct log_append *batch,
                   enum log_origin origin)
{
    if (origin == LOG_FROM_CLIENT && batch_has_producer_id(&batch->header)) {
        if (!log->staged) log->staged = producer_state_new();
        if (!log->staged) return ERR_NOMEM;
        TRY(producer_state_update(log->staged, &batch->header));
    }
    if (origin != LOG_FROM_LEADER) {
        batch_set_base_offset(batch->data, batch->header.base_offset);
        batch_set_leader_epoch(batch->data, batch->header.leader_epoch);
    }
    size_t size = batch->header.size_bytes;
    group->batches[group->count] = batch;
    group->iov[group->count++] = (struct iovec){batch->data, size};
    group->bytes += size;
    group->end_offset = batch->last_offset + 1;
    return OK;
}

/* Stages what fits; returns how many batches are dealt with. *is_full: the next one needs a roll.
 */
static size_t stage_all(struct log *log, struct group *group, struct log_append *batches,
                        size_t count, enum log_origin origin, leader_epoch_t leader_epoch,
                        bool *is_full)
{
    size_t i = 0;
    for (; i < count && group->count < GROUP_MAX; i++) {
        struct log_append *batch = &batches[i];
        if (batch->is_done || !place(log, group, batch, origin, leader_epoch)) continue;
        if (!segment_has_room(log_active(log), &log->config, (int64_t)group->bytes, &batch->header,
                              group->now_ms)) {
            *is_full = true;
            break;
        }
        err_t err = stage(log, group, batch, origin);
        if (err != OK) done(batch, err);
    }
    return i;
}

/* ---- commit ---- */

/* The first offset of the oldest open transaction of anybody but `id`; -1: none. */
struct others {
    producer_id_t id;
    koffset_t first_offset;
};
static void look_at_producer(void *arg, const struct producer_entry *entry)
{
    struct others *others = arg;
    if (entry->id == others->id || entry->txn_first_offset < 0) return;
    if (others->first_offset < 0 || entry->txn_first_offset < others->first_offset) {
        others->first_offset = entry->txn_first_offset;
    }
}

/* An abort is written down before the state changes: that way a failure leaves nothing to undo. */
static err_t note_abort(struct producer_state *state, struct segment *segment,
                        const struct batch_header *header)
{
    const struct producer_entry *entry = producer_state_find(state, header->producer_id);
    if (!entry || entry->txn_first_offset < 0) return OK;
    if (header->base_offset <= segment->txns.last_offset) return OK; /* replay: it is there */
    struct others others = {header->producer_id, -1};
    producer_state_each(state, look_at_producer, &others);
    koffset_t last_offset = batch_last_offset(header);
    return txn_index_append(
        &segment->txns,
        &(struct txn_entry){header->producer_id, entry->txn_first_offset, last_offset,
                            others.first_offset >= 0 ? others.first_offset : last_offset + 1});
}

static err_t note_marker(struct producer_state *state, struct segment *segment,
                         const struct batch_header *header, struct view whole)
{
    struct control_marker marker;
    struct completed_txn completed;
    err_t err = control_marker_parse(whole, &marker);
    if (err != OK) return OK; /* another kind of control record, or none we know */
    if (!marker.is_commit) TRY(note_abort(state, segment, header));
    (void)producer_state_end_txn(state, header, !marker.is_commit, marker.coordinator_epoch,
                                 &completed);
    return OK;
}

err_t log_note_epoch(struct log *log, const struct batch_header *header)
{
    leader_epoch_t epoch = header->leader_epoch;
    bool changed = false;
    TRY(epoch_cache_assign(&log->epochs, epoch, header->base_offset, &changed));
    log->epochs_changed |= changed;
    return OK;
}

err_t log_note_producer(struct producer_state *state, struct segment *segment,
                        const struct batch_header *header, struct view whole)
{
    if (batch_is_control(header)) return note_marker(state, segment, header, whole);
    return batch_has_producer_id(header) ? producer_state_update(state, header) : OK;
}

/* What can fail without harm comes first; once segment_add() is called the batch is in. */
static err_t commit_one(struct log *log, const struct log_append *batch)
{
    struct segment *active = log_active(log);
    TRY(log_note_epoch(log, &batch->header));
    TRY(log_note_producer(log->producers, active, &batch->header,
                          view_of(batch->data, batch->header.size_bytes)));
    err_t err = segment_add(active, &batch->header, log->config.index_interval_bytes);
    log->end_offset = active->end_offset;
    return err == OK ? OK : ERR_IO;
}

/* Nothing is written, or what is can be cut off again. */
static bool is_harmless(err_t err)
{
    return err == ERR_NOSPACE || err == ERR_LIMIT || err == ERR_NOMEM;
}

/* Writes and commits those staged. An error is that of the first batch that could not be had; the
 * others behind it share it. */
static err_t commit(struct log *log, struct group *group)
{
    if (group->count == 0) return OK;
    struct segment *active = log_active(log);
    int64_t size_before = active->size_bytes;
    int committed = 0;
    err_t err = segment_write(active, group->iov, group->count, group->bytes);
    bool is_written = err == OK;
    while (err == OK && committed < group->count) {
        err = commit_one(log, group->batches[committed]);
        committed += err == OK;
    }
    if (is_written && is_harmless(err)) {
        log->epochs_changed |= epoch_cache_truncate_end(&log->epochs, log->end_offset);
        err_t cut = segment_cut_back(active);
        if (cut != OK) err = cut;
    }
    if (err != OK && !is_harmless(err)) log_fail(log, err, "append");
    log->size_bytes += active->size_bytes - size_before;
    log->unflushed_bytes += active->size_bytes - size_before;
    for (int i = 0; i < group->count; i++) done(group->batches[i], i < committed ? OK : err);
    log_check(log);
    return err;
}

static err_t send_away(struct log *log)
{
    log->roll_claims++;
    return ERR_AGAIN;
}

/* Duplicates of what could not be written share its fate. */
static void spoil_duplicates(struct log *log, struct log_append *batches, size_t count, err_t err)
{
    for (size_t i = 0; i < count; i++) {
        if (!batches[i].is_duplicate || batches[i].base_offset < log->end_offset) continue;
        batches[i].is_duplicate = false;
        batches[i].err = err;
    }
}

static koffset_t roll_target(const struct log *log, const struct batch_header *refused)
{
    bool is_far = batch_last_offset(refused) - log->end_offset > INT32_MAX;
    return is_far ? refused->base_offset : log->end_offset;
}

static err_t append_locked(struct log *log, struct log_append *batches, size_t count,
                           enum log_origin origin, leader_epoch_t leader_epoch)
{
    struct group group;
    group.now_ms = env_wall_ms(log->env);
    for (size_t i = 0; i < count;) {
        if (log->is_failed) {
            done_all(batches + i, count - i, ERR_FAILED);
            return OK;
        }
        if (log->is_changing) return send_away(log);
        group.count = 0;
        group.bytes = 0;
        group.end_offset = log->end_offset;
        bool is_full = false;
        size_t n = stage_all(log, &group, batches + i, count - i, origin, leader_epoch, &is_full);
        err_t err = commit(log, &group);
        if (log->staged) producer_state_clear(log->staged);
        if (err != OK) spoil_duplicates(log, batches + i, n, err);
        i += n;
        if (is_harmless(err)) done_all(batches + i, count - i, err);
        if (is_full && group.count == 0) {
            log->wants_roll = true;
            log->roll_offset = roll_target(log, &batches[i].header);
            return send_away(log);
        }
    }
    return OK;
}

err_t log_append(struct log *log, struct log_append *batches, size_t count, enum log_origin origin,
                 leader_epoch_t leader_epoch)
{
    mutex_lock(&log->lock);
    err_t err = append_locked(log, batches, count, origin, leader_epoch);
    mutex_unlock(&log->lock);
    return err;
}
