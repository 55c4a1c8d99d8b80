/* The builder against kafka-python's and librdkafka's bytes, and against our own iterator over
 * random records. */
#include "golden_batches.h"
#include "golden_records.h"
#include "lib/rng.h"
#include "record/builder.h"
#include "samples.h"
#include "test.h"

enum { LIMIT = 16 << 20 };

static struct batch_builder builder(enum codec codec)
{
    struct batch_builder b;
    struct batch_options options = batch_options_default();
    options.codec = codec;
    assert_ok(batch_builder_init(&b, &options));
    return b;
}

static struct view build_golden(struct batch_builder *b)
{
    struct buf headers = {0};
    for (int i = 0; i < GOLDEN_COUNT; i++) {
        struct record record = golden_record(i, &headers);
        assert_ok(batch_builder_append(b, &record));
    }
    buf_release(&headers);
    struct view out;
    assert_ok(batch_builder_finish(b, &out));
    return out;
}

/* Both clients leave 0 as leader epoch, which is the leader's to fill. */
static void batch_builder_finish__golden_records__clients_bytes(void **state)
{
    (void)state;
    struct batch_builder b = builder(CODEC_NONE);
    struct batch_options options = batch_options_default();
    options.leader_epoch = 0;
    assert_ok(batch_builder_reset(&b, &options));
    struct view out = build_golden(&b);
    assert_true(view_eq(out, view_of(kafka_python_none, sizeof kafka_python_none)));
    assert_true(view_eq(out, view_of(librdkafka_none, sizeof librdkafka_none)));
    batch_builder_release(&b);
}

static void batch_builder_finish__every_option__in_the_header(void **state)
{
    (void)state;
    struct batch_options options = {
        .codec = CODEC_ZSTD,
        .level = 5,
        .base_offset = INT64_C(1) << 40,
        .leader_epoch = 12,
        .log_append_time = 99,
        .delete_horizon_ms = NO_TIMESTAMP,
        .producer_id = 1234567890123,
        .producer_epoch = 32767,
        .base_sequence = INT32_MAX,
        .is_transactional = true,
        .is_control = true,
    };
    struct batch_builder b;
    assert_ok(batch_builder_init(&b, &options));
    assert_ok(batch_builder_append(&b, &(struct record){.offset = -1, .timestamp = 7}));
    assert_ok(batch_builder_append(&b, &(struct record){.offset = -1, .timestamp = 5}));
    struct view out;
    assert_ok(batch_builder_finish(&b, &out));
    struct batch_header h;
    assert_ok(batch_header_parse(out, &h));
    assert_ok(batch_check_crc(out));
    assert_int_equal(h.size_bytes, out.len);
    assert_int_equal(h.base_offset, INT64_C(1) << 40);
    assert_int_equal(h.leader_epoch, 12);
    assert_int_equal(h.attributes, 4 | 1 << 3 | 1 << 4 | 1 << 5);
    assert_int_equal(h.last_offset_delta, 1);
    assert_int_equal(h.base_timestamp, 7);
    assert_int_equal(h.max_timestamp, 99);
    assert_int_equal(h.producer_id, 1234567890123);
    assert_int_equal(h.producer_epoch, 32767);
    assert_int_equal(h.base_sequence, INT32_MAX);
    assert_int_equal(batch_last_sequence(&h), 0);
    assert_int_equal(h.record_count, 2);
    batch_builder_release(&b);
}

/* ---- round trips ---- */

enum { RECORDS_MAX = 300, VALUE_MAX = 9000 };

struct random_records {
    struct record records[RECORDS_MAX];
    struct buf bytes;   /* keys and values point here */
    struct buf headers; /* and headers here; all of them reserved beforehand */
    int count;
};

