/* What a broker lets in. Each case spoils one thing of a good batch and seals it again, so that the
 * rule is what finds it, and not the CRC. */
#include "golden_batches.h"
#include "record/batch.h"
#include "samples.h"
#include "test.h"

static struct batch_limits limits(void)
{
    return (struct batch_limits){
        .max_message_bytes = 1 << 20,
        .now_ms = SAMPLE_TIME,
        .before_max_ms = INT64_MAX,
        .after_max_ms = 3600 * 1000,
        .decompressed_max_bytes = 1 << 20,
    };
}

struct fixture {
    uint8_t *batch;
    size_t size;
    struct batch_limits limits;
    struct batch_header header; /* as the check left it */
};

static struct fixture fixture_of(enum codec codec)
{
    struct fixture f = {.limits = limits()};
    struct batch_options options = batch_options_default();
    options.codec = codec;
    options.producer_id = 9;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    f.batch = sample_batch(&options, 3, &f.size);
    return f;
}

static err_t check(struct fixture *f)
{
    return batch_check_produced(view_of(f->batch, f->size), &f->limits, &f->header);
}

/* The batch with one field changed; width in bytes. Checked, then put back. */
static err_t check_with(struct fixture *f, size_t at, size_t width, int64_t value)
{
    uint8_t *good = malloc(f->size), wide[8];
    memcpy(good, f->batch, f->size);
    be64_put(wide, (uint64_t)value);
    memcpy(f->batch + at, wide + 8 - width, width);
    seal(f->batch);
    err_t err = check(f);
    memcpy(f->batch, good, f->size);
    free(good);
    return err;
}

/* ---- good ones ---- */

static void check_golden(const uint8_t *batch, size_t size)
{
    struct batch_limits walk = limits();
    walk.walk_compressed = true;
    struct batch_header h;
    assert_ok(batch_check_produced(view_of(batch, size), &walk, &h));
    assert_int_equal(h.record_count, 5);
    assert_int_equal(h.max_timestamp, SAMPLE_TIME + 90000);
    struct batch_limits no_walk = limits();
    assert_ok(batch_check_produced(view_of(batch, size), &no_walk, &h));
}

static void batch_check_produced__real_clients_batches__ok(void **state)
{
    (void)state;
    check_golden(kafka_python_none, sizeof kafka_python_none);
    check_golden(kafka_python_gzip, sizeof kafka_python_gzip);
    check_golden(kafka_python_snappy, sizeof kafka_python_snappy);
    check_golden(kafka_python_lz4, sizeof kafka_python_lz4);
    check_golden(kafka_python_zstd, sizeof kafka_python_zstd);
    check_golden(librdkafka_none, sizeof librdkafka_none);
    check_golden(librdkafka_gzip, sizeof librdkafka_gzip);
    check_golden(librdkafka_snappy, sizeof librdkafka_snappy);
    check_golden(librdkafka_lz4, sizeof librdkafka_lz4);
    check_golden(librdkafka_zstd, sizeof librdkafka_zstd);
    check_golden(librdkafka_idempotent, sizeof librdkafka_idempotent);
}

/* ---- shape ---- */

static void batch_check_produced__not_one_batch__refused(void **state)
{
    (void)state;
    struct fixture f = fixture_of(CODEC_NONE);
    size_t size = f.size;
    uint8_t *two = malloc(2 * size);
    memcpy(two, f.batch, size);
    memcpy(two + size, f.batch, size);
    struct batch_header h;
    assert_err(batch_check_produced(view_of(two, 2 * size), &f.limits, &h), ERR_INVALID);
    assert_err(batch_check_produced(view_of(two, size + 1), &f.limits, &h), ERR_INVALID);
    for (size_t len = 0; len < size; len++)
        assert_err(batch_check_produced(view_of(two, len), &f.limits, &h), ERR_CORRUPT);
    free(two);
    free(f.batch);
}

static void batch_check_produced__any_flipped_byte__refused(void **state)
{
    (void)state;
    struct fixture f = fixture_of(CODEC_NONE);
    for (size_t at = 0; at < f.size; at++) {
        /* What the leader writes over is not looked at, but for an offset below zero. */
        bool is_the_leaders = (at > 0 && at < BATCH_LENGTH) ||
                              (at >= BATCH_LEADER_EPOCH && at < BATCH_MAGIC);
        f.batch[at] ^= 0xff;
        err_t err = check(&f);
        assert_true(is_the_leaders ? err == OK : err != OK);
        f.batch[at] ^= 0xff;
    }
    assert_ok(check(&f));
    free(f.batch);
}

