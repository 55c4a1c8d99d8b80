/* Offsets by time, exact to the record, whatever the order of timestamps. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/log_test.h"

enum { BATCHES = 300, PER_BATCH = 3, RECORDS = BATCHES * PER_BATCH };

/* Timestamps that jump about; record i of a batch is i ms later than the first. */
static time_ms_t time_of(int batch) { return 10000 + (batch * 7919) % 5000 + batch * 5; }

static void make(struct log_test *t)
{
    t->config->segment_bytes = 8000;
    t->config->index_interval_bytes = 400;
    log_test_open(t);
    for (int b = 0; b < BATCHES; b++) {
        struct batch_spec spec = {
            .records = PER_BATCH, .sequence = -1, .timestamp = time_of(b), .leader_epoch = b / 100};
        assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    }
}

static time_ms_t time_at(koffset_t offset)
{
    return time_of((int)offset / PER_BATCH) + offset % PER_BATCH;
}

static void check_all(struct log_test *t, koffset_t start)
{
    for (time_ms_t ts = 9000; ts < 17000; ts += 37) {
        koffset_t expected = -1;
        for (koffset_t o = start; o < RECORDS && expected < 0; o++) {
            if (time_at(o) >= ts) expected = o;
        }
        struct log_timestamp_match match;
        assert_int_equal(log_find_timestamp(t->f.log, ts, RECORDS, &match), OK);
        assert_int_equal(match.offset, expected);
        if (expected < 0) continue;
        assert_int_equal(match.timestamp, time_at(expected));
        assert_int_equal(match.leader_epoch, expected / PER_BATCH / 100);
    }
}

static void check_max(struct log_test *t, koffset_t start)
{
    koffset_t expected = -1;
    for (koffset_t o = start; o < RECORDS; o++) {
        if (expected < 0 || time_at(o) > time_at(expected)) expected = o;
    }
    struct log_timestamp_match match;
    assert_int_equal(log_find_max_timestamp(t->f.log, &match), OK);
    assert_int_equal(match.offset, expected);
}

static void log_find_timestamp__any_time__first_record_not_older(void **state)
{
    struct log_test *t = *state;
    make(t);
    check_all(t, 0);
    check_max(t, 0);
    log_test_restart(t);
    check_all(t, 0);
    check_max(t, 0);
    log_test_crash(t, 0);
    check_all(t, 0);
    check_max(t, 0);
}

static void log_find_timestamp__start_was_moved__looks_from_there(void **state)
{
    struct log_test *t = *state;
    make(t);
    for (koffset_t start = 100; start < RECORDS; start += 177) {
        assert_int_equal(log_advance_start(t->f.log, start), OK);
        check_all(t, start);
        check_max(t, start);
    }
}

static void log_find_timestamp__above_the_limit__is_none(void **state)
{
    struct log_test *t = *state;
    struct log_timestamp_match match;
    make(t);
    assert_int_equal(log_find_timestamp(t->f.log, 0, 0, &match), OK);
    assert_int_equal(match.offset, -1);
    for (koffset_t limit = 1; limit < RECORDS; limit += 50) {
        koffset_t expected = -1;
        for (koffset_t o = 0; o < limit && expected < 0; o++) {
            if (time_at(o) >= 14000) expected = o;
        }
        assert_int_equal(log_find_timestamp(t->f.log, 14000, limit, &match), OK);
        assert_int_equal(match.offset, expected);
    }
}

static void log_find_timestamp__empty_log__is_none(void **state)
{
    struct log_test *t = *state;
    struct log_timestamp_match match;
    log_test_open(t);
    assert_int_equal(log_find_timestamp(t->f.log, 0, 100, &match), OK);
    assert_int_equal(match.offset, -1);
    assert_int_equal(log_find_max_timestamp(t->f.log, &match), OK);
    assert_int_equal(match.offset, -1);
    assert_int_equal(match.timestamp, -1);
    assert_int_equal(match.leader_epoch, -1);
}

static void log_find_timestamp__after_a_truncation__knows_only_what_is_left(void **state)
{
    struct log_test *t = *state;
    struct log_timestamp_match match;
    log_test_open(t);
    log_test_fill(t, 50); /* 1000, 1010, ... */
    assert_int_equal(log_truncate(t->f.log, 20), OK);
    assert_int_equal(log_find_timestamp(t->f.log, 1195, 100, &match), OK);
    assert_int_equal(match.offset, -1);
    assert_int_equal(log_find_max_timestamp(t->f.log, &match), OK);
    assert_int_equal(match.offset, 19);
    assert_int_equal(match.timestamp, 1190);
}

static void log_find_timestamp__disk_fails__is_an_error(void **state)
{
    struct log_test *t = *state;
    struct log_timestamp_match match;
    make(t);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_PREAD), 1, EIO);
    assert_int_equal(log_find_timestamp(t->f.log, 9000, RECORDS, &match), ERR_IO);
    check_all(t, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_CASE(log_find_timestamp__any_time__first_record_not_older),
        LOG_CASE(log_find_timestamp__start_was_moved__looks_from_there),
        LOG_CASE(log_find_timestamp__above_the_limit__is_none),
        LOG_CASE(log_find_timestamp__empty_log__is_none),
        LOG_CASE(log_find_timestamp__after_a_truncation__knows_only_what_is_left),
        LOG_CASE(log_find_timestamp__disk_fails__is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
