/* Batches in: places, duplicates, refusals, full and failing disks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/log_test.h"

enum { ID = 42, MAX = 8 };

/* Batches of one producer, made together for one call. */
struct call {
    struct log_append batches[MAX];
    size_t count;
};

static void plan(struct call *c, struct batch_spec spec)
{
    assert_true(c->count < MAX);
    c->batches[c->count++] = batch_make(&spec);
}

static err_t send(struct log_test *t, struct call *c, enum log_origin origin, leader_epoch_t epoch)
{
    return log_append(t->f.log, c->batches, c->count, origin, epoch);
}

static void release(struct call *c)
{
    for (size_t i = 0; i < c->count; i++) free(c->batches[i].data);
    c->count = 0;
}

static void log_append__client__offsets_and_epoch_are_patched(void **state)
{
    struct log_test *t = *state;
    struct call c = {0};
    log_test_open(t);
    log_test_fill(t, 3);
    plan(&c, (struct batch_spec){.records = 4, .sequence = -1, .base_offset = 77});
    plan(&c, (struct batch_spec){.records = 2, .sequence = -1, .base_offset = 77});
    assert_int_equal(send(t, &c, LOG_FROM_CLIENT, 9), OK);
    assert_int_equal(c.batches[0].base_offset, 3);
    assert_int_equal(c.batches[0].last_offset, 6);
    assert_int_equal(c.batches[1].base_offset, 7);
    assert_int_equal(c.batches[1].last_offset, 8);
    for (int i = 0; i < 2; i++) {
        struct batch_header h;
        struct view whole = view_of(c.batches[i].data, c.batches[i].header.size_bytes);
        assert_int_equal(batch_header_parse(whole, &h), OK);
        assert_int_equal(h.base_offset, c.batches[i].base_offset);
        assert_int_equal(h.leader_epoch, 9);
        assert_int_equal(batch_check_crc(whole), OK);
    }
    assert_int_equal(log_offsets(t->f.log).end, 9);
    assert_int_equal(log_offsets(t->f.log).last_leader_epoch, 9);
    assert_int_equal(log_epoch_of(t->f.log, 8), 9);
    assert_int_equal(log_epoch_of(t->f.log, 2), 0);
    release(&c);
}

static void log_append__many_batches__one_write(void **state)
{
    struct log_test *t = *state;
    struct call c = {0};
    log_test_open(t);
    for (int i = 0; i < MAX; i++) plan(&c, (struct batch_spec){.sequence = -1});
    fault_os_reset(&t->faults,
                   &(struct fault_plan){.nth = 100, .calls = OS_CALL_BIT(OS_CALL_PWRITE)});
    assert_int_equal(send(t, &c, LOG_FROM_CLIENT, 0), OK);
    assert_int_equal(t->faults.counted, 1);
    release(&c);
}

static void log_append__sequence_goes_on_within_the_call__is_seen(void **state)
{
    struct log_test *t = *state;
    struct call c = {0};
    log_test_open(t);
    plan(&c, (struct batch_spec){.records = 3, .producer_id = ID, .sequence = 0});
    plan(&c, (struct batch_spec){.records = 2, .producer_id = ID, .sequence = 3});
    plan(&c, (struct batch_spec){.records = 2, .producer_id = ID, .sequence = 6}); /* a gap */
    plan(&c, (struct batch_spec){.records = 2, .producer_id = ID, .sequence = 3}); /* again */
    plan(&c, (struct batch_spec){.records = 1, .producer_id = ID, .sequence = 5});
    assert_int_equal(send(t, &c, LOG_FROM_CLIENT, 0), OK);
    assert_int_equal(c.batches[0].err, OK);
    assert_int_equal(c.batches[1].base_offset, 3);
    assert_int_equal(c.batches[2].err, ERR_SEQUENCE);
    assert_true(c.batches[3].is_duplicate);
    assert_int_equal(c.batches[3].base_offset, 3);
    assert_int_equal(c.batches[3].last_offset, 4);
    assert_int_equal(c.batches[4].err, OK);
    assert_int_equal(c.batches[4].base_offset, 5);
    assert_int_equal(log_offsets(t->f.log).end, 6);
    release(&c);
}

static void log_append__sent_again_later__is_a_duplicate_at_its_old_place(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    for (int round = 0; round < 2; round++) {
        struct call c = {0};
        for (int i = 0; i < 3; i++) {
            plan(&c, (struct batch_spec){.records = 2, .producer_id = ID, .sequence = 2 * i});
        }
        assert_int_equal(send(t, &c, LOG_FROM_CLIENT, 0), OK);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(c.batches[i].err, OK);
            assert_int_equal(c.batches[i].is_duplicate, round == 1);
            assert_int_equal(c.batches[i].base_offset, 2 * i);
        }
        release(&c);
    }
    assert_int_equal(log_offsets(t->f.log).end, 6);
}