static void batch_check_produced__size__up_to_the_limit(void **state)
{
    (void)state;
    struct fixture f = fixture_of(CODEC_NONE);
    f.limits.max_message_bytes = f.size;
    assert_ok(check(&f));
    f.limits.max_message_bytes = f.size - 1;
    assert_err(check(&f), ERR_TOO_LARGE);
    free(f.batch);
}

static void batch_check_produced__wrong_crc__corrupt(void **state)
{
    (void)state;
    struct fixture f = fixture_of(CODEC_NONE);
    f.batch[BATCH_CRC] ^= 1;
    assert_err(check(&f), ERR_CORRUPT);
    free(f.batch);
}

/* ---- header rules ---- */

static void batch_check_produced__header_rule_broken__refused(void **state)
{
    (void)state;
    struct fixture f = fixture_of(CODEC_NONE);
    assert_ok(check(&f));
    assert_err(check_with(&f, BATCH_MAGIC, 1, 1), ERR_UNSUPPORTED);
    assert_err(check_with(&f, BATCH_BASE_OFFSET, 8, -1), ERR_INVALID);
    assert_err(check_with(&f, BATCH_BASE_OFFSET, 8, INT64_MAX - 1), ERR_INVALID);
    assert_ok(check_with(&f, BATCH_BASE_OFFSET, 8, INT64_MAX - 2));
    assert_err(check_with(&f, BATCH_LAST_OFFSET_DELTA, 4, 3), ERR_INVALID);
    assert_err(check_with(&f, BATCH_LAST_OFFSET_DELTA, 4, 1), ERR_INVALID);
    assert_err(check_with(&f, BATCH_LAST_OFFSET_DELTA, 4, INT32_MAX), ERR_INVALID);
    assert_err(check_with(&f, BATCH_RECORD_COUNT, 4, 0), ERR_INVALID);
    assert_err(check_with(&f, BATCH_RECORD_COUNT, 4, -1), ERR_INVALID);
    for (int codec = 5; codec < 8; codec++)
        assert_err(check_with(&f, BATCH_ATTRIBUTES, 2, codec), ERR_UNSUPPORTED);
    assert_err(check_with(&f, BATCH_ATTRIBUTES, 2, BATCH_ATTR_CONTROL), ERR_INVALID);
    assert_err(check_with(&f, BATCH_ATTRIBUTES, 2, BATCH_ATTR_DELETE_HORIZON), ERR_INVALID);
    assert_err(check_with(&f, BATCH_ATTRIBUTES, 2, BATCH_ATTR_LOG_APPEND_TIME), ERR_TIMESTAMP);
    free(f.batch);
}

static void batch_check_produced__empty_batch__invalid(void **state)
{
    (void)state;
    uint8_t bytes[BATCH_HEADER_SIZE];
    memcpy(bytes, kafka_python_none, sizeof bytes);
    be32_put(bytes + BATCH_LENGTH, BATCH_LENGTH_MIN);
    be32_put(bytes + BATCH_RECORD_COUNT, 0);
    be32_put(bytes + BATCH_LAST_OFFSET_DELTA, (uint32_t)-1);
    seal(bytes);
    struct batch_limits l = limits();
    struct batch_header h;
    assert_err(batch_check_produced(view_of(bytes, sizeof bytes), &l, &h), ERR_INVALID);
}

static void batch_check_produced__producer_fields__consistent(void **state)
{
    (void)state;
    struct fixture f = fixture_of(CODEC_NONE);
    assert_err(check_with(&f, BATCH_BASE_SEQUENCE, 4, -1), ERR_INVALID);
    assert_err(check_with(&f, BATCH_PRODUCER_EPOCH, 2, -1), ERR_INVALID);
    assert_err(check_with(&f, BATCH_PRODUCER_ID, 8, -2), ERR_INVALID);
    assert_ok(check_with(&f, BATCH_BASE_SEQUENCE, 4, INT32_MAX));
    assert_ok(check_with(&f, BATCH_PRODUCER_ID, 8, -1));
    assert_ok(check_with(&f, BATCH_ATTRIBUTES, 2, BATCH_ATTR_TRANSACTIONAL));
    be64_put(f.batch + BATCH_PRODUCER_ID, (uint64_t)-1);
    assert_err(check_with(&f, BATCH_ATTRIBUTES, 2, BATCH_ATTR_TRANSACTIONAL), ERR_INVALID);
    free(f.batch);
}

/* ---- times ---- */

