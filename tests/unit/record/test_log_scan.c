/* Batches one behind the other, whole and cut. */
#include "golden_batches.h"
#include "record/log_scan.h"
#include "samples.h"
#include "test.h"

enum { FIRST = sizeof librdkafka_none, SECOND = sizeof kafka_python_zstd, BOTH = FIRST + SECOND };

static void two_batches(uint8_t bytes[BOTH])
{
    memcpy(bytes, librdkafka_none, FIRST);
    memcpy(bytes + FIRST, kafka_python_zstd, SECOND);
}

static void log_scan_next__two_batches__both_then_the_end(void **state)
{
    (void)state;
    uint8_t bytes[BOTH];
    two_batches(bytes);
    struct log_scan scan = log_scan_of(view_of(bytes, BOTH));
    struct view batch;
    struct batch_header h;
    assert_ok(log_scan_next(&scan, &batch, &h));
    assert_true(batch.data == bytes && batch.len == FIRST);
    assert_int_equal(batch_codec(&h), CODEC_NONE);
    assert_int_equal(scan.pos, FIRST);
    assert_ok(log_scan_next(&scan, &batch, &h));
    assert_true(batch.data == bytes + FIRST && batch.len == SECOND);
    assert_int_equal(batch_codec(&h), CODEC_ZSTD);
    assert_err(log_scan_next(&scan, &batch, &h), ERR_NOT_FOUND);
    assert_err(log_scan_next(&scan, &batch, &h), ERR_NOT_FOUND);
    assert_int_equal(scan.pos, BOTH);
}

static void log_scan_next__every_cut__whole_ones_then_short(void **state)
{
    (void)state;
    uint8_t bytes[BOTH];
    two_batches(bytes);
    for (size_t len = 0; len < BOTH; len++) {
        struct log_scan scan = log_scan_of(view_of(bytes, len));
        struct view batch;
        struct batch_header h;
        if (len >= FIRST) assert_ok(log_scan_next(&scan, &batch, &h));
        err_t want = len == 0 || len == FIRST ? ERR_NOT_FOUND : ERR_SHORT;
        assert_err(log_scan_next(&scan, &batch, &h), want);
        assert_err(log_scan_next(&scan, &batch, &h), want);
        assert_int_equal(scan.pos, len >= FIRST ? FIRST : 0);
    }
}

static void log_scan_next__zeros_or_old_format_behind__says_which(void **state)
{
    (void)state;
    uint8_t bytes[FIRST + 100] = {0};
    memcpy(bytes, librdkafka_none, FIRST);
    struct view batch;
    struct batch_header h;
    struct log_scan scan = log_scan_of(view_of(bytes, sizeof bytes));
    assert_ok(log_scan_next(&scan, &batch, &h));
    assert_err(log_scan_next(&scan, &batch, &h), ERR_CORRUPT);
    bytes[FIRST + 11] = 30; /* the length of a small message of magic 0 */
    assert_err(log_scan_next(&scan, &batch, &h), ERR_UNSUPPORTED);
    assert_int_equal(scan.pos, FIRST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_scan_next__two_batches__both_then_the_end),
        cmocka_unit_test(log_scan_next__every_cut__whole_ones_then_short),
        cmocka_unit_test(log_scan_next__zeros_or_old_format_behind__says_which),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