static struct view random_view(struct rng *rng, struct buf *bytes, size_t max)
{
    if (rng_chance(rng, 200)) return (struct view){0};
    size_t len = rng_below(rng, max + 1), start = bytes->len;
    bool noise = rng_chance(rng, 500);
    for (size_t i = 0; i < len; i++)
        assert_ok(buf_append_u8(bytes, noise ? (uint8_t)rng_next(rng) : (uint8_t)(i % 7)));
    return view_of(bytes->data + start, len);
}

static void random_headers(struct rng *rng, struct random_records *r, struct record *record)
{
    size_t start = r->headers.len;
    record->header_count = rng_chance(rng, 200) ? (int32_t)rng_below(rng, 4) : 0;
    for (int i = 0; i < record->header_count; i++) {
        struct view value = random_view(rng, &r->bytes, 20);
        assert_ok(
            record_header_append(&r->headers, &(struct record_header){view_str("hk"), value}));
    }
    record->headers = view_of(r->headers.data + start, r->headers.len - start);
}

static void random_fill(struct rng *rng, struct random_records *r, int64_t base_offset)
{
    buf_clear(&r->bytes);
    buf_clear(&r->headers);
    assert_ok(buf_reserve(&r->bytes, RECORDS_MAX * (VALUE_MAX + 200)));
    assert_ok(buf_reserve(&r->headers, RECORDS_MAX * 200));
    r->count = 1 + (int)rng_below(rng, rng_chance(rng, 500) ? RECORDS_MAX : 5);
    int64_t offset = base_offset + (int64_t)rng_below(rng, 3);
    bool gaps = rng_chance(rng, 300);
    for (int i = 0; i < r->count; i++) {
        struct record *record = &r->records[i];
        record->offset = offset;
        record->timestamp = SAMPLE_TIME + rng_between(rng, -5, 20) * (1 << rng_below(rng, 20));
        record->key = random_view(rng, &r->bytes, 30);
        record->value = random_view(rng, &r->bytes, rng_chance(rng, 50) ? VALUE_MAX : 100);
        random_headers(rng, r, record);
        offset += gaps ? 1 + (int64_t)rng_below(rng, 1000) : 1;
    }
}

static void assert_same_record(const struct record *got, const struct record *want)
{
    assert_true(got->offset == want->offset);
    assert_true(got->timestamp == want->timestamp);
    assert_true(same_bytes(got->key, want->key));
    assert_true(same_bytes(got->value, want->value));
    assert_int_equal(got->header_count, want->header_count);
    assert_true(view_eq(got->headers, want->headers));
}

static void assert_holds(struct view batch, const struct random_records *r, struct buf *scratch)
{
    struct record_iter it;
    struct record record;
    assert_ok(batch_check_crc(batch));
    assert_ok(record_iter_init(&it, batch, scratch, LIMIT));
    int64_t latest = r->records[0].timestamp;
    for (int i = 0; i < r->count; i++) {
        assert_ok(record_iter_next(&it, &record));
        assert_same_record(&record, &r->records[i]);
        if (record.timestamp > latest) latest = record.timestamp;
    }
    assert_err(record_iter_next(&it, &record), ERR_NOT_FOUND);
    assert_true(it.header.max_timestamp == latest);
    assert_true(batch_last_offset(&it.header) == r->records[r->count - 1].offset);
}

static void batch_builder__random_records__read_back(void **state)
{
    (void)state;
    struct random_records *r = calloc(1, sizeof *r);
    struct batch_builder b = builder(CODEC_NONE);
    struct buf scratch = {0}, other = {0};
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct rng rng = {seed};
        struct batch_options options = batch_options_default();
        options.codec = (enum codec)(seed % CODEC__COUNT);
        options.base_offset = (int64_t)rng_below(&rng, UINT64_C(1) << 50);
        random_fill(&rng, r, options.base_offset);
        assert_ok(batch_builder_reset(&b, &options)); /* the buffers are those of the last one */
        size_t bound = batch_builder_size(&b);
        for (int i = 0; i < r->count; i++) {
            bound += batch_builder_record_bound(&r->records[i]);
            assert_ok(batch_builder_append(&b, &r->records[i]));
            assert_true(batch_builder_size(&b) <= bound);
        }
        size_t size = batch_builder_size(&b);
        struct view out;
        assert_ok(batch_builder_finish(&b, &out));
        if (options.codec == CODEC_NONE) assert_int_equal(out.len, size);
        assert_holds(out, r, &scratch);
        struct recompress_options to = {(enum codec)(rng_below(&rng, CODEC__COUNT)),
                                        CODEC_LEVEL_DEFAULT, LIMIT};
        buf_clear(&other);
        assert_ok(batch_recompress(out, &to, &scratch, &other));
        assert_holds(buf_view(&other), r, &scratch);
    }
    batch_builder_release(&b);
    buf_release(&scratch);
    buf_release(&other);
    buf_release(&r->bytes);
    buf_release(&r->headers);
    free(r);
}

