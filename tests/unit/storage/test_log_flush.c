/* What is durable, what a failed flush means, and the files that come with it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/log_test.h"

static koffset_t must_flush(struct log_test *t)
{
    koffset_t flushed = -1;
    assert_int_equal(log_flush(t->f.log, &flushed), OK);
    return flushed;
}

static void log_flush__counts_what_it_covers(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    assert_int_equal(must_flush(t), 0);
    log_test_fill(t, 10);
    struct log_offsets o = log_offsets(t->f.log);
    assert_int_equal(o.flushed, 0);
    assert_int_equal(o.unflushed_bytes, o.size_bytes);
    assert_int_equal(must_flush(t), 10);
    o = log_offsets(t->f.log);
    assert_int_equal(o.flushed, 10);
    assert_int_equal(o.unflushed_bytes, 0);
}

static void log_flush__nothing_new__no_system_call(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 10);
    must_flush(t);
    fault_os_reset(&t->faults, NULL);
    assert_int_equal(must_flush(t), 10);
    assert_int_equal(t->faults.counted, 0);
}

static void log_flush__several_segments__each_is_synced_once(void **state)
{
    struct log_test *t = *state;
    t->config->segment_bytes = 1000;
    log_test_open(t);
    log_test_fill(t, 31);
    fault_os_reset(&t->faults,
                   &(struct fault_plan){.nth = 1000, .calls = OS_CALL_BIT(OS_CALL_FDATASYNC)});
    assert_int_equal(must_flush(t), 31);
    uint64_t first = t->faults.counted;
    assert_true(first >= 5);
    log_test_fill(t, 1);
    must_flush(t);
    assert_int_equal(t->faults.counted, first + 1); /* the active one, nothing else */
}

static void log_flush__fails__log_is_failed_and_it_is_not_tried_again(void **state)
{
    const int errnums[] = {EIO, ENOSPC};
    struct log_test *t = *state;
    log_test_open(t);
    for (size_t i = 0; i < COUNT_OF(errnums); i++) {
        koffset_t before = log_offsets(t->f.log).flushed, flushed;
        log_test_fill(t, 5);
        log_test_fail(t, OS_CALL_BIT(OS_CALL_FDATASYNC), 1, errnums[i]);
        assert_int_equal(log_flush(t->f.log, &flushed), ERR_IO);
        assert_int_equal(flushed, before);
        assert_true(log_offsets(t->f.log).is_failed);
        uint64_t counted = t->faults.counted;
        assert_int_equal(log_flush(t->f.log, &flushed), ERR_FAILED);
        assert_int_equal(t->faults.counted, counted);
        fault_os_reset(&t->faults, NULL);
        log_test_crash(t, before);
    }
}

static void log_flush__leader_epochs__are_written_when_they_changed(void **state)
{
    struct log_test *t = *state;
    struct batch_spec spec = {.sequence = -1, .leader_epoch = 3};
    log_test_open(t);
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    assert_int_equal(log_test_size(t, "leader-epoch-checkpoint"), -1); /* not by an append */
    must_flush(t);
    assert_int_equal(log_test_size(t, "leader-epoch-checkpoint"), 8); /* 0, 1, "3 0" */
    spec.leader_epoch = 5;
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    log_test_crash(t, 1);
    leader_epoch_t found;
    koffset_t end;
    assert_int_equal(log_epoch_end(t->f.log, 4, &found, &end), OK);
    assert_int_equal(found, 3);
    assert_int_equal(end, 1);
    assert_int_equal(log_offsets(t->f.log).last_leader_epoch, 5); /* from the batches */
    assert_int_equal(log_epoch_end(t->f.log, 6, &found, &end), ERR_NOT_FOUND);
}

static void log_flush__no_room_for_the_epoch_file__is_no_failure(void **state)
{
    struct log_test *t = *state;
    koffset_t flushed;
    struct batch_spec spec = {.sequence = -1, .leader_epoch = 3};
    log_test_open(t);
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_PWRITE), 1, ENOSPC);
    assert_int_equal(log_flush(t->f.log, &flushed), ERR_NOSPACE);
    assert_int_equal(flushed, 0);
    assert_false(log_offsets(t->f.log).is_failed);
    assert_int_equal(must_flush(t), 1);
}

static void log_flush__new_directory__its_name_is_synced_too(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 1);
    fault_os_reset(&t->faults,
                   &(struct fault_plan){.nth = 1000, .calls = OS_CALL_BIT(OS_CALL_SYNC_DIR)});
    must_flush(t);
    uint64_t first = t->faults.counted;
    assert_true(first >= 2); /* the log's directory and the one it lies in */
    log_test_fill(t, 1);
    must_flush(t);
    assert_int_equal(t->faults.counted, first);
}

static void log_set_topic_id__once__is_kept(void **state)
{
    struct log_test *t = *state;
    struct uuid id = uuid_random(random_real()), other = uuid_random(random_real());
    log_test_open(t);
    assert_true(uuid_is_zero(log_topic_id(t->f.log)));
    assert_int_equal(log_set_topic_id(t->f.log, id), OK);
    assert_int_equal(log_set_topic_id(t->f.log, id), OK);
    assert_int_equal(log_set_topic_id(t->f.log, other), ERR_EXISTS);
    log_test_restart(t);
    assert_true(uuid_eq(log_topic_id(t->f.log), id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_CASE(log_flush__counts_what_it_covers),
        LOG_CASE(log_flush__nothing_new__no_system_call),
        LOG_CASE(log_flush__several_segments__each_is_synced_once),
        LOG_CASE(log_flush__fails__log_is_failed_and_it_is_not_tried_again),
        LOG_CASE(log_flush__leader_epochs__are_written_when_they_changed),
        LOG_CASE(log_flush__no_room_for_the_epoch_file__is_no_failure),
        LOG_CASE(log_flush__new_directory__its_name_is_synced_too),
        LOG_CASE(log_set_topic_id__once__is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