static void batch_check_produced__times__within_bounds(void **state)
{
    (void)state;
    /* The sample's times are SAMPLE_TIME + 0, 1, 2. */
    static const enum codec codecs[] = {CODEC_NONE, CODEC_LZ4};
    for (int i = 0; i < 4; i++) {
        struct fixture f = fixture_of(codecs[i % 2]);
        f.limits.walk_compressed = i >= 2;
        f.limits.after_max_ms = 2;
        assert_ok(check(&f));
        f.limits.after_max_ms = 1;
        assert_err(check(&f), ERR_TIMESTAMP);
        f.limits.after_max_ms = INT64_MAX;
        assert_ok(check(&f));
        f.limits.now_ms = SAMPLE_TIME + 1000;
        f.limits.before_max_ms = 1000;
        assert_ok(check(&f));
        f.limits.before_max_ms = 999;
        assert_err(check(&f), ERR_TIMESTAMP);
        free(f.batch);
    }
}

static void batch_check_produced__no_timestamp__no_bound(void **state)
{
    (void)state;
    struct batch_options options = batch_options_default();
    struct batch_builder b;
    assert_ok(batch_builder_init(&b, &options));
    struct record record = {.offset = 0, .timestamp = NO_TIMESTAMP, .value = view_str("v")};
    assert_ok(batch_builder_append(&b, &record));
    struct view out;
    assert_ok(batch_builder_finish(&b, &out));
    struct batch_limits l = limits();
    l.before_max_ms = 1;
    struct batch_header h;
    assert_ok(batch_check_produced(out, &l, &h));
    assert_int_equal(h.max_timestamp, NO_TIMESTAMP);
    batch_builder_release(&b);
}

static void batch_check_produced__header_lies_about_time__records_win(void **state)
{
    (void)state;
    struct fixture f = fixture_of(CODEC_NONE);
    batch_set_max_timestamp(f.batch, 1);
    assert_ok(check(&f));
    assert_int_equal(f.header.max_timestamp, SAMPLE_TIME + 2);
    batch_set_max_timestamp(f.batch, f.header.max_timestamp);
    assert_ok(check(&f));
    free(f.batch);
}

static void batch_check_produced__time_overflows__invalid(void **state)
{
    (void)state;
    struct fixture f = fixture_of(CODEC_NONE);
    f.limits.after_max_ms = INT64_MAX;
    assert_err(check_with(&f, BATCH_BASE_TIMESTAMP, 8, INT64_MAX - 1), ERR_INVALID);
    assert_ok(check_with(&f, BATCH_BASE_TIMESTAMP, 8, INT64_MAX - 2));
    free(f.batch);
}

/* ---- records ---- */

/* A batch around records given as bytes. */
static err_t check_records(const char *records, size_t len, int count)
{
    struct batch_limits l = limits();
    struct batch_header h;
    size_t size = BATCH_HEADER_SIZE + len;
    uint8_t *batch = malloc(size);
    memcpy(batch, kafka_python_none, BATCH_HEADER_SIZE);
    memcpy(batch + BATCH_HEADER_SIZE, records, len);
    be32_put(batch + BATCH_LENGTH, (uint32_t)(size - BATCH_LENGTH_END));
    be32_put(batch + BATCH_LAST_OFFSET_DELTA, (uint32_t)count - 1);
    be32_put(batch + BATCH_RECORD_COUNT, (uint32_t)count);
    seal(batch);
    err_t err = batch_check_produced(view_of(batch, size), &l, &h);
    free(batch);
    return err;
}

#define CHECK_RECORDS(bytes, count) check_records(bytes, sizeof bytes - 1, count)

/* length 7: attributes, time 0, offset 0, null key, value "v", no headers */
#define FIRST  "\x0e\0\0\0\x01\x02v\0"
#define SECOND "\x0e\0\0\x02\x01\x02v\0"
/* the second record again, long */
#define LONG                   \
    "\x80\x01\0\0\x02\x01\x74" \
    "0123456789012345678901234567890123456789012345678901234567\0"

