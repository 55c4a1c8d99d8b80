/* checkpoint: the map, the text, and the file that is replaced or stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "lib/fault_os.h"
#include "lib/temp_dir.h"
#include "storage/checkpoint.h"

struct fixture {
    struct temp_dir dir;
    char path[256];
    struct checkpoint cp;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    temp_dir_make(&f->dir);
    snprintf(f->path, sizeof f->path, "%s/some-checkpoint", f->dir.path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    checkpoint_release(&f->cp);
    temp_dir_remove(&f->dir);
    free(f);
    return 0;
}

static char last_line[512];
static void keep_line(void *arg, enum diag_level level, const char *line)
{
    (void)arg;
    (void)level;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static koffset_t get(const struct checkpoint *cp, const char *topic, int32_t partition)
{
    koffset_t offset = -7;
    return checkpoint_get(cp, topic, partition, &offset) ? offset : -7;
}

static void set__get__remove(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(get(&f->cp, "orders", 0), -7);
    assert_int_equal(checkpoint_set(&f->cp, "orders", 0, 5), OK);
    assert_int_equal(checkpoint_set(&f->cp, "orders", 1, 6), OK);
    assert_int_equal(checkpoint_set(&f->cp, "orders", 0, INT64_MAX), OK);
    assert_int_equal(checkpoint_count(&f->cp), 2);
    assert_true(get(&f->cp, "orders", 0) == INT64_MAX);
    checkpoint_remove(&f->cp, "orders", 0);
    checkpoint_remove(&f->cp, "orders", 17);
    assert_int_equal(get(&f->cp, "orders", 0), -7);
    assert_int_equal(get(&f->cp, "orders", 1), 6);
    assert_int_equal(checkpoint_count(&f->cp), 1);
}

static void set__what_no_line_can_hold__is_refused(void **state)
{
    struct fixture *f = *state;
    char longest[251];
    memset(longest, 't', sizeof longest);
    longest[250] = 0;
    assert_int_equal(checkpoint_set(&f->cp, longest, 0, 0), ERR_INVALID);
    assert_int_equal(checkpoint_set(&f->cp, "a b", 0, 0), ERR_INVALID);
    assert_int_equal(checkpoint_set(&f->cp, "a\nb", 0, 0), ERR_INVALID);
    assert_int_equal(checkpoint_set(&f->cp, "", 0, 0), ERR_INVALID);
    assert_int_equal(checkpoint_set(&f->cp, "a", -1, 0), ERR_INVALID);
    assert_int_equal(checkpoint_set(&f->cp, "a", 0, -1), ERR_INVALID);
    longest[249] = 0;
    assert_int_equal(checkpoint_set(&f->cp, longest, INT32_MAX, 3), OK);
    assert_int_equal(get(&f->cp, longest, INT32_MAX), 3);
}

static void encode__is_kafkas_text(void **state)
{
    struct fixture *f = *state;
    struct buf out = {0};
    assert_int_equal(checkpoint_set(&f->cp, "a.b-c_d", 12, 345), OK);
    assert_int_equal(checkpoint_set(&f->cp, "__consumer_offsets", 0, 0), OK);
    assert_int_equal(checkpoint_encode(&f->cp, &out), OK);
    assert_true(
        view_eq(buf_view(&out), view_str("0\n2\na.b-c_d 12 345\n__consumer_offsets 0 0\n")));
    buf_release(&out);
}

static void decode__malformed__is_corrupt_and_empty(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "0\n",
        "1\n0\n",
        "0\n1\n",
        "0\n1\na 0\n",
        "0\n1\na 0 1 2\n",
        "0\n1\n a 0 1\n",
        "0\n1\na  1\n",
        "0\n1\na x 1\n",
        "0\n1\na 0 -1\n",
        "0\n1\na -1 0\n",
        "0\n0\na 0 1\n",
        "0\n1\na 0 1\nb 0 1\n",
        "0\n1\na 2147483648 1\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(checkpoint_set(&f->cp, "old", 0, 1), OK);
        assert_int_equal(checkpoint_decode(&f->cp, view_str(bad[i])), ERR_CORRUPT);
        assert_int_equal(checkpoint_count(&f->cp), 0);
    }
    char name[300] = "0\n1\n";
    memset(name + 4, 't', 250);
    memcpy(name + 254, " 0 1\n", 6);
    assert_int_equal(checkpoint_decode(&f->cp, view_str(name)), ERR_CORRUPT);
    assert_int_equal(checkpoint_decode(&f->cp, view_of("0\n1\na\0b 0 1\n", 12)), ERR_CORRUPT);
    assert_int_equal(checkpoint_decode(&f->cp, view_str("0\n1\na 0 1\n\n")), OK);
    assert_int_equal(get(&f->cp, "a", 0), 1);
    assert_int_equal(checkpoint_decode(&f->cp, view_str("")), OK); /* Apache Kafka leaves such */
    assert_int_equal(checkpoint_count(&f->cp), 0);
}

