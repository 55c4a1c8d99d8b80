/* Slices out: what they hold, where they end, what they cost, how long they live. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/log_test.h"

static struct log_read must_read(struct log_test *t, koffset_t offset, koffset_t limit, size_t max,
                                 bool at_least_one)
{
    struct log_read read;
    assert_int_equal(log_read(t->f.log, offset, limit, max, at_least_one, &read), OK);
    return read;
}

/* Size of each batch that log_test_fill() makes. */
static size_t batch_size(struct log_test *t)
{
    return (size_t)log_offsets(t->f.log).size_bytes / (size_t)log_offsets(t->f.log).end;
}

static void log_read__any_place_and_size__gives_all_records(void **state)
{
    struct log_test *t = *state;
    t->config->segment_bytes = 20000;
    t->config->index_interval_bytes = 500;
    log_test_open(t);
    log_test_fill(t, 400);
    for (koffset_t from = 0; from < 400; from += 13) {
        log_test_check(t, from, 400, 1);
        log_test_check(t, from, 400, 777);
        log_test_check(t, from, 400, 100000);
    }
    log_test_restart(t);
    for (koffset_t from = 0; from < 400; from += 13) log_test_check(t, from, 400, 777);
}

static void log_read__below_a_limit__stops_there(void **state)
{
    struct log_test *t = *state;
    t->config->segment_bytes = 5000;
    log_test_open(t);
    log_test_fill(t, 100);
    for (koffset_t limit = 1; limit < 100; limit += 7) {
        log_test_check(t, 0, limit, 100000);
        log_test_check(t, limit - 1, limit, 10);
    }
}

static void log_read__at_the_end_or_the_limit__is_empty(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    struct log_read read = must_read(t, 0, 0, 100, true);
    assert_int_equal(read.slice.len, 0);
    log_test_fill(t, 5);
    read = must_read(t, 5, 5, 100, true);
    assert_null(read.slice.file);
    read = must_read(t, 3, 3, 100, true);
    assert_int_equal(read.slice.len, 0);
    read = must_read(t, 5, 1000, 100, true);
    assert_int_equal(read.slice.len, 0);
}

static void log_read__outside__is_out_of_range(void **state)
{
    struct log_test *t = *state;
    struct log_read read;
    log_test_open(t);
    log_test_fill(t, 10);
    assert_int_equal(log_read(t->f.log, 11, 20, 100, true, &read), ERR_RANGE);
    assert_int_equal(log_read(t->f.log, -1, 20, 100, true, &read), ERR_RANGE);
    assert_int_equal(log_advance_start(t->f.log, 4), OK);
    assert_int_equal(log_read(t->f.log, 3, 10, 100, true, &read), ERR_RANGE);
    log_test_check(t, 4, 10, 100);
}

static void log_read__max_bytes__is_kept_to_but_for_the_first_batch(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 50);
    size_t size = batch_size(t);
    struct log_read read = must_read(t, 7, 50, 1, true);
    assert_int_equal(read.slice.len, size);
    assert_int_equal(read.start_offset, 7);
    slice_release(&read.slice);
    read = must_read(t, 7, 50, 10, false);
    assert_true(read.slice.len <= 10);
    slice_release(&read.slice);
    for (size_t max = size; max < 20 * size; max += 33) {
        read = must_read(t, 7, 50, max, true);
        assert_true(read.slice.len <= max && read.slice.len >= size);
        slice_release(&read.slice);
    }
}

static void log_read__inside_of_a_batch__begins_at_its_start(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    struct batch_spec spec = {.records = 10, .sequence = -1};
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    struct log_read read = must_read(t, 15, 20, 100000, true);
    assert_int_equal(read.start_offset, 10);
    slice_release(&read.slice);
}

/* A consumer who follows the tail asks neither an index nor the file. */
static void log_read__tail__no_system_call(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 1);
    struct log_read read = must_read(t, 0, 1, 1 << 20, true);
    slice_release(&read.slice);
    for (koffset_t o = 1; o < 200; o++) {
        log_test_fill(t, 1);
        fault_os_reset(&t->faults, NULL);
        read = must_read(t, o, o + 1, 1 << 20, true);
        assert_int_equal(t->faults.counted, 0);
        assert_true(read.slice.is_hot);
        slice_release(&read.slice);
    }
}

/* One who reads on from where a slice was cut looks at one header. */
static void log_read__goes_on__one_small_read_a_slice(void **state)
{
    struct log_test *t = *state;
    t->config->index_interval_bytes = 1000;
    log_test_open(t);
    log_test_fill(t, 1000);
    koffset_t next = 0;
    size_t size = batch_size(t);
    int slices = 0;
    fault_os_reset(&t->faults,
                   &(struct fault_plan){.nth = 1000000, .calls = OS_CALL_BIT(OS_CALL_PREAD)});
    while (next < 1000) {
        struct log_read read = must_read(t, next, 1000, 10000, true);
        assert_int_equal(read.slice.len % size, 0); /* cut at a batch boundary */
        next = read.start_offset + (koffset_t)(read.slice.len / size);
        slice_release(&read.slice);
        slices++;
    }
    assert_true(slices > 10);
    assert_true(t->faults.counted <= (uint64_t)slices);
}

static void log_read__old_data_after_a_restart__is_not_called_hot(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 10);
    log_test_restart(t);
    struct log_read read = must_read(t, 0, 10, 1000, true);
    assert_false(read.slice.is_hot);
    slice_release(&read.slice);
    log_test_fill(t, 1);
    read = must_read(t, 10, 11, 1000, true);
    assert_true(read.slice.is_hot);
    slice_release(&read.slice);
}

