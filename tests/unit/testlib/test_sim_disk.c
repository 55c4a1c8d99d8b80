/* sim_disk: what it shows, what a crash leaves, what fails. Claims of the kind "may" are tried over
 * many seeds: each allowed outcome has to happen, and no other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "lib/rng.h"
#include "lib/sim_disk.h"

enum { SEEDS = 200, SECTOR = 512 };

struct fixture {
    struct sim_disk *disk;
    const struct os *os;
};

static struct fixture disk_of_seed(uint64_t seed)
{
    struct sim_disk *disk = sim_disk_new(seed);
    const struct os *os = sim_disk_os(disk);
    assert_int_equal(os->mkdir(os, "/d"), 0);
    assert_int_equal(os->sync_dir(os, "/"), 0);
    return (struct fixture){disk, os};
}

static int make_file(const struct os *os, const char *path)
{
    int fd = os->open(os, path, OS_WRITE | OS_CREATE);
    assert_true(fd >= 0);
    return fd;
}

static void put(const struct os *os, int fd, int64_t pos, size_t len, int fill)
{
    uint8_t *data = malloc(len);
    memset(data, fill, len);
    assert_int_equal(os->pwrite(os, fd, data, len, pos), len);
    free(data);
}

static int64_t size_of(const struct os *os, const char *path)
{
    struct os_stat st;
    int r = os->stat(os, path, &st);
    return r < 0 ? r : st.size_bytes;
}

static int byte_at(const struct os *os, const char *path, int64_t pos)
{
    uint8_t byte;
    int fd = os->open(os, path, OS_READ);
    if (fd < 0) return fd;
    ssize_t n = os->pread(os, fd, &byte, 1, pos);
    os->close(os, fd);
    return n == 1 ? byte : -ENODATA;
}

static void crash(struct fixture *f, enum sim_crash kind)
{
    sim_disk_crash(f->disk, kind);
    sim_disk_start(f->disk);
}

static void read__sees_what_was_written(void **state)
{
    (void)state;
    struct fixture f = disk_of_seed(1);
    uint8_t data[8];
    struct iovec iov[] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    int fd = make_file(f.os, "/d/a");
    assert_int_equal(f.os->pwritev(f.os, fd, iov, 3, 2), 5);
    assert_int_equal(f.os->pread(f.os, fd, data, 8, 0), 7);
    assert_memory_equal(data, "\0\0abcde", 7);
    assert_int_equal(f.os->pread(f.os, fd, data, 8, 7), 0);
    assert_int_equal(f.os->truncate(f.os, fd, 4), 0);
    assert_int_equal(f.os->truncate(f.os, fd, 6), 0);
    assert_int_equal(f.os->pread(f.os, fd, data, 8, 0), 6);
    assert_memory_equal(data, "\0\0ab\0\0", 6);
    assert_int_equal(f.os->close(f.os, fd), 0);
    assert_int_equal(f.os->pread(f.os, fd, data, 8, 0), -EBADF);
    sim_disk_free(f.disk);
}

static void names__follow_posix(void **state)
{
    (void)state;
    struct fixture f = disk_of_seed(1);
    const struct os *os = f.os;
    int fd = make_file(os, "/d/a");
    assert_int_equal(os->open(os, "/d/a", OS_WRITE | OS_CREATE | OS_EXCLUSIVE), -EEXIST);
    assert_int_equal(os->open(os, "/d/none", OS_READ), -ENOENT);
    assert_int_equal(os->open(os, "/d/a/b", OS_READ), -ENOTDIR);
    assert_int_equal(os->mkdir(os, "/d"), -EEXIST);
    assert_int_equal(os->rmdir(os, "/d"), -ENOTEMPTY);
    assert_int_equal(os->unlink(os, "/d"), -EISDIR);
    assert_int_equal(os->rename(os, "/d/a", "/a"), -EXDEV);
    assert_int_equal(os->rename(os, "/d/a", "d//b"), 0);
    put(os, fd, 0, 3, 'x'); /* the handle follows the file */
    assert_int_equal(size_of(os, "/d/b"), 3);
    assert_int_equal(os->unlink(os, "/d/b"), 0);
    assert_int_equal(size_of(os, "/d/b"), -ENOENT);
    uint8_t byte;
    assert_int_equal(os->pread(os, fd, &byte, 1, 0), 1);
    assert_int_equal(os->close(os, fd), 0);
    assert_int_equal(os->rmdir(os, "/d"), 0);
    char long_name[300];
    memset(long_name, 'n', sizeof long_name);
    long_name[256] = 0;
    assert_int_equal(os->mkdir(os, long_name), -ENAMETOOLONG);
    long_name[255] = 0;
    assert_int_equal(os->mkdir(os, long_name), 0);
    sim_disk_free(f.disk);
}