/* ---- what does not go in ---- */

static void batch_builder_append__offset_not_rising__range(void **state)
{
    (void)state;
    struct batch_options options = batch_options_default();
    options.base_offset = 50;
    struct batch_builder b;
    assert_ok(batch_builder_init(&b, &options));
    assert_err(batch_builder_append(&b, &(struct record){.offset = 49}), ERR_RANGE);
    assert_ok(batch_builder_append(&b, &(struct record){.offset = 52}));
    assert_err(batch_builder_append(&b, &(struct record){.offset = 52}), ERR_RANGE);
    assert_err(batch_builder_append(&b, &(struct record){.offset = 51}), ERR_RANGE);
    int64_t last = INT64_C(50) + INT32_MAX;
    assert_err(batch_builder_append(&b, &(struct record){.offset = last + 1}), ERR_RANGE);
    size_t size = batch_builder_size(&b);
    assert_ok(batch_builder_append(&b, &(struct record){.offset = last}));
    assert_true(batch_builder_size(&b) > size);
    assert_err(batch_builder_append(&b, &(struct record){.offset = RECORD_OFFSET_NEXT}), ERR_RANGE);
    struct view out;
    struct batch_header h;
    assert_ok(batch_builder_finish(&b, &out));
    assert_ok(batch_header_parse(out, &h));
    assert_int_equal(h.last_offset_delta, INT32_MAX);
    assert_int_equal(h.record_count, 2);
    batch_builder_release(&b);
}

static void batch_builder_append__time_too_far__range(void **state)
{
    (void)state;
    struct batch_builder b = builder(CODEC_NONE);
    assert_ok(batch_builder_append(&b, &(struct record){.offset = -1, .timestamp = INT64_MIN}));
    assert_err(batch_builder_append(&b, &(struct record){.offset = -1, .timestamp = 1}), ERR_RANGE);
    assert_ok(batch_builder_append(&b, &(struct record){.offset = -1, .timestamp = -1}));
    struct view out;
    assert_ok(batch_builder_finish(&b, &out));
    struct record_iter it;
    struct record record;
    assert_ok(record_iter_init(&it, out, NULL, 0));
    assert_ok(record_iter_next(&it, &record));
    assert_true(record.timestamp == INT64_MIN);
    assert_ok(record_iter_next(&it, &record));
    assert_true(record.timestamp == -1);
    batch_builder_release(&b);
}

static void batch_builder_append__bad_headers__invalid(void **state)
{
    (void)state;
    struct batch_builder b = builder(CODEC_LZ4);
    struct view one = view_of("\x02k\x02v", 4);
    struct record r = {.offset = -1, .headers = one, .header_count = 2};
    assert_err(batch_builder_append(&b, &r), ERR_INVALID);
    r.header_count = 0;
    assert_err(batch_builder_append(&b, &r), ERR_INVALID);
    r.header_count = -1;
    assert_err(batch_builder_append(&b, &r), ERR_INVALID);
    r.headers = (struct view){0};
    r.header_count = 1;
    assert_err(batch_builder_append(&b, &r), ERR_INVALID);
    r.headers = one;
    assert_ok(batch_builder_append(&b, &r));
    batch_builder_release(&b);
}