static void load__missing_file__is_empty(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(checkpoint_set(&f->cp, "old", 0, 1), OK);
    assert_int_equal(checkpoint_load(&f->cp, os_real(), f->path), OK);
    assert_int_equal(checkpoint_count(&f->cp), 0);
}

static void load__corrupt_file__names_file_and_line(void **state)
{
    struct fixture *f = *state;
    const char *text = "0\n2\norders 0 1\norders one 1\n";
    char expected[300];
    assert_int_equal(os_replace_file(os_real(), f->path, text, strlen(text)), OK);
    diag_set_sink(keep_line, NULL);
    assert_int_equal(checkpoint_load(&f->cp, os_real(), f->path), ERR_CORRUPT);
    diag_set_sink(NULL, NULL);
    snprintf(expected, sizeof expected, "file=%s line=4", f->path);
    assert_non_null(strstr(last_line, expected));
}

static void store__load__gives_the_same(void **state)
{
    struct fixture *f = *state;
    struct checkpoint read = {0};
    char topic[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(topic, sizeof topic, "topic-%d", i % 10);
        assert_int_equal(checkpoint_set(&f->cp, topic, i, (koffset_t)i << 33), OK);
    }
    assert_int_equal(checkpoint_store(&f->cp, os_real(), f->path), OK);
    assert_int_equal(checkpoint_load(&read, os_real(), f->path), OK);
    assert_int_equal(checkpoint_count(&read), 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(topic, sizeof topic, "topic-%d", i % 10);
        assert_true(get(&read, topic, i) == (koffset_t)i << 33);
    }
    checkpoint_release(&read);
}

static void store__any_call_fails__old_or_new_file_is_there(void **state)
{
    struct fixture *f = *state;
    struct fault_os faults;
    fault_os_init(&faults, os_real());
    assert_int_equal(checkpoint_set(&f->cp, "a", 0, 1), OK);
    assert_int_equal(checkpoint_store(&f->cp, os_real(), f->path), OK);
    assert_int_equal(checkpoint_set(&f->cp, "a", 0, 2), OK);
    uint64_t n = 1;
    for (;; n++) {
        struct checkpoint read = {0};
        fault_os_reset(&faults, &(struct fault_plan){.nth = n, .errnum = EIO, .is_torn = true});
        err_t err = checkpoint_store(&f->cp, &faults.os, f->path);
        assert_int_equal(err, faults.failed ? ERR_IO : OK);
        assert_int_equal(checkpoint_load(&read, os_real(), f->path), OK);
        koffset_t seen = get(&read, "a", 0);
        assert_true(seen == 2 || (err != OK && seen == 1));
        checkpoint_release(&read);
        if (!faults.failed) break;
    }
    assert_true(n > 5); /* open, write, fsync, close, rename, sync_dir */
    fault_os_destroy(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(set__get__remove, setup, teardown),
        cmocka_unit_test_setup_teardown(set__what_no_line_can_hold__is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(encode__is_kafkas_text, setup, teardown),
        cmocka_unit_test_setup_teardown(decode__malformed__is_corrupt_and_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(load__missing_file__is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(load__corrupt_file__names_file_and_line, setup, teardown),
        cmocka_unit_test_setup_teardown(store__load__gives_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(store__any_call_fails__old_or_new_file_is_there, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
