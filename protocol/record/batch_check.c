/* What a broker checks on a client's batch, cheapest and most telling first: shape of the bytes,
 * size, CRC, rules about the header, then the records.
 *
 * Records of uncompressed batches are always walked: a broker that stores what nobody can read back
 * has lost it. Walking costs a few nanoseconds a record. Compressed batches would cost many times
 * the whole append, so for them the header's times are believed, unless the topic wants them
 * walked.
 */
#include "base/crc32c.h"
#include "batch.h"
#include "batch_write.h"
#include "record_parse.h"

/* What the records have in common, collected on the way. */
struct walk {
    int64_t timestamp_min; /* of those that have a time */
    int64_t timestamp_max;
};

/* From the lowest and highest time delta of the records that have a time. */
static err_t walk_of(int64_t base, int64_t lowest, int64_t highest, struct walk *out)
{
    *out = (struct walk){INT64_MAX, NO_TIMESTAMP};
    if (lowest > highest) return OK; /* none has */
    bool wraps = __builtin_add_overflow(base, lowest, &out->timestamp_min);
    wraps |= __builtin_add_overflow(base, highest, &out->timestamp_max);
    return wraps ? ERR_INVALID : OK;
}

static err_t check_shape(struct view whole, const struct batch_limits *limits,
                         struct batch_header *out)
{
    err_t err = batch_header_read(whole, out);
    if (err == ERR_SHORT) return ERR_CORRUPT;
    if (err) return err;
    if (out->size_bytes > whole.len) return ERR_CORRUPT;
    if (out->size_bytes < whole.len) return ERR_INVALID; /* a second batch, or left-overs */
    if (out->size_bytes > limits->max_message_bytes) return ERR_TOO_LARGE;
    return batch_check_crc(whole);
}

static err_t check_producer(const struct batch_header *h)
{
    if (h->producer_id < NO_PRODUCER_ID) return ERR_INVALID;
    if (batch_has_producer_id(h))
        return h->producer_epoch < 0 || h->base_sequence < 0 ? ERR_INVALID : OK;
    return batch_is_transactional(h) ? ERR_INVALID : OK;
}

static err_t check_header(const struct batch_header *h)
{
    if (batch_codec(h) >= CODEC__COUNT) return ERR_UNSUPPORTED;
    if (h->base_offset < 0 || h->record_count <= 0) return ERR_INVALID;
    if ((int64_t)h->last_offset_delta + 1 != h->record_count) return ERR_INVALID;
    if (h->base_offset > INT64_MAX - h->last_offset_delta) return ERR_INVALID;
    /* Control batches and delete horizons are the broker's own. */
    if (batch_is_control(h) || batch_has_delete_horizon(h)) return ERR_INVALID;
    if (batch_is_log_append_time(h)) return ERR_TIMESTAMP; /* so is this */
    return check_producer(h);
}

static err_t check_times(const struct batch_limits *limits, int64_t earliest, int64_t latest)
{
    int64_t lowest, highest;
    if (__builtin_sub_overflow(limits->now_ms, limits->before_max_ms, &lowest)) lowest = INT64_MIN;
    if (__builtin_add_overflow(limits->now_ms, limits->after_max_ms, &highest)) highest = INT64_MAX;
    return earliest < lowest || latest > highest ? ERR_TIMESTAMP : OK;
}

/* The loop a broker spends its time in; `need_key` is a constant in each of its two copies. */
static inline __attribute__((always_inline)) err_t walk_records(struct view records,
                                                                const struct batch_header *h,
                                                                bool need_key, struct walk *out)
{
    const uint8_t *at = records.data, *end = records.data + records.len;
    int64_t none = (int64_t)((uint64_t)NO_TIMESTAMP - (uint64_t)h->base_timestamp);
    int64_t lowest = INT64_MAX, highest = INT64_MIN;
    bool keyless = false;
    for (int32_t i = 0; i < h->record_count; i++) {
        struct record_fields fields;
        at = record_parse(at, end, &fields);
        if (!at || fields.offset_delta != i) return ERR_INVALID;
        if (need_key) keyless |= fields.key_len < 0;
        int64_t delta = fields.timestamp_delta;
        if (delta == none) continue;
        if (delta > highest) highest = delta;
        if (delta < lowest) lowest = delta;
    }
    if (at != end) return ERR_INVALID;
    if (keyless) return ERR_NO_KEY;
    return walk_of(h->base_timestamp, lowest, highest, out);
}

static err_t check_records(struct view records, const struct batch_limits *limits,
                           struct batch_header *h)
{
    struct walk walk;
    if (limits->is_compacted)
        TRY(walk_records(records, h, true, &walk));
    else
        TRY(walk_records(records, h, false, &walk));
    h->max_timestamp = walk.timestamp_max;
    return check_times(limits, walk.timestamp_min, walk.timestamp_max);
}

static err_t check_compressed(struct view whole, const struct batch_limits *limits,
                              struct batch_header *h)
{
    struct buf own = {0};
    struct buf *scratch = limits->scratch ? limits->scratch : &own;
    struct view records;
    err_t err = batch_records(whole, h, limits->decompressed_max_bytes, scratch, &records);
    if (err == OK) err = check_records(records, limits, h);
    if (err == ERR_CORRUPT) err = ERR_INVALID; /* the CRC was right: its producer made it so */
    buf_release(&own);
    return err;
}

err_t batch_check_produced(struct view whole, const struct batch_limits *limits,
                           struct batch_header *out)
{
    TRY(check_shape(whole, limits, out));
    TRY(check_header(out));
    if (batch_codec(out) == CODEC_NONE) {
        struct view records = view_of(whole.data + BATCH_HEADER_SIZE,
                                      whole.len - BATCH_HEADER_SIZE);
        return check_records(records, limits, out);
    }
    if (limits->is_compacted || limits->walk_compressed)
        return check_compressed(whole, limits, out);
    int64_t earliest = out->base_timestamp == NO_TIMESTAMP ? INT64_MAX : out->base_timestamp;
    return check_times(limits, earliest, out->max_timestamp);
}
