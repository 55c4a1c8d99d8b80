/* One segment: when it is full, what gets an index entry, what a failed write leaves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "lib/handle_fixture.h"
#include "log_config.h"
#include "segment.h"
#include "segment_scan.h"

enum { BASE = 100 };

struct test {
    struct handle_fixture *f;
    struct segment *segment;
    struct log_config config;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    t->f = handle_fixture_new(8, 8);
    t->config = log_config_default();
    struct segment_options options = {&t->f->env, t->f->cache, t->f->dir.path};
    t->segment = segment_new(&options, BASE);
    *state = t;
    return segment_create(t->segment) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct test *t = *state;
    fault_os_reset(&t->f->faults, NULL);
    segment_unref(t->segment);
    handle_fixture_free(t->f);
    free(t);
    return 0;
}

/* A header is all that has_room() and add() look at. */
static struct batch_header header(koffset_t base, size_t size, time_ms_t timestamp)
{
    return (struct batch_header){
        .base_offset = base, .size_bytes = size, .max_timestamp = timestamp, .record_count = 1};
}

static err_t put(struct test *t, size_t size, time_ms_t timestamp)
{
    static uint8_t bytes[1 << 20];
    struct batch_header h = header(t->segment->end_offset, size, timestamp);
    struct iovec iov = {bytes, size};
    TRY(segment_write(t->segment, &iov, 1, size));
    return segment_add(t->segment, &h, t->config.index_interval_bytes);
}

static bool has_room(struct test *t, size_t size, time_ms_t timestamp, time_ms_t now)
{
    struct batch_header h = header(t->segment->end_offset, size, timestamp);
    return segment_has_room(t->segment, &t->config, 0, &h, now);
}

/* ---- has_room ---- */

static void segment_has_room__empty__any_batch_fits(void **state)
{
    struct test *t = *state;
    t->config.segment_bytes = 1000;
    assert_true(has_room(t, 5000, 1, 1));
}

static void segment_has_room__size_would_pass__no(void **state)
{
    struct test *t = *state;
    t->config.segment_bytes = 1000;
    assert_int_equal(put(t, 600, 1), OK);
    assert_true(has_room(t, 400, 1, 1));
    assert_false(has_room(t, 401, 1, 1));
    struct batch_header h = header(BASE + 1, 300, 1);
    assert_true(segment_has_room(t->segment, &t->config, 100, &h, 1));
    assert_false(segment_has_room(t->segment, &t->config, 101, &h, 1));
}

static void segment_has_room__older_than_segment_ms_by_timestamps__no(void **state)
{
    struct test *t = *state;
    t->config.segment_ms = 100;
    assert_int_equal(put(t, 200, 5000), OK);
    assert_true(has_room(t, 200, 5100, INT64_MAX)); /* the clock does not matter */
    assert_false(has_room(t, 200, 5101, 0));
    t->segment->roll_jitter_ms = 10;
    assert_false(has_room(t, 200, 5091, 0));
}

static void segment_has_room__without_timestamps__age_is_by_the_clock(void **state)
{
    struct test *t = *state;
    t->config.segment_ms = 100;
    assert_int_equal(put(t, 200, -1), OK);
    assert_true(has_room(t, 200, -1, t->segment->created_ms + 100));
    assert_false(has_room(t, 200, -1, t->segment->created_ms + 101));
}

static void segment_has_room__index_full__no(void **state)
{
    struct test *t = *state;
    t->config.index_interval_bytes = 0;
    t->config.segment_index_bytes = 80; /* ten offset entries, five time entries and a slot */
    for (int i = 0; i < 6; i++) {
        assert_true(has_room(t, 200, 1000 + i, 0));
        assert_int_equal(put(t, 200, 1000 + i), OK);
    }
    assert_int_equal(time_index_count(&t->segment->times), 5);
    assert_false(has_room(t, 200, 2000, 0));
}

static void segment_has_room__relative_offset_too_large__no(void **state)
{
    struct test *t = *state;
    struct batch_header h = header(BASE + (koffset_t)INT32_MAX, 200, 1);
    assert_true(segment_has_room(t->segment, &t->config, 0, &h, 1));
    h.last_offset_delta = 1;
    assert_false(segment_has_room(t->segment, &t->config, 0, &h, 1));
}

/* ---- add ---- */

static void segment_add__interval_passed_before__gets_an_entry(void **state)
{
    struct test *t = *state;
    t->config.index_interval_bytes = 1000;
    assert_int_equal(put(t, 5000, 10), OK); /* the first one never */
    assert_int_equal(offset_index_count(&t->segment->offsets), 0);
    assert_int_equal(put(t, 1000, 20), OK); /* 5000 > 1000 */
    assert_int_equal(offset_index_count(&t->segment->offsets), 1);
    assert_int_equal(t->segment->offsets.last.offset, BASE + 1);
    assert_int_equal(t->segment->offsets.last.position, 5000);
    assert_int_equal(t->segment->times.last.timestamp, 20);
    assert_int_equal(put(t, 1, 30), OK); /* 1000 is not > 1000 */
    assert_int_equal(offset_index_count(&t->segment->offsets), 1);
    assert_int_equal(put(t, 1, 40), OK); /* 1001 is */
    assert_int_equal(offset_index_count(&t->segment->offsets), 2);
    assert_int_equal(t->segment->offsets.last.position, 6001);
    assert_int_equal(t->segment->end_offset, BASE + 4);
}

