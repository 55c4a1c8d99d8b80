/* The bound on open files and mappings, and what may not be closed under its user. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "handle.h"
#include "lib/handle_fixture.h"

enum { FILES = 4, MAPPINGS = 2, HANDLES = 8 };

struct test {
    struct handle_fixture *f;
    struct handle handles[HANDLES];
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    t->f = handle_fixture_new(FILES, MAPPINGS);
    for (int i = 0; i < HANDLES; i++) {
        handle_init(&t->handles[i], t->f->cache, (struct file_name){t->f->dir.path, i, ".log"});
    }
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    for (int i = 0; i < HANDLES; i++) handle_release(&t->handles[i]);
    handle_fixture_free(t->f);
    free(t);
    return 0;
}

static struct slice_file *open_one(struct test *t, int i)
{
    struct slice_file *file;
    assert_int_equal(handle_open(&t->handles[i], OS_WRITE | OS_CREATE, &file), OK);
    return file;
}

static int files_open(const struct test *t) { return handle_cache_stats(t->f->cache).files_open; }

static void handle_open__missing_file__not_found(void **state)
{
    struct test *t = *state;
    struct slice_file *file;
    assert_int_equal(handle_open(&t->handles[0], OS_READ, &file), ERR_NOT_FOUND);
    assert_int_equal(files_open(t), 0);
}

static void handle_open__name__is_twenty_digits(void **state)
{
    struct test *t = *state;
    slice_file_unref(open_one(t, 7));
    assert_int_equal(handle_fixture_size(t->f, "00000000000000000007.log"), 0);
}

static void handle_open__more_than_the_bound__least_recent_is_closed(void **state)
{
    struct test *t = *state;
    for (int i = 0; i < FILES; i++) slice_file_unref(open_one(t, i));
    assert_int_equal(files_open(t), FILES);
    slice_file_unref(handle_pin(&t->handles[0], OS_READ)); /* used again: no longer the oldest */
    slice_file_unref(open_one(t, FILES));
    assert_int_equal(files_open(t), FILES);
    struct slice_file *first = handle_pin(&t->handles[0], OS_READ);
    assert_non_null(first);
    slice_file_unref(first);
    assert_null(handle_pin(&t->handles[1], OS_READ));
}

static void handle_open__all_pinned__passes_the_bound_until_given_back(void **state)
{
    struct test *t = *state;
    struct slice_file *pins[HANDLES];
    for (int i = 0; i < HANDLES; i++) pins[i] = open_one(t, i);
    assert_int_equal(files_open(t), HANDLES);
    for (int i = 0; i < HANDLES; i++) {
        assert_true(handle_is_pinned(&t->handles[i]));
        char byte = 'x';
        assert_int_equal(pwrite(pins[i]->fd, &byte, 1, 0), 1); /* nobody closed it */
        slice_file_unref(pins[i]);
        assert_false(handle_is_pinned(&t->handles[i]));
    }
    struct slice_file *again = open_one(t, 0);
    slice_file_unref(again);
    assert_true(files_open(t) <= HANDLES);
    handle_release(&t->handles[7]);
    slice_file_unref(open_one(t, 1));
}

static void handle_release__pinned__descriptor_lives_on(void **state)
{
    struct test *t = *state;
    struct slice_file *file = open_one(t, 0);
    char byte = 'a', back = 0;
    assert_int_equal(pwrite(file->fd, &byte, 1, 0), 1);
    handle_release(&t->handles[0]);
    assert_int_equal(files_open(t), 1);
    assert_int_equal(pread(file->fd, &back, 1, 0), 1);
    assert_int_equal(back, 'a');
    slice_file_unref(file);
    assert_int_equal(files_open(t), 0);
}

static void handle_pin__open_for_reading__does_not_do_for_writing(void **state)
{
    struct test *t = *state;
    handle_fixture_write(t->f, "00000000000000000000.log", "x", 1, true);
    struct slice_file *reading, *writing;
    assert_int_equal(handle_open(&t->handles[0], OS_READ, &reading), OK);
    assert_null(handle_pin(&t->handles[0], OS_WRITE));
    assert_int_equal(handle_open(&t->handles[0], OS_WRITE, &writing), OK);
    assert_ptr_not_equal(reading, writing);
    slice_file_unref(reading);
    slice_file_unref(writing);
    assert_int_equal(files_open(t), 1);
}