static void count_name(void *arg, const char *name)
{
    assert_non_null(strstr("abc", name));
    ++*(int *)arg;
}

static void list__gives_every_name_once(void **state)
{
    (void)state;
    struct fixture f = disk_of_seed(1);
    int count = 0;
    f.os->close(f.os, make_file(f.os, "/d/a"));
    f.os->close(f.os, make_file(f.os, "/d/b"));
    assert_int_equal(f.os->mkdir(f.os, "/d/c"), 0);
    assert_int_equal(f.os->list(f.os, "/d", count_name, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(f.os->list(f.os, "/none", count_name, &count), -ENOENT);
    sim_disk_free(f.disk);
}

static void map__follows_later_writes_and_survives_unlink(void **state)
{
    (void)state;
    struct fixture f = disk_of_seed(1);
    int err = 0, fd = make_file(f.os, "/d/a");
    put(f.os, fd, 0, 10, 'a');
    const char *seen = f.os->map(f.os, fd, 5000, &err);
    assert_non_null(seen);
    assert_int_equal(seen[9], 'a');
    put(f.os, fd, 4000, 1000, 'b');
    assert_int_equal(seen[4999], 'b');
    assert_int_equal(f.os->close(f.os, fd), 0);
    assert_int_equal(f.os->unlink(f.os, "/d/a"), 0);
    assert_int_equal(seen[0], 'a');
    assert_int_equal(sim_disk_stats(f.disk).mappings, 1);
    f.os->unmap(f.os, (void *)seen, 5000);
    assert_int_equal(sim_disk_stats(f.disk).mappings, 0);
    sim_disk_free(f.disk);
}

static void lock__is_exclusive_until_closed(void **state)
{
    (void)state;
    struct fixture f = disk_of_seed(1);
    int a = make_file(f.os, "/d/lock"), b = make_file(f.os, "/d/lock");
    assert_int_equal(f.os->lock(f.os, a), 0);
    assert_int_equal(f.os->lock(f.os, b), -EBUSY);
    assert_int_equal(f.os->close(f.os, a), 0);
    assert_int_equal(f.os->lock(f.os, b), 0);
    crash(&f, SIM_PROCESS_DEATH);
    a = make_file(f.os, "/d/lock");
    assert_int_equal(f.os->lock(f.os, a), 0);
    assert_int_equal(f.os->close(f.os, b), -EBADF);
    sim_disk_free(f.disk);
}

/* ---- crashes ---- */

static void process_death__keeps_what_was_written(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        put(f.os, make_file(f.os, "/d/a"), 0, 3000, 'a');
        crash(&f, SIM_PROCESS_DEATH);
        assert_int_equal(size_of(f.os, "/d/a"), 3000);
        assert_int_equal(byte_at(f.os, "/d/a", 2999), 'a');
        sim_disk_free(f.disk);
    }
}

static void power_loss__keeps_what_was_synced(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        int fd = make_file(f.os, "/d/a");
        put(f.os, fd, 0, 3000, 'a');
        assert_int_equal(f.os->fdatasync(f.os, fd), 0);
        assert_int_equal(f.os->sync_dir(f.os, "/d"), 0);
        put(f.os, fd, 3000, 3000, 'b');
        crash(&f, SIM_POWER_LOSS);
        assert_true(size_of(f.os, "/d/a") >= 3000);
        for (int i = 0; i < 3000; i += 100) assert_int_equal(byte_at(f.os, "/d/a", i), 'a');
        sim_disk_free(f.disk);
    }
}

