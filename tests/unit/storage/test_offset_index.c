/* Entries in memory and in the file, look-ups over both, and what a damaged file looks like. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/handle_fixture.h"
#include "offset_index.h"

enum { BASE = 1000, MANY = 500 };
static const char file_name[] = "00000000000000001000.index";

struct test {
    struct handle_fixture *f;
    struct offset_index index;
};

static void reinit(struct test *t)
{
    offset_index_release(&t->index);
    offset_index_init(&t->index, t->f->cache, t->f->dir.path, BASE);
}

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    t->f = handle_fixture_new(4, 4);
    reinit(t);
    *state = t;
    return offset_index_create(&t->index) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct test *t = *state;
    offset_index_release(&t->index);
    handle_fixture_free(t->f);
    free(t);
    return 0;
}

/* Entry i (from 0): offset 1009 + 10 i, position 4100 + 4100 i. Written when due, as a segment
 * does. */
static void add(struct test *t, int from, int to)
{
    for (int i = from; i < to; i++) {
        assert_int_equal(offset_index_append(&t->index, BASE + 9 + 10 * i, 4100 + 4100 * i), OK);
        if (index_file_is_due(&t->index.file)) assert_int_equal(offset_index_write(&t->index), OK);
    }
}

/* Looks up everything there is, and between. */
static void check_all(struct test *t, int count)
{
    struct offset_entry e;
    assert_int_equal(offset_index_count(&t->index), count);
    assert_int_equal(offset_index_lookup(&t->index, BASE + 8, &e), OK);
    assert_int_equal(e.position, 0);
    for (int i = 0; i < count; i++) {
        for (koffset_t o = BASE + 9 + 10 * i; o < BASE + 19 + 10 * i; o += 9) {
            assert_int_equal(offset_index_lookup(&t->index, o, &e), OK);
            assert_int_equal(e.offset, BASE + 9 + 10 * i);
            assert_int_equal(e.position, 4100 + 4100 * i);
        }
        koffset_t previous;
        assert_int_equal(
            offset_index_lookup_position(&t->index, 4100 + 4100 * i + 4099, &e, &previous), OK);
        assert_int_equal(e.position, 4100 + 4100 * i);
        assert_int_equal(previous, i ? BASE + 9 + 10 * (i - 1) : BASE - 1);
    }
}

static void offset_index_lookup__in_memory_and_in_file__finds_all(void **state)
{
    struct test *t = *state;
    const int sizes[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, 200, MANY};
    int have = 0;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        add(t, have, sizes[i]);
        have = sizes[i];
        check_all(t, have);
    }
}

static void offset_index_append__few__touch_no_file(void **state)
{
    struct test *t = *state;
    fault_os_reset(&t->f->faults, NULL);
    add(t, 0, 63);
    check_all(t, 63);
    assert_int_equal(t->f->faults.counted, 0);
    assert_int_equal(handle_fixture_size(t->f, file_name), 0);
}

static void offset_index_load__written_before__finds_all(void **state)
{
    struct test *t = *state;
    add(t, 0, 300);
    assert_int_equal(offset_index_write(&t->index), OK);
    assert_int_equal(handle_fixture_size(t->f, file_name), 300 * 8);
    reinit(t);
    assert_int_equal(offset_index_load(&t->index, 2000000), OK);
    assert_int_equal(offset_index_verify(&t->index), OK);
    check_all(t, 300);
    add(t, 300, 400); /* and goes on */
    check_all(t, 400);
}

static void offset_index_entry__bytes__are_kafkas(void **state)
{
    struct test *t = *state;
    uint8_t expected[] = {0, 0, 0, 9, 0, 0, 0x10, 0x04}, bytes[8];
    add(t, 0, 1);
    assert_int_equal(index_file_get(&t->index.file, 0, bytes), OK);
    assert_memory_equal(bytes, expected, 8);
}

static void offset_index_load__what_cannot_be_true__is_corrupt(void **state)
{
    struct test *t = *state;
    const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\0\0\0\1\0\0\0", 7},                    /* not a whole entry */
        {"\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0", 16}, /* zeros behind */
        {"\0\0\0\1\0\0\4\1", 8},                  /* beyond the end of the log */
        {"\0\0\0\1\200\0\0\1", 8},                /* negative position */
        {"\200\0\0\1\0\0\0\1", 8},                /* offset below the base */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        handle_fixture_write(t->f, file_name, bad[i].bytes, bad[i].len, true);
        reinit(t);
        assert_int_equal(offset_index_load(&t->index, 1000), ERR_CORRUPT);
    }
}

static void offset_index_load__no_file__not_found(void **state)
{
    struct test *t = *state;
    char path[300];
    snprintf(path, sizeof path, "%s/%s", t->f->dir.path, file_name);
    assert_int_equal(os_real()->unlink(os_real(), path), 0);
    reinit(t);
    assert_int_equal(offset_index_load(&t->index, 1000), ERR_NOT_FOUND);
}

static void offset_index_verify__hole_in_the_middle__is_corrupt(void **state)
{
    struct test *t = *state;
    add(t, 0, 10);
    assert_int_equal(offset_index_write(&t->index), OK);
    handle_fixture_write(t->f, file_name, "\0\0\0\11\0\0\20\4\0\0\0\0\0\0\0\0", 16, false);
    reinit(t);
    assert_int_equal(offset_index_load(&t->index, 2000000), OK); /* only the ends are looked at */
    assert_int_equal(offset_index_verify(&t->index), ERR_CORRUPT);
}