static void batch_builder_append__over_two_gib__limit(void **state)
{
    (void)state;
    struct batch_builder b = builder(CODEC_NONE);
    static const uint8_t byte;
    /* Refused before a byte is read. */
    struct record huge = {.offset = -1, .value = view_of(&byte, (size_t)INT32_MAX + 1)};
    assert_err(batch_builder_append(&b, &huge), ERR_LIMIT);
    huge.value.len = INT32_MAX;
    assert_err(batch_builder_append(&b, &huge), ERR_LIMIT);
    huge.value.len = (size_t)INT32_MAX - 100;
    huge.key = huge.value;
    assert_err(batch_builder_append(&b, &huge), ERR_LIMIT);
    batch_builder_release(&b);
}

static void batch_builder_init__bad_level__invalid(void **state)
{
    (void)state;
    struct batch_builder b;
    struct batch_options options = batch_options_default();
    options.codec = CODEC_GZIP;
    options.level = 77;
    assert_err(batch_builder_init(&b, &options), ERR_INVALID);
    batch_builder_release(&b);
}

/* ---- compaction's needs ---- */

static void batch_builder_finish__empty__only_with_a_last_offset(void **state)
{
    (void)state;
    struct batch_options options = batch_options_default();
    options.codec = CODEC_GZIP;
    options.base_offset = 10;
    struct batch_builder b;
    struct view out;
    assert_ok(batch_builder_init(&b, &options));
    assert_err(batch_builder_finish(&b, &out), ERR_INVALID);
    assert_err(batch_builder_set_last_offset(&b, 9), ERR_RANGE);
    assert_err(batch_builder_set_last_offset(&b, INT64_C(11) + INT32_MAX), ERR_RANGE);
    assert_ok(batch_builder_set_last_offset(&b, 14));
    assert_ok(batch_builder_finish(&b, &out));
    assert_int_equal(out.len, BATCH_HEADER_SIZE);
    struct record_iter it;
    struct record record;
    assert_ok(batch_check_crc(out));
    assert_ok(record_iter_init(&it, out, NULL, 0)); /* nothing left to decompress */
    assert_int_equal(batch_last_offset(&it.header), 14);
    assert_int_equal(it.header.base_timestamp, NO_TIMESTAMP);
    assert_int_equal(it.header.max_timestamp, NO_TIMESTAMP);
    assert_err(record_iter_next(&it, &record), ERR_NOT_FOUND);
    batch_builder_release(&b);
}

static void batch_builder_set_last_offset__behind_the_records__kept(void **state)
{
    (void)state;
    struct batch_builder b = builder(CODEC_NONE);
    assert_ok(batch_builder_append(&b, &(struct record){.offset = 3}));
    assert_err(batch_builder_set_last_offset(&b, 2), ERR_RANGE);
    assert_ok(batch_builder_set_last_offset(&b, 8));
    struct view out;
    struct batch_header h;
    assert_ok(batch_builder_finish(&b, &out));
    assert_ok(batch_header_parse(out, &h));
    assert_int_equal(batch_last_offset(&h), 8);
    assert_int_equal(h.record_count, 1);
    batch_builder_release(&b);
}

static void batch_builder_finish__delete_horizon__times_kept(void **state)
{
    (void)state;
    struct batch_options options = batch_options_default();
    options.delete_horizon_ms = SAMPLE_TIME + 500;
    struct batch_builder b;
    assert_ok(batch_builder_init(&b, &options));
    struct record in = {.offset = -1, .timestamp = SAMPLE_TIME, .key = view_str("k")};
    assert_ok(batch_builder_append(&b, &in));
    struct view out;
    assert_ok(batch_builder_finish(&b, &out));
    struct record_iter it;
    struct record record;
    assert_ok(record_iter_init(&it, out, NULL, 0));
    assert_true(batch_has_delete_horizon(&it.header));
    assert_int_equal(it.header.base_timestamp, SAMPLE_TIME + 500);
    assert_int_equal(it.header.max_timestamp, SAMPLE_TIME);
    assert_ok(record_iter_next(&it, &record));
    assert_int_equal(record.timestamp, SAMPLE_TIME);
    batch_builder_release(&b);
}

