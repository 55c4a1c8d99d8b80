/* One partition: appending, parking, committing, watching, reading. */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
    *state = fixture_new(1);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static struct partition *with_topic(struct fixture *f, const char *key, const char *value)
{
    fixture_add_topic(f, "t", 1, 1);
    if (key) fixture_set_config(f, "t", key, value);
    fixture_apply(f);
    return fixture_find(f, "t", 0);
}

/* ---- append ---- */

static void append__several_batches__offsets_follow_and_are_visible(void **state)
{
    struct partition *p = with_topic(*state, NULL, NULL);
    struct test_write w[100];
    for (int i = 0; i < 100; i++) test_write_init(&w[i], i % 3 + 1, 10);
    test_write_append(p, w, 100);
    koffset_t expected = 0;
    for (int i = 0; i < 100; i++) {
        assert_false(w[i].write.is_parked);
        assert_int_equal(w[i].write.batch.err, OK);
        assert_int_equal(w[i].write.batch.base_offset, expected);
        assert_int_equal(w[i].write.log_start, 0);
        expected += i % 3 + 1;
        test_write_release(&w[i]);
    }
    assert_int_equal(partition_describe(p).high_watermark, expected);
    partition_unref(p);
}

static void append__not_the_leader__is_refused(void **state)
{
    struct partition *p = with_topic(*state, NULL, NULL);
    partition_set_leadership(p, &(struct partition_leadership){.leader_epoch = 1});
    assert_int_equal(append_one(p, 1), ERR_NOT_LEADER);
    assert_int_equal(partition_describe(p).log.end, 0);
    partition_unref(p);
}

static void append__bad_sequence_between_good_ones__only_it_fails(void **state)
{
    struct partition *p = with_topic(*state, NULL, NULL);
    struct test_write w[3];
    for (int i = 0; i < 3; i++) test_write_init(&w[i], 1, 10);
    for (int i = 0; i < 3; i++) {
        struct batch_header *h = &w[i].write.batch.header;
        h->producer_id = 7;
        h->producer_epoch = 0;
        h->base_sequence = i == 1 ? 55 : i / 2;
        be64_put(w[i].bytes + BATCH_PRODUCER_ID, 7);
        be16_put(w[i].bytes + BATCH_PRODUCER_EPOCH, 0);
        be32_put(w[i].bytes + BATCH_BASE_SEQUENCE, (uint32_t)h->base_sequence);
    }
    test_write_append(p, w, 3);
    assert_int_equal(w[0].write.batch.err, OK);
    assert_int_equal(w[1].write.batch.err, ERR_SEQUENCE);
    assert_int_equal(w[2].write.batch.err, OK);
    assert_int_equal(w[2].write.batch.base_offset, 1);
    for (int i = 0; i < 3; i++) test_write_release(&w[i]);
    partition_unref(p);
}

/* ---- parking ---- */

static void append__segment_full__parked_ones_follow_in_order(void **state)
{
    struct partition *p = with_topic(*state, "segment.bytes", "1048576");
    enum { COUNT = 200 };
    static struct test_write w[COUNT];
    for (int i = 0; i < COUNT; i++) test_write_init(&w[i], 1, 20000);
    int parked = 0;
    /* Small runs, so that many come while a worker rolls. */
    for (int i = 0; i < COUNT; i += 4) test_write_append(p, w + i, 4);
    for (int i = 0; i < COUNT; i++) {
        parked += w[i].write.is_parked;
        test_write_wait(&w[i]);
        assert_int_equal(w[i].write.batch.err, OK);
        assert_int_equal(w[i].write.batch.base_offset, i);
        assert_null(w[i].write.owned_data);
        test_write_release(&w[i]);
    }
    assert_true(parked > 0);
    assert_int_equal(partition_describe(p).high_watermark, COUNT);
    partition_unref(p);
}

static void append__parked__its_bytes_may_change_afterwards(void **state)
{
    struct fixture *f = *state;
    struct partition *p = with_topic(f, "segment.bytes", "1048576");
    struct test_write w[80];
    for (int i = 0; i < 80; i++) test_write_init(&w[i], 1, 20000);
    test_write_append(p, w, 80);
    assert_true(w[79].write.is_parked);
    for (int i = 0; i < 80; i++) memset(w[i].bytes, 0xee, 100);
    for (int i = 0; i < 80; i++) test_write_wait(&w[i]);
    partition_unref(p);
    /* Recovery checks every batch. */
    fixture_restart(f, false);
    p = fixture_find(f, "t", 0);
    assert_int_equal(partition_describe(p).log.end, 80);
    partition_unref(p);
    for (int i = 0; i < 80; i++) test_write_release(&w[i]);
}

