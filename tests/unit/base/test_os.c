/* The real door, in a temporary directory, and the whole-file helpers on top of it, under every
 * failure. */
#include "cmocka_base.h"

#include <errno.h>
#include <limits.h>

#include "base/buf.h"
#include "base/os.h"
#include "lib/fault_os.h"
#include "lib/temp_dir.h"

struct place {
    const struct os *os;
    struct temp_dir dir;
    char path[PATH_MAX]; /* of the file called by at() */
};

static int make(void **state)
{
    static struct place p;
    p = (struct place){.os = os_real()};
    temp_dir_make(&p.dir);
    *state = &p;
    return 0;
}

static int unmake(void **state)
{
    struct place *p = *state;
    temp_dir_remove(&p->dir);
    return 0;
}

static const char *at(struct place *p, const char *name)
{
    snprintf(p->path, sizeof p->path, "%s/%s", p->dir.path, name);
    return p->path;
}

static int create(struct place *p, const char *name, const char *text)
{
    int fd = p->os->open(p->os, at(p, name), OS_WRITE | OS_CREATE);
    assert_true(fd >= 0);
    if (text[0])
        assert_int_equal(p->os->pwrite(p->os, fd, text, strlen(text), 0), (int)strlen(text));
    return fd;
}

static void create_closed(struct place *p, const char *name, const char *text)
{
    assert_int_equal(p->os->close(p->os, create(p, name, text)), 0);
}

static int64_t size_of(struct place *p, const char *name)
{
    struct os_stat st;
    int r = p->os->stat(p->os, at(p, name), &st);
    return r < 0 ? r : st.size_bytes;
}

static void assert_contents(struct place *p, const char *name, const char *text)
{
    struct buf b = {0};
    assert_ok(os_read_file(p->os, at(p, name), 1 << 20, &b));
    assert_string_equal((char *)b.data, text);
    buf_release(&b);
}

/* ---- files ---- */

static void os_open__flags__as_promised(void **state)
{
    struct place *p = *state;
    const struct os *os = p->os;
    assert_int_equal(os->open(os, at(p, "f"), OS_READ), -ENOENT);
    assert_int_equal(os->open(os, at(p, "f"), OS_WRITE), -ENOENT);
    create_closed(p, "f", "text");
    assert_int_equal(os->open(os, at(p, "f"), OS_WRITE | OS_CREATE | OS_EXCLUSIVE), -EEXIST);
    int fd = os->open(os, at(p, "f"), OS_READ);
    assert_true(os->pwrite(os, fd, "x", 1, 0) < 0);
    os->close(os, fd);
    fd = os->open(os, at(p, "f"), OS_WRITE | OS_TRUNCATE);
    os->close(os, fd);
    assert_int_equal(size_of(p, "f"), 0);
}

static void os_pread__around_the_end__short_only_there(void **state)
{
    struct place *p = *state;
    const struct os *os = p->os;
    char bytes[8];
    int fd = create(p, "f", "0123456789");
    assert_int_equal(os->pread(os, fd, bytes, 8, 0), 8);
    assert_memory_equal(bytes, "01234567", 8);
    assert_int_equal(os->pread(os, fd, bytes, 8, 6), 4);
    assert_memory_equal(bytes, "6789", 4);
    assert_int_equal(os->pread(os, fd, bytes, 8, 10), 0);
    assert_int_equal(os->pread(os, fd, bytes, 8, 1000), 0);
    os->close(os, fd);
    assert_int_equal(os->pread(os, fd, bytes, 8, 0), -EBADF);
}

static void os_pwrite__beyond_the_end__hole_of_zeros(void **state)
{
    struct place *p = *state;
    const struct os *os = p->os;
    char bytes[6];
    int fd = create(p, "f", "ab");
    assert_int_equal(os->pwrite(os, fd, "yz", 2, 4), 2);
    assert_int_equal(os->pread(os, fd, bytes, 6, 0), 6);
    assert_memory_equal(bytes, "ab\0\0yz", 6);
    os->close(os, fd);
}

/* More pieces than the kernel takes in one call. */
static void os_pwritev__thousands_of_pieces__all_in_order(void **state)
{
    struct place *p = *state;
    const struct os *os = p->os;
    enum { PIECES = 2 * IOV_MAX + 10 };
    static uint16_t words[PIECES], back[PIECES];
    static struct iovec iov[PIECES];
    for (int i = 0; i < PIECES; i++) {
        words[i] = (uint16_t)i;
        iov[i] = (struct iovec){&words[i], sizeof words[i]};
    }
    int fd = create(p, "f", "xyz");
    assert_int_equal(os->pwritev(os, fd, iov, PIECES, 3), (int)sizeof words);
    assert_int_equal(os->pread(os, fd, back, sizeof back, 3), (int)sizeof back);
    assert_memory_equal(words, back, sizeof words);
    assert_int_equal(os->pwritev(os, fd, iov, 0, 0), 0);
    os->close(os, fd);
}