/* Six sectors over old contents: each is old or new, and over the seeds both come to pass. */
static void power_loss__unsynced_overwrite__is_torn_by_sector(void **state)
{
    (void)state;
    int old_seen = 0, new_seen = 0, torn_seen = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        int fd = make_file(f.os, "/d/a"), news = 0;
        put(f.os, fd, 0, 6 * SECTOR, 'o');
        assert_int_equal(f.os->fsync(f.os, fd), 0);
        assert_int_equal(f.os->sync_dir(f.os, "/d"), 0);
        put(f.os, fd, 0, 6 * SECTOR, 'n');
        crash(&f, SIM_POWER_LOSS);
        assert_int_equal(size_of(f.os, "/d/a"), 6 * SECTOR);
        for (int i = 0; i < 6; i++) {
            int first = byte_at(f.os, "/d/a", i * SECTOR);
            assert_int_equal(byte_at(f.os, "/d/a", i * SECTOR + SECTOR - 1), first);
            assert_true(first == 'o' || first == 'n');
            news += first == 'n';
        }
        old_seen += news == 0;
        new_seen += news == 6;
        torn_seen += news > 0 && news < 6;
        sim_disk_free(f.disk);
    }
    assert_true(old_seen > SEEDS / 20 && new_seen > SEEDS / 20 && torn_seen > SEEDS / 20);
}

static void power_loss__unsynced_append__ends_anywhere_with_zeros_inside(void **state)
{
    (void)state;
    int short_seen = 0, whole_seen = 0, zero_seen = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        int fd = make_file(f.os, "/d/a");
        assert_int_equal(f.os->sync_dir(f.os, "/d"), 0);
        put(f.os, fd, 0, 5000, 'n');
        crash(&f, SIM_POWER_LOSS);
        int64_t size = size_of(f.os, "/d/a");
        assert_true(size >= 0 && size <= 5000);
        short_seen += size < 5000;
        whole_seen += size == 5000;
        for (int64_t i = 0; i < size; i += 50) {
            int byte = byte_at(f.os, "/d/a", i);
            assert_true(byte == 'n' || byte == 0);
            zero_seen += byte == 0;
        }
        sim_disk_free(f.disk);
    }
    assert_true(short_seen > SEEDS / 10 && whole_seen > SEEDS / 10 && zero_seen > SEEDS / 10);
}

static void power_loss__unsynced_truncation__happened_or_not(void **state)
{
    (void)state;
    int undone = 0, done = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        int fd = make_file(f.os, "/d/a");
        put(f.os, fd, 0, 4000, 'o');
        assert_int_equal(f.os->fsync(f.os, fd), 0);
        assert_int_equal(f.os->sync_dir(f.os, "/d"), 0);
        assert_int_equal(f.os->truncate(f.os, fd, 1000), 0);
        put(f.os, fd, 2000, 100, 'n');
        crash(&f, SIM_POWER_LOSS);
        int64_t size = size_of(f.os, "/d/a");
        assert_int_equal(byte_at(f.os, "/d/a", 500), 'o');
        undone += size == 4000;
        done += size < 4000;
        if (size == 4000) assert_int_equal(byte_at(f.os, "/d/a", 3999), 'o');
        if (size < 4000 && size > 1600) assert_int_equal(byte_at(f.os, "/d/a", 1600), 0);
        sim_disk_free(f.disk);
    }
    assert_true(undone > SEEDS / 10 && done > SEEDS / 10);
}

static void power_loss__synced_truncation__leaves_no_old_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        sim_disk_set_writeback(f.disk, 500);
        int fd = make_file(f.os, "/d/a");
        assert_int_equal(f.os->sync_dir(f.os, "/d"), 0);
        put(f.os, fd, 0, 40000, 'o');
        if (seed & 1) assert_int_equal(f.os->fsync(f.os, fd), 0);
        assert_int_equal(f.os->truncate(f.os, fd, 1000), 0);
        put(f.os, fd, 20000, 100, 'n');
        assert_int_equal(f.os->fsync(f.os, fd), 0);
        crash(&f, SIM_POWER_LOSS);
        assert_int_equal(size_of(f.os, "/d/a"), 20100);
        for (int i = 0; i < 20100; i += 50)
            assert_int_equal(byte_at(f.os, "/d/a", i), i < 1000 ? 'o' : i < 20000 ? 0 : 'n');
        sim_disk_free(f.disk);
    }
}

