/* The straight line through a log: open, append, read, close, open again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/os.h"
#include "lib/log_fixture.h"
#include "lib/temp_dir.h"
#include "record/log_scan.h"

struct test {
    struct temp_dir dir;
    struct log_fixture f;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    temp_dir_make(&t->dir);
    log_fixture_init(&t->f, os_real(), t->dir.path);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    log_fixture_release(&t->f);
    temp_dir_remove(&t->dir);
    free(t);
    return 0;
}

/* Reads everything from `from` on and checks that offsets follow one another; returns the end. */
static koffset_t read_all(struct log *log, koffset_t from, size_t max_bytes)
{
    koffset_t next = from, end = log_offsets(log).end;
    while (next < end) {
        struct log_read read;
        struct buf bytes = {0};
        assert_int_equal(log_read(log, next, end, max_bytes, true, &read), OK);
        assert_true(read.slice.len > 0);
        assert_int_equal(log_read_bytes(log, &read.slice, &bytes), OK);
        struct log_scan scan = log_scan_of(buf_view(&bytes));
        struct view batch;
        struct batch_header header;
        koffset_t before = next;
        while (log_scan_next(&scan, &batch, &header) == OK) {
            assert_int_equal(batch_check_crc(batch), OK);
            if (batch_last_offset(&header) < next) continue;
            assert_true(header.base_offset <= next);
            next = batch_last_offset(&header) + 1;
        }
        assert_true(next > before);
        buf_release(&bytes);
        slice_release(&read.slice);
    }
    return next;
}

static void log_open__no_directory__is_made_empty(void **state)
{
    struct test *t = *state;
    assert_int_equal(log_fixture_open(&t->f, false, 0), OK);
    struct log_offsets o = log_offsets(t->f.log);
    assert_int_equal(o.start, 0);
    assert_int_equal(o.end, 0);
    assert_int_equal(o.first_unstable, -1);
    assert_int_equal(o.last_leader_epoch, -1);
}

static void log_append__many__all_are_read_back(void **state)
{
    struct test *t = *state;
    t->f.options.config.segment_bytes = 100000;
    assert_int_equal(log_fixture_open(&t->f, false, 0), OK);
    for (int i = 0; i < 1000; i++) {
        struct batch_spec spec = {.records = 1 + i % 5, .value_bytes = 100, .sequence = -1};
        assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    }
    assert_int_equal(log_offsets(t->f.log).end, 3000);
    assert_int_equal(read_all(t->f.log, 0, 1), 3000);
    assert_int_equal(read_all(t->f.log, 7, 10000), 3000);
    assert_int_equal(read_all(t->f.log, 1234, 1 << 20), 3000);
}

static void log_open__after_clean_close__goes_on(void **state)
{
    struct test *t = *state;
    t->f.options.config.segment_bytes = 100000;
    assert_int_equal(log_fixture_open(&t->f, false, 0), OK);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            struct batch_spec spec = {.records = 2, .value_bytes = 100, .sequence = -1};
            assert_int_equal(log_fixture_append(&t->f, &spec), OK);
        }
        assert_int_equal(log_fixture_close(&t->f, true), OK);
        assert_int_equal(log_fixture_open(&t->f, true, 1000 * (round + 1)), OK);
        assert_int_equal(log_offsets(t->f.log).end, 1000 * (round + 1));
        assert_int_equal(log_offsets(t->f.log).flushed, 1000 * (round + 1));
        assert_int_equal(read_all(t->f.log, 0, 5000), 1000 * (round + 1));
    }
}

static void log_open__after_a_crash__recovers(void **state)
{
    struct test *t = *state;
    t->f.options.config.segment_bytes = 100000;
    assert_int_equal(log_fixture_open(&t->f, false, 0), OK);
    for (int round = 1; round < 4; round++) {
        koffset_t flushed;
        for (int i = 0; i < 500; i++) {
            struct batch_spec spec = {.records = 2, .value_bytes = 100, .sequence = -1};
            assert_int_equal(log_fixture_append(&t->f, &spec), OK);
            if (i == 250) assert_int_equal(log_flush(t->f.log, &flushed), OK);
        }
        t->f.options.is_same_boot = round % 2;
        assert_int_equal(log_fixture_close(&t->f, false), OK);
        assert_int_equal(log_fixture_open(&t->f, false, round == 3 ? 0 : flushed), OK);
        assert_int_equal(log_offsets(t->f.log).end, 1000 * round);
        assert_int_equal(read_all(t->f.log, 0, 5000), 1000 * round);
        assert_false(log_offsets(t->f.log).is_damaged);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(log_open__no_directory__is_made_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(log_append__many__all_are_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(log_open__after_clean_close__goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(log_open__after_a_crash__recovers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
