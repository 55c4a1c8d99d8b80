/* The header's fields are read one by one at fixed places; see batch.h for those.
 *
 * Two levels of trust: batch_header_read() says that the fields can be read and where the batch
 * ends, batch_header_parse() also that they can be true of a batch that somebody stored.
 */
#include "batch.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "batch_write.h"

/* A message of magic 0 or 1 is at least this long behind its length field; less is no message of
 * any format, for example the zeros of a preallocated file. */
enum { LENGTH_MIN_OF_ANY_MAGIC = 14 };

int32_t sequence_add(int32_t sequence, int32_t increment)
{
    CHECK(sequence >= 0 && increment >= 0);
    return (int32_t)(((uint32_t)sequence + (uint32_t)increment) & INT32_MAX);
}

int32_t batch_last_sequence(const struct batch_header *h)
{
    if (h->base_sequence < 0) return NO_SEQUENCE;
    return sequence_add(h->base_sequence, h->last_offset_delta);
}

int64_t batch_size_peek(struct view bytes)
{
    if (bytes.len < BATCH_LENGTH_END) return 0;
    int32_t length = (int32_t)be32_get(bytes.data + BATCH_LENGTH);
    return length < BATCH_LENGTH_MIN ? -1 : (int64_t)length + BATCH_LENGTH_END;
}

err_t batch_header_read(struct view bytes, struct batch_header *out)
{
    if (bytes.len < BATCH_HEADER_SIZE) return ERR_SHORT;
    const uint8_t *p = bytes.data;
    int32_t length = (int32_t)be32_get(p + BATCH_LENGTH);
    if (length < LENGTH_MIN_OF_ANY_MAGIC) return ERR_CORRUPT;
    if (p[BATCH_MAGIC] != BATCH_MAGIC_V2) return ERR_UNSUPPORTED;
    if (length < BATCH_LENGTH_MIN) return ERR_CORRUPT;
    *out = (struct batch_header){
        .base_offset = (int64_t)be64_get(p + BATCH_BASE_OFFSET),
        .size_bytes = (size_t)length + BATCH_LENGTH_END,
        .leader_epoch = (int32_t)be32_get(p + BATCH_LEADER_EPOCH),
        .magic = (int8_t)p[BATCH_MAGIC],
        .crc = be32_get(p + BATCH_CRC),
        .attributes = (int16_t)be16_get(p + BATCH_ATTRIBUTES),
        .last_offset_delta = (int32_t)be32_get(p + BATCH_LAST_OFFSET_DELTA),
        .base_timestamp = (int64_t)be64_get(p + BATCH_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)be64_get(p + BATCH_MAX_TIMESTAMP),
        .producer_id = (int64_t)be64_get(p + BATCH_PRODUCER_ID),
        .producer_epoch = (int16_t)be16_get(p + BATCH_PRODUCER_EPOCH),
        .base_sequence = (int32_t)be32_get(p + BATCH_BASE_SEQUENCE),
        .record_count = (int32_t)be32_get(p + BATCH_RECORD_COUNT),
    };
    return OK;
}

err_t batch_header_parse(struct view bytes, struct batch_header *out)
{
    TRY(batch_header_read(bytes, out));
    if (out->base_offset < 0 || out->last_offset_delta < 0 || out->record_count < 0)
        return ERR_CORRUPT;
    if (out->base_offset > INT64_MAX - out->last_offset_delta) return ERR_CORRUPT;
    if ((int64_t)out->record_count > (int64_t)out->last_offset_delta + 1) return ERR_CORRUPT;
    return OK;
}

static uint32_t sum(const uint8_t *batch, size_t size_bytes)
{
    return crc32c(0, batch + BATCH_ATTRIBUTES, size_bytes - BATCH_ATTRIBUTES);
}

