/* What is in the page cache, on a file system that has a disk below it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "residency.h"

enum { SIZE = 4 << 20 };

static int fd;

static int make_file(void **state)
{
    (void)state;
    char path[] = "/tmp/stele-residency-XXXXXX";
    uint8_t block[4096];
    fd = mkstemp(path);
    unlink(path);
    for (size_t at = 0; at < SIZE; at += sizeof block) {
        memset(block, (int)(at >> 12) % 251, sizeof block);
        if (write(fd, block, sizeof block) != sizeof block) return -1;
    }
    return fdatasync(fd);
}

static int close_file(void **state)
{
    (void)state;
    return close(fd);
}

/* Skips the test where the file cannot leave memory. */
static void evict(void)
{
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (residency_check(fd, 0, SIZE / 2) || residency_check(fd, SIZE / 2, SIZE / 2)) skip();
}

static void check__just_written__is_resident(void **state)
{
    (void)state;
    assert_true(residency_check(fd, 0, SIZE));
    assert_true(residency_check(fd, 12345, 1));
    assert_true(residency_check(fd, 0, 0));
    uint8_t data[10000];
    assert_int_equal(residency_read(fd, data, sizeof data, 4096), sizeof data);
    assert_int_equal(data[0], 1);
}

static void check__evicted__is_not_resident_until_fetched(void **state)
{
    (void)state;
    evict();
    uint8_t data[10000];
    ssize_t n = residency_read(fd, data, sizeof data, 4096);
    assert_true(n == -EAGAIN || n > 0); /* asking starts the read, which may be quick */
    assert_int_equal(residency_fetch(fd, 0, SIZE, 0, NULL), SIZE);
    assert_true(residency_check(fd, 0, SIZE));
    assert_int_equal(residency_read(fd, data, sizeof data, 4096), sizeof data);
}

static void check__partly_evicted__is_not_resident(void **state)
{
    (void)state;
    evict();
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* no read-ahead: one page only */
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, SIZE / 2), 1);
    assert_true(residency_check(fd, SIZE / 2, 1));
    assert_false(residency_check(fd, 0, SIZE));
    assert_false(residency_check(fd, SIZE / 2, SIZE / 2));
    posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
}

static void fetch__into_memory__reads_the_bytes(void **state)
{
    (void)state;
    evict();
    uint8_t *data = malloc(SIZE);
    assert_int_equal(residency_fetch(fd, 4096, SIZE - 4096, 0, data), SIZE - 4096);
    for (size_t i = 0; i < SIZE - 4096; i += 512) {
        assert_int_equal(data[i], ((i + 4096) >> 12) % 251);
    }
    free(data);
}

static void fetch__beyond_the_end__stops_there(void **state)
{
    (void)state;
    assert_int_equal(residency_fetch(fd, SIZE - 100, 1000, 0, NULL), 100);
    assert_int_equal(residency_fetch(fd, 2 * SIZE, 1000, 0, NULL), 0);
    assert_int_equal(residency_fetch(-1, 0, 1000, 0, NULL), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check__just_written__is_resident, make_file, close_file),
        cmocka_unit_test_setup_teardown(check__evicted__is_not_resident_until_fetched, make_file,
                                        close_file),
        cmocka_unit_test_setup_teardown(check__partly_evicted__is_not_resident, make_file,
                                        close_file),
        cmocka_unit_test_setup_teardown(fetch__into_memory__reads_the_bytes, make_file, close_file),
        cmocka_unit_test_setup_teardown(fetch__beyond_the_end__stops_there, make_file, close_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
