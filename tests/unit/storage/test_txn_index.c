/* Aborted transactions: a file only when there is one, and nothing that only looks like one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/handle_fixture.h"
#include "txn_index.h"

enum { BASE = 0 };
static const char file_name[] = "00000000000000000000.txnindex";

struct test {
    struct handle_fixture *f;
    struct txn_index index;
};

static void reinit(struct test *t)
{
    txn_index_release(&t->index);
    txn_index_init(&t->index, t->f->cache, t->f->dir.path, BASE);
}

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    t->f = handle_fixture_new(4, 4);
    reinit(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    txn_index_release(&t->index);
    handle_fixture_free(t->f);
    free(t);
    return 0;
}

/* Transaction i: producer 7 + i, offsets 10 i to 10 i + 5. */
static void add(struct test *t, int from, int to)
{
    for (int i = from; i < to; i++) {
        struct txn_entry e = {7 + i, 10 * i, 10 * i + 5, 10 * i + 6};
        assert_int_equal(txn_index_append(&t->index, &e), OK);
    }
}

struct seen {
    int count, stop_after;
};
static bool see(void *arg, const struct txn_entry *e)
{
    struct seen *seen = arg;
    int i = seen->count++;
    assert_int_equal(e->producer_id, 7 + i);
    assert_int_equal(e->first_offset, 10 * i);
    assert_int_equal(e->last_offset, 10 * i + 5);
    assert_int_equal(e->last_stable_offset, 10 * i + 6);
    return seen->count != seen->stop_after;
}

static void check(struct test *t, int count)
{
    struct seen seen = {0, -1};
    assert_int_equal(txn_index_each(&t->index, see, &seen), OK);
    assert_int_equal(seen.count, count);
    assert_int_equal(t->index.last_offset, count ? 10 * (count - 1) + 5 : -1);
}

static void txn_index_append__first__makes_the_file(void **state)
{
    struct test *t = *state;
    assert_int_equal(handle_fixture_size(t->f, file_name), -1);
    check(t, 0);
    add(t, 0, 1);
    assert_int_equal(handle_fixture_size(t->f, file_name), 34);
}

static void txn_index_load__many__all_are_there(void **state)
{
    struct test *t = *state;
    add(t, 0, 300);
    reinit(t);
    assert_int_equal(txn_index_load(&t->index), OK);
    check(t, 300);
    add(t, 300, 310);
    check(t, 310);
}

static void txn_index_each__told_to_stop__stops(void **state)
{
    struct test *t = *state;
    struct seen seen = {0, 3};
    add(t, 0, 10);
    assert_int_equal(txn_index_each(&t->index, see, &seen), OK);
    assert_int_equal(seen.count, 3);
}

static void txn_index_truncate__by_marker__forgets_from_there(void **state)
{
    struct test *t = *state;
    add(t, 0, 10);
    assert_int_equal(txn_index_truncate(&t->index, 1000), OK);
    check(t, 10);
    assert_int_equal(txn_index_truncate(&t->index, 46), OK); /* marker 4 is at 45 */
    check(t, 5);
    assert_int_equal(txn_index_truncate(&t->index, 45), OK);
    check(t, 4);
    assert_int_equal(handle_fixture_size(t->f, file_name), 4 * 34);
}

static void txn_index_load__zeros_or_half_an_entry__is_corrupt(void **state)
{
    struct test *t = *state;
    static const uint8_t zeros[68];
    handle_fixture_write(t->f, file_name, zeros, 34, true);
    assert_int_equal(txn_index_load(&t->index), ERR_CORRUPT);
    handle_fixture_write(t->f, file_name, zeros, 40, true);
    reinit(t);
    assert_int_equal(txn_index_load(&t->index), ERR_CORRUPT);
}

static void txn_index_load__newer_version__is_refused(void **state)
{
    struct test *t = *state;
    uint8_t entry[34] = {0, 1};
    handle_fixture_write(t->f, file_name, entry, sizeof entry, true);
    assert_int_equal(txn_index_load(&t->index), ERR_UNSUPPORTED);
}

static void txn_index_rebuild__until_the_end__old_file_stays(void **state)
{
    struct test *t = *state;
    static const uint8_t garbage[34] = {9, 9, 9};
    handle_fixture_write(t->f, file_name, garbage, sizeof garbage, true);
    txn_index_rebuild(&t->index);
    add(t, 0, 3);
    assert_int_equal(handle_fixture_size(t->f, file_name), 34);
    assert_int_equal(txn_index_rebuild_end(&t->index), OK);
    assert_int_equal(handle_fixture_size(t->f, file_name), 3 * 34);
    check(t, 3);
    add(t, 3, 5);
    check(t, 5);
}

static void txn_index_append__disk_full__counts_nothing_and_may_be_tried_again(void **state)
{
    struct test *t = *state;
    add(t, 0, 2);
    fault_os_reset(&t->f->faults, &(struct fault_plan){.nth = 1,
                                                       .calls = OS_CALL_BIT(OS_CALL_PWRITE),
                                                       .errnum = ENOSPC,
                                                       .is_torn = true});
    struct txn_entry e = {9, 20, 25, 26};
    assert_int_equal(txn_index_append(&t->index, &e), ERR_NOSPACE);
    check(t, 2);
    add(t, 2, 3);
    check(t, 3);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(txn_index_append__first__makes_the_file),
        CASE(txn_index_load__many__all_are_there),
        CASE(txn_index_each__told_to_stop__stops),
        CASE(txn_index_truncate__by_marker__forgets_from_there),
        CASE(txn_index_load__zeros_or_half_an_entry__is_corrupt),
        CASE(txn_index_load__newer_version__is_refused),
        CASE(txn_index_rebuild__until_the_end__old_file_stays),
        CASE(txn_index_append__disk_full__counts_nothing_and_may_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
