/* Timestamps that rise, and the claim an entry makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/handle_fixture.h"
#include "time_index.h"

enum { BASE = 50 };
static const char file_name[] = "00000000000000000050.timeindex";

struct test {
    struct handle_fixture *f;
    struct time_index index;
};

static void reinit(struct test *t)
{
    time_index_release(&t->index);
    time_index_init(&t->index, t->f->cache, t->f->dir.path, BASE);
}

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    t->f = handle_fixture_new(4, 4);
    reinit(t);
    *state = t;
    return time_index_create(&t->index) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct test *t = *state;
    time_index_release(&t->index);
    handle_fixture_free(t->f);
    free(t);
    return 0;
}

static void add(struct test *t, time_ms_t timestamp, koffset_t offset)
{
    assert_int_equal(time_index_append(&t->index, (struct time_entry){timestamp, offset}), OK);
    if (index_file_is_due(&t->index.file)) assert_int_equal(time_index_write(&t->index), OK);
}

static void check(struct test *t, time_ms_t timestamp, koffset_t expected)
{
    struct time_entry e;
    assert_int_equal(time_index_lookup(&t->index, timestamp, &e), OK);
    assert_int_equal(e.offset, expected);
    assert_true(e.timestamp < timestamp);
}

static void time_index_append__not_larger__is_left_out(void **state)
{
    struct test *t = *state;
    add(t, 100, 60);
    add(t, 100, 70);
    add(t, 99, 80);
    add(t, -1, 90);
    assert_int_equal(time_index_count(&t->index), 1);
    add(t, 101, 91);
    assert_int_equal(time_index_count(&t->index), 2);
}

static void time_index_lookup__gives_the_last_one_that_is_older(void **state)
{
    struct test *t = *state;
    check(t, 5, BASE);
    for (int i = 0; i < 300; i++) add(t, 1000 + 10 * i, BASE + 5 + i);
    for (int round = 0; round < 2; round++) {
        check(t, 1000, BASE); /* as old as the first entry: could lie before its offset */
        check(t, 1001, BASE + 5);
        for (int i = 1; i < 300; i++) {
            check(t, 1000 + 10 * i, BASE + 5 + i - 1);
            check(t, 1000 + 10 * i + 1, BASE + 5 + i);
        }
        check(t, INT64_MAX, BASE + 5 + 299);
        assert_int_equal(time_index_write(&t->index), OK);
        reinit(t);
        assert_int_equal(time_index_load(&t->index), OK);
        assert_int_equal(time_index_verify(&t->index), OK);
    }
}

static void time_index_entry__bytes__are_kafkas(void **state)
{
    struct test *t = *state;
    uint8_t expected[] = {0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 7}, bytes[16];
    add(t, 0x102, BASE + 7);
    assert_int_equal(index_file_get(&t->index.file, 0, bytes), OK);
    assert_memory_equal(bytes, expected, 12);
}

static void time_index_truncate__by_offset__forgets_from_there(void **state)
{
    struct test *t = *state;
    for (int i = 0; i < 200; i++) add(t, 1000 + i, BASE + 2 * i);
    assert_int_equal(time_index_truncate(&t->index, BASE + 101), OK);
    assert_int_equal(time_index_count(&t->index), 51);
    assert_int_equal(t->index.last.timestamp, 1050);
    add(t, 1049, BASE + 300);
    assert_int_equal(time_index_count(&t->index), 51);
    assert_int_equal(time_index_truncate(&t->index, BASE), OK);
    assert_int_equal(time_index_count(&t->index), 0);
    assert_int_equal(t->index.last.timestamp, -1);
}

static void time_index_load__what_cannot_be_true__is_corrupt(void **state)
{
    struct test *t = *state;
    static const uint8_t entries[] = {0,    0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1,  /* 9 */
                                      0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  /* zeros */
                                      0x80, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1}; /* negative */
    handle_fixture_write(t->f, file_name, entries, 13, true);
    reinit(t);
    assert_int_equal(time_index_load(&t->index), ERR_CORRUPT);
    handle_fixture_write(t->f, file_name, entries, 24, true);
    reinit(t);
    assert_int_equal(time_index_load(&t->index), ERR_CORRUPT);
    handle_fixture_write(t->f, file_name, entries + 24, 12, true);
    reinit(t);
    assert_int_equal(time_index_load(&t->index), ERR_CORRUPT);
}

static void time_index_verify__order_broken__is_corrupt(void **state)
{
    struct test *t = *state;
    for (int i = 0; i < 5; i++) add(t, 1000 + i, BASE + i);
    assert_int_equal(time_index_write(&t->index), OK);
    static const uint8_t late[] = {0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0, 0, 0, 0};
    handle_fixture_write(t->f, file_name, late, sizeof late, false);
    reinit(t);
    assert_int_equal(time_index_load(&t->index), OK);
    assert_int_equal(time_index_verify(&t->index), ERR_CORRUPT);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(time_index_append__not_larger__is_left_out),
        CASE(time_index_lookup__gives_the_last_one_that_is_older),
        CASE(time_index_entry__bytes__are_kafkas),
        CASE(time_index_truncate__by_offset__forgets_from_there),
        CASE(time_index_load__what_cannot_be_true__is_corrupt),
        CASE(time_index_verify__order_broken__is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
