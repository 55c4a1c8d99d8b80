/* The file behind slices is released once, by the last one. */
#include "cmocka_base.h"

#include <pthread.h>

#include "base/slice.h"

static _Atomic int releases;

static void note_release(struct slice_file *file)
{
    assert_int_equal(atomic_load(&file->refs), 0);
    releases++;
}

static void slice_release__last_reference__released_once(void **state)
{
    (void)state;
    struct slice_file file = {.refs = 1, .fd = -1, .release = note_release};
    struct slice a = {.file = &file, .len = 10}, b = a;
    releases = 0;
    slice_file_ref(&file);
    slice_release(&a);
    assert_int_equal(releases, 0);
    assert_null(a.file);
    assert_int_equal(a.len, 0);
    slice_release(&a); /* an empty slice */
    slice_release(&b);
    assert_int_equal(releases, 1);
}

static void *ref_and_unref(void *arg)
{
    struct slice_file *file = arg;
    for (int i = 0; i < 10000; i++) {
        slice_file_ref(file);
        slice_file_unref(file);
    }
    slice_file_unref(file);
    return NULL;
}

static void slice_file_unref__several_threads__released_once(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    struct slice_file file = {.refs = THREADS, .fd = -1, .release = note_release};
    pthread_t threads[THREADS];
    releases = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, &file), 0);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(releases, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slice_release__last_reference__released_once),
        cmocka_unit_test(slice_file_unref__several_threads__released_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