static void append__roll_fails__parked_ones_get_the_error(void **state)
{
    struct fixture *f = *state;
    struct partition *p = with_topic(f, "segment.bytes", "1048576");
    struct test_write w[80];
    for (int i = 0; i < 80; i++) test_write_init(&w[i], 1, 20000);
    fault_os_reset(&f->faults, &(struct fault_plan){.nth = 1,
                                                    .errnum = ENOSPC,
                                                    .is_sticky = true,
                                                    .calls = OS_CALL_BIT(OS_CALL_OPEN)});
    test_write_append(p, w, 80);
    for (int i = 0; i < 80; i++) test_write_wait(&w[i]);
    assert_int_equal(w[0].write.batch.err, OK);
    assert_int_equal(w[79].write.batch.err, ERR_NOSPACE);
    fault_os_reset(&f->faults, NULL);
    assert_int_equal(append_one(p, 1), OK);
    for (int i = 0; i < 80; i++) test_write_release(&w[i]);
    partition_unref(p);
}

static void append__too_much_unflushed__waits_for_a_flush(void **state)
{
    struct fixture *f = *state;
    f->options.unflushed_limit_bytes = 100000;
    fixture_restart(f, true);
    struct partition *p = with_topic(f, NULL, NULL);
    struct test_write w[40];
    for (int i = 0; i < 40; i++) test_write_init(&w[i], 1, 20000);
    int parked = 0;
    for (int i = 0; i < 40; i++) {
        test_write_append(p, &w[i], 1);
        parked += w[i].write.is_parked;
    }
    for (int i = 0; i < 40; i++) {
        test_write_wait(&w[i]);
        assert_int_equal(w[i].write.batch.err, OK);
        assert_int_equal(w[i].write.batch.base_offset, i);
        test_write_release(&w[i]);
    }
    assert_true(parked > 0);
    assert_true(partition_describe(p).log.flushed > 0);
    partition_unref(p);
}

/* ---- durability fsync ---- */

static void append__fsync_topic__done_only_when_flushed(void **state)
{
    struct partition *p = with_topic(*state, "durability", "fsync");
    struct test_write w[20];
    for (int i = 0; i < 20; i++) {
        test_write_init(&w[i], 2, 50);
        test_write_append(p, &w[i], 1);
        assert_true(w[i].write.is_parked);
    }
    for (int i = 0; i < 20; i++) {
        test_write_wait(&w[i]);
        struct partition_view view = partition_describe(p);
        assert_int_equal(w[i].write.batch.err, OK);
        assert_true(view.log.flushed > w[i].write.batch.last_offset);
        assert_true(view.high_watermark > w[i].write.batch.last_offset);
        test_write_release(&w[i]);
    }
    partition_unref(p);
}

static void append__fsync_fails__nothing_is_acknowledged_or_visible(void **state)
{
    struct fixture *f = *state;
    struct partition *p = with_topic(f, "durability", "fsync");
    assert_int_equal(append_one(p, 1), OK);
    fault_os_reset(
        &f->faults,
        &(struct fault_plan){.nth = 1, .errnum = EIO, .calls = OS_CALL_BIT(OS_CALL_FDATASYNC)});
    assert_int_equal(append_one(p, 1), ERR_FAILED);
    assert_int_equal(append_one(p, 1), ERR_FAILED);
    struct partition_view view = partition_describe(p);
    assert_int_equal(view.high_watermark, 1);
    assert_true(view.is_offline);
    partition_unref(p);
}

static void configure__from_fsync_to_page_cache__lets_writes_go(void **state)
{
    struct fixture *f = *state;
    struct partition *p = with_topic(f, "durability", "fsync");
    assert_int_equal(append_one(p, 1), OK);
    fixture_set_config(f, "t", "durability", "page-cache");
    fixture_apply(f);
    struct test_write w;
    test_write_init(&w, 1, 10);
    test_write_append(p, &w, 1);
    assert_false(w.write.is_parked);
    assert_int_equal(w.write.batch.err, OK);
    test_write_release(&w);
    partition_unref(p);
}

/* ---- watching ---- */

struct watcher {
    struct waiter waiter;
    struct partition_watch watch;
    sem_t fired;
};

static void watcher_run(struct task *task)
{
    struct waiter *waiter = CONTAINER_OF(task, struct waiter, task);
    sem_post(&CONTAINER_OF(waiter, struct watcher, waiter)->fired);
}

static void watcher_init(struct watcher *w, struct fixture *f)
{
    *w = (struct watcher){0};
    assert_int_equal(sem_init(&w->fired, 0, 0), 0);
    waiter_init(&w->waiter, f->loop, watcher_run);
}

static void watch__append__fires_once(void **state)
{
    struct fixture *f = *state;
    struct partition *p = with_topic(f, NULL, NULL);
    struct watcher w;
    watcher_init(&w, f);
    partition_watch(p, &w.watch, &w.waiter);
    assert_int_equal(append_one(p, 1), OK);
    while (sem_wait(&w.fired) != 0) continue;
    assert_int_equal(append_one(p, 1), OK);
    partition_unwatch(&w.watch);
    assert_false(waiter_cancel(&w.waiter));
    assert_int_equal(sem_trywait(&w.fired), -1);
    sem_destroy(&w.fired);
    partition_unref(p);
}

