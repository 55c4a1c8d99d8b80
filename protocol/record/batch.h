/* batch - the record batch (magic 2): its 61-byte header, the checks a broker makes, and the three
 * places that are patched in place.
 *
 * A batch is the unit of appending, checking and storing; it is kept byte for byte as its producer
 * made it. Functions here borrow the bytes they are given, keep nothing and may run on any thread.
 *
 * The CRC-32C covers everything from BATCH_ATTRIBUTES to the end. Base offset, length, leader epoch
 * and magic lie before it, so that a leader can place a batch without summing it again.
 */
#pragma once

#include "base/buf.h"
#include "compress.h"

/* Where each field starts; the records follow the header. */
enum {
    BATCH_BASE_OFFSET = 0,
    BATCH_LENGTH = 8, /* bytes that follow this field */
    BATCH_LEADER_EPOCH = 12,
    BATCH_MAGIC = 16,
    BATCH_CRC = 17,
    BATCH_ATTRIBUTES = 21,
    BATCH_LAST_OFFSET_DELTA = 23,
    BATCH_BASE_TIMESTAMP = 27,
    BATCH_MAX_TIMESTAMP = 35,
    BATCH_PRODUCER_ID = 43,
    BATCH_PRODUCER_EPOCH = 51,
    BATCH_BASE_SEQUENCE = 53,
    BATCH_RECORD_COUNT = 57,
    BATCH_HEADER_SIZE = 61,
    BATCH_LENGTH_END = 12,                                   /* what length does not count */
    BATCH_LENGTH_MIN = BATCH_HEADER_SIZE - BATCH_LENGTH_END, /* of a batch without records */
    BATCH_MAGIC_V2 = 2,
};

enum {
    BATCH_ATTR_CODEC_MASK = 7,
    BATCH_ATTR_LOG_APPEND_TIME = 1 << 3,
    BATCH_ATTR_TRANSACTIONAL = 1 << 4,
    BATCH_ATTR_CONTROL = 1 << 5,
    BATCH_ATTR_DELETE_HORIZON = 1 << 6,
};

enum { NO_TIMESTAMP = -1, NO_PRODUCER_ID = -1, NO_PRODUCER_EPOCH = -1, NO_SEQUENCE = -1 };

struct batch_header {
    int64_t base_offset;
    size_t size_bytes; /* of the whole batch, header included */
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp; /* the delete horizon, if batch_has_delete_horizon() */
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count; /* fewer than last_offset_delta + 1 after compaction, perhaps 0 */
};

static inline enum codec batch_codec(const struct batch_header *h)
{
    return (enum codec)(h->attributes & BATCH_ATTR_CODEC_MASK);
}
static inline bool batch_is_log_append_time(const struct batch_header *h)
{
    return h->attributes & BATCH_ATTR_LOG_APPEND_TIME;
}
static inline bool batch_is_transactional(const struct batch_header *h)
{
    return h->attributes & BATCH_ATTR_TRANSACTIONAL;
}
static inline bool batch_is_control(const struct batch_header *h)
{
    return h->attributes & BATCH_ATTR_CONTROL;
}
static inline bool batch_has_delete_horizon(const struct batch_header *h)
{
    return h->attributes & BATCH_ATTR_DELETE_HORIZON;
}
static inline bool batch_has_producer_id(const struct batch_header *h)
{
    return h->producer_id >= 0;
}
static inline int64_t batch_last_offset(const struct batch_header *h)
{
    return h->base_offset + h->last_offset_delta;
}

/* Sequences run from 0 to 2^31 - 1 and start again at 0. */
int32_t sequence_add(int32_t sequence, int32_t increment);
/* The sequence of the batch's last record; NO_SEQUENCE if it has none. */
int32_t batch_last_sequence(const struct batch_header *h);

/* The size of the batch that `bytes` begin with, as its length field has it: 0 if there are not
 * enough bytes to tell, -1 if no batch can have that size. The bytes of the batch need not be
 * there.
 */
int64_t batch_size_peek(struct view bytes);

/* Reads a header; says nothing about records or the CRC. `bytes` may end anywhere after the header.
 * ERR_SHORT: fewer than 61 bytes; ERR_UNSUPPORTED: another magic; ERR_CORRUPT: impossible fields.
 */
err_t batch_header_parse(struct view bytes, struct batch_header *out);

/* Whether the CRC is right: OK or ERR_CORRUPT; ERR_SHORT if the view ends before the batch does. */
err_t batch_check_crc(struct view batch);

struct batch_limits {
    size_t max_message_bytes;
    int64_t now_ms;
    int64_t before_max_ms; /* records may be this much older than now; INT64_MAX: no bound */
    int64_t after_max_ms;  /* and this much newer */
    bool is_compacted;     /* every record needs a key (compressed batches are walked as well) */
    bool walk_compressed;
    size_t decompressed_max_bytes;
    struct buf *scratch; /* borrowed, for walking compressed batches; NULL: one of our own a call */
};

/* Everything a broker checks on a client's batch; `whole` has to be exactly one batch. For walked
 * batches out->max_timestamp is that of the records, whatever the bytes say: pass it on to
 * batch_set_max_timestamp().
 * ERR_CORRUPT: CRC, or no batch at all; ERR_UNSUPPORTED: magic, codec; ERR_TOO_LARGE,
 * ERR_TIMESTAMP, ERR_NO_KEY; ERR_INVALID: any other rule or malformed records; ERR_NOMEM. */
err_t batch_check_produced(struct view whole, const struct batch_limits *limits,
                           struct batch_header *out);

/* ---- patches; `batch` points to a whole valid batch ---- */
void batch_set_base_offset(uint8_t *batch, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch);
/* Every record's time becomes now_ms. Sums the batch again. */
void batch_set_log_append_time(uint8_t *batch, int64_t now_ms);
/* Sums the batch again only if the field changes. */
void batch_set_max_timestamp(uint8_t *batch, int64_t max_timestamp);
