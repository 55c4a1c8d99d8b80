/* os - the door through which every file operation of the log passes.
 *
 * A table of functions, so that tests can put a disk behind it that forgets what was not synced,
 * tears writes, fills up and fails (tests/sim, tests/fault). Production uses os_real(). File
 * handles are small integers; with os_real they are file descriptors, and only those may be given
 * to sendfile and the like.
 *
 * Every function returns a value >= 0, or -errno. EINTR and short transfers are dealt with inside:
 * pread, pwrite and pwritev transfer everything or fail (pread stops early only at the end of the
 * file). All are thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "err.h"

struct os_stat {
    int64_t size_bytes;
    int64_t allocated_bytes;
    int64_t mtime_ms; /* since the epoch */
    uint64_t inode;
    bool is_dir;
};

struct os_space {
    int64_t total_bytes;
    int64_t free_bytes; /* for unprivileged use */
};

enum os_open_flags {
    OS_READ = 0,
    OS_WRITE = 1 << 0,     /* read and write */
    OS_CREATE = 1 << 1,    /* create if missing, mode 0640 */
    OS_EXCLUSIVE = 1 << 2, /* with OS_CREATE: fail if it exists */
    OS_TRUNCATE = 1 << 3,
};

typedef void (*os_list_fn)(void *arg, const char *name);

struct os {
    void *impl; /* of the implementation */
    int (*open)(const struct os *os, const char *path, int flags);
    int (*close)(const struct os *os, int fd);
    ssize_t (*pread)(const struct os *os, int fd, void *data, size_t len, int64_t pos);
    ssize_t (*pwrite)(const struct os *os, int fd, const void *data, size_t len, int64_t pos);
    ssize_t (*pwritev)(const struct os *os, int fd, const struct iovec *iov, int count,
                       int64_t pos);
    int (*fdatasync)(const struct os *os, int fd);
    int (*fsync)(const struct os *os, int fd);
    int (*truncate)(const struct os *os, int fd, int64_t size_bytes);
    /* Reserves blocks beyond the end without changing the size; -EOPNOTSUPP where that is not
     * cheap. */
    int (*reserve)(const struct os *os, int fd, int64_t pos, int64_t len);
    int (*fstat)(const struct os *os, int fd, struct os_stat *out);
    int (*stat)(const struct os *os, const char *path, struct os_stat *out);
    int (*rename)(const struct os *os, const char *from, const char *to);
    int (*unlink)(const struct os *os, const char *path);
    int (*mkdir)(const struct os *os, const char *path);
    int (*rmdir)(const struct os *os, const char *path);
    /* Calls fn for each entry except . and .., in no order; names are borrowed for the call. */
    int (*list)(const struct os *os, const char *path, os_list_fn fn, void *arg);
    int (*sync_dir)(const struct os *os, const char *path);
    /* A shared read-only mapping of [0, len); NULL and errno in *err (negative) on failure. */
    void *(*map)(const struct os *os, int fd, size_t len, int *err);
    void (*unmap)(const struct os *os, void *addr, size_t len);
    /* An exclusive advisory lock held until close; -EBUSY when another process has it. */
    int (*lock)(const struct os *os, int fd);
    int (*space)(const struct os *os, const char *path, struct os_space *out);
    /* Starts write-back of a range without waiting. */
    int (*start_writeback)(const struct os *os, int fd, int64_t pos, int64_t len);
};

/* The real one. */
const struct os *os_real(void);

/* ---- on top of the table ---- */

/* The whole file into *data (malloc'ed, NUL-terminated, owned by the caller); ERR_LIMIT when larger
 * than max_bytes. */
struct buf;
err_t os_read_file(const struct os *os, const char *path, size_t max_bytes, struct buf *out);

/* Replaces `path` atomically: PATH.tmp, write, fsync, rename, fsync of the directory. */
err_t os_replace_file(const struct os *os, const char *path, const void *data, size_t len);

/* mkdir -p. */
err_t os_make_dirs(const struct os *os, const char *path);