static void segment_write_indexes__newest_timestamp_gets_its_final_entry(void **state)
{
    struct test *t = *state;
    assert_int_equal(put(t, 200, 10), OK);
    assert_int_equal(put(t, 200, 50), OK);
    assert_int_equal(put(t, 200, 40), OK);
    assert_int_equal(time_index_count(&t->segment->times), 0);
    assert_int_equal(segment_write_indexes(t->segment), OK);
    assert_int_equal(t->segment->times.last.timestamp, 50);
    assert_int_equal(t->segment->times.last.offset, BASE + 1);
    assert_int_equal(handle_fixture_size(t->f, "00000000000000000100.timeindex"), 12);
}

/* ---- write ---- */

static void segment_write__disk_full__file_is_cut_back_and_next_works(void **state)
{
    struct test *t = *state;
    assert_int_equal(put(t, 500, 1), OK);
    fault_os_reset(&t->f->faults, &(struct fault_plan){.nth = 1,
                                                       .calls = OS_CALL_BIT(OS_CALL_PWRITE),
                                                       .errnum = ENOSPC,
                                                       .is_torn = true});
    assert_int_equal(put(t, 700, 1), ERR_NOSPACE);
    assert_int_equal(handle_fixture_size(t->f, "00000000000000000100.log"), 500);
    assert_int_equal(t->segment->size_bytes, 500);
    assert_int_equal(put(t, 700, 1), OK);
    assert_int_equal(handle_fixture_size(t->f, "00000000000000000100.log"), 1200);
}

static void segment_write__file_size_limit__is_a_full_disk(void **state)
{
    struct test *t = *state;
    fault_os_reset(
        &t->f->faults,
        &(struct fault_plan){.nth = 1, .calls = OS_CALL_BIT(OS_CALL_PWRITE), .errnum = EFBIG});
    assert_int_equal(put(t, 700, 1), ERR_NOSPACE);
}

static void segment_write__disk_full_and_cut_fails__state_is_unknown(void **state)
{
    struct test *t = *state;
    unsigned calls = OS_CALL_BIT(OS_CALL_PWRITE) | OS_CALL_BIT(OS_CALL_TRUNCATE);
    fault_os_reset(
        &t->f->faults,
        &(struct fault_plan){.nth = 1, .calls = calls, .errnum = ENOSPC, .is_sticky = true});
    assert_int_equal(put(t, 700, 1), ERR_IO);
}

static void segment_write__nothing_unflushed__pin_is_given_back(void **state)
{
    struct test *t = *state;
    assert_int_equal(put(t, 500, 1), OK);
    assert_non_null(t->segment->dirty);
    segment_note_flushed(t->segment, 500);
    assert_null(t->segment->dirty);
}

static void segment_reserve__grows_with_use_and_is_trimmed(void **state)
{
    struct test *t = *state;
    for (int i = 0; i < 12; i++) assert_int_equal(put(t, 64 * 1024, 1), OK);
    if (t->segment->reserved_bytes < 0) skip(); /* not on this file system */
    assert_true(t->segment->reserved_bytes > t->segment->size_bytes);
    assert_true(t->segment->reserved_bytes <= 3 * t->segment->size_bytes);
    assert_int_equal(segment_trim(t->segment), OK);
    struct os_stat st;
    assert_int_equal(t->f->env.os->fstat(t->f->env.os, t->segment->dirty->fd, &st), 0);
    assert_true(st.allocated_bytes < t->segment->size_bytes + 64 * 1024);
    assert_int_equal(st.size_bytes, t->segment->size_bytes);
}

static void segment_reserve__refused__is_not_asked_again(void **state)
{
    struct test *t = *state;
    fault_os_reset(&t->f->faults, &(struct fault_plan){.nth = 1,
                                                       .calls = OS_CALL_BIT(OS_CALL_RESERVE),
                                                       .errnum = EOPNOTSUPP,
                                                       .is_sticky = true});
    for (int i = 0; i < 40; i++) assert_int_equal(put(t, 64 * 1024, 1), OK);
    assert_int_equal(t->f->faults.counted, 1);
}

/* ---- files ---- */

static void segment_rename__all_files_move_and_missing_ones_do_not_matter(void **state)
{
    struct test *t = *state;
    assert_int_equal(segment_rename(t->segment, "", ".deleted"), OK);
    assert_int_equal(handle_fixture_size(t->f, "00000000000000000100.log"), -1);
    assert_int_equal(handle_fixture_size(t->f, "00000000000000000100.log.deleted"), 0);
    assert_int_equal(handle_fixture_size(t->f, "00000000000000000100.timeindex.deleted"), 0);
    assert_int_equal(segment_unlink(t->segment, ".deleted"), OK);
    assert_int_equal(handle_fixture_size(t->f, "00000000000000000100.log.deleted"), -1);
    assert_int_equal(segment_unlink(t->segment, ".deleted"), OK);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(segment_has_room__empty__any_batch_fits),
        CASE(segment_has_room__size_would_pass__no),
        CASE(segment_has_room__older_than_segment_ms_by_timestamps__no),
        CASE(segment_has_room__without_timestamps__age_is_by_the_clock),
        CASE(segment_has_room__index_full__no),
        CASE(segment_has_room__relative_offset_too_large__no),
        CASE(segment_add__interval_passed_before__gets_an_entry),
        CASE(segment_write_indexes__newest_timestamp_gets_its_final_entry),
        CASE(segment_write__disk_full__file_is_cut_back_and_next_works),
        CASE(segment_write__file_size_limit__is_a_full_disk),
        CASE(segment_write__disk_full_and_cut_fails__state_is_unknown),
        CASE(segment_write__nothing_unflushed__pin_is_given_back),
        CASE(segment_reserve__grows_with_use_and_is_trimmed),
        CASE(segment_reserve__refused__is_not_asked_again),
        CASE(segment_rename__all_files_move_and_missing_ones_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
