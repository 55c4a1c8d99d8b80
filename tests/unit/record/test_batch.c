/* The header: where its fields are, what cannot be, the CRC, the patches. */
#include "golden_batches.h"
#include "record/batch.h"
#include "samples.h"
#include "test.h"

static struct view golden(void)
{
    return view_of(librdkafka_idempotent, sizeof librdkafka_idempotent);
}

/* ---- parse ---- */

static void batch_header_parse__golden_batch__every_field(void **state)
{
    (void)state;
    struct batch_header h;
    assert_ok(batch_header_parse(golden(), &h));
    assert_int_equal(h.base_offset, 0);
    assert_int_equal(h.size_bytes, sizeof librdkafka_idempotent);
    assert_int_equal(h.leader_epoch, 0);
    assert_int_equal(h.magic, 2);
    assert_int_equal(h.crc, 0x3a48e827);
    assert_int_equal(h.attributes, 3);
    assert_int_equal(h.last_offset_delta, 4);
    assert_int_equal(h.base_timestamp, SAMPLE_TIME);
    assert_int_equal(h.max_timestamp, SAMPLE_TIME + 90000);
    assert_int_equal(h.producer_id, 4711);
    assert_int_equal(h.producer_epoch, 3);
    assert_int_equal(h.base_sequence, 0);
    assert_int_equal(h.record_count, 5);
    assert_int_equal(batch_codec(&h), CODEC_LZ4);
    assert_int_equal(batch_last_offset(&h), 4);
    assert_int_equal(batch_last_sequence(&h), 4);
    assert_true(batch_has_producer_id(&h));
    assert_false(batch_is_log_append_time(&h) || batch_is_transactional(&h));
    assert_false(batch_is_control(&h) || batch_has_delete_horizon(&h));
}

static void batch_header_parse__attribute_bits__each_its_own(void **state)
{
    (void)state;
    struct batch_header h = {.attributes = 1 << 3};
    assert_true(batch_is_log_append_time(&h) && !batch_is_transactional(&h));
    h.attributes = 1 << 4;
    assert_true(batch_is_transactional(&h) && !batch_is_control(&h));
    h.attributes = 1 << 5;
    assert_true(batch_is_control(&h) && !batch_has_delete_horizon(&h));
    h.attributes = 1 << 6;
    assert_true(batch_has_delete_horizon(&h) && batch_codec(&h) == CODEC_NONE);
    h.attributes = 7;
    assert_int_equal(batch_codec(&h), 7);
    assert_false(batch_is_log_append_time(&h));
}

static void batch_header_parse__every_truncation__short(void **state)
{
    (void)state;
    struct batch_header h;
    for (size_t len = 0; len < BATCH_HEADER_SIZE; len++) {
        uint8_t *cut = malloc(len + !len);
        memcpy(cut, golden().data, len);
        assert_err(batch_header_parse(view_of(cut, len), &h), ERR_SHORT);
        free(cut);
    }
    assert_ok(batch_header_parse(view_of(golden().data, BATCH_HEADER_SIZE), &h));
}

/* One field of the golden batch replaced by a number, as wide as the field is. */
static err_t parse_with(size_t at, size_t width, int64_t value)
{
    uint8_t bytes[BATCH_HEADER_SIZE], wide[8];
    memcpy(bytes, golden().data, sizeof bytes);
    be64_put(wide, (uint64_t)value);
    memcpy(bytes + at, wide + 8 - width, width);
    struct batch_header h;
    return batch_header_parse(view_of(bytes, sizeof bytes), &h);
}