/* ---- recompression ---- */

static void batch_recompress__clients_batch__only_codec_length_and_crc_change(void **state)
{
    (void)state;
    struct view in = view_of(librdkafka_idempotent, sizeof librdkafka_idempotent);
    struct batch_header before, after;
    assert_ok(batch_header_parse(in, &before));
    for (int codec = 0; codec < CODEC__COUNT; codec++) {
        struct recompress_options to = {(enum codec)codec, CODEC_LEVEL_DEFAULT, LIMIT};
        struct buf scratch = {0}, out = {0};
        assert_ok(buf_append(&out, "kept", 4));
        assert_ok(batch_recompress(in, &to, &scratch, &out));
        assert_memory_equal(out.data, "kept", 4);
        struct view batch = view_of(out.data + 4, out.len - 4);
        assert_ok(batch_header_parse(batch, &after));
        assert_ok(batch_check_crc(batch));
        assert_int_equal(after.size_bytes, batch.len);
        assert_int_equal(after.attributes, codec);
        assert_int_equal(after.producer_id, before.producer_id);
        assert_int_equal(after.producer_epoch, before.producer_epoch);
        assert_int_equal(after.base_sequence, before.base_sequence);
        assert_int_equal(after.base_timestamp, before.base_timestamp);
        assert_int_equal(after.max_timestamp, before.max_timestamp);
        assert_int_equal(after.last_offset_delta, before.last_offset_delta);
        assert_int_equal(after.record_count, before.record_count);
        struct record_iter it;
        struct record record;
        assert_ok(record_iter_init(&it, batch, &scratch, LIMIT));
        for (int i = 0; i < GOLDEN_COUNT; i++) {
            assert_ok(record_iter_next(&it, &record));
            assert_golden_record(&record, i);
        }
        buf_release(&scratch);
        buf_release(&out);
    }
}

static void batch_recompress__bad_input__out_as_before(void **state)
{
    (void)state;
    struct buf scratch = {0}, out = {0};
    assert_ok(buf_append(&out, "kept", 4));
    struct view in = view_of(librdkafka_lz4, sizeof librdkafka_lz4);
    struct recompress_options to = {CODEC_ZSTD, CODEC_LEVEL_DEFAULT, 100};
    assert_err(batch_recompress(in, &to, &scratch, &out), ERR_TOO_LARGE);
    to.decompressed_max_bytes = LIMIT;
    assert_err(batch_recompress(view_of(in.data, in.len - 1), &to, &scratch, &out), ERR_SHORT);
    to.level = 23;
    assert_err(batch_recompress(in, &to, &scratch, &out), ERR_INVALID);
    assert_int_equal(out.len, 4);
    buf_release(&scratch);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_builder_finish__golden_records__clients_bytes),
        cmocka_unit_test(batch_builder_finish__every_option__in_the_header),
        cmocka_unit_test(batch_builder__random_records__read_back),
        cmocka_unit_test(batch_builder_append__offset_not_rising__range),
        cmocka_unit_test(batch_builder_append__time_too_far__range),
        cmocka_unit_test(batch_builder_append__bad_headers__invalid),
        cmocka_unit_test(batch_builder_append__over_two_gib__limit),
        cmocka_unit_test(batch_builder_init__bad_level__invalid),
        cmocka_unit_test(batch_builder_finish__empty__only_with_a_last_offset),
        cmocka_unit_test(batch_builder_set_last_offset__behind_the_records__kept),
        cmocka_unit_test(batch_builder_finish__delete_horizon__times_kept),
        cmocka_unit_test(batch_recompress__clients_batch__only_codec_length_and_crc_change),
        cmocka_unit_test(batch_recompress__bad_input__out_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