static void log_append__old_producer_epoch__is_refused_and_others_go_on(void **state)
{
    struct log_test *t = *state;
    struct call c = {0};
    log_test_open(t);
    plan(&c, (struct batch_spec){.producer_id = ID, .producer_epoch = 3, .sequence = 0});
    plan(&c, (struct batch_spec){.producer_id = ID, .producer_epoch = 2, .sequence = 1});
    plan(&c, (struct batch_spec){.sequence = -1});
    assert_int_equal(send(t, &c, LOG_FROM_CLIENT, 0), OK);
    assert_int_equal(c.batches[1].err, ERR_PRODUCER_EPOCH);
    assert_int_equal(c.batches[2].base_offset, 1);
    release(&c);
}

static void log_append__self__sequences_are_not_checked(void **state)
{
    struct log_test *t = *state;
    struct call c = {0};
    log_test_open(t);
    plan(&c, (struct batch_spec){.producer_id = ID, .sequence = 5});
    plan(&c, (struct batch_spec){.producer_id = ID, .sequence = 50});
    assert_int_equal(send(t, &c, LOG_FROM_SELF, 1), OK);
    assert_int_equal(c.batches[1].err, OK);
    release(&c);
}

static void log_append__from_leader__offsets_are_kept_and_may_leave_gaps(void **state)
{
    struct log_test *t = *state;
    struct call c = {0};
    log_test_open(t);
    plan(&c,
         (struct batch_spec){.records = 2, .sequence = -1, .base_offset = 5, .leader_epoch = 4});
    plan(&c,
         (struct batch_spec){.records = 2, .sequence = -1, .base_offset = 6, .leader_epoch = 4});
    plan(&c,
         (struct batch_spec){.records = 2, .sequence = -1, .base_offset = 9, .leader_epoch = 5});
    assert_int_equal(send(t, &c, LOG_FROM_LEADER, 1), OK);
    assert_int_equal(c.batches[0].err, OK);
    assert_int_equal(c.batches[1].err, ERR_RANGE); /* overlaps */
    assert_int_equal(c.batches[2].err, OK);
    assert_int_equal(log_offsets(t->f.log).end, 11);
    assert_int_equal(log_offsets(t->f.log).last_leader_epoch, 5);
    release(&c);
    struct log_read read;
    assert_int_equal(log_read(t->f.log, 0, 11, 1000, true, &read), OK);
    assert_int_equal(read.slice.pos, 0);
    slice_release(&read.slice);
}

static void log_append__disk_full__batches_behind_share_it_and_later_ones_work(void **state)
{
    struct log_test *t = *state;
    struct call c = {0};
    log_test_open(t);
    log_test_fill(t, 2);
    plan(&c, (struct batch_spec){.producer_id = ID, .sequence = 0});
    plan(&c, (struct batch_spec){.producer_id = ID, .sequence = 0}); /* a duplicate of that */
    plan(&c, (struct batch_spec){.sequence = -1});
    fault_os_reset(&t->faults, &(struct fault_plan){.nth = 1,
                                                    .calls = OS_CALL_BIT(OS_CALL_PWRITE),
                                                    .errnum = ENOSPC,
                                                    .is_torn = true});
    assert_int_equal(send(t, &c, LOG_FROM_CLIENT, 0), OK);
    for (int i = 0; i < 3; i++) {
        assert_true(c.batches[i].is_done);
        assert_false(c.batches[i].is_duplicate);
        assert_int_equal(c.batches[i].err, ERR_NOSPACE);
        c.batches[i].is_done = false;
    }
    assert_int_equal(log_offsets(t->f.log).end, 2);
    assert_false(log_offsets(t->f.log).is_failed);
    assert_int_equal(send(t, &c, LOG_FROM_CLIENT, 0), OK);
    assert_int_equal(c.batches[0].base_offset, 2);
    assert_true(c.batches[1].is_duplicate);
    assert_int_equal(c.batches[2].base_offset, 3);
    release(&c);
}

static void log_append__write_fails__log_is_failed_until_reopened(void **state)
{
    struct log_test *t = *state;
    koffset_t flushed;
    log_test_open(t);
    log_test_fill(t, 5);
    assert_int_equal(log_flush(t->f.log, &flushed), OK);
    log_test_fill(t, 2);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_PWRITE), 1, EIO);
    struct batch_spec spec = {.sequence = -1};
    assert_int_equal(log_fixture_append(&t->f, &spec), ERR_IO);
    assert_true(log_offsets(t->f.log).is_failed);
    assert_int_equal(log_fixture_append(&t->f, &spec), ERR_FAILED);
    assert_int_equal(log_flush(t->f.log, &flushed), ERR_FAILED);
    assert_int_equal(log_truncate(t->f.log, 1), ERR_FAILED);
    struct log_read read;
    log_test_check(t, 0, 5, 1000); /* what was flushed is served */
    assert_int_equal(log_read(t->f.log, 5, 7, 1000, true, &read), OK);
    assert_int_equal(read.slice.len, 0);
    assert_int_equal(log_read(t->f.log, 6, 7, 1000, true, &read), ERR_FAILED);
    assert_int_equal(log_fixture_close(&t->f, true), ERR_FAILED);
    assert_int_equal(log_fixture_open(&t->f, false, 5), OK);
    log_test_check(t, 0, 7, 1000);
    log_test_fill(t, 1);
}