static void os_truncate_and_syncs__file__new_size(void **state)
{
    struct place *p = *state;
    const struct os *os = p->os;
    int fd = create(p, "f", "0123456789");
    assert_int_equal(os->truncate(os, fd, 4), 0);
    assert_int_equal(os->fdatasync(os, fd), 0);
    assert_int_equal(os->fsync(os, fd), 0);
    assert_int_equal(os->start_writeback(os, fd, 0, 4), 0);
    assert_int_equal(size_of(p, "f"), 4);
    os->close(os, fd);
    assert_int_equal(os->sync_dir(os, p->dir.path), 0);
}

static void os_reserve__file__size_unchanged(void **state)
{
    struct place *p = *state;
    const struct os *os = p->os;
    struct os_stat st;
    int fd = create(p, "f", "0123456789");
    int r = os->reserve(os, fd, 0, 1 << 20);
    assert_true(r == 0 || r == -EOPNOTSUPP);
    assert_int_equal(os->fstat(os, fd, &st), 0);
    assert_int_equal(st.size_bytes, 10);
    if (r == 0) assert_true(st.allocated_bytes >= 1 << 20);
    os->close(os, fd);
}

static void os_stat__file_and_directory__told_apart(void **state)
{
    struct place *p = *state;
    struct os_stat file, dir, open;
    int fd = create(p, "f", "abc");
    assert_int_equal(p->os->fstat(p->os, fd, &open), 0);
    assert_int_equal(p->os->stat(p->os, at(p, "f"), &file), 0);
    assert_int_equal(p->os->stat(p->os, p->dir.path, &dir), 0);
    assert_true(dir.is_dir && !file.is_dir);
    assert_int_equal(file.inode, open.inode);
    assert_int_equal(file.size_bytes, 3);
    assert_true(file.mtime_ms > INT64_C(1600000000000));
    assert_int_equal(p->os->stat(p->os, at(p, "none"), &file), -ENOENT);
    p->os->close(p->os, fd);
}

static void os_map__file__its_bytes(void **state)
{
    struct place *p = *state;
    int err = 0, fd = create(p, "f", "mapped bytes");
    void *bytes = p->os->map(p->os, fd, 12, &err);
    assert_non_null(bytes);
    p->os->close(p->os, fd); /* the mapping outlives the descriptor */
    assert_memory_equal(bytes, "mapped bytes", 12);
    p->os->unmap(p->os, bytes, 12);
    assert_null(p->os->map(p->os, fd, 12, &err));
    assert_int_equal(err, -EBADF);
}

static void os_lock__second_holder__busy_until_closed(void **state)
{
    struct place *p = *state;
    int first = create(p, "lock", ""), second = create(p, "lock", "");
    assert_int_equal(p->os->lock(p->os, first), 0);
    assert_int_equal(p->os->lock(p->os, second), -EBUSY);
    p->os->close(p->os, first);
    assert_int_equal(p->os->lock(p->os, second), 0);
    p->os->close(p->os, second);
}

static void os_space__directory__plausible(void **state)
{
    struct place *p = *state;
    struct os_space space;
    assert_int_equal(p->os->space(p->os, p->dir.path, &space), 0);
    assert_true(space.total_bytes > 0 && space.free_bytes >= 0);
    assert_true(space.free_bytes <= space.total_bytes);
    assert_int_equal(p->os->space(p->os, at(p, "none"), &space), -ENOENT);
}

/* ---- directories ---- */

static void count_name(void *arg, const char *name)
{
    int *count = arg;
    assert_true(name[0] == 'e' && name[2] == 0);
    (*count)++;
}