static void handle_open__no_descriptor_left__room_is_made(void **state)
{
    struct test *t = *state;
    slice_file_unref(open_one(t, 0));
    fault_os_reset(
        &t->f->faults,
        &(struct fault_plan){.nth = 1, .calls = OS_CALL_BIT(OS_CALL_OPEN), .errnum = EMFILE});
    slice_file_unref(open_one(t, 1));
    assert_int_equal(t->f->faults.failed, 1);
    assert_null(handle_pin(&t->handles[0], OS_READ));
}

static void handle_open__no_descriptor_and_nothing_to_close__is_limit(void **state)
{
    struct test *t = *state;
    struct slice_file *pin = open_one(t, 0), *other;
    fault_os_reset(&t->f->faults, &(struct fault_plan){.nth = 1,
                                                       .calls = OS_CALL_BIT(OS_CALL_OPEN),
                                                       .errnum = EMFILE,
                                                       .is_sticky = true});
    assert_int_equal(handle_open(&t->handles[1], OS_WRITE | OS_CREATE, &other), ERR_LIMIT);
    slice_file_unref(pin);
}

static void handle_map__file_grows__longer_mapping_replaces_the_old_one(void **state)
{
    struct test *t = *state;
    struct mapping *first, *second;
    handle_fixture_write(t->f, "00000000000000000000.log", "abcdefgh", 8, true);
    assert_int_equal(handle_map(&t->handles[0], 4, &first), OK);
    assert_int_equal(handle_map(&t->handles[0], 4, &second), OK);
    assert_ptr_equal(first, second);
    mapping_unpin(second);
    assert_int_equal(handle_map(&t->handles[0], 8, &second), OK);
    assert_ptr_not_equal(first, second);
    assert_memory_equal(first->data, "abcd", 4); /* stays as long as it is pinned */
    assert_memory_equal(second->data, "abcdefgh", 8);
    assert_int_equal(handle_cache_stats(t->f->cache).mappings_open, 2);
    mapping_unpin(first);
    assert_int_equal(handle_cache_stats(t->f->cache).mappings_open, 1);
    mapping_unpin(second);
}

static void handle_map__more_than_the_bound__unused_ones_go(void **state)
{
    struct test *t = *state;
    for (int i = 0; i < HANDLES; i++) {
        char name[40];
        struct mapping *m;
        snprintf(name, sizeof name, "%020d.log", i);
        handle_fixture_write(t->f, name, "x", 1, true);
        assert_int_equal(handle_map(&t->handles[i], 1, &m), OK);
        mapping_unpin(m);
        assert_true(handle_cache_stats(t->f->cache).mappings_open <= MAPPINGS);
    }
}

static void handle_map__mapping_fails__is_told_and_nothing_is_left(void **state)
{
    struct test *t = *state;
    struct mapping *m;
    handle_fixture_write(t->f, "00000000000000000000.log", "x", 1, true);
    fault_os_reset(
        &t->f->faults,
        &(struct fault_plan){.nth = 1, .calls = OS_CALL_BIT(OS_CALL_MAP), .errnum = ENOMEM});
    assert_int_equal(handle_map(&t->handles[0], 1, &m), ERR_NOMEM);
    assert_int_equal(handle_cache_stats(t->f->cache).mappings_open, 0);
}

static void handle_sync__missing_file__needs_none(void **state)
{
    struct test *t = *state;
    assert_int_equal(handle_sync(&t->handles[0]), OK);
}

static void handle_sync__any_failure__is_io(void **state)
{
    struct test *t = *state;
    slice_file_unref(open_one(t, 0));
    fault_os_reset(
        &t->f->faults,
        &(struct fault_plan){.nth = 1, .calls = OS_CALL_BIT(OS_CALL_FDATASYNC), .errnum = ENOSPC});
    assert_int_equal(handle_sync(&t->handles[0]), ERR_IO);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(handle_open__missing_file__not_found),
        CASE(handle_open__name__is_twenty_digits),
        CASE(handle_open__more_than_the_bound__least_recent_is_closed),
        CASE(handle_open__all_pinned__passes_the_bound_until_given_back),
        CASE(handle_release__pinned__descriptor_lives_on),
        CASE(handle_pin__open_for_reading__does_not_do_for_writing),
        CASE(handle_open__no_descriptor_left__room_is_made),
        CASE(handle_open__no_descriptor_and_nothing_to_close__is_limit),
        CASE(handle_map__file_grows__longer_mapping_replaces_the_old_one),
        CASE(handle_map__more_than_the_bound__unused_ones_go),
        CASE(handle_map__mapping_fails__is_told_and_nothing_is_left),
        CASE(handle_sync__missing_file__needs_none),
        CASE(handle_sync__any_failure__is_io),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
