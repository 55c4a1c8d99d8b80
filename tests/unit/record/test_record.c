/* The iterator over batches of real clients, and over ones that cannot be true. */
#include "golden_batches.h"
#include "golden_records.h"
#include "record/record.h"
#include "samples.h"
#include "test.h"

enum { LIMIT = 1 << 20 };

#define GOLDEN(name)              \
    {                             \
#name, name, sizeof(name) \
    }
static const struct {
    const char *name;
    const uint8_t *batch;
    size_t size;
} goldens[] = {
    GOLDEN(kafka_python_none), GOLDEN(kafka_python_gzip),     GOLDEN(kafka_python_snappy),
    GOLDEN(kafka_python_lz4),  GOLDEN(kafka_python_zstd),     GOLDEN(librdkafka_none),
    GOLDEN(librdkafka_gzip),   GOLDEN(librdkafka_snappy),     GOLDEN(librdkafka_lz4),
    GOLDEN(librdkafka_zstd),   GOLDEN(librdkafka_idempotent),
};
enum { GOLDENS = sizeof goldens / sizeof *goldens };

static void record_iter_next__golden_batches__the_records(void **state)
{
    (void)state;
    struct buf scratch = {0};
    for (int i = 0; i < GOLDENS; i++) {
        struct record_iter it;
        struct record record;
        assert_ok(
            record_iter_init(&it, view_of(goldens[i].batch, goldens[i].size), &scratch, LIMIT));
        for (int k = 0; k < GOLDEN_COUNT; k++) {
            assert_ok(record_iter_next(&it, &record));
            assert_golden_record(&record, k);
        }
        assert_err(record_iter_next(&it, &record), ERR_NOT_FOUND);
        assert_err(record_iter_next(&it, &record), ERR_NOT_FOUND);
    }
    buf_release(&scratch);
}

static void record_iter_init__uncompressed__no_copy(void **state)
{
    (void)state;
    struct record_iter it;
    struct record record;
    struct buf scratch = {0};
    assert_ok(
        record_iter_init(&it, view_of(kafka_python_none, sizeof kafka_python_none), &scratch, 0));
    assert_ok(record_iter_next(&it, &record));
    assert_true(record.key.data > kafka_python_none);
    assert_true(record.key.data < kafka_python_none + sizeof kafka_python_none);
    assert_null(scratch.data);
}

static void record_iter_init__bytes_behind__ignored(void **state)
{
    (void)state;
    uint8_t more[sizeof librdkafka_none + 10];
    memcpy(more, librdkafka_none, sizeof librdkafka_none);
    memset(more + sizeof librdkafka_none, 0xee, 10);
    struct record_iter it;
    struct record record;
    assert_ok(record_iter_init(&it, view_of(more, sizeof more), NULL, 0));
    for (int k = 0; k < GOLDEN_COUNT; k++) assert_ok(record_iter_next(&it, &record));
    assert_err(record_iter_next(&it, &record), ERR_NOT_FOUND);
}

static void record_iter_init__cut_batch__short(void **state)
{
    (void)state;
    struct record_iter it;
    struct buf scratch = {0};
    for (size_t len = 0; len < sizeof librdkafka_zstd; len++)
        assert_err(record_iter_init(&it, view_of(librdkafka_zstd, len), &scratch, LIMIT),
                   ERR_SHORT);
    buf_release(&scratch);
}

static void record_iter_init__over_the_limit__too_large(void **state)
{
    (void)state;
    struct record_iter it;
    struct buf scratch = {0};
    struct view batch = view_of(librdkafka_lz4, sizeof librdkafka_lz4);
    size_t records = sizeof librdkafka_none - BATCH_HEADER_SIZE;
    assert_ok(record_iter_init(&it, batch, &scratch, records));
    assert_err(record_iter_init(&it, batch, &scratch, records - 1), ERR_TOO_LARGE);
    buf_release(&scratch);
}

static void record_iter_init__unknown_codec__unsupported(void **state)
{
    (void)state;
    uint8_t bytes[sizeof librdkafka_none];
    memcpy(bytes, librdkafka_none, sizeof bytes);
    be16_put(bytes + BATCH_ATTRIBUTES, 6);
    struct record_iter it;
    struct buf scratch = {0};
    assert_err(record_iter_init(&it, view_of(bytes, sizeof bytes), &scratch, LIMIT),
               ERR_UNSUPPORTED);
}