static void offset_index_truncate__in_memory_or_file__forgets_from_there(void **state)
{
    struct test *t = *state;
    add(t, 0, MANY);
    for (int keep = MANY - 1; keep > 0; keep -= 41) {
        assert_int_equal(offset_index_truncate(&t->index, BASE + 9 + 10 * keep), OK);
        check_all(t, keep);
        assert_int_equal(t->index.last.offset, BASE + 9 + 10 * (keep - 1));
    }
    assert_int_equal(offset_index_truncate(&t->index, BASE), OK);
    check_all(t, 0);
    assert_int_equal(handle_fixture_size(t->f, file_name), 0);
    add(t, 0, 70);
    check_all(t, 70);
}

static void offset_index_truncate__nothing_above__touches_no_file(void **state)
{
    struct test *t = *state;
    add(t, 0, 10);
    fault_os_reset(&t->f->faults, NULL);
    assert_int_equal(offset_index_truncate(&t->index, BASE + 100), OK);
    assert_int_equal(t->f->faults.counted, 0);
}

static void offset_index_write__fails__nothing_is_lost(void **state)
{
    struct test *t = *state;
    add(t, 0, 50);
    fault_os_reset(&t->f->faults, &(struct fault_plan){.nth = 1,
                                                       .calls = OS_CALL_BIT(OS_CALL_PWRITE),
                                                       .errnum = ENOSPC,
                                                       .is_torn = true});
    assert_int_equal(offset_index_write(&t->index), ERR_NOSPACE);
    check_all(t, 50);
    assert_int_equal(offset_index_write(&t->index), OK);
    reinit(t);
    assert_int_equal(offset_index_load(&t->index, 2000000), OK);
    check_all(t, 50);
}

static void offset_index_append__never_written__is_limit_and_not_lost_silently(void **state)
{
    struct test *t = *state;
    int i = 0;
    err_t err;
    while ((err = offset_index_append(&t->index, BASE + 9 + 10 * i, 4100 + 4100 * i)) == OK) i++;
    assert_int_equal(err, ERR_LIMIT);
    assert_int_equal(i, 128);
    check_all(t, 128);
}

static void offset_index_lookup__file_cut_under_the_mapping__is_io(void **state)
{
    struct test *t = *state;
    add(t, 0, MANY);
    struct offset_entry e;
    assert_int_equal(offset_index_lookup(&t->index, BASE + 9, &e), OK); /* mapped now */
    handle_fixture_write(t->f, file_name, NULL, 0, true);
    assert_int_equal(offset_index_lookup(&t->index, BASE + 9, &e), ERR_IO);
}

static void offset_index_publish__rebuilt__takes_the_place_whole(void **state)
{
    struct test *t = *state;
    add(t, 0, 20);
    assert_int_equal(offset_index_write(&t->index), OK);
    assert_int_equal(offset_index_rebuild(&t->index), OK);
    add(t, 0, 5);
    assert_int_equal(handle_fixture_size(t->f, file_name), 20 * 8); /* still the old one */
    assert_int_equal(offset_index_publish(&t->index), OK);
    assert_int_equal(handle_fixture_size(t->f, file_name), 5 * 8);
    add(t, 5, 90);
    check_all(t, 90);
    assert_int_equal(offset_index_publish(&t->index), OK); /* nothing to do */
}

static void offset_index_load_below__part_of_another__is_trimmed_later(void **state)
{
    struct test *t = *state;
    struct offset_index part;
    add(t, 0, 200);
    assert_int_equal(offset_index_write(&t->index), OK);
    offset_index_init(&part, t->f->cache, t->f->dir.path, BASE);
    assert_int_equal(offset_index_load_below(&part, &t->index, BASE + 9 + 10 * 77), OK);
    assert_int_equal(offset_index_count(&part), 77);
    assert_int_equal(part.last.offset, BASE + 9 + 10 * 76);
    assert_int_equal(handle_fixture_size(t->f, file_name), 200 * 8);
    check_all(t, 200); /* the old one still works */
    assert_int_equal(offset_index_trim(&part), OK);
    assert_int_equal(handle_fixture_size(t->f, file_name), 77 * 8);
    offset_index_release(&part);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        /* First: cmocka puts a signal handler of its own around each case, the guard installs its
         * one once. */
        CASE(offset_index_lookup__file_cut_under_the_mapping__is_io),
        CASE(offset_index_lookup__in_memory_and_in_file__finds_all),
        CASE(offset_index_append__few__touch_no_file),
        CASE(offset_index_load__written_before__finds_all),
        CASE(offset_index_entry__bytes__are_kafkas),
        CASE(offset_index_load__what_cannot_be_true__is_corrupt),
        CASE(offset_index_load__no_file__not_found),
        CASE(offset_index_verify__hole_in_the_middle__is_corrupt),
        CASE(offset_index_truncate__in_memory_or_file__forgets_from_there),
        CASE(offset_index_truncate__nothing_above__touches_no_file),
        CASE(offset_index_write__fails__nothing_is_lost),
        CASE(offset_index_append__never_written__is_limit_and_not_lost_silently),
        CASE(offset_index_publish__rebuilt__takes_the_place_whole),
        CASE(offset_index_load_below__part_of_another__is_trimmed_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