static void batch_check_produced__malformed_records__invalid(void **state)
{
    (void)state;
    assert_ok(CHECK_RECORDS(FIRST, 1));
    assert_ok(CHECK_RECORDS(FIRST SECOND, 2));
    assert_err(CHECK_RECORDS("", 1), ERR_INVALID);
    assert_err(CHECK_RECORDS(FIRST, 2), ERR_INVALID);
    assert_err(CHECK_RECORDS(FIRST SECOND, 1), ERR_INVALID);
    assert_err(CHECK_RECORDS(FIRST FIRST, 2), ERR_INVALID);                /* offsets 0, 0 */
    assert_err(CHECK_RECORDS(SECOND FIRST, 2), ERR_INVALID);               /* offsets 1, 0 */
    assert_err(CHECK_RECORDS(FIRST "\0", 1), ERR_INVALID);                 /* a byte too many */
    assert_err(CHECK_RECORDS("\x0f\0\0\0\x01\x02v\0", 1), ERR_INVALID);    /* length -8 */
    assert_err(CHECK_RECORDS("\x10\0\0\0\x01\x02v\0", 1), ERR_INVALID);    /* length + 1 */
    assert_err(CHECK_RECORDS("\x0c\0\0\0\x01\x02v\0", 1), ERR_INVALID);    /* length - 1 */
    assert_err(CHECK_RECORDS("\x10\0\0\0\x01\x02v\0\0", 1), ERR_INVALID);  /* slack inside */
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x03\x02v\0", 1), ERR_INVALID);    /* key length -2 */
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x7e\x02v\0", 1), ERR_INVALID);    /* key beyond */
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x01\x03v\0", 1), ERR_INVALID);    /* value length -2 */
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x01\x04v\0", 1), ERR_INVALID);    /* value + 1 */
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x01\x02v\x01", 1), ERR_INVALID);  /* -1 headers */
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x01\x02v\x02", 1), ERR_INVALID);  /* no header there */
    assert_err(CHECK_RECORDS("\x0e\0\0\x01\x01\x02v\0", 1), ERR_INVALID);  /* offset -1 */
    assert_err(CHECK_RECORDS("\0", 1), ERR_INVALID);                       /* length 0 */
    assert_err(CHECK_RECORDS("\xff\xff\xff\xff\xff\xff", 1), ERR_INVALID); /* never ends */
    assert_err(CHECK_RECORDS("\x80\x80\x80\x80\x10", 1), ERR_INVALID);     /* 33 bits */
}

/* The same behind which enough bytes follow for the inline way to try. */
static void batch_check_produced__malformed_before_others__invalid(void **state)
{
    (void)state;
    assert_ok(CHECK_RECORDS(FIRST LONG, 2));
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x01\x02v\x02" LONG, 2), ERR_INVALID);
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x03\x02v\0" LONG, 2), ERR_INVALID);
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x7e\x02v\0" LONG, 2), ERR_INVALID);
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x01\x04v\0" LONG, 2), ERR_INVALID);
    assert_err(CHECK_RECORDS("\x0e\0\0\0\x01\x03v\0" LONG, 2), ERR_INVALID);
    assert_err(CHECK_RECORDS("\x0d\0\0\0\x01\x02v\0" LONG, 2), ERR_INVALID);
    assert_err(CHECK_RECORDS("\0" LONG, 2), ERR_INVALID);
    assert_err(CHECK_RECORDS("\xfe\xff\xff\xff\x0f" LONG, 2), ERR_INVALID);
}

static void batch_check_produced__record_headers__walked(void **state)
{
    (void)state;
    assert_ok(CHECK_RECORDS("\x14\0\0\0\x01\x01\x02\x02k\x02v", 1));
    assert_ok(CHECK_RECORDS("\x12\0\0\0\x01\x01\x02\x02k\x01", 1));               /* null value */
    assert_ok(CHECK_RECORDS("\x10\0\0\0\x01\x01\x02\0\0", 1));                    /* both empty */
    assert_err(CHECK_RECORDS("\x12\0\0\0\x01\x01\x02\x01\x02v", 1), ERR_INVALID); /* null key */
    assert_err(CHECK_RECORDS("\x14\0\0\0\x01\x01\x04\x02k\x02v", 1), ERR_INVALID);
    assert_err(CHECK_RECORDS("\x16\0\0\0\x01\x01\x02\x02k\x02v\0", 1), ERR_INVALID);
    assert_err(CHECK_RECORDS("\x1c\0\0\0\x01\x01\xfe\xff\xff\xff\x0f\x02k\x02v", 1), ERR_INVALID);
}

/* ---- compacted, compressed ---- */

static void batch_check_produced__compacted_topic__keys_needed(void **state)
{
    (void)state;
    static const enum codec codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4,
                                        CODEC_ZSTD};
    for (int i = 0; i < 5; i++) {
        struct fixture f = fixture_of(codecs[i]);
        f.limits.is_compacted = true;
        assert_ok(check(&f)); /* all have keys */
        free(f.batch);
    }
    struct batch_limits l = limits();
    struct batch_header h;
    l.is_compacted = true;
    struct view plain = view_of(kafka_python_none, sizeof kafka_python_none);
    struct view packed = view_of(librdkafka_lz4, sizeof librdkafka_lz4);
    assert_err(batch_check_produced(plain, &l, &h), ERR_NO_KEY);
    assert_err(batch_check_produced(packed, &l, &h), ERR_NO_KEY);
}