static void log_read__slice_of_a_dropped_segment__stays_what_it_was(void **state)
{
    struct log_test *t = *state;
    struct buf before = {0}, after = {0};
    int dropped;
    time_ms_t next;
    t->config->segment_bytes = 3000;
    t->config->file_delete_delay_ms = 0;
    log_test_open(t);
    log_test_fill(t, 60);
    struct log_read read = must_read(t, 0, 60, 2000, true);
    assert_int_equal(log_read_bytes(t->f.log, &read.slice, &before), OK);
    assert_int_equal(log_advance_start(t->f.log, 55), OK);
    assert_int_equal(log_apply_retention(t->f.log, 0, 60, &dropped), OK);
    assert_true(dropped > 0);
    assert_int_equal(log_reap(t->f.log, 1000000, &next), OK);
    assert_true(next > 0); /* the slice holds the first one back */
    assert_int_equal(log_read_bytes(t->f.log, &read.slice, &after), OK);
    assert_true(view_eq(buf_view(&before), buf_view(&after)));
    slice_release(&read.slice);
    assert_int_equal(log_reap(t->f.log, 1000000, &next), OK);
    assert_int_equal(next, -1);
    assert_int_equal(log_test_size(t, "00000000000000000000.log.deleted"), -1);
    buf_release(&before);
    buf_release(&after);
}

static void log_read__slice_outlives_the_log(void **state)
{
    struct log_test *t = *state;
    char byte[8];
    log_test_open(t);
    log_test_fill(t, 3);
    struct log_read read = must_read(t, 0, 3, 1000, true);
    assert_int_equal(log_delete(t->f.log), OK);
    t->f.log = NULL;
    assert_int_equal(t->faults.os.pread(&t->faults.os, read.slice.file->fd, byte, 8, 0), 8);
    slice_release(&read.slice);
}

static void log_read__header_damaged_on_disk__range_is_refused_and_the_rest_served(void **state)
{
    struct log_test *t = *state;
    struct log_read read;
    t->config->index_interval_bytes = 1000;
    log_test_open(t);
    log_test_fill(t, 100);
    size_t size = batch_size(t);
    log_test_restart(t);
    log_test_write(t, "00000000000000000000.log", (int64_t)(50 * size + BATCH_LENGTH),
                   "\377\377\377\377", 4);
    assert_int_equal(log_read(t->f.log, 50, 100, 1000, true, &read), ERR_DAMAGED);
    assert_true(log_offsets(t->f.log).is_damaged);
    assert_non_null(strstr(t->said, "damaged range"));
    log_test_check(t, 0, 50, 900);
    log_test_check(t, 51, 100, 900);
    assert_int_equal(log_read(t->f.log, 50, 100, 1000, true, &read), ERR_DAMAGED);
    log_test_restart(t); /* and it is remembered */
    assert_int_equal(log_read(t->f.log, 50, 100, 1000, true, &read), ERR_DAMAGED);
    log_test_check(t, 51, 100, 900);
}

static void log_read__index_lies__is_found_out_and_the_records_are_served(void **state)
{
    struct log_test *t = *state;
    t->config->index_interval_bytes = 500;
    log_test_open(t);
    log_test_fill(t, 300);
    log_test_restart(t);
    /* The middle entries point somewhere. */
    for (int i = 10; i < 40; i++) {
        log_test_write(t, "00000000000000000000.index", i * 8 + 4, "\0\0\1\1", 4);
    }
    for (koffset_t o = 0; o < 300; o += 11) log_test_check(t, o, 300, 2000);
    assert_false(log_offsets(t->f.log).is_damaged);
    assert_non_null(strstr(t->said, "index does not match"));
    log_test_restart(t);
    t->said[0] = 0;
    for (koffset_t o = 0; o < 300; o += 11) log_test_check(t, o, 300, 2000);
    assert_null(strstr(t->said, "index does not match"));
}

static void log_read__disk_fails__is_an_error_and_no_damage(void **state)
{
    struct log_test *t = *state;
    struct log_read read;
    log_test_open(t);
    log_test_fill(t, 100);
    log_test_restart(t);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_PREAD), 1, EIO);
    assert_int_equal(log_read(t->f.log, 50, 100, 1000, true, &read), ERR_IO);
    assert_false(log_offsets(t->f.log).is_damaged);
    log_test_check(t, 50, 100, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_CASE(log_read__any_place_and_size__gives_all_records),
        LOG_CASE(log_read__below_a_limit__stops_there),
        LOG_CASE(log_read__at_the_end_or_the_limit__is_empty),
        LOG_CASE(log_read__outside__is_out_of_range),
        LOG_CASE(log_read__max_bytes__is_kept_to_but_for_the_first_batch),
        LOG_CASE(log_read__inside_of_a_batch__begins_at_its_start),
        LOG_CASE(log_read__tail__no_system_call),
        LOG_CASE(log_read__goes_on__one_small_read_a_slice),
        LOG_CASE(log_read__old_data_after_a_restart__is_not_called_hot),
        LOG_CASE(log_read__slice_of_a_dropped_segment__stays_what_it_was),
        LOG_CASE(log_read__slice_outlives_the_log),
        LOG_CASE(log_read__header_damaged_on_disk__range_is_refused_and_the_rest_served),
        LOG_CASE(log_read__index_lies__is_found_out_and_the_records_are_served),
        LOG_CASE(log_read__disk_fails__is_an_error_and_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
