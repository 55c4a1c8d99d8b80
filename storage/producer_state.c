/* Producers lie in one array ordered by id, each entry in an allocation of its own: a look-up is a
 * binary search over 16-byte pairs, walking and encoding are in order for nothing, and a log
 * without producers owns no memory. Ids are handed out in rising blocks, so insertion is nearly
 * always at or close to the end.
 *
 * Open transactions are a second array, ordered by first offset; a new one begins at the end of the
 * log and so at the end of the array.
 *
 * What is remembered follows the log and is never judged here: only producer_state_check() refuses,
 * and it changes nothing.
 */
#include "producer_state.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/crc32c.h"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_HEAD_SIZE = 10, /* version, CRC, count */
    SNAPSHOT_CRC_AT = 2,
    SNAPSHOT_CRC_FROM = 6,
    SNAPSHOT_ENTRY_SIZE = 46,
    ROOM_MIN = 4,
};

struct producer_ref {
    producer_id_t id;
    struct producer_entry *entry; /* owned */
};

struct open_txn {
    koffset_t first_offset;
    producer_id_t id;
};

struct producer_state {
    struct producer_ref *producers; /* ascending ids */
    size_t count;
    size_t cap;
    struct open_txn *txns; /* ascending first offsets */
    size_t txn_count;
    size_t txn_cap;
};

struct producer_state *producer_state_new(void) { return calloc(1, sizeof(struct producer_state)); }

void producer_state_clear(struct producer_state *state)
{
    for (size_t i = 0; i < state->count; i++) free(state->producers[i].entry);
    free(state->producers);
    free(state->txns);
    *state = (struct producer_state){0};
}

void producer_state_free(struct producer_state *state)
{
    if (!state) return;
    producer_state_clear(state);
    free(state);
}

/* ---- the two arrays ---- */

/* Room for one more element of `size` bytes in *array. */
static err_t make_room(void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return OK;
    size_t wanted = *cap ? *cap * 2 : ROOM_MIN;
    void *grown = realloc(*array, wanted * size);
    if (!grown) return ERR_NOMEM;
    *array = grown;
    *cap = wanted;
    return OK;
}

