/* The next segment: why, where, for whom, and what is beside it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/log_test.h"

static bool exists(struct log_test *t, const char *name) { return log_test_size(t, name) >= 0; }

/* One batch, not rolling for it. */
static err_t try_append(struct log_test *t, struct batch_spec spec)
{
    struct log_append batch = batch_make(&spec);
    err_t err = log_append(t->f.log, &batch, 1, LOG_FROM_CLIENT, 0);
    if (err == OK) err = batch.err;
    free(batch.data);
    return err;
}

static void log_append__segment_full__is_sent_away_until_rolled(void **state)
{
    struct log_test *t = *state;
    struct batch_spec spec = {.value_bytes = 600, .sequence = -1};
    t->config->segment_bytes = 1000;
    log_test_open(t);
    assert_int_equal(try_append(t, spec), OK);
    assert_int_equal(try_append(t, spec), ERR_AGAIN);
    assert_int_equal(log_offsets(t->f.log).end, 1);
    assert_int_equal(log_roll(t->f.log), OK);
    assert_int_equal(try_append(t, spec), OK);
    assert_true(exists(t, "00000000000000000001.log"));
    assert_true(exists(t, "00000000000000000001.index"));
    assert_true(exists(t, "00000000000000000001.timeindex"));
    assert_true(exists(t, "00000000000000000001.snapshot"));
}

static void log_append__only_some_fit__those_are_written_and_the_rest_is_untouched(void **state)
{
    struct log_test *t = *state;
    struct log_append b[3];
    t->config->segment_bytes = 1500;
    log_test_open(t);
    for (int i = 0; i < 3; i++) {
        b[i] = batch_make(&(struct batch_spec){.value_bytes = 600, .sequence = -1});
    }
    assert_int_equal(log_append(t->f.log, b, 3, LOG_FROM_CLIENT, 0), ERR_AGAIN);
    assert_true(b[0].is_done && b[1].is_done && !b[2].is_done);
    assert_int_equal(log_roll(t->f.log), OK);
    assert_int_equal(log_append(t->f.log, b, 3, LOG_FROM_CLIENT, 0),
                     OK); /* those done are passed */
    assert_int_equal(b[2].base_offset, 2);
    assert_int_equal(log_offsets(t->f.log).end, 3);
    for (int i = 0; i < 3; i++) free(b[i].data);
}

static void log_roll__many_were_sent_away__only_one_rolls(void **state)
{
    struct log_test *t = *state;
    struct batch_spec spec = {.value_bytes = 600, .sequence = -1};
    t->config->segment_bytes = 1000;
    log_test_open(t);
    assert_int_equal(try_append(t, spec), OK);
    for (int i = 0; i < 3; i++) assert_int_equal(try_append(t, spec), ERR_AGAIN);
    assert_int_equal(log_roll(t->f.log), OK);
    spec.value_bytes = 10;
    assert_int_equal(try_append(t, spec), OK);
    for (int i = 0; i < 2; i++) assert_int_equal(log_roll(t->f.log), OK);
    assert_false(exists(t, "00000000000000000002.log"));
    assert_int_equal(log_roll(t->f.log), OK); /* nobody is waiting any more: asked for */
    assert_true(exists(t, "00000000000000000002.log"));
}

static void log_roll__empty_segment__stays(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    assert_int_equal(log_roll(t->f.log), OK);
    log_test_fill(t, 3);
    assert_int_equal(log_roll(t->f.log), OK);
    assert_int_equal(log_roll(t->f.log), OK);
    log_test_check(t, 0, 3, 100);
}

static void log_roll__old_batches_by_time__begin_a_segment(void **state)
{
    struct log_test *t = *state;
    t->config->segment_ms = 1000;
    log_test_open(t);
    assert_int_equal(try_append(t, (struct batch_spec){.sequence = -1, .timestamp = 5000}), OK);
    assert_int_equal(try_append(t, (struct batch_spec){.sequence = -1, .timestamp = 6000}), OK);
    assert_int_equal(try_append(t, (struct batch_spec){.sequence = -1, .timestamp = 6001}),
                     ERR_AGAIN);
}