static void power_loss__unsynced_names__a_prefix_survives(void **state)
{
    (void)state;
    int seen[5] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        int fd = make_file(f.os, "/d/1");
        assert_int_equal(f.os->fsync(f.os, fd), 0); /* a file's sync does not save its name */
        f.os->close(f.os, make_file(f.os, "/d/2"));
        assert_int_equal(f.os->rename(f.os, "/d/1", "/d/3"), 0);
        assert_int_equal(f.os->unlink(f.os, "/d/2"), 0);
        crash(&f, SIM_POWER_LOSS);
        bool one = size_of(f.os, "/d/1") >= 0, two = size_of(f.os, "/d/2") >= 0,
             three = size_of(f.os, "/d/3") >= 0;
        int prefix = three ? (two ? 3 : 4) : one ? (two ? 2 : 1) : 0;
        assert_false(three && one);
        assert_false(two && !one && !three);
        seen[prefix]++;
        sim_disk_free(f.disk);
    }
    for (int i = 0; i < 5; i++) assert_true(seen[i] > SEEDS / 40);
}

static void power_loss__replaced_file__is_the_old_or_the_new(void **state)
{
    (void)state;
    int olds = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        assert_int_equal(os_replace_file(f.os, "/d/a", "old", 3), OK);
        sim_disk_stop_at(f.disk, 1 + seed % 7);
        err_t err = os_replace_file(f.os, "/d/a", "newer", 5);
        crash(&f, SIM_POWER_LOSS);
        int64_t size = size_of(f.os, "/d/a");
        assert_true(size == 5 || (err != OK && size == 3));
        assert_int_equal(byte_at(f.os, "/d/a", 0), size == 5 ? 'n' : 'o');
        olds += size == 3;
        sim_disk_free(f.disk);
    }
    assert_true(olds > SEEDS / 3 && olds < SEEDS);
}

static void power_loss__after_process_death__still_loses_the_unsynced(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        put(f.os, make_file(f.os, "/d/a"), 0, 3000, 'a');
        crash(&f, SIM_PROCESS_DEATH);
        crash(&f, SIM_POWER_LOSS);
        lost += size_of(f.os, "/d/a") != 3000;
        sim_disk_free(f.disk);
    }
    assert_true(lost > SEEDS / 3);
}

static void crash__boot_id__changes_with_the_power_only(void **state)
{
    (void)state;
    const char *path = "/proc/sys/kernel/random/boot_id";
    struct fixture f = disk_of_seed(3);
    struct buf before = {0}, after = {0};
    assert_int_equal(os_read_file(f.os, path, 100, &before), OK);
    crash(&f, SIM_PROCESS_DEATH);
    assert_int_equal(os_read_file(f.os, path, 100, &after), OK);
    assert_true(before.len > 10 && view_eq(buf_view(&before), buf_view(&after)));
    crash(&f, SIM_POWER_LOSS);
    assert_int_equal(os_read_file(f.os, path, 100, &after), OK);
    assert_false(view_eq(buf_view(&before), buf_view(&after)));
    buf_release(&before);
    buf_release(&after);
    sim_disk_free(f.disk);
}

static void stop__everything_fails_until_started(void **state)
{
    (void)state;
    struct fixture f = disk_of_seed(3);
    int fd = make_file(f.os, "/d/a");
    sim_disk_stop_at(f.disk, 2);
    put(f.os, fd, 0, 100, 'a');
    assert_false(sim_disk_is_stopped(f.disk));
    uint8_t data[2000] = {0};
    assert_int_equal(f.os->pwrite(f.os, fd, data, sizeof data, 100), -EIO);
    assert_true(sim_disk_is_stopped(f.disk));
    assert_int_equal(f.os->unlink(f.os, "/d/a"), -EIO);
    assert_int_equal(f.os->pwrite(f.os, fd, data, 1, 0), -EIO);
    crash(&f, SIM_PROCESS_DEATH);
    assert_true(size_of(f.os, "/d/a") >= 100 && size_of(f.os, "/d/a") <= 2100);
    assert_int_equal(byte_at(f.os, "/d/a", 0), 'a');
    sim_disk_free(f.disk);
}