/* Where the id is, or would be. */
static size_t position_of(const struct producer_state *state, producer_id_t id)
{
    size_t low = 0, high = state->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (state->producers[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct producer_entry *find(const struct producer_state *state, producer_id_t id)
{
    size_t at = position_of(state, id);
    bool is_known = at < state->count && state->producers[at].id == id;
    return is_known ? state->producers[at].entry : NULL;
}

/* NULL: no memory. */
static struct producer_entry *insert(struct producer_state *state, producer_id_t id)
{
    void *array = state->producers;
    err_t err = make_room(&array, state->count, &state->cap, sizeof *state->producers);
    state->producers = array;
    struct producer_entry *entry = err == OK ? malloc(sizeof *entry) : NULL;
    if (!entry) return NULL;
    *entry = (struct producer_entry){
        .id = id,
        .epoch = NO_PRODUCER_EPOCH,
        .coordinator_epoch = -1,
        .last_timestamp = NO_TIMESTAMP,
        .txn_first_offset = -1,
    };
    size_t at = position_of(state, id);
    struct producer_ref *place = state->producers + at;
    DCHECK(at == state->count || place->id != id);
    memmove(place + 1, place, (state->count - at) * sizeof *place);
    *place = (struct producer_ref){id, entry};
    state->count++;
    return entry;
}

static err_t reserve_txn(struct producer_state *state)
{
    void *array = state->txns;
    err_t err = make_room(&array, state->txn_count, &state->txn_cap, sizeof *state->txns);
    state->txns = array;
    return err;
}

/* Room has been reserved. */
static void open_txn(struct producer_state *state, struct producer_entry *entry, koffset_t first)
{
    CHECK(state->txn_count < state->txn_cap && entry->txn_first_offset < 0 && first >= 0);
    size_t at = state->txn_count++;
    for (; at > 0 && state->txns[at - 1].first_offset > first; at--)
        state->txns[at] = state->txns[at - 1];
    state->txns[at] = (struct open_txn){first, entry->id};
    entry->txn_first_offset = first;
}

static void close_txn(struct producer_state *state, struct producer_entry *entry)
{
    size_t at = 0;
    while (at < state->txn_count && state->txns[at].id != entry->id) at++;
    CHECK(at < state->txn_count && state->txns[at].first_offset == entry->txn_first_offset);
    state->txn_count--;
    memmove(state->txns + at, state->txns + at + 1, (state->txn_count - at) * sizeof *state->txns);
    entry->txn_first_offset = -1;
}

/* ---- judging ---- */

static bool is_same_range(const struct producer_batch *known, const struct batch_header *batch)
{
    return known->first_sequence == batch->base_sequence &&
           known->last_sequence == batch_last_sequence(batch);
}

err_t producer_state_check(const struct producer_state *state, const struct batch_header *batch,
                           struct producer_batch *duplicate)
{
    if (!batch_has_producer_id(batch)) return OK;
    const struct producer_entry *entry = find(state, batch->producer_id);
    if (!entry) return OK; /* all it ever wrote may have been deleted by retention */
    if (batch->producer_epoch < entry->epoch) return ERR_PRODUCER_EPOCH;
    if (batch->producer_epoch > entry->epoch) return batch->base_sequence ? ERR_SEQUENCE : OK;
    for (int i = entry->batch_count - 1; i >= 0; i--) {
        if (!is_same_range(&entry->batches[i], batch)) continue;
        *duplicate = entry->batches[i];
        return ERR_EXISTS;
    }
    /* Only a marker was seen in this epoch: it begins with its first batch. */
    if (entry->batch_count == 0) return batch->base_sequence ? ERR_SEQUENCE : OK;
    int32_t last = entry->batches[entry->batch_count - 1].last_sequence;
    int32_t next = last < 0 ? 0 : sequence_add(last, 1); /* a batch without one may be the last */
    return batch->base_sequence == next ? OK : ERR_SEQUENCE;
}

/* ---- following the log ---- */

static void set_epoch(struct producer_entry *entry, int16_t epoch)
{
    if (entry->epoch == epoch) return;
    entry->epoch = epoch;
    entry->batch_count = 0;
}

static void remember_batch(struct producer_entry *entry, const struct producer_batch *batch)
{
    if (entry->batch_count == PRODUCER_BATCHES_KEPT) {
        entry->batch_count--;
        memmove(entry->batches, entry->batches + 1,
                (size_t)entry->batch_count * sizeof *entry->batches);
    }
    entry->batches[entry->batch_count++] = *batch;
}

void producer_state_recall(struct producer_state *state, const struct batch_header *batch)
{
    if (!batch_has_producer_id(batch) || batch_is_control(batch)) return;
    struct producer_entry *entry = find(state, batch->producer_id);
    if (!entry || entry->batch_count == 0 || entry->epoch != batch->producer_epoch) return;
    struct producer_batch newest = entry->batches[entry->batch_count - 1];
    if (batch_last_offset(batch) >= newest.first_offset || batch->base_sequence < 0) return;
    entry->batch_count--;
    remember_batch(entry, &(struct producer_batch){
                              .first_sequence = batch->base_sequence,
                              .last_sequence = batch_last_sequence(batch),
                              .first_offset = batch->base_offset,
                              .last_offset = batch_last_offset(batch),
                              .timestamp = batch->max_timestamp,
                          });
    remember_batch(entry, &newest);
}

err_t producer_state_update(struct producer_state *state, const struct batch_header *batch)
{
    if (!batch_has_producer_id(batch) || batch_is_control(batch)) return OK;
    CHECK(batch->base_offset >= 0 && batch->last_offset_delta >= 0);
    if (batch_is_transactional(batch)) TRY(reserve_txn(state));
    struct producer_entry *entry = find(state, batch->producer_id);
    if (!entry) entry = insert(state, batch->producer_id);
    if (!entry) return ERR_NOMEM;
    set_epoch(entry, batch->producer_epoch);
    entry->last_timestamp = batch->max_timestamp;
    remember_batch(entry, &(struct producer_batch){
                              .first_sequence = batch->base_sequence,
                              .last_sequence = batch_last_sequence(batch),
                              .first_offset = batch->base_offset,
                              .last_offset = batch_last_offset(batch),
                              .timestamp = batch->max_timestamp,
                          });
    if (batch_is_transactional(batch) && entry->txn_first_offset < 0)
        open_txn(state, entry, batch->base_offset);
    return OK;
}

bool producer_state_end_txn(struct producer_state *state, const struct batch_header *batch,
                            bool is_abort, int32_t coordinator_epoch,
                            struct completed_txn *completed)
{
    if (!batch_has_producer_id(batch)) return false;
    struct producer_entry *entry = find(state, batch->producer_id);
    if (!entry) entry = insert(state, batch->producer_id);
    if (!entry) return false; /* an unknown producer may do anything: forgetting it is allowed */
    if (batch->producer_epoch > entry->epoch) set_epoch(entry, batch->producer_epoch);
    entry->coordinator_epoch = coordinator_epoch;
    entry->last_timestamp = batch->max_timestamp;
    if (entry->txn_first_offset < 0) return false;
    *completed = (struct completed_txn){
        .producer_id = entry->id,
        .first_offset = entry->txn_first_offset,
        .last_offset = batch_last_offset(batch),
        .is_aborted = is_abort,
    };
    close_txn(state, entry);
    return true;
}

size_t producer_state_expire(struct producer_state *state, time_ms_t before)
{
    size_t kept = 0;
    for (size_t i = 0; i < state->count; i++) {
        struct producer_entry *entry = state->producers[i].entry;
        if (entry->txn_first_offset >= 0 || entry->last_timestamp >= before)
            state->producers[kept++] = state->producers[i];
        else
            free(entry);
    }
    size_t expired = state->count - kept;
    state->count = kept;
    if (kept == 0) producer_state_clear(state);
    return expired;
}

/* ---- queries ---- */

koffset_t producer_state_first_unstable(const struct producer_state *state)
{
    return state->txn_count ? state->txns[0].first_offset : -1;
}

const struct producer_entry *producer_state_find(const struct producer_state *state,
                                                 producer_id_t id)
{
    return find(state, id);
}

size_t producer_state_count(const struct producer_state *state) { return state->count; }

void producer_state_each(const struct producer_state *state,
                         void (*fn)(void *arg, const struct producer_entry *), void *arg)
{
    for (size_t i = 0; i < state->count; i++) fn(arg, state->producers[i].entry);
}

/* ---- the snapshot ---- */

static void encode_entry(struct writer *w, const struct producer_entry *entry)
{
    static const struct producer_batch none = {
        .last_sequence = NO_SEQUENCE, .last_offset = -1, .first_offset = -1};
    const struct producer_batch *last = entry->batch_count ? &entry->batches[entry->batch_count - 1]
                                                           : &none;
    write_i64(w, entry->id);
    write_i16(w, entry->epoch);
    write_i32(w, last->last_sequence);
    write_i64(w, last->last_offset);
    write_i32(w, (int32_t)(last->last_offset - last->first_offset));
    write_i64(w, entry->last_timestamp);
    write_i32(w, entry->coordinator_epoch);
    write_i64(w, entry->txn_first_offset);
}

err_t producer_state_encode(const struct producer_state *state, struct buf *out)
{
    size_t size = SNAPSHOT_HEAD_SIZE + state->count * SNAPSHOT_ENTRY_SIZE;
    TRY(buf_reserve(out, size));
    uint8_t *start = out->data + out->len;
    struct writer w = writer_of(start, size);
    write_i16(&w, SNAPSHOT_VERSION);
    write_i32(&w, 0); /* the CRC, below */
    write_i32(&w, (int32_t)state->count);
    for (size_t i = 0; i < state->count; i++) encode_entry(&w, state->producers[i].entry);
    CHECK(!w.bad && writer_len(&w) == size);
    be32_put(start + SNAPSHOT_CRC_AT,
             crc32c(0, start + SNAPSHOT_CRC_FROM, size - SNAPSHOT_CRC_FROM));
    out->len += size;
    return OK;
}

/* The sequence `distance` before `sequence`, on the same ring as sequence_add(). */
static int32_t sequence_before(int32_t sequence, int32_t distance)
{
    return (int32_t)((uint32_t)(sequence - distance) & INT32_MAX);
}

static err_t decode_entry(struct producer_state *state, struct reader *r)
{
    producer_id_t id = read_i64(r);
    if (id < 0 || find(state, id)) return ERR_CORRUPT;
    TRY(reserve_txn(state));
    struct producer_entry *entry = insert(state, id);
    if (!entry) return ERR_NOMEM;
    entry->epoch = read_i16(r);
    int32_t last_sequence = read_i32(r);
    koffset_t last_offset = read_i64(r);
    int32_t delta = read_i32(r);
    entry->last_timestamp = read_i64(r);
    entry->coordinator_epoch = read_i32(r);
    koffset_t txn_first_offset = read_i64(r);
    if (delta < 0 || (last_offset >= 0 && last_offset < delta)) return ERR_CORRUPT;
    if (last_offset >= 0) {
        bool has_sequence = last_sequence >= 0;
        remember_batch(entry,
                       &(struct producer_batch){
                           .first_sequence = has_sequence ? sequence_before(last_sequence, delta)
                                                          : NO_SEQUENCE,
                           .last_sequence = last_sequence,
                           .first_offset = last_offset - delta,
                           .last_offset = last_offset,
                           .timestamp = entry->last_timestamp,
                       });
    }
    if (txn_first_offset >= 0) open_txn(state, entry, txn_first_offset);
    return OK;
}

static err_t decode_all(struct producer_state *state, struct view bytes)
{
    struct reader r = reader_of(bytes);
    int16_t version = read_i16(&r);
    uint32_t crc = read_u32(&r);
    int32_t count = read_i32(&r);
    if (r.bad || version != SNAPSHOT_VERSION || count < 0) return ERR_CORRUPT;
    if (reader_left(&r) != (size_t)count * SNAPSHOT_ENTRY_SIZE) return ERR_CORRUPT;
    if (crc != crc32c(0, bytes.data + SNAPSHOT_CRC_FROM, bytes.len - SNAPSHOT_CRC_FROM))
        return ERR_CORRUPT;
    for (int32_t i = 0; i < count; i++) TRY(decode_entry(state, &r));
    CHECK(!r.bad);
    return OK;
}

err_t producer_state_decode(struct producer_state *state, struct view bytes)
{
    producer_state_clear(state);
    err_t err = decode_all(state, bytes);
    if (err != OK) producer_state_clear(state);
    return err;
}