static void log_append__marker_ends_a_transaction__stable_offset_moves(void **state)
{
    struct log_test *t = *state;
    struct call c = {0};
    struct aborted_txn *txns;
    size_t count;
    log_test_open(t);
    log_test_fill(t, 1);
    plan(&c, (struct batch_spec){.producer_id = ID, .sequence = 0, .is_transactional = true});
    plan(&c, (struct batch_spec){.producer_id = 50, .sequence = 0, .is_transactional = true});
    assert_int_equal(send(t, &c, LOG_FROM_CLIENT, 0), OK);
    release(&c);
    assert_int_equal(log_offsets(t->f.log).first_unstable, 1);
    struct log_append marker = marker_make(ID, 0, false);
    assert_int_equal(log_fixture_add(&t->f, &marker, LOG_FROM_SELF, 0), OK);
    free(marker.data);
    assert_int_equal(log_offsets(t->f.log).first_unstable, 2);
    assert_int_equal(log_test_size(t, "00000000000000000000.txnindex"), 34);
    assert_int_equal(log_aborted_txns(t->f.log, 0, 4, &txns, &count), OK);
    assert_int_equal(count, 1);
    assert_int_equal(txns[0].producer_id, ID);
    assert_int_equal(txns[0].first_offset, 1);
    free(txns);
    assert_int_equal(log_aborted_txns(t->f.log, 0, 1, &txns, &count), OK);
    assert_int_equal(count, 0);
    free(txns);
    marker = marker_make(50, 0, true);
    assert_int_equal(log_fixture_add(&t->f, &marker, LOG_FROM_SELF, 0), OK);
    free(marker.data);
    assert_int_equal(log_offsets(t->f.log).first_unstable, -1);
    assert_int_equal(log_test_size(t, "00000000000000000000.txnindex"), 34);
}

static void log_append__abort_cannot_be_noted__marker_is_taken_back(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    struct batch_spec spec = {.producer_id = ID, .sequence = 0, .is_transactional = true};
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_PWRITE), 2, ENOSPC); /* the entry, not the marker */
    struct log_append marker = marker_make(ID, 0, false);
    assert_int_equal(log_fixture_add(&t->f, &marker, LOG_FROM_SELF, 0), ERR_NOSPACE);
    assert_int_equal(log_offsets(t->f.log).end, 1);
    assert_int_equal(log_offsets(t->f.log).first_unstable, 0);
    marker.is_done = false;
    assert_int_equal(log_fixture_add(&t->f, &marker, LOG_FROM_SELF, 0), OK);
    assert_int_equal(marker.base_offset, 1);
    assert_int_equal(log_offsets(t->f.log).first_unstable, -1);
    free(marker.data);
    log_test_restart(t);
    assert_int_equal(log_offsets(t->f.log).end, 2);
}

static void count_producers(void *arg, const struct producer_entry *entry)
{
    (void)entry;
    ++*(int *)arg;
}

static void log_expire_producers__idle__are_forgotten(void **state)
{
    struct log_test *t = *state;
    int count = 0;
    log_test_open(t);
    struct batch_spec spec = {.producer_id = ID, .sequence = 0, .timestamp = 1000};
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    log_expire_producers(t->f.log, 1000 + t->config->producer_expiration_ms);
    log_each_producer(t->f.log, count_producers, &count);
    assert_int_equal(count, 1);
    log_expire_producers(t->f.log, 1001 + t->config->producer_expiration_ms);
    count = 0;
    log_each_producer(t->f.log, count_producers, &count);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_CASE(log_append__client__offsets_and_epoch_are_patched),
        LOG_CASE(log_append__many_batches__one_write),
        LOG_CASE(log_append__sequence_goes_on_within_the_call__is_seen),
        LOG_CASE(log_append__sent_again_later__is_a_duplicate_at_its_old_place),
        LOG_CASE(log_append__old_producer_epoch__is_refused_and_others_go_on),
        LOG_CASE(log_append__self__sequences_are_not_checked),
        LOG_CASE(log_append__from_leader__offsets_are_kept_and_may_leave_gaps),
        LOG_CASE(log_append__disk_full__batches_behind_share_it_and_later_ones_work),
        LOG_CASE(log_append__write_fails__log_is_failed_until_reopened),
        LOG_CASE(log_append__marker_ends_a_transaction__stable_offset_moves),
        LOG_CASE(log_append__abort_cannot_be_noted__marker_is_taken_back),
        LOG_CASE(log_expire_producers__idle__are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
