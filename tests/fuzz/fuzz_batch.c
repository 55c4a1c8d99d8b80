/* Any bytes as record batches: first as they are, then made to pass for one sealed batch, so that
 * the CRC does not keep everything out. What the broker's check lets in has to be readable, and
 * survives being built again and recompressed. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "record/builder.h"
#include "record/control.h"
#include "record/log_scan.h"

enum { DECOMPRESSED_MAX = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all records; how it ended. */
static err_t walk(struct view batch, struct buf *scratch, int32_t *count)
{
    struct record_iter it;
    struct record record;
    err_t err = record_iter_init(&it, batch, scratch, DECOMPRESSED_MAX);
    for (*count = 0; err == OK; *count += err == OK) {
        err = record_iter_next(&it, &record);
        if (err) break;
        struct record_header_iter headers = record_headers(&record);
        struct record_header header;
        err_t header_err;
        while ((header_err = record_header_next(&headers, &header)) == OK) continue;
        CHECK(header_err == ERR_NOT_FOUND);
    }
    return err;
}

static void scan_as_it_is(struct view bytes)
{
    struct log_scan scan = log_scan_of(bytes);
    struct buf scratch = {0};
    struct view batch;
    struct batch_header header;
    size_t sum = 0;
    while (log_scan_next(&scan, &batch, &header) == OK) {
        CHECK(batch.len == header.size_bytes);
        CHECK((int64_t)batch.len == batch_size_peek(batch));
        sum += batch.len;
        int32_t count;
        (void)!walk(batch, &scratch, &count);
        (void)!batch_check_crc(batch);
        struct control_marker marker;
        (void)!control_marker_parse(batch, &marker);
    }
    CHECK(sum == scan.pos && sum <= bytes.len);
    buf_release(&scratch);
}

/* The same records through a builder: the same records again. */
static void build_again(struct view batch, struct buf *scratch)
{
    struct record_iter it;
    struct record record;
    struct batch_builder b;
    struct batch_options options = batch_options_default();
    options.codec = (enum codec)(batch.len % CODEC__COUNT);
    CHECK(record_iter_init(&it, batch, scratch, DECOMPRESSED_MAX) == OK);
    options.base_offset = it.header.base_offset;
    CHECK(batch_builder_init(&b, &options) == OK);
    err_t err;
    while ((err = record_iter_next(&it, &record)) == OK)
        if (batch_builder_append(&b, &record) != OK) break; /* times more than 2^63 apart */
    struct view out;
    if (err == ERR_NOT_FOUND) {
        struct buf other = {0};
        int32_t count;
        CHECK(batch_builder_finish(&b, &out) == OK);
        CHECK(batch_check_crc(out) == OK);
        CHECK(walk(out, &other, &count) == ERR_NOT_FOUND && count == it.header.record_count);
        buf_release(&other);
    }
    batch_builder_release(&b);
}

static void recompress(struct view batch, struct buf *scratch)
{
    struct recompress_options to = {(enum codec)(batch.data[batch.len - 1] % CODEC__COUNT),
                                    CODEC_LEVEL_DEFAULT, DECOMPRESSED_MAX};
    struct buf out = {0};
    CHECK(batch_recompress(batch, &to, scratch, &out) == OK);
    int32_t before, after;
    CHECK(batch_check_crc(buf_view(&out)) == OK);
    CHECK(walk(batch, scratch, &before) == ERR_NOT_FOUND);
    CHECK(walk(buf_view(&out), scratch, &after) == ERR_NOT_FOUND && before == after);
    buf_release(&out);
}

static void check_sealed(struct view batch)
{
    struct buf scratch = {0};
    struct batch_limits limits = {
        .max_message_bytes = SIZE_MAX,
        .before_max_ms = INT64_MAX,
        .after_max_ms = INT64_MAX,
        .walk_compressed = true,
        .decompressed_max_bytes = DECOMPRESSED_MAX,
        .scratch = &scratch,
    };
    struct batch_header header;
    if (batch_check_produced(batch, &limits, &header) == OK) {
        int32_t count;
        CHECK(walk(batch, &scratch, &count) == ERR_NOT_FOUND);
        CHECK(count == header.record_count);
        build_again(batch, &scratch);
        recompress(batch, &scratch);
    }
    limits.is_compacted = true;
    limits.before_max_ms = limits.after_max_ms = 1000;
    (void)!batch_check_produced(batch, &limits, &header);
    buf_release(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scan_as_it_is(view_of(data, size));
    if (size < BATCH_HEADER_SIZE) return 0;
    uint8_t *batch = malloc(size);
    CHECK(batch);
    memcpy(batch, data, size);
    be32_put(batch + BATCH_LENGTH, (uint32_t)(size - BATCH_LENGTH_END));
    batch[BATCH_MAGIC] = BATCH_MAGIC_V2;
    int64_t time = (int64_t)be64_get(batch + BATCH_MAX_TIMESTAMP);
    batch_set_max_timestamp(batch, ~time);
    batch_set_max_timestamp(batch, time); /* sealed, and as it was */
    check_sealed(view_of(batch, size));
    free(batch);
    return 0;
}