static void batch_header_parse__impossible_field__refused(void **state)
{
    (void)state;
    assert_err(parse_with(BATCH_MAGIC, 1, 0), ERR_UNSUPPORTED);
    assert_err(parse_with(BATCH_MAGIC, 1, 1), ERR_UNSUPPORTED);
    assert_err(parse_with(BATCH_MAGIC, 1, 3), ERR_UNSUPPORTED);
    assert_err(parse_with(BATCH_LENGTH, 4, 48), ERR_CORRUPT);
    assert_ok(parse_with(BATCH_LENGTH, 4, 49));
    assert_ok(parse_with(BATCH_LENGTH, 4, INT32_MAX));
    assert_err(parse_with(BATCH_LENGTH, 4, -1), ERR_CORRUPT);
    assert_err(parse_with(BATCH_LENGTH, 4, INT32_MIN), ERR_CORRUPT);
    assert_err(parse_with(BATCH_BASE_OFFSET, 8, -1), ERR_CORRUPT);
    assert_err(parse_with(BATCH_BASE_OFFSET, 8, INT64_MAX - 3), ERR_CORRUPT);
    assert_ok(parse_with(BATCH_BASE_OFFSET, 8, INT64_MAX - 4));
    assert_err(parse_with(BATCH_LAST_OFFSET_DELTA, 4, -1), ERR_CORRUPT);
    assert_err(parse_with(BATCH_LAST_OFFSET_DELTA, 4, 3), ERR_CORRUPT); /* five records */
    assert_ok(parse_with(BATCH_LAST_OFFSET_DELTA, 4, 5));
    assert_err(parse_with(BATCH_RECORD_COUNT, 4, -1), ERR_CORRUPT);
    assert_err(parse_with(BATCH_RECORD_COUNT, 4, INT32_MAX), ERR_CORRUPT);
    assert_ok(parse_with(BATCH_RECORD_COUNT, 4, 0));
}

/* What a preallocated file holds behind its last batch. */
static void batch_header_parse__zeros__corrupt(void **state)
{
    (void)state;
    uint8_t zeros[100] = {0};
    struct batch_header h;
    assert_err(batch_header_parse(view_of(zeros, sizeof zeros), &h), ERR_CORRUPT);
}

static void batch_size_peek__lengths__size_or_why_not(void **state)
{
    (void)state;
    assert_int_equal(batch_size_peek(golden()), golden().len);
    assert_int_equal(batch_size_peek(view_of(golden().data, 12)), golden().len);
    assert_int_equal(batch_size_peek(view_of(golden().data, 11)), 0);
    assert_int_equal(batch_size_peek((struct view){0}), 0);
    uint8_t bytes[12] = {0};
    assert_int_equal(batch_size_peek(view_of(bytes, 12)), -1);
    be32_put(bytes + BATCH_LENGTH, 0xffffffff);
    assert_int_equal(batch_size_peek(view_of(bytes, 12)), -1);
    be32_put(bytes + BATCH_LENGTH, INT32_MAX);
    assert_int_equal(batch_size_peek(view_of(bytes, 12)), INT64_C(2147483659));
}

/* ---- sequences ---- */

static void sequence_add__top__wraps_to_zero(void **state)
{
    (void)state;
    assert_int_equal(sequence_add(0, 0), 0);
    assert_int_equal(sequence_add(INT32_MAX - 1, 1), INT32_MAX);
    assert_int_equal(sequence_add(INT32_MAX, 1), 0);
    assert_int_equal(sequence_add(INT32_MAX, INT32_MAX), INT32_MAX - 1);
    struct batch_header h = {.base_sequence = INT32_MAX - 1, .last_offset_delta = 4};
    assert_int_equal(batch_last_sequence(&h), 2);
    h.base_sequence = NO_SEQUENCE;
    assert_int_equal(batch_last_sequence(&h), NO_SEQUENCE);
}

/* ---- CRC ---- */

static void batch_check_crc__golden_batches__right(void **state)
{
    (void)state;
    assert_ok(batch_check_crc(view_of(kafka_python_none, sizeof kafka_python_none)));
    assert_ok(batch_check_crc(view_of(kafka_python_zstd, sizeof kafka_python_zstd)));
    assert_ok(batch_check_crc(view_of(librdkafka_snappy, sizeof librdkafka_snappy)));
    assert_ok(batch_check_crc(golden()));
}

