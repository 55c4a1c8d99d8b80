/* builder - makes record batches.
 *
 * One batch at a time: init, append records, finish, and reset for the next one with the memory of
 * the last. The builder owns its buffers and copies what it is given. A zeroed struct may be
 * released. After a failed append the batch is as before. One owner, not thread-safe.
 */
#pragma once

#include "base/buf.h"
#include "batch.h"
#include "record.h"

struct batch_options {
    enum codec codec;
    int level; /* or CODEC_LEVEL_DEFAULT */
    int64_t base_offset;
    int32_t leader_epoch;
    int64_t log_append_time;   /* the time of all records; NO_TIMESTAMP: each has its own */
    int64_t delete_horizon_ms; /* NO_TIMESTAMP: none */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    bool is_transactional;
    bool is_control;
};

/* Uncompressed, base offset 0, leader epoch -1, no producer, each record with its own time. */
struct batch_options batch_options_default(void);

struct batch_builder {
    struct batch_options options;
    struct buf out; /* owned: the header's room, then records (or their compressed form) */
    struct buf raw; /* owned: records, if they get compressed at the end */
    int32_t record_count;
    int64_t last_offset;
    int64_t base_timestamp;
    int64_t max_timestamp;
    bool is_finished;
};

/* `options` are copied. ERR_NOMEM; ERR_INVALID: a level the codec does not have. */
err_t batch_builder_init(struct batch_builder *b, const struct batch_options *options);
err_t batch_builder_reset(struct batch_builder *b, const struct batch_options *options);
void batch_builder_release(struct batch_builder *b);

/* Offsets have to rise, from the base offset on. ERR_RANGE: the offset (ERR_INVALID: a header) does
 * not do; ERR_LIMIT: the batch would pass 2 GiB; ERR_NOMEM. */
err_t batch_builder_append(struct batch_builder *b, const struct record *record);
/* The batch ends at `last_offset` even if its last record lies before (compaction). */
err_t batch_builder_set_last_offset(struct batch_builder *b, int64_t last_offset);
/* Completes the batch. `out` is borrowed until the next reset or release. ERR_INVALID: no records
 * and no last offset. */
err_t batch_builder_finish(struct batch_builder *b, struct view *out);

/* The size the batch has so far, not counting what compression will save. */
size_t batch_builder_size(const struct batch_builder *b);
/* The most that `record` can add to it. */
size_t batch_builder_record_bound(const struct record *record);

struct recompress_options {
    enum codec codec;
    int level;
    size_t decompressed_max_bytes;
};

/* Appends `batch` with its records in another codec to `out`; every other field stays, the CRC is
 * new. `scratch` is cleared and used. Errors of batch_header_parse() and decompress_append(). */
err_t batch_recompress(struct view batch, const struct recompress_options *options,
                       struct buf *scratch, struct buf *out);