err_t batch_check_crc(struct view batch)
{
    int64_t size = batch_size_peek(batch);
    if (size < 0) return ERR_CORRUPT;
    if (size == 0 || (uint64_t)size > batch.len) return ERR_SHORT;
    return sum(batch.data, (size_t)size) == be32_get(batch.data + BATCH_CRC) ? OK : ERR_CORRUPT;
}

err_t batch_records(struct view batch, const struct batch_header *header,
                    size_t decompressed_max_bytes, struct buf *scratch, struct view *out)
{
    if (batch.len < header->size_bytes) return ERR_SHORT;
    struct view stored = view_of(batch.data + BATCH_HEADER_SIZE,
                                 header->size_bytes - BATCH_HEADER_SIZE);
    *out = stored;
    if (batch_codec(header) == CODEC_NONE) return OK;
    buf_clear(scratch);
    /* A batch that compaction has emptied keeps its codec bits and has nothing to decompress. */
    if (header->record_count == 0 && stored.len == 0) return OK;
    TRY(decompress_append(batch_codec(header), stored, decompressed_max_bytes, scratch));
    *out = buf_view(scratch);
    return OK;
}

/* ---- patches ---- */

static void seal_again(uint8_t *batch)
{
    size_t size = (size_t)be32_get(batch + BATCH_LENGTH) + BATCH_LENGTH_END;
    be32_put(batch + BATCH_CRC, sum(batch, size));
}

void batch_set_base_offset(uint8_t *batch, int64_t base_offset)
{
    CHECK(base_offset >= 0);
    be64_put(batch + BATCH_BASE_OFFSET, (uint64_t)base_offset);
}

void batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch)
{
    be32_put(batch + BATCH_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void batch_set_log_append_time(uint8_t *batch, int64_t now_ms)
{
    uint16_t attributes = be16_get(batch + BATCH_ATTRIBUTES);
    be16_put(batch + BATCH_ATTRIBUTES, attributes | BATCH_ATTR_LOG_APPEND_TIME);
    be64_put(batch + BATCH_MAX_TIMESTAMP, (uint64_t)now_ms);
    seal_again(batch);
}

void batch_set_max_timestamp(uint8_t *batch, int64_t max_timestamp)
{
    if ((int64_t)be64_get(batch + BATCH_MAX_TIMESTAMP) == max_timestamp) return;
    be64_put(batch + BATCH_MAX_TIMESTAMP, (uint64_t)max_timestamp);
    seal_again(batch);
}

void batch_seal(uint8_t *batch, const struct batch_header *header)
{
    CHECK(header->size_bytes >= BATCH_HEADER_SIZE);
    CHECK(header->size_bytes - BATCH_LENGTH_END <= INT32_MAX);
    be64_put(batch + BATCH_BASE_OFFSET, (uint64_t)header->base_offset);
    be32_put(batch + BATCH_LENGTH, (uint32_t)(header->size_bytes - BATCH_LENGTH_END));
    be32_put(batch + BATCH_LEADER_EPOCH, (uint32_t)header->leader_epoch);
    batch[BATCH_MAGIC] = BATCH_MAGIC_V2;
    be16_put(batch + BATCH_ATTRIBUTES, (uint16_t)header->attributes);
    be32_put(batch + BATCH_LAST_OFFSET_DELTA, (uint32_t)header->last_offset_delta);
    be64_put(batch + BATCH_BASE_TIMESTAMP, (uint64_t)header->base_timestamp);
    be64_put(batch + BATCH_MAX_TIMESTAMP, (uint64_t)header->max_timestamp);
    be64_put(batch + BATCH_PRODUCER_ID, (uint64_t)header->producer_id);
    be16_put(batch + BATCH_PRODUCER_EPOCH, (uint16_t)header->producer_epoch);
    be32_put(batch + BATCH_BASE_SEQUENCE, (uint32_t)header->base_sequence);
    be32_put(batch + BATCH_RECORD_COUNT, (uint32_t)header->record_count);
    seal_again(batch);
}