static void record_iter_next__log_append_time__one_time_for_all(void **state)
{
    (void)state;
    uint8_t bytes[sizeof librdkafka_none];
    memcpy(bytes, librdkafka_none, sizeof bytes);
    batch_set_log_append_time(bytes, 4242);
    batch_set_base_offset(bytes, 1000);
    struct record_iter it;
    struct record record;
    assert_ok(record_iter_init(&it, view_of(bytes, sizeof bytes), NULL, 0));
    for (int k = 0; k < GOLDEN_COUNT; k++) {
        assert_ok(record_iter_next(&it, &record));
        assert_int_equal(record.timestamp, 4242);
        assert_int_equal(record.offset, 1000 + k);
    }
}

/* ---- batches that cannot be true ---- */

/* Walks to the end; what the last call said. Counts records. */
static err_t walk(const uint8_t *bytes, size_t size, int *count)
{
    struct record_iter it;
    struct record record;
    struct buf scratch = {0};
    *count = 0;
    err_t err = record_iter_init(&it, view_of(bytes, size), &scratch, LIMIT);
    while (err == OK) {
        err = record_iter_next(&it, &record);
        *count += err == OK;
    }
    if (err == ERR_CORRUPT && *count) assert_err(record_iter_next(&it, &record), ERR_CORRUPT);
    buf_release(&scratch);
    return err;
}

static err_t walk_with_count(int32_t record_count, int32_t last_offset_delta, int *count)
{
    uint8_t bytes[sizeof librdkafka_none];
    memcpy(bytes, librdkafka_none, sizeof bytes);
    be32_put(bytes + BATCH_RECORD_COUNT, (uint32_t)record_count);
    be32_put(bytes + BATCH_LAST_OFFSET_DELTA, (uint32_t)last_offset_delta);
    return walk(bytes, sizeof bytes, count);
}

static void record_iter_next__counts_that_lie__corrupt(void **state)
{
    (void)state;
    int count;
    assert_err(walk_with_count(5, 4, &count), ERR_NOT_FOUND);
    assert_int_equal(count, 5);
    assert_err(walk_with_count(5, 9, &count), ERR_NOT_FOUND); /* compacted at the end */
    assert_err(walk_with_count(6, 5, &count), ERR_CORRUPT);   /* too few */
    assert_int_equal(count, 5);
    assert_err(walk_with_count(4, 4, &count), ERR_CORRUPT); /* one too many */
    assert_int_equal(count, 4);
    assert_err(walk_with_count(4, 3, &count), ERR_CORRUPT);
    assert_err(walk_with_count(0, 4, &count), ERR_CORRUPT);
    assert_int_equal(count, 0);
}

static void record_iter_next__any_byte_changed__bounded(void **state)
{
    (void)state;
    for (int i = 0; i < GOLDENS; i++) {
        uint8_t *bytes = malloc(goldens[i].size);
        memcpy(bytes, goldens[i].batch, goldens[i].size);
        for (size_t at = 0; at < goldens[i].size; at++) {
            for (int change = 1; change < 256; change *= 2) {
                int count;
                bytes[at] ^= (uint8_t)change;
                err_t err = walk(bytes, goldens[i].size, &count);
                assert_true(err == ERR_NOT_FOUND || err == ERR_CORRUPT || err == ERR_SHORT ||
                            err == ERR_UNSUPPORTED || err == ERR_TOO_LARGE);
                bytes[at] ^= (uint8_t)change;
            }
        }
        free(bytes);
    }
}

