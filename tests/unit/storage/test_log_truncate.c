/* Shrinking from behind: truncate and reset, what goes, what stays, what is remembered. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/log_test.h"

static void log_truncate__any_offset__everything_below_stays(void **state)
{
    struct log_test *t = *state;
    t->config->segment_bytes = 3000;
    t->config->index_interval_bytes = 300;
    log_test_open(t);
    log_test_fill(t, 100);
    for (koffset_t to = 95; to >= 0; to -= 12) {
        assert_int_equal(log_truncate(t->f.log, to), OK);
        assert_int_equal(log_offsets(t->f.log).end, to);
        log_test_check(t, 0, to, 777);
        log_test_fill(t, 7);
        log_test_check(t, 0, to + 7, 777);
    }
    koffset_t end = log_offsets(t->f.log).end;
    log_test_restart(t);
    assert_int_equal(log_offsets(t->f.log).end, end);
    log_test_check(t, 0, end, 777);
}

static void log_truncate__at_or_beyond_the_end__changes_nothing(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 5);
    assert_int_equal(log_truncate(t->f.log, 5), OK);
    assert_int_equal(log_truncate(t->f.log, 50), OK);
    log_test_check(t, 0, 5, 100);
}

static void log_truncate__inside_of_a_batch__the_whole_batch_goes(void **state)
{
    struct log_test *t = *state;
    struct batch_spec spec = {.records = 10, .sequence = -1};
    log_test_open(t);
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    assert_int_equal(log_truncate(t->f.log, 15), OK);
    assert_int_equal(log_offsets(t->f.log).end, 10);
}

static void log_truncate__epochs_producers_and_aborts__go_back(void **state)
{
    struct log_test *t = *state;
    struct aborted_txn *txns;
    size_t count;
    log_test_open(t);
    for (leader_epoch_t e = 1; e <= 3; e++) {
        struct batch_spec spec = {
            .producer_id = 5, .sequence = e - 1, .leader_epoch = e, .is_transactional = true};
        assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    }
    struct log_append marker = marker_make(5, 0, false);
    assert_int_equal(log_fixture_add(&t->f, &marker, LOG_FROM_SELF, 3), OK);
    free(marker.data);
    assert_int_equal(log_offsets(t->f.log).first_unstable, -1);
    assert_int_equal(log_truncate(t->f.log, 2), OK);
    assert_int_equal(log_offsets(t->f.log).last_leader_epoch, 2);
    assert_int_equal(log_offsets(t->f.log).first_unstable, 0);
    assert_int_equal(log_aborted_txns(t->f.log, 0, 2, &txns, &count), OK);
    assert_int_equal(count, 0);
    free(txns);
    assert_int_equal(log_test_size(t, "00000000000000000000.txnindex"), 0);
    struct batch_spec next = {.producer_id = 5, .sequence = 2, .leader_epoch = 4};
    assert_int_equal(log_fixture_append(&t->f, &next), OK);
}

static void log_truncate__unflushed_segment_that_stays__is_still_flushed(void **state)
{
    struct log_test *t = *state;
    koffset_t flushed;
    log_test_open(t);
    log_test_fill(t, 10);
    assert_int_equal(log_truncate(t->f.log, 6), OK);
    assert_true(log_offsets(t->f.log).unflushed_bytes > 0);
    assert_int_equal(log_flush(t->f.log, &flushed), OK);
    assert_int_equal(flushed, 6);
    assert_int_equal(log_offsets(t->f.log).unflushed_bytes, 0);
}

/* The checkpoint on disk may be from before: what it misses was not lost. */
static void log_truncate__flushed_records__recovery_point_from_before_is_no_alarm(void **state)
{
    struct log_test *t = *state;
    koffset_t flushed;
    log_test_open(t);
    log_test_fill(t, 50);
    assert_int_equal(log_flush(t->f.log, &flushed), OK);
    assert_int_equal(log_truncate(t->f.log, 40), OK);
    assert_int_equal(log_truncate(t->f.log, 30), OK);
    log_test_fill(t, 5);
    log_test_crash(t, 50);
    assert_int_equal(log_offsets(t->f.log).end, 35);
    assert_false(log_offsets(t->f.log).is_damaged);
    log_test_crash(t, 35);
    assert_int_equal(log_flush(t->f.log, &flushed), OK);
    log_test_restart(t);
    assert_int_equal(log_test_size(t, "last-truncation"), -1); /* nothing to say any more */
    log_test_check(t, 0, 35, 1000);
}