static void batch_check_crc__any_flipped_bit__found(void **state)
{
    (void)state;
    uint8_t bytes[sizeof librdkafka_idempotent];
    memcpy(bytes, librdkafka_idempotent, sizeof bytes);
    for (size_t at = BATCH_CRC; at < sizeof bytes; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1 << bit);
            assert_err(batch_check_crc(view_of(bytes, sizeof bytes)), ERR_CORRUPT);
            bytes[at] ^= (uint8_t)(1 << bit);
        }
    }
    assert_ok(batch_check_crc(view_of(bytes, sizeof bytes)));
}

static void batch_check_crc__every_truncation__short(void **state)
{
    (void)state;
    for (size_t len = 0; len < golden().len; len++)
        assert_err(batch_check_crc(view_of(golden().data, len)), ERR_SHORT);
}

/* ---- patches ---- */

static void batch_set_base_offset__and_leader_epoch__crc_stays_right(void **state)
{
    (void)state;
    uint8_t bytes[sizeof librdkafka_idempotent];
    memcpy(bytes, librdkafka_idempotent, sizeof bytes);
    batch_set_base_offset(bytes, INT64_C(0x0102030405060708));
    batch_set_leader_epoch(bytes, 77);
    struct batch_header h;
    assert_ok(batch_header_parse(view_of(bytes, sizeof bytes), &h));
    assert_int_equal(h.base_offset, INT64_C(0x0102030405060708));
    assert_int_equal(h.leader_epoch, 77);
    assert_ok(batch_check_crc(view_of(bytes, sizeof bytes)));
    assert_memory_equal(bytes + BATCH_CRC, librdkafka_idempotent + BATCH_CRC,
                        sizeof bytes - BATCH_CRC);
}

static void batch_set_log_append_time__new_time__bit_time_and_crc(void **state)
{
    (void)state;
    uint8_t bytes[sizeof librdkafka_idempotent];
    memcpy(bytes, librdkafka_idempotent, sizeof bytes);
    batch_set_log_append_time(bytes, 1234);
    struct batch_header h;
    assert_ok(batch_header_parse(view_of(bytes, sizeof bytes), &h));
    assert_int_equal(h.attributes, 3 | 1 << 3);
    assert_int_equal(h.max_timestamp, 1234);
    assert_int_equal(h.base_timestamp, SAMPLE_TIME);
    assert_ok(batch_check_crc(view_of(bytes, sizeof bytes)));
}

static void batch_set_max_timestamp__same_or_other__crc_right(void **state)
{
    (void)state;
    uint8_t bytes[sizeof librdkafka_idempotent];
    memcpy(bytes, librdkafka_idempotent, sizeof bytes);
    batch_set_max_timestamp(bytes, SAMPLE_TIME + 90000);
    assert_memory_equal(bytes, librdkafka_idempotent, sizeof bytes);
    batch_set_max_timestamp(bytes, 5);
    assert_int_equal(be64_get(bytes + BATCH_MAX_TIMESTAMP), 5);
    assert_int_equal(be16_get(bytes + BATCH_ATTRIBUTES), 3);
    assert_ok(batch_check_crc(view_of(bytes, sizeof bytes)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_header_parse__golden_batch__every_field),
        cmocka_unit_test(batch_header_parse__attribute_bits__each_its_own),
        cmocka_unit_test(batch_header_parse__every_truncation__short),
        cmocka_unit_test(batch_header_parse__impossible_field__refused),
        cmocka_unit_test(batch_header_parse__zeros__corrupt),
        cmocka_unit_test(batch_size_peek__lengths__size_or_why_not),
        cmocka_unit_test(sequence_add__top__wraps_to_zero),
        cmocka_unit_test(batch_check_crc__golden_batches__right),
        cmocka_unit_test(batch_check_crc__any_flipped_bit__found),
        cmocka_unit_test(batch_check_crc__every_truncation__short),
        cmocka_unit_test(batch_set_base_offset__and_leader_epoch__crc_stays_right),
        cmocka_unit_test(batch_set_log_append_time__new_time__bit_time_and_crc),
        cmocka_unit_test(batch_set_max_timestamp__same_or_other__crc_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