/* Offsets 0, 3, 7 as compaction leaves them; then the same with the deltas falling. */
static void record_iter_next__gaps__allowed_if_rising(void **state)
{
    (void)state;
    struct batch_options options = batch_options_default();
    struct batch_builder b;
    options.base_offset = 100;
    assert_ok(batch_builder_init(&b, &options));
    static const int64_t offsets[] = {100, 103, 107};
    for (int i = 0; i < 3; i++)
        assert_ok(batch_builder_append(
            &b, &(struct record){.offset = offsets[i], .value = view_str("x")}));
    struct view out;
    assert_ok(batch_builder_finish(&b, &out));
    struct record_iter it;
    struct record record;
    assert_ok(record_iter_init(&it, out, NULL, 0));
    for (int i = 0; i < 3; i++) {
        assert_ok(record_iter_next(&it, &record));
        assert_int_equal(record.offset, offsets[i]);
    }
    /* length, attributes, time delta, then the second record's offset delta */
    uint8_t *second = b.out.data + BATCH_HEADER_SIZE + 8 + 3;
    assert_int_equal(*second, 6);
    *second = 0;
    assert_ok(record_iter_init(&it, out, NULL, 0));
    assert_ok(record_iter_next(&it, &record));
    assert_err(record_iter_next(&it, &record), ERR_CORRUPT);
    *second = 16; /* beyond the header's last offset */
    assert_ok(record_iter_init(&it, out, NULL, 0));
    assert_ok(record_iter_next(&it, &record));
    assert_err(record_iter_next(&it, &record), ERR_CORRUPT);
    batch_builder_release(&b);
}

/* ---- headers ---- */

static void record_header_next__malformed__corrupt(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        int count;
    } cases[] = {
        {"", 0, 1},           /* none there */
        {"\x02k", 2, 1},      /* no value */
        {"\x04k\x02v", 4, 1}, /* key too long */
        {"\x02k\x04v", 4, 1}, /* value too long */
        {"\x01\x02v", 3, 1},  /* null key */
        {"\x02k\x03v", 4, 1}, /* value length -2 */
    };
    for (int i = 0; i < 6; i++) {
        struct record record = {.headers = view_of(cases[i].bytes, cases[i].len),
                                .header_count = cases[i].count};
        struct record_header_iter it = record_headers(&record);
        struct record_header header;
        assert_err(record_header_next(&it, &header), ERR_CORRUPT);
        assert_err(record_header_next(&it, &header), ERR_CORRUPT);
    }
    struct record record = {.headers = view_of("\x02k\x02v", 4), .header_count = 0};
    struct record_header_iter it = record_headers(&record);
    struct record_header header;
    assert_err(record_header_next(&it, &header), ERR_CORRUPT); /* bytes, but no headers */
}

static void record_header_append__empty_and_null__told_apart(void **state)
{
    (void)state;
    struct buf encoded = {0};
    assert_ok(record_header_append(&encoded, &(struct record_header){view_str(""), {0}}));
    assert_ok(record_header_append(&encoded, &(struct record_header){view_str("k"), view_str("")}));
    assert_true(view_eq(buf_view(&encoded), view_of("\0\x01\x02k\0", 5)));
    struct record record = {.headers = buf_view(&encoded), .header_count = 2};
    struct record_header_iter it = record_headers(&record);
    struct record_header header;
    assert_ok(record_header_next(&it, &header));
    assert_true(header.key.len == 0 && header.value.data == NULL);
    assert_ok(record_header_next(&it, &header));
    assert_true(header.key.len == 1 && header.value.len == 0 && header.value.data != NULL);
    assert_err(record_header_next(&it, &header), ERR_NOT_FOUND);
    buf_release(&encoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_iter_next__golden_batches__the_records),
        cmocka_unit_test(record_iter_init__uncompressed__no_copy),
        cmocka_unit_test(record_iter_init__bytes_behind__ignored),
        cmocka_unit_test(record_iter_init__cut_batch__short),
        cmocka_unit_test(record_iter_init__over_the_limit__too_large),
        cmocka_unit_test(record_iter_init__unknown_codec__unsupported),
        cmocka_unit_test(record_iter_next__log_append_time__one_time_for_all),
        cmocka_unit_test(record_iter_next__counts_that_lie__corrupt),
        cmocka_unit_test(record_iter_next__any_byte_changed__bounded),
        cmocka_unit_test(record_iter_next__gaps__allowed_if_rising),
        cmocka_unit_test(record_header_next__malformed__corrupt),
        cmocka_unit_test(record_header_append__empty_and_null__told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