/* ---- faults ---- */

static void fail__nth_of_a_kind__once_or_for_ever(void **state)
{
    (void)state;
    struct fixture f = disk_of_seed(3);
    int fd = make_file(f.os, "/d/a");
    unsigned syncs = OS_CALL_BIT(OS_CALL_FSYNC) | OS_CALL_BIT(OS_CALL_FDATASYNC);
    sim_disk_fail(f.disk, &(struct fault_plan){.nth = 2, .calls = syncs, .errnum = EIO});
    assert_int_equal(f.os->fsync(f.os, fd), 0);
    assert_int_equal(f.os->fdatasync(f.os, fd), -EIO);
    assert_int_equal(f.os->fsync(f.os, fd), 0);
    sim_disk_fail(f.disk, &(struct fault_plan){
                              .nth = 1, .calls = syncs, .errnum = ENOSPC, .is_sticky = true});
    assert_int_equal(f.os->fsync(f.os, fd), -ENOSPC);
    assert_int_equal(f.os->fsync(f.os, fd), -ENOSPC);
    sim_disk_heal(f.disk);
    assert_int_equal(f.os->fsync(f.os, fd), 0);
    assert_int_equal(sim_disk_stats(f.disk).injected, 3);
    sim_disk_free(f.disk);
}

static void fail__sync__later_syncs_do_not_bring_it_back(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        int fd = make_file(f.os, "/d/a");
        assert_int_equal(f.os->sync_dir(f.os, "/d"), 0);
        put(f.os, fd, 0, 3000, 'a');
        sim_disk_fail(f.disk, &(struct fault_plan){
                                  .nth = 1, .calls = OS_CALL_BIT(OS_CALL_FSYNC), .errnum = EIO});
        assert_int_equal(f.os->fsync(f.os, fd), -EIO);
        assert_int_equal(f.os->fsync(f.os, fd), 0);
        crash(&f, SIM_POWER_LOSS);
        for (int i = 0; i < 3000; i += SECTOR)
            if (byte_at(f.os, "/d/a", i) != 'a') lost++;
        sim_disk_free(f.disk);
    }
    assert_true(lost > SEEDS);
}

static void capacity__full__a_prefix_is_written_and_room_comes_back(void **state)
{
    (void)state;
    struct fixture f = disk_of_seed(3);
    struct os_space space;
    sim_disk_set_capacity(f.disk, 8192);
    assert_int_equal(f.os->space(f.os, "/d", &space), 0);
    assert_true(space.free_bytes > 5000 && space.free_bytes < 8192);
    int fd = make_file(f.os, "/d/a");
    put(f.os, fd, 0, 4096, 'a');
    uint8_t data[8192] = {0};
    assert_int_equal(f.os->pwrite(f.os, fd, data, sizeof data, 4096), -ENOSPC);
    assert_true(size_of(f.os, "/d/a") > 4096);
    put(f.os, fd, 0, 4096, 'b'); /* what is there can be overwritten */
    assert_int_equal(f.os->reserve(f.os, fd, 0, 65536), -ENOSPC);
    assert_int_equal(f.os->truncate(f.os, fd, 0), 0);
    put(f.os, fd, 0, 6000, 'c');
    assert_int_equal(f.os->unlink(f.os, "/d/a"), 0);
    int other = make_file(f.os, "/d/b");
    assert_int_equal(f.os->pwrite(f.os, other, data, 6000, 0), -ENOSPC); /* still open */
    assert_int_equal(f.os->close(f.os, fd), 0);
    put(f.os, other, 0, 6000, 'd');
    sim_disk_free(f.disk);
}

static void flip_bit__stays_flipped(void **state)
{
    (void)state;
    struct fixture f = disk_of_seed(3);
    assert_int_equal(os_replace_file(f.os, "/d/a", "aaaa", 4), OK);
    assert_int_equal(sim_disk_flip_bit(f.disk, "/d/a", 8), OK);
    assert_int_equal(sim_disk_flip_bit(f.disk, "/d/a", 32), ERR_RANGE);
    assert_int_equal(sim_disk_flip_bit(f.disk, "/d/b", 0), ERR_NOT_FOUND);
    assert_int_equal(byte_at(f.os, "/d/a", 1), 'a' ^ 1);
    crash(&f, SIM_POWER_LOSS);
    assert_int_equal(byte_at(f.os, "/d/a", 1), 'a' ^ 1);
    sim_disk_free(f.disk);
}

