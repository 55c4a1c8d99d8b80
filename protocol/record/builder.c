/* Records are encoded as they come, straight behind the room for the header if they stay
 * uncompressed, else into a second buffer which finish() compresses in one go. Everything in the
 * header that depends on the records is known at the end only, so the header is written last.
 */
#include "builder.h"

#include "base/check.h"
#include "batch_write.h"
#include "record_parse.h"

/* Attributes, two deltas, two lengths and the header count, with the record's own length. */
enum { RECORD_OVERHEAD_MAX = 1 + VARLONG_MAX_BYTES + 5 * VARINT_MAX_BYTES };

static const size_t batch_size_max = (size_t)INT32_MAX + BATCH_LENGTH_END;

struct batch_options batch_options_default(void)
{
    return (struct batch_options){
        .codec = CODEC_NONE,
        .level = CODEC_LEVEL_DEFAULT,
        .leader_epoch = -1,
        .log_append_time = NO_TIMESTAMP,
        .delete_horizon_ms = NO_TIMESTAMP,
        .producer_id = NO_PRODUCER_ID,
        .producer_epoch = NO_PRODUCER_EPOCH,
        .base_sequence = NO_SEQUENCE,
    };
}

err_t batch_builder_init(struct batch_builder *b, const struct batch_options *options)
{
    *b = (struct batch_builder){0};
    return batch_builder_reset(b, options);
}

err_t batch_builder_reset(struct batch_builder *b, const struct batch_options *options)
{
    CHECK(options->base_offset >= 0);
    if (!codec_level_is_valid(options->codec, options->level)) return ERR_INVALID;
    b->options = *options;
    buf_clear(&b->raw);
    buf_clear(&b->out);
    b->record_count = 0;
    b->last_offset = options->base_offset - 1;
    b->base_timestamp = options->delete_horizon_ms;
    b->max_timestamp = NO_TIMESTAMP;
    b->is_finished = false;
    TRY(buf_reserve(&b->out, BATCH_HEADER_SIZE));
    b->out.len = BATCH_HEADER_SIZE;
    return OK;
}

void batch_builder_release(struct batch_builder *b)
{
    buf_release(&b->out);
    buf_release(&b->raw);
    *b = (struct batch_builder){0};
}

size_t batch_builder_size(const struct batch_builder *b)
{
    return b->is_finished ? b->out.len : b->out.len + b->raw.len;
}

size_t batch_builder_record_bound(const struct record *record)
{
    return RECORD_OVERHEAD_MAX + record->key.len + record->value.len + record->headers.len;
}

static size_t bytes_size(struct view v)
{
    return v.data ? varint_size((int32_t)v.len) + v.len : varint_size(-1);
}

static uint8_t *put_bytes(uint8_t *at, struct view v)
{
    at = put_varint(at, v.data ? (int32_t)v.len : -1);
    if (v.len) memcpy(at, v.data, v.len);
    return at + v.len;
}

/* The deltas of a record against the batch as it is so far. */
struct deltas {
    int64_t timestamp;
    int32_t offset;
};

static err_t deltas_of(const struct batch_builder *b, const struct record *record,
                       struct deltas *out)
{
    int64_t offset = record->offset == RECORD_OFFSET_NEXT ? b->last_offset + 1 : record->offset;
    if (offset <= b->last_offset || offset - b->options.base_offset > INT32_MAX) return ERR_RANGE;
    out->offset = (int32_t)(offset - b->options.base_offset);
    bool is_base = b->record_count == 0 && b->options.delete_horizon_ms == NO_TIMESTAMP;
    int64_t base = is_base ? record->timestamp : b->base_timestamp;
    return __builtin_sub_overflow(record->timestamp, base, &out->timestamp) ? ERR_RANGE : OK;
}

static err_t check_headers(const struct record *record)
{
    const uint8_t *at = record->headers.data;
    if (record->header_count == 0) return record->headers.len == 0 ? OK : ERR_INVALID;
    if (record->header_count < 0 || !at) return ERR_INVALID;
    const uint8_t *end = at + record->headers.len;
    return skip_headers(at, end, record->header_count) == end ? OK : ERR_INVALID;
}