static void log_truncate__fails_before_anything_happened__log_is_as_before(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 20);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_PREAD), 1, EIO);
    assert_int_equal(log_truncate(t->f.log, 10), ERR_IO);
    assert_false(log_offsets(t->f.log).is_failed);
    log_test_check(t, 0, 20, 1000);
    log_test_fill(t, 1);
}

static void log_truncate__file_cannot_be_cut__log_is_failed(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 20);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_TRUNCATE), 1, EIO);
    assert_int_equal(log_truncate(t->f.log, 10), ERR_IO);
    assert_true(log_offsets(t->f.log).is_failed);
    log_test_crash(t, 0);
    assert_true(log_offsets(t->f.log).end >= 10);
    log_test_check(t, 0, log_offsets(t->f.log).end, 1000);
}

static void log_reset__goes_on_at_the_offset(void **state)
{
    const koffset_t offsets[] = {500, 3, 20, 0};
    struct log_test *t = *state;
    t->config->segment_bytes = 3000;
    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        if (!t->f.log) log_test_open(t);
        log_test_fill(t, 60);
        assert_int_equal(log_reset(t->f.log, offsets[i]), OK);
        struct log_offsets o = log_offsets(t->f.log);
        assert_int_equal(o.start, offsets[i]);
        assert_int_equal(o.end, offsets[i]);
        assert_int_equal(o.last_leader_epoch, -1);
        log_test_fill(t, 30);
        log_test_check(t, offsets[i], offsets[i] + 30, 1000);
        log_test_restart(t);
        log_test_check(t, offsets[i], offsets[i] + 30, 1000);
    }
}

static void log_reset__producers__are_forgotten(void **state)
{
    struct log_test *t = *state;
    struct batch_spec spec = {.producer_id = 5, .sequence = 7};
    log_test_open(t);
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    assert_int_equal(log_roll(t->f.log), OK); /* leaves a snapshot at 1 */
    assert_int_equal(log_reset(t->f.log, 1), OK);
    log_test_restart(t);
    spec.sequence = 0;
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    assert_int_equal(log_offsets(t->f.log).end, 2);
}

static void log_advance_start__never_back_and_never_beyond_the_end(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 10);
    assert_int_equal(log_advance_start(t->f.log, 4), OK);
    assert_int_equal(log_advance_start(t->f.log, 2), OK);
    assert_int_equal(log_offsets(t->f.log).start, 4);
    assert_int_equal(log_advance_start(t->f.log, 11), ERR_RANGE);
    assert_int_equal(log_advance_start(t->f.log, 10), OK);
    assert_int_equal(log_offsets(t->f.log).start, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_CASE(log_truncate__any_offset__everything_below_stays),
        LOG_CASE(log_truncate__at_or_beyond_the_end__changes_nothing),
        LOG_CASE(log_truncate__inside_of_a_batch__the_whole_batch_goes),
        LOG_CASE(log_truncate__epochs_producers_and_aborts__go_back),
        LOG_CASE(log_truncate__unflushed_segment_that_stays__is_still_flushed),
        LOG_CASE(log_truncate__flushed_records__recovery_point_from_before_is_no_alarm),
        LOG_CASE(log_truncate__fails_before_anything_happened__log_is_as_before),
        LOG_CASE(log_truncate__file_cannot_be_cut__log_is_failed),
        LOG_CASE(log_reset__goes_on_at_the_offset),
        LOG_CASE(log_reset__producers__are_forgotten),
        LOG_CASE(log_advance_start__never_back_and_never_beyond_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
