/* Batches to spoil. */
#pragma once

#include <stdlib.h>

#include "record/builder.h"
#include "test.h"

#define SAMPLE_TIME INT64_C(1700000000000)

/* `count` records with keys, one millisecond apart, sealed with `options`. The caller frees it. */
static inline uint8_t *sample_batch(const struct batch_options *options, int count, size_t *size)
{
    struct batch_builder b;
    struct view out;
    assert_ok(batch_builder_init(&b, options));
    for (int i = 0; i < count; i++) {
        struct record record = {.offset = RECORD_OFFSET_NEXT,
                                .timestamp = SAMPLE_TIME + i,
                                .key = view_str("key"),
                                .value = view_str("some value, some value")};
        assert_ok(batch_builder_append(&b, &record));
    }
    assert_ok(batch_builder_finish(&b, &out));
    uint8_t *bytes = malloc(out.len);
    memcpy(bytes, out.data, out.len);
    *size = out.len;
    batch_builder_release(&b);
    return bytes;
}

/* Makes the CRC right again after a field has been changed: the patch that changes nothing else is
 * one of the same value, which needs two steps. */
static inline void seal(uint8_t *batch)
{
    int64_t time = (int64_t)be64_get(batch + BATCH_MAX_TIMESTAMP);
    batch_set_max_timestamp(batch, ~time);
    batch_set_max_timestamp(batch, time);
}