static void watch__fsync_append__fires_when_it_is_visible(void **state)
{
    struct fixture *f = *state;
    struct partition *p = with_topic(f, "durability", "fsync");
    struct watcher w;
    watcher_init(&w, f);
    partition_watch(p, &w.watch, &w.waiter);
    struct test_write write;
    test_write_init(&write, 1, 10);
    test_write_append(p, &write, 1);
    while (sem_wait(&w.fired) != 0) continue;
    assert_int_equal(partition_describe(p).high_watermark, 1);
    test_write_wait(&write);
    test_write_release(&write);
    partition_unwatch(&w.watch);
    sem_destroy(&w.fired);
    partition_unref(p);
}

static void unwatch__before_news__waiter_is_ours(void **state)
{
    struct fixture *f = *state;
    struct partition *p = with_topic(f, NULL, NULL);
    struct watcher w;
    watcher_init(&w, f);
    partition_watch(p, &w.watch, &w.waiter);
    partition_unwatch(&w.watch);
    assert_int_equal(append_one(p, 1), OK);
    assert_true(waiter_cancel(&w.waiter));
    sem_destroy(&w.fired);
    partition_unref(p);
}

static void watch__leadership_lost__fires(void **state)
{
    struct fixture *f = *state;
    struct partition *p = with_topic(f, NULL, NULL);
    struct watcher w;
    watcher_init(&w, f);
    partition_watch(p, &w.watch, &w.waiter);
    partition_set_leadership(p, &(struct partition_leadership){.leader_epoch = 1});
    while (sem_wait(&w.fired) != 0) continue;
    partition_unwatch(&w.watch);
    sem_destroy(&w.fired);
    partition_unref(p);
}

/* ---- reading ---- */

static struct partition_fetched read_at(struct partition *p, koffset_t offset)
{
    struct partition_fetch fetch = {
        .offset = offset, .current_leader_epoch = -1, .max_bytes = 1 << 20, .at_least_one = true};
    struct partition_fetched got;
    partition_read(p, &fetch, &got);
    return got;
}

static void read__within_and_outside__slice_empty_or_range(void **state)
{
    struct partition *p = with_topic(*state, NULL, NULL);
    assert_int_equal(append_one(p, 3), OK);
    struct partition_fetched got = read_at(p, 1);
    assert_int_equal(got.err, OK);
    assert_true(got.slice.len > 0);
    assert_int_equal(got.high_watermark, 3);
    assert_int_equal(got.last_stable, 3);
    assert_int_equal(got.log_start, 0);
    slice_release(&got.slice);
    got = read_at(p, 3);
    assert_int_equal(got.err, OK);
    assert_int_equal(got.slice.len, 0);
    assert_int_equal(read_at(p, 4).err, ERR_RANGE);
    assert_int_equal(read_at(p, -1).err, ERR_RANGE);
    partition_unref(p);
}

static void read__other_leader_epoch__is_told_apart(void **state)
{
    struct partition *p = with_topic(*state, NULL, NULL);
    partition_set_leadership(
        p, &(struct partition_leadership){.is_leader = true, .leader_epoch = 5, .isr_count = 1});
    assert_int_equal(partition_check_leader(p, -1), OK);
    assert_int_equal(partition_check_leader(p, 5), OK);
    assert_int_equal(partition_check_leader(p, 4), ERR_STALE_EPOCH);
    assert_int_equal(partition_check_leader(p, 6), ERR_UNKNOWN_EPOCH);
    partition_unref(p);
}

static void delete_records__moves_the_start(void **state)
{
    struct partition *p = with_topic(*state, NULL, NULL);
    for (int i = 0; i < 5; i++) assert_int_equal(append_one(p, 1), OK);
    koffset_t start;
    assert_int_equal(partition_delete_records(p, 3, &start), OK);
    assert_int_equal(start, 3);
    assert_int_equal(partition_delete_records(p, 6, &start), ERR_RANGE);
    assert_int_equal(partition_delete_records(p, 1, &start), OK);
    assert_int_equal(start, 3);
    assert_int_equal(partition_delete_records(p, -1, &start), OK);
    assert_int_equal(start, 5);
    assert_int_equal(read_at(p, 2).err, ERR_RANGE);
    assert_int_equal(append_one(p, 1), OK);
    partition_unref(p);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(append__several_batches__offsets_follow_and_are_visible),
        CASE(append__not_the_leader__is_refused),
        CASE(append__bad_sequence_between_good_ones__only_it_fails),
        CASE(append__segment_full__parked_ones_follow_in_order),
        CASE(append__parked__its_bytes_may_change_afterwards),
        CASE(append__roll_fails__parked_ones_get_the_error),
        CASE(append__too_much_unflushed__waits_for_a_flush),
        CASE(append__fsync_topic__done_only_when_flushed),
        CASE(append__fsync_fails__nothing_is_acknowledged_or_visible),
        CASE(configure__from_fsync_to_page_cache__lets_writes_go),
        CASE(watch__append__fires_once),
        CASE(watch__fsync_append__fires_when_it_is_visible),
        CASE(unwatch__before_news__waiter_is_ours),
        CASE(watch__leadership_lost__fires),
        CASE(read__within_and_outside__slice_empty_or_range),
        CASE(read__other_leader_epoch__is_told_apart),
        CASE(delete_records__moves_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
