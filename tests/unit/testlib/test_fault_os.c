/* fault_os and temp_dir: the n-th call fails, the others do not, nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "lib/fault_os.h"
#include "lib/temp_dir.h"

static struct temp_dir dir;
static struct fault_os faults;
static char path[200];

static int setup(void **state)
{
    (void)state;
    temp_dir_make(&dir);
    snprintf(path, sizeof path, "%s/file", dir.path);
    fault_os_init(&faults, os_real());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fault_os_destroy(&faults);
    temp_dir_remove(&dir);
    return 0;
}

static void reset__without_a_plan__passes_everything_on(void **state)
{
    (void)state;
    struct buf read = {0};
    assert_int_equal(os_replace_file(&faults.os, path, "hello", 5), OK);
    assert_int_equal(os_read_file(&faults.os, path, 100, &read), OK);
    assert_string_equal((char *)read.data, "hello");
    assert_true(faults.counted > 8);
    assert_int_equal(faults.failed, 0);
    buf_release(&read);
}

static void plan__nth_of_all__each_call_fails_once_until_it_passes(void **state)
{
    (void)state;
    unsigned seen = 0;
    uint64_t n = 1;
    for (;; n++) {
        fault_os_reset(&faults, &(struct fault_plan){.nth = n, .errnum = ENOSPC});
        err_t err = os_replace_file(&faults.os, path, "hello", 5);
        assert_int_equal(err, faults.failed ? ERR_NOSPACE : OK);
        if (!faults.failed) break;
        assert_int_equal(faults.failed, 1);
        seen |= OS_CALL_BIT(faults.last_failed);
    }
    assert_int_equal(seen, OS_CALL_BIT(OS_CALL_OPEN) | OS_CALL_BIT(OS_CALL_PWRITE) |
                               OS_CALL_BIT(OS_CALL_FSYNC) | OS_CALL_BIT(OS_CALL_CLOSE) |
                               OS_CALL_BIT(OS_CALL_RENAME) | OS_CALL_BIT(OS_CALL_SYNC_DIR));
    assert_int_equal(n, faults.counted + 1);
}

static void plan__mask_and_sticky__other_calls_pass(void **state)
{
    (void)state;
    struct os_stat st;
    fault_os_reset(&faults, &(struct fault_plan){.nth = 2,
                                                 .calls = OS_CALL_BIT(OS_CALL_STAT),
                                                 .errnum = EIO,
                                                 .is_sticky = true});
    assert_int_equal(faults.os.stat(&faults.os, dir.path, &st), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(faults.os.stat(&faults.os, dir.path, &st), -EIO);
    assert_int_equal(faults.os.mkdir(&faults.os, path), 0);
    assert_int_equal(faults.failed, 3);
    assert_int_equal(faults.counted, 4);
}

static void plan__torn_write__leaves_the_first_half(void **state)
{
    (void)state;
    struct os_stat st;
    int fd = faults.os.open(&faults.os, path, OS_WRITE | OS_CREATE);
    struct iovec iov[2] = {{(char *)"abcd", 4}, {(char *)"efgh", 4}};
    fault_os_reset(&faults, &(struct fault_plan){.nth = 1, .errnum = EIO, .is_torn = true});
    assert_int_equal(faults.os.pwritev(&faults.os, fd, iov, 2, 0), -EIO);
    assert_int_equal(faults.os.fstat(&faults.os, fd, &st), 0);
    assert_int_equal(st.size_bytes, 2);
    fault_os_reset(&faults, &(struct fault_plan){.nth = 1, .errnum = EIO});
    assert_int_equal(faults.os.pwrite(&faults.os, fd, "abcdefgh", 8, 2), -EIO);
    assert_int_equal(faults.os.fstat(&faults.os, fd, &st), 0);
    assert_int_equal(st.size_bytes, 2);
    fault_os_reset(&faults, &(struct fault_plan){.nth = 1, .errnum = EIO});
    assert_int_equal(faults.os.close(&faults.os, fd), -EIO);
    assert_int_equal(faults.os.close(&faults.os, fd), -EBADF); /* it was closed */
}

static void temp_dir__with_contents__goes_whole(void **state)
{
    (void)state;
    struct temp_dir other;
    char deep[400];
    temp_dir_make(&other);
    assert_string_not_equal(other.path, dir.path);
    snprintf(deep, sizeof deep, "%s/a/b/c", other.path);
    assert_int_equal(os_make_dirs(os_real(), deep), OK);
    snprintf(deep, sizeof deep, "%s/a/file", other.path);
    assert_int_equal(os_replace_file(os_real(), deep, "x", 1), OK);
    char gone[sizeof other.path];
    memcpy(gone, other.path, sizeof gone);
    temp_dir_remove(&other);
    assert_int_not_equal(access(gone, F_OK), 0);
    temp_dir_remove(&other); /* a second time: nothing */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reset__without_a_plan__passes_everything_on),
        CASE(plan__nth_of_all__each_call_fails_once_until_it_passes),
        CASE(plan__mask_and_sticky__other_calls_pass),
        CASE(plan__torn_write__leaves_the_first_half),
        CASE(temp_dir__with_contents__goes_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