static void os_list__entries__without_dots(void **state)
{
    struct place *p = *state;
    int count = 0;
    assert_int_equal(p->os->mkdir(p->os, at(p, "e1")), 0);
    create_closed(p, "e2", "");
    create_closed(p, "e3", "");
    assert_int_equal(p->os->list(p->os, p->dir.path, count_name, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(p->os->list(p->os, at(p, "none"), count_name, &count), -ENOENT);
}

static void os_rename_unlink_rmdir__entries__gone(void **state)
{
    struct place *p = *state;
    const struct os *os = p->os;
    char to[PATH_MAX];
    create_closed(p, "a", "text");
    snprintf(to, sizeof to, "%s", at(p, "b"));
    assert_int_equal(os->rename(os, at(p, "a"), to), 0);
    assert_int_equal(size_of(p, "a"), -ENOENT);
    assert_int_equal(size_of(p, "b"), 4);
    assert_int_equal(os->unlink(os, at(p, "b")), 0);
    assert_int_equal(os->unlink(os, at(p, "b")), -ENOENT);
    assert_int_equal(os->mkdir(os, at(p, "d")), 0);
    assert_int_equal(os->mkdir(os, at(p, "d")), -EEXIST);
    create_closed(p, "d/f", "");
    assert_int_equal(os->rmdir(os, at(p, "d")), -ENOTEMPTY);
    assert_int_equal(os->unlink(os, at(p, "d/f")), 0);
    assert_int_equal(os->rmdir(os, at(p, "d")), 0);
}

/* ---- on top of the table ---- */

static void os_read_file__limits__kept(void **state)
{
    struct place *p = *state;
    struct buf b = {0};
    assert_err(os_read_file(p->os, at(p, "f"), 10, &b), ERR_NOT_FOUND);
    create_closed(p, "f", "0123456789");
    assert_err(os_read_file(p->os, at(p, "f"), 9, &b), ERR_LIMIT);
    assert_ok(os_read_file(p->os, at(p, "f"), 10, &b));
    assert_int_equal(b.len, 10);
    assert_int_equal(b.data[10], 0);
    create_closed(p, "g", "");
    assert_ok(os_read_file(p->os, at(p, "g"), 10, &b)); /* what was in b is gone */
    assert_int_equal(b.len, 0);
    assert_int_equal(b.data[0], 0);
    buf_release(&b);
}

static void os_replace_file__old_and_new__replaced(void **state)
{
    struct place *p = *state;
    assert_ok(os_replace_file(p->os, at(p, "f"), "first, longer", 13));
    assert_contents(p, "f", "first, longer");
    assert_ok(os_replace_file(p->os, at(p, "f"), "second", 6));
    assert_contents(p, "f", "second");
    assert_int_equal(size_of(p, "f.tmp"), -ENOENT);
    assert_err(os_replace_file(p->os, at(p, "none/f"), "x", 1), ERR_NOT_FOUND);
}

/* Whatever fails, the file is the old one or the new one. */
static void os_replace_file__every_call_fails_once__old_or_new(void **state)
{
    struct place *p = *state;
    struct fault_os faults;
    fault_os_init(&faults, p->os);
    uint64_t n = 1;
    for (;; n++) {
        assert_ok(os_replace_file(p->os, at(p, "f"), "old", 3));
        fault_os_reset(&faults, &(struct fault_plan){.nth = n, .errnum = EIO, .is_torn = true});
        err_t err = os_replace_file(&faults.os, at(p, "f"), "new", 3);
        if (!faults.failed) break;
        assert_err(err, ERR_IO);
        struct buf b = {0};
        assert_ok(os_read_file(p->os, at(p, "f"), 100, &b));
        assert_true(strcmp((char *)b.data, "old") == 0 || strcmp((char *)b.data, "new") == 0);
        buf_release(&b);
    }
    assert_true(n > 5); /* open, write, fsync, close, rename, sync of the directory */
    assert_contents(p, "f", "new");
}

static void os_make_dirs__nested__all_there(void **state)
{
    struct place *p = *state;
    struct os_stat st;
    assert_ok(os_make_dirs(p->os, at(p, "a/b/c")));
    assert_ok(os_make_dirs(p->os, at(p, "a/b/c")));
    assert_ok(os_make_dirs(p->os, at(p, "a//b/d/")));
    assert_int_equal(p->os->stat(p->os, at(p, "a/b/d"), &st), 0);
    assert_true(st.is_dir);
    create_closed(p, "file", "");
    assert_err(os_make_dirs(p->os, at(p, "file")), ERR_EXISTS);
    assert_err(os_make_dirs(p->os, at(p, "file/below")), ERR_NOT_FOUND);
    assert_err(os_make_dirs(p->os, ""), ERR_INVALID);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        CASE(os_open__flags__as_promised),
        CASE(os_pread__around_the_end__short_only_there),
        CASE(os_pwrite__beyond_the_end__hole_of_zeros),
        CASE(os_pwritev__thousands_of_pieces__all_in_order),
        CASE(os_truncate_and_syncs__file__new_size),
        CASE(os_reserve__file__size_unchanged),
        CASE(os_stat__file_and_directory__told_apart),
        CASE(os_map__file__its_bytes),
        CASE(os_lock__second_holder__busy_until_closed),
        CASE(os_space__directory__plausible),
        CASE(os_list__entries__without_dots),
        CASE(os_rename_unlink_rmdir__entries__gone),
        CASE(os_read_file__limits__kept),
        CASE(os_replace_file__old_and_new__replaced),
        CASE(os_replace_file__every_call_fails_once__old_or_new),
        CASE(os_make_dirs__nested__all_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
