/* The operating system itself behind os.h: thin, with EINTR and short transfers looped away. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "check.h"
#include "os.h"

enum { TMPFS_MAGIC_NUMBER = 0x01021994 };

#define RETRY(expr)                       \
    ({                                    \
        long r_;                          \
        do r_ = (long)(expr);             \
        while (r_ < 0 && errno == EINTR); \
        r_ < 0 ? -(long)errno : r_;       \
    })

static int real_open(const struct os *os, const char *path, int flags)
{
    (void)os;
    int f = O_CLOEXEC | (flags & OS_WRITE ? O_RDWR : O_RDONLY);
    if (flags & OS_CREATE) f |= O_CREAT;
    if (flags & OS_EXCLUSIVE) f |= O_EXCL;
    if (flags & OS_TRUNCATE) f |= O_TRUNC;
    return (int)RETRY(open(path, f, 0640));
}

static int real_close(const struct os *os, int fd)
{
    (void)os;
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t real_pread(const struct os *os, int fd, void *data, size_t len, int64_t pos)
{
    (void)os;
    size_t done = 0;
    while (done < len) {
        long n = RETRY(pread(fd, (char *)data + done, len - done, pos + (int64_t)done));
        if (n < 0) return n;
        if (n == 0) break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static ssize_t real_pwrite(const struct os *os, int fd, const void *data, size_t len, int64_t pos)
{
    (void)os;
    size_t done = 0;
    while (done < len) {
        long n = RETRY(pwrite(fd, (const char *)data + done, len - done, pos + (int64_t)done));
        if (n < 0) return n;
        if (n == 0) return -EIO;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* What a short pwritev left over, written piece by piece: rare enough to be plain. */
static ssize_t write_rest(const struct os *os, int fd, const struct iovec *iov, int count,
                          size_t done, int64_t pos)
{
    for (int i = 0; i < count; i++) {
        if (done >= iov[i].iov_len) {
            done -= iov[i].iov_len;
            pos += (int64_t)iov[i].iov_len;
            continue;
        }
        size_t left = iov[i].iov_len - done;
        ssize_t n = real_pwrite(os, fd, (const char *)iov[i].iov_base + done, left,
                                pos + (int64_t)done);
        if (n < 0) return n;
        pos += (int64_t)iov[i].iov_len;
        done = 0;
    }
    return 0;
}

static ssize_t real_pwritev(const struct os *os, int fd, const struct iovec *iov, int count,
                            int64_t pos)
{
    size_t total = 0;
    int at = 0;
    for (int i = 0; i < count; i++) total += iov[i].iov_len;
    for (int64_t p = pos; at < count;) {
        int n = count - at < IOV_MAX ? count - at : IOV_MAX;
        size_t want = 0;
        for (int i = 0; i < n; i++) want += iov[at + i].iov_len;
        long got = RETRY(pwritev(fd, iov + at, n, p));
        if (got < 0) return got;
        if ((size_t)got < want) {
            ssize_t rest = write_rest(os, fd, iov + at, n, (size_t)got, p);
            if (rest < 0) return rest;
        }
        p += (int64_t)want;
        at += n;
    }
    return (ssize_t)total;
}

static int real_fdatasync(const struct os *os, int fd)
{
    (void)os;
    return (int)RETRY(fdatasync(fd));
}
static int real_fsync(const struct os *os, int fd)
{
    (void)os;
    return (int)RETRY(fsync(fd));
}
static int real_truncate(const struct os *os, int fd, int64_t size)
{
    (void)os;
    return (int)RETRY(ftruncate(fd, size));
}

static int real_reserve(const struct os *os, int fd, int64_t pos, int64_t len)
{
    (void)os;
    struct statfs fs;
    /* On tmpfs reserving means zeroing pages: dearer than what it saves. */
    if (fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC_NUMBER) return -EOPNOTSUPP;
    return (int)RETRY(fallocate(fd, FALLOC_FL_KEEP_SIZE, pos, len));
}

static void stat_fill(const struct stat *st, struct os_stat *out)
{
    *out = (struct os_stat){
        .size_bytes = st->st_size,
        .allocated_bytes = (int64_t)st->st_blocks * 512,
        .mtime_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000,
        .inode = st->st_ino,
        .is_dir = S_ISDIR(st->st_mode),
    };
}

static int real_fstat(const struct os *os, int fd, struct os_stat *out)
{
    (void)os;
    struct stat st;
    if (fstat(fd, &st) < 0) return -errno;
    stat_fill(&st, out);
    return 0;
}

static int real_stat(const struct os *os, const char *path, struct os_stat *out)
{
    (void)os;
    struct stat st;
    if (stat(path, &st) < 0) return -errno;
    stat_fill(&st, out);
    return 0;
}

static int real_rename(const struct os *os, const char *from, const char *to)
{
    (void)os;
    return rename(from, to) < 0 ? -errno : 0;
}
static int real_unlink(const struct os *os, const char *path)
{
    (void)os;
    return unlink(path) < 0 ? -errno : 0;
}
static int real_mkdir(const struct os *os, const char *path)
{
    (void)os;
    return mkdir(path, 0750) < 0 ? -errno : 0;
}
static int real_rmdir(const struct os *os, const char *path)
{
    (void)os;
    return rmdir(path) < 0 ? -errno : 0;
}

static int real_list(const struct os *os, const char *path, os_list_fn fn, void *arg)
{
    (void)os;
    DIR *dir = opendir(path);
    if (!dir) return -errno;
    errno = 0;
    for (struct dirent *e; (e = readdir(dir)); errno = 0) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        fn(arg, e->d_name);
    }
    int err = errno;
    closedir(dir);
    return -err;
}

static int real_sync_dir(const struct os *os, const char *path)
{
    int fd = real_open(os, path, OS_READ);
    if (fd < 0) return fd;
    int r = real_fsync(os, fd);
    real_close(os, fd);
    return r;
}

static void *real_map(const struct os *os, int fd, size_t len, int *err)
{
    (void)os;
    void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED) return p;
    *err = -errno;
    return NULL;
}

static void real_unmap(const struct os *os, void *addr, size_t len)
{
    (void)os;
    CHECK(munmap(addr, len) == 0);
}

static int real_lock(const struct os *os, int fd)
{
    (void)os;
    long r = RETRY(flock(fd, LOCK_EX | LOCK_NB));
    return r == -EWOULDBLOCK ? -EBUSY : (int)r;
}

static int real_space(const struct os *os, const char *path, struct os_space *out)
{
    (void)os;
    struct statvfs fs;
    if (statvfs(path, &fs) < 0) return -errno;
    out->total_bytes = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
    out->free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    return 0;
}

static int real_start_writeback(const struct os *os, int fd, int64_t pos, int64_t len)
{
    (void)os;
    return (int)RETRY(sync_file_range(fd, pos, len, SYNC_FILE_RANGE_WRITE));
}

const struct os *os_real(void)
{
    static const struct os os = {
        .open = real_open,
        .close = real_close,
        .pread = real_pread,
        .pwrite = real_pwrite,
        .pwritev = real_pwritev,
        .fdatasync = real_fdatasync,
        .fsync = real_fsync,
        .truncate = real_truncate,
        .reserve = real_reserve,
        .fstat = real_fstat,
        .stat = real_stat,
        .rename = real_rename,
        .unlink = real_unlink,
        .mkdir = real_mkdir,
        .rmdir = real_rmdir,
        .list = real_list,
        .sync_dir = real_sync_dir,
        .map = real_map,
        .unmap = real_unmap,
        .lock = real_lock,
        .space = real_space,
        .start_writeback = real_start_writeback,
    };
    return &os;
}