/* A compressed batch whose stream is sound, but whose records are not. */
static void batch_check_produced__compressed_rubbish__found_by_walking(void **state)
{
    (void)state;
    struct buf batch = {0}, scratch = {0};
    assert_ok(buf_append(&batch, librdkafka_zstd, BATCH_HEADER_SIZE));
    assert_ok(compress_append(CODEC_ZSTD, 3, view_str("these are no records"), &batch));
    be32_put(batch.data + BATCH_LENGTH, (uint32_t)(batch.len - BATCH_LENGTH_END));
    seal(batch.data);
    struct batch_limits l = limits();
    struct batch_header h;
    assert_ok(batch_check_produced(buf_view(&batch), &l, &h));
    l.walk_compressed = true;
    assert_err(batch_check_produced(buf_view(&batch), &l, &h), ERR_INVALID);
    l.scratch = &scratch;
    assert_err(batch_check_produced(buf_view(&batch), &l, &h), ERR_INVALID);
    batch.data[BATCH_HEADER_SIZE] ^= 1; /* nor a stream */
    seal(batch.data);
    assert_err(batch_check_produced(buf_view(&batch), &l, &h), ERR_INVALID);
    buf_release(&batch);
    buf_release(&scratch);
}

/* A snappy stream of a header and no blocks: sound, and empty. */
static void batch_check_produced__compressed_nothing__invalid(void **state)
{
    (void)state;
    struct buf batch = {0};
    assert_ok(buf_append(&batch, kafka_python_snappy, BATCH_HEADER_SIZE));
    assert_ok(compress_append(CODEC_SNAPPY, 0, view_str(""), &batch));
    be32_put(batch.data + BATCH_LENGTH, (uint32_t)(batch.len - BATCH_LENGTH_END));
    seal(batch.data);
    struct batch_limits l = limits();
    struct batch_header h;
    l.walk_compressed = true;
    assert_err(batch_check_produced(buf_view(&batch), &l, &h), ERR_INVALID);
    buf_release(&batch);
}

static void batch_check_produced__decompression_bomb__too_large(void **state)
{
    (void)state;
    static uint8_t zeros[1 << 20];
    struct buf batch = {0}, scratch = {0};
    assert_ok(buf_append(&batch, librdkafka_gzip, BATCH_HEADER_SIZE));
    assert_ok(compress_append(CODEC_GZIP, 9, view_of(zeros, sizeof zeros), &batch));
    be32_put(batch.data + BATCH_LENGTH, (uint32_t)(batch.len - BATCH_LENGTH_END));
    seal(batch.data);
    struct batch_limits l = limits();
    l.walk_compressed = true;
    l.decompressed_max_bytes = 100000;
    l.scratch = &scratch;
    struct batch_header h;
    assert_err(batch_check_produced(buf_view(&batch), &l, &h), ERR_TOO_LARGE);
    assert_true(scratch.cap <= 400000);
    buf_release(&batch);
    buf_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_check_produced__real_clients_batches__ok),
        cmocka_unit_test(batch_check_produced__not_one_batch__refused),
        cmocka_unit_test(batch_check_produced__any_flipped_byte__refused),
        cmocka_unit_test(batch_check_produced__size__up_to_the_limit),
        cmocka_unit_test(batch_check_produced__wrong_crc__corrupt),
        cmocka_unit_test(batch_check_produced__header_rule_broken__refused),
        cmocka_unit_test(batch_check_produced__empty_batch__invalid),
        cmocka_unit_test(batch_check_produced__producer_fields__consistent),
        cmocka_unit_test(batch_check_produced__times__within_bounds),
        cmocka_unit_test(batch_check_produced__no_timestamp__no_bound),
        cmocka_unit_test(batch_check_produced__header_lies_about_time__records_win),
        cmocka_unit_test(batch_check_produced__time_overflows__invalid),
        cmocka_unit_test(batch_check_produced__malformed_records__invalid),
        cmocka_unit_test(batch_check_produced__malformed_before_others__invalid),
        cmocka_unit_test(batch_check_produced__record_headers__walked),
        cmocka_unit_test(batch_check_produced__compacted_topic__keys_needed),
        cmocka_unit_test(batch_check_produced__compressed_rubbish__found_by_walking),
        cmocka_unit_test(batch_check_produced__compressed_nothing__invalid),
        cmocka_unit_test(batch_check_produced__decompression_bomb__too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