static void lying__sync_does_nothing(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fixture f = disk_of_seed(seed);
        sim_disk_set_lying(f.disk, OS_CALL_BIT(OS_CALL_FSYNC) | OS_CALL_BIT(OS_CALL_SYNC_DIR));
        assert_int_equal(os_replace_file(f.os, "/d/a", "aaaa", 4), OK);
        crash(&f, SIM_POWER_LOSS);
        lost += size_of(f.os, "/d/a") != 4;
        sim_disk_free(f.disk);
    }
    assert_true(lost > SEEDS / 4);
}

/* A random walk over everything, for the hash and for the sanitizers. */
static uint64_t random_walk(uint64_t seed)
{
    struct fixture f = disk_of_seed(seed);
    struct rng rng = {seed};
    int fds[4] = {-1, -1, -1, -1};
    char path[8] = "/d/0", other[8] = "/d/0";
    uint8_t data[3000];
    memset(data, 'r', sizeof data);
    for (int step = 0; step < 300; step++) {
        int slot = (int)rng_below(&rng, 4);
        path[3] = (char)('0' + rng_below(&rng, 4));
        other[3] = (char)('0' + rng_below(&rng, 4));
        switch (rng_below(&rng, 10)) {
        case 0:
            if (fds[slot] >= 0) f.os->close(f.os, fds[slot]);
            fds[slot] = f.os->open(f.os, path, OS_WRITE | OS_CREATE);
            break;
        case 1: f.os->unlink(f.os, path); break;
        case 2: f.os->rename(f.os, path, other); break;
        case 3: f.os->sync_dir(f.os, "/d"); break;
        case 4: f.os->fsync(f.os, fds[slot]); break;
        case 5: f.os->truncate(f.os, fds[slot], rng_between(&rng, 0, 5000)); break;
        case 6:
            if (rng_chance(&rng, 100)) crash(&f, (enum sim_crash)rng_below(&rng, 2));
            break;
        default:
            f.os->pwrite(f.os, fds[slot], data, rng_below(&rng, sizeof data),
                         rng_between(&rng, 0, 9000));
        }
    }
    uint64_t hash = sim_disk_hash(f.disk);
    sim_disk_free(f.disk);
    return hash;
}

static void hash__same_seed__same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_true(random_walk(seed) == random_walk(seed));
        assert_true(random_walk(seed) != random_walk(seed + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__sees_what_was_written),
        cmocka_unit_test(names__follow_posix),
        cmocka_unit_test(list__gives_every_name_once),
        cmocka_unit_test(map__follows_later_writes_and_survives_unlink),
        cmocka_unit_test(lock__is_exclusive_until_closed),
        cmocka_unit_test(process_death__keeps_what_was_written),
        cmocka_unit_test(power_loss__keeps_what_was_synced),
        cmocka_unit_test(power_loss__unsynced_overwrite__is_torn_by_sector),
        cmocka_unit_test(power_loss__unsynced_append__ends_anywhere_with_zeros_inside),
        cmocka_unit_test(power_loss__unsynced_truncation__happened_or_not),
        cmocka_unit_test(power_loss__synced_truncation__leaves_no_old_bytes),
        cmocka_unit_test(power_loss__unsynced_names__a_prefix_survives),
        cmocka_unit_test(power_loss__replaced_file__is_the_old_or_the_new),
        cmocka_unit_test(power_loss__after_process_death__still_loses_the_unsynced),
        cmocka_unit_test(crash__boot_id__changes_with_the_power_only),
        cmocka_unit_test(stop__everything_fails_until_started),
        cmocka_unit_test(fail__nth_of_a_kind__once_or_for_ever),
        cmocka_unit_test(fail__sync__later_syncs_do_not_bring_it_back),
        cmocka_unit_test(capacity__full__a_prefix_is_written_and_room_comes_back),
        cmocka_unit_test(flip_bit__stays_flipped),
        cmocka_unit_test(lying__sync_does_nothing),
        cmocka_unit_test(hash__same_seed__same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