static void encode(struct buf *to, const struct record *record, const struct deltas *deltas)
{
    size_t body = 1 + varlong_size(deltas->timestamp) + varint_size(deltas->offset) +
                  bytes_size(record->key) + bytes_size(record->value) +
                  varint_size(record->header_count) + record->headers.len;
    uint8_t *at = put_varint(to->data + to->len, (int32_t)body);
    *at++ = 0; /* attributes */
    at = put_varlong(at, deltas->timestamp);
    at = put_varint(at, deltas->offset);
    at = put_bytes(at, record->key);
    at = put_bytes(at, record->value);
    at = put_varint(at, record->header_count);
    if (record->headers.len) memcpy(at, record->headers.data, record->headers.len);
    to->len = (size_t)(at + record->headers.len - to->data);
}

/* Whether the record's parts alone fit a batch, so that sums of them cannot wrap. */
static bool fits(const struct batch_builder *b, const struct record *record)
{
    if (record->key.len > INT32_MAX || record->value.len > INT32_MAX) return false;
    if (record->headers.len > INT32_MAX) return false;
    return batch_builder_record_bound(record) <= batch_size_max - batch_builder_size(b);
}

err_t batch_builder_append(struct batch_builder *b, const struct record *record)
{
    CHECK(!b->is_finished);
    struct deltas deltas;
    if (b->record_count == INT32_MAX || !fits(b, record)) return ERR_LIMIT;
    TRY(deltas_of(b, record, &deltas));
    TRY(check_headers(record));
    struct buf *to = b->options.codec == CODEC_NONE ? &b->out : &b->raw;
    TRY(buf_reserve(to, batch_builder_record_bound(record)));
    encode(to, record, &deltas);
    if (b->record_count == 0 && b->options.delete_horizon_ms == NO_TIMESTAMP)
        b->base_timestamp = record->timestamp;
    if (b->record_count == 0 || record->timestamp > b->max_timestamp)
        b->max_timestamp = record->timestamp;
    b->last_offset = b->options.base_offset + deltas.offset;
    b->record_count++;
    return OK;
}

err_t batch_builder_set_last_offset(struct batch_builder *b, int64_t last_offset)
{
    CHECK(!b->is_finished);
    if (last_offset < b->last_offset || last_offset < b->options.base_offset) return ERR_RANGE;
    if (last_offset - b->options.base_offset > INT32_MAX) return ERR_RANGE;
    b->last_offset = last_offset;
    return OK;
}

static int16_t attributes_of(const struct batch_builder *b)
{
    const struct batch_options *o = &b->options;
    unsigned attributes = b->record_count > 0 ? o->codec : CODEC_NONE;
    if (o->log_append_time != NO_TIMESTAMP) attributes |= BATCH_ATTR_LOG_APPEND_TIME;
    if (o->is_transactional) attributes |= BATCH_ATTR_TRANSACTIONAL;
    if (o->is_control) attributes |= BATCH_ATTR_CONTROL;
    if (o->delete_horizon_ms != NO_TIMESTAMP) attributes |= BATCH_ATTR_DELETE_HORIZON;
    return (int16_t)attributes;
}

err_t batch_builder_finish(struct batch_builder *b, struct view *out)
{
    CHECK(!b->is_finished);
    const struct batch_options *o = &b->options;
    if (b->last_offset < o->base_offset) return ERR_INVALID;
    if (b->record_count > 0 && o->codec != CODEC_NONE)
        TRY(compress_append(o->codec, o->level, buf_view(&b->raw), &b->out));
    if (b->out.len > batch_size_max) return ERR_LIMIT;
    batch_seal(b->out.data,
               &(struct batch_header){
                   .base_offset = o->base_offset,
                   .size_bytes = b->out.len,
                   .leader_epoch = o->leader_epoch,
                   .attributes = attributes_of(b),
                   .last_offset_delta = (int32_t)(b->last_offset - o->base_offset),
                   .base_timestamp = b->base_timestamp,
                   .max_timestamp = o->log_append_time != NO_TIMESTAMP ? o->log_append_time
                                                                       : b->max_timestamp,
                   .producer_id = o->producer_id,
                   .producer_epoch = o->producer_epoch,
                   .base_sequence = o->base_sequence,
                   .record_count = b->record_count,
               });
    b->is_finished = true;
    *out = buf_view(&b->out);
    return OK;
}