static void log_roll__sealed_segment__ends_with_its_newest_timestamp(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 3);
    assert_int_equal(log_test_size(t, "00000000000000000000.timeindex"), 0);
    assert_int_equal(log_roll(t->f.log), OK);
    assert_int_equal(log_test_size(t, "00000000000000000000.timeindex"), 12);
}

static void log_roll__far_batch_from_a_leader__begins_a_segment_there(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 2);
    const koffset_t far = 5000000000;
    struct log_append batch = batch_make(&(struct batch_spec){.sequence = -1, .base_offset = far});
    assert_int_equal(log_fixture_add(&t->f, &batch, LOG_FROM_LEADER, 0), OK);
    free(batch.data);
    assert_true(exists(t, "00000000005000000000.log"));
    assert_int_equal(log_offsets(t->f.log).end, far + 1);
    struct log_read read;
    assert_int_equal(log_read(t->f.log, 2, far + 1, 1000, true, &read), OK); /* over the gap */
    assert_true(read.slice.len > 0);
    slice_release(&read.slice);
    log_test_restart(t);
    assert_int_equal(log_offsets(t->f.log).end, far + 1);
}

static void log_roll__files_cannot_be_made__log_is_as_before(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 3);
    for (uint64_t n = 1; n <= 3; n++) {
        log_test_fail(t, OS_CALL_BIT(OS_CALL_OPEN), n, ENOSPC);
        assert_int_equal(log_roll(t->f.log), ERR_NOSPACE);
        fault_os_reset(&t->faults, NULL);
        assert_false(log_offsets(t->f.log).is_failed);
        log_test_fill(t, 1);
    }
    assert_int_equal(log_roll(t->f.log), OK);
    log_test_fill(t, 1);
    log_test_check(t, 0, 7, 100);
}

static void log_roll__leftover_of_a_failed_roll__is_seen_through(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 3);
    log_test_write(t, "00000000000000000003.log", 0, "", 0);
    log_test_fill(t, 4);
    log_test_crash(t, 0);
    log_test_check(t, 0, 7, 100);
    log_test_write(t, "00000000000000000007.log", 0, "", 0);
    log_test_fill(t, 4);
    log_test_restart(t);
    log_test_check(t, 0, 11, 100);
    log_test_fill(t, 1);
}

static void log_roll__snapshots__stay_with_their_segments(void **state)
{
    struct log_test *t = *state;
    int dropped;
    log_test_open(t);
    for (int i = 0; i < 5; i++) {
        log_test_fill(t, 1);
        assert_int_equal(log_roll(t->f.log), OK);
    }
    assert_true(exists(t, "00000000000000000001.snapshot"));
    assert_int_equal(log_advance_start(t->f.log, 3), OK);
    assert_int_equal(log_apply_retention(t->f.log, 0, 5, &dropped), OK);
    assert_int_equal(dropped, 3);
    assert_false(exists(t, "00000000000000000002.snapshot"));
    assert_true(exists(t, "00000000000000000003.snapshot"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_CASE(log_append__segment_full__is_sent_away_until_rolled),
        LOG_CASE(log_append__only_some_fit__those_are_written_and_the_rest_is_untouched),
        LOG_CASE(log_roll__many_were_sent_away__only_one_rolls),
        LOG_CASE(log_roll__empty_segment__stays),
        LOG_CASE(log_roll__old_batches_by_time__begin_a_segment),
        LOG_CASE(log_roll__sealed_segment__ends_with_its_newest_timestamp),
        LOG_CASE(log_roll__far_batch_from_a_leader__begins_a_segment_there),
        LOG_CASE(log_roll__files_cannot_be_made__log_is_as_before),
        LOG_CASE(log_roll__leftover_of_a_failed_roll__is_seen_through),
        LOG_CASE(log_roll__snapshots__stay_with_their_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
